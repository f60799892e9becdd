package ledger

import "gridburst/internal/grid"

func (c *Act) apply(t *txn) (any, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	var out Acted
	for _, run := range c.Runs {
		t.act(c, run, nil, &out)
	}
	return out, nil
}

func (c *Act) check() error {
	switch c.Verb {
	case grid.Hold, grid.Release, grid.Remove, grid.Vacate, grid.Suspend, grid.Continue, grid.Leave:
		return c.Part.check(c.Runs)
	}
	return grid.Errorf(grid.Invalid, "%q is not something to do to a job: hold, release, remove, vacate, suspend or continue", c.Verb)
}

func (p *Part) check(runs []grid.Run) error {
	if *p != (Part{}) && (p.Max <= 0 || len(runs) != 1 || !runs[0].Whole()) {
		return grid.Errorf(grid.Invalid, "a part is one of a whole cluster, and has a bound")
	}
	return nil
}

func (c *Decide) apply(t *txn) (any, error) {
	for i := range c.List {
		if err := c.List[i].check(); err != nil {
			return nil, err
		}
	}
	var out Acted
	for i := range c.List {
		d := &c.List[i]
		for _, run := range d.Runs {
			t.act(&d.Act, run, d, &out)
		}
	}
	return out, nil
}

func (c *Alter) apply(t *txn) (any, error) {
	if err := c.Part.check(c.Runs); err != nil {
		return nil, err
	}
	var out Acted
	names := namesOf(c.Attrs)
	for _, run := range c.Runs {
		if run.Whole() && c.Part.From == 0 {
			c.alterFactory(t, run.Cluster, &out)
		}
		t.each(run, c.Part, c.Owner, &out, func(s *Stretch, cl *Cluster, runs []grid.Run, n int32) {
			if s.Job.Status == grid.Removed {
				out.Refused += n
				return
			}
			out.Changed += n
			edits := t.edits(s.attrs, c.Attrs)
			t.setAttrs(s, merge(s.attrs, c.Attrs...))
			t.store(s, cl, s.Job.Status, n)
			for _, r := range runs {
				t.emit(Event{Type: JobEdited, Jobs: r, Fresh: alone(s, cl, r), Text: names, Edits: edits})
			}
		})
	}
	return out, nil
}

// maxEdits is how many bytes of attributes an event says: an entry has an event for each of
// some hundreds of jobs.
const maxEdits = 800

// edits says what attributes were and will be; nothing when that is long.
func (t *txn) edits(was, now []Attr) (out []Edited) {
	if t.v.rules < 2 {
		return nil
	}
	size := 0
	for _, a := range now {
		e := Edited{Name: a.Name, Was: find(was, a.Name), Now: a.Expr}
		if size += len(e.Name) + len(e.Was) + len(e.Now); size > maxEdits {
			return nil
		}
		out = append(out, e)
	}
	return out
}

// alone: the first thing that happens to this job of a larger cluster by itself. One
// that is left between others is alone, too.
func alone(s *Stretch, cl *Cluster, r grid.Run) bool {
	return s.fresh || s.Base && cl.Procs > 1 && r.Len() == 1
}

// each calls do for the live jobs of one run. The untouched ones are done together, by
// the record they share, when the run has all of them; otherwise each is on its way to
// a record of its own. What is not there, or another's, is counted in out.
func (t *txn) each(run grid.Run, part Part, owner uint32, out *Acted, do func(s *Stretch, cl *Cluster, runs []grid.Run, n int32)) {
	cl, ok := t.cluster(run.Cluster)
	switch {
	case !ok && run.Whole():
		out.Missing++
		return
	case !ok:
		out.Missing += int32(run.Len())
		return
	case owner != 0 && owner != cl.Owner:
		out.Foreign++
		return
	case run.Whole() && part.Max > 0:
		t.eachOf(run, part, out, do)
		return
	}
	var single []grid.JobID
	var shared []grid.Run
	var live, untouched int32
	for s := range t.v.Stretches(run) {
		n := int32(s.Run.Len())
		live += n
		if s.Base {
			untouched += n
			shared = append(shared, s.Run)
			continue
		}
		single = append(single, s.Run.First())
	}
	if !run.Whole() {
		out.Missing += min(run.Hi, grid.MaxProcs) - run.Lo - live
	}
	if untouched > 0 && untouched == cl.Untouched() {
		t.together(&cl, shared, untouched, out, do)
	} else {
		for _, r := range shared {
			for proc := r.Lo; proc < r.Hi; proc++ {
				single = append(single, grid.JobID{Cluster: r.Cluster, Proc: proc})
			}
		}
	}
	t.singly(single, out, do)
}

// together calls do for all jobs that share a cluster's record.
func (t *txn) together(cl *Cluster, shared []grid.Run, n int32, out *Acted, do func(s *Stretch, cl *Cluster, runs []grid.Run, n int32)) {
	s := Stretch{Run: shared[0], Job: cl.Base, Base: true}
	if t.read(&s) {
		do(&s, cl, shared, n)
	} else {
		out.Missing += n
	}
}

// singly calls do for one job after another.
func (t *txn) singly(jobs []grid.JobID, out *Acted, do func(s *Stretch, cl *Cluster, runs []grid.Run, n int32)) {
	for _, id := range jobs {
		if s, cl, ok := t.stretch(id); ok {
			do(&s, &cl, []grid.Run{s.Run}, 1)
		} else {
			out.Missing++
		}
	}
}

// eachOf is each for a part of a whole cluster: first the jobs that share its record, if
// they do not lie between too many others, then the others by their number.
func (t *txn) eachOf(run grid.Run, part Part, out *Acted, do func(s *Stretch, cl *Cluster, runs []grid.Run, n int32)) {
	budget := part.Max
	if part.From == 0 {
		var shared []grid.Run
		n := int32(0)
		for s := range t.v.Stretches(run) {
			if s.Base {
				shared = append(shared, s.Run)
				n += int32(s.Run.Len())
			}
		}
		part.Each = len(shared) > int(part.Max)
		if n > 0 && !part.Each {
			cl, _ := t.cluster(run.Cluster)
			t.together(&cl, shared, n, out, do)
			budget = max(budget-int32(len(shared)), 1)
		}
	}
	run.Lo = part.From
	var jobs []grid.JobID
	for s := range t.v.Stretches(run) {
		if s.Base && !part.Each {
			continue
		}
		for proc := s.Run.Lo; proc < s.Run.Hi && out.Rest.Max == 0; proc++ {
			if int32(len(jobs)) == budget {
				out.Rest = Part{From: proc, Max: part.Max, Each: part.Each}
				break
			}
			jobs = append(jobs, grid.JobID{Cluster: run.Cluster, Proc: proc})
		}
		if out.Rest.Max > 0 {
			break
		}
	}
	t.singly(jobs, out, do)
}

// act does the verb to the live jobs of one run. Those that a decision does not rest on are
// left as they are.
func (t *txn) act(c *Act, run grid.Run, rests *Decision, out *Acted) {
	if rests == nil && run.Whole() && c.Part.From == 0 && t.actOnFactory(c, run.Cluster, out) {
		return
	}
	t.each(run, c.Part, c.Owner, out, func(s *Stretch, cl *Cluster, runs []grid.Run, n int32) {
		switch {
		case rests != nil && (rests.Version != s.Job.Version || rests.Base != (s.Base || s.shared)):
			out.Refused += n
		case c.Verb == grid.Leave && s.Job.Status != grid.Completed:
			out.Refused += n
		case c.Verb == grid.Leave:
			out.Changed += n
			t.leave(s, cl, runs)
		case c.Verb == grid.Vacate:
			t.vacate(c, s, cl, n, out)
		case c.Force:
			t.forceOut(c, s, cl, runs, n, out)
		default:
			t.actOn(c, s, cl, runs, n, out)
		}
	})
}

func (t *txn) actOn(c *Act, s *Stretch, cl *Cluster, runs []grid.Run, n int32, out *Acted) {
	was := s.Job.Status
	next, err := was.On(c.Verb)
	switch {
	case err != nil && already(c.Verb, was):
		out.Already += n
		return
	case err != nil:
		out.Refused += n
		return
	case c.Verb == grid.Release && !t.v.Releasable(s.Run.First(), &s.Job):
		// Its last attempt is still being ended. To release it now would let it
		// start twice.
		out.Refused += n
		return
	case (c.Verb == grid.Suspend || c.Verb == grid.Continue) && s.Job.Place != OnSlot:
		out.Refused += n // a virtual machine is not stopped from here
		return
	}
	out.Changed += n
	since := s.Job.Entered
	t.enter(&s.Job, next)
	if s.Job.Place == ForClaim {
		s.Job.Place, s.Job.At = Nowhere, 0
	}
	ev := Event{Epoch: s.Job.Epoch, From: uint8(was), To: uint8(next), Text: c.Reason}
	attrs := s.attrs
	switch c.Verb {
	case grid.Hold:
		ev.Type, ev.Code, ev.Sub = JobHeld, int32(c.Code), c.Sub
		attrs = t.hold(&s.Job, attrs, c.Code, c.Sub, c.Reason)
	case grid.Release:
		ev.Type = JobReleased
		attrs = merge(t.release(&s.Job, attrs, c.Reason), Attr{Name: copied})
		t.released(s.Run.First())
	case grid.Remove:
		ev.Type = JobRemoved
		attrs = merge(attrs, text("RemoveReason", c.Reason))
	case grid.Suspend:
		ev.Type = JobSuspended
		attrs = merge(attrs, integer("TotalSuspensions", number(attrs, "TotalSuspensions")+1), integer("LastSuspensionTime", t.at/1000))
	case grid.Continue:
		ev.Type = JobContinued
		attrs = merge(attrs, integer("CumulativeSuspensionTime", number(attrs, "CumulativeSuspensionTime")+(t.at-since)/1000))
	}
	leaves := next == grid.Removed && !s.Job.Attempt()
	if leaves && s.Base && n == cl.Live {
		t.pass(s, cl, attrs, was) // the cluster leaves: what is stored of it would be dropped at once
	} else {
		t.setAttrs(s, attrs)
		t.store(s, cl, was, n)
	}
	for _, r := range runs {
		ev.Jobs, ev.Fresh = r, alone(s, cl, r)
		t.emit(ev)
	}
	if leaves {
		t.leave(s, cl, runs)
	}
}

// already: the verb has nothing to do in that state, which is what it asks for.
func already(v grid.Verb, s grid.Status) bool {
	switch v {
	case grid.Hold:
		return s == grid.Held
	case grid.Remove:
		return s == grid.Removed
	case grid.Suspend:
		return s == grid.Suspended
	case grid.Continue:
		return s == grid.Running
	}
	return false
}

// vacate asks for the end of an attempt: its job is idle again once that is reported. An
// attempt is one job's, whose record is its own.
func (t *txn) vacate(c *Act, s *Stretch, cl *Cluster, n int32, out *Acted) {
	j := &s.Job
	switch {
	case j.Place != OnSlot && j.Place != AtTarget && (j.Place != AsVM || t.v.rules < 3), j.Status == grid.Held || j.Status == grid.Removed || j.Status == grid.TransferringOutput:
		out.Refused += n
		return
	case j.Flags&Vacating != 0 && (!c.Fast || j.Flags&VacateFast != 0):
		out.Already += n
		return
	}
	out.Changed += n
	j.Flags |= Vacating
	if c.Fast {
		j.Flags |= VacateFast
	}
	t.setAttrs(s, merge(s.attrs, text("VacateReason", c.Reason), integer("VacateReasonCode", int64(c.Vacate)), integer("VacateReasonSubCode", int64(c.Sub))))
	t.store(s, cl, j.Status, n)
	t.emit(Event{Type: JobVacated, Jobs: s.Run, Epoch: j.Epoch, Code: int32(c.Vacate), Sub: c.Sub, Text: c.Reason})
}

// forceOut takes jobs that are being removed out of the queue, whatever may still live
// of them elsewhere: its worker ends that when it comes, for it is no job's any more.
func (t *txn) forceOut(c *Act, s *Stretch, cl *Cluster, runs []grid.Run, n int32, out *Acted) {
	j := &s.Job
	if c.Verb != grid.Remove || j.Status != grid.Removed {
		out.Refused += n
		return
	}
	out.Changed += n
	t.unplace(j, runs[0].First())
	t.setAttrs(s, merge(s.attrs, text("RemoveReason", c.Reason)))
	t.store(s, cl, j.Status, n)
	t.leave(s, cl, runs)
}

// enter is the only place that assigns a job's status.
func (t *txn) enter(j *Job, next grid.Status) {
	j.Last, j.Status, j.Entered = j.Status, next, t.at
}

// hold and release keep the reason attributes as HTCondor does: the current ones
// while held, the Last ones after.
func (t *txn) hold(j *Job, attrs []Attr, code grid.HoldCode, sub int32, reason string) []Attr {
	j.HoldCode, j.HoldSub = code, sub
	j.Holds++
	if t.v.rules >= 1 {
		attrs = t.tally(renamed(attrs, "ReleaseReason", "LastReleaseReason"), "NumHoldsByReason", code.Label())
	}
	return merge(attrs, text("HoldReason", reason))
}

func (t *txn) release(j *Job, attrs []Attr, reason string) []Attr {
	attrs = renamed(attrs, "HoldReason", "LastHoldReason")
	if t.v.rules >= 1 {
		attrs = merge(attrs, integer("LastHoldReasonCode", int64(j.HoldCode)), integer("LastHoldReasonSubCode", int64(j.HoldSub)))
	}
	j.HoldCode, j.HoldSub = 0, 0
	return merge(attrs, text("ReleaseReason", reason))
}

func (c *Edit) apply(t *txn) (any, error) {
	s, cl, ok := t.stretch(c.Job)
	switch {
	case !ok:
		return nil, grid.Errorf(grid.NotFound, "job %s is not in the queue", c.Job)
	case c.Version != 0 && c.Version != s.Job.Version:
		return nil, grid.Errorf(grid.Conflict, "job %s has changed since", c.Job)
	}
	t.setAttrs(&s, merge(s.attrs, c.Attrs...))
	t.store(&s, &cl, s.Job.Status, 1)
	t.emit(Event{Type: JobEdited, Jobs: s.Run, Fresh: s.fresh, Text: namesOf(c.Attrs)})
	return nil, nil
}
