package dag

import (
	"fmt"
	"testing"

	"gridburst/internal/grid"
)

// large is a graph of layers, each node with a few parents in the layer before.
func large(tb testing.TB, layers, width int) *Graph {
	tb.Helper()
	b := NewBuilder("large")
	for i := range layers * width {
		b.Add(Node{Name: fmt.Sprint("n", i)})
		if layer, at := i/width, i%width; layer > 0 {
			before := int32((layer - 1) * width)
			b.Order([]int32{before + int32(at), before + int32((at+1)%width), before + int32((at+7)%width)}, []int32{int32(i)})
		}
	}
	g, err := b.Graph()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// BenchmarkStep is one happening in a run of 50,000 nodes, applied: three of them and
// their submissions are a node's life.
func BenchmarkStep(b *testing.B) {
	g := large(b, 50, 1000)
	var r *Run
	var queue []Submit
	step := func(h Happening) {
		change, actions, err := Step(r, h)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Apply(change); err != nil {
			b.Fatal(err)
		}
		for _, a := range actions {
			if s, ok := a.(Submit); ok {
				queue = append(queue, s)
			}
		}
	}
	steps := 0
	for b.Loop() {
		if len(queue) == 0 {
			b.StopTimer()
			var err error
			if r, err = Open(g, Header{}, nil); err != nil {
				b.Fatal(err)
			}
			step(Begin{})
			b.StartTimer()
		}
		a := queue[0]
		queue = queue[1:]
		step(Submitted{a.Node, a.Attempt, a.Node + 1, 1})
		step(ProcsLeft{Node: a.Node, Cluster: a.Node + 1, At: Position{Index: 1}, Procs: 1})
		steps += 2
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
}

// BenchmarkOpen is the restart of a run of 50,000 nodes.
func BenchmarkOpen(b *testing.B) {
	g := large(b, 50, 1000)
	for b.Loop() {
		if _, err := Open(g, Header{}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAhead is what a run of 50,000 nodes says of the next thousand, half way through.
func BenchmarkAhead(b *testing.B) {
	r, err := Open(large(b, 50, 1000), Header{Status: RunRunning}, func(yield func(int32, Record) bool) {
		for i := range int32(25_000) {
			if !yield(i, Record{State: grid.NodeDone, Attempt: 1, Cluster: i + 1, Procs: 1}) {
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if a := r.Ahead(1000); len(a.Nodes) != 1000 || a.More == 0 {
			b.Fatalf("%d nodes, and %d more", len(a.Nodes), a.More)
		}
	}
}
