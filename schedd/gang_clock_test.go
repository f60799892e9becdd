package schedd

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
	"gridburst/schedd/serve"
)

// Jobs of one slot, more than the pool can hold and of a higher priority, keep a job of
// several nodes waiting only so long.
func TestAJobOfSeveralNodesBeginsWhateverElseWaits(t *testing.T) {
	const run = 10 * time.Minute
	inBubble(t, Config{Domain: "dom"}, func(c *clock) {
		c.dispatching()
		for _, name := range []string{"a", "b"} {
			id := c.propose(&ledger.SeeWorker{Worker: ledger.Worker{Name: name, Boot: "boot"}}).(uint32)
			attrs := map[string]string{"Cpus": "2", "Memory": "4000", "Disk": "10000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true"}
			if err := c.d.pool.Connect(id, pool.Info{Name: name, Boot: "boot", Attrs: attrs}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		many := c.submit("priority = 9\nqueue 1000\n")
		c.wait(time.Second)
		gang := grid.JobID{Cluster: c.submit("universe = parallel\nmachine_count = 4\nqueue\n")}
		ends := map[grid.JobID]time.Time{}
		begun := time.Now()
		for {
			if j, _ := c.d.ledger.View().Job(gang); j.Attempt() {
				break
			}
			if time.Since(begun) > 9*run {
				t.Fatalf("it waits for %v where jobs run for %v", time.Since(begun), run)
			}
			c.wait(time.Minute)
			for s := range c.d.ledger.View().Stretches(grid.WholeCluster(many)) {
				id, j := s.Run.First(), s.Job
				switch end, on := ends[id]; {
				case !j.Attempt():
				case !on:
					// Those that begin together do not end together.
					ends[id] = time.Now().Add(run/2 + time.Duration(id.Proc%6)*time.Minute)
				case time.Now().After(end):
					c.ended(id, j.Epoch, 0)
				}
			}
		}
		if time.Since(begun) < time.Minute {
			t.Errorf("it waited for %v only: nothing was tried", time.Since(begun))
		}
		g, ok := c.d.ledger.View().Gang(gang)
		if !ok || len(g.Nodes) != 4 {
			t.Errorf("its gang is %+v", g)
		}
	})
}

// nodesOf hands in a job of several nodes, each of which takes a whole small machine.
func (h *hour) nodesOf(nodes int) grid.JobID {
	h.t.Helper()
	specs, err := jobSpecs(1, 2)
	if err != nil {
		h.t.Fatal(err)
	}
	for i, a := range specs[0].Attrs {
		switch a.Name {
		case "JobUniverse":
			specs[0].Attrs[i].Expr = "11"
		case "MaxHosts", "MinHosts":
			specs[0].Attrs[i].Expr = strconv.Itoa(nodes)
		}
	}
	out, err := h.d.Submit(h.t.Context(), serve.Identity{Name: "user", UID: 1000, Admin: true}, api.Submission{Specs: specs})
	if err != nil {
		h.t.Fatal(err)
	}
	return grid.JobID{Cluster: out.Clusters[0].Cluster}
}

func TestABurstBringsUpAllMachinesOfAJobOrNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newHour(t, dir)
		h.d.c.Resources = h.d.c.Resources[:1] // the small ones, of which there may be eight
		h.takes = func(grid.JobID) time.Duration { return time.Minute }
		end := h.run()
		defer end()
		claims := func() (n int) {
			v := h.d.ledger.View()
			for id := uint32(1); ; id++ {
				if _, ok := h.d.claimOf(v, id); !ok {
					return n
				}
				n++
			}
		}
		never := h.nodesOf(9)
		fits := h.nodesOf(6)
		for range 600 {
			h.workers()
			if j, ok := h.d.ledger.View().Job(fits); !ok || j.Attempt() {
				break
			}
			time.Sleep(time.Second)
		}
		j, _ := h.d.ledger.View().Job(fits)
		if g, ok := h.d.ledger.View().Gang(fits); !ok || len(g.Nodes) != 6 {
			t.Fatalf("it is %s with %+v", j.Status, g)
		}
		if n := claims(); n != 6 {
			t.Errorf("%d machines were wished for, for six nodes", n)
		}
		w, err := h.d.Why(t.Context(), me, never.String())
		if err != nil || w.Reason != reasonFull || !strings.Contains(w.Matter, "It needs 9 slots at once, and small may have 8 machines (max_vms), which do not hold them: it can never begin there.") {
			t.Errorf("%v, %+v", err, w)
		}
		h.clean()
		if n := claims(); n != 6 {
			t.Errorf("%d machines in the end", n)
		}
	})
}
