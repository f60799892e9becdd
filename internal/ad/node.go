package ad

// node is a part of a parsed expression. Nodes never change after [compile].
type node interface {
	// eval works the node out. It must not write to anything but r.
	eval(r *run) Value
}

type (
	// literal is a constant.
	literal struct{ v Value }

	// reference is an attribute by name.
	reference struct {
		scope scope
		name  string // as written
		key   string // folded
	}

	// group is an expression in parentheses: kept, because HTCondor prints them.
	group struct{ inner node }

	// unary is - + ! or ~.
	unary struct {
		op      operator
		operand node
	}

	// binary is an arithmetic, bitwise or comparing operator.
	binary struct {
		op          operator
		left, right node
	}

	// logic is a && b && c, or with ||, without parentheses between the terms.
	logic struct {
		op    operator // and, or
		terms []node
	}

	// choice is cond ? yes : no.
	choice struct{ cond, yes, no node }

	// elvis is left ?: right.
	elvis struct{ left, right node }

	// listNode is { a, b }.
	listNode struct{ elems []node }

	// recordNode is [ a = 1; b = 2 ], fields sorted by folded name.
	recordNode struct{ fields []field }

	// selectNode is base.name.
	selectNode struct {
		base node
		name string
		key  string
	}

	// index is base[at].
	index struct{ base, at node }

	// callNode is f(a, b).
	callNode struct {
		name    string    // as written
		fn      *function // nil: there is none of that name
		own     own
		arity   bool // fn takes that many arguments
		args    []node
		pattern pattern // compiled at once when it is a literal
	}
)

type field struct {
	name, key string
	value     node
}

type scope uint8

const (
	bare scope = iota
	my
	target
	parent // PARENT.x: nothing that we evaluate has one
)

func (n *literal) eval(*run) Value { return n.v }

func (n *group) eval(r *run) Value { return n.inner.eval(r) }

func (n *reference) eval(r *run) Value {
	var v Value
	switch n.scope {
	case bare:
		v, _ = r.bare(n.key)
	case my:
		v, _ = r.attr(r.my, r.target, n.key)
	case target:
		v, _ = r.attr(r.target, r.my, n.key)
	}
	if v.kind == Undefined && n.key == "currenttime" && n.scope != target {
		return IntValue(r.now)
	}
	return v
}

func (n *unary) eval(r *run) Value {
	v := n.operand.eval(r)
	switch {
	case v.kind == Error || v.kind == Undefined:
		return v
	case n.op == opNot:
		return truthOf(v).not().value()
	case n.op == opMinus && v.kind == Int:
		return IntValue(-int64(v.bits))
	case n.op == opMinus && v.kind == RelTime:
		return relative(-v.real())
	case n.op == opMinus && v.kind == Real:
		return RealValue(-v.real())
	case n.op == opPlus && (v.kind == Int || v.kind == Real):
		return v
	case n.op == opInvert && v.kind == Int:
		return IntValue(^int64(v.bits))
	}
	return ErrorValue()
}

func (n *binary) eval(r *run) Value {
	left := n.left.eval(r)
	return apply(n.op, left, n.right.eval(r))
}

// eval takes the terms from the left. An error on the left decides, as does a
// false term of && and a true one of ||; after an undefined term only a deciding
// one changes the outcome.
func (n *logic) eval(r *run) Value {
	decisive := no
	if n.op == opOr {
		decisive = yes
	}
	seen := unknown + 1 // nothing yet
	for _, term := range n.terms {
		switch t := truthOf(term.eval(r)); t {
		case bad, decisive:
			return t.value()
		case unknown:
			seen = unknown
		default:
			if seen != unknown {
				seen = t
			}
		}
	}
	return seen.value()
}

func (n *choice) eval(r *run) Value {
	switch truthOf(n.cond.eval(r)) {
	case yes:
		return n.yes.eval(r)
	case no:
		return n.no.eval(r)
	case unknown:
		return UndefinedValue()
	}
	return ErrorValue()
}

func (n *elvis) eval(r *run) Value {
	if v := n.left.eval(r); v.kind != Undefined {
		return v
	}
	return n.right.eval(r)
}

func (n *listNode) eval(r *run) Value {
	elems := make([]Value, len(n.elems))
	for i, e := range n.elems {
		elems[i] = e.eval(r)
	}
	return Value{kind: List, list: &list{elems: elems, source: n}}
}

func (n *selectNode) eval(r *run) Value {
	base := n.base.eval(r)
	if base.kind == List {
		out := make([]Value, len(base.list.elems))
		for i, e := range base.list.elems {
			out[i] = r.selected(e, n.key)
		}
		return ListValue(out)
	}
	return r.selected(base, n.key)
}

func (n *index) eval(r *run) Value {
	base := n.base.eval(r)
	if base.kind == Undefined || base.kind == Error {
		return base
	}
	at := n.at.eval(r)
	switch {
	case at.kind == Undefined || at.kind == Error:
		return at
	case base.kind == List && at.kind == Int:
		if i := int64(at.bits); i >= 0 && i < int64(len(base.list.elems)) {
			return base.list.elems[i]
		}
	case base.kind == Record && at.kind == String:
		if v, ok := base.rec.value(fold(at.str)); ok {
			return v
		}
	}
	return ErrorValue()
}
