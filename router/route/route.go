package route

import (
	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Defaults of what a table or a route does not say, HTCondor's.
const (
	DefaultName        = "jobrouter"
	DefaultMaxJobs     = 100
	DefaultMaxIdleJobs = 50
	DefaultFailureRate = 0.03 // failures per second
	NoBound            = -1
	defaultUniverse    = int(grid.Grid)
)

// Table is the routes of one router, in their order, with what holds for all of them. It
// never changes.
type Table struct {
	Name          string   // of the router, which the copies' RoutedBy says
	Source        *ad.Expr // which jobs are looked at at all; nil: all
	MaxJobs       int      // on all routes together; NoBound
	RoundRobin    bool     // matching routes take turns; otherwise the first takes all
	ReleaseOnHold bool     // a job that is held as its copy was is released when it is given back

	Pre    []*Transform // before each route's own
	Routes []*Route
	Post   []*Transform // behind it

	text    string            // what it was made of
	clauses []clause          // of Source
	macros  map[string]string // of the configuration, by folded name: transforms may use them
}

// Route is one way for jobs out of the queue.
type Route struct {
	Name         string
	GridResource string   // where the copy goes; empty: it stays in the pool, by its universe
	Universe     int      // of the copy
	Requirements *ad.Expr // which jobs, by their ads before any change; nil: all

	MaxJobs     int // at one time
	MaxIdleJobs int // of these, whose copies have not started; NoBound

	FailureRate float64  // failures per second that are borne before the throttle closes
	FailureTest *ad.Expr // of the finished job's ad: true counts as a failure; nil: none does

	Sandboxed   *ad.Expr // of the job's ad: its files are copied, not shared; nil: no
	EditInPlace *ad.Expr // of the job's ad: the job itself is edited, there is no copy; nil: no

	Transform *Transform // its own edits
	Pos       grid.Pos   // where it is written

	clauses []clause // of Requirements
}

// Same reports whether two tables say the same; nil is one without routes.
func (t *Table) Same(o *Table) bool {
	if t == nil || o == nil {
		return t == o
	}
	return t.text == o.text
}

// Route is the route of that name.
func (t *Table) Route(name string) *Route {
	for _, r := range t.Routes {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Failed reports whether a job that came to its end on the route counts as a failure.
func (r *Route) Failed(job *ad.Ad, now ad.Instant) bool { return holds(r.FailureTest, job, now) }

// holds reports whether an expression of a job's ad is true. None is not. TARGET is the job
// too: HTCondor's manual writes it so.
func holds(x *ad.Expr, job *ad.Ad, now ad.Instant) bool {
	return x != nil && ad.Truth(now.Eval(x, job, job))
}
