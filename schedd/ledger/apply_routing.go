package ledger

import "gridburst/internal/grid"

func (c *Route) apply(t *txn) (any, error) {
	epochs := make([]uint32, len(c.List))
	tallies := t.v.RouteTallies()
	for i := range c.List {
		epochs[i] = t.route(&c.List[i], tallies)
	}
	return epochs, nil
}

// route gives the job's epoch, or 0 for a routing that is refused.
func (t *txn) route(c *Routed, tallies map[RouteKey]RouteTally) uint32 {
	s, cl, ok := t.stretch(c.Job)
	if !ok || c.Target == "" || s.Job.Status != grid.Idle || s.Job.Attempt() || s.Job.Version != c.Version {
		return 0
	}
	if _, old := t.v.Routing(c.Job); old {
		return 0 // what it left at a target is not taken away yet
	}
	r := Routing{
		State: grid.RouteSubmitting, Route: c.Route, Target: c.Target, Owner: cl.Owner, Dir: c.Dir,
		Term: t.v.Term, Wanted: t.at, Entered: t.at, Version: 1, Reason: c.Where,
	}
	n := tallies[r.Key()]
	if s := t.v.Steering(OfRoute(c.Route)); s.Mode != Steered || s.Capped && n.Jobs >= int(s.Cap) {
		return 0
	}
	if c.MaxJobs > 0 && n.Jobs >= int(c.MaxJobs) || c.MaxIdle > 0 && n.Idle >= int(c.MaxIdle) {
		return 0
	}
	n.Jobs++
	n.Idle++
	tallies[r.Key()] = n
	s.Job.Place, s.Job.At = AtTarget, 0
	s.Job.Epoch++
	r.Epoch = s.Job.Epoch
	if len(c.Attrs) > 0 {
		t.setAttrs(&s, merge(s.attrs, c.Attrs...))
	}
	t.store(&s, &cl, s.Job.Status, 1)
	t.emit(Event{Type: JobPlaced, Jobs: s.Run, Fresh: s.fresh, Epoch: s.Job.Epoch, Code: int32(AtTarget), Text: c.Where})
	t.emit(Event{Type: RouteMoved, Jobs: s.Run, Epoch: r.Epoch, To: uint8(r.State), Text: c.Where})
	t.putRouting(c.Job, &r)
	return r.Epoch
}

func (t *txn) putRouting(id grid.JobID, r *Routing) {
	cluster, proc := uint32(id.Cluster), uint32(id.Proc)
	t.v.routings.set(t.ed, cluster, proc, *r)
	t.put(bRouting, keyPair(cluster, proc), r.encode())
}

func (t *txn) dropRouting(id grid.JobID) {
	cluster, proc := uint32(id.Cluster), uint32(id.Proc)
	t.v.routings.del(t.ed, cluster, proc)
	t.drop(bRouting, keyPair(cluster, proc))
}

func (c *KeepThrottles) apply(t *txn) (any, error) {
	for i := range c.List {
		k := &c.List[i]
		switch _, known := t.v.throttles[k.Route]; {
		case k.Route == "" || !(k.Allowed >= 0):
			return nil, grid.Errorf(grid.Invalid, "a throttle of no route, or of less than nothing")
		case !known && len(t.v.throttles)+len(c.List) > maxThrottles:
			return nil, grid.Errorf(grid.TooLarge, "%d throttles are kept, as many as may be", len(t.v.throttles))
		}
	}
	for i := range c.List {
		k := &c.List[i]
		switch _, known := t.v.throttles[k.Route]; {
		case k.Tells():
			t.v.throttles = with(t.v.throttles, k.Route, k.Throttle)
			t.put(bThrottle, []byte(k.Route), k.Throttle.encode())
		case known:
			t.v.throttles = without(t.v.throttles, k.Route)
			t.drop(bThrottle, []byte(k.Route))
		}
	}
	return nil, nil
}

func (c *Carry) apply(t *txn) (any, error) {
	for i := range c.List {
		r := &c.List[i]
		if len(r.Report) > 1 || len(r.Report) == 1 && (r.Report[0].Job != r.Job || r.Report[0].Epoch != r.Epoch) {
			return nil, grid.Errorf(grid.Invalid, "a routing of job %s and a report of another attempt", r.Job)
		}
	}
	counted := make([]bool, len(c.List))
	for i := range c.List {
		counted[i] = t.carry(&c.List[i])
	}
	return counted, nil
}

// carry gives false when the routing is not as the decision rests on, or its table has no
// such line.
func (t *txn) carry(c *Carried) bool {
	r, ok := t.v.Routing(c.Job)
	if !ok || r.Epoch != c.Epoch || r.Version != c.Version {
		return false
	}
	was := r.State
	if c.Verb != "" {
		next, err := was.On(c.Verb)
		if err != nil {
			return false
		}
		r.State, r.Entered, r.Reason = next, t.at, c.Reason
	}
	if c.Remote != "" {
		r.Remote = c.Remote
	}
	r.Version++
	switch c.Verb {
	case grid.RouteAbsent:
		r.Term = t.v.Term // nothing has been asked since
	case grid.RouteHold:
		r.Copied = t.copyHold(c)
	case grid.RouteRelease:
		if r.Copied {
			t.copyRelease(c)
		}
		r.Copied = false
	case grid.RouteWait:
		t.waitAgain(c)
	}
	if c.Verb != "" {
		t.emit(Event{Type: RouteMoved, Jobs: grid.OneJob(c.Job), Epoch: r.Epoch, From: uint8(was), To: uint8(r.State), Text: c.Reason})
	}
	if len(c.Report) == 1 {
		t.report(&c.Report[0])
	}
	if r.State == grid.RouteGone {
		t.dropRouting(c.Job)
	} else {
		t.putRouting(c.Job, &r)
	}
	return true
}

// routed is the job of a routing, while that is its placement.
func (t *txn) routed(c *Carried) (s Stretch, cl Cluster, ok bool) {
	s, cl, ok = t.stretch(c.Job)
	return s, cl, ok && s.Job.Place == AtTarget && s.Job.Epoch == c.Epoch
}

// copied is the attribute of a job whose hold is its target's, as HTCondor names it.
const copied = "HoldCopiedFromTargetJob"

// copyHold holds a job as its target does. It reports whether the job's hold is that.
func (t *txn) copyHold(c *Carried) bool {
	s, cl, ok := t.routed(c)
	if !ok {
		return false
	}
	was := s.Job.Status
	next, err := was.On(grid.Hold)
	if err != nil {
		return false // it is held or removed itself
	}
	t.enter(&s.Job, next)
	t.setAttrs(&s, merge(t.hold(&s.Job, s.attrs, c.Code, c.Sub, c.Reason), Attr{Name: copied, Expr: "true"}))
	t.store(&s, &cl, was, 1)
	t.emit(Event{Type: JobHeld, Jobs: s.Run, Epoch: c.Epoch, From: uint8(was), To: uint8(next), Code: int32(c.Code), Sub: c.Sub, Text: c.Reason})
	return true
}

// copyRelease takes a copied hold back.
func (t *txn) copyRelease(c *Carried) {
	s, cl, ok := t.routed(c)
	if !ok || s.Job.Status != grid.Held {
		return
	}
	was := s.Job.Status
	next, err := was.On(grid.Release)
	if err != nil {
		return
	}
	t.enter(&s.Job, next)
	t.setAttrs(&s, merge(t.release(&s.Job, s.attrs, c.Reason), Attr{Name: copied}))
	t.store(&s, &cl, was, 1)
	t.emit(Event{Type: JobReleased, Jobs: s.Run, Epoch: c.Epoch, From: uint8(was), To: uint8(next), Text: c.Reason})
}

// waitAgain makes a job idle whose target has put it back into its queue. The attempt goes
// on there.
func (t *txn) waitAgain(c *Carried) {
	s, cl, ok := t.routed(c)
	if !ok || !s.Job.Status.Active() {
		return
	}
	a := attempt{t: t, s: &s, cl: &cl, r: &AttemptReport{Job: c.Job, Epoch: c.Epoch}, was: s.Job.Status, attrs: s.attrs}
	wall := t.at - s.Job.Started
	s.Job.Wall += uint32((wall + 500) / 1000)
	a.r.Exit.WallMS = wall
	a.move(grid.Requeue)
	a.again(grid.VacateMachine, 0, c.Reason)
	a.store()
}

// Releasable reports whether a job that is held may be released, as far as what it ran goes:
// no attempt of it lives, or its target holds it too, and the release is carried there.
func (v *View) Releasable(id grid.JobID, j *Job) bool {
	if !j.Attempt() {
		return true
	}
	r, ok := v.Routing(id)
	return ok && j.Place == AtTarget && r.Epoch == j.Epoch && r.State == grid.RouteHeld
}

// released notes that a job's hold is not its target's any more.
func (t *txn) released(id grid.JobID) {
	if r, ok := t.v.Routing(id); ok && r.Copied {
		r.Copied = false
		r.Version++
		t.putRouting(id, &r)
	}
}
