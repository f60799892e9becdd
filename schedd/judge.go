package schedd

import (
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// judge works out what an ended attempt means for its job: its policies, and whether it
// stays in the queue.
func (d *Daemon) judge(v *ledger.View, a *ledger.AttemptReport) {
	a.Verdict = ledger.Complete
	j, ok := v.Job(a.Job)
	if !ok {
		return
	}
	job, err := d.ads.Job(v, a.Job)
	if err != nil {
		// Its policies cannot be read: it must not be lost over that.
		d.log.WithError(err).WithField("job", a.Job).Error("policies cannot be evaluated")
		a.Verdict, a.HoldCode, a.Reason = ledger.Park, grid.HoldSystemPolicy, "the job's policies cannot be evaluated: "+grid.MessageOf(err)
		return
	}
	given(&a.Exit, job)
	exited(job, &j, a)
	now := ad.At(time.Now())
	switch p := d.config().Policies.AtExit(now, job); p.Verb {
	case grid.Hold:
		a.Verdict, a.HoldCode, a.HoldSub, a.Reason = ledger.Park, p.Code, p.Sub, p.Reason
	case grid.Remove:
		a.Verdict, a.Reason = ledger.Drop, p.Reason
	case grid.Requeue:
		a.Verdict, a.Vacate, a.Reason = ledger.Again, p.Vacate, p.Reason
	default:
		if ad.Truth(now.Attr("LeaveJobInQueue", job, nil)) {
			a.Verdict = ledger.Keep
		}
	}
}

// exited adds to a job's ad what its policies may ask of the exit.
func exited(job *ad.Ad, j *ledger.Job, a *ledger.AttemptReport) {
	exit, bySignal, ends := a.Exit.Code, a.Exit.Signal, int64(j.Ends)+1
	if a.Kind == ledger.Taken {
		exit, bySignal, ends = j.Exit, j.Flags&ledger.BySignal != 0, int64(j.Ends)
	}
	job.SetBool("ExitBySignal", bySignal)
	if bySignal {
		job.SetInt("ExitSignal", int64(exit))
		job.Delete("ExitCode")
	} else {
		job.SetInt("ExitCode", int64(exit))
		job.Delete("ExitSignal")
	}
	job.SetInt("NumJobCompletions", ends)
	if j.Status == grid.Idle { // its start is in the same batch, or was not told
		job.SetInt("NumJobStarts", int64(j.Starts)+1)
	}
	for _, at := range a.Attrs {
		if e, err := ad.Parse(at.Expr); err == nil { // what it used, which the ledger has not yet
			job.SetExpr(at.Name, e)
		}
	}
}

// given notes in an exit what the attempt had of its slot, unless that is known.
func given(x *ledger.Exit, job *ad.Ad) {
	if x.Cpus != 0 {
		return
	}
	x.Cpus, x.MemoryMB, x.DiskKB = job.Int("CpusProvisioned", 0), job.Int("MemoryProvisioned", 0), job.Int("DiskProvisioned", 0)
}

// onceOnly turns news of an attempt without a result into a hold, for a job that may be
// run once only: whether it did its work is not known, or it did half.
func (d *Daemon) onceOnly(v *ledger.View, a *ledger.AttemptReport) {
	j, ok := v.Job(a.Job)
	if !ok || j.Status == grid.Held || j.Status == grid.Removed {
		return
	}
	job, err := d.ads.Job(v, a.Job)
	if err != nil || !ad.Truth(ad.At(time.Now()).Attr("RunOnce", job, nil)) {
		return
	}
	if !j.Status.Active() && (a.Kind == ledger.Stopped || a.Vacate == grid.VacateDraining) || a.Vacate == grid.VacateSaved {
		return // it was ended, or sent back, before it began; or it has ended itself to go on
	}
	a.Kind, a.HoldCode, a.HoldSub = ledger.Failed, grid.HoldJobPolicy, subUnknown
	a.Reason = "outcome unknown: " + a.Reason + "; the job is run_once and is not started again by itself"
}

// subUnknown is the subcode of a hold whose job may have done its work.
const subUnknown = 1
