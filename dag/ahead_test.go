package dag

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

// However a run came to where it is, what is ahead of it is each node that is not over, once,
// behind all that it waits for; and a shorter look is the beginning of a longer one.
func TestWhatIsAheadOfARunIsAllThatIsNotOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBuilder("flow")
		n := rapid.IntRange(1, 30).Draw(t, "nodes")
		for i := range int32(n) {
			b.Add(Node{Name: fmt.Sprint("n", i), Noop: rapid.IntRange(0, 5).Draw(t, "noop") == 0})
			var parents []int32
			for p := range i {
				if rapid.IntRange(0, 4).Draw(t, "edge") == 0 {
					parents = append(parents, p)
				}
			}
			if len(parents) > 0 {
				b.Order(parents, []int32{i})
			}
		}
		g, err := b.Graph()
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(g, Header{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var queue []Submit
		tell := func(h Happening) {
			change, actions, err := Step(r, h)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Apply(change); err != nil {
				t.Fatal(err)
			}
			for _, a := range actions {
				if s, ok := a.(Submit); ok {
					queue = append(queue, s)
				}
			}
		}
		tell(Begin{})
		for seq := uint64(1); len(queue) > 0; seq++ {
			looked(t, r)
			k := rapid.IntRange(0, len(queue)-1).Draw(t, "which")
			s := queue[k]
			queue = slices.Delete(queue, k, k+1)
			tell(Submitted{s.Node, s.Attempt, s.Node + 1, 1})
			looked(t, r)
			tell(ProcsLeft{Node: s.Node, Cluster: s.Node + 1, At: Position{Index: seq}, Procs: 1})
		}
		if a := r.Ahead(100); len(a.Nodes) != 0 || a.More != 0 {
			t.Fatalf("it is over, and ahead are %+v", a)
		}
	})
}

func looked(t *rapid.T, r *Run) {
	all := r.Ahead(1000)
	place := map[int32]int{}
	for k, c := range all.Nodes {
		if _, twice := place[c.Node]; twice || r.State(c.Node).Final() {
			t.Fatalf("node %d is there twice, or over", c.Node)
		}
		place[c.Node] = k
		waits := 0
		for _, p := range r.Graph.Nodes[c.Node].Parents {
			if r.State(p) == grid.NodeDone {
				continue
			}
			waits++
			if k, there := place[p]; !there || !slices.Contains(c.Parents, int32(k)) {
				t.Fatalf("node %d waits for %d, which is not before it", c.Node, p)
			}
		}
		if waits != len(c.Parents) {
			t.Fatalf("node %d waits for %d, and %v are said", c.Node, waits, c.Parents)
		}
		if queued := r.State(c.Node) == grid.NodeSubmitted; queued && c.Is != Queued || queued && c.Cluster != c.Node+1 {
			t.Fatalf("node %d is submitted, and %+v", c.Node, c)
		}
	}
	for i := range int32(r.Graph.Len()) {
		if _, there := place[i]; !there && !r.State(i).Final() {
			t.Fatalf("node %d is not over, and not ahead", i)
		}
	}
	few := r.Ahead(3)
	if len(few.Nodes) != min(3, len(all.Nodes)) || few.More != len(all.Nodes)-len(few.Nodes) || all.More != 0 {
		t.Fatalf("of %d a look at three shows %d and %d more", len(all.Nodes), len(few.Nodes), few.More)
	}
	for k := range few.Nodes {
		if few.Nodes[k].Node != all.Nodes[k].Node {
			t.Fatalf("a shorter look is not the beginning of a longer one")
		}
	}
}

// Nothing is ahead of a run that begins nothing.
func TestNothingIsAheadOfARunThatStandsStill(t *testing.T) {
	b := NewBuilder("flow")
	b.Add(Node{Name: "job"})
	b.Add(Node{Name: "watch", Kind: ServiceNode})
	b.Add(Node{Name: "final", Kind: FinalNode})
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		h    Header
		want int
	}{
		{"new", Header{}, 1},
		{"running", Header{Status: RunRunning}, 1},
		{"halted", Header{Status: RunRunning, Halt: Halted}, 0},
		{"paused", Header{Status: RunRunning, Halt: Paused}, 0},
		{"stopping", Header{Status: RunStopping}, 0},
		{"at its FINAL node", Header{Status: RunFinishing}, 0},
	} {
		r, err := Open(g, c.h, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := r.Ahead(10); len(a.Nodes) != c.want || a.More != 0 {
			t.Errorf("%s: %+v", c.name, a)
		}
	}

	// A service that will say that it is ready has them wait; and what comes of others decides
	// whether a node with a condition runs at all.
	g.Nodes[1].ReadyWithin, g.Nodes[0].When = 60, "true"
	r, err := Open(g, Header{Status: RunRunning}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Ahead(10); len(a.Nodes) != 0 {
		t.Errorf("before its service is ready: %+v", a)
	}
	r.nodes[1].Record = Record{State: grid.NodeSubmitted, Attempt: 1, Cluster: 7, Progress: ProgressReady}
	if a := r.Ahead(10); len(a.Nodes) != 1 || a.Nodes[0].Is != Scripted {
		t.Errorf("a node with a condition: %+v", a)
	}
}
