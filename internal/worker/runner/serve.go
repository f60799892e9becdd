package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// socketFD is the descriptor on which a runner finds its listening socket. Its
// agent made it, so it can connect before the runner is there.
const socketFD = 3

// Options of [Serve].
type Options struct {
	Dir       string         // the runner's own, STATE/runner/ID
	Isolation wire.Isolation // how jobs are contained; the process was started accordingly
	Fail      func(string)   // called at named points, for tests that die there; nil: nothing
	Log       logrus.FieldLogger

	// Try: this is no runner but one try of a check that a runner makes.
	Try string
}

// points are the names that Options.Fail is called with, in the order of a job's
// life.
const (
	FailReady    = "runner.ready"    // set up, before the first order
	FailTaken    = "runner.taken"    // an order to run was read
	FailPrepared = "runner.prepared" // files open and mounts made, before the fork
	FailStarted  = "runner.started"  // the job runs, before the agent is told
	FailEnded    = "runner.ended"    // nothing of the job is left, before the result is written
	FailResult   = "runner.result"   // the result is written, before the agent is told
)

// server is a runner.
type server struct {
	o       Options
	results *os.Root // STATE/journal
	contain containment
	alarm   *Alarm
	jobs    chan *attempt // to the launching thread, which takes one at a time
	toCheck chan *check   // to the thread of the checks, likewise
	quit    chan error    // what ends the runner
	ready   Ready         // what does not change of it
	lines   sync.WaitGroup

	mu    sync.Mutex
	line  *line    // to the agent; nil without one
	job   *attempt // nil when idle
	last  *wire.Report
	lease Lease
	idle  *time.Timer // ends an idle runner without an agent
	going bool        // the runner ends with its job
}

// attempt is the job in work. Its fields after job are the server's, under mu.
type attempt struct {
	job    Job
	main   int  // the job's first process; 0 before the fork
	ending bool // main is about to be reaped: no signals any more
	cause  cause
	fast   bool // ended from outside without being asked first
	reason string
	grace  *time.Timer

	stopped bool // its processes are to stand still

	check *check // nil: it has none, or has not begun
}

// cause is why a job was ended from outside.
type cause byte

const (
	byItself cause = iota
	byOrder
	byLease
	byRunner // told to end, or unable to go on
)

// Serve is a runner's life, from the start of its process to its end.
func Serve(ctx context.Context, o Options) error {
	if o.Try != "" {
		return probe(ctx, o.Try, os.Stdout)
	}
	if o.Fail == nil {
		o.Fail = func(string) {}
	}
	s := &server{o: o, jobs: make(chan *attempt, 1), toCheck: make(chan *check, 1), quit: make(chan error, 1)}
	s.ready.Checks = true
	// Whatever the kernel or a job of the same user sends: a runner ends by what it
	// is told on its socket, and by SIGTERM when the machine goes down.
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)

	f := os.NewFile(socketFD, "socket")
	listener, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("take over the runner's socket: %w", err)
	}
	defer listener.Close()
	problem := s.open()
	if problem != nil {
		o.Log.WithError(problem).Error("runner cannot be set up")
	}
	var running sync.WaitGroup
	ready := make(chan error, 1)
	if problem == nil {
		running.Go(func() { s.keepLease() })
		go s.launch(ready) // a locked thread, and it may wait for a process that cannot be killed: not waited for
		problem = <-ready
	}
	if problem == nil {
		go s.checks(ready) // likewise
		problem = <-ready
	}
	o.Fail(FailReady)
	s.mu.Lock()
	s.lease.Span = time.Minute.Milliseconds()
	s.rest()
	s.mu.Unlock()
	running.Go(func() { s.accept(listener, problem) })

	select {
	case err = <-s.quit:
	case <-terminate:
		err = s.endByForce()
	case <-ctx.Done():
		err = s.endByForce()
	}
	listener.Close()
	if s.alarm != nil {
		s.alarm.Close()
	}
	running.Wait()
	s.mu.Lock()
	s.part()
	s.idle.Stop()
	s.mu.Unlock()
	s.lines.Wait() // the last news may still be on their way out
	return err
}

// open prepares everything but the launching thread.
func (s *server) open() error {
	// A job gets no more than what it is meant to have, this process's core included.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core dumps and tracing: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	if err := closeOnExec(); err != nil {
		return err
	}
	state := filepath.Dir(filepath.Dir(s.o.Dir))
	var err error
	// Opened before the directory is hidden from the jobs, and so from here.
	if s.results, err = os.OpenRoot(filepath.Join(state, JournalDir)); err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	if s.alarm, err = NewAlarm(); err != nil {
		return err
	}
	s.contain = containmentOf(s.o.Isolation, filepath.Base(s.o.Dir), state)
	return s.contain.setup(&s.ready)
}

// closeOnExec keeps every descriptor from jobs: those that this process was started
// with unknowingly, too.
func closeOnExec() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("look for descriptors: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// Names below the state directory.
const (
	JournalDir = "journal"
	RunnerDir  = "runner"
)

// accept takes one agent after another; a new one replaces the old.
func (s *server) accept(listener net.Listener, problem error) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // closed
		}
		if problem != nil {
			err := send(conn, News{Ready: &Ready{Problem: problem.Error()}})
			s.end(errors.Join(problem, err, conn.Close()))
			return
		}
		l := &line{conn: conn, out: make(chan News, 16)}
		s.mu.Lock()
		s.part()
		s.line = l
		s.idle.Stop()
		r := s.ready
		r.Last = s.last
		if s.job != nil {
			r.Busy, r.Running, r.Suspended = &s.job.job.Key, s.job.main != 0, s.job.stopped
			if s.job.check != nil {
				said := s.job.check.said
				r.Checked = &said
			}
		}
		l.out <- News{Ready: &r}
		s.mu.Unlock()
		s.lines.Go(l.write)
		go s.listen(l)
	}
}

// listen carries out an agent's orders until the agent is gone.
func (s *server) listen(l *line) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.line == l {
			s.part()
		}
	}()
	r := bufio.NewReader(l.conn)
	var buf []byte
	for {
		var o Order
		if err := receive(r, &buf, &o); err != nil || !s.follow(l, &o) {
			return
		}
	}
}

// follow carries out an order, unless another agent has come since: that one was told
// what the runner does, and what its predecessor wrote last must not make it untrue.
func (s *server) follow(l *line, o *Order) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != l {
		return false
	}
	switch {
	case o.Run != nil:
		s.run(*o.Run)
	case o.Lease != nil:
		s.extend(*o.Lease)
	case o.Kill != nil:
		if s.job != nil && s.job.job.Key == o.Kill.Key {
			s.kill(s.job, byOrder, o.Kill.Fast, o.Kill.Reason)
		}
	case o.Suspend != nil:
		if s.job != nil && s.job.job.Key == o.Suspend.Key {
			s.suspend(s.job, o.Suspend.On)
		}
	case o.Quit != nil:
		if s.job == nil {
			s.end(nil)
		}
	}
	return true
}

// run hands a job to the launching thread. The caller holds s.mu.
func (s *server) run(j Job) {
	s.o.Fail(FailTaken)
	if s.job != nil {
		// An agent asks only a runner that it knows to be idle. It learns at once that
		// this one is not.
		s.o.Log.WithField("job", j.Key).Error("runner was given a second job")
		s.part()
		return
	}
	s.job, s.last = &attempt{job: j}, nil
	s.lease = j.Lease
	if err := s.alarm.Set(j.Lease.Until); err != nil {
		s.kill(s.job, byRunner, true, "set the lease's timer: "+err.Error())
	}
	if Clock() >= j.Lease.Until { // the alarm could come after the fork
		s.kill(s.job, byLease, true, leaseOver)
	}
	s.jobs <- s.job // there is room: the thread is done with the one before
}

// extend gives the job another lease. The caller holds s.mu.
func (s *server) extend(l Lease) {
	s.lease = l
	if s.job == nil {
		return
	}
	if err := s.alarm.Set(l.Until); err != nil {
		s.kill(s.job, byRunner, true, "set the lease's timer: "+err.Error())
	}
}

const leaseOver = "the lease ran out: no schedd was heard in time"

// keepLease ends the job when its lease runs out.
func (s *server) keepLease() {
	for {
		if err := s.alarm.Wait(); err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.job != nil && Clock() >= s.lease.Until {
			s.kill(s.job, byLease, true, leaseOver)
		}
		s.mu.Unlock()
	}
}

// kill ends a from outside; the first cause stands. The caller holds s.mu. Before
// the fork it only leaves the cause, at which the launching thread looks.
func (s *server) kill(a *attempt, why cause, fast bool, reason string) {
	if a.cause == byItself {
		a.cause, a.reason = why, reason
	}
	a.fast = a.fast || fast
	s.endCheck(a)
	if a.main == 0 || a.ending {
		return
	}
	if a.fast {
		s.contain.kill(a.main)
		return
	}
	if a.grace != nil {
		return
	}
	sig := syscall.Signal(a.job.Exec.KillSig)
	if sig <= 0 || sig > 64 {
		sig = syscall.SIGTERM
	}
	grace := time.Duration(a.job.Exec.KillMS) * time.Millisecond
	if grace <= 0 {
		grace = 10 * time.Second
	}
	if a.stopped {
		s.suspend(a, false) // who stands still cannot end
	}
	// The job's own session. A signal that cannot be sent finds nobody: main is about
	// to be reaped. CONT, since a stopped process does nothing with the first.
	_ = syscall.Kill(-a.main, sig)
	_ = syscall.Kill(-a.main, syscall.SIGCONT)
	a.grace = time.AfterFunc(grace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !a.ending {
			s.contain.kill(a.main)
		}
	})
}

// suspend stops a's processes or lets them go on; one that is to end is not stopped any
// more. Before the fork it only says so, and the launching thread looks. The caller holds
// s.mu.
func (s *server) suspend(a *attempt, on bool) {
	if on && a.cause != byItself {
		return
	}
	if a.stopped = on; on {
		a.check.cutOff() // its time would run on
	}
	if a.main == 0 || a.ending {
		return
	}
	if err := s.contain.stop(a.main, on); err != nil {
		s.o.Log.WithError(err).WithField("job", a.job.Key).Error("a job's processes could not all be stopped or continued")
	}
}

func stopSignal(on bool) unix.Signal {
	if on {
		return unix.SIGSTOP
	}
	return unix.SIGCONT
}

// tell passes news to the agent, if there is one. The caller holds s.mu.
func (s *server) tell(n News) {
	if s.line == nil {
		return
	}
	select {
	case s.line.out <- n:
	default:
		s.part() // it does not read; what it missed it learns when it is back
	}
}

// part hangs up on the agent, if there is one. The caller holds s.mu.
func (s *server) part() {
	if s.line != nil {
		s.line.hangUp()
		s.line = nil
		s.rest()
	}
}

// rest starts the clock of a runner that has nothing to do and nobody to ask. The
// caller holds s.mu.
func (s *server) rest() {
	if s.idle != nil {
		s.idle.Stop()
	}
	s.idle = time.AfterFunc(time.Duration(s.lease.Span)*time.Millisecond, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.line == nil && s.job == nil {
			s.end(nil)
		}
	})
}

// end makes Serve return.
func (s *server) end(err error) {
	select {
	case s.quit <- err:
	default:
	}
}

// endByForce ends the job and then the runner, for a machine that goes down.
func (s *server) endByForce() error {
	s.mu.Lock()
	s.going = true
	busy := s.job != nil
	if busy {
		s.kill(s.job, byRunner, true, "the runner was told to end")
	}
	s.mu.Unlock()
	if !busy {
		return nil
	}
	// The launching thread ends the runner when it has written the result.
	return <-s.quit
}

// line is a connection to an agent. Whoever holds the server's mu puts news into
// out; write alone writes.
type line struct {
	conn net.Conn
	out  chan News
}

func (l *line) write() {
	for n := range l.out {
		if err := send(l.conn, n); err != nil {
			break
		}
	}
	l.conn.Close()
}

// hangUp ends the line once what waits is written, or soon if the other side does
// not read. It is called once, by part.
func (l *line) hangUp() {
	if l.conn.SetDeadline(time.Now().Add(time.Second)) != nil {
		l.conn.Close()
	}
	close(l.out)
}

// verdict is what becomes of an attempt that was ended from outside.
func (a *attempt) verdict(r *wire.Report) {
	r.Reason = a.reason
	switch a.cause {
	case byOrder:
		r.Kind = wire.Killed
	case byLease:
		r.Kind, r.Vacate = wire.Lost, grid.VacateReconnect
	case byRunner:
		r.Kind, r.Vacate = wire.Lost, grid.VacateStarter
	}
}
