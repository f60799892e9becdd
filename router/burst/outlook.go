package burst

import (
	"cmp"
	"slices"
	"time"

	"gridburst/router"
)

// Flow is a run of a workflow, as far as it says what will come.
type Flow struct {
	Of      uint32        // whose jobs they are, in [Soon]
	Starts  time.Duration // in how long it begins; 0: it has
	Nodes   []Node        // those that are not over, each behind those that it waits for
	MaxJobs int           // nodes with a job at a time; 0: no limit
	Lanes   []int         // the same of the nodes of each lane; 0: no limit
}

// Node is a job of a workflow that is not over.
type Node struct {
	Owner   uint32
	Group   *router.Group // nil: nobody knows what it will ask for
	Procs   int           // how many jobs it is; 0: 1
	Class   string        // run times of those of a class are alike; empty: of no class
	Parents []int32       // indexes among the nodes
	Lane    int           // index in Flow.Lanes; -1: none
	State   NodeState
	Ran     time.Duration // for how long, of one that runs
	Starts  time.Duration // in how long it will, of one that waits
}

// Window is how many nodes of a run are looked at in a decision.
const Window = 1000

// NodeState is where a node is.
type NodeState uint8

// The states of nodes.
const (
	Later  NodeState = iota // it will be a job
	Waits                   // it is one, and has not begun
	Runs                    // it has, or something that is no job goes on for it
	Passes                  // it takes no time
	Stalls                  // nobody can say when it goes on
)

// end is when a node is expected to be over: known to be not before one time, and guessed
// for another.
type end struct {
	known, in time.Duration
	unknown   int // run times on the way there that nobody knows
}

func (e *end) after(o end) {
	e.known, e.in, e.unknown = max(e.known, o.known), max(e.in, o.in), max(e.unknown, o.unknown)
}

// then is when what begins at the end e is over. run is a guess if it is not known.
func (e end) then(run time.Duration, known bool) end {
	if !known {
		return end{e.known, e.in + run, e.unknown + 1}
	}
	return end{e.known + run, e.in + run, e.unknown}
}

// vague is how many run times that nobody knows may stand between now and a job of which
// it is still said when it comes.
const vague = 2

// Outlook lists the jobs that a run's nodes will be, and when, as far ahead as the horizon,
// in the order of their coming. A run time is that of half of those before it of its class.
// One of which nobody knows is taken to be as long as it has been until now, and as others are
// that nobody has seen ([Runtimes.Unseen]); behind three of those nobody can say when a job
// comes. all is false when jobs will come of which nobody knows what they ask for.
func (r *Runtimes) Outlook(f *Flow, boot, horizon time.Duration) (out []Soon, all bool) {
	ends := make([]end, len(f.Nodes))
	lanes := newLanes(f)
	all = true
	unseen := r.Unseen(boot)
	for i := range f.Nodes {
		n := &f.Nodes[i]
		ready := end{known: f.Starts, in: f.Starts}
		for _, p := range n.Parents {
			ready.after(ends[p])
		}
		run, known := r.Left(n.Class, n.Ran)
		if !known {
			run = n.Ran + unseen
		}
		switch n.State {
		case Passes:
			ends[i] = ready
			continue
		case Stalls:
			ready.unknown += vague + 1
		case Waits:
			ready.known, ready.in = n.Starts, n.Starts
		case Later:
			ready = lanes.next(n, ready)
			switch {
			case ready.known > horizon:
			case n.Group == nil:
				all = false
			default:
				s := Soon{Of: f.Of, Owner: n.Owner, Group: n.Group, In: ready.in, Guess: ready.in - ready.known, Whenever: ready.unknown > vague}
				s.Run, _ = r.Holds(n.Class, 0, boot)
				for range max(n.Procs, 1) {
					out = append(out, s)
				}
			}
		}
		ends[i] = ready.then(run, known)
		lanes.took(n, ends[i])
	}
	slices.SortStableFunc(out, func(a, b Soon) int { return cmp.Compare(a.In, b.In) })
	return out, all
}

// lanes are when those end that have a place within limits: the first lane is the whole
// run's.
type lanes struct {
	most []int
	ends [][]end // the first to end at the head
}

func newLanes(f *Flow) *lanes {
	most := append([]int{f.MaxJobs}, f.Lanes...)
	return &lanes{most, make([][]end, len(most))}
}

// of are the lanes of a node that have a limit.
func (l *lanes) of(n *Node) (out []int) {
	for _, k := range [...]int{0, n.Lane + 1} {
		if l.most[k] > 0 && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

// next is when a node begins that is ready then: where a limit is reached, another has to
// end before.
func (l *lanes) next(n *Node, ready end) end {
	for _, k := range l.of(n) {
		if len(l.ends[k]) >= l.most[k] {
			ready.after(l.ends[k][0])
			l.ends[k] = l.ends[k][1:]
		}
	}
	return ready
}

// took has a node keep its places until it is over.
func (l *lanes) took(n *Node, over end) {
	for _, k := range l.of(n) {
		at, _ := slices.BinarySearchFunc(l.ends[k], over, func(a, b end) int { return cmp.Compare(a.in, b.in) })
		l.ends[k] = slices.Insert(l.ends[k], at, over)
	}
}

// Left is how much longer half of those of the class ran that had run for so long. ok is
// false when nobody knows.
func (r *Runtimes) Left(class string, ran time.Duration) (left time.Duration, ok bool) {
	c := r.by[class]
	if c == nil {
		return 0, false
	}
	at, _ := slices.BinarySearch(c.sorted, ran+1)
	longer := c.sorted[at:]
	if len(longer) == 0 {
		return 0, false
	}
	return longer[(len(longer)-1)/2] - ran, true
}
