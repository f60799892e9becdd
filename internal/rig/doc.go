// Package rig runs this project's own programs in a sandbox, from outside.
//
// A bench or a chaos run builds the programs ([Build]), starts them ([Rig.Start],
// [Rig.Schedd]), kills them as it likes, and ends with nothing left ([Rig.Close]).
// The process that holds a Rig is the reaper of whatever its children leave behind,
// so every process below it can be found by who its parents are, and is ended by its
// own id: a runner that outlives its agent, a guest that outlives its engine.
package rig
