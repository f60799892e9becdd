package ad

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// JSON has no expressions. HTCondor's tools print one as the string
// "\/Expr(x > 1)\/", undefined as null, and so do we.

const (
	exprPrefix = "/Expr("
	exprSuffix = ")/"
)

// AppendJSON appends a, and what it is chained to, as a JSON object.
func (a *Ad) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, key := range a.keys() {
		if i > 0 {
			dst = append(dst, ',')
		}
		e, _ := a.lookup(key)
		dst = append(appendString(dst, e.name), ':')
		if e.expr == nil {
			dst = appendValue(dst, e.value)
		} else {
			dst = appendNode(dst, e.expr.root)
		}
	}
	return append(dst, '}')
}

// AppendChosen appends the attributes of those names that a has as a JSON object, in
// their order and spelling; with eval each as the value that it gives.
func (a *Ad) AppendChosen(dst []byte, names []string, eval func(*Expr) Value) []byte {
	dst = append(dst, '{')
	first := true
	for _, name := range names {
		e, ok := a.lookup(fold(name))
		if !ok {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendString(dst, name), ':')
		switch {
		case e.expr == nil:
			dst = appendValue(dst, e.value)
		case eval == nil:
			dst = appendNode(dst, e.expr.root)
		default:
			dst = appendValue(dst, eval(e.expr))
		}
	}
	return append(dst, '}')
}

// MarshalJSON is [Ad.AppendJSON].
func (a *Ad) MarshalJSON() ([]byte, error) { return a.AppendJSON(nil), nil }

func appendNode(dst []byte, n node) []byte {
	switch n := n.(type) {
	case *literal:
		return appendValue(dst, n.v)
	case *listNode:
		dst = append(dst, '[')
		for i, e := range n.elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendNode(dst, e)
		}
		return append(dst, ']')
	case *recordNode:
		dst = append(dst, '{')
		for i, f := range n.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, f.name)
			dst = append(dst, ':')
			dst = appendNode(dst, f.value)
		}
		return append(dst, '}')
	}
	return appendExpr(dst, n)
}

func appendExpr(dst []byte, n node) []byte {
	w := writer{}
	w.node(n)
	dst = append(dst, `"\/Expr(`...)
	text := appendString(nil, w.String())
	dst = append(dst, text[1:len(text)-1]...)
	return append(dst, `)\/"`...)
}

func appendValue(dst []byte, v Value) []byte {
	switch v.kind {
	case Undefined:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.bits != 0)
	case Int:
		return strconv.AppendInt(dst, int64(v.bits), 10)
	case Real:
		if f := v.real(); !math.IsInf(f, 0) && !math.IsNaN(f) {
			w := writer{}
			w.real(f)
			return append(dst, w.String()...)
		}
	case String:
		if !looksLikeExpr(v.str) {
			return appendString(dst, v.str)
		}
	case List:
		elems := make([]node, len(v.list.elems))
		for i, e := range v.list.elems {
			elems[i] = &literal{e}
		}
		return appendNode(dst, &listNode{elems})
	}
	return appendExpr(dst, &literal{v})
}

func looksLikeExpr(s string) bool {
	return strings.HasPrefix(s, exprPrefix) && strings.HasSuffix(s, exprSuffix)
}

func appendString(dst []byte, s string) []byte {
	if plain(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// plain reports whether JSON writes s as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ParseJSON reads an ad that [Ad.AppendJSON] or an HTCondor tool wrote.
func ParseJSON(data []byte) (*Ad, error) {
	a := &Ad{}
	if err := a.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return a, nil
}

// UnmarshalJSON is [ParseJSON] into a, which loses what it held.
func (a *Ad) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return grid.Errorf(grid.Invalid, "read an ad as JSON: %w", err)
	}
	a.Reset()
	for name, x := range fields {
		if !ValidName(name) {
			return grid.Errorf(grid.Invalid, "read an ad as JSON: %q is no attribute name", name)
		}
		if v, ok := jsonValue(x); ok {
			a.SetValue(name, v)
			continue
		}
		var w writer
		if err := w.json(x, 0); err != nil {
			return grid.Errorf(grid.CodeOf(err), "read an ad as JSON: attribute %s: %w", name, err)
		}
		if err := a.Set(name, w.String()); err != nil {
			return err
		}
	}
	return nil
}

// jsonValue is a decoded JSON value that needs no parsing: most do not.
func jsonValue(x any) (Value, bool) {
	switch x := x.(type) {
	case bool:
		return BoolValue(x), true
	case json.Number:
		i, err := strconv.ParseInt(x.String(), 10, 64)
		return IntValue(i), err == nil
	case string:
		return StringValue(x), !looksLikeExpr(x)
	}
	return Value{}, false
}

// json writes a decoded JSON value as an expression.
func (w *writer) json(x any, depth int) error {
	if depth > MaxDepth {
		return grid.Errorf(grid.TooLarge, "nested too deeply: %d levels at most", MaxDepth)
	}
	switch x := x.(type) {
	case nil:
		w.WriteString("undefined")
	case bool:
		w.WriteString(strconv.FormatBool(x))
	case json.Number:
		if _, err := strconv.ParseInt(x.String(), 10, 64); err == nil {
			w.WriteString(x.String())
			break
		}
		f, err := x.Float64()
		if err != nil {
			return grid.Errorf(grid.Invalid, "%s is out of range", x)
		}
		w.real(f)
	case string:
		if looksLikeExpr(x) {
			w.WriteString(x[len(exprPrefix) : len(x)-len(exprSuffix)])
			break
		}
		w.string(x)
	case []any:
		w.WriteString("{ ")
		for i, e := range x {
			if i > 0 {
				w.WriteString(",")
			}
			if err := w.json(e, depth+1); err != nil {
				return err
			}
		}
		w.WriteString(" }")
	case map[string]any:
		w.WriteString("[ ")
		first := true
		for name, e := range x {
			if !first {
				w.WriteString("; ")
			}
			first = false
			w.name(name)
			w.WriteString(" = ")
			if err := w.json(e, depth+1); err != nil {
				return err
			}
		}
		w.WriteString(" ]")
	}
	return nil
}
