package router

import (
	"cmp"

	"gridburst/internal/grid"
)

// Cycle assigns jobs to what is free. Owners who use little come first; within an
// owner, jobs go by priority, then by age. Nice jobs come after all others. A job takes the slot that its Rank likes
// best, among equals the one that it fills most. A job that finds nothing does not
// hold up those behind it, but for one of several nodes in its turn.
func Cycle(in *Input, m *Matcher) Plan {
	c := cycle{in: in, m: m, plan: Plan{Left: make([]int, len(in.Queues))}, limits: in.Limits.Clone()}
	c.sortSlots()
	c.sortQueues()
	if in.Turn != (grid.JobID{}) {
		c.reserve()
	}
	for {
		o := c.next()
		if o == nil {
			return c.plan
		}
		c.serve(o)
	}
}

type cycle struct {
	in     *Input
	m      *Matcher
	plan   Plan
	kinds  []*kind
	byKind map[kindKey]*kind
	owners []*owner
	limits Limits
}

// kind is slots that nothing tells apart now: one class, the same free resources.
type kind struct {
	kindKey
	class *Class
	slots []int // indexes into Input.Slots, those to be used first last
}

type kindKey struct {
	class uint32
	free  Resources
}

// owner is one whose jobs wait; nice jobs are as if of another.
type owner struct {
	id     uint32
	nice   bool
	usage  int64
	queues []*waiting
}

type waiting struct {
	index int // into Input.Queues
	jobs  []Job
}

func (c *cycle) sortSlots() {
	c.byKind = map[kindKey]*kind{}
	for i := len(c.in.Slots) - 1; i >= 0; i-- {
		c.put(i, c.in.Slots[i].Class, c.in.Slots[i].Free)
	}
}

func (c *cycle) put(slot int, class *Class, free Resources) {
	if free.Cpus <= 0 {
		return
	}
	key := kindKey{class.ID, free}
	k := c.byKind[key]
	if k == nil {
		k = &kind{kindKey: key, class: class}
		c.byKind[key] = k
		c.kinds = append(c.kinds, k)
	}
	k.slots = append(k.slots, slot)
}

func (c *cycle) sortQueues() {
	type account struct {
		owner uint32
		nice  bool
	}
	by := map[account]*owner{}
	for i := range c.in.Queues {
		q := &c.in.Queues[i]
		if len(q.Jobs) == 0 {
			continue
		}
		a := account{q.Owner, q.Group.Nice}
		o := by[a]
		if o == nil {
			o = &owner{id: q.Owner, nice: a.nice, usage: c.in.Usage[q.Owner]}
			by[a] = o
			c.owners = append(c.owners, o)
		}
		o.queues = append(o.queues, &waiting{index: i, jobs: q.Jobs})
	}
}

// next is the owner whose turn it is; nil when nobody waits any more.
func (c *cycle) next() (least *owner) {
	for _, o := range c.owners {
		if len(o.queues) > 0 && (least == nil || o.before(least)) {
			least = o
		}
	}
	return least
}

func (o *owner) before(p *owner) bool {
	switch {
	case o.nice != p.nice:
		return p.nice
	case o.usage != p.usage:
		return o.usage < p.usage
	}
	return o.id < p.id
}

// serve places the owner's first job, or gives up the queue that it heads.
func (c *cycle) serve(o *owner) {
	at := 0
	for i, q := range o.queues {
		if q.jobs[0].Compare(o.queues[at].jobs[0]) < 0 {
			at = i
		}
	}
	q := o.queues[at]
	group := c.in.Queues[q.index].Group
	if c.placeAll(o, q.jobs[0], group) {
		q.jobs = q.jobs[1:]
	} else {
		// What is free, and left of limits, only becomes less: the rest of the group finds nothing too.
		c.plan.Left[q.index] = len(q.jobs)
		q.jobs = nil
	}
	if len(q.jobs) == 0 {
		o.queues = append(o.queues[:at], o.queues[at+1:]...)
	}
}

// placeAll gives a job as many parts as it takes nodes, or none.
func (c *cycle) placeAll(o *owner, j Job, g *Group) bool {
	before, usage := len(c.plan.Assign), o.usage
	var taken []*kind
	for range max(g.Nodes, 1) {
		slot, part, uses, from := c.place(g)
		if from == nil {
			for i := len(taken) - 1; i >= 0; i-- {
				c.putBack(taken[i], &c.plan.Assign[before+i])
			}
			c.plan.Assign, o.usage = c.plan.Assign[:before], usage
			return false
		}
		c.plan.Assign = append(c.plan.Assign, Assignment{Job: j, Owner: o.id, Group: g.ID, Slot: slot, Part: part, Uses: uses, Nodes: g.Nodes})
		o.usage += part.Cpus
		if g.Nodes > 1 {
			taken = append(taken, from)
		}
	}
	return true
}

// putBack undoes a place. The last is undone first, so that what was put is where it was
// put.
func (c *cycle) putBack(from *kind, a *Assignment) {
	if k := c.byKind[kindKey{from.class.ID, from.free.Minus(a.Part)}]; k != nil {
		k.slots = k.slots[:len(k.slots)-1]
	}
	from.slots = append(from.slots, a.Slot)
	c.limits.giveBack(ParseUses(a.Uses))
}

// place takes a part of the best slot for the group. from is what kind it was; nil: there
// is none.
func (c *cycle) place(g *Group) (slot int, part Resources, text string, from *kind) {
	var best *kind
	var bestFit Fit
	var bestUses []Use
	for _, k := range c.kinds {
		if len(k.slots) == 0 {
			continue
		}
		fit := c.m.Fit(c.in.Now, g, k.class, k.free)
		if !fit.OK {
			continue
		}
		better := best == nil || fit.Rank > bestFit.Rank || fit.Rank == bestFit.Rank && tighter(k.free.Minus(fit.Part), best.free.Minus(bestFit.Part))
		if !better {
			continue
		}
		uses, of := c.uses(g, k) // evaluates an expression
		if _, blocked := c.limits.Blocks(uses); !blocked {
			best, bestFit, bestUses, text = k, fit, uses, of
		}
	}
	if best == nil {
		return 0, part, "", nil
	}
	c.limits.Take(bestUses)
	last := len(best.slots) - 1
	slot = best.slots[last]
	best.slots = best.slots[:last]
	c.put(slot, best.class, best.free.Minus(bestFit.Part))
	return slot, bestFit.Part, text, best
}

// tighter: what is left over of a is less than what is left of b.
func tighter(a, b Resources) bool {
	return cmp.Or(cmp.Compare(a.Cpus, b.Cpus), cmp.Compare(a.MemoryMB, b.MemoryMB), cmp.Compare(a.DiskKB, b.DiskKB)) < 0
}
