package schedd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/policy"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
)

// clock is a daemon of which only the queue and its policies live, within a bubble whose
// time passes at once.
type clock struct {
	t *testing.T
	d *Daemon
	p *place // for its specs
}

var me = serve.Identity{Name: "me", UID: uint32(os.Geteuid()), Admin: true}

// inBubble runs f with one. c says what is configured.
func inBubble(t *testing.T, c Config, f func(*clock)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log := logrus.New()
		log.SetOutput(t.Output())
		c.Dir = filepath.Join(dir, "d")
		d, err := New(c, log)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.open(); err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(context.Background())
		go d.ledger.Run(ctx)
		if err := d.begin(ctx); err != nil {
			t.Fatal(err)
		}
		go newPolicies(d).run(ctx)
		defer func() {
			end()
			synctest.Wait()
			d.ledger.Close()
		}()
		f(&clock{t, d, &place{t: t, dir: dir}})
	})
}

func (c *clock) submit(text string) int32 {
	c.t.Helper()
	out, err := c.d.Submit(c.t.Context(), me, api.Submission{Specs: c.p.specs("executable = /bin/true\n" + text)})
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Clusters[0].Cluster
}

func (c *clock) propose(b ledger.Body) any {
	c.t.Helper()
	r, err := c.d.propose(c.t.Context(), b)
	if err != nil {
		c.t.Fatal(err)
	}
	return r.Value
}

// started places a job's attempt and lets it start.
func (c *clock) started(id grid.JobID) (epoch uint32) {
	c.t.Helper()
	w := c.propose(&ledger.SeeWorker{Worker: ledger.Worker{Name: "w", Boot: "b"}}).(uint32)
	j, _ := c.d.ledger.View().Job(id)
	epoch = c.propose(&ledger.Place{List: []ledger.Placement{{Job: id, Version: j.Version, Kind: ledger.OnSlot, At: w, Where: "slot1_1@w"}}}).([]uint32)[0]
	c.propose(&ledger.Report{List: []ledger.AttemptReport{{Job: id, Epoch: epoch, Kind: ledger.Started}}})
	return epoch
}

// ended lets an attempt exit, as its policies have it.
func (c *clock) ended(id grid.JobID, epoch uint32, code int32) {
	c.t.Helper()
	a := ledger.AttemptReport{Job: id, Epoch: epoch, Kind: ledger.Ended, Exit: ledger.Exit{Code: code}}
	c.d.judge(c.d.ledger.View(), &a)
	c.propose(&ledger.Report{List: []ledger.AttemptReport{a}})
}

// wait lets time pass.
func (c *clock) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// job is a job's ad; nil when it is not in the queue any more.
func (c *clock) job(id grid.JobID) *ad.Ad {
	c.t.Helper()
	a, err := c.d.ads.Job(c.d.ledger.View(), id)
	if grid.CodeOf(err) == grid.NotFound {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *clock) status(id grid.JobID, want grid.Status) {
	c.t.Helper()
	if j, _ := c.d.ledger.View().Job(id); j.Status != want {
		c.t.Errorf("%s is %s, not %s", id, j.Status, want)
	}
}

// A24: each periodic policy, when its time has come and not before.
func TestA24PeriodicPolicies(t *testing.T) {
	inBubble(t, Config{}, func(c *clock) {
		held := grid.JobID{Cluster: c.submit("periodic_hold = time() - QDate > 3600\nperiodic_hold_reason = \"an hour\"\nperiodic_hold_subcode = 7\nqueue 1000\n"), Proc: 999}
		removed := grid.JobID{Cluster: c.submit("periodic_remove = JobStatus == 1 && time() - EnteredCurrentStatus > 7200\nqueue\n")}
		never := grid.JobID{Cluster: c.submit("periodic_hold = NoSuch > 1\nperiodic_remove = NoSuch\nqueue\n")}
		even := c.submit("periodic_remove = time() - QDate > 60 && ProcId % 2 == 0\nqueue 10\n")
		released := grid.JobID{Cluster: c.submit("hold = true\nperiodic_release = time() - EnteredCurrentStatus > 600\nqueue\n")}
		mine := grid.JobID{Cluster: c.submit("periodic_release = true\nqueue\n")}
		if _, err := c.d.Act(c.t.Context(), me, api.Action{Verb: "hold", Selection: api.Selection{IDs: []string{mine.String()}}}); err != nil {
			t.Fatal(err)
		}
		c.wait(2 * time.Minute)
		for p := range int32(10) {
			if there := c.job(grid.JobID{Cluster: even, Proc: p}) != nil; there != (p%2 == 1) {
				t.Errorf("proc %d is there: %v", p, there)
			}
		}
		c.status(held, grid.Idle)
		c.status(released, grid.Held)
		c.wait(10 * time.Minute)
		c.status(released, grid.Idle)
		c.wait(time.Hour)
		c.status(held, grid.Held)
		if a := c.job(held); a.Text("HoldReason") != "an hour" || a.Int("HoldReasonCode", 0) != 3 || a.Int("HoldReasonSubCode", 0) != 7 || a.Int("NumHolds", 0) != 1 {
			t.Errorf("held it is %s", a.AppendJSON(nil))
		}
		if c, _ := c.d.ledger.View().Cluster(held.Cluster); c.Touched != 0 {
			t.Errorf("%d records were made for jobs that are alike", c.Touched)
		}
		c.wait(time.Hour)
		if c.job(removed) != nil {
			t.Error("it was not removed")
		}
		c.wait(24 * time.Hour)
		c.status(never, grid.Idle)
		c.status(mine, grid.Held)
	})
}

// A26: how long a job and an execution may run; and a vacate by policy.
func TestA26AllowedDurations(t *testing.T) {
	inBubble(t, Config{}, func(c *clock) {
		long := grid.JobID{Cluster: c.submit("allowed_job_duration = 3600\nqueue\n")}
		exec := grid.JobID{Cluster: c.submit("allowed_execute_duration = 60\nqueue\n")}
		moved := grid.JobID{Cluster: c.submit("periodic_vacate = time() - ShadowBday > 30\nqueue\n")}
		c.wait(2 * time.Hour) // waiting counts for nothing
		c.started(long)
		c.started(exec)
		epoch := c.started(moved)
		c.wait(2 * time.Minute)
		if a := c.job(exec); a.Int("HoldReasonCode", 0) != 47 || !strings.Contains(a.Text("HoldReason"), "allowed execute duration of 0+00:01:00") {
			t.Errorf("it is %s", a.AppendJSON(nil))
		}
		if j, _ := c.d.ledger.View().Job(moved); j.Flags&ledger.Vacating == 0 {
			t.Error("it was not vacated")
		}
		c.propose(&ledger.Report{List: []ledger.AttemptReport{{Job: moved, Epoch: epoch, Kind: ledger.Stopped}}})
		if a := c.job(moved); a.Int("VacateReasonCode", 0) != 1000 || a.Int("JobStatus", 0) != 1 || a.Int("NumVacates", 0) != 1 {
			t.Errorf("it is %s", a.AppendJSON(nil))
		}
		c.status(long, grid.Running)
		c.wait(time.Hour)
		if a := c.job(long); a.Int("HoldReasonCode", 0) != 46 {
			t.Errorf("it is %s", a.AppendJSON(nil))
		}
	})
}

// A05: a completed job stays in the queue for as long as it says.
func TestA05LeaveInQueueUntilAnExpressionIsFalse(t *testing.T) {
	inBubble(t, Config{}, func(c *clock) {
		id := grid.JobID{Cluster: c.submit("leave_in_queue = time() - EnteredCurrentStatus < 60 || JobStatus != 4\nqueue\n")}
		c.ended(id, c.started(id), 0)
		c.status(id, grid.Completed)
		c.wait(50 * time.Second)
		c.status(id, grid.Completed)
		c.wait(time.Minute)
		if c.job(id) != nil {
			t.Error("it is still there")
		}
		if h, err := c.d.History(c.t.Context(), me, api.HistoryQuery{}); err != nil || len(h.Jobs) != 1 || !strings.Contains(string(h.Jobs[0]), `"JobStatus":4`) {
			t.Errorf("the history has %s, %v", h.Jobs, err)
		}
	})
}

// An edit of a policy holds from the next look on, and the configuration's policies hold
// for every job.
func TestPoliciesOfTheConfigurationAndOfEdits(t *testing.T) {
	parse := func(text string) *ad.Expr {
		e, err := ad.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	set := policy.Set{Systems: []policy.System{
		{Name: "old", Verb: grid.Hold, When: parse("JobStatus == 1 && time() - QDate > 86400"), Reason: parse(`strcat("older than ", "a day")`), SubCode: parse("1")},
		{Name: "forgotten", Verb: grid.Remove, When: parse("JobStatus == 5 && time() - EnteredCurrentStatus > 86400")},
	}}
	inBubble(t, Config{Policies: set}, func(c *clock) {
		id := grid.JobID{Cluster: c.submit("queue 3\n")}
		c.wait(25 * time.Hour)
		if a := c.job(id); a.Int("HoldReasonCode", 0) != 26 || a.Text("HoldReason") != "older than a day" || a.Int("HoldReasonSubCode", 0) != 1 {
			t.Errorf("it is %s", a.AppendJSON(nil))
		}
		c.wait(25 * time.Hour)
		if c.job(id) != nil {
			t.Error("it was not removed")
		}
	})
	inBubble(t, Config{}, func(c *clock) {
		id := grid.JobID{Cluster: c.submit("queue 3\n"), Proc: 1}
		c.wait(time.Hour)
		c.status(id, grid.Idle)
		_, err := c.d.Edit(c.t.Context(), me, api.Edit{Selection: api.Selection{IDs: []string{id.String()}}, Attrs: []submit.Attr{{Name: "PeriodicHold", Expr: "true"}}})
		if err != nil {
			t.Fatal(err)
		}
		c.wait(time.Minute)
		c.status(id, grid.Held)
		c.status(grid.JobID{Cluster: id.Cluster}, grid.Idle)
	})
}

// A job that may be run once is held when nobody knows what became of it.
func TestRunOnceJobIsNotStartedAgain(t *testing.T) {
	inBubble(t, Config{}, func(c *clock) {
		once := grid.JobID{Cluster: c.submit("run_once = true\nqueue\n")}
		again := grid.JobID{Cluster: c.submit("queue\n")}
		for _, id := range []grid.JobID{once, again} {
			a := ledger.AttemptReport{Job: id, Epoch: c.started(id), Kind: ledger.Vanished, Vacate: grid.VacateReconnect, Reason: "its worker is gone"}
			c.d.onceOnly(c.d.ledger.View(), &a)
			c.propose(&ledger.Report{List: []ledger.AttemptReport{a}})
		}
		c.status(again, grid.Idle)
		if a := c.job(once); a.Int("HoldReasonCode", 0) != 3 || !strings.Contains(a.Text("HoldReason"), "outcome unknown: its worker is gone") {
			t.Errorf("it is %s", a.AppendJSON(nil))
		}
	})
}
