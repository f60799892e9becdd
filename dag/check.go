package dag

import (
	"slices"

	"gridburst/internal/grid"
)

// Check refuses a graph that no [Builder] made: one that came from outside and whose
// parts contradict each other.
func (g *Graph) Check() error {
	bad := func(format string, args ...any) error {
		return grid.Errorf(grid.Invalid, "the workflow %s: "+format, append([]any{grid.Printable(g.Name)}, args...)...)
	}
	if g.Joins < 0 || g.Len() < 1 {
		return bad("it has no nodes")
	}
	names, only := make(map[string]bool, g.Len()), map[NodeKind]bool{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		switch join := i >= g.Len(); {
		case n.Join != join:
			return bad("node %d stands among those of another kind", i)
		case join:
		case n.Name == "" || names[n.Name]:
			return bad("node %d has no name of its own", i)
		case !n.Noop && n.Past == "" && n.File == "" && n.Job == "" && n.Submit == "":
			return bad("node %s has no job", grid.Printable(n.Name))
		}
		names[n.Name] = true
		if err := n.check(g); err != nil {
			return bad("node %s: %w", grid.Printable(n.Name), err)
		}
		if n.Kind == FinalNode || n.Kind == ProvisionerNode {
			if only[n.Kind] {
				return bad("it has a second node of a kind of which there is one: %s", grid.Printable(n.Name))
			}
			only[n.Kind] = true
		}
		for _, list := range [][]int32{n.Parents, n.Children} {
			for k, j := range list {
				if j < 0 || int(j) >= len(g.Nodes) || k > 0 && list[k-1] >= j {
					return bad("the neighbours of node %d are no nodes, or not in order", i)
				}
				if g.Nodes[j].Kind != n.Kind {
					return bad("the neighbour %d of node %d is of another kind", j, i)
				}
				if n.Join && g.Nodes[j].Join {
					return bad("join %d stands beside another", i)
				}
			}
		}
		for _, c := range n.Children {
			if _, ok := slices.BinarySearch(g.Nodes[c].Parents, int32(i)); !ok {
				return bad("node %d is no parent of its child %d", i, c)
			}
		}
		for _, p := range n.Parents {
			if _, ok := slices.BinarySearch(g.Nodes[p].Children, int32(i)); !ok {
				return bad("node %d is no child of its parent %d", i, p)
			}
		}
	}
	if c := g.cycle(); c != nil {
		return bad("%w", c)
	}
	for i, p := range g.Provision {
		if p.Pool == "" || p.Count < 0 || p.Max < max(p.Count, 1) || p.Max > MaxProvision || slices.ContainsFunc(g.Provision[:i], func(q Provision) bool { return q.Pool == p.Pool }) {
			return bad("it asks for machines of %s that cannot be, or twice", grid.Printable(p.Pool))
		}
	}
	// Their neighbours have been looked at.
	for i := range g.Nodes {
		if err := g.checkWhen(int32(i)); err != nil {
			return bad("node %s: %w", grid.Printable(g.Nodes[i].Name), err)
		}
	}
	return nil
}

// MaxProvision bounds the machines of a pool that a run may ask for.
const MaxProvision = 10_000

// check refuses a node that contradicts itself.
func (n *Node) check(g *Graph) error {
	switch {
	case n.Kind > ServiceNode:
		return grid.Errorf(grid.Invalid, "it is of no kind that there is")
	case n.Kind != JobNode && n.Kind != ServiceNode && len(n.Parents)+len(n.Children) > 0, n.Kind == ServiceNode && len(n.Weak) > 0:
		return grid.Errorf(grid.Invalid, "it has parents or children, and is not one of those that are ordered")
	case n.Kind != ServiceNode && (n.ReadyWithin != 0 || n.Always):
		return grid.Errorf(grid.Invalid, "it says when it is ready, or is always tried again, and is no service")
	case n.Timeout < 0, n.Timeout > 0 && (n.Noop || n.Kind == ServiceNode || n.Kind == ProvisionerNode):
		return grid.Errorf(grid.Invalid, "it has a timeout, and is none of the nodes whose jobs end by themselves")
	case n.ReadyWithin < 0, n.ReadyWithin > 0 && (n.Noop || n.Done || n.Subdag):
		return grid.Errorf(grid.Invalid, "it has no job that could say when it is ready, or no time for it")
	case n.PastAny && n.Past == "", n.Past != "" && !n.onlyPast():
		return grid.Errorf(grid.Invalid, "it stands for a node of the run before, and has something of its own")
	case n.Elsewhere && (n.Subdag || n.Noop):
		return grid.Errorf(grid.Invalid, "it is to be tried on another machine, and has no job")
	case n.Submit != "" && g.Description(n.Submit) == nil:
		return grid.Errorf(grid.Invalid, "there is no submit description %s", grid.Printable(n.Submit))
	case n.Subdag && n.File == "":
		return grid.Errorf(grid.Invalid, "it has no DAG file")
	}
	for k, p := range n.Weak {
		if _, ok := slices.BinarySearch(n.Parents, p); !ok || k > 0 && n.Weak[k-1] >= p {
			return grid.Errorf(grid.Invalid, "its weak parents are not among its parents, or not in order")
		}
	}
	return nil
}
