package trace

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// History makes a workload of the ads of jobs that have left a queue.
type History struct {
	t      Trace
	owners map[string]uint32
}

// Attributes are what [History.Add] looks at.
var Attributes = []string{
	"ClusterId", "ProcId", "QDate", "Owner", "Cmd", "JobUniverse", "RequestCpus", "RequestMemory", "CpusProvisioned", "MemoryProvisioned",
	"RemoteWallClockTime", "LastRemoteWallClockTime", "ExpectedRuntime", "JobStatus",
}

// Add takes in one job. One that was a machine, or ran in the schedd's own place, is left
// out, for no machine would have been brought up for it.
func (h *History) Add(a *ad.Ad) {
	run, ran := RanFor(a)
	if !ran || run <= 0 || number(a, "QDate") <= 0 {
		h.t.Skipped++
		return
	}
	if h.owners == nil {
		h.owners = map[string]uint32{}
	}
	name := a.Text("Owner")
	owner, known := h.owners[name]
	if !known {
		owner = uint32(len(h.owners) + 1)
		h.owners[name] = owner
	}
	h.t.Jobs = append(h.t.Jobs, Job{
		Submit: time.Duration(number(a, "QDate") * float64(time.Second)), Run: run, Count: 1,
		Cpus: int64(max(cmp.Or(number(a, "CpusProvisioned"), number(a, "RequestCpus")), 1)), MemoryMB: int64(max(cmp.Or(number(a, "MemoryProvisioned"), number(a, "RequestMemory")), 0)),
		Owner: owner, Class: name + " " + a.Text("Cmd") + " " + strconv.FormatInt(a.Int("RequestCpus", 1), 10),
	})
}

// RanFor is how long a job ran that has left the queue, in whole seconds. ok is false of one that
// was a machine, or ran in the schedd's own place.
func RanFor(a *ad.Ad) (run time.Duration, ok bool) {
	s := cmp.Or(number(a, "LastRemoteWallClockTime"), number(a, "RemoteWallClockTime"))
	universe := a.Int("JobUniverse", int64(grid.Vanilla))
	return time.Duration(s * float64(time.Second)), universe != int64(grid.Grid) && universe != int64(grid.Local)
}

func number(a *ad.Ad, name string) float64 {
	v, _ := a.Literal(name)
	f, _ := v.Number()
	return f
}

// Trace is the workload of all that were added.
func (h *History) Trace() (*Trace, error) {
	if len(h.t.Jobs) == 0 {
		return nil, grid.Errorf(grid.NotFound, "no job that has run has left the queue, so there is no history to replay (%d are left out)", h.t.Skipped)
	}
	h.t.Name = "history"
	h.t.Jobs = slices.Clip(h.t.Jobs)
	h.t.order()
	return &h.t, nil
}
