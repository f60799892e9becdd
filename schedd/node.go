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
}

// submitNode reads the node's job file, as its owner, and submits what it says. again
// means that the files or the queue do not answer now; no happening and not again, that
// the attempt is not wanted any more.
func (d *Daemon) submitNode(ctx context.Context, n nodeSubmission) (h dag.Happening, again bool) {
	v := d.ledger.View()
	run, ok := v.Dag(n.run)
	if !ok {
		return nil, false
	}
	owner, _ := v.Owner(run.Owner)
	done, err := d.submitNodeAs(ctx, &run, owner, n)
	switch code := grid.CodeOf(err); {
	case err == nil:
		return dag.Submitted{Node: n.node, Attempt: n.attempt, Cluster: done.Cluster, Procs: done.Procs}, false
	case ctx.Err() != nil:
		return nil, false
	case code == grid.Conflict:
		return nil, false
	case code == grid.Unavailable, code == grid.Unknown, code == grid.NoSpace, errors.Is(err, errQuota):
		d.log.WithError(err).WithFields(map[string]any{"dag": n.run, "node": n.graph.Name}).Warn("a node cannot be submitted now")
		return nil, true
	}
	return dag.SubmitFailed{Node: n.node, Attempt: n.attempt, Reason: grid.MessageOf(err)}, false
}

func (d *Daemon) submitNodeAs(ctx context.Context, run *ledger.Dag, owner ledger.Owner, n nodeSubmission) (done ledger.Submitted, err error) {
	r := jobfile.Node(&n.graph, run.File, run.Dir)
	r.Domain, r.Own = d.c.Domain, d.c.Commands
	r.Env = []string{"USER=" + owner.Name, "LOGNAME=" + owner.Name}
	for _, x := range n.vars {
		r.Vars = append(r.Vars, submit.Var(x))
	}
	r.Vars = append(r.Vars, submit.Var{Name: "+DAGManJobId", Value: strconv.FormatUint(uint64(n.run), 10)})
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	specs, err := d.desks.LowerJobs(limited, desk.Owner(owner), r)
	if err != nil {
		return done, err
	}
	if len(specs) != 1 {
		return done, grid.Errorf(grid.Invalid, "%s makes %d clusters of jobs: a node is one", r.File, len(specs))
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
		spec: &specs[0], key: fmt.Sprintf("dag/%d/%d/%d", n.run, n.node, n.attempt), by: "dag", owner: owner,
		dag: n.run, node: n.node, try: n.attempt,
	})
	failpoint.Hit("node.submit.after")
	return done, err
}
