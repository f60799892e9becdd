package desk

import (
	"context"

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
	if diags.HasErrors() {
		return nil, &grid.Error{Code: grid.Invalid, Message: "the job file cannot be used", Err: &grid.DiagnosticsError{Diagnostics: diags}}
	}
	return specs, nil
}
