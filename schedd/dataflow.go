package schedd

import (
	"context"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
)

// skips reports whether a job that is about to start need not: it says so
// (skip_if_dataflow), and its outputs are newer than all that they are made from. What
// cannot be told is no reason to skip.
func (d *Daemon) skips(ctx context.Context, id grid.JobID) bool {
	v := d.ledger.View()
	job, err := d.ads.Job(v, id)
	if err != nil || !ad.Truth(instant().Attr("SkipIfDataflow", job, nil)) {
		return false
	}
	names, none := outputList(job)
	if none || len(names) == 0 {
		return false
	}
	c, _ := v.Cluster(id.Cluster)
	owner, _ := v.Owner(c.Owner)
	o := outputsOf(job, id, 0)
	x := desk.Dependence{Iwd: o.Iwd}
	for _, n := range names {
		if to := o.Remaps[n]; to != "" {
			n = to
		}
		x.Made = append(x.Made, n)
	}
	in := inputsOf(job)
	x.From = in.Files
	if in.Executable != "" {
		x.From = append(x.From, in.Executable)
	}
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	yes, err := d.desks.UpToDate(limited, desk.Owner(owner), x)
	if err != nil {
		d.log.WithError(err).WithField("job", id).Warn("whether a job may be skipped cannot be told")
	}
	return yes && err == nil
}
