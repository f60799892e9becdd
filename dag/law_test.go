package dag

import (
	"errors"
	"fmt"
	"testing"

	"gridburst/internal/grid"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// world is everything around a run: what was kept of it, the queue, and the fate of
// every attempt, drawn before.
type world struct {
	t    *rapid.T
	g    *Graph
	fate map[key]fate

	header Header
	kept   map[int32]Record

	run     *Run
	actions []Action // not done yet

	clusters map[key]int32
	scripts  map[scriptKey]bool // that were begun
	waits    []Wait
	queue    []cluster
	events   []ProcsLeft
	told     int // events that the run was told
	finished []Finish
	removing func(node int32) // looks at a removal before it is done; nil: nobody

	removed   bool
	atRemoval []Record
}

type key struct {
	node    int32
	attempt uint32
}

// deferExit is with what scripts put themselves off; skipExit, with what a PRE script has
// the rest skipped.
const deferExit, skipExit = 77, 78

type scriptKey struct {
	key
	phase grid.NodeState
	try   uint32
}

type cluster struct {
	node, id int32
	left     []int32 // exits of the procs still in the queue
}

func drawGraph(t *rapid.T) *Graph {
	b := NewBuilder("drawn")
	n := rapid.Int32Range(1, 14).Draw(t, "nodes")
	b.Limit("narrow", 1)
	for i := range n {
		node := Node{Name: fmt.Sprint("n", i), Priority: rapid.IntRange(0, 2).Draw(t, "priority"), Retries: rapid.IntRange(0, 2).Draw(t, "retries"), RetryWait: rapid.IntRange(0, 1).Draw(t, "wait between")}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			node.Noop = true
		case 1:
			node.Done = true
		case 2, 3:
			node.Category = "narrow"
		case 4:
			node.Unless = new(3)
		case 5:
			node.Tolerance = &Tolerance{Procs: rapid.IntRange(1, 2).Draw(t, "tolerance"), Wait: rapid.Bool().Draw(t, "wait")}
		}
		if rapid.IntRange(0, 4).Draw(t, "done exit") == 0 {
			node.DoneExit = []int32{3}
		}
		if rapid.IntRange(0, 3).Draw(t, "pre") == 0 {
			node.Pre, node.PreSkip = &Script{Program: "pre"}, skipExit
		}
		if rapid.IntRange(0, 3).Draw(t, "post") == 0 {
			node.Post = &Script{Program: "post", Defer: new(deferExit)}
		}
		b.Add(node)
	}
	for range rapid.IntRange(0, 20).Draw(t, "edges") {
		p := rapid.Int32Range(0, n-1).Draw(t, "parent")
		if p+1 < n {
			c := rapid.Int32Range(p+1, n-1).Draw(t, "child")
			b.Order([]int32{p}, []int32{c})
		}
	}
	for i := range n {
		if rapid.IntRange(0, 5).Draw(t, "behind the run before") == 0 {
			p, _ := b.Past(rapid.Int32Range(0, n-1).Draw(t, "of it"), rapid.Bool().Draw(t, "any"))
			b.Order([]int32{p}, []int32{i})
		}
	}
	if n > 4 && rapid.Bool().Draw(t, "join") {
		// A join as a large bundle makes one.
		b.bundles = append(b.bundles, bundle{[]int32{0, 1}, []int32{n - 2, n - 1}})
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for i := range g.Nodes {
		for _, p := range g.Nodes[i].Parents {
			if !g.Nodes[i].Join && !g.Nodes[p].Join && rapid.IntRange(0, 5).Draw(t, "weak") == 0 {
				g.Nodes[i].Weak = append(g.Nodes[i].Weak, p)
			}
		}
	}
	for i := range int32(g.Len()) {
		n := &g.Nodes[i]
		if parents := g.Parents(i); len(parents) > 0 && !n.Noop && !n.Done && rapid.IntRange(0, 2).Draw(t, "when") == 0 {
			p := rapid.SampledFrom(parents).Draw(t, "on")
			n.When = rapid.SampledFrom([]string{Result(p, "exit") + " != 0", Result(p, "exit") + " == 0", Result(p, "status") + ` != "skipped"`}).Draw(t, "condition")
		}
	}
	return g
}

// unordered begins a graph with the n nodes of the world's, of which none waits for another.
func (w *world) unordered(name string) (b *Builder, n int32) {
	b, n = NewBuilder(name), int32(w.g.Len())
	for _, x := range w.g.Nodes[:n] {
		x.Parents, x.Children, x.Weak, x.When, x.Past, x.PastAny = nil, nil, nil, "", "", false
		b.Add(x)
	}
	b.Limit("narrow", 1)
	return b, n
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, g: drawGraph(t), fate: map[key]fate{}, kept: map[int32]Record{}, clusters: map[key]int32{}, scripts: map[scriptKey]bool{}}
	for i := range int32(w.g.Len()) {
		for a := range w.g.Nodes[i].Retries + 1 {
			f := fate{refused: rapid.IntRange(0, 15).Draw(t, "refused") == 0, procs: rapid.Int32Range(1, 3).Draw(t, "procs")}
			bad := rapid.SampledFrom([]int32{1, 3, -9}).Draw(t, "exit")
			for range f.procs {
				f.exits = append(f.exits, rapid.SampledFrom([]int32{0, 0, 0, bad}).Draw(t, "ends"))
			}
			f.pre = rapid.SampledFrom([]int32{0, 0, 0, 5, skipExit}).Draw(t, "pre exit")
			f.post = rapid.SampledFrom([]int32{0, 0, 3}).Draw(t, "post exit")
			f.defers = rapid.Uint32Range(0, 2).Draw(t, "defers")
			w.fate[key{i, uint32(a + 1)}] = f
		}
	}
	w.header = Header{
		MaxJobs: rapid.SampledFrom([]int32{0, 0, 1, 3}).Draw(t, "maxjobs"), MaxPre: rapid.Int32Range(0, 2).Draw(t, "maxpre"),
		MaxPost: rapid.Int32Range(0, 2).Draw(t, "maxpost"), AlwaysPost: rapid.Bool().Draw(t, "always post"),
	}
	w.open()
	return w
}

// open makes the run anew, as after a restart.
func (w *world) open() {
	r, err := Open(w.g, w.header, func(yield func(int32, Record) bool) {
		for i, rec := range w.kept {
			if !yield(i, rec) {
				return
			}
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.run = r
}

// tell gives the run a happening, and keeps what changed.
func (w *world) tell(h Happening) {
	before, err := Open(w.g, w.run.Header, w.run.records())
	if err != nil {
		w.t.Fatal(err)
	}
	change, actions, err := Step(w.run, h)
	if err != nil {
		w.t.Fatalf("%#v: %v", h, err)
	}
	w.same(before, "Step changed the run")
	again, twice, _ := Step(w.run, h)
	if d := cmp.Diff(change, again) + cmp.Diff(actions, twice); d != "" {
		w.t.Fatalf("two steps of the same differ: %s", d)
	}
	if len(change.Nodes) > 1+MaxAsked+2*MaxScripts {
		w.t.Fatalf("%d records changed", len(change.Nodes))
	}
	if err := w.run.Apply(change); err != nil {
		w.t.Fatal(err)
	}
	if !change.Empty() {
		w.header = change.Header
	}
	for _, c := range change.Nodes {
		w.kept[c.Node] = c.Record
	}
	opened, err := Open(w.g, w.header, w.run.records())
	if err != nil {
		w.t.Fatal(err)
	}
	w.same(opened, "the run differs from what was kept of it")
	w.actions = append(w.actions, actions...)
	w.limits()
}

// records are those of r that are kept.
func (r *Run) records() func(func(int32, Record) bool) {
	return func(yield func(int32, Record) bool) {
		for i := range int32(r.Graph.Len()) {
			if n := r.nodes[i]; n.kept() && !yield(i, n.Record) {
				return
			}
		}
	}
}

func (w *world) same(other *Run, what string) {
	opts := cmp.AllowUnexported(Run{}, node{}, tally{}, readyQueue{}, place{})
	run, other2 := *w.run, *other
	run.since, other2.since = 0, 0 // is not kept
	if d := cmp.Diff(run, other2, opts); d != "" {
		w.t.Fatalf("%s: %s", what, d)
	}
}

func (w *world) limits() {
	active, narrow, pres, posts := 0, 0, 0, 0
	for i := range int32(w.g.Len()) {
		if n := w.run.nodes[i]; n.active() && w.g.Nodes[i].Kind != ServiceNode && w.g.Nodes[i].Kind != ProvisionerNode {
			active++
			if w.g.Nodes[i].Category == "narrow" {
				narrow++
			}
		}
		if n := w.run.nodes[i]; n.Script == ScriptRuns {
			if n.State == grid.NodePre {
				pres++
			} else {
				posts++
			}
		}
	}
	if m := int(w.header.MaxPre); m > 0 && pres > m {
		w.t.Fatalf("%d PRE scripts run", pres)
	}
	if m := int(w.header.MaxPost); m > 0 && posts > m {
		w.t.Fatalf("%d POST scripts run", posts)
	}
	if m := int(w.header.MaxJobs); m > 0 && active > m || narrow > 1 || active != int(w.run.tally.active) {
		w.t.Fatalf("%d nodes have a job (counted %d), %d of the narrow category", active, int(w.run.tally.active), narrow)
	}
}

// do does an action that is due, as a schedd does: under a key.
func (w *world) do(a Action) {
	switch a := a.(type) {
	case Submit:
		w.inOrder(a.Node)
		if w.g.Nodes[a.Node].Pre != nil && !w.scripts[scriptKey{key{a.Node, a.Attempt}, grid.NodePre, 0}] {
			w.t.Fatalf("node %d is submitted without its PRE script", a.Node)
		}
		f, ok := w.fate[key{a.Node, a.Attempt}]
		if n := &w.g.Nodes[a.Node]; !ok || n.Noop || n.Done || n.Join || n.Past != "" {
			w.t.Fatalf("there is no attempt %d of %+v", a.Attempt, n)
		}
		if f.refused {
			w.tell(SubmitFailed{a.Node, a.Attempt, "refused"})
			return
		}
		id, known := w.clusters[key{a.Node, a.Attempt}]
		if !known {
			id = int32(len(w.clusters) + 1)
			w.clusters[key{a.Node, a.Attempt}] = id
			w.queue = append(w.queue, cluster{a.Node, id, f.exits})
		}
		if rapid.Bool().Draw(w.t, "answered") {
			w.tell(Submitted{a.Node, a.Attempt, id, f.procs})
		} else {
			w.actions = append(w.actions, a) // asked again later
		}
	case RemoveJobs:
		if w.removing != nil {
			w.removing(a.Node)
		}
		for k := range w.queue {
			if c := &w.queue[k]; c.id == a.Cluster {
				for range c.left {
					w.events = append(w.events, ProcsLeft{Node: c.node, Cluster: c.id, At: w.position(), Procs: 1, Exit: ExitRemoved})
				}
				c.left = nil
			}
		}
	case RunScript:
		w.inOrder(a.Node)
		f, ok := w.fate[key{a.Node, a.Attempt}]
		if !ok {
			w.t.Fatalf("there is no attempt %d of node %d", a.Attempt, a.Node)
		}
		exit := f.pre
		if a.Phase == grid.NodePost {
			if exit = f.post; a.Try < f.defers {
				exit = deferExit
			}
		}
		w.scripts[scriptKey{key{a.Node, a.Attempt}, a.Phase, a.Try}] = true
		w.scriptEnds(a, exit)
	case KillScript:
		w.scriptEnds(RunScript(a), -15)
	case LookBack:
		if w.run.State(a.Node) == grid.NodeReady && rapid.Bool().Draw(w.t, "the run before goes on") {
			w.actions = append(w.actions, a) // asked again later
			return
		}
		w.tell(LookedBack{Node: a.Node, Failed: w.fate[key{a.Node, 1}].comesToNothing(), Why: "so it went"})
	case Wait:
		w.waits = append(w.waits, a)
	case Finish:
		w.finished = append(w.finished, a)
	}
}

// inOrder looks whether what node i waits for has ended as it must.
func (w *world) inOrder(i int32) {
	if w.g.Nodes[i].Kind == ServiceNode {
		return // those behind it wait for what it says, not for its end
	}
	for _, p := range w.g.Parents(i) {
		if s := w.run.State(p); s != grid.NodeDone && !(s == grid.NodeFailed && w.g.Nodes[i].WeakOn(p)) {
			w.t.Fatalf("node %d begins before its parent %d is done", i, p)
		}
	}
}

// scriptEnds tells a script's end, or has it asked for again later.
func (w *world) scriptEnds(a RunScript, exit int32) {
	if rapid.Bool().Draw(w.t, "ended") {
		w.tell(ScriptEnded{Node: a.Node, Attempt: a.Attempt, Phase: a.Phase, Try: a.Try, Exit: exit})
	} else {
		w.actions = append(w.actions, a)
	}
}

func (w *world) position() Position {
	return Position{Index: uint64(len(w.events))/3 + 1, Seq: uint32(len(w.events) % 3)}
}

// procEnds lets one proc of a cluster leave the queue.
func (w *world) procEnds(c *cluster) {
	w.events = append(w.events, ProcsLeft{Node: c.node, Cluster: c.id, At: w.position(), Procs: 1, Exit: c.left[0]})
	c.left = c.left[1:]
}

// advance lets one thing happen; false: nothing can.
func (w *world) advance() bool {
	var ways []func()
	if len(w.actions) > 0 {
		ways = append(ways, func() {
			k := rapid.IntRange(0, len(w.actions)-1).Draw(w.t, "action")
			a := w.actions[k]
			w.actions = append(w.actions[:k:k], w.actions[k+1:]...)
			w.do(a)
		})
	}
	if w.told < len(w.events) {
		ways = append(ways, func() {
			w.told++
			w.tell(w.events[w.told-1])
		})
	}
	if len(w.waits) > 0 {
		ways = append(ways, func() {
			a := w.waits[0]
			w.waits = w.waits[1:]
			w.tell(Waited{a.Node, a.Attempt, a.Try, ""})
		})
	}
	for k := range w.queue {
		if len(w.queue[k].left) > 0 {
			ways = append(ways, func() { w.procEnds(&w.queue[k]) })
		}
	}
	if len(ways) == 0 {
		return false
	}
	ways[rapid.IntRange(0, len(ways)-1).Draw(w.t, "way")]()
	return true
}

// removedBefore reports whether the removal met node i with a job: it gets no further
// attempt, so it has failed.
func (w *world) removedBefore(i int32) bool { return w.atRemoval[i].busy() }

// crash loses what is not kept. Events are told again from somewhere before.
func (w *world) crash() {
	w.actions, w.waits = nil, nil
	w.open()
	w.told = rapid.IntRange(0, w.told).Draw(w.t, "told")
	if w.header.Status == RunNew {
		w.tell(Begin{})
		return
	}
	w.tell(Resume{})
}

func TestCrashesAndOrderDoNotChangeTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.tell(Begin{})
		crashes := rapid.IntRange(0, 4).Draw(t, "crashes")
		for w.advance() {
			if crashes > 0 && rapid.IntRange(0, 7).Draw(t, "crash") == 0 {
				crashes--
				w.crash()
			}
		}
		want, failed := w.ends(), false
		for i, s := range want {
			failed = failed || s == grid.NodeFailed
			if got := w.run.State(int32(i)); got != s {
				t.Fatalf("node %d is %s, want %s", i, got, s)
			}
		}
		end := Finish{RunDone, ReturnDone}
		if failed {
			end = Finish{RunFailed, ReturnFailed}
		}
		if len(w.finished) == 0 || w.finished[0] != end {
			t.Fatalf("the run finished as %v, want %v", w.finished, end)
		}
	})
}

func TestARemovedRunEndsAndLeavesNoJob(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.tell(Begin{})
		at := rapid.IntRange(0, 30).Draw(t, "removed at")
		for steps := 0; ; steps++ {
			if steps == at && !w.run.Status.Ended() {
				w.removed = true
				for i := range int32(w.g.Len()) {
					w.atRemoval = append(w.atRemoval, w.run.Record(i))
				}
				w.tell(Remove{})
			}
			if rapid.IntRange(0, 9).Draw(t, "crash") == 0 && steps < 60 {
				w.crash()
			}
			if !w.advance() {
				break
			}
		}
		if !w.run.Status.Ended() && !w.removed {
			t.Fatalf("the run is %s", w.run.Status)
		}
		if w.removed && w.run.Status != RunRemoved {
			t.Fatalf("the run is %s, not removed", w.run.Status)
		}
		for _, c := range w.queue {
			if len(c.left) > 0 {
				t.Fatalf("cluster %d is left", c.id)
			}
		}
		for i := range int32(w.g.Len()) {
			if rec := w.run.Record(i); rec.busy() || w.removed && rec.State == grid.NodeReady && w.removedBefore(i) {
				t.Fatalf("node %d is left as %+v", i, rec)
			}
		}
	})
}

func TestABuiltGraphHasNoCycleOrNamesOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int32Range(1, 12).Draw(t, "nodes")
		b := NewBuilder("drawn")
		for i := range n {
			b.Add(Node{Name: fmt.Sprint(i)})
		}
		edges := map[edge]bool{}
		for range rapid.IntRange(0, 24).Draw(t, "edges") {
			e := edge{rapid.Int32Range(0, n-1).Draw(t, "parent"), rapid.Int32Range(0, n-1).Draw(t, "child")}
			edges[e] = true
			b.Order([]int32{e.parent}, []int32{e.child})
		}
		g, err := b.Graph()
		var cycle *Cycle
		if errors.As(err, &cycle) {
			for k, i := range cycle.Nodes {
				if !edges[edge{i, cycle.Nodes[(k+1)%len(cycle.Nodes)]}] {
					t.Fatalf("%v is no cycle of %v", cycle.Nodes, edges)
				}
			}
			return
		}
		// Without a cycle every node can be done.
		r, err := Open(g, Header{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		todo := []Happening{Begin{}}
		for len(todo) > 0 {
			change, actions, err := Step(r, todo[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Apply(change); err != nil {
				t.Fatal(err)
			}
			todo = todo[1:]
			for _, a := range actions {
				if a, ok := a.(Submit); ok {
					todo = append(todo, Submitted{a.Node, a.Attempt, a.Node + 1, 1}, ProcsLeft{a.Node, a.Node + 1, Position{Index: 1}, 1, 0, ""})
				}
			}
		}
		if r.Status != RunDone {
			t.Fatalf("the run is %s", r.Status)
		}
	})
}
