package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/pause"
)

// overflowing is how many jobs wait when the pool has one CPU.
const overflowing = 200

// TestJobsOverflowToARealSlurm is the whole road: 200 idle jobs of a user, a pool of one
// CPU, and a route to a Slurm that is killed in the midst of it.
func TestJobsOverflowToARealSlurm(t *testing.T) {
	if os.Getenv("GRIDBURST_SLURM") == "" {
		t.Skip("no Slurm: GRIDBURST_SLURM is to be the path of .ci/slurm, as in make test-real")
	}
	g := newGrids(t, os.Getenv("GRIDBURST_SLURM"), overflowing, "0.2", func(g *grids) string {
		g.control("up", g.there, "24")
		return fmt.Sprintf(`
target "batch slurm" {
  environment = [%q]
}
route "Away" {
  requirements  = true
  grid_resource = "batch slurm"
  max_jobs      = 150
  max_idle_jobs = 100
}
`, "SLURM_CONF="+filepath.Join(g.there, "slurm.conf"))
	})
	begun := time.Now()
	g.as("gsubmit", "job.sub")
	g.until("jobs to run at Slurm", func() bool { return g.route().Running > 0 })
	full := g.route()
	if full.Jobs > 150 || full.Idle > 100 {
		t.Errorf("the route has %d jobs, %d of them idle: more than it may", full.Jobs, full.Idle)
	}

	// What its owner does to a job is carried there. The last ones wait still.
	g.as("ghold", "1.198")
	g.as("grm", "1.199")
	g.until("the hold and the removal to arrive", func() bool {
		return g.atSlurm("1.198-", "PENDING", "RUNNING") == 0 && g.atSlurm("1.199-", "PENDING", "RUNNING") == 0
	})
	g.until("a third of the jobs to be back", func() bool { return g.left() < overflowing*2/3 })
	at := overflowing - g.left()
	g.control("kill", g.there)
	g.as("gq")
	if err := pause.For(g.ctx, 2*time.Second); err != nil { // it is away for a while
		t.Fatal(err)
	}
	g.control("start", g.there)
	g.until("all others to be back", func() bool {
		g.control("resume", g.there) // as its administrator has to
		return g.left() == 1
	})
	if out := g.as("gq", "-af:j", "JobStatus", "HoldReasonCode"); strings.TrimSpace(out) != "1.198 5 1" {
		t.Errorf("the held job is %q", out)
	}
	g.as("grelease", "1.198")
	g.until("the last one to be back", func() bool { return g.left() == 0 })
	g.until("nothing to be left at Slurm", func() bool {
		return g.atSlurm("gb-", "PENDING", "RUNNING", "SUSPENDED", "COMPLETING") == 0 && g.route().Jobs == 0
	})
	wall := time.Since(begun)

	done, slurm, twice, _ := g.judge()
	t.Logf("slurm: %d jobs of %d back, %d of them from Slurm, 1 removed, 1 held and released, slurmctld killed after %d and started again, %d ran twice, wall %d s",
		done, overflowing, slurm, at, twice, int(wall.Seconds()))
	if done != overflowing-1 || twice != 0 || slurm < overflowing/2 {
		t.Error("that is not as it should be")
	}
}

// atSlurm is how many jobs Slurm has of a name, in one of some states. It may be away.
func (g *grids) atSlurm(name string, states ...string) int {
	g.t.Helper()
	out, err := g.rig.RunIn(g.ctx, g.jobs, []string{"SLURM_CONF=" + filepath.Join(g.there, "slurm.conf")}, "squeue", "--noheader", "--states=all", "--format=%j %T")
	if err != nil {
		return 1
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		job, state, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.Contains(job, name) {
			for _, s := range states {
				if state == s {
					n++
				}
			}
		}
	}
	return n
}
