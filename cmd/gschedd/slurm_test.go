package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

// overflowing is how many jobs wait when the pool has one CPU.
const overflowing = 200

// user is whose jobs they are: one that each machine has.
const user = 1

// grids is a schedd, a worker with one CPU, and a real Slurm.
type grids struct {
	t      *testing.T
	rig    *rig.Rig
	ctx    context.Context
	client *api.Client
	slurm  string // its directory
	jobs   string // the jobs' directory
}

// TestJobsOverflowToARealSlurm is the whole road: 200 idle jobs of a user, a pool of one
// CPU, and a route to a Slurm that is killed in the midst of it.
func TestJobsOverflowToARealSlurm(t *testing.T) {
	if os.Getenv("GRIDBURST_SLURM") == "" {
		t.Skip("no Slurm: GRIDBURST_SLURM is to be the path of .ci/slurm, as in make test-real")
	}
	if os.Getuid() != 0 {
		t.Skip("Slurm and the users of this test are root's to start")
	}
	g := newGrids(t)
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
		return g.there("1.198-", "PENDING", "RUNNING") == 0 && g.there("1.199-", "PENDING", "RUNNING") == 0
	})
	g.until("a third of the jobs to be back", func() bool { return g.left() < overflowing*2/3 })
	at := overflowing - g.left()
	g.control("kill")
	g.as("gq")
	if err := pause.For(g.ctx, 2*time.Second); err != nil { // it is away for a while
		t.Fatal(err)
	}
	g.control("start")
	g.until("all others to be back", func() bool {
		g.control("resume") // as its administrator has to
		return g.left() == 1
	})
	if out := g.as("gq", "-af:j", "JobStatus", "HoldReasonCode"); strings.TrimSpace(out) != "1.198 5 1" {
		t.Errorf("the held job is %q", out)
	}
	g.as("grelease", "1.198")
	g.until("the last one to be back", func() bool { return g.left() == 0 })
	g.until("nothing to be left at Slurm", func() bool {
		return g.there("gb-", "PENDING", "RUNNING", "SUSPENDED", "COMPLETING") == 0 && g.route().Jobs == 0
	})
	wall := time.Since(begun)

	done, slurm, twice := g.judge()
	t.Logf("slurm: %d jobs of %d back, %d of them from Slurm, 1 removed, 1 held and released, slurmctld killed after %d and started again, %d ran twice, wall %d s",
		done, overflowing, slurm, at, twice, int(wall.Seconds()))
	if done != overflowing-1 || twice != 0 || slurm < overflowing/2 {
		t.Error("that is not as it should be")
	}
}

func newGrids(t *testing.T) *grids {
	t.Helper()
	dir, err := os.MkdirTemp("", "overflow") // a socket's address is short, and a test's directory may be long
	if err == nil {
		err = os.Chmod(dir, 0o755) // another user comes along
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	bin := filepath.Join(dir, "bin")
	if err := rig.Build(ctx, bin, nil, "gschedd", "gworker", "gsubmit", "gq", "ghold", "grm", "grelease"); err != nil {
		t.Fatal(err)
	}
	r, err := rig.New(dir, bin)
	if err != nil {
		t.Fatal(err)
	}
	g := &grids{t: t, rig: r, ctx: ctx, slurm: filepath.Join(dir, "slurm"), jobs: filepath.Join(dir, "jobs")}
	t.Cleanup(func() {
		if err := r.Close(time.Minute); err != nil {
			t.Error(err)
		}
	})
	go r.Tidy(ctx) // Slurm's daemons leave their children behind
	t.Cleanup(func() { g.control("down") })
	g.control("up", "24")
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{g.jobs, filepath.Join(g.jobs, "ran")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(d, user, user); err != nil {
			t.Fatal(err)
		}
	}
	write("schedd.hcl", fmt.Sprintf(`
target "batch slurm" {
  environment = [%q]
}
route "Slurm" {
  requirements  = true
  grid_resource = "batch slurm"
  max_jobs      = 150
  max_idle_jobs = 100
}
`, "SLURM_CONF="+filepath.Join(g.slurm, "slurm.conf")), 0o644)
	write("jobs/job.sh", "#!/bin/sh\necho ran >>ran/$1\necho \"hello from $1\"\nsleep 0.2\nexit $(($1 % 3))\n", 0o755)
	write("jobs/job.sub", "executable = job.sh\narguments = $(Process)\noutput = out.$(Process)\nerror = err.$(Process)\nlog = log\nqueue "+strconv.Itoa(overflowing)+"\n", 0o644)
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "g.log"))
			t.Logf("%s", text[max(0, len(text)-8000):])
		}
	})
	s, err := r.Schedd(ctx, "g", nil, "--config", filepath.Join(dir, "schedd.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	g.client = s.Client()
	if _, err := r.Start("worker.log", nil, filepath.Join(bin, "gworker"), "--schedd", s.Socket, "--state", filepath.Join(dir, "worker"), "--cpus", "1", "--name", "pool"); err != nil {
		t.Fatal(err)
	}
	g.until("the pool's worker", func() bool {
		slots, err := g.client.Slots(g.ctx)
		return err == nil && len(slots.Slots) > 0
	})
	return g
}

// as runs a command as the jobs' owner.
func (g *grids) as(name string, args ...string) string {
	g.t.Helper()
	out, err := g.rig.RunAs(g.ctx, user, user, append([]string{"/usr/bin/env", "-C", g.jobs, "HOME=" + g.jobs, "GRIDBURST_SCHEDD=" + filepath.Join(g.rig.Dir, "g"), filepath.Join(g.rig.Bin, name)}, args...)...)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(out)
}

// control drives Slurm.
func (g *grids) control(what string, args ...string) {
	g.t.Helper()
	// At the test's end its context is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), 2*time.Minute)
	defer cancel()
	if _, err := g.rig.Run(ctx, nil, append([]string{os.Getenv("GRIDBURST_SLURM"), what, g.slurm}, args...)...); err != nil {
		g.t.Errorf("%s: %v", what, err)
	}
}

// there is how many jobs Slurm has of a name, in one of some states. It may be away.
func (g *grids) there(name string, states ...string) int {
	g.t.Helper()
	out, err := g.rig.RunIn(g.ctx, g.jobs, []string{"SLURM_CONF=" + filepath.Join(g.slurm, "slurm.conf")}, "squeue", "--noheader", "--states=all", "--format=%j %T")
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

func (g *grids) route() api.Route {
	g.t.Helper()
	out, err := g.client.Routes(g.ctx)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, r := range out.Routes {
		if r.Name == "Slurm" {
			return r
		}
	}
	g.t.Fatalf("there is no route: %+v", out)
	return api.Route{}
}

// left is how many jobs are in the queue.
func (g *grids) left() int {
	g.t.Helper()
	out, err := g.client.Totals(g.ctx)
	if err != nil {
		g.t.Fatal(err)
	}
	a := out.All
	return a.Idle + a.Running + a.Held + a.Transferring + a.Completed + a.Removed + a.Suspended
}

func (g *grids) until(what string, yes func() bool) {
	g.t.Helper()
	for !yes() {
		if pause.For(g.ctx, 100*time.Millisecond) != nil {
			g.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// judge looks at what the jobs themselves have left, and at their log: how many are back
// with their own output, how many of these ran at Slurm, and how many ran more than once.
func (g *grids) judge() (done, slurm, twice int) {
	g.t.Helper()
	for proc := range overflowing {
		name := strconv.Itoa(proc)
		ran, _ := os.ReadFile(filepath.Join(g.jobs, "ran", name))
		if n := bytes.Count(ran, []byte("\n")); n > 1 {
			twice++
			g.t.Logf("job 1.%d ran %d times", proc, n)
		}
		out, _ := os.ReadFile(filepath.Join(g.jobs, "out."+name))
		if string(out) == "hello from "+name+"\n" && len(ran) > 0 {
			done++
		}
	}
	log, err := os.ReadFile(filepath.Join(g.jobs, "log"))
	if err != nil {
		g.t.Fatal(err)
	}
	for code := range 3 {
		if n := bytes.Count(log, fmt.Appendf(nil, "(return value %d)", code)); n < overflowing/3-1 {
			g.t.Errorf("the log tells of %d jobs that ended with %d", n, code)
		}
	}
	slurm = done - bytes.Count(log, []byte("SlotName: slot1_1@pool"))
	if left, _ := filepath.Glob(filepath.Join(g.jobs, ".g*")); len(left) > 0 {
		g.t.Errorf("there is left: %v", left)
	}
	return done, slurm, twice
}
