package schedd

import (
	"fmt"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

func (w *worker) suspends(on bool) {
	w.p.t.Helper()
	if m := w.next(); m.Suspend == nil || m.Suspend.On != on {
		w.p.t.Fatalf("not an order to suspend (%v): %+v", on, m)
	}
}

// running starts a job and gives its attempt.
func (p *place) running(w *worker, text string) *wire.Start {
	p.t.Helper()
	id := p.submit(plainJob + text)
	s := w.start()
	w.started(s)
	p.until(grid.JobID{Cluster: id}.String(), "job_started")
	return s
}

func TestVacatedJobWaitsAgainForTheReasonThatWasGiven(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	s := p.running(w, "queue\n")
	act := func(fast bool) api.Acted {
		t.Helper()
		out, err := p.Act(t.Context(), api.Action{Verb: "vacate", Fast: fast, Selection: api.Selection{IDs: []string{"1"}}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if done := act(false); done.Changed != 1 {
		t.Errorf("vacated: %+v", done)
	}
	if k := w.kill(); k.Fast || k.Epoch != s.Epoch {
		t.Errorf("killed: %+v", k)
	}
	if done := act(false); done.Already != 1 {
		t.Errorf("vacated twice: %+v", done)
	}
	// The order outlives the schedd: the worker is told again.
	p.restart()
	w.hangUp()
	w = p.worker("w1", holds(s, wire.Report{Kind: wire.Started}))
	if k := w.kill(); k.Fast {
		t.Errorf("killed again: %+v", k)
	}
	act(true)
	if k := w.kill(); !k.Fast {
		t.Errorf("not killed at once: %+v", k)
	}
	w.report(s, wire.Report{Kind: wire.Killed})
	e := p.until("1.0", "job_requeued")
	if grid.VacateCode(e.Code) != grid.VacateUser || !strings.Contains(e.Text, "via gvacate") {
		t.Errorf("it was requeued with %+v", e)
	}
	w.forgets()
	if again := w.start(); again.Epoch != 2 {
		t.Errorf("then came %+v", again)
	}
	if done := p.act("vacate", "1.0"); done.Changed != 1 {
		t.Errorf("one that is about to start: %+v", done)
	}
}

func TestSuspendedJobStandsStillUntilItIsContinued(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	s := p.running(w, "queue\n")
	p.act("suspend", "1")
	w.suspends(true)
	if done := p.act("suspend", "1"); done.Already != 1 {
		t.Errorf("suspended twice: %+v", done)
	}
	// A worker that comes with a job that is not as it should be is told.
	w.hangUp()
	p.until("1.0", "job_suspended")
	w = p.worker("w1", holds(s, wire.Report{Kind: wire.Started}))
	w.suspends(true)
	if a := p.job("1.0"); a.Int("JobStatus", 0) != int64(grid.Suspended) || a.Int("TotalSuspensions", 0) != 1 {
		t.Errorf("suspended it is %s", a.AppendJSON(nil))
	}
	p.act("continue", "1")
	w.suspends(false)
	w.exited(s, 0)
	p.until("1.0", "job_left")
	p.logged("job.log", "000 001 010 011 005")
}

func TestForcedRemovalWaitsForNobody(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	s := p.running(w, "queue\n")
	w.hangUp()
	force := func() api.Acted {
		t.Helper()
		out, err := p.Act(t.Context(), api.Action{Verb: "remove", Force: true, Selection: api.Selection{IDs: []string{"1.0"}}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if done := force(); done.Refused != 1 {
		t.Errorf("a running job was removed by force: %+v", done)
	}
	p.act("remove", "1")
	if done := force(); done.Changed != 1 {
		t.Errorf("removed by force: %+v", done)
	}
	p.until("1.0", "job_left")
	// What still runs is ended when its worker comes.
	if k := p.worker("w1", holds(s, wire.Report{Kind: wire.Started})).kill(); !k.Fast {
		t.Errorf("killed: %+v", k)
	}
	p.logged("job.log", "000 001 009")
}

// Most jobs of a cluster have records of their own: what is done to it whole is done in
// commands that are bounded all the same.
func TestActsOnAWholeClusterAreBounded(t *testing.T) {
	p := newPlace(t, nil)
	const procs = 3*maxJobs + 20
	p.submit(fmt.Sprintf("executable = /bin/true\nrequirements = false\nqueue %d\n", procs))
	if done := p.act("hold", fmt.Sprintf("1.0-%d", procs-11)); done.Changed != procs-10 {
		t.Fatalf("held: %+v", done)
	}
	before := p.live.d.ledger.View().Index
	edit := func() api.Acted {
		t.Helper()
		done, err := p.Edit(t.Context(), api.Edit{Selection: api.Selection{IDs: []string{"1"}}, Attrs: []submit.Attr{{Name: "Team", Expr: `"b"`}}})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	for name, act := range map[string]func() api.Acted{"edit": edit, "release": func() api.Acted { return p.act("release", "1") }} {
		if done := act(); done.Changed+done.Refused != procs || name == "edit" && done.Changed != procs {
			t.Errorf("%s: %+v", name, done)
		}
	}
	if done := p.act("remove", "1"); done.Changed != procs {
		t.Errorf("removed: %+v", done)
	}
	events, _, err := p.live.d.ledger.Events(t.Context(), before, 10*procs)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[uint64]int{}
	for i := range events {
		entries[events[i].Index]++
	}
	for index, n := range entries {
		if n > 2*(maxJobs+1) { // a removal has two for each
			t.Errorf("entry %d has %d events", index, n)
		}
	}
	if len(events) < 3*procs || len(entries) < 6 {
		t.Errorf("%d events in %d entries", len(events), len(entries))
	}
}

func TestEditsAreCheckedAndHold(t *testing.T) {
	p := newPlace(t, nil)
	p.submit(plainJob + "priority = $(Process)\nqueue 3\n")
	p.submit(plainJob + "requirements = false\nqueue\n")
	all := api.Selection{All: true}
	edit := func(s api.Selection, name, expr string) (api.Acted, error) {
		return p.Edit(t.Context(), api.Edit{Selection: s, Attrs: []submit.Attr{{Name: name, Expr: expr}}})
	}
	for _, bad := range []struct {
		name, expr string
		code       grid.Code
	}{
		{"ClusterId", "7", grid.Forbidden},
		{"owner", `"root"`, grid.Forbidden},
		{"JobStatus", "4", grid.Forbidden},
		{"JobUniverse", "9", grid.Forbidden},
		{"CpusProvisioned", "9", grid.Forbidden},
		{"Requirements", "", grid.Forbidden},
		{"Rank", "1 +", grid.Invalid},
		{"Rank", "nosuchfunction(1)", grid.Invalid},
		{"JobPrio", "1.5", grid.Invalid},
		{"UserLog", "12", grid.Invalid},
		{"no name", "1", grid.Invalid},
	} {
		if _, err := edit(all, bad.name, bad.expr); grid.CodeOf(err) != bad.code {
			t.Errorf("%s = %s: %v", bad.name, bad.expr, err)
		}
	}
	if done, err := p.Edit(t.Context(), api.Edit{Selection: api.Selection{IDs: []string{"1"}}, AddPriority: 10}); err != nil || done.Changed != 3 {
		t.Errorf("%+v, %v", done, err)
	}
	for id, want := range map[string]int64{"1.0": 10, "1.1": 11, "1.2": 12} {
		if got := p.job(id).Int("JobPrio", 0); got != want {
			t.Errorf("%s has priority %d, want %d", id, got, want)
		}
	}
	// Of one cluster by a constraint that differs from job to job.
	if done, err := edit(api.Selection{Constraint: "ProcId >= 1 && JobPrio < 12"}, "Team", `"b"`); err != nil || done.Changed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if a := p.job("1.1"); a.Text("Team") != "b" || p.job("1.0").Has("Team") {
		t.Error("the constraint chose others")
	}
	// A job that waited for what is no more in its way runs.
	w := p.worker("w1")
	for range 2 {
		if s := w.start(); s.Job.Cluster != 1 || s.Job.Proc == 0 {
			t.Errorf("%s is started", s.Job)
		}
	}
	p.act("remove", "1")
	if done, err := edit(api.Selection{Owner: "nobody-of-ours"}, "Requirements", "true"); err != nil || done.Changed != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := edit(api.Selection{IDs: []string{"2.0"}}, "Requirements", "true"); err != nil {
		t.Error(err)
	}
	q := p.worker("w2")
	if s := q.start(); s.Job.Cluster != 2 {
		t.Errorf("%s is started", s.Job)
	}
}
