package schedd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/router/route"
	"gridburst/schedd/ledger"
	"gridburst/schedd/target"
	"gridburst/schedd/target/fake"
)

// killed is a restart of a daemon that was killed when it had kept what it has by now: its last
// words are not heard.
func (p *place) killed() {
	p.t.Helper()
	left := filepath.Join(p.t.TempDir(), ledger.FileName)
	if _, err := p.live.d.ledger.WriteBackup(left); err != nil {
		p.t.Fatal(err)
	}
	p.stop()
	src, err := os.ReadFile(left)
	if err == nil {
		err = os.WriteFile(filepath.Join(p.c.Dir, SpoolName, ledger.FileName), src, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.start()
}

// failing is a place with a route on which a job that exits with 1 counts as a failure, and one
// failure in ten minutes is too many. Jobs run when they are started at the target.
func failing(t *testing.T) (*place, *fake.Target, *wall) {
	t.Helper()
	f := &fake.Target{}
	clock := &wall{t: time.Now().Add(-time.Hour)}
	t.Cleanup(f.Close)
	p := newPlace(t, func(c *Config) {
		c.Now = clock.now
		c.Target = func(string, target.Commands) (target.Target, error) { return f, nil }
		var diags grid.Diagnostics
		c.Routes = route.Build(route.Source{Routes: []route.Text{{Name: "A", Lines: []route.Line{
			{Text: "REQUIREMENTS true"}, {Text: "GridResource = batch slurm"}, {Text: "JobFailureTest = ExitCode =?= 1"}, {Text: "FailureRateThreshold = 0.001"},
		}}}}, &diags)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
	})
	return p, f, clock
}

func (w *wall) goOn(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = w.t.Add(by)
}

// closes has the route closed: two jobs fail on it, and ten minutes later one more is let through.
func (p *place) closes(f *fake.Target, clock *wall) {
	p.t.Helper()
	job := p.sh("exit 1")
	for i, id := range []string{"1.0", "2.0"} {
		p.submit(job)
		there(p.t, f, "the job "+id, func(all []target.Seen) bool { return len(all) == i+1 })
		f.Start(f.Jobs()[i].ID)
		p.until(id, "job_completed")
	}
	p.becomes("the failures are counted", func() bool {
		c := p.live.d.chooser
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.by["A"].Failed == 2
	})
	if n := p.live.d.ledger.View().Throttle("A"); n != (ledger.Throttle{}) {
		p.t.Errorf("an open route's throttle is kept at each failure: %+v", n)
	}
	clock.goOn(11 * time.Minute)
	p.submit(job)
	p.routing("3.0", grid.RouteWaiting)
	p.becomes("that the route is closed is kept", func() bool { return p.live.d.ledger.View().Throttle("A").Allowed > 0 })
}

func (p *place) throttled(id string) {
	p.t.Helper()
	p.becomes("job "+id+" waits, for the route is closed", func() bool {
		w, err := p.Why(p.t.Context(), id)
		return err == nil && w.Reason == "route_throttled"
	})
}

// A route that was closed for failing is closed still after the schedd was killed, though nothing
// was kept for the job that went there meanwhile; and it opens as it would have.
func TestARouteThatIsClosedIsClosedAfterAStart(t *testing.T) {
	t.Parallel()
	p, f, clock := failing(t)
	p.closes(f, clock)
	index := p.live.d.ledger.View().Throttle("A")
	p.killed()
	p.submit(p.sh("exit 0"))
	p.throttled("4.0")
	if a, ok := p.shown("A"); !ok || !strings.HasPrefix(a.Throttle, "1 of 0.6") {
		t.Errorf("the route is shown as %+v; it was kept as %+v", a, index)
	}
	p.restart()
	p.throttled("4.0")
	clock.goOn(10 * time.Minute)
	p.live.d.pool.Wake()
	p.routing("4.0", grid.RouteWaiting)
	clock.goOn(24 * time.Hour)
	if err := p.live.d.chooser.store(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := p.live.d.ledger.View().Throttle("A"); left != (ledger.Throttle{}) {
		t.Errorf("of a route that has healed there is kept %+v", left)
	}
	if a, _ := p.shown("A"); a.Throttle != "none" {
		t.Errorf("it has the throttle %s", a.Throttle)
	}
}

// What is counted within ten minutes is kept when the schedd ends.
func TestFailuresAreCountedOverAStart(t *testing.T) {
	t.Parallel()
	p, f, clock := failing(t)
	p.submit(p.sh("exit 1"))
	there(t, f, "the job", func(all []target.Seen) bool { return len(all) == 1 })
	f.Start(f.Jobs()[0].ID)
	p.until("1.0", "job_completed")
	p.becomes("the failure is counted", func() bool {
		c := p.live.d.chooser
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.by["A"].Failed == 1
	})
	p.restart()
	if kept := p.live.d.ledger.View().Throttle("A"); kept.Failed != 1 || kept.Routed != 1 {
		t.Errorf("there is kept %+v", kept)
	}
	clock.goOn(11 * time.Minute)
	p.submit(p.sh("exit 0"))
	p.submit(p.sh("exit 0"))
	p.throttled("3.0")
}

// A route on which nothing fails costs no entry of the log.
func TestAnOpenRouteIsNotKept(t *testing.T) {
	t.Parallel()
	p, f, clock := failing(t)
	p.submit(p.sh("exit 0"))
	there(t, f, "the job", func(all []target.Seen) bool { return len(all) == 1 })
	f.Start(f.Jobs()[0].ID)
	p.until("1.0", "job_completed")
	p.nothingLeft()
	clock.goOn(25 * time.Minute)
	before := p.live.d.ledger.View().Index
	if err := p.live.d.chooser.store(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := p.live.d.ledger.View().Index; now != before {
		t.Errorf("the log has %d further entries", now-before)
	}
}
