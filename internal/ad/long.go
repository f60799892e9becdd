package ad

import (
	"strings"

	"gridburst/internal/grid"
)

// The long form is what HTCondor's tools print and job ad files hold: lines of
// "Name = expression" in the old syntax, where a backslash in a string stands for
// itself and only \" is an escape.

// ParseOld reads an expression in the old syntax, as people write it in submit
// files.
func ParseOld(src string) (*Expr, error) {
	if strings.IndexByte(src, '\\') < 0 {
		return Parse(src)
	}
	return Parse(doubled(src))
}

// doubled turns the old syntax into the new: backslashes in strings are doubled,
// but for those before a quote. A string that ends in a backslash is told from an
// escaped quote by what follows: nothing.
func doubled(src string) string {
	var b strings.Builder
	inside := false
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '"':
			inside = !inside
		case c == '\\' && inside:
			if i+1 < len(src) && src[i+1] == '"' && strings.TrimSpace(src[i+2:]) != "" {
				b.WriteString(`\"`)
				i++
				continue
			}
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Old is e in the old syntax.
func (e *Expr) Old() string {
	w := writer{old: true}
	w.node(e.root)
	return w.String()
}

// ParseLong reads an ad in the long form. Empty lines and lines that begin with #
// are skipped. The error names the line.
func ParseLong(text string) (*Ad, error) { return parseLong(text, 0) }

// parseLong reads an ad that stands behind so many lines.
func parseLong(text string, before int) (*Ad, error) {
	a := New(strings.Count(text, "\n") + 1)
	number := before
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, src, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || !ValidName(name) {
			return nil, grid.Errorf(grid.Invalid, "line %d: %q is not \"Name = expression\"", number, line)
		}
		e, err := ParseOld(strings.TrimSpace(src))
		if err != nil {
			return nil, grid.Errorf(grid.CodeOf(err), "line %d: attribute %s: %w", number, name, err)
		}
		a.SetExpr(name, e)
	}
	return a, nil
}

// ParseLongs reads ads in the long form with blank lines between them. The error names
// the line.
func ParseLongs(text string) ([]*Ad, error) {
	var out []*Ad
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		begin := i
		for i < len(lines) && strings.TrimSpace(lines[i]) != "" {
			i++
		}
		if i == begin {
			continue
		}
		a, err := parseLong(strings.Join(lines[begin:i], "\n"), begin)
		if err != nil {
			return nil, err
		}
		if a.Len() > 0 {
			out = append(out, a)
		}
	}
	return out, nil
}

// AppendLong appends a, and what it is chained to, in the long form.
func (a *Ad) AppendLong(dst []byte) []byte {
	for _, name := range a.Names() {
		e, _ := a.lookup(fold(name))
		w := writer{old: true}
		w.node(e.node())
		dst = append(dst, name...)
		dst = append(dst, " = "...)
		// A line end within a string cannot be written in the old syntax.
		dst = append(dst, strings.ReplaceAll(w.String(), "\n", " ")...)
		dst = append(dst, '\n')
	}
	return dst
}
