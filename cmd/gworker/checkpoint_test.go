package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/api"
)

// What is kept is not done again, wherever the schedd or a worker's agent dies: a job
// counts to six with a checkpoint after each step, and a witness outside of its sandbox
// sees each step once.
func TestADeathLosesNoCheckpoint(t *testing.T) {
	rigtest.Slow(t)
	ctx, r := rigtest.New(t, []string{"failpoints"}, "gschedd", "gworker")
	rigtest.Deaths(t, 6, func(t *testing.T, p failpoint.Point) {
		(&death{T: t, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, p.Name)}).live(p)
	})
}

// death is a schedd and a worker of which one dies at a point.
type death struct {
	*testing.T
	ctx context.Context
	rig *rig.Rig
	dir string
	env []string
	s   *rig.Schedd
	w   *rig.Process
}

const countsToSix = `#!/bin/sh
at=$(($(cat reached 2>/dev/null || echo 0) + 1))
echo $at >>%[1]s/steps
echo "step $at"
until [ $at -lt 2 ] || [ -e %[1]s/go ]; do sleep 0.01; done
echo $at >reached
[ $at -eq 6 ] || exit 85
`

func (d *death) live(p failpoint.Point) {
	d.must(os.MkdirAll(filepath.Join(d.dir, "armed"), 0o755))
	d.write("count", fmt.Sprintf(countsToSix, d.dir), 0o755)
	d.env = []string{"GRIDBURST_FAILPOINT_DIR=" + filepath.Join(d.dir, "armed")}
	d.schedd()
	d.worker()
	specs, err := rig.Lower(d.ctx, d.s.Client(), d.dir,
		"executable = count\ncheckpoint_exit_code = 85\ntransfer_checkpoint_files = reached\nshould_transfer_files = YES\noutput = out\nlog = log\nqueue\n")
	d.must(err)
	_, err = d.s.Client().Submit(d.ctx, api.Submission{Specs: specs})
	d.must(err)
	d.until("the second step", func() bool { return strings.Contains(d.read("steps"), "2") }) // one checkpoint is kept
	d.write(filepath.Join("armed", p.Name), "", 0o644)
	d.write("go", "", 0o644)
	switch p.Of {
	case failpoint.Schedd:
		d.ends(d.s.Done())
		d.schedd()
	default:
		d.ends(d.w.Done())
		d.worker()
	}
	d.until("the job's end", func() bool { return d.left() == 0 })
	if steps := strings.Fields(d.read("steps")); strings.Join(steps, " ") != "1 2 3 4 5 6" {
		d.Errorf("the job has done the steps %v", steps)
	}
	if out := d.read("out"); out != "step 1\nstep 2\nstep 3\nstep 4\nstep 5\nstep 6\n" {
		d.Errorf("the job has written %q", out)
	}
	d.until("its checkpoints to be gone", func() bool {
		files, err := os.ReadDir(filepath.Join(d.dir, "g", "spool", "checkpoints"))
		return err == nil && len(files) == 0
	})
	d.w.Stop(time.Minute)
	d.s.Stop(time.Minute)
}

func (d *death) schedd() {
	d.Helper()
	var err error
	d.s, err = d.rig.Schedd(d.ctx, filepath.Join(filepath.Base(d.dir), "g"), d.env)
	d.must(err)
}

func (d *death) worker() {
	d.Helper()
	var err error
	name := filepath.Base(d.dir)
	d.w, err = d.rig.Start(filepath.Join(name, "w.log"), d.env, filepath.Join(d.rig.Bin, "gworker"), "--schedd", d.s.Socket, "--name", "w", "--state", filepath.Join(d.dir, "w"), "--cpus", "1", "--memory", "1GiB")
	d.must(err)
}

func (d *death) ends(done <-chan struct{}) {
	d.Helper()
	select {
	case <-done:
	case <-d.ctx.Done():
		d.Fatal("nothing dies")
	}
}

// left is how many jobs are in the queue.
func (d *death) left() int {
	jobs, err := d.s.Client().Totals(d.ctx)
	if err != nil {
		return 1
	}
	a := jobs.All
	return a.Idle + a.Running + a.Held + a.Transferring + a.Completed + a.Removed + a.Suspended
}

func (d *death) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *death) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(d.dir, name)) // none yet: nothing
	return string(text)
}

func (d *death) write(name, text string, mode os.FileMode) {
	d.Helper()
	d.must(os.WriteFile(filepath.Join(d.dir, name), []byte(text), mode))
}

func (d *death) until(what string, yes func() bool) {
	d.Helper()
	for !yes() {
		if pause.For(d.ctx, 50*time.Millisecond) != nil {
			d.Fatalf("waited in vain for %s\n%s\n%s", what, d.read("g.log"), d.read("w.log"))
		}
	}
}
