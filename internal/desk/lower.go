package desk

import (
	"context"
	"os"
	"path/filepath"
	"strings"

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

const opTimetable = "timetable"

// ReadTimetable is [Desks.ReadWorkflow] for a timetable's occurrence: it says what was
// read, and with which environment, too.
func (d *Desks) ReadTimetable(ctx context.Context, owner Owner, path string) (r TimetableRead, err error) {
	return r, d.call(ctx, owner, opTimetable, path, nil, &r)
}

// TimetableRead is a workflow with what it was made of.
type TimetableRead struct {
	Graph *dag.Graph
	Files []jobfile.Sum
	Env   []string
}

func readTimetable(path string) (r TimetableRead, err error) {
	if !filepath.IsAbs(path) {
		return r, grid.Errorf(grid.Invalid, "%q is not a full path", path)
	}
	g, files, diags, err := jobfile.Traced(path, path)
	if err == nil {
		err = diags.Err()
	}
	if err != nil {
		return r, err
	}
	r = TimetableRead{Graph: g, Files: files}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GRIDBURST_FAILPOINT") && len(r.Env) < maxEnv {
			r.Env = append(r.Env, v)
		}
	}
	return r, nil
}

const maxEnv = 50

func readWorkflow(path string) (*dag.Graph, error) {
	if !filepath.IsAbs(path) {
		return nil, grid.Errorf(grid.Invalid, "%q is not a full path", path)
	}
	g, diags, err := jobfile.Workflow(path, path)
	if err != nil {
		return nil, err
	}
	return g, diags.Err()
}
