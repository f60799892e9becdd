package configs

import (
	"net"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Schedd is a schedd's configuration file. Where a zero means a default, the schedd's
// own Config says which; the defaults that are named here are filled in.
type Schedd struct {
	Dir    string // where everything lies; empty: as the command line or the user says
	Socket string
	Name   string
	Host   string
	Domain string

	Listen  string   // address and port for workers; empty: no port is open
	Metrics string   // address and port for metrics and health; empty: only the socket has them
	Names   []string // host names and addresses by which it is reached

	WorkerLease time.Duration
	LeaseMargin time.Duration
	LogWait     time.Duration
	LogFormat   []string // of users' event logs, in HTCondor's words
	EventLog    EventLog
	KeepKeys    time.Duration
	KeepHistory time.Duration // 0: for ever
	VerifyEvery time.Duration
	Reserve     int64 // bytes

	MaxRunning         int // attempts at one time
	MaxRunningPerOwner int // of one user

	DagJobs, DagIdle, DagPre, DagPost, DagHold int // of one workflow: nodes with a job, jobs that wait, scripts
	PolicyInterval                             time.Duration
	TimeZone                                   string // of jobs' timetables
	MaxReleases                                int    // a policy releases no job that was held so often

	Sweep       time.Duration // how often machines are compared with what was wished for
	LocalWorker []string
	Sendmail    []string // the command that sends mail; empty: none is sent

	Limits       Limits
	Concurrency  []ConcurrencyLimit
	Budget       []Allowance // of the machines of all resources together
	Resources    []Resource
	Targets      []Target
	Crons        []Cron
	Windows      []Window
	Policies     []Policy
	Requirements []Requirement
	Commands     []submit.OwnCommand

	Router *Router // nil: no jobs are routed
}

// EventLog is a log of the events of all jobs.
type EventLog struct {
	Path         string // empty: there is none
	MaxSize      int64  // a larger file is rotated, bytes; 0: never
	MaxRotations int    // rotated files that are kept; 0: it is never rotated
	Format       []string
}

// Limits is what one user may ask for: limits. Zero values are the schedd's defaults.
type Limits struct {
	MaxProcs         int   // jobs of one submission
	MaxPerOwner      int   // jobs of one user in the queue
	MaxSubmission    int64 // bytes of one submission, as it is sent
	MaxAttributes    int   // that all jobs of a cluster share
	SubmitsPerMinute int   // of one user, on average
	SubmitBurst      int   // and so many at once
}

// Resource is an engine that makes virtual machines: resource "ovirt" "NAME".
type Resource struct {
	Kind         string // "ovirt"
	Name         string
	URL          string
	Username     string
	PasswordFile string
	CAFile       string
	GAHP         []string // the command that talks to it; empty: the one beside the schedd
	Price        float64  // of a machine for an hour, in Currency; 0: not said
	Currency     string
	Period       time.Duration // billing_period: what is begun of it is paid for; default 1m
	MinBill      time.Duration // a machine is paid for so long at least
	Budget       []Allowance

	MaxVMs     int           // of ours at one time, whatever they are for; default 10
	MaxPerUser int           // open ones of jobs of one user; 0: no bound
	MaxPerHour int           // asked for within an hour, for jobs and for the pool; 0: no bound
	MaxVMTime  time.Duration // of one; default 168h
	Borrow     []string      // patterns of names of machines that jobs may start and stop
	Create     bool          // jobs may create machines with credentials of their own

	Burst *Burst // nil: no machines are made for the pool
}

// Burst is how a resource makes workers when the pool is not enough.
type Burst struct {
	Template    string
	Cluster     string
	MemoryMB    int64         // of a machine
	Cores       int           // of a machine
	DiskKB      int64         // that jobs find there; default 10GiB
	Attributes  []string      // NAME=EXPR, that its workers offer beside their own
	Schedd      string        // where guests find the schedd; empty: the first of names
	MaxVMs      int           // 0: as the resource
	MinVMs      int           // kept though nobody needs them
	IdleTime    time.Duration // a worker without jobs goes after this; 0: after as long as is worth while
	JoinTimeout time.Duration // a machine whose worker has not come by then is given up; default 10m
	BootTime    time.Duration // from the wish to its worker, until machines have shown it; default 60s
	Wait        time.Duration // how long a job must have been unservable before it is demand
	UserData    string        // a cloud-config that guests carry out too
	KeepFailed  time.Duration // how long a machine stays whose worker has not come; default 0

	InstanceType   string // its name
	Quota          string // its name
	AffinityGroups []string
	Tags           []string
}

// scheddBlocks are the blocks of a schedd's configuration.
var scheddBlocks = []string{
	"schedd", "limits", "budget", "concurrency_limit", "resource", "target", "cron", "burst", "policy", "submit_requirement", "submit_command", "job_router", "route", "transform",
}

// ReadSchedd reads a schedd's configuration. With errors among the diagnostics it is
// not to be used.
func ReadSchedd(filename string, src []byte) (Schedd, grid.Diagnostics) {
	var c Schedd
	f, body := parse(filename, src)
	if body == nil {
		return c, f.diags
	}
	for _, a := range sorted(body.Attributes) {
		f.fail(a.NameRange, quote(a.Name)+" stands outside of a block", "As in: schedd { "+a.Name+" = ... }")
	}
	seen := map[string]bool{}
	var budget *hclsyntax.Block
	for _, b := range body.Blocks {
		switch b.Type {
		case "schedd":
			if f.labels(b, "schedd") && f.single(seen, b, "schedd") {
				f.schedd(b, &c)
			}
		case "limits":
			if f.labels(b, "limits") && f.single(seen, b, "limits") {
				f.limits(b, &c.Limits)
			}
		case "resource":
			if f.labels(b, `resource "ovirt" "NAME"`) && f.single(seen, b, "resource "+quote(b.Labels[1])) {
				c.Resources = append(c.Resources, f.resource(b))
			}
		case "budget":
			if f.labels(b, "budget") && f.single(seen, b, "budget") {
				c.Budget = f.budget(b, false)
				budget = b
			}
		case "concurrency_limit":
			if f.labels(b, `concurrency_limit "NAME"`) && f.single(seen, b, "concurrency_limit "+quote(strings.ToLower(b.Labels[0]))) {
				c.Concurrency = append(c.Concurrency, f.concurrency(b))
			}
		case "target":
			if f.labels(b, `target "batch slurm"`) && f.single(seen, b, "target "+quote(b.Labels[0])) {
				c.Targets = append(c.Targets, f.target(b))
			}
		case "cron":
			if f.labels(b, `cron "NAME"`) && f.single(seen, b, "cron "+quote(b.Labels[0])) {
				c.Crons = append(c.Crons, f.cron(b))
			}
		case "burst":
			if f.labels(b, `burst "NAME"`) && f.single(seen, b, "burst "+quote(b.Labels[0])) {
				c.Windows = append(c.Windows, f.window(b))
			}
		case "policy":
			if f.labels(b, `policy "hold" "NAME"`) && f.single(seen, b, "policy "+quote(b.Labels[0])+" "+quote(b.Labels[1])) {
				c.Policies = append(c.Policies, f.policy(b))
			}
		case "submit_requirement":
			if f.labels(b, `submit_requirement "NAME"`) && f.single(seen, b, "submit_requirement "+quote(b.Labels[0])) {
				c.Requirements = append(c.Requirements, f.requirement(b))
			}
		case "submit_command":
			if f.labels(b, `submit_command "NAME"`) && f.single(seen, b, "submit_command "+quote(b.Labels[0])) {
				c.Commands = append(c.Commands, f.command(b))
			}
		case "job_router":
			if f.labels(b, "job_router") && f.single(seen, b, "job_router") {
				f.router(b, c.routing())
			}
		case "route":
			if f.labels(b, `route "NAME"`) && f.single(seen, b, "route "+quote(b.Labels[0])) {
				f.route(b, c.routing())
			}
		case "transform":
			if f.labels(b, `transform "NAME"`) && f.single(seen, b, "transform "+quote(b.Labels[0])) {
				f.transform(b, c.routing())
			}
		default:
			f.unknown(b.TypeRange, "block", b.Type, scheddBlocks)
		}
	}
	if c.Router != nil && c.Router.CondorConfig == "" && !f.diags.HasErrors() {
		_, diags := c.Router.Table(nil)
		f.diags = append(f.diags, diags...)
	}
	if budget != nil {
		f.oneCurrency(budget, &c)
	}
	return c, f.diags
}

// routing is c's Router, from the first block of one on.
func (c *Schedd) routing() *Router {
	if c.Router == nil {
		c.Router = &Router{}
	}
	return c.Router
}

func (f *file) schedd(b *hclsyntax.Block, c *Schedd) {
	f.keys(b, []key{
		{"dir", text(&c.Dir)},
		{"socket", text(&c.Socket)},
		{"name", text(&c.Name)},
		{"host", text(&c.Host)},
		{"domain", text(&c.Domain)},
		{"listen", address(&c.Listen)},
		{"names", texts(&c.Names)},
		{"metrics", address(&c.Metrics)},
		{"worker_lease", span(&c.WorkerLease)},
		{"lease_margin", span(&c.LeaseMargin)},
		{"log_wait", span(&c.LogWait)},
		{"log_format", texts(&c.LogFormat)},
		{"event_log", inner(func(b *hclsyntax.Block) { c.EventLog = f.eventLog(b) })},
		{"keep_keys", span(&c.KeepKeys)},
		{"keep_history", span(&c.KeepHistory)},
		{"verify_every", span(&c.VerifyEvery)},
		{"max_running", count(&c.MaxRunning)},
		{"max_running_per_owner", count(&c.MaxRunningPerOwner)},
		{"max_dag_jobs", count(&c.DagJobs)},
		{"max_dag_idle", count(&c.DagIdle)},
		{"max_dag_pre", count(&c.DagPre)},
		{"max_dag_post", count(&c.DagPost)},
		{"max_dag_hold", count(&c.DagHold)},
		{"policy_interval", span(&c.PolicyInterval)},
		{"time_zone", text(&c.TimeZone)},
		{"max_releases", count(&c.MaxReleases)},
		{"reserve", size(&c.Reserve, 1)},
		{"local_worker", texts(&c.LocalWorker)},
		{"sendmail", texts(&c.Sendmail)},
		{"sweep", span(&c.Sweep)},
	})
}

func (f *file) eventLog(b *hclsyntax.Block) EventLog {
	l := EventLog{MaxSize: 1 << 20, MaxRotations: 1}
	f.keys(b, []key{
		{"path", required(text(&l.Path))},
		{"max_size", size(&l.MaxSize, 1)},
		{"max_rotations", count(&l.MaxRotations)},
		{"format", texts(&l.Format)},
	})
	return l
}

func (f *file) limits(b *hclsyntax.Block, l *Limits) {
	f.keys(b, []key{
		{"max_procs", count(&l.MaxProcs)},
		{"max_per_owner", count(&l.MaxPerOwner)},
		{"max_submission", size(&l.MaxSubmission, 1)},
		{"max_attributes", count(&l.MaxAttributes)},
		{"submits_per_minute", count(&l.SubmitsPerMinute)},
		{"submit_burst", count(&l.SubmitBurst)},
	})
}

func (f *file) resource(b *hclsyntax.Block) Resource {
	r := Resource{Kind: b.Labels[0], Name: b.Labels[1], MaxVMs: 10, MaxVMTime: 7 * 24 * time.Hour}
	if r.Kind != "ovirt" {
		f.unknown(b.LabelRanges[0], "kind of resource", r.Kind, []string{"ovirt"})
	}
	f.keys(b, []key{
		{"url", required(text(&r.URL))},
		{"username", required(text(&r.Username))},
		{"password_file", required(text(&r.PasswordFile))},
		{"ca_file", text(&r.CAFile)},
		{"gahp", texts(&r.GAHP)},
		{"price_per_hour", price(&r.Price, &r.Currency)},
		{"billing_period", span(&r.Period)},
		{"min_bill", span(&r.MinBill)},
		{"budget", inner(func(b *hclsyntax.Block) {
			if r.Budget = f.budget(b, true); r.Currency == "" {
				f.fail(b.TypeRange, "a budget needs a price: nobody knows what a machine of this resource costs", `As in: price_per_hour = "0.12 EUR"`)
			}
			for _, a := range r.Budget {
				f.sameCurrency(b, a, r.Currency, "price_per_hour")
			}
		})},
		{"max_vms", count(&r.MaxVMs)},
		{"max_vms_per_user", count(&r.MaxPerUser)},
		{"max_vms_per_hour", count(&r.MaxPerHour)},
		{"max_vm_time", span(&r.MaxVMTime)},
		{"borrow", texts(&r.Borrow)},
		{"create", boolean(&r.Create)},
		{"burst", inner(func(b *hclsyntax.Block) { r.Burst = f.burst(b, r.MaxVMs) })},
	})
	return r
}

func (f *file) burst(b *hclsyntax.Block, most int) *Burst {
	u := Burst{BootTime: time.Minute, JoinTimeout: 10 * time.Minute, DiskKB: 10 << 20}
	f.keys(b, []key{
		{"template", required(text(&u.Template))},
		{"cluster", text(&u.Cluster)},
		{"memory", required(size(&u.MemoryMB, 1<<20))},
		{"cores", required(count(&u.Cores))},
		{"disk", size(&u.DiskKB, 1<<10)},
		{"attributes", texts(&u.Attributes)},
		{"schedd", text(&u.Schedd)},
		{"max_vms", count(&u.MaxVMs)},
		{"min_vms", count(&u.MinVMs)},
		{"idle_time", span(&u.IdleTime)},
		{"join_timeout", span(&u.JoinTimeout)},
		{"boot_time", span(&u.BootTime)},
		{"wait", span(&u.Wait)},
		{"user_data", text(&u.UserData)},
		{"keep_failed", span(&u.KeepFailed)},
		{"instance_type", text(&u.InstanceType)},
		{"quota", text(&u.Quota)},
		{"affinity_groups", texts(&u.AffinityGroups)},
		{"tags", texts(&u.Tags)},
	})
	if u.MaxVMs == 0 {
		u.MaxVMs = most
	}
	if a := b.Body.Attributes["min_vms"]; a != nil && u.MinVMs > u.MaxVMs {
		f.fail(a.Expr.Range(), "min_vms is more than max_vms", "")
	}
	return &u
}

// address is host:port, where the host may be left out.
func address(to *string) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		text(to).set(f, e)
		if *to == "" {
			return
		}
		if _, port, err := net.SplitHostPort(*to); err != nil || port == "" {
			f.fail(e.Range(), quote(*to)+" is no address to listen at", `As in: ":9618", "192.0.2.1:9618"`)
		}
	}}
}
