package dag

import (
	"testing"

	"gridburst/internal/grid"
)

// choice is check, mend when that exits with 3, praise when it does not, and tell behind both.
func choice(tb testing.TB, complete func(n *Node)) *Graph {
	tb.Helper()
	b := NewBuilder("choice")
	for _, n := range []Node{
		{Name: "check", DoneExit: []int32{3}}, {Name: "mend", When: Result(0, "exit") + " == 3"}, {Name: "praise", When: Result(0, "exit") + " != 3"}, {Name: "tell"},
	} {
		n.File = "x.sub"
		complete(&n)
		b.Add(n)
	}
	b.OrderWeak([]int32{0}, []int32{1, 2})
	b.Order([]int32{1, 2}, []int32{3})
	g, err := b.Graph()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func TestANodeRunsOnACondition(t *testing.T) {
	g := choice(t, func(*Node) {})
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	s, acts := begin(t, g, Header{})
	equal(t, acts, "check1")
	equal(t, s.ran("check", 3), "mend1")
	equal(t, s.states(), "check:done mend:ready praise:done tell:waiting")
	if !s.run.Skipped(2) || s.run.Skipped(0) || s.run.Skipped(1) {
		t.Error("praise alone is skipped")
	}
	equal(t, s.ran("mend", 0), "tell1")
	equal(t, s.ran("tell", 0), "done(0)")

	s, _ = begin(t, g, Header{})
	equal(t, s.ran("check", 0), "praise1")

	// One that fails is gone by as well, and the run has failed.
	s, _ = begin(t, g, Header{})
	equal(t, s.ran("check", 4), "praise1")
	for _, h := range []Happening{Retry{0}, Skip{0}} {
		if _, _, err := Step(s.run, h); grid.CodeOf(err) != grid.Refused {
			t.Errorf("%#v: %v", h, err)
		}
	}
	equal(t, s.ran("praise", 0), "tell1")
	equal(t, s.ran("tell", 0), "failed(1)")

	// What is futile asks nothing.
	s, _ = begin(t, made(t, func(n *Node) {
		if n.Name == "c" {
			n.When, n.Weak = Result(1, "exit")+" == 0", []int32{1}
		}
	}, "a > b", "b > c"), Header{})
	equal(t, s.ran("a", 1), "failed(1)")
	equal(t, s.states(), "a:failed b:futile c:futile")
}

func TestConditionsThatMayComeOutOtherwiseAreRefused(t *testing.T) {
	for _, when := range []string{"Exit0 ==", "random(2) > Exit0", "time() > Exit0", "Exit3 == 0", "Exit2 == 0", "MY.Exit0 == 0", `eval("Exit0") == 0`, "Owner == \"x\""} {
		g := choice(t, func(n *Node) {
			if n.Name == "mend" {
				n.When = when
			}
		})
		if err := g.Check(); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: %v", when, err)
		}
	}
	g := choice(t, func(n *Node) { n.Noop = n.Name == "praise" })
	if err := g.Check(); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("a condition of nothing: %v", err)
	}
}
