package replay

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"gridburst/dag"
)

// fixed is a node's job that always takes as long.
func fixed(kind string, run time.Duration, cpus int64) NodeJob {
	return NodeJob{Procs: 1, Cpus: cpus, Times: &Times{Kind: kind, Low: run, High: run}}
}

func built(t *testing.T, b *dag.Builder) *dag.Graph {
	t.Helper()
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Where no time is uncertain but that of boots, a plan is what can be worked out by hand.
func TestAPlanIsAsByHand(t *testing.T) {
	b := dag.NewBuilder("flow")
	add := func(n dag.Node, parents ...int32) int32 {
		i, _ := b.Add(n)
		b.Order(parents, []int32{i})
		return i
	}
	first := add(dag.Node{Name: "first"})
	nothing := add(dag.Node{Name: "nothing", Noop: true}, first)
	var wide []int32
	for i := range 4 {
		wide = append(wide, add(dag.Node{Name: fmt.Sprint("wide", i), Category: "c"}, nothing))
	}
	add(dag.Node{Name: "watch", Kind: dag.ServiceNode})
	inner := add(dag.Node{Name: "inner", Subdag: true}, wide...)
	add(dag.Node{Name: "last"}, inner)
	add(dag.Node{Name: "final", Kind: dag.FinalNode})
	runs := map[string]time.Duration{"first": 100 * time.Second, "last": 50 * time.Second, "final": 10 * time.Second}
	for _, c := range []struct {
		name  string
		limit int
		end   float64 // without the first boot
		peak  float64
	}{
		{"side by side", 0, 100 + 600 + 50 + 10, 4},
		{"two at a time", 2, 100 + 2*600 + 50 + 10, 2},
	} {
		if c.limit > 0 {
			b.Limit("c", c.limit)
		}
		g := built(t, b)
		set := machines(16, 8)
		p, err := PlanOf(t.Context(), *set, g, func(i int32) NodeJob {
			run, ok := runs[g.Nodes[i].Name]
			if !ok {
				run = 600 * time.Second
			}
			return fixed(g.Nodes[i].Name[:4], run, 16)
		}, 9)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.Critical, []string{"first", "nothing", "wide0", "inner", "last", "final"}) || math.Abs(p.Path-760) > 1e-6 {
			t.Errorf("%s: the longest way is %v, %.1f s", c.name, p.Critical, p.Path)
		}
		if !slices.Equal(p.Left, []string{"watch", "inner"}) {
			t.Errorf("%s: left out are %v", c.name, p.Left)
		}
		// No more than a few boots, each of them about two minutes, stand between the end and
		// what is the least.
		if p.End.Low < c.end || p.End.High > c.end+4*600 || p.End.Low > p.End.Middle || p.End.Middle > p.End.High {
			t.Errorf("%s: it ends at %+v, and takes %.0f s at least", c.name, p.End, c.end)
		}
		if p.Peak.Middle < c.peak || p.Peak.High > 8 || p.Hours.Low*3600 < 100+4*600+50+10 {
			t.Errorf("%s: machines are %+v for %+v hours", c.name, p.Peak, p.Hours)
		}
		served := 0
		for _, m := range p.Course {
			served = max(served, m.Serving)
		}
		if n := len(p.Course); n < 4 || p.Course[n-1].Serving != 0 || float64(served) > p.Peak.High {
			t.Errorf("%s: the course is %+v", c.name, p.Course)
		}
		again, err := PlanOf(t.Context(), *set, g, func(i int32) NodeJob {
			run, ok := runs[g.Nodes[i].Name]
			if !ok {
				run = 600 * time.Second
			}
			return fixed(g.Nodes[i].Name[:4], run, 16)
		}, 9)
		if err != nil || again.End != p.End || again.Hours != p.Hours {
			t.Errorf("%s: the same seed gives %+v and %+v (%v)", c.name, p.End, again.End, err)
		}
	}
}

// What has been seen is drawn from, and is known to decisions from the beginning: machines
// for the second node are there when it comes.
func TestAPlanGoesByWhatWasSeen(t *testing.T) {
	b := dag.NewBuilder("flow")
	one, _ := b.Add(dag.Node{Name: "one"})
	var wide []int32
	for i := range 3 {
		n, _ := b.Add(dag.Node{Name: fmt.Sprint("wide", i)})
		wide = append(wide, n)
	}
	b.Order([]int32{one}, wide)
	g := built(t, b)
	plan := func(times *Times) *Plan {
		p, err := PlanOf(t.Context(), *machines(16, 8), g, func(i int32) NodeJob {
			x := *times
			x.Kind = fmt.Sprint(i == one)
			return NodeJob{Procs: 1, Cpus: 16, Times: &x}
		}, 20)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	seen := plan(&Times{Seen: []time.Duration{1000 * time.Second, 1000 * time.Second, 1000 * time.Second}})
	if seen.Path != 2000 {
		t.Errorf("the longest way takes %.0f s", seen.Path)
	}
	// Nobody knows: the guess is over long before, and machines boot when the nodes wait.
	unseen := plan(&Times{Low: 1000 * time.Second, High: 1000 * time.Second})
	if seen.End.Middle >= unseen.End.Middle {
		t.Errorf("with what was seen it ends at %+v, without at %+v", seen.End, unseen.End)
	}
	if _, err := PlanOf(t.Context(), *machines(16, 8), g, func(int32) NodeJob { return fixed("x", time.Second, 17) }, 1); err == nil {
		t.Error("a node that no machine can run is planned")
	}
}
