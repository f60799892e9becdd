package dag

// Graph is a workflow as written: nodes and edges. It does not change while it
// runs.
type Graph struct {
	Name  string // the file's base name
	Nodes []Node
}

// Node is one job of a workflow with everything that surrounds it.
type Node struct {
	Name     string
	File     string  // its submit file (.sub, .hcl), relative to Dir; empty with Job set
	Job      string  // the name of a job block in File (HCL), empty: the only one
	Dir      string  // relative to the DAG's directory; empty: the DAG's directory
	Noop     bool    // nothing is submitted: the node succeeds at once
	Done     bool    // counts as done from the start
	Retries  int     // further attempts after a failed one
	Unless   *int    // an exit code after which no further attempt is made
	Priority int     // larger first
	Vars     []Var   // macros for its submit file
	Parents  []int32 // indexes into Graph.Nodes, ascending
	Children []int32 // indexes into Graph.Nodes, ascending
}

// Var is a macro that a node gives to its submit file; a Name that begins with
// "+" or "My." sets a job attribute.
type Var struct {
	Name   string
	Value  string
	Append bool // set after the submit file has been read, not before
}
