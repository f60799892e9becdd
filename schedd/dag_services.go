package schedd

import (
	"context"
	"strconv"
	"strings"

	"gridburst/dag"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// What jobs of workflows say of themselves, in their ads.
const (
	attrSupply  = "ProvisionerState"
	attrReady   = wire.ServiceReady
	attrAddress = wire.ServiceAddress
)

// said is what a job has said of itself: the source of an attribute's expression, empty
// when there is none. The job is in the queue.
func (d *Daemon) said(v *ledger.View, cluster int32, name string) (expr string, err error) {
	err = d.ledger.Read(func(r *ledger.Reader) error {
		attrs, err := r.Attrs(v, grid.JobID{Cluster: cluster})
		expr = exprOf(attrs, name)
		return err
	})
	return expr, err
}

// exprOf is the source of an attribute's expression, empty when there is none.
func exprOf(attrs []ledger.Attr, name string) (expr string) {
	for _, a := range attrs {
		if strings.EqualFold(a.Name, name) {
			expr = a.Expr
		}
	}
	return expr
}

// saysOf is what the job of a node says that its run must be told: of a provisioner how far
// it has come, of a service that it is ready; nil: nothing.
func (d *Daemon) saysOf(v *ledger.View, r *dagRun, node, cluster int32) dag.Happening {
	j, there := v.Job(grid.JobID{Cluster: cluster})
	service, name := r.run.Graph.Nodes[node].ReadyWithin > 0, attrReady
	switch {
	case !there, !service && node != r.run.Provisioner():
		return nil
	case !service:
		name = attrSupply
	// What a service has said holds for one execution.
	case j.Starts > 1 || j.Starts == 1 && j.Status == grid.Idle:
		return dag.Serving{Node: node, Cluster: cluster, Lost: true}
	}
	expr, err := d.said(v, cluster, name)
	if err != nil {
		d.log.WithError(err).WithField("dag", r.id).Warn("what a job of a workflow says cannot be read")
		return nil
	}
	if service {
		if strings.EqualFold(expr, "true") {
			return dag.Serving{Node: node, Cluster: cluster}
		}
		return nil
	}
	if n, err := strconv.Atoi(expr); err == nil && n >= 0 && n <= int(dag.SupplyReleased) {
		return dag.Supplied{State: dag.Supply(n)}
	}
	return nil
}

// takeSaid takes in what the job of a node has said.
func (g *dags) takeSaid(ctx context.Context, run uint32, node int32) error {
	r := g.runs[run]
	if r == nil {
		return nil
	}
	n := r.run.Record(node)
	if n.State != grid.NodeSubmitted || r.run.Graph.Nodes[node].Subdag {
		return nil
	}
	if h := g.d.saysOf(g.d.ledger.View(), r, node, n.Cluster); h != nil {
		return g.take(ctx, r, h)
	}
	return nil
}

// addressed is the macros of a node's attempt with the addresses of services put in. As long
// as one of these is not ready the node cannot be submitted, which is grid.Unavailable; for
// a FINAL node it has no address then, since it may never have one.
func (d *Daemon) addressed(run *ledger.Dag, n nodeSubmission) ([]dag.Var, error) {
	v := d.ledger.View()
	return dag.Addressed(n.vars, func(i int32) (string, error) {
		if i < 0 || int(i) >= n.whole.Len() {
			return "", grid.Errorf(grid.Invalid, "the workflow has no node %d", i)
		}
		name := grid.Printable(n.whole.Nodes[i].Name)
		rec, _ := v.Node(n.run, i)
		expr := ""
		if _, there := v.Job(grid.JobID{Cluster: rec.Cluster}); there && rec.State == grid.NodeSubmitted && rec.Progress == dag.ProgressReady {
			var err error
			if expr, err = d.said(v, rec.Cluster, attrAddress); err != nil {
				return "", err
			}
		} else if n.graph.Kind == dag.FinalNode {
			return "", nil
		} else if run.Status != dag.RunRunning {
			return "", grid.Errorf(grid.Conflict, "the run goes on no more")
		} else if rec.State.Final() {
			return "", grid.Errorf(grid.Refused, "the service %s has ended, and its address with it", name)
		} else {
			return "", grid.Errorf(grid.Unavailable, "the service %s is not ready", name)
		}
		address, ok := ad.Unquote(expr)
		switch {
		case expr == "":
			return "", grid.Errorf(grid.Invalid, "the service %s has said no address: its job does so by %s = \"host:port\", before it says that it is ready", name, attrAddress)
		case !ok || !submit.AddressFit(address):
			return "", grid.Errorf(grid.Invalid, "the service %s says its address is %s: it is a text without blanks, quotes and $", name, grid.Printable(expr))
		}
		return address, nil
	})
}
