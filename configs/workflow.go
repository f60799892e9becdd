package configs

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gridburst/dag"
	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Workflow reads the workflow block of an HCL file. The file's variables have their
// defaults. The jobs themselves are read when their nodes are submitted, with [JobNamed] and the node's
// vars. With errors among the diagnostics there is no graph.
func Workflow(filename string, src []byte) (*dag.Graph, grid.Diagnostics) {
	f, body := parse(filename, src)
	if body == nil {
		return nil, f.diags
	}
	w := &workflow{file: f, vars: newVariables(f), builder: dag.NewBuilder(""), named: map[string]*nodeBlock{}}
	w.vars.lazy = true
	blocks := w.vars.blocks(body, nil)
	for _, b := range blocks.jobs {
		w.jobs = append(w.jobs, label(b))
	}
	switch {
	case len(blocks.workflows) == 0:
		f.diags = append(f.diags, grid.Diagnostic{Summary: "there is no workflow block", Detail: `As in: workflow "name" { node "first" { job = "..." } }`, File: filename})
	case len(blocks.workflows) > 1:
		f.fail(blocks.workflows[1].TypeRange, "there are two workflows", "A file holds one.")
	default:
		w.read(blocks.workflows[0])
	}
	f.once()
	if f.diags.HasErrors() {
		return nil, f.diags
	}
	g, err := w.builder.Graph()
	var cycle *dag.Cycle
	if errors.As(err, &cycle) {
		f.fail(w.owner[cycle.Nodes[0]].LabelRanges[0], cycle.Error(), "Each would begin only after the one before it; one of their after is wrong.")
		return nil, f.diags
	}
	g.Name = label(blocks.workflows[0])
	return g, f.diags
}

// workflow reads a workflow block.
type workflow struct {
	*file
	vars    *variables
	jobs    []string // names of the file's job blocks
	builder *dag.Builder

	nodes      []*nodeBlock
	named      map[string]*nodeBlock
	owner      []*nodeBlock // of each node of the builder
	all        cty.Value    // what node stands for, once all nodes are known
	categories []string
}

// nodeBlock is a node block: one node, or with for_each an instance for each element.
type nodeBlock struct {
	*hclsyntax.Block
	instances []instance
	names     cty.Value // of the instances: a text, or a tuple or an object of texts
}

// instance is one node of a block.
type instance struct {
	name       string
	at         int32     // index in the graph
	key, value cty.Value // each.key and each.value; NilVal without for_each
}

var workflowKeys = []string{"max_jobs"}

// read takes the categories and the nodes, and then what is said of each: a node may
// speak of one below it.
func (w *workflow) read(b *hclsyntax.Block) {
	if label(b) == "" {
		w.fail(b.TypeRange, "a workflow block has a name", `As in: workflow "wordcount" { ... }`)
	}
	for _, a := range sorted(b.Body.Attributes) {
		if a.Name != "max_jobs" {
			w.unknown(a.NameRange, "key", a.Name, append([]string{"node", "category"}, workflowKeys...))
			continue
		}
		if n, ok := w.number(a.Expr, instance{}, 1, math.MaxInt32); ok {
			w.builder.Limit("", n)
		}
	}
	for _, inner := range b.Body.Blocks {
		switch inner.Type {
		case "node":
			w.instances(inner)
		case "category":
			w.category(inner)
		case "cron":
			w.workflowCron(label(b), inner) // for gcron; here it is only looked through
		default:
			w.unknown(inner.TypeRange, "block", inner.Type, []string{"node", "category", "cron"})
		}
	}
	if len(w.nodes) == 0 && !w.diags.HasErrors() {
		w.fail(b.TypeRange, "the workflow has no nodes", `As in: node "first" { job = "..." }`)
	}
	all := map[string]cty.Value{}
	for name, n := range w.named {
		all[name] = n.names
	}
	w.all = object(all)
	for _, n := range w.nodes {
		w.node(n)
		w.order(n)
	}
}

// category reads category "name" { max_jobs = 2 }.
func (w *workflow) category(b *hclsyntax.Block) {
	name := label(b)
	switch {
	case name == "":
		w.fail(b.TypeRange, "a category block has a name", `As in: category "io" { max_jobs = 2 }`)
		return
	case slices.Contains(w.categories, name):
		w.fail(b.LabelRanges[0], "there are two categories named "+quote(name), "")
		return
	}
	w.categories = append(w.categories, name)
	limited := false
	for _, a := range sorted(b.Body.Attributes) {
		if limited = limited || a.Name == "max_jobs"; a.Name != "max_jobs" {
			w.unknown(a.NameRange, "key", a.Name, []string{"max_jobs"})
		} else if n, ok := w.number(a.Expr, instance{}, 1, math.MaxInt32); ok {
			w.builder.Limit(name, n)
		}
	}
	if !limited {
		w.fail(b.LabelRanges[0], "the category "+quote(name)+" has no max_jobs", "It is how many of its nodes run at a time.")
	}
	for _, inner := range b.Body.Blocks {
		w.fail(inner.TypeRange, "a category block holds no blocks", "")
	}
}

// instances adds the nodes of a block, by name alone.
func (w *workflow) instances(b *hclsyntax.Block) {
	name := label(b)
	if name == "" {
		w.fail(b.TypeRange, "a node block has a name", `As in: node "split" { ... }`)
		return
	}
	if w.named[name] != nil {
		w.fail(b.LabelRanges[0], "there are two nodes named "+quote(name), "For many alike, there is for_each.")
		return
	}
	n := &nodeBlock{Block: b, names: cty.StringVal(name)}
	w.named[name] = n
	w.nodes = append(w.nodes, n)
	a := b.Body.Attributes["for_each"]
	if a == nil {
		n.instances = []instance{{name: name}}
	} else if !w.each(n, a.Expr) {
		return
	}
	for k := range n.instances {
		i := &n.instances[k]
		summary, detail := dag.NameProblem(i.name)
		ok := summary == ""
		if ok && w.builder.Len() == dag.MaxNodes {
			summary, ok = fmt.Sprintf("there are more than %d nodes", dag.MaxNodes), false
		}
		if ok {
			if i.at, ok = w.builder.Add(dag.Node{Name: i.name}); !ok {
				summary, detail = "there are two nodes named "+quote(i.name), "An instance of a node with for_each has this name."
			}
		}
		if !ok {
			w.fail(b.LabelRanges[0], summary, detail)
			n.instances = n.instances[:k]
			return
		}
		w.owner = append(w.owner, n)
	}
}

// each makes an instance of a block for each element of a list, a set or a map. It is
// named after the block and the element's key, which is its place in a list.
func (w *workflow) each(n *nodeBlock, e hclsyntax.Expression) bool {
	v, ok := w.vars.computedIn(e, w.scope(instance{}))
	if !ok {
		return false
	}
	if v.IsNull() || !v.IsWhollyKnown() || !v.CanIterateElements() {
		w.fail(e.Range(), "for_each takes a list or a map", "As in: for_each = range(40)")
		return false
	}
	names := map[string]cty.Value{}
	var list []cty.Value
	keyed := v.Type().IsObjectType() || v.Type().IsMapType()
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if !keyed {
			key = cty.NumberIntVal(int64(len(list)))
		}
		text, _ := textOf(key)
		name := label(n.Block) + "-" + text
		n.instances = append(n.instances, instance{name: name, key: key, value: value})
		names[text] = cty.StringVal(name)
		list = append(list, cty.StringVal(name))
	}
	if n.names = cty.TupleVal(list); keyed {
		n.names = object(names)
	}
	if len(n.instances) == 0 {
		w.warn(e.Range(), "this node has no instances", "The nodes that are after it wait for none.")
	}
	return true
}
