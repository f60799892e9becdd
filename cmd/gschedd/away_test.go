package main

import (
	"bytes"
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

// Slurm's commands, as much of them as a schedd uses, over a directory of files: a job is a
// file that is named by its id and holds name|state|node|reason. A job is there or it is
// not, whoever is killed over it: its own process, which nobody kills, makes it, and who
// lists the jobs waits for those that are being made.
var slurmCommands = map[string]string{
	"sbatch": `
for a; do case $a in --job-name=*) name=${a#*=} ;; esac; script=$a; done
exec 9>"$FAKE/lock"; flock 9 # it goes with whoever is killed
id=$(($(cat "$FAKE/last" 2>/dev/null) + 1)); echo $id >"$FAKE/last"
setsid "$(dirname "$0")/run" "$id" "$script" "$name" </dev/null >/dev/null 2>&1 &
until [ -e "$FAKE/$id" ]; do sleep 0.01; done
echo $id
`,
	// Jobs whose turn has come run; all wait until there is a file go.
	"run": `
name=$3
echo "$name|PENDING||None" >"$FAKE/$1.new"; mv "$FAKE/$1.new" "$FAKE/$1"
exec 9>&-
until [ -e "$FAKE/go" ]; do
	case $(cat "$FAKE/$1") in *CANCELLED*) exit ;; esac
	sleep 0.05
done
while :; do
	case $(cat "$FAKE/$1") in *CANCELLED*) exit ;; *Held*) sleep 0.05 ;; *) break ;; esac
done
echo "$name|RUNNING|n0|None" >"$FAKE/$1.new"; mv "$FAKE/$1.new" "$FAKE/$1"
sh "$2" # as Slurm reads it: who executes a file finds it busy while a fork of its writer lives
case $(cat "$FAKE/$1") in *CANCELLED*) exit ;; esac
echo "$name|COMPLETED|n0|None" >"$FAKE/$1.new"; mv "$FAKE/$1.new" "$FAKE/$1"
`,
	"squeue":  "exec 9>\"$FAKE/lock\"; flock 9\ncd \"$FAKE\"\nfor f in [0-9]*; do case $f in *.* | '[0-9]*') ;; *) echo \"$f|$(cat $f)\" ;; esac; done\n",
	"scancel": "set_state() { echo \"$(cut -d'|' -f1 \"$FAKE/$1\")|CANCELLED||None\" >\"$FAKE/$1.c\"; mv \"$FAKE/$1.c\" \"$FAKE/$1\"; }\n[ -e \"$FAKE/$1\" ] || { echo 'Invalid job id specified' >&2; exit 1; }\nset_state \"$1\"\n",
	"scontrol": "state=PENDING; reason=None; [ $1 != hold ] || reason=JobHeldUser\n[ -e \"$FAKE/$2\" ] || { echo 'Invalid job id specified' >&2; exit 1; }\n" +
		"echo \"$(cut -d'|' -f1 \"$FAKE/$2\")|$state||$reason\" >\"$FAKE/$2.h\"; mv \"$FAKE/$2.h\" \"$FAKE/$2\"\n",
	"sacct": "exit 1\n",
}

// death is one schedd that dies at a point while jobs go to a target and come back.
type death struct {
	*testing.T
	ctx  context.Context
	rig  *rig.Rig
	dir  string
	s    *rig.Schedd
	args []string
	born int // how often it was started
}

// A schedd, or a desk of its, that is killed at any instant of a routed job's life loses
// none, and runs none twice.
func TestADeathOfTheScheddLosesNoRoutedJob(t *testing.T) {
	rigtest.Slow(t)
	ctx, r := rigtest.New(t, []string{"failpoints"}, "gschedd")
	rigtest.Deaths(t, 10, func(t *testing.T, p failpoint.Point) {
		d := &death{T: t, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, p.Name)}
		d.live(p)
	})
}

// lay puts the stub Slurm and a configuration in place, with a route to it, of which further keys
// may be said.
func (d *death) lay(route, more string) {
	fake := filepath.Join(d.dir, "fake")
	for _, sub := range []string{"fake", "bin", "armed"} {
		d.must(os.MkdirAll(filepath.Join(d.dir, sub), 0o755))
	}
	for name, text := range slurmCommands {
		d.write("bin/"+name, "#!/bin/sh\nFAKE="+fake+"\n"+text, 0o755)
	}
	d.write("schedd.hcl", d.config(route, more), 0o644)
	d.write("job.sh", "#!/bin/sh\necho ran >>ran.$1\necho out of $1\n", 0o755)
	d.args = []string{"--config", filepath.Join(d.dir, "schedd.hcl")}
}

func (d *death) config(route, more string) string {
	return fmt.Sprintf("target \"batch slurm\" {\n  bin = %q\n}\nroute %q {\n  requirements = true\n  grid_resource = \"batch slurm\"\n%s}\n", filepath.Join(d.dir, "bin"), route, more)
}

func (d *death) live(p failpoint.Point) {
	d.lay("Slurm", "")
	d.begin("GRIDBURST_FAILPOINT_DIR=" + filepath.Join(d.dir, "armed"))
	orders := strings.HasPrefix(p.Name, "route.order")
	if !orders {
		d.arm(p)
	}
	const jobs = 4
	d.submit(jobs)
	if orders {
		d.until("all to be there", func() bool { return len(d.taken()) == jobs })
		d.arm(p)
	}
	d.act("remove", "1.0")
	d.act("hold", "1.1")
	if !orders { // they are to be over before that can die
		d.write("fake/go", "", 0o644)
	}
	d.until("a death at "+p.Name, func() bool {
		_, err := os.Stat(filepath.Join(d.dir, "armed", p.Name))
		return err != nil
	})
	if p.Of == failpoint.Schedd && d.born == 1 {
		select {
		case <-d.s.Done():
		case <-d.ctx.Done():
			d.Fatal("gschedd lives")
		}
		d.begin()
	}
	d.act("remove", "1.0")
	d.act("hold", "1.1")
	d.write("fake/go", "", 0o644)
	d.until("the hold to be carried out", func() bool { d.act("release", "1.1"); return d.left() == 0 })
	d.until("nothing to be left", func() bool {
		left, _ := filepath.Glob(filepath.Join(d.dir, ".g*"))
		routes, err := d.s.Client().Routes(d.ctx)
		return len(left) == 0 && err == nil && routes.Routes[0].Jobs == 0
	})
	d.s.Stop(time.Minute)
	d.judge(jobs)
}

// judge looks at what jobs and commands have left.
func (d *death) judge(jobs int) {
	times := map[string]int{}
	for _, name := range d.taken() {
		if times[name]++; times[name] > 1 {
			d.Errorf("%s was handed in %d times", name, times[name])
		}
	}
	for i := range jobs {
		ran, _ := os.ReadFile(filepath.Join(d.dir, fmt.Sprint("ran.", i)))
		n := bytes.Count(ran, []byte("\n"))
		out, _ := os.ReadFile(filepath.Join(d.dir, fmt.Sprint("out.", i)))
		whole := string(out) == fmt.Sprintf("out of %d\n", i)
		// What was removed may have run; what was held while it ran begins anew.
		if i >= 2 && (n != 1 || !whole) || n > 2-min(i, 1)+i%2 || i == 1 && !whole {
			d.Errorf("job 1.%d ran %d times and wrote %q", i, n, out)
		}
	}
}

func (d *death) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *death) write(name, text string, mode os.FileMode) {
	d.Helper()
	d.must(os.WriteFile(filepath.Join(d.dir, name), []byte(text), mode))
}

func (d *death) begin(env ...string) {
	d.Helper()
	s, err := d.rig.Schedd(d.ctx, filepath.Join(filepath.Base(d.dir), "g"), env, d.args...)
	d.must(err)
	d.s = s
	d.born++
}

// arm lets the next program that comes by the point die.
func (d *death) arm(p failpoint.Point) { d.write(filepath.Join("armed", p.Name), "", 0o644) }

func (d *death) submit(n int) {
	d.Helper()
	specs, err := rig.Lower(d.ctx, d.s.Client(), d.dir, fmt.Sprintf("executable = job.sh\narguments = $(Process)\noutput = out.$(Process)\nlog = log\nqueue %d\n", n))
	d.must(err)
	hand := func(ctx context.Context) error {
		_, err := d.s.Client().Submit(ctx, api.Submission{Specs: specs, Key: "once"})
		return err
	}
	if err := d.call(hand); err != nil { // it died before it answered: they are in the queue, or not
		select {
		case <-d.s.Done():
		case <-d.ctx.Done():
			d.Fatal(err)
		}
		d.begin()
		d.must(hand(d.ctx))
	}
}

// call asks the schedd, which may die over it.
func (d *death) call(f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	died := d.s.Done()
	go func() {
		select {
		case <-died:
			cancel()
		case <-ctx.Done():
		}
	}()
	return f(ctx)
}

// act does something to a job; a schedd that is dying does not answer.
func (d *death) act(verb, id string) {
	_ = d.call(func(ctx context.Context) error {
		_, err := d.s.Client().Act(ctx, api.Action{Verb: verb, Selection: api.Selection{IDs: []string{id}}})
		return err
	})
}

// taken are the names of the jobs that the target has been given.
func (d *death) taken() (names []string) {
	all, _ := filepath.Glob(filepath.Join(d.dir, "fake", "[0-9]*"))
	for _, file := range all {
		if filepath.Ext(file) == "" {
			text, err := os.ReadFile(file)
			d.must(err)
			name, _, _ := strings.Cut(string(text), "|")
			names = append(names, name)
		}
	}
	return names
}

// left is how many jobs are in the queue.
func (d *death) left() int {
	t, err := d.s.Client().Totals(d.ctx)
	if err != nil {
		return 1
	}
	a := t.All
	return a.Idle + a.Running + a.Held + a.Transferring + a.Completed + a.Removed + a.Suspended
}

func (d *death) until(what string, yes func() bool) {
	d.Helper()
	for !yes() {
		if pause.For(d.ctx, 50*time.Millisecond) != nil {
			log, _ := os.ReadFile(filepath.Join(d.dir, "g.log"))
			d.Fatalf("waited in vain for %s\n%s", what, log[max(0, len(log)-3000):])
		}
	}
}
