package schedd

import (
	"path"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// startOf is the order that begins an attempt; nil when the attempt is not to begin
// any more.
func (d *Daemon) startOf(worker uint32, id grid.JobID, epoch uint32) (*wire.Start, error) {
	v := d.ledger.View()
	j, node, ok := v.OnSlot(id, epoch, worker)
	g, _ := v.Gang(id)
	switch {
	case !ok, node == nil && j.Status != grid.Idle, node != nil && (node.State != ledger.GangWaits || !g.Wants(&j)):
		return nil, nil
	}
	c, _ := v.Cluster(id.Cluster)
	owner, _ := v.Owner(c.Owner)
	job, err := d.attemptAd(v, id, epoch, node)
	if err != nil {
		return nil, err
	}
	if err := fillIn(instant(), job, d.slotAd(worker, job)); err != nil {
		return nil, err
	}
	x, err := executionOf(job, d.transfers(job, worker))
	if err != nil {
		return nil, err
	}
	x.Owner = wire.Owner{Name: owner.Name, UID: owner.UID, GID: owner.GID}
	x.KillSig, x.KillMS, x.LeaseMS = submit.Signal(job.Text("KillSig")), job.Int("JobMaxVacateTime", 0)*1000, d.leaseOf(job)
	x.Cpus, x.MemoryMB, x.DiskKB = int32(job.Int("CpusProvisioned", 1)), job.Int("MemoryProvisioned", 0), job.Int("DiskProvisioned", 0)
	if node != nil {
		x.Nodes, x.Env = int32(len(g.Nodes)), tellHosts(x.Env, v, g)
	} else if x.Transfer {
		x.Checkpoint = checkpointOf(job)
	}
	if node == nil {
		if x.Ready, err = checkOf(job); err != nil {
			return nil, err
		}
	}
	if run, ok := d.watches(v, id.Cluster); ok && id.Proc == 0 {
		x.Run = run
	}
	s := &wire.Start{Job: id, Epoch: epoch, Execution: x}
	if s.NotBefore, s.WindowMS, err = d.deferral(instant(), job); err != nil {
		return nil, err
	}
	return s, nil
}

// executionOf is what runs of a job, wherever that is: in the job's own directory, or, when
// its files are transferred, in one that holds copies of them.
func executionOf(job *ad.Ad, transfer bool) (x wire.Execution, err error) {
	x = wire.Execution{
		Cmd: job.Text("Cmd"), Iwd: job.Text("Iwd"), Out: notNull(job.Text("Out")), Err: notNull(job.Text("Err")), In: notNull(job.Text("In")),
	}
	if x.Args, err = submit.Argv(job); err != nil {
		return x, err
	}
	if x.Env, err = submit.Environ(job); err != nil {
		return x, err
	}
	if transfer {
		x.Transfer = true
		if transfersExecutable(job) {
			x.Cmd = path.Base(x.Cmd)
		}
		if x.In != "" {
			x.In = path.Base(x.In)
		}
		x.Outputs, x.NoOutput = outputList(job)
		x.Ad = sourceOf(job)
	}
	return x, nil
}

// slotAd is the ad of the slot that a job was given: its part of the machine.
func (d *Daemon) slotAd(worker uint32, job *ad.Ad) *ad.Ad {
	slot := ad.New(4)
	slot.Chain(d.pool.Ad(worker))
	slot.SetInt("Cpus", job.Int("CpusProvisioned", 1))
	slot.SetInt("Memory", job.Int("MemoryProvisioned", 0))
	slot.SetInt("Disk", job.Int("DiskProvisioned", 0))
	slot.SetString("Name", job.Text("RemoteHost"))
	return slot
}

func notNull(p string) string {
	if p == "/dev/null" {
		return ""
	}
	return p
}

// leaseOf is the job's own lease if that is shorter than the worker's; 0 otherwise.
// HTCondor's default of 40 minutes is not a wish.
func (d *Daemon) leaseOf(job *ad.Ad) int64 {
	lease := time.Duration(job.Int("JobLeaseDuration", 0)) * time.Second
	if lease <= 0 || lease >= d.c.WorkerLease {
		return 0
	}
	return lease.Milliseconds()
}

// transfers reports whether the job's files go to the worker and back, or are used
// where they lie.
func (d *Daemon) transfers(job *ad.Ad, worker uint32) bool {
	if job.Int("JobUniverse", 0) == int64(grid.Local) {
		return false
	}
	switch strings.ToUpper(job.Text("ShouldTransferFiles")) {
	case "YES":
		return true
	case "NO":
		return false
	}
	if checkpointOf(job) != nil {
		return true // its checkpoints do
	}
	slot := d.pool.Ad(worker)
	domain := job.Text("FileSystemDomain")
	return slot == nil || domain == "" || !strings.EqualFold(slot.Text("FileSystemDomain"), domain)
}

func transfersExecutable(job *ad.Ad) bool {
	v, ok := job.Literal("TransferExecutable")
	b, isBool := v.Bool()
	return !ok || !isBool || b
}

// outputList is what the job's files say of outputs; none means every new or changed
// one, and nothing is said by an empty list.
func outputList(job *ad.Ad) (names []string, none bool) {
	if !job.Has("TransferOutput") {
		return nil, false
	}
	names = listOf(job.Text("TransferOutput"))
	return names, len(names) == 0
}

func listOf(s string) (out []string) {
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// sourceOf is the job's ad as text, for the sandbox.
func sourceOf(job *ad.Ad) map[string]string {
	out := make(map[string]string, 80)
	for _, n := range job.Names() {
		out[n], _ = job.Source(n)
	}
	return out
}

// inputsOf is what a job's sandbox begins with.
func inputsOf(job *ad.Ad) desk.Inputs {
	in := desk.Inputs{Iwd: job.Text("Iwd"), Files: listOf(job.Text("TransferInput"))}
	if transfersExecutable(job) {
		in.Executable = job.Text("Cmd")
	}
	if stdin := notNull(job.Text("In")); stdin != "" {
		in.Files = append(in.Files, stdin)
	}
	return in
}

// outputsOf is where a job's results belong.
func outputsOf(job *ad.Ad, id grid.JobID, epoch uint32) desk.Outputs {
	o := desk.Outputs{Job: id, Epoch: epoch, Iwd: job.Text("Iwd"), Out: notNull(job.Text("Out")), Err: notNull(job.Text("Err"))}
	if o.Err == o.Out {
		o.Err = "" // they were written as one
	}
	for pair := range strings.SplitSeq(job.Text("TransferOutputRemaps"), ";") {
		if name, to, ok := strings.Cut(pair, "="); ok {
			if o.Remaps == nil {
				o.Remaps = map[string]string{}
			}
			o.Remaps[strings.TrimSpace(name)] = strings.TrimSpace(to)
		}
	}
	return o
}
