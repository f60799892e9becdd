package dag

import (
	"testing"

	"gridburst/internal/grid"

	"pgregory.net/rapid"
)

// TestWhatRunsBesideTheNodesEndsWithTheRun is a run with a service, a provisioner and a
// FINAL node, which crashes, fails, is removed: the nodes begin when the provisioner has
// said that all is there, FINAL when all nodes have ended, and at the end nothing is left.
func TestWhatRunsBesideTheNodesEndsWithTheRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		b, n := w.unordered("beside")
		for _, x := range []Node{{Name: "f", Kind: FinalNode}, {Name: "p", Kind: ProvisionerNode}, {Name: "s", Kind: ServiceNode}} {
			b.Add(x)
		}
		g, err := b.Graph()
		if err != nil {
			t.Fatal(err)
		}
		w.g = g
		for i := range int32(3) {
			w.fate[key{n + i, 1}] = fate{procs: 1, exits: []int32{rapid.SampledFrom([]int32{0, 0, 1}).Draw(t, "beside")}}
		}
		w.open()
		w.tell(Begin{})
		supplied := rapid.Bool().Draw(t, "supplied")
		removed := rapid.IntRange(0, 60).Draw(t, "removed at")
		for steps := 0; steps < 3000; steps++ {
			if steps == removed && !w.run.Status.Ended() {
				w.tell(Remove{})
			}
			p := w.run.Record(n + 1)
			if p.State == grid.NodeSubmitted && supplied && w.run.Supply == SupplyNone {
				w.tell(Supplied{SupplyComplete})
			}
			if rapid.IntRange(0, 15).Draw(t, "crash") == 0 && steps < 100 {
				w.crash()
			}
			for i := range n {
				if r := w.run.Record(i); r.Attempt > 0 && w.run.Supply < SupplyComplete {
					t.Fatalf("node %d began before the provisioner was done: %+v", i, r)
				}
				if r := w.run.Record(i); r.busy() && w.run.Record(n).Attempt > 0 {
					t.Fatalf("the FINAL node began while node %d was busy", i)
				}
			}
			if !w.advance() {
				break
			}
		}
		if !w.run.Status.Ended() {
			t.Fatalf("the run is %s: supply %d, %v left", w.run.Status, w.run.Supply, w.queue)
		}
		if s := w.run.State(n); !s.Final() {
			t.Fatalf("the FINAL node is %s", s)
		}
		for i := range n + 3 {
			if r := w.run.Record(i); r.busy() {
				t.Fatalf("node %d is left as %+v", i, r)
			}
		}
	})
}
