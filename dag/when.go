package dag

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// What a condition ([Node.When]) may name of the nodes that its own waits for, behind which
// the node's number stands.
const (
	exitOf   = "Exit"   // its exit code, as [Record] has it
	statusOf = "Status" // "done", "failed" or "skipped"
)

// Result is the attribute by which a condition names what came of node i: its "exit" or its
// "status"; empty: it has no other.
func Result(i int32, what string) string {
	switch what {
	case "exit":
		return exitOf + strconv.Itoa(int(i))
	case "status":
		return statusOf + strconv.Itoa(int(i))
	}
	return ""
}

// maxWhen bounds the text of a condition.
const maxWhen = 4 << 10

// checkWhen refuses a condition that is none, or that may come out otherwise the next time:
// whether a node was skipped is not kept, and follows from what came of others.
func (g *Graph) checkWhen(i int32) error {
	n := &g.Nodes[i]
	if n.When == "" {
		return nil
	}
	if n.Kind != JobNode || n.Join || n.Noop || n.Done || len(n.When) > maxWhen {
		return grid.Errorf(grid.Invalid, "it has a condition, and is no node with a job that waits for others, or the condition is too long")
	}
	x, err := ad.Parse(n.When)
	if err != nil {
		return grid.Errorf(grid.Invalid, "its condition: %w", err)
	}
	refs := x.Refs()
	known := map[string]bool{}
	for _, p := range g.Parents(i) {
		known[strings.ToLower(Result(p, "exit"))], known[strings.ToLower(Result(p, "status"))] = true, true
	}
	strange := slices.ContainsFunc(refs.Bare, func(name string) bool { return !known[name] })
	if refs.Fleeting || refs.Opaque || len(refs.My)+len(refs.Target) > 0 || strange {
		return grid.Errorf(grid.Invalid, "its condition rests on more than what came of the nodes before it: %s", grid.Printable(n.When))
	}
	return nil
}

// holds reports whether node i's condition does. Those that it waits for have ended.
func holds(b board, i int32) bool {
	g := b.graph()
	if g.Nodes[i].When == "" {
		return true
	}
	x, err := ad.Parse(g.Nodes[i].When)
	if err != nil {
		return false // none was let in
	}
	parents := g.Parents(i)
	results := ad.New(2 * len(parents))
	for _, p := range parents {
		n := b.get(p)
		status := n.State.String()
		if n.skipped(&g.Nodes[p]) {
			status = "skipped"
		}
		results.SetInt(Result(p, "exit"), int64(n.Exit))
		results.SetString(Result(p, "status"), status)
	}
	held, ok := ad.Instant(0).Eval(x, results, nil).Bool()
	return held && ok
}

// skipped reports whether a node counts as done without having run: somebody said so, or its
// condition did not hold.
func (r *Record) skipped(n *Node) bool {
	return r.State == grid.NodeDone && (r.Skipped || n.When != "" && r.Attempt == 0)
}

// Skipped reports whether node i counts as done without having run.
func (r *Run) Skipped(i int32) bool { return r.nodes[i].skipped(&r.Graph.Nodes[i]) }
