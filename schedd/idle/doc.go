// Package idle knows which jobs wait: in order, by owner, and in groups that match
// alike.
//
// An [Index] follows the ledger: for each batch of events it is told which jobs
// something happened to, and looks them up. Jobs are grouped by the attributes that
// matching looks at: what Requirements, Rank and requests name, in whatever depth,
// and what slots name in theirs. For most clusters that depends on the template
// alone, so a hundred thousand clusters of a thousand templates are a thousand
// groups, found without reading an ad. The index is memory only; a start builds it
// from the view.
package idle
