//go:build failpoints

package schedd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/whole"
	"gridburst/schedd/api"
	"gridburst/schedd/serve"
)

func init() { configureAndDie = configured }

// configured is a daemon that puts another configuration in force, and dies.
func configured(dir string) {
	log := logrus.New()
	path := filepath.Join(dir, "schedd.conf")
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	d, err := New(plainConfig(dir, string(text)), log)
	if err != nil {
		log.Fatal(err)
	}
	err = d.Run(context.Background(), func() {
		for v := d.ledger.View(); v.Cron("k") == 0; v = d.ledger.View() { // the timetable begins
			<-d.ledger.Changed(v.Index)
		}
		setClock(dir, clockOf(dir).Add(90*time.Second)) // two instants come, and nobody has looked
		_, err := d.Configure(context.Background(), serve.Identity{UID: uint32(os.Geteuid()), Admin: true}, api.Configure{Text: "seven"})
		log.Fatalf("it lives: %v", err)
	})
	log.Fatal(err)
}

// plainConfig is what a word says.
func plainConfig(dir, text string) Config {
	c := Config{Dir: filepath.Join(dir, "d"), Name: "grid", Host: "host", Domain: "dom", File: filepath.Join(dir, "schedd.conf"), Text: text}
	c.Now = func() time.Time { return clockOf(dir) }
	me, err := currentUser()
	if err != nil {
		panic(err)
	}
	parse := func(text string) Config {
		fresh := c
		fresh.MaxRunning, fresh.Crons = map[string]int{"five": 5, "seven": 7}[text], nil
		if text == "five" {
			fresh.Crons = []Cron{{Name: "k", Schedule: "* * * * *", Owner: me, Dag: "/nowhere/w.dag", Missed: "all"}}
		}
		return fresh
	}
	c = parse(text)
	c.Parse = func(text string) (Config, error) { return parse(text), nil }
	return c
}

// clockOf is the wall clock of daemons in a directory.
func clockOf(dir string) time.Time {
	b, err := os.ReadFile(filepath.Join(dir, "clock"))
	at, parseErr := time.Parse(time.RFC3339, string(b))
	if err := errors.Join(err, parseErr); err != nil {
		panic(err)
	}
	return at
}

func setClock(dir string, at time.Time) {
	if err := whole.Store(filepath.Join(dir, "clock"), []byte(at.Format(time.RFC3339)), 0o600); err != nil {
		panic(err)
	}
}

// Who dies while another configuration takes the place of one finds one of the two at the
// next start, in the file and in force, and puts the other in force again. What was due by a
// timetable that goes is decided, once; and that it is gone is carried out.
func TestAConfigurationSurvivesDeath(t *testing.T) {
	for point, finds := range map[string]string{"config.followed": "five", "config.kept": "five", "config.passed": "five", "config.written": "seven"} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "schedd.conf")
			if err := os.WriteFile(path, []byte("five"), 0o644); err != nil {
				t.Fatal(err)
			}
			setClock(dir, time.Now().Add(time.Hour).Truncate(time.Hour))
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), "SCHEDD_CONFIGURE="+dir, "GRIDBURST_FAILPOINTS="+point+"=1")
			out, err := child.CombinedOutput()
			var ended *exec.ExitError
			if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child did not die at %s: %v: %s", point, err, out)
			}
			text, err := os.ReadFile(path)
			if err != nil || string(text) != finds {
				t.Fatalf("the file says %q (%v)", text, err)
			}
			p := newPlace(t, func(c *Config) { *c = plainConfig(dir, string(text)) })
			now := func(want string) {
				t.Helper()
				c, err := p.Configuration(t.Context(), 0)
				if err != nil || c.Text != want || c.Version == 0 || c.Versions[len(c.Versions)-1].Version < c.Version {
					t.Errorf("in force is %+v (%v)", c, err)
				}
			}
			now(finds)
			if _, err := p.Configure(t.Context(), api.Configure{Text: "seven"}); err != nil {
				t.Error(err)
			}
			now("seven")
			if n := p.live.d.config().MaxRunning; n != 7 {
				t.Errorf("%d may run", n)
			}
			p.eventually("the timetable to be done with", func() bool { return p.live.d.ledger.View().Cron("k") == 0 })
			past, err := p.CronHistory(t.Context(), "k", 0)
			if n := len(past.Occurrences); err != nil || n != 1 || past.Occurrences[0].Outcome != "failed" {
				t.Errorf("its history is %+v (%v)", past, err)
			}
			if all, err := p.Crons(t.Context()); err != nil || len(all.Crons) > 0 {
				t.Errorf("there are the timetables %+v (%v)", all, err)
			}
		})
	}
}
