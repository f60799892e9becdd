package configs

import (
	"maps"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gridburst/dag"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// nodeKeys are what a node block may say.
var nodeKeys = []string{
	"job", "file", "dir", "for_each", "after", "vars", "retries", "unless_exit", "priority", "category", "noop", "done",
}

// node completes the nodes of a block.
func (w *workflow) node(n *nodeBlock) {
	attrs := sorted(n.Body.Attributes)
	for _, a := range attrs {
		if !slices.Contains(nodeKeys, a.Name) {
			w.unknown(a.NameRange, "key", a.Name, append([]string{"abort"}, nodeKeys...))
		}
	}
	for _, inner := range n.Body.Blocks {
		if inner.Type != "abort" {
			w.unknown(inner.TypeRange, "block", inner.Type, []string{"abort"})
		}
	}
	for _, i := range n.instances {
		node := dag.Node{Name: i.name}
		for _, a := range attrs {
			w.set(&node, a, i)
		}
		for _, inner := range n.Body.Blocks {
			w.abort(&node, inner, i)
		}
		w.place(n, &node)
		if a := n.Body.Attributes["vars"]; a != nil {
			w.setVars(&node, a, i)
		}
		w.passOn(&node)
		*w.builder.Node(i.at) = node
		if len(w.diags) > 100 && w.diags.HasErrors() { // they say the same of all of them
			return
		}
	}
}

// set takes a key of a node block; after and vars come when the rest is known.
func (w *workflow) set(n *dag.Node, a *hclsyntax.Attribute, i instance) {
	switch a.Name {
	case "job":
		n.Job, _ = w.text(a.Expr, i)
	case "file":
		n.File, _ = w.text(a.Expr, i)
	case "dir":
		n.Dir, _ = w.text(a.Expr, i)
	case "category":
		name, ok := w.text(a.Expr, i)
		if n.Category = name; ok && !slices.Contains(w.categories, name) {
			w.unknown(a.Expr.Range(), "category", name, w.categories)
		}
	case "retries":
		n.Retries, _ = w.number(a.Expr, i, 0, math.MaxInt32)
	case "priority":
		n.Priority, _ = w.number(a.Expr, i, math.MinInt32, math.MaxInt32)
	case "unless_exit":
		if code, ok := w.number(a.Expr, i, math.MinInt32, math.MaxInt32); ok {
			n.Unless = &code
		}
	case "noop":
		n.Noop = w.bool(a.Expr, i)
	case "done":
		n.Done = w.bool(a.Expr, i)
	}
}

// abort reads abort { exit = 5  return = 0 }.
func (w *workflow) abort(n *dag.Node, b *hclsyntax.Block, i instance) {
	if b.Type != "abort" {
		return
	}
	if n.Abort != nil {
		w.fail(b.TypeRange, "there are two abort blocks", "")
		return
	}
	exit, code := b.Body.Attributes["exit"], b.Body.Attributes["return"]
	for _, a := range sorted(b.Body.Attributes) {
		if a != exit && a != code {
			w.unknown(a.NameRange, "key", a.Name, []string{"exit", "return"})
		}
	}
	if exit == nil {
		w.fail(b.TypeRange, "an abort block has an exit", "As in: abort { exit = 3 }")
		return
	}
	on, _ := w.number(exit.Expr, i, math.MinInt32, math.MaxInt32)
	n.Abort = dag.AbortOn(on)
	if code != nil {
		n.Abort.Return, _ = w.number(code.Expr, i, 0, 255)
	}
}

// place finds the node's job: by file, by name in this file, or by the block's name in
// this file.
func (w *workflow) place(b *nodeBlock, n *dag.Node) {
	if b.Body.Attributes["file"] != nil || n.Noop && n.Job == "" {
		return
	}
	at, name := b.LabelRanges[0], n.Job
	if a := b.Body.Attributes["job"]; a != nil {
		at = a.Expr.Range()
		if name == "" {
			return // said already
		}
	} else if n.Job = label(b.Block); !slices.Contains(w.jobs, n.Job) {
		w.fail(at, "the node "+quote(n.Job)+" has no job", "Name one with job, or a file with file; without them it is the job block of the same name.")
		return
	}
	if !slices.Contains(w.jobs, n.Job) {
		w.unknown(at, "job", n.Job, w.jobs)
		return
	}
	n.File = path.Base(w.name)
	if n.Dir == "" {
		return
	}
	file, err := filepath.Rel(n.Dir, n.File)
	if err != nil {
		w.fail(b.LabelRanges[0], "this file cannot be found from the directory "+quote(n.Dir), "Name the job's file with file.")
		return
	}
	n.File = filepath.ToSlash(file)
}

// setVars reads vars = { name = value }.
func (w *workflow) setVars(n *dag.Node, a *hclsyntax.Attribute, i instance) {
	v, ok := w.vars.computedIn(a.Expr, w.scope(i))
	if !ok {
		return
	}
	if v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		w.fail(a.Expr.Range(), "vars takes a map", "As in: vars = { part = each.value }")
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		key, x := it.Element()
		name := key.AsString()
		value, ok := textOf(x)
		_, declared := w.vars.vars[name]
		switch isAttr := strings.HasPrefix(name, "+") || len(name) > 3 && strings.EqualFold(name[:3], "my."); {
		case !ok:
			w.fail(a.Expr.Range(), "the value of "+quote(name)+" is no text", "It is a text, a number or a bool.")
		case n.Job != "" && w.here(n) && !declared && !isAttr:
			w.unknown(a.Expr.Range(), "variable", name, w.vars.names("var"))
		default:
			n.Vars = append(n.Vars, dag.Var{Name: name, Value: value})
		}
	}
}

// here reports whether a node's job is in this file.
func (w *workflow) here(n *dag.Node) bool { return path.Join(n.Dir, n.File) == path.Base(w.name) }

// passOn gives a node whose job is in this file what the file's variables were given
// from outside, unless the node has its own.
func (w *workflow) passOn(n *dag.Node) {
	if !w.here(n) {
		return
	}
	var vars []dag.Var
	for _, name := range slices.Sorted(maps.Keys(w.given)) {
		_, declared := w.vars.vars[name]
		own := slices.ContainsFunc(n.Vars, func(v dag.Var) bool { return v.Name == name })
		if declared && !own {
			vars = append(vars, dag.Var{Name: name, Value: w.given[name]})
		}
	}
	n.Vars = append(vars, n.Vars...)
}

// scope is what a node's expressions may use.
func (w *workflow) scope(i instance) scope {
	s := scope{names: map[string]cty.Value{}, functions: workflowFunctions, why: "In a workflow there are local.X, var.X, node.X in after, and each.key and each.value with for_each."}
	if i.key != cty.NilVal {
		s.names["each"] = cty.ObjectVal(map[string]cty.Value{"key": i.key, "value": i.value})
	}
	return s
}

// order reads after = [node.x, node.y["key"]]: for all instances at once if it is the
// same for all.
func (w *workflow) order(n *nodeBlock) {
	a := n.Body.Attributes["after"]
	if a == nil || len(n.instances) == 0 {
		return
	}
	var children []int32
	for _, i := range n.instances {
		children = append(children, i.at)
	}
	if !slices.ContainsFunc(a.Expr.Variables(), func(t hcl.Traversal) bool { return t.RootName() == "each" }) {
		w.builder.Order(w.parents(a.Expr, instance{}), children)
		return
	}
	for k, i := range n.instances {
		w.builder.Order(w.parents(a.Expr, i), children[k:k+1])
	}
}

// parents are the nodes that an expression names.
func (w *workflow) parents(e hclsyntax.Expression, i instance) []int32 {
	for _, t := range e.Variables() {
		if name, _ := attribute(t, 1); t.RootName() == "node" && w.named[name] == nil {
			w.unknown(t.SourceRange(), "node", name, slices.Sorted(maps.Keys(w.named)))
			return nil
		}
	}
	s := w.scope(i)
	s.names["node"] = w.all
	v, ok := w.vars.computedIn(e, s)
	if !ok {
		return nil
	}
	var out []int32
	w.flatten(v, e, &out)
	return out
}

// flatten collects the nodes of a name, or of lists of them.
func (w *workflow) flatten(v cty.Value, e hclsyntax.Expression, out *[]int32) {
	switch {
	case !v.IsNull() && v.IsKnown() && v.Type() == cty.String:
		at, ok := w.builder.Find(v.AsString())
		if !ok {
			w.unknown(e.Range(), "node", v.AsString(), slices.Sorted(maps.Keys(w.named)))
			return
		}
		*out = append(*out, at)
	case !v.IsNull() && v.IsKnown() && v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, x := it.Element()
			w.flatten(x, e, out)
		}
	default:
		w.fail(e.Range(), "after takes nodes", "As in: after = [node.split]")
	}
}
