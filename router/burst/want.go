package burst

import (
	"math"
	"slices"

	"gridburst/router"
)

// account is an owner with a shape.
type account struct {
	shape int
	owner uint32
}

// open takes in what may be spent of room and money.
func (d *decision) open() {
	for i := range d.in.Shapes {
		d.room = append(d.room, max(d.in.Shapes[i].Room, 0))
	}
	for i := range d.in.Purses {
		d.left = append(d.left, max(d.in.Purses[i].Left, 0))
	}
	d.patience = d.wait()
	d.broke, d.held, d.aside = map[account]bool{}, map[uint32]bool{}, map[uint32]bool{}
	d.perhaps = map[uint32]bool{}
}

// in reports whether a machine is paid from the purse.
func (p *Purse) in(shape int, owner uint32, forJobs bool) bool {
	return (len(p.Shapes) == 0 || slices.Contains(p.Shapes, shape)) && (!p.HasOwner || forJobs && p.Owner == owner)
}

// Values of pay and stops beside those that are a purse's index.
const (
	paid = -1
	full = -2 // there is no room
)

// stops says what stands against n more machines: a purse's index, full, or paid for
// nothing.
func (d *decision) stops(shape int, owner uint32, forJobs bool, n int) int {
	if d.room[shape] < n {
		return full
	}
	for i := range d.in.Purses {
		if d.in.Purses[i].in(shape, owner, forJobs) && d.left[i]/int64(n) < d.in.Shapes[shape].Cost {
			return i
		}
	}
	return paid
}

// pay takes one more machine from every purse and cap that it is in, or from none.
func (d *decision) pay(shape int, owner uint32, forJobs bool) bool {
	if d.stops(shape, owner, forJobs, 1) != paid {
		return false
	}
	d.room[shape]--
	for i := range d.in.Purses {
		if d.in.Purses[i].in(shape, owner, forJobs) {
			d.left[i] -= d.in.Shapes[shape].Cost
		}
	}
	return true
}

// want matches what is left with machines that do not exist yet: of the shape first that
// serves the jobs at the least price.
func (d *decision) want() {
	tried := make([]bool, len(d.in.Shapes))
	for d.jobs() > 0 {
		shape, price := d.cheapest(tried)
		if shape < 0 {
			break
		}
		if !d.wantOf(shape, price) {
			tried[shape] = true
		}
	}
	d.fill()
	d.refuse()
}

// cheapest is the shape of which one more machine costs the least for each cpu that jobs
// would use of it now, and that price. -1: there is none.
func (d *decision) cheapest(tried []bool) (best int, price float64) {
	var open []int
	for i := range d.in.Shapes {
		if !tried[i] && d.room[i] > 0 {
			open = append(open, i)
		}
	}
	if len(open) == 1 {
		return open[0], math.Inf(1)
	}
	best = -1
	for _, i := range open {
		used := int64(0)
		for _, a := range d.trial(i, 1).Assign {
			used += a.Part.Cpus
		}
		if p := d.perCpu(i, used); used > 0 && (best < 0 || p < price) {
			best, price = i, p
		}
	}
	return best, price
}

// perCpu is what a machine costs for each cpu that is used of it, in its first hour of
// service with the boot before it: what boots for longer wastes more.
func (d *decision) perCpu(shape int, used int64) float64 {
	s := &d.in.Shapes[shape]
	return float64(s.Price) * (1 + s.Boot.Hours()) / float64(used)
}

// trial matches what waits with n machines of a shape that do not exist, and takes
// nothing out. Jobs of owners who cannot pay for one are left out.
func (d *decision) trial(shape, n int) router.Plan {
	s := &d.in.Shapes[shape]
	slots := make([]router.Slot, n)
	for k := range slots {
		slots[k] = router.Slot{ID: uint32(k), Class: s.Class, Total: s.Offer, Free: s.Offer}
	}
	queues := slices.DeleteFunc(slices.Clone(d.queues), func(q router.Queue) bool { return d.broke[account{shape, q.Owner}] })
	return router.Cycle(&router.Input{Now: d.in.Now, Slots: slots, Queues: queues, Usage: d.in.Usage}, d.m)
}

// wantOf wants machines of a shape that cost no more for each cpu that is used than the
// price, or the best there are. It reports whether it wanted any.
func (d *decision) wantOf(shape int, price float64) bool {
	n := min(d.room[shape], d.jobs())
	for i := range d.in.Purses {
		if p := &d.in.Purses[i]; !p.HasOwner && p.in(shape, 0, false) && d.in.Shapes[shape].Cost > 0 {
			n = int(min(int64(n), d.left[i]/d.in.Shapes[shape].Cost))
		}
	}
	var got []machine
	for done := false; !done && n > 0; {
		got, done = d.machines(shape, d.trial(shape, n).Assign)
	}
	best := math.Inf(1)
	for i := range got {
		best = min(best, d.perCpu(shape, got[i].used.Cpus))
	}
	var gone []router.Assignment
	for i := range got {
		g := &got[i]
		if d.perCpu(shape, g.used.Cpus) > max(best, price) || !d.pay(shape, g.owner, true) {
			continue
		}
		var got given
		for i := range g.assign {
			got.add(&g.assign[i])
		}
		d.out.Want = append(d.out.Want, Want{Shape: shape, Owner: g.owner, HasOwner: true, Jobs: got.jobs, Parts: got.parts})
		d.spare = append(d.spare, d.in.Shapes[shape].Offer.Minus(g.used))
		gone = append(gone, g.assign...)
	}
	d.take(gone)
	return len(got) > 0
}

// machine is one that does not exist yet, and what it would run.
type machine struct {
	owner  uint32 // of its first job
	used   router.Resources
	assign []router.Assignment
}

// machines sorts assignments by their machines, in the order in which these are opened,
// up to the first that its owner cannot pay for. If that is the very first, ok is false:
// the trial has to be made again without that owner.
func (d *decision) machines(shape int, assign []router.Assignment) (out []machine, ok bool) {
	at := map[int]int{}
	for _, a := range assign {
		k, opened := at[a.Slot]
		if !opened {
			k = len(out)
			at[a.Slot] = k
			out = append(out, machine{owner: a.Owner})
		}
		out[k].assign = append(out[k].assign, a)
		out[k].used = out[k].used.Plus(a.Part)
	}
	for i := range d.in.Purses {
		p := &d.in.Purses[i]
		if !p.HasOwner || !p.in(shape, p.Owner, true) {
			continue
		}
		left := d.left[i]
		for k := range out {
			if out[k].owner != p.Owner {
				continue
			}
			if left -= d.in.Shapes[shape].Cost; left >= 0 {
				continue
			}
			if k == 0 {
				d.broke[account{shape, p.Owner}] = true
				return nil, false
			}
			out = out[:k]
			break
		}
	}
	return out, true
}

// fill gives what no machine could be had for to what is left over of those that are
// wanted for others.
func (d *decision) fill() {
	slots := make([]router.Slot, len(d.out.Want))
	for i, w := range d.out.Want {
		s := &d.in.Shapes[w.Shape]
		slots[i] = router.Slot{ID: uint32(i), Class: s.Class, Total: s.Offer, Free: d.spare[i]}
	}
	for i, got := range d.match(slots) {
		w := &d.out.Want[i]
		w.Jobs, w.Parts = append(w.Jobs, got.jobs...), append(w.Parts, got.parts...)
	}
}

// refuse tells what stands between the jobs that are left and machines that could run
// them.
func (d *decision) refuse() {
	at := map[Refusal]int{}
	for k, r := range d.out.Refused {
		r.Jobs = 0
		at[r] = k
	}
	for _, q := range d.queues {
		could := false
		for i := range d.in.Shapes {
			if len(q.Jobs) == 0 || !d.m.Fit(d.in.Now, q.Group, d.in.Shapes[i].Class, d.in.Shapes[i].Offer).OK {
				continue
			}
			could = true
			r := Refusal{Shape: i, Owner: q.Owner}
			switch p := d.stops(i, q.Owner, true, d.machinesFor(i, q.Group)); p {
			case paid:
				continue
			case full:
				r.Why = NoRoom
			default:
				r.Why, r.Purse = NoMoney, p
			}
			k, known := at[r]
			if !known {
				k = len(d.out.Refused)
				at[r] = k
				d.out.Refused = append(d.out.Refused, r)
			}
			d.out.Refused[k].Jobs += len(q.Jobs)
		}
		if could {
			d.out.Unmet += len(q.Jobs)
		}
	}
}

// machinesFor is how many machines of a shape a job of the group takes.
func (d *decision) machinesFor(shape int, g *router.Group) int {
	s := &d.in.Shapes[shape]
	each := d.m.Holds(d.in.Now, g, s.Class, s.Offer, g.Nodes)
	return (max(g.Nodes, 1) + max(each, 1) - 1) / max(each, 1)
}
