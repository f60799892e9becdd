// Package demo runs the main job of a grid in a sandbox and judges what came of it.
//
// The job is examples/wordcount, a workflow of 42 jobs, with examples/vm.hcl, a job that
// is a machine, and examples/deltacloud.sub, a job that borrows one. All are handed in
// by the real commands; the pool overflows, and machines come, work and go.
//
// The receipt rests on witnesses that do not know of each other:
//
//   - the client's own [ledger]: what was handed in, and acknowledged;
//   - the schedd's history, and the [story] that its events tell;
//   - the event logs, which belong to the user;
//   - the engine's own [record] of its machines;
//   - the words, counted again here: a count that were missing, or there twice, would
//     show in the sums.
package demo
