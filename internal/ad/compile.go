package ad

import (
	"math"
	"slices"
	"strings"

	"gridburst/internal/grid"

	"github.com/PelicanPlatform/classad/ast"
)

// compiler turns the library's tree, which its evaluator writes to, into ours,
// which nobody does.
type compiler struct {
	size int // nodes so far
	err  error
}

func (c *compiler) node(e ast.Expr, depth int) node {
	c.size++
	if depth > MaxDepth {
		if c.err == nil {
			c.err = grid.Errorf(grid.TooLarge, "an expression is nested too deeply: %d levels at most", MaxDepth)
		}
		return &literal{ErrorValue()}
	}
	depth++
	switch e := e.(type) {
	case *ast.IntegerLiteral:
		return &literal{IntValue(e.Value)}
	case *ast.RealLiteral:
		return &literal{RealValue(e.Value)}
	case *ast.StringLiteral:
		return &literal{StringValue(e.Value)}
	case *ast.BooleanLiteral:
		return &literal{BoolValue(e.Value)}
	case *ast.UndefinedLiteral:
		return &literal{UndefinedValue()}
	case *ast.AttributeReference:
		return &reference{scope: scopeOf(e.Scope), name: e.Name, key: fold(e.Name)}
	case *ast.ParenExpr:
		return &group{c.node(e.Inner, depth)}
	case *ast.UnaryOp:
		return c.unary(e, depth)
	case *ast.BinaryOp:
		if op := operatorOf(e.Op); op == opAnd || op == opOr {
			return &logic{op, c.terms(e, depth)}
		} else if op != opNone {
			return &binary{op, c.node(e.Left, depth), c.node(e.Right, depth)}
		}
	case *ast.ConditionalExpr:
		return &choice{c.node(e.Condition, depth), c.node(e.TrueExpr, depth), c.node(e.FalseExpr, depth)}
	case *ast.ElvisExpr:
		return &elvis{c.node(e.Left, depth), c.node(e.Right, depth)}
	case *ast.ListLiteral:
		return &listNode{c.nodes(e.Elements, depth)}
	case *ast.RecordLiteral:
		return c.record(e.ClassAd, depth)
	case *ast.SelectExpr:
		return &selectNode{c.node(e.Record, depth), e.Attr, fold(e.Attr)}
	case *ast.SubscriptExpr:
		return &index{c.node(e.Container, depth), c.node(e.Index, depth)}
	case *ast.FunctionCall:
		return c.call(e, depth)
	}
	return &literal{ErrorValue()} // the error literal
}

func (c *compiler) nodes(es []ast.Expr, depth int) []node {
	out := make([]node, len(es))
	for i, e := range es {
		out[i] = c.node(e, depth)
	}
	return out
}

// unary folds the sign of a number into it, so that -5 is a literal.
func (c *compiler) unary(e *ast.UnaryOp, depth int) node {
	n := &unary{operatorOf(e.Op), c.node(e.Expr, depth)}
	if l, ok := n.operand.(*literal); ok && n.op == opMinus {
		switch {
		case l.v.kind == Int && int64(l.v.bits) >= 0:
			return &literal{IntValue(-int64(l.v.bits))}
		case l.v.kind == Real && !math.Signbit(l.v.real()):
			return &literal{RealValue(-l.v.real())}
		}
	}
	return n
}

// terms are the operands of a chain of one logical operator, left to right. Chains
// are long in practice (a thousand machine names), and the tree leans to the left.
func (c *compiler) terms(e *ast.BinaryOp, depth int) []node {
	var right []ast.Expr
	var left ast.Expr = e
	for {
		b, ok := left.(*ast.BinaryOp)
		if !ok || b.Op != e.Op {
			break
		}
		right, left = append(right, b.Right), b.Left
	}
	right = append(right, left)
	slices.Reverse(right)
	return c.nodes(right, depth)
}

// record keeps the last of several fields of one name.
func (c *compiler) record(a *ast.ClassAd, depth int) node {
	n := &recordNode{}
	if a == nil {
		return n
	}
	at := make(map[string]int, len(a.Attributes))
	for _, attr := range a.Attributes {
		f := field{attr.Name, fold(attr.Name), c.node(attr.Value, depth)}
		if i, ok := at[f.key]; ok {
			n.fields[i] = f
			continue
		}
		at[f.key] = len(n.fields)
		n.fields = append(n.fields, f)
	}
	slices.SortFunc(n.fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	return n
}

func (c *compiler) call(e *ast.FunctionCall, depth int) node {
	n := &callNode{name: e.Name, args: c.nodes(e.Args, depth)}
	n.fn = functionNamed(e.Name)
	n.arity = n.fn != nil && n.fn.takes(len(n.args))
	if n.arity {
		n.own = ownNamed(n.fn.name)
	}
	if n.arity && n.fn.pattern {
		n.pattern = patternOf(n.fn.name, n.args)
	}
	return n
}

func scopeOf(s ast.AttributeScope) scope {
	switch s {
	case ast.MyScope:
		return my
	case ast.TargetScope:
		return target
	case ast.ParentScope:
		return parent
	}
	return bare
}

func (n *recordNode) find(key string) (int, bool) {
	return slices.BinarySearchFunc(n.fields, key, func(f field, key string) int { return strings.Compare(f.key, key) })
}

func (n *recordNode) spelled() []string {
	out := make([]string, len(n.fields))
	for i, f := range n.fields {
		out[i] = f.name
	}
	return out
}
