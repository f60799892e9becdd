// Package chaos kills a grid's programs while jobs run on it, and judges from outside
// whether anything was lost, doubled or left behind.
//
// A run starts an engine simulator with machines of other people on it, a gschedd and
// two gworkers, hands in jobs of many shapes, and kills gschedd, its desks, gworkers,
// runners and the engine's helper, at random instants and at every named failpoint,
// one after another. Whatever dies is started again. Then it waits until the queue is
// empty and judges.
//
// What the programs say of themselves is no evidence. Three observers are:
//
//   - the [Client]'s own ledger: what was handed in under which key, on the disk before
//     it was asked for, and what was acknowledged;
//   - the [Witness], which every job calls, and whose connection the kernel ends when
//     the job dies;
//   - the engine's own record of what became of which machine.
//
// [Engines] is a run of another kind: nothing but the engine, and what stands between it
// and the queue, goes wrong, in every way that we know of ([Kinds]), while hundreds of
// machines come and go. The engine's own record is the judge's evidence, with what the
// queue had wished for when.
//
// [Traces] kills nobody: it runs the workflows of traces over the engine's machines.
//
// The same seed gives the same jobs and the same order of faults. When something is
// wrong, what each observer saw of it lies in the sandbox.
package chaos
