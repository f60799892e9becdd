package dag

import (
	"reflect"

	"gridburst/internal/grid"
)

// PastName is the name of the node that stands for the node of that name of the run before.
func PastName(name string, any bool) string {
	if any {
		return "previous_any." + name
	}
	return "previous." + name
}

// Past adds the node that stands for node i of the run before, once for each word; any: its
// end is enough, however that is. ok is false when its name is taken by another.
func (b *Builder) Past(i int32, any bool) (past int32, ok bool) {
	n := Node{Past: b.graph.Nodes[i].Name, PastAny: any}
	n.Name = PastName(n.Past, any)
	at, fresh := b.Add(n)
	return at, fresh || b.graph.Nodes[at].Past == n.Past && b.graph.Nodes[at].PastAny == any
}

// onlyPast reports whether n is nothing but what stands for a node of the run before.
func (n *Node) onlyPast() bool {
	return reflect.DeepEqual(*n, Node{Name: n.Name, Past: n.Past, PastAny: n.PastAny, Children: n.Children})
}

// passes reports whether n is no work of the run: a join, or a node of the run before.
func (n *Node) passes() bool { return n.Join || n.Past != "" }

// LooksBack reports whether node i waits to be told of the run before.
func (r *Run) LooksBack(i int32) bool {
	return r.Graph.Nodes[i].Past != "" && r.nodes[i].State == grid.NodeReady && r.Status == RunRunning
}

// LookingBack are the nodes that wait to be told of the run before.
func (r *Run) LookingBack() (out []int32) {
	for _, i := range r.past {
		if r.LooksBack(i) {
			out = append(out, i)
		}
	}
	return out
}

// lookBack asks about all nodes of the run before that are waited for.
func (s *step) lookBack() {
	for _, i := range s.past {
		if n := s.get(i); n.State == grid.NodeReady && s.head.Status == RunRunning {
			s.act(LookBack{i})
		}
	}
}

func (h LookedBack) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || s.Graph.Nodes[h.Node].Past == "" || n.State != grid.NodeReady || s.head.Status != RunRunning {
		return err
	}
	n.Attempt++
	n.Exit = ReturnDone
	if h.Failed {
		n.on(grid.NodeFail)
		n.Exit = ReturnFailed
	} else {
		n.on(grid.NodeSucceed)
	}
	s.say(h.Node, h.Why)
	s.put(h.Node, n)
	follow(s, []int32{h.Node})
	return nil
}

// LooksBack reports whether anything of g waits for the run before.
func (g *Graph) LooksBack() bool {
	for i := range g.Nodes {
		if g.Nodes[i].Past != "" {
			return true
		}
	}
	return false
}
