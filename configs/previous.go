package configs

import (
	"gridburst/dag"

	"github.com/hashicorp/hcl/v2"
)

// previous reads after_previous = [node.load] or after_any_previous (any): what a node waits for
// of the run before, of the timetable that begins both.
func (w *workflow) previous(n *nodeBlock, key string, any bool) {
	a := n.Body.Attributes[key]
	if a == nil || n.kind != dag.JobNode {
		return
	}
	w.order(n, key, func(nodes, children []int32) {
		w.behind(a.Expr.Range(), nodes, children, any, n)
	})
}

// behind puts children behind nodes of the run before.
func (w *workflow) behind(at hcl.Range, nodes, children []int32, any bool, by *nodeBlock) {
	var past []int32
	for _, i := range nodes {
		p, ok := w.builder.Past(i, any)
		if !ok {
			name := w.builder.Node(i).Name
			w.fail(at, "there is a node named "+quote(dag.PastName(name, any)), "So is called what stands for "+quote(name)+" of the run before: name it otherwise.")
			return
		}
		if int(p) == len(*w.owners) {
			*w.owners = append(*w.owners, owner{w.file, by})
		}
		past = append(past, p)
	}
	w.builder.Order(past, children)
}
