package schedd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gridburst/gahp"
	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// claims takes every open claim through its life: intend, act, report. Each step looks
// at the claim as the ledger has it, does at most one thing at the engine, and proposes
// what came of it, resting on the version that it looked at. A step that died anywhere
// is done again, by looking first: nothing is ever made twice under one name.
type claims struct {
	d     *Daemon
	woken chan struct{} // has one element when there is something to do
	wg    sync.WaitGroup

	mu     sync.Mutex
	known  map[uint32]*attention
	offers map[uint32]*offer // machines that another job may be, by claim
}

// attention is what the loop knows of one claim beside the ledger.
type attention struct {
	busy    bool
	poked   bool   // while it was busy
	version uint32 // of the claim, at the last step
	wish    wish   // of its job, at the last step
	again   time.Time
	tries   int     // troubles in a row
	waits   string  // what it waits for, for people
	engine  *engine // that shows its machine; nil: none was asked yet
	did     deed    // is the step's while one is busy
}

// deed is what was last done for a claim since it has its version.
type deed struct {
	at     time.Time // looks at the machine begin after it
	order  string    // that the engine was given; empty: none
	failed int       // times in a row
	why    string    // the last failure

	assigned bool // it is in its groups
	copied   bool // a copy is kept of it, or cannot be
	told     bool // what the engine tells of it is kept, or cannot be
}

// wish is what the job that is the machine wants of it. When that becomes another, the
// next step is due.
type wish struct {
	wanted bool
	status grid.Status
	flags  ledger.JobFlags
}

func newClaims(d *Daemon) *claims {
	return &claims{d: d, woken: make(chan struct{}, 1), known: map[uint32]*attention{}, offers: map[uint32]*offer{}}
}

// wake makes the loop look.
func (c *claims) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// poke makes the loop look at a claim now, or once more when it is at it.
func (c *claims) poke(id uint32) {
	c.mu.Lock()
	if a := c.known[id]; a != nil {
		a.again, a.poked = time.Time{}, true
	}
	c.mu.Unlock()
	c.wake()
}

// waits is what a claim waits for; empty when there is nothing to tell.
func (c *claims) waits(id uint32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.known[id]
	if a == nil {
		return ""
	}
	if a.engine != nil {
		if err := a.engine.Blind(); err != nil {
			return err.Error() + "; nothing is concluded from that"
		}
	}
	return a.waits
}

// pokeAll makes the loop look at all claims whose machines an engine shows.
func (c *claims) pokeAll(e *engine) {
	c.mu.Lock()
	for _, a := range c.known {
		if a.engine == e {
			a.again, a.poked = time.Time{}, true
		}
	}
	c.mu.Unlock()
	c.wake()
}

func (c *claims) run(ctx context.Context) error {
	defer c.wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		v := c.d.ledger.View()
		timer.Reset(c.start(ctx, v))
		select {
		case <-ctx.Done():
			return nil
		case <-c.d.ledger.Changed(v.Index):
		case <-c.woken:
		case <-timer.C:
		}
	}
}

// calm is how long the loop sleeps when it knows of nothing to do.
const calm = time.Minute

// start begins the steps that are due, and says when the next one is.
func (c *claims) start(ctx context.Context, v *ledger.View) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	wait := calm
	for id, cl := range v.Claims() {
		a := c.known[id]
		if a == nil {
			a = &attention{}
			c.known[id] = a
		}
		if a.busy {
			continue
		}
		wish := wishOf(v, id, cl)
		if left := a.again.Sub(now); a.version == cl.Version && a.wish == wish && left > 0 {
			wait = min(wait, left)
			continue
		}
		if a.version != cl.Version {
			a.did = deed{at: now}
		}
		a.busy, a.poked, a.version, a.wish = true, false, cl.Version, wish
		s := &claimStep{d: c.d, v: v, id: id, claim: *cl, wanted: wish.wanted, did: &a.did}
		c.wg.Go(func() { c.step(ctx, s, a) })
	}
	for id, a := range c.known {
		if _, open := v.Claim(id); !open && !a.busy {
			delete(c.known, id)
			delete(c.offers, id)
			c.d.engines.forget(id)
		}
	}
	return wait
}

// wishOf is what the job that is the machine wants of it; an overflow machine is wanted.
func wishOf(v *ledger.View, id uint32, c *ledger.Claim) wish {
	if c.Kind == ledger.Overflow {
		return wish{wanted: true}
	}
	j, ok := v.Job(c.Job)
	if !ok {
		return wish{}
	}
	w := wish{status: j.Status, flags: j.Flags}
	w.wanted = j.Place == ledger.AsVM && j.At == id && j.Epoch == c.Epoch && j.Status != grid.Held && j.Status != grid.Removed && j.Flags&ledger.Vacating == 0
	return w
}

// step does one step and notes when to look again.
func (c *claims) step(ctx context.Context, s *claimStep, a *attention) {
	again, err := s.advance(ctx)
	if told := s.mirror(ctx, err, a.tries); told != nil && ctx.Err() == nil {
		c.d.log.WithError(told).WithField("claim", s.id).Warn("what is seen of a job's machine is not kept now")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a.busy, a.engine, a.version = false, s.engine, s.claim.Version
	a.waits = s.waits
	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
		a.tries = 0
	case grid.CodeOf(err) == grid.Conflict || grid.CodeOf(err) == grid.NotFound && kindOf(err) == "":
		again = 0 // the claim has changed meanwhile
	default:
		a.tries++
		again = max(again, backOff(a.tries))
		a.waits = err.Error()
		log := c.d.log.WithError(err).WithField("claim", s.id)
		if a.tries == 1 || a.tries%20 == 0 {
			log.Warn("claim has trouble, and is tried again")
		} else {
			log.Debug("claim has trouble, and is tried again")
		}
	}
	if a.poked {
		again = 0
	}
	a.again = time.Now().Add(again)
	c.wake()
}

// backOff is the wait after n troubles in a row.
func backOff(n int) time.Duration { return min(250*time.Millisecond<<min(n, 10), 30*time.Second) }

// How often the engine's listing is wanted at least: of a machine that is on its way, of
// one that is a job, whose end should be seen soon, and of one that is where it should be.
const (
	onTheWay = 2 * time.Second
	guards   = 3 * time.Second
	steady   = 15 * time.Second
)

// soon is when a step that waits for something other than the engine looks again.
const soon = 500 * time.Millisecond

// claimStep is one step of one claim.
type claimStep struct {
	d      *Daemon
	v      *ledger.View
	id     uint32
	claim  ledger.Claim
	wanted bool
	did    *deed
	res    *Resource
	engine *engine
	spec   submit.Machine
	owner  desk.Owner
	job    *ad.Ad   // of the job that is the machine, as it was at the step's begin; nil: there is none
	seen   *gahp.VM // as it was shown in this step; nil: it was not
	waits  string
}

// order fences what is asked of the engine.
func (s *claimStep) order() gahp.Order {
	return gahp.Order{Term: s.v.Term, Claim: s.id, Epoch: s.claim.Version}
}

// mark is how a machine of this claim is known as ours, whatever its name.
func (s *claimStep) mark() string { return markOf(s.v.Deployment, s.id) }

func markOf(deployment string, claim uint32) string {
	return fmt.Sprintf("gridburst %s claim %d", deployment, claim)
}

// advance does what comes next, and says when to look again.
func (s *claimStep) advance(ctx context.Context) (time.Duration, error) {
	s.res = s.d.resource(s.claim.Resource)
	if s.res == nil {
		s.waits = "resource " + s.claim.Resource + " is not configured any more: name it again, so that its machine can be taken away"
		return steady, nil
	}
	var err error
	if s.engine, err = s.provider(); err != nil {
		return s.hopeless(ctx, err)
	}
	switch s.claim.State {
	case grid.ClaimWanted:
		if !s.wanted {
			return 0, s.move(ctx, grid.ClaimFail, "it was not wanted any more", s.stopped("the job was ended before its machine was asked for"))
		}
		return 0, s.propose(ctx, &ledger.Move{Verb: grid.ClaimLaunch, Template: s.template()})
	case grid.ClaimLaunching:
		return s.launch(ctx)
	case grid.ClaimUnknown:
		return s.find(ctx)
	case grid.ClaimBooting:
		return s.boot(ctx)
	case grid.ClaimReady:
		return s.ready(ctx)
	case grid.ClaimDraining:
		return s.drain(ctx)
	case grid.ClaimStopping:
		return s.stop(ctx)
	}
	return steady, nil
}

// move proposes one line of the claim's table, with what it means for its job.
func (s *claimStep) move(ctx context.Context, verb grid.ClaimVerb, reason string, reports ...ledger.AttemptReport) error {
	return s.propose(ctx, &ledger.Move{Verb: verb, Reason: reason, Report: reports})
}

func (s *claimStep) propose(ctx context.Context, m *ledger.Move) error {
	m.Claim, m.Version = s.id, s.claim.Version
	if s.claim.Kind == ledger.Overflow {
		m.Report = nil
	}
	if _, err := s.d.propose(ctx, m); err != nil {
		return err
	}
	if m.Verb != "" {
		s.d.log.WithFields(map[string]any{"claim": s.id, "vm": s.claim.Name, "resource": s.claim.Resource}).Info("claim: " + string(m.Verb))
	}
	return nil
}

// learn notes the engine's id of the machine.
func (s *claimStep) learn(ctx context.Context, vm *gahp.VM) error {
	return s.propose(ctx, &ledger.Move{VM: vm.ID, Report: []ledger.AttemptReport{s.accepted(vm.ID, vm.State)}})
}

// report is what the claim's fate means for the job that is the machine.
func (s *claimStep) report(kind ledger.ReportKind) ledger.AttemptReport {
	return ledger.AttemptReport{Job: s.claim.Job, Epoch: s.claim.Epoch, Kind: kind}
}

// stopped says that the attempt was ended on our order.
func (s *claimStep) stopped(why string) ledger.AttemptReport {
	r := s.report(ledger.Stopped)
	r.Vacate, r.Reason = grid.VacateVM, why
	return r
}

// held says that the job cannot run, and why.
func (s *claimStep) held(code grid.HoldCode, why string) ledger.AttemptReport {
	r := s.report(ledger.Failed)
	r.HoldCode, r.Reason = code, why
	return r
}

// ended says that the guest has powered off: the job has done what it had to.
func (s *claimStep) ended(started time.Time) ledger.AttemptReport {
	r := s.report(ledger.Ended)
	r.Attrs = []ledger.Attr{text(attrGridStatus, string(gahp.Down))}
	if !started.IsZero() {
		r.Exit.WallMS = max(time.Since(started).Milliseconds(), 0)
	}
	s.d.judge(s.d.ledger.View(), &r)
	return r
}

// holdCodeOf is the hold code for what an engine has refused.
func holdCodeOf(k gahp.Kind) grid.HoldCode {
	switch k {
	case gahp.BadPassword:
		return grid.HoldCredential
	case gahp.Quota:
		return grid.HoldCloudAdmin
	case gahp.EngineDown:
		return grid.HoldCloudConnection
	case gahp.Unknown:
		return grid.HoldCloudLost
	}
	return grid.HoldCloudUser
}

// passes reports whether a failure is one that time may mend.
func passes(err error) bool {
	switch kindOf(err) {
	case "", gahp.Locked, gahp.NoCapacity, gahp.EngineDown, gahp.Unknown, gahp.Stale:
		return true
	}
	return false
}

// kindOf is the kind of an engine's refusal; empty of any other error.
func kindOf(err error) gahp.Kind {
	var e *gahp.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}
