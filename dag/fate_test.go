package dag

import (
	"slices"

	"gridburst/internal/grid"
)

// fate is what becomes of an attempt, drawn before it begins.
type fate struct {
	refused bool // cannot be submitted
	procs   int32
	exits   []int32 // of the procs
	pre     int32
	post    int32
	defers  uint32 // how often its POST script puts itself off
}

func (f *fate) bad() (n int32) {
	for _, e := range f.exits {
		if e != 0 {
			n++
		}
	}
	return n
}

// comesToNothing reports whether a node of the run before did not come to its end.
func (f fate) comesToNothing() bool { return f.exits[0] != 0 }

// ends is how every node must end, by the fates alone.
func (w *world) ends() []grid.NodeState {
	out := make([]grid.NodeState, w.g.Len())
	skipped, exits := make([]bool, len(out)), make([]int32, len(out))
	for i := range out {
		if w.g.Nodes[i].Past == "" {
			continue
		}
		if out[i] = grid.NodeDone; w.fate[key{int32(i), 1}].comesToNothing() {
			out[i], exits[i] = grid.NodeFailed, ReturnFailed
		}
	}
	for i := range out {
		n := &w.g.Nodes[i]
		if n.Past != "" {
			continue
		}
		ready := true
		for _, p := range w.g.Nodes[i].Parents {
			if w.g.Nodes[p].Join {
				for _, q := range w.g.Nodes[p].Parents {
					ready = ready && out[q] == grid.NodeDone
				}
				continue
			}
			ready = ready && (out[p] == grid.NodeDone || out[p] == grid.NodeFailed && n.WeakOn(p))
		}
		switch {
		case n.Done:
			out[i] = grid.NodeDone
		case !ready:
			out[i] = grid.NodeFutile
		case !w.met(n, out, skipped, exits):
			out[i], skipped[i] = grid.NodeDone, true
		default:
			out[i], exits[i] = w.fateOf(int32(i))
		}
	}
	return out
}

// met reports whether the condition of a node is met by how those before it ended.
func (w *world) met(n *Node, ends []grid.NodeState, skipped []bool, exits []int32) bool {
	if n.When == "" {
		return true
	}
	for p := range ends {
		switch i := int32(p); n.When {
		case Result(i, "exit") + " != 0":
			return exits[p] != 0
		case Result(i, "exit") + " == 0":
			return exits[p] == 0
		case Result(i, "status") + ` != "skipped"`:
			return !skipped[p]
		}
	}
	panic(n.When)
}

// last is with what an attempt of node i ends, by its last part.
func (w *world) last(n *Node, f *fate) int32 {
	post := func(exit int32) int32 {
		if n.Post != nil {
			return f.post
		}
		return exit
	}
	if n.Pre != nil && f.pre == skipExit {
		return 0
	}
	if n.Pre != nil && f.pre != 0 {
		if w.header.AlwaysPost {
			return post(f.pre)
		}
		return f.pre
	}
	allowed := int32(0)
	if n.Tolerance != nil {
		allowed = int32(n.Tolerance.Procs)
	}
	switch {
	case n.Noop:
		return post(0)
	case f.refused:
		return post(ExitSubmit)
	case f.bad() <= allowed:
		return post(0)
	}
	for _, e := range f.exits {
		if e != 0 {
			return post(e)
		}
	}
	panic("nothing failed")
}

// fateOf is how node i ends that runs, and with what.
func (w *world) fateOf(i int32) (end grid.NodeState, exit int32) {
	n := &w.g.Nodes[i]
	for a := range n.Retries + 1 {
		f := w.fate[key{i, uint32(a + 1)}]
		switch exit = w.last(n, &f); {
		case exit == 0 || slices.Contains(n.DoneExit, exit):
			return grid.NodeDone, exit
		case n.Unless != nil && exit == int32(*n.Unless):
			return grid.NodeFailed, exit
		}
	}
	return grid.NodeFailed, exit
}
