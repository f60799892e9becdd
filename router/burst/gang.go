package burst

import (
	"slices"

	"gridburst/router"
)

// gangs sees to jobs of several nodes, which begin on all of them or not at all. What is
// free, idle, drains or is on its way is set aside for one, and what it lacks is wanted, if
// all of it can be had now; otherwise nothing is. A machine counts for as many nodes as it
// holds. What is idle and set aside is not let go, for the others would find it gone. It is
// set aside anew by each decision, and a smaller job may take it.
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
	free    []int // indexes into Free
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
	for i := range d.in.Free {
		p.free = append(p.free, i)
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
	pick := func(from []int, at func(int) (*router.Class, router.Resources)) (out []int) {
		for _, i := range from {
			if need <= 0 {
				break
			}
			class, free := at(i)
			if n := d.m.Holds(d.in.Now, q.Group, class, free, need); n > 0 {
				need -= n
				out = append(out, i)
			}
		}
		return out
	}
	member := func(i int) (*router.Class, router.Resources) {
		s := &d.in.Members[i].Slot
		return s.Class, s.Free
	}
	free := pick(p.free, func(i int) (*router.Class, router.Resources) { return d.in.Free[i].Class, d.in.Free[i].Free })
	idle := pick(p.idle, member)
	drained := pick(p.drained, member)
	coming := pick(p.coming, func(i int) (*router.Class, router.Resources) {
		s := &d.in.Shapes[d.in.Starting[i].Shape]
		return s.Class, s.Offer
	})
	soon := pick(p.soon, func(i int) (*router.Class, router.Resources) { return d.in.Busy[i].Class, d.in.Busy[i].Total })
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
	p.soon, p.free = without(p.soon, soon), without(p.free, free)
	p.idle, p.drained, p.coming = without(p.idle, idle), without(p.drained, drained), without(p.coming, coming)
	return true
}

func without(all, some []int) []int {
	return slices.DeleteFunc(all, func(i int) bool { return slices.Contains(some, i) })
}

// wantAll wants machines for n nodes, of the first shape that has room and money for all of
// them, or none.
func (d *decision) wantAll(g *gang, n int) bool {
	q := &d.queues[g.queue]
	for i := range d.in.Shapes {
		shape := &d.in.Shapes[i]
		each := d.m.Holds(d.in.Now, q.Group, shape.Class, shape.Offer, n)
		if each == 0 {
			continue
		}
		machines := (n + each - 1) / each
		room, left := slices.Clone(d.room), slices.Clone(d.left)
		got := 0
		for got < machines && d.pay(i, q.Owner, true) {
			got++
		}
		if got < machines {
			d.room, d.left = room, left
			continue
		}
		part := d.m.Fit(d.in.Now, q.Group, shape.Class, shape.Offer).Part
		for ; n > 0; n -= each {
			spare := shape.Offer
			w := Want{Shape: i, Owner: q.Owner, HasOwner: true}
			for range min(n, each) {
				w.Jobs, w.Parts = append(w.Jobs, g.job), append(w.Parts, part)
				spare = spare.Minus(part)
			}
			d.out.Want = append(d.out.Want, w)
			d.spare = append(d.spare, spare)
		}
		return true
	}
	return false
}
