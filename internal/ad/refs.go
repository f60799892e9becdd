package ad

import (
	"maps"
	"slices"
)

// walk calls visit with n and everything below it, in the order of the text.
func walk(n node, visit func(node)) {
	visit(n)
	switch n := n.(type) {
	case *group:
		walk(n.inner, visit)
	case *unary:
		walk(n.operand, visit)
	case *binary:
		walk(n.left, visit)
		walk(n.right, visit)
	case *logic:
		walkAll(n.terms, visit)
	case *choice:
		walk(n.cond, visit)
		walk(n.yes, visit)
		walk(n.no, visit)
	case *elvis:
		walk(n.left, visit)
		walk(n.right, visit)
	case *listNode:
		walkAll(n.elems, visit)
	case *recordNode:
		for _, f := range n.fields {
			walk(f.value, visit)
		}
	case *selectNode:
		walk(n.base, visit)
	case *index:
		walk(n.base, visit)
		walk(n.at, visit)
	case *callNode:
		walkAll(n.args, visit)
	}
}

func walkAll(ns []node, visit func(node)) {
	for _, n := range ns {
		walk(n, visit)
	}
}

func sizeOf(n node) int {
	size := 0
	walk(n, func(node) { size++ })
	return size
}

// Refs are the attributes that an expression names, each list sorted, folded to
// lower case and without repetitions.
type Refs struct {
	My     []string // MY.x
	Target []string // TARGET.x
	Bare   []string // x: of my ad if it has x, else of the other
	// Opaque: the expression calls eval(), so it may reach more than is listed.
	Opaque bool
	// Fleeting: the expression looks at the time or draws a number, so its value may
	// change though no attribute does.
	Fleeting bool
}

// Refs lists the attributes that e names itself; what their own expressions name is
// not followed.
func (e *Expr) Refs() Refs {
	var sets [parent + 1]map[string]struct{}
	var refs Refs
	walk(e.root, func(n node) {
		switch n := n.(type) {
		case *reference:
			if sets[n.scope] == nil {
				sets[n.scope] = map[string]struct{}{}
			}
			sets[n.scope][n.key] = struct{}{}
			refs.Fleeting = refs.Fleeting || n.key == "currenttime"
		case *callNode:
			if n.fn == nil {
				return
			}
			switch n.fn.name {
			case "eval":
				refs.Opaque = true
			case "time", "dayTime", "random":
				refs.Fleeting = true
			case "absTime", "formatTime":
				refs.Fleeting = refs.Fleeting || len(n.args) == 0
			}
		}
	})
	refs.My = slices.Sorted(maps.Keys(sets[my]))
	refs.Target = slices.Sorted(maps.Keys(sets[target]))
	refs.Bare = slices.Sorted(maps.Keys(sets[bare]))
	return refs
}

// Mentions reports whether e names the attribute, in any scope.
func (e *Expr) Mentions(name string) bool {
	key, found := fold(name), false
	walk(e.root, func(n node) {
		if r, ok := n.(*reference); ok && r.key == key {
			found = true
		}
	})
	return found
}

// Clauses are the expressions whose && is e, parentheses around them opened: the
// parts of which each can refuse a match. An e without && is its only clause.
func (e *Expr) Clauses() []*Expr {
	var out []*Expr
	var collect func(n node)
	collect = func(n node) {
		inner := ungroup(n)
		if l, ok := inner.(*logic); ok && l.op == opAnd {
			for _, t := range l.terms {
				collect(t)
			}
			return
		}
		out = append(out, &Expr{root: inner, size: sizeOf(inner)})
	}
	collect(e.root)
	return out
}
