// Package router decides which idle job runs on which slot.
//
// [Cycle] is a pure function: jobs, slots and what owners use go in, a [Plan] comes
// out. A plan is a proposal; the ledger checks each assignment again. Nothing here
// knows a clock, a disk or a daemon.
//
// Jobs come in groups: those whose ads agree in everything that matching looks at
// have one ad here. Slots come in classes: those whose ads agree but for their names
// and for what is free of them. A verdict is worked out once for each group, class
// and amount of free resources, and kept in a [Matcher].
//
// [Matcher.Explain] answers "why does it not run" from the same evaluation.
package router
