package ledger

import (
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
)

func (c *Place) apply(t *txn) (any, error) {
	epochs := make([]uint32, len(c.List))
	for i := range c.List {
		epochs[i] = t.place(&c.List[i])
	}
	return epochs, nil
}

// place gives the job's epoch, or 0 for a placement that is refused.
func (t *txn) place(p *Placement) uint32 {
	s, cl, ok := t.stretch(p.Job)
	if !ok || s.Job.Status != grid.Idle || s.Job.Attempt() || s.Job.Version != p.Version {
		return 0
	}
	switch p.Kind {
	case OnSlot:
		if t.v.workers.at(p.At) == nil || p.Gang != nil && !t.holds(p, s.Job.Epoch+1) {
			return 0
		}
	case ForClaim, AsVM:
	default:
		return 0
	}
	s.Job.Place, s.Job.At = p.Kind, p.At
	if s.Job.Attempt() {
		s.Job.Epoch++
	}
	if p.Gang != nil {
		s.Job.Flags |= Several
		t.newGang(p.Job, p.Gang, s.Job.Epoch)
	}
	if len(p.Attrs) > 0 {
		t.setAttrs(&s, merge(s.attrs, p.Attrs...))
	}
	t.store(&s, &cl, s.Job.Status, 1)
	t.emit(Event{Type: JobPlaced, Jobs: s.Run, Fresh: s.fresh, Epoch: s.Job.Epoch, Code: int32(p.Kind), ID: p.At, Text: p.Where})
	return max(s.Job.Epoch, 1)
}

func (c *Unplace) apply(t *txn) (any, error) {
	n := 0
	for _, id := range c.Jobs {
		s, cl, ok := t.stretch(id)
		if !ok || s.Job.Place != ForClaim || s.Job.At != c.At {
			continue
		}
		s.Job.Place, s.Job.At = Nowhere, 0
		t.store(&s, &cl, s.Job.Status, 1)
		t.emit(Event{Type: JobUnplaced, Jobs: s.Run, ID: c.At, Text: c.Reason})
		n++
	}
	return n, nil
}

func (c *Report) apply(t *txn) (any, error) {
	counted := make([]bool, len(c.List))
	for i := range c.List {
		counted[i] = t.report(&c.List[i])
	}
	return counted, nil
}

// report applies what became of one attempt. It gives false when the attempt is
// not the job's current one, which is how a late or doubled report ends.
func (t *txn) report(r *AttemptReport) bool {
	s, cl, ok := t.stretch(r.Job)
	j := &s.Job
	if ok && j.Flags&Several != 0 {
		return t.reportNode(r, &s, &cl)
	}
	if !ok || !j.Attempt() || j.Epoch != r.Epoch && !failpoint.AnyEpoch {
		return false
	}
	a := attempt{t: t, s: &s, cl: &cl, r: r, was: j.Status, attrs: s.attrs}
	if len(r.Attrs) > 0 {
		a.attrs = merge(a.attrs, r.Attrs...)
	}
	if r.Kind >= Mirrored && r.Kind <= Seen {
		a.learn()
		return true
	}
	if r.Kind == Saved {
		return a.save()
	}
	if j.Status == grid.Held || j.Status == grid.Removed {
		return a.unwanted()
	}
	switch r.Kind {
	case Started:
		if j.Status != grid.Idle {
			return true // told before
		}
		a.start()
	case Ended:
		if j.Status == grid.TransferringOutput {
			return true // told before
		}
		if j.Status == grid.Idle {
			a.start()
		}
		if r.Verdict == TakeOver {
			a.exit()
		} else {
			a.finish()
		}
	case Taken:
		if j.Status != grid.TransferringOutput {
			return false
		}
		a.finish()
	case Failed:
		a.end(grid.Hold)
		a.park()
	case Stopped, Vanished:
		code, sub, why, known := a.ordered()
		if !known {
			code, why = r.Vacate, r.Reason
		}
		a.end(grid.Requeue)
		a.again(code, sub, why)
	case Skipped:
		if j.Status != grid.Idle {
			return false
		}
		a.skip()
	default:
		return false
	}
	a.store()
	return true
}

// attempt is one report being applied to one job.
type attempt struct {
	t     *txn
	s     *Stretch
	cl    *Cluster
	r     *AttemptReport
	was   grid.Status
	attrs []Attr
	ended bool
	left  bool
}

// unwanted is news of a job that has been held or removed meanwhile: all that
// counts is whether its attempt is over.
func (a *attempt) unwanted() bool {
	if a.r.Kind == Started {
		return true
	}
	a.close()
	a.left = a.s.Job.Status == grid.Removed
	a.t.emit(Event{Type: JobUnplaced, Jobs: a.s.Run, Epoch: a.r.Epoch, Code: int32(a.r.Kind), Text: a.r.Reason})
	a.store()
	return true
}

// learn notes what is known of a machine, and tells of it.
func (a *attempt) learn() {
	switch a.r.Kind {
	case Accepted:
		a.emit(Event{Type: GridAccepted, Text: a.r.Where})
	case Unreached:
		a.emit(Event{Type: GridUnreached, Text: a.r.Reason})
	case Reached:
		a.emit(Event{Type: GridReached})
	case Unseen:
		a.emit(Event{Type: GridUnseen})
	case Seen:
		a.emit(Event{Type: GridSeen})
	}
	a.store()
}

// save notes a checkpoint. It counts for a job that is held meanwhile, too: released, it
// goes on from there.
func (a *attempt) save() bool {
	switch a.s.Job.Status {
	case grid.Removed, grid.TransferringOutput:
		return false
	case grid.Idle:
		a.start()
	}
	a.emit(Event{Type: JobSaved})
	a.store()
	return true
}

func (a *attempt) store() {
	a.t.setAttrs(a.s, a.attrs)
	a.t.store(a.s, a.cl, a.was, 1)
	a.instance()
	if a.left {
		a.t.leave(a.s, a.cl, []grid.Run{a.s.Run})
	}
}

func (a *attempt) emit(e Event) {
	e.Jobs, e.Epoch = a.s.Run, a.r.Epoch
	a.t.emit(e)
}

// move takes the job through one line of the table. Every pair that comes here is
// in it, but for a program error, which must not be stored.
func (a *attempt) move(v grid.Verb) (from, to uint8) {
	j := &a.s.Job
	next, err := j.Status.On(v)
	if err != nil {
		panic(err)
	}
	from = uint8(j.Status)
	a.t.enter(j, next)
	return from, uint8(next)
}

func (a *attempt) start() {
	from, to := a.move(grid.Execute)
	j := &a.s.Job
	j.Starts++
	j.Started = a.t.at
	if j.First == 0 {
		j.First = uint32(a.t.at / 1000)
	}
	a.emit(Event{Type: JobStarted, From: from, To: to, Text: a.r.Where})
	a.t.runs(j, a.r.Job)
}

// exited notes how the attempt ended.
func (a *attempt) exited() {
	j := &a.s.Job
	j.Exit = a.r.Exit.Code
	j.Ends++
	j.Flags |= HasExited
	j.Flags &^= BySignal
	if a.r.Exit.Signal {
		j.Flags |= BySignal
	}
}

func (a *attempt) exit() {
	a.exited()
	from, to := a.move(grid.Exit)
	exit := a.r.Exit
	a.emit(Event{Type: JobExited, From: from, To: to, Exit: &exit})
}

// close ends the placement and books its time.
func (a *attempt) close() {
	j := &a.s.Job
	a.t.unplace(j, a.r.Job)
	a.ended = true
	if j.Flags&Vacating != 0 {
		j.Flags &^= Vacating | VacateFast
		// What it was to end for; an eviction says it again.
		a.attrs = merge(a.attrs, Attr{Name: "VacateReason"}, Attr{Name: "VacateReasonCode"}, Attr{Name: "VacateReasonSubCode"})
	}
	wall := a.r.Exit.WallMS
	if wall == 0 && j.Status.Active() {
		wall = a.t.at - j.Started // nobody can say better
	}
	j.Wall += uint32((wall + 500) / 1000)
}

// finish ends an attempt that exited by itself, as the verdict says.
func (a *attempt) finish() {
	if a.r.Kind != Taken {
		a.exited() // of a taken one it was noted when it exited
	}
	switch a.r.Verdict {
	case Complete, Keep:
		from, to := a.end(grid.Finish)
		exit := a.r.Exit
		a.emit(Event{Type: JobCompleted, From: from, To: to, Exit: &exit})
		a.left = a.r.Verdict == Complete
	case Park:
		a.end(grid.Hold)
		a.park()
	case Drop:
		from, to := a.end(grid.Remove)
		a.attrs = merge(a.attrs, text("RemoveReason", a.r.Reason))
		a.emit(Event{Type: JobRemoved, From: from, To: to, Text: a.r.Reason})
		a.left = true
	default: // Again; a TakeOver that is taken twice means nothing better
		a.end(grid.Requeue)
		a.again(a.r.Vacate, 0, a.r.Reason)
	}
}

// ordered is why an attempt was to end; known is false when nobody had asked for that.
func (a *attempt) ordered() (code grid.VacateCode, sub int32, why string, known bool) {
	if a.s.Job.Flags&Vacating == 0 {
		return 0, 0, "", false
	}
	return grid.VacateCode(number(a.attrs, "VacateReasonCode")), int32(number(a.attrs, "VacateReasonSubCode")), unquote(find(a.attrs, "VacateReason")), true
}

// skip ends a job without a start.
func (a *attempt) skip() {
	from, to := a.end(grid.Finish)
	j := &a.s.Job
	j.Exit, j.Flags = 0, j.Flags&^BySignal|HasExited
	a.emit(Event{Type: JobSkipped, From: from, To: to, Text: a.r.Reason})
	a.left = true
}

func (a *attempt) end(v grid.Verb) (from, to uint8) {
	a.close()
	return a.move(v)
}

func (a *attempt) park() {
	j := &a.s.Job
	a.attrs = a.t.hold(j, a.attrs, a.r.HoldCode, a.r.HoldSub, a.r.Reason)
	a.emit(Event{
		Type: JobHeld, From: uint8(j.Last), To: uint8(j.Status), Code: int32(a.r.HoldCode), Sub: a.r.HoldSub, Text: a.r.Reason,
	})
}

func (a *attempt) again(code grid.VacateCode, sub int32, why string) {
	j := &a.s.Job
	j.Requeues++
	a.attrs = a.t.tally(a.attrs, "NumVacatesByReason", code.Label())
	a.attrs = merge(a.attrs, text("VacateReason", why), integer("VacateReasonCode", int64(code)))
	if sub != 0 {
		a.attrs = merge(a.attrs, integer("VacateReasonSubCode", int64(sub)))
	}
	exit := a.r.Exit
	a.emit(Event{Type: JobRequeued, From: uint8(j.Last), To: uint8(j.Status), Code: int32(code), Sub: sub, Text: why, Exit: &exit})
}

func (c *SeeWorker) apply(t *txn) (any, error) {
	if c.Name == "" {
		return nil, grid.Errorf(grid.Invalid, "a worker without a name")
	}
	id := t.v.workerOf[c.Name]
	if id == 0 {
		t.v.counters.Worker++
		id = t.v.counters.Worker
		t.v.workerOf = with(t.v.workerOf, c.Name, id)
	}
	if known, _ := t.v.workers.get(id); known != c.Worker {
		t.putWorker(id, c.Worker)
		t.emit(Event{Type: WorkerSeen, ID: id, Text: c.Name})
	}
	return id, nil
}
