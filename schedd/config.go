package schedd

import (
	"cmp"
	"os"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/gahp"
	"gridburst/internal/grid"
	"gridburst/internal/telemetry"
	"gridburst/router/route"
	"gridburst/schedd/policy"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
	"gridburst/schedd/target"
	"gridburst/schedd/userlog"
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

	// Metrics is an address (host:port) at which anybody may read metrics and health
	// over plain HTTP. Empty: only the socket has them.
	Metrics string

	// Telemetry is what the daemon counts with; nil: one of its own.
	Telemetry *telemetry.Schedd

	// WorkerLease is how long a worker's attempts live without news from here; 0:
	// 20 min. LeaseMargin is how much later they are given up here; 0: 1 min.
	WorkerLease time.Duration
	LeaseMargin time.Duration

	// MaxProcs bounds one submission, MaxPerOwner what one user has in the queue;
	// 0: 1,000,000 and no bound.
	MaxProcs    int
	MaxPerOwner int

	// MaxSubmission bounds a submission as it is sent, in bytes, and MaxAttributes the
	// attributes that all jobs of a cluster share; 0: 16 MiB and 1000, which is the most.
	MaxSubmission int64
	MaxAttributes int

	// Commands are submit commands beside those of every schedd.
	Commands []submit.OwnCommand

	// SubmitsPerMinute is how often one user may hand in jobs or workflows, on average,
	// and SubmitBurst how many times at once; 0: no bound, and ten seconds' worth.
	SubmitsPerMinute int
	SubmitBurst      int

	// Reserve is how much of the disk is kept for what is in the queue; 0: 64 MiB.
	Reserve int64

	// Policies are those of the configuration; the jobs' own are looked at beside them.
	// PolicyInterval is the least time between two looks at all jobs; 0: 20 s.
	Policies       policy.Set
	PolicyInterval time.Duration

	// Requirements are what every submitted job must fulfil.
	Requirements []Requirement

	// MaxRunning bounds the attempts at one time, MaxRunningPerOwner those of one user;
	// 0: no bound.
	MaxRunning         int
	MaxRunningPerOwner int

	// TimeZone is in which the jobs' timetables are meant, a name such as Europe/Berlin;
	// empty: the machine's, UTC where that has no name.
	TimeZone string

	// LogWait bounds how long a submit waits for its event log; 0: 5 s.
	LogWait time.Duration

	// LogForm is how events are written into users' logs; their jobs say which form.
	// EventLog is a log of all jobs; its Path is empty if there is none, its ID is Name
	// if it is empty.
	LogForm  userlog.Form
	EventLog userlog.Global

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

	// Sendmail is the command that sends a mail: it gets addresses behind its arguments,
	// and the mail with its headers on standard input. Empty: jobs' notification has no
	// effect.
	Sendmail []string

	// Resources are the engines that machines may come from. Engine gives access to
	// one with a credential; it is needed when there are any. Sweep is how often their
	// machines are compared with what was wished for; 0: 1 min.
	Resources []Resource
	Engine    func(Credential) (gahp.Provider, error)
	Sweep     time.Duration

	// Target gives access to the target that a grid_resource names, as in batch slurm, whose
	// commands run runs; nil: there are none. Targets are what is said of some of them.
	// Routes say which jobs go there by themselves; nil: none.
	Target  func(resource string, run target.Commands) (target.Target, error)
	Targets []TargetWay
	Routes  *route.Table

	// DagLimits bound what a run of a workflow may ask for; zero values: 1000 jobs that
	// wait, 20 scripts of each kind, and no bound of the nodes with a job.
	DagLimits dag.Limits

	// Budget is what the machines of all resources together may cost.
	Budget []Allowance

	// Concurrency bounds what runs of the jobs that name a limit (concurrency_limits).
	Concurrency []ConcurrencyLimit

	// File is the configuration file, and Parse makes a configuration of its text. With
	// both, another configuration can take the place of this one while the daemon runs. An
	// error of Parse is told to whoever asks. File empty: there is none.
	File  string
	Text  string // that this is made of
	Parse func(text string) (Config, error)

	// Crons are timetables that start workflows, Windows bursts by the clock. Now is the
	// wall clock that they and throttles of routes go by; nil: the machine's.
	Crons   []Cron
	Windows []Window
	Now     func() time.Time

	crons   []*cron
	windows []*window
	since   time.Time     // when it was put in force
	over    chan struct{} // is closed when it is in force no more
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
	c.EventLog.ID = cmp.Or(c.EventLog.ID, c.Name)
	c.WorkerLease = cmp.Or(c.WorkerLease, 20*time.Minute)
	c.LeaseMargin = cmp.Or(c.LeaseMargin, time.Minute)
	c.MaxProcs = cmp.Or(c.MaxProcs, 1_000_000)
	c.MaxSubmission = cmp.Or(c.MaxSubmission, serve.DefaultSubmission)
	c.MaxAttributes = min(cmp.Or(c.MaxAttributes, submit.MaxAttrs), submit.MaxAttrs)
	c.SubmitBurst = cmp.Or(c.SubmitBurst, max(c.SubmitsPerMinute/6, 1))
	c.LogWait = cmp.Or(c.LogWait, 5*time.Second)
	c.KeepKeys = cmp.Or(c.KeepKeys, 30*24*time.Hour)
	c.TimeZone = cmp.Or(c.TimeZone, machineZone())
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		return grid.Errorf(grid.Invalid, "the time zone: %w", err)
	}
	c.PolicyInterval = cmp.Or(c.PolicyInterval, 20*time.Second)
	c.VerifyEvery = cmp.Or(c.VerifyEvery, 24*time.Hour)
	c.Sweep = cmp.Or(c.Sweep, time.Minute)
	l := &c.DagLimits
	l.MaxIdle, l.MaxPre, l.MaxPost, l.MaxHold = cmp.Or(l.MaxIdle, 1000), cmp.Or(l.MaxPre, 20), cmp.Or(l.MaxPost, 20), cmp.Or(l.MaxHold, 20)
	if c.Telemetry == nil {
		c.Telemetry = telemetry.New(c.Version)
	}
	if err := completeBudget(c.Budget); err != nil {
		return err
	}
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
	for i := range c.Windows {
		w, err := c.Windows[i].parse(c.Resources)
		if err != nil {
			return err
		}
		if known[w.key] {
			return grid.Errorf(grid.Invalid, "two bursts are named %s", w.Name)
		}
		known[w.key] = true
		c.windows = append(c.windows, w)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// machineZone is the name of the machine's time zone.
func machineZone() string {
	target, err := os.Readlink("/etc/localtime")
	_, name, ok := strings.Cut(target, "zoneinfo/")
	if err != nil || !ok {
		return "UTC"
	}
	if _, err := time.LoadLocation(name); err != nil {
		return "UTC"
	}
	return name
}
