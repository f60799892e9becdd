package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
)

// jobUmask lets others read what a job leaves in a shared directory, as after a
// login. Sandboxes are closed by their own modes.
const jobUmask = 0o022

// launch is the one thread that prepares, starts, awaits and clears jobs. It is the
// parent of all of them, which PR_SET_PDEATHSIG counts by thread.
func (s *server) launch(ready chan<- error) {
	runtime.LockOSThread() // for good
	err := prepareThread()
	ready <- err
	if err != nil {
		return
	}
	own := sandbox.Self()
	groups, err := os.Getgroups()
	if err != nil {
		s.end(fmt.Errorf("ask for the worker's groups: %w", err))
		return
	}
	for _, g := range groups {
		own.Groups = append(own.Groups, uint32(g))
	}
	for a := range s.jobs {
		r, err := s.attempt(a, own)
		s.finish(a, r, err)
	}
}

// prepareThread sets what every job inherits from the launching thread: a working
// directory and umask of the thread's own, no way to gain rights by exec, and no
// capability to keep.
func prepareThread() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("get a working directory of its own: %w", err)
	}
	unix.Umask(jobUmask)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData // low and high 32 bits
	if err := unix.Capget(&head, &caps[0]); err != nil {
		return fmt.Errorf("ask for the capabilities: %w", err)
	}
	caps[0].Inheritable, caps[1].Inheritable = 0, 0
	if err := unix.Capset(&head, &caps[0]); err != nil {
		return fmt.Errorf("clear the inheritable capabilities: %w", err)
	}
	for c := uintptr(0); ; c++ {
		switch err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); {
		case errors.Is(err, unix.EINVAL): // past the last
			return nil
		case errors.Is(err, unix.EPERM): // a worker without rights has none to pass on
			return nil
		case err != nil:
			return fmt.Errorf("drop capability %d from the bounding set: %w", c, err)
		}
	}
}

// attempt runs one job to its very end. The error says that the runner cannot take
// another.
func (s *server) attempt(a *attempt, own sandbox.User) (wire.Report, error) {
	r := wire.Report{Job: a.job.Job, Epoch: a.job.Epoch}
	box := sandbox.Sandbox{Dir: a.job.Box, User: a.job.User}
	std, cwd, err := enter(box, a.job.Exec, own)
	if err != nil {
		return s.failed(r, err)
	}
	defer unix.Chdir("/") // no directory of a user's is kept in use
	tmp, err := s.contain.prepare(a.job, cwd)
	if err == nil {
		s.o.Fail(FailPrepared)
		err = s.start(a, box, std, tmp)
	}
	std.Close()
	if err != nil {
		r, _ = s.failed(r, err)
		return r, s.contain.clear()
	}
	began := Clock()
	s.o.Fail(FailStarted)
	s.mu.Lock()
	if a.stopped {
		s.suspend(a, true)
	}
	s.tell(News{Started: &a.job.Key})
	s.beginCheck(a, box, cwd, tmp)
	s.mu.Unlock()

	var used usage
	status := s.await(a, &used)
	err = s.contain.end(used.add)
	if a.check != nil && err == nil {
		<-a.check.left
		err = s.contain.end(used.add) // a try that was just being forked
	}
	r.Usage = used.report(Clock() - began)
	r.Kind, r.Code = wire.Exited, int32(status.ExitStatus())
	if r.Signal = status.Signaled(); r.Signal {
		r.Code = int32(status.Signal())
	}
	s.mu.Lock()
	if a.cause != byItself {
		a.verdict(&r)
	}
	s.mu.Unlock()
	if err != nil {
		return r, err
	}
	return r, s.contain.clear()
}

// failed is the report of a job that was not started.
func (s *server) failed(r wire.Report, err error) (wire.Report, error) {
	var hold *sandbox.HoldError
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.job.cause != byItself:
		s.job.verdict(&r)
	case errors.As(err, &hold):
		r.Kind, r.Hold = wire.Failed, hold.Hold
	default:
		r.Kind, r.Vacate, r.Reason = wire.Lost, grid.VacateStarter, err.Error()
	}
	return r, nil
}

// enter opens the job's directory and files as their owner, and says where the
// directory really is.
func enter(box sandbox.Sandbox, x wire.Execution, own sandbox.User) (std sandbox.Stdio, cwd string, err error) {
	if !box.User.IsSelf() {
		if err := sandbox.Become(box.User); err != nil {
			return std, "", err
		}
		defer func() {
			if back := sandbox.Restore(own); back != nil {
				panic(back) // a thread with a user's rights must not go on as the worker
			}
		}()
	}
	if std, err = box.Enter(x); err != nil {
		return std, "", err
	}
	cwd, err = os.Readlink("/proc/thread-self/cwd")
	if err != nil {
		std.Close()
		return std, "", fmt.Errorf("find the working directory: %w", err)
	}
	return std, cwd, nil
}

// errEnded says that a job was ended before its process began.
var errEnded = errors.New("ended before its start")

// start forks the job.
func (s *server) start(a *attempt, box sandbox.Sandbox, std sandbox.Stdio, tmp string) error {
	x := a.job.Exec
	path := x.Cmd
	if !filepath.IsAbs(path) {
		path = filepath.Join(box.Work(), path)
	}
	attr := &syscall.ProcAttr{
		Env:   environment(x.Env, s.marks(a.job, box, tmp)),
		Files: []uintptr{std[0].Fd(), std[1].Fd(), std[2].Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	if !box.User.IsSelf() {
		attr.Sys.Credential = &syscall.Credential{Uid: box.User.UID, Gid: box.User.GID, Groups: box.User.Groups}
	}
	s.contain.attr(attr.Sys)
	argv := append([]string{x.Cmd}, x.Args...)
	for delay := time.Millisecond; ; delay *= 2 {
		s.mu.Lock()
		ended := a.cause != byItself
		s.mu.Unlock()
		if ended {
			return errEnded
		}
		pid, err := syscall.ForkExec(path, argv, attr)
		switch {
		case err == nil:
			s.mu.Lock()
			defer s.mu.Unlock()
			if a.main = pid; a.cause != byItself { // ended in the middle of it
				s.kill(a, a.cause, a.fast, a.reason)
			}
			return nil
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ETXTBSY):
			// No process to be had just now; or the program is still open for writing in a
			// process that is between fork and exec, where it ends by itself.
			if delay > 4*time.Second {
				return s.cannotRun(x, err)
			}
			time.Sleep(delay)
		default:
			return s.cannotRun(x, err)
		}
	}
}

func (s *server) cannotRun(x wire.Execution, err error) error {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) {
		return fmt.Errorf("no process could be made for the job: %w", err) // the machine's trouble, not the job's
	}
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOENT):
		hint = " (it, or the interpreter that its first line names)"
	case errors.Is(err, syscall.ENOEXEC):
		hint = " (no program for this machine, and no script with an interpreter in its first line)"
	}
	return sandbox.Hold(grid.HoldNoProcess, err, "run %s%s", x.Cmd, hint)
}

// Mark is the environment variable that everything a runner starts carries.
const Mark = "GRIDBURST_ATTEMPT"

// marks are the variables that the worker sets for a job.
func (s *server) marks(j Job, box sandbox.Sandbox, tmp string) []string {
	dir := box.Work()
	vars := []string{
		Mark + "=" + filepath.Base(s.o.Dir) + "." + j.Key.String(),
		"_CONDOR_SCRATCH_DIR=" + dir, "_CONDOR_JOB_ATTRS=" + filepath.Join(dir, sandbox.AttrsName),
		"TMPDIR=" + tmp, "TMP=" + tmp, "TEMP=" + tmp,
	}
	if of := strconv.Itoa(int(j.Exec.Nodes)); j.Exec.Nodes > 0 {
		_, n := grid.SplitEpoch(j.Key.Epoch)
		node := strconv.Itoa(n)
		vars = append(vars, "_CONDOR_PROCNO="+node, "_CONDOR_NPROCS="+of, "GRIDBURST_NODE="+node, "GRIDBURST_NODES="+of)
	}
	if j.Exec.Run != 0 && j.Schedd != "" {
		vars = append(vars, "GRIDBURST_TOKEN_FILE="+filepath.Join(dir, sandbox.TokenName), "GRIDBURST_RUN="+strconv.FormatUint(uint64(j.Exec.Run), 10))
		if !slices.ContainsFunc(j.Exec.Env, func(v string) bool { return strings.HasPrefix(v, "GRIDBURST_SCHEDD=") }) {
			vars = append(vars, "GRIDBURST_SCHEDD="+j.Schedd)
		}
	}
	if j.Exec.Transfer {
		return append(vars, "_CONDOR_JOB_IWD="+dir, "_CONDOR_JOB_AD="+filepath.Join(dir, sandbox.AdName))
	}
	return append(vars, "_CONDOR_JOB_IWD="+j.Exec.Iwd)
}

// defaultPath is for jobs that bring none.
const defaultPath = "PATH=/usr/local/bin:/usr/bin:/bin"

// environment is a job's own variables with the worker's in place of theirs.
func environment(own, worker []string) []string {
	name := func(v string) string { n, _, _ := strings.Cut(v, "="); return n }
	out := make([]string, 0, len(own)+len(worker)+1)
	path := false
	for _, v := range own {
		if n := name(v); !slices.ContainsFunc(worker, func(w string) bool { return name(w) == n }) {
			out = append(out, v)
			path = path || n == "PATH"
		}
	}
	if !path {
		out = append(out, defaultPath)
	}
	return append(out, worker...)
}

// await reaps until the job's first process has ended. What ends before it was an
// orphan.
func (s *server) await(a *attempt, used *usage) syscall.WaitStatus {
	for {
		// First only looked at: as long as main is not reaped its number is its own, and
		// a signal to it cannot go astray.
		pid, err := peek()
		if err != nil {
			s.o.Log.WithError(err).Error("waiting for the job's processes")
			return 0
		}
		if pid == a.main {
			s.mu.Lock()
			a.ending = true
			if a.grace != nil {
				a.grace.Stop()
			}
			s.endCheck(a)
			s.mu.Unlock()
		} else if err := s.reapOther(a, pid, used); err != nil {
			s.o.Log.WithError(err).Error("reaping a process of the job")
			return 0
		} else {
			continue
		}
		status, err := reap(pid, used.add)
		if err != nil {
			s.o.Log.WithError(err).Error("reaping a process of the job")
			return 0
		}
		return status
	}
}

// peek waits until a child has ended, and leaves it to be reaped.
func peek() (pid int, err error) {
	var info unix.Siginfo
	for {
		err = unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	// si_pid follows three ints, and on 64-bit machines a gap. The type has no field
	// for it.
	const offset = 12 + 4*(unsafe.Sizeof(uintptr(0))/8)
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), offset))), err
}

// reap takes the status of a child, or with -1 of any, and what it used.
func reap(pid int, used func(*syscall.Rusage)) (syscall.WaitStatus, error) {
	_, status, err := wait4(pid, 0, used)
	return status, err
}

// wait4 waits for a child, or looks whether it is dead, by the options. got is its number when
// it was reaped.
func wait4(pid, options int, used func(*syscall.Rusage)) (got int, status syscall.WaitStatus, err error) {
	var ru syscall.Rusage
	for {
		got, err = syscall.Wait4(pid, &status, syscall.WALL|options, &ru)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil && got == pid {
		used(&ru)
	}
	return got, status, err
}

// usage sums what processes used.
type usage struct {
	user, sys time.Duration
	maxRSS    int64 // KiB, of the largest
}

// addTime adds what is not the job's own memory.
func (u *usage) addTime(r *syscall.Rusage) {
	u.user += time.Duration(r.Utime.Nano())
	u.sys += time.Duration(r.Stime.Nano())
}

func (u *usage) add(r *syscall.Rusage) {
	u.addTime(r)
	u.maxRSS = max(u.maxRSS, r.Maxrss)
}

func (u *usage) report(wall int64) wire.Usage {
	return wire.Usage{WallMS: wall, UserMS: u.user.Milliseconds(), SysMS: u.sys.Milliseconds(), MaxRSSKB: u.maxRSS}
}

// finish writes the result, tells the agent, and is ready for the next job.
func (s *server) finish(a *attempt, r wire.Report, broken error) {
	s.o.Fail(FailEnded)
	if err := writeResult(s.results, r); err != nil {
		// The agent is told; should it be gone as well, the attempt is lost, not doubled.
		s.o.Log.WithError(err).WithField("job", a.job.Key).Error("result not written")
	}
	s.o.Fail(FailResult)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.job, s.last = nil, &r
	s.tell(News{Ended: &r})
	if s.line == nil {
		s.rest()
	}
	if broken != nil || s.going {
		s.end(broken)
	}
}

// ResultExt is the extension of a result in the journal.
const ResultExt = ".result"

// writeResult makes the result's file, whole or not at all. It is not synced: it
// outlives every process, and with the machine the attempt is lost anyway.
func writeResult(dir *os.Root, r wire.Report) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := whole.WriteIn(dir, Key{r.Job, r.Epoch}.String()+ResultExt, b, 0o600); err != nil {
		return fmt.Errorf("write a result: %w", err)
	}
	return nil
}

// Result reads what a runner wrote of an attempt; false if it has not.
func Result(journal *os.Root, k Key) (wire.Report, bool) {
	var r wire.Report
	b, err := journal.ReadFile(k.String() + ResultExt)
	if err != nil || json.Unmarshal(b, &r) != nil || (Key{r.Job, r.Epoch}) != k {
		return wire.Report{}, false // an empty file after a power cut is none either
	}
	return r, true
}

// ForgetResult removes a result.
func ForgetResult(journal *os.Root, k Key) error {
	err := journal.Remove(k.String() + ResultExt)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
