package schedd

import (
	"context"
	"time"

	"gridburst/gahp"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/watch"
)

// boot waits for the worker that joins from the machine, or, when a job is the
// machine, for the engine to show it up.
func (s *claimStep) boot(ctx context.Context) (time.Duration, error) {
	if !s.wanted {
		return 0, s.move(ctx, grid.ClaimStop, "it is not wanted any more")
	}
	if s.claim.Kind == ledger.Overflow {
		if w, ok := s.d.pool.OfClaim(s.id); ok && w.Connected {
			return 0, s.propose(ctx, &ledger.Move{Verb: grid.ClaimJoin, Worker: w.ID, Reason: "its worker has joined"})
		}
		if s.res.Burst == nil || s.late(s.res.Burst.JoinTimeout) {
			return 0, s.move(ctx, grid.ClaimStop, "its worker did not join in time")
		}
	}
	wait := s.calmly(onTheWay)
	if s.claim.Kind == ledger.Overflow {
		wait = min(wait, s.left(s.res.Burst.JoinTimeout))
	}
	vm, seen, err := s.look(ctx, onTheWay)
	switch {
	case err != nil:
		return 0, err
	case seen == watch.Gone:
		return 0, s.vanished(ctx)
	case seen == watch.NotYet:
		return wait, nil
	case s.claim.Kind == ledger.Overflow && vm.State == gahp.Down:
		return 0, s.move(ctx, grid.ClaimStop, "its guest has ended before its worker joined")
	case s.claim.Kind == ledger.Overflow:
		s.waits = "its machine is " + string(vm.State) + "; its worker has not joined"
		return wait, nil
	case vm.State == gahp.Down:
		return s.down(ctx)
	case vm.State == gahp.Up:
		up := s.report(ledger.Started)
		up.Where = s.claim.Name
		return 0, s.move(ctx, grid.ClaimJoin, "its guest is up", up)
	}
	s.waits = "its machine is " + string(vm.State)
	return wait, nil
}

// ready watches a machine that is where it should be.
func (s *claimStep) ready(ctx context.Context) (time.Duration, error) {
	if !s.wanted {
		return 0, s.move(ctx, grid.ClaimStop, "it is not wanted any more")
	}
	silent, limit := s.silent(), s.d.c.WorkerLease+s.d.c.LeaseMargin
	if silent > limit {
		return 0, s.move(ctx, grid.ClaimStop, "its worker was not heard for "+silent.Round(time.Second).String())
	}
	most := guards
	if s.claim.Kind == ledger.Overflow {
		most = steady
	}
	vm, seen, err := s.look(ctx, most)
	wait := s.calmly(most)
	age := time.Since(time.UnixMilli(s.claim.Wanted))
	tooLong := age > s.res.MaxVMTime
	if !tooLong {
		wait = min(wait, s.res.MaxVMTime-age+time.Millisecond)
	}
	switch {
	case err != nil:
		return 0, err
	case seen == watch.Gone && s.claim.Kind == ledger.Overflow && silent == 0:
		s.waits = "the engine shows it no more, and its worker is connected"
		return wait, nil
	case seen == watch.Gone:
		return 0, s.vanished(ctx)
	case seen == watch.Here && vm.State == gahp.Down && s.claim.Kind == ledger.Overflow:
		return 0, s.move(ctx, grid.ClaimStop, "its guest has powered off")
	case seen == watch.Here && vm.State == gahp.Down:
		return 0, s.move(ctx, grid.ClaimStop, "its guest has powered off", s.ended(time.UnixMilli(s.claim.Entered)))
	case tooLong && s.claim.Kind == ledger.Overflow:
		return 0, s.move(ctx, grid.ClaimDrain, "it is older than "+s.res.MaxVMTime.String())
	case tooLong:
		why := "it ran for longer than the resource's max_vm_time of " + s.res.MaxVMTime.String()
		return 0, s.move(ctx, grid.ClaimStop, why, s.held(grid.HoldSystemPolicy, why))
	case silent > 0:
		s.waits = "its worker is not connected"
		wait = min(wait, limit-silent+time.Millisecond)
	case seen == watch.Here && vm.State != gahp.Up:
		s.waits = "its machine is " + string(vm.State)
	}
	return wait, nil
}

// silent is how long the worker of an overflow machine has not been heard: longer than
// its lease, and nothing runs there any more.
func (s *claimStep) silent() time.Duration {
	if s.claim.Kind != ledger.Overflow {
		return 0
	}
	w, ok := s.d.pool.OfClaim(s.id)
	switch {
	case ok && w.Connected:
		return 0
	case ok:
		return time.Since(w.Since)
	}
	return time.Since(s.d.born) // it has not come back since this daemon's start
}

// drain waits until the worker has nothing to do.
func (s *claimStep) drain(ctx context.Context) (time.Duration, error) {
	idle := false
	err := s.d.dispatch.asks.do(ctx, func() {
		// Asked of the dispatcher, which places nothing meanwhile.
		s.d.pool.Drain(s.claim.Worker, true)
		idle = len(s.d.dispatch.attemptsOn(s.d.ledger.View(), s.claim.Worker)) == 0
	})
	if err != nil {
		return 0, err
	}
	switch {
	case !idle:
		s.waits = "its worker has jobs to end"
	case s.engine.Blind() != nil:
		s.waits = "it has nothing to do, and goes when the engine shows its machines again"
	default:
		return 0, s.move(ctx, grid.ClaimStop, "it has nothing to do")
	}
	return soon, nil
}

// Stopping: the guest is asked, and after grace it is not asked any more. settle is
// how long a machine whose create may still be on its way is looked for.
const (
	grace  = 30 * time.Second
	settle = 10 * time.Second
)

// stop takes the machine away, and looks until it is gone.
func (s *claimStep) stop(ctx context.Context) (time.Duration, error) {
	if s.claim.VM == "" {
		return s.stopUnseen(ctx)
	}
	vm, seen, err := s.look(ctx, onTheWay)
	switch {
	case err != nil:
		return 0, err
	case seen == watch.Gone:
		return 0, s.gone(ctx, "the engine shows it no more")
	case seen == watch.NotYet:
		return calm, nil
	case vm.State == gahp.Down && s.claim.Kind == ledger.Borrowed:
		return 0, s.gone(ctx, "it is down again")
	case vm.State == gahp.ImageLocked:
		s.waits = "its disks are being made or removed, since " + s.since()
		return s.calmly(onTheWay), nil
	case vm.State == gahp.PoweringDown && !s.late(grace):
		s.waits = "its guest is powering off"
		return min(s.calmly(onTheWay), s.left(grace)), nil
	}
	if vm.State != gahp.Down && s.claim.Kind == ledger.Overflow {
		s.d.conns.quit(s.claim.Worker)
	}
	order, f := "stop", s.engine.Stop
	switch {
	case vm.State == gahp.Down:
		order, f = "remove", s.engine.Remove
	case vm.State == gahp.Up && !s.late(grace):
		order, f = "shutdown", s.engine.Shutdown
	}
	taken, again, err := s.tell(ctx, order, func(ctx context.Context, o gahp.Order, vm string) error {
		if order == "remove" {
			failpoint.Hit("claim.remove.before")
			defer failpoint.Hit("claim.remove.after")
		} else {
			failpoint.Hit("claim.stop.before")
			defer failpoint.Hit("claim.stop.after")
		}
		return f(ctx, o, vm)
	})
	if taken {
		return 0, nil
	}
	if !s.late(grace) {
		again = min(again, s.left(grace))
	}
	return again, err
}

// stopUnseen looks for a machine whose create was asked for and whose id is not known.
func (s *claimStep) stopUnseen(ctx context.Context) (time.Duration, error) {
	vm, err := s.lookup(ctx)
	switch {
	case kindOf(err) == gahp.NotFound:
		if s.claim.Kind != ledger.Borrowed && !s.late(settle) {
			s.waits = "a machine may still appear"
			return soon, nil
		}
		return 0, s.gone(ctx, "no machine has its name")
	case err != nil:
		return 0, err
	case s.claim.Kind == ledger.Borrowed:
		return 0, s.gone(ctx, "it was not started")
	case vm.Mark != s.mark():
		return 0, s.gone(ctx, "the machine of its name is not ours")
	}
	return 0, s.learn(ctx, vm.ID)
}

// gone closes the claim. If the job's attempt was still open (it was held or removed),
// it is over now.
func (s *claimStep) gone(ctx context.Context, why string) error {
	reason := s.claim.Reason
	if reason == "" {
		reason = why
	}
	failpoint.Hit("claim.gone.before")
	return s.propose(ctx, &ledger.Move{Verb: grid.ClaimGoneNow, Reason: reason, Seen: why, Report: []ledger.AttemptReport{s.stopped("its machine was stopped")}})
}
