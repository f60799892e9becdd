package dag

import (
	"slices"

	"gridburst/internal/grid"
)

// Coming is a node that is not over, in an [Ahead].
type Coming struct {
	Node    int32
	Is      Course
	Cluster int32   // of its job, or the run of a sub-DAG, of one that is Queued; 0: not known yet
	Parents []int32 // those that it waits for, by their places in the list
}

// Course is how far a node has come that is not over.
type Course uint8

// The ways of nodes.
const (
	Expected Course = iota // it will have a job
	Queued                 // it has one, or a run
	Scripted               // a script of it runs, or will again, its next attempt is put off, or what comes of others, or of the run before, decides whether it runs
	Passing                // there is nothing to wait for: a join, or a node without a job
)

// Ahead is the part of a run that is next: what goes on, and what comes behind it.
type Ahead struct {
	Nodes   []Coming // after those that they wait for
	More    int      // nodes beyond these
	MaxJobs int      // nodes that may have a job at a time; 0: no limit
}

// Ahead is what will come of the run, as far as so many nodes. It has no nodes while nothing
// of it is begun: it is halted, comes to its end, or its provisioner, or a service that says so, is not ready.
// Services and what cleans up are no part of it. It takes time for the whole
// graph.
func (r *Run) Ahead(most int) (out Ahead) {
	if r.Status != RunNew && r.Status != RunRunning || r.Halt != Unhalted || r.first >= 0 && r.Supply != SupplyComplete {
		return out
	}
	for i := range r.nodes {
		if r.Graph.Nodes[i].ReadyWithin > 0 && r.unserved(int32(i), &r.nodes[i].Record) {
			return out
		}
	}
	out.MaxJobs = int(r.MaxJobs)
	place := make([]int32, len(r.nodes)) // in the list, from 1
	come := make([]int32, len(r.nodes))  // how many of those that a node waits for are in the list
	var parents []int32                  // of all
	left := 0
	add := func(i int32) {
		c := Coming{Node: i, Is: r.course(i)}
		if c.Is == Queued {
			c.Cluster = r.nodes[i].Cluster
		}
		first := len(parents)
		for _, p := range r.Graph.Nodes[i].Parents {
			if place[p] > 0 {
				parents = append(parents, place[p]-1)
			}
		}
		c.Parents = parents[first:len(parents):len(parents)]
		out.Nodes = append(out.Nodes, c)
		place[i] = int32(len(out.Nodes))
	}
	for i := range r.nodes {
		n := &r.nodes[i]
		if n.State.Final() || r.Graph.Nodes[i].Kind != JobNode {
			continue
		}
		left++
		if n.missing == 0 && len(out.Nodes) < most {
			add(int32(i))
		}
	}
	for next := 0; next < len(out.Nodes); next++ {
		for _, c := range r.Graph.Nodes[out.Nodes[next].Node].Children {
			if r.nodes[c].State != grid.NodeWaiting || r.Graph.Nodes[c].Kind != JobNode {
				continue
			}
			if come[c]++; come[c] == r.nodes[c].missing && len(out.Nodes) < most {
				add(c)
			}
		}
	}
	out.More = left - len(out.Nodes)
	return out
}

func (r *Run) course(i int32) Course {
	n, rec := &r.Graph.Nodes[i], &r.nodes[i].Record
	switch {
	case rec.State == grid.NodePre, rec.State == grid.NodePost, rec.Script == ScriptDeferred:
		return Scripted
	case rec.State == grid.NodeSubmitted || rec.Asked:
		return Queued
	case n.Join || n.Noop || n.Done:
		return Passing
	case n.When != "", n.Past != "":
		return Scripted
	}
	return Expected
}

// Lanes are how many nodes of each category may have a job at a time, and which of these a
// node is in: -1: none.
func (g *Graph) Lanes() (most []int, of func(node int32) int) {
	for _, c := range g.Categories {
		most = append(most, c.MaxJobs)
	}
	return most, func(node int32) int {
		return slices.IndexFunc(g.Categories, func(c Category) bool { return c.Name == g.Nodes[node].Category })
	}
}
