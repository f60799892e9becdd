package ad

import (
	"strconv"

	"gridburst/internal/grid"
)

// Check refuses a function that does not exist, one that is called with a wrong
// number of arguments, and a regular expression that cannot be used. HTCondor
// evaluates such a call to error, so that the expression is never true and nobody
// is told.
func (e *Expr) Check() error {
	var err error
	walk(e.root, func(n node) {
		c, ok := n.(*callNode)
		if !ok || err != nil {
			return
		}
		switch {
		case c.fn == nil:
			if near := grid.Nearest(c.name, FunctionNames()); near != "" {
				err = grid.Errorf(grid.Invalid, "there is no function %s(); did you mean %s()?", c.name, near)
			} else {
				err = grid.Errorf(grid.Invalid, "there is no function %s()", c.name)
			}
		case !c.arity:
			err = grid.Errorf(grid.Invalid, "%s() takes %s, not %d", c.fn.name, c.fn.arguments(), len(c.args))
		case c.pattern.err != nil:
			err = grid.Errorf(grid.Invalid, "%s(): %w", c.fn.name, c.pattern.err)
		}
	})
	return err
}

func (f *function) arguments() string {
	switch {
	case f.max < 0:
		return "at least " + plural(f.min)
	case f.min == f.max:
		return plural(f.min)
	}
	return strconv.Itoa(f.min) + " to " + plural(f.max)
}

func plural(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return strconv.Itoa(n) + " arguments"
}

// callCost is what a call takes beside its arguments: most make memory.
const callCost = 10

func (n *callNode) eval(r *run) Value {
	if !n.arity {
		return ErrorValue() // the arguments are not looked at: HTCondor checks the number first
	}
	if !r.spend(callCost) {
		return ErrorValue()
	}
	if n.own.lazy != nil {
		return n.own.lazy(r, n)
	}
	base := len(r.stack)
	for _, a := range n.args {
		v := a.eval(r)
		if n.fn.texts && (v.kind == List || v.kind == Record || isTime(v)) {
			v = StringValue(textOf(v))
		}
		r.stack = append(r.stack, v)
	}
	args := r.stack[base:len(r.stack):len(r.stack)]
	var v Value
	switch {
	case n.fn.pattern:
		v = n.match(r, args)
	case n.own.strict != nil:
		v = n.own.strict(r, args)
	default:
		v = callLibrary(r, n.fn.name, args)
	}
	clear(r.stack[base:])
	r.stack = r.stack[:base]
	if v.kind == String && !r.spend(len(v.str)/16) {
		return ErrorValue()
	}
	return v
}

// textOf is a value as the string functions see it.
func textOf(v Value) string {
	w := writer{exact: true}
	if v.kind == String {
		return v.str
	}
	if isTime(v) {
		return timeText(v)
	}
	w.value(v)
	return w.String()
}

func ifThenElse(r *run, n *callNode) Value {
	switch truthOf(n.args[0].eval(r)) {
	case yes:
		return n.args[1].eval(r)
	case no:
		return n.args[2].eval(r)
	case unknown:
		return UndefinedValue()
	}
	return ErrorValue()
}

// evalText parses a string and evaluates it in place; anything else is its own value.
func evalText(r *run, args []Value) Value {
	if args[0].kind != String {
		return args[0]
	}
	e, err := Parse(args[0].str)
	if err != nil || !r.spend(e.size+len(args[0].str)) {
		return ErrorValue()
	}
	return e.root.eval(r)
}

// unparse is the source of the attribute that its argument names.
func unparse(r *run, n *callNode) Value {
	ref, ok := ungroup(n.args[0]).(*reference)
	if !ok {
		return ErrorValue()
	}
	w := writer{exact: true}
	if bound := r.bound(ref); bound != nil {
		w.node(bound)
	}
	return StringValue(w.String())
}

// bound is the expression behind a reference, nil when there is none.
func (r *run) bound(ref *reference) node {
	ads := []*Ad{r.my, r.target}
	switch ref.scope {
	case my:
		ads = ads[:1]
	case target:
		ads = ads[1:]
	case parent:
		return nil
	}
	for _, a := range ads {
		if e, ok := a.lookup(ref.key); ok {
			return e.node()
		}
	}
	return nil
}

// evalInEach is the values of the first argument with each record of the second in
// scope. When the first is a reference, what counts is the expression behind it:
// so a job's RequireGPUs is asked of each of a machine's GPUs.
func evalInEach(r *run, n *callNode) ([]Value, Value) {
	body := ungroup(n.args[0])
	if ref, ok := body.(*reference); ok {
		if b := r.bound(ref); b != nil {
			body = b
		}
	}
	over := n.args[1].eval(r)
	if over.kind != List {
		return nil, over
	}
	size := sizeOf(body)
	saved := r.frame
	out := make([]Value, 0, len(over.list.elems))
	for _, e := range over.list.elems {
		switch {
		case !r.spend(size):
			return nil, ErrorValue()
		case e.kind == Record:
			r.frame = &frame{rec: e.rec, up: saved}
			out = append(out, body.eval(r))
			r.frame = saved
		case e.kind == Undefined:
			out = append(out, e)
		default:
			out = append(out, ErrorValue())
		}
	}
	return out, over
}

func evalInEachContext(r *run, n *callNode) Value {
	values, over := evalInEach(r, n)
	switch over.kind {
	case List:
		return ListValue(values)
	case Undefined:
		return over
	}
	return ErrorValue()
}

// countMatches is the number of records for which the first argument is true.
func countMatches(r *run, n *callNode) Value {
	values, over := evalInEach(r, n)
	if over.kind == Error || over.kind != List && over.kind != Undefined {
		return ErrorValue()
	}
	count := 0
	for _, v := range values {
		if Truth(v) {
			count++
		}
	}
	return IntValue(int64(count))
}

func size(_ *run, args []Value) Value {
	switch v := args[0]; v.kind {
	case Undefined:
		return v
	case String:
		return IntValue(int64(len(v.str)))
	case List:
		return IntValue(int64(len(v.list.elems)))
	case Record:
		return IntValue(int64(len(v.rec.vals)))
	}
	return ErrorValue()
}

func now(r *run, _ []Value) Value { return IntValue(r.now) }

func same(_ *run, args []Value) Value { return args[0] }

// formatTime leaves the clock to us when there is no argument.
func formatTime(r *run, args []Value) Value {
	if len(args) == 0 {
		args = []Value{IntValue(r.now)}
	}
	return callLibrary(r, "formatTime", args)
}

func is(k Kind) func(*run, []Value) Value {
	return func(_ *run, args []Value) Value { return BoolValue(args[0].kind == k) }
}

func ungroup(n node) node {
	for {
		g, ok := n.(*group)
		if !ok {
			return n
		}
		n = g.inner
	}
}
