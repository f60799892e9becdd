package ad

import "slices"

// run is one evaluation: whose attributes names mean, how much work is left, and
// which attributes are being worked out.
type run struct {
	my, target *Ad
	frame      *frame // records around the expression, innermost first
	now        int64
	left       int // steps; below 0 everything comes to an error
	open       []openAttr
	stack      []Value // arguments of the calls in progress
}

// openAttr is an attribute that is being worked out: meeting it again is a cycle.
type openAttr struct {
	ad  *Ad
	key string
}

// frame is a record whose fields are in scope.
type frame struct {
	rec *record
	up  *frame
}

// spend takes n steps from what is left, and reports whether there were as many.
func (r *run) spend(n int) bool {
	r.left -= n
	return r.left >= 0
}

// bare is an attribute without a scope: of the records around, of my ad, of the
// other ad, where the first of them that has it decides.
func (r *run) bare(key string) (Value, bool) {
	for f := r.frame; f != nil; f = f.up {
		if v, ok := r.field(f.rec, key); ok {
			return v, true
		}
	}
	if v, ok := r.attr(r.my, r.target, key); ok {
		return v, true
	}
	return r.attr(r.target, r.my, key)
}

// attr is an attribute of a. Its expression sees a as its own ad, and other as the
// target, whoever asked.
func (r *run) attr(a, other *Ad, key string) (Value, bool) {
	e, ok := a.lookup(key)
	if !ok {
		return Value{}, false
	}
	if e.expr == nil {
		return e.value, true
	}
	if !r.spend(e.expr.size) || len(r.open) >= MaxNested || slices.Contains(r.open, openAttr{a, key}) {
		return ErrorValue(), true
	}
	r.open = append(r.open, openAttr{a, key})
	my, target, frame := r.my, r.target, r.frame
	r.my, r.target, r.frame = a, other, nil
	v := e.expr.root.eval(r)
	r.my, r.target, r.frame = my, target, frame
	r.open = r.open[:len(r.open)-1]
	return v, true
}

// selected is base.key for a base that is not a list. What a record lacks is looked
// for where the selection stands.
func (r *run) selected(base Value, key string) Value {
	switch base.kind {
	case Undefined:
		return base
	case Record:
		if v, ok := base.rec.value(key); ok {
			return v
		}
		v, _ := r.bare(key)
		return v
	}
	return ErrorValue()
}

// record is the fields of a record literal, worked out where it stands.
type record struct {
	lit   *recordNode
	vals  []Value
	state []uint8 // of each field: fresh, busy or done
}

const (
	fresh uint8 = iota
	busy
	done
)

func (n *recordNode) eval(r *run) Value {
	rec := &record{lit: n, vals: make([]Value, len(n.fields)), state: make([]uint8, len(n.fields))}
	saved := r.frame
	r.frame = &frame{rec: rec, up: saved}
	for i := range n.fields {
		r.work(rec, i)
	}
	r.frame = saved
	return Value{kind: Record, rec: rec}
}

// work is field i of rec, worked out now if it was not before. r.frame is rec's,
// or one within it.
func (r *run) work(rec *record, i int) Value {
	switch rec.state[i] {
	case busy:
		return ErrorValue()
	case fresh:
		rec.state[i] = busy
		saved := r.frame
		for r.frame.rec != rec {
			r.frame = r.frame.up
		}
		v := rec.lit.fields[i].value.eval(r)
		r.frame = saved
		rec.vals[i], rec.state[i] = v, done
	}
	return rec.vals[i]
}

func (r *run) field(rec *record, key string) (Value, bool) {
	i, ok := rec.lit.find(key)
	if !ok {
		return Value{}, false
	}
	return r.work(rec, i), true
}

// value is a field of a record that is complete.
func (rec *record) value(key string) (Value, bool) {
	i, ok := rec.lit.find(key)
	if !ok {
		return Value{}, false
	}
	return rec.vals[i], true
}
