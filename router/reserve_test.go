package router

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

// gang adds a job of several nodes.
func (w *world) gang(owner uint32, cluster int32, nodes int, attrs ...string) {
	w.queue(owner, cluster, 1, 0, attrs...)
	w.in.Queues[len(w.in.Queues)-1].Group.Nodes = nodes
}

// turn makes it the turn of a cluster's first job.
func (w *world) turn(cluster int32) { w.in.Turn = grid.JobID{Cluster: cluster} }

// taken is a slot of which only so much is free.
func (w *world) taken(c *Class, cpus, free int64) {
	w.slot(c, cpus, 1000)
	w.in.Slots[len(w.in.Slots)-1].Free.Cpus = free
}

func TestAJobOfSeveralNodesInItsTurn(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*world)
		want string
		kept int
	}{
		"takes all or nothing": {func(w *world) {
			w.slot(w.class(yes), 2, 1000)
			w.gang(1, 1, 3, yes)
			w.queue(1, 2, 1, 0, yes, "X = 1")
		}, "2.0@1", 0},
		"has what is free kept for it": {func(w *world) {
			c := w.class(yes)
			w.slot(c, 2, 1000)
			w.taken(c, 2, 0)
			w.gang(1, 1, 3, yes)
			w.queue(2, 2, 5, 9, yes, "X = 1")
			w.turn(1)
		}, "", 2},
		"has no more kept than it needs": {func(w *world) {
			c := w.class(yes)
			w.slot(c, 4, 1000)
			w.taken(c, 2, 0)
			w.gang(1, 1, 5, yes)
			w.slot(c, 3, 1000)
			w.in.Slots[0].Free.Cpus = 2
			w.gang(2, 2, 2, yes, "Requirements = false")
			w.queue(2, 3, 5, 9, yes, "X = 1")
			w.turn(1)
		}, "1.0@1 1.0@1 1.0@3 1.0@3 1.0@3", 0},
		"goes before all others": {func(w *world) {
			w.slot(w.class(yes), 2, 1000)
			w.queue(2, 2, 5, 9, yes, "X = 1")
			w.gang(1, 1, 2, yes)
			w.in.Usage = map[uint32]int64{1: 100}
			w.turn(1)
		}, "1.0@1 1.0@1", 0},
		"keeps slots of which less than a part is free": {func(w *world) {
			c := w.class(yes)
			w.taken(c, 4, 3)
			w.taken(c, 4, 1)
			w.gang(1, 1, 2, yes, "RequestCpus = 4")
			w.queue(2, 2, 9, 0, yes)
			w.turn(1)
		}, "", 0},
		"and leaves alone those that it does not need": {func(w *world) {
			c := w.class(yes)
			w.taken(c, 4, 3)
			w.taken(c, 4, 2)
			w.taken(c, 4, 1)
			w.gang(1, 1, 2, yes, "RequestCpus = 4")
			w.queue(2, 2, 9, 0, yes)
			w.turn(1)
		}, "2.0@3", 0},
		"has nothing kept when all slots together could not hold it": {func(w *world) {
			c := w.class(yes)
			w.slot(c, 2, 1000)
			w.taken(c, 2, 0)
			w.gang(1, 1, 5, yes)
			w.queue(2, 2, 1, 0, yes, "X = 1")
			w.turn(1)
		}, "2.0@1", 0},
		"gives way when it is nice": {func(w *world) {
			c := w.class(yes)
			w.slot(c, 2, 1000)
			w.taken(c, 2, 0)
			w.gang(1, 1, 3, yes)
			w.in.Queues[0].Group.Nice = true
			w.queue(2, 2, 2, 0, yes, "X = 1")
			w.turn(1)
		}, "2.0@1 2.1@1", 0},
		"need not be the first of its queue": {func(w *world) {
			c := w.class(yes)
			w.slot(c, 3, 1000)
			w.queue(1, 1, 2, 0, yes)
			w.in.Queues[0].Group.Nodes = 3
			w.in.Turn = grid.JobID{Cluster: 1, Proc: 1}
		}, "1.1@1 1.1@1 1.1@1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t}
			c.set(w)
			if got := w.assigned(); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
			if got := Cycle(&w.in, NewMatcher()).Kept; got != c.kept {
				t.Errorf("%d parts are kept, not %d", got, c.kept)
			}
		})
	}
}

// A pool in which jobs of one slot take whatever is free, and more wait than it takes: a
// job of several nodes begins all the same, within nine times as long as the longest of them
// runs, and for less than half of its wait something is kept for it.
func TestAJobOfSeveralNodesIsNotStarved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(2, 6).Draw(t, "slots")
		nodes := rapid.IntRange(2, slots).Draw(t, "nodes")
		longest := rapid.IntRange(1, 40).Draw(t, "longest") // minutes
		in := Input{Now: now}
		class := &Class{ID: 1, Ad: adOf(t, yes)}
		for i := range slots {
			r := Resources{Cpus: 1, MemoryMB: 1}
			in.Slots = append(in.Slots, Slot{ID: uint32(i + 1), Class: class, Total: r, Free: r})
		}
		single, gang := &Group{ID: 1, Ad: adOf(t, yes)}, &Group{ID: 2, Ad: adOf(t, yes, "X = 1"), Nodes: nodes}
		ends := make([]int, slots) // the minute in which each slot is free again
		m, kept := NewMatcher(), 0
		bound := 9*longest + 1
		for minute := 0; ; minute++ {
			if minute > bound {
				t.Fatalf("it waits for %d minutes where no job runs for more than %d", minute, longest)
			}
			in.Turn = grid.JobID{}
			if Turn(time.Duration(minute) * time.Minute) {
				in.Turn = grid.JobID{Cluster: 1}
			}
			for i := range in.Slots {
				in.Slots[i].Free.Cpus = 0
				if ends[i] <= minute {
					in.Slots[i].Free.Cpus = 1
				}
			}
			in.Queues = []Queue{{Owner: 1, Group: gang, Jobs: []Job{{ID: grid.JobID{Cluster: 1}}}}, {Owner: 2, Group: single}}
			for i := range slots {
				in.Queues[1].Jobs = append(in.Queues[1].Jobs, Job{ID: grid.JobID{Cluster: 2, Proc: int32(i)}, Prio: 9})
			}
			in.Usage = map[uint32]int64{1: 1000}
			plan := Cycle(&in, m)
			parts := 0
			for _, a := range plan.Assign {
				if a.Job.ID.Cluster == 1 {
					parts++
					continue
				}
				ends[a.Slot] = minute + rapid.IntRange(1, longest).Draw(t, "runs")
			}
			if parts == nodes {
				break
			}
			if parts != 0 {
				t.Fatalf("%d of %d nodes begin", parts, nodes)
			}
			if plan.Kept > 0 {
				kept++
			}
			if 2*kept > minute+2 { // minutes are not cut in two
				t.Fatalf("in %d of %d minutes something is kept", kept, minute+1)
			}
		}
	})
}

func TestWhatIsToldOfAJobOfSeveralNodes(t *testing.T) {
	for name, c := range map[string]struct {
		nodes int
		want  string
	}{
		"some fit":    {4, "It needs 4 slots at once, 3 fit now.\n"},
		"all fit":     {3, "It needs 3 slots at once, and all of them fit now: it is about to start, or others go first.\n"},
		"never":       {7, "It needs 7 slots at once, and 5 fit even when all slots are empty.\nIt would help to add slots for 2 more, or to ask for fewer nodes (machine_count).\n"},
		"one is none": {1, "2 slots would take it now: it is about to start, or others go first.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t}
			k := w.class(yes)
			w.taken(k, 3, 2)
			w.taken(k, 2, 1)
			w.gang(1, 1, c.nodes, yes)
			e := NewMatcher().Explain(now, w.in.Queues[0].Group, w.in.Slots)
			if got := e.String(); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}
