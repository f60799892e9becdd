// Package schedd is the queue daemon: it owns the ledger, and the loops that look at
// the world, decide, and propose.
//
// # Reading order
//
// [Config] says what a daemon is told; [Daemon] (daemon.go) starts and stops
// everything. The loops, one goroutine and one concern each:
//
//	dispatch.go     follows events: which jobs wait, what is given to whom; plans and orders
//	workers.go      one connection to each worker: its reports in, orders out
//	reports.go      turns what became of attempts into commands, many at a time
//	takeover.go     puts outputs into place and lets jobs end
//	checkpoints.go  keeps what jobs have saved of themselves
//	lease.go        gives up attempts of workers that are silent for too long
//	logs.go         writes the users' event logs; logbook.go says which lines, and what a mark tells
//	routings.go     jobs at targets, step by step; site.go: a target and its listings
//	keep.go         forgets what is past its keeping, makes checkpoints of the queue
//	trim.go         gives memory back that a burst of work has taken
//
// and what users ask: submit.go, act.go, query.go, why.go.
//
// # What a crash leaves
//
// Nothing but the ledger counts; of the files of jobs' checkpoints it says which one does. What else the daemon knows (who is connected, what
// waits, how much of a worker is given away) follows from the ledger and from what
// workers say when they come back. Every order may be repeated; every report is
// checked against the job's current epoch.
package schedd
