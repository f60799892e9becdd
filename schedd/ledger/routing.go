package ledger

import (
	"fmt"
	"iter"

	"gridburst/internal/grid"
)

// Routing is a job's placement at a target outside of the pool: it is here before the
// target hears of it, and until nothing of it is left there. A job has at most one; one
// that has left the queue while its target had it keeps its routing until that is over.
type Routing struct {
	State   grid.RouteState
	Epoch   uint32 // the job's attempt that it is
	Route   string // that took the job, by its name in the daemon's configuration; empty: the job asked for the target itself
	Target  string // as a grid_resource names it
	Remote  string // the target's id of it; empty while none is known
	Owner   uint32
	Dir     string // the job's working directory, where what it needs there lies
	Term    uint64 // in which it was begun: a later one does not know what was asked
	Wanted  int64  // ms since 1970
	Entered int64  // when State was entered, ms since 1970
	Version uint32 // grows with every change
	Copied  bool   // the job's hold is the target's
	Reason  string // of the last change
}

// RoutingName is what a routing is called at its target. It follows from the deployment,
// the job and the attempt, so it is the idempotency key: whoever does not know whether a
// job was handed over looks for it.
func RoutingName(deployment string, id grid.JobID, epoch uint32) string {
	return fmt.Sprintf("%s%s-%d", RoutingPrefix(deployment), id, epoch)
}

// RoutingPrefix is what the names of a deployment's routings begin with.
func RoutingPrefix(deployment string) string {
	return "gb-" + deployment[:min(len(deployment), 16)] + "-"
}

func (r *Routing) encode() *enc {
	e := newEnc(128)
	e.byte(byte(r.State))
	e.u(uint64(r.Epoch))
	e.str(r.Route)
	e.str(r.Target)
	e.str(r.Remote)
	e.u(uint64(r.Owner))
	e.str(r.Dir)
	e.u(r.Term)
	e.i(r.Wanted)
	e.i(r.Entered)
	e.u(uint64(r.Version))
	e.bool(r.Copied)
	e.str(r.Reason)
	return e
}

func decodeRouting(k, v []byte) (r Routing, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return r, err
	}
	d := dec{b: body}
	r = Routing{
		State: grid.RouteState(d.byte()), Epoch: d.u32(), Route: d.str(), Target: d.str(), Remote: d.str(), Owner: d.u32(), Dir: d.str(),
		Term: d.u(), Wanted: d.i(), Entered: d.i(), Version: d.u32(), Copied: d.bool(), Reason: d.str(),
	}
	return r, d.err()
}

// Route gives idle jobs to targets: the intent, before any target is asked. Each stands or
// falls alone. The result is a []uint32, for each the job's epoch, or 0 when it was refused.
type Route struct{ List []Routed }

// Routed is one job's.
type Routed struct {
	Job     grid.JobID
	Version uint32 // the version of the job that the decision rests on
	Route   string // empty: the job asks for the target itself
	Target  string
	Dir     string
	MaxJobs uint32 // refused when the route has so many jobs, or, of no route, the target; 0: no bound
	MaxIdle uint32 // refused when so many of those do not run; 0: no bound
	Where   string // for people
	Attrs   []Attr // what the job's ad learns from it
}

func (*Route) Kind() Kind { return KindRoute }
func (c *Route) encode(e *enc) {
	e.u(uint64(len(c.List)))
	for i := range c.List {
		r := &c.List[i]
		e.job(r.Job)
		e.u(uint64(r.Version))
		e.str(r.Route)
		e.str(r.Target)
		e.str(r.Dir)
		e.u(uint64(r.MaxJobs))
		e.u(uint64(r.MaxIdle))
		e.str(r.Where)
		e.attrs(r.Attrs)
	}
}

func (c *Route) decode(d *dec) {
	if n := d.count(10); n > 0 {
		c.List = make([]Routed, n)
		for i := range c.List {
			c.List[i] = Routed{
				Job: d.job(), Version: d.u32(), Route: d.str(), Target: d.str(), Dir: d.str(), MaxJobs: d.u32(), MaxIdle: d.u32(), Where: d.str(), Attrs: d.attrs(),
			}
		}
	}
}

// Carry takes routings through a line of their table each, or notes what was learnt of
// them when Verb is empty. What that means for the job is reported in the same step: there
// is no moment at which one has ended without the other. Each stands or falls alone. The
// result is a []bool: which of them counted.
type Carry struct{ List []Carried }

// Carried is one routing's.
type Carried struct {
	Job     grid.JobID
	Epoch   uint32
	Version uint32 // of the routing, that the decision rests on
	Verb    grid.RouteVerb
	Remote  string // the target's id, if it has become known
	Reason  string
	Code    grid.HoldCode // of a hold
	Sub     int32
	Report  []AttemptReport // none or one
}

func (*Carry) Kind() Kind { return KindCarry }
func (c *Carry) encode(e *enc) {
	e.u(uint64(len(c.List)))
	for i := range c.List {
		r := &c.List[i]
		e.job(r.Job)
		e.u(uint64(r.Epoch))
		e.u(uint64(r.Version))
		e.str(string(r.Verb))
		e.str(r.Remote)
		e.str(r.Reason)
		e.i(int64(r.Code))
		e.i(int64(r.Sub))
		(&Report{r.Report}).encode(e)
	}
}

func (c *Carry) decode(d *dec) {
	if n := d.count(10); n > 0 {
		c.List = make([]Carried, n)
		for i := range c.List {
			r := &c.List[i]
			*r = Carried{
				Job: d.job(), Epoch: d.u32(), Version: d.u32(), Verb: grid.RouteVerb(d.str()), Remote: d.str(), Reason: d.str(), Code: d.holdCode(), Sub: d.i32(),
			}
			var rep Report
			rep.decode(d)
			r.Report = rep.List
		}
	}
}

// Routing is a job's, if it has one.
func (v *View) Routing(id grid.JobID) (Routing, bool) {
	if id.Cluster <= 0 || id.Proc < 0 {
		return Routing{}, false
	}
	return v.routings.get(uint32(id.Cluster), uint32(id.Proc))
}

// Routings yields all of them, by ascending job.
func (v *View) Routings() iter.Seq2[grid.JobID, *Routing] {
	return func(yield func(grid.JobID, *Routing) bool) {
		for at, r := range v.routings.all() {
			if !yield(grid.JobID{Cluster: int32(at[0]), Proc: int32(at[1])}, r) {
				return
			}
		}
	}
}

// RouteTally counts the jobs that a route, or a target, has.
type RouteTally struct {
	Jobs    int
	Idle    int // that do not run there
	Running int
	Held    int // of the idle ones
	Unknown int // of the idle ones: whether the target has them is not known
}

// RouteKey is what jobs are counted by: a route, or the target that they ask for themselves.
type RouteKey struct{ Route, Target string }

// Key is what the routing counts in.
func (r *Routing) Key() RouteKey {
	if r.Route != "" {
		return RouteKey{Route: r.Route}
	}
	return RouteKey{Target: r.Target}
}

// RouteTallies counts all routings whose jobs are not over.
func (v *View) RouteTallies() map[RouteKey]RouteTally {
	out := map[RouteKey]RouteTally{}
	for _, r := range v.Routings() {
		if r.State == grid.RouteEnded {
			continue
		}
		t := out[r.Key()]
		t.Jobs++
		switch {
		case r.State == grid.RouteHeld:
			t.Held++
		case r.State == grid.RouteUnknown:
			t.Unknown++
		}
		if r.State.Idle() {
			t.Idle++
		} else {
			t.Running++
		}
		out[r.Key()] = t
	}
	return out
}
