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

// TestJobsOverflowToARealHTCondor: 50 idle jobs of a user, a pool of one CPU, and a route to
// an HTCondor whose schedd is killed in the midst of it. Two more jobs go there by themselves,
// wait there, and are held, released and removed, from here and from there.
func TestJobsOverflowToARealHTCondor(t *testing.T) { overflowToCondor(t, "shared") }

// TestFilesTravelToARealHTCondor: likewise, and the pool there shares no directory with the
// schedd here, as far as that one makes use of it. A condor_schedd that is killed while what a job
// left comes to it loses the job: HTCondor would have it run again, and so do we.
func TestFilesTravelToARealHTCondor(t *testing.T) { overflowToCondor(t, "spool") }

func overflowToCondor(t *testing.T, files string) {
	program, tree := os.Getenv("GRIDBURST_CONDOR_POOL"), os.Getenv("GRIDBURST_CONDOR")
	if program == "" || tree == "" {
		t.Skip("no HTCondor: GRIDBURST_CONDOR_POOL is to be .ci/condor-pool, and GRIDBURST_CONDOR what .ci/condor has made, as in make test-real")
	}
	const jobs = 50
	resource := ""
	g := newGrids(t, program, jobs, "1", func(g *grids) string {
		g.control("up", filepath.Join(filepath.Dir(tree), "tree"), g.there, "8")
		address, err := os.ReadFile(filepath.Join(g.there, "pool"))
		if err != nil {
			t.Fatal(err)
		}
		resource = "condor sched@here " + strings.TrimSpace(string(address))
		return fmt.Sprintf(`
target %[1]q {
  bin         = %[2]q
  environment = [%[3]q]
  files       = %[4]q
}
route "Away" {
  requirements  = true
  grid_resource = %[1]q
  max_jobs      = 45
  max_idle_jobs = 40
}
`, resource, filepath.Join(g.there, "bin"), "CONDOR_CONFIG="+filepath.Join(g.there, "config"), files)
	})
	begun := time.Now()
	g.as("gsubmit", "job.sub")
	waiting := "universe = grid\ngrid_resource = " + resource + "\nexecutable = job.sh\narguments = 50\noutput = out.50\nlog = log2\nbatch_extra_submit_args = -append 'requirements = false'\nqueue 2\n"
	if err := os.WriteFile(filepath.Join(g.jobs, "waiting.sub"), []byte(waiting), 0o644); err != nil {
		t.Fatal(err)
	}
	g.as("gsubmit", "waiting.sub")
	is := func(name, want string) {
		t.Helper()
		g.until(name+" to be "+want+" at HTCondor", func() bool { return g.atCondor(name) == want })
	}
	here := func(id, want string) {
		t.Helper()
		g.until(id+" to be "+want+" here", func() bool {
			return strings.Contains(g.as("gq", id, "-af", "JobStatus", "HoldReasonCode", "HoldReason"), want)
		})
	}
	known := func(state string) {
		t.Helper()
		g.until("that to be known here", func() bool { return strings.Contains(g.as("gq", "--why", "2.0"), state+" there") })
	}
	is("2.0-1", "1")
	is("2.1-1", "1")
	g.as("ghold", "2.0")
	is("2.0-1", "5 held at Gridburst (by user daemon)")
	known("held")
	g.as("grelease", "2.0")
	is("2.0-1", "1")
	known("waiting")
	g.tool("condor_hold", "-reason", "not now", "-constraint", g.marked("2.0-1"))
	here("2.0", "5 1 "+resource+" holds it: held (not now")
	g.tool("condor_release", "-constraint", g.marked("2.0-1"))
	here("2.0", "1")
	g.as("grm", "2.1")
	is("2.1-1", "")

	g.until("a third of the jobs to be back", func() bool { return g.left() < 1+jobs*2/3 })
	at := jobs + 1 - g.left()
	g.control("kill", g.there)
	g.as("gq")
	if err := pause.For(g.ctx, 2*time.Second); err != nil { // it is away for a while
		t.Fatal(err)
	}
	g.control("start", g.there)
	g.until("all others to be back", func() bool { return g.left() == 1 })
	g.tool("condor_qedit", "-constraint", g.marked("2.0-1"), "Requirements", "true")
	g.until("the last one to be back", func() bool { return g.left() == 0 })
	g.until("nothing to be left at HTCondor", func() bool { return g.atCondor("") == "" && g.route().Jobs == 0 })
	wall := time.Since(begun)

	done, away, twice, lost := g.judge()
	t.Logf("condor: files %s, %d jobs of %d back, %d of them from HTCondor, 1 held and released, 1 removed, condor_schedd killed after %d and started again, %d ran twice, of which HTCondor had lost %d, wall %d s",
		files, done, jobs, away, at, twice, lost, int(wall.Seconds()))
	// Where files are shared, one of them proves that a job has run, whatever HTCondor knows.
	if done != jobs || twice != lost || twice > 0 && files == "shared" || away < jobs/2 {
		t.Error("that is not as it should be")
	}
	if ran, err := os.ReadFile(filepath.Join(g.jobs, "ran", "50")); err != nil || string(ran) != "ran\n" {
		t.Errorf("the one that was held: %q, %v", ran, err)
	}
}

// marked is true of the job of a name there, without the deployment that it begins with.
func (g *grids) marked(name string) string {
	return fmt.Sprintf("regexp(%q, GridburstJob)", "-"+strings.ReplaceAll(name, ".", "[.]")+"$")
}

// tool runs one of HTCondor's commands about its schedd, as who may do everything.
func (g *grids) tool(name string, args ...string) string {
	g.t.Helper()
	out, err := g.rig.RunIn(g.ctx, g.jobs, []string{"CONDOR_CONFIG=" + filepath.Join(g.there, "config")}, append([]string{filepath.Join(g.there, "bin", name), "-name", "sched@here"}, args...)...)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(out)
}

// atCondor is the status of the job of a name, with the reason of its hold; of all that are
// ours without a name.
func (g *grids) atCondor(name string) string {
	g.t.Helper()
	constraint := "GridburstJob =!= undefined"
	if name != "" {
		constraint = g.marked(name)
	}
	out := g.tool("condor_q", "-allusers", "-constraint", constraint, "-af", "JobStatus", "HoldReason")
	return strings.TrimSpace(strings.ReplaceAll(out, " undefined", ""))
}
