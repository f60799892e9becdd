package schedd

import (
	"context"
	"sync"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
)

// takeovers puts the outputs of attempts that have exited into place, and then lets
// their jobs end. Every step may be repeated; after a restart the queue says which
// jobs are in the midst of it.
type takeovers struct {
	d    *Daemon
	more chan struct{} // has one element when there is one to begin

	wg sync.WaitGroup // what run waits for

	mu   sync.Mutex
	due  []takeover // each is there until it is done: nobody asks for it again
	busy map[takeoverKey]bool
	over bool // nothing more is begun
}

type takeover struct {
	job    grid.JobID
	epoch  uint32
	worker uint32
	sha256 string
	failed *wire.Report // the job is to be held, with this reason
	closes bool         // all nodes of the job are over, and it is to end
}

type takeoverKey struct {
	job    grid.JobID
	epoch  uint32
	closes bool
}

func (o *takeover) key() takeoverKey { return takeoverKey{o.job, o.epoch, o.closes} }

func newTakeovers(d *Daemon) *takeovers {
	return &takeovers{d: d, more: make(chan struct{}, 1), busy: map[takeoverKey]bool{}}
}

// begin asks for a takeover; one that is on its way already is not begun again.
func (t *takeovers) begin(o takeover) {
	key := o.key()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[key] {
		return
	}
	t.busy[key] = true
	t.due = append(t.due, o)
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// next takes the takeover that has waited the longest.
func (t *takeovers) next() (o takeover, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.due) == 0 {
		return o, false
	}
	o = t.due[0]
	if t.due = t.due[1:]; len(t.due) == 0 {
		t.due = nil
	}
	return o, true
}

func (t *takeovers) forget(o takeover) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, o.key())
}

// atOnce bounds the takeovers that run at one time.
const atOnce = 16

func (t *takeovers) run(ctx context.Context) error {
	t.resume()
	defer func() {
		t.mu.Lock()
		t.over = true
		t.mu.Unlock()
		t.wg.Wait()
	}()
	slots := make(chan struct{}, atOnce)
	for {
		o, ok := t.next()
		if !ok {
			select {
			case <-ctx.Done():
				return nil
			case <-t.more:
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		t.spawn(func() {
			defer func() { <-slots }()
			t.do(ctx, o)
		})
	}
}

// spawn does something beside, unless everything ends and nothing could be done any more.
func (t *takeovers) spawn(do func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.wg.Go(do)
	}
}

// resume finds jobs that were in the midst of it when the daemon ended.
func (t *takeovers) resume() {
	v := t.d.ledger.View()
	t.resumeNodes(v)
	for id := range v.Clusters(0) {
		for s := range v.Stretches(grid.WholeCluster(id)) {
			if s.Job.Status != grid.TransferringOutput || s.Job.Place != ledger.OnSlot || s.Job.Flags&ledger.Several != 0 {
				continue
			}
			job, err := t.d.ads.Job(v, s.Run.First())
			if err != nil {
				continue // its worker will tell
			}
			t.begin(takeover{job: s.Run.First(), epoch: s.Job.Epoch, worker: s.Job.At, sha256: job.Text(stagedAttr)})
		}
	}
}

// deskLimit bounds one commit or drop.
const deskLimit = 2 * time.Minute

// do puts one attempt's outputs into place.
func (t *takeovers) do(ctx context.Context, o takeover) {
	v := t.d.ledger.View()
	j, ok := v.Job(o.job)
	if !ok {
		t.forget(o)
		t.d.conns.forget(o.worker, o.job, o.epoch)
		return
	}
	if j.Flags&ledger.Several != 0 {
		t.doNode(ctx, o, v, &j)
		return
	}
	job, err := t.d.ads.Job(v, o.job)
	if err != nil {
		t.d.log.WithError(err).WithField("job", o.job).Error("outputs cannot be taken over")
		t.forget(o)
		return
	}
	owner := t.ownerOf(v, o.job)
	out := outputsOf(job, o.job, o.epoch)
	out.SHA256 = o.sha256
	if j.Epoch != o.epoch || !j.Attempt() || j.Status == grid.Held || j.Status == grid.Removed {
		t.done(ctx, o, owner, out) // nobody wants them any more
		return
	}
	if err := t.commit(ctx, owner, out); err != nil {
		if code := grid.CodeOf(err); ctx.Err() != nil || code == grid.Unavailable || code == grid.Unknown {
			t.later(ctx, o) // the files do not answer, or nobody knows: it may be repeated
			return
		}
		t.end(ctx, o, owner, out, ledger.AttemptReport{
			Kind: ledger.Taken, Verdict: ledger.Park, HoldCode: grid.HoldOutput, Reason: grid.MessageOf(err),
		})
		return
	}
	if o.failed != nil {
		a, _ := fromWorker(o.failed, "")
		t.end(ctx, o, owner, out, a)
		return
	}
	t.end(ctx, o, owner, out, ledger.AttemptReport{Kind: ledger.Taken, Exit: exitOf(job, &j), Attrs: committed(job)})
}

func (t *takeovers) commit(ctx context.Context, owner desk.Owner, out desk.Outputs) error {
	failpoint.Hit("takeover.commit.before")
	ctx, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	err := t.d.desks.CommitOutputs(ctx, owner, out)
	if err == nil {
		failpoint.Hit("takeover.commit.after")
	}
	return err
}

// later tries again after a while.
func (t *takeovers) later(ctx context.Context, o takeover) {
	t.d.log.WithField("job", o.job).Warn("outputs cannot be put in place now")
	time.AfterFunc(10*time.Second, func() {
		t.forget(o)
		if ctx.Err() == nil {
			t.begin(o)
		}
	})
}

// end reports what came of it.
func (t *takeovers) end(ctx context.Context, o takeover, owner desk.Owner, out desk.Outputs, a ledger.AttemptReport) {
	a.Job, a.Epoch = o.job, o.epoch
	a.Attrs = append(a.Attrs, ledger.Attr{Name: stagedAttr})
	t.d.reports.add(ctx, report{AttemptReport: a, done: func(bool) {
		t.spawn(func() { t.done(ctx, o, owner, out) })
	}})
}

// done lets worker and desk forget the attempt.
func (t *takeovers) done(ctx context.Context, o takeover, owner desk.Owner, out desk.Outputs) {
	t.forget(o)
	t.d.conns.forget(o.worker, o.job, o.epoch)
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	if err := t.d.desks.DropOutputs(limited, owner, out); err != nil && ctx.Err() == nil {
		t.d.log.WithError(err).WithField("job", o.job).Warn("staged outputs are left behind")
	}
}

func (t *takeovers) ownerOf(v *ledger.View, id grid.JobID) desk.Owner {
	c, _ := v.Cluster(id.Cluster)
	owner, _ := v.Owner(c.Owner)
	return desk.Owner(owner)
}

// exitOf is what the queue remembers of an execution that has exited.
func exitOf(job *ad.Ad, j *ledger.Job) ledger.Exit {
	ms := func(name string) int64 {
		v, _ := job.Literal(name)
		f, _ := v.Number()
		return int64(f * 1000)
	}
	bytes := func(name string) int64 {
		v, _ := job.Literal(name)
		f, _ := v.Number()
		return int64(f)
	}
	return ledger.Exit{
		Code: j.Exit, Signal: j.Flags&ledger.BySignal != 0,
		WallMS: ms("LastRemoteWallClockTime"), UserMS: ms("RemoteUserCpu"), SysMS: ms("RemoteSysCpu"),
		MaxRSSKB: job.Int("ResidentSetSize", 0), Sent: bytes("BytesSent"), Received: bytes("BytesRecvd"),
	}
}
