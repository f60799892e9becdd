package submit

import (
	"strings"

	"gridburst/internal/grid"
)

// Limits of expansion: macros of macros grow quickly, and the queue expands what
// strangers wrote.
const (
	maxText  = 256 << 10 // bytes of one expanded value
	maxTotal = 1 << 20   // bytes of all values of one proc
	maxDepth = 64        // macros within macros
	maxCalls = 1000      // of functions, for one proc
	maxSteps = 1 << 14   // of the expression in a function
)

// expander replaces macros in text. The same code works twice: at submit it
// replaces everything but the live macros, whose values only a proc has; for a proc
// it replaces those.
//
// Text on its way is escaped: $(DOLLAR) stands for a dollar sign, and within a
// function's argument $(,) $(<) $(>) for a comma and parentheses, so that nothing
// that came out of a macro is taken for part of one. [finish] ends that.
type expander struct {
	lookup func(key string) macro                         // by folded name
	random func(args string) uint64                       // nil: not yet, random functions are live
	miss   func(name string)                              // told of names without a value; may be nil
	odd    func(what error)                               // told of what is taken for plain text but may not be meant so; may be nil
	now    int64                                          // what time() says in $INT and its like
	dir    string                                         // what $Ff() makes full paths with
	getenv func(name string) (value string, set, ok bool) // ok false: $ENV is not available
	active []string
	total  int // bytes that came out so far
	calls  int // of functions so far
}

// macro is what a name means.
type macro struct {
	state macroState
	text  string // live: the name to write
}

type macroState uint8

const (
	missing  macroState = iota
	written             // text that may hold macros
	verbatim            // text that holds none
	live                // known only to a proc
)

// escape makes text safe from being expanded.
func escape(text string) string { return strings.ReplaceAll(text, "$", "$(DOLLAR)") }

// finish undoes escapes in text without live macros.
func finish(text string) string {
	i := strings.Index(text, "$(")
	if i < 0 {
		return text
	}
	var b strings.Builder
	for ; i >= 0; i = strings.Index(text, "$(") {
		b.WriteString(text[:i])
		text = text[i:]
		switch {
		case strings.HasPrefix(text, "$(DOLLAR)"):
			b.WriteByte('$')
			text = text[len("$(DOLLAR)"):]
		case strings.HasPrefix(text, "$(,)"), strings.HasPrefix(text, "$(<)"), strings.HasPrefix(text, "$(>)"):
			b.WriteByte([...]byte{',': ',', '<': '(', '>': ')'}[text[2]])
			text = text[4:]
		default:
			b.WriteString("$(")
			text = text[2:]
		}
	}
	b.WriteString(text)
	return b.String()
}

// text expands all macros of s but the live ones, and reports whether there are any.
// Without live macros the result is finished.
func (e *expander) text(s string) (out string, isLive bool, err error) {
	var b strings.Builder
	isLive, err = e.expand(&b, s)
	if err != nil {
		return "", false, err
	}
	out = b.String()
	if e.total += len(out); e.total > maxTotal {
		return "", false, grid.Errorf(grid.TooLarge, "the values of one job become longer than %d bytes", maxTotal)
	}
	if !isLive {
		out = finish(out)
	}
	return out, isLive, nil
}

func (e *expander) expand(b *strings.Builder, s string) (isLive bool, err error) {
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		if b.Len() > maxText {
			return false, grid.Errorf(grid.TooLarge, "a value becomes longer than %d bytes", maxText)
		}
		rest, l, err := e.dollar(b, s)
		if err != nil {
			return false, err
		}
		isLive = isLive || l
		s = rest
	}
	if b.Len() > maxText {
		return false, grid.Errorf(grid.TooLarge, "a value becomes longer than %d bytes", maxText)
	}
	return isLive, nil
}

// dollar replaces the macro that s begins with; a dollar sign that begins none
// stands for itself. It returns what follows.
func (e *expander) dollar(b *strings.Builder, s string) (rest string, isLive bool, err error) {
	switch {
	case strings.HasPrefix(s, "$$"): // replaced when the job is matched
		b.WriteString("$$")
		return s[2:], false, nil
	case strings.HasPrefix(s, "$("):
		body, rest, ok := parenthesized(s[1:])
		if !ok {
			break
		}
		name, otherwise, hasDefault := cutDefault(body)
		if name == "," || name == "<" || name == ">" || strings.EqualFold(name, "DOLLAR") {
			b.WriteString("$(" + strings.ToUpper(name) + ")")
			return rest, false, nil
		}
		if strings.Contains(name, "$(") {
			if name, isLive, err = e.inner(name); err != nil || isLive {
				return "", false, grid.Errorf(grid.Invalid, "the name of a macro must not depend on the job: $(%s)", body)
			}
		}
		if !validMacro(name) {
			break
		}
		isLive, err = e.name(b, name, otherwise, hasDefault)
		return rest, isLive, err
	default:
		end := 1
		for end < len(s) && (s[end] == '_' || s[end] >= 'A' && s[end] <= 'Z' || s[end] >= 'a' && s[end] <= 'z') {
			end++
		}
		if end == 1 || end == len(s) || s[end] != '(' {
			break
		}
		body, rest, ok := parenthesized(s[end:])
		if !ok {
			break
		}
		f, known := functionNamed(s[1:end])
		if !known {
			if s[1:end] != strings.ToUpper(s[1:end]) {
				break
			}
			if e.odd != nil {
				e.odd(unknownFunction(s[1:end]))
			}
			break
		}
		isLive, err = e.call(b, f, body)
		return rest, isLive, err
	}
	b.WriteString("$(DOLLAR)") // for itself, whatever will follow it
	return s[1:], false, nil
}

// inner expands macros within a macro's name.
func (e *expander) inner(name string) (out string, isLive bool, err error) {
	var b strings.Builder
	if len(e.active) >= maxDepth {
		return "", false, grid.Errorf(grid.TooLarge, "macros within macros: more than %d levels", maxDepth)
	}
	e.active = append(e.active, "")
	isLive, err = e.expand(&b, name)
	e.active = e.active[:len(e.active)-1]
	return finish(b.String()), isLive, err
}

// name replaces $(name) or $(name:otherwise).
func (e *expander) name(b *strings.Builder, name, otherwise string, hasDefault bool) (isLive bool, err error) {
	key := fold(name)
	switch m := e.lookup(key); m.state {
	case live:
		b.WriteString("$(" + m.text + ")")
		return true, nil
	case verbatim:
		b.WriteString(escape(m.text))
		return false, nil
	case written:
		return e.within(b, name, key, m.text)
	}
	if hasDefault {
		return e.expand(b, otherwise)
	}
	if e.miss != nil {
		e.miss(name)
	}
	return false, nil
}

// within expands text as the value of a macro, which it must not lead back to.
func (e *expander) within(b *strings.Builder, name, key, text string) (isLive bool, err error) {
	for _, k := range e.active {
		if k == key {
			return false, grid.Errorf(grid.Invalid, "the macro $(%s) leads back to itself", name)
		}
	}
	if len(e.active) >= maxDepth {
		return false, grid.Errorf(grid.TooLarge, "macros within macros: more than %d levels at $(%s)", maxDepth, name)
	}
	e.active = append(e.active, key)
	isLive, err = e.expand(b, text)
	e.active = e.active[:len(e.active)-1]
	return isLive, err
}

// cutDefault cuts what stands within $() at the colon before its default, which is none
// of a macro within.
func cutDefault(body string) (name, otherwise string, ok bool) {
	depth := 0
	for i := range len(body) {
		switch body[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ':':
			if depth == 0 {
				return body[:i], body[i+1:], true
			}
		}
	}
	return body, "", false
}

// parenthesized cuts s, which begins with a parenthesis, at the closing one.
func parenthesized(s string) (body, rest string, ok bool) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

// arguments cuts a function's body at the commas outside of parentheses.
func arguments(body string) []string {
	var args []string
	depth, start := 0, 0
	for i := range len(body) {
		switch body[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(body[start:i]))
				start = i + 1
			}
		}
	}
	return append(args, strings.TrimSpace(body[start:]))
}

// validMacro reports whether name can be a macro's.
func validMacro(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && c != '.' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

func fold(name string) string { return strings.ToLower(name) }
