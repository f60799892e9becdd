package ad

import (
	"slices"
	"strings"

	"gridburst/internal/grid"
)

// Ad is named expressions. Names are compared without case and keep the spelling
// they were first set with. The zero Ad is empty and ready; a nil one can be read.
//
// Reading and evaluating are safe from several goroutines while none changes the ad
// or one it is chained to.
type Ad struct {
	attrs map[string]entry
	under *Ad
}

// entry is an attribute: a literal as its value, everything else as an expression.
type entry struct {
	name  string
	expr  *Expr // nil: value
	value Value
}

func (e entry) node() node {
	if e.expr != nil {
		return e.expr.root
	}
	return &literal{e.value}
}

// New is an empty ad with room for n attributes.
func New(n int) *Ad { return &Ad{attrs: make(map[string]entry, n)} }

// Chain makes what a lacks be looked for in under: a proc's ad under its cluster's.
// nil undoes it.
func (a *Ad) Chain(under *Ad) { a.under = under }

// Reset empties a and undoes its chain, keeping its memory.
func (a *Ad) Reset() {
	clear(a.attrs)
	a.under = nil
}

// Clone is a copy that shares nothing changeable with a but the ad it is chained to.
func (a *Ad) Clone() *Ad {
	c := &Ad{attrs: make(map[string]entry, len(a.attrs)), under: a.under}
	for k, e := range a.attrs {
		c.attrs[k] = e
	}
	return c
}

// Set gives an attribute the expression src, in the new syntax.
func (a *Ad) Set(name, src string) error {
	if v, ok := literalOf(src); ok {
		a.SetValue(name, v)
		return nil
	}
	e, err := Parse(src)
	if err != nil {
		return grid.Errorf(grid.CodeOf(err), "attribute %s: %w", name, err)
	}
	a.SetExpr(name, e)
	return nil
}

// SetExpr gives an attribute an expression.
func (a *Ad) SetExpr(name string, e *Expr) {
	if v, ok := e.Constant(); ok {
		a.SetValue(name, v)
		return
	}
	a.put(entry{name: name, expr: e})
}

// SetValue gives an attribute a value. A record has none that could be written
// down, so it counts as an error.
func (a *Ad) SetValue(name string, v Value) {
	if v.kind == Record {
		v = ErrorValue()
	}
	a.put(entry{name: name, value: v})
}

// SetInt gives an attribute an integer.
func (a *Ad) SetInt(name string, i int64) { a.SetValue(name, IntValue(i)) }

// SetReal gives an attribute a real.
func (a *Ad) SetReal(name string, f float64) { a.SetValue(name, RealValue(f)) }

// SetBool gives an attribute a boolean.
func (a *Ad) SetBool(name string, b bool) { a.SetValue(name, BoolValue(b)) }

// SetString gives an attribute a string.
func (a *Ad) SetString(name, s string) { a.SetValue(name, StringValue(s)) }

func (a *Ad) put(e entry) {
	if a.attrs == nil {
		a.attrs = map[string]entry{}
	}
	key := fold(e.name)
	if old, ok := a.attrs[key]; ok {
		e.name = old.name
	}
	a.attrs[key] = e
}

// Delete takes an attribute away; one of the ad below shows again.
func (a *Ad) Delete(name string) { delete(a.attrs, fold(name)) }

// Has reports whether a, or an ad below, has the attribute.
func (a *Ad) Has(name string) bool {
	_, ok := a.lookup(fold(name))
	return ok
}

// Source is an attribute's expression as text.
func (a *Ad) Source(name string) (src string, ok bool) {
	e, ok := a.lookup(fold(name))
	if !ok {
		return "", false
	}
	if e.expr == nil {
		return e.value.String(), true
	}
	return e.expr.String(), true
}

// Expr is an attribute's expression.
func (a *Ad) Expr(name string) (*Expr, bool) {
	e, ok := a.lookup(fold(name))
	switch {
	case !ok:
		return nil, false
	case e.expr == nil:
		return Literal(e.value), true
	}
	return e.expr, true
}

// Literal is an attribute's value if it is a literal; others must be evaluated.
func (a *Ad) Literal(name string) (Value, bool) {
	e, ok := a.lookup(fold(name))
	return e.value, ok && e.expr == nil
}

// Text is an attribute that is a string literal, else "".
func (a *Ad) Text(name string) string {
	v, _ := a.Literal(name)
	return v.str
}

// Int is an attribute that is an integer literal, else otherwise.
func (a *Ad) Int(name string, otherwise int64) int64 {
	if v, ok := a.Literal(name); ok && v.kind == Int {
		return int64(v.bits)
	}
	return otherwise
}

func (a *Ad) lookup(key string) (entry, bool) {
	for ; a != nil; a = a.under {
		if e, ok := a.attrs[key]; ok {
			return e, true
		}
	}
	return entry{}, false
}

// Names are the attributes of a and of the ads below, as spelled, sorted without
// case.
func (a *Ad) Names() []string {
	names := a.keys()
	for i, key := range names {
		e, _ := a.lookup(key)
		names[i] = e.name
	}
	return names
}

// keys are the folded names of the attributes of a and of the ads below, sorted.
func (a *Ad) keys() []string {
	n := 0
	for b := a; b != nil; b = b.under {
		n += len(b.attrs)
	}
	keys := make([]string, 0, n)
	for ; a != nil; a = a.under {
		for k := range a.attrs {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Len is the number of attributes of a itself.
func (a *Ad) Len() int {
	if a == nil {
		return 0
	}
	return len(a.attrs)
}

// CutMy takes the + or My. off a name that says by it that a job attribute is meant, and
// reports whether it does.
func CutMy(name string) (attr string, ok bool) {
	if attr, ok := strings.CutPrefix(name, "+"); ok {
		return attr, true
	}
	if len(name) > 3 && strings.EqualFold(name[:3], "my.") {
		return name[3:], true
	}
	return name, false
}

// Flat is a copy of a with everything that the ads below show through it, chained to
// none.
func (a *Ad) Flat() *Ad {
	n := 0
	for b := a; b != nil; b = b.under {
		n += len(b.attrs)
	}
	flat := New(n)
	for b := a; b != nil; b = b.under {
		for k, e := range b.attrs {
			if _, shadowed := flat.attrs[k]; !shadowed {
				flat.attrs[k] = e
			}
		}
	}
	return flat
}
