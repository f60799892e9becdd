package kills

import (
	"context"
	"fmt"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
)

// wide is how many jobs a cluster has that does not move to the history in one step, once
// held of them were held by themselves.
const (
	wide = 560
	held = 550
)

// removal is a removal of everything that there is, whoever asked for it.
type removal struct {
	asked time.Time // last
	done  time.Time // acknowledged; zero: it is not
}

// means reports whether a cluster is one of those that are removed: for certain, or
// perhaps, because it came at the same time.
func (s *removal) means(k *cluster) (certain, perhaps bool) {
	certain = k.acked && k.done.Before(s.asked)
	return certain, certain || s.done.IsZero() || k.asked.Before(s.done)
}

// sweeps: the case is one of the removal of everything.
func (b *bench) sweeps() bool {
	return b.row.Work == failpoint.RemoveAll || b.row.Work == failpoint.Clear
}

// prepareSweep makes a cluster whose jobs have records of their own, and a step that
// removes everything.
func (c *client) prepareSweep(ctx context.Context) (*step, error) {
	s, err := c.submission(ctx, failpoint.RemoveAll)
	if err != nil {
		return nil, err
	}
	if err := c.ask(ctx, s); err != nil {
		return nil, err
	}
	k := s.clusters[0]
	for _, part := range []grid.Run{{Lo: 0, Hi: held}, {Lo: held, Hi: wide}} {
		ids := fmt.Sprintf("%d.%d-%d", k.id, part.Lo, part.Hi-1)
		done, err := c.schedd.Act(ctx, api.Action{Verb: string(grid.Hold), Selection: api.Selection{IDs: []string{ids}}})
		if err != nil {
			return nil, err
		}
		if done.Changed != part.Len() {
			c.complain("hold of %s changed %d", ids, done.Changed)
		}
	}
	k.status = grid.Held
	k.events[grid.EventHeld]++
	return &step{work: failpoint.RemoveAll, clusters: s.clusters, sweep: new(removal)}, nil
}

// askSweep asks for the removal of everything.
func (c *client) askSweep(ctx context.Context, s *step) error {
	if s.sweep.asked.IsZero() {
		c.sweeps = append(c.sweeps, s.sweep)
	}
	s.sweep.asked = time.Now()
	if _, err := c.schedd.Act(ctx, api.Action{Verb: string(grid.Remove), Selection: api.Selection{All: true}}); err != nil {
		return c.unanswered(ctx, s, err)
	}
	s.sweep.done = time.Now()
	c.pending = nil
	return nil
}

// removed notes that all jobs of a cluster are.
func (k *cluster) removed() {
	k.status = grid.Removed
	k.events[grid.EventAborted]++
}

// judgeSweeps takes in what removals of everything have done. One that was not
// acknowledged has removed all that it found, or nothing; of what came at the same time,
// what is there says whether it was removed.
func judgeSweeps(v *Verdict, clients []*client, there map[string]*seen) {
	for _, c := range clients {
		open := c.sweeps[:0]
		for _, s := range c.sweeps {
			s.judge(v, clients, there)
			if s.done.IsZero() {
				open = append(open, s)
			}
		}
		c.sweeps = open
	}
}

func (s *removal) judge(v *Verdict, clients []*client, there map[string]*seen) {
	var gone, left *cluster
	for _, c := range clients {
		for _, k := range c.clusters {
			certain, perhaps := s.means(k)
			if k.status == grid.Removed || !perhaps {
				continue
			}
			is := there[k.key] != nil && there[k.key].queued == 0
			switch {
			case certain && is:
				gone = k
			case certain:
				left = k
			}
			if is || certain && !s.done.IsZero() {
				k.removed()
			}
		}
	}
	if s.done.IsZero() && gone != nil && left != nil {
		v.half("everything was to be removed: cluster %d was, and cluster %d was not", gone.id, left.id)
	}
}

// settledList is what is there once nothing is on its way to the history any more, or
// should be.
func (b *bench) settledList(ctx context.Context) (there map[string]*seen, err error) {
	for begun := time.Now(); ; {
		there, err = list(ctx, b.api)
		if err != nil || !b.sweeps() || !b.onTheWay(there) || time.Since(begun) > logPatience {
			return there, err
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// onTheWay: jobs that were removed are neither in the queue nor in the history.
func (b *bench) onTheWay(there map[string]*seen) bool {
	for _, c := range b.clients {
		for _, k := range c.clusters {
			if s := there[k.key]; s == nil && k.acked || s != nil && s.queued == 0 && len(s.status) < k.procs {
				return true
			}
		}
	}
	return false
}
