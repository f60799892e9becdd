package dag

import (
	"strconv"
	"strings"
)

// Shape is what a graph looks like.
type Shape struct {
	Nodes       int    `json:"nodes"` // of all kinds, joins left out
	Jobs        int    `json:"jobs"`
	Subdags     int    `json:"subdags,omitempty"`
	Services    int    `json:"services,omitempty"`
	Past        int    `json:"past,omitempty"` // that stand for nodes of the run before
	Provisioner string `json:"provisioner,omitempty"`
	Final       string `json:"final,omitempty"`
	Splices     int    `json:"splices,omitempty"`
	Joins       int    `json:"joins,omitempty"`
	Edges       int    `json:"edges"`
	Height      int    `json:"height"` // nodes of the longest way through
	Width       int    `json:"width"`  // the largest of Widths
	Widths      []int  `json:"widths"` // nodes at each distance from the beginning
}

// Shape measures g.
func (g *Graph) Shape() Shape {
	s := Shape{Nodes: g.Len(), Joins: g.Joins, Edges: g.Edges()}
	splices := map[string]bool{}
	for i := range g.Nodes[:g.Len()] {
		n := &g.Nodes[i]
		if n.Past != "" {
			s.Past++
			continue
		}
		for at, c := range n.Name {
			if c == '+' {
				splices[n.Name[:at]] = true
			}
		}
		switch {
		case n.Subdag:
			s.Subdags++
		case n.Kind == ServiceNode:
			s.Services++
		case n.Kind == ProvisionerNode:
			s.Provisioner = n.Name
		case n.Kind == FinalNode:
			s.Final = n.Name
		default:
			s.Jobs++
		}
	}
	s.Splices = len(splices)
	depth := g.depths()
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.passes() || n.Kind != JobNode {
			continue
		}
		for int(depth[i]) >= len(s.Widths) {
			s.Widths = append(s.Widths, 0)
		}
		s.Widths[depth[i]]++
	}
	s.Height = len(s.Widths)
	for _, w := range s.Widths {
		s.Width = max(s.Width, w)
	}
	return s
}

// depths is the nodes on the longest way to each node, joins and the run before left out.
func (g *Graph) depths() []int32 {
	depth, missing := make([]int32, len(g.Nodes)), make([]int32, len(g.Nodes))
	var free []int32
	for i := range g.Nodes {
		if missing[i] = int32(len(g.Nodes[i].Parents)); missing[i] == 0 {
			free = append(free, int32(i))
		}
	}
	for len(free) > 0 {
		i := free[len(free)-1]
		free = free[:len(free)-1]
		step := int32(1)
		if g.Nodes[i].passes() {
			step = 0
		}
		for _, c := range g.Nodes[i].Children {
			depth[c] = max(depth[c], depth[i]+step)
			if missing[c]--; missing[c] == 0 {
				free = append(free, c)
			}
		}
	}
	return depth
}

// String is s in a line.
func (s Shape) String() string {
	var b strings.Builder
	count := func(n int, one, many string) {
		if n == 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(plural(n, one, many))
	}
	count(s.Jobs, "job", "jobs")
	count(s.Subdags, "sub-DAG", "sub-DAGs")
	count(s.Services, "service", "services")
	if s.Provisioner != "" {
		count(1, "provisioner", "")
	}
	if s.Final != "" {
		count(1, "final node", "")
	}
	count(s.Past, "node of the run before", "nodes of the run before")
	count(s.Splices, "splice", "splices")
	count(s.Edges, "edge", "edges")
	count(s.Height, "level", "levels")
	b.WriteString(", at most " + plural(s.Width, "node", "nodes") + " wide")
	return b.String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
