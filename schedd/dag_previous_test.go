package schedd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/desk"
	"gridburst/schedd/api"
)

// pipeline is a workflow whose node fit is behind that of the run before, and whose node tell
// only waits for its end. What its jobs wait for is a removal: the POST script says how the
// node ends.
const pipeline = `
job "wait" {
  executable            = "/bin/true"
  should_transfer_files = "no"
}
workflow "flow" {
  node "gate" {
    job = "wait"
    post { run = ["gate.sh"] }
  }
  node "fit" {
    noop           = true
    after          = [node.gate]
    after_previous = [node.fit]
  }
  node "tell" {
    noop               = true
    after_any_previous = [node.fit]
  }
}
`

// writePipeline writes it, with the script that says how gates end: badly while there is a
// file fails.
func writePipeline(t *testing.T, dir, text string) {
	t.Helper()
	for name, text := range map[string]string{"flow.hcl": text, "gate.sh": "#!/bin/sh\ntest ! -e fails\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// flowing is a place with that workflow's timetable, which begins nothing by itself.
func flowing(t *testing.T, dir string) func(*Config) {
	t.Helper()
	me, err := currentUser()
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) {
		if dir == "" {
			dir = filepath.Dir(c.Dir)
		}
		c.Crons = []Cron{{Name: "flow", Schedule: "0 0 1 1 *", Owner: me, Dag: filepath.Join(dir, "flow.hcl"), Overlap: "allow"}}
	}
}

// instantOf is the n-th instant of which there is to be a run.
func instantOf(n int) time.Time { return time.Date(2026, 3, 1+n, 2, 30, 0, 0, time.UTC) }

// begins has the run of an instant begin.
func (p *place) begins(n int) uint32 {
	p.t.Helper()
	out, err := p.RunCron(p.t.Context(), api.CronRun{Name: "flow", At: instantOf(n).Unix(), Anyway: true})
	if err != nil {
		p.t.Fatal(err)
	}
	return out.Run
}

// opens lets a run's gate end, once it has one.
func (p *place) opens(run uint32) {
	p.t.Helper()
	e := p.waitFor("a gate", func(e *api.Event) bool { return e.Type == "job_submitted" && e.ID == run && e.Node == 0 })
	p.act("remove", e.Jobs)
}

// nodes are the states of a run's nodes by name.
func (p *place) nodes(run uint32) map[string]string {
	p.t.Helper()
	d, err := p.Dag(p.t.Context(), run)
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]string{}
	for _, n := range d.Detail {
		out[n.Name] = n.State
	}
	return out
}

// moved waits until a node of a run is in a state.
func (p *place) moved(run uint32, node int32, to string) api.Event {
	p.t.Helper()
	return p.waitFor("node "+to, func(e *api.Event) bool { return e.Type == "node_moved" && e.ID == run && e.Node == node && e.To == to })
}

// The places of the nodes of the run before in the pipeline.
const fitBefore, tellBefore = 3, 4

func newPipeline(t *testing.T) *place {
	t.Helper()
	p := newPlace(t, flowing(t, ""))
	writePipeline(t, p.dir, pipeline)
	return p
}

// The first run of all waits for none; the next waits node by node, also over restarts, and is
// told what it waits for.
func TestRunsOfATimetableOverlapAndKeepOrderNodeByNode(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	one, two, three := p.begins(0), p.begins(1), p.begins(2)
	if e := p.moved(one, fitBefore, "done"); e.Text != "there is no run before this one" {
		t.Errorf("the first is told that %s", e.Text)
	}
	p.opens(three)
	p.opens(two)
	p.moved(two, 0, "done")
	p.moved(three, 0, "done")
	p.restart()
	d, err := p.Dag(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(d.Detail, func(n api.DagNode) bool { return n.Name == "previous.fit" })
	want := api.DagPrevious{Node: "fit", Run: one, Due: instantOf(0).Unix(), State: "waiting"}
	if n := d.Detail[i]; n.Kind != "previous" || n.State != "waiting" || n.Previous == nil || *n.Previous != want {
		t.Errorf("the second waits for %+v", n.Previous)
	}
	if got := p.nodes(three); got["fit"] != "waiting" || got["tell"] != "waiting" {
		t.Errorf("the third is at %v", got)
	}
	p.opens(one)
	for _, run := range []uint32{one, two, three} {
		if d := p.dagEnd(run); d.Status != "done" {
			t.Errorf("workflow %d ended %s: %s", run, d.Status, states(d))
		}
	}
	gate := p.moved(one, 0, "done")
	second, third := p.moved(two, fitBefore, "done"), p.moved(three, fitBefore, "done")
	if !(gate.Index < second.Index && second.Index < third.Index) {
		t.Errorf("fit is let go at %d, %d and %d", gate.Index, second.Index, third.Index)
	}
}

// What is behind a node that did not come to its end does not run; what only waits for its
// end does. As long as the run before goes on, somebody may try again, and both wait.
func TestWhatARunMakesOfOneBeforeThatFailed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(p *place, run uint32)
		fate string // of the run before
		why  string
	}{
		"its node failed": {func(p *place, run uint32) {
			p.file("fails", "", 0o644)
			p.opens(run)
		}, "failed", "and fit of it did not run"},
		"it was removed": {func(p *place, run uint32) {
			if err := p.RemoveDag(p.t.Context(), run); err != nil {
				p.t.Fatal(err)
			}
		}, "removed", "and fit of it did not run"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t)
			one, two := p.begins(0), p.begins(1)
			c.end(p, one)
			if d := p.dagEnd(one); d.Status != c.fate {
				t.Fatalf("the run before ended %s", d.Status)
			}
			e := p.moved(two, fitBefore, "failed")
			if !strings.HasSuffix(e.Text, c.why) {
				t.Errorf("it says %s", e.Text)
			}
			p.moved(two, tellBefore, "done")
			if err := os.RemoveAll(filepath.Join(p.dir, "fails")); err != nil {
				t.Fatal(err)
			}
			p.opens(two)
			d := p.dagEnd(two)
			got := map[string]string{}
			for _, n := range d.Detail {
				got[n.Name] = n.State
			}
			if d.Status != "failed" || got["gate"] != "done" || got["fit"] != "futile" || got["tell"] != "done" {
				t.Errorf("it ended %s with %v", d.Status, got)
			}
			// The instant is made good, and the next goes by its newest run.
			again := p.begins(0)
			p.opens(again)
			p.dagEnd(again)
			next := p.begins(1)
			if e := p.moved(next, fitBefore, "done"); !strings.Contains(e.Text, "is done") {
				t.Errorf("it says %s", e.Text)
			}
		})
	}
}

// Instants count, not when a run was begun: one that is caught up with later is behind the one
// before it, and no run that has begun waits for it.
func TestTheRunBeforeIsThatOfTheInstantBefore(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	five, two := p.begins(5), p.begins(2)
	p.moved(two, fitBefore, "done") // none is before it
	p.opens(two)
	p.dagEnd(two)
	three := p.begins(3)
	if e := p.moved(three, fitBefore, "done"); !strings.Contains(e.Text, "the run before, is done") {
		t.Errorf("the third says %s", e.Text)
	}
	p.opens(five)
	if d := p.dagEnd(five); d.Status != "done" {
		t.Errorf("the fifth ended %s: %s", d.Status, states(d))
	}
	six := p.begins(6)
	d, err := p.Dag(t.Context(), six)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Detail[fitBefore].Previous; got == nil || got.Run != five {
		t.Errorf("the sixth is behind %+v", got)
	}
}

// Somebody may let a node go on without the run before; a node that the run before does not
// have is not waited for.
func TestANodeThatIsNotWaitedForAnyMore(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	one, two := p.begins(0), p.begins(1)
	p.opens(two)
	p.moved(two, 0, "done")
	if _, err := p.ControlDag(t.Context(), two, api.DagControl{Verb: "skip", Node: "previous.fit"}); err != nil {
		t.Fatal(err)
	}
	if got := p.nodes(two); got["fit"] != "done" || got["tell"] != "waiting" {
		t.Errorf("the second is at %v", got)
	}
	writePipeline(t, p.dir, strings.ReplaceAll(pipeline, "fit", "bake"))
	three := p.begins(2)
	if e := p.moved(three, fitBefore, "done"); !strings.HasSuffix(e.Text, "has no node bake") {
		t.Errorf("the third says %s", e.Text)
	}
	p.opens(one)
	p.dagEnd(one)
	p.dagEnd(two)
}

// A workflow that no timetable begins has no run before.
func TestAWorkflowOfNoTimetableWaitsForNoRunBefore(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	read, err := p.live.d.desks.ReadTimetable(t.Context(), self(t), filepath.Join(p.dir, "flow.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.SubmitDag(t.Context(), api.DagSubmission{File: filepath.Join(p.dir, "flow.hcl"), Dir: p.dir, Graph: *read.Graph})
	if err != nil {
		t.Fatal(err)
	}
	p.opens(out.Dag)
	if d := p.dagEnd(out.Dag); d.Status != "done" {
		t.Errorf("it ended %s: %s", d.Status, states(d))
	}
}

// self is who this test runs as.
func self(t *testing.T) desk.Owner {
	t.Helper()
	me, err := currentUser()
	if err != nil {
		t.Fatal(err)
	}
	return desk.Owner{Name: me, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
}
