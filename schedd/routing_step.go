package schedd

import (
	"context"
	"time"

	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
	"gridburst/schedd/target"
)

// advance does what comes next, and says when to look again; 0: when something happens.
func (s *routeStep) advance(ctx context.Context) (time.Duration, error) {
	var err error
	if s.site, err = s.d.sites.at(s.rec.Target); err != nil {
		if s.rec.State == grid.RouteSubmitting && s.rec.Term == s.v.Term && !s.did.asked {
			if why := s.rerouted(); why != "" && s.wanted() {
				return 0, s.giveBack(ctx, why)
			}
			return 0, s.refuse(ctx, grid.HoldCloudAdmin, grid.MessageOf(err))
		}
		s.waits = "its target cannot be asked any more (" + grid.MessageOf(err) + "): configure it again, so that what it has of ours can be taken back"
		return calm, nil
	}
	switch s.rec.State {
	case grid.RouteSubmitting:
		if s.rec.Term == s.v.Term && !s.did.asked {
			return s.submit(ctx)
		}
		return s.find(ctx) // whoever was here before may have asked
	case grid.RouteUnknown:
		return s.find(ctx)
	case grid.RouteWaiting, grid.RouteRunning, grid.RouteHeld:
		return s.watch(ctx)
	case grid.RouteEnded:
		return s.finish(ctx)
	}
	return calm, nil
}

// refuse ends a routing of a job that the target does not have, and holds the job.
func (s *routeStep) refuse(ctx context.Context, code grid.HoldCode, why string) error {
	if err := s.withdraw(ctx); err != nil {
		return err
	}
	return s.carry(ctx, grid.RouteRefuse, why, parked(code, 0, why))
}

// cancel ends a routing of a job that the target does not have and is not to get.
func (s *routeStep) cancel(ctx context.Context) error {
	const why = "it was not wanted any more"
	if err := s.withdraw(ctx); err != nil {
		return err
	}
	return s.carry(ctx, grid.RouteRefuse, why, stopped(why))
}

// giveBack ends a routing of a job that the target does not have: others decide where it
// runs.
func (s *routeStep) giveBack(ctx context.Context, why string) error {
	if err := s.withdraw(ctx); err != nil {
		return err
	}
	s.moot = true
	return s.carry(ctx, grid.RouteRefuse, why, stopped(why))
}

// withdraw takes away what the target would run: one that it should come to have all the
// same does nothing.
func (s *routeStep) withdraw(ctx context.Context) error {
	err := s.desk(ctx, func(ctx context.Context) error { return s.d.desks.ForgetAway(ctx, s.owner, s.dir) })
	if err != nil && !fleeting(err) {
		s.d.log.WithError(err).WithField("job", s.id).Warn("what was made for a target is not taken away")
		err = nil
	}
	return err
}

// submit hands the job over.
func (s *routeStep) submit(ctx context.Context) (time.Duration, error) {
	if !s.wanted() {
		return 0, s.cancel(ctx)
	}
	if why := s.rerouted(); why != "" {
		return 0, s.giveBack(ctx, why)
	}
	if s.site.down() {
		s.waits, s.looks = "its target does not answer", true
		return 0, nil
	}
	away, job, err := s.errand()
	if err != nil {
		return 0, s.refuse(ctx, grid.HoldCloudUser, grid.MessageOf(err))
	}
	if err := s.prepare(ctx, away); err != nil {
		if fleeting(err) && !(job.Spool && grid.CodeOf(err) == grid.NoSpace) {
			return 0, err
		}
		code := grid.HoldInput
		if grid.CodeOf(err) == grid.TooLarge {
			code = grid.HoldInputSize
		}
		return 0, s.refuse(ctx, code, "the job cannot be handed to "+s.rec.Target+": "+grid.MessageOf(err))
	}
	limited, end, err := s.site.submits(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	failpoint.Hit("route.submit.before")
	s.did.asked = true
	id, err := s.site.Submit(limited, job)
	failpoint.Hit("route.submit.after")
	switch code := grid.CodeOf(err); code {
	case "":
		return 0, s.accept(ctx, id)
	case grid.Unavailable:
		s.did.asked = false
		return 0, err
	case grid.Unknown, grid.Internal:
		return 0, s.carry(ctx, grid.RouteLose, "the answer was lost: "+grid.MessageOf(err))
	}
	// What a command calls a refusal is believed when the target does not show the job, and
	// says it again: a target that is going away says much.
	s.did.refused, s.did.at, s.looks = grid.MessageOf(err), time.Now(), true
	s.did.refusals++
	s.site.stirs()
	return 0, nil
}

// prepare has the owner's desk make what the target is to run.
func (s *routeStep) prepare(ctx context.Context, away desk.Away) error {
	end, err := slot(ctx, s.site.desks)
	if err != nil {
		return err
	}
	defer end()
	return s.moves(ctx, func(ctx context.Context) error { return s.d.desks.PrepareAway(ctx, s.owner, away) })
}

// desk has the owner's desk do something.
func (s *routeStep) desk(ctx context.Context, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	return do(limited)
}

// moves is desk, of what may take long where files travel.
func (s *routeStep) moves(ctx context.Context, do func(context.Context) error) error {
	if !s.site.spools() {
		return s.desk(ctx, do)
	}
	limited, cancel := context.WithTimeout(ctx, moveLimit)
	defer cancel()
	return do(limited)
}

// fleeting reports whether a failure is one that time may mend.
func fleeting(err error) bool {
	switch grid.CodeOf(err) {
	case grid.Unavailable, grid.Unknown, grid.Internal, grid.NoSpace:
		return true
	}
	return false
}

// accept notes that the target has the job.
func (s *routeStep) accept(ctx context.Context, id string) error {
	at := s.rec.Target + " " + s.name + " " + id
	return s.propose(ctx, ledger.Carried{
		Verb: grid.RouteAccept, Remote: id, Reason: s.rec.Target + " has it as " + id,
		Report: []ledger.AttemptReport{{Kind: ledger.Accepted, Where: at, Attrs: []ledger.Attr{text(attrGridJob, at), number(attrGridSeen, time.Now().Unix())}}},
	})
}

// find looks by its name for a job that the target may have.
func (s *routeStep) find(ctx context.Context) (time.Duration, error) {
	seen, look := s.site.look(s.name, s.rec.Remote, s.did.at)
	switch look {
	case lookHere:
		if s.did.refused != "" && seen.Wants == target.WantsFiles && s.wanted() {
			return 0, s.unsent(ctx, &seen)
		}
		s.did.refused = ""
		return 0, s.accept(ctx, seen.ID)
	case lookNotYet:
		s.waits, s.looks = "its target is asked whether it has the job", true
		s.site.wake()
		return 0, nil
	}
	switch {
	case s.did.refused != "" && s.wanted() && s.did.refusals < 2:
		return s.submit(ctx)
	case s.did.refused != "" && s.wanted():
		return 0, s.refuse(ctx, grid.HoldCloudUser, s.rec.Target+" refuses the job: "+s.did.refused)
	case !s.wanted():
		return 0, s.cancel(ctx)
	}
	return 0, s.carry(ctx, grid.RouteAbsent, s.rec.Target+" does not have it")
}

// watch compares what the target shows with what is known, and carries there what its owner
// wants.
func (s *routeStep) watch(ctx context.Context) (time.Duration, error) {
	since := s.did.at
	if s.did.order == "" {
		since = time.UnixMilli(s.rec.Entered) // it shows the job since then
		if s.rec.Term != s.v.Term {
			since = time.Time{}
		}
	}
	seen, look := s.site.look(s.name, s.rec.Remote, since)
	switch {
	case look == lookNotYet:
		s.looks = true
		s.site.wake()
		return 0, nil
	case look == lookAbsent:
		return s.missing(ctx)
	}
	if err := s.single(ctx, &seen); err != nil {
		return 0, err
	}
	if s.site.spools() && s.rec.Remote != "" && seen.ID != s.rec.Remote {
		return s.stranger(ctx, &seen)
	}
	if seen.State == target.Ended {
		return s.ended(ctx, &seen)
	}
	s.waits = "it is " + seen.Word
	switch {
	case s.here && s.job.Status == grid.Held:
		return s.holds(ctx, &seen)
	case !s.wanted():
		return s.tell(ctx, &seen, "remove", s.site.Remove)
	}
	return s.mirror(ctx, &seen)
}

// single takes back what the target has of the job beside: it was handed in twice, and
// only one of them would run it.
func (s *routeStep) single(ctx context.Context, seen *target.Seen) error {
	for _, other := range s.site.doubles(s.name, seen.ID) {
		limited, end, err := s.site.turn(ctx)
		if err != nil {
			return err
		}
		err = s.site.Remove(limited, s.at(&other))
		end()
		if err != nil && grid.CodeOf(err) != grid.NotFound {
			return err
		}
		s.site.stirs()
	}
	return nil
}

// holds carries a hold to the target: what waits there is held there, and keeps its place;
// what runs is ended. A hold that is the target's own is taken back with it.
func (s *routeStep) holds(ctx context.Context, seen *target.Seen) (time.Duration, error) {
	held := seen.State == target.Held
	switch {
	case s.rec.Copied && !held:
		return 0, s.carry(ctx, grid.RouteRelease, s.rec.Target+" has released it")
	case held && s.rec.State != grid.RouteHeld:
		return 0, s.carry(ctx, grid.RouteHold, "its hold is carried to "+s.rec.Target)
	case held:
		return 0, nil
	case seen.State == target.Waiting && s.did.why == "":
		return s.tell(ctx, seen, "hold", s.site.Hold)
	}
	return s.tell(ctx, seen, "remove", s.site.Remove)
}

// mirror brings the job to where it is at the target.
func (s *routeStep) mirror(ctx context.Context, seen *target.Seen) (time.Duration, error) {
	switch seen.State {
	case target.Held:
		if seen.Wants == target.WantsFiles {
			return s.halfway(ctx, seen)
		}
		if s.rec.State == grid.RouteHeld { // the job was released here
			return s.tell(ctx, seen, "release", s.site.Release)
		}
		return 0, s.propose(ctx, ledger.Carried{Verb: grid.RouteHold, Code: grid.HoldUser, Reason: s.rec.Target + " holds it: " + seen.Word})
	case target.Waiting:
		switch s.rec.State {
		case grid.RouteRunning:
			return 0, s.carry(ctx, grid.RouteWait, s.rec.Target+" has put it back into its queue: "+seen.Word)
		case grid.RouteHeld:
			return 0, s.carry(ctx, grid.RouteRelease, s.rec.Target+" has released it")
		}
		if spool, ok := s.site.is().(target.Spool); ok {
			switch seen.Wants {
			case target.WantsBegin:
				return s.tell(ctx, seen, "begin", spool.Begin)
			case target.WantsEnd:
				return s.stranded(ctx, seen)
			}
		}
	case target.Running:
		switch s.rec.State {
		case grid.RouteHeld:
			return 0, s.carry(ctx, grid.RouteRelease, s.rec.Target+" has released it")
		case grid.RouteWaiting:
			where := seen.Host
			if where == "" {
				where = s.rec.Target
			}
			return 0, s.carry(ctx, grid.RouteStart, "it runs at "+where, ledger.AttemptReport{
				Kind: ledger.Started, Where: where, Attrs: []ledger.Attr{text("RemoteHost", where), number(attrGridSeen, time.Now().Unix())},
			})
		}
		s.waits = ""
		return s.check(ctx)
	}
	return 0, nil
}

// check looks whether a job has ended that its target says is running. A target that went
// away may take long to learn of an end that it missed.
func (s *routeStep) check(ctx context.Context) (time.Duration, error) {
	again := calm
	if s.site.doubtful() {
		again = doubtful
	}
	last := s.did.checked
	if last.Before(s.did.at) {
		last = s.did.at
	}
	if left := again - time.Since(last); left > 0 {
		return left, nil
	}
	done, err := s.conclude(ctx)
	if err == nil {
		return 0, s.over(ctx, done)
	}
	s.did.checked = time.Now()
	if grid.CodeOf(err) != grid.NotFound && !fleeting(err) {
		return s.unread(ctx, err)
	}
	return again, nil
}

// doubtful is how often it is looked for the result of a job whose target has been away.
const doubtful = 3 * time.Second

// tell gives the target an order about the job. The same order is not given again before a
// listing shows that it had no effect, and later and later if it is refused.
func (s *routeStep) tell(ctx context.Context, seen *target.Seen, order string, f func(context.Context, target.Ref) error) (time.Duration, error) {
	s.looks = true
	if s.did.order == order {
		rest := insists
		if s.did.failed > 0 {
			rest, s.waits = backOff(s.did.failed), order+" is tried again: "+s.did.why
		}
		if left := rest - time.Since(s.did.at); left > 0 {
			return left, nil
		}
	} else {
		s.did.failed = 0
	}
	limited, end, err := s.site.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	failpoint.Hit("route.order.before")
	err = f(limited, s.at(seen))
	failpoint.Hit("route.order.after")
	s.did.order, s.did.at = order, time.Now()
	s.site.stirs()
	if err == nil {
		s.did.failed, s.did.why = 0, ""
		return insists, nil
	}
	s.did.failed++
	s.did.why = grid.MessageOf(err)
	switch grid.CodeOf(err) {
	case grid.NotFound, grid.Unknown, grid.Refused:
		return backOff(s.did.failed), nil // a look will tell
	}
	return backOff(s.did.failed), err
}

// forgets is how long a target may not know a job that has begun before that is given up:
// what it lost may run on until then.
const forgets = 30 * time.Second

// missing decides on a job that listings do not show any more: it has left its result, or
// the target tells of it when it is asked for alone, or nobody knows of it.
func (s *routeStep) missing(ctx context.Context) (time.Duration, error) {
	done, err := s.conclude(ctx)
	if err == nil {
		return 0, s.over(ctx, done)
	}
	if grid.CodeOf(err) != grid.NotFound && !s.site.spools() {
		return s.unread(ctx, err)
	}
	limited, cancel := siteContext(ctx)
	defer cancel()
	seen, err := s.site.Look(limited, s.ref())
	switch code := grid.CodeOf(err); {
	case code == "" && seen.State == target.Ended:
		return s.ended(ctx, &seen)
	case code == "":
		s.waits, s.looks = s.rec.Target+" does not list it, and says that it is "+seen.Word, true
		return soon, nil
	case code != grid.NotFound:
		return 0, err
	}
	begun, err := s.begun(ctx, nil)
	if err != nil {
		return 0, err
	}
	why := s.rec.Target + " does not know it any more"
	switch absent := s.site.missing(s.name); {
	case !begun:
		why += ", and it had not begun"
		return 0, s.carry(ctx, grid.RouteEnd, why, stopped(why))
	case time.Since(absent) < forgets:
		s.waits, s.looks = why, true
		return time.Until(absent.Add(forgets)) + time.Millisecond, nil
	}
	return 0, s.carry(ctx, grid.RouteEnd, why, s.vanished(why))
}

// vanished says that the attempt is over and its result is not known; one that has not
// been seen to run is not to count as run for that.
func (s *routeStep) vanished(why string) ledger.AttemptReport {
	return ledger.AttemptReport{Kind: ledger.Vanished, Vacate: grid.VacateMachine, Reason: why}
}

// lags is how long a result may take to be seen that was written on another machine.
const lags = 10 * time.Second

// begun reports whether a job that its target has no more has begun, and keeps it from
// beginning if it has not. seen is what the target tells of it; nil: nothing.
func (s *routeStep) begun(ctx context.Context, seen *target.Seen) (begun bool, err error) {
	if s.site.spools() { // only the target knows
		return seen == nil || seen.Starts > 0, nil
	}
	err = s.desk(ctx, func(ctx context.Context) (err error) {
		begun, err = s.d.desks.RevokeAway(ctx, s.owner, s.dir)
		return err
	})
	return begun, err
}

// ended decides on a job that is over at its target.
func (s *routeStep) ended(ctx context.Context, seen *target.Seen) (time.Duration, error) {
	switch {
	case s.keeps(seen):
		return s.kept(ctx)
	case !s.wanted():
		return 0, s.carry(ctx, grid.RouteEnd, "it is over", stopped("it was ended"))
	case s.rec.State == grid.RouteHeld && s.site.spools():
		return 0, s.carry(ctx, grid.RouteRelease, "it was released")
	}
	done, err := s.collect(ctx, seen)
	switch {
	case err == nil:
		return 0, s.over(ctx, done)
	case s.site.spools() && seen.End == target.ByItself && grid.CodeOf(err) != grid.NotFound:
		return s.stays(ctx, err)
	case grid.CodeOf(err) != grid.NotFound:
		return s.unread(ctx, err)
	}
	why := s.rec.Target + " says that it is over (" + seen.Word + ")"
	switch seen.End {
	case target.Cancelled, target.Lost:
		begun, err := s.begun(ctx, seen)
		switch {
		case err != nil:
			return 0, err
		case !begun:
			return 0, s.carry(ctx, grid.RouteEnd, why, stopped(why+", and it had not begun"))
		}
		return 0, s.carry(ctx, grid.RouteEnd, why, s.vanished(why))
	case target.TimeUp:
		return 0, s.carry(ctx, grid.RouteEnd, why, parked(grid.HoldJobDuration, 0, why+": it ran for longer than it may there; batch_runtime asks for more"))
	case target.OutOfMemory:
		return 0, s.carry(ctx, grid.RouteEnd, why, parked(grid.HoldOutOfResource, 102, why+": it used more memory than request_memory says"))
	}
	if s.did.noted.IsZero() {
		s.did.noted = time.Now()
	}
	if left := lags - time.Since(s.did.noted); left > 0 {
		s.waits = why + ", and its result is not there yet"
		return min(left, soon), nil
	}
	if s.site.spools() {
		why += ", and no result of it has come back: was it killed there?"
	} else {
		why += ", and it left no result in " + s.rec.Dir + ": is that a directory which the target's machines share with this one?"
	}
	return 0, s.carry(ctx, grid.RouteEnd, why, parked(grid.HoldCloudAdmin, 0, why))
}

// unread: the result is there, and cannot be read now, or not at all.
func (s *routeStep) unread(ctx context.Context, err error) (time.Duration, error) {
	if fleeting(err) {
		return 0, err
	}
	why := "its results cannot be taken from " + s.rec.Target + ": " + grid.MessageOf(err)
	return 0, s.carry(ctx, grid.RouteEnd, why, parked(grid.HoldOutput, 0, why))
}

// over reports how a job ended by itself. Its outputs are staged, and are put in place next.
func (s *routeStep) over(ctx context.Context, c concluded) error {
	r := &c.Result
	if !s.wanted() {
		return s.carry(ctx, grid.RouteEnd, "it is over", stopped("it was ended"))
	}
	if r.HoldCode != 0 {
		return s.carry(ctx, grid.RouteEnd, r.Reason, parked(r.HoldCode, r.HoldSub, r.Reason))
	}
	x := ledger.Exit{Code: r.Code, Signal: r.Signal, WallMS: r.WallMS, UserMS: r.UserMS, SysMS: r.SysMS}
	attrs := append(usageAttrs(&x), text(stagedAttr, c.Staged.SHA256), text("RemoteHost", r.Host))
	failpoint.Hit("route.end.before")
	err := s.carry(ctx, grid.RouteEnd, "it has ended", ledger.AttemptReport{Kind: ledger.Ended, Verdict: ledger.TakeOver, Exit: x, Where: r.Host, Attrs: attrs})
	if err == nil {
		failpoint.Hit("route.end.after")
		s.takeOver(c)
	}
	return err
}

// takeOver has the outputs put in place that were staged.
func (s *routeStep) takeOver(c concluded) {
	s.did.sha256 = c.Staged.SHA256
	o := takeover{job: s.id, epoch: s.rec.Epoch, sha256: c.Staged.SHA256}
	if c.Hold != nil {
		o.failed = &wire.Report{Job: s.id, Epoch: s.rec.Epoch, Kind: wire.Failed, Hold: *c.Hold}
	}
	s.d.take.begin(o)
}

// finish has the outputs of a job put in place that has ended, and takes away what it left.
func (s *routeStep) finish(ctx context.Context) (time.Duration, error) {
	switch {
	case s.here && s.wanted() && s.did.sha256 == "":
		// They were staged for an earlier term, or for nobody.
		done, err := s.conclude(ctx)
		if err != nil {
			if fleeting(err) {
				return 0, err
			}
			why := "its results cannot be taken from " + s.rec.Target + ": " + grid.MessageOf(err)
			return 0, s.carry(ctx, "", "", ledger.AttemptReport{Kind: ledger.Taken, Verdict: ledger.Park, HoldCode: grid.HoldOutput, Reason: why})
		}
		s.takeOver(done)
		return 0, nil
	case s.here && s.wanted():
		return 0, nil // its end is on its way
	case s.here:
		return 0, s.carry(ctx, "", "", stopped("it was ended"))
	}
	limited, end, err := s.site.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	failpoint.Hit("route.clean.before")
	if seen, look := s.site.look(s.name, s.rec.Remote, time.Time{}); look == lookHere && seen.State != target.Ended && s.rec.Remote != "" {
		// It has missed the end, or there was none.
		if err := s.site.Remove(limited, s.at(&seen)); err != nil && grid.CodeOf(err) != grid.NotFound && grid.CodeOf(err) != grid.Refused {
			return 0, err
		}
	}
	if err := s.site.Forget(limited, s.ref()); err != nil && grid.CodeOf(err) != grid.NotFound {
		return 0, err
	}
	if err := s.desk(ctx, func(ctx context.Context) error { return s.d.desks.ForgetAway(ctx, s.owner, s.dir) }); err != nil {
		if fleeting(err) {
			return 0, err
		}
		s.d.log.WithError(err).WithField("job", s.id).Warn("what a job left at its target is not taken away")
	}
	failpoint.Hit("route.clean.after")
	return 0, s.carry(ctx, grid.RouteClean, "what it left is taken away")
}
