package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// Config is what an agent is told.
type Config struct {
	State   string // its directory
	Name    string // of the worker
	Schedd  wire.Endpoint
	Version string
	Local   bool // it serves the local universe

	Attrs     map[string]string // what the machine offers, as ClassAd expressions: see [Machine]
	Runner    []string          // the command of a runner
	Isolation wire.Isolation    // empty: the strongest that is to be had

	// CA and Token are for a schedd that is asked over TLS: its authority in PEM, and
	// the one-time token, which is needed until the worker has a certificate.
	CA    []byte
	Token func() (string, error)

	// PowerOff ends the machine: it is one of ours. Nil: it is not.
	PowerOff []string

	// Patience is how long a machine of ours waits for its first lease; 0: 30 min.
	Patience time.Duration
}

// Agent is the agent of a machine.
type Agent struct {
	c       Config
	log     logrus.FieldLogger
	boot    string
	session string
	journal *os.Root
	runners *runners
	tls     *identity // nil on a Unix socket
	lock    *os.File
	wg      sync.WaitGroup // of attempts

	mu       sync.Mutex
	term     uint64
	attempts map[runner.Key]*attempt
	line     *wire.Stream // nil without one
	lease    int64        // until when, by [runner.Clock]; 0: none yet
	span     time.Duration
	drains   bool
	quits    bool
	off      bool // and the machine is to be powered off
	idle     chan struct{}
}

// New makes an agent. Run does everything.
func New(c Config, log logrus.FieldLogger) (*Agent, error) {
	switch {
	case c.State == "":
		return nil, grid.Errorf(grid.Invalid, "a worker needs a directory for its state")
	case len(c.Runner) == 0:
		return nil, grid.Errorf(grid.Invalid, "a worker needs the command of its runners")
	case c.Name == "":
		return nil, grid.Errorf(grid.Invalid, "a worker needs a name")
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Minute
	}
	var b [16]byte
	rand.Read(b[:]) // never fails, as its documentation says
	return &Agent{c: c, log: log, session: hex.EncodeToString(b[:]), attempts: map[runner.Key]*attempt{}, idle: make(chan struct{}, 1)}, nil
}

// Directories of a worker's own: what jobs do not see, and what they live in.
const (
	privateDir = "private"
	SandboxDir = "sandbox"
)

// private is where the agent keeps what is its own.
func (a *Agent) private() string { return filepath.Join(a.c.State, privateDir) }

// Run is the agent's life. It returns nil when ctx has ended, or when the schedd has
// told it to quit. Runners and their jobs go on without it.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.open(); err != nil {
		return err
	}
	defer a.lock.Close()
	defer a.journal.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := a.runners.open(ctx); err != nil {
		return err
	}
	if err := a.recall(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { cancel(a.stayConnected(ctx)) })
	wg.Go(func() { cancel(a.awaitQuit(ctx)) })
	if a.tls != nil {
		wg.Go(func() { a.tls.stayValid(ctx) })
	}
	if len(a.c.PowerOff) > 0 {
		wg.Go(func() { cancel(a.watchLease(ctx)) })
	}
	<-ctx.Done()
	wg.Wait()
	a.wg.Wait()
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, errQuit) {
		err = nil
	}
	if a.poweredOff() {
		return errors.Join(err, a.powerOff())
	}
	a.runners.quit() // they hold nothing: the next agent makes its own
	return err
}

// open takes hold of the state directory.
func (a *Agent) open() error {
	// Owners pass through to their sandboxes, and see nothing else.
	for _, d := range []struct {
		dir  string
		mode os.FileMode
	}{
		{a.c.State, 0o711}, {a.private(), 0o700}, {filepath.Join(a.private(), runner.JournalDir), 0o700},
		{filepath.Join(a.private(), runner.RunnerDir), 0o700}, {filepath.Join(a.c.State, SandboxDir), 0o711},
	} {
		if err := os.MkdirAll(d.dir, d.mode); err != nil {
			return grid.Errorf(grid.Invalid, "make the worker's directory: %w", err)
		}
		if err := os.Chmod(d.dir, d.mode); err != nil {
			return grid.Errorf(grid.Invalid, "the worker's directory: %w", err)
		}
	}
	var err error
	if a.lock, err = os.Open(a.c.State); err != nil {
		return err
	}
	if err := unix.Flock(int(a.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		a.lock.Close()
		return grid.Errorf(grid.Refused, "another worker has %s; stop that one first", a.c.State)
	}
	if a.boot, err = bootID(); err != nil {
		return err
	}
	if a.journal, err = os.OpenRoot(filepath.Join(a.private(), runner.JournalDir)); err != nil {
		return err
	}
	if a.term, err = a.readTerm(); err != nil {
		return err
	}
	if a.c.Schedd.Network == "tcp" {
		if a.tls, err = openIdentity(a); err != nil {
			return err
		}
		a.c.Schedd.TLS = a.tls.config
	}
	a.runners = newRunners(a)
	return nil
}

// bootID tells one start of the machine from another.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("find the machine's boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// errQuit ends an agent that the schedd has told to.
var errQuit = errors.New("told to quit")

// awaitQuit returns when the agent is to quit and holds nothing any more.
func (a *Agent) awaitQuit(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.idle:
		}
		a.mu.Lock()
		over := a.quits && len(a.attempts) == 0
		a.mu.Unlock()
		if over {
			return errQuit
		}
	}
}

// look makes awaitQuit look.
func (a *Agent) look() {
	select {
	case a.idle <- struct{}{}:
	default:
	}
}

func (a *Agent) poweredOff() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.off && len(a.c.PowerOff) > 0
}

func (a *Agent) powerOff() error {
	a.log.Warn("this machine is powered off")
	failpoint.Hit("worker.poweroff.before")
	out, err := exec.Command(a.c.PowerOff[0], a.c.PowerOff[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("power this machine off: %w: %s", err, out)
	}
	return nil
}

// watchLease powers a machine of ours off when its lease has ended and nobody has
// renewed it: whoever started it may be gone for good, and it costs money.
func (a *Agent) watchLease(ctx context.Context) error {
	alarm, err := runner.NewAlarm()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { alarm.Close() })
	defer stop()
	first := runner.Clock() + a.c.Patience.Milliseconds()
	for {
		until := a.leaseEnd()
		if until == 0 {
			until = first
		}
		if runner.Clock() >= until {
			a.mu.Lock()
			a.quits, a.off = true, true
			a.mu.Unlock()
			return grid.Errorf(grid.Unavailable, "the schedd has not been heard until this machine's lease ended")
		}
		if err := alarm.Set(until); err != nil {
			return err
		}
		if err := alarm.Wait(); err != nil {
			return nil // ctx has ended
		}
	}
}

func (a *Agent) leaseEnd() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lease
}
