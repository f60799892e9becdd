package ad

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"gridburst/internal/grid"

	"github.com/PelicanPlatform/classad/parser"
)

// Expr is a parsed expression. It never changes, so goroutines may share it.
type Expr struct {
	root node
	size int // nodes, what one evaluation costs at least
}

// Parse reads an expression in the new syntax, where a backslash in a string
// begins an escape. The error is [grid.Invalid] with the place, or
// [grid.TooLarge].
func Parse(src string) (*Expr, error) {
	if v, ok := literalOf(src); ok {
		return &Expr{root: &literal{v}, size: 1}, nil
	}
	if len(src) > MaxSource {
		return nil, grid.Errorf(grid.TooLarge, "an expression of %d bytes is too long: at most %d are read", len(src), MaxSource)
	}
	if !utf8.ValidString(src) || strings.IndexByte(src, 0) >= 0 {
		return nil, grid.Errorf(grid.Invalid, "an expression must be UTF-8 text without NUL, and %q is not", src)
	}
	tree, err := parser.ParseExpr(spacedElvis(src))
	if err != nil {
		at, why := place(src, err)
		return nil, &SyntaxError{Source: src, Column: at, Reason: why}
	}
	c := compiler{}
	root := c.node(tree, 0)
	if c.err != nil {
		return nil, c.err
	}
	return &Expr{root: root, size: c.size}, nil
}

// ParseConstraint is [Parse] of an expression that chooses ads. It refuses what [Expr.Check]
// refuses.
func ParseConstraint(src string) (*Expr, error) {
	e, err := Parse(src)
	if err == nil {
		err = e.Check()
	}
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "the constraint: %w", err)
	}
	return e, nil
}

// Literal is the expression that is v. Records have none.
func Literal(v Value) *Expr { return &Expr{root: &literal{v}, size: 1} }

// String is e as source that [Parse] reads back to the same, spaced as HTCondor
// does.
func (e *Expr) String() string {
	w := writer{}
	w.node(e.root)
	return w.String()
}

// Constant is e's value if it is a literal.
func (e *Expr) Constant() (Value, bool) {
	if l, ok := e.root.(*literal); ok {
		return l.v, true
	}
	return Value{}, false
}

// SyntaxError is a text that is not an expression, and where it stops being one.
type SyntaxError struct {
	Source string
	Column int // from 1, in characters of Source, line ends included; 0: not known
	Reason string
}

func (e *SyntaxError) Error() string {
	shown := e.Source
	if len(shown) > 200 {
		shown = strings.ToValidUTF8(shown[:200], "") + "..."
	}
	if e.Column == 0 {
		return "not a ClassAd expression: " + e.Reason + " in " + strconv.Quote(shown)
	}
	return "not a ClassAd expression: " + e.Reason + " at character " + strconv.Itoa(e.Column) + " of " + strconv.Quote(shown)
}

// Unwrap makes the error a [grid.Invalid].
func (e *SyntaxError) Unwrap() error { return &grid.Error{Code: grid.Invalid, Message: e.Error()} }

// literalOf reads what most attributes are without the parser: a number, a string
// without escapes, a word.
func literalOf(src string) (Value, bool) {
	if src == "" {
		return Value{}, false
	}
	switch c := src[0]; {
	case c == '"':
		if len(src) < 2 || src[len(src)-1] != '"' || strings.IndexByte(src, 0) >= 0 || !utf8.ValidString(src) {
			return Value{}, false
		}
		if s := src[1 : len(src)-1]; !strings.ContainsAny(s, `"\`) {
			return StringValue(s), true
		}
		return unquoted(src)
	case c >= '0' && c <= '9' || c == '-':
		return number(src)
	case c == 't' || c == 'T' || c == 'f' || c == 'F' || c == 'u' || c == 'U' || c == 'e' || c == 'E':
		switch {
		case strings.EqualFold(src, "true"):
			return BoolValue(true), true
		case strings.EqualFold(src, "false"):
			return BoolValue(false), true
		case strings.EqualFold(src, "undefined"):
			return UndefinedValue(), true
		case strings.EqualFold(src, "error"):
			return ErrorValue(), true
		}
	}
	return Value{}, false
}

// number reads what is a number in ClassAds: no leading zeros, digits on both
// sides of a point.
func number(src string) (Value, bool) {
	digits := strings.TrimPrefix(src, "-")
	end := 0
	for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
		end++
	}
	switch {
	case end == 0, end > 1 && digits[0] == '0':
		return Value{}, false
	case end == len(digits):
		i, err := strconv.ParseInt(src, 10, 64)
		return IntValue(i), err == nil
	}
	rest := digits[end:]
	if rest[0] == '.' && (len(rest) == 1 || rest[1] < '0' || rest[1] > '9') || strings.ContainsAny(rest, "xXpP_ifnIFN") {
		return Value{}, false
	}
	f, err := strconv.ParseFloat(src, 64)
	return RealValue(f), err == nil
}

// spacedElvis writes ?: as "? :": the library binds the joined form tighter than
// arithmetic, HTCondor does not.
func spacedElvis(src string) string {
	if !strings.Contains(src, "?:") {
		return src
	}
	var b strings.Builder
	scan(src, func(text string, quoted bool) {
		if !quoted {
			text = strings.ReplaceAll(text, "?:", "? :")
		}
		b.WriteString(text)
	})
	return b.String()
}

// scan cuts src into pieces that are quoted ("strings" and 'names', with their
// quotes) and pieces that are not.
func scan(src string, piece func(text string, quoted bool)) {
	start := 0
	for i := 0; i < len(src); i++ {
		q := src[i]
		if q != '"' && q != '\'' {
			continue
		}
		if i > start {
			piece(src[start:i], false)
		}
		end := i + 1
		for end < len(src) && src[end] != q {
			if src[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(src))
		piece(src[i:end], true)
		start, i = end, end-1
	}
	if start < len(src) {
		piece(src[start:], false)
	}
}

// wrapped is what the library puts before an expression: its columns count it.
const wrapped = len("[__classad_parse_expr__ = ")

// place is where in src the library stopped and why, from the only thing that it
// gives: a sentence.
func place(src string, err error) (column int, reason string) {
	text, _, _ := strings.Cut(err.Error(), "\n")
	var line int
	if _, e := fmt.Sscanf(text, "parse error at line %d, col %d:", &line, &column); e != nil {
		return 0, text
	}
	_, reason, _ = strings.Cut(text, ": ")
	if line == 1 {
		column -= wrapped
	}
	for range line - 1 {
		end := strings.IndexByte(src, '\n') + 1
		column += utf8.RuneCountInString(src[:end])
		src = src[end:]
	}
	return max(column, 1), reason
}

// Choice reports whether e is cond ? yes : no or left ?: right, which bind less than any
// other operator.
func (e *Expr) Choice() bool {
	switch e.root.(type) {
	case *choice, *elvis:
		return true
	}
	return false
}
