package replay

import (
	"strconv"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/router/burst"
)

// Policy decides how many machines there are. One is for one replay: it may remember.
type Policy interface {
	Decide(*burst.Input, *router.Matcher) burst.Decision
	// Every is the least time between two decisions.
	Every() time.Duration
}

// Names of policies: what a schedd does, and what it would do if it knew of no workflow and
// no timetable.
const (
	Default = "default"
	Blind   = "blind"
)

// Named are the policies by name, the default first.
var Named = []struct {
	Name, What string
	make       func() Policy
}{
	{Default, "what a schedd does with this configuration", func() Policy { return &standard{} }},
	{Blind, "the same, without what workflows and timetables tell", func() Policy { return &blind{} }},
	{"static", "all machines that there may be, all the time", func() Policy { return &static{} }},
	{"reactive", "what is needed, at once; a machine goes after a fixed time without work: reactive=SECONDS, or reactive for several", nil},
	{"slurm", "Slurm's power saving: what is needed, 50 each 10 s; 10 minutes without work", func() Policy { return slurm() }},
	{"glidein", "GlideinWMS: a third of what is missing each 2 minutes; 20 minutes without work", func() Policy { return glidein{} }},
	{"karpenter", "Karpenter: what is needed, each 10 s; 30 s without work", func() Policy { return karpenter() }},
	{"autoscaler", "Cluster Autoscaler: what is needed, each 10 s; 10 minutes without work or new machines", func() Policy { return autoscaler() }},
	{"tardis", "COBalD/TARDIS: by how much machines are used, a core more or less each second", func() Policy { return &tardis{} }},
}

// Holds are the times of the frontier.
var Holds = []time.Duration{
	0, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour,
}

// Expand are the names that a name stands for: reactive is all of the frontier, all is every
// policy.
func Expand(name string) ([]string, error) {
	switch base, hold, has := strings.Cut(name, "="); {
	case name == "reactive":
		return frontier(), nil
	case name == "all":
		var out []string
		for _, p := range Named {
			if p.make != nil {
				out = append(out, p.Name)
			}
		}
		return append(out, frontier()...), nil
	case has && base == "reactive":
		if n, err := strconv.Atoi(hold); err != nil || n < 0 || n > 1<<30 {
			return nil, grid.Errorf(grid.Invalid, "reactive=%s: a number of seconds is needed", hold)
		}
		return []string{name}, nil
	}
	names := make([]string, len(Named))
	for i, p := range Named {
		if p.Name == name {
			return []string{name}, nil
		}
		names[i] = p.Name
	}
	return nil, grid.Errorf(grid.Invalid, "no policy is named %q: there are %s, and all", name, strings.Join(names, ", "))
}

func frontier() (out []string) {
	for _, h := range Holds {
		out = append(out, "reactive="+strconv.Itoa(int(h.Seconds())))
	}
	return out
}

// policy makes one that [Expand] names.
func policy(name string) Policy {
	if hold, ok := strings.CutPrefix(name, "reactive="); ok {
		n, _ := strconv.Atoi(hold) // Expand has looked
		return reactive(time.Duration(n) * time.Second)
	}
	for _, p := range Named {
		if p.Name == name {
			return p.make()
		}
	}
	return nil
}

// standard is what a schedd does: it keeps of each shape how its need comes and goes.
type standard struct {
	levels []burst.Levels
}

func (p *standard) Every() time.Duration { return 250 * time.Millisecond }

func (p *standard) Decide(in *burst.Input, m *router.Matcher) burst.Decision {
	if p.levels == nil {
		p.levels = make([]burst.Levels, len(in.Shapes))
	}
	for i := range in.Shapes {
		in.Shapes[i].Levels = &p.levels[i]
	}
	in.Observe()
	return burst.Decide(in, m)
}

// blind is the standard without what will come.
type blind struct{ standard }

func (p *blind) Decide(in *burst.Input, m *router.Matcher) burst.Decision {
	unforeseen(in)
	return p.standard.Decide(in, m)
}

// unforeseen takes from the input what workflows and timetables tell.
func unforeseen(in *burst.Input) {
	in.Soon, in.Vague = nil, false
	for i := range in.Members {
		in.Members[i].Told = false
	}
	for i := range in.Starting {
		in.Starting[i].Told = false
	}
}
