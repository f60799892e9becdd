package burst

import (
	"cmp"
	"slices"
	"time"

	"gridburst/router"
)

// Node is a job of a workflow, as far as it says what will come.
type Node struct {
	Owner   uint32
	Group   *router.Group
	Class   string // run times of those of a class are alike
	Parents []int  // indexes among the nodes
	State   NodeState
	Ran     time.Duration // for how long, of one that runs
	Starts  time.Duration // in how long it will, of one that waits for no other node
}

// NodeState is where a node is.
type NodeState uint8

// The states of nodes.
const (
	Later NodeState = iota // it will be a job
	Waits                  // it is one, and has not begun
	Runs                   // it has
	Over
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

// Outlook lists the jobs that nodes will be, and when, as far ahead as the horizon. A run
// time is that of half of those before it of its class. One of which nobody knows is taken
// to be as long as it has been until now and a boot; behind two of those nothing is seen.
// Nodes come after their parents.
func (r *Runtimes) Outlook(nodes []Node, boot, horizon time.Duration) (out []Soon) {
	ends := make([]end, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		var ready end
		for _, p := range n.Parents {
			ready.after(ends[p])
		}
		if len(n.Parents) == 0 || n.State == Waits {
			ready.known, ready.in = n.Starts, n.Starts
		}
		switch n.State {
		case Over:
			continue
		case Runs:
			left, known := r.left(n.Class, n.Ran)
			if !known {
				left = n.Ran + boot
			}
			ends[i] = end{}.then(left, known)
			continue
		case Later:
			if ready.unknown > 1 || ready.known > horizon {
				ends[i] = end{horizon + 1, horizon + 1, 2}
				continue
			}
			run, _ := r.left(n.Class, 0)
			out = append(out, Soon{n.Owner, n.Group, ready.in, ready.in - ready.known, run})
		}
		run, known := r.left(n.Class, 0)
		if !known {
			run = boot
		}
		ends[i] = ready.then(run, known)
	}
	slices.SortStableFunc(out, func(a, b Soon) int { return cmp.Compare(a.In, b.In) })
	return out
}

// left is how much longer half of those of the class ran that had run for so long.
func (r *Runtimes) left(class string, ran time.Duration) (time.Duration, bool) {
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
