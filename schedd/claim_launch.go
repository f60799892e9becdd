package schedd

import (
	"context"
	"fmt"
	"time"

	"gridburst/gahp"
	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
	"gridburst/schedd/watch"
)

// machine notes what the job that is the machine asks for, also when it has left the queue.
func (s *claimStep) machine() error {
	v := s.d.ledger.View()
	return s.d.ads.Read(v, func(in *jobad.Session) error {
		job, err := in.Any(s.claim.Job)
		if err != nil {
			return err
		}
		c, err := in.Cluster(s.claim.Job.Cluster)
		if err != nil {
			return err
		}
		o, _ := v.Owner(c.Owner)
		s.owner, s.job = desk.Owner(o), job
		s.spec, err = submit.MachineOf(job)
		return err
	})
}

// provider is the engine, asked with the credential of whoever the machine is for.
func (s *claimStep) provider() (*engine, error) {
	if s.claim.Kind == ledger.Overflow {
		return s.d.engines.own(s.res)
	}
	if err := s.machine(); err != nil {
		return nil, err
	}
	return s.d.engines.at(Credential{Resource: s.res.Name, URL: s.res.URL, CAFile: s.res.CAFile, Username: s.spec.Username, PasswordFile: s.spec.PasswordFile, User: s.owner})
}

// hopeless: there is no way to ask the engine.
func (s *claimStep) hopeless(ctx context.Context, err error) (time.Duration, error) {
	if s.claim.State == grid.ClaimWanted {
		return 0, s.move(ctx, grid.ClaimFail, err.Error(), s.held(grid.HoldCloudAdmin, grid.MessageOf(err)))
	}
	return steady, err
}

// launch makes the machine if there is none, and starts it.
func (s *claimStep) launch(ctx context.Context) (time.Duration, error) {
	switch {
	case !s.wanted:
		return 0, s.move(ctx, grid.ClaimStop, unwanted)
	case s.late(s.launchLimit()):
		return 0, s.refused(ctx, "it could not be started within "+s.launchLimit().String(), grid.HoldCloudServer)
	case s.claim.VM == "" && s.claim.Kind == ledger.Borrowed:
		return s.borrow(ctx)
	case s.claim.VM == "":
		return s.create(ctx)
	}
	return s.start(ctx)
}

// launchLimit is how long a machine may take from the wish to its start: an overflow
// machine whose jobs may be served otherwise not long, one that is a job very long.
func (s *claimStep) launchLimit() time.Duration {
	if s.claim.Kind == ledger.Overflow && s.res.Burst != nil {
		return s.res.Burst.JoinTimeout
	}
	return 24 * time.Hour
}

// late reports whether the claim has been in its state for longer.
func (s *claimStep) late(limit time.Duration) bool {
	return time.Since(time.UnixMilli(s.claim.Entered)) > limit
}

func (s *claimStep) create(ctx context.Context) (time.Duration, error) {
	c := gahp.Create{Name: s.claim.Name, Mark: s.mark()}
	if s.claim.Kind == ledger.Overflow {
		b := s.res.Burst
		if b == nil {
			return 0, s.move(ctx, grid.ClaimFail, "burst is not configured any more")
		}
		data, err := s.d.guestData(s.id, s.claim.Name, b)
		if err != nil {
			return 0, err
		}
		c.Template, c.Cluster, c.Cores, c.MemoryMB, c.UserData = b.Template, b.Cluster, b.Cores, b.MemoryMB, data
		c.InstanceType, c.Quota = b.InstanceType, b.Quota
		c.Description = "overflow worker of " + s.d.c.Name
	} else {
		data, err := s.userData(ctx)
		if grid.CodeOf(err) == grid.Unavailable {
			return 0, err
		}
		if err != nil {
			return 0, s.refused(ctx, err.Error(), grid.HoldInput)
		}
		m := &s.spec
		c.Template, c.Cluster, c.Cores, c.MemoryMB, c.UserData = m.Template, m.Cluster, int(m.Cpus), m.MemoryMB, data
		c.InstanceType, c.Quota = m.InstanceType, m.Quota
		c.Description = fmt.Sprintf("job %s of %s at %s", s.claim.Job, s.owner.Name, s.d.c.Name)
	}
	failpoint.Hit("claim.create.before")
	limited, cancel := engineContext(ctx)
	defer cancel()
	vm, err := s.engine.Create(limited, s.order(), c)
	if failpoint.FreshName && kindOf(err) == gahp.NameInUse {
		c.Name += "-2"
		vm, err = s.engine.Create(limited, s.order(), c)
	}
	failpoint.Hit("claim.create.after")
	if failpoint.NoLook && kindOf(err) == gahp.Unknown {
		return 0, s.move(ctx, grid.ClaimFail, err.Error(), s.stopped(err.Error()))
	}
	switch kindOf(err) {
	case gahp.NameInUse, gahp.Unknown:
		// It may be ours, from a call whose answer was lost.
		return 0, s.move(ctx, grid.ClaimLost, err.Error())
	}
	if err != nil {
		return s.trouble(ctx, err)
	}
	return 0, s.learn(ctx, &vm)
}

// userData is what the guest of a job that is a machine is given.
func (s *claimStep) userData(ctx context.Context) (string, error) {
	if s.spec.UserDataFile == "" {
		return s.spec.UserData, nil
	}
	data, err := s.d.desks.ReadFile(ctx, s.owner, s.spec.UserDataFile, maxUserData)
	return string(data), err
}

// groups are what the machine is to belong to.
func (s *claimStep) groups() gahp.Assign {
	switch {
	case s.claim.Kind == ledger.Made:
		return gahp.Assign{Affinity: s.spec.Affinity, Tags: s.spec.Tags}
	case s.claim.Kind == ledger.Overflow && s.res.Burst != nil:
		return gahp.Assign{Affinity: s.res.Burst.Affinity, Tags: s.res.Burst.Tags}
	}
	return gahp.Assign{}
}

// maxUserData bounds what a guest is given, as oVirt does.
const maxUserData = 256 << 10

// trouble is a failure before there is a machine.
func (s *claimStep) trouble(ctx context.Context, err error) (time.Duration, error) {
	if passes(err) {
		return 0, err
	}
	return 0, s.refused(ctx, err.Error(), holdCodeOf(kindOf(err)))
}

// refused ends a claim whose machine will not be.
func (s *claimStep) refused(ctx context.Context, why string, code grid.HoldCode) error {
	verb := grid.ClaimFail
	if s.claim.VM != "" {
		verb = grid.ClaimStop
	}
	return s.move(ctx, verb, why, s.held(code, why))
}

// find settles whether the machine exists, by its name.
func (s *claimStep) find(ctx context.Context) (time.Duration, error) {
	vm, err := s.lookup(ctx)
	switch {
	case kindOf(err) == gahp.NotFound:
		if !s.wanted {
			return 0, s.move(ctx, grid.ClaimStop, unwanted)
		}
		// A create that is still on its way will find the name taken by the next one,
		// or the next one by it: there is one machine of a name.
		return soon, s.move(ctx, grid.ClaimAbsent, "no machine has its name")
	case err != nil:
		return 0, err
	case vm.Mark != s.mark() && !failpoint.AnyMark:
		return 0, s.refused(ctx, "a machine that is not ours has the name "+s.claim.Name, grid.HoldCloudServer)
	}
	return 0, s.propose(ctx, &ledger.Move{
		Verb: grid.ClaimFound, VM: vm.ID, Reason: "it was found by its name", Report: []ledger.AttemptReport{s.accepted(vm.ID, vm.State)},
	})
}

func (s *claimStep) lookup(ctx context.Context) (gahp.VM, error) {
	limited, cancel := engineContext(ctx)
	defer cancel()
	return s.engine.Find(limited, s.claim.Name)
}

// borrow finds the machine that is to be borrowed. It is noted before it is started,
// so that one that is up later is known to have been down.
func (s *claimStep) borrow(ctx context.Context) (time.Duration, error) {
	vm, err := s.lookup(ctx)
	switch {
	case kindOf(err) == gahp.NotFound:
		return 0, s.refused(ctx, s.res.Name+" has no machine named "+s.claim.Name, grid.HoldCloudUser)
	case err != nil:
		return s.trouble(ctx, err)
	case vm.State != gahp.Down:
		return 0, s.refused(ctx, fmt.Sprintf("machine %s of %s is %s: only one that is down can be borrowed", s.claim.Name, s.res.Name, vm.State), grid.HoldCloudUser)
	}
	return 0, s.learn(ctx, &vm)
}

// start starts a machine that is there.
func (s *claimStep) start(ctx context.Context) (time.Duration, error) {
	vm, seen, err := s.look(ctx, onTheWay)
	switch {
	case err != nil:
		return 0, err
	case seen == watch.Gone:
		return 0, s.vanished(ctx)
	case seen == watch.NotYet:
		return min(calm, s.left(s.launchLimit())), nil
	}
	switch vm.State {
	case gahp.Down:
		if s.claim.Rested == 0 {
			if err := s.rested(ctx, &vm); err != nil {
				return 0, err
			}
		} else if vm.Stopped.UnixMilli() != s.claim.Rested {
			return 0, s.started(ctx, &vm, "it had been started")
		}
	case gahp.ImageLocked, gahp.Unassigned, gahp.NoState:
		s.waits = "its disks are being made, since " + s.since()
		return min(s.calmly(onTheWay), s.left(s.launchLimit())), nil
	default:
		return 0, s.started(ctx, &vm, "it had been started")
	}
	if g := s.groups(); len(g.Affinity)+len(g.Tags) > 0 && !s.did.assigned {
		taken, again, err := s.tell(ctx, "assign", func(ctx context.Context, o gahp.Order, vm string) error {
			return gahp.ExtraOf(s.engine.Provider).Assign(ctx, o, vm, g)
		})
		if err != nil {
			return s.trouble(ctx, err)
		}
		s.did.assigned = taken
		return again, nil
	}
	var boot gahp.Start
	if s.claim.Uses > 0 { // the machine has what it was given for its first job
		if boot.UserData, err = s.userData(ctx); err != nil {
			if grid.CodeOf(err) == grid.Unavailable {
				return 0, err
			}
			return 0, s.refused(ctx, err.Error(), grid.HoldInput)
		}
	}
	taken, again, err := s.tell(ctx, "start", func(ctx context.Context, o gahp.Order, vm string) error {
		failpoint.Hit("claim.start.before")
		defer failpoint.Hit("claim.start.after")
		return s.engine.Start(ctx, o, vm, boot)
	})
	switch {
	case taken:
		return 0, s.started(ctx, &vm, "")
	case err != nil:
		return s.trouble(ctx, err)
	}
	return again, nil
}

// started notes that the engine has taken the start. Of a machine that another job was
// before, it has taken this job with it.
func (s *claimStep) started(ctx context.Context, vm *gahp.VM, why string) error {
	if s.claim.Uses == 0 {
		return s.move(ctx, grid.ClaimStarted, why)
	}
	return s.move(ctx, grid.ClaimStarted, why, s.accepted(vm.ID, vm.State))
}

// rested notes when the machine has last stopped, before its start is ordered: one that is
// down later, and has stopped since, has run for this claim, whatever became of the answer.
// An engine says of a machine that is down when it has stopped, and not when it was
// started.
func (s *claimStep) rested(ctx context.Context, vm *gahp.VM) error {
	at := vm.Stopped.UnixMilli()
	if err := s.propose(ctx, &ledger.Move{Rested: at}); err != nil {
		return err
	}
	s.claim.Rested = at
	s.claim.Version++
	return nil
}

// vanished: the machine is gone, and it was not us.
func (s *claimStep) vanished(ctx context.Context) error {
	const why = "its machine is gone from the engine, and this schedd has not removed it"
	return s.move(ctx, grid.ClaimStop, why, s.held(grid.HoldCloudLost, why))
}
