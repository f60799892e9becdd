package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/ovirtsim"
	"gridburst/schedd"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// What may go wrong between a schedd and an engine, by the numbers of docs/faults.md: each a
// simulated engine with a script, the real client of it in a process of its own, and a
// schedd. Whatever happens, in the end none of our machines is left, all others are as they
// were, and no name was made twice.
func TestFaultsOfEngines(t *testing.T) {
	held := func(says string, r ovirtsim.Rule) func(*house) {
		return func(h *house) {
			h.rule(r)
			id := h.vm()
			if e := h.event("job_held", id); !strings.Contains(e.Text, says) {
				h.t.Errorf("the job is held because of %q, which does not say %q", e.Text, says)
			}
		}
	}
	runs := func(rules ...ovirtsim.Rule) func(*house) {
		return func(h *house) {
			for _, r := range rules {
				h.rule(r)
			}
			id := h.running()
			h.remove(id)
			h.event("job_left", id)
		}
	}
	lost := func(op ovirtsim.Op) ovirtsim.Rule {
		return ovirtsim.Rule{Ops: []ovirtsim.Op{op}, Times: 1, Drop: ovirtsim.DropAnswer}
	}
	for _, c := range []struct {
		name   string
		mod    func(*schedd.Config)
		script func(h *house)
	}{
		{"A5 the GAHP dies while it is at a create", nil, func(h *house) {
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, Times: 1, Delay: 300 * time.Millisecond})
			id := h.vm()
			h.until("the create is at the engine", func() bool { return h.sim.Calls()[ovirtsim.OpCreate] > 0 })
			if killGAHPs(h.t, h.sim.URL) == 0 {
				h.t.Error("there was no GAHP to kill")
			}
			h.event("job_started", id)
		}},
		{"E1 a machine boots and never joins", overflow(5 * time.Second), func(h *house) {
			h.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
			if e := h.moved(1, "stopping"); !strings.Contains(e.Text, "did not join") {
				h.t.Errorf("it is stopped because %s", e.Text)
			}
			h.moved(1, "gone")
			why, err := h.Why(h.t.Context(), "1.0")
			if err != nil || !strings.Contains(why.Text, "came to nothing lately") {
				h.t.Errorf("why says %q (%v)", why.Text, err)
			}
		}},
		{"E5 sessions end in the middle of everything", nil, func(h *house) {
			h.running()
			h.sim.EndSessions()
			h.running()
		}},
		{"E6 a quota is used up", nil, held("quota", ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, Fault: "QUOTA_STORAGE_LIMIT"})},
		{"E6 the user may not", nil, held("not authorized", ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, Fault: "NOT_AUTHORIZED"})},
		{"E6 the storage is full for a while", nil, runs(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, Times: 2, Fault: "DISK_SPACE_LOW"})},
		{"E6 no host is up for a while", nil, runs(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpStart}, Times: 2, Fault: "NO_HOSTS"})},
		{"E7 the name is another's", nil, func(h *house) {
			name := h.stray(1, "not ours")
			id := h.vm()
			if e := h.event("job_held", id); !strings.Contains(e.Text, "not ours") {
				h.t.Errorf("the job is held because of %q", e.Text)
			}
			h.listings(3)
			if ours := h.ours(); len(ours) != 1 {
				h.t.Errorf("there are %v", ours)
			}
			if err := h.sim.Administer(name, ovirtsim.OpRemove); err != nil {
				h.t.Error(err)
			}
		}},
		{"E8 every answer is lost once, after the effect", nil, runs(lost(ovirtsim.OpCreate), lost(ovirtsim.OpStart), lost(ovirtsim.OpShutdown), lost(ovirtsim.OpRemove))},
		{"E8 the engine takes a create back", nil, func(h *house) {
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, Times: 1, RollBack: true})
			id := h.vm()
			h.event("job_held", id)
		}},
		{"E9 calls fail before the effect", nil, runs(
			ovirtsim.Rule{Method: "POST", Times: 1, Drop: ovirtsim.DropRequest},
			ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate, ovirtsim.OpStart}, Nth: 2, Times: 3, Status: 503},
			ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpRemove}, Times: 2, Status: 503},
		)},
		{"E10 listings lack machines, or break off", nil, func(h *house) {
			h.running()
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpList}, Times: 1, Omit: "gb-*"})
			h.listings(2)
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpList}, Truncate: true})
			h.listings(4)
			h.waits("has not shown its machines since")
			h.unmoved()
		}},
		{"E10 listings lack a machine for long", nil, func(h *house) {
			id := h.running()
			heal := h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpList}, Omit: "gb-*"})
			h.waits("listings do not show its machine, and the engine has it")
			h.listings(2)
			h.unmoved()
			h.remove(id)
			h.moved(1, "stopping")
			h.listings(3)
			if n := len(h.claims()); n != 1 || len(h.ours()) != 1 {
				h.t.Errorf("there are %d claims, and the machines %v", n, h.ours())
			}
			heal()
			h.event("job_left", id)
		}},
		{"E11 a machine of ours is gone", nil, func(h *house) {
			id := h.running()
			if err := h.sim.Administer(h.ours()[0], ovirtsim.OpRemove); err != nil {
				h.t.Error(err)
			}
			if e := h.event("job_held", id); !strings.Contains(e.Text, "is gone from the engine") {
				h.t.Errorf("the job is held because of %q", e.Text)
			}
			h.moved(1, "gone")
		}},
		{"E12 a machine that was removed comes back", nil, func(h *house) {
			h.remove(h.running())
			h.moved(1, "gone")
			h.stray(1, "")
		}},
		{"E14 the template is gone", nil, held("Template", ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, Fault: "TEMPLATE_DOES_NOT_EXIST"})},
		{"E9 a start is taken, and comes to nothing: no host can run the machine", nil, func(h *house) {
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpStart}, Times: 1, Fail: true})
			id := h.vm()
			if e := h.event("job_held", id); !strings.Contains(e.Text, "Failed to run VM") {
				h.t.Errorf("the job is held because of %q", e.Text)
			}
		}},
		{"E8 the answer to a start is lost, and the guest has ended before anybody looks", nil, func(h *house) {
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpStart}, Times: 1, Drop: ovirtsim.DropAnswer, Lifetime: time.Millisecond})
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpList}, Delay: 500 * time.Millisecond})
			id := h.vm()
			h.event("job_left", id)
			if n := h.sim.Calls()[ovirtsim.OpStart]; n != 1 {
				h.t.Errorf("its machine was started %d times", n)
			}
		}},
		{"E15 a machine stays locked", func(c *schedd.Config) { c.Resources[0].MaxVMs = 1 }, func(h *house) {
			heal := h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, Times: 1, Hold: true})
			stuck, next := h.vm(), h.vm()
			h.waits("its disks are being made, since")
			h.listings(2)
			if n := len(h.claims()); n != 1 {
				h.t.Errorf("one machine is stuck, there may be one, and there are %d claims", n)
			}
			h.remove(stuck)
			h.moved(1, "stopping")
			h.listings(2)
			if n := h.sim.Calls()[ovirtsim.OpRemove]; n > 0 {
				h.t.Errorf("it is locked, and its removal was ordered %d times", n)
			}
			heal()
			h.event("job_started", next)
		}},
		{"E16 a machine is paused", nil, func(h *house) {
			h.running()
			heal := h.rule(ovirtsim.Rule{Show: ovirtsim.Paused, Name: h.ours()[0]})
			h.waits("its machine is paused")
			heal()
			h.until("it goes on", func() bool { return h.claims()[0].Waits == "" })
			h.unmoved()
		}},
		{"E17 a removal fails again and again", nil, runs(
			ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpRemove}, Times: 2, Fault: "OBJECT_LOCKED"},
			ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpRemove}, Nth: 3, Times: 2, Fault: "INTERNAL"},
		)},
		{"E18 a job is removed while its machine is made", nil, func(h *house) {
			heal := h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, Hold: true})
			id := h.vm()
			h.waits("its disks are being made")
			h.remove(id)
			heal()
			h.event("job_left", id)
		}},
		{"E18 a job is removed while its machine boots", nil, func(h *house) {
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpStart}, Hold: true})
			id := h.vm()
			h.moved(1, "booting")
			h.remove(id)
			h.event("job_left", id)
		}},
		{"E19 an administrator switches a machine off", nil, func(h *house) {
			id := h.running()
			if err := h.sim.Administer(h.ours()[0], ovirtsim.OpStop); err != nil {
				h.t.Error(err)
			}
			h.event("job_left", id)
			h.moved(1, "gone")
		}},
		{"E20 a machine has our mark under another name", nil, func(h *house) {
			h.running()
			name := h.strayAs("theirs", 9, "")
			h.listings(4) // among which are the sweeps'
			if ours := h.ours(); len(ours) != 2 {
				h.t.Errorf("there are %v", ours)
			}
			if err := h.sim.Administer(name, ovirtsim.OpRemove); err != nil {
				h.t.Error(err)
			}
			h.unmoved()
		}},
		{"E23 the engine cannot be reached", nil, func(h *house) {
			h.running()
			heal := h.rule(ovirtsim.Rule{Restart: true})
			h.waits("has not shown its machines since")
			h.listings(2)
			heal()
			h.until("it is seen again", func() bool { return h.claims()[0].Waits == "" })
			h.unmoved()
		}},
		{"E25 a machine is made without its disk", nil, held("bootable disk", ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpStart}, Fault: "WITHOUT_DISK"})},
		{"a start that no host carries out", nil, func(h *house) {
			h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpStart}, Times: 1, Fail: true})
			id := h.vmWith("ovirt_keep_on_failure = 3600")
			if e := h.event("job_held", id); !strings.Contains(e.Text, "Failed to run VM") {
				h.t.Errorf("the job is held because of %q", e.Text)
			}
			h.waits("it is kept as it is until")
			if _, err := h.Act(h.t.Context(), api.Action{Verb: "release", Selection: api.Selection{IDs: []string{id}}}); err != nil {
				h.t.Error(err)
			}
			h.event("job_started", id)
			h.moved(1, "gone")
		}},
		{"E27 more is asked for than may be", func(c *schedd.Config) { c.Resources[0].MaxVMs = 2 }, func(h *house) {
			ids := []string{h.vm(), h.vm(), h.vm(), h.vm(), h.vm()}
			h.event("job_started", ids[0])
			h.event("job_started", ids[1])
			h.remove(ids[0], ids[1])
			h.event("job_started", ids[2])
		}},
		{"E28 the engine is slow, and refuses some calls", nil, runs(
			ovirtsim.Rule{Delay: 100 * time.Millisecond},
			ovirtsim.Rule{Chance: 0.2, Status: 429},
		)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newCloud(t).house(c.mod)
			most := h.config.Resources[0].MaxVMs
			c.script(h)
			h.sim.ClearRules()
			h.removeAll()
			h.judge(most)
		})
	}
}

// overflow lets the pool have machines, which nobody joins from.
func overflow(join time.Duration) func(*schedd.Config) {
	return func(c *schedd.Config) {
		c.Resources[0].Burst = &schedd.Burst{Template: "worker", Cores: 1, MemoryMB: 512, JoinTimeout: join, Idle: time.Minute}
	}
}

// unmoved: the first claim is where it was, its machine is up.
func (h *house) unmoved() {
	h.t.Helper()
	if all := h.claims(); len(all) != 1 || all[0].State != "ready" || len(h.ours()) != 1 {
		h.t.Errorf("the claims are %+v, the machines %v", all, h.ours())
	}
}

// stray makes a machine of a claim's name behind the schedd's back, with the mark of the
// claim or another.
func (h *house) stray(claim uint32, mark string) (name string) {
	h.t.Helper()
	return h.strayAs("", claim, mark)
}

// strayAs does that under another name.
func (h *house) strayAs(name string, claim uint32, mark string) string {
	h.t.Helper()
	s, err := h.Status(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if mark == "" {
		mark = fmt.Sprintf("gridburst %s claim %d", s.Deployment, claim)
	}
	if name == "" {
		name = ledger.ClaimName(s.Deployment, claim)
	}
	g := h.gahp()
	defer g.Close()
	if _, err := g.Create(h.t.Context(), gahp.Order{Term: 1}, gahp.Create{Name: name, Template: "worker", Mark: mark}); err != nil {
		h.t.Fatal(err)
	}
	return name
}

// removeAll removes every job.
func (h *house) removeAll() {
	h.t.Helper()
	var ids []string
	for job, err := range h.Jobs(h.t.Context(), api.JobsQuery{}) {
		if err != nil {
			h.t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(job), `"ClusterId":`)
		id, _, _ := strings.Cut(rest, ",")
		ids = append(ids, strings.Trim(id, " }"))
	}
	if len(ids) > 0 {
		h.remove(ids...)
	}
}

// Two deployments have machines at one engine: neither sees the other's, and each sweeps
// its own.
func TestTwoDeploymentsShareAnEngine(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	one, two := c.house(nil), c.house(nil)
	one.running()
	two.running()
	two.stray(7, "gridburst of nobody claim 7")
	c.listings(8)
	if ours := c.ours(); len(ours) != 3 {
		t.Errorf("there are %v", ours)
	}
	one.unmovedOf(3)
	two.unmovedOf(3)
	one.removeAll()
	two.removeAll()
	c.until("the strange one is left alone", func() bool { return len(c.ours()) == 1 })
	if err := c.sim.Administer(c.ours()[0], ovirtsim.OpRemove); err != nil {
		t.Error(err)
	}
	c.judge(3)
}

func (h *house) unmovedOf(machines int) {
	h.t.Helper()
	if all := h.claims(); len(all) != 1 || all[0].State != "ready" || len(h.ours()) != machines {
		h.t.Errorf("the claims are %+v, the machines %v", all, h.ours())
	}
}

// Two processes speak to one engine for one claim: the engine makes its machine once, and
// each of them refuses what is older than what it has seen.
func TestTwoGAHPsAtOneEngine(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	var wg sync.WaitGroup
	kinds := make(chan gahp.Kind, 4)
	for range 2 {
		wg.Go(func() {
			g := c.gahp()
			defer g.Close()
			for _, o := range []gahp.Order{{Term: 2, Claim: 1, Epoch: 1}, {Term: 1, Claim: 1, Epoch: 9}} {
				_, err := g.Create(t.Context(), o, gahp.Create{Name: "gb-1", Template: "worker", Mark: "m"})
				var e *gahp.Error
				if errors.As(err, &e) {
					kinds <- e.Kind
				}
			}
		})
	}
	wg.Wait()
	close(kinds)
	got := map[gahp.Kind]int{}
	for k := range kinds {
		got[k]++
	}
	if got[gahp.Stale] != 2 || got[gahp.NameInUse] != 1 || len(c.ours()) != 1 {
		t.Errorf("it fails as %v, and there are %v", got, c.ours())
	}
}
