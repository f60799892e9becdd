package burst

import (
	"cmp"
	"slices"
	"time"

	"gridburst/internal/grid"
	"gridburst/router"
)

// lookAhead sees to jobs that will come. They are matched, in the order of their coming,
// with what will be free by then; machines that are idle or on their way and that they need
// are kept, and machines that do not exist are wanted as long before as they boot.
func (d *decision) lookAhead() {
	if len(d.in.Soon) == 0 {
		return
	}
	o := newOutlook(d)
	soon := d.in.Soon
	grain := d.patience / 16 // nobody knows better
	for len(soon) > 0 {
		if d.far(&soon[0]) {
			soon = soon[1:]
			continue
		}
		n := 1
		for n < len(soon) && soon[n].In <= soon[0].In+grain && soon[n].known() <= soon[0].known()+grain && soon[n].known() >= soon[0].known()-grain {
			n++
		}
		o.serve(soon[:n])
		soon = soon[n:]
	}
}

// outlook is machines as they will be.
type outlook struct {
	d     *decision
	slots []router.Slot
	kinds []coming
	taken []taken // by jobs that will come
	next  int32
}

// coming is whose slot it is.
type coming struct {
	member, starting int // index; -1: none
	shape            int // of one that is wanted
	busy             *Busy
	seen             int // of its Due
}

// taken is a part that a job that will come has, and until when.
type taken struct {
	slot  int
	part  router.Resources
	until time.Duration
}

func newOutlook(d *decision) *outlook {
	o := &outlook{d: d}
	busy := map[uint32]*Busy{}
	for i := range d.in.Busy {
		b := d.in.Busy[i]
		b.Due = slices.SortedFunc(slices.Values(b.Due), func(a, c Due) int { return cmp.Compare(a.In, c.In) })
		if b.Claim == 0 {
			o.slots = append(o.slots, b.Slot)
			o.kinds = append(o.kinds, coming{-1, -1, -1, &b, 0})
		} else {
			busy[b.Claim] = &b
		}
	}
	for i := range d.in.Members {
		m := &d.in.Members[i]
		if d.serves(m) && !d.held[m.Claim] {
			o.slots = append(o.slots, m.Slot)
			o.kinds = append(o.kinds, coming{i, -1, m.Shape, busy[m.Claim], 0})
		}
	}
	for i := range d.in.Starting {
		if s := &d.in.Starting[i]; s.Shape >= 0 && !d.aside[s.Claim] {
			shape := &d.in.Shapes[s.Shape]
			free := s.Free
			for _, b := range d.out.Bind {
				if b.Claim == s.Claim {
					for _, p := range b.Parts {
						free = free.Minus(p)
					}
				}
			}
			o.slots = append(o.slots, router.Slot{ID: s.Claim, Class: shape.Class, Total: shape.Offer, Free: free})
			o.kinds = append(o.kinds, coming{-1, i, s.Shape, nil, 0})
		}
	}
	for i := range d.out.Want {
		shape := &d.in.Shapes[d.out.Want[i].Shape]
		o.slots = append(o.slots, router.Slot{Class: shape.Class, Total: shape.Offer, Free: d.spare[i]})
		o.kinds = append(o.kinds, coming{-1, -1, d.out.Want[i].Shape, nil, 0})
	}
	return o
}

// serve sees to jobs that come at one time.
func (o *outlook) serve(soon []Soon) {
	d, in := o.d, soon[0].In
	for i := range o.kinds { // what is free by then
		for b := o.kinds[i].busy; b != nil && o.kinds[i].seen < len(b.Due) && b.Due[o.kinds[i].seen].In <= in; o.kinds[i].seen++ {
			o.slots[i].Free = o.slots[i].Free.Plus(b.Due[o.kinds[i].seen].Part)
		}
	}
	o.taken = slices.DeleteFunc(o.taken, func(t taken) bool {
		if t.until <= in {
			o.slots[t.slot].Free = o.slots[t.slot].Free.Plus(t.part)
		}
		return t.until <= in
	})
	queues := map[queueKey]int{}
	var list []router.Queue
	runs := map[uint64]time.Duration{}
	for _, s := range soon {
		k := queueKey{s.Owner, s.Group.ID}
		at, known := queues[k]
		if !known {
			at = len(list)
			queues[k] = at
			list = append(list, router.Queue{Owner: s.Owner, Group: s.Group})
		}
		o.next++
		j := router.Job{ID: grid.JobID{Cluster: o.next}} // a name that nobody but this decision has
		list[at].Jobs = append(list[at].Jobs, j)
		runs[j.ID.Key()] = s.Run
	}
	match := func(slots []router.Slot) []router.Assignment {
		if len(slots) == 0 {
			return nil
		}
		plan := router.Cycle(&router.Input{Now: d.in.Now, Slots: slots, Queues: list, Usage: d.in.Usage}, d.m)
		for i := range list {
			list[i].Jobs = list[i].Jobs[len(list[i].Jobs)-plan.Left[i]:]
		}
		return plan.Assign
	}
	load := map[int]int{}
	for _, a := range match(o.slots) {
		o.take(a.Slot, a.Part, in, runs[a.Job.ID.Key()])
		load[a.Slot]++
	}
	for slot, n := range load {
		o.keep(slot, n, &soon[0])
	}
	for i := range d.in.Shapes {
		shape := &d.in.Shapes[i]
		waiting := 0
		for _, q := range list {
			waiting += len(q.Jobs)
		}
		slots := make([]router.Slot, min(d.room[i], waiting))
		for k := range slots {
			slots[k] = router.Slot{ID: uint32(k), Class: shape.Class, Total: shape.Offer, Free: shape.Offer}
		}
		got := map[int][]router.Assignment{}
		var order []int
		for _, a := range match(slots) {
			if got[a.Slot] == nil {
				order = append(order, a.Slot)
			}
			got[a.Slot] = append(got[a.Slot], a)
		}
		for _, k := range order {
			now := d.early(shape, len(got[k]), &soon[0]) && d.pay(i, got[k][0].Owner, true)
			if now {
				d.out.Want = append(d.out.Want, Want{Shape: i, Owner: got[k][0].Owner, HasOwner: true})
				d.spare = append(d.spare, router.Resources{})
			}
			// One that it is too early for is as if there: those who come later count on
			// it too.
			o.slots = append(o.slots, slots[k])
			o.kinds = append(o.kinds, coming{-1, -1, i, nil, 0})
			for _, a := range got[k] {
				o.take(len(o.slots)-1, a.Part, in, runs[a.Job.ID.Key()])
			}
		}
	}
}

type queueKey struct{ owner, group uint32 }

func (o *outlook) take(slot int, part router.Resources, in, run time.Duration) {
	o.slots[slot].Free = o.slots[slot].Free.Minus(part)
	until := in + run
	if run == 0 {
		until = 1 << 62
	}
	o.taken = append(o.taken, taken{slot, part, until})
}

// far reports whether it is too early for anything to be done about it, and has it looked
// at again.
func (d *decision) far(s *Soon) bool {
	for i := range d.in.Shapes {
		if shape := &d.in.Shapes[i]; s.known() <= 2*shape.late()+shape.Stop {
			return false
		}
	}
	d.again(s.known() / 2)
	return true
}

// keep has a machine kept that n jobs will need, unless to let it go and have it again in
// time is cheaper.
func (o *outlook) keep(slot, n int, s *Soon) {
	d, k := o.d, &o.kinds[slot]
	if k.shape < 0 {
		return
	}
	shape := &d.in.Shapes[k.shape]
	if !shape.holds(s, n) {
		d.again(max(s.known()-shape.late(), time.Second))
		return
	}
	switch {
	case k.member >= 0 && d.in.Members[k.member].Idle > 0:
		d.held[d.in.Members[k.member].Claim] = true
	case k.starting >= 0:
		d.aside[d.in.Starting[k.starting].Claim] = true
	}
}

func (s *Shape) late() time.Duration { return max(s.Late, s.Boot) }

// known is how long it takes at least until it comes.
func (s *Soon) known() time.Duration { return s.In - s.Guess }

// holds reports whether an idle machine is to wait for n jobs. When they are known to come
// later than one boots, it is let go and booted anew by then. When it is not known, they
// would wait for that boot.
func (s *Shape) holds(soon *Soon, n int) bool {
	return soon.known() <= s.late()+s.Stop && soon.Guess <= time.Duration(1+Worth*n)*s.Boot
}

// early reports whether the time has come to bring a machine up for n jobs. When it is not
// known when they come, it has as long as they are more likely to come than it costs to have
// it idle.
func (d *decision) early(s *Shape, n int, soon *Soon) bool {
	if left := soon.known() - s.late(); left > 0 {
		d.again(left)
		return false
	}
	return soon.Guess <= time.Duration(Worth*n)*s.Boot
}
