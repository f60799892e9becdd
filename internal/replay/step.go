package replay

import (
	"slices"
	"time"

	"gridburst/dag"
	"gridburst/router"
)

// patience is how long a world goes on in which nothing but decisions happens, and overtime
// how long after the last job came and could have ended.
const (
	patience = 14 * 24 * time.Hour
	overtime = 60 * 24 * time.Hour
)

// run lets the trace happen until all jobs are done and all machines gone.
func (w *world) run() error {
	moved := time.Duration(0)
	w.due = true
	for len(w.events.heap) > 0 || w.due {
		happened := false
		if len(w.events.heap) > 0 {
			now := w.events.heap[0].at
			w.rec.pass(w, now)
			w.now = now
			for len(w.events.heap) > 0 && w.events.heap[0].at == now {
				e := w.events.pop()
				happened = w.happen(&e) || happened
			}
		}
		if w.err != nil {
			return w.err
		}
		if happened {
			moved = w.now
		} else if w.now-moved > patience {
			return errStuck
		}
		if w.now > w.last+overtime {
			return errStuck
		}
		w.place()
		w.decide()
		if w.left == 0 && len(w.vms) == 0 {
			break
		}
	}
	if w.left > 0 {
		return errStuck
	}
	w.rec.finish(w)
	return nil
}

// happen reports whether it was more than a thought.
func (w *world) happen(e *event) bool {
	w.due = true
	switch e.what {
	case arrives:
		w.enter(e.n)
	case begins:
		w.tell(w.flows[e.n], dag.Begin{})
	case ends:
		w.end(e.n)
	case joins, fails:
		if e.vm.state != booting {
			return false // it was stopped before
		}
		w.unbind(e.vm)
		if e.what == fails {
			w.stop(e.vm)
			break
		}
		e.vm.state, e.vm.idle = serves, w.now
		w.rec.joined(w, e.vm)
	case looks:
		if e.vm.state != serves || !e.vm.drains || e.vm.jobs > 0 {
			return false
		}
		w.stop(e.vm)
	case leaves:
		w.leave(e.vm)
	case decides:
		if e.at == w.wake {
			w.wake = 0
		}
		return false
	}
	return true
}

// enter has the tasks of a job of the trace wait.
func (w *world) enter(job int32) {
	j := &w.trace.Jobs[job]
	q := w.queue(j)
	for k := range int32(j.Count) {
		t := w.first[job] + k
		w.tasks[t].state, w.tasks[t].ready = waiting, w.now
		q.put(router.Job{ID: w.id(t), Version: 1})
	}
	w.rec.demand(w, j, j.Count)
}

// put keeps the order: what became ready later may be older.
func (q *queue) put(j router.Job) {
	at := len(q.Jobs)
	for at > 0 && j.Compare(q.Jobs[at-1]) < 0 {
		at--
	}
	q.Jobs = slices.Insert(q.Jobs, at, j)
}

// end is a task's.
func (w *world) end(n int32) {
	t := &w.tasks[n]
	j := &w.trace.Jobs[t.job]
	t.state = done
	w.left--
	w.usage[j.Owner] -= t.part.Cpus * int64(len(t.on))
	for _, v := range t.on {
		v.free = v.free.Plus(t.part)
		v.load -= 1 / float64(len(t.on))
		v.tasks = slices.DeleteFunc(v.tasks, func(o int32) bool { return o == n })
		if v.jobs--; v.jobs == 0 {
			v.idle = w.now
			w.rec.rests()
			if v.drains {
				w.at(w.now+lookTakes, looks, v, 0)
			}
		}
	}
	t.on = nil
	w.rec.demand(w, j, -1)
	if w.flows == nil {
		w.runs.Observe(j.Class, w.now-t.start)
		return
	}
	w.runs.ObserveNode(j.Class, w.now-t.start)
	w.leftQueue(t.job, 1)
}

// place gives what waits to what is free.
func (w *world) place() {
	var slots []router.Slot
	var at []*vm
	limit := 0
	for _, v := range w.vms {
		if v.state == serves && !v.drains && v.free.Cpus > 0 {
			slots = append(slots, router.Slot{ID: v.claim, Class: w.classes[v.shape], Total: w.offers[v.shape], Free: v.free})
			at = append(at, v)
			limit += int(v.free.Cpus)
		}
	}
	if len(slots) == 0 {
		return
	}
	in := router.Input{Now: w.instant(), Slots: slots, Usage: w.usage}
	var from []*queue
	for _, q := range w.queues {
		if len(q.Jobs) > 0 {
			list := q.Queue
			list.Jobs = list.Jobs[:min(len(list.Jobs), limit)]
			in.Queues = append(in.Queues, list)
			from = append(from, q)
		}
	}
	if len(in.Queues) == 0 {
		return
	}
	plan := router.Cycle(&in, w.m)
	for i := range plan.Assign {
		w.start(&plan.Assign[i], at[plan.Assign[i].Slot])
	}
	// What is placed of a queue is its head.
	for i, q := range from {
		q.Jobs = q.Jobs[len(in.Queues[i].Jobs)-plan.Left[i]:]
	}
}

// start puts a task, or one node of it, on a machine.
func (w *world) start(a *router.Assignment, v *vm) {
	n := w.task(a.Job.ID)
	t := &w.tasks[n]
	j := &w.trace.Jobs[t.job]
	if t.state == waiting {
		w.release(n)
		t.state, t.start, t.part = running, w.now, a.Part
		w.rec.started(w, t)
		w.at(w.now+max(j.Run, time.Millisecond), ends, nil, n)
	}
	t.on = append(t.on, v)
	w.usage[a.Owner] += a.Part.Cpus
	v.free = v.free.Minus(a.Part)
	if v.jobs == 0 {
		w.rec.works()
	}
	v.jobs++
	v.tasks = append(v.tasks, n)
	v.ran++
	v.load += 1 / float64(nodesOf(j.Cpus, w.widest))
}

// release frees a task from the machine that it was to wait for.
func (w *world) release(n int32) {
	t := &w.tasks[n]
	if t.bound == nil {
		return
	}
	t.bound.free = t.bound.free.Plus(t.part)
	t.bound.bound = slices.DeleteFunc(t.bound.bound, func(o int32) bool { return o == n })
	t.bound = nil
	w.queue(&w.trace.Jobs[t.job]).bound--
}

func (w *world) unbind(v *vm) {
	for len(v.bound) > 0 {
		w.release(v.bound[len(v.bound)-1])
	}
}

func (w *world) stop(v *vm) {
	w.unbind(v)
	w.rec.stopped(w, v)
	v.state = stops
	w.at(w.now+stopTakes, leaves, v, 0)
}

func (w *world) leave(v *vm) {
	w.vms = slices.DeleteFunc(w.vms, func(o *vm) bool { return o == v })
	w.rec.left(w, v)
}
