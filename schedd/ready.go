package schedd

import (
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// checkOf is how the worker of a job finds out that it is ready; nil: it does not.
func checkOf(job *ad.Ad) (*wire.Check, error) {
	c, bad := submit.ReadyOf(job)
	switch {
	case bad != nil:
		return nil, grid.Errorf(grid.Invalid, "the job's readiness check: %s", bad.Summary)
	case c == nil:
		return nil, nil
	}
	return &wire.Check{
		Command: c.Command, TCP: c.TCP, HTTP: c.HTTP, Address: c.Address,
		EveryMS: c.Every.Milliseconds(), TimeoutMS: c.Timeout.Milliseconds(),
	}, nil
}

// checked reports whether it is for a worker to find out when a job is ready.
func checked(job *ad.Ad) bool {
	c, bad := submit.ReadyOf(job)
	return c != nil || bad != nil
}

// awaited says for what a service waits that is not ready and is checked; empty: nothing is
// known.
func (d *Daemon) awaited(v *ledger.View, cluster int32) string {
	id := grid.JobID{Cluster: cluster}
	j, there := v.Job(id)
	if !there {
		return ""
	}
	switch job, err := d.ads.Job(v, id); {
	case err != nil:
		d.log.WithError(err).WithField("job", id).Warn("what a job of a workflow says cannot be read")
		return ""
	case !checked(job):
		return ""
	case j.Status != grid.Running:
		return "its job is " + strings.ToLower(j.Status.String())
	default:
		src, _ := job.Source(wire.ReadyAnswer)
		return answered(src)
	}
}

// lastOf says for what a service waited whose job has left the queue with these attributes.
func lastOf(attrs []ledger.Attr) string { return answered(exprOf(attrs, wire.ReadyAnswer)) }

// answered is the last answer of a check, from the attribute that has it.
func answered(expr string) string {
	answer, ok := ad.Unquote(expr)
	if !ok || answer == "" {
		return ""
	}
	return "its check answered: " + grid.Printable(answer)
}
