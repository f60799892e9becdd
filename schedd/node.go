package schedd

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"gridburst/dag"
	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// nodeSubmission is a node's attempt on its way into the queue.
type nodeSubmission struct {
	run     uint32
	node    int32
	attempt uint32
	graph   dag.Node
	vars    []dag.Var
	whole   *dag.Graph // of a node that is a job
	prio    int32      // of its run
}

// submitNode reads the node's job file, as its owner, and submits what it says. again
// means that the files or the queue do not answer now; no happening and not again, that
// nobody waits for one.
func (d *Daemon) submitNode(ctx context.Context, n nodeSubmission) (h dag.Happening, again bool) {
	v := d.ledger.View()
	run, ok := v.Dag(n.run)
	if !ok {
		return nil, false
	}
	owner, _ := v.Owner(run.Owner)
	var err error
	if n.graph.Subdag {
		h, err = d.startChild(ctx, &run, owner, n)
	} else {
		var done ledger.Submitted
		done, err = d.submitNodeAs(ctx, &run, owner, n)
		h = dag.Submitted{Node: n.node, Attempt: n.attempt, Cluster: done.Cluster, Procs: done.Procs}
	}
	switch code := grid.CodeOf(err); {
	case err == nil:
		return h, false
	case ctx.Err() != nil:
		return nil, false
	case code == grid.Conflict:
		// The run goes on no more, and waits for this answer. One of an attempt that is past
		// is not heard.
		return dag.SubmitFailed{Node: n.node, Attempt: n.attempt, Reason: "the run goes on no more"}, false
	case code == grid.Unavailable, code == grid.Unknown, code == grid.NoSpace, errors.Is(err, errQuota):
		d.log.WithError(err).WithFields(map[string]any{"dag": n.run, "node": n.graph.Name}).Warn("a node cannot be submitted now")
		return nil, true
	}
	return dag.SubmitFailed{Node: n.node, Attempt: n.attempt, Reason: grid.MessageOf(err)}, false
}

// dagKeys is who submits nodes, as keys have it.
const dagKeys = "dag"

// nodeKey is the key of what is begun for a node's attempt.
func nodeKey(run uint32, node int32, attempt uint32) string {
	return fmt.Sprintf("dag/%d/%d/%d", run, node, attempt)
}

func (d *Daemon) submitNodeAs(ctx context.Context, run *ledger.Dag, owner ledger.Owner, n nodeSubmission) (done ledger.Submitted, err error) {
	if n.vars, err = d.addressed(run, n); err != nil {
		return done, err
	}
	r := d.nodeRequest(run, owner, n)
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	specs, err := d.dags.lower(limited, desk.Owner(owner), r)
	if err != nil {
		return done, err
	}
	if len(specs) != 1 {
		return done, grid.Errorf(grid.Invalid, "%s makes %d clusters of jobs: a node is one", r.File, len(specs))
	}
	if err := d.elsewhere(n, &specs[0]); err != nil {
		return done, err
	}
	if err := d.admit(&specs[0]); err != nil {
		return done, err
	}
	if _, err := d.require(owner.Name, &specs[0]); err != nil {
		return done, err
	}
	leave, err := d.intake.room(owner.UID, specs[0].Len())
	if err != nil {
		return done, err
	}
	defer leave(specs[0].Len())
	failpoint.Hit("node.submit.before")
	done, _, err = d.submit(ctx, submission{
		spec: &specs[0], key: nodeKey(n.run, n.node, n.attempt), by: dagKeys, owner: owner,
		dag: n.run, node: n.node, try: n.attempt,
	})
	failpoint.Hit("node.submit.after")
	return done, err
}

// nodeRequest is what a node's jobs are read from.
func (d *Daemon) nodeRequest(run *ledger.Dag, owner ledger.Owner, n nodeSubmission) jobfile.Request {
	r := jobfile.Node(&n.graph, run.File, run.Dir)
	r.Domain, r.Own = d.c.Domain, d.config().Commands
	r.Described(n.whole, &n.graph)
	r.Env = []string{"USER=" + owner.Name, "LOGNAME=" + owner.Name}
	for _, x := range n.vars {
		r.Vars = append(r.Vars, submit.Var(x))
	}
	r.Vars = append(r.Vars, submit.Var{Name: "+DAGManJobId", Value: strconv.FormatUint(uint64(n.run), 10)}, submit.Var{Name: "DAGManJobId", Value: strconv.FormatUint(uint64(n.run), 10)})
	r.Vars = append(r.Vars, cronVars(d.ledger.View(), n.run, run)...)
	return r
}

// startChild begins the run of a node's sub-DAG. Its file is read now: a node before may
// have made it.
func (d *Daemon) startChild(ctx context.Context, run *ledger.Dag, owner ledger.Owner, n nodeSubmission) (dag.Happening, error) {
	r := jobfile.Node(&n.graph, run.File, run.Dir)
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	g, rescue, err := d.desks.ReadWorkflow(limited, desk.Owner(owner), r.File)
	if err != nil {
		return nil, err
	}
	failpoint.Hit("dag.child.before")
	id, err := d.startDag(ctx, ledger.Command{By: dagKeys, Key: nodeKey(n.run, n.node, n.attempt)}, &ledger.StartDag{
		Owner: owner, File: r.File, Dir: r.Dir, Rescue: rescue, Header: dag.Header{Priority: n.prio + int32(n.graph.Priority)},
		Parent: ledger.Parent{Dag: n.run, Node: n.node, Attempt: n.attempt},
	}, g)
	failpoint.Hit("dag.child.after")
	return dag.RunStarted{Node: n.node, Attempt: n.attempt, Run: id}, err
}

// childOf says whether the run of a node's sub-DAG has ended; nil: it has not.
func (d *Daemon) childOf(v *ledger.View, node int32, n *dag.Record) (h dag.Happening, err error) {
	id := uint32(n.Cluster)
	if _, live := v.Dag(id); live {
		return nil, nil
	}
	_, h, err = d.dags.endedFor(id)
	if h == nil && err == nil {
		err = grid.Errorf(grid.Internal, "workflow %d of node %d is neither live nor past", id, node)
	}
	return h, err
}

// endedFor is the end of a run, as the run is told whose sub-DAG it is; 0: there is none.
func (g *dags) endedFor(id uint32) (run uint32, h dag.Happening, err error) {
	err = g.d.ledger.Read(func(r *ledger.Reader) error {
		past, ok, err := r.PastDag(id)
		if p := past.Parent; ok && p.Dag != 0 {
			run, h = p.Dag, dag.RunEnded{Node: p.Node, Attempt: p.Attempt, Run: id, Exit: childExit(&past)}
		}
		return err
	})
	return run, h, err
}

// childExit is the exit code of a run that has ended: one that was removed is no success,
// whatever its FINAL node says.
func childExit(g *ledger.Dag) int32 {
	if g.Status == dag.RunRemoved && g.Return == 0 {
		return dag.ReturnRemoved
	}
	return g.Return
}
