package ledger

import "gridburst/internal/grid"

func (c *Act) apply(t *txn) (any, error) {
	switch c.Verb {
	case grid.Hold, grid.Release, grid.Remove:
	default:
		return nil, grid.Errorf(grid.Invalid, "%q is not something to do to a job: hold, release or remove", c.Verb)
	}
	var out Acted
	for _, run := range c.Runs {
		cl, ok := t.cluster(run.Cluster)
		switch {
		case !ok && run.Whole():
			out.Missing++
		case !ok:
			out.Missing += int32(run.Len())
		case c.Owner != 0 && c.Owner != cl.Owner:
			out.Foreign++
		default:
			t.act(c, run, &out)
		}
	}
	return out, nil
}

// act does the verb to the live jobs of one run. The untouched ones are changed by
// changing the record they share when the run has all of them; otherwise each gets
// a record of its own first.
func (t *txn) act(c *Act, run grid.Run, out *Acted) {
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
	cl, _ := t.cluster(run.Cluster)
	if !run.Whole() {
		out.Missing += min(run.Hi, grid.MaxProcs) - run.Lo - live
	}
	if untouched > 0 && untouched == cl.Untouched() {
		s := Stretch{Run: shared[0], Job: cl.Base, Base: true}
		if t.read(&s) {
			t.actOn(c, &s, &cl, shared, untouched, out)
		} else {
			out.Missing += untouched
		}
	} else {
		for _, r := range shared {
			for proc := r.Lo; proc < r.Hi; proc++ {
				single = append(single, grid.JobID{Cluster: r.Cluster, Proc: proc})
			}
		}
	}
	for _, id := range single {
		if s, cl, ok := t.stretch(id); ok {
			t.actOn(c, &s, &cl, []grid.Run{s.Run}, 1, out)
		} else {
			out.Missing++
		}
	}
}

func (t *txn) actOn(c *Act, s *Stretch, cl *Cluster, runs []grid.Run, n int32, out *Acted) {
	was := s.Job.Status
	next, err := was.On(c.Verb)
	switch {
	case err != nil && (c.Verb == grid.Hold && was == grid.Held || c.Verb == grid.Remove && was == grid.Removed):
		out.Already += n
		return
	case err != nil:
		out.Refused += n
		return
	case c.Verb == grid.Release && s.Job.Attempt():
		// Its last attempt is still being ended. To release it now would let it
		// start twice.
		out.Refused += n
		return
	}
	out.Changed += n
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
		attrs = t.release(&s.Job, attrs, c.Reason)
	case grid.Remove:
		ev.Type = JobRemoved
		attrs = merge(attrs, text("RemoveReason", c.Reason))
	}
	leaves := next == grid.Removed && !s.Job.Attempt()
	if leaves && s.Base && n == cl.Live {
		t.pass(s, cl, attrs, was) // the cluster leaves: what is stored of it would be dropped at once
	} else {
		t.setAttrs(s, attrs)
		t.store(s, cl, was, n)
	}
	for _, r := range runs {
		// One that is left between others is alone, too.
		ev.Jobs, ev.Fresh = r, s.fresh || s.Base && cl.Procs > 1 && r.Len() == 1
		t.emit(ev)
	}
	if leaves {
		t.leave(s, cl, runs)
	}
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
	return merge(attrs, text("HoldReason", reason))
}

func (t *txn) release(j *Job, attrs []Attr, reason string) []Attr {
	for _, a := range attrs {
		if a.Name == "HoldReason" {
			attrs = merge(attrs, Attr{Name: "LastHoldReason", Expr: a.Expr}, Attr{Name: "HoldReason"})
			break
		}
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
	names := ""
	for i, a := range c.Attrs {
		if i > 0 {
			names += " "
		}
		names += a.Name
	}
	t.setAttrs(&s, merge(s.attrs, c.Attrs...))
	t.store(&s, &cl, s.Job.Status, 1)
	t.emit(Event{Type: JobEdited, Jobs: s.Run, Fresh: s.fresh, Text: names})
	return nil, nil
}
