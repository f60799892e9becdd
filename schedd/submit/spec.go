// Package submit is the submit language: what people write about jobs, and the
// job ads that it means.
package submit

// Attr is a job attribute with its value as ClassAd source.
type Attr struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
}

// Spec is one submission, lowered: a cluster of jobs. Everything that does not
// differ between its procs is worked out; what does is a [Column], computed when a
// proc's ad is asked for. A job file may hold several.
type Spec struct {
	Attrs    []Attr    `json:"attrs"`    // of every proc, by name, names unique but for case
	Sections []Section `json:"sections"` // one for each queue statement, in order
}

// Section is the procs that one queue statement makes.
type Section struct {
	Attrs   []Attr     `json:"attrs,omitempty"`   // on top of Spec.Attrs
	Columns []Column   `json:"columns,omitempty"` // on top of both
	Vars    []string   `json:"vars,omitempty"`    // names of the item variables
	Items   [][]string `json:"items,omitempty"`   // one row each, as long as Vars; none: no item
	PerItem int        `json:"per_item"`          // procs for each item, or in all without items
}

// Column is an attribute whose value differs from proc to proc.
type Column struct {
	Attr string   `json:"attr"`
	Kind string   `json:"kind"` // how the expanded text becomes a value
	Text string   `json:"text,omitempty"`
	List []string `json:"list,omitempty"` // for values that are lists: expanded one by one
}
