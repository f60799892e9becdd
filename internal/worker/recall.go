package worker

import (
	"context"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
	"gridburst/internal/worker/sandbox"
)

// recall takes up the attempts of earlier agents, each where it is. The runners are
// known by now: what none of them has, and has no result, is lost.
func (a *Agent) recall(ctx context.Context) error {
	entries, err := a.entries()
	if err != nil {
		return err
	}
	boxes, err := a.stray(entries)
	if err != nil {
		return err
	}
	if len(boxes) > 0 {
		a.wg.Go(func() { a.sweep(boxes) })
	}
	for k, e := range entries {
		t := a.newAttempt(e)
		a.attempts[k] = t // nobody else is there yet
		r := a.runners.adopt(k)
		// Read after the runners were asked: one that was idle has written it.
		result, ended := runner.Result(a.journal, k)
		switch {
		case e.Final != nil:
			t.last = *e.Final // the first hello says it already: ends outlive the machine's start
			a.wg.Go(func() { t.conclude(ctx, *e.Final) })
		case r != nil:
			t.resume(r)
			a.wg.Go(func() { t.run(ctx, r) })
		case e.Boot != a.boot && (!ended || e.Exec.Transfer):
			// What the machine had not written to its disk is gone, outputs too.
			t.last = lost(k, grid.VacateMachine, "the machine has started anew")
			a.wg.Go(func() { t.decide(ctx, t.last) })
		case e.Again:
			a.wg.Go(func() { t.run(ctx, t.prepare(ctx, t.anew)) })
		case ended:
			if !e.Exec.Transfer {
				t.last = result
			}
			a.wg.Go(func() { t.run(ctx, t.ended(ctx, result)) })
		default:
			t.last = lost(k, grid.VacateStarter, "its runner died, or it had not been given to one when its agent died")
			a.wg.Go(func() { t.decide(ctx, t.last) })
		}
	}
	return a.runners.endStrays()
}

// sweep removes sandboxes that are nobody's.
func (a *Agent) sweep(boxes []sandbox.Sandbox) {
	for _, b := range boxes {
		if err := b.Remove(); err != nil {
			a.log.WithError(err).Warn("a sandbox that is nobody's cannot be removed")
		}
	}
}

// start begins an attempt, or reports on one that the worker has.
func (a *Agent) start(ctx context.Context, s *wire.Start) {
	k := runner.Key{Job: s.Job, Epoch: s.Epoch}
	if t := a.attempt(k); t != nil {
		a.report(t.again())
		return
	}
	t := a.newAttempt(&entry{Key: k, Boot: a.boot, Exec: s.Execution})
	earlier, refusal := a.admit(t)
	if refusal != nil {
		a.report(*refusal)
		return
	}
	for _, e := range earlier {
		e.kill(&wire.Kill{Job: s.Job, Epoch: e.entry.Key.Epoch, Fast: true, Reason: "a later attempt of the job begins"})
	}
	if s.LeaseMS > 0 {
		a.ask() // beats may have to come more often from now on
	}
	a.wg.Go(func() { t.begin(ctx, earlier) })
}

// admit makes the attempt one that the worker holds, and lists older ones of its job
// that may still run. A report is why it is not taken.
func (a *Agent) admit(t *attempt) (earlier []*attempt, refusal *wire.Report) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := t.entry.Key
	refuse := func(code grid.VacateCode, why string) ([]*attempt, *wire.Report) {
		r := lost(k, code, why)
		return nil, &r
	}
	switch {
	case a.drains, a.quits:
		return refuse(grid.VacateDraining, "the worker takes no more")
	case len(a.attempts) >= wire.MaxAttempts:
		return refuse(grid.VacateStarter, "the worker holds as many attempts as it can")
	}
	for other, e := range a.attempts {
		was, is := e.number(), t.number()
		switch {
		case other.Job != k.Job || e.node() && t.node() && was == is: // another job, or another node
		case was > is:
			return refuse(grid.VacateStarter, "the worker has a later attempt of the job")
		default:
			earlier = append(earlier, e)
		}
	}
	a.attempts[k] = t
	return earlier, nil
}

// node reports whether this is one of several nodes of a job.
func (t *attempt) node() bool { return t.entry.Exec.Nodes > 0 }

// number is which attempt of its job this is, or is a node of.
func (t *attempt) number() uint32 {
	if !t.node() {
		return t.entry.Key.Epoch
	}
	n, _ := grid.SplitEpoch(t.entry.Key.Epoch)
	return n
}

// release gives the place of an attempt free.
func (a *Agent) release(t *attempt) {
	a.mu.Lock()
	delete(a.attempts, t.entry.Key)
	a.mu.Unlock()
	a.look()
}

// attempt is the one that the worker holds by that name; nil: none.
func (a *Agent) attempt(k runner.Key) *attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.attempts[k]
}

// held are the attempts that the worker holds.
func (a *Agent) held() []*attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*attempt, 0, len(a.attempts))
	for _, t := range a.attempts {
		list = append(list, t)
	}
	return list
}
