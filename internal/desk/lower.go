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

// ReadWorkflow reads a workflow's file as its owner. With problems in the file the
// error's cause is a [grid.DiagnosticsError].
func (d *Desks) ReadWorkflow(ctx context.Context, owner Owner, path string) (g *dag.Graph, err error) {
	return g, d.call(ctx, owner, opWorkflow, path, nil, &g)
}

func readWorkflow(path string) (*dag.Graph, error) {
	if !filepath.IsAbs(path) {
		return nil, grid.Errorf(grid.Invalid, "%q is not a full path", path)
	}
	g, diags, err := jobfile.Workflow(path, path, nil)
	if err != nil {
		return nil, err
	}
	return g, diags.Err()
}
