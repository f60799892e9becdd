package route

import (
	"cmp"
	"errors"
	"hash/fnv"
	"runtime"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// apply carries a transform out. One whose Requirements are not true of the ad as it is
// now is left out; a route's own have been looked at before.
func (e *editing) apply(by string, t *Transform, asks bool) error {
	e.by, e.text = by, ""
	if asks {
		if c, _ := refusal(t.clauses, e.ad, nil, e.now); c != nil {
			e.steps = append(e.steps, Step{By: by, Text: "left out: " + c.text + " is not true"})
			return nil
		}
	}
	x := e.expander()
	var ifs macro.Conditions
	for i := range t.lines {
		s := &t.lines[i]
		if s.verb == condition {
			var wrong, detail string
			problem := ifs.Take(s.word, func() bool {
				var holds bool
				holds, wrong, detail = x.Holds(s.text)
				return holds
			})
			if problem = cmp.Or(problem, wrong); problem != "" {
				return e.failed(s, grid.Errorf(grid.Invalid, "%s", strings.TrimSpace(problem+". "+detail)))
			}
			continue
		}
		if !ifs.Active() {
			continue
		}
		if err := e.do(s, x); err != nil {
			return e.failed(s, err)
		}
	}
	return nil
}

// failed says where a transform cannot be carried out.
func (e *editing) failed(s *statement, err error) error {
	place := ""
	if s.pos.Line > 0 {
		place = " (" + s.pos.File + ":" + strconv.Itoa(s.pos.Line) + ")"
	}
	line := strings.TrimSpace(s.shown + " " + s.name)
	return grid.Errorf(grid.Invalid, "%s, %s%s: %w", e.by, line, place, err)
}

// do carries one statement out.
func (e *editing) do(s *statement, x *macro.Expander) error {
	if s.verb == assign {
		key := macro.Fold(s.name)
		before := e.lookup(key)
		if before.State == macro.Verbatim {
			before.Text = macro.Escape(before.Text)
		}
		e.vars[key] = macro.Meaning{State: macro.Written, Text: macro.SelfReplaced(s.text, key, before.Text)}
		return nil
	}
	name, err := e.expanded(x, s.name)
	if err != nil {
		return err
	}
	if s.regex == nil && !ad.ValidName(name) && (s.verb != evalMacro || !macro.ValidName(name)) {
		return grid.Errorf(grid.Invalid, "%s is no name for an attribute", quote(name))
	}
	switch s.verb {
	case remove, copyAttr, rename:
		return e.move(s, x, name)
	}
	if s.verb == setDefault && e.ad.Has(name) {
		return nil
	}
	expr, src := s.expr, s.text
	if expr == nil {
		if src, err = e.expanded(x, s.text); err != nil {
			return err
		}
		if expr, _, err = s.verb.parse(src); err != nil {
			return grid.Errorf(grid.Invalid, "%s is no expression: %s", quote(src), reasonOf(err))
		}
	}
	e.text = s.shown + " " + name + " " + src
	switch s.verb {
	case set, setDefault:
		e.set(name, expr)
		return nil
	}
	v := e.now.Eval(expr, e.ad, nil)
	if s.verb == evalSet {
		e.set(name, v.Expr())
		return nil
	}
	text, ok := v.Text()
	if !ok {
		text = v.Expr().Old()
	}
	e.vars[macro.Fold(name)] = macro.Meaning{State: macro.Verbatim, Text: text}
	e.steps = append(e.steps, Step{By: e.by, Text: e.text + " gives " + text})
	return nil
}

// move carries out DELETE, COPY and RENAME.
func (e *editing) move(s *statement, x *macro.Expander, name string) error {
	to, err := e.expanded(x, s.text)
	if err != nil {
		return err
	}
	e.text = strings.TrimSpace(s.shown + " " + name + " " + to)
	if s.regex == nil {
		return e.moveOne(s.verb, name, to)
	}
	type pair struct{ from, to string }
	var all []pair
	for _, n := range e.ad.Names() {
		if m := s.regex.FindStringSubmatchIndex(n); m != nil {
			all = append(all, pair{n, filled(to, n, m)})
		}
	}
	for _, p := range all {
		if err := e.moveOne(s.verb, p.from, p.to); err != nil {
			return err
		}
	}
	return nil
}

// filled is a pattern with \0 to \9 filled in from a match.
func filled(pattern, text string, m []int) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' && i+1 < len(pattern) && pattern[i+1] >= '0' && pattern[i+1] <= '9' {
			if g := 2 * int(pattern[i+1]-'0'); g < len(m) {
				if m[g] >= 0 {
					b.WriteString(text[m[g]:m[g+1]])
				}
				i++
				continue
			}
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

func (e *editing) moveOne(v verb, name, to string) error {
	x, ok := e.ad.Expr(name)
	switch {
	case v == remove:
		e.drop(name)
		return nil
	case !ad.ValidName(to):
		return grid.Errorf(grid.Invalid, "%s is no name for an attribute", quote(to))
	case !ok:
		return nil
	case v == rename:
		e.drop(name)
	}
	e.set(to, x)
	return nil
}

func (e *editing) expanded(x *macro.Expander, text string) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	out, _, err := x.Text(text)
	return out, err
}

// expander knows the macros at a line.
func (e *editing) expander() *macro.Expander {
	return &macro.Expander{
		Lookup: e.lookup,
		// Random values are a function of the job: asked again, it becomes the same.
		Random: func(args string) uint64 {
			e.calls++
			h := fnv.New64a()
			h.Write([]byte(e.id + "/" + strconv.FormatUint(e.calls, 10) + "/" + args))
			x := h.Sum64()
			x ^= x >> 33 // fnv's low bits alone are uneven
			x *= 0xff51afd7ed558ccd
			return x ^ x>>33
		},
		Now:    int64(e.now),
		Dir:    e.ad.Text("Iwd"),
		My:     e.ad,
		Getenv: func(string) (string, bool, bool) { return "", false, false },
	}
}

func (e *editing) lookup(key string) macro.Meaning {
	if attr, ok := strings.CutPrefix(key, "my."); ok {
		return attribute(e.ad, attr)
	}
	if m, ok := e.vars[key]; ok {
		return m
	}
	if text, ok := e.table.macros[key]; ok {
		return macro.Meaning{State: macro.Written, Text: text}
	}
	return automatic(key)
}

// attribute is $(MY.attr): a string without its quotes, anything else as it is written.
func attribute(a *ad.Ad, name string) macro.Meaning {
	x, ok := a.Expr(name)
	if !ok {
		return macro.Meaning{}
	}
	if v, ok := x.Constant(); ok {
		if s, ok := v.Text(); ok {
			return macro.Meaning{State: macro.Verbatim, Text: s}
		}
	}
	return macro.Meaning{State: macro.Verbatim, Text: x.Old()}
}

// automatic are the macros that nobody needs to set.
func automatic(key string) macro.Meaning {
	known := func(s string) macro.Meaning { return macro.Meaning{State: macro.Verbatim, Text: s} }
	switch key {
	case "arch":
		if runtime.GOARCH == "amd64" {
			return known("X86_64")
		}
		return known("aarch64")
	case "opsys":
		return known("LINUX")
	case "islinux":
		return known("1")
	case "iswindows", "itemindex", "iterating", "row", "step", "xformid":
		return known("0")
	}
	return macro.Meaning{}
}

// parse reads an expression in the old syntax, in which a backslash stands for itself.
func parse(src string) (*ad.Expr, error) { return ad.ParseOld(src) }

// parse reads the expression of a statement. HTCondor reads those that are worked out at
// once in the new syntax, and takes a backslash that begins no escape for nothing.
func (v verb) parse(src string) (x *ad.Expr, odd bool, err error) {
	if v != evalSet && v != evalMacro {
		x, err = parse(src)
		return x, false, err
	}
	if x, err = ad.Parse(src); err == nil {
		return x, false, nil
	}
	if plain := withoutOddEscapes(src); plain != src {
		if x, again := ad.Parse(plain); again == nil {
			return x, true, nil
		}
	}
	return nil, false, err
}

// withoutOddEscapes is an expression's text without the backslashes in its strings that
// begin no escape.
func withoutOddEscapes(src string) string {
	var b strings.Builder
	inside := false
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '"':
			inside = !inside
		case c == '\\' && inside && i+1 < len(src):
			i++
			if strings.IndexByte(`abfnrtv"'\?01234567`, src[i]) >= 0 {
				b.WriteByte(c)
			}
			c = src[i]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// reasonOf is what is wrong with an expression, without its text.
func reasonOf(err error) string {
	var syntax *ad.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Reason
	}
	return grid.MessageOf(err)
}

// expressionAt is where in the text at a place an expression stops being one.
func expressionAt(at grid.Pos, src string, err error, whole bool) grid.Pos {
	var syntax *ad.SyntaxError
	if !whole && errors.As(err, &syntax) && syntax.Column > 0 && syntax.Source == src {
		at.Column, at.Length = at.Column+min(syntax.Column-1, len(src)), 1
	}
	return at
}
