package schedd

import (
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// judge works out what an ended attempt means for its job: its on_exit policies, in
// HTCondor's order, and whether it stays in the queue. A policy that is undefined is
// false; only an OnExitRemove that is false or 0 keeps the job.
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
	now := ad.At(time.Now())
	switch {
	case ad.Truth(now.Attr("OnExitHold", job, nil)):
		a.Verdict, a.HoldCode = ledger.Park, grid.HoldJobPolicy
		a.HoldSub = int32(integer(now.Attr("OnExitHoldSubCode", job, nil)))
		a.Reason = policyReason(now, job, "OnExitHold")
	case isFalse(now.Attr("OnExitRemove", job, nil)):
		a.Verdict, a.Vacate = ledger.Again, grid.VacateAgain
		a.Reason = policyReason(now, job, "OnExitRemove")
	case ad.Truth(now.Attr("LeaveJobInQueue", job, nil)):
		a.Verdict = ledger.Keep
	}
}

// given notes in an exit what the attempt had of its slot.
func given(x *ledger.Exit, job *ad.Ad) {
	x.Cpus, x.MemoryMB, x.DiskKB = job.Int("CpusProvisioned", 0), job.Int("MemoryProvisioned", 0), job.Int("DiskProvisioned", 0)
}

func integer(v ad.Value) int64 {
	n, _ := v.Int()
	return n
}

// isFalse: a boolean or number that is false, not just something that is not true.
func isFalse(v ad.Value) bool {
	if b, ok := v.Bool(); ok {
		return !b
	}
	f, ok := v.Number()
	return ok && f == 0
}

// policyReason is the policy's own reason, or names the policy and its expression.
func policyReason(now ad.Instant, job *ad.Ad, name string) string {
	if s, ok := now.Attr(name+"Reason", job, nil).Text(); ok && s != "" {
		return s
	}
	src, _ := job.Source(name)
	verdict := "TRUE"
	if name == "OnExitRemove" {
		verdict = "FALSE"
	}
	return "The job attribute " + name + " expression '" + src + "' evaluated to " + verdict
}
