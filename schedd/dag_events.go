package schedd

import (
	"context"
	"math"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// count says how a node's cluster stands in the view.
func (d *Daemon) count(v *ledger.View, node int32, n *dag.Record) (dag.Counted, error) {
	h := dag.Counted{Node: node, Cluster: n.Cluster, At: dag.Position{Index: v.Index, Seq: math.MaxUint32}}
	if c, ok := v.Cluster(n.Cluster); ok {
		h.Left = c.Live + v.Coming(n.Cluster)
	} else if c, ok := v.Leaving(n.Cluster); ok {
		h.Left = c.Live // each is told of when it moves to the history
	}
	err := d.ledger.Read(func(r *ledger.Reader) error {
		for p, err := range r.PastByID(grid.JobID{Cluster: n.Cluster + 1}.Key()) {
			if err != nil {
				return err
			}
			if p.Run.Cluster != n.Cluster {
				break
			}
			if exit := returnOf(&p.Job); exit != 0 {
				h.Bad += int32(p.Run.Len())
				h.Exit, h.Last = exit, lastOf(p.Attrs)
			}
		}
		return nil
	})
	return h, err
}

// returnOf is what DAGMan calls $RETURN of a job that has left the queue.
func returnOf(j *ledger.Job) int32 {
	switch {
	case j.Status == grid.Removed:
		return dag.ExitRemoved
	case j.Flags&ledger.BySignal != 0:
		return -j.Exit
	}
	return j.Exit
}

// happening is what an event is to a run; 0: to none.
func (g *dags) happening(ctx context.Context, v *ledger.View, e *ledger.Event) (uint32, dag.Happening, error) {
	switch e.Type {
	case ledger.DagMoved:
		switch to := dag.RunStatus(e.To); {
		case to == dag.RunNew:
			return 0, nil, g.open(ctx, v, e.ID)
		case to.Ended():
			return g.endedFor(e.ID)
		}
	case ledger.JobLeft, ledger.FactoryEnded:
		if e.Type == ledger.FactoryEnded || e.Code > 0 {
			delete(g.clusters, e.Jobs.Cluster) // it was its last
		}
		if e.ID == 0 || g.runs[e.ID] == nil || e.Type == ledger.FactoryEnded && e.Code >= e.Sub {
			break
		}
		h, err := g.d.leftOf(e)
		return e.ID, h, err
	case ledger.JobSubmitted, ledger.FactoryBegun:
		if e.ID != 0 && g.runs[e.ID] != nil {
			g.clusters[e.Jobs.Cluster] = nodeOf{e.ID, e.Node}
		}
		return e.ID, nil, nil
	case ledger.JobStarted, ledger.JobRequeued, ledger.JobReleased, ledger.JobHeld, ledger.JobEdited, ledger.JobSuspended, ledger.JobContinued:
		c := g.clusters[e.Jobs.Cluster]
		r := g.runs[c.run]
		switch {
		case r == nil:
			return 0, nil, nil
		case e.Type == ledger.JobHeld:
			return c.run, dag.ProcHeld{Node: c.node, Cluster: e.Jobs.Cluster}, nil
		}
		return c.run, g.d.saysOf(v, r, c.node, e.Jobs.Cluster), nil
	}
	return 0, nil, nil
}

// tellLog writes an event of a job into the jobstate log of its run. of is whose it is,
// unless it is only submitted.
func (g *dags) tellLog(ctx context.Context, r *dagRun, e *ledger.Event, of nodeOf, h dag.Happening) {
	if e.Type == ledger.JobSubmitted {
		of = nodeOf{e.ID, e.Node}
	}
	exit := int32(0)
	if left, ok := h.(dag.ProcsLeft); ok {
		exit, of = left.Exit, nodeOf{r.id, left.Node}
	}
	if of.run == r.id {
		g.logEvent(ctx, r, of.node, e, exit)
	}
}

// waiting counts the procs of a run that wait in the queue, if that is limited and the
// limit may be near.
func (g *dags) waiting(v *ledger.View, r *dagRun) bool {
	if r.run.MaxIdle <= 0 {
		return false
	}
	procs := int32(0)
	for _, cluster := range r.queued {
		for s := range v.Stretches(grid.WholeCluster(cluster)) {
			if s.Job.Status == grid.Idle {
				procs += int32(s.Run.Len())
			}
		}
	}
	r.run.Waiting(procs)
	return true
}

// note keeps which clusters of a run are in the queue.
func (r *dagRun) note(i int32, n *dag.Record) {
	if n.State == grid.NodeSubmitted && !r.run.Graph.Nodes[i].Subdag {
		r.queued[i] = n.Cluster
	} else {
		delete(r.queued, i)
	}
}

// leftOf is a job's end, as its run is told, or that of jobs which were never made.
func (d *Daemon) leftOf(e *ledger.Event) (h dag.ProcsLeft, err error) {
	h = dag.ProcsLeft{Node: e.Node, Cluster: e.Jobs.Cluster, At: dag.Position{Index: e.Index, Seq: e.Seq}, Procs: int32(e.Jobs.Len())}
	if e.Type == ledger.FactoryEnded {
		h.Procs, h.Exit = e.Sub-e.Code, dag.ExitRemoved
		return h, nil
	}
	err = d.ledger.Read(func(r *ledger.Reader) error {
		p, ok, err := r.Past(e.Jobs.First())
		if err == nil && !ok {
			err = grid.Errorf(grid.Internal, "job %s has left the queue and is not in the history", e.Jobs)
		}
		h.Exit, h.Last = returnOf(&p.Job), lastOf(p.Attrs)
		return err
	})
	return h, err
}
