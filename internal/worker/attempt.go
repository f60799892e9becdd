package worker

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
	"gridburst/internal/worker/sandbox"
)

// attempt is one execution that the worker holds. One goroutine takes it from Start to
// Forget; what is below mu others may change too.
//
// Its mutex is taken after the agent's, never before.
type attempt struct {
	a         *Agent
	entry     *entry
	box       sandbox.Sandbox
	forgotten chan struct{} // closed by Forget
	over      chan struct{} // closed when nothing of it runs any more
	received  int64         // bytes of inputs

	mu      sync.Mutex
	last    wire.Report
	runner  *runner.Client          // that has it now
	lease   runner.Lease            // that the runner was given last
	stop    context.CancelCauseFunc // of what is done without a runner
	saving  bool                    // its checkpoint is on its way: an end that can wait does
	killed  *wire.Kill              // ordered
	stopped bool                    // its processes are to stand still
	checked runner.Checked          // what its readiness check has come to
	forgets bool

	news chan struct{} // has room for one: checked is another
}

func (a *Agent) newAttempt(e *entry) *attempt {
	return &attempt{
		a: a, entry: e, forgotten: make(chan struct{}), over: make(chan struct{}), news: make(chan struct{}, 1),
		box:  sandbox.Sandbox{Dir: filepath.Join(a.c.State, sandboxDir, e.Key.String()), User: e.User},
		last: wire.Report{Job: e.Key.Job, Epoch: e.Key.Epoch, Kind: wire.Accepted},
	}
}

func lost(k runner.Key, code grid.VacateCode, why string) wire.Report {
	return wire.Report{Job: k.Job, Epoch: k.Epoch, Kind: wire.Lost, Vacate: code, Reason: short(why)}
}

// short keeps a sentence within what a report may carry.
func short(s string) string {
	if len(s) <= wire.MaxReason {
		return s
	}
	s = s[:wire.MaxReason-len("...")]
	for len(s) > 0 && !utf8.ValidString(s[len(s)-min(len(s), utf8.UTFMax):]) {
		s = s[:len(s)-1]
	}
	return s + "..."
}

// begin takes an attempt from its order to start to its end. Earlier attempts of the
// same job end first, whatever their schedd thinks of them.
func (t *attempt) begin(ctx context.Context, earlier []*attempt) {
	t.run(ctx, t.prepare(ctx, func(ctx context.Context) (*runner.Client, error) { return t.ready(ctx, earlier) }))
}

// run follows a runner, and those after it when the job begins again, to the attempt's
// end. Without a runner there is nothing to follow.
func (t *attempt) run(ctx context.Context, r *runner.Client) {
	for r != nil {
		result, ok := t.follow(ctx, r)
		if !ok {
			return
		}
		r = t.ended(ctx, result)
	}
}

// follow passes on what a job says until its runner is done with it.
func (t *attempt) follow(ctx context.Context, r *runner.Client) (result wire.Report, ok bool) {
	saying, stop := context.WithCancel(ctx)
	var said sync.WaitGroup
	said.Go(func() { t.say(saying) })
	result, ok = t.await(ctx, r)
	stop()
	said.Wait()
	return result, ok
}

// killable is a context that a kill ends too, with errKilled.
func (t *attempt) killable(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop = stop
	if t.hurried() {
		stop(errKilled)
	}
	return ctx, stop
}

// hurried reports whether what is done without a runner is to end at once. The caller
// holds t.mu.
func (t *attempt) hurried() bool { return t.killed != nil && (t.killed.Fast || !t.saving) }

// errKilled stops what is done for an attempt that no runner has.
var errKilled = errors.New("killed while nothing of it ran")

// prepare gives the attempt to the runner that ready comes to; nil: that could not be,
// and the attempt is over, or the agent ends.
func (t *attempt) prepare(living context.Context, ready func(context.Context) (*runner.Client, error)) *runner.Client {
	ctx, done := t.killable(living)
	defer done(nil)
	r, err := ready(ctx)
	if err == nil {
		failpoint.Hit("worker.run.before")
		err = t.give(r)
		failpoint.Hit("worker.run.after")
		if errors.Is(err, errKilled) {
			t.a.runners.put(r)
		}
	}
	if err == nil {
		return r
	}
	if early := t.early(ctx, err); living.Err() == nil {
		t.decide(living, *early)
	}
	return nil
}

// ready is everything before the runner is told.
func (t *attempt) ready(ctx context.Context, earlier []*attempt) (*runner.Client, error) {
	user, err := t.a.owners.of(t.entry.Exec.Owner)
	if err != nil {
		return nil, err
	}
	t.entry.User, t.box.User = user, user
	failpoint.Hit("worker.journal.before")
	err = t.a.write(t.entry)
	failpoint.Hit("worker.journal.after")
	if err != nil {
		return nil, err
	}
	for _, e := range earlier {
		select {
		case <-e.over:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err := t.box.Create(); err != nil {
		return nil, err
	}
	if t.entry.Exec.Transfer {
		if err := t.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if t.entry.Exec.Run != 0 && t.a.apiAddress() != "" {
		if err := t.fetchToken(ctx); err != nil {
			return nil, err
		}
	}
	if err := punctual(ctx, &t.entry.Exec); err != nil {
		return nil, err
	}
	if err := t.a.fresh(ctx, &t.entry.Exec); err != nil {
		return nil, err
	}
	return t.a.runners.take(ctx)
}

// punctual waits until an execution may begin. One that comes too late for its window is
// a reason to hold the job.
func punctual(ctx context.Context, x *wire.Execution) error {
	if x.NotBefore == 0 {
		return nil
	}
	at := time.UnixMilli(x.NotBefore)
	// Again and again, since the wall clock may be set meanwhile.
	for wait := time.Until(at); wait > 0; wait = time.Until(at) {
		if err := pause.For(ctx, min(wait, time.Minute)); err != nil {
			return err
		}
	}
	if late := time.Since(at); late > time.Duration(x.WindowMS)*time.Millisecond+time.Second {
		return &sandbox.HoldError{Hold: wire.Hold{
			Code:   grid.HoldMissedTime,
			Reason: "Job missed deferred execution time: it came " + late.Round(time.Second).String() + " after it, and its deferral_window is " + (time.Duration(x.WindowMS) * time.Millisecond).String(),
		}}
	}
	return nil
}

// early is the report of an attempt that no runner was given.
func (t *attempt) early(ctx context.Context, err error) *wire.Report {
	k := t.entry.Key
	var hold *sandbox.HoldError
	switch {
	case errors.Is(context.Cause(ctx), errKilled), errors.Is(err, errKilled):
		return t.asKilled()
	case errors.As(err, &hold):
		return &wire.Report{Job: k.Job, Epoch: k.Epoch, Kind: wire.Failed, Hold: hold.Hold}
	}
	r := lost(k, grid.VacateStarter, err.Error())
	if ctx.Err() == nil {
		t.a.log.WithError(err).WithField("job", k.Job).Error("an attempt could not be begun")
		if !t.slowly(ctx) {
			return t.asKilled()
		}
	}
	return &r
}

// slowly waits before an attempt is given up for a fault of this machine's: the job is
// placed anew then, and likely here. It reports whether the attempt was left alone.
func (t *attempt) slowly(ctx context.Context) bool {
	return pause.For(ctx, 2*time.Second) == nil || !errors.Is(context.Cause(ctx), errKilled)
}

// asKilled is the report of an attempt that was killed while no runner had it.
func (t *attempt) asKilled() *wire.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &wire.Report{Job: t.entry.Key.Job, Epoch: t.entry.Key.Epoch, Kind: wire.Killed, Usage: t.entry.Used, Reason: t.killed.Reason}
}

// give hands the attempt to a runner, unless it was killed meanwhile.
func (t *attempt) give(r *runner.Client) error {
	t.a.mu.Lock()
	lease := t.a.leaseOf(&t.entry.Exec)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.a.mu.Unlock()
	if t.killed != nil {
		return errKilled
	}
	t.runner, t.lease, t.checked = r, lease, runner.Checked{}
	err := r.Run(runner.Job{Key: t.entry.Key, Box: t.box.Dir, User: t.entry.User, Exec: t.entry.Exec, Lease: t.lease, Schedd: t.a.apiAddress()})
	if err == nil && t.stopped {
		err = r.Suspend(runner.Suspend{Key: t.entry.Key, On: true})
	}
	if err != nil {
		// It may have got the order or not. Its death makes that certain.
		t.a.log.WithError(err).Warn("a runner takes no orders, and is killed")
		return r.KillRunner()
	}
	return nil
}

// resume goes on with a runner of an earlier agent, which has the attempt.
func (t *attempt) resume(r *runner.Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runner = r
	if r.Ready().Running {
		t.last.Kind = wire.Started
	}
	t.stopped = r.Ready().Suspended
	if c := r.Ready().Checked; c != nil {
		t.checked = *c
	}
}

// extend gives the attempt's runner the lease of now.
func (t *attempt) extend() {
	t.a.mu.Lock()
	lease := t.a.leaseOf(&t.entry.Exec)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.a.mu.Unlock() // not before: two of these must not overtake each other
	if t.runner == nil || lease == t.lease {
		return
	}
	t.lease = lease
	if err := t.runner.Lease(t.lease); err != nil {
		t.a.log.WithError(err).WithField("job", t.entry.Key.Job).Debug("a lease did not reach its runner")
	}
}

// await follows the runner until the attempt has ended. ok is false when the agent
// ends first.
func (t *attempt) await(ctx context.Context, r *runner.Client) (result wire.Report, ok bool) {
	k := t.entry.Key
	for {
		select {
		case <-ctx.Done():
			r.Leave()
			return result, false
		case n, open := <-r.News():
			switch {
			case !open:
				t.let()
				t.a.runners.discard(r)
				// It may have written the result before it died.
				if result, ok = runner.Result(t.a.journal, k); !ok {
					result = lost(k, grid.VacateStarter, "its runner died")
				}
				return result, true
			case n.Started != nil && *n.Started == k && t.again().Kind == wire.Started: // after a checkpoint
			case n.Started != nil && *n.Started == k:
				t.tell(wire.Report{Job: k.Job, Epoch: k.Epoch, Kind: wire.Started})
			case n.Checked != nil && n.Checked.Key == k:
				t.heard(*n.Checked)
			case n.Ended != nil && n.Ended.Job == k.Job && n.Ended.Epoch == k.Epoch:
				t.let()
				t.a.runners.put(r)
				return *n.Ended, true
			default:
				// It speaks of what it did before: the order was lost with a line.
				if err := r.KillRunner(); err != nil {
					t.a.log.WithError(err).Error("a runner cannot be killed")
				}
			}
		}
	}
}

// let says that the runner has the attempt no more.
func (t *attempt) let() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runner = nil
}

// tell reports and remembers what is new of the attempt.
func (t *attempt) tell(r wire.Report) {
	t.mu.Lock()
	t.last = r
	t.mu.Unlock()
	t.a.report(r)
}

// ended goes on from what a runner said: outputs travel before the schedd is told. A
// runner has the attempt again after a checkpoint.
func (t *attempt) ended(ctx context.Context, r wire.Report) *runner.Client {
	r.Usage = t.entry.Used.Plus(r.Usage)
	switch {
	case t.checkpointed(&r):
		return t.checkpoint(ctx, r)
	case r.Kind == wire.Exited && t.entry.Exec.Transfer:
		sending, done := t.killable(ctx)
		defer done(nil)
		t.bring(sending, &r)
		if ctx.Err() == nil {
			t.decide(ctx, r) // else the next agent sends them
		}
	case r.Kind == wire.Lost && r.Vacate == grid.VacateStarter && t.again().Kind == wire.Accepted:
		// Its runner is there, and could not run it.
		waiting, done := t.killable(ctx)
		defer done(nil)
		t.slowly(waiting)
		t.conclude(ctx, r)
	default:
		t.conclude(ctx, r)
	}
	return nil
}

// bring delivers the outputs of an attempt that has exited, and makes r its report.
func (t *attempt) bring(ctx context.Context, r *wire.Report) {
	staged, err := t.deliver(ctx)
	r.Usage.Sent += staged.Bytes
	r.Usage.Received = t.received
	if staged.SHA256 != "" {
		r.Staged = &staged
	}
	var hold *sandbox.HoldError
	switch {
	case err == nil:
	case errors.Is(err, errKilled):
		*r = *t.asKilled()
	case errors.As(err, &hold):
		r.Kind, r.Hold = wire.Failed, hold.Hold
	default:
		*r = lost(t.entry.Key, grid.VacateStarter, err.Error())
	}
}

// decide is the end of an attempt that no runner's result tells of, or not all. It is
// written down first: a next agent must not come to another end.
func (t *attempt) decide(ctx context.Context, r wire.Report) {
	t.entry.Final = &r
	if err := t.a.write(t.entry); err != nil {
		t.a.log.WithError(err).WithField("job", r.Job).Error("an attempt's end is not written down")
	}
	failpoint.Hit("worker.decide.after")
	t.conclude(ctx, r)
}

// conclude reports the end and waits until the schedd has it.
func (t *attempt) conclude(ctx context.Context, r wire.Report) {
	r.Reason, r.Hold.Reason = short(r.Reason), short(r.Hold.Reason)
	close(t.over)
	t.tell(r)
	select {
	case <-ctx.Done():
	case <-t.forgotten:
		t.clear(ctx)
	}
}

// clear removes everything of an attempt, and gives its place free. What cannot be
// removed now is tried again, later by the next agent.
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
		if pause.For(ctx, wait) != nil {
			return
		}
	}
	t.a.release(t)
}

// kill ends the attempt, wherever it is.
func (t *attempt) kill(k *wire.Kill) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.killed != nil && (t.killed.Fast || !k.Fast) || t.last.Kind.Final() {
		return
	}
	if t.killed != nil {
		k.Reason = t.killed.Reason
	}
	t.killed = k
	if t.runner == nil {
		if t.stop != nil && t.hurried() {
			t.stop(errKilled)
		}
		return
	}
	if err := t.runner.Kill(runner.Kill{Key: t.entry.Key, Fast: k.Fast, Reason: short(k.Reason)}); err != nil {
		t.a.log.WithError(err).WithField("job", t.entry.Key.Job).Warn("a kill did not reach its runner")
	}
}

// suspend stops the attempt's processes, or lets them go on.
func (t *attempt) suspend(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = on
	if t.runner == nil {
		return // a runner that is given it is told
	}
	if err := t.runner.Suspend(runner.Suspend{Key: t.entry.Key, On: on}); err != nil {
		t.a.log.WithError(err).WithField("job", t.entry.Key.Job).Warn("an order to suspend did not reach its runner")
	}
}

func (t *attempt) isSuspended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped
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
