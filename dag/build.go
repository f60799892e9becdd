package dag

import (
	"cmp"
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
	bound   []bound // of each node
	edges   []edge
	weak    []edge
	bundles []bundle
	loose   map[int]bool // of bundles, those that are weak
}

type edge struct{ parent, child int32 }

// bound says what a node has so far.
type bound struct{ parents, children bool }

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
	return &Builder{graph: Graph{Name: name}, index: map[string]int32{}, loose: map[int]bool{}}
}

// Add adds a node. ok is false when its name is taken; index is then the node that
// has it.
func (b *Builder) Add(n Node) (index int32, ok bool) {
	i := int32(len(b.graph.Nodes))
	if at, taken := b.index[n.Name]; taken {
		return at, false
	}
	b.graph.Nodes = append(b.graph.Nodes, n)
	b.bound = append(b.bound, bound{})
	b.index[n.Name] = i
	return i, true
}

// Grow makes room for more nodes, when many are to come.
func (b *Builder) Grow(n int) {
	n = min(n, MaxNodes)
	b.graph.Nodes = slices.Grow(b.graph.Nodes, n)
	b.bound = slices.Grow(b.bound, n)
	if len(b.index) == 0 {
		b.index = make(map[string]int32, n)
	}
}

// Draft is the graph as far as it has come, for what is said of the whole of it.
func (b *Builder) Draft() *Graph { return &b.graph }

// Ends are the jobs among the nodes from index from up to to that have no parents, and
// those that have no children, so far.
func (b *Builder) Ends(from, to int32) (first, last []int32) {
	for i := from; i < to; i++ {
		if b.graph.Nodes[i].Kind != JobNode || b.graph.Nodes[i].Past != "" {
			continue
		}
		if !b.bound[i].parents {
			first = append(first, i)
		}
		if !b.bound[i].children {
			last = append(last, i)
		}
	}
	return first, last
}

// Bound reports whether a node has parents and whether it has children, so far.
func (b *Builder) Bound(i int32) (parents, children bool) {
	return b.bound[i].parents, b.bound[i].children
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
func (b *Builder) Order(parents, children []int32) { b.order(parents, children, false) }

// OrderWeak puts every parent before every child, which begins also if the parent has
// failed. Of two nodes that are also ordered otherwise, that holds.
func (b *Builder) OrderWeak(parents, children []int32) { b.order(parents, children, true) }

func (b *Builder) order(parents, children []int32, weak bool) {
	if len(parents) == 0 || len(children) == 0 {
		return
	}
	for _, p := range parents {
		b.bound[p].children = true
	}
	for _, c := range children {
		// Behind the run before alone, it is still one of the first of its own.
		b.bound[c].parents = b.bound[c].parents || b.graph.Nodes[parents[0]].Past == ""
	}
	// Services do not wait for the end of others, which is what a join would pass on.
	if b.graph.Nodes[children[0]].Kind == JobNode && len(parents)*len(children) > joinEdges && len(parents) > 1 && len(children) > 1 {
		u := bundle{sorted(parents), sorted(children)}
		// What is named twice may leave few.
		if len(u.parents)*len(u.children) > joinEdges && len(u.parents) > 1 && len(u.children) > 1 {
			if weak {
				b.loose[len(b.bundles)] = true
			}
			b.bundles = append(b.bundles, u)
			return
		}
	}
	edges := &b.edges
	if weak {
		edges = &b.weak
	}
	for _, p := range parents {
		for _, c := range children {
			*edges = append(*edges, edge{p, c})
		}
	}
}

func sorted(nodes []int32) []int32 {
	nodes = slices.Clone(nodes)
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// Graph is the graph of all that was added. The error is a [Cycle]; the Builder is
// not to be used again.
func (b *Builder) Graph() (*Graph, error) {
	g := &b.graph
	for k, u := range b.bundles {
		join := int32(len(g.Nodes))
		g.Nodes = append(g.Nodes, Node{Name: fmt.Sprintf("join %d", k+1), Join: true})
		for _, p := range u.parents {
			e := edge{p, join}
			if b.loose[k] {
				b.weak = append(b.weak, e)
			} else {
				b.edges = append(b.edges, e)
			}
		}
		for _, c := range u.children {
			b.edges = append(b.edges, edge{join, c})
		}
	}
	g.Joins = len(b.bundles)
	b.link()
	slices.SortFunc(g.Categories, func(a, b Category) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(g.Descriptions, func(a, b Description) int { return strings.Compare(a.Name, b.Name) })
	if c := g.cycle(); c != nil {
		return nil, c
	}
	return g, nil
}

// link gives the nodes their neighbours. All lists lie in one array of each kind: of a
// million edges, most are of nodes that have one or two.
func (b *Builder) link() {
	g := &b.graph
	order := func(x, y edge) int { return cmp.Or(cmp.Compare(x.parent, y.parent), cmp.Compare(x.child, y.child)) }
	slices.SortFunc(b.edges, order)
	b.edges = slices.Compact(b.edges)
	slices.SortFunc(b.weak, order)
	b.weak = slices.DeleteFunc(slices.Compact(b.weak), func(e edge) bool {
		_, strong := slices.BinarySearchFunc(b.edges, e, order)
		return strong
	})
	all := b.edges
	if len(b.weak) > 0 {
		all = append(slices.Clip(all), b.weak...)
		slices.SortFunc(all, order)
	}
	children := make([]int32, len(all))
	for k, e := range all {
		children[k] = e.child
	}
	k := 0
	for i := range g.Nodes {
		from := k
		for k < len(all) && all[k].parent == int32(i) {
			k++
		}
		if k > from {
			g.Nodes[i].Children = children[from:k:k]
		}
	}
	g.parents(len(all))
	for _, e := range b.weak {
		n := &g.Nodes[e.child]
		n.Weak = append(n.Weak, e.parent)
	}
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
