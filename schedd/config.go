package schedd

import (
	"cmp"
	"os"
	"time"

	"gridburst/gahp"
	"gridburst/internal/grid"
)

// Config is what a daemon is told. Zero values are the defaults named here.
type Config struct {
	Dir     string // where everything of the daemon lies: spool, keys, socket
	Socket  string // the socket's path; empty: Dir/schedd.sock
	Name    string // of the schedd; empty: the host's name
	Host    string // as event logs name it; empty: the host's name
	Domain  string // of users and shared files; empty: the host's name
	Version string

	// Listen is an address (host:port) for workers of other hosts and VMs, over
	// TLS. Empty: no TCP port is open. Names are host names and addresses by which
	// it is reached, for its certificate.
	Listen string
	Names  []string

	// WorkerLease is how long a worker's attempts live without news from here; 0:
	// 20 min. LeaseMargin is how much later they are given up here; 0: 1 min.
	WorkerLease time.Duration
	LeaseMargin time.Duration

	// MaxProcs bounds one submission, MaxPerOwner what one user has in the queue;
	// 0: 1,000,000 and no bound.
	MaxProcs    int
	MaxPerOwner int

	// Reserve is how much of the disk is kept for what is in the queue; 0: 64 MiB.
	Reserve int64

	// LogWait bounds how long a submit waits for its event log; 0: 5 s.
	LogWait time.Duration

	// KeepKeys is how long idempotency keys are known; 0: 30 days.
	KeepKeys time.Duration

	// KeepHistory is how long jobs that have left the queue are remembered; 0: for ever.
	KeepHistory time.Duration

	// Verifier is the command that proves a queue file, whose path is its last argument;
	// VerifyEvery is how often the schedd has its own proven by it. Empty: never; 0: 24 h.
	Verifier    []string
	VerifyEvery time.Duration

	// LocalWorker is the command that serves the local universe, started when it is
	// first needed; empty: jobs of that universe are refused.
	LocalWorker []string

	// Resources are the engines that machines may come from. Engine gives access to
	// one with a credential; it is needed when there are any. Sweep is how often their
	// machines are compared with what was wished for; 0: 1 min.
	Resources []Resource
	Engine    func(Credential) (gahp.Provider, error)
	Sweep     time.Duration

	// Crons are timetables that start workflows.
	Crons []Cron

	crons []*cron
}

func (c *Config) complete() error {
	if c.Dir == "" {
		return grid.Errorf(grid.Invalid, "a schedd needs a directory")
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	c.Socket = cmp.Or(c.Socket, c.Dir+"/schedd.sock")
	c.Name = cmp.Or(c.Name, host)
	c.Host = cmp.Or(c.Host, host)
	c.Domain = cmp.Or(c.Domain, host)
	c.WorkerLease = cmp.Or(c.WorkerLease, 20*time.Minute)
	c.LeaseMargin = cmp.Or(c.LeaseMargin, time.Minute)
	c.MaxProcs = cmp.Or(c.MaxProcs, 1_000_000)
	c.LogWait = cmp.Or(c.LogWait, 5*time.Second)
	c.KeepKeys = cmp.Or(c.KeepKeys, 30*24*time.Hour)
	c.VerifyEvery = cmp.Or(c.VerifyEvery, 24*time.Hour)
	c.Sweep = cmp.Or(c.Sweep, time.Minute)
	names := map[string]bool{}
	for i := range c.Resources {
		r := &c.Resources[i]
		if err := r.complete(); err != nil {
			return err
		}
		if names[r.Name] {
			return grid.Errorf(grid.Invalid, "two resources are named %s", r.Name)
		}
		names[r.Name] = true
	}
	if len(c.Resources) > 0 && c.Engine == nil {
		return grid.Errorf(grid.Invalid, "there are resources, and no way to ask their engines")
	}
	known := map[string]bool{}
	for i := range c.Crons {
		k, err := c.Crons[i].parse()
		if err != nil {
			return err
		}
		if known[k.Name] {
			return grid.Errorf(grid.Invalid, "two crons are named %s", k.Name)
		}
		known[k.Name] = true
		c.crons = append(c.crons, k)
	}
	return nil
}
