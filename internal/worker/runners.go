package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// runners is the agent's runners. One is idle, and here, or an attempt's.
type runners struct {
	cfg    runner.Config
	log    logrus.FieldLogger
	starts chan struct{}  // bounds those that start at one time
	wg     sync.WaitGroup // of what goes on beside the attempts

	mu    sync.Mutex
	idle  []*runner.Client              // the one used last at the end
	low   int                           // the fewest of them since trim has looked
	found map[runner.Key]*runner.Client // of an earlier agent, with what they do
	over  bool
}

const (
	// warm is how many runners are started before there is a job, and kept whatever
	// happens. One more is started when the last idle one is taken.
	warm = 2
	// answer is how long a runner of an earlier agent may take to say what it does. One
	// that does not was stopped, cannot keep a lease, and is killed.
	answer = 20 * time.Second
)

func newRunners(a *Agent) *runners {
	cpus := runtime.NumCPU()
	return &runners{
		log: a.log, starts: make(chan struct{}, warm+cpus), found: map[runner.Key]*runner.Client{},
		cfg: runner.Config{
			State: a.private(), Command: a.c.Runner, Isolation: a.c.Isolation, Boot: a.boot, Log: a.log,
			Env: slices.Concat([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}, failpoint.Environ(), a.c.RunnerEnv),
		},
	}
}

// open finds the runners of earlier agents, settles how jobs are kept apart, and warms up.
func (r *runners) open(ctx context.Context) error {
	former, err := r.attach(ctx)
	if err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	for _, c := range former {
		r.put(c) // what it ran last has its result in the journal
	}
	for r.cold() {
		c, err := r.spawn(ctx)
		if err != nil {
			return fmt.Errorf("start a runner: %w", err)
		}
		r.put(c)
	}
	return nil
}

func (r *runners) cold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.idle) < warm
}

// attach meets the runners of earlier agents, and returns those that are idle. After an
// error it is not certain what lives: the worker may not go on then.
func (r *runners) attach(ctx context.Context) (idle []*runner.Client, err error) {
	ids, err := runner.Runners(r.cfg.State)
	if err != nil {
		return nil, err
	}
	// An agent that is told to end just now must not take that for silence.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answer)
	defer cancel()
	errs := make([]error, len(ids))
	var meeting sync.WaitGroup
	for i, id := range ids {
		meeting.Go(func() {
			c, err := runner.Attach(ctx, r.cfg, id)
			if grid.CodeOf(err) == grid.NotFound {
				err = runner.Discard(r.cfg.State, id)
			}
			errs[i] = err
			r.mu.Lock()
			defer r.mu.Unlock()
			switch {
			case c == nil:
			case c.Ready().Busy != nil:
				r.found[*c.Ready().Busy] = c
			default:
				idle = append(idle, c)
			}
		})
	}
	meeting.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, c := range idle {
			c.Leave()
		}
		return nil, err
	}
	return idle, nil
}

// settle finds the strongest isolation that is to be had, if none was chosen, by
// starting a runner.
func (r *runners) settle(ctx context.Context) error {
	ways := []wire.Isolation{r.cfg.Isolation}
	switch {
	case r.cfg.Isolation != "":
	case os.Geteuid() == 0:
		ways = []wire.Isolation{wire.Namespaces, wire.ProcessGroups}
	default:
		ways = []wire.Isolation{wire.UserNamespaces, wire.ProcessGroups}
	}
	var errs []error
	for _, way := range ways {
		r.cfg.Isolation = way
		c, err := r.spawn(ctx)
		if err == nil {
			for _, n := range c.Ready().Notes {
				r.log.WithField("isolation", way).Warn(n)
			}
			r.put(c)
			return nil
		}
		r.log.WithError(err).WithField("isolation", way).Info("jobs cannot be kept apart that way here")
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("start a runner: %w", errors.Join(errs...))
}

func (r *runners) spawn(ctx context.Context) (*runner.Client, error) {
	select {
	case r.starts <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-r.starts }()
	return runner.Spawn(ctx, r.cfg)
}

// take is a runner with nothing to do, started if need be.
func (r *runners) take(ctx context.Context) (*runner.Client, error) {
	for {
		c := r.pop(ctx)
		switch {
		case c == nil:
			return r.spawn(ctx)
		case r.alive(c):
			return c, nil
		}
	}
}

func (r *runners) pop(ctx context.Context) *runner.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.idle)
	if n == 0 {
		return nil
	}
	c := r.idle[n-1] // the one whose memory is warmest
	r.idle = r.idle[:n-1]
	r.low = min(r.low, n-1)
	if n == 1 && !r.over {
		ctx := context.WithoutCancel(ctx) // it is not for this attempt
		r.wg.Go(func() { r.spare(ctx) })
	}
	return c
}

// spare starts a runner for the next job.
func (r *runners) spare(ctx context.Context) {
	c, err := r.spawn(ctx)
	if err != nil {
		r.log.WithError(err).Debug("no spare runner")
		return
	}
	r.put(c)
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
	if !r.over && c.Isolation() == r.cfg.Isolation && c.Ready().Checks { // else it is of an earlier release
		r.idle = append(r.idle, c)
		return
	}
	r.end(c)
}

// trim ends the runners that nobody has needed since it was called last.
func (r *runners) trim() {
	r.mu.Lock()
	defer r.mu.Unlock()
	spare := min(max(r.low-warm, 0), len(r.idle))
	for _, c := range r.idle[:spare] {
		r.end(c)
	}
	r.idle = slices.Delete(r.idle, 0, spare)
	r.low = len(r.idle)
}

// end lets an idle runner end, and removes what is left of it then.
func (r *runners) end(c *runner.Client) {
	if err := c.Quit(); err != nil {
		r.log.WithError(err).Debug("a runner that is not needed any more")
	}
	r.bury(c)
}

// bury waits for the end of a runner that was told to, and removes what is left of it.
func (r *runners) bury(c *runner.Client) {
	r.wg.Go(func() {
		late := time.AfterFunc(answer, func() {
			if err := c.KillRunner(); err != nil {
				r.log.WithError(err).Error("a runner cannot be killed")
			}
		})
		defer late.Stop()
		for range c.News() { // nobody waits for what it says
		}
		r.discard(c)
	})
}

func (r *runners) discard(c *runner.Client) {
	if err := runner.Discard(r.cfg.State, c.Name()); err != nil {
		r.log.WithError(err).Warn("what a runner left cannot be removed")
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

// endStrays kills the runners of an earlier agent whose attempts are in no journal.
func (r *runners) endStrays() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, c := range r.found {
		r.log.WithField("job", k.Job).Warn("a runner has a job that nobody waits for, and is killed")
		if err := c.KillRunner(); err != nil {
			return err
		}
		r.bury(c)
	}
	clear(r.found)
	return nil
}

// close ends the idle runners, and waits for all that end.
func (r *runners) close() {
	r.mu.Lock()
	r.over = true
	for _, c := range r.idle {
		r.end(c)
	}
	r.idle = nil
	for _, c := range r.found {
		c.Leave() // the start failed: they are the next agent's
	}
	r.mu.Unlock()
	r.wg.Wait()
}
