package dag

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"gridburst/internal/grid"
)

// Run is one execution of a graph, as far as it is known.
type Run struct {
	Graph *Graph
	Header

	nodes []node
	tally tally
	ready []readyQueue // see [Run.sort]
	place []place      // of each node
	final int32        // -1: none
	first int32        // its provisioner; -1: none
	past  []int32      // nodes that stand for those of the run before
	extra int32        // the first of the queues of nodes that are no jobs
	idle  int32        // procs that wait, as [Idle] last said
	since int32        // nodes submitted since then
}

// node is a node's record and what follows from the graph.
type node struct {
	Record
	missing int32 // parents that are waited for
}

// place is where a node stands among those of its queue.
type place struct{ queue, at int32 }

// readyQueue is nodes in the order in which they go, with a bit in each set for each
// that waits.
type readyQueue struct {
	limit int32 // nodes with a job; 0: none
	nodes []int32
	sets  [wants][]uint64 // by what they wait for; nil: none of them ever does
}

// want is what a node waits for.
type want uint8

const (
	wantJob want = iota
	wantPre
	wantPost
	wants // how many there are
	wantNothing
)

// tally counts nodes. States leaves out joins, services, the provisioner and the FINAL
// node.
type tally struct {
	states   [8]int32
	asked    int32
	active   int32 // ordinary nodes and the FINAL one
	busy     int32 // the same
	scripts  [wants]int32
	used     []int32 // of the active ones, those of each queue
	services int32   // that are busy
	unserved int32   // services that others wait for
	lost     int32   // services that ended and should not have
}

// MaxAsked bounds the nodes whose submission is asked for and not yet reported. It
// bounds what one Step changes and what one Resume repeats.
const MaxAsked = 200

// MaxScripts bounds the scripts of a kind that run at a time.
const MaxScripts = 200

// Open makes a run of what was kept of it: a zero header and no records begin a new
// one, with the graph's MaxJobs if the header has none. Records that do not fit the graph
// are [grid.Invalid].
func Open(g *Graph, h Header, kept iter.Seq2[int32, Record]) (*Run, error) {
	if h.Status == RunNew && h.MaxJobs == 0 {
		h.MaxJobs = int32(min(g.MaxJobs, math.MaxInt32))
	}
	r := &Run{Graph: g, Header: h, nodes: make([]node, len(g.Nodes)), final: -1, first: -1}
	r.sort()
	for i := range g.Nodes {
		if g.Nodes[i].Kind == JobNode {
			r.nodes[i].missing = int32(len(g.Nodes[i].Parents))
		}
		if n := &r.nodes[i]; r.ordinary(int32(i)) {
			r.tally.states[n.State]++
		} else if g.Nodes[i].Kind == ServiceNode {
			r.tally.unserved++
		}
	}
	if kept != nil {
		for i, rec := range kept {
			if i < 0 || int(i) >= g.Len() || !rec.kept() || !rec.plausible() {
				return nil, grid.Errorf(grid.Invalid, "the record of node %d does not fit the workflow %s", i, g.Name)
			}
			r.put(i, node{Record: rec, missing: r.nodes[i].missing})
		}
	}
	var ended []int32
	for i := range g.Nodes {
		n := r.nodes[i]
		if n.State == grid.NodeWaiting && g.Nodes[i].Done {
			n.on(grid.NodeSucceed)
			r.put(int32(i), n)
		}
		if n.State == grid.NodeWaiting && n.missing == 0 && (int32(i) != r.final || h.Status == RunFinishing) {
			release(&n.Record, &g.Nodes[i])
			r.put(int32(i), n)
		}
		if r.nodes[i].State.Final() {
			ended = append(ended, int32(i))
		}
	}
	follow(r, ended)
	return r, nil
}

// plausible reports whether r is in a state that a step leaves a node in.
func (r *Record) plausible() bool {
	switch r.State {
	case grid.NodeReady:
		return r.Script == ScriptNone || r.Script == ScriptDeferred
	case grid.NodeDone, grid.NodeFailed:
		return !r.Asked
	case grid.NodeSubmitted:
		return !r.Asked && r.Left > 0 && r.Progress <= ProgressLost
	case grid.NodePre:
		return r.Script != ScriptNone && r.Script <= ScriptOver && (!r.Asked || r.Script == ScriptOver)
	case grid.NodePost:
		return !r.Asked && r.Script != ScriptNone && r.Script < ScriptOver
	}
	return false
}

// ordinary reports whether node i is one of those that the run is about.
func (r *Run) ordinary(i int32) bool {
	n := &r.Graph.Nodes[i]
	return !n.Join && n.Kind == JobNode
}

// sort puts the nodes of each queue in order. The queues are those of nodes without a
// limited category, of each category, of the FINAL node, of the provisioner, of the
// services, and of each service that waits for others.
func (r *Run) sort() {
	g := r.Graph
	number := map[string]int32{}
	r.ready = []readyQueue{{}}
	for _, c := range g.Categories {
		number[c.Name] = int32(len(r.ready))
		r.ready = append(r.ready, readyQueue{limit: int32(c.MaxJobs)})
	}
	r.extra = int32(len(r.ready))
	r.ready = append(r.ready, readyQueue{}, readyQueue{}, readyQueue{})
	r.place = make([]place, len(g.Nodes))
	scripts := [wants]bool{wantJob: true}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		q := number[n.Category]
		switch {
		case n.Kind == ServiceNode && len(n.Parents) > 0:
			q = int32(len(r.ready))
			r.ready = append(r.ready, readyQueue{})
		case n.Kind != JobNode:
			q = r.queueOf(n.Kind)
		}
		switch n.Kind {
		case FinalNode:
			r.final = int32(i)
		case ProvisionerNode:
			r.first = int32(i)
		}
		if n.Past != "" {
			r.past = append(r.past, int32(i))
		}
		scripts[wantPre] = scripts[wantPre] || n.Pre != nil
		scripts[wantPost] = scripts[wantPost] || n.Post != nil
		r.place[i].queue = q
		r.ready[q].nodes = append(r.ready[q].nodes, int32(i))
	}
	for c := range r.ready {
		q := &r.ready[c]
		slices.SortFunc(q.nodes, r.order)
		for w, any := range scripts {
			if any {
				q.sets[w] = make([]uint64, (len(q.nodes)+63)/64)
			}
		}
		for at, i := range q.nodes {
			r.place[i].at = int32(at)
		}
	}
	r.tally.used = make([]int32, len(r.ready))
}

// queueOf is the queue of the nodes of a kind that is none of jobs.
func (r *Run) queueOf(k NodeKind) int32 { return r.extra + int32(k-FinalNode) }

// order is the order in which ready nodes go.
func (r *Run) order(a, b int32) int {
	return cmp.Or(cmp.Compare(r.Graph.Nodes[b].Priority, r.Graph.Nodes[a].Priority), cmp.Compare(a, b))
}

// wants is what node i waits for that is for [step.admit] to give, as rec says.
func (r *Run) wants(i int32, rec *Record) want {
	switch {
	case rec.Asked, rec.State == grid.NodeReady && rec.Script == ScriptDeferred, r.Graph.Nodes[i].Past != "":
	case rec.State == grid.NodeReady && r.Graph.Nodes[i].Pre != nil:
		return wantPre
	case rec.State == grid.NodeReady, rec.State == grid.NodePre && rec.Script == ScriptOver:
		return wantJob
	case rec.State == grid.NodePre && rec.Script == ScriptWaits:
		return wantPre
	case rec.State == grid.NodePost && rec.Script == ScriptWaits:
		return wantPost
	}
	return wantNothing
}

// State is the state of node i.
func (r *Run) State(i int32) grid.NodeState { return r.nodes[i].State }

// Provisioner is the node that brings up what the others need; -1: none.
func (r *Run) Provisioner() int32 { return r.first }

// Final is the FINAL node; -1: none.
func (r *Run) Final() int32 { return r.final }

// Record is what is known of node i. It has to be kept if its Attempt is not 0.
func (r *Run) Record(i int32) Record { return r.nodes[i].Record }

// Count is how many nodes are in a state; joins are not counted.
func (r *Run) Count(s grid.NodeState) int { return int(r.tally.states[s]) }

func (r *Run) graph() *Graph { return r.Graph }

func (r *Run) get(i int32) node { return r.nodes[i] }

func (r *Run) put(i int32, n node) {
	was := &r.nodes[i].Record
	r.tally.move(r, i, was, &n.Record)
	p := r.place[i]
	bit := uint64(1) << (p.at % 64)
	if w := r.wants(i, was); w < wants {
		r.ready[p.queue].sets[w][p.at/64] &^= bit
	}
	if w := r.wants(i, &n.Record); w < wants {
		r.ready[p.queue].sets[w][p.at/64] |= bit
	}
	r.nodes[i] = n
}

// move counts a change of node i.
func (t *tally) move(r *Run, i int32, was, is *Record) {
	if was.Asked != is.Asked {
		t.asked += sign(is.Asked)
	}
	if w, n := was.runs(grid.NodePre), is.runs(grid.NodePre); w != n {
		t.scripts[wantPre] += sign(n)
	}
	if w, n := was.runs(grid.NodePost), is.runs(grid.NodePost); w != n {
		t.scripts[wantPost] += sign(n)
	}
	busy := was.busy() != is.busy()
	switch r.Graph.Nodes[i].Kind {
	case ServiceNode:
		if busy {
			t.services += sign(is.busy())
		}
		if w, n := r.unserved(i, was), r.unserved(i, is); w != n {
			t.unserved += sign(n)
		}
		if w, n := was.lost(), is.lost(); w != n {
			t.lost += sign(n)
		}
		return
	case ProvisionerNode:
		return
	case JobNode:
		if !r.Graph.Nodes[i].Join {
			t.states[was.State]--
			t.states[is.State]++
		}
	}
	if busy {
		t.busy += sign(is.busy())
	}
	if was.active() != is.active() {
		t.active += sign(is.active())
		t.used[r.place[i].queue] += sign(is.active())
	}
}

func sign(up bool) int32 {
	if up {
		return 1
	}
	return -1
}

// Apply brings r up to date with a change that a [Step] of it made. It is a
// [grid.Conflict] if r has changed since: then the change is void, and was kept by
// nobody who compares versions.
func (r *Run) Apply(c Change) error {
	if c.Empty() {
		return nil
	}
	if c.Header.Version != r.Version+1 {
		return grid.Errorf(grid.Conflict, "the run of %s is at version %d and cannot take change %d: open it anew", r.Graph.Name, r.Version, c.Header.Version)
	}
	r.Header = c.Header
	if r.Status == RunFinishing {
		r.releaseFinal(r)
	}
	for _, x := range c.Nodes {
		n := r.nodes[x.Node]
		was := n.State
		if x.Record.Asked && (!n.Asked || n.Attempt != x.Record.Attempt) {
			r.since++
		}
		n.Record = x.Record
		r.put(x.Node, n)
		moved(r, x.Node, was)
	}
	return nil
}

// Waiting says how many procs of the run wait in the queue, which is what MaxIdle
// counts. It is not kept: [Look] makes use of it.
func (r *Run) Waiting(procs int32) { r.idle, r.since = procs, 0 }

// releaseFinal makes the FINAL node ready.
func (r *Run) releaseFinal(b board) {
	if n := b.get(r.final); n.State == grid.NodeWaiting {
		release(&n.Record, &r.Graph.Nodes[r.final])
		b.put(r.final, n)
	}
}

// board is where nodes stand: a [Run], or what a [Step] makes of one.
type board interface {
	graph() *Graph
	get(int32) node
	put(int32, node)
}

// release makes a node ready that waits for nothing. One without a job or scripts is
// done.
func release(rec *Record, n *Node) {
	rec.on(grid.NodeRelease)
	if n.Join || n.Noop && n.Pre == nil && n.Post == nil {
		rec.on(grid.NodeSucceed)
	}
}

// moved carries a new state of a node on to those behind it.
func moved(b board, i int32, was grid.NodeState) {
	is := b.get(i).State
	hopeless := func(s grid.NodeState) bool { return s == grid.NodeFailed || s == grid.NodeFutile }
	if hopeless(was) && !hopeless(is) {
		hope(b, i)
		if was == grid.NodeFailed {
			// It is counted anew for those that its end was enough for.
			for _, c := range b.graph().Nodes[i].Children {
				if b.graph().Nodes[c].WeakOn(i) {
					n := b.get(c)
					n.missing++
					b.put(c, n)
				}
			}
		}
	}
	if is.Final() && (!was.Final() || is != was) {
		follow(b, []int32{i})
	}
}

// hope lets nodes wait again that were futile because of node i.
func hope(b board, i int32) {
	g := b.graph()
	for todo := []int32{i}; len(todo) > 0; {
		i, todo = todo[len(todo)-1], todo[:len(todo)-1]
		for _, c := range g.Nodes[i].Children {
			n := b.get(c)
			if n.State != grid.NodeFutile || slices.ContainsFunc(g.Nodes[c].Parents, func(p int32) bool {
				s := b.get(p).State
				return s == grid.NodeFutile || s == grid.NodeFailed && !g.Nodes[c].WeakOn(p)
			}) {
				continue
			}
			n.on(grid.NodeHope)
			b.put(c, n)
			todo = append(todo, c)
		}
	}
}

// follow carries the end of nodes on to those behind them.
func follow(b board, ended []int32) {
	g := b.graph()
	for len(ended) > 0 {
		i := ended[len(ended)-1]
		ended = ended[:len(ended)-1]
		state := b.get(i).State
		if g.Nodes[i].Kind == ServiceNode {
			continue // those behind it do not wait for its end
		}
		for _, c := range g.Nodes[i].Children {
			n := b.get(c)
			pass := state == grid.NodeDone || state == grid.NodeFailed && g.Nodes[c].WeakOn(i)
			if pass {
				n.missing--
			}
			waits := n.State == grid.NodeWaiting
			if waits && !pass {
				n.on(grid.NodeGiveUp)
			} else if waits && n.missing == 0 {
				if holds(b, c) {
					release(&n.Record, &g.Nodes[c])
				} else {
					n.on(grid.NodeSucceed)
				}
			}
			b.put(c, n)
			if waits && n.State.Final() {
				ended = append(ended, c)
			}
		}
	}
}
