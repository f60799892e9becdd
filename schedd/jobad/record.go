package jobad

import (
	"fmt"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// record adds what the job's record says, in HTCondor's words.
func (a *Ads) record(out *ad.Ad, id grid.JobID, c *ledger.Cluster, j *ledger.Job, owner ledger.Owner) {
	qdate := c.QDate / 1000
	out.SetInt("ClusterId", int64(id.Cluster))
	out.SetInt("ProcId", int64(id.Proc))
	out.SetInt("QDate", qdate)
	out.SetString("Owner", owner.Name)
	out.SetString("User", owner.Name+"@"+a.Domain)
	out.SetString("GlobalJobId", fmt.Sprintf("%s#%s#%d", a.Name, id, qdate))
	out.SetInt("JobStatus", int64(j.Status))
	out.SetInt("EnteredCurrentStatus", j.EnteredSec())
	if j.Last != 0 {
		out.SetInt("LastJobStatus", int64(j.Last))
	}
	if !out.Has("JobPrio") {
		out.SetInt("JobPrio", int64(j.Prio))
	}
	out.SetInt("NumJobStarts", int64(j.Starts))
	out.SetInt("NumShadowStarts", int64(j.Epoch))
	out.SetInt("JobRunCount", int64(j.Epoch))
	if j.Holds > 0 {
		out.SetInt("NumHolds", int64(j.Holds))
	}
	if j.Requeues > 0 {
		out.SetInt("NumVacates", int64(j.Requeues))
	}
	if j.First != 0 {
		out.SetInt("JobStartDate", int64(j.First))
		out.SetInt("InitialWaitDuration", max(int64(j.First)-qdate, 0))
		out.SetInt("JobCurrentStartDate", j.Started/1000)
	}
	out.SetReal("RemoteWallClockTime", float64(j.Wall))
	if j.Status.Active() {
		out.SetInt("ShadowBday", j.Started/1000)
	}
	if j.Attempt() {
		hosts := int64(1)
		if c.Universe == grid.Parallel {
			hosts = out.Int("MaxHosts", 1)
		}
		out.SetInt("CurrentHosts", hosts)
	}
	if j.Status == grid.Held {
		out.SetInt("HoldReasonCode", int64(j.HoldCode))
		out.SetInt("HoldReasonSubCode", int64(j.HoldSub))
	}
	if j.Flags&ledger.HasExited != 0 {
		signal := j.Flags&ledger.BySignal != 0
		out.SetBool("ExitBySignal", signal)
		out.SetInt("NumJobCompletions", int64(j.Ends))
		if signal {
			out.SetInt("ExitSignal", int64(j.Exit))
		} else {
			out.SetInt("ExitCode", int64(j.Exit))
		}
	}
	if c.Dag != 0 {
		out.SetInt("DAGManJobId", int64(c.Dag))
	}
}
