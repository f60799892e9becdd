// Package sandbox is a whole grid of one's own in one directory: an engine that is
// simulated, a schedd and a worker, kept up until they are told to end.
//
// [Prepare] fills a [Dir], [Open] starts what is in it as a [House], which starts again
// whatever dies, and [House.Close] ends all of it.
//
//	DIR/sandbox.json   whose directory it is: nothing else is ever emptied
//	DIR/lock           held by whoever runs it
//	DIR/state.json     there while it is up: who runs it
//	DIR/schedd.hcl     the schedd's configuration
//	DIR/schedd/        the schedd's own directory
//	DIR/worker/        the worker's
//	DIR/engine/        the engine's model, machines, journal and authority
//	DIR/*.log          what the programs say
//
// # What a death leaves
//
// A program dies: it is started again, at once the first time, later and later when it
// keeps dying. Runners outlive their agent and are found by the next.
//
// The process that keeps the house dies: it has a guard, its parent ([Guard]). Each is
// the reaper of what is below it, and each watches the other. So whichever of the two is
// killed, the other ends everything, by the ids of the processes below it.
package sandbox
