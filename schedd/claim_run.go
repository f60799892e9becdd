package schedd

import (
	"context"
	"slices"
	"time"

	"gridburst/gahp"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/watch"
)

// boot waits for the worker that joins from the machine, or, when a job is the
// machine, for the engine to show it up.
func (s *claimStep) boot(ctx context.Context) (time.Duration, error) {
	if !s.wanted {
		return 0, s.move(ctx, grid.ClaimStop, unwanted)
	}
	if s.claim.Kind == ledger.Overflow {
		if w, ok := s.d.pool.OfClaim(s.id); ok && w.Connected {
			return 0, s.propose(ctx, &ledger.Move{Verb: grid.ClaimJoin, Worker: w.ID, Reason: "its worker has joined"})
		}
		if s.res.Burst == nil || s.late(s.res.Burst.JoinTimeout) {
			return 0, s.move(ctx, grid.ClaimStop, joinedLate)
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
		return 0, s.move(ctx, grid.ClaimStop, endedBefore)
	case s.claim.Kind == ledger.Overflow:
		s.waits = "its machine is " + string(vm.State) + "; its worker has not joined"
		return wait, nil
	case vm.State == gahp.Down:
		return s.isDown(ctx, &vm, vm.Started)
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
		return 0, s.move(ctx, grid.ClaimStop, unwanted)
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
		return s.isDown(ctx, &vm, time.UnixMilli(s.claim.Entered))
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

// isDown ends a job whose machine is down: its guest has powered off, and the job is done;
// or the engine could not start it, or lost it, and says so about that time. (An error of
// long before, such as of a migration, is none of its end.) started is when it was up.
func (s *claimStep) isDown(ctx context.Context, vm *gahp.VM, started time.Time) (time.Duration, error) {
	const about = 10 * time.Second
	limited, cancel := engineContext(ctx)
	defer cancel()
	events, err := gahp.ExtraOf(s.engine.Provider).Events(limited, s.claim.VM)
	if err != nil && passes(err) {
		return 0, err
	}
	for _, e := range slices.Backward(events) {
		if e.At.UnixMilli() <= s.claim.Rested || e.At.Before(vm.Stopped.Add(-about)) {
			break
		}
		if e.Severity == "error" || e.Severity == "alert" {
			why := "its machine is down, and the engine says: " + e.Text
			return 0, s.move(ctx, grid.ClaimStop, why, s.held(grid.HoldCloudServer, why))
		}
	}
	return 0, s.move(ctx, grid.ClaimStop, "its guest has powered off", s.ended(started))
}
