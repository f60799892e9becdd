package dag

import (
	"encoding/json"
	"testing"

	"gridburst/internal/grid"
)

func ender(name string) Node { return Node{Name: name, File: "f.sub", Kind: FinalNode} }

func TestGraphsFromOutsideAreChecked(t *testing.T) {
	made := func() *Graph {
		b := NewBuilder("w")
		for _, name := range []string{"a", "b", "c"} {
			b.Add(Node{Name: name, File: name + ".sub"})
		}
		b.Order([]int32{0}, []int32{1, 2})
		g, err := b.Graph()
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	blob, err := json.Marshal(made())
	if err != nil {
		t.Fatal(err)
	}
	travelled := new(Graph)
	if err := json.Unmarshal(blob, travelled); err != nil {
		t.Fatal(err)
	}
	if err := travelled.Check(); err != nil {
		t.Errorf("a graph that has travelled: %v", err)
	}
	for name, spoil := range map[string]func(*Graph){
		"no nodes":                        func(g *Graph) { g.Nodes = nil },
		"two of a name":                   func(g *Graph) { g.Nodes[1].Name = "a" },
		"a node without a job":            func(g *Graph) { g.Nodes[1].File = "" },
		"a child that there is not":       func(g *Graph) { g.Nodes[0].Children = []int32{1, 7} },
		"a child below nought":            func(g *Graph) { g.Nodes[0].Children = []int32{-1} },
		"a child twice":                   func(g *Graph) { g.Nodes[0].Children = []int32{1, 1} },
		"a child of nobody":               func(g *Graph) { g.Nodes[0].Children = []int32{1} },
		"a parent of nobody":              func(g *Graph) { g.Nodes[1].Parents = nil },
		"a cycle":                         func(g *Graph) { g.Nodes[1].Children, g.Nodes[0].Parents = []int32{0}, []int32{1} },
		"a join among nodes":              func(g *Graph) { g.Nodes[1].Join = true },
		"more joins than nodes":           func(g *Graph) { g.Joins = 9 },
		"a kind that there is not":        func(g *Graph) { g.Nodes[2].Kind = 9 },
		"a service among the ordered":     func(g *Graph) { g.Nodes[1].Kind = ServiceNode },
		"two final nodes":                 func(g *Graph) { g.Nodes = append(g.Nodes, ender("y"), ender("z")) },
		"a description that there is not": func(g *Graph) { g.Nodes[0].File, g.Nodes[0].Submit = "", "d" },
		"a sub-DAG without a file":        func(g *Graph) { g.Nodes[0] = Node{Name: "a", Subdag: true, Noop: true, Children: []int32{1, 2}} },
		"a weak parent that is none":      func(g *Graph) { g.Nodes[1].Weak = []int32{2} },
		"a weak parent twice":             func(g *Graph) { g.Nodes[1].Weak = []int32{0, 0} },
		"joins that wait for each other": func(g *Graph) {
			g.Nodes = append(g.Nodes, Node{Join: true, Parents: []int32{4}, Children: []int32{4}}, Node{Join: true, Parents: []int32{3}, Children: []int32{3}})
			g.Joins = 2
		},
	} {
		g := made()
		spoil(g)
		if err := g.Check(); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
