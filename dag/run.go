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
	ready []readyQueue // of each category; 0: of the nodes without a limited one
	place []place      // of each node
}

// node is a node's record and what follows from the graph.
type node struct {
	Record
	missing int32 // parents that are not done
}

// place is where a node stands among those of its category.
type place struct{ category, at int32 }

// readyQueue is the nodes of a category in the order in which they go, with a bit for
// each that waits to be asked for.
type readyQueue struct {
	limit int32 // nodes with a job; 0: none
	nodes []int32
	bits  []uint64
}

// tally counts nodes. States leaves joins out.
type tally struct {
	states [8]int32
	asked  int32
	active int32
	used   []int32 // of the active ones, those of each category
}

// MaxAsked bounds the nodes whose submission is asked for and not yet reported. It
// bounds what one Step changes and what one Resume repeats.
const MaxAsked = 200

// Open makes a run of what was kept of it: a zero header and no records begin a new
// one, with the graph's MaxJobs if the header has none. Records that do not fit the graph
// are [grid.Invalid].
func Open(g *Graph, h Header, kept iter.Seq2[int32, Record]) (*Run, error) {
	if h.Status == RunNew && h.MaxJobs == 0 {
		h.MaxJobs = int32(min(g.MaxJobs, math.MaxInt32))
	}
	r := &Run{Graph: g, Header: h, nodes: make([]node, len(g.Nodes))}
	r.sort()
	r.tally.states[grid.NodeWaiting] = int32(g.Len())
	var ended []int32
	for i := range g.Nodes {
		r.nodes[i].missing = int32(len(g.Nodes[i].Parents))
	}
	if kept != nil {
		for i, rec := range kept {
			if i < 0 || int(i) >= g.Len() || !rec.kept() || !rec.plausible() {
				return nil, grid.Errorf(grid.Invalid, "the record of node %d does not fit the workflow %s", i, g.Name)
			}
			r.put(i, node{Record: rec, missing: r.nodes[i].missing})
		}
	}
	for i := range g.Nodes {
		n := r.nodes[i]
		if n.State == grid.NodeWaiting && g.Nodes[i].Done {
			n.on(grid.NodeSucceed)
			r.put(int32(i), n)
		}
		if n.State == grid.NodeWaiting && n.missing == 0 {
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
	case grid.NodeReady, grid.NodeDone, grid.NodeFailed:
		return true
	case grid.NodeSubmitted:
		return !r.Asked && r.Left > 0
	}
	return false
}

// sort puts the nodes of each category in order.
func (r *Run) sort() {
	g := r.Graph
	number := map[string]int32{}
	r.ready = []readyQueue{{}}
	for _, c := range g.Categories {
		number[c.Name] = int32(len(r.ready))
		r.ready = append(r.ready, readyQueue{limit: int32(c.MaxJobs)})
	}
	r.place = make([]place, len(g.Nodes))
	for i := range g.Nodes {
		c := number[g.Nodes[i].Category]
		r.place[i].category = c
		r.ready[c].nodes = append(r.ready[c].nodes, int32(i))
	}
	for c := range r.ready {
		q := &r.ready[c]
		slices.SortFunc(q.nodes, r.order)
		q.bits = make([]uint64, (len(q.nodes)+63)/64)
		for at, i := range q.nodes {
			r.place[i].at = int32(at)
		}
	}
	r.tally.used = make([]int32, len(r.ready))
}

// order is the order in which ready nodes go.
func (r *Run) order(a, b int32) int {
	return cmp.Or(cmp.Compare(r.Graph.Nodes[b].Priority, r.Graph.Nodes[a].Priority), cmp.Compare(a, b))
}

// State is the state of node i.
func (r *Run) State(i int32) grid.NodeState { return r.nodes[i].State }

// Record is what is known of node i. It has to be kept if its Attempt is not 0.
func (r *Run) Record(i int32) Record { return r.nodes[i].Record }

// Count is how many nodes are in a state; joins are not counted.
func (r *Run) Count(s grid.NodeState) int { return int(r.tally.states[s]) }

func (r *Run) graph() *Graph { return r.Graph }

func (r *Run) get(i int32) node { return r.nodes[i] }

func (r *Run) put(i int32, n node) {
	r.tally.move(r, i, &r.nodes[i].Record, &n.Record)
	p := r.place[i]
	if bit := uint64(1) << (p.at % 64); n.idle() {
		r.ready[p.category].bits[p.at/64] |= bit
	} else {
		r.ready[p.category].bits[p.at/64] &^= bit
	}
	r.nodes[i] = n
}

// move counts a change of node i.
func (t *tally) move(r *Run, i int32, was, is *Record) {
	if !r.Graph.Nodes[i].Join {
		t.states[was.State]--
		t.states[is.State]++
	}
	if was.Asked != is.Asked {
		t.asked += sign(is.Asked)
	}
	if was.active() != is.active() {
		t.active += sign(is.active())
		t.used[r.place[i].category] += sign(is.active())
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
	for _, x := range c.Nodes {
		n := r.nodes[x.Node]
		was := n.State
		n.Record = x.Record
		r.put(x.Node, n)
		if n.State.Final() && !was.Final() {
			follow(r, []int32{x.Node})
		}
	}
	return nil
}

// board is where nodes stand: a [Run], or what a [Step] makes of one.
type board interface {
	graph() *Graph
	get(int32) node
	put(int32, node)
}

// release makes a node ready whose parents are done. One without a job is done.
func release(rec *Record, n *Node) {
	rec.on(grid.NodeRelease)
	if n.Noop || n.Join {
		rec.on(grid.NodeSucceed)
	}
}

// follow carries the end of nodes on to those behind them.
func follow(b board, ended []int32) {
	g := b.graph()
	for len(ended) > 0 {
		i := ended[len(ended)-1]
		ended = ended[:len(ended)-1]
		done := b.get(i).State == grid.NodeDone
		for _, c := range g.Nodes[i].Children {
			n := b.get(c)
			if done {
				n.missing--
			}
			waits := n.State == grid.NodeWaiting
			if waits && !done {
				n.on(grid.NodeGiveUp)
			} else if waits && n.missing == 0 {
				release(&n.Record, &g.Nodes[c])
			}
			b.put(c, n)
			if waits && n.State.Final() {
				ended = append(ended, c)
			}
		}
	}
}
