package schedd

import (
	"context"
	"time"

	"gridburst/gahp"
	"gridburst/internal/grid"
)

// fate is what the engine tells of the last start of the claim's machine, if that is down.
func (s *claimStep) fate(ctx context.Context) (vm gahp.VM, err error) {
	limited, cancel := engineContext(ctx)
	defer cancel()
	return s.engine.Get(limited, s.claim.VM)
}

// down settles what it means that a job's machine is down behind its start: the guest has
// powered off, and the job has done what it had to; or the engine has taken the start, and
// then found no host that could run it.
func (s *claimStep) down(ctx context.Context) (time.Duration, error) {
	vm, err := s.fate(ctx)
	switch {
	case kindOf(err) == gahp.NotFound, err == nil && vm.State != gahp.Down:
		return soon, nil // the next listing shows it
	case err != nil:
		return 0, err
	case vm.Detail == gahp.DetailNoHost:
		const why = "the engine took the start of its machine, and then no host could run it"
		return 0, s.move(ctx, grid.ClaimStop, why, s.held(grid.HoldCloudServer, why))
	}
	return 0, s.move(ctx, grid.ClaimStop, "its guest has powered off", s.ended(vm.Started))
}

// startedBefore reports whether a start may have been ordered for the claim of which
// nothing is known: its answer was lost, or who gave it has died.
func (s *claimStep) startedBefore() bool {
	return s.did.order == "start" || time.UnixMilli(s.claim.Entered).Before(s.d.born)
}
