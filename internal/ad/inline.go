package ad

// maxInlined bounds how much an expression grows by what is put into it.
const maxInlined = 1 << 12 // nodes

// Inline is e with the expressions of in put in place of references to its attributes,
// by their bare names or as MY.x. With job, other references to TARGET.x become x: the
// expression, written about two ads, is about the other one alone.
func (e *Expr) Inline(in *Ad, job bool) *Expr {
	i := inliner{in: in, job: job}
	root := i.node(e.root, 0)
	return &Expr{root: root, size: sizeOf(root)}
}

type inliner struct {
	in  *Ad
	job bool
	put int // nodes so far
}

// reference is what takes a reference's place.
func (i *inliner) reference(n *reference, depth int) node {
	if n.scope == target {
		if i.job {
			return &reference{name: n.name, key: n.key}
		}
		return n
	}
	a, ok := i.in.lookup(n.key)
	if !ok || n.scope == parent || depth >= MaxNested {
		return n
	}
	with := a.node()
	if i.put += sizeOf(with); i.put > maxInlined {
		return n
	}
	with = i.node(with, depth+1)
	switch with.(type) {
	case *literal, *reference, *callNode, *listNode, *group:
		return with
	}
	return &group{with}
}

func (i *inliner) node(n node, depth int) node {
	switch n := n.(type) {
	case *reference:
		return i.reference(n, depth)
	case *group:
		return &group{i.node(n.inner, depth)}
	case *unary:
		return &unary{n.op, i.node(n.operand, depth)}
	case *binary:
		return &binary{n.op, i.node(n.left, depth), i.node(n.right, depth)}
	case *logic:
		return &logic{n.op, i.nodes(n.terms, depth)}
	case *choice:
		return &choice{i.node(n.cond, depth), i.node(n.yes, depth), i.node(n.no, depth)}
	case *elvis:
		return &elvis{i.node(n.left, depth), i.node(n.right, depth)}
	case *listNode:
		return &listNode{i.nodes(n.elems, depth)}
	case *selectNode:
		return &selectNode{i.node(n.base, depth), n.name, n.key}
	case *index:
		return &index{i.node(n.base, depth), i.node(n.at, depth)}
	case *callNode:
		c := *n
		c.args = i.nodes(n.args, depth)
		return &c
	}
	return n // a literal, or a record, whose fields see each other first
}

func (i *inliner) nodes(ns []node, depth int) []node {
	out := make([]node, len(ns))
	for k, n := range ns {
		out[k] = i.node(n, depth)
	}
	return out
}

// Expr is the expression that is v, a record as it was written.
func (v Value) Expr() *Expr {
	if v.kind == Record {
		return &Expr{root: v.rec.lit, size: sizeOf(v.rec.lit)}
	}
	return Literal(v)
}
