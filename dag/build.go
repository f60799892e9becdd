package dag

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// joinEdges is how many edges one statement may make before a join is put in their
// middle: a thousand parents of a thousand children are 2,000 edges with it and a
// million without. Below it a graph is easier to look at as written.
const joinEdges = 256

// Builder makes a [Graph] from what a reader finds in a file.
type Builder struct {
	graph   Graph
	index   map[string]int32
	edges   []edge
	bundles []bundle
}

type edge struct{ parent, child int32 }

// bundle is a statement of more than joinEdges edges.
type bundle struct{ parents, children []int32 }

// MaxNodes bounds the nodes of a graph, joins left out.
const MaxNodes = 1 << 20

// NameProblem is what is wrong with a node's name, and why that matters; empty: nothing.
func NameProblem(name string) (summary, detail string) {
	unseen := func(c rune) bool { return !unicode.IsGraphic(c) || unicode.IsSpace(c) }
	switch {
	case strings.EqualFold(name, "PARENT") || strings.EqualFold(name, "CHILD") || strings.EqualFold(name, "ALL_NODES"):
		return `"` + name + `" cannot be the name of a node`, "It is a word of DAG files."
	case strings.Contains(name, "+"):
		return "the name of a node holds no +", "DAGMan joins the names of splices and their nodes with it."
	case name == "" || strings.ContainsFunc(name, unseen):
		return "the name of a node has only characters that can be seen", ""
	}
	return "", ""
}

// NewBuilder begins a graph.
func NewBuilder(name string) *Builder {
	return &Builder{graph: Graph{Name: name}, index: map[string]int32{}}
}

// Add adds a node. ok is false when its name is taken; index is then the node that
// has it.
func (b *Builder) Add(n Node) (index int32, ok bool) {
	if i, taken := b.index[n.Name]; taken {
		return i, false
	}
	i := int32(len(b.graph.Nodes))
	b.graph.Nodes = append(b.graph.Nodes, n)
	b.index[n.Name] = i
	return i, true
}

// Find is the index of the node with a name.
func (b *Builder) Find(name string) (int32, bool) {
	i, ok := b.index[name]
	return i, ok
}

// Len is the number of nodes so far.
func (b *Builder) Len() int { return len(b.graph.Nodes) }

// Node is a node to be completed, until the next Add.
func (b *Builder) Node(i int32) *Node { return &b.graph.Nodes[i] }

// Limit sets how many nodes with a job a category may have, or, with an empty name,
// the run.
func (b *Builder) Limit(category string, maxJobs int) {
	if category == "" {
		b.graph.MaxJobs = maxJobs
		return
	}
	at := slices.IndexFunc(b.graph.Categories, func(c Category) bool { return c.Name == category })
	if at < 0 {
		b.graph.Categories = append(b.graph.Categories, Category{Name: category, MaxJobs: maxJobs})
		return
	}
	b.graph.Categories[at].MaxJobs = maxJobs
}

// Order puts every parent before every child.
func (b *Builder) Order(parents, children []int32) {
	if len(parents)*len(children) > joinEdges && len(parents) > 1 && len(children) > 1 {
		b.bundles = append(b.bundles, bundle{slices.Clone(parents), slices.Clone(children)})
		return
	}
	for _, p := range parents {
		for _, c := range children {
			b.edges = append(b.edges, edge{p, c})
		}
	}
}

// Graph is the graph of all that was added. The error is a [Cycle]; the Builder is
// not to be used again.
func (b *Builder) Graph() (*Graph, error) {
	g := &b.graph
	for k, u := range b.bundles {
		join := int32(len(g.Nodes))
		g.Nodes = append(g.Nodes, Node{Name: fmt.Sprintf("join %d", k+1), Join: true})
		for _, p := range u.parents {
			b.edges = append(b.edges, edge{p, join})
		}
		for _, c := range u.children {
			b.edges = append(b.edges, edge{join, c})
		}
	}
	g.Joins = len(b.bundles)
	for _, e := range b.edges {
		g.Nodes[e.parent].Children = append(g.Nodes[e.parent].Children, e.child)
		g.Nodes[e.child].Parents = append(g.Nodes[e.child].Parents, e.parent)
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		slices.Sort(n.Children)
		n.Children = slices.Compact(n.Children)
		slices.Sort(n.Parents)
		n.Parents = slices.Compact(n.Parents)
	}
	slices.SortFunc(g.Categories, func(a, b Category) int { return strings.Compare(a.Name, b.Name) })
	if c := g.cycle(); c != nil {
		return nil, c
	}
	return g, nil
}

// Cycle is nodes that wait for each other, each for the one before it and the first
// for the last. The first is the one that the file names first.
type Cycle struct {
	Nodes []int32
	Names []string
}

func (c *Cycle) Error() string {
	names := c.Names
	const shown = 10
	middle := ""
	if len(names) > shown {
		middle = fmt.Sprintf(" -> (%d more)", len(names)-shown)
		names = names[:shown]
	}
	return "nodes wait for each other: " + strings.Join(names, " -> ") + middle + " -> " + c.Names[0]
}

// cycle finds a cycle, nil when there is none.
func (g *Graph) cycle() *Cycle {
	missing := make([]int32, len(g.Nodes))
	var free []int32
	for i := range g.Nodes {
		missing[i] = int32(len(g.Nodes[i].Parents))
		if missing[i] == 0 {
			free = append(free, int32(i))
		}
	}
	for len(free) > 0 {
		i := free[len(free)-1]
		free = free[:len(free)-1]
		for _, c := range g.Nodes[i].Children {
			if missing[c]--; missing[c] == 0 {
				free = append(free, c)
			}
		}
	}
	at := int32(slices.IndexFunc(missing, func(n int32) bool { return n > 0 }))
	if at < 0 {
		return nil
	}
	// A node that is not free has a parent that is not: going back must meet itself.
	place := map[int32]int{}
	var path []int32
	for {
		if from, met := place[at]; met {
			path = path[from:]
			break
		}
		place[at] = len(path)
		path = append(path, at)
		p := g.Nodes[at].Parents
		at = p[slices.IndexFunc(p, func(x int32) bool { return missing[x] > 0 })]
	}
	slices.Reverse(path)
	c := &Cycle{Nodes: slices.DeleteFunc(path, func(i int32) bool { return g.Nodes[i].Join })}
	first := slices.Index(c.Nodes, slices.Min(c.Nodes))
	c.Nodes = append(slices.Clone(c.Nodes[first:]), c.Nodes[:first]...)
	for _, i := range c.Nodes {
		c.Names = append(c.Names, g.Nodes[i].Name)
	}
	return c
}
