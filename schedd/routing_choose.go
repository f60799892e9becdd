package schedd

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/router/route"
	"gridburst/schedd/ledger"
)

// chooser gives jobs to routes that neither the pool nor machines on their way are for. It
// belongs to the dispatcher's goroutine, but for its throttles.
type chooser struct {
	d      *Daemon
	table  *route.Table          // that barred is by
	turn   int                   // jobs that were routed
	barred map[grid.JobID]uint32 // jobs that no route wants, by their versions
	since  time.Time             // of barred

	mu      sync.Mutex
	by      map[string]route.Throttle  // of routes
	stirred chan struct{}              // has one element when one lets more or fewer through
	storing sync.Mutex                 // held while they are kept
	kept    map[string]ledger.Throttle // as the ledger has them
}

func newChooser(d *Daemon) *chooser {
	c := &chooser{d: d, barred: map[grid.JobID]uint32{}, by: map[string]route.Throttle{}, kept: map[string]ledger.Throttle{}, stirred: make(chan struct{}, 1)}
	c.recall()
	return c
}

// ended takes in how a job on a route came to its end.
func (c *chooser) ended(name string, failed bool) {
	t := c.d.config().Routes
	if name == "" || t == nil || t.Route(name) == nil {
		return
	}
	jobs := c.d.ledger.View().RouteTallies()[ledger.RouteKey{Route: name}].Jobs
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by[name] = c.throttled(name, t.Route(name).FailureRate, jobs).Ended(failed)
}

func (c *chooser) took(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by[name] = c.by[name].Took(n)
}

// load is what goes on on the routes of a table, by the ledger.
func (c *chooser) load(t *route.Table, v *ledger.View) route.Load {
	l := route.Load{Routes: map[string]route.Use{}, Turn: c.turn}
	tallies := v.RouteTallies()
	down := map[string]bool{}
	for _, s := range c.d.sites.known() {
		down[s.grid] = s.down()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range t.Routes {
		n := tallies[ledger.RouteKey{Route: r.Name}]
		u := route.Use{Jobs: n.Jobs, Idle: n.Idle, Throttle: c.throttled(r.Name, r.FailureRate, n.Jobs)}
		if down[siteKey(r.GridResource)] {
			u.Down = "it does not answer"
		}
		s := v.Steering(ledger.OfRoute(r.Name))
		if u.Paused = s.Mode != ledger.Steered; u.Paused {
			u.Why = "so said " + c.d.asker(v, s.By) + because(s.Why)
		}
		if s.Capped {
			n := int(s.Cap)
			u.Cap = &n
		}
		u.Gridburst, u.Deployment = c.d.sites.peer(r.GridResource)
		l.Routes[r.Name] = u
	}
	for k, n := range tallies {
		if k.Route != "" {
			l.Jobs += n.Jobs
		}
	}
	return l
}

// open reports whether any route may take another job.
func open(t *route.Table, l *route.Load) bool {
	if t.MaxJobs >= 0 && l.Jobs >= t.MaxJobs {
		return false
	}
	return slices.ContainsFunc(t.Routes, func(r *route.Route) bool {
		u := l.Routes[r.Name]
		return u.Open(r)
	})
}

// plan routes what waits and is for nothing nearer.
func (c *chooser) plan(ctx context.Context, queues []router.Queue) error {
	t := c.d.config().Routes
	if t == nil {
		return nil
	}
	if t != c.table { // what the routes before did not want, these may
		clear(c.barred)
		c.table = t
	}
	now := c.d.c.Now()
	v := c.d.ledger.View()
	load := c.load(t, v)
	if !open(t, &load) {
		return nil
	}
	if now.Sub(c.since) > recheck { // what routes want may depend on the time
		clear(c.barred)
		c.since = now
	}
	cmd := &ledger.Route{}
	for _, id := range c.waiting(v, queues) {
		if len(cmd.List) == carries {
			if err := c.send(ctx, cmd); err != nil {
				return err
			}
		}
		if !open(t, &load) {
			break
		}
		j, _ := v.Job(id)
		job, err := c.d.ads.Job(v, id)
		if err != nil {
			continue // that is told of where it is planned
		}
		if checkpointOf(job) != nil || checked(job) { // nobody would take its checkpoints there, or find it ready
			c.barred[id] = j.Version
			continue
		}
		choice := t.Choose(job, load, now)
		if choice.Route == nil || choice.InPlace || choice.Ad.Text("GridResource") == "" {
			if choice.Bar.Answer != "" || !slices.ContainsFunc(choice.Verdicts, func(v route.Verdict) bool { return passing(v.Answer) }) {
				c.barred[id] = j.Version
			}
			continue
		}
		r := choice.Route
		u := load.Routes[r.Name]
		u.Jobs++
		u.Idle++
		u.Throttle = u.Throttle.Took(1)
		load.Routes[r.Name] = u
		load.Jobs++
		load.Turn++
		cmd.List = append(cmd.List, routedBy(r, choice.Ad, id, j.Version))
	}
	return c.send(ctx, cmd)
}

// passing reports whether a route that says this may take the job later.
func passing(a route.Answer) bool {
	return a == route.Full || a == route.IdleFull || a == route.Throttled || a == route.Paused || a == route.Down
}

// routedBy is a job's placement on a route.
func routedBy(r *route.Route, made *ad.Ad, id grid.JobID, version uint32) ledger.Routed {
	to := siteKey(made.Text("GridResource"))
	out := ledger.Routed{
		Job: id, Version: version, Route: r.Name, Target: to, Dir: made.Text("Iwd"), MaxJobs: uint32(r.MaxJobs),
		Where: "route " + r.Name + " to " + to, Attrs: []ledger.Attr{text(route.RouteName, r.Name)},
	}
	if r.MaxIdleJobs > 0 {
		out.MaxIdle = uint32(r.MaxIdleJobs)
	}
	return out
}

// waiting are the jobs that nothing has been found for, first those that come first.
func (c *chooser) waiting(v *ledger.View, queues []router.Queue) (ids []grid.JobID) {
	var all []*router.Queue
	for i := range queues {
		if u := queues[i].Group.Ad.Int("JobUniverse", 0); u == int64(grid.Local) || u == int64(grid.Scheduler) || u == int64(grid.Parallel) {
			continue // in this pool, or nowhere
		}
		queues[i].Jobs = slices.DeleteFunc(slices.Clone(queues[i].Jobs), func(j router.Job) bool {
			r, ok := v.Job(j.ID)
			if !ok || r.Status != grid.Idle || r.Place != ledger.Nowhere {
				return true
			}
			if _, old := v.Routing(j.ID); old {
				return true // what it left at a target is taken away first
			}
			version, barred := c.barred[j.ID]
			return barred && version == r.Version
		})
		all = append(all, &queues[i])
	}
	firstOf(all, maxPlan)
	for _, q := range all {
		for _, j := range q.Jobs {
			ids = append(ids, j.ID)
		}
	}
	return ids
}

// send proposes what is gathered.
func (c *chooser) send(ctx context.Context, cmd *ledger.Route) error {
	if len(cmd.List) == 0 {
		return nil
	}
	epochs, err := c.d.route(ctx, c.table, cmd)
	if err != nil {
		return err
	}
	n := map[string]int{}
	for i, e := range epochs {
		if e != 0 {
			n[cmd.List[i].Route]++
			c.turn++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n)) {
		c.took(name, n[name])
	}
	cmd.List = nil
	return nil
}

// route proposes that jobs go to targets, as routes of a table say, or, without one, as they
// ask themselves. For each it gives the attempt, or 0. None goes when another configuration
// has taken the place of the one that this was decided by: it is decided again.
func (d *Daemon) route(ctx context.Context, by *route.Table, c *ledger.Route) ([]uint32, error) {
	d.reload.placing.RLock()
	defer d.reload.placing.RUnlock()
	outdated := by != d.config().Routes
	if by == nil {
		outdated = slices.ContainsFunc(c.List, func(r ledger.Routed) bool {
			_, err := d.sites.at(r.Target)
			return err != nil
		})
	}
	if outdated {
		return make([]uint32, len(c.List)), nil
	}
	failpoint.Hit("route.place.before")
	res, err := d.propose(ctx, c)
	if err != nil {
		return nil, err
	}
	failpoint.Hit("route.place.after")
	return res.Value.([]uint32), nil
}

// choice is what the routes say to a job; not ok: there are none.
func (c *chooser) choice(v *ledger.View, job *ad.Ad) (out route.Choice, ok bool) {
	t := c.d.config().Routes
	if t == nil {
		return out, false
	}
	return t.Choose(job, c.load(t, v), c.d.c.Now()), true
}
