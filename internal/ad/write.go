package ad

import (
	"math"
	"strconv"
	"strings"
)

// writer prints expressions. In the old syntax (job ad files, "A = expr" lines) a
// backslash in a string stands for itself, and only quotes are escaped.
type writer struct {
	strings.Builder
	old bool
	// exact prints reals as the string functions do, with 16 digits; otherwise
	// they get as many as it takes to read them back.
	exact bool
}

func (w *writer) node(n node) {
	switch n := n.(type) {
	case *literal:
		w.value(n.v)
	case *reference:
		w.WriteString([...]string{my: "MY.", target: "TARGET.", parent: "PARENT."}[n.scope])
		w.name(n.name)
	case *group:
		w.WriteByte('(')
		w.node(n.inner)
		w.WriteByte(')')
	case *unary:
		w.WriteString(spelling[n.op])
		if negative(n.operand) {
			w.WriteByte(' ')
		}
		w.node(n.operand)
	case *binary:
		w.infix(n.op, n.left, n.right)
	case *logic:
		w.infix(n.op, n.terms...)
	case *choice:
		w.node(n.cond)
		w.WriteString(" ? ")
		w.node(n.yes)
		w.WriteString(" : ")
		w.node(n.no)
	case *elvis:
		w.node(n.left)
		w.WriteString(" ?: ")
		w.node(n.right)
	case *listNode:
		w.WriteString("{ ")
		w.list(n.elems)
		w.WriteString(" }")
	case *recordNode:
		w.fields(n, func(i int) { w.node(n.fields[i].value) })
	case *selectNode:
		w.node(n.base)
		if l, ok := n.base.(*literal); ok && (l.v.kind == Int || l.v.kind == Real) {
			w.WriteByte(' ') // or it would read as a number
		}
		w.WriteByte('.')
		w.name(n.name)
	case *index:
		w.node(n.base)
		w.WriteByte('[')
		w.node(n.at)
		w.WriteByte(']')
	case *callNode:
		w.WriteString(n.name)
		w.WriteByte('(')
		w.list(n.args)
		w.WriteByte(')')
	}
}

// negative reports whether n would be printed with a leading sign.
func negative(n node) bool {
	switch n := n.(type) {
	case *unary:
		return n.op == opMinus || n.op == opPlus
	case *literal:
		return n.v.kind == Int && int64(n.v.bits) < 0 || n.v.kind == Real && math.Signbit(n.v.real())
	}
	return false
}

func (w *writer) infix(op operator, operands ...node) {
	for i, n := range operands {
		if i > 0 {
			w.WriteByte(' ')
			w.WriteString(spelling[op])
			w.WriteByte(' ')
		}
		w.node(n)
	}
}

func (w *writer) list(nodes []node) {
	for i, n := range nodes {
		if i > 0 {
			w.WriteByte(',')
		}
		w.node(n)
	}
}

func (w *writer) fields(n *recordNode, value func(i int)) {
	w.WriteString("[ ")
	for i, f := range n.fields {
		if i > 0 {
			w.WriteString("; ")
		}
		w.name(f.name)
		w.WriteString(" = ")
		value(i)
	}
	w.WriteString(" ]")
}

func (w *writer) value(v Value) {
	switch v.kind {
	case Undefined:
		w.WriteString("undefined")
	case Error:
		w.WriteString("error")
	case Bool:
		w.WriteString(strconv.FormatBool(v.bits != 0))
	case Int:
		w.WriteString(strconv.FormatInt(int64(v.bits), 10))
	case Real:
		w.real(v.real())
	case String:
		w.string(v.str)
	case List:
		if v.list.source != nil {
			w.node(v.list.source)
			return
		}
		w.WriteString("{ ")
		for i, e := range v.list.elems {
			if i > 0 {
				w.WriteByte(',')
			}
			w.value(e)
		}
		w.WriteString(" }")
	case AbsTime, RelTime:
		w.time(v)
	case Record:
		w.fields(v.rec.lit, func(i int) { w.node(v.rec.lit.fields[i].value) })
	}
}

func (w *writer) real(f float64) {
	switch {
	case math.IsNaN(f):
		w.WriteString(`real("NaN")`)
	case math.IsInf(f, 1):
		w.WriteString(`real("INF")`)
	case math.IsInf(f, -1):
		w.WriteString(`real("-INF")`)
	case w.exact && f != 0:
		w.Write(strconv.AppendFloat(nil, f, 'E', 15, 64))
	default:
		s := strconv.FormatFloat(f, 'G', -1, 64)
		if !strings.ContainsAny(s, ".E") {
			s += ".0"
		}
		w.WriteString(s)
	}
}

// string prints s in quotes. Bytes above 0x7f stand for themselves: text is UTF-8
// everywhere.
func (w *writer) string(s string) {
	w.WriteByte('"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f || w.old && c != '"' && c != 0 {
			continue
		}
		w.WriteString(s[start:i])
		start = i + 1
		switch c {
		case 0: // there is no way to write it
		case '"', '\\':
			w.WriteByte('\\')
			w.WriteByte(c)
		case '\n':
			w.WriteString(`\n`)
		case '\r':
			w.WriteString(`\r`)
		case '\t':
			w.WriteString(`\t`)
		default:
			w.WriteByte('\\')
			w.WriteByte('0' + c>>6)
			w.WriteByte('0' + c>>3&7)
			w.WriteByte('0' + c&7)
		}
	}
	w.WriteString(s[start:])
	w.WriteByte('"')
}

// name prints an attribute's name, in single quotes if it needs them.
func (w *writer) name(s string) {
	if ValidName(s) {
		w.WriteString(s)
		return
	}
	w.WriteByte('\'')
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			w.WriteByte('\\')
		}
		w.WriteByte(s[i])
	}
	w.WriteByte('\'')
}

// ValidName reports whether s is an attribute's name that needs no quotes: letters,
// digits and underscores, not a digit first, and no word of the language.
func ValidName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	switch len(s) {
	case 0:
		return false
	case 2:
		return !strings.EqualFold(s, "is")
	case 4:
		return !strings.EqualFold(s, "true") && !strings.EqualFold(s, "isnt")
	case 5:
		return !strings.EqualFold(s, "false") && !strings.EqualFold(s, "error")
	case 9:
		return !strings.EqualFold(s, "undefined")
	}
	return true
}

// Quote is s as a string literal.
func Quote(s string) string {
	w := writer{}
	w.string(s)
	return w.String()
}

// Unquote is the string that the literal src means; ok is false when src is not
// exactly one string literal.
func Unquote(src string) (s string, ok bool) {
	v, ok := unquoted(src)
	return v.str, ok
}

// unquoted reads a string literal with escapes.
func unquoted(src string) (Value, bool) {
	if len(src) < 2 || src[0] != '"' || src[len(src)-1] != '"' {
		return Value{}, false
	}
	body := src[1 : len(src)-1]
	if !strings.ContainsAny(body, "\"\\\n") {
		return StringValue(body), true
	}
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		c := body[i]
		if c == '"' || c == '\n' {
			return Value{}, false
		}
		if c != '\\' {
			b.WriteByte(c)
			continue
		}
		i++
		if i == len(body) {
			return Value{}, false
		}
		switch c := body[i]; {
		case c == 'n':
			b.WriteByte('\n')
		case c == 't':
			b.WriteByte('\t')
		case c == 'r':
			b.WriteByte('\r')
		case c == '"' || c == '\\':
			b.WriteByte(c)
		case c >= '0' && c <= '1' && i+2 < len(body) && octal(body[i+1]) && octal(body[i+2]) && body[i:i+3] != "000":
			b.WriteByte((c-'0')<<6 | (body[i+1]-'0')<<3 | (body[i+2] - '0'))
			i += 2
		default:
			return Value{}, false // rarer escapes are the parser's
		}
	}
	return StringValue(b.String()), true
}

func octal(c byte) bool { return c >= '0' && c <= '7' }
