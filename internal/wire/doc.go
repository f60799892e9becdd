// Package wire is the worker contract, /worker/v1: what a schedd and a worker say
// to each other on one framed, full-duplex stream.
//
// # The stream
//
// The worker dials the schedd's listener (a Unix socket, or TLS with its
// certificate), sends GET /worker/v1/stream with "Upgrade: gridburst-worker/1",
// and both sides then exchange frames: a four-byte big-endian length and that many
// bytes of JSON, one [Frame]. A frame carries a batch of messages, the number of
// its first message, the number of the last message received, and so the credit:
// neither side has more than [Window] unacknowledged messages on the way. A gap in
// the numbers ends the stream; so does silence for longer than Welcome.Silence.
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
//     and its sandbox are kept.
//
// # Terms and epochs
//
// Every order carries the schedd's term, which grows with each start of the
// daemon, and an attempt's epoch, which grows with each execution of its job. A
// worker keeps the highest term that it has seen, on disk, and refuses orders of a
// lower one; the schedd refuses reports of any epoch but the current.
//
// # Leases
//
// A Welcome and each [Renew] extend the lease of all attempts by the worker's
// lease, counted on the worker's own boot-time clock from the moment of arrival.
// The runner of an attempt ends it when the lease runs out. The schedd gives an
// attempt up only later (its lease is longer by a margin), so an attempt is dead
// before another may begin.
//
// # Files
//
// Bulk data does not travel on the stream. With Execution.Transfer set, the worker
// fetches GET /worker/v1/attempts/JOB/EPOCH/inputs (a tar stream of the executable
// and the inputs, read as the job's owner) and sends PUT
// /worker/v1/attempts/JOB/EPOCH/outputs (a tar stream that the schedd stages)
// before it reports [Exited].
package wire
