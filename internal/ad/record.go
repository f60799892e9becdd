package ad

import (
	"slices"
	"strings"
)

// Record is the expression [ a = 1; b = 2 ] that has a's attributes.
func (a *Ad) Record() *Expr {
	n := &recordNode{}
	size := 1
	for _, name := range a.Names() {
		key := fold(name)
		e, _ := a.lookup(key)
		n.fields = append(n.fields, field{name, key, e.node()})
		if e.expr != nil {
			size += e.expr.size
		} else {
			size++
		}
	}
	slices.SortFunc(n.fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	return &Expr{root: n, size: size}
}

// Record is an ad that has the fields of e; nil if e is no record.
func (e *Expr) Record() *Ad {
	n, ok := e.root.(*recordNode)
	if !ok {
		return nil
	}
	a := New(len(n.fields))
	for _, f := range n.fields {
		a.SetExpr(f.name, &Expr{root: f.value, size: e.size})
	}
	return a
}
