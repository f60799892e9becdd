package schedd

import (
	"context"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// resumeNodes finds nodes whose outputs were to be put in place when the daemon ended.
func (t *takeovers) resumeNodes(v *ledger.View) {
	for id, g := range v.Gangs() {
		for i := range g.Nodes {
			if n := &g.Nodes[i]; n.State == ledger.GangExits {
				t.begin(takeover{job: id, epoch: grid.NodeEpoch(g.Epoch, i), worker: n.Worker, sha256: n.Staged})
			}
		}
	}
}

// doNode puts the outputs of one node into place, while the attempt may still count.
func (t *takeovers) doNode(ctx context.Context, o takeover, v *ledger.View, j *ledger.Job) {
	if o.closes {
		t.close(ctx, o, v, j)
		return
	}
	_, node, ok := v.OnSlot(o.job, o.epoch, o.worker)
	g, _ := v.Gang(o.job)
	if !ok || node.State != ledger.GangExits && o.failed == nil {
		t.forget(o)
		t.d.conns.forget(o.worker, o.job, o.epoch)
		return
	}
	job, err := t.d.attemptAd(v, o.job, o.epoch, node)
	if err != nil {
		t.d.log.WithError(err).WithField("job", o.job).Error("outputs cannot be taken over")
		t.forget(o)
		return
	}
	owner := t.ownerOf(v, o.job)
	out := outputsOf(job, o.job, o.epoch)
	out.SHA256, out.Node = o.sha256, true
	a := ledger.AttemptReport{Kind: ledger.Delivered}
	if o.failed != nil {
		a, _ = fromWorker(o.failed, "")
	}
	if g.Over.Kind == ledger.TakeOver && j.Status != grid.Held && j.Status != grid.Removed {
		if err := t.commit(ctx, owner, out); err != nil {
			if code := grid.CodeOf(err); ctx.Err() != nil || code == grid.Unavailable || code == grid.Unknown {
				t.later(ctx, o)
				return
			}
			a = ledger.AttemptReport{Kind: ledger.Delivered, Verdict: ledger.Park, HoldCode: grid.HoldOutput, Reason: grid.MessageOf(err)}
		}
	}
	t.end(ctx, o, owner, out, a)
}

// close ends a job of several nodes that has ended by itself, when nothing of any node is
// left.
func (t *takeovers) close(ctx context.Context, o takeover, v *ledger.View, j *ledger.Job) {
	g, ok := v.Gang(o.job)
	if !ok || j.Epoch != o.epoch || !g.Done() {
		t.forget(o)
		return
	}
	job, err := t.d.ads.Job(v, o.job)
	if err != nil {
		t.d.log.WithError(err).WithField("job", o.job).Error("a job of several nodes cannot be ended")
		t.forget(o)
		return
	}
	// What was staged by nodes that were ended in the midst of it.
	out := outputsOf(job, o.job, grid.NodeEpoch(o.epoch, len(g.Nodes)-1))
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	if err := t.d.desks.DropOutputs(limited, t.ownerOf(v, o.job), out); err != nil && ctx.Err() == nil {
		t.d.log.WithError(err).WithField("job", o.job).Warn("staged outputs are left behind")
	}
	failpoint.Hit("takeover.close.before")
	exit := g.Total()
	a := ledger.AttemptReport{Job: o.job, Epoch: o.epoch, Kind: ledger.Taken, Exit: exit, Attrs: append(usageAttrs(&exit), committed(job)...)}
	t.d.reports.add(ctx, report{AttemptReport: a, done: func(bool) { t.forget(o) }})
}
