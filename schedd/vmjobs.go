package schedd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// vmJobs wishes for the machines of jobs that are machines, and hands the other grid jobs to
// the targets that they ask for.
type vmJobs struct {
	d     *Daemon
	seen  uint64
	idle  map[grid.JobID]bool
	waits map[grid.JobID]string // why, of those that could not be placed; read through asks
	asks  asks
	woken chan struct{} // has one element when there may be a machine to use
}

func newVMJobs(d *Daemon) *vmJobs {
	return &vmJobs{d: d, asks: make(asks), woken: make(chan struct{}, 1)}
}

// wake makes the loop look.
func (w *vmJobs) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

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
		ids := slices.SortedFunc(maps.Keys(w.idle), func(a, b grid.JobID) int { return cmp.Compare(a.Key(), b.Key()) })
		machines, err := w.direct(ctx, ids)
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		for _, id := range machines {
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
		case <-w.woken:
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
	w.d.reload.placing.RLock() // until it is wished for, its resource is there
	defer w.d.reload.placing.RUnlock()
	res := w.d.resourceAt(m.URL)
	switch {
	case res == nil:
		return w.hold(ctx, id, grid.HoldCloudAdmin, "no resource with the URL "+m.URL+" is configured here"+w.known())
	case m.Borrow != "" && !res.borrows(m.Borrow):
		return w.hold(ctx, id, grid.HoldCloudAdmin, fmt.Sprintf("machine %s of %s may not be borrowed: the resource's borrow list does not name it", m.Borrow, res.Name))
	case m.Borrow == "" && !res.Create:
		return w.hold(ctx, id, grid.HoldCloudAdmin, "jobs may not make machines at "+res.Name+": the resource says create = false")
	}
	owner := w.d.ownerOf(v, id)
	if used, err := w.reuse(ctx, id, j, &m, res, owner); used || err != nil {
		if used {
			delete(w.idle, id)
			delete(w.waits, id)
		}
		return err
	}
	// Asked of the view first: a refusal is an entry of the log too, and jobs that wait
	// for room may be many.
	if why := w.d.noRoom(v, res, id, m.Borrow); why != "" {
		w.d.claims.letGo(res.Name)
		w.waits[id] = why
		return nil
	}
	mine, _ := v.Cluster(id.Cluster)
	purses := w.d.purses(res, mine.Owner, false)
	left, err := w.d.left(v, res, purses)
	if err != nil {
		return err
	}
	if why := res.broke(left); why != "" {
		w.waits[id] = why
		return nil
	}
	c := &ledger.Want{
		For: ledger.Made, Resource: res.Name, Borrow: m.Borrow, Cap: uint32(res.MaxVMs), Job: id, Version: j.Version,
		PerOwner: uint32(res.MaxVMsPerUser), PerHour: uint32(res.MaxVMsPerHour),
		Cpus: m.Cpus, MemoryMB: m.MemoryMB, Where: "ovirt " + res.URL + " " + res.Name, Reason: "job " + id.String() + " is the machine",
		Told: true, Terms: res.terms(), Owner: mine.Owner, Purses: purses, Inputs: "the job waited for its machine",
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

// noRoom is why a resource can give no machine for a job now; empty when it may.
func (d *Daemon) noRoom(v *ledger.View, r *Resource, job grid.JobID, borrow string) string {
	mine, _ := v.Cluster(job.Cluster)
	open, owners := 0, 0
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
		if cl, ok := v.Cluster(c.Job.Cluster); ok && c.Kind != ledger.Overflow && cl.Owner == mine.Owner {
			owners++
		}
	}
	switch {
	case r.MaxVMs > 0 && open >= r.MaxVMs:
		return fmt.Sprintf("%s has %d machines of ours, as many as it may have", r.Name, open)
	case r.MaxVMsPerUser > 0 && owners >= r.MaxVMsPerUser:
		return fmt.Sprintf("%s has %d machines of this user, as many as one may have", r.Name, owners)
	case d.hourLeft(v, r) <= 0:
		return fmt.Sprintf("%d machines of %s were wished for within an hour, as many as may be", r.MaxVMsPerHour, r.Name)
	}
	return ""
}

// hourLeft is how many machines of a resource may still be wished for within this hour.
func (d *Daemon) hourLeft(v *ledger.View, r *Resource) int {
	if r.MaxVMsPerHour == 0 {
		return math.MaxInt
	}
	since, n := d.now()-time.Hour.Milliseconds(), 0
	for _, c := range v.Claims() {
		if c.Resource == r.Name && c.Wanted > since {
			n++
		}
	}
	err := d.ledger.Read(func(past *ledger.Reader) error {
		for _, c := range past.PastClaims() {
			if c.Wanted <= since || n >= r.MaxVMsPerHour {
				break
			}
			if c.Resource == r.Name {
				n++
			}
		}
		return nil
	})
	if err != nil {
		return 0 // the ledger would count, and refuse
	}
	return r.MaxVMsPerHour - n
}

// ownerOf is whose a job of the queue is.
func (d *Daemon) ownerOf(v *ledger.View, id grid.JobID) desk.Owner {
	c, _ := v.Cluster(id.Cluster)
	o, _ := v.Owner(c.Owner)
	return desk.Owner(o)
}

// known names the resources there are.
func (w *vmJobs) known() string {
	var names []string
	for i := range w.d.config().Resources {
		names = append(names, w.d.config().Resources[i].URL)
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
