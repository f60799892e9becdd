package configs

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"

	"gridburst/dag"
	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Outside is what a workflow takes from beyond its text.
type Outside struct {
	Vars  map[string]string // values of its variables
	Files WorkflowFiles     // nil: it can name no other file
}

// WorkflowFiles is how a reading sees the owner's files. Names are as in the text, relative
// to the workflow's directory unless they are absolute.
type WorkflowFiles interface {
	ReadFile(name string) ([]byte, error)
	// Glob lists the names that match pattern, sorted.
	Glob(pattern string) ([]string, error)
}

// Workflow reads the workflow block of an HCL file, and the modules that it names. Variables
// that nothing is given for have their defaults. The jobs themselves are read when their
// nodes are submitted, with [JobNamed] and the node's vars. With errors among the diagnostics
// there is no graph.
func Workflow(filename string, src []byte, outside Outside) (*dag.Graph, grid.Diagnostics) {
	f, body := parse(filename, src)
	if body == nil {
		return nil, f.diags
	}
	w := &workflow{file: f, outside: outside, path: path.Base(filename), given: outside.Vars, builder: dag.NewBuilder(""), owners: &[]owner{}}
	b := w.open(body)
	f.once()
	if f.diags.HasErrors() {
		return nil, f.diags
	}
	g, err := w.builder.Graph()
	var cycle *dag.Cycle
	if errors.As(err, &cycle) {
		o := (*w.owners)[cycle.Nodes[0]]
		f.diags = append(f.diags, o.file.pos(o.LabelRanges[0]).Problem(false, cycle.Error(), "Each would begin only after the one before it; one of their after is wrong."))
		return nil, f.diags
	}
	g.Name = label(b)
	return g, f.diags
}

// open reads a file's workflow block.
func (w *workflow) open(body *hclsyntax.Body) (b *hclsyntax.Block) {
	w.vars, w.named, w.joined = newVariables(w.file), map[string]*nodeBlock{}, cty.EmptyObjectVal
	w.vars.lazy = true
	blocks := w.vars.blocks(body, w.given)
	for name := range w.given {
		if _, declared := w.vars.vars[name]; !declared {
			w.diags = append(w.diags, grid.Diagnostic{Summary: "there is no variable " + quote(name), Detail: didYouMean(name, w.vars.names("var")), File: w.name})
		}
	}
	for _, b := range blocks.jobs {
		w.jobs = append(w.jobs, label(b))
	}
	w.promises = blocks.outputs
	switch {
	case len(blocks.workflows) == 0:
		w.diags = append(w.diags, grid.Diagnostic{Summary: "there is no workflow block", Detail: `As in: workflow "name" { node "first" { job = "..." } }`, File: w.name})
	case len(blocks.workflows) > 1:
		w.fail(blocks.workflows[1].TypeRange, "there are two workflows", "A file holds one.")
	default:
		b = blocks.workflows[0]
		w.read(b)
	}
	return b
}

// workflow reads a workflow block, of the file that was asked for or of a module.
type workflow struct {
	*file
	outside Outside
	glob    map[string]function.Function
	path    string            // of the file, seen from the directory of the outermost
	dir     string            // of its nodes, for a module that has one
	prefix  string            // of its nodes' names: that of its modules, from outside
	within  *workflow         // what the module is part of; nil: it is none
	given   map[string]string // values of its variables, from outside
	vars    *variables
	jobs    []string // names of the file's job blocks
	builder *dag.Builder
	owners  *[]owner // of each node of the builder

	nodes      []*nodeBlock
	named      map[string]*nodeBlock
	modules    []*module
	promises   []*hclsyntax.Block // output blocks of the file
	all        cty.Value          // what node stands for, once all nodes are known
	ends       cty.Value          // what module stands for, once all are read
	made       cty.Value          // what output stands for
	joined     cty.Value          // what module stands for
	categories []string
}

// owner is the block that a node is of, and its file.
type owner struct {
	file *file
	*nodeBlock
}

// nodeBlock is a node block: one node, or with for_each an instance for each element.
type nodeBlock struct {
	*hclsyntax.Block
	kind      dag.NodeKind
	instances []instance
	names     cty.Value // of the instances: a text, or a tuple or an object of texts
}

// instance is one node of a block.
type instance struct {
	name       string
	at         int32     // index in the graph
	key, value cty.Value // each.key and each.value; NilVal without for_each
}

// nodeKinds are the kinds of nodes by the blocks that make them.
var nodeKinds = map[string]dag.NodeKind{"node": dag.JobNode, "final": dag.FinalNode, "provisioner": dag.ProvisionerNode, "service": dag.ServiceNode}

// read takes the categories and the nodes, and then what is said of each: a node may
// speak of one below it.
func (w *workflow) read(b *hclsyntax.Block) {
	if label(b) == "" {
		w.fail(b.TypeRange, "a workflow block has a name", `As in: workflow "wordcount" { ... }`)
	}
	w.whole(b)
	for _, inner := range b.Body.Blocks {
		switch _, isNode := nodeKinds[inner.Type]; {
		case isNode:
			w.instances(inner)
		case inner.Type == "category":
			w.category(inner)
		case inner.Type == "module":
			w.module(inner)
		case inner.Type == "cron":
			w.workflowCron(label(b), inner) // for gcron; here it is only looked through
		}
	}
	if len(w.nodes)+len(w.modules) == 0 && !w.diags.HasErrors() {
		w.fail(b.TypeRange, "the workflow has no nodes", `As in: node "first" { job = "..." }`)
	}
	all := map[string]cty.Value{}
	for name, n := range w.named {
		all[name] = n.names
	}
	w.all = object(all)
	w.setOutputs()
	for _, m := range w.modules {
		w.enter(m)
	}
	w.ends = w.lasts()
	for _, n := range w.nodes {
		w.special(n)
		w.node(n)
		w.order(n, "after", w.builder.Order)
		w.order(n, "after_any", w.builder.OrderWeak)
		w.previous(n, "after_previous", false)
		w.previous(n, "after_any_previous", true)
		w.when(n)
	}
	for _, m := range w.modules {
		w.orderModule(m)
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
			w.builder.Limit(w.prefix+name, n)
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
	n := &nodeBlock{Block: b, kind: nodeKinds[b.Type], names: cty.StringVal(w.prefix + name)}
	w.named[name] = n
	w.nodes = append(w.nodes, n)
	a := b.Body.Attributes["for_each"]
	if a == nil {
		n.instances = []instance{{name: name}}
	} else if n.kind == dag.FinalNode || n.kind == dag.ProvisionerNode {
		w.fail(a.NameRange, "there is one "+b.Type+" node", "It has no for_each.")
		return
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
			if i.at, ok = w.builder.Add(dag.Node{Name: w.prefix + i.name}); !ok {
				summary, detail = "there are two nodes named "+quote(i.name), "An instance of a node with for_each has this name."
			}
		}
		if !ok {
			w.fail(b.LabelRanges[0], summary, detail)
			n.instances = n.instances[:k]
			return
		}
		*w.owners = append(*w.owners, owner{w.file, n})
	}
}

// each makes an instance of a block for each element of a list, a set or a map. It is
// named after the block and the element's key, which is its place in a list.
func (w *workflow) each(n *nodeBlock, e hclsyntax.Expression) bool {
	v, ok := w.vars.computedIn(e, w.scope(instance{}))
	if !ok || !v.IsKnown() && w.diags.HasErrors() { // what is not known was said to be wrong
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
		names[text] = cty.StringVal(w.prefix + name)
		list = append(list, names[text])
	}
	if n.names = cty.TupleVal(list); keyed {
		n.names = object(names)
	}
	if len(n.instances) == 0 {
		w.warn(e.Range(), "this node has no instances", "The nodes that are after it wait for none.")
	}
	return true
}
