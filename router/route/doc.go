// Package route decides which route takes a job, and what the job becomes on its way.
//
// A [Table] is the routes of one router in their order, read from HTCondor's own
// configuration ([Read]) or lowered from blocks of ours by package configs. It never
// changes, so that goroutines may share one.
//
// # The decision
//
// [Table.Choose] is a pure function of a job's ad, the [Load] on the routes and an
// instant. It gives the first route that matches and has room (or, in round robin, the
// one whose turn it is), the ad of the routed job with the [Step] by which each of its
// attributes came about, and for every route of the table a [Verdict] that says in plain
// words why it takes the job or does not: a clause that is false or undefined, a bound
// that is reached, a throttle and until about when, a pause, a loop.
// [Table.Explain] is the same for each route as if it were the only one.
//
// # The routed job
//
// The copy is the job without what belonged to its former life (ids, times, counters),
// then edited by the transforms before all routes, the route's own, and those behind all
// routes: see [Transform] for their language. Unlike HTCondor's, the copy keeps its event
// log and its policies, so that whoever watches the job sees what becomes of it. It
// carries the way that it came (RoutePath), by which a job that would come to a route
// again is told: A to B to A ends at A.
//
// # The throttle
//
// A [Throttle] is a value: failures in an interval of ten minutes close a route down to
// what it may waste, successes open it again, and it heals by itself when nothing is
// heard. Whoever keeps it passes the instants in.
package route
