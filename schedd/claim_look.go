package schedd

import (
	"context"
	"errors"
	"time"

	"gridburst/gahp"
	"gridburst/internal/failpoint"
	"gridburst/schedd/ledger"
	"gridburst/schedd/watch"
)

// look is the claim's machine as the engine has shown it since something was last done for
// the claim. While that is not known the step ends, and is done again when it is. A
// machine of ours is looked up in the listing that is made for all of them; one that is
// borrowed has a name of its own, and is asked about alone.
func (s *claimStep) look(ctx context.Context, most time.Duration) (gahp.VM, watch.Seen, error) {
	if s.claim.Kind == ledger.Borrowed {
		limited, cancel := engineContext(ctx)
		defer cancel()
		vm, err := s.engine.Get(limited, s.claim.VM)
		switch {
		case kindOf(err) == gahp.NotFound:
			return vm, watch.Gone, nil
		case err != nil:
			return vm, watch.NotYet, err
		}
		s.seen = &vm
		return vm, watch.Here, nil
	}
	if failpoint.Forgotten && s.did.order == "remove" && s.did.failed > 0 {
		return gahp.VM{}, watch.Gone, nil
	}
	vm, seen := s.engine.Look(s.id, s.claim.VM, s.did.at, most)
	if seen == watch.Gone && !failpoint.HalfListing {
		return s.confirm(ctx)
	}
	switch seen {
	case watch.Here:
		s.seen = &vm
	case watch.NotYet:
		s.waits = "the engine is asked what has become of its machine"
	}
	return vm, seen, nil
}

// confirm asks for a machine by its id that listings do not show any more: they are
// searches, and may lag behind. Only what the engine does not have either way is gone.
func (s *claimStep) confirm(ctx context.Context) (vm gahp.VM, seen watch.Seen, err error) {
	limited, cancel := engineContext(ctx)
	defer cancel()
	_, err = s.engine.Get(limited, s.claim.VM)
	switch {
	case kindOf(err) == gahp.NotFound:
		return vm, watch.Gone, nil
	case err != nil:
		return vm, watch.NotYet, err
	}
	return vm, watch.NotYet, errors.New("the engine's listings do not show its machine, and the engine has it: it is asked again")
}

// calmly is how long a step that has looked waits for news of the machine. Of one that is
// borrowed there is none by itself.
func (s *claimStep) calmly(most time.Duration) time.Duration {
	if s.claim.Kind != ledger.Borrowed {
		return calm
	}
	return min(most, max(soon, time.Since(s.did.at)/4))
}

// left is how long the claim may still be in its state.
func (s *claimStep) left(limit time.Duration) time.Duration {
	return max(limit-time.Since(time.UnixMilli(s.claim.Entered)), 0) + time.Millisecond
}

// since is when the claim's state began, for people.
func (s *claimStep) since() string {
	return time.UnixMilli(s.claim.Entered).Format(time.TimeOnly)
}

// insists is how long an order that was taken may be without an effect that shows; then
// it is given again.
const insists = 5 * time.Second

// tell gives the engine an order about the claim's machine, and reports whether that has
// taken it now. The same order is not given again before it can have shown an effect, and
// later and later if it is refused: whoever gets false looks again.
func (s *claimStep) tell(ctx context.Context, order string, f func(context.Context, gahp.Order, string) error) (taken bool, again time.Duration, err error) {
	if s.did.order == order {
		rest := insists
		if s.did.failed > 0 {
			rest, s.waits = backOff(s.did.failed), order+" is tried again: "+s.did.why
		}
		if left := rest - time.Since(s.did.at); left > 0 {
			return false, left, nil
		}
	} else {
		s.did.failed = 0
	}
	limited, cancel := engineContext(ctx)
	defer cancel()
	err = f(limited, s.order(), s.claim.VM)
	s.did.order, s.did.at = order, time.Now()
	if err == nil {
		s.did.failed = 0
		return true, 0, nil
	}
	s.did.failed++
	s.did.why = err.Error()
	switch kindOf(err) {
	case gahp.NotFound, gahp.Unknown, gahp.WrongState, gahp.Locked:
		return false, 0, nil // a look will tell
	}
	return false, backOff(s.did.failed), err
}
