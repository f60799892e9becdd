package burst

import (
	"slices"

	"gridburst/router"
)

// gangs sees to jobs of several nodes, which begin on all of them or not at all. What is
// idle, drains or is on its way is set aside for one, and what it lacks is wanted, if all
// of it can be had now; otherwise nothing is. What is idle and set aside is not let go, for
// the others would find it gone. It is set aside anew by each decision, and a smaller job
// may take it.
func (d *decision) gangs() {
	list := d.takeGangs()
	if len(list) == 0 {
		return
	}
	p := newPlaces(d)
	for _, g := range list {
		if !p.set(&g) {
			q := &d.queues[g.queue] // told of as refused
			q.Jobs = append(q.Jobs, g.job)
		}
	}
	d.refuse()
	for i := range d.queues {
		if d.queues[i].Group.Nodes > 1 {
			d.queues[i].Jobs = nil
		}
	}
}

// gang is a job of several nodes.
type gang struct {
	queue int
	job   router.Job
}

// takeGangs takes them out of the queues, in the order in which they are served.
func (d *decision) takeGangs() (list []gang) {
	for i := range d.queues {
		if q := &d.queues[i]; q.Group.Nodes > 1 {
			for _, j := range q.Jobs {
				list = append(list, gang{i, j})
			}
			q.Jobs = nil
		}
	}
	slices.SortStableFunc(list, func(a, b gang) int { return a.job.Compare(b.job) })
	return list
}

// places are machines that have nothing to do, and those that may be had.
type places struct {
	d       *decision
	idle    []int // indexes into Members
	drained []int
	coming  []int // indexes into Starting
	soon    []int // indexes into Busy: those that will be idle before a machine is up
}

func newPlaces(d *decision) *places {
	p := &places{d: d}
	for i := range d.in.Members {
		m := &d.in.Members[i]
		switch {
		case m.Draining:
			p.drained = append(p.drained, i)
		case m.Idle > 0:
			p.idle = append(p.idle, i)
		}
	}
	for i := range d.in.Starting {
		if s := &d.in.Starting[i]; s.Shape >= 0 && s.Free == d.in.Shapes[s.Shape].Offer {
			p.coming = append(p.coming, i)
		}
	}
	for i := range d.in.Busy {
		if b := &d.in.Busy[i]; b.Claim != 0 && b.Turns == 0 {
			free := b.Free
			for _, due := range b.Due {
				if due.In <= d.patience && !due.Unsure {
					free = free.Plus(due.Part)
				}
			}
			if free == b.Total {
				p.soon = append(p.soon, i)
			}
		}
	}
	return p
}

// set sets machines aside for a gang. It reports whether there were enough.
func (p *places) set(g *gang) bool {
	d, q := p.d, &p.d.queues[g.queue]
	need := q.Group.Nodes
	fits := func(s *router.Slot) bool { return d.m.Fit(d.in.Now, q.Group, s.Class, s.Free).OK }
	pick := func(from []int, ok func(int) bool) (out []int) {
		for _, i := range from {
			if need > 0 && ok(i) {
				need--
				out = append(out, i)
			}
		}
		return out
	}
	idle := pick(p.idle, func(i int) bool { return fits(&d.in.Members[i].Slot) })
	drained := pick(p.drained, func(i int) bool { return fits(&d.in.Members[i].Slot) })
	coming := pick(p.coming, func(i int) bool {
		s := &d.in.Shapes[d.in.Starting[i].Shape]
		return d.m.Fit(d.in.Now, q.Group, s.Class, s.Offer).OK
	})
	soon := pick(p.soon, func(i int) bool {
		b := &d.in.Busy[i]
		return d.m.Fit(d.in.Now, q.Group, b.Class, b.Total).OK
	})
	if need > 0 && !d.wantAll(g, need) {
		return false
	}
	for _, i := range idle {
		d.held[d.in.Members[i].Claim] = true
	}
	for _, i := range drained {
		d.out.Undrain = append(d.out.Undrain, d.in.Members[i].Claim)
	}
	for _, i := range coming {
		d.aside[d.in.Starting[i].Claim] = true
	}
	for _, i := range soon {
		d.aside[d.in.Busy[i].Claim] = true
	}
	p.soon = without(p.soon, soon)
	p.idle, p.drained, p.coming = without(p.idle, idle), without(p.drained, drained), without(p.coming, coming)
	return true
}

func without(all, some []int) []int {
	return slices.DeleteFunc(all, func(i int) bool { return slices.Contains(some, i) })
}

// wantAll wants n machines for a gang, of the first shape that has room and money for all
// of them, or none.
func (d *decision) wantAll(g *gang, n int) bool {
	q := &d.queues[g.queue]
	for i := range d.in.Shapes {
		shape := &d.in.Shapes[i]
		fit := d.m.Fit(d.in.Now, q.Group, shape.Class, shape.Offer)
		if !fit.OK {
			continue
		}
		room, left := slices.Clone(d.room), slices.Clone(d.left)
		got := 0
		for got < n && d.pay(i, q.Owner, true) {
			got++
		}
		if got < n {
			d.room, d.left = room, left
			continue
		}
		for range n {
			d.out.Want = append(d.out.Want, Want{Shape: i, Owner: q.Owner, HasOwner: true, Jobs: []router.Job{g.job}, Parts: []router.Resources{fit.Part}})
			d.spare = append(d.spare, shape.Offer.Minus(fit.Part))
		}
		return true
	}
	return false
}
