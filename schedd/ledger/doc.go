// Package ledger is the one place where state changes: a log of commands, and the
// machine that folds them into the job queue.
//
// # How a change happens
//
// Somebody proposes a [Command]. The [Log] gives it the next index; one goroutine
// hands entries in batches to [Machine.ApplyBatch], which checks each against the
// state, stages what it changes, and writes entries and changes in one bbolt
// transaction; then the new [View] is published, then events, then the proposers
// get their answers. Durable before visible, visible before announced.
//
// Reading order: [Command] and its bodies (command.go, report.go, housekeeping.go)
// are what can be asked; [Job], [Cluster] and [Past] (record.go) are what is
// remembered; apply_*.go is what each command does; [View] and [Reader] are how to
// look, past.go how the history is searched; [Ledger] is the file, the lock and the
// goroutine.
//
// # What a job is
//
// A job is three things: an immutable template, shared by content among all
// clusters that were submitted with the same text; what is its cluster's own
// (arguments, output files, item data); and a record of 64 bytes that changes. Every
// proc of a cluster that nothing has happened to alone shares the cluster's record,
// so a million idle jobs are one. A removal of everything is one record too
// ([RemoveAll]): the jobs are out of the view at once, and move to the history in steps
// ([Clear]). The ledger carries attributes and never evaluates one: whatever depends on
// an expression is decided by the proposer, who names the version of the job that the
// decision rests on.
//
// # Laws, each with a test
//
//  1. The state is the fold of the log ([Verify]).
//  2. How entries are batched makes no difference.
//  3. Nor does the machine that applies them: no clock, no randomness, no I/O and no
//     map order in what applies (a test reads the source).
//  4. kill -9 loses nothing acknowledged and leaves nothing half done.
//  5. A refusal changes nothing.
//  6. The same idempotency key gives the first result.
//  7. A file of any earlier format is read.
//
// # What can go wrong
//
// A commit that fails has an unknown outcome: the machine stops, the process must
// end, and the restart looks. A full disk is foreseen: below a reserve, what makes
// the queue larger is refused with no_space, and reports and removals go on. A
// damaged record is found by its checksum, a lost one by its bucket's sum; the
// daemon runs without it and says so. A file that was cut short, or whose pages do not
// hang together, is refused before it is mapped.
package ledger
