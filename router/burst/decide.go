package burst

import (
	"slices"
	"time"

	"gridburst/router"
)

// Decide works out what to bring up and what to let go.
func Decide(in *Input, m *router.Matcher) Decision {
	d := decision{in: in, m: m, queues: slices.Clone(in.Queues)}
	d.open()
	d.gangs()
	d.soon()
	d.takeBack()
	d.bind()
	d.want()
	d.lookAhead()
	d.ahead()
	d.count()
	d.release()
	return d.out
}

type decision struct {
	in       *Input
	m        *router.Matcher
	queues   []router.Queue
	room     []int              // by shape
	need     []int              // by shape: machines that have work or are to have it
	left     []int64            // by purse
	broke    map[account]bool   // who cannot pay for one more machine
	held     map[uint32]bool    // members that a job of several nodes waits with
	aside    map[uint32]bool    // those on their way that it gets
	perhaps  map[uint32]bool    // machines that jobs may need of which nobody can say when they come
	patience time.Duration      // how long a job may wait for a slot in use
	spare    []router.Resources // of the machines that are wanted for jobs, what is left over
	out      Decision
}

// given is what a slot got.
type given struct {
	jobs  []router.Job
	parts []router.Resources
}

func (g *given) add(a *router.Assignment) {
	g.jobs, g.parts = append(g.jobs, a.Job), append(g.parts, a.Part)
}

// match gives waiting jobs to slots and takes them out of the queues. The result is,
// for each slot, the jobs that it got; nothing, when none got any.
func (d *decision) match(slots []router.Slot) []given {
	if len(slots) == 0 || d.jobs() == 0 {
		return nil
	}
	plan := router.Cycle(&router.Input{Now: d.in.Now, Slots: slots, Queues: d.queues, Usage: d.in.Usage}, d.m)
	got := make([]given, len(slots))
	for i := range plan.Assign {
		got[plan.Assign[i].Slot].add(&plan.Assign[i])
	}
	for i := range d.queues { // a cycle serves a queue from its head
		q := &d.queues[i]
		q.Jobs = q.Jobs[len(q.Jobs)-plan.Left[i]:]
	}
	return got
}

// take takes jobs out of the queues.
func (d *decision) take(assign []router.Assignment) {
	if len(assign) == 0 {
		return
	}
	taken := make(map[uint64]bool, len(assign))
	for _, a := range assign {
		taken[a.Job.ID.Key()] = true
	}
	for i := range d.queues {
		q := &d.queues[i]
		q.Jobs = slices.DeleteFunc(slices.Clone(q.Jobs), func(j router.Job) bool { return taken[j.ID.Key()] })
	}
}

// takeBack uses machines that are being drained.
func (d *decision) takeBack() {
	var slots []router.Slot
	var claims []uint32
	for _, m := range d.in.Members {
		if m.Draining && !slices.Contains(d.out.Undrain, m.Claim) {
			slots = append(slots, m.Slot)
			claims = append(claims, m.Claim)
		}
	}
	for i, got := range d.match(slots) {
		if len(got.jobs) > 0 {
			d.out.Undrain = append(d.out.Undrain, claims[i])
		}
	}
}

// bind fills machines that are on their way.
func (d *decision) bind() {
	var slots []router.Slot
	var claims []uint32
	for _, s := range d.in.Starting {
		if s.Shape >= 0 && !d.aside[s.Claim] {
			shape := &d.in.Shapes[s.Shape]
			slots = append(slots, router.Slot{ID: s.Claim, Class: shape.Class, Total: shape.Offer, Free: s.Free})
			claims = append(claims, s.Claim)
		}
	}
	for i, got := range d.match(slots) {
		if len(got.jobs) > 0 {
			d.out.Bind = append(d.out.Bind, Bind{claims[i], got.jobs, got.parts})
		}
	}
}

// ahead wants what a shape lacks of its smallest number. What is being drained is taken
// back first.
func (d *decision) ahead() {
	for i := range d.in.Shapes {
		shape := &d.in.Shapes[i]
		n := shape.Silent
		for _, s := range d.in.Starting {
			if s.Shape == i {
				n++
			}
		}
		for _, m := range d.in.Members {
			if m.Shape == i && d.serves(&m) {
				n++
			}
		}
		for _, w := range d.out.Want {
			if w.Shape == i {
				n++
			}
		}
		for _, m := range d.in.Members {
			if n < shape.least() && m.Shape == i && !d.serves(&m) {
				d.out.Undrain = append(d.out.Undrain, m.Claim)
				n++
			}
		}
		for ; n < shape.Min && d.pay(i, 0, false); n++ {
			d.out.Want = append(d.out.Want, Want{Shape: i})
		}
		// The others that are there, or on their way, are those of the first that ask.
		for _, a := range shape.Asked {
			for lacks := a.Count - n; lacks > 0 && d.pay(i, a.Owner, true); lacks-- {
				d.out.Want = append(d.out.Want, Want{Shape: i, Owner: a.Owner, HasOwner: true, Asked: a.Of})
			}
			n = max(n-a.Count, 0)
		}
	}
}

// serves: it takes jobs, or will again.
func (d *decision) serves(m *Member) bool {
	return !m.Draining || slices.Contains(d.out.Undrain, m.Claim)
}

func (d *decision) jobs() (n int) {
	for _, q := range d.queues {
		n += len(q.Jobs)
	}
	return n
}

// again has it decided anew after a while.
func (d *decision) again(after time.Duration) {
	if d.out.Again == 0 || after < d.out.Again {
		d.out.Again = after
	}
}
