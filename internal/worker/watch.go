package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/pause"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// Why an agent ends by itself.
var (
	errQuit  = errors.New("the schedd has told this worker to quit")
	errAlone = errors.New("the worker's lease has ended, and no schedd has renewed it")
)

const (
	lookEvery = time.Second
	rareEvery = time.Minute
	// overdue is how much longer than its lease a runner may have its job. It ends a job
	// at once: one that has not was stopped, or waits for a disk that does not answer.
	overdue = 5 * time.Second
)

// watch keeps an eye on everything that happens because nothing happens. It returns
// when ctx has ended, or the agent is to end.
func (a *Agent) watch(ctx context.Context) error {
	// The ticks are not counted: a lease is judged by its clock, which goes on while the
	// machine sleeps.
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	rarely := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.looks:
		case <-tick.C:
		}
		a.mu.Lock()
		idle := len(a.attempts) == 0
		over := a.quits && idle
		alone := a.mortal() && runner.Clock() >= a.lease
		a.mu.Unlock()
		switch {
		case over:
			return errQuit
		case alone:
			a.mu.Lock()
			a.off = true
			a.mu.Unlock()
			return errAlone
		}
		for _, t := range a.held() {
			t.enforce()
		}
		if time.Since(rarely) >= rareEvery {
			rarely = time.Now()
			a.runners.trim()
			if idle {
				a.offer()
			}
		}
	}
}

// look makes watch look at once.
func (a *Agent) look() {
	select {
	case a.looks <- struct{}{}:
	default:
	}
}

// mortal reports whether the agent ends with its lease.
func (a *Agent) mortal() bool { return a.c.Local || len(a.c.PowerOff) > 0 }

// enforce ends the runner of an attempt whose lease ran out some time ago.
func (t *attempt) enforce() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runner == nil || t.lease.Until == 0 || runner.Clock() < t.lease.Until+overdue.Milliseconds() {
		return
	}
	log := t.a.log.WithField("job", t.entry.Key.Job)
	log.Warn("a runner has not ended its job with the lease, and is killed")
	if err := t.runner.KillRunner(); err != nil {
		log.WithError(err).Error("a runner cannot be killed")
	}
}

// offer tells the schedd when the machine has changed. It is not asked while there are
// jobs, whose files take from what is free.
func (a *Agent) offer() {
	attrs, err := a.c.Offer()
	if err != nil {
		a.log.WithError(err).Warn("what the machine offers cannot be found out")
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if maps.Equal(rounded(attrs), rounded(a.attrs)) {
		return
	}
	a.attrs = attrs
	a.send(wire.Message{Advert: &wire.Advert{Attrs: attrs}})
}

// farewell is what an agent does last, when it was ended by cause.
func (a *Agent) farewell(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return nil
	}
	if !errors.Is(cause, errQuit) && !errors.Is(cause, errAlone) {
		return cause
	}
	a.log.Warn(cause.Error())
	a.mu.Lock()
	off := a.off && len(a.c.PowerOff) > 0
	a.mu.Unlock()
	if !off {
		return nil
	}
	return a.powerOff(ctx)
}

// powerOff ends the machine. It does not give up: nobody else ends a machine that its
// schedd has lost.
func (a *Agent) powerOff(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		failpoint.Hit("worker.poweroff.before")
		out, err := exec.CommandContext(ctx, a.c.PowerOff[0], a.c.PowerOff[1:]...).CombinedOutput()
		if err == nil {
			return nil
		}
		err = fmt.Errorf("power this machine off: %w: %s", err, out)
		a.log.WithError(err).Error("this machine cannot be powered off, which is tried again")
		if pause.For(ctx, wait) != nil {
			return err
		}
	}
}
