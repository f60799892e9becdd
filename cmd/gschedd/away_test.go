package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/api"
)

// death is one schedd that dies at a point while jobs go to a target and come back.
type death struct {
	*testing.T
	ctx  context.Context
	rig  *rig.Rig
	dir  string
	far  far
	s    *rig.Schedd
	args []string
	born int // how often it was started
}

// far is a target, as a death needs it.
type far interface {
	// block is what it is in the schedd's configuration, and as what jobs go there.
	block() (resource, keys string)
	// arm lets a program of it die that comes by a point; nothing of a stub does.
	arm(failpoint.Point)
	// died waits until a program of it has died there, and starts it again.
	died(failpoint.Point)
	// shake kills it, and starts it again, where it is real.
	shake()
	// letGo has jobs run from now on.
	letGo()
	// taken are the names of the jobs that it has been given.
	taken() []string
	// end asserts that it keeps nothing, and ends it.
	end()
}

// kinds are the targets of the deaths. Each of a kind has the deaths of our schedd and its desk;
// those of a real one die too, at points of theirs.
var kinds = []struct {
	name   string
	spool  bool // files travel
	make   func(*death) far
	theirs []string
	passed []string // what this kind does not come by, by beginnings of names
}{
	{"slurm", false, newSlurm, nil, nil},
	{"condor", false, newCondor, nil, nil},
	{"condor-spool", true, newCondor, nil, nil},
	{"gridburst", false, newPeer, []string{"submit.admitted", "submit.durable", "act.before", "act.after", "dispatch.place.after", "worker.order.after"}, nil},
	{"gridburst-spool", true, newPeer, []string{"submit.durable", "transfer.inputs.before", "desk.stage.manifest", "transfer.outputs.after", "desk.commit.one", "takeover.commit.before", "takeover.commit.after"}, []string{"route.fetch", "desk.spool.command"}}, // what comes back is in place
}

// A schedd, or a desk of its, that is killed at any instant of a routed job's life loses
// none, and runs none twice; nor does a target that is killed then.
func TestADeathOfTheScheddLosesNoRoutedJob(t *testing.T) {
	rigtest.Slow(t)
	ctx, r := rigtest.New(t, []string{"failpoints"}, "gschedd", "gworker", "gsubmit", "gq", "ghistory", "ghold", "grelease", "grm", "gadm")
	// Most of each is waiting: more at one time than there are CPUs.
	var all sync.WaitGroup
	defer all.Wait()
	turns := make(chan struct{}, 8)
	for _, k := range kinds {
		passed := k.passed
		if !k.spool {
			passed = append(passed, "route.fetch", "desk.spool")
		}
		tried := 0
		try := func(p failpoint.Point, theirs bool) {
			tried++
			whose := "ours"
			if theirs {
				whose = "theirs"
			}
			turns <- struct{}{}
			all.Go(func() {
				defer func() { <-turns }()
				t.Run(k.name+"/"+whose+"/"+p.Name, func(t *testing.T) {
					d := &death{T: t, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, k.name+"."+whose+"."+p.Name)}
					d.must(os.MkdirAll(d.dir, 0o755))
					d.far = k.make(d)
					d.live(p, theirs, k.spool)
				})
			})
		}
		for _, p := range failpoint.Points {
			has := func(begins string) bool { return strings.HasPrefix(p.Name, begins) }
			if p.Test == t.Name() && !slices.ContainsFunc(passed, has) {
				try(p, false)
			}
			if slices.Contains(k.theirs, p.Name) {
				try(p, true)
			}
		}
		if tried < 10+len(k.theirs) {
			t.Errorf("%s has %d deaths", k.name, tried)
		}
	}
}

// config is a configuration with a route to the target, of which more may be said.
func (d *death) config(spool bool, route, more string) string {
	resource, keys := d.far.block()
	if spool {
		keys += "  files = \"spool\"\n"
	}
	return fmt.Sprintf("target %[1]q {\n%[2]s}\nroute %[3]q {\n  requirements = true\n  grid_resource = %[1]q\n%[4]s}\n", resource, keys, route, more)
}

// lay puts in place what the schedd begins with, and what jobs run.
func (d *death) lay(config string) {
	d.must(os.MkdirAll(filepath.Join(d.dir, "armed"), 0o755))
	d.write("schedd.hcl", config, 0o644)
	d.write("job.sh", "#!/bin/sh\necho ran >>"+d.dir+"/ran.$1\necho out of $1\n", 0o755)
	d.args = []string{"--config", filepath.Join(d.dir, "schedd.hcl")}
}

func (d *death) live(p failpoint.Point, theirs, spool bool) {
	d.lay(d.config(spool, "Away", ""))
	d.begin("GRIDBURST_FAILPOINT_DIR=" + filepath.Join(d.dir, "armed"))
	arm := d.arm
	if theirs {
		arm = d.far.arm
	}

	orders := strings.HasPrefix(p.Name, "route.order") || strings.HasPrefix(p.Name, "act.")
	if !orders {
		arm(p)
	}
	const jobs = 4
	d.submit(jobs)
	if orders {
		d.until("all to be there", func() bool { return len(d.far.taken()) == jobs })
		arm(p)
	}
	d.act("remove", "1.0")
	d.act("hold", "1.1")
	if !orders { // they are to be over before that can die
		d.far.letGo()
	}
	if theirs {
		d.far.died(p)
	} else {
		d.died(p)
		d.far.shake()
	}
	d.act("remove", "1.0")
	d.act("hold", "1.1")
	d.far.letGo()
	d.until("the hold to be carried out", func() bool { d.act("release", "1.1"); return d.left() == 0 })
	d.until("nothing to be left", func() bool {
		left, _ := filepath.Glob(filepath.Join(d.dir, ".g*"))
		routes, err := d.s.Client().Routes(d.ctx)
		return len(left) == 0 && err == nil && routes.Routes[0].Jobs == 0
	})
	d.s.Stop(time.Minute)
	d.judge(jobs)
	d.far.end()
}

// died waits until our schedd, or a desk, has died at a point, and starts it again.
func (d *death) died(p failpoint.Point) {
	d.Helper()
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
}

// judge looks at what jobs and commands have left.
func (d *death) judge(jobs int) {
	times := map[string]int{}
	for _, name := range d.far.taken() {
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
