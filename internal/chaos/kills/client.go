package kills

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// client asks for one thing after another and remembers what was acknowledged.
type client struct {
	name   string
	log    string // the event log of all its jobs
	copied string // where that can be read here
	schedd *api.Client
	rand   *rand.Rand
	works  []failpoint.Work // that it asks for at random

	asked    int
	clusters []*cluster
	pending  *step      // asked for, and not acknowledged
	sweeps   []*removal // that have not been looked at
	wrong    []string
}

// cluster is what a client knows of jobs that it has handed in together.
type cluster struct {
	key    string // in every ad, as the attribute KillsKey
	id     int32  // 0: not acknowledged, and not seen
	acked  bool
	asked  time.Time // first
	done   time.Time // acknowledged first
	warned bool      // that its event log will be written later
	procs  int
	status grid.Status              // that was acknowledged last
	events map[grid.EventNumber]int // that each job's log must have
}

// step is one thing that a client asks for.
type step struct {
	work     failpoint.Work
	key      string // of a submission
	specs    []submit.Spec
	clusters []*cluster
	sweep    *removal // of a removal of everything
}

// after is the status of the step's jobs once it is done.
func (s *step) after() grid.Status {
	switch s.work {
	case failpoint.Hold:
		return grid.Held
	case failpoint.Remove:
		return grid.Removed
	}
	return grid.Idle
}

// bystanders' works.
var common = []failpoint.Work{failpoint.Submit, failpoint.Hold, failpoint.Submit, failpoint.Release, failpoint.Remove}

// any does something.
func (c *client) any(ctx context.Context) error { return c.do(ctx, c.works[c.rand.IntN(len(c.works))]) }

// do prepares a work and asks for it.
func (c *client) do(ctx context.Context, work failpoint.Work) error {
	s, err := c.prepare(ctx, work)
	if err != nil {
		return err
	}
	return c.ask(ctx, s)
}

// prepare sees to it that there is what the work needs, and makes the step.
func (c *client) prepare(ctx context.Context, work failpoint.Work) (*step, error) {
	if work == failpoint.RemoveAll || work == failpoint.Clear {
		return c.prepareSweep(ctx)
	}
	needs := map[failpoint.Work]grid.Status{failpoint.Hold: grid.Idle, failpoint.Release: grid.Held, failpoint.Remove: grid.Idle}
	status, acts := needs[work]
	if !acts {
		return c.submission(ctx, work)
	}
	for {
		var fit []*cluster
		for _, k := range c.clusters {
			if k.acked && k.status == status {
				fit = append(fit, k)
			}
		}
		if len(fit) > 0 {
			return &step{work: work, clusters: []*cluster{fit[c.rand.IntN(len(fit))]}}, nil
		}
		before := failpoint.Submit
		if status == grid.Held {
			before = failpoint.Hold
		}
		if err := c.do(ctx, before); err != nil {
			return nil, err
		}
	}
}

// submission makes a step that hands in jobs.
func (c *client) submission(ctx context.Context, work failpoint.Work) (*step, error) {
	c.asked++
	s := &step{work: work, key: fmt.Sprintf("%s-%d", c.name, c.asked)}
	n := 1
	if work == failpoint.Several {
		n = 2
	}
	for i := range n {
		k := &cluster{key: fmt.Sprintf("%s.%d", s.key, i), procs: 1 + c.rand.IntN(4), status: grid.Idle, events: map[grid.EventNumber]int{grid.EventSubmit: 1}}
		specs, err := rig.Lower(ctx, c.schedd, filepath.Dir(c.log), c.text(k, work))
		if err != nil {
			return nil, err
		}
		s.specs = append(s.specs, specs...)
		s.clusters = append(s.clusters, k)
	}
	return s, nil
}

// text is a cluster's submit file.
func (c *client) text(k *cluster, work failpoint.Work) string {
	head := fmt.Sprintf("executable = /bin/true\nshould_transfer_files = NO\nMY.KillsKey = %q\nlog = %s\n", k.key, c.log)
	if work == failpoint.RemoveAll {
		k.procs = wide
	}
	if work != failpoint.Large {
		return head + fmt.Sprintf("queue %d\n", k.procs)
	}
	k.procs = 10 // with data that does not fit one entry of the queue's log
	var b strings.Builder
	b.WriteString(head + "MY.Words = \"$(Words)\"\nqueue Words from (\n")
	for i := range k.procs {
		fmt.Fprintf(&b, "%d-%s\n", i, strings.Repeat("word", 15_000))
	}
	b.WriteString(")\n")
	return b.String()
}

// ask asks for a step and notes its acknowledgement. The error is one after which it is
// not known what became of it.
func (c *client) ask(ctx context.Context, s *step) error {
	first := c.pending != s // a step that is asked for again may be done already
	if first {
		c.pending = s
		if s.key != "" {
			for _, k := range s.clusters {
				k.asked = time.Now()
			}
			c.clusters = append(c.clusters, s.clusters...)
		}
	}
	if s.sweep != nil {
		return c.askSweep(ctx, s)
	}
	if s.key != "" {
		out, err := c.schedd.Submit(ctx, api.Submission{Key: s.key, Specs: s.specs})
		if err != nil {
			return c.unanswered(ctx, s, err)
		}
		for i, k := range s.clusters {
			got := out.Clusters[i].Cluster
			if k.id != 0 && k.id != got {
				c.complain("%s was cluster %d, and is %d when it is asked for again", k.key, k.id, got)
			}
			k.id, k.acked, k.done, k.warned = got, true, time.Now(), len(out.Warnings) > 0
		}
	} else {
		k := s.clusters[0]
		done, err := c.schedd.Act(ctx, api.Action{Verb: string(s.work), Selection: api.Selection{IDs: []string{grid.WholeCluster(k.id).String()}}})
		if err != nil {
			return c.unanswered(ctx, s, err)
		}
		if done.Changed != k.procs && (first || done.Changed != 0) {
			c.complain("%s of the %d jobs of cluster %d changed %d", s.work, k.procs, k.id, done.Changed)
		}
		k.status = s.after()
		k.events[told[s.work]]++
	}
	c.pending = nil
	return nil
}

// told is what an event log has of a work.
var told = map[failpoint.Work]grid.EventNumber{
	failpoint.Hold: grid.EventHeld, failpoint.Release: grid.EventReleased, failpoint.Remove: grid.EventAborted,
}

// unanswered tells an error that leaves a step open from one that refuses it.
func (c *client) unanswered(ctx context.Context, s *step, err error) error {
	if code := grid.CodeOf(err); ctx.Err() != nil || code == grid.Unavailable || code == grid.Unknown {
		return err
	}
	c.complain("%s %s was refused: %v", s.work, s.clusters[0].key, err)
	c.pending = nil
	return err
}

func (c *client) complain(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}
