// Package worker is the agent of one machine: it offers the machine to a schedd, runs
// what it is given, and keeps every result until it is told to forget it.
//
// [Agent] is all of it, [Agent.Run] its life. One goroutine holds the line to the schedd
// (link.go) and follows its orders; another watches what happens because nothing happens
// (watch.go). Each attempt has one of its own (attempt.go), which takes it from Start to
// Forget with the help of a runner (runners.go, package runner) and, where files travel,
// of the schedd's contract for them (transfer.go); checkpoint.go is what it does when the
// job exits to be begun again, say.go how it passes on what the job, or its check, says. recall.go is how attempts begin, by an
// order or from what an earlier agent left. Identity over TLS is join.go's, whose rights
// a job has owner.go's, what the machine offers machine.go's.
//
// # What a death leaves
//
//	STATE/private/worker.json             the term
//	STATE/private/worker.key              who it is, over TLS
//	STATE/private/certificate.json        and the schedd's word for that
//	STATE/private/lease.json              until when a machine of ours may run
//	STATE/private/journal/12.0.3.json     an attempt, written before anything is done about it
//	STATE/private/journal/12.0.3.result   what its runner has written
//	STATE/private/runner/ID/              a runner
//	STATE/sandbox/12.0.3/                 an attempt's files; jobs see nothing else of STATE
//
// The agent dies: runners and jobs go on. The next agent asks each runner what it does
// and takes the attempts up where they are; one that no runner has and that has no result
// is lost, and is reported so, never started again. It does not come back to the schedd
// before it is certain what lives. An end that the agent itself came to, or whose outputs
// the schedd has, is in the journal before it is told, so that a next agent tells the
// same. The journal is not synced: with the machine every attempt dies, and the next boot
// id says so. Of an attempt from before the machine's start only an end counts that needs
// nothing more from its disk.
//
// A job that has exited for a checkpoint is begun again only when the schedd has that. Its
// result stays until then, so that a next agent sends the checkpoint again; and the entry
// says that the job is to begin again until a runner is about to be told.
//
// The schedd dies, or the line: jobs go on until their lease ends, which their runners
// enforce; the agent kills a runner that does not. A machine of ours is powered off when
// its lease has ended and nobody has renewed it, whatever agent it had in between.
//
// # Locks
//
// The agent's mutex comes before an attempt's. A lease is handed on from one to the other
// without a gap, and messages are sent under the agent's, so that neither an older lease
// nor an older report overtakes a newer one.
package worker
