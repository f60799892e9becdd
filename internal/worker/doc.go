// Package worker is the agent of one machine: it offers the machine to a schedd, runs
// what it is given, and keeps every result until it is told to forget it.
//
// [Agent] is all of it, [Agent.Run] its life. One goroutine holds the line to the schedd
// (link.go); each attempt has one of its own (attempt.go), which takes it from Start to
// Forget with the help of a runner (runners.go, package runner) and, where files travel,
// of the schedd's contract for them (transfer.go). Identity over TLS is join.go's, what
// the machine offers machine.go's.
//
// # What a death leaves
//
//	STATE/private/worker.json             the term
//	STATE/private/worker.key, .pem        who it is, over TLS
//	STATE/private/journal/12.0.3.json     an attempt, written before anything is done about it
//	STATE/private/journal/12.0.3.result   what its runner has written
//	STATE/private/runner/ID/              a runner
//	STATE/sandbox/12.0.3/                 an attempt's files; jobs see nothing else of STATE
//
// The agent dies: runners and jobs go on. The next agent finds the runners, asks each
// what it does, and takes the attempts up where they are; one that no runner has and
// that has no result is lost, and is reported so, never started again. Journals are not
// synced: with the machine every attempt dies, and the next boot id says so.
//
// The schedd dies, or the line: jobs go on until their lease ends, which their runners
// enforce. In a machine of ours the guest is powered off when the lease has ended and
// nobody has renewed it.
package worker
