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
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/api"
)

// user is whose jobs they are: one that each machine has.
const user = 1

// grids is a schedd, a worker with one CPU, and a real system of another kind.
type grids struct {
	t       *testing.T
	rig     *rig.Rig
	ctx     context.Context
	client  *api.Client
	program string // that drives the other system
	there   string // its directory
	jobs    string // the jobs' directory
	n       int    // jobs that wait when the pool has one CPU
}

// newGrids is a schedd beside another system, which program is to drive. The words after up
// start that, and what it is then is for config to say: a route of the name Away leads there.
// Each of n jobs takes so many seconds.
func newGrids(t *testing.T, program string, n int, seconds string, config func(*grids) string) *grids {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the daemons and the users of this test are root's to start")
	}
	ctx, r := rigtest.New(t, nil, "gschedd", "gworker", "gsubmit", "gq", "ghistory", "ghold", "grm", "grelease")
	dir, bin := r.Dir, r.Bin
	g := &grids{t: t, rig: r, ctx: ctx, program: program, there: filepath.Join(dir, "there"), jobs: filepath.Join(dir, "jobs"), n: n}
	go r.Tidy(ctx) // other daemons leave their children behind
	t.Cleanup(func() { g.control("down", g.there) })
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
	write("schedd.hcl", config(g), 0o644)
	write("jobs/job.sh", "#!/bin/sh\necho ran >>"+g.jobs+"/ran/$1\necho \"hello from $1\"\nsleep "+seconds+"\nexit $(($1 % 3))\n", 0o755)
	write("jobs/job.sub", "executable = job.sh\narguments = $(Process)\noutput = out.$(Process)\nerror = err.$(Process)\nlog = log\nqueue "+strconv.Itoa(n)+"\n", 0o644)
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

// control drives the other system.
func (g *grids) control(what string, args ...string) {
	g.t.Helper()
	// At the test's end its context is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), 2*time.Minute)
	defer cancel()
	if _, err := g.rig.Run(ctx, nil, append([]string{g.program, what}, args...)...); err != nil {
		g.t.Errorf("%s: %v", what, err)
	}
}

func (g *grids) route() api.Route {
	g.t.Helper()
	out, err := g.client.Routes(g.ctx)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, r := range out.Routes {
		if r.Name == "Away" {
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
// with their own output, how many of these ran away, how many ran more than once, and how many
// of those had been lost there each time before.
func (g *grids) judge() (done, away, twice, lost int) {
	g.t.Helper()
	for proc := range g.n {
		name := strconv.Itoa(proc)
		ran, _ := os.ReadFile(filepath.Join(g.jobs, "ran", name))
		if n := bytes.Count(ran, []byte("\n")); n > 1 {
			twice++
			if vacates, err := strconv.Atoi(strings.TrimSpace(g.as("ghistory", "1."+name, "-af", "NumVacates"))); err == nil && vacates >= n-1 {
				lost++
			}
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
		if n := bytes.Count(log, fmt.Appendf(nil, "(return value %d)", code)); n < g.n/3-1 {
			g.t.Errorf("the log tells of %d jobs that ended with %d", n, code)
		}
	}
	away = done - bytes.Count(log, []byte("SlotName: slot1_1@pool"))
	if left, _ := filepath.Glob(filepath.Join(g.jobs, ".g*")); len(left) > 0 {
		g.t.Errorf("there is left: %v", left)
	}
	return done, away, twice, lost
}
