package guest

import (
	"cmp"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signals to the first process, as systemd takes them (SIGRTMIN+4, SIGRTMIN+5).
const (
	sigPowerOff = syscall.Signal(34 + 4)
	sigReboot   = syscall.Signal(34 + 5)
)

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const defaultGrace = 5 * time.Second

// second is the second stage: the guest's first process until its end.
func second() int {
	unix.CloseOnExec(controlFD)
	unix.CloseOnExec(specFD)
	line := os.NewFile(controlFD, "host")
	s, err := readSpec()
	if err == nil {
		err = os.NewFile(specFD, "description").Close()
	}
	if err != nil {
		tell(line, said{Error: err.Error()})
		return 1
	}
	off := make(chan struct{}, 1)
	live(s, off, func() {
		go listen(line, off)
		tell(line, said{Ready: true})
	})
	tell(line, said{Off: true})
	return 0
}

// live is the first process's life in a root that is built: it boots, and boots again,
// until somebody wants it to be off.
func live(s spec, off <-chan struct{}, ready func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, sigPowerOff, sigReboot)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	n := newNursery()
	go n.reap()
	ready()
	for again := false; ; again = true {
		logf("guest: boot")
		b := booting{n: n, again: again, stop: make(chan struct{}), end: make(chan bool, 1)}
		booted := make(chan struct{})
		go func() { defer close(booted); b.boot(s) }()
		reboot := false
		select {
		case <-off:
		case sig := <-signals:
			reboot = sig == sigReboot
		case reboot = <-b.end:
		}
		close(b.stop)
		n.endAll(cmp.Or(s.Grace, defaultGrace))
		<-booted
		if !reboot {
			break
		}
		n.open()
	}
	logf("guest: power off")
}

// listen hears the host. When its end of the line is closed, the host is dead, and so
// is this guest: the kernel ends all of it with this process.
func listen(line io.Reader, off chan<- struct{}) {
	b := make([]byte, 1)
	for {
		if _, err := line.Read(b); err != nil {
			os.Exit(1)
		}
		if b[0] == shutdownByte {
			select {
			case off <- struct{}{}:
			default:
			}
		}
	}
}

// nursery starts processes and reaps those and all that they leave behind.
type nursery struct {
	mu      sync.Mutex // held around a fork, so that no child is reaped before it is known
	waiting map[int]chan syscall.WaitStatus
	died    chan os.Signal
	changed chan struct{} // closed when somebody was reaped
	ended   bool          // no more are started
}

func newNursery() *nursery {
	n := &nursery{waiting: map[int]chan syscall.WaitStatus{}, died: make(chan os.Signal, 1), changed: make(chan struct{})}
	signal.Notify(n.died, syscall.SIGCHLD)
	return n
}

func (n *nursery) reap() {
	for range n.died {
		for n.reapOne() {
		}
	}
}

func (n *nursery) reapOne() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ws syscall.WaitStatus
	pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
	if errors.Is(err, syscall.EINTR) {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	if c := n.waiting[pid]; c != nil {
		c <- ws
		delete(n.waiting, pid)
	}
	close(n.changed)
	n.changed = make(chan struct{})
	return true
}

// errEnding: the guest is going down.
var errEnding = errors.New("the guest is powering off")

// run runs a program to its end.
func (n *nursery) run(argv, env []string, out *os.File) (syscall.WaitStatus, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	n.mu.Lock()
	if n.ended {
		n.mu.Unlock()
		return 0, errEnding
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: []uintptr{null.Fd(), out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		n.mu.Unlock()
		return 0, err
	}
	c := make(chan syscall.WaitStatus, 1)
	n.waiting[pid] = c
	n.mu.Unlock()
	return <-c, nil
}

// endAll tells every process in the guest to end, kills what is left after grace, and
// returns when there is none.
func (n *nursery) endAll(grace time.Duration) {
	n.mu.Lock()
	n.ended = true
	n.mu.Unlock()
	limit := time.NewTimer(grace)
	defer limit.Stop()
	_ = unix.Kill(-1, unix.SIGTERM) // the error is that there is nobody
	_ = unix.Kill(-1, unix.SIGCONT) // a stopped one hears nothing
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		// Every process here becomes a child of this one at last, so each death is heard of.
		// (A signal to all would find a kernel's own threads, if it is this guest's.)
		if errors.Is(unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil), unix.ECHILD) {
			break
		}
		select {
		case <-changed:
		case <-limit.C:
			_ = unix.Kill(-1, unix.SIGKILL)
		}
	}
}

// open lets processes be started again.
func (n *nursery) open() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = false
}
