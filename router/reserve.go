package router

import (
	"cmp"
	"slices"
	"time"

	"gridburst/internal/ad"
)

// A job of several nodes begins on all of them or not at all, so that jobs of one slot, which
// take each slot as it comes free, could keep it waiting for ever. Therefore it has turns, in
// which it is served before all others and what it does not fill is kept free for it. The
// first comes when it has waited for a minute, each further one when it has waited four times
// as long as at the one before, and each lasts half as long as it had waited when the turn
// began. So what is kept stands still for less than half of the time that the job has waited;
// and where no job runs for longer than L, a turn that lasts so long has begun within 8L, and
// fills. One job has its turn at a time.
const (
	firstTurn = time.Minute
	nextTurn  = 4
)

// Turn reports whether it is the turn of a job that has waited for so long.
func Turn(waited time.Duration) bool {
	for from := firstTurn; from > 0 && from <= waited; from *= nextTurn {
		if waited < from+from/2 {
			return true
		}
	}
	return false
}

// reserve serves the job whose turn it is, or keeps free what it lacks.
func (c *cycle) reserve() {
	for _, o := range c.owners {
		for at, q := range o.queues {
			i := slices.IndexFunc(q.jobs, func(j Job) bool { return j.ID == c.in.Turn })
			g := c.in.Queues[q.index].Group
			if i < 0 || o.nice {
				continue
			}
			if !c.placeAll(o, q.jobs[i], g) {
				c.keep(g)
				return
			}
			// It may not be the first of its queue, of which those before it stay first.
			q.jobs = slices.Delete(slices.Clone(q.jobs), i, i+1)
			if len(q.jobs) == 0 {
				o.queues = slices.Delete(o.queues, at, at+1)
			}
			return
		}
	}
}

// keep takes away what a job of several nodes fills now, and of the slots that would take
// the rest of it if they were empty all that is free. When all slots together could not hold
// it, nothing is kept.
func (c *cycle) keep(g *Group) {
	type part struct {
		from *kind
		a    Assignment
	}
	var parts []part
	taken := map[int]int{}
	for len(parts) < g.Nodes {
		slot, p, uses, from := c.place(g)
		if from == nil {
			break
		}
		parts = append(parts, part{from, Assignment{Slot: slot, Part: p, Uses: uses}})
		taken[slot]++
	}
	need := g.Nodes - len(parts)
	var rest []int // slots that come free for it
	for _, i := range c.emptiest() {
		s := &c.in.Slots[i]
		if more := c.m.Holds(c.in.Now, g, s.Class, s.Total, g.Nodes) - taken[i]; more > 0 && need > 0 {
			rest = append(rest, i)
			need -= more
		}
	}
	if need > 0 {
		for _, p := range slices.Backward(parts) {
			c.putBack(p.from, &p.a)
		}
		return
	}
	for _, k := range c.kinds {
		k.slots = slices.DeleteFunc(k.slots, func(slot int) bool { return slices.Contains(rest, slot) })
	}
	c.plan.Kept = len(parts)
}

// emptiest are the slots, first those of which the most is free.
func (c *cycle) emptiest() []int {
	all := make([]int, len(c.in.Slots))
	for i := range all {
		all[i] = i
	}
	slices.SortFunc(all, func(a, b int) int {
		x, y := c.in.Slots[a].Free, c.in.Slots[b].Free
		return cmp.Or(cmp.Compare(y.Cpus, x.Cpus), cmp.Compare(y.MemoryMB, x.MemoryMB), cmp.Compare(a, b))
	})
	return all
}

// Holds is how many jobs of a group, or nodes of one, so much of a slot takes at once; no
// more than most.
func (m *Matcher) Holds(now ad.Instant, g *Group, c *Class, free Resources, most int) (n int) {
	for n < most && free.Cpus > 0 {
		fit := m.Fit(now, g, c, free)
		if !fit.OK {
			break
		}
		free = free.Minus(fit.Part)
		n++
	}
	return n
}
