package configs

import (
	"math"
	"slices"
	"strconv"

	"gridburst/dag"
	"gridburst/internal/ad"
	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// when reads when = node.check.exit == 3. The node waits for the ends of those that its
// condition names, however they end.
func (w *workflow) when(n *nodeBlock) {
	a := n.Body.Attributes["when"]
	if a == nil || n.kind != dag.JobNode {
		return
	}
	for _, i := range n.instances {
		node := w.builder.Node(i.at)
		if node.Noop || node.Done {
			w.fail(a.NameRange, "a node with a condition has a job", "One that is noop or done has none.")
			return
		}
		var before []int32
		l := &lowering{file: w.file, vars: w.vars}
		l.special = func(e hclsyntax.Expression) (string, bool) { return w.result(l, e, i, &before) }
		src := l.source(a.Expr)
		if l.bad {
			return // said already
		}
		x, err := ad.Parse(src)
		if err != nil {
			w.fail(a.Expr.Range(), grid.MessageOf(err), "As an expression of ClassAds it is "+src+".")
			return
		}
		if refs := x.Refs(); refs.Fleeting || refs.Opaque || len(refs.My)+len(refs.Target) > 0 || len(before) == 0 {
			w.fail(a.Expr.Range(), "a condition rests on what came of nodes, and on nothing that passes", "As in: when = node.check.exit == 3 || node.fetch.status == \"failed\"")
			return
		}
		node.When = src
		w.builder.OrderWeak(before, []int32{i.at})
	}
}

// result is what a condition says of a node, as source: node.x.exit, node.x[each.key].status.
func (w *workflow) result(l *lowering, e hclsyntax.Expression, i instance, before *[]int32) (src string, ok bool) {
	var of hclsyntax.Expression
	var last hcl.Traverser
	switch e := e.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		switch t := e.Traversal; {
		case t.RootName() == "each":
			v, ok := w.vars.computedIn(e, w.scope(i))
			if !ok {
				l.bad = true
				return "error", true
			}
			return l.literal(v, e.SrcRange), true
		case t.RootName() != "node" || len(t) < 3:
			return "", false
		default:
			of, last = &hclsyntax.ScopeTraversalExpr{Traversal: t[:len(t)-1], SrcRange: e.SrcRange}, t[len(t)-1]
		}
	case *hclsyntax.RelativeTraversalExpr:
		if !slices.ContainsFunc(e.Source.Variables(), func(t hcl.Traversal) bool { return t.RootName() == "node" }) {
			return "", false
		}
		of, last = e.Source, e.Traversal[len(e.Traversal)-1]
		if k := len(e.Traversal) - 1; k > 0 {
			of = &hclsyntax.RelativeTraversalExpr{Source: e.Source, Traversal: e.Traversal[:k], SrcRange: e.SrcRange}
		}
	default:
		return "", false
	}
	attr, _ := last.(hcl.TraverseAttr)
	nodes := w.parents(of, i, dag.JobNode)
	switch {
	case len(nodes) == 0: // said already
	case len(nodes) > 1:
		w.fail(e.Range(), "these are several nodes", "A condition names one: node.x[0].exit, node.x[each.key].status.")
	case dag.Result(nodes[0], attr.Name) == "":
		w.unknown(e.Range(), "result", attr.Name, []string{"exit", "status"})
	default:
		*before = append(*before, nodes[0])
		return dag.Result(nodes[0], attr.Name), true
	}
	l.bad = true
	return "error", true
}

// exits is a list of exit codes.
func (w *workflow) exits(e hclsyntax.Expression, i instance) (out []int32) {
	v, ok := w.vars.computedIn(e, w.scope(i))
	if !ok {
		return nil
	}
	if v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsTupleType() && !v.Type().IsListType() {
		w.fail(e.Range(), "this is no list", "As in: done_exits = [3, 4]")
		return nil
	}
	for it := v.ElementIterator(); it.Next(); {
		_, x := it.Element()
		text, _ := textOf(x)
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || x.Type() != cty.Number || n == 0 || n < -64 || n > math.MaxUint8 {
			w.fail(e.Range(), "this is no list of exit codes other than 0", "They are from 1 to 255; below zero are signals.")
			return nil
		}
		out = append(out, int32(n))
	}
	return out
}
