package dag

import (
	"slices"
	"testing"
)

func TestTheShapeOfAGraph(t *testing.T) {
	b := NewBuilder("w")
	for _, name := range []string{"a", "S+b", "S+T+c", "d"} {
		b.Add(Node{Name: name, File: "x"})
	}
	b.Add(Node{Name: "sub", File: "x", Subdag: true})
	b.Add(Node{Name: "f", File: "x", Kind: FinalNode})
	b.Add(Node{Name: "s", File: "x", Kind: ServiceNode})
	b.Add(Node{Name: "p", File: "x", Kind: ProvisionerNode})
	b.Order([]int32{0}, []int32{1, 2})
	b.Order([]int32{1}, []int32{3})
	b.Order([]int32{0}, []int32{3}) // the long way counts
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	s := g.Shape()
	if !slices.Equal(s.Widths, []int{2, 2, 1}) {
		t.Errorf("widths %v", s.Widths)
	}
	if want := "4 jobs, 1 sub-DAG, 1 service, 1 provisioner, 1 final node, 2 splices, 4 edges, 3 levels, at most 2 nodes wide"; s.String() != want {
		t.Errorf("%s", s)
	}
}

func TestAJoinIsNoLevel(t *testing.T) {
	b := NewBuilder("w")
	var sides [2][]int32
	for k := range sides {
		for i := range 20 {
			n, _ := b.Add(Node{Name: string(rune('a'+k)) + string(rune('a'+i)), File: "x"})
			sides[k] = append(sides[k], n)
		}
	}
	b.Order(sides[0], sides[1])
	g, err := b.Graph()
	if err != nil || g.Joins != 1 {
		t.Fatal(g, err)
	}
	if s := g.Shape(); !slices.Equal(s.Widths, []int{20, 20}) {
		t.Errorf("widths %v", s.Widths)
	}
}
