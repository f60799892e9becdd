package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
)

// Bounds of what a try of a check may say.
const (
	MaxAnswer = 300     // bytes that are told of it
	maxTail   = 200     // of these, from the end of its output
	maxOutput = 1 << 20 // a try that writes more is ended
)

// check is the readiness check of the job in work. What is below left is the server's, under
// mu.
//
// A thread of its own makes the tries (see [server.checks]), since the launching one waits for
// what ends. That one reaps the tries, and says how they ended: so a try is signalled only as
// long as its number is its own.
type check struct {
	wire.Check
	a    *attempt
	env  []string
	cwd  string
	over chan struct{} // closed when there is to be no further try
	left chan struct{} // closed when the thread is done with it

	said  Checked
	ended bool // over is closed
	now   *try // nil between tries
}

// try is one run of a check. Its fields below status are the server's, under mu.
type try struct {
	forked chan struct{}           // closed when it is known which process it is, or that there is none
	status chan syscall.WaitStatus // how its first process ended

	pid    int                        // 0 before that
	early  map[int]syscall.WaitStatus // what ended before that
	reaped bool                       // its number is not its own any more
	off    bool                       // it was cut off, which says nothing of the job
}

// kill ends a try with all of its process group. The caller holds the server's mu.
func (t *try) kill() {
	if t.pid != 0 && !t.reaped {
		_ = syscall.Kill(-t.pid, syscall.SIGKILL) // the error is that there is nobody
	}
}

// checks is the one thread that makes the tries of checks, one after another. They inherit
// from it what jobs do from the launching thread.
func (s *server) checks(ready chan<- error) {
	runtime.LockOSThread() // for good
	err := prepareThread()
	ready <- err
	if err != nil {
		return
	}
	for c := range s.toCheck {
		beside, leave := s.contain.beside(c.a.main)
		s.check(c, beside)
		if err := leave(); err != nil {
			// This thread would keep alive what has to go with the job: it goes with it, too.
			s.o.Log.WithError(err).WithField("job", c.a.job.Key).Error("a check cannot part from its job, and the runner ends with it")
			s.mu.Lock()
			s.going = true
			s.mu.Unlock()
		}
		close(c.left)
	}
}

// beginCheck has the job that has just begun checked, if that is wished. The caller holds
// s.mu.
func (s *server) beginCheck(a *attempt, box sandbox.Sandbox, cwd, tmp string) {
	x := &a.job.Exec
	if x.Ready == nil || a.cause != byItself {
		return
	}
	c := &check{Check: *x.Ready, a: a, cwd: cwd, over: make(chan struct{}), left: make(chan struct{}), said: Checked{Key: a.job.Key}}
	if c.env = environment(x.Env, s.marks(a.job, box, tmp)); len(c.Command) == 0 {
		c.env = environment(race(), s.marks(a.job, box, tmp)) // nothing of the job's leads it elsewhere
	}
	a.check = c
	s.toCheck <- c // there is room: the thread is done with the one before
}

// race is what a program that was built with the race detector is told, for tests.
func race() []string {
	if v := os.Getenv("GORACE"); v != "" {
		return []string{"GORACE=" + v}
	}
	return nil
}

// endCheck ends a's check, and the try that is being made. The caller holds s.mu.
func (s *server) endCheck(a *attempt) {
	if c := a.check; c != nil && !c.ended {
		c.ended = true
		close(c.over)
		c.cutOff()
	}
}

// cutOff ends the try that is being made, as if it had not been. The caller holds the
// server's mu.
func (c *check) cutOff() {
	if c != nil && c.now != nil {
		c.now.off = true
		c.now.kill()
	}
}

// check tries again and again, until the job is ready or the check is over.
func (s *server) check(c *check, beside func(*syscall.SysProcAttr)) {
	for {
		if ready, answer, made := s.try(c, beside); made && s.answer(c, ready, answer) {
			return
		}
		select {
		case <-c.over:
			return
		case <-time.After(time.Duration(c.EveryMS) * time.Millisecond):
		}
	}
}

// answer takes in what a try has come to, and reports whether it was the last.
func (s *server) answer(c *check, ready bool, answer string) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.ended {
		return true
	}
	if said := (Checked{c.said.Key, ready, oneLine(answer, MaxAnswer)}); said != c.said {
		c.said = said
		s.tell(News{Checked: &said})
	}
	return ready
}

// oneLine is a text as one printable line of at most n bytes.
func oneLine(text string, n int) string {
	text = grid.Printable(strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " "))
	if len(text) > n {
		text = strings.ToValidUTF8(text[:n-len("...")], "") + "..."
	}
	return text
}

// try makes one try. made is false when there was none, or it was cut off since the job
// stands still or ends.
func (s *server) try(c *check, beside func(*syscall.SysProcAttr)) (ready bool, answer string, made bool) {
	out, t, err := s.begin(c, beside)
	if err != nil {
		return false, err.Error(), true
	}
	if t == nil {
		return false, "", false
	}
	defer out.Close()
	wrote := make(chan output, 1)
	go func() { wrote <- read(out) }()
	timeout := time.Duration(c.TimeoutMS) * time.Millisecond
	late := time.NewTimer(timeout)
	defer late.Stop()
	var status syscall.WaitStatus
	var o output
	for lives, unread := true, wrote; lives; {
		select {
		case <-c.over:
			return false, "", false // what is left of it ends with the job
		case status = <-t.status:
			lives = false
		case <-late.C:
			answer = fmt.Sprintf("no answer within %v", timeout)
			s.stopTry(t)
		case o = <-unread:
			if unread = nil; o.flood {
				answer = fmt.Sprintf("it wrote more than %d KiB", maxOutput>>10)
				s.stopTry(t)
			}
			wrote <- o
		}
	}
	s.mu.Lock()
	c.now, made = nil, !t.off
	s.mu.Unlock()
	if !made {
		return false, "", false
	}
	// All of its group is dead. For somebody who has left the group it is not waited.
	_ = out.SetReadDeadline(time.Now().Add(time.Second))
	o = <-wrote
	tail := oneLine(string(o.tail), 2*maxTail)
	switch {
	case answer != "":
	case status.Signaled():
		answer = fmt.Sprintf("killed by signal %d", status.Signal())
	case status.ExitStatus() == 0:
		return true, "", true
	case len(c.Command) == 0 && tail != "":
		return false, tail, true
	default:
		answer = fmt.Sprintf("exit %d", status.ExitStatus())
	}
	if tail != "" {
		answer += ": " + tail
	}
	return false, answer, true
}

// stopTry ends a try that has taken too much.
func (s *server) stopTry(t *try) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.kill()
}

// output is what a try has written.
type output struct {
	tail  []byte // the last of it
	flood bool   // it is more than it may be, and the rest was not read
}

func read(f *os.File) (o output) {
	buf := make([]byte, 32<<10)
	for total := 0; ; {
		n, err := f.Read(buf)
		total += n
		if o.tail = append(o.tail, buf[:n]...); len(o.tail) > maxTail {
			o.tail = append([]byte(nil), o.tail[len(o.tail)-maxTail:]...)
		}
		if o.flood = total > maxOutput; o.flood || err != nil {
			return o
		}
	}
}

// begin makes the process of a try; none, without an error, when there is to be none. What
// it writes is read from out.
func (s *server) begin(c *check, beside func(*syscall.SysProcAttr)) (out *os.File, t *try, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("no try could be made: %w", err)
	}
	defer unix.Close(fds[1])
	_ = unix.SetNonblock(fds[0], true) // so that a read ends when its time is over
	out = os.NewFile(uintptr(fds[0]), "output")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		out.Close()
		return nil, nil, fmt.Errorf("no try could be made: %w", err)
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Dir: c.cwd, Env: c.env, Files: []uintptr{null.Fd(), uintptr(fds[1]), uintptr(fds[1])}, Sys: &syscall.SysProcAttr{Setsid: true}}
	if len(c.Command) == 0 {
		attr.Files[2] = null.Fd() // a probe says all on its output
	}
	if u := c.a.job.User; !u.IsSelf() {
		attr.Sys.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	t = &try{forked: make(chan struct{}), status: make(chan syscall.WaitStatus, 1), early: map[int]syscall.WaitStatus{}}
	s.mu.Lock()
	if c.ended || c.a.stopped {
		s.mu.Unlock()
		out.Close()
		return nil, nil, nil
	}
	beside(attr.Sys)
	c.now = t
	s.mu.Unlock()

	pid, err := c.fork(attr) // not under the lock: a disk that does not answer may hold it up

	s.mu.Lock()
	defer s.mu.Unlock()
	close(t.forked)
	if err != nil {
		c.now = nil
		out.Close()
		return nil, nil, err
	}
	t.pid = pid
	if status, ended := t.early[pid]; ended {
		t.reaped = true
		t.status <- status
	}
	if t.off { // in the middle of it
		t.kill()
	}
	return out, t, nil
}

// fork makes the process of a try: the command, looked for as a shell does, or this program
// again as a probe.
func (c *check) fork(attr *syscall.ProcAttr) (pid int, err error) {
	if len(c.Command) == 0 {
		what := c.HTTP
		if c.TCP != 0 {
			what = tcpProbe + strconv.Itoa(c.TCP)
		}
		// What this process was started with, but for the four words that are of a runner.
		argv := append(os.Args[:len(os.Args)-4:len(os.Args)-4], "--try", what)
		if pid, err = syscall.ForkExec("/proc/self/exe", argv, attr); err != nil {
			return 0, fmt.Errorf("the worker's program cannot be run as the job's user: %w", err)
		}
		return pid, nil
	}
	err = syscall.ENOENT
	for _, path := range candidates(c.Command[0], c.env) {
		var failed error
		if pid, failed = syscall.ForkExec(path, c.Command, attr); failed == nil {
			return pid, nil
		}
		if !errors.Is(failed, syscall.ENOENT) && !errors.Is(failed, syscall.ENOTDIR) {
			if err = failed; !errors.Is(err, syscall.EACCES) {
				break
			}
		}
	}
	return 0, fmt.Errorf("%s cannot be run: %w", c.Command[0], err)
}

// maxPath bounds the directories in which a command is looked for.
const maxPath = 64

// candidates are the files that a command's name may mean. Whether they are there only the
// job's user may find out: this process sees more.
func candidates(name string, env []string) (paths []string) {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	for _, v := range env {
		dirs, is := strings.CutPrefix(v, "PATH=")
		if !is {
			continue
		}
		for _, dir := range filepath.SplitList(dirs) {
			if filepath.IsAbs(dir) && len(paths) < maxPath {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
	}
	return paths
}

// reapOther reaps a process of the job that is not its first one: an orphan, or a try.
func (s *server) reapOther(a *attempt, pid int, used *usage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := (*try)(nil)
	if a.check != nil {
		t = a.check.now
	}
	if t != nil && t.pid == 0 {
		// Which process it is will be known soon, unless a disk does not answer.
		s.mu.Unlock()
		select {
		case <-t.forked:
		case <-time.After(time.Second):
		}
		s.mu.Lock()
	}
	if t == nil || t.pid != 0 && (t.pid != pid || t.reaped) {
		_, _, err := reapNow(pid, used.add)
		return err
	}
	t.kill() // what it has left, as long as its number is its own
	status, dead, err := reapNow(pid, used.addTime)
	switch {
	case err != nil || !dead:
		return err
	case t.pid == 0:
		t.early[pid] = status
	default:
		t.reaped = true
		t.status <- status
	}
	return nil
}

// reapNow reaps a child that was seen dead. One that could not be executed is gone by now, by
// who forked it, and its number may be another's.
func reapNow(pid int, used func(*syscall.Rusage)) (status syscall.WaitStatus, dead bool, err error) {
	got, status, err := wait4(pid, syscall.WNOHANG, used)
	if errors.Is(err, syscall.ECHILD) {
		return 0, false, nil
	}
	return status, err == nil && got == pid, err
}
