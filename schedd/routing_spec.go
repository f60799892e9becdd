package schedd

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
	"gridburst/schedd/target"
)

// concluded is how a job ended at its target.
type concluded = desk.Concluded

// conclude reads how the job ended, and stages its outputs.
func (s *routeStep) conclude(ctx context.Context) (c concluded, err error) {
	err = s.moves(ctx, func(ctx context.Context) (err error) {
		c, err = s.d.desks.ConcludeAway(ctx, s.owner, s.dir)
		return err
	})
	return c, err
}

// errand is what the target is to run, and what its owner's desk prepares for that: by the
// job's ad, as its route has made it.
func (s *routeStep) errand() (away desk.Away, job target.Job, err error) {
	a, err := s.d.ads.Job(s.v, s.id)
	if err != nil {
		return away, job, err
	}
	came := strings.Fields(a.Text(grid.PathAttr)) // whatever its route makes of that
	remaps := outputsOf(a, s.id, s.rec.Epoch).Remaps
	if s.rec.Route != "" {
		if a, err = s.d.routedAd(a, s.rec.Route); err != nil {
			return away, job, err
		}
		a.SetString("Iwd", s.rec.Dir) // whatever the route says by now
	}
	spools := s.site.spools()
	x, err := s.d.awayExecution(a, spools)
	if err != nil {
		return away, job, err
	}
	x.Owner = wire.Owner(s.owner)
	away = desk.Away{Job: s.id.String(), Dir: s.dir, Execution: x, Outputs: outputsOf(a, s.id, s.rec.Epoch)}
	away.Outputs.Iwd = s.rec.Dir
	if x.Transfer {
		away.Inputs = inputsOf(a)
	}
	if spools {
		if away.Outputs.Remaps == nil {
			away.Outputs.Remaps = remaps // a route does not know that files travel
		}
		away.Spool = &desk.Spool{MaxInput: evaluated(a, "MaxTransferInputMB", 0) << 20, MaxOutput: evaluated(a, "MaxTransferOutputMB", 0) << 20}
	}
	extra, err := ad.SplitWords(a.Text("BatchExtraSubmitArgs"))
	if err != nil {
		return away, job, grid.Errorf(grid.Invalid, "batch_extra_submit_args: %w", err)
	}
	job = target.Job{
		Owner: target.Owner(s.owner), Name: s.name, Dir: s.dir, Script: filepath.Join(s.dir, target.ScriptName),
		Cpus: evaluated(a, "RequestCpus", 1), MemoryMB: evaluated(a, "RequestMemory", 0), DiskKB: evaluated(a, "RequestDisk", 0), Runtime: time.Duration(evaluated(a, "BatchRuntime", 0)) * time.Second,
		Queue: a.Text("BatchQueue"), Project: a.Text("BatchProject"), Extra: extra, Label: "gridburst job " + s.id.String(),
		Path: append(came, s.v.Deployment), Spool: spools,
	}
	return away, job, nil
}

// evaluated is a number that an expression of the job's ad comes to.
func evaluated(a *ad.Ad, name string, otherwise int64) int64 {
	if f, ok := ad.At(time.Now()).Attr(name, a, nil).Number(); ok {
		return int64(f)
	}
	return otherwise
}

// awayExecution is what runs at a target; spools: one to which files travel.
func (d *Daemon) awayExecution(job *ad.Ad, spools bool) (x wire.Execution, err error) {
	if err := fillIn(instant(), job, ad.New(0)); err != nil {
		return x, err
	}
	if job.Text("Cmd") == "" {
		return x, grid.Errorf(grid.Invalid, "the job has no executable")
	}
	should := job.Text("ShouldTransferFiles")
	if spools && strings.EqualFold(should, "NO") {
		return x, grid.Errorf(grid.Invalid, `its files are to stay where they are (should_transfer_files = no), and the files of jobs travel there: let them, or send it by a route whose target says files = "shared"`)
	}
	return executionOf(job, spools || strings.EqualFold(should, "YES"))
}

// routedAd is what a route makes of a job.
func (d *Daemon) routedAd(job *ad.Ad, name string) (*ad.Ad, error) {
	t := d.config().Routes
	if t == nil || t.Route(name) == nil {
		return nil, grid.Errorf(grid.Invalid, "route %s is not configured any more", name)
	}
	return t.Make(job, name, time.Now())
}

// rerouted says why a job of which its target has not heard does not go by the route that took
// it: another configuration has no such route, or that leads elsewhere. Empty: it goes that way,
// as what the route makes of it now.
func (s *routeStep) rerouted() string {
	c := s.d.config()
	switch {
	case s.rec.Route == "":
		return ""
	case c.Routes == nil || c.Routes.Route(s.rec.Route) == nil:
		return "route " + s.rec.Route + " is not configured any more"
	case s.rec.Wanted >= c.since.UnixMilli():
		return "" // a route by which that is left to chance has decided
	}
	job, err := s.d.ads.Job(s.v, s.id)
	if err != nil {
		return ""
	}
	made, err := s.d.routedAd(job, s.rec.Route)
	if err != nil {
		return "" // that is told of where it is to be handed over
	}
	if to := siteKey(made.Text("GridResource")); to != s.rec.Target {
		return "route " + s.rec.Route + " leads to " + to + " by now"
	}
	return ""
}

// targetOf is the target that a grid job asks for itself; empty: it is a machine.
func targetOf(job *ad.Ad) string {
	resource := strings.TrimSpace(job.Text("GridResource"))
	switch kind, _, _ := strings.Cut(strings.ToLower(resource), " "); kind {
	case "ovirt", "deltacloud", "":
		return ""
	}
	return resource
}

// maxDirect bounds the jobs of one target that ask for it themselves; HTCondor's default.
const maxDirect = 1000

// direct hands grid jobs to the targets that they ask for, and gives those that are
// machines.
func (w *vmJobs) direct(ctx context.Context, ids []grid.JobID) (machines []grid.JobID, err error) {
	v := w.d.ledger.View()
	c := &ledger.Route{}
	send := func() error {
		if len(c.List) == 0 {
			return nil
		}
		epochs, err := w.d.route(ctx, nil, c)
		if err != nil {
			return err
		}
		for i, e := range epochs {
			if e != 0 {
				delete(w.idle, c.List[i].Job)
				delete(w.waits, c.List[i].Job)
			}
		}
		c.List = nil
		return nil
	}
	var tallies map[ledger.RouteKey]ledger.RouteTally
	for _, id := range ids {
		j, ok := v.Job(id)
		if !ok || j.Status != grid.Idle || j.Attempt() {
			continue // its event is on its way
		}
		job, err := w.d.ads.Job(v, id)
		if err != nil {
			w.waits[id] = grid.MessageOf(err)
			continue
		}
		to := targetOf(job)
		if to == "" {
			machines = append(machines, id)
			continue
		}
		if _, old := v.Routing(id); old {
			w.waits[id] = "what its last execution left at its target is taken away first"
			continue
		}
		if _, err := w.d.sites.at(to); err != nil {
			if err := w.hold(ctx, id, grid.HoldCloudAdmin, grid.MessageOf(err)); err != nil {
				return nil, err
			}
			continue
		}
		if tallies == nil {
			tallies = v.RouteTallies()
		}
		key := ledger.RouteKey{Target: siteKey(to)}
		n := tallies[key]
		if n.Jobs >= maxDirect {
			w.waits[id] = siteKey(to) + " has " + strconv.Itoa(n.Jobs) + " jobs of ours, as many as it may have at a time"
			continue
		}
		n.Jobs++
		tallies[key] = n
		c.List = append(c.List, ledger.Routed{
			Job: id, Version: j.Version, Target: siteKey(to), Dir: job.Text("Iwd"), MaxJobs: maxDirect, Where: siteKey(to),
		})
		if len(c.List) == carries {
			if err := send(); err != nil {
				return nil, err
			}
		}
	}
	return machines, send()
}
