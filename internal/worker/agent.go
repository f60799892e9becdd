package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// Config is what an agent is told.
type Config struct {
	State   string // its directory
	Name    string // of the worker
	Schedd  wire.Endpoint
	Version string
	Local   bool // it serves the local universe, and ends when its lease does

	// Offer is what the machine offers, as ClassAd expressions: see [Machine]. It is
	// asked at the start, and now and then while there is no job.
	Offer func() (map[string]string, error)

	Runner    []string       // the command of a runner
	RunnerEnv []string       // of runners, beside what they need
	Isolation wire.Isolation // empty: the strongest that is to be had

	// CA and Token are for a schedd that is asked over TLS: its authority in PEM, and
	// the one-time token, which is needed until the worker has a certificate.
	CA    []byte
	Token func() (string, error)

	// Spent takes the token away: it has been exchanged, and is of no use but to whoever
	// finds it. It is called again at each connection; nil: the token stays.
	Spent func() error

	// PowerOff is the command that ends the machine, which is one of ours. Nil: it is
	// not.
	PowerOff []string

	// Patience is how long a machine of ours, or a local worker, waits for its first
	// lease; 0: 30 min.
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
	owners  *owners
	tls     *identity // nil on a Unix socket
	files   *http.Client
	lock    *os.File
	wg      sync.WaitGroup // of attempts
	looks   chan struct{}  // holds one token when watch has something to look at
	asks    chan struct{}  // holds one token when a beat is due before its time

	mu       sync.Mutex
	term     uint64
	attempts map[runner.Key]*attempt
	line     *wire.Stream // nil without one
	attrs    map[string]string
	lease    int64 // until when, by [runner.Clock]
	span     time.Duration
	renewed  chan struct{} // closed when the lease is
	drains   bool
	quits    bool
	off      bool // and the machine is to be powered off
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
	case c.Offer == nil:
		return nil, grid.Errorf(grid.Invalid, "a worker needs something to offer")
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Minute
	}
	var b [16]byte
	rand.Read(b[:]) // never fails, as its documentation says
	a := &Agent{
		c: c, log: log, session: hex.EncodeToString(b[:]), attempts: map[runner.Key]*attempt{},
		looks: make(chan struct{}, 1), asks: make(chan struct{}, 1), renewed: make(chan struct{}),
	}
	a.files = a.client()
	return a, nil
}

// Directories of a worker's own: what jobs do not see, and what they live in.
const (
	privateDir = "private"
	sandboxDir = "sandbox"
)

// private is where the agent keeps what is its own.
func (a *Agent) private() string { return filepath.Join(a.c.State, privateDir) }

// Run is the agent's life. It returns nil when ctx has ended, when the schedd has told
// it to quit, or when there was no schedd for longer than it waits. Runners that are
// busy, and their jobs, go on without it.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.open(ctx); err != nil {
		return err
	}
	defer a.lock.Close()
	defer a.journal.Close()
	defer a.files.CloseIdleConnections()
	living, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer a.runners.close()
	err := a.runners.open(living)
	if err == nil {
		err = a.recall(living)
	}
	if err != nil {
		end(err)
		a.wg.Wait()
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { end(a.stayConnected(living)) })
	wg.Go(func() { end(a.watch(living)) })
	if a.tls != nil {
		wg.Go(func() { a.tls.stayValid(living) })
	}
	wg.Wait()
	a.wg.Wait()
	return a.farewell(ctx, context.Cause(living))
}

// open takes hold of the state directory.
func (a *Agent) open(ctx context.Context) error {
	// Owners pass through to their sandboxes, and see nothing else.
	for _, d := range []struct {
		dir  string
		mode os.FileMode
	}{
		{a.c.State, 0o711},
		{a.private(), 0o700},
		{filepath.Join(a.private(), runner.JournalDir), 0o700},
		{filepath.Join(a.private(), runner.RunnerDir), 0o700},
		{filepath.Join(a.c.State, sandboxDir), 0o711},
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
	if err = a.alone(ctx); err == nil {
		err = a.load()
	}
	if err != nil {
		a.lock.Close()
	}
	return err
}

// alone locks the directory. An agent that was killed in the midst of a fork has it
// until its child has come to the exec: that is waited for.
func (a *Agent) alone(ctx context.Context) error {
	for range 40 {
		err := unix.Flock(int(a.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK {
			return err
		}
		if pause.For(ctx, 50*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
	}
	return grid.Errorf(grid.Refused, "another worker has %s; stop that one first", a.c.State)
}

// load reads what earlier agents have kept.
func (a *Agent) load() (err error) {
	if a.boot, err = bootID(); err != nil {
		return err
	}
	if a.term, err = a.readTerm(); err != nil {
		return err
	}
	if a.attrs, err = a.c.Offer(); err != nil {
		return err
	}
	if a.c.Schedd.Network == "tcp" {
		if a.tls, err = openIdentity(a); err != nil {
			return err
		}
	}
	if a.owners, err = newOwners(a.tls == nil); err != nil {
		return err
	}
	if a.mortal() {
		if a.lease, err = a.readLease(); err != nil {
			return err
		}
	}
	a.runners = newRunners(a)
	a.journal, err = os.OpenRoot(filepath.Join(a.private(), runner.JournalDir))
	return err
}

// schedd is where the schedd is asked now.
func (a *Agent) schedd() wire.Endpoint {
	e := a.c.Schedd
	if a.tls != nil {
		e.TLS = a.tls.config()
	}
	return e
}

// bootID tells one start of the machine from another.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("find the machine's boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
