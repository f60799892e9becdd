package desk

import (
	"context"
	"os"
	"strings"

	"gridburst/dag"
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

const opTimetable = "timetable"

// ReadTimetable is [Desks.ReadWorkflow] for a timetable's occurrence: it says what was
// read, and with which environment, too.
func (d *Desks) ReadTimetable(ctx context.Context, owner Owner, path string) (r TimetableRead, err error) {
	if err = d.call(ctx, owner, opTimetable, path, nil, &r); err == nil {
		r.Graph, err = dag.Unpack(r.Packed)
	}
	return r, err
}

// TimetableRead is a workflow with what it was made of.
type TimetableRead struct {
	Graph  *dag.Graph `json:"-"`
	Packed []byte
	Rescue int32
	Files  []jobfile.Sum
	Env    []string
}

func readTimetable(path string) (r TimetableRead, err error) {
	if err := full(path); err != nil {
		return r, err
	}
	g, rescue, files, diags, err := jobfile.Traced(path, path)
	if err == nil {
		err = diags.Err()
	}
	if err != nil {
		return r, err
	}
	r = TimetableRead{Rescue: rescue, Files: files}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GRIDBURST_FAILPOINT") && len(r.Env) < maxEnv {
			r.Env = append(r.Env, v)
		}
	}
	r.Packed, err = g.Pack()
	return r, err
}

const maxEnv = 50

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
	if err := full(path); err != nil {
		return workflowRead{}, err
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
