// Package grid is the vocabulary of Gridburst: job ids, states, codes, errors, units.
//
// It does nothing and imports nothing of ours. Where HTCondor has a word or a
// number for a thing, this package uses it: status 1 is Idle, hold code 1 is a
// user's request, universe 9 is grid.
//
// Reading order: [JobID] and [Run] name jobs; [Status], [ClaimState] and
// [NodeState] are the three life cycles, each a table that [Status.On],
// [ClaimState.On] and [NodeState.On] read and nothing else assigns; [Error] is
// what every border of the program returns; [Diagnostic] is a problem in a file
// that a person wrote.
package grid

//go:generate go test -run TestStatesDocIsCurrent -update .
