package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// world is a worker's directory, its schedd, and a directory of the jobs' owner.
type world struct {
	*schedd
	t     testing.TB
	state string
	home  string
	i     wire.Isolation
}

func newWorld(t testing.TB) *world { return worldOf(t, newSchedd(t)) }

func worldOf(t testing.TB, s *schedd) *world {
	t.Helper()
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{schedd: s, t: t, state: filepath.Join(dir, "worker"), home: filepath.Join(dir, "home")}
	if err := os.Mkdir(w.home, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(w.home, int(owner().UID), int(owner().GID)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(w.killAll)
	return w
}

// owner is whose jobs are run.
func owner() wire.Owner {
	if os.Geteuid() == 0 {
		return wire.Owner{Name: "alice", UID: 61001, GID: 61002}
	}
	return wire.Owner{Name: "me", UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// killAll ends what a killed agent left, and only that.
func (w *world) killAll() {
	until(w.t, "an end of all runners", func() bool {
		left := processesOf(w.state)
		for pid := range left {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(left) == 0
	})
}

// script is a job in place.
func (w *world) script(text string) wire.Execution {
	return wire.Execution{Owner: owner(), Cmd: "/bin/sh", Args: []string{"-c", text}, Iwd: w.home, Out: "out", Err: "err"}
}

func (w *world) file(name string) string { return filepath.Join(w.home, name) }

func (w *world) touch(name string) {
	w.t.Helper()
	if err := os.WriteFile(w.file(name), nil, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(w.file(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// waiting is a script that notes its start in a file, and goes on when another is there.
const waiting = `echo $$ >>began; while ! [ -e go ]; do sleep 0.01; done; exit 3`

// journal lists the files of the journal.
func (w *world) journal() []string {
	w.t.Helper()
	files, err := os.ReadDir(filepath.Join(w.state, privateDir, runner.JournalDir))
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// agent is one in this process.
type agent struct {
	*Agent
	stop context.CancelFunc
	over chan error
}

// run begins an agent, and ends it with the test.
func (w *world) run(change ...func(*Config)) *agent {
	w.t.Helper()
	c := config(w.state, w.at, w.i)
	for _, f := range change {
		f(&c)
	}
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	log.SetOutput(io.Discard)
	if t, ok := w.t.(*testing.T); ok {
		log.SetOutput(t.Output())
	}
	a, err := New(c, log)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	k := &agent{Agent: a, stop: stop, over: make(chan error, 1)}
	go func() { k.over <- a.Run(ctx) }()
	w.t.Cleanup(func() { k.end(w.t) })
	return k
}

// end stops the agent and waits for its end; again, it does nothing.
func (k *agent) end(t testing.TB) {
	t.Helper()
	k.stop()
	if err := k.ended(t); err != nil {
		t.Error(err)
	}
}

// ended waits for the agent's own end.
func (k *agent) ended(t testing.TB) error {
	t.Helper()
	select {
	case err := <-k.over:
		k.over <- nil // for who asks again
		return err
	case <-time.After(patience):
		t.Fatal("the agent does not end")
		return nil
	}
}

// spawn begins an agent in a process of its own, and returns how it is killed.
func (w *world) spawn() (kill func()) {
	w.t.Helper()
	args, err := json.Marshal(agentArgs{State: w.state, Schedd: w.at.Address, Isolation: w.i})
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "agent", string(args))
	cmd.Stderr = os.Stderr
	if t, ok := w.t.(*testing.T); ok {
		cmd.Stderr = t.Output()
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	var once sync.Once
	kill = func() {
		once.Do(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
	w.t.Cleanup(kill)
	return kill
}

// inEachMode runs f with each isolation that this user can have.
func inEachMode(t *testing.T, f func(t *testing.T, w *world)) {
	strong := wire.UserNamespaces
	if os.Geteuid() == 0 {
		strong = wire.Namespaces
	}
	for _, i := range []wire.Isolation{strong, wire.ProcessGroups} {
		t.Run(string(i), func(t *testing.T) {
			w := newWorld(t)
			w.i = i
			f(t, w)
		})
	}
}

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
