package worker

import (
	"context"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// firstSilence is what is put up with until the schedd says what it should be.
const firstSilence = 30 * time.Second

// stayConnected holds the line to the schedd until ctx ends, or the schedd will not
// have this worker.
func (a *Agent) stayConnected(ctx context.Context) error {
	wait := firstRetry
	for {
		welcome, err := a.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if welcome {
			wait = firstRetry
		}
		a.log.WithError(err).Info("no line to the schedd")
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		wait = min(wait*3/2, lastRetry)
	}
}

// How long a worker waits between tries: a schedd that was restarted should have its
// workers back at once, and one that is away for long should not be crowded.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// connect runs one line until it breaks, and says whether the schedd had taken the
// worker in.
func (a *Agent) connect(ctx context.Context) (welcome bool, err error) {
	if a.tls != nil {
		if err := a.tls.join(ctx); err != nil {
			return false, err
		}
	}
	dialed, cancel := context.WithTimeout(ctx, firstSilence)
	conn, err := wire.Dial(dialed, a.c.Schedd)
	cancel()
	if err != nil {
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
	beat := make(chan time.Duration, 1)
	go a.beat(line, s, beat, end)
	err = s.Run(line, func(m wire.Message) error {
		if m.Welcome != nil {
			if err := a.welcomed(m.Welcome, clock); err != nil {
				return err
			}
			welcome = true
			s.SetSilence(time.Duration(m.Welcome.SilenceMS) * time.Millisecond)
			select {
			case beat <- time.Duration(m.Welcome.RenewMS) * time.Millisecond:
			default:
			}
			return nil
		}
		return a.handle(ctx, m) // attempts outlive the line
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
		Agent: a.c.Version, Isolation: a.runners.cfg.Isolation, Local: a.c.Local, Advert: wire.Advert{Attrs: a.c.Attrs},
	}
	for k, t := range a.attempts {
		h.Attempts = append(h.Attempts, wire.Attempt{Job: k.Job, Epoch: k.Epoch, Last: t.again()})
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

// beat asks for the lease again and again.
func (a *Agent) beat(ctx context.Context, s *wire.Stream, every <-chan time.Duration, end context.CancelCauseFunc) {
	var tick <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-every:
			t := time.NewTicker(max(d, time.Millisecond))
			defer t.Stop()
			tick = t.C
		case <-tick:
			if err := s.Send(wire.Message{Beat: &wire.Beat{Clock: runner.Clock()}}); err != nil {
				end(err)
				return
			}
		}
	}
}

// report sends what is new of an attempt. Without a line it is dropped: the next hello
// says it.
func (a *Agent) report(r wire.Report) {
	a.mu.Lock()
	s := a.line
	a.mu.Unlock()
	if s != nil {
		if err := s.Send(wire.Message{Report: &r}); err != nil {
			a.log.WithError(err).Debug("a report waits for the next line")
		}
	}
}

// handle follows one message.
func (a *Agent) handle(ctx context.Context, m wire.Message) error {
	switch {
	case m.Renew != nil:
		if a.heeds(m.Renew.Term) {
			a.renew(m.Renew.Clock)
		}
	case m.Start != nil:
		if a.heeds(m.Start.Term) {
			a.start(ctx, m.Start)
		}
	case m.Kill != nil:
		if a.heeds(m.Kill.Term) {
			a.killOrder(m.Kill)
		}
	case m.Forget != nil:
		if a.heeds(m.Forget.Term) {
			if t := a.attempt(m.Forget.Job, m.Forget.Epoch); t != nil {
				t.forget()
			}
		}
	case m.Drain != nil:
		if a.heeds(m.Drain.Term) {
			a.mu.Lock()
			a.drains = m.Drain.On
			a.mu.Unlock()
		}
	case m.Quit != nil:
		if a.heeds(m.Quit.Term) {
			a.mu.Lock()
			a.quits, a.off = true, a.off || m.Quit.PowerOff
			a.mu.Unlock()
			a.look()
		}
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
	case w.Term > known:
		// Kept before anything of that term is done.
		if err := a.keepTerm(w.Term); err != nil {
			return err
		}
	}
	a.mu.Lock()
	a.term = w.Term
	a.span = time.Duration(w.LeaseMS) * time.Millisecond
	a.mu.Unlock()
	a.log.WithField("term", w.Term).Info("the schedd has taken this worker in")
	a.renew(clock)
	return nil
}

// renew counts the lease from a clock of ours that the schedd has answered.
func (a *Agent) renew(clock int64) {
	a.mu.Lock()
	if until := clock + a.span.Milliseconds(); until > a.lease {
		a.lease = until
	}
	var held []*attempt
	for _, t := range a.attempts {
		held = append(held, t)
	}
	a.mu.Unlock()
	for _, t := range held {
		t.extend(a.leaseFor(&t.entry.Exec))
	}
}

// leaseFor is how long an execution may run now: the worker's lease, or its own if
// that is shorter.
func (a *Agent) leaseFor(x *wire.Execution) runner.Lease {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := runner.Lease{Until: a.lease, Span: a.span.Milliseconds()}
	if own := x.LeaseMS; own > 0 && own < l.Span {
		l.Until += own - l.Span // counted from the same moment
		l.Span = own
	}
	return l
}

func (a *Agent) attempt(job grid.JobID, epoch uint32) *attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.attempts[runner.Key{Job: job, Epoch: epoch}]
}

// start begins an attempt, or reports on one that the worker has.
func (a *Agent) start(ctx context.Context, s *wire.Start) {
	k := runner.Key{Job: s.Job, Epoch: s.Epoch}
	a.mu.Lock()
	t := a.attempts[k]
	refuse := len(a.attempts) >= wire.MaxAttempts || a.drains || a.quits
	a.mu.Unlock()
	switch {
	case t != nil:
		a.report(t.again())
	case refuse:
		a.report(lost(k, grid.VacateDraining, "the worker takes no more"))
	default:
		a.begin(ctx, s)
	}
}

func (a *Agent) killOrder(k *wire.Kill) {
	t := a.attempt(k.Job, k.Epoch)
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
