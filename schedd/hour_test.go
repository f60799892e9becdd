package schedd

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
	"gridburst/schedd/serve"
)

// hour is a schedd without its sockets, an engine, and workers that the test plays, all by
// a clock that only goes on when nobody has anything to do.
type hour struct {
	t      *testing.T
	d      *Daemon
	engine *fake.Engine
	rnd    *rand.Rand
	joined map[uint32]uint32 // by claim: its worker
	ends   map[grid.JobID]time.Time
	takes  func(grid.JobID) time.Duration // how long a job runs
	flows  int                            // workflows that were begun
}

// prices are the resources of the hour, and how their budgets bound them.
func prices() []Resource {
	burst := func(cores, memory, most int) *Burst {
		return &Burst{
			Template: conform.Worker, Cores: cores, MemoryMB: int64(memory), MaxVMs: most, Idle: time.Minute, BootTime: 90 * time.Second,
			JoinTimeout: 10 * time.Minute, Schedd: "https://schedd.test:9618",
		}
	}
	return []Resource{
		{
			Name: "small", URL: "https://engine.test/ovirt-engine/api", Username: "grid@internal", PasswordFile: "/pwd", MaxVMs: 9,
			Price: 0.6, Currency: "EUR", BillingPeriod: 10 * time.Minute,
			Budget: []Allowance{{"hour", 4_200_000, "EUR"}, {"day", 6_000_000, "EUR"}}, Burst: burst(2, 2048, 8),
		},
		{
			Name: "large", URL: "https://engine.test/ovirt-engine/api", Username: "grid@internal", PasswordFile: "/pwd", MaxVMs: 3, MaxVMsPerHour: 5,
			Price: 2, Currency: "EUR", BillingPeriod: time.Hour, Budget: []Allowance{{"burst", 4_000_000, "EUR"}, {"owner", 2_000_000, "EUR"}}, Burst: burst(8, 8192, 3),
		},
	}
}

// wholeBudget is the budget of both resources together.
const wholeBudget = 9_000_000

// An hour of bursts within caps and budgets, by a clock of its own: at each instant, with
// each machine counted from the wish for it to the proof that it is gone, there are no more
// of them than may be, and what they cost is covered.
func TestAnHourOfBurstsKeepsToCapsAndBudgets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newHour(t, dir)
		end := h.run()
		// Whatever the dice say, there is more to do than the caps allow, a creation whose
		// outcome is not known, and one that is refused.
		h.submit(12, 1000, 2)
		h.submit(12, 1001, 3)
		h.engine.Add(fake.Rule{Verbs: []fake.Verb{fake.Create}, After: 2, Times: 1, Lost: true})
		h.engine.Add(fake.Rule{Verbs: []fake.Verb{fake.Create}, After: 6, Times: 1, Kind: gahp.Quota})
		for range 3000 { // the rest is for the last jobs, and to clean up
			h.second()
			time.Sleep(time.Second)
		}
		h.clean()
		h.receipts()
		end()
		if !t.Failed() {
			h.judge()
		}
	})
}

func newHour(t *testing.T, dir string) *hour {
	t.Helper()
	h := &hour{t: t, rnd: rand.New(rand.NewPCG(5, 3)), joined: map[uint32]uint32{}, ends: map[grid.JobID]time.Time{}}
	h.takes = func(id grid.JobID) time.Duration { // a matter of the job alone: jobs begin in any order
		return time.Duration(60+rand.New(rand.NewPCG(uint64(id.Cluster), uint64(id.Proc))).IntN(300)) * time.Second
	}
	h.engine = fake.New(fake.Config{Inventory: conform.Stock(), Lock: 5 * time.Second, Launch: 10 * time.Second, Boot: 60 * time.Second, PowerOff: 5 * time.Second, Remove: 5 * time.Second})
	log := logrus.New()
	log.SetOutput(io.Discard)
	var err error
	h.d, err = New(Config{
		Dir: dir, Socket: filepath.Join(dir, "s"), Name: "grid", Host: "host", Domain: "dom", Resources: prices(), Budget: []Allowance{{"day", wholeBudget, "EUR"}},
		Engine: func(Credential) (gahp.Provider, error) { return gahp.Fenced(h.engine), nil },
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// run starts what a schedd does but for what speaks to others.
func (h *hour) run() (end func()) {
	h.t.Helper()
	if err := h.d.open(); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var parts, file sync.WaitGroup
	file.Go(func() {
		if err := h.d.ledger.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	if err := h.d.begin(ctx); err != nil {
		h.t.Fatal(err)
	}
	h.d.dags.lower = lowered
	for _, part := range []func(context.Context) error{h.d.dispatch.run, h.d.claims.run, h.d.sweep, h.d.dags.run} {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				h.t.Error(err)
			}
		})
	}
	return func() {
		cancel()
		parts.Wait()
		h.d.engines.close()
		file.Wait()
		h.d.desks.Close()
		if err := h.d.ledger.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

func (h *hour) propose(b ledger.Body) ledger.Result {
	h.t.Helper()
	r, err := h.d.propose(h.t.Context(), b)
	if err != nil && grid.CodeOf(err) != grid.Conflict {
		h.t.Fatal(err)
	}
	return r
}

// second is what happens in one: jobs come, workers join, jobs begin and end, engines fail.
func (h *hour) second() {
	if h.rnd.IntN(90) == 0 {
		h.submit(1+h.rnd.IntN(12), uint32(1000+h.rnd.IntN(2)), 1+h.rnd.IntN(3))
	}
	if h.rnd.IntN(500) == 0 {
		h.workflow(1+h.rnd.IntN(8), uint32(1000+h.rnd.IntN(2)))
	}
	if h.rnd.IntN(200) == 0 {
		h.engine.Add(fake.Rule{Verbs: []fake.Verb{fake.Create}, Times: 1, Lost: true})
	}
	if h.rnd.IntN(600) == 0 {
		h.engine.Add(fake.Rule{Verbs: []fake.Verb{fake.Create}, Times: 1, Kind: gahp.Quota})
	}
	h.workers()
}

func (h *hour) submit(jobs int, uid uint32, cpus int) {
	h.t.Helper()
	specs, err := jobSpecs(jobs, cpus)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err = h.d.Submit(h.t.Context(), serve.Identity{Name: "user", UID: uid, Admin: true}, api.Submission{Specs: specs}); err != nil {
		h.t.Fatal(err)
	}
}

// workers are played: a machine that is up joins, a job that is placed runs for a while.
func (h *hour) workers() {
	v := h.d.ledger.View()
	up := map[string]bool{}
	for _, m := range h.engine.Machines() {
		up[m.Name] = m.State == gahp.Up
	}
	for id, c := range v.Claims() {
		if c.State == grid.ClaimBooting && up[c.Name] && h.joined[id] == 0 {
			worker := h.propose(&ledger.SeeWorker{Worker: ledger.Worker{Name: c.Name, Boot: "boot", Claim: id}}).Value.(uint32)
			attrs := h.d.resource(c.Resource).Burst.offer()
			if err := h.d.pool.Connect(worker, pool.Info{Name: c.Name, Boot: "boot", Claim: id, Attrs: attrs}, time.Now()); err != nil {
				h.t.Fatal(err)
			}
			h.joined[id] = worker
			h.d.claims.poke(id)
		}
	}
	for id, worker := range h.joined {
		if c, open := v.Claim(id); worker != 0 && (!open || c.State == grid.ClaimStopping) {
			h.d.pool.Disconnect(worker, time.Now())
			delete(h.joined, id)
		}
	}
	for cluster := range v.Clusters(0) {
		for s := range v.Stretches(grid.WholeCluster(cluster)) {
			if s.Job.Place == ledger.OnSlot {
				h.work(s.Run.First(), &s.Job)
			}
		}
	}
}

func (h *hour) work(id grid.JobID, j *ledger.Job) {
	report := ledger.AttemptReport{Job: id, Epoch: j.Epoch, Kind: ledger.Started, Where: "a machine"}
	switch end, begun := h.ends[id]; {
	case !begun:
		h.ends[id] = time.Now().Add(h.takes(id))
	case time.Now().After(end):
		report.Kind, report.Verdict = ledger.Ended, ledger.Complete
	default:
		return
	}
	reports := []ledger.AttemptReport{report}
	if g, ok := h.d.ledger.View().Gang(id); ok {
		for i := range g.Nodes[1:] {
			report.Epoch = grid.NodeEpoch(j.Epoch, i+1)
			reports = append(reports, report)
		}
		if report.Kind == ledger.Ended {
			reports = append(reports, ledger.AttemptReport{Job: id, Epoch: j.Epoch, Kind: ledger.Taken, Verdict: ledger.Complete})
		}
	}
	h.propose(&ledger.Report{List: reports})
}

// clean removes what waits, and goes on until no machine is left.
func (h *hour) clean() {
	h.t.Helper()
	for range 3600 {
		v := h.d.ledger.View()
		if len(h.ends) > 0 && v.Tally(0) != (ledger.Tally{}) {
			h.propose(&ledger.Act{Verb: grid.Remove, Runs: idleRuns(v), Reason: "the hour is over"})
		}
		h.workers()
		open := 0
		for range v.Claims() {
			open++
		}
		if open == 0 && len(h.engine.Machines()) == len(conform.Stock().Machines) {
			return
		}
		time.Sleep(time.Second)
	}
	for id, c := range h.d.ledger.View().Claims() {
		h.t.Errorf("an hour later there is claim %d: %+v", id, *c)
	}
	h.t.Errorf("and at the engine there are %d machines; the queue holds %v", len(h.engine.Machines()), h.d.ledger.View().Tally(0))
}

// receipts are of the bursts of the hour, all of which are over.
func (h *hour) receipts() {
	h.t.Helper()
	out, err := h.d.BurstReceipts(h.t.Context(), serve.Identity{}, api.ReceiptsQuery{})
	if err != nil || len(out.Bursts) == 0 {
		h.t.Fatalf("receipts: %+v (%v)", out, err)
	}
	runs := 0
	for _, r := range out.Bursts {
		runs += int(r.Runs)
		if r.Gone < r.Began || r.Used > r.Started || r.Started > r.Asked || r.Most > r.Asked || r.Busy > r.Minutes || math.Abs(r.Busy+r.Idle-r.Minutes) > 0.02 ||
			r.Used > 0 && (r.Busy == 0 || r.Cost == 0) || r.Currency != "EUR" {
			h.t.Errorf("a receipt: %+v", r)
		}
	}
	if runs != len(h.ends) {
		h.t.Errorf("%d jobs have run, and the receipts know of %d", len(h.ends), runs)
	}
}

func idleRuns(v *ledger.View) (runs []grid.Run) {
	for cluster := range v.Clusters(0) {
		for s := range v.Stretches(grid.WholeCluster(cluster)) {
			if s.Job.Status == grid.Idle && !s.Job.Attempt() {
				runs = append(runs, s.Run)
			}
		}
	}
	return runs
}
