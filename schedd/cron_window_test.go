package schedd

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// wall is a clock on a wall that the test sets.
type wall struct {
	mu sync.Mutex
	t  time.Time
}

func (w *wall) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.t
}

// set sets it, and has the lab look at it.
func (w *wall) set(l *lab, text string) {
	l.t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		l.t.Fatal(err)
	}
	w.mu.Lock()
	w.t = at
	w.mu.Unlock()
	l.live.d.crons.poke()
}

// A burst by the clock, on the days on which the clock is changed and with the schedd
// started anew at each step: its machines are up before the hour, serve, and are gone by
// its end, with a receipt; an hour that nobody saw is told of.
func TestABurstByTheClock(t *testing.T) {
	t.Parallel()
	clock := &wall{t: time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC)}
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Resources[0].Price, c.Resources[0].Currency = 6, "EUR"
		c.Resources[0].Burst.Wait = 24 * time.Hour // jobs alone bring no machine up
		c.Now = clock.now
		c.Windows = []Window{{
			Name: "night", Schedule: "30 2 * * *", TimeZone: "Europe/Berlin", Resource: "lab", Count: 3, Lead: 10 * time.Minute, Hold: time.Hour, Drain: 10 * time.Minute,
		}}
	})
	l.live.d.crons.poke()
	night := func() api.Cron {
		t.Helper()
		out, err := l.Crons(t.Context())
		if err != nil || len(out.Crons) != 1 {
			t.Fatalf("%+v %v", out, err)
		}
		return out.Crons[0]
	}
	history := func() []api.Occurrence {
		t.Helper()
		out, err := l.CronHistory(t.Context(), "night", 0)
		if err != nil {
			t.Fatal(err)
		}
		return out.Occurrences
	}
	ready := func() (n int) {
		out, err := l.Claims(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range out.Claims {
			if c.State == "ready" {
				n++
			}
		}
		return n
	}
	joined := map[string]bool{}
	join := func() {
		for _, m := range l.engine.Machines() {
			if strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign && m.State == gahp.Up && !joined[m.Name] {
				joined[m.Name] = true
				l.boot(m)
			}
		}
	}
	again := func() { // every worker comes back to the new schedd by the lab's own means
		l.restart()
		l.live.d.crons.poke()
	}
	l.becomes("the burst is known", func() bool { return l.live.d.ledger.View().Cron("burst:night") != 0 })
	for _, c := range []struct{ day, early, asked, hour, over string }{
		// 2:30 does not exist: the hour is 3:00, which is 1:00 UTC.
		{"spring", "2027-03-28T00:49:59Z", "2027-03-28T00:50:00Z", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"},
		// 2:30 comes twice: the first is at 0:30 UTC.
		{"autumn", "2027-10-31T00:19:59Z", "2027-10-31T00:20:00Z", "2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z"},
	} {
		clock.set(l, c.early)
		l.becomes("the nights before are passed over", func() bool {
			return l.live.d.ledger.View().Cron("burst:night") >= mustTime(t, c.early).Add(-25*time.Hour).UnixMilli()
		})
		again()
		if open := night().Window.Open; open || len(l.ours()) != 1 {
			t.Fatalf("%s: a second too early there is %v, open %v", c.day, l.ours(), open)
		}
		clock.set(l, c.asked)
		l.becomes("three machines are asked for", func() bool { return night().Window.Machines == 3 })
		again()
		l.becomes("they join before the hour", func() bool { join(); return ready() == 3 })
		if got := night().Window; !got.Open || got.Machines != 3 {
			t.Fatalf("%s: %+v", c.day, got)
		}
		clock.set(l, c.hour)
		id := l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue 40\n")
		l.waitFor("the last of 40 jobs", func(e *api.Event) bool {
			return e.Type == "job_left" && strings.HasPrefix(e.Jobs, fmt.Sprint(id, ".")) && e.Code == 40
		})
		if n := ready(); n != 3 {
			t.Errorf("%s: idle and within the hour, %d machines are left", c.day, n)
		}
		clock.set(l, c.over)
		l.becomes("all are gone", func() bool { return !night().Window.Open })
		if vms := l.ours(); len(vms) != 1 {
			t.Errorf("%s: at the engine there is %v", c.day, vms)
		}
		again()
		last := history()[0]
		r := last.Details.Receipt
		if last.Outcome != "closed" || last.Due != mustTime(t, c.hour).Unix() || r == nil || r.Planned != 3 || r.Asked != 3 || r.Started != 3 || r.Joined != 3 || r.InTime != 3 || r.Runs != 40 || r.Gone == 0 || r.Currency != "EUR" {
			t.Errorf("%s: its receipt is %+v %+v", c.day, last, r)
		}
	}
	var closed, missed int
	for _, o := range history() {
		switch o.Outcome {
		case "closed":
			closed++
		case "missed":
			missed++
		default:
			t.Errorf("%+v", o)
		}
	}
	if closed != 2 || missed < 90 {
		t.Errorf("%d windows were there, and %d are said to have been missed", closed, missed)
	}
}

func mustTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// What runs beyond the hold has the drain's time, takes no other job meanwhile, and is
// then stopped: its job runs again elsewhere.
func TestAWindowsMachinesAreGoneByItsEnd(t *testing.T) {
	t.Parallel()
	clock := &wall{t: time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)}
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Now = clock.now
		c.Resources[0].Burst.Wait = 24 * time.Hour // jobs alone bring no machine up
		c.Windows = []Window{{Name: "w", Schedule: "0 13 * * *", Resource: "lab", Count: 1, Lead: time.Minute, Hold: time.Hour, Drain: 10 * time.Minute}}
	})
	l.live.d.crons.poke()
	l.becomes("the burst is known", func() bool { return l.live.d.ledger.View().Cron("burst:w") != 0 })
	clock.set(l, "2027-01-01T12:59:00Z")
	release := make(chan struct{})
	l.becomes("its machine is up", func() bool {
		for _, m := range l.engine.Machines() {
			if strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign && m.State == gahp.Up {
				t.Cleanup(l.busyWorker(m, func(wire.Start) int32 { <-release; return 0 }).hangUp)
				return true
			}
		}
		return false
	})
	t.Cleanup(func() { close(release) }) // before the worker hangs up
	l.waitFor("its worker", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "ready" })
	job := grid.JobID{Cluster: l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")}
	l.until(job.String(), "job_placed")
	clock.set(l, "2027-01-01T14:00:00Z")
	l.waitFor("its drain", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "draining" })
	second := l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
	clock.set(l, "2027-01-01T14:09:59Z")
	for range 20 { // many looks
		if c, _ := l.live.d.ledger.View().Claim(1); c.State != grid.ClaimDraining {
			t.Fatalf("a second before its end the machine is %s", c.State)
		}
		if j, _ := l.live.d.ledger.View().Job(grid.JobID{Cluster: second}); j.Place != ledger.Nowhere {
			t.Fatal("a draining machine is given a job, or taken back for one")
		}
		<-time.After(5 * time.Millisecond)
	}
	clock.set(l, "2027-01-01T14:10:00Z")
	e := l.waitFor("its stop", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "stopping" })
	if !strings.Contains(e.Text, "the time for its jobs") {
		t.Errorf("it is stopped because %s", e.Text)
	}
	l.gone(1)
	out, err := l.CronHistory(t.Context(), "burst:w", 0)
	for err == nil && out.Occurrences[0].Outcome != "closed" {
		<-time.After(5 * time.Millisecond)
		out, err = l.CronHistory(t.Context(), "burst:w", 0)
	}
	if err != nil || len(l.ours()) != 1 {
		t.Errorf("%v, and at the engine there is %v", err, l.ours())
	}
}
