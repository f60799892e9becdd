package schedd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/configs"
	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// The nightly burst of the examples, by a virtual clock: its machines are up before the
// hour, the night's forty jobs run on them, and all are gone by the end, with a receipt.
func TestTheNightOfTheExamples(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		t.Helper()
		src, err := os.ReadFile(filepath.Join("..", "examples", "night", name))
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	file, diags := configs.ReadSchedd("schedd.hcl", read("schedd.hcl"))
	if len(diags) > 0 || len(file.Windows) != 1 || len(file.Resources) != 1 {
		t.Fatalf("%v: %+v", diags, file)
	}
	w, r := file.Windows[0], file.Resources[0]
	clock := &wall{t: time.Date(2027, 1, 9, 23, 0, 0, 0, time.UTC)}
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Now = clock.now
		b := c.Resources[0].Burst
		b.Cores, b.MemoryMB, b.Wait = r.Burst.Cores, r.Burst.MemoryMB, r.Burst.Wait
		c.Resources[0].MaxVMs, c.Resources[0].Price, c.Resources[0].Currency = r.MaxVMs, r.Price, r.Currency
		// The budget is by the machines' clock, which here is not the one on the wall.
		c.Windows = []Window{{Name: w.Name, Schedule: w.Schedule, TimeZone: w.TimeZone, Resource: "lab", Count: w.Count, Lead: w.Lead, Hold: w.Hold, Drain: w.Drain}}
	})
	path := l.file("night.hcl", string(read("night.hcl")), 0o644)
	c, found, diags := configs.WorkflowCron(path, read("night.hcl"))
	if len(diags) > 0 || !found {
		t.Fatal(diags)
	}
	out, err := l.SubmitCron(t.Context(), api.Timetable{
		Name: c.Name, File: path, Schedules: []string{c.Schedule}, TimeZone: c.TimeZone, Overlap: c.Overlap, Missed: c.Missed, StartDeadline: int64(c.StartDeadline / time.Second),
	})
	if err != nil || out.Next != mustTime(t, "2027-01-10T01:00:00Z").Unix() {
		t.Fatalf("%+v %v", out, err)
	}
	l.live.d.crons.poke()
	view := func() api.Cron {
		t.Helper()
		all, err := l.Crons(t.Context())
		if err != nil || len(all.Crons) != 2 {
			t.Fatalf("%+v %v", all, err)
		}
		return all.Crons[1]
	}
	l.becomes("the burst is known", func() bool { return l.live.d.ledger.View().Cron("burst:night") != 0 })
	// Nobody has shown how long machines take: as is configured, and a margin.
	lead := time.Duration(view().Window.Lead) * time.Second
	if view().Window.Learned || lead != defaultBootTime+leadMargin {
		t.Fatalf("%+v", view().Window)
	}
	clock.set(l, mustTime(t, "2027-01-10T01:00:00Z").Add(-lead).Format(time.RFC3339))
	joined := map[string]bool{}
	l.becomes("its machines are up before the hour", func() bool {
		for _, m := range l.engine.Machines() {
			if strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign && m.State == gahp.Up && !joined[m.Name] {
				joined[m.Name] = true
				l.boot(m)
			}
		}
		all, err := l.Claims(t.Context(), false)
		ready := 0
		for _, c := range all.Claims {
			if c.State == "ready" {
				ready++
			}
		}
		return err == nil && ready == w.Count
	})
	if runs, err := l.Dags(t.Context(), true); err != nil || len(runs.Dags) != 0 {
		t.Fatalf("before the hour there is %+v %v", runs, err)
	}
	clock.set(l, "2027-01-10T01:00:00Z")
	l.waitFor("the night's end", func(e *api.Event) bool { return e.Type == "dag_moved" && e.To == "done" })
	clock.set(l, "2027-01-10T01:40:00Z")
	l.becomes("all machines are gone", func() bool { return !view().Window.Open })
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
	past, err := l.CronHistory(t.Context(), "burst:night", 1)
	if err != nil || len(past.Occurrences) != 1 || past.Occurrences[0].Details == nil {
		t.Fatalf("%+v %v", past, err)
	}
	receipt := past.Occurrences[0].Details.Receipt
	if receipt.Planned != 3 || receipt.Asked != 3 || receipt.Joined != 3 || receipt.InTime != 3 || receipt.Runs != 40 || receipt.Currency != "EUR" {
		t.Errorf("the receipt is %+v", receipt)
	}
	// What they were used for is added up from the executions on them.
	executions := 0
	if err := l.live.d.ledger.Read(func(r *ledger.Reader) error {
		busy, err := l.live.d.busyOn(r, &ledger.Window{Opened: 1, Claims: receipt.Claims})
		for _, spans := range busy {
			executions += len(spans)
		}
		return err
	}); err != nil || executions != 40 {
		t.Errorf("%d executions are on record on its machines (%v)", executions, err)
	}
	night, err := l.CronHistory(t.Context(), "night", 0)
	if err != nil || len(night.Occurrences) != 1 || night.Occurrences[0].Outcome != "started" || night.Occurrences[0].Status != "done" {
		t.Errorf("of the night is said: %+v %v", night, err)
	}
	t.Logf("%+v", *receipt)
}
