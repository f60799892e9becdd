package gahp_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/gahp"
	"gridburst/gahp/fake"
	"gridburst/internal/freeze"
)

func startClient(t *testing.T, o gahp.Options) *gahp.Client {
	t.Helper()
	c := gahp.NewClient(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// waitFor looks until it is so.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx := within(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not happen", what)
		case <-tick.C:
		}
	}
}

// openPID holds on to a process, whoever reaps it.
func openPID(t *testing.T, pid int) int {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// waitGone waits until the process of a pidfd is dead.
func waitGone(t *testing.T, fd int, what string) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("%s lives: %v", what, err)
		}
		return
	}
}

// stuck is a provider whose Stop reaches the engine and then waits.
type stuck struct {
	gahp.Provider
	there chan struct{}
}

func (s *stuck) Stop(ctx context.Context, _ gahp.Order, _ string) error {
	s.there <- struct{}{}
	<-ctx.Done()
	return &gahp.Error{Kind: gahp.Unknown, Text: "cut off"}
}

func TestAGahpThatIsKilled(t *testing.T) {
	p := &stuck{Provider: newEngine(), there: make(chan struct{}, 1)}
	c := startClient(t, gahp.Options{Command: fake.Command(t, p), Env: []string{fake.Env}})
	ctx := within(t)
	stop := make(chan error, 1)
	go func() { stop <- c.Stop(ctx, order, "fake-1") }()
	<-p.there
	first := c.Stats().PID
	gone := openPID(t, first)
	syscall.Kill(first, syscall.SIGKILL)
	err := <-stop
	wantKind(t, "a stop in a GAHP that was killed", err, gahp.Unknown)
	if !strings.Contains(fmt.Sprint(err), "killed") {
		t.Errorf("%v does not say how the GAHP ended", err)
	}
	waitGone(t, gone, "the killed GAHP")
	if vms, err := c.List(ctx, ""); err != nil || len(vms) != 1 {
		t.Errorf("in the next GAHP: %d machines, %v", len(vms), err)
	}
	if s := c.Stats(); s.Starts != 2 || s.Hung != 0 || s.PID == first || s.PID == 0 {
		t.Errorf("stats %+v; the first was %d", s, first)
	}
}

func TestAGahpThatIsStopped(t *testing.T) {
	c := startClient(t, gahp.Options{Command: fake.Command(t, newEngine()), Env: []string{fake.Env}, Grace: time.Millisecond})
	ctx := within(t)
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	pid := c.Stats().PID
	gone := openPID(t, pid)
	if err := freeze.Process(pid); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	wantKind(t, "a stop in a GAHP that stands still", c.Stop(short, order, "fake-1"), gahp.Unknown)
	waitGone(t, gone, "the GAHP that stood still")
	if err := c.Ping(ctx); err != nil {
		t.Errorf("in the next GAHP: %v", err)
	}
	if s := c.Stats(); s.Hung != 1 || s.Starts != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestACloseEndsTheProcess(t *testing.T) {
	p := &stuck{Provider: newEngine(), there: make(chan struct{}, 1)}
	c := gahp.NewClient(gahp.Options{Command: fake.Command(t, p), End: 100 * time.Millisecond})
	stop := make(chan error, 1)
	go func() { stop <- c.Stop(t.Context(), order, "fake-1") }()
	<-p.there
	gone := openPID(t, c.Stats().PID)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	waitGone(t, gone, "the GAHP of a closed client")
	wantKind(t, "the stop that it was at", <-stop, gahp.Unknown)
}

func TestAGahpDoesNotOutliveItsParent(t *testing.T) {
	for _, c := range []struct {
		why    string
		signal syscall.Signal // to the GAHP, before
	}{
		{"that it hears", syscall.SIGCONT},
		{"that it cannot hear", syscall.SIGSTOP},
	} {
		t.Run("the end "+c.why, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			parent := exec.Command(self, append([]string{parentArg}, fake.Command(t, newEngine())...)...)
			parent.Stderr = os.Stderr
			in, err := parent.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			gone := openPID(t, pid)
			syscall.Kill(pid, c.signal)
			parent.Process.Kill()
			parent.Wait()
			waitGone(t, gone, "the GAHP of a killed parent")
		})
	}
}

func TestWhatAGahpIsToldStaysThere(t *testing.T) {
	t.Setenv("SCHEDD_SECRET", "hunter2")
	log, logged := newLog()
	command := fake.Command(t, newEngine())
	c := gahp.NewClient(gahp.Options{Command: command, Env: []string{"TZ=UTC"}, Log: log, Dir: t.TempDir()})
	ctx := within(t)
	_, err := c.Create(ctx, order, gahp.Create{Name: "m", Template: "none", UserData: "token: s3cret"})
	wantKind(t, "create", err, gahp.NoTemplate)
	proc := filepath.Join("/proc", strconv.Itoa(c.Stats().PID))
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(bytes.ReplaceAll(environ, []byte{0}, []byte("\n"))); got != "PATH=/usr/local/bin:/usr/bin:/bin\nLC_ALL=C.UTF-8\nTZ=UTC\n" {
		t.Errorf("its environment is %q", got)
	}
	syscall.Kill(c.Stats().PID, syscall.SIGKILL)
	c.Ping(ctx)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// What a library prints on standard output is in the log, and in no answer.
	var all strings.Builder
	waitFor(t, "the log of what was printed", func() bool {
		all.WriteString(logged.more())
		return strings.Contains(all.String(), "this must not be taken for an answer")
	})
	if all.WriteString(logged.more()); strings.Contains(all.String(), "s3cret") {
		t.Errorf("logged: %s", all.String())
	}
}

func TestAProgramThatIsNoGahp(t *testing.T) {
	for _, c := range []struct {
		command []string
		says    string
	}{
		{[]string{"/nowhere/ovirt_gahp"}, "no such file"},
		{[]string{"/bin/false"}, "exit status 1"},
		{[]string{"/bin/sh", "-c", "echo nonsense; exit 3"}, "exit status 3"},
		{[]string{"/bin/sh", "-c", "echo 'unknown flag: --tea' >&2; exit 2"}, "exit status 2, having said: unknown flag: --tea"},
		{nil, "no command"},
	} {
		cl := startClient(t, gahp.Options{Command: c.command})
		err := cl.Ping(within(t))
		wantKind(t, fmt.Sprint(c.command), err, gahp.EngineDown)
		if err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v does not say %q", err, c.says)
		}
	}
}

func TestAGahpOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a GAHP as somebody else")
	}
	log, logged := newLog()
	cl := startClient(t, gahp.Options{
		Log: log, Command: []string{"/bin/sh", "-c", "id -u >&2; exit 9"},
		Credential: &syscall.Credential{Uid: 65534, Gid: 65534},
	})
	wantKind(t, "a program that only says who it is", cl.Ping(within(t)), gahp.EngineDown)
	var all strings.Builder
	waitFor(t, "the log of its user", func() bool {
		all.WriteString(logged.more())
		return strings.Contains(all.String(), "line=65534")
	})
}

func TestALoudGahpDoesNotFillTheLog(t *testing.T) {
	log, logged := newLog()
	cl := startClient(t, gahp.Options{Log: log, Command: []string{"/bin/sh", "-c", `i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; head -c 1000000 /dev/zero | tr '\0' x >&2; echo >&2; exit 1`}})
	cl.Ping(within(t))
	if err := cl.Close(); err != nil {
		t.Error(err)
	}
	lines := strings.Split(logged.more(), "\n")
	if len(lines) < 100 || len(lines) > 1000 {
		t.Errorf("%d lines were logged", len(lines))
	}
	for _, line := range lines {
		if len(line) > 3000 {
			t.Errorf("a line of %d bytes was logged", len(line))
		}
	}
}
