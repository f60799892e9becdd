package replay

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gridburst/router"
	"gridburst/router/burst"
)

// decide asks the policy what to bring up and let go, and does it.
func (w *world) decide() {
	if !w.due {
		return
	}
	if w.now < w.next {
		w.wakeAt(w.next)
		return
	}
	if p, ok := w.policy.(*static); ok {
		p.over = w.left == 0
	}
	w.due = false
	w.next = w.now + w.policy.Every()
	in := w.input()
	d := w.policy.Decide(in, w.m)
	w.carryOut(&d)
	if d.Again > 0 {
		w.wakeAt(w.now + max(d.Again, time.Millisecond))
	}
}

// wakeAt has it decided at a time, if it will not be before.
func (w *world) wakeAt(at time.Duration) {
	if w.wake == 0 || at < w.wake {
		w.wake = at
		w.at(at, decides, nil, 0)
	}
}

// maxQueue is how many jobs of a queue are decided on at once, as a schedd has it.
const maxQueue = 1000

func (w *world) input() *burst.Input {
	// What is decided keeps nothing of its input, so its memory serves for the next.
	in := &w.in
	*in = burst.Input{
		Now: w.instant(), Clock: w.now, Usage: w.usage,
		Queues: in.Queues[:0], Busy: in.Busy[:0], Shapes: in.Shapes[:0], Starting: in.Starting[:0], Members: in.Members[:0], Soon: in.Soon[:0],
	}
	open := make([]int, len(w.set.Shapes))
	for _, v := range w.vms {
		open[v.shape]++
	}
	for i := range w.set.Shapes {
		s := &w.set.Shapes[i]
		least := s.Min
		if w.left == 0 {
			least = 0 // the trace is over, and its clock ends with the last machine
		}
		price := int64(math.Ceil(s.Price * 1e6))
		in.Shapes = append(in.Shapes, burst.Shape{
			Class: w.classes[i], Offer: w.offers[i], Room: w.cap(i) - open[i], Min: least, Idle: s.Idle, Boot: s.Boot, Late: late(s.Boot),
			Price: price, Period: s.Period, Stop: lookTakes + stopTakes,
		})
	}
	for _, q := range w.queues {
		if len(q.Jobs) == q.bound {
			continue
		}
		out := q.Queue
		out.Jobs = q.Jobs[:min(len(q.Jobs), maxQueue)]
		if q.bound > 0 {
			out.Jobs = make([]router.Job, 0, min(len(q.Jobs)-q.bound, maxQueue))
			for _, j := range q.Jobs[:min(len(q.Jobs), maxQueue)] {
				if w.tasks[w.task(j.ID)].bound == nil {
					out.Jobs = append(out.Jobs, j)
				}
			}
		}
		if len(out.Jobs) > 0 {
			in.Queues = append(in.Queues, out)
		}
	}
	for _, v := range w.vms {
		switch v.state {
		case booting:
			in.Starting = append(in.Starting, burst.Starting{Claim: v.claim, Shape: v.shape, Free: v.free, Load: float64(len(v.bound)), Due: w.boundDue(v), Up: w.now - v.asked, Told: w.flows != nil})
		case serves:
			m := burst.Member{
				Claim: v.claim, Shape: v.shape, Draining: v.drains, Up: w.now - v.asked, Load: v.load, Told: w.flows != nil,
				Slot: router.Slot{ID: v.claim, Class: w.classes[v.shape], Total: w.offers[v.shape], Free: v.free},
			}
			if v.jobs == 0 {
				m.Idle = max(w.now-v.idle, 1)
			} else if !v.drains {
				in.Busy = append(in.Busy, w.busy(v, &m.Slot))
			}
			in.Members = append(in.Members, m)
		}
	}
	w.outlook(in)
	return in
}

// busy is a machine with work, and when that is expected to end.
func (w *world) busy(v *vm, s *router.Slot) burst.Busy {
	w.jobs = w.jobs[:0]
	for _, n := range v.tasks {
		t := &w.tasks[n]
		j := &w.trace.Jobs[t.job]
		w.jobs = append(w.jobs, burst.Running{Class: j.Class, Ran: w.now - t.start, Estimate: j.Estimate, Part: t.part})
	}
	b := w.runs.Busy(*s, v.claim, w.jobs, w.set.Shapes[v.shape].Boot, v.due)
	v.due = b.Due
	return b
}

// cap is how many machines of a shape there may be now: fewer in a bad hour.
func (w *world) cap(shape int) int {
	most := w.set.Shapes[shape].Max
	if !w.set.Faults {
		return most
	}
	day := uint64(w.now / quotaDay)
	hours := uint64(quotaDay / quotaHour)
	if bad := rand.New(rand.NewPCG(w.set.Seed, day)).Uint64N(hours); uint64(w.now%quotaDay/quotaHour) == bad {
		return int(float64(most) * quotaPart)
	}
	return most
}

func (w *world) carryOut(d *burst.Decision) {
	for _, id := range d.Undrain {
		if v := w.claim(id); v != nil && v.state == serves {
			v.drains = false
			w.due = true // it takes jobs
		}
	}
	for _, b := range d.Bind {
		if v := w.claim(b.Claim); v != nil && v.state == booting {
			w.bind(v, b.Jobs, b.Parts)
		}
	}
	for i := range d.Want {
		want := &d.Want[i]
		v := w.boot(want.Shape)
		w.bind(v, want.Jobs, want.Parts)
	}
	for _, id := range d.Drain {
		if v := w.claim(id); v != nil && v.state == serves && !v.drains {
			v.drains = true
			if v.jobs == 0 {
				w.at(w.now+lookTakes, looks, v, 0)
			}
		}
	}
	for _, id := range d.Cancel {
		if v := w.claim(id); v != nil && v.state == booting {
			w.stop(v)
		}
	}
	if len(d.Undrain) > 0 {
		w.place()
	}
}

func (w *world) claim(id uint32) *vm {
	for _, v := range w.vms {
		if v.claim == id {
			return v
		}
	}
	return nil
}

// bind has tasks wait for a machine. A job of several nodes waits for none in particular.
func (w *world) bind(v *vm, jobs []router.Job, parts []router.Resources) {
	for i, j := range jobs {
		n := w.task(j.ID)
		t := &w.tasks[n]
		q := w.queue(&w.trace.Jobs[t.job])
		if t.state != waiting || t.bound != nil || q.Group.Nodes > 1 {
			continue
		}
		t.bound, t.part = v, parts[i]
		v.bound = append(v.bound, n)
		v.free = v.free.Minus(parts[i])
		q.bound++
	}
}

// boot asks for a machine.
func (w *world) boot(shape int) *vm {
	w.claims++
	v := &vm{claim: w.claims, shape: shape, free: w.offers[shape]}
	w.called = max(w.now, w.called+createEvery)
	v.asked = w.called
	w.vms = append(w.vms, v)
	w.rec.asked(w, v)
	// What becomes of a machine rests on its number alone: policies meet the same engine.
	r := rand.New(rand.NewPCG(w.set.Seed, uint64(v.claim)))
	takes := time.Duration(float64(w.set.Shapes[shape].Boot) * math.Exp(bootSpread*r.NormFloat64()))
	if w.set.Faults {
		switch u := r.Float64(); {
		case u < lostShare:
			w.at(v.asked+giveUp, fails, v, 0)
			return v
		case u < lostShare+blindRate:
			takes += blindFor
		case u < lostShare+blindRate+slowShare:
			takes *= slowTimes
		}
		if takes > giveUp {
			w.at(v.asked+giveUp, fails, v, 0)
			return v
		}
	}
	w.at(v.asked+createTakes+takes, joins, v, 0)
	return v
}

// late is within which nine of ten machines are there: what a schedd learns from those it
// had.
func late(boot time.Duration) time.Duration {
	return time.Duration(float64(boot) * math.Exp(bootSpread*1.28))
}

// horizon is how far ahead workflows and timetables are looked at.
const horizon = time.Hour

// outlook is what workflows that have begun say of what will come, and those that a
// timetable will begin.
func (w *world) outlook(in *burst.Input) {
	for _, f := range w.flows {
		starts := w.trace.Jobs[f.from].Submit - w.now
		if starts > horizon || starts > 0 && !w.trace.Timed {
			break
		}
		if f.run.Status.Ended() {
			continue
		}
		soon, all := w.runs.Outlook(w.ahead(f, max(starts, 0)), w.set.Shapes[0].Boot, horizon)
		in.Soon, in.Vague = append(in.Soon, soon...), in.Vague || !all
	}
	slices.SortStableFunc(in.Soon, func(a, b burst.Soon) int { return cmp.Compare(a.In, b.In) })
}

// starts is in how long a waiting task is expected to begin: when its machine is there.
func (w *world) starts(t *task) time.Duration {
	if t.bound == nil {
		return 0
	}
	return max(t.bound.asked+w.set.Shapes[t.bound.shape].Boot-w.now, 0)
}

// boundDue is when tasks that wait for a machine will have run on it.
func (w *world) boundDue(v *vm) []burst.Due {
	boot := w.set.Shapes[v.shape].Boot
	v.due = v.due[:0]
	for _, n := range v.bound {
		t := &w.tasks[n]
		run, known := w.runs.Holds(w.trace.Jobs[t.job].Class, 0, boot)
		v.due = append(v.due, burst.Due{In: w.starts(t) + run, Part: t.part, Unsure: !known})
	}
	return v.due
}
