// Package wire is the worker contract, /worker/v1: what a schedd and a worker say
// to each other on one framed, full-duplex stream.
//
// # The stream
//
// The worker dials the schedd's listener (a Unix socket, or TLS with its
// certificate), sends GET /worker/v1/stream with "Upgrade: gridburst-worker/1"
// ([Dial], [Accept]), and both sides then exchange blocks: a four-byte big-endian
// length and that many bytes of JSON, one [Frame].
//
//	+--------+--------+--------+--------+----------------------------------+
//	|      length, at most MaxFrame     | {"n":7,"a":3,"m":[{...},{...}]}  |
//	+--------+--------+--------+--------+----------------------------------+
//
// A frame carries a batch of messages, the number of its first message, the number
// of the last message received, and so the credit: neither side has more than
// [Window] unacknowledged messages on the way. A gap in the numbers ends the
// stream; so does silence. Each side sends an empty frame when it had nothing to
// say for a third of the silence that it would itself put up with. [Stream] is
// all of that, for both sides.
//
// # State, not history
//
// Nothing is replayed when a stream breaks. The worker's first message is [Hello],
// which lists every attempt that it holds: running ones, and ended ones that the
// schedd has not told it to [Forget]. The schedd compares and repeats what is
// missing. Every order is therefore safe to repeat:
//
//   - [Start] of an attempt that the worker holds (same job, same epoch) only makes
//     it report again. The worker writes an attempt to its journal before it acts
//     on Start, so a worker that died in between reports [Lost], never a second
//     start.
//   - [Kill] of an unknown attempt is answered with [Lost].
//   - [Forget] ends the worker's duty for an attempt; until then its last report
//     and its sandbox are kept. Forget of one that still runs ends it at once.
//
// A worker holds at most [MaxAttempts], so that a Hello fits one frame; it answers
// a Start beyond that, and one that comes while it drains, with Lost.
//
// # Terms and epochs
//
// Every order carries the schedd's term, which grows with each start of the
// daemon, and an attempt's epoch, which grows with each execution of its job. A
// worker keeps the highest term that it has seen, on disk, hangs up on a [Welcome]
// of a lower one and drops orders of a lower one; the schedd refuses reports of any
// epoch but the current.
//
// # Nodes
//
// Each node of a job of several is an attempt by itself, on the same worker or another: with
// a report, a sandbox and an end of its own, and no word of the others. Its epoch says which
// node of which attempt of the job it is ([grid.NodeEpoch]), and Execution.Nodes that it is
// one. A later attempt of a job ends an earlier one on the same worker; nodes of one attempt
// are neither.
//
// # Leases
//
// A lease is counted from a moment on the worker's own boot-time clock that it
// knows to lie before the schedd's consent. A worker sends its clock, in [Hello] and then in a
// [Beat] every Welcome.RenewMS; the schedd's answer ([Welcome], [Renew]) carries it
// back, and the lease of every attempt then ends Welcome.LeaseMS after that clock.
// Counting from the answer's arrival instead would let an answer that waited in a
// socket while the agent was stopped, or the line was cut one way, extend a lease
// that the schedd has given up. The runner of an attempt ends it when the lease
// runs out. The schedd's own lease starts with its last answer and is longer by a
// margin, so an attempt is dead before another may begin. What this cannot cover is
// a guest whose clock stands still while its hypervisor holds it: there the schedd
// has to see the machine down first.
//
// # Files
//
// Bulk data does not travel on the stream. With Execution.Transfer set, the worker
// fetches GET /worker/v1/attempts/JOB/EPOCH/inputs, a tar stream of the executable
// and the inputs, read as the job's owner. It sends PUT
// /worker/v1/attempts/JOB/EPOCH/outputs, a tar stream that the schedd stages, before
// it reports [Exited]; the report's [Staged] names the stream by its digest, and
// the schedd takes over no other. Both requests name the agent by its
// Hello.Session in the header [SessionHeader]. A tar stream holds regular files,
// directories and symbolic links; in an outputs stream [StdoutName] and
// [StderrName] are what the job wrote there, and everything else lies below
// [OutputDir].
//
// # Checkpoints
//
// With Execution.Checkpoint set, an exit as that says is no end. The worker sends PUT
// /worker/v1/attempts/JOB/EPOCH/checkpoint ([KeepPath]), a stream as of outputs with the
// checkpoint's files below [OutputDir], and begins the job again in its sandbox once the
// schedd has answered with [Kept]. Sending one of the same number again changes nothing. An
// attempt of a job that has a checkpoint (Checkpoint.Kept) begins with its inputs and
// then GET /worker/v1/attempts/JOB/EPOCH/checkpoint, that same stream. A job that was told
// to end, and has exited so, has its checkpoint sent before its end is reported.
//
// # Joining
//
// A worker with a one-time token asks POST /worker/v1/join with a [JoinRequest] and
// is given a [JoinAnswer]; with its certificate it asks POST /worker/v1/renew with
// a [RenewRequest] and is given the same. Repeating a join with the same key gives
// the same answer; with another key the token is spent. Requests that fail are
// answered with a [Problem].
package wire
