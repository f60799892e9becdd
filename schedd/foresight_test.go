package schedd

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/dag"
	"gridburst/gahp/conform"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
)

// jobSpecs is a submission of jobs that take so many cpus each.
func jobSpecs(jobs, cpus int) ([]submit.Spec, error) {
	text := fmt.Sprintf("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 500\nrequest_cpus = %d\nqueue %d\n", cpus, jobs)
	site := submit.Site{Dir: "/", Env: os.Environ(), Now: time.Now(), Owner: "me", FileSystemDomain: "dom", Arch: "X86_64", OpSys: "LINUX"}
	specs, diags := submit.Lower("job.sub", []byte(text), site, osFiles{})
	return specs, diags.Err()
}

// lowered reads the job files of the hour's workflows, which are nowhere: each is one job.
func lowered(context.Context, desk.Owner, jobfile.Request) ([]submit.Spec, error) {
	return jobSpecs(1, 1)
}

// graph is a workflow: a node, as many side by side, one, and two more in a row.
func (h *hour) graph(wide int) *dag.Graph {
	h.t.Helper()
	b := dag.NewBuilder("flow")
	node := func(name, file string, parents ...int32) int32 {
		i, _ := b.Add(dag.Node{Name: name, File: file + ".sub"})
		b.Order(parents, []int32{i})
		return i
	}
	split := node("split", "split")
	var works []int32
	for i := range wide {
		works = append(works, node(fmt.Sprint("work", i), "work", split))
	}
	node("last", "tail", node("tail", "tail", node("merge", "merge", works...)))
	g, err := b.Graph()
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

// workflow begins a run of one.
func (h *hour) workflow(wide int, uid uint32) uint32 {
	h.t.Helper()
	g := h.graph(wide)
	h.flows++
	id, err := h.d.startDag(h.t.Context(), ledger.Command{By: byUser(uid), Key: fmt.Sprint("flow", h.flows)}, &ledger.StartDag{
		Owner: ledger.Owner{Name: "user", UID: uid}, File: "/flows/flow.hcl", Dir: "/flows", // of an HCL file nothing is written at its end
	}, g)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// until lets seconds go by until something is so, within an hour.
func (h *hour) until(what string, ok func(v *ledger.View) bool) {
	h.t.Helper()
	for range 3600 {
		if ok(h.d.ledger.View()) {
			return
		}
		h.workers()
		time.Sleep(time.Second)
	}
	h.t.Fatalf("within an hour it is not so that %s", what)
}

// clusters are how many of a run's nodes are in the queue.
func clusters(v *ledger.View, run uint32) (n int) {
	for _, c := range v.Clusters(0) {
		if c.Dag == run {
			n++
		}
	}
	return n
}

// ended: a run is over.
func ended(run uint32) func(*ledger.View) bool {
	return func(v *ledger.View) bool { _, live := v.Dag(run); return !live }
}

// learns has the hour one resource without a price, whose machines are kept for as long as is
// worth while.
func (h *hour) learns() {
	h.t.Helper()
	h.d.c.Resources, h.d.c.Budget = []Resource{{
		Name: "lab", URL: "https://engine.test/ovirt-engine/api", Username: "grid@internal", PasswordFile: "/pwd", MaxVMs: 9,
		Burst: &Burst{Template: conform.Worker, Cores: 2, MemoryMB: 2048, BootTime: 90 * time.Second, JoinTimeout: 10 * time.Minute, Schedd: "https://schedd.test:9618"},
	}}, nil
	if err := h.d.c.complete(); err != nil {
		h.t.Fatal(err)
	}
}

// working are the open claims whose machines are not on their way out.
func working(v *ledger.View) (n int) {
	for _, c := range v.Claims() {
		if c.State != grid.ClaimStopping && c.State != grid.ClaimDraining {
			n++
		}
	}
	return n
}

// A schedd that has run a workflow once has machines for the next one's nodes before they are
// ready, says so, and lets them go with the tail of its graph.
func TestMachinesAreThereForNodesToComeAndGoWithTheTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newHour(t, dir)
		h.learns()
		h.takes = func(id grid.JobID) time.Duration {
			c, _ := h.d.ledger.View().Cluster(id.Cluster)
			switch {
			case c.Node == 0:
				return 250 * time.Second
			case c.Node <= 6:
				return 400 * time.Second
			}
			return 30 * time.Second
		}
		end := h.run()
		defer end()
		// Of the first nothing is known but its graph: that tells of its tail.
		run := h.workflow(6, 1000)
		h.until("the six run", func(*ledger.View) bool { return h.d.dispatch.runsNow(t) == 6 })
		h.until("one node is left", func(v *ledger.View) bool { return clusters(v, run) == 1 && h.d.dispatch.runsNow(t) == 1 })
		h.until("one machine is", func(v *ledger.View) bool {
			if h.d.dispatch.runsNow(t) != 1 {
				t.Fatal("the node was over first")
			}
			return working(v) == 1
		})
		h.until("it is done", ended(run))
		h.until("all machines are gone", func(v *ledger.View) bool { return working(v) == 0 })
		run = h.workflow(6, 1000)
		h.until("its first node runs", func(v *ledger.View) bool { return clusters(v, run) == 1 && h.d.dispatch.runsNow(t) == 1 })
		h.until("machines are there or on their way for the six behind it", func(v *ledger.View) bool {
			if clusters(v, run) > 1 {
				t.Fatal("nothing was started before they were ready")
			}
			return working(v) >= 3
		})
		text := fmt.Sprintf("of workflow %d will be ready in about ", run)
		if why := h.lastStart(); !strings.Contains(why, text) {
			t.Errorf("the last start is explained by %q", why)
		}
		h.until("the first three are up, before the six are ready", func(v *ledger.View) bool {
			if clusters(v, run) > 1 {
				t.Fatal("they came first")
			}
			return len(h.joined) >= 3
		})
		plan, err := h.d.PlanBursts(t.Context(), serve.Identity{})
		if err != nil || len(plan.Keep) == 0 || !strings.Contains(plan.Keep[0].Reason, text) || len(plan.Drain) > 0 {
			t.Errorf("the plan keeps %+v and drains %+v (%v)", plan.Keep, plan.Drain, err)
		}
		h.until("it is done", ended(run))
	})
}

// Beside several machines for nodes to come one more is started, for one that comes late: it says
// so, and all of them go in the end.
func TestOneMachineMoreIsOnItsWayForNodesToCome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newHour(t, dir)
		h.learns()
		end := h.run()
		defer end()
		run := h.workflow(12, 1000)
		h.until("six machines are on their way for twelve nodes, and one", func(v *ledger.View) bool { return working(v) == 7 })
		text := fmt.Sprintf("of workflow %d will be ready in about ", run)
		if why := h.lastStart(); !strings.Contains(why, text) || !strings.Contains(why, "one may come late") {
			t.Errorf("the last start is explained by %q", why)
		}
		h.until("it is done", ended(run))
		h.until("all machines are gone", func(v *ledger.View) bool { return working(v) == 0 })
	})
}

// Machines for nodes to come are on their owner's account, and no more are started than it
// covers.
func TestForesightKeepsToTheBudgetOfAnOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newHour(t, dir)
		h.learns()
		r := &h.d.c.Resources[0]
		r.Price, r.Currency, r.BillingPeriod, r.Budget = 1, "EUR", time.Hour, []Allowance{{"owner", 2_000_000, "EUR"}}
		if err := h.d.c.complete(); err != nil {
			t.Fatal(err)
		}
		end := h.run()
		defer end()
		run := h.workflow(6, 1000)
		h.until("a second machine is started for nodes to come", func(v *ledger.View) bool {
			return working(v) == 2 && strings.Contains(h.lastStart(), "will be ready")
		})
		h.until("the workflow is done on two machines", func(v *ledger.View) bool {
			if n := working(v); n > 2 {
				t.Fatalf("there are %d machines, and the budget covers two", n)
			}
			return ended(run)(v)
		})
	})
}

// What is foreseen is in memory alone: who dies knows as much of his runs when he is back.
func TestARunIsForeseenAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newHour(t, dir)
		h.learns()
		h.takes = func(grid.JobID) time.Duration { return 1000 * time.Second }
		end := h.run()
		run := h.workflow(6, 1000)
		h.until("its first node runs", func(*ledger.View) bool { return h.d.dispatch.runsNow(t) == 1 })
		end()
		again := newHour(t, dir)
		again.learns()
		end = again.run()
		defer end()
		again.until("it is foreseen as it stood", func(*ledger.View) bool {
			s := again.d.foresight
			s.mu.Lock()
			defer s.mu.Unlock()
			f := s.runs[run]
			return f != nil && len(f.ahead.Nodes) == 10 && f.ahead.Nodes[0].Is == dag.Queued && s.specs[f.kinds[1]] != nil
		})
	})
}

// Before a timetable begins a workflow that it has begun before, there are machines for it.
func TestMachinesAreThereForATimetable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newHour(t, dir)
		h.d.c.Crons = []Cron{{Name: "often", Schedule: "0,30 * * * *", Owner: "user", Dag: "/flows/flow.hcl"}}
		h.learns()
		end := h.run()
		defer end()
		h.d.crons.begin = func(ctx context.Context, k *cron, o *occasion) (uint32, error) {
			start := ledger.StartDag{Owner: ledger.Owner{Name: "user", UID: 1000}, File: k.Dag, Dir: "/flows", Cron: k.Name, Due: o.due.UnixMilli()}
			if err := h.d.prepareDag(ctx, "cron", &start, h.graph(6)); err != nil {
				return 0, err
			}
			r, err := h.d.propose(ctx, &ledger.Fire{Start: start, As: o.kind})
			if err != nil {
				return 0, err
			}
			return r.Value.(uint32), nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		var clock sync.WaitGroup
		clock.Go(func() {
			if err := h.d.crons.run(ctx); err != nil {
				t.Error(err)
			}
		})
		defer clock.Wait()
		defer cancel()
		live := func(v *ledger.View) (n int) {
			for range v.Dags() {
				n++
			}
			return n
		}
		h.until("it has begun the first time", func(v *ledger.View) bool { return live(v) == 1 })
		h.until("that is over", func(v *ledger.View) bool { return live(v) == 0 })
		h.until("all machines are gone", func(v *ledger.View) bool { return working(v) == 0 })
		h.until("there are machines again", func(v *ledger.View) bool {
			if live(v) > 0 {
				t.Fatal("it has begun before there was any")
			}
			return working(v) > 0
		})
		if why := h.lastStart(); !strings.Contains(why, "of timetable often will be ready in about ") {
			t.Errorf("the last start is explained by %q", why)
		}
		h.until("it has begun again", func(v *ledger.View) bool { return live(v) == 1 })
		h.until("its first node runs", func(*ledger.View) bool { return h.d.dispatch.runsNow(t) == 1 })
		h.until("that is over too", func(v *ledger.View) bool { return live(v) == 0 })
	})
}

// lastStart is why the last machine was started, as the journal has it.
func (h *hour) lastStart() (why string) {
	h.t.Helper()
	notes, err := h.d.Journal(h.t.Context(), serve.Identity{}, api.JournalQuery{Pool: "lab"})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, n := range notes.Notes {
		if n.What == ledger.NoteStart.String() {
			why = n.Text
		}
	}
	return why
}

// runsNow is how many jobs are on slots.
func (p *dispatcher) runsNow(t *testing.T) (n int) {
	t.Helper()
	if err := p.asks.do(t.Context(), func() { n = len(p.at) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// What runs and timetables say is bounded, and what nobody knows is not guessed.
func TestForesightKnowsWhatItDoesNotKnow(t *testing.T) {
	b := dag.NewBuilder("flow")
	first, _ := b.Add(dag.Node{Name: "first", File: "a.sub"})
	child, _ := b.Add(dag.Node{Name: "child", File: "dir/b.dag", Subdag: true})
	last, _ := b.Add(dag.Node{Name: "last", File: "a.sub", Dir: "dir"})
	b.Order([]int32{first}, []int32{child})
	b.Order([]int32{child}, []int32{last})
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	run, err := dag.Open(g, dag.Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := (&foreseen{uid: 7, graph: g, file: "/w/flow.dag", dir: "/w"}).look(run)
	want := []string{"7 /w/a.sub  ", "", "7 /w/dir/a.sub  "}
	for i := range want {
		if f.kinds[i] != want[i] {
			t.Errorf("node %d is %q, want %q", i, f.kinds[i], want[i])
		}
	}
	s := newForesight()
	if got := s.tell(1, f); len(got) != 2 || got[0] != first || got[1] != last {
		t.Errorf("to be read are %v", got)
	}
	if got := s.tell(2, f); len(got) != 0 {
		t.Errorf("and once more %v", got)
	}
	if s.kind(1, 2) != want[2] || s.kind(1, 99) != "" || s.kind(9, 0) != "" {
		t.Error("a node's kind is not what its file says")
	}
	if s.ended(1); s.kind(1, 2) != "" {
		t.Error("a run that has ended is known still")
	}
}
