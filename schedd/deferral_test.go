package schedd

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
)

// dispatching lets the daemon of a bubble give jobs to a machine, whose agent is the test.
func (c *clock) dispatching() {
	c.t.Helper()
	ctx, end := context.WithCancel(context.Background())
	c.t.Cleanup(func() { end(); synctest.Wait() })
	go c.d.dispatch.run(ctx)
	w := c.propose(&ledger.SeeWorker{Worker: ledger.Worker{Name: "w", Boot: "b"}}).(uint32)
	attrs := map[string]string{
		"Cpus": "2", "Memory": "1000", "Disk": "1000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true", "HasJobDeferral": "true",
	}
	if err := c.d.pool.Connect(w, pool.Info{Name: "w", Boot: "b", Isolation: wire.ProcessGroups, Attrs: attrs}, time.Now()); err != nil {
		c.t.Fatal(err)
	}
	synctest.Wait()
}

// placedFor is the time that a job was placed for; zero while it is not placed.
func (c *clock) placedFor(id grid.JobID) time.Time {
	c.t.Helper()
	j, ok := c.d.ledger.View().Job(id)
	if !ok || !j.Attempt() {
		return time.Time{}
	}
	s, err := c.d.startOf(j.At, id, j.Epoch)
	if err != nil || s == nil {
		c.t.Fatalf("%s: %v", id, err)
	}
	return time.UnixMilli(s.NotBefore)
}

// A29: a job with a timetable is placed before each of its times, is told when to start,
// and leaves when its exit policy says so. It is never held.
func TestA29CronJobRunsAtEachOfItsTimes(t *testing.T) {
	inBubble(t, Config{Domain: "dom"}, func(c *clock) {
		c.dispatching()
		id := grid.JobID{Cluster: c.submit("cron_minute = *\ncron_prep_time = 20\ncron_window = 15\non_exit_remove = NumJobCompletions >= 2\nqueue\n")}
		start := time.Now().Truncate(time.Minute)
		for round := 1; round <= 2; round++ {
			due := start.Add(time.Duration(round) * time.Minute)
			c.wait(time.Until(due.Add(-21 * time.Second)))
			if at := c.placedFor(id); !at.IsZero() {
				t.Errorf("round %d: it was placed too early, for %v", round, at)
			}
			c.wait(5 * time.Second)
			if at := c.placedFor(id); !at.Equal(due) {
				t.Errorf("round %d: it is placed for %v, not %v", round, at, due)
			}
			c.wait(time.Until(due))
			j, _ := c.d.ledger.View().Job(id)
			c.propose(&ledger.Report{List: []ledger.AttemptReport{{Job: id, Epoch: j.Epoch, Kind: ledger.Started}}})
			c.wait(time.Second)
			c.ended(id, j.Epoch, 0)
		}
		if c.job(id) != nil {
			t.Error("it did not leave after its second run")
		}
		h, err := c.d.History(c.t.Context(), me, api.HistoryQuery{})
		if err != nil || len(h.Jobs) != 1 {
			t.Fatalf("%v, %v", h, err)
		}
		if a, err := ad.ParseJSON(h.Jobs[0]); err != nil || a.Int("NumJobStarts", 0) != 2 || a.Int("NumVacates", 0) != 1 || a.Int("NumHolds", 0) != 0 {
			t.Errorf("it is %s, %v", h.Jobs[0], err)
		}
	})
}

// A28: a job that is for later is placed when its preparation begins.
func TestA28DeferredJobIsPlacedForItsTime(t *testing.T) {
	inBubble(t, Config{Domain: "dom"}, func(c *clock) {
		c.dispatching()
		id := grid.JobID{Cluster: c.submit("deferral_time = QDate + 86400\ndeferral_window = 60\nqueue\n")}
		due := time.Now().Add(24 * time.Hour).Truncate(time.Second)
		c.wait(24*time.Hour - 6*time.Minute)
		if at := c.placedFor(id); !at.IsZero() {
			t.Errorf("it was placed too early, for %v", at)
		}
		c.wait(2 * time.Minute)
		if at := c.placedFor(id); !at.Equal(due) {
			t.Errorf("it is placed for %v, not %v", at, due)
		}
	})
}

func TestTimetablesAreLookedAtBeforeTheyAreTaken(t *testing.T) {
	p := newPlace(t, nil)
	for text, code := range map[string]grid.Code{
		"cron_minute = 61\n":                        grid.Invalid,
		"cron_hour = 1-\n":                          grid.Invalid,
		"cron_minute = 5\ncron_day_of_week = sun\n": "",
	} {
		out, err := p.Submit(t.Context(), api.Submission{Specs: p.specs(plainJob + text + "queue\n")})
		if grid.CodeOf(err) != code {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil && len(out.Warnings) != 1 {
			t.Errorf("%s: it warns %q", text, out.Warnings)
		}
	}
}
