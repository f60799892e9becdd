package replay

import (
	"time"

	"gridburst/router"
	"gridburst/router/burst"
)

// Policy decides how many machines there are.
type Policy interface {
	Decide(*burst.Input, *router.Matcher) burst.Decision
	// Every is the least time between two decisions.
	Every() time.Duration
}

// reactive wants what the waiting jobs need, at once, and lets a machine go when it has
// been idle for a fixed time.
type reactive struct {
	hold  time.Duration
	every time.Duration
}

func (p *reactive) Every() time.Duration { return p.every }

func (p *reactive) Decide(in *burst.Input, m *router.Matcher) burst.Decision {
	blank(in)
	for i := range in.Shapes {
		in.Shapes[i].Idle = p.hold
	}
	return burst.Decide(in, m)
}

// standard is what a schedd does.
type standard struct {
	worth  float64
	levels []burst.Levels
}

func (p *standard) Every() time.Duration { return 250 * time.Millisecond }

func (p *standard) Decide(in *burst.Input, m *router.Matcher) burst.Decision {
	if p.levels == nil {
		p.levels = make([]burst.Levels, len(in.Shapes))
	}
	in.Worth = p.worth
	for i := range in.Shapes {
		in.Shapes[i].Levels = &p.levels[i]
	}
	d := burst.Decide(in, m)
	for i := range in.Shapes {
		p.levels[i].Observe(in.Clock, d.Need[i], d.Load[i])
	}
	return d
}

// blank takes from the input what only the default policy knows.
func blank(in *burst.Input) {
	in.Busy, in.Soon = nil, nil
	for i := range in.Shapes {
		in.Shapes[i].Period = 0
	}
}
