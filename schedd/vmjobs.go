package schedd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// vmJobs wishes for the machines of jobs that are machines.
type vmJobs struct {
	d     *Daemon
	seen  uint64
	idle  map[grid.JobID]bool
	waits map[grid.JobID]string // why, of those that could not be placed; read through asks
	asks  asks
}

func newVMJobs(d *Daemon) *vmJobs { return &vmJobs{d: d, asks: make(asks)} }

// again is how often jobs that found no room are looked at without an event.
const again = 5 * time.Second

func (w *vmJobs) run(ctx context.Context) error {
	w.rebuild()
	timer := time.NewTimer(again)
	defer timer.Stop()
	for {
		if err := w.follow(ctx); err != nil {
			return ignoreEnd(ctx, err)
		}
		for _, id := range slices.SortedFunc(maps.Keys(w.idle), func(a, b grid.JobID) int { return cmp.Compare(a.Key(), b.Key()) }) {
			if err := w.want(ctx, id); err != nil {
				return ignoreEnd(ctx, err)
			}
		}
		timer.Reset(again)
		select {
		case <-ctx.Done():
			return nil
		case <-w.d.ledger.Changed(w.seen):
		case <-timer.C:
		case f := <-w.asks:
			f()
		}
	}
}

func (w *vmJobs) rebuild() {
	v := w.d.ledger.View()
	w.seen, w.idle, w.waits = v.Index, map[grid.JobID]bool{}, map[grid.JobID]string{}
	for id, c := range v.Clusters(0) {
		if c.Universe == grid.Grid {
			w.look(v, grid.WholeCluster(id))
		}
	}
}

func (w *vmJobs) follow(ctx context.Context) error {
	rebuild := func() error { w.rebuild(); return nil }
	return w.d.follow(ctx, &w.seen, rebuild, func(v *ledger.View, events []ledger.Event) error {
		if slices.ContainsFunc(events, func(e ledger.Event) bool { return e.Type == ledger.QueueCleared }) {
			w.rebuild() // what was removed all at once is not named
			return nil
		}
		for r := range jobsOf(events) {
			if c, ok := v.Cluster(r.Cluster); !ok || c.Universe == grid.Grid {
				w.look(v, r)
			}
		}
		return nil
	})
}

// look brings what is known of jobs up to date.
func (w *vmJobs) look(v *ledger.View, r grid.Run) {
	for id := range w.idle {
		if r.Has(id) {
			delete(w.idle, id)
			delete(w.waits, id)
		}
	}
	for s := range v.Stretches(r) {
		if s.Job.Status != grid.Idle || s.Job.Attempt() {
			continue
		}
		for p := s.Run.Lo; p < s.Run.Hi; p++ {
			w.idle[grid.JobID{Cluster: r.Cluster, Proc: p}] = true
		}
	}
}

// want wishes for one job's machine, or holds the job when there can be none.
func (w *vmJobs) want(ctx context.Context, id grid.JobID) error {
	v := w.d.ledger.View()
	j, ok := v.Job(id)
	if !ok || j.Status != grid.Idle || j.Attempt() {
		return nil // its event is on its way
	}
	job, err := w.d.ads.Job(v, id)
	if err != nil {
		w.waits[id] = grid.MessageOf(err)
		return nil
	}
	m, err := submit.MachineOf(job)
	if err != nil {
		return w.hold(ctx, id, grid.HoldCloudUser, grid.MessageOf(err))
	}
	res := w.d.resourceAt(m.URL)
	switch {
	case res == nil:
		return w.hold(ctx, id, grid.HoldCloudAdmin, "no resource with the URL "+m.URL+" is configured here"+w.known())
	case m.Borrow != "" && !res.borrows(m.Borrow):
		return w.hold(ctx, id, grid.HoldCloudAdmin, fmt.Sprintf("machine %s of %s may not be borrowed: the resource's borrow list does not name it", m.Borrow, res.Name))
	case m.Borrow == "" && !res.Create:
		return w.hold(ctx, id, grid.HoldCloudAdmin, "jobs may not make machines at "+res.Name+": the resource says create = false")
	}
	// Asked of the view first: a refusal is an entry of the log too, and jobs that wait
	// for room may be many.
	if why := noRoom(v, res, m.Borrow); why != "" {
		w.waits[id] = why
		return nil
	}
	c := &ledger.Want{
		For: ledger.Made, Resource: res.Name, Borrow: m.Borrow, Cap: uint32(res.MaxVMs), Job: id, Version: j.Version,
		Cpus: m.Cpus, MemoryMB: m.MemoryMB, Where: "ovirt " + res.URL + " " + res.Name, Reason: "job " + id.String() + " is the machine",
	}
	if m.Borrow != "" {
		c.For = ledger.Borrowed
	}
	_, err = w.d.propose(ctx, c)
	switch grid.CodeOf(err) {
	case "":
		delete(w.idle, id)
		delete(w.waits, id)
	case grid.Refused, grid.Exists:
		w.waits[id] = grid.MessageOf(err)
	case grid.Conflict:
	default:
		return err
	}
	return nil
}

// noRoom is why a resource can give no machine now; empty when it may.
func noRoom(v *ledger.View, r *Resource, borrow string) string {
	open := 0
	for id, c := range v.Claims() {
		if c.Resource != r.Name {
			continue
		}
		if !failpoint.ReadyCap || c.State == grid.ClaimReady {
			open++
		}
		if borrow != "" && c.Kind == ledger.Borrowed && c.Name == borrow {
			return fmt.Sprintf("machine %s of %s is lent to job %s (claim %d)", borrow, r.Name, c.Job, id)
		}
	}
	if r.MaxVMs > 0 && open >= r.MaxVMs {
		return fmt.Sprintf("%s has %d machines of ours, as many as it may have", r.Name, open)
	}
	return ""
}

// known names the resources there are.
func (w *vmJobs) known() string {
	var names []string
	for i := range w.d.c.Resources {
		names = append(names, w.d.c.Resources[i].URL)
	}
	if len(names) == 0 {
		return ": there is none at all"
	}
	return ": there is " + strings.Join(names, ", ")
}

func (w *vmJobs) hold(ctx context.Context, id grid.JobID, code grid.HoldCode, why string) error {
	_, err := w.d.propose(ctx, &ledger.Act{Verb: grid.Hold, Runs: []grid.Run{grid.OneJob(id)}, Code: code, Reason: why})
	return err
}

// why says what an idle job waits for.
func (w *vmJobs) why(ctx context.Context, id grid.JobID) (text string) {
	_ = w.asks.do(ctx, func() { text = w.waits[id] }) // whoever has gone is told nothing
	return text
}
