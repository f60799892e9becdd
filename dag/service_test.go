package dag

import (
	"slices"
	"strings"
	"testing"

	"gridburst/internal/grid"

	"pgregory.net/rapid"
)

// ready tells a run that a service's job says that it is ready.
func (s *story) ready(name string) string { return s.serving(name, false) }

func (s *story) serving(name string, lost bool) string {
	s.tb.Helper()
	i := s.index(name)
	return s.tell(Serving{Node: i, Cluster: s.run.Record(i).Cluster, Lost: lost})
}

// served is a graph of a node a, FINAL f and services: store <- web <- front, all of which say
// when they are ready.
func served(tb testing.TB, complete func(n *Node)) *Graph {
	tb.Helper()
	b := NewBuilder("served")
	for _, name := range []string{"a", "f", "store", "web", "front"} {
		n := Node{Name: name, File: name, Kind: ServiceNode, ReadyWithin: 30}
		if name == "a" || name == "f" {
			n = Node{Name: name, File: name}
		}
		if name == "f" {
			n.Kind = FinalNode
		}
		if complete != nil && n.Kind == ServiceNode {
			complete(&n)
		}
		b.Add(n)
	}
	b.Order([]int32{2}, []int32{3})
	b.Order([]int32{3}, []int32{4})
	g, err := b.Graph()
	if err != nil {
		tb.Fatal(err)
	}
	if err := g.Check(); err != nil {
		tb.Fatal(err)
	}
	return g
}

// up brings all services of a served run up.
func (s *story) up() {
	s.tb.Helper()
	equal(s.tb, s.submitted("store", 1), "store wait 30s")
	equal(s.tb, s.ready("store"), "web1")
	equal(s.tb, s.submitted("web", 1), "web wait 30s")
	equal(s.tb, s.ready("web"), "front1")
	equal(s.tb, s.submitted("front", 1), "front wait 30s")
	equal(s.tb, s.ready("front"), "a1")
}

func TestServicesBeginWhenThoseBeforeThemAreReady(t *testing.T) {
	s, acts := begin(t, served(t, nil), Header{})
	equal(t, acts, "store1")
	if got := s.run.Awaits(4); !slices.Equal(got, []int32{3}) {
		t.Errorf("the front waits for %v", got)
	}
	s.up()
	equal(t, s.ready("front"), "") // again
	equal(t, s.ran("a", 0), "f1")
	equal(t, s.ran("f", 0), "-front")
	equal(t, s.tell(Resume{}), "-front")
	equal(t, s.left("front", ExitRemoved), "-web")
	equal(t, s.tell(Resume{}), "-web")
	equal(t, s.left("web", ExitRemoved), "-store")
	equal(t, s.left("store", ExitRemoved), "done(0)")

	// Whoever cannot wait ends all at once.
	s, _ = begin(t, served(t, nil), Header{})
	s.up()
	equal(t, s.tell(Remove{}), "")
	equal(t, s.submitted("a", 1), "-a")
	equal(t, s.left("a", ExitRemoved), "f1")
	equal(t, s.tell(Remove{}), "")
	equal(t, s.tell(SubmitFailed{1, 1, "the run goes on no more"}), "-store -web -front")
}

func TestAServiceThatIsNotReadyInTimeIsTriedAgainAndEndsTheRun(t *testing.T) {
	s, _ := begin(t, served(t, func(n *Node) { n.Retries = 1 }), Header{})
	s.submitted("store", 1)
	equal(t, s.tell(Resume{}), "store wait 30s") // anew
	equal(t, s.tell(Waited{Node: 2, Attempt: 1}), "-store")
	equal(t, s.tell(Waited{Node: 2, Attempt: 1}), "")
	equal(t, s.ready("store"), "") // too late
	equal(t, s.tell(Resume{}), "-store")
	equal(t, s.left("store", ExitRemoved), "store2")
	equal(t, s.tell(Waited{Node: 2, Attempt: 1}), "")
	s.submitted("store", 1)
	_, why := s.why(Waited{Node: 2, Attempt: 2})
	equal(t, why, "store: it did not say within 30s that it is ready")
	acts, why := s.why(ProcsLeft{Node: 2, Cluster: 2002, At: Position{Index: 99}, Procs: 1, Exit: ExitRemoved})
	equal(t, acts, "f1")
	equal(t, why, "store: it did not say within 30s that it is ready, and the run ends without it")
	equal(t, s.ran("f", 1), "failed(1)")
	equal(t, s.states(), "a:ready f:failed store:failed web:ready front:ready")
}

// What is known of what a service waits for is told with its end, and of no other node's.
func TestTheLastAnswerOfACheckIsInTheReason(t *testing.T) {
	s, _ := begin(t, served(t, nil), Header{})
	s.submitted("store", 1)
	_, why := s.why(Waited{Node: 2, Attempt: 1, Last: "its check answered: exit 1"})
	equal(t, why, "store: it did not say within 30s that it is ready (its check answered: exit 1)")
	_, why = s.why(ProcsLeft{Node: 2, Cluster: s.run.Record(2).Cluster, At: Position{Index: 99}, Procs: 1, Exit: ExitRemoved, Last: "its check answered: exit 2"})
	equal(t, why, "store: it did not say within 30s that it is ready (its check answered: exit 2), and the run ends without it")

	// The same when its end was not seen.
	s, _ = begin(t, served(t, nil), Header{})
	s.submitted("store", 1)
	s.tell(Waited{Node: 2, Attempt: 1})
	_, why = s.why(Counted{Node: 2, Cluster: s.run.Record(2).Cluster, At: Position{Index: 99}, Bad: 1, Exit: ExitRemoved, Last: "its check answered: exit 3"})
	equal(t, why, "store: it did not say within 30s that it is ready (its check answered: exit 3), and the run ends without it")

	s, _ = begin(t, served(t, nil), Header{})
	s.up()
	s.submitted("a", 1)
	_, why = s.why(ProcsLeft{Node: 0, Cluster: s.run.Record(0).Cluster, At: Position{Index: 99}, Procs: 1, Exit: 3, Last: "its check answered: exit 1"})
	equal(t, why, "a: its job exited with code 3")
}

// why gives what a happening leads to, and what is said of nodes.
func (s *story) why(h Happening) (actions, why string) {
	s.tb.Helper()
	change, acts, err := Step(s.run, h)
	if err != nil {
		s.tb.Fatal(err)
	}
	var out []string
	for _, c := range change.Nodes {
		if c.Why != "" {
			out = append(out, s.run.Graph.Nodes[c.Node].Name+": "+c.Why)
		}
	}
	if err := s.run.Apply(change); err != nil {
		s.tb.Fatal(err)
	}
	return s.show(acts), strings.Join(out, "; ")
}

func TestAServiceIsTriedAgainAsItSays(t *testing.T) {
	// Nothing begins while it is away. What runs goes on.
	s, _ := begin(t, served(t, func(n *Node) { n.Retries = 1 }), Header{MaxJobs: 1})
	s.up()
	equal(t, s.left("web", 1), "web2")
	equal(t, s.submitted("web", 1), "web wait 30s")
	equal(t, s.ran("a", 0), "f1")
	equal(t, s.ran("f", 0), "-front")

	s, _ = begin(t, served(t, func(n *Node) { n.Retries = 1 }), Header{})
	s.submitted("store", 1)
	s.ready("store")
	equal(t, s.left("store", 1), "store2")
	s.submitted("web", 1)
	s.ready("web")
	equal(t, s.submitted("front", 1), "front wait 30s")
	equal(t, s.ready("front"), "")
	equal(t, s.submitted("store", 1), "store wait 30s")
	equal(t, s.ready("store"), "a1")

	// One whose execution was cut off is not executed again as the same job.
	equal(t, s.serving("web", true), "-web")
	equal(t, s.serving("web", true), "")
	equal(t, s.tell(Resume{}), "a1 -web")
	equal(t, s.left("web", ExitRemoved), "web2")

	// Success is an end as well, of one that is always there.
	s, _ = begin(t, served(t, func(n *Node) { n.Retries, n.Always = 1, true }), Header{})
	s.up()
	equal(t, s.left("front", 0), "front2")
	s.submitted("front", 1)
	s.ready("front")
	equal(t, s.submitted("a", 1), "")
	acts, why := s.why(ProcsLeft{Node: 4, Cluster: 4002, At: Position{Index: 99}, Procs: 1})
	equal(t, acts, "-a")
	equal(t, why, "front: it has ended, and the run ends without it")

	// One that has done what it was for is there.
	s, _ = begin(t, served(t, nil), Header{})
	s.up()
	equal(t, s.left("store", 0), "")
	equal(t, s.ran("a", 0), "f1")
	// One that has not said so has not.
	s, _ = begin(t, served(t, nil), Header{})
	s.submitted("store", 1)
	equal(t, s.left("store", 0), "f1")

	// It is no cluster.
	s, _ = begin(t, served(t, nil), Header{})
	equal(t, s.submitted("store", 2), "-store")
}

func TestAnAttemptHasItsTime(t *testing.T) {
	g := made(t, func(n *Node) {
		n.Retries, n.Timeout, n.Subdag = 1, 7, n.Name == "b"
		if n.Name == "a" {
			n.Post = &Script{Program: "post"}
		}
	}, "a > c", "b")
	s, acts := begin(t, g, Header{})
	equal(t, acts, "a1 b1.run")
	equal(t, s.submitted("a", 2), "a wait 7s")
	equal(t, s.tell(RunStarted{Node: 2, Attempt: 1, Run: 9}), "b wait 7s")
	equal(t, s.left("a", 0), "")
	acts, why := s.why(Waited{Node: 0, Attempt: 1})
	equal(t, acts, "-a")
	equal(t, why, "a: it was not done within 7s")
	equal(t, s.tell(Resume{}), "-a b wait 7s")
	acts, why = s.why(ProcsLeft{Node: 0, Cluster: 1, At: Position{Index: 50}, Procs: 1, Exit: ExitRemoved})
	equal(t, acts, "a1.post0") // it is told
	equal(t, why, "a: it was not done within 7s")
	equal(t, s.script("a", 1), "a2")
	equal(t, s.tell(Waited{Node: 0, Attempt: 1}), "") // of the attempt before
	// One that was done meanwhile has done it.
	equal(t, s.submitted("a", 1), "a wait 7s")
	equal(t, s.tell(Waited{Node: 0, Attempt: 2}), "-a")
	equal(t, s.tell(ProcsLeft{Node: 0, Cluster: 2, At: Position{Index: 60}, Procs: 1}), "a2.post0")
	equal(t, s.script("a", 0), "c1")
	equal(t, s.tell(Waited{Node: 2, Attempt: 1}), "-b.run9")
	equal(t, s.tell(RunEnded{Node: 2, Attempt: 1, Run: 9, Exit: 2}), "b2.run")
}

func TestWhatNoServiceIsIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(g *Graph){
		"a node that is ready":     func(g *Graph) { g.Nodes[0].ReadyWithin = 1 },
		"a service with a timeout": func(g *Graph) { g.Nodes[2].Timeout = 1 },
		"a node that is always":    func(g *Graph) { g.Nodes[0].Always = true },
		"a service without a job":  func(g *Graph) { g.Nodes[2].Noop = true },
		"a node behind a service":  func(g *Graph) { g.Nodes[4].Children, g.Nodes[0].Parents = []int32{0}, []int32{4} },
		"a weak service":           func(g *Graph) { g.Nodes[3].Weak = []int32{2} },
		"no time":                  func(g *Graph) { g.Nodes[3].ReadyWithin = -1 },
	} {
		g := served(t, nil)
		spoil(g)
		if err := g.Check(); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := NewBuilder("round")
	for _, name := range []string{"x", "y"} {
		b.Add(Node{Name: name, File: name, Kind: ServiceNode, ReadyWithin: 1})
	}
	b.Order([]int32{0}, []int32{1})
	b.Order([]int32{1}, []int32{0})
	if _, err := b.Graph(); err == nil {
		t.Error("services that wait for each other are taken")
	}
}

func TestAddressesArePutIn(t *testing.T) {
	of := func(i int32) (string, error) {
		if i == 9 {
			return "", grid.Errorf(grid.Unavailable, "not now")
		}
		return "host:" + string('0'+rune(i)), nil
	}
	got, err := Addressed([]Var{{Name: "a", Value: "http://" + AddressOf(3) + "/$(x)," + AddressOf(4)}, {Name: "b", Value: "$(y)"}}, of)
	if err != nil || got[0].Value != "http://host:3/$(x),host:4" || got[1].Value != "$(y)" {
		t.Errorf("%v %v", got, err)
	}
	if _, err := Addressed([]Var{{Value: AddressOf(9)}}, of); grid.CodeOf(err) != grid.Unavailable {
		t.Error(err)
	}
	if _, err := Addressed([]Var{{Value: addressBegins + "x)"}}, of); grid.CodeOf(err) != grid.Invalid {
		t.Error(err)
	}
}

// TestServicesUnderCrashes is a run with services behind each other, which are late, fail and
// are lost, and a schedd that crashes: none begins before those that it waits for are ready,
// no node before all are, none is removed at the end before those behind it have gone, no
// service is there twice, and at the end nothing is left.
func TestServicesUnderCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		b, n := w.unordered("services")
		const services = 4
		for k := range int32(services) {
			x := Node{
				Name: "s" + string('0'+rune(k)), Kind: ServiceNode, ReadyWithin: 1, Always: rapid.Bool().Draw(t, "always"),
				Retries: rapid.IntRange(0, 2).Draw(t, "restarts"), RetryWait: rapid.IntRange(0, 1).Draw(t, "restart wait"),
			}
			b.Add(x)
			for a := range x.Retries + 1 {
				w.fate[key{n + k, uint32(a + 1)}] = fate{procs: 1, exits: []int32{rapid.SampledFrom([]int32{0, 1}).Draw(t, "service")}}
			}
			for p := range k {
				if rapid.Bool().Draw(t, "behind") {
					b.Order([]int32{n + p}, []int32{n + k})
				}
			}
		}
		b.Add(Node{Name: "f", Kind: FinalNode})
		w.fate[key{n + services, 1}] = fate{procs: 1, exits: []int32{0}}
		g, err := b.Graph()
		if err != nil {
			t.Fatal(err)
		}
		w.g = g
		w.open()
		live := func(i int32) (clusters int) {
			for _, c := range w.queue {
				if c.node == i && len(c.left) > 0 {
					clusters++
				}
			}
			return clusters
		}
		w.removing = func(i int32) {
			if w.run.Status != RunClosing || w.run.Hurry || g.Nodes[i].Kind != ServiceNode {
				return
			}
			for _, c := range g.Nodes[i].Children {
				if live(c) > 0 {
					t.Fatalf("service %d is removed while %d, which needs it, is there", i, c)
				}
			}
		}
		w.tell(Begin{})
		removed := rapid.IntRange(0, 120).Draw(t, "removed at")
		for steps := 0; steps < 3000; steps++ {
			if steps == removed && !w.run.Status.Ended() {
				w.tell(Remove{})
			}
			// Services go on for as long as they are let: what is told is that they are ready,
			// or lost, or have ended.
			before := make([]Record, services)
			for k := range int32(services) {
				before[k] = w.run.Record(n + k)
				if before[k].State == grid.NodeSubmitted {
					switch rapid.IntRange(0, 9).Draw(t, "service does") {
					case 0, 1, 2, 3:
						w.tell(Serving{Node: n + k, Cluster: before[k].Cluster})
					case 4:
						w.tell(Serving{Node: n + k, Cluster: before[k].Cluster, Lost: rapid.IntRange(0, 3).Draw(t, "lost") == 0})
					}
				}
			}
			if rapid.IntRange(0, 15).Draw(t, "crash") == 0 && steps < 100 {
				w.crash()
			}
			was := w.begun()
			more := w.advance()
			for i, r := range w.begun() {
				if r <= was[i] {
					continue
				}
				for k := range int32(services) {
					needed := g.Nodes[i].Kind == JobNode || slices.Contains(g.Nodes[i].Parents, n+k)
					if s := w.run.Record(n + k); needed && s.Progress != ProgressReady {
						t.Fatalf("node %d began while service %d was as %+v", i, n+k, s)
					}
				}
			}
			for k := range int32(services) {
				if live(n+k) > 1 {
					t.Fatalf("service %d is there %d times", n+k, live(n+k))
				}
			}
			if !more {
				break
			}
		}
		if !w.run.Status.Ended() {
			t.Fatalf("the run is %s, %v left", w.run.Status, w.queue)
		}
		for i := range n + services + 1 {
			if r := w.run.Record(i); r.busy() {
				t.Fatalf("node %d is left as %+v", i, r)
			}
		}
	})
}

// begun is how many attempts each node has begun.
func (w *world) begun() []uint32 {
	out := make([]uint32, w.g.Len())
	for i := range out {
		out[i] = w.run.Record(int32(i)).Attempt
	}
	return out
}
