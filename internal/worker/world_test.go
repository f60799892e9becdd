package worker

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

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
