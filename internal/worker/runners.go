package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// runners is the agent's runners. A runner is either idle, and here, or an attempt's.
type runners struct {
	a   *Agent
	cfg runner.Config
	max int // idle ones that are kept

	mu    sync.Mutex
	idle  []*runner.Client
	found map[runner.Key]*runner.Client // of an earlier agent, with what they do or did last
}

// warm is how many runners are started before there is a job.
const warm = 2

func newRunners(a *Agent) *runners {
	return &runners{
		a: a, max: 16, found: map[runner.Key]*runner.Client{},
		cfg: runner.Config{
			State: a.private(), Command: a.c.Runner, Env: append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}, failpoint.Environ()...),
			Isolation: a.c.Isolation, Boot: a.boot, Log: a.log,
		},
	}
}

// open finds the runners of earlier agents, settles how jobs are kept apart, and warms up.
func (r *runners) open(ctx context.Context) error {
	ids, err := runner.Runners(r.cfg.State)
	if err != nil {
		return err
	}
	for _, id := range ids {
		c, err := runner.Attach(ctx, r.cfg, id)
		if grid.CodeOf(err) == grid.NotFound {
			if err := runner.Discard(r.cfg.State, id); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if busy := c.Ready().Busy; busy != nil {
			r.found[*busy] = c
		} else {
			r.idle = append(r.idle, c) // what it ran last has its result in the journal
		}
	}
	ways := []wire.Isolation{wire.Namespaces, wire.UserNamespaces, wire.ProcessGroups}
	if r.cfg.Isolation != "" {
		ways = []wire.Isolation{r.cfg.Isolation}
	}
	for i, way := range ways {
		r.cfg.Isolation = way
		c, err := runner.Spawn(ctx, r.cfg)
		if err == nil {
			r.put(c)
			break
		}
		if i == len(ways)-1 || ctx.Err() != nil {
			return fmt.Errorf("start a runner: %w", err)
		}
		r.a.log.WithError(err).WithField("isolation", way).Info("jobs cannot be kept apart that way here")
	}
	for len(r.idle) < warm {
		c, err := runner.Spawn(ctx, r.cfg)
		if err != nil {
			return fmt.Errorf("start a runner: %w", err)
		}
		r.put(c)
	}
	return nil
}

// take is a runner with nothing to do, started if need be.
func (r *runners) take(ctx context.Context) (*runner.Client, error) {
	for {
		r.mu.Lock()
		n := len(r.idle)
		if n == 0 {
			r.mu.Unlock()
			return runner.Spawn(ctx, r.cfg)
		}
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		if r.alive(c) {
			return c, nil
		}
	}
}

// alive reports whether an idle runner is still there; what is left of a dead one goes.
func (r *runners) alive(c *runner.Client) bool {
	for {
		select {
		case _, ok := <-c.News():
			if !ok {
				r.discard(c)
				return false
			}
			// Said twice, when its line had broken: nobody waits for it.
		default:
			return true
		}
	}
}

// put gives back a runner that has nothing to do.
func (r *runners) put(c *runner.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.idle) < r.max && c.Isolation() == r.cfg.Isolation {
		r.idle = append(r.idle, c)
		return
	}
	r.end(c)
}

// end lets an idle runner end, and removes what is left of it then.
func (r *runners) end(c *runner.Client) {
	if err := c.Quit(); err != nil {
		r.a.log.WithError(err).Debug("a runner that is not needed any more")
	}
	go func() {
		for range c.News() {
		}
		r.discard(c)
	}()
}

func (r *runners) discard(c *runner.Client) {
	if err := runner.Discard(r.cfg.State, c.Name()); err != nil {
		r.a.log.WithError(err).Warn("what a runner left cannot be removed")
	}
}

// adopt is the runner of an earlier agent that has the attempt, nil if none has.
func (r *runners) adopt(k runner.Key) *runner.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.found[k]
	delete(r.found, k)
	return c
}

// strays are runners of an earlier agent whose attempts are in no journal.
func (r *runners) strays() []*runner.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runner.Client
	for _, c := range r.found {
		out = append(out, c)
	}
	clear(r.found)
	return out
}

// quit ends all idle runners and waits for them.
func (r *runners) quit() {
	r.mu.Lock()
	idle := slices.Clone(r.idle)
	r.idle = nil
	r.mu.Unlock()
	for _, c := range idle {
		if c.Quit() != nil {
			continue
		}
		for range c.News() {
		}
		r.discard(c)
	}
}
