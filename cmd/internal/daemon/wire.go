package daemon

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"gridburst/cmd/internal/cli"
	"gridburst/configs"
	"gridburst/dag"
	"gridburst/internal/bill"
	"gridburst/internal/grid"
	"gridburst/internal/telemetry"
	"gridburst/schedd"
	"gridburst/schedd/policy"
	"gridburst/schedd/userlog"
)

// wire says in the schedd's words what file, flags and places say. Flags win. Relative
// paths of the file rest on its own directory; those of flags on the current one.
func wire(file *configs.Schedd, o *options, p places, log logrus.FieldLogger) (schedd.Config, error) {
	c := schedd.Config{
		Dir: beside(p.config, file.Dir), Socket: file.Socket, Name: file.Name, Host: file.Host, Domain: file.Domain, Version: cli.Version(),
		Listen: file.Listen, Names: file.Names, Metrics: file.Metrics, Telemetry: telemetry.New(cli.Version()),
		WorkerLease: file.WorkerLease, LeaseMargin: file.LeaseMargin,
		MaxProcs: file.Limits.MaxProcs, MaxPerOwner: file.Limits.MaxPerOwner,
		MaxSubmission: file.Limits.MaxSubmission, MaxAttributes: file.Limits.MaxAttributes,
		Commands:         file.Commands,
		SubmitsPerMinute: file.Limits.SubmitsPerMinute, SubmitBurst: file.Limits.SubmitBurst,
		Reserve: file.Reserve, LogWait: file.LogWait, KeepKeys: file.KeepKeys,
		KeepHistory: file.KeepHistory, VerifyEvery: file.VerifyEvery,
		Sweep:       file.Sweep,
		LocalWorker: file.LocalWorker,
		Sendmail:    slices.Clone(file.Sendmail),
	}
	var err error
	if c.LogForm, err = userlog.ParseForm(file.LogFormat); err != nil {
		return c, grid.Errorf(grid.Invalid, "log_format: %w", err)
	}
	if c.EventLog.Form, err = userlog.ParseForm(file.EventLog.Format); err != nil {
		return c, grid.Errorf(grid.Invalid, "the format of event_log: %w", err)
	}
	c.EventLog.MaxSize, c.EventLog.Keep = file.EventLog.MaxSize, file.EventLog.MaxRotations
	for i := range file.Resources {
		r, err := resource(&file.Resources[i], p.config)
		if err != nil {
			return c, err
		}
		c.Resources = append(c.Resources, r)
	}
	c.Budget = budget(file.Budget)
	for _, l := range file.Concurrency {
		c.Concurrency = append(c.Concurrency, schedd.ConcurrencyLimit(l))
	}
	c.Engine = engine(c.Resources, c.Telemetry, log)
	c.Target, c.Targets = targets(file.Targets), ways(file.Targets)
	table, diags := file.Router.Table(routeFiles{p.config})
	if c.Routes = table; diags.HasErrors() {
		return c, diags.Err()
	}
	c.MaxRunning, c.MaxRunningPerOwner = file.MaxRunning, file.MaxRunningPerOwner
	most := func(n int) int32 { return int32(min(n, math.MaxInt32)) }
	c.DagLimits = dag.Limits{MaxJobs: most(file.DagJobs), MaxIdle: most(file.DagIdle), MaxPre: most(file.DagPre), MaxPost: most(file.DagPost), MaxHold: most(file.DagHold)}
	c.TimeZone = file.TimeZone
	c.PolicyInterval, c.Policies.MaxReleases = file.PolicyInterval, int64(file.MaxReleases)
	for _, p := range file.Policies {
		c.Policies.Systems = append(c.Policies.Systems, policy.System{Name: p.Name, Verb: grid.Verb(p.Kind), When: p.When, Reason: p.Reason, SubCode: p.SubCode})
	}
	for _, r := range file.Requirements {
		c.Requirements = append(c.Requirements, schedd.Requirement(r))
	}
	if len(c.Sendmail) > 0 && strings.Contains(c.Sendmail[0], "/") { // else it is found by PATH
		c.Sendmail[0] = beside(p.config, c.Sendmail[0])
	}
	for i := range file.Crons {
		c.Crons = append(c.Crons, cron(&file.Crons[i], p.config))
	}
	for i := range file.Windows {
		c.Windows = append(c.Windows, window(&file.Windows[i]))
	}
	if o.dir != "" || c.Dir == "" {
		c.Dir = p.dir
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return c, err
	}
	if path := file.EventLog.Path; path != "" && !filepath.IsAbs(path) {
		c.EventLog.Path = filepath.Join(c.Dir, path)
	} else {
		c.EventLog.Path = path
	}
	switch {
	case o.socket != "":
		c.Socket, err = filepath.Abs(o.socket)
	case c.Socket == "":
		c.Socket = filepath.Join(c.Dir, cli.SocketName)
	case !filepath.IsAbs(c.Socket):
		c.Socket = filepath.Join(c.Dir, c.Socket)
	}
	if c.LocalWorker == nil {
		c.LocalWorker = sibling("gworker", "--local", "--schedd", c.Socket, "--state", filepath.Join(c.Dir, "local"))
	}
	c.Verifier = sibling("gadm", "verify", "--json")
	return c, err
}

// routeFiles are those that HTCondor's configuration of routes is in.
type routeFiles struct{ config string }

func (f routeFiles) ReadFile(name string) ([]byte, error) { return os.ReadFile(beside(f.config, name)) }

// beside is where a path of a configuration file leads.
func beside(config, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(config), path)
}

// sibling is a command of ours: the program of that name beside this one, if there is one.
func sibling(name string, args ...string) []string {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return append([]string{path}, args...)
}

// cron says a timetable in the schedd's words.
func cron(k *configs.Cron, config string) schedd.Cron {
	return schedd.Cron{
		Name: k.Name, Schedule: k.Schedule, TimeZone: k.TimeZone, Owner: k.Owner, Dag: beside(config, k.Dag),
		Missed: k.Missed, Overlap: k.Overlap, AfterPrevious: k.AfterPrevious, StartDeadline: k.StartDeadline, MissedLimit: k.MissedLimit, Jitter: k.Jitter, Clock: schedd.Clock(k.Clock),
	}
}

// window says a burst by the clock in the schedd's words.
func window(w *configs.Window) schedd.Window {
	return schedd.Window{
		Name: w.Name, Schedule: w.Schedule, TimeZone: w.TimeZone, Resource: w.Resource, Count: w.Count, Lead: w.Lead, Hold: w.Hold, Drain: w.Drain,
		Budget: w.Budget, Price: w.Price, Currency: w.Currency, Clock: schedd.Clock(w.Clock),
	}
}

func budget(list []configs.Allowance) (out []schedd.Allowance) {
	for _, a := range list {
		out = append(out, schedd.Allowance{Per: a.Per, Limit: bill.Millionths(a.Amount), Currency: a.Currency})
	}
	return out
}

// resource says a resource in the schedd's words.
func resource(r *configs.Resource, config string) (schedd.Resource, error) {
	out := schedd.Resource{
		Name: r.Name, URL: r.URL, Username: r.Username, PasswordFile: beside(config, r.PasswordFile), CAFile: beside(config, r.CAFile),
		GAHP: r.GAHP, Price: r.Price, Currency: r.Currency, MaxVMs: r.MaxVMs, MaxVMsPerUser: r.MaxPerUser, MaxVMsPerHour: r.MaxPerHour,
		BillingPeriod: r.Period, MinBill: r.MinBill, Budget: budget(r.Budget), MaxVMTime: r.MaxVMTime, Create: r.Create, Borrow: r.Borrow,
	}
	b := r.Burst
	if b == nil {
		return out, nil
	}
	out.Burst = &schedd.Burst{
		Template: b.Template, Cluster: b.Cluster, Cores: b.Cores, MemoryMB: b.MemoryMB, DiskKB: b.DiskKB, Attrs: map[string]string{},
		MaxVMs: b.MaxVMs, MinVMs: b.MinVMs, Idle: b.IdleTime, JoinTimeout: b.JoinTimeout, BootTime: b.BootTime, Wait: b.Wait, Schedd: b.Schedd, UserData: b.UserData,
		KeepFailed: b.KeepFailed, InstanceType: b.InstanceType, Quota: b.Quota, Affinity: b.AffinityGroups, Tags: b.Tags,
	}
	for _, a := range b.Attributes {
		name, expr, ok := strings.Cut(a, "=")
		if !ok {
			return out, grid.Errorf(grid.Invalid, "resource %s: the attribute %q is not NAME=EXPR", r.Name, a)
		}
		out.Burst.Attrs[strings.TrimSpace(name)] = strings.TrimSpace(expr)
	}
	return out, nil
}
