package schedd

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"gridburst/gahp/conform"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// swapped puts a configuration in force that was looked at before; its place is taken last.
func (p *place) swapped(fresh *Config) error {
	d := p.live.d
	d.reload.mu.Lock()
	defer d.reload.mu.Unlock()
	_, err := d.swap(p.t.Context(), fresh, "schedd", "")
	return err
}

// A machine that is wished for between the look at a configuration and its coming into force
// stays in sight: it is taken away where its resource goes, and where another engine would be
// asked for it the configuration is refused.
func TestAMachineThatIsWishedForMeanwhileStaysInSight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, says string }{{"gone", ""}, {"one elsewhere", "would lose sight of them"}} {
		l := newLab(t, configuredBy("one"))
		fresh, err := l.live.d.weigh(c.text)
		if err != nil {
			t.Fatal(err)
		}
		l.submit(short + "queue\n")
		l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
		err = l.swapped(fresh)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) || l.inForce().Text != "one" {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		l.gone(1)
		for _, m := range l.engine.Machines() {
			if m.Name != conform.Foreign && strings.HasPrefix(m.Name, "gb-") {
				t.Errorf("at the engine there is still %v", m)
			}
		}
	}
}

// A configuration that cannot be written changes nothing, and nothing is said of it that is not
// so: an instant that has come, and waits for its jitter, is begun when its time has come.
func TestAConfigurationThatCannotBeWrittenChangesNothing(t *testing.T) {
	t.Parallel()
	clock := &wall{t: time.Date(2027, 1, 4, 11, 30, 0, 0, time.UTC)}
	me, err := currentUser()
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t, func(c *Config) {
		c.Now = clock.now
		configuredBy("one")(c)
		parse := c.Parse
		c.Parse = func(text string) (Config, error) {
			fresh, err := parse(text)
			if err == nil && !strings.Contains(text, "two") {
				fresh.Crons = []Cron{{Name: "k", Schedule: "0 * * * *", Owner: me, Dag: "/nowhere/w.dag", Missed: "all", Jitter: 50 * time.Minute}}
			}
			return fresh, err
		}
		file, text, again := c.File, c.Text, c.Parse
		if *c, err = again(text); err != nil {
			t.Fatal(err)
		}
		c.File, c.Text, c.Parse = file, text, again
	})
	l.becomes("the timetable is known", func() bool { return l.live.d.ledger.View().Cron("k") != 0 })
	clock.set(l, "2027-01-04T12:00:01Z")
	history := func() []api.Occurrence {
		t.Helper()
		out, err := l.CronHistory(t.Context(), "k", 0)
		if err != nil {
			t.Fatal(err)
		}
		return out.Occurrences
	}
	// Nothing can take the place of what is no file.
	if err := os.Remove(l.c.File); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.c.File, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Configure(t.Context(), api.Configure{Text: "two"}); grid.CodeOf(err) != grid.Forbidden {
		t.Fatalf("it is put in force: %v", err)
	}
	if all := history(); len(all) > 0 {
		t.Fatalf("of instants it is said: %+v", all)
	}
	if err := os.Remove(l.c.File); err != nil {
		t.Fatal(err)
	}
	clock.set(l, "2027-01-04T12:51:00Z")
	l.becomes("it is begun, and fails for the want of its file", func() bool {
		all := history()
		return len(all) == 1 && all[0].Outcome == "failed"
	})
	if c, err := l.Configuration(t.Context(), 0); err != nil || c.Text != "one" {
		t.Errorf("in force is %+v (%v)", c, err)
	}
	l.configure("two")
	l.becomes("it is done with", func() bool { return l.live.d.ledger.View().Cron("k") == 0 })
}

// Who has the file read again means the file as it is when it is read: another configuration
// that is being put in force has taken its place by then.
func TestAFileIsReadWhenNothingElseTakesItsPlace(t *testing.T) {
	t.Parallel()
	l := newLab(t, configuredBy("one"))
	d := l.live.d
	err := d.Reload(t.Context(), func() (string, error) {
		if d.reload.mu.TryLock() {
			d.reload.mu.Unlock()
			t.Error("another configuration can take the place of the file while it is read")
		}
		b, err := os.ReadFile(l.c.File)
		return string(b), err
	})
	if err != nil {
		t.Error(err)
	}
	err = d.Reload(t.Context(), func() (string, error) { return "", grid.Errorf(grid.NotFound, "there is none") })
	if grid.CodeOf(err) != grid.NotFound || l.inForce().Text != "one" {
		t.Errorf("without a file: %v", err)
	}
}

// Of several that are put in force at once each is, or is refused whole: one after the other.
func TestConfigurationsAtOnceComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	l := newLab(t, configuredBy("one"))
	texts := []string{"one near", "two near", "two", "wrong", "gone"}
	done := make(chan error)
	for _, text := range texts {
		go func() {
			_, err := l.Configure(context.WithoutCancel(t.Context()), api.Configure{Text: text})
			if text == "wrong" && err != nil {
				err = nil
			}
			done <- err
		}()
	}
	for range texts {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	c := l.inForce()
	if c.Version != len(texts) || len(c.Versions) != len(texts) {
		t.Errorf("in force is version %d of %+v", c.Version, c.Versions)
	}
}
