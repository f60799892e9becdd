package schedd

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"gridburst/gahp"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/watch"
)

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
	}
	if left := s.kept(); left > 0 {
		s.waits = fmt.Sprintf("it is kept as it is until %s, for it has failed: %s", time.Now().Add(left).Format(time.TimeOnly), s.claim.Reason)
		return left, nil
	}
	switch {
	case vm.State == gahp.Down && s.claim.Kind == ledger.Borrowed:
		if again, err := s.tellOwner(ctx); again > 0 || err != nil {
			return again, err
		}
		return 0, s.gone(ctx, "it is down again")
	case vm.State == gahp.Down:
		if again, err := s.part(ctx, &vm); again > 0 || err != nil {
			return again, err
		}
	case vm.State == gahp.ImageLocked:
		s.waits = "its disks are being made or removed, since " + s.since()
		return s.calmly(onTheWay), nil
	case vm.State == gahp.PoweringDown && !s.impatient():
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
	case vm.State == gahp.Up && !s.impatient():
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

// impatient: the guest is not asked any more, because it had its time, or because whoever
// vacates its job does not want it to be asked.
func (s *claimStep) impatient() bool {
	j, ok := s.v.Job(s.claim.Job)
	return s.late(grace) || s.claim.Kind != ledger.Overflow && ok && j.At == s.id && j.Flags&ledger.VacateFast != 0
}

// unwanted is the reason of a stop that is no failure: its job was held, removed or vacated.
const unwanted = "it is not wanted any more"

// Reasons for which an overflow machine is taken for one that failed.
const (
	joinedLate  = "its worker did not join in time"
	endedBefore = "its guest has ended before its worker joined"
)

// kept is for how much longer a machine that failed is to stay as it is, for somebody to
// look at it. A job's stays as long as the job is held for what has stopped it: the hold
// and the stop are one entry of the ledger, and have one time. (So may a hold that came
// from elsewhere and the stop that it led to, within a millisecond.)
func (s *claimStep) kept() time.Duration {
	limit := time.Duration(0)
	switch s.claim.Kind {
	case ledger.Overflow:
		if s.res.Burst != nil && slices.Contains([]string{joinedLate, endedBefore}, s.claim.Reason) {
			limit = s.res.Burst.KeepFailed
		}
	case ledger.Made:
		if j, ok := s.v.Job(s.claim.Job); ok && s.claim.Reason != unwanted && j.Status == grid.Held && j.Entered == s.claim.Entered {
			limit = s.spec.Keep
		}
	}
	return limit - time.Since(time.UnixMilli(s.claim.Entered))
}

// part does what is to be done for a machine of ours that is down before it is removed:
// its job, if it is vacated, is free to run elsewhere; another job may be it; a copy of it
// and what the engine tells of it are kept. It is done when again is 0.
func (s *claimStep) part(ctx context.Context, vm *gahp.VM) (again time.Duration, err error) {
	if s.claim.Kind != ledger.Made {
		return 0, nil
	}
	left := s.offer(vm)
	if j, ok := s.d.ledger.View().Job(s.claim.Job); ok && j.Place == ledger.AsVM && j.At == s.id && j.Flags&ledger.Vacating != 0 {
		if _, err := s.d.propose(ctx, &ledger.Report{List: []ledger.AttemptReport{s.stopped("its machine was stopped")}}); err != nil {
			return 0, err
		}
	}
	if left > 0 {
		s.waits = "its disks wait for another job of its kind until " + time.Now().Add(left).Format(time.TimeOnly)
		return left, nil
	}
	if again, err = s.snapshot(ctx); again > 0 || err != nil {
		return again, err
	}
	return s.tellOwner(ctx)
}

// lastChance is how long what is to be kept of a machine is tried for. A machine is not
// left at an engine because nothing can be kept of it.
const lastChance = time.Hour

// snapshot has a copy of the machine made, as a template: an engine's snapshots go with
// their machine.
func (s *claimStep) snapshot(ctx context.Context) (again time.Duration, err error) {
	if s.spec.Snapshot == "" || s.did.copied || s.late(lastChance) {
		return 0, nil
	}
	limited, cancel := engineContext(ctx)
	defer cancel()
	err = gahp.ExtraOf(s.engine.Provider).Copy(limited, s.order(), s.claim.VM, gahp.Copy{Name: s.spec.Snapshot, Mark: s.mark()})
	switch {
	case err == nil:
		s.did.copied = true
		s.did.at = time.Now() // its disks were locked meanwhile
		return soon, nil
	case kindOf(err) == gahp.Locked:
		s.waits = "template " + s.spec.Snapshot + " is made of it"
		return min(onTheWay, s.left(lastChance)), nil
	case passes(err):
		return 0, err
	}
	s.did.copied = true
	s.d.log.WithError(err).WithFields(map[string]any{"claim": s.id, "vm": s.claim.Name, "template": s.spec.Snapshot}).
		Warn("no template is made of a machine, and it is removed all the same")
	return 0, nil
}

// tellOwner writes what the engine tells of the machine into a file of the job's owner.
func (s *claimStep) tellOwner(ctx context.Context) (again time.Duration, err error) {
	if s.spec.Log == "" || s.did.told || s.late(lastChance) {
		return 0, nil
	}
	limited, cancel := engineContext(ctx)
	defer cancel()
	events, err := gahp.ExtraOf(s.engine.Provider).Events(limited, s.claim.VM)
	if err == nil {
		var b bytes.Buffer
		for _, e := range events {
			fmt.Fprintf(&b, "%s %s %s\n", e.At.Format(time.RFC3339), e.Severity, grid.Printable(e.Text))
		}
		err = s.d.desks.WriteFile(limited, s.owner, s.spec.Log, b.Bytes())
	} else if passes(err) {
		return 0, err
	}
	if grid.CodeOf(err) == grid.Unavailable {
		return 0, err
	}
	if err != nil {
		s.d.log.WithError(err).WithFields(map[string]any{"claim": s.id, "vm": s.claim.Name}).Warn("what the engine tells of a machine is not kept")
	}
	s.did.told = true
	return 0, nil
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
	return 0, s.learn(ctx, &vm)
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
