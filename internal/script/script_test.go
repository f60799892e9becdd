package script

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridburst/internal/pause"
)

// TestMain is also a keeper.
func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

const patience = time.Minute

type place struct {
	t    *testing.T
	dir  string
	book *Book
}

func newPlace(t *testing.T) *place {
	t.Helper()
	b, err := Open(filepath.Join(t.TempDir(), "scripts"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &place{t, t.TempDir(), b}
}

// sh is a script of a shell's.
func (p *place) sh(lines string, args ...string) Spec {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, "s.sh"), []byte("#!/bin/sh\n"+lines+"\n"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	return Spec{Program: "s.sh", Args: args, Dir: p.dir, Env: []string{"PATH=/usr/bin:/bin", "HERE=" + p.dir}}
}

func (p *place) run(key string, s Spec) Ended {
	p.t.Helper()
	e, err := p.book.Run(p.t.Context(), key, s, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return e
}

func (p *place) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// wait waits until a file is there and holds something.
func (p *place) wait(name string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		if b, err := os.ReadFile(filepath.Join(p.dir, name)); err == nil && strings.HasSuffix(string(b), "\n") {
			return strings.TrimSpace(string(b))
		}
		if pause.For(ctx, 5*time.Millisecond) != nil {
			p.t.Fatalf("%s does not come to be", name)
		}
	}
}

func TestAScriptRunsOnceUnderItsKey(t *testing.T) {
	p := newPlace(t)
	s := p.sh(`echo "$@ $HERE $OTHER" >> ran; exit 7`, "a b", "c")
	for range 3 {
		if e := p.run("k", s); e != (Ended{Exit: 7}) {
			t.Fatalf("it ended as %+v", e)
		}
	}
	if got := p.read("ran"); got != "a b c "+p.dir+" \n" {
		t.Errorf("it said %q", got)
	}
	if err := p.book.Forget("k"); err != nil {
		t.Fatal(err)
	}
	p.run("k", s)
	if got := p.read("ran"); strings.Count(got, "\n") != 2 {
		t.Errorf("after it was forgotten: %q", got)
	}
}

func TestHowScriptsEnd(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct {
		name   string
		spec   Spec
		exit   int32
		reason string
	}{
		{"well", p.sh("exit 0"), 0, ""},
		{"by a signal", Spec{Program: "/bin/sh", Args: []string{"-c", "kill -9 $$"}, Dir: p.dir}, -9, ""},
		{"it is not there", Spec{Program: "none", Dir: p.dir}, 127, "not there"},
		{"it may not be run", Spec{Program: "/etc/passwd", Dir: p.dir}, 126, "permission denied"},
		{"its directory is not there", Spec{Program: "/bin/true", Dir: "/nonexistent"}, 127, "not there"},
	} {
		e := p.run(strings.ReplaceAll(c.name, " ", "-"), c.spec)
		if e.Exit != c.exit || !strings.Contains(e.Reason, c.reason) {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}

func TestWhatAScriptPrintsIsKeptWhereAsked(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct{ capture, want string }{{"STDOUT", "out\n"}, {"STDERR", "err\n"}, {"ALL", "out\nerr\n"}} {
		s := p.sh("echo out; echo err >&2; exit 3")
		s.Debug, s.Capture = "log."+c.capture, c.capture
		if e := p.run(c.capture, s); e.Exit != 3 {
			t.Errorf("%s: %+v", c.capture, e)
		}
		if got := p.read(s.Debug); got != c.want {
			t.Errorf("%s: %q", c.capture, got)
		}
	}
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func (p *place) gone(what string) {
	p.t.Helper()
	pid, err := strconv.Atoi(p.read(what)[:len(p.read(what))-1])
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for alive(pid) {
		if pause.For(ctx, 5*time.Millisecond) != nil {
			p.t.Fatalf("process %d of %s is left", pid, what)
		}
	}
}

func TestNothingOfAScriptOutlivesIt(t *testing.T) {
	p := newPlace(t)
	p.run("k", p.sh("setsid sleep 600 & echo $! > child; exit 0"))
	p.gone("child")
}

func TestAScriptIsKilledWithAllOfIt(t *testing.T) {
	p := newPlace(t)
	s := p.sh("trap '' TERM; setsid sleep 600 & echo $! > child; echo $$ > me; while :; do sleep 600; done")
	s.Program = "/bin/sh"
	s.Args = []string{"-c", "sleep 600 & echo $! > child; echo $$ > me; wait"}
	kill := make(chan struct{})
	done := make(chan Ended, 1)
	go func() {
		e, err := p.book.Run(t.Context(), "k", s, kill)
		if err != nil {
			t.Error(err)
		}
		done <- e
	}()
	p.wait("me")
	close(kill)
	if e := <-done; e.Exit != -15 {
		t.Errorf("it ended as %+v", e)
	}
	p.gone("child")
	// One that has not begun is not begun any more.
	e, err := p.book.Run(t.Context(), "other", s, kill)
	if err != nil || e.Exit != -15 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestTheNextScheddWaitsForAScript is a book that is opened again while the script of
// the one before runs: as after a schedd's death.
func TestTheNextScheddWaitsForAScript(t *testing.T) {
	p := newPlace(t)
	s := p.sh("echo x >> ran; echo $$ > me; while [ ! -e go ]; do sleep 0.01; done; exit 5")
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := p.book.Run(ctx, "k", s, nil)
		first <- err
	}()
	p.wait("me")
	cancel()
	if err := <-first; err == nil {
		t.Fatal("it did not stop waiting")
	}
	done := make(chan Ended, 1)
	go func() { done <- p.run("k", s) }()
	if err := p.book.Tidy(func(string) bool { return false }); err != nil { // it runs: it stays
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if e := <-done; e.Exit != 5 {
		t.Errorf("it ended as %+v", e)
	}
	if got := p.read("ran"); got != "x\n" {
		t.Errorf("it ran as %q", got)
	}
}

func TestAKeepersDeathIsItsScripts(t *testing.T) {
	p := newPlace(t)
	s := p.sh("echo $PPID > keeper; echo $$ > me; while :; do sleep 0.1; done")
	done := make(chan Ended, 1)
	go func() { done <- p.run("k", s) }()
	p.wait("me")
	pid, err := strconv.Atoi(p.wait("keeper"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := <-done; e.Exit != -9 || e.Reason == "" {
		t.Errorf("it ended as %+v", e)
	}
	p.gone("me")
	if e := p.run("k", s); e.Exit != -9 {
		t.Errorf("asked again: %+v", e)
	}
}

// TestAKeeperThatBeganNothing is a schedd that died when it had made the file.
func TestAKeeperThatBeganNothing(t *testing.T) {
	p := newPlace(t)
	if err := os.WriteFile(p.book.path("k"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if e := p.run("k", p.sh("exit 4")); e.Exit != 4 {
		t.Errorf("it ended as %+v", e)
	}
	// A line that a power cut has torn says nothing.
	if err := os.WriteFile(p.book.path("torn"), []byte(`{"keep`), 0o600); err != nil {
		t.Fatal(err)
	}
	if e := p.run("torn", p.sh("exit 4")); e.Exit != 4 {
		t.Errorf("it ended as %+v", e)
	}
	if err := p.book.Tidy(func(key string) bool { return key == "k" }); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(p.book.dir); err != nil || len(list) != 1 {
		t.Errorf("%v are left (%v)", list, err)
	}
}

func TestAScriptHasItsOwnersRights(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may become somebody else")
	}
	p := newPlace(t)
	if err := os.Chmod(p.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for d := p.dir; d != "/"; d = filepath.Dir(d) {
		if out, err := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-x", d).CombinedOutput(); err != nil {
			t.Skipf("nobody may not get to %s: %v %s", d, err, out)
		}
	}
	s := p.sh("id -u > who; id -G >> who")
	s.As = &syscall.Credential{Uid: 65534, Gid: 65534}
	if e := p.run("k", s); e.Exit != 0 {
		t.Fatalf("it ended as %+v", e)
	}
	if got := p.read("who"); got != "65534\n65534\n" {
		t.Errorf("it ran as %q", got)
	}
}

func TestASpecTravels(t *testing.T) {
	s := Spec{Program: "p", Args: []string{"a"}, Env: []string{"A=1"}, Dir: "/", Debug: "d", Capture: "ALL", As: &syscall.Credential{Uid: 1, Gid: 2, Groups: []uint32{3}}}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got Spec
	if err := json.Unmarshal(b, &got); err != nil || got.As.Uid != 1 || got.As.Groups[0] != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}
