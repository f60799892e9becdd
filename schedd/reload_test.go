package schedd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/router/route"
	"gridburst/schedd/api"
)

// configuredBy lets a lab have a configuration file, in which each word is something that a
// configuration can say.
func configuredBy(text string) func(*Config) {
	return func(c *Config) {
		plain := *c
		plain.Resources = slices.Clone(c.Resources)
		parse := func(text string) (Config, error) {
			fresh := plain
			fresh.Resources = slices.Clone(plain.Resources)
			r := &fresh.Resources[0]
			r.Burst = &Burst{Template: "worker", Cores: 2, MemoryMB: 1024, Idle: time.Hour, JoinTimeout: patience}
			for word := range strings.FieldsSeq(text) {
				switch word {
				case "one":
					r.Burst.MaxVMs = 1
				case "two":
					r.Burst.MaxVMs = 2
				case "elsewhere":
					r.URL = "https://other.test/api"
				case "near": // built anew by each reading
					var diags grid.Diagnostics
					fresh.Routes = route.Build(route.Source{Routes: []route.Text{{Name: "r", Lines: []route.Line{{Text: "REQUIREMENTS false"}, {Text: `GridResource = "batch slurm"`}, {Text: "SET Where \"" + word + "\""}}}}}, &diags)
				case "window":
					fresh.Windows = []Window{{Name: "w", Schedule: "0 13 * * *", Resource: r.Name, Count: 1, Lead: time.Minute, Hold: time.Hour, Drain: 10 * time.Minute}}
				case "deaf":
					fresh.Listen, fresh.MaxSubmission = "127.0.0.1:1", 7
				case "gone":
					fresh.Resources = nil
				case "wrong":
					return Config{}, grid.Errorf(grid.Invalid, "there is no word %q", word)
				}
			}
			return fresh, nil
		}
		path := filepath.Join(filepath.Dir(c.Dir), "schedd.conf")
		if b, err := os.ReadFile(path); err == nil {
			text = string(b) // a later start
		} else if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			panic(err)
		}
		fresh, err := parse(text)
		if err != nil {
			panic(err)
		}
		*c = fresh
		c.File, c.Text, c.Parse = path, text, parse
	}
}

// begunAnew is a restart that reads the configuration file.
func (l *place) begunAnew() {
	l.t.Helper()
	l.stop()
	b, err := os.ReadFile(l.c.File)
	if err != nil {
		l.t.Fatal(err)
	}
	path, parse := l.c.File, l.c.Parse
	if l.c, err = parse(string(b)); err != nil {
		l.t.Fatal(err)
	}
	l.c.File, l.c.Text, l.c.Parse = path, string(b), parse
	l.start()
}

func (l *place) inForce() api.Configuration {
	l.t.Helper()
	c, err := l.Configuration(l.t.Context(), 0)
	if err != nil {
		l.t.Fatal(err)
	}
	b, err := os.ReadFile(l.c.File)
	if err != nil || string(b) != c.Text {
		l.t.Errorf("in force is %q, and the file says %q (%v)", c.Text, b, err)
	}
	return c
}

// A configuration takes the place of another whole, or not at all, and the one before comes
// back.
func TestAConfigurationTakesThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	l := newLab(t, configuredBy("one near"))
	for text, says := range map[string]string{
		"two wrong": `no word "wrong"`, "two near deaf": "listen, limits { max_submission }", "": "without a text",
	} {
		if _, err := l.Configure(t.Context(), api.Configure{Text: text}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
		if c := l.inForce(); c.Text != "one near" {
			t.Errorf("after %q it is %q", text, c.Text)
		}
	}
	out, err := l.Configure(t.Context(), api.Configure{Text: "two near", Check: true})
	if err != nil || out.Version != 0 || l.inForce().Text != "one near" {
		t.Errorf("a check: %+v (%v)", out, err)
	}
	l.submit(short + "request_cpus = 2\nqueue 2\n")
	l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.ID == 1 && e.To == "booting" })
	l.becomes("there may be no second", func() bool {
		why, err := l.Why(t.Context(), "1.1")
		return err == nil && why.Reason == reasonFull
	})
	if out, err = l.Configure(t.Context(), api.Configure{Text: "two near", Reason: "more jobs"}); err != nil || out.Version != 2 {
		t.Fatalf("two machines: %+v (%v)", out, err)
	}
	l.waitFor("a second machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.ID == 2 && e.To == "booting" })
	if c := l.inForce(); c.Text != "two near" || c.Version != 2 || len(c.Versions) != 2 || c.Versions[1].Reason != "more jobs" || c.Versions[1].By == "" {
		t.Errorf("in force is %+v", c)
	}
	if _, err := l.Configure(t.Context(), api.Configure{Text: "two near elsewhere"}); err == nil || !strings.Contains(err.Error(), "would lose sight of them") {
		t.Errorf("another engine: %v", err)
	}
	// A cap below what is there starts nothing and ends nothing.
	if out, err = l.Configure(t.Context(), api.Configure{Version: 1}); err != nil || out.Version != 3 || l.inForce().Text != "one near" {
		t.Fatalf("back: %+v (%v)", out, err)
	}
	if _, err := l.Configure(t.Context(), api.Configure{Version: 9}); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("a version that there is not: %v", err)
	}
	plan, err := l.PlanBursts(t.Context())
	if err != nil || len(plan.Start)+len(plan.Drain) > 0 || plan.Pools[0].Open != 2 || plan.Pools[0].Room != 0 {
		t.Errorf("with two machines where there may be one: %+v (%v)", plan, err)
	}
	l.begunAnew()
	if c := l.inForce(); c.Text != "one near" || c.Version != 3 || len(c.Versions) != 3 {
		t.Errorf("after a start in force is %+v", c)
	}
}

// A burst by the clock comes while the schedd runs, and serves; it goes within its window, and
// its machine goes; one of its name that comes in the same hour begins with the next.
func TestABurstByTheClockComesAndGoes(t *testing.T) {
	t.Parallel()
	clock := &wall{t: time.Now().Add(24 * time.Hour).Truncate(24 * time.Hour).Add(12 * time.Hour).UTC()}
	at := func(text string) string { return clock.now().Format(time.DateOnly) + "T" + text + "Z" }
	l := newLab(t, func(c *Config) {
		c.Now = clock.now
		configuredBy("two")(c)
	})
	l.configure("two window")
	l.becomes("the burst is known", func() bool { return l.live.d.ledger.View().Cron("burst:w") != 0 })
	clock.set(l, at("12:59:00"))
	l.becomes("its machine is asked for", func() bool { return len(l.ours()) == 2 })
	if notes := l.configure("two"); notes != "Timetable burst:w is gone: its window is over." {
		t.Errorf("of that it is said: %s", notes)
	}
	l.becomes("it is done with", func() bool { return l.live.d.ledger.View().Cron("burst:w") == 0 && len(l.ours()) == 1 })
	clock.set(l, at("13:30:00"))
	l.configure("two window")
	l.becomes("the burst is known again", func() bool { return l.live.d.ledger.View().Cron("burst:w") != 0 })
	l.begunAnew()
	l.live.d.crons.poke()
	out, err := l.CronHistory(t.Context(), "w", 0)
	if err != nil || len(out.Occurrences) != 1 || out.Occurrences[0].Outcome != "closed" {
		t.Errorf("its history is %+v (%v)", out, err)
	}
	now, err := l.Crons(t.Context())
	if err != nil || len(now.Crons) != 1 || now.Crons[0].Window.Open || now.Crons[0].Next != mustTime(t, at("13:00:00")).AddDate(0, 0, 1).Unix() {
		t.Errorf("it is %+v (%v)", now, err)
	}
}

// Machines of a resource that is not configured any more are drained and taken away, also
// by a schedd that has never known it.
func TestMachinesOfAResourceThatIsGoneAreTakenAway(t *testing.T) {
	t.Parallel()
	for _, anew := range []bool{false, true} {
		l := newLab(t, configuredBy("one"))
		l.submit(short + "queue\n")
		l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
		for _, m := range l.engine.Machines() {
			if strings.HasPrefix(m.Description, "overflow worker") && !anew { // else it goes while it boots
				l.boot(m)
				l.waitFor("it", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "ready" })
			}
		}
		if anew {
			l.stop() // before anything is done about it
			if err := os.WriteFile(l.c.File, []byte("gone"), 0o644); err != nil {
				t.Fatal(err)
			}
			l.begunAnew()
		} else if _, err := l.Configure(t.Context(), api.Configure{Text: "gone", Reason: "the engine is sold"}); err != nil {
			t.Fatal(err)
		}
		l.gone(1)
		if vms := l.ours(); len(vms) != 1 {
			t.Errorf("at the engine there is %v", vms)
		}
		l.stop()
	}
}
