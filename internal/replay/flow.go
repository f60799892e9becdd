package replay

import (
	"time"

	"gridburst/dag"
	"gridburst/router/burst"
)

// flow is a run of the trace's workflow. What it asks for is done at once: its jobs wait, its
// scripts have ended well.
type flow struct {
	run  *dag.Run
	from int // the trace's job that is its first node
	seen uint64
	of   burst.Flow
}

// schedule has all workflows of the trace begin in their time.
func (w *world) schedule() error {
	for from := 0; from < len(w.trace.Jobs); from += w.trace.Graph.Len() {
		run, err := dag.Open(w.trace.Graph, dag.Header{}, nil)
		if err != nil {
			return err
		}
		f := &flow{run: run, from: from, of: burst.Flow{Of: uint32(len(w.flows) + 1)}}
		at := w.trace.Jobs[from].Submit
		w.at(at, begins, nil, int32(len(w.flows)))
		w.flows = append(w.flows, f)
		if w.trace.Timed {
			w.at(max(at-horizon, 0), decides, nil, 0) // it is foreseen
		}
	}
	return nil
}

// tell takes in what has happened to a workflow, and does what is then to be done.
func (w *world) tell(f *flow, h dag.Happening) {
	for todo := []dag.Happening{h}; len(todo) > 0; {
		change, actions, err := dag.Step(f.run, todo[0])
		if err == nil {
			err = f.run.Apply(change)
		}
		if err != nil {
			w.err = err
			return
		}
		todo = todo[1:]
		for _, a := range actions {
			switch a := a.(type) {
			case dag.Submit:
				job := int32(f.from) + a.Node
				n := int32(w.trace.Jobs[job].Count)
				todo = append(todo, dag.Submitted{Node: a.Node, Attempt: a.Attempt, Cluster: a.Node + 1, Procs: n})
				if w.fits(&w.trace.Jobs[job]) {
					w.enter(job)
				} else {
					todo = append(todo, w.procsLeft(f, job, n))
				}
			case dag.LookBack:
				todo = append(todo, dag.LookedBack{Node: a.Node}) // there was none
			case dag.RunScript:
				todo = append(todo, dag.ScriptEnded{Node: a.Node, Attempt: a.Attempt, Phase: a.Phase, Try: a.Try})
			}
		}
	}
}

// leftQueue tells the workflow of a job that tasks of it are done.
func (w *world) leftQueue(job, n int32) {
	f := w.flows[int(job)/w.trace.Graph.Len()]
	w.tell(f, w.procsLeft(f, job, n))
}

func (w *world) procsLeft(f *flow, job, n int32) dag.Happening {
	f.seen++
	node := job - int32(f.from)
	return dag.ProcsLeft{Node: node, Cluster: node + 1, At: dag.Position{Index: f.seen}, Procs: n}
}

// ahead is what a workflow says of what will come.
func (w *world) ahead(f *flow, starts time.Duration) *burst.Flow {
	a := f.run.Ahead(burst.Window)
	most, lane := w.trace.Graph.Lanes()
	f.of.Starts, f.of.MaxJobs, f.of.Lanes, f.of.Nodes = starts, a.MaxJobs, most, f.of.Nodes[:0]
	for _, c := range a.Nodes {
		n := burst.Node{Parents: c.Parents, Lane: -1}
		if c.Is == dag.Passing {
			n.State = burst.Passes
		} else {
			w.look(&n, int32(f.from)+c.Node)
			n.Lane = lane(c.Node)
		}
		if c.Is == dag.Scripted {
			n.State, n.Class = burst.Runs, ""
		}
		f.of.Nodes = append(f.of.Nodes, n)
	}
	return &f.of
}

// look completes a node by its job: that of its tasks which is behind the others counts.
func (w *world) look(n *burst.Node, job int32) {
	j := &w.trace.Jobs[job]
	n.Owner, n.Group, n.Procs, n.Class = j.Owner, w.group(j), j.Count, j.Class
	for k := range int32(j.Count) {
		switch t := &w.tasks[w.first[job]+k]; {
		case t.state == waiting:
			n.State, n.Starts = burst.Waits, w.starts(t)
			return
		case t.state == running && (n.State != burst.Runs || w.now-t.start < n.Ran):
			n.State, n.Ran = burst.Runs, w.now-t.start
		}
	}
}
