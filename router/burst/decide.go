package burst

import (
	"slices"
	"time"

	"gridburst/internal/ad"
	"gridburst/router"
)

// Input is all that a decision looks at.
type Input struct {
	Now      ad.Instant
	Queues   []router.Queue   // jobs that wait, that nothing free takes, that are bound to no claim
	Usage    map[uint32]int64 // by owner: cpus in use
	Busy     []Busy
	Shapes   []Shape // in the order in which they are tried
	Starting []Starting
	Members  []Member
}

// Busy is a slot of the pool that is in use.
type Busy struct {
	router.Slot
	// Turns is how many jobs, one after the other, it is expected to take before a
	// machine that is wanted now could be up; 0 when nobody can say.
	Turns int
}

// Shape is a kind of machine that can be wanted.
type Shape struct {
	Class *router.Class
	Offer router.Resources // of a machine with nothing to do
	Room  int              // how many more there may be, by every cap
	Min   int              // how many there are to be although nobody needs them
	Idle  time.Duration    // how long a machine is idle before it is drained

	Silent int // machines that serve, and are not heard now
}

// Starting is a claim whose machine is on its way.
type Starting struct {
	Claim uint32
	Shape int
	Free  router.Resources // what no job is bound to
}

// Member is a claim whose machine serves as a worker.
type Member struct {
	Claim    uint32
	Shape    int // -1: of a shape that is not configured any more
	Slot     router.Slot
	Idle     time.Duration // how long it has had nothing to do; 0: it has, or is not heard
	Draining bool
}

// Decision is what a decision proposes.
type Decision struct {
	Undrain []uint32 // claims
	Bind    []Bind   // to claims that are on their way
	Want    []Want
	Drain   []uint32 // claims
	Unmet   int      // jobs that a machine could run, were there room for one
}

// Bind binds jobs to a claim.
type Bind struct {
	Claim uint32
	Jobs  []router.Job
}

// Want is a machine of a shape, with the jobs that it is for; none are those of one that
// is started ahead of any need.
type Want struct {
	Shape int
	Jobs  []router.Job
}

// Decide works out what to bring up and what to let go.
func Decide(in *Input, m *router.Matcher) Decision {
	d := decision{in: in, m: m, queues: slices.Clone(in.Queues)}
	d.soon()
	d.takeBack()
	d.bind()
	d.want()
	d.ahead()
	d.release()
	return d.out
}

type decision struct {
	in     *Input
	m      *router.Matcher
	queues []router.Queue
	out    Decision
}

// match gives waiting jobs to slots and takes them out of the queues. The result is,
// for each slot, the jobs that it got.
func (d *decision) match(slots []router.Slot) [][]router.Job {
	got := make([][]router.Job, len(slots))
	if len(slots) == 0 || d.jobs() == 0 {
		return got
	}
	plan := router.Cycle(&router.Input{Now: d.in.Now, Slots: slots, Queues: d.queues, Usage: d.in.Usage}, d.m)
	taken := map[uint64]bool{}
	for _, a := range plan.Assign {
		got[a.Slot] = append(got[a.Slot], a.Job)
		taken[a.Job.ID.Key()] = true
	}
	for i := range d.queues {
		q := &d.queues[i]
		q.Jobs = slices.DeleteFunc(slices.Clone(q.Jobs), func(j router.Job) bool { return taken[j.ID.Key()] })
	}
	return got
}

// soon takes out the jobs that slots in use will serve before a machine could be up.
func (d *decision) soon() {
	for turn, left := 1, -1; d.jobs() != left; turn++ { // what a turn does not place, no later one does
		var slots []router.Slot
		for _, b := range d.in.Busy {
			if b.Turns >= turn {
				s := b.Slot
				s.Free = s.Total
				slots = append(slots, s)
			}
		}
		left = d.jobs()
		d.match(slots)
	}
}

// takeBack uses machines that are being drained.
func (d *decision) takeBack() {
	var slots []router.Slot
	var claims []uint32
	for _, m := range d.in.Members {
		if m.Draining {
			slots = append(slots, m.Slot)
			claims = append(claims, m.Claim)
		}
	}
	for i, jobs := range d.match(slots) {
		if len(jobs) > 0 {
			d.out.Undrain = append(d.out.Undrain, claims[i])
		}
	}
}

// bind fills machines that are on their way.
func (d *decision) bind() {
	var slots []router.Slot
	var claims []uint32
	for _, s := range d.in.Starting {
		if s.Shape >= 0 {
			shape := &d.in.Shapes[s.Shape]
			slots = append(slots, router.Slot{ID: s.Claim, Class: shape.Class, Total: shape.Offer, Free: s.Free})
			claims = append(claims, s.Claim)
		}
	}
	for i, jobs := range d.match(slots) {
		if len(jobs) > 0 {
			d.out.Bind = append(d.out.Bind, Bind{claims[i], jobs})
		}
	}
}

// want matches what is left with machines that do not exist yet.
func (d *decision) want() {
	for i := range d.in.Shapes {
		shape := &d.in.Shapes[i]
		slots := make([]router.Slot, max(min(shape.Room, d.jobs()), 0))
		for k := range slots {
			slots[k] = router.Slot{ID: uint32(k), Class: shape.Class, Total: shape.Offer, Free: shape.Offer}
		}
		for _, jobs := range d.match(slots) {
			if len(jobs) > 0 {
				d.out.Want = append(d.out.Want, Want{i, jobs})
			}
		}
	}
	for _, q := range d.queues {
		for i := range d.in.Shapes {
			if d.m.Fit(d.in.Now, q.Group, d.in.Shapes[i].Class, d.in.Shapes[i].Offer).OK {
				d.out.Unmet += len(q.Jobs)
				break
			}
		}
	}
}

// ahead wants what a shape lacks of its smallest number. What is being drained is taken
// back first.
func (d *decision) ahead() {
	for i := range d.in.Shapes {
		shape := &d.in.Shapes[i]
		n, room := shape.Silent, shape.Room
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
				n, room = n+1, room-1
			}
		}
		for _, m := range d.in.Members {
			if n < shape.Min && m.Shape == i && !d.serves(&m) {
				d.out.Undrain = append(d.out.Undrain, m.Claim)
				n++
			}
		}
		for ; n < shape.Min && room > 0; n, room = n+1, room-1 {
			d.out.Want = append(d.out.Want, Want{Shape: i})
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

// release drains what has been idle for long enough, beyond what is kept.
func (d *decision) release() {
	up := make([]int, len(d.in.Shapes))
	for _, m := range d.in.Members {
		if m.Shape >= 0 && d.serves(&m) {
			up[m.Shape]++
		}
	}
	for _, m := range d.in.Members {
		switch {
		case m.Draining || m.Idle <= 0:
		case m.Shape < 0:
			d.out.Drain = append(d.out.Drain, m.Claim)
		case m.Idle >= d.in.Shapes[m.Shape].Idle && up[m.Shape] > d.in.Shapes[m.Shape].Min:
			d.out.Drain = append(d.out.Drain, m.Claim)
			up[m.Shape]--
		}
	}
}
