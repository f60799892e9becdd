package schedd

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/target"
)

// routings takes every job that is placed at a target through its life there: intend, act,
// report, look. Each step looks at the routing as the ledger has it and at what the target
// shows, asks the target for at most one thing, and proposes what came of it, resting on
// the version that it looked at. A step that died anywhere is done again, by looking
// first: nothing is handed to a target twice under one name while it may have it.
type routings struct {
	d     *Daemon
	seen  uint64
	woken chan struct{} // has one element when there is something to do
	in    chan carrying // what steps propose
	wg    sync.WaitGroup

	mu    sync.Mutex
	known map[grid.JobID]*journey
	due   map[grid.JobID]bool // to be looked at now
	later map[grid.JobID]bool // to be looked at when their time has come
}

// journey is what the loop knows of one routing beside the ledger.
type journey struct {
	busy    bool
	version uint32 // of the routing, at the last step
	epoch   uint32
	again   time.Time // zero: when something happens
	tries   int       // troubles in a row
	waits   string    // what it waits for, for people
	site    *site
	name    string // there
	looks   bool   // it waits for a listing
	did     errand // is the step's while one is busy
}

// errand is what was last done for a routing since it has its version.
type errand struct {
	at       time.Time // looks at the job begin after it
	order    string    // that the target was given; empty: none
	failed   int       // times in a row
	why      string    // the last failure
	asked    bool      // the target was asked to take the job
	refused  string    // its words, when it would not
	refusals int       // in a row
	sha256   string    // of the outputs that are being put in place
	checked  time.Time // when its result was last looked for, though the target says that it runs
	noted    time.Time // when the job was first seen to have ended without a result
	cut      int       // how often what it left did not come
	stranded time.Time // when its target was first seen to have taken it from its machine
}

func newRoutings(d *Daemon) *routings {
	return &routings{
		d: d, woken: make(chan struct{}, 1), in: make(chan carrying, 1024), known: map[grid.JobID]*journey{}, due: map[grid.JobID]bool{}, later: map[grid.JobID]bool{},
	}
}

func (r *routings) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// shown makes the loop look at jobs of a target that a listing is news for: those that it
// shows otherwise than the one before, and those whose steps wait for one.
func (r *routings) shown(s *site, news func(name string) bool) {
	r.mu.Lock()
	for id, j := range r.known {
		if j.site == s && (j.looks || news(j.name)) {
			r.due[id] = true
		}
	}
	r.mu.Unlock()
	r.wake()
}

// again makes the loop look at everything.
func (r *routings) again() {
	r.mu.Lock()
	for id := range r.known {
		r.due[id] = true
	}
	r.mu.Unlock()
	r.wake()
}

// waits is what a routing waits for; empty when there is nothing to tell.
func (r *routings) waits(id grid.JobID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.known[id]
	if j == nil {
		return ""
	}
	if j.site != nil {
		if err := j.site.blind(); err != nil {
			return err.Error() + "; nothing is concluded from that"
		}
	}
	return j.waits
}

func (r *routings) run(ctx context.Context) error {
	defer r.wg.Wait()
	failed := make(chan error, 1)
	r.wg.Go(func() {
		if err := r.carry(ctx); err != nil {
			failed <- err
		}
	})
	r.rebuild()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.follow(ctx); err != nil {
			return ignoreEnd(ctx, err)
		}
		timer.Reset(r.start(ctx))
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return ignoreEnd(ctx, err)
		case <-r.d.ledger.Changed(r.seen):
		case <-r.woken:
		case <-timer.C:
		}
	}
}

func (r *routings) rebuild() {
	v := r.d.ledger.View()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = v.Index
	for id := range v.Routings() {
		r.due[id] = true
	}
}

// follow takes in the events since the last time: a job that has a routing, or had one, is
// looked at when anything happens to it.
func (r *routings) follow(ctx context.Context) error {
	rebuild := func() error { r.rebuild(); return nil }
	return r.d.follow(ctx, &r.seen, rebuild, func(v *ledger.View, events []ledger.Event) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range events {
			e := &events[i]
			switch {
			case e.Type == ledger.RouteMoved:
				r.due[e.Jobs.First()] = true
			case e.Type == ledger.QueueCleared, e.Jobs.Cluster != 0 && e.Jobs.Len() > 1:
				for id := range r.known {
					if e.Type == ledger.QueueCleared || e.Jobs.Has(id) {
						r.due[id] = true
					}
				}
			case e.Jobs.Cluster != 0:
				if id := e.Jobs.First(); r.known[id] != nil {
					r.due[id] = true
				}
			}
		}
		return nil
	})
}

// start begins the steps that are due, and says when the next one is.
func (r *routings) start(ctx context.Context) time.Duration {
	v := r.d.ledger.View()
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	wait := calm
	for id := range r.later {
		j := r.known[id]
		if j == nil || j.busy || j.again.IsZero() {
			delete(r.later, id)
			continue
		}
		if left := j.again.Sub(now); left > 0 {
			wait = min(wait, left)
		} else {
			r.due[id] = true
		}
	}
	for id := range r.due {
		rec, open := v.Routing(id)
		j := r.known[id]
		switch {
		case !open:
			delete(r.due, id)
			if j != nil && !j.busy {
				if j.site != nil {
					j.site.forget(j.name)
				}
				delete(r.known, id)
			}
			continue
		case j == nil:
			j = &journey{}
			r.known[id] = j
		case j.busy:
			continue // it is due still when the step is done
		}
		delete(r.due, id)
		if j.version != rec.Version || j.epoch != rec.Epoch {
			j.did = errand{at: now, sha256: j.did.sha256}
		}
		j.busy, j.version, j.epoch, j.again = true, rec.Version, rec.Epoch, time.Time{}
		s := r.step(v, id, &rec, j)
		j.name = s.name
		r.wg.Go(func() { r.do(ctx, s, j) })
	}
	return wait
}

// do does one step and notes when to look again: after a while, or when something happens.
func (r *routings) do(ctx context.Context, s *routeStep, j *journey) {
	again, err := s.advance(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	j.busy, j.waits, j.looks, j.again = false, s.waits, s.looks, time.Time{}
	if s.site != nil {
		j.site = s.site
	}
	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
		j.tries = 0
		if again > 0 {
			j.again, r.later[s.id] = time.Now().Add(again), true
		}
	case grid.CodeOf(err) == grid.Conflict:
		r.due[s.id] = true // it has changed meanwhile
	default:
		j.tries++
		j.again, r.later[s.id] = time.Now().Add(max(again, backOff(j.tries))), true
		j.waits = err.Error()
		log := r.d.log.WithError(err).WithField("job", s.id)
		if j.tries == 1 || j.tries%20 == 0 {
			log.Warn("a job at a target has trouble, and is tried again")
		} else {
			log.Debug("a job at a target has trouble, and is tried again")
		}
	}
	r.wake()
}

// carrying is a proposal of a step, and where the answer goes.
type carrying struct {
	ledger.Carried
	done chan bool
}

// carries bounds the routings of one command.
const carries = 300

// carry gathers what steps propose, and proposes it, many at a time.
func (r *routings) carry(ctx context.Context) error {
	for {
		var list []carrying
		select {
		case c := <-r.in:
			list = append(list, c)
		case <-ctx.Done():
			return nil
		}
		for more := true; more && len(list) < carries; {
			select {
			case c := <-r.in:
				list = append(list, c)
			default:
				more = false
			}
		}
		c := &ledger.Carry{List: make([]ledger.Carried, len(list))}
		for i := range list {
			c.List[i] = list[i].Carried
		}
		res, err := r.d.propose(ctx, c)
		if err != nil {
			return err
		}
		for i, counted := range res.Value.([]bool) {
			list[i].done <- counted
		}
	}
}

// routeStep is one step of one routing.
type routeStep struct {
	r     *routings
	d     *Daemon
	v     *ledger.View
	id    grid.JobID
	rec   ledger.Routing
	job   ledger.Job
	here  bool // that is the job's placement
	did   *errand
	site  *site
	name  string // at the target
	dir   string // what the job needs there
	owner desk.Owner
	waits string
	looks bool
	moot  bool // how it ends says nothing of its route
}

func (r *routings) step(v *ledger.View, id grid.JobID, rec *ledger.Routing, j *journey) *routeStep {
	s := &routeStep{r: r, d: r.d, v: v, id: id, rec: *rec, did: &j.did, name: ledger.RoutingName(v.Deployment, id, rec.Epoch)}
	s.dir = filepath.Join(rec.Dir, "."+s.name)
	o, _ := v.Owner(rec.Owner)
	s.owner = desk.Owner(o)
	var ok bool
	s.job, ok = v.Job(id)
	s.here = ok && s.job.Place == ledger.AtTarget && s.job.Epoch == rec.Epoch
	return s
}

// wanted reports whether the job is to go on at its target.
func (s *routeStep) wanted() bool {
	return s.here && s.job.Status != grid.Held && s.job.Status != grid.Removed && s.job.Flags&ledger.Vacating == 0
}

// at is a job by the id that a listing shows it with: a target that went back in time may
// have given the id that is known of it to another.
func (s *routeStep) at(seen *target.Seen) target.Ref {
	r := s.ref()
	r.ID = seen.ID
	return r
}

func (s *routeStep) ref() target.Ref {
	return target.Ref{Owner: target.Owner(s.owner), Name: s.name, ID: s.rec.Remote}
}

// carry proposes one line of the routing's table, with what it means for the job while that
// is its placement. [grid.Conflict]: the routing, or the job, is not what the step rests on.
func (s *routeStep) carry(ctx context.Context, verb grid.RouteVerb, reason string, reports ...ledger.AttemptReport) error {
	return s.propose(ctx, ledger.Carried{Verb: verb, Reason: reason, Report: reports})
}

func (s *routeStep) propose(ctx context.Context, c ledger.Carried) error {
	c.Job, c.Epoch, c.Version = s.id, s.rec.Epoch, s.rec.Version
	if !s.here {
		c.Report = nil
	}
	for i := range c.Report {
		a := &c.Report[i]
		a.Job, a.Epoch = s.id, s.rec.Epoch
		if a.Kind == ledger.Stopped || a.Kind == ledger.Vanished {
			s.d.onceOnly(s.d.ledger.View(), a)
		}
	}
	p := carrying{Carried: c, done: make(chan bool, 1)}
	select {
	case s.r.in <- p:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case counted := <-p.done:
		if !counted {
			return grid.Errorf(grid.Conflict, "the routing of job %s has changed since", s.id)
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if c.Verb != "" {
		s.d.log.WithFields(map[string]any{"job": s.id, "target": s.rec.Target, "route": s.rec.Route}).Debug("routing: " + string(c.Verb))
	}
	if s.site != nil { // it cannot be asked when it is not configured
		s.site.stirs()
	}
	if c.Verb == grid.RouteEnd || c.Verb == grid.RouteRefuse {
		s.count(c.Report)
	}
	return nil
}

// count lets the route know how the job came to its end there. One that its owner has
// ended says nothing of the route.
func (s *routeStep) count(reports []ledger.AttemptReport) {
	if s.rec.Route == "" || s.moot || !s.wanted() {
		return
	}
	failed := len(reports) == 0 || reports[0].Kind != ledger.Ended
	if t := s.d.config().Routes; !failed && t != nil {
		if r := t.Route(s.rec.Route); r != nil && r.FailureTest != nil {
			if job, err := s.d.ads.Job(s.d.ledger.View(), s.id); err == nil {
				failed = r.Failed(job, instant())
			}
		}
	}
	s.d.chooser.ended(s.rec.Route, failed)
}

// stopped says that the attempt was ended on our order, or never began.
func stopped(why string) ledger.AttemptReport {
	return ledger.AttemptReport{Kind: ledger.Stopped, Vacate: grid.VacateRemoved, Reason: why}
}

// parked says that the job cannot run, and why.
func parked(code grid.HoldCode, sub int32, why string) ledger.AttemptReport {
	return ledger.AttemptReport{Kind: ledger.Failed, HoldCode: code, HoldSub: sub, Reason: why}
}
