package desk

import (
	"context"
	"path/filepath"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/submit"
)

const opLower = "lower"

// LowerJobs reads a job file as its owner. With problems in the file the error's cause
// is a [grid.DiagnosticsError].
func (d *Desks) LowerJobs(ctx context.Context, owner Owner, r jobfile.Request) (specs []submit.Spec, err error) {
	return specs, d.call(ctx, owner, opLower, r, nil, &specs)
}

func lowerJobs(r jobfile.Request) ([]submit.Spec, error) {
	specs, diags, err := jobfile.Read(r)
	if err != nil {
		return nil, err
	}
	return specs, diags.Err()
}

const opWorkflow = "workflow"

type workflowRead struct {
	Graph  []byte `json:"graph"` // packed
	Rescue int32  `json:"rescue,omitempty"`
}

// ReadWorkflow reads a workflow's file as its owner, and the newest rescue file beside it,
// whose number it gives; 0: there is none. With problems in the file the error's cause is
// a [grid.DiagnosticsError].
func (d *Desks) ReadWorkflow(ctx context.Context, owner Owner, path string) (g *dag.Graph, rescue int32, err error) {
	var out workflowRead
	if err = d.call(ctx, owner, opWorkflow, path, nil, &out); err == nil {
		g, err = dag.Unpack(out.Graph)
	}
	return g, out.Rescue, err
}

func readWorkflow(path string) (workflowRead, error) {
	if !filepath.IsAbs(path) {
		return workflowRead{}, grid.Errorf(grid.Invalid, "%q is not a full path", path)
	}
	g, rescue, diags, err := jobfile.Resumed(path, path)
	if err != nil {
		return workflowRead{}, err
	}
	if err := diags.Err(); err != nil {
		return workflowRead{}, err
	}
	blob, err := g.Pack()
	return workflowRead{blob, rescue}, err
}
