package dag

import (
	"slices"
	"testing"

	"gridburst/internal/grid"
)

// behind is a run of two nodes, of which the second waits for both of the run before.
func behind(t *testing.T) *Run {
	t.Helper()
	b := NewBuilder("w")
	load, _ := b.Add(Node{Name: "load", File: "x.sub"})
	fit, _ := b.Add(Node{Name: "fit", File: "x.sub"})
	b.Order([]int32{load}, []int32{fit})
	for _, any := range []bool{false, true} {
		p, ok := b.Past(fit, any)
		if again, once := b.Past(fit, any); !ok || !once || again != p {
			t.Fatalf("the same node of the run before is node %d and node %d", p, again)
		}
		b.Order([]int32{p}, []int32{fit})
	}
	if first, _ := b.Ends(0, int32(b.Len())); !slices.Equal(first, []int32{load}) {
		t.Errorf("the first nodes are %v", first)
	}
	if _, ok := b.Add(Node{Name: PastName("fit", true)}); ok {
		t.Error("a second node is named as one of the run before")
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(g, Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// do takes a happening in.
func (r *Run) do(t *testing.T, h Happening) []Action {
	t.Helper()
	c, actions, err := Step(r, h)
	if err == nil {
		err = r.Apply(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return actions
}

func TestNodesWaitForTheRunBefore(t *testing.T) {
	r := behind(t)
	want := []Action{LookBack{2}, LookBack{3}, Submit{0, 1}}
	if got := r.do(t, Begin{}); !slices.Equal(got, want) {
		t.Fatalf("it begins with %v", got)
	}
	r.do(t, Submitted{0, 1, 7, 1})
	r.do(t, ProcsLeft{0, 7, Position{Index: 1}, 1, 0, ""})
	if r.State(1) != grid.NodeWaiting || r.Status != RunRunning {
		t.Fatalf("before anything is known of the run before, fit is %s and the run %s", r.State(1), r.Status)
	}
	if got := r.do(t, Resume{}); !slices.Equal(got, want[:2]) {
		t.Errorf("a restart asks for %v", got)
	}
	if got := r.do(t, LookedBack{Node: 2}); len(got) > 0 || len(r.LookingBack()) != 1 {
		t.Errorf("one of two was enough: %v", got)
	}
	if got := r.do(t, LookedBack{Node: 3}); !slices.Equal(got, []Action{Submit{1, 1}}) {
		t.Errorf("behind both there is %v", got)
	}
	if got := r.do(t, LookedBack{Node: 3, Failed: true}); len(got) > 0 || r.State(3) != grid.NodeDone {
		t.Errorf("what is known is told otherwise: %v", got)
	}
}

func TestANodeBehindOneThatFailedInTheRunBeforeIsFutileUntilSomebodySaysOtherwise(t *testing.T) {
	r := behind(t)
	r.do(t, Begin{})
	r.do(t, LookedBack{Node: 2, Failed: true, Why: "it failed"})
	if r.State(1) != grid.NodeFutile || r.State(2) != grid.NodeFailed {
		t.Fatalf("fit is %s", r.State(1))
	}
	if got := r.do(t, Retry{2}); !slices.Equal(got, []Action{LookBack{2}}) || r.State(1) != grid.NodeWaiting {
		t.Errorf("once more it asks %v, and fit is %s", got, r.State(1))
	}
	r.do(t, Skip{2})
	r.do(t, Skip{3})
	if r.do(t, Submitted{0, 1, 7, 1}); r.State(1) != grid.NodeWaiting {
		t.Errorf("fit is %s", r.State(1))
	}
	if got := r.do(t, ProcsLeft{0, 7, Position{Index: 1}, 1, 0, ""}); !slices.Equal(got, []Action{Submit{1, 1}}) {
		t.Errorf("without the run before it goes on with %v", got)
	}
}

func TestARunThatIsHaltedOrRemovedDoesNotWaitForTheRunBefore(t *testing.T) {
	for _, h := range []Happening{Hold{Halted}, Remove{}} {
		r := behind(t)
		r.do(t, Begin{})
		r.do(t, Submitted{0, 1, 7, 1})
		r.do(t, h)
		r.do(t, ProcsLeft{0, 7, Position{Index: 1}, 1, 0, ""})
		if !r.Status.Ended() {
			t.Errorf("after %+v it is %s", h, r.Status)
		}
		if got := r.do(t, LookedBack{Node: 2}); len(got) > 0 || r.State(2) != grid.NodeReady {
			t.Errorf("a run that has ended is told of the run before: %v", got)
		}
	}
}

// What stands for a node of the run before has nothing of its own.
func TestAGraphSaysNothingElseOfTheRunBefore(t *testing.T) {
	for name, spoil := range map[string]func(*Node){
		"a file": func(n *Node) { n.File = "x.sub" }, "retries": func(n *Node) { n.Retries = 1 }, "a condition": func(n *Node) { n.When = "true" }, "no node": func(n *Node) { n.Past = "" },
	} {
		g := behind(t).Graph
		spoil(&g.Nodes[2])
		g.Nodes[2].PastAny = true
		if err := g.Check(); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("with %s: %v", name, err)
		}
	}
}
