package dag

import (
	"slices"
	"strings"
)

// Graph is a workflow as written: nodes and edges. It does not change while it
// runs.
type Graph struct {
	Name       string // the file's base name, or that of the workflow block
	Nodes      []Node // joins last
	Joins      int    // how many of Nodes are joins
	Categories []Category
	MaxJobs    int // nodes that may have a job at a time; 0: no limit
}

// Node is one job of a workflow with everything that surrounds it.
type Node struct {
	Name     string
	File     string  // its submit file (.sub, .hcl), relative to Dir; empty in a join
	Job      string  // the name of a job block in File (HCL), empty: the only one
	Dir      string  // relative to the DAG's directory; empty: the DAG's directory
	Noop     bool    // nothing is submitted: the node succeeds at once
	Join     bool    // no node of the file: it stands between parents and children that are many
	Done     bool    // counts as done from the start
	Retries  int     // further attempts after a failed one
	Unless   *int    // an exit code after which no further attempt is made
	Abort    *Abort  // ends the whole run
	Priority int     // larger first
	Category string  // limits how many run at a time
	Vars     []Var   // macros for its submit file
	Parents  []int32 // indexes into Graph.Nodes, ascending
	Children []int32 // indexes into Graph.Nodes, ascending
}

// Abort is an exit code of a node's job that ends the run, and the run's own.
type Abort struct {
	Exit   int
	Return int
}

// Category limits how many of its nodes have a job at a time.
type Category struct {
	Name    string
	MaxJobs int // at least 1
}

// Var is a macro that a node gives to its submit file; a Name that begins with
// "+" or "My." sets a job attribute.
type Var struct {
	Name   string
	Value  string
	Append bool // set after the submit file has been read, not before
}

// Len is the number of nodes that the file has.
func (g *Graph) Len() int { return len(g.Nodes) - g.Joins }

// Edges is the number of edges, those of joins counted as they are.
func (g *Graph) Edges() int {
	n := 0
	for i := range g.Nodes {
		n += len(g.Nodes[i].Children)
	}
	return n
}

// Find is the index of the node with a name. It looks through all of them.
func (g *Graph) Find(name string) (int32, bool) {
	i := slices.IndexFunc(g.Nodes, func(n Node) bool { return n.Name == name && !n.Join })
	return int32(i), i >= 0
}

// Parents is the nodes that node i waits for, joins replaced by what is before them,
// ascending.
func (g *Graph) Parents(i int32) []int32 {
	var out []int32
	for _, p := range g.Nodes[i].Parents {
		if g.Nodes[p].Join {
			out = append(out, g.Nodes[p].Parents...)
		} else {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// parentNames is the names of node i's parents, as DAGMan gives them to its job.
func (g *Graph) parentNames(i int32) string {
	var b strings.Builder
	for k, p := range g.Parents(i) {
		if k > 0 {
			b.WriteByte(',')
		}
		b.WriteString(g.Nodes[p].Name)
	}
	return b.String()
}
