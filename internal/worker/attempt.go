package worker

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
	"gridburst/internal/worker/sandbox"
)

// attempt is one execution that the worker holds.
//
// Its mutex is taken after the agent's, never before.
type attempt struct {
	a     *Agent
	entry *entry
	box   sandbox.Sandbox

	mu        sync.Mutex
	last      wire.Report
	runner    *runner.Client // that has it now
	stop      context.CancelCauseFunc
	killed    *wire.Kill // ordered
	forgotten chan struct{}
	forgets   bool
}

func (a *Agent) newAttempt(e *entry) *attempt {
	return &attempt{
		a: a, entry: e, forgotten: make(chan struct{}),
		box:  sandbox.Sandbox{Dir: filepath.Join(a.c.State, SandboxDir, e.Key.String()), User: e.User},
		last: wire.Report{Job: e.Key.Job, Epoch: e.Key.Epoch, Kind: wire.Accepted},
	}
}

// begin takes an order to start in. It has been admitted.
func (a *Agent) begin(ctx context.Context, s *wire.Start) {
	k := runner.Key{Job: s.Job, Epoch: s.Epoch}
	e := &entry{Key: k, Boot: a.boot, Exec: s.Execution}
	user, err := userOf(s.Owner)
	e.User = user
	failpoint.Hit("worker.journal.before")
	if err == nil {
		err = a.write(e)
	}
	failpoint.Hit("worker.journal.after")
	if err != nil {
		// Nothing is kept of it: the report is all there is.
		a.log.WithError(err).WithField("job", k.Job).Error("an attempt cannot be begun")
		a.report(lost(k, grid.VacateStarter, err.Error()))
		return
	}
	t := a.newAttempt(e)
	a.hold(t)
	a.wg.Go(func() { t.run(ctx, nil) })
}

// hold makes the attempt one that the worker has.
func (a *Agent) hold(t *attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attempts[t.entry.Key] = t
}

func lost(k runner.Key, code grid.VacateCode, why string) wire.Report {
	return wire.Report{Job: k.Job, Epoch: k.Epoch, Kind: wire.Lost, Vacate: code, Reason: short(why)}
}

// short keeps a sentence within what a report may carry.
func short(s string) string {
	if len(s) > wire.MaxReason {
		return s[:wire.MaxReason-3] + "..."
	}
	return s
}

// recall takes up the attempts of earlier agents.
func (a *Agent) recall(ctx context.Context) error {
	entries, err := a.entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		t := a.newAttempt(e)
		a.hold(t)
		r := a.runners.adopt(e.Key)
		result, ended := runner.Result(a.journal, e.Key)
		switch {
		case e.Final != nil:
			a.wg.Go(func() { t.conclude(ctx, *e.Final) })
		case r != nil:
			a.wg.Go(func() { t.run(ctx, r) })
		case ended:
			a.wg.Go(func() { t.ended(ctx, result) })
		case e.Boot != a.boot:
			a.wg.Go(func() { t.decide(ctx, lost(e.Key, grid.VacateMachine, "the machine has started anew")) })
		default:
			a.wg.Go(func() {
				t.decide(ctx, lost(e.Key, grid.VacateStarter, "its runner died, or it had not been given to one when the agent died"))
			})
		}
	}
	for _, r := range a.runners.strays() {
		// The entry was forgotten and the runner had not heard of it.
		a.log.WithField("runner", r.Name()).Warn("a runner has a job that nobody waits for")
		if err := r.KillRunner(); err != nil {
			return err
		}
		a.runners.end(r)
	}
	return nil
}

// run takes an attempt from its beginning, or from where a runner has it, to its end.
func (t *attempt) run(ctx context.Context, r *runner.Client) {
	if r == nil {
		var early *wire.Report
		if r, early = t.prepare(ctx); early != nil {
			if ctx.Err() == nil {
				t.decide(ctx, *early)
			}
			return
		}
	} else {
		t.resume(r)
	}
	if result, ok := t.await(ctx, r); ok {
		t.ended(ctx, result)
	}
}

// killable is a context that a kill ends too, with errKilled.
func (t *attempt) killable(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop = stop
	if t.killed != nil {
		stop(errKilled)
	}
	return ctx, stop
}

// errKilled stops what prepares an attempt.
var errKilled = errors.New("killed before its start")

// prepare makes the sandbox and gives the attempt to a runner. A report is why that
// could not be.
func (t *attempt) prepare(ctx context.Context) (*runner.Client, *wire.Report) {
	ctx, done := t.killable(ctx)
	defer done(nil)
	err := t.box.Create()
	if err == nil && t.entry.Exec.Transfer {
		err = t.fetch(ctx)
	}
	var r *runner.Client
	if err == nil {
		r, err = t.a.runners.take(ctx)
	}
	if err == nil {
		failpoint.Hit("worker.run.before")
		if err = t.give(r); err != nil {
			t.a.runners.put(r)
		}
		failpoint.Hit("worker.run.after")
	}
	if err == nil {
		return r, nil
	}
	return nil, t.early(ctx, err)
}

// early is the report of an attempt that no runner was given.
func (t *attempt) early(ctx context.Context, err error) *wire.Report {
	k := t.entry.Key
	r := &wire.Report{Job: k.Job, Epoch: k.Epoch}
	var hold *sandbox.HoldError
	switch {
	case errors.Is(context.Cause(ctx), errKilled) || errors.Is(err, errKilled):
		r = t.asKilled()
	case errors.As(err, &hold):
		r.Kind, r.Hold = wire.Failed, hold.Hold
		r.Hold.Reason = short(r.Hold.Reason)
	default:
		*r = lost(k, grid.VacateStarter, err.Error())
	}
	return r
}

// asKilled is the report of an attempt that was killed while no runner had it.
func (t *attempt) asKilled() *wire.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &wire.Report{Job: t.entry.Key.Job, Epoch: t.entry.Key.Epoch, Kind: wire.Killed, Reason: short(t.killed.Reason)}
}

// give hands the attempt to a runner, unless it was killed meanwhile.
func (t *attempt) give(r *runner.Client) error {
	job := runner.Job{Key: t.entry.Key, Box: t.box.Dir, User: t.entry.User, Exec: t.entry.Exec, Lease: t.a.leaseFor(&t.entry.Exec)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.killed != nil {
		return errKilled
	}
	if err := r.Run(job); err != nil {
		return err
	}
	t.runner = r
	return nil
}

// resume goes on with a runner that has the attempt already.
func (t *attempt) resume(r *runner.Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runner = r
	if r.Ready().Running {
		t.last.Kind = wire.Started
	}
	if t.killed != nil {
		t.order(r)
	}
}

// extend gives the attempt's runner a new lease.
func (t *attempt) extend(l runner.Lease) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runner == nil {
		return
	}
	if err := t.runner.Lease(l); err != nil {
		t.a.log.WithError(err).WithField("job", t.entry.Key.Job).Debug("a lease did not reach its runner")
	}
}

// order tells a runner of a kill; t.mu is held.
func (t *attempt) order(r *runner.Client) {
	err := r.Kill(runner.Kill{Key: t.entry.Key, Fast: t.killed.Fast, Reason: t.killed.Reason})
	if err != nil {
		t.a.log.WithError(err).WithField("job", t.entry.Key.Job).Warn("a runner does not take an order")
	}
}

// await follows the runner until the attempt has ended. ok is false when the agent
// ends first.
func (t *attempt) await(ctx context.Context, r *runner.Client) (result wire.Report, ok bool) {
	defer func() {
		t.mu.Lock()
		t.runner = nil
		t.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return result, false
		case n, open := <-r.News():
			switch {
			case !open:
				t.a.runners.discard(r)
				// It may have written the result before it died.
				if result, ok := runner.Result(t.a.journal, t.entry.Key); ok {
					return result, true
				}
				return lost(t.entry.Key, grid.VacateStarter, "its runner died"), true
			case n.Started != nil && *n.Started == t.entry.Key:
				t.tell(wire.Report{Job: t.entry.Key.Job, Epoch: t.entry.Key.Epoch, Kind: wire.Started})
			case n.Ended != nil && n.Ended.Job == t.entry.Key.Job && n.Ended.Epoch == t.entry.Key.Epoch:
				t.a.runners.put(r)
				return *n.Ended, true
			}
		}
	}
}

// tell reports and remembers what is new of the attempt.
func (t *attempt) tell(r wire.Report) {
	r.Reason = short(r.Reason)
	r.Hold.Reason = short(r.Hold.Reason)
	t.mu.Lock()
	t.last = r
	t.mu.Unlock()
	t.a.report(r)
}

// ended goes on from what a runner said: outputs travel before the schedd is told.
func (t *attempt) ended(ctx context.Context, r wire.Report) {
	if r.Kind != wire.Exited || !t.entry.Exec.Transfer {
		t.conclude(ctx, r)
		return
	}
	sending, done := t.killable(ctx)
	defer done(nil)
	staged, err := t.deliver(sending)
	var hold *sandbox.HoldError
	switch {
	case ctx.Err() != nil:
		return // the next agent sends them
	case errors.Is(err, errKilled):
		t.decide(ctx, *t.asKilled())
		return
	case errors.As(err, &hold):
		r.Kind, r.Hold = wire.Failed, hold.Hold
		if staged.SHA256 != "" {
			r.Staged = &staged
		}
	case err != nil:
		r = lost(t.entry.Key, grid.VacateStarter, err.Error())
	default:
		r.Staged = &staged
	}
	r.Usage.Sent = staged.Bytes
	t.conclude(ctx, r)
}

// decide is the end of an attempt that no runner's result tells of.
func (t *attempt) decide(ctx context.Context, r wire.Report) {
	t.entry.Final = &r
	if err := t.a.write(t.entry); err != nil {
		t.a.log.WithError(err).WithField("job", r.Job).Error("an attempt's end is not written down")
	}
	t.conclude(ctx, r)
}

// conclude reports the end and waits until the schedd has it.
func (t *attempt) conclude(ctx context.Context, r wire.Report) {
	t.tell(r)
	select {
	case <-ctx.Done():
		return
	case <-t.forgotten:
	}
	t.clear(ctx)
}

// clear removes everything of an attempt, and gives its place free. What cannot be
// removed now is tried again.
func (t *attempt) clear(ctx context.Context) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		err := t.box.Remove()
		failpoint.Hit("worker.erase.before")
		if err == nil {
			err = t.a.erase(t.entry.Key)
		}
		if err == nil {
			break
		}
		t.a.log.WithError(err).WithField("job", t.entry.Key.Job).Warn("an attempt's files cannot be removed now")
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
	t.a.mu.Lock()
	delete(t.a.attempts, t.entry.Key)
	t.a.mu.Unlock()
	t.a.look()
}

// kill ends the attempt, wherever it is.
func (t *attempt) kill(k *wire.Kill) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.killed != nil && (t.killed.Fast || !k.Fast) || t.last.Kind.Final() {
		return
	}
	t.killed = k
	switch {
	case t.runner != nil:
		t.order(t.runner)
	case t.stop != nil:
		t.stop(errKilled)
	}
}

// forget ends the duty for the attempt. One that still runs is ended.
func (t *attempt) forget() {
	t.kill(&wire.Kill{Job: t.entry.Key.Job, Epoch: t.entry.Key.Epoch, Fast: true, Reason: "nobody waits for it"})
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.forgets {
		t.forgets = true
		close(t.forgotten)
	}
}

// again is the newest report.
func (t *attempt) again() wire.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
