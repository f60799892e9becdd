// Package fake is an engine in memory, for tests of those who use one.
//
// [New] makes an [Engine] from a [Config]; it is a gahp.Provider. Its machines live
// by a clock that the test may own: nothing moves between two looks, and each look
// finds what the clock says. Inside a testing/synctest bubble the bubble's clock is
// right by itself; elsewhere [Clock] is one that only the test moves.
//
// What goes wrong is data: a [Rule] says which calls it meets and what becomes of
// them, and [Engine.Inject] knows the rules for each fault of package conform.
//
// [Command] gives the engine to a GAHP that is a process of its own: the test binary,
// started once more. The engine stays in the test, so it outlives the GAHP.
package fake
