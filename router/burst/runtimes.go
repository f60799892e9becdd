package burst

import (
	"slices"
	"time"

	"gridburst/router"
)

// Runtimes is how long jobs have run, by classes whose jobs run for about as long: those of one
// template, or one kind of node. The zero Runtimes knows nothing yet. It is a value of its
// caller's.
type Runtimes struct {
	by    map[string]*runs
	kinds []time.Duration // the middles of the kinds of node, in order
}

// runs are the latest run times of a class, as they came and in order.
type runs struct {
	last, sorted []time.Duration
	kind         bool // of node
}

func (c *runs) middle() time.Duration { return c.sorted[(len(c.sorted)-1)/2] }

// Of a class so many run times are remembered, and so many are believed.
const (
	maxRuns    = 32
	enoughRuns = 3
	maxClasses = 10_000
)

// Observe takes in how long a job has run. One of no class says nothing of others.
func (r *Runtimes) Observe(class string, run time.Duration) {
	if class == "" {
		return
	}
	if r.by == nil || len(r.by) >= maxClasses {
		r.by, r.kinds = map[string]*runs{}, nil
	}
	c := r.by[class]
	if c == nil {
		c = &runs{}
		r.by[class] = c
	}
	if c.kind {
		at, _ := slices.BinarySearch(r.kinds, c.middle())
		r.kinds = slices.Delete(r.kinds, at, at+1)
	}
	if len(c.last) == maxRuns {
		at, _ := slices.BinarySearch(c.sorted, c.last[0])
		c.sorted = slices.Delete(c.sorted, at, at+1)
		c.last = slices.Delete(c.last, 0, 1)
	}
	c.last = append(c.last, run)
	at, _ := slices.BinarySearch(c.sorted, run)
	c.sorted = slices.Insert(c.sorted, at, run)
	if c.kind {
		r.counts(c)
	}
}

// ObserveNode is Observe for a node of a workflow, the class of which is its kind.
func (r *Runtimes) ObserveNode(kind string, run time.Duration) {
	r.Observe(kind, run)
	if c := r.by[kind]; c != nil && !c.kind {
		c.kind = true
		r.counts(c)
	}
}

// counts has the middle of a kind be among those of all.
func (r *Runtimes) counts(c *runs) {
	at, _ := slices.BinarySearch(r.kinds, c.middle())
	r.kinds = slices.Insert(r.kinds, at, c.middle())
}

// Unseen is how long a node is taken to run of whose kind none has ended: as those of the kind
// in the middle of all of which some have. A boot counts as one of these; of two in the middle
// it is the longer one.
func (r *Runtimes) Unseen(boot time.Duration) time.Duration {
	at, _ := slices.BinarySearch(r.kinds, boot)
	switch middle := (len(r.kinds) + 1) / 2; { // in order, with the boot at its place
	case middle < at:
		return r.kinds[middle]
	case middle > at:
		return r.kinds[middle-1]
	}
	return boot
}

// Holds is for how much longer a job of the class that has run for so long is expected to have
// its slot. known is false when nobody knows: it is a boot at least then, for who counts on an
// end that does not come waits for one.
func (r *Runtimes) Holds(class string, ran, boot time.Duration) (left time.Duration, known bool) {
	if left, known = r.Left(class, ran); !known {
		left = ran + max(r.Unseen(boot), boot)
	}
	return left, known
}

// Awaits reports whether to wait for the end of a job of the class, which has run for so
// long, is better than a machine that boots, and in how long it is expected then. A wait
// for longer than the boot is worth that many seconds of a machine each second; to start
// one costs what it boots until the job has ended after all. Beside what was seen the job
// may run for as long again and a boot. It is false when too few have run for longer to
// tell.
func (r *Runtimes) Awaits(class string, ran, boot time.Duration) (in time.Duration, ok bool) {
	c := r.by[class]
	if c == nil || len(c.sorted) < enoughRuns {
		return 0, false
	}
	at, _ := slices.BinarySearch(c.sorted, ran+1)
	longer := c.sorted[at:]
	if len(longer) == 0 {
		return 0, false
	}
	over, within := ran, boot
	for _, l := range longer {
		over += max(l-ran-boot, 0)
		within += min(l-ran, boot)
	}
	if Worth*over > within {
		return 0, false
	}
	return within / time.Duration(len(longer)+1), true
}

// Running is a job that runs.
type Running struct {
	Class    string
	Ran      time.Duration
	Estimate time.Duration // at most so long it runs, as its owner said; 0: nothing
	Part     router.Resources
}

// Busy says of a slot that runs jobs when it will have what free. claim is that of its
// machine; 0: it has none.
func (r *Runtimes) Busy(slot router.Slot, claim uint32, jobs []Running, boot time.Duration, due []Due) Busy {
	b := Busy{Slot: slot, Claim: claim, Due: due[:0]}
	var all time.Duration // that they run in all
	known := len(jobs) > 0
	for i := range jobs {
		j := &jobs[i]
		left, ok := r.Awaits(j.Class, j.Ran, boot)
		if by := j.Estimate - j.Ran; by > 0 && by < boot {
			left, ok = by, true
		}
		if !ok {
			left, _ = r.Holds(j.Class, j.Ran, boot)
		}
		b.Due = append(b.Due, Due{In: left, Part: j.Part, Unsure: !ok})
		run, short := r.usual(j.Class, boot)
		all += run
		known = known && ok && short
	}
	if known {
		b.Turns = int(min(boot*time.Duration(len(jobs))/max(all, time.Millisecond), maxTurns))
	}
	return b
}

// maxTurns bounds how far jobs after jobs are looked at.
const maxTurns = 1000

// usual is how long jobs of a class run on average, if all of them are as good as over
// before a machine is up.
func (r *Runtimes) usual(class string, boot time.Duration) (sum time.Duration, ok bool) {
	if _, ok := r.Awaits(class, 0, boot); !ok {
		return 0, false
	}
	c := r.by[class]
	for _, run := range c.sorted {
		sum += run
	}
	return sum / time.Duration(len(c.sorted)), true
}
