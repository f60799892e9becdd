package burst

import (
	"math"
	"slices"
	"time"

	"gridburst/internal/grid"
	"gridburst/router"
)

// lookAhead sees to jobs that will come. They are played through in the order of their
// coming: each takes what is free by then, or so soon after that a machine is not worth it.
// Machines with nothing to do that they need are kept, and machines that do not exist are
// wanted as long before as they boot.
func (d *decision) lookAhead() {
	o := newOutlook(d)
	var whenever []Soon
	coming := make([]Soon, 0, len(d.in.Soon))
	for _, s := range d.in.Soon {
		switch {
		case d.far(&s):
		case s.Whenever:
			whenever = append(whenever, s)
		default:
			coming = append(coming, s)
		}
	}
	for len(coming) > 0 || len(o.waiting) > 0 {
		at := time.Duration(math.MaxInt64)
		if len(coming) > 0 {
			at = coming[0].In
		}
		if len(o.waiting) > 0 {
			at = min(at, o.waiting[0].In+d.hold())
			for i := range o.frees {
				at = min(at, o.frees[i].in)
			}
		}
		n := 0
		for n < len(coming) && coming[n].In <= at+d.grain() {
			n++
		}
		o.waiting, coming = append(o.waiting, coming[:n]...), coming[n:]
		o.step(at, at+d.grain())
	}
	d.wantOneMore()
	o.mayNeed(whenever)
}

// grain is how exactly times that lie ahead are told apart.
func (d *decision) grain() time.Duration { return d.patience / 16 }

// hold is for how long a job that will come is to wait for a machine in use, rather than that
// one is there for it when it comes: as long as is worth a boot.
func (d *decision) hold() time.Duration { return d.patience / Worth }

// outlook is machines as they will be, and jobs that will wait for them.
type outlook struct {
	d       *decision
	slots   []router.Slot
	kinds   []coming
	frees   []freed
	waiting []Soon // in the order of their coming
}

// coming is whose slot it is.
type coming struct {
	member, starting int // index; -1: none
	shape            int // -1: of the pool
}

// freed is a part of a slot that will be free.
type freed struct {
	slot int
	part router.Resources
	in   time.Duration
}

func newOutlook(d *decision) *outlook {
	o := &outlook{d: d}
	busy := map[uint32][]Due{}
	for i := range d.in.Busy {
		if b := &d.in.Busy[i]; b.Claim == 0 {
			o.add(b.Slot, coming{-1, -1, -1}, b.Due)
		} else {
			busy[b.Claim] = b.Due
		}
	}
	for i := range d.in.Members {
		m := &d.in.Members[i]
		if d.serves(m) && !d.held[m.Claim] {
			o.add(m.Slot, coming{i, -1, m.Shape}, busy[m.Claim])
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
			o.add(router.Slot{ID: s.Claim, Class: shape.Class, Total: shape.Offer, Free: free}, coming{-1, i, s.Shape}, s.Due)
		}
	}
	for i := range d.out.Want {
		shape := &d.in.Shapes[d.out.Want[i].Shape]
		o.add(router.Slot{Class: shape.Class, Total: shape.Offer, Free: d.spare[i]}, coming{-1, -1, d.out.Want[i].Shape}, nil)
	}
	return o
}

func (o *outlook) add(s router.Slot, k coming, due []Due) {
	for _, f := range due {
		o.frees = append(o.frees, freed{len(o.slots), f.Part, f.In})
	}
	o.slots, o.kinds = append(o.slots, s), append(o.kinds, k)
}

// match gives jobs that will come to slots. A job of an assignment is named by its place in
// the list, from 1.
func (o *outlook) match(list []Soon, slots []router.Slot) []router.Assignment {
	if len(slots) == 0 || len(list) == 0 {
		return nil
	}
	at := map[account]int{}
	var queues []router.Queue
	for i := range list {
		k := account{int(list[i].Group.ID), list[i].Owner}
		q, known := at[k]
		if !known {
			q = len(queues)
			at[k] = q
			queues = append(queues, router.Queue{Owner: list[i].Owner, Group: list[i].Group})
		}
		queues[q].Jobs = append(queues[q].Jobs, router.Job{ID: grid.JobID{Cluster: int32(i + 1)}})
	}
	return router.Cycle(&router.Input{Now: o.d.in.Now, Slots: slots, Queues: queues, Usage: o.d.in.Usage}, o.d.m).Assign
}

// give has jobs of the list take what they are assigned, and returns the others. first is
// the number of the first slot of those that were matched.
func (o *outlook) give(list []Soon, assign []router.Assignment, first int, at time.Duration) (rest []Soon) {
	given := make([]bool, len(list))
	for _, a := range assign {
		s, slot := &list[a.Job.ID.Cluster-1], first+a.Slot
		given[a.Job.ID.Cluster-1] = true
		o.slots[slot].Free = o.slots[slot].Free.Minus(a.Part)
		run := s.Run
		if run == 0 {
			run = o.d.patience
		}
		o.frees = append(o.frees, freed{slot, a.Part, at + run})
	}
	for i := range list {
		if !given[i] {
			rest = append(rest, list[i])
		}
	}
	return rest
}

// step is what happens at a time: what is free by then goes to those that wait, and for those
// that will not be served soon enough machines are wanted.
func (o *outlook) step(at, by time.Duration) {
	o.frees = slices.DeleteFunc(o.frees, func(f freed) bool {
		if f.in <= by {
			o.slots[f.slot].Free = o.slots[f.slot].Free.Plus(f.part)
		}
		return f.in <= by
	})
	assign := o.match(o.waiting, o.slots)
	slots, ahead := aheadOf(o.waiting, assign)
	for i, slot := range slots {
		o.keep(slot, ahead[i])
	}
	var late []Soon
	rest := o.give(o.waiting, assign, 0, at)
	o.waiting = o.waiting[:0:0]
	for _, s := range rest {
		limit := s.In + o.d.hold()
		if limit > by && slices.ContainsFunc(o.frees, func(f freed) bool { return f.in <= limit }) {
			o.waiting = append(o.waiting, s)
		} else {
			late = append(late, s)
		}
	}
	for i := range o.d.in.Shapes {
		late = o.want(i, late, at)
	}
}

// want has machines of a shape for jobs that would wait for too long, and returns those that
// no such machine could run.
func (o *outlook) want(shape int, list []Soon, at time.Duration) (rest []Soon) {
	d, s := o.d, &o.d.in.Shapes[shape]
	all := make([]router.Slot, min(d.room[shape], len(list)))
	for k := range all {
		all[k] = router.Slot{ID: uint32(k), Class: s.Class, Total: s.Offer, Free: s.Offer}
	}
	assign := o.match(list, all)
	slots, ahead := aheadOf(list, assign)
	first := len(o.slots)
	for i, k := range slots {
		owner := assign[slices.IndexFunc(assign, func(a router.Assignment) bool { return a.Slot == k })].Owner
		if d.early(s, ahead[i]) && d.pay(shape, owner, true) {
			d.out.Want = append(d.out.Want, Want{Shape: shape, Owner: owner, HasOwner: true, For: ahead[i]})
			d.spare = append(d.spare, router.Resources{})
		}
		// One that it is too early for is as if there: who comes later counts on it too.
		o.add(all[k], coming{-1, -1, shape}, nil)
	}
	for i := range assign {
		assign[i].Slot = slices.Index(slots, assign[i].Slot)
	}
	return o.give(list, assign, first, at)
}

// aheadOf sorts assignments of jobs by their slots: which these are, in the order in which
// they are first used, and what each is for.
func aheadOf(list []Soon, assign []router.Assignment) (slots []int, ahead []Ahead) {
	at := map[int]int{}
	for _, a := range assign {
		s := &list[a.Job.ID.Cluster-1]
		k, known := at[a.Slot]
		if !known {
			k = len(slots)
			at[a.Slot] = k
			slots, ahead = append(slots, a.Slot), append(ahead, Ahead{s.Of, 0, s.In, s.Guess})
		}
		x := &ahead[k]
		if x.Jobs++; s.In < x.In {
			x.Of, x.In, x.Guess = s.Of, s.In, s.Guess
		}
	}
	return slots, ahead
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

// keep has a machine kept that jobs will need, unless to let it go and have it again in
// time is cheaper.
func (o *outlook) keep(slot int, a Ahead) {
	d, k := o.d, &o.kinds[slot]
	if k.shape < 0 {
		return
	}
	shape := &d.in.Shapes[k.shape]
	if !shape.holds(a) {
		d.again(max(a.known()-shape.late(), time.Second))
		return
	}
	if a.Guess > 0 { // what goes on for longer than was guessed makes the guess longer
		d.again(guessable*shape.Boot - a.Guess)
	}
	switch {
	case k.member >= 0:
		if m := &d.in.Members[k.member]; m.Idle > 0 && !d.held[m.Claim] {
			d.held[m.Claim] = true
			d.out.Keep = append(d.out.Keep, Keep{m.Claim, a})
		}
	case k.starting >= 0:
		s := &d.in.Starting[k.starting]
		if !d.awaited(s) {
			d.out.Keep = append(d.out.Keep, Keep{s.Claim, a})
		}
		d.aside[s.Claim] = true
	}
}

// mayNeed marks machines that jobs may need of which nobody can say when they come.
func (o *outlook) mayNeed(list []Soon) {
	slots := slices.Clone(o.slots)
	for i := range slots {
		slots[i].Free = slots[i].Total
	}
	for _, a := range o.match(list, slots) {
		switch k := o.kinds[a.Slot]; {
		case k.member >= 0:
			o.d.perhaps[o.d.in.Members[k.member].Claim] = true
		case k.starting >= 0:
			o.d.perhaps[o.d.in.Starting[k.starting].Claim] = true
		}
	}
}

// later: jobs will come that may need the machine, and nobody can say when.
func (d *decision) later(claim uint32) bool { return d.in.Vague || d.perhaps[claim] }

func (s *Shape) late() time.Duration { return max(s.Late, s.Boot) }

// known is how long it takes at least until it comes.
func (s *Soon) known() time.Duration { return s.In - s.Guess }

func (a *Ahead) known() time.Duration { return a.In - a.Guess }

// guessable is how many boots a guess is shorter than that is good enough to bring a machine
// up and to keep one. Of what has gone on for longer, it is as likely as not that it takes as
// long again.
const guessable = 2

func (s *Shape) guesses(a Ahead) bool { return a.Guess < guessable*s.Boot }

// holds reports whether an idle machine is to wait for jobs. When they are known to come
// later than one boots, it is let go and booted anew by then. When it is not known, they
// would wait for that boot.
func (s *Shape) holds(a Ahead) bool {
	return a.known() <= s.late()+s.Stop && s.guesses(a)
}

// early reports whether the time has come to bring a machine up for jobs that will come. For
// those that come at once it makes no difference to wait until they have. While machines are
// wanted for jobs that wait, it is not yet known when these end: that is seen when they are
// bound.
func (d *decision) early(s *Shape, a Ahead) bool {
	if slices.ContainsFunc(d.out.Want, func(w Want) bool { return len(w.Jobs) > 0 }) {
		d.again(time.Second)
		return false
	}
	if left := a.known() - s.late(); left > 0 {
		d.again(left)
		return false
	}
	if a.In < d.grain() {
		d.again(max(a.In, time.Second))
		return false
	}
	return s.guesses(a)
}
