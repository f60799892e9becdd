// Package dag is workflows: graphs of jobs, and the life of a run of one.
//
// A [Graph] is a workflow as written; package dagfile reads one from a DAGMan file and
// package configs from HCL, both through a [Builder]. A [Run] is one execution of it.
// [Step] takes in one [Happening] and says what changed and what is to be done; it
// changes nothing itself. The caller keeps the [Change], then [Run.Apply]s it, then
// does the [Action]s:
//
//	change, actions, err := dag.Step(run, dag.ProcsLeft{Node: 3, Cluster: 12, At: at, Procs: 1})
//	... propose change; when it is durable:
//	err = run.Apply(change)
//	... do actions, and report what came of them as happenings
//
// # What is kept
//
// A [Header] for the run and a [Record] for each node that has acted. All else follows
// from these and the graph: which nodes wait, are ready or futile, NOOP and DONE nodes,
// joins. [Open] computes it. So a happening changes a record or two and those of the
// nodes that are asked for next, never more than [MaxAsked] of them, however many nodes
// it releases or makes futile.
//
// # If the process dies
//
// Before the change is kept, the happening is taken in again. After that and before the
// actions, [Resume] gives them again: a [Submit] names its node and attempt and must
// be submitted under a key made of them, so that the second time finds the first one's
// cluster; removing jobs twice is removing them once. A ProcsLeft counts once, by its
// position in the ledger's events, however often it is given and even if it comes before
// the Submitted that it belongs to.
//
// # How a node ends
//
//	waiting -> ready -> submitted -> done      every proc succeeded
//	             ^          |
//	             +--retry---+------> failed    a proc failed, and no attempt is left
//	waiting -> futile                          a parent failed or is futile
//
// The first proc that fails decides: the rest of its cluster is removed. The run goes on
// with what can still be done, and has failed when a node has. Ready nodes go by
// priority, then by their place in the file, as many as the run's and their category's
// limits allow.
//
// # Services
//
// A service that says when it is ready ([Node.ReadyWithin]) is one that the nodes need: none
// begins before it is, in its present attempt, and none when it has ended for good, which
// ends the run. Services begin behind those that they wait for and are removed before them:
//
//	submitted, begins -> ready     its job says so: [Serving]
//	    begins -> late             its time is over: it is removed, and tried again
//	    begins, ready -> lost      its execution ended before its job: the same
//
// An attempt is one execution, so there are never two of one service: its job is gone when
// the next attempt is submitted.
//
// A Run is for one goroutine. Nothing here uses a clock, randomness or I/O.
package dag
