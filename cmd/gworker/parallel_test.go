package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/rig"
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/api"
)

// around are instants of a job of several nodes that other jobs have too, and when each is
// armed: before its workers come, before it is handed in, or when all of its nodes run.
var around = map[string]string{
	"worker.welcome.before": "come", "worker.welcome.after": "come",
	"dispatch.place.before": "submit", "dispatch.place.after": "submit", "worker.order.before": "submit", "worker.order.after": "submit",
	"transfer.inputs.before": "submit", "worker.journal.before": "submit", "worker.journal.after": "submit", "worker.run.before": "submit", "worker.run.after": "submit",
	"report.propose.before": "submit", "report.propose.after": "submit",
	"worker.outputs.before": "run", "worker.outputs.after": "run", "transfer.outputs.after": "run", "takeover.commit.before": "run", "takeover.commit.after": "run",
	"worker.erase.before": "run", "takeover.close.before": "run",
}

// Whatever dies, all nodes of a job belong to one attempt at any time, each has its outputs,
// and the job ends with node 0's code: a witness outside of the sandboxes hears each node
// again and again for as long as it lives.
func TestADeathLeavesNoNodeAlone(t *testing.T) {
	rigtest.Slow(t)
	ctx, r := rigtest.New(t, []string{"failpoints"}, "gschedd", "gworker")
	for _, p := range failpoint.Points {
		if armed := around[p.Name]; armed != "" {
			t.Run(p.Name, func(t *testing.T) {
				(&crew{death: death{T: t, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, p.Name)}}).live(p, armed)
			})
		}
	}
}

// crew is a schedd with two workers.
type crew struct {
	death
	workers [2]*rig.Process
}

const heard = `#!/bin/sh
epoch=${GRIDBURST_ATTEMPT##*.}
echo "node $_CONDOR_PROCNO"
while :; do
	echo "$((epoch & 1048575)) $_CONDOR_PROCNO" >>%[1]s/beats
	[ -e %[1]s/go ] && exit $((3 + _CONDOR_PROCNO))
	sleep 0.02
done
`

func (d *crew) live(p failpoint.Point, armed string) {
	d.must(os.MkdirAll(filepath.Join(d.dir, "armed"), 0o755))
	d.write("hear", fmt.Sprintf(heard, d.dir), 0o755)
	d.env = []string{"GRIDBURST_FAILPOINT_DIR=" + filepath.Join(d.dir, "armed")}
	arm := func(when string) {
		if armed == when {
			d.write(filepath.Join("armed", p.Name), "", 0o644)
		}
	}
	d.schedd()
	arm("come")
	d.worker(0)
	d.worker(1)
	if armed == "come" {
		d.ends(d.s.Done())
		d.schedd()
	}
	specs, err := rig.Lower(d.ctx, d.s.Client(), d.dir, "universe = parallel\nexecutable = hear\nmachine_count = 4\nshould_transfer_files = YES\n"+
		"output = out.$(Node)\n+ParallelShutdownPolicy = \"WAIT_FOR_ALL\"\nleave_in_queue = true\nqueue\n")
	d.must(err)
	arm("submit")
	_, err = d.s.Client().Submit(d.ctx, api.Submission{Specs: specs})
	if armed != "submit" {
		d.must(err) // else the schedd may have died of it already, and has it
	} else {
		d.again(p)
	}
	d.until("all nodes of one attempt", func() bool {
		beats := slices.Compact(slices.Sorted(slices.Values(d.beats())))
		return len(beats) >= 4 && strings.Fields(beats[len(beats)-4])[0] == strings.Fields(beats[len(beats)-1])[0]
	})
	arm("run")
	d.write("go", "", 0o644)
	if armed == "run" {
		d.again(p)
	}
	d.until("the job's end", func() bool {
		totals, err := d.s.Client().Totals(d.ctx)
		return err == nil && totals.All.Completed == 1
	})
	attempt := 0
	for _, b := range d.beats() {
		n, err := strconv.Atoi(strings.Fields(b)[0])
		d.must(err)
		if n < attempt {
			d.Fatalf("a node of attempt %d lives beside those of attempt %d", n, attempt)
		}
		attempt = n
	}
	for i := range 4 {
		if out := d.read(fmt.Sprint("out.", i)); out != fmt.Sprintf("node %d\n", i) {
			d.Errorf("node %d has written %q", i, out)
		}
	}
	for job, err := range d.s.Client().Jobs(d.ctx, api.JobsQuery{Attributes: []string{"ExitCode"}}) {
		d.must(err)
		if !strings.Contains(string(job), `"ExitCode":3`) {
			d.Errorf("the job has ended with %s", job)
		}
	}
	for _, w := range d.workers {
		w.Stop(time.Minute)
	}
	d.s.Stop(time.Minute)
}

// again waits for the death, and starts anew what has died.
func (d *crew) again(p failpoint.Point) {
	d.Helper()
	if p.Of == failpoint.Schedd {
		d.ends(d.s.Done())
		d.schedd()
		return
	}
	select {
	case <-d.workers[0].Done():
		d.worker(0)
	case <-d.workers[1].Done():
		d.worker(1)
	case <-d.ctx.Done():
		d.Fatal("nothing dies")
	}
}

func (d *crew) worker(i int) {
	d.Helper()
	var err error
	name := fmt.Sprint("w", i)
	d.workers[i], err = d.rig.Start(filepath.Join(filepath.Base(d.dir), name+".log"), d.env, filepath.Join(d.rig.Bin, "gworker"),
		"--schedd", d.s.Socket, "--name", name, "--state", filepath.Join(d.dir, name), "--cpus", "2", "--memory", "1GiB")
	d.must(err)
}

// beats are the lines of the witness that are whole.
func (d *crew) beats() (out []string) {
	text := d.read("beats")
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, "\n") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}
