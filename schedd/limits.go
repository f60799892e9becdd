package schedd

import (
	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
)

// ConcurrencyLimit bounds what runs of the jobs that name it: Name in small letters, or
// GROUP.* of each of the group that has none of its own, or * of any other.
type ConcurrencyLimit struct {
	Name string
	Max  int
}

// matchedLimits is the attribute of a job that runs which says what it has of limits.
const matchedLimits = "MatchedConcurrencyLimits"

// limits are what jobs may take now.
func (p *dispatcher) limits() router.Limits {
	list := p.d.config().Concurrency
	if len(list) == 0 {
		return router.Limits{}
	}
	l := router.Limits{Max: make(map[string]float64, len(list)), Used: p.d.pool.Used()}
	for _, c := range list {
		l.Max[c.Name] = float64(c.Max)
	}
	return l
}

// within leaves those jobs that limits will let run when there is a machine for them. bound
// are jobs that machines are on their way for already.
func (p *dispatcher) within(now ad.Instant, queues []router.Queue, bound []grid.JobID) []router.Queue {
	l := p.limits()
	if l.Max == nil {
		return queues
	}
	l = l.Clone()
	v := p.d.ledger.View()
	for _, id := range bound {
		if g, err := p.index.Group(v, id); err == nil {
			uses, _ := router.UsesOf(now, g.Ad, nil)
			l.Take(uses)
		}
	}
	for i := range queues {
		q := &queues[i]
		uses, _ := router.UsesOf(now, q.Group.Ad, nil)
		n := 0
		for ; len(uses) > 0 && n < len(q.Jobs); n++ {
			if _, blocked := l.Blocks(uses); blocked {
				q.Jobs = q.Jobs[:n]
				break
			}
			l.Take(uses)
		}
	}
	return queues
}
