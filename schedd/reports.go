package schedd

import (
	"context"
	"slices"
	"strconv"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
)

// reports gathers what became of attempts, wherever it comes from, and proposes it,
// many at a time.
type reports struct {
	d  *Daemon
	in chan report
}

// report is one attempt's, with what to do when it counts.
type report struct {
	ledger.AttemptReport
	// done is told whether the report counted: false for one that is not of the
	// job's current attempt. It must not wait. It is not called when the daemon ends.
	done func(counted bool)
}

func newReports(d *Daemon) *reports { return &reports{d: d, in: make(chan report, 1024)} }

// add queues a report. It waits when there are very many.
func (r *reports) add(ctx context.Context, rep report) {
	select {
	case r.in <- rep:
	case <-ctx.Done():
	}
}

// said queues a report and waits for whether it counted.
func (r *reports) said(ctx context.Context, a ledger.AttemptReport) (counted bool, err error) {
	done := make(chan bool, 1)
	r.add(ctx, report{AttemptReport: a, done: func(counted bool) { done <- counted }})
	select {
	case counted = <-done:
		return counted, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// batch bounds the reports of one command.
const batch = 500

func (r *reports) run(ctx context.Context) error {
	for {
		var list []report
		select {
		case rep := <-r.in:
			list = append(list, rep)
		case <-ctx.Done():
			return nil
		}
		list = r.gather(list)
		if err := r.propose(ctx, list); err != nil {
			return ignoreEnd(ctx, err)
		}
	}
}

// startWait is how long a start waits for company: the end of a quick job is right behind
// it, and both are one commit then.
const startWait = 2 * time.Millisecond

// gather adds to list what else has come.
func (r *reports) gather(list []report) []report {
	var wait <-chan time.Time
	for len(list) < batch {
		select {
		case rep := <-r.in:
			list = append(list, rep)
			continue
		default:
		}
		if slices.ContainsFunc(list, func(rep report) bool { return rep.Kind != ledger.Started }) {
			return list
		}
		if wait == nil {
			wait = time.After(startWait)
		}
		select {
		case rep := <-r.in:
			list = append(list, rep)
		case <-wait:
			return list
		}
	}
	return list
}

func (r *reports) propose(ctx context.Context, list []report) error {
	v := r.d.ledger.View()
	c := &ledger.Report{List: make([]ledger.AttemptReport, len(list))}
	for i := range list {
		a := &list[i].AttemptReport
		j, _ := v.Job(a.Job)
		node := j.Flags&ledger.Several != 0 && a.Kind == ledger.Ended // which decides nothing by itself
		if !node && (a.Kind == ledger.Ended && a.Verdict != ledger.TakeOver || a.Kind == ledger.Taken) && a.Verdict != ledger.Park {
			r.d.judge(v, a)
		}
		if a.Kind == ledger.Stopped || a.Kind == ledger.Vanished {
			r.d.onceOnly(v, a)
		}
		c.List[i] = *a
	}
	failpoint.Hit("report.propose.before")
	res, err := r.d.propose(ctx, c)
	if err != nil {
		return err
	}
	failpoint.Hit("report.propose.after")
	for i, counted := range res.Value.([]bool) {
		if list[i].done != nil {
			list[i].done(counted)
		}
	}
	return nil
}

// fromWorker is a worker's report in the ledger's words. ok is false for one that
// says nothing new.
func fromWorker(w *wire.Report, host string) (a ledger.AttemptReport, ok bool) {
	a = ledger.AttemptReport{
		Job: w.Job, Epoch: w.Epoch, Reason: w.Reason, Where: host, Vacate: w.Vacate,
		Exit: ledger.Exit{
			Code: w.Code, Signal: w.Signal, WallMS: w.Usage.WallMS, UserMS: w.Usage.UserMS, SysMS: w.Usage.SysMS,
			MaxRSSKB: w.Usage.MaxRSSKB, Sent: w.Usage.Sent, Received: w.Usage.Received,
		},
	}
	switch w.Kind {
	case wire.Started:
		a.Kind = ledger.Started
	case wire.Exited:
		a.Kind, a.Verdict = ledger.Ended, ledger.Complete
		if w.Staged != nil {
			a.Verdict = ledger.TakeOver
			a.Attrs = append(a.Attrs, ledger.Attr{Name: stagedAttr, Expr: ad.Quote(w.Staged.SHA256)})
		}
	case wire.Failed:
		a.Kind, a.HoldCode, a.HoldSub, a.Reason = ledger.Failed, w.Hold.Code, w.Hold.Subcode, w.Hold.Reason
	case wire.Killed:
		a.Kind = ledger.Stopped
		if a.Vacate == 0 {
			a.Vacate = grid.VacateUser
		}
	case wire.Lost:
		a.Kind = ledger.Vanished
		if a.Vacate == 0 {
			a.Vacate = grid.VacateStarter
		}
	default:
		return a, false
	}
	if a.Kind != ledger.Started {
		a.Attrs = append(a.Attrs, usageAttrs(&a.Exit)...)
	}
	return a, true
}

// stagedAttr keeps, while a job's outputs are being put in place, which stream they
// are.
const stagedAttr = ledger.StagedAttr

func usageAttrs(x *ledger.Exit) []ledger.Attr {
	seconds := func(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64) }
	as := []ledger.Attr{
		{Name: "RemoteUserCpu", Expr: seconds(x.UserMS)},
		{Name: "RemoteSysCpu", Expr: seconds(x.SysMS)},
		{Name: "LastRemoteWallClockTime", Expr: seconds(x.WallMS)},
	}
	if x.MaxRSSKB > 0 {
		as = append(as,
			ledger.Attr{Name: "ResidentSetSize", Expr: strconv.FormatInt(x.MaxRSSKB, 10)},
			ledger.Attr{Name: "MemoryUsage", Expr: strconv.FormatInt((x.MaxRSSKB+1023)/1024, 10)})
	}
	if x.Sent > 0 || x.Received > 0 {
		as = append(as,
			ledger.Attr{Name: "BytesRecvd", Expr: strconv.FormatInt(x.Received, 10) + ".0"},
			ledger.Attr{Name: "BytesSent", Expr: strconv.FormatInt(x.Sent, 10) + ".0"})
	}
	return as
}
