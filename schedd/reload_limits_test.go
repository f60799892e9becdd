package schedd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/dag"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/policy"
	"gridburst/schedd/submit"
)

// ruled lets a place have a configuration file, in which each word is a rule or a limit.
func ruled(t *testing.T) *place {
	t.Helper()
	return newPlace(t, func(c *Config) {
		plain := *c
		plain.PolicyInterval = time.Hour
		parse := func(text string) (Config, error) {
			fresh := plain
			for word := range strings.FieldsSeq(text) {
				switch word {
				case "hold":
					fresh.Policies.Systems = []policy.System{{Name: "big", Verb: grid.Hold, When: mustExpr(t, `Size > 3`), Reason: mustExpr(t, `"it is too big"`)}}
				case "soon":
					fresh.PolicyInterval = time.Millisecond
				case "need":
					fresh.Requirements = []Requirement{{Name: "small", When: mustExpr(t, "RequestMemory < 100")}}
				case "few":
					fresh.DagLimits = dag.Limits{MaxIdle: 3, MaxJobs: 2}
				case "long":
					fresh.Commands = []submit.OwnCommand{{Name: "LongJob"}}
				case "rare":
					fresh.SubmitsPerMinute, fresh.SubmitBurst = 1, 1
				case "often":
					fresh.SubmitsPerMinute, fresh.SubmitBurst = 60_000, 100
				case "narrow":
					fresh.MaxAttributes = 1
				case "zone":
					fresh.TimeZone = "Asia/Kolkata"
				}
			}
			return fresh, nil
		}
		path := filepath.Join(filepath.Dir(c.Dir), "schedd.conf")
		if err := os.WriteFile(path, []byte("nothing"), 0o644); err != nil {
			t.Fatal(err)
		}
		*c = plain
		c.File, c.Text, c.Parse = path, "nothing", parse
	})
}

func mustExpr(t *testing.T, src string) *ad.Expr {
	t.Helper()
	x, err := ad.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// Policies, requirements and limits hold from the moment on in which they are put in force, for
// what is in the queue and for what comes; and no more when they are taken back.
func TestRulesAndLimitsChange(t *testing.T) {
	t.Parallel()
	p := ruled(t)
	big := "executable = /bin/true\nshould_transfer_files = no\nrequest_memory = 200\n+Size = 4\nqueue\n"
	hand := func() error {
		_, err := p.Submit(t.Context(), api.Submission{Specs: p.specs(big)})
		return err
	}
	p.submit(big)

	// A policy whose turn would be in an hour comes at once when that is said otherwise.
	p.configure("hold")
	p.configure("hold soon")
	p.until("1.0", "job_held")
	if a := p.job("1.0"); a.Text("HoldReason") != "it is too big" {
		t.Errorf("it is held for %s", a.Text("HoldReason"))
	}
	p.configure("nothing")
	p.act("release", "1.0")

	for text, want := range map[string]grid.Code{"need": grid.Refused, "narrow": grid.TooLarge} {
		p.configure(text)
		if err := hand(); grid.CodeOf(err) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	p.configure("often")
	for range 5 {
		if err := hand(); err != nil {
			t.Fatal(err)
		}
	}
	p.configure("nothing")

	limits := func() api.DagLimits {
		t.Helper()
		run, err := p.SubmitDag(t.Context(), p.diamond(0))
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.Dag(t.Context(), run.Dag)
		if err != nil {
			t.Fatal(err)
		}
		return d.Limit
	}
	wide := limits()
	p.configure("few")
	if got := limits(); got.MaxIdle != 3 || got.MaxJobs != 2 || wide.MaxIdle != 1000 || wide.MaxJobs != 0 {
		t.Errorf("a run may ask for %+v, and one before for %+v", got, wide)
	}
	p.configure("long zone")
	if s, err := p.Status(t.Context()); err != nil || len(s.Commands) != 1 || s.Commands[0].Name != "LongJob" {
		t.Errorf("its own commands are %+v (%v)", s.Commands, err)
	}
	if zone := p.live.d.config().TimeZone; zone != "Asia/Kolkata" {
		t.Errorf("timetables of jobs are meant in %s", zone)
	}
}

// How often a user may hand in is another at once, also for one who has used up all.
func TestThePaceOfAUserChanges(t *testing.T) {
	d, err := New(Config{Dir: t.TempDir(), SubmitsPerMinute: 1, SubmitBurst: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, now := newIntake(d), time.Now()
	pace := func(after time.Duration) bool { return i.pace(1000, now.Add(after)) == nil }
	if !pace(0) || pace(time.Second) {
		t.Error("there is one in a minute, and no more")
	}
	change := func(per, burst int) {
		c := *d.config()
		c.SubmitsPerMinute, c.SubmitBurst = per, burst
		d.live.Store(&c)
	}
	change(60, 2)
	if pace(time.Second) || !pace(3*time.Second) || !pace(5*time.Second) {
		t.Error("one in a second is not let in from then on")
	}
	change(0, 1)
	if !pace(5 * time.Second) {
		t.Error("there is a bound where there is none")
	}
}

// Whoever waits for as long as the configuration says waits for as long as the one in force says.
func TestARestIsOfTheConfigurationInForce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Config{Dir: dir, Sweep: time.Hour}, nil)
		if err != nil {
			t.Fatal(err)
		}
		replace := func(sweep time.Duration) {
			c := *d.config()
			c.Sweep = sweep
			d.supersede(&c)
		}
		began := time.Now()
		go func() {
			time.Sleep(time.Minute)
			replace(3 * time.Hour)
			time.Sleep(time.Minute)
			replace(10 * time.Minute)
		}()
		if err := d.rest(t.Context(), func(c *Config) time.Duration { return c.Sweep }); err != nil || time.Since(began) != 10*time.Minute {
			t.Errorf("it has waited for %s: %v", time.Since(began), err)
		}
	})
}
