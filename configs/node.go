package configs

import (
	"maps"
	"math"
	"path"
	"path/filepath"
	"slices"

	"gridburst/dag"
	"gridburst/internal/ad"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// nodeKeys are what a node block may say.
var nodeKeys = []string{
	"job", "file", "dag", "dir", "for_each", "after", "after_any", "after_previous", "after_any_previous", "vars", "outputs", "retries", "unless_exit", "priority", "category", "noop", "done",
	"pre_skip", "tolerance", "tolerance_wait", "save_point", "ready_within", "timeout", "when",
	"done_exits",
}

// nodeBlocks are the blocks that it may hold.
var nodeBlocks = []string{"abort", "retry", "pre", "post", "on_hold", "ready"}

// node completes the nodes of a block.
func (w *workflow) node(n *nodeBlock) {
	attrs := sorted(n.Body.Attributes)
	for _, a := range attrs {
		if !slices.Contains(nodeKeys, a.Name) {
			w.unknown(a.NameRange, "key", a.Name, append(slices.Clone(nodeBlocks), nodeKeys...))
		}
	}
	for _, inner := range n.Body.Blocks {
		if !slices.Contains(nodeBlocks, inner.Type) {
			w.unknown(inner.TypeRange, "block", inner.Type, nodeBlocks)
		}
	}
	for _, i := range n.instances {
		node := dag.Node{Name: w.prefix + i.name, Kind: n.kind}
		for _, a := range attrs {
			w.set(&node, a, i)
		}
		for _, inner := range n.Body.Blocks {
			switch {
			case scriptBlocks[inner.Type] != nil:
				w.script(&node, inner, i)
			case inner.Type == "retry":
				w.retry(&node, inner, i)
			case inner.Type == "ready": // when its job is known
			default:
				w.abort(&node, inner, i)
			}
		}
		w.agree(n, &node)
		w.place(n, &node)
		if a := n.Body.Attributes["vars"]; a != nil {
			w.setVars(&node, a, i)
		}
		w.ready(n, &node, i)
		w.hand(&node)
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
	case "dag":
		n.File, _ = w.text(a.Expr, i)
		n.Subdag = true
	case "dir":
		n.Dir, _ = w.text(a.Expr, i)
	case "ready_within":
		n.ReadyWithin = w.seconds(a.Expr)
	case "done_exits":
		n.DoneExit = w.exits(a.Expr, i)
	case "timeout":
		n.Timeout = w.seconds(a.Expr)
	case "pre_skip":
		n.PreSkip, _ = w.number(a.Expr, i, 1, 255)
	case "tolerance":
		n.Tolerance = w.tolerance(a.Expr, i)
	case "save_point":
		if n.SaveFile, _ = w.text(a.Expr, i); n.SaveFile != "" && path.Base(n.SaveFile) == n.SaveFile {
			n.SaveFile = path.Join("save_files", n.SaveFile) // as DAGMan has it
		}
	case "category":
		name, ok := w.text(a.Expr, i)
		if n.Category = w.prefix + name; ok && !slices.Contains(w.categories, name) {
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
	if w.dir != "" && !path.IsAbs(n.Dir) {
		n.Dir = path.Join(w.dir, n.Dir)
	}
	if b.Body.Attributes["file"] != nil || n.Subdag || n.Noop && n.Job == "" {
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
	n.File = w.path
	if n.Dir == "" || path.IsAbs(n.File) {
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
	v, before, ok := w.fed(a.Expr, i, w.addresses())
	if !ok {
		return
	}
	w.follows(before, i)
	if v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		w.fail(a.Expr.Range(), "vars takes a map", "As in: vars = { part = each.value }")
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		key, x := it.Element()
		name := key.AsString()
		value, isText := textOf(x)
		_, declared := w.vars.vars[name]
		_, isAttr := ad.CutMy(name)
		if !isText && declared && !isAttr && w.here(n) {
			var err error
			value, err = written(x)
			isText = err == nil
		}
		switch {
		case !isText:
			w.fail(a.Expr.Range(), "the value of "+quote(name)+" is no text", "It is a text, a number or a bool; only a variable of this file may be more.")
		case n.Job != "" && w.here(n) && !declared && !isAttr:
			w.unknown(a.Expr.Range(), "variable", name, w.vars.names("var"))
		default:
			n.Vars = append(n.Vars, dag.Var{Name: name, Value: value})
		}
	}
}

// hand gives a node whose job is in this file the variables that the file was given.
func (w *workflow) hand(n *dag.Node) {
	if n.Job == "" || !w.here(n) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(w.given)) {
		if !slices.ContainsFunc(n.Vars, func(v dag.Var) bool { return v.Name == name }) {
			n.Vars = append(n.Vars, dag.Var{Name: name, Value: w.given[name]})
		}
	}
}

// agree refuses keys that do not go together, and takes those that belong to others.
func (w *workflow) agree(b *nodeBlock, n *dag.Node) {
	has := func(key string) *hclsyntax.Attribute { return b.Body.Attributes[key] }
	if a := has("tolerance_wait"); a != nil {
		wait := w.bool(a.Expr, instance{})
		switch {
		case n.Tolerance != nil:
			n.Tolerance.Wait = wait
		case has("tolerance") == nil:
			n.Tolerance = &dag.Tolerance{Wait: wait}
		}
	}
	if a := has("pre_skip"); a != nil && n.Pre == nil {
		w.fail(a.NameRange, "pre_skip is an exit code of pre, and there is none", "")
	}
	switch a := has("ready_within"); {
	case a == nil:
	case n.Kind != dag.ServiceNode || n.Noop:
		w.fail(a.NameRange, "only the job of a service says when it is ready", "All nodes wait for services; a provisioner is ready when it says so.")
	case n.ReadyWithin == 0 && !w.diags.HasErrors():
		w.fail(a.Expr.Range(), "nothing is ready at once", `As in: ready_within = "30s"`)
	}
	if a := has("timeout"); a != nil && (n.Noop || n.Kind == dag.ServiceNode || n.Kind == dag.ProvisionerNode) {
		w.fail(a.NameRange, "only a job that ends by itself has a timeout", "A service has ready_within; a provisioner has ten minutes for giving back.")
	} else if a != nil && n.Timeout == 0 && !w.diags.HasErrors() {
		w.fail(a.Expr.Range(), "nothing is done at once", `As in: timeout = "2h"`)
	}
	if a := has("dag"); a != nil {
		for _, key := range []string{"job", "file"} {
			if has(key) != nil {
				w.fail(a.NameRange, "dag and "+key+" are both set", "A node is a job, or a run of another workflow.")
			}
		}
		if n.Kind != dag.JobNode {
			w.fail(a.NameRange, "a "+b.Type+" node is a job", "")
		}
	}
}

// here reports whether a node's job is in this file.
func (w *workflow) here(n *dag.Node) bool {
	return path.IsAbs(n.File) && n.File == w.path || path.Join(n.Dir, n.File) == path.Clean(w.path)
}

// scope is what a node's expressions may use.
func (w *workflow) scope(i instance) scope {
	s := scope{names: map[string]cty.Value{}, functions: w.functions(), why: "In a workflow there are local.X, var.X, node.X and module.X in after, output.X and module.X in vars and run, service.X.address in vars, and each.key and each.value with for_each."}
	if i.key != cty.NilVal {
		s.names["each"] = cty.ObjectVal(map[string]cty.Value{"key": i.key, "value": i.value})
	}
	return s
}

// addresses is what service stands for: the address of each, which is known when a node is
// submitted. A service that uses one comes after.
func (w *workflow) addresses() map[string]cty.Value {
	all := map[string]cty.Value{}
	for name, n := range w.named {
		if n.kind != dag.ServiceNode || n.Body.Attributes["ready_within"] == nil {
			continue
		}
		all[name] = n.valued(func(i instance) cty.Value {
			return cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal(dag.AddressOf(i.at)).Mark(madeBy(i.at))})
		})
	}
	return map[string]cty.Value{"service": object(all)}
}

// lasts are the nodes of each module that none of its own comes after.
func (w *workflow) lasts() cty.Value {
	all := map[string]cty.Value{}
	for _, m := range w.modules {
		var names []cty.Value
		for _, i := range m.last {
			names = append(names, cty.StringVal(w.builder.Node(i).Name))
		}
		all[m.name] = cty.TupleVal(names)
	}
	return object(all)
}

// order reads after = [node.x, node.y["key"]]: for all instances at once if it is the
// same for all.
func (w *workflow) order(n *nodeBlock, key string, order func(parents, children []int32)) {
	a := n.Body.Attributes[key]
	if a == nil || len(n.instances) == 0 {
		return
	}
	var children []int32
	for _, i := range n.instances {
		children = append(children, i.at)
	}
	if !slices.ContainsFunc(a.Expr.Variables(), func(t hcl.Traversal) bool { return t.RootName() == "each" }) {
		order(w.parents(a.Expr, instance{}, n.kind), children)
		return
	}
	for k, i := range n.instances {
		order(w.parents(a.Expr, i, n.kind), children[k:k+1])
	}
}

// parents are the nodes of a kind that an expression names.
func (w *workflow) parents(e hclsyntax.Expression, i instance, kind dag.NodeKind) []int32 {
	for _, t := range e.Variables() {
		switch name, _ := attribute(t, 1); {
		case t.RootName() == "node" && w.named[name] == nil:
			w.unknown(t.SourceRange(), "node", name, slices.Sorted(maps.Keys(w.named)))
			return nil
		case t.RootName() == "module" && !slices.ContainsFunc(w.modules, func(m *module) bool { return m.name == name }):
			w.unknown(t.SourceRange(), "module", name, nil)
			return nil
		}
	}
	s := w.scope(i)
	s.names["node"], s.names["module"] = w.all, w.ends
	v, ok := w.vars.computedIn(e, s)
	if !ok {
		return nil
	}
	var out []int32
	w.flatten(v, e, kind, &out)
	return out
}

// flatten collects the nodes of a name, or of lists of them.
func (w *workflow) flatten(v cty.Value, e hclsyntax.Expression, kind dag.NodeKind, out *[]int32) {
	switch {
	case !v.IsNull() && v.IsKnown() && v.Type() == cty.String:
		at, ok := w.builder.Find(v.AsString())
		if !ok {
			w.unknown(e.Range(), "node", v.AsString(), slices.Sorted(maps.Keys(w.named)))
			return
		}
		if is := (*w.owners)[at].kind; is != kind {
			w.fail(e.Range(), "no "+map[bool]string{true: "service", false: "node"}[kind == dag.ServiceNode]+" comes after "+quote(v.AsString()), "Nodes are after nodes, and services after services; nodes wait for all services.")
			return
		}
		*out = append(*out, at)
	case !v.IsNull() && v.IsKnown() && v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, x := it.Element()
			w.flatten(x, e, kind, out)
		}
	default:
		w.fail(e.Range(), "after takes nodes", "As in: after = [node.split]")
	}
}
