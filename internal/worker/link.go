package worker

import (
	"context"
	"errors"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// firstSilence is what is put up with until the schedd says what it should be.
const firstSilence = 30 * time.Second

// How long a worker waits between tries. A schedd that was restarted should have its
// workers back at once; one that is away for long should not be crowded.
const (
	firstRetry = 50 * time.Millisecond
	soonRetry  = 500 * time.Millisecond // the longest, for as long as soon
	soon       = 30 * time.Second
	lastRetry  = 5 * time.Second
)

// stayConnected holds the line to the schedd until ctx ends, or the schedd will not
// have this worker.
func (a *Agent) stayConnected(ctx context.Context) error {
	wait, since, said := firstRetry, time.Now(), ""
	for {
		welcome, err := a.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var refused *refusedError
		if errors.As(err, &refused) && !a.mortal() {
			return refused.Err
		}
		if welcome {
			wait, since, said = firstRetry, time.Now(), ""
		}
		if err.Error() != said {
			said = err.Error()
			a.log.WithError(err).Warn("no line to the schedd, which is tried again")
		}
		if pause.For(ctx, wait) != nil {
			return nil
		}
		longest := soonRetry
		if time.Since(since) > soon {
			longest = lastRetry
		}
		wait = min(wait*3/2, longest)
	}
}

// connect runs one line until it breaks, and says whether the schedd had taken the
// worker in.
func (a *Agent) connect(ctx context.Context) (welcome bool, err error) {
	if a.tls != nil {
		if err := a.tls.ensure(ctx); err != nil {
			return false, err
		}
		if a.c.Spent != nil { // before there can be a job that looks for it
			if err := a.c.Spent(); err != nil {
				a.log.WithError(err).Warn("the token stays where it was, though it has been used")
			}
		}
	}
	dialed, cancel := context.WithTimeout(ctx, firstSilence)
	conn, err := wire.Dial(dialed, a.schedd())
	cancel()
	if err != nil {
		if a.tls != nil {
			a.tls.judge(err)
		}
		return false, err
	}
	line, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := wire.NewStream(conn, firstSilence)
	clock, err := a.greet(s)
	if err != nil {
		conn.Close()
		return false, err
	}
	defer a.hangUp(s)
	err = s.Run(line, func(m wire.Message) error {
		switch {
		case welcome:
			return a.handle(ctx, m) // attempts outlive the line
		case m.Welcome == nil:
			return grid.Errorf(grid.Invalid, "the schedd gives orders before it has taken this worker in")
		}
		if err := a.welcomed(m.Welcome, clock); err != nil {
			return err
		}
		welcome = true
		s.SetSilence(time.Duration(m.Welcome.SilenceMS) * time.Millisecond)
		go a.beat(line, s, time.Duration(m.Welcome.RenewMS)*time.Millisecond, end)
		return nil
	})
	return welcome, err
}

// greet makes s the line, and gives the clock that the hello carries. Reports that come
// from now on follow the hello.
func (a *Agent) greet(s *wire.Stream) (clock int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	clock = runner.Clock()
	h := &wire.Hello{
		Version: wire.Version, Worker: a.c.Name, Boot: a.boot, Session: a.session, Term: a.term, Clock: clock,
		Agent: a.c.Version, Isolation: a.runners.cfg.Isolation, Local: a.c.Local, Advert: wire.Advert{Attrs: a.attrs},
	}
	for k, t := range a.attempts {
		h.Attempts = append(h.Attempts, wire.Attempt{Job: k.Job, Epoch: k.Epoch, Last: t.again(), Suspended: t.isSuspended()})
	}
	if err := s.Send(wire.Message{Hello: h}); err != nil {
		return 0, err
	}
	a.line = s
	return clock, nil
}

func (a *Agent) hangUp(s *wire.Stream) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.line == s {
		a.line = nil
	}
}

// beat asks for the lease again and again, as often as the schedd wants it and as the
// shortest lease of an attempt needs it.
func (a *Agent) beat(ctx context.Context, s *wire.Stream, every time.Duration, end context.CancelCauseFunc) {
	t := time.NewTimer(0)
	defer t.Stop()
	<-t.C
	for {
		wait := max(every, time.Millisecond)
		for _, t := range a.held() {
			if own := t.entry.Exec.LeaseMS; own > 0 {
				wait = min(wait, max(time.Duration(own)*time.Millisecond/4, 100*time.Millisecond))
			}
		}
		t.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-a.asks:
		}
		if err := s.Send(wire.Message{Beat: &wire.Beat{Clock: runner.Clock()}}); err != nil {
			end(err)
			return
		}
	}
}

// ask makes the next beat come at once.
func (a *Agent) ask() {
	select {
	case a.asks <- struct{}{}:
	default:
	}
}

// fresh waits until there is a lease for an execution. One with a lease of its own, shorter
// than what lies between two beats, needs a young one: it would be over before it began.
func (a *Agent) fresh(ctx context.Context, x *wire.Execution) error {
	for {
		a.mu.Lock()
		l, renewed := a.leaseOf(x), a.renewed
		a.mu.Unlock()
		if left := l.Until - runner.Clock(); x.LeaseMS == 0 && left > 0 || left > l.Span/2 {
			return nil
		}
		a.ask()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-renewed:
		}
	}
}

// report sends what is new of an attempt.
func (a *Agent) report(r wire.Report) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.send(wire.Message{Report: &r})
}

// send sends on the line that there is. Without one, or when it breaks, nothing is lost:
// the next hello says it. The caller holds a.mu, so that nothing overtakes a hello.
func (a *Agent) send(m wire.Message) {
	if a.line == nil {
		return
	}
	if err := a.line.Send(m); err != nil {
		a.log.WithError(err).Debug("a message waits for the next line")
	}
}

// handle follows one message.
func (a *Agent) handle(ctx context.Context, m wire.Message) error {
	switch {
	case m.Welcome != nil:
		return grid.Errorf(grid.Invalid, "a second welcome")
	case m.Renew != nil && a.heeds(m.Renew.Term):
		a.mu.Lock()
		a.count(m.Renew.Clock)
		a.mu.Unlock()
		a.extend()
	case m.Start != nil && a.heeds(m.Start.Term):
		a.start(ctx, m.Start)
	case m.Kill != nil && a.heeds(m.Kill.Term):
		a.kill(m.Kill)
	case m.Suspend != nil && a.heeds(m.Suspend.Term):
		if t := a.attempt(runner.Key{Job: m.Suspend.Job, Epoch: m.Suspend.Epoch}); t != nil {
			t.suspend(m.Suspend.On)
		}
	case m.Forget != nil && a.heeds(m.Forget.Term):
		if t := a.attempt(runner.Key{Job: m.Forget.Job, Epoch: m.Forget.Epoch}); t != nil {
			t.forget()
		}
	case m.Drain != nil && a.heeds(m.Drain.Term):
		a.mu.Lock()
		a.drains = m.Drain.On
		a.mu.Unlock()
	case m.Quit != nil && a.heeds(m.Quit.Term):
		a.mu.Lock()
		a.quits, a.off = true, a.off || m.Quit.PowerOff
		a.mu.Unlock()
		a.look()
	}
	return nil
}

// heeds reports whether an order comes from the highest term.
func (a *Agent) heeds(term uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return term >= a.term
}

// welcomed takes the schedd's first message in: it answers the hello's clock.
func (a *Agent) welcomed(w *wire.Welcome, clock int64) error {
	a.mu.Lock()
	known := a.term
	a.mu.Unlock()
	switch {
	case w.Version != wire.Version:
		return grid.Errorf(grid.Invalid, "the schedd speaks version %d of the contract, this worker %d", w.Version, wire.Version)
	case w.Term < known:
		return grid.Errorf(grid.Refused, "the schedd is at term %d, and this worker has served term %d: it is an old copy", w.Term, known)
	case w.LeaseMS <= 0 || w.SilenceMS <= 0:
		return grid.Errorf(grid.Invalid, "the schedd gives a lease of %d ms and a silence of %d ms", w.LeaseMS, w.SilenceMS)
	case w.Term > known:
		// Kept before anything of that term is done.
		if err := a.keepTerm(w.Term); err != nil {
			return err
		}
	}
	a.mu.Lock()
	a.term = w.Term
	a.span = time.Duration(w.LeaseMS) * time.Millisecond
	a.lease = 0      // what it was counted by may have been longer
	a.drains = false // a schedd that wants it says so again
	a.count(clock)
	a.mu.Unlock()
	a.log.WithField("term", w.Term).Info("the schedd has taken this worker in")
	a.extend()
	return nil
}

// count counts the lease from a clock of ours that the schedd has answered. The caller
// holds a.mu.
func (a *Agent) count(clock int64) {
	if clock <= runner.Clock() { // else it is none of ours
		a.lease = max(a.lease, clock+a.span.Milliseconds())
	}
	close(a.renewed)
	a.renewed = make(chan struct{})
}

// extend passes the lease on to whoever keeps it.
func (a *Agent) extend() {
	a.mu.Lock()
	until := a.lease
	a.mu.Unlock()
	if len(a.c.PowerOff) > 0 {
		if err := a.keepLease(until); err != nil {
			a.log.WithError(err).Warn("the machine's lease is not written down")
		}
	}
	for _, t := range a.held() {
		t.extend()
	}
}

// leaseOf is how long an execution may run now: the worker's lease, or its own if that
// is shorter. a.mu is held.
func (a *Agent) leaseOf(x *wire.Execution) runner.Lease {
	l := runner.Lease{Until: a.lease, Span: a.span.Milliseconds()}
	if own := x.LeaseMS; own > 0 && own < l.Span {
		l.Until += own - l.Span // counted from the same moment
		l.Span = own
	}
	return l
}

func (a *Agent) kill(k *wire.Kill) {
	t := a.attempt(runner.Key{Job: k.Job, Epoch: k.Epoch})
	if t == nil {
		a.report(lost(runner.Key{Job: k.Job, Epoch: k.Epoch}, grid.VacateStarter, "the worker does not have it"))
		return
	}
	if last := t.again(); last.Kind.Final() {
		a.report(last)
		return
	}
	t.kill(k)
}
