package schedd

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/target"
	"gridburst/schedd/target/fake"
)

// counting is a job that notes each time that it runs.
func (p *place) counting(more ...string) string {
	return p.sh("echo ran >>"+filepath.Join(p.dir, "ran"), append([]string{"universe = grid", "grid_resource = batch slurm"}, more...)...)
}

func (p *place) ran(want int) {
	p.t.Helper()
	text, _ := os.ReadFile(filepath.Join(p.dir, "ran"))
	if n := bytes.Count(text, []byte("\n")); n != want {
		p.t.Errorf("the job ran %d times, not %d", n, want)
	}
}

// routing waits until a job's routing is in a state, and gives it.
func (p *place) routing(id string, want grid.RouteState) (r ledger.Routing) {
	p.t.Helper()
	run, err := grid.ParseRun(id)
	if err != nil {
		p.t.Fatal(err)
	}
	p.eventually("the routing of "+id+" to be "+want.String(), func() bool {
		r, _ = p.live.d.ledger.View().Routing(run.First())
		return r.State == want
	})
	return r
}

// there waits until what the target has is as yes says.
func there(t *testing.T, f *fake.Target, what string, yes func([]target.Seen) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !yes(f.Jobs()) {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s: %+v", what, f.Jobs())
		}
	}
}

// waiting is a place with one job, which waits at a target that starts nothing by itself.
func waiting(t *testing.T) (*fake.Target, *place, ledger.Routing) {
	t.Helper()
	f := &fake.Target{}
	p := away(t, f, "")
	p.submit(p.counting())
	return f, p, p.routing("1.0", grid.RouteWaiting)
}

// doneOnce waits until that job is done, has run once, and nothing is left of it.
func (p *place) doneOnce() {
	p.t.Helper()
	p.until("1.0", "job_completed")
	p.nothingLeft()
	p.ran(1)
}

// Whatever a target answers, and whatever it does then, the job runs once and comes back.
func TestATargetThatGoesWrongRunsAJobOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		op     string
		faults []fake.Fault
		taken  int // jobs that the target has taken in
	}{
		{"the answer to the submit is lost after it", fake.Submit, []fake.Fault{fake.LostAfter}, 1},
		{"the answer to the submit is lost, and nothing was done", fake.Submit, []fake.Fault{fake.LostBefore}, 1},
		{"it is lost again and again", fake.Submit, []fake.Fault{fake.LostBefore, fake.LostBefore, fake.LostAfter}, 1},
		{"the target is down for a while", fake.Submit, []fake.Fault{fake.Down, fake.Down}, 1},
		{"it takes the job in twice", fake.Submit, []fake.Fault{fake.Twice}, 2},
		{"it refuses once, and takes the job then", fake.Submit, []fake.Fault{fake.Refuses}, 1},
		{"it refuses in words, and has the job", fake.Submit, []fake.Fault{fake.Lies}, 1},
		{"it does not list", fake.List, []fake.Fault{fake.Down, fake.Down, fake.Down}, 1},
		{"a listing lacks everything", fake.List, []fake.Fault{0, fake.Lies}, 1},
		{"it will not forget the job at first", fake.Forget, []fake.Fault{fake.Down, fake.LostAfter}, 1},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			f := &fake.Target{Slots: 1}
			p := away(t, f, "")
			f.Inject(c.op, c.faults...)
			p.submit(p.counting())
			p.until("1.0", "job_completed")
			p.nothingLeft()
			p.ran(1)
			if n := len(f.Jobs()); n != c.taken {
				t.Errorf("the target has taken %d jobs", n)
			}
			for _, s := range f.Jobs() {
				if s.State != target.Ended {
					t.Errorf("there is %+v", s)
				}
			}
			if j := p.job("1.0"); j.Int("NumJobStarts", 0) != 1 {
				t.Errorf("it was started %d times", j.Int("NumJobStarts", 0))
			}
		})
	}
}

func TestAJobThatATargetRefusesIsHeldWithItsWords(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := away(t, f, "")
	f.Inject(fake.Submit, fake.Refuses, fake.Refuses)
	p.submit(p.counting())
	if e := p.until("1.0", "job_held"); !strings.Contains(e.Text, "the target does not want that") {
		t.Errorf("it is held: %s", e.Text)
	}
	p.nothingLeft()
	p.act("release", "1.0")
	p.doneOnce()
	p.logged("log", "000 012 013 027 001 005")
}

func TestWhatATargetForgetsGoesBackToIdle(t *testing.T) {
	t.Parallel()
	f, p, r := waiting(t)
	f.Lose(r.Remote)
	p.untilEpoch("1.0", "job_requeued", 1)
	f.Start(r.Remote) // late, and for nothing
	there(t, f, "it to be handed in again", func(all []target.Seen) bool { return len(all) == 2 })
	f.Start("2")
	p.doneOnce()
}

func TestWhatATargetForgetsAfterItsEndIsDone(t *testing.T) {
	t.Parallel()
	f, p, r := waiting(t)
	f.Inject(fake.List, fake.Down, fake.Down)
	f.Start(r.Remote)
	there(t, f, "it to be over", func(all []target.Seen) bool { return all[0].State == target.Ended })
	f.Lose(r.Remote)
	p.doneOnce()
}

func TestWhatATargetCancelsGoesBackToIdle(t *testing.T) {
	t.Parallel()
	f, p, r := waiting(t)
	f.Set(r.Remote, target.Ended, target.Cancelled, "cancelled")
	p.untilEpoch("1.0", "job_requeued", 1)
	there(t, f, "it to be handed in again", func(all []target.Seen) bool { return len(all) == 2 })
	f.Start("2")
	p.doneOnce()
}

func TestAJobToBeRunOnceIsHeldWhenItsFateIsNotKnown(t *testing.T) {
	t.Parallel()
	f := &fake.Target{}
	p := away(t, f, "")
	p.submit(p.sh("sleep 600", "universe = grid", "grid_resource = batch slurm", "run_once = true"))
	r := p.routing("1.0", grid.RouteWaiting)
	f.Start(r.Remote)
	p.routing("1.0", grid.RouteRunning)
	f.Set(r.Remote, target.Ended, target.Lost, "node_fail")
	if e := p.until("1.0", "job_held"); !strings.Contains(e.Text, "outcome unknown") {
		t.Errorf("it is held: %s", e.Text)
	}
	p.nothingLeft()
	if n := len(f.Jobs()); n != 1 {
		t.Errorf("it was handed in %d times", n)
	}
}

func TestWhatATargetHoldsIsHeldHere(t *testing.T) {
	t.Parallel()
	f, p, r := waiting(t)
	f.Set(r.Remote, target.Held, 0, "pending (JobHeldAdmin)")
	if e := p.until("1.0", "job_held"); !strings.Contains(e.Text, "JobHeldAdmin") {
		t.Errorf("it is held: %s", e.Text)
	}
	if j := p.job("1.0"); !strings.Contains(j.Text("HoldReason"), "batch slurm holds it") || !j.Has("HoldCopiedFromTargetJob") {
		t.Errorf("its ad: %v", sourceOf(j))
	}
	// The target takes it back; then holds it again, and the job's owner releases it here.
	f.Set(r.Remote, target.Waiting, 0, "pending")
	p.until("1.0", "job_released")
	p.routing("1.0", grid.RouteWaiting)
	f.Set(r.Remote, target.Held, 0, "pending (JobHeldUser)")
	p.routing("1.0", grid.RouteHeld)
	if got := p.act("release", "1.0"); got.Changed != 1 {
		t.Errorf("the release: %+v", got)
	}
	p.routing("1.0", grid.RouteWaiting)
	f.Start(r.Remote)
	p.doneOnce()
	p.logged("log", "000 027 012 013 012 013 001 005")
}

func TestWhatItsOwnerDoesToAJobIsCarriedToItsTarget(t *testing.T) {
	t.Parallel()
	f, p, r := waiting(t)
	p.act("hold", "1.0")
	there(t, f, "the hold", func(all []target.Seen) bool { return all[0].State == target.Held })
	p.routing("1.0", grid.RouteHeld)
	p.act("release", "1.0")
	there(t, f, "the release", func(all []target.Seen) bool { return all[0].State == target.Waiting })
	p.routing("1.0", grid.RouteWaiting)
	p.act("hold", "1.0")
	p.act("remove", "1.0")
	there(t, f, "the removal", func(all []target.Seen) bool { return all[0].State == target.Ended })
	p.until("1.0", "job_left")
	p.nothingLeft()
	p.ran(0)
	p.logged("log", "000 027 012 013 012 009")

	// What runs is ended by a hold, and begins anew.
	p.submit(strings.Replace(p.sh("echo ran >>"+filepath.Join(p.dir, "ran")+"; sleep 600", "universe = grid", "grid_resource = batch slurm"), "log = log", "log = log2", 1))
	r = p.routing("2.0", grid.RouteWaiting)
	f.Start(r.Remote)
	p.routing("2.0", grid.RouteRunning)
	p.act("hold", "2.0")
	there(t, f, "the end", func(all []target.Seen) bool { return all[1].State == target.Ended })
	p.nothingLeft()
	p.act("release", "2.0")
	if again := p.routing("2.0", grid.RouteWaiting); again.Epoch != 2 {
		t.Errorf("then its attempt is %d", again.Epoch)
	}
	p.act("remove", "2.0")
	p.until("2.0", "job_left")
	p.nothingLeft()
}

func TestAJobIsAtItsTargetAcrossARestart(t *testing.T) {
	t.Parallel()
	f := &fake.Target{}
	p := away(t, f, toSlurm)
	p.submit(p.sh("echo ran >>" + filepath.Join(p.dir, "ran")))
	r := p.routing("1.0", grid.RouteWaiting)
	p.restart()
	f.Start(r.Remote)
	there(t, f, "it to run", func(all []target.Seen) bool { return all[0].State != target.Waiting })
	p.restart()
	p.doneOnce()
	p.logged("log", "000 001 005")
	if n := len(f.Jobs()); n != 1 {
		t.Errorf("it was handed in %d times", n)
	}
}

func TestAJobThatWasForcedOutIsTakenBackFromItsTarget(t *testing.T) {
	t.Parallel()
	f := &fake.Target{}
	p := away(t, f, "")
	p.submit(p.counting())
	p.routing("1.0", grid.RouteWaiting)
	f.Inject(fake.Remove, fake.Lies, fake.Lies)
	p.act("remove", "1.0")
	if _, err := p.Act(t.Context(), api.Action{Verb: "remove", Force: true, Selection: api.Selection{IDs: []string{"1.0"}}}); err != nil {
		t.Fatal(err)
	}
	p.until("1.0", "job_left")
	there(t, f, "it to be removed", func(all []target.Seen) bool { return all[0].State == target.Ended })
	p.nothingLeft()
	p.ran(0)
}

func TestARouteHasNoMoreJobsThanItMay(t *testing.T) {
	t.Parallel()
	f := &fake.Target{}
	p := away(t, f, strings.NewReplacer("1000", "5", "500", "3").Replace(toSlurm))
	p.submit(strings.Replace(p.sh("true"), "queue", "queue 10", 1))
	most := func(jobs, idle int) {
		t.Helper()
		n := p.live.d.ledger.View().RouteTallies()[ledger.RouteKey{Route: "Slurm"}]
		if n.Jobs > jobs || n.Idle > idle {
			t.Errorf("there are %+v", n)
		}
	}
	there(t, f, "three jobs", func(all []target.Seen) bool { most(5, 3); return len(all) == 3 })
	if w, err := p.Why(t.Context(), "1.9"); err != nil || !strings.Contains(w.Text, "Route Slurm has enough that wait") {
		t.Errorf("of one that waits it is said: %s %v", w.Text, err)
	}
	r := p.routing("1.0", grid.RouteWaiting)
	if w, err := p.Why(t.Context(), "1.0"); err != nil || !strings.Contains(w.Text, "It went by route Slurm to batch slurm, which has it as "+r.Remote+" (gb-") {
		t.Errorf("of one that is there it is said: %s %v", w.Text, err)
	}
	for i := range 10 {
		there(t, f, "the next job", func(all []target.Seen) bool { most(5, 3); return len(all) > i })
		f.Start(f.Jobs()[i].ID)
	}
	p.until("1.9", "job_left")
	p.nothingLeft()
}

func TestFilesAreTransferredToATargetAndBack(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := away(t, f, "")
	if err := os.WriteFile(filepath.Join(p.dir, "in"), []byte("input"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.submit(p.sh("pwd; cat in >made; echo changed >>in; mkdir sub", "universe = grid", "grid_resource = batch slurm", "should_transfer_files = yes", "transfer_input_files = in", `transfer_output_remaps = "made=there"`))
	p.until("1.0", "job_completed")
	p.nothingLeft()
	for name, want := range map[string]string{"there": "input", "in": "inputchanged\n"} {
		if got, err := os.ReadFile(filepath.Join(p.dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if out, _ := os.ReadFile(filepath.Join(p.dir, "out")); !strings.Contains(string(out), "/.gb-") {
		t.Errorf("it ran in %s", out)
	}
}

func TestWhatATargetHasAgainAfterItsEndIsTakenAway(t *testing.T) {
	t.Parallel()
	f := &fake.Target{}
	p := away(t, f, "")
	p.submit(strings.Replace(p.counting(), "queue", "queue 2", 1))
	r := p.routing("1.0", grid.RouteWaiting)
	p.routing("1.1", grid.RouteWaiting)
	f.Start(r.Remote)
	p.until("1.0", "job_completed")
	p.eventually("its routing to be closed", func() bool {
		_, open := p.live.d.ledger.View().Routing(grid.JobID{Cluster: 1})
		return !open
	})
	f.Recall(r.Remote, target.Running)
	there(t, f, "it to be removed", func(all []target.Seen) bool {
		return slices.ContainsFunc(all, func(s target.Seen) bool { return s.ID == r.Remote && s.State == target.Ended })
	})
	asked := f.Asked(fake.Forget)
	f.Recall(r.Remote, target.Ended)
	there(t, f, "it to be forgotten", func([]target.Seen) bool { return f.Asked(fake.Forget) > asked })
	p.act("remove", "1.1")
	p.until("1.1", "job_left")
	p.nothingLeft()
	p.ran(1)
}

// A route whose target is not configured does no harm: its job is held, and says so.
func TestARouteToATargetThatIsNotThereHoldsItsJob(t *testing.T) {
	t.Parallel()
	p := away(t, &fake.Target{Slots: 1}, strings.ReplaceAll(toSlurm, "batch slurm", "batch other"))
	p.submit(p.sh("true", "requirements = false"))
	if e := p.until("1.0", "job_held"); !strings.Contains(e.Text, "there is no target batch other") {
		t.Errorf("it is held: %s", e.Text)
	}
	p.nothingLeft()
}

// Whoever may submit at a target may call his jobs as those of others are called.
func TestAJobOfAnothersNameAtATargetIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	f, p, r := waiting(t)
	forged := f.Taken()[0]
	forged.Owner.Name = "mallory"
	id, err := f.Submit(t.Context(), forged)
	if err != nil {
		t.Fatal(err)
	}
	f.Set(id, target.Held, 0, "held")
	asked := f.Asked(fake.List)
	there(t, f, "it to be listed", func([]target.Seen) bool { return f.Asked(fake.List) > asked+2 })
	if n := f.Asked(fake.Remove); n > 0 {
		t.Errorf("%d removals were ordered", n)
	}
	f.Start(r.Remote)
	p.doneOnce()
	p.logged("log", "000 027 001 005")
}
