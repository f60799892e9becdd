package worker

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

func TestAJobRunsAndItsEndIsKeptUntilForgotten(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		w.run()
		l := w.line()
		if h := l.hello; h.Worker != "w1" || h.Boot == "" || h.Session == "" || h.Isolation != w.i || h.Advert.Attrs["Cpus"] != "2" || len(h.Attempts) != 0 {
			t.Fatalf("%+v", h)
		}
		l.start(1, 1, w.script(`echo hello; exit 3`))
		l.want(1, 1, wire.Started)
		want := l.want(1, 1, wire.Exited)
		if want.Code != 3 || w.read("out") != "hello\n" {
			t.Fatalf("%+v, %q", want, w.read("out"))
		}
		for range 2 { // it is told again on each line
			l.drop()
			l = w.line()
			if len(l.hello.Attempts) != 1 || l.hello.Attempts[0].Last != want {
				t.Fatalf("%+v", l.hello.Attempts)
			}
		}
		if !exists(filepath.Join(w.state, sandboxDir, "1.0.1")) {
			t.Fatal("the sandbox is gone before it was forgotten")
		}
		l.forget(1, 1)
		until(t, "all of it is removed", func() bool {
			return len(w.journal()) == 0 && !exists(filepath.Join(w.state, sandboxDir, "1.0.1"))
		})
		l.drop()
		if l = w.line(); len(l.hello.Attempts) != 0 {
			t.Fatalf("%+v", l.hello.Attempts)
		}
	})
}

func TestAStartIsFollowedOnce(t *testing.T) {
	w := newWorld(t)
	w.run()
	l := w.line()
	for range 3 {
		l.start(1, 1, w.script(waiting))
	}
	running := 0
	for running == 0 {
		switch r := l.report(); r.Kind {
		case wire.Started:
			running++
		case wire.Accepted: // the answer to a repetition
		default:
			t.Fatalf("%+v", r)
		}
	}
	l.drop()
	l = w.line()
	if len(l.hello.Attempts) != 1 || l.hello.Attempts[0].Last.Kind != wire.Started {
		t.Fatalf("%+v", l.hello.Attempts)
	}
	l.start(1, 1, w.script(waiting))
	l.want(1, 1, wire.Started)
	w.touch("go")
	l.want(1, 1, wire.Exited)
	l.start(1, 1, w.script(waiting))
	if r := l.want(1, 1, wire.Exited); r.Code != 3 || strings.Count(w.read("began"), "\n") != 1 {
		t.Fatalf("%+v; it began as %q", r, w.read("began"))
	}
}

func TestAKillMeetsAnAttemptWhereverItIs(t *testing.T) {
	t.Run("it runs", func(t *testing.T) {
		inEachMode(t, func(t *testing.T, w *world) {
			w.run()
			l := w.line()
			l.start(1, 1, w.script(`trap 'echo asked; exit 7' TERM; : >ready; while :; do sleep 0.01; done`))
			l.want(1, 1, wire.Started)
			until(t, "the job is ready", func() bool { return exists(w.file("ready")) })
			l.kill(1, 1, false)
			if r := l.want(1, 1, wire.Killed); r.Code != 7 || r.Reason != "removed" || w.read("out") != "asked\n" {
				t.Fatalf("%+v", r)
			}
			l.kill(1, 1, true) // it has ended: it says so again
			l.want(1, 1, wire.Killed)
		})
	})
	t.Run("its files are on their way", func(t *testing.T) {
		w := newWorld(t)
		w.set(func() { w.hangs = make(chan struct{}) })
		w.run()
		l := w.line()
		x := w.script(`: >ran`)
		x.Transfer = true
		l.start(1, 1, x)
		l.kill(1, 1, false)
		if r := l.want(1, 1, wire.Killed); r.Reason != "removed" {
			t.Fatalf("%+v", r)
		}
	})
	t.Run("nobody knows it", func(t *testing.T) {
		w := newWorld(t)
		w.run()
		l := w.line()
		l.kill(7, 1, false)
		l.want(7, 1, wire.Lost)
	})
	t.Run("it is forgotten while it runs", func(t *testing.T) {
		w := newWorld(t)
		w.run()
		l := w.line()
		l.start(1, 1, w.script(waiting))
		l.want(1, 1, wire.Started)
		l.forget(1, 1)
		l.want(1, 1, wire.Killed)
		until(t, "all of it is removed", func() bool { return len(w.journal()) == 0 })
	})
}

func TestFilesTravel(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		w.run()
		l := w.line()
		inputs := pack(t, file{"run.sh", "#!/bin/sh\ncat data >result; echo spoken; echo wrong >&2; exit 3\n", 0o755}, file{"data", "words", 0o644})
		w.set(func() { w.inputs, w.fails = inputs, 1 }) // the first try fails
		l.start(1, 1, wire.Execution{Owner: owner(), Cmd: "run.sh", Transfer: true, Out: "o", Err: "e", Ad: map[string]string{"ClusterId": "1"}})
		l.want(1, 1, wire.Started)
		r := l.want(1, 1, wire.Exited)
		var sent []byte
		w.set(func() { sent = w.outputs[wire.OutputsPath(r.Job, 1)] })
		if r.Code != 3 || r.Staged == nil || r.Staged.Bytes != int64(len(sent)) || r.Usage.Sent != r.Staged.Bytes || r.Usage.Received == 0 {
			t.Fatalf("%+v; %d bytes came", r, len(sent))
		}
		got := unpack(t, sent)
		if len(got) != 3 || got[wire.StdoutName] != "spoken\n" || got[wire.StderrName] != "wrong\n" || got[wire.OutputDir+"result"] != "words" {
			t.Fatalf("%q", got)
		}
	})
}

func TestWhatTheOwnerCanMendHoldsTheJob(t *testing.T) {
	for name, c := range map[string]struct {
		inputs []file
		job    func(*world) wire.Execution
		code   grid.HoldCode
		says   string
		staged bool
	}{
		"an input that is not there": {nil, func(w *world) wire.Execution { return wire.Execution{Cmd: "run", Transfer: true} }, grid.HoldInput, "/home/x/data", false},
		"an input that leads out":    {[]file{{"../x", "", 0o644}}, func(w *world) wire.Execution { return wire.Execution{Cmd: "run", Transfer: true} }, grid.HoldInput, "../x", false},
		"a program that is none":     {nil, func(w *world) wire.Execution { return wire.Execution{Cmd: w.file("none"), Iwd: w.home} }, grid.HoldNoProcess, "none", false},
		"an output that was not made": {[]file{{"run", "#!/bin/sh\necho x >a\n", 0o755}}, func(w *world) wire.Execution {
			return wire.Execution{Cmd: "run", Transfer: true, Outputs: []string{"a", "b"}}
		}, grid.HoldOutput, "b", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.inputs != nil {
				w.set(func() { w.inputs = pack(t, c.inputs...) })
			}
			w.run()
			l := w.line()
			x := c.job(w)
			x.Owner = owner()
			l.start(1, 1, x)
			r := l.ends(1, 1, wire.Failed)
			if r.Hold.Code != c.code || !strings.Contains(r.Hold.Reason, c.says) || (r.Staged != nil) != c.staged {
				t.Fatalf("%+v", r)
			}
		})
	}
}

func TestALowerTermIsNotHeeded(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.welcome.Term = 7 })
	first := w.run()
	l := w.line()
	l.order(wire.Message{Start: &wire.Start{Term: 6, Job: grid.JobID{Cluster: 1}, Epoch: 1, Execution: w.script(`: >ran`)}})
	l.order(wire.Message{Quit: &wire.Quit{Term: 6}})
	l.start(2, 1, w.script(`exit 3`))
	l.ends(2, 1, wire.Exited)
	if exists(w.file("ran")) {
		t.Fatal("an order of a lower term was followed")
	}
	// The next agent remembers, and so hangs up.
	first.end(t)
	w.set(func() { w.welcome.Term = 6 })
	w.run()
	l = w.line()
	if l.hello.Term != 7 {
		t.Fatalf("%+v", l.hello)
	}
	select {
	case <-l.over:
	case <-time.After(patience):
		t.Fatal("the worker serves a lower term")
	}
	w.set(func() { w.welcome.Term = 8 })
	for l = w.line(); l.hello.Term == 7; l = w.line() {
		select {
		case <-l.over: // it was welcomed with the lower term still
		case <-l.beats:
			return
		case <-time.After(patience):
			t.Fatal("the worker does not serve a higher term")
		}
	}
}

func TestOrdersBeforeAWelcomeAreNotFollowed(t *testing.T) {
	w := newWorld(t)
	a, err := New(config(w.state, w.at, w.i), logrus.New())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.handle(t.Context(), wire.Message{Welcome: &wire.Welcome{}}); grid.CodeOf(err) != grid.Invalid {
		t.Fatal(err)
	}
}

func TestDraining(t *testing.T) {
	w := newWorld(t)
	w.run()
	l := w.line()
	l.start(1, 1, w.script(waiting))
	l.want(1, 1, wire.Started)
	l.drain(true)
	l.start(2, 1, w.script(`exit 0`))
	if r := l.want(2, 1, wire.Lost); r.Vacate != grid.VacateDraining {
		t.Fatalf("%+v", r)
	}
	w.touch("go")
	l.want(1, 1, wire.Exited)
	l.drain(false)
	l.start(2, 2, w.script(`exit 0`))
	l.ends(2, 2, wire.Exited)
	// What a schedd does not say again on a new line does not hold.
	l.drain(true)
	l.start(3, 1, w.script(`exit 0`))
	l.want(3, 1, wire.Lost)
	l.drop()
	l = w.line()
	l.start(3, 2, w.script(`exit 0`))
	l.ends(3, 2, wire.Exited)
}

func TestAWorkerHoldsNoMoreThanAHelloCanSay(t *testing.T) {
	a, err := New(config(t.TempDir(), wire.Endpoint{}, ""), logrus.New())
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(wire.MaxAttempts) {
		if _, no := a.admit(a.newAttempt(&entry{Key: runner.Key{Job: grid.JobID{Cluster: 1, Proc: i}}})); no != nil {
			t.Fatalf("attempt %d: %+v", i, no)
		}
	}
	if _, no := a.admit(a.newAttempt(&entry{Key: runner.Key{Job: grid.JobID{Cluster: 2}}})); no == nil || no.Kind != wire.Lost {
		t.Fatalf("%+v", no)
	}
}

func TestALaterAttemptWaitsForTheEndOfAnEarlier(t *testing.T) {
	w := newWorld(t)
	w.run()
	l := w.line()
	l.start(1, 1, w.script(`trap '' TERM; : >first; while :; do sleep 0.01; done`))
	l.want(1, 1, wire.Started)
	l.start(1, 3, w.script(waiting))
	l.want(1, 1, wire.Killed)
	l.want(1, 3, wire.Started)
	l.start(1, 2, w.script(`exit 0`))
	l.want(1, 2, wire.Lost)
	w.touch("go")
	l.want(1, 3, wire.Exited)
}

func TestQuitting(t *testing.T) {
	w := newWorld(t)
	k := w.run()
	l := w.line()
	l.start(1, 1, w.script(waiting))
	l.want(1, 1, wire.Started)
	l.order(wire.Message{Quit: &wire.Quit{Term: 1, PowerOff: true}}) // it is no machine of ours
	l.start(2, 1, w.script(`exit 0`))
	l.want(2, 1, wire.Lost)
	w.touch("go")
	l.want(1, 1, wire.Exited)
	l.forget(1, 1)
	if err := k.ended(t); err != nil {
		t.Fatal(err)
	}
	if left := processesOf(w.state); len(left) != 0 {
		t.Fatalf("%v", left)
	}
}

func TestAMachineOfOursIsPoweredOffWhenTold(t *testing.T) {
	w := newWorld(t)
	k := w.run(func(c *Config) {
		// The first try fails.
		c.PowerOff = []string{"/bin/sh", "-c", fmt.Sprintf("cd %s; [ -e tried ] && exec touch off; touch tried; exit 1", w.home)}
	})
	w.line().order(wire.Message{Quit: &wire.Quit{Term: 1, PowerOff: true}})
	if err := k.ended(t); err != nil || !exists(w.file("off")) {
		t.Fatal(err, exists(w.file("off")))
	}
}

func TestASecondAgentIsRefused(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.line()
	a, err := New(config(w.state, w.at, w.i), logrus.New())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); grid.CodeOf(err) != grid.Refused {
		t.Fatal(err)
	}
}

// A suspended attempt stands still as a whole, whoever its agent is; a kill meets it none
// the less.
func TestASuspendedAttemptStandsStill(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		w.run()
		l := w.line()
		l.start(1, 1, w.script(`: `+w.home+`; trap 'exit 7' TERM; (while :; do sleep 0.01; done) & : >ready; while :; do sleep 0.01; done`))
		l.want(1, 1, wire.Started)
		until(t, "the job is ready", func() bool { return exists(w.file("ready")) })
		l.suspend(1, 1, true)
		until(t, "all of the job stands still", func() bool { return standing(w.home) })
		l.suspend(1, 1, false)
		until(t, "the job goes on", func() bool { return !standing(w.home) })
		l.suspend(1, 1, true)
		until(t, "all of the job stands still", func() bool { return standing(w.home) })
		l.kill(1, 1, false)
		if r := l.want(1, 1, wire.Killed); r.Code != 7 {
			t.Fatalf("%+v", r)
		}
	})
}

// standing reports whether every shell whose command line has the word is stopped, or waits
// in a vfork for a child that is.
func standing(word string) bool {
	stopped, others := 0, 0
	for pid := range processesOf(word) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || !bytes.Contains(b, []byte(" (sh) ")) {
			continue
		}
		switch {
		case bytes.Contains(b, []byte(" (sh) T ")):
			stopped++
		case !bytes.Contains(b, []byte(" (sh) D ")):
			others++
		}
	}
	return stopped >= 1 && others == 0
}

func TestAnAttemptBeginsAtItsTime(t *testing.T) {
	w := newWorld(t)
	w.run()
	l := w.line()
	soon := w.script(`date +%s%N >at`)
	soon.NotBefore = time.Now().Add(300 * time.Millisecond).UnixMilli()
	soon.WindowMS = time.Hour.Milliseconds()
	l.start(1, 1, soon)
	l.want(1, 1, wire.Started)
	l.want(1, 1, wire.Exited)
	if at, err := strconv.ParseInt(strings.TrimSpace(w.read("at")), 10, 64); err != nil || at < soon.NotBefore*1e6 {
		t.Errorf("it began at %d, and was to begin at %d: %v", at, soon.NotBefore*1e6, err)
	}
	late := w.script(`: >late`)
	late.NotBefore = time.Now().Add(-time.Hour).UnixMilli()
	late.WindowMS = 60_000
	l.start(2, 1, late)
	if r := l.want(2, 1, wire.Failed); r.Hold.Code != grid.HoldMissedTime || exists(w.file("late")) {
		t.Errorf("%+v", r)
	}
	// One that waits is killed at once.
	waits := w.script(`: >late`)
	waits.NotBefore = time.Now().Add(time.Hour).UnixMilli()
	l.start(3, 1, waits)
	l.kill(3, 1, false)
	l.want(3, 1, wire.Killed)
}
