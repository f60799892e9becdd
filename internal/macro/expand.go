package macro

import (
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Limits of expansion: macros of macros grow quickly, and the queue expands what
// strangers wrote.
const (
	maxText  = 256 << 10 // bytes of one expanded value
	maxTotal = 1 << 20   // bytes of all values that one Expander gave
	maxDepth = 64        // macros within macros
	maxCalls = 1000      // of functions, by one Expander
	MaxSteps = 1 << 14   // of the expression in a function
)

// Expander replaces macros in text. It is used by one goroutine.
type Expander struct {
	Lookup func(key string) Meaning                       // by folded name
	Random func(args string) uint64                       // nil: not yet, random functions are live
	Miss   func(name string)                              // told of names without a value; may be nil
	Odd    func(what error)                               // told of what is taken for plain text but may not be meant so; may be nil
	Now    int64                                          // what time() says in $INT and its like
	Dir    string                                         // what $Ff() makes full paths with
	Getenv func(name string) (value string, set, ok bool) // ok false: $ENV is not available
	My     *ad.Ad                                         // what the expressions in $INT and $EVAL are about; nil: nothing

	active []string
	total  int // bytes that came out so far
	calls  int // of functions so far
}

// Meaning is what a name stands for.
type Meaning struct {
	State State
	Text  string // Live: the name to write
}

// State is what is known of a name.
type State uint8

// The states of names.
const (
	Missing  State = iota
	Written        // text that may hold macros
	Verbatim       // text that holds none
	Live           // known only later
)

// Escape makes text safe from being expanded.
func Escape(text string) string { return strings.ReplaceAll(text, "$", "$(DOLLAR)") }

// Finish undoes escapes in text without live macros.
func Finish(text string) string {
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

// Text expands all macros of s but the live ones, and reports whether there are any.
// Without live macros the result is finished.
func (e *Expander) Text(s string) (out string, isLive bool, err error) {
	var b strings.Builder
	isLive, err = e.Expand(&b, s)
	if err != nil {
		return "", false, err
	}
	out = b.String()
	if e.total += len(out); e.total > maxTotal {
		return "", false, grid.Errorf(grid.TooLarge, "the values of one job become longer than %d bytes", maxTotal)
	}
	if !isLive {
		out = Finish(out)
	}
	return out, isLive, nil
}

// Expand is [Expander.Text] that leaves the text escaped, and bounds it alone.
func (e *Expander) Expand(b *strings.Builder, s string) (isLive bool, err error) {
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
func (e *Expander) dollar(b *strings.Builder, s string) (rest string, isLive bool, err error) {
	switch {
	case strings.HasPrefix(s, "$$"): // replaced when the job is matched
		b.WriteString("$$")
		return s[2:], false, nil
	case strings.HasPrefix(s, "$("):
		body, rest, ok := Parenthesized(s[1:])
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
		if !ValidName(name) {
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
		body, rest, ok := Parenthesized(s[end:])
		if !ok {
			break
		}
		f, known := functionNamed(s[1:end])
		if !known {
			if s[1:end] != strings.ToUpper(s[1:end]) {
				break
			}
			if e.Odd != nil {
				e.Odd(unknownFunction(s[1:end]))
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
func (e *Expander) inner(name string) (out string, isLive bool, err error) {
	var b strings.Builder
	if len(e.active) >= maxDepth {
		return "", false, grid.Errorf(grid.TooLarge, "macros within macros: more than %d levels", maxDepth)
	}
	e.active = append(e.active, "")
	isLive, err = e.Expand(&b, name)
	e.active = e.active[:len(e.active)-1]
	return Finish(b.String()), isLive, err
}

// name replaces $(name) or $(name:otherwise).
func (e *Expander) name(b *strings.Builder, name, otherwise string, hasDefault bool) (isLive bool, err error) {
	key := Fold(name)
	switch m := e.Lookup(key); m.State {
	case Live:
		b.WriteString("$(" + m.Text + ")")
		return true, nil
	case Verbatim:
		b.WriteString(Escape(m.Text))
		return false, nil
	case Written:
		return e.within(b, name, key, m.Text)
	}
	if hasDefault {
		return e.Expand(b, otherwise)
	}
	if e.Miss != nil {
		e.Miss(name)
	}
	return false, nil
}

// within expands text as the value of a macro, which it must not lead back to.
func (e *Expander) within(b *strings.Builder, name, key, text string) (isLive bool, err error) {
	for _, k := range e.active {
		if k == key {
			return false, grid.Errorf(grid.Invalid, "the macro $(%s) leads back to itself", name)
		}
	}
	if len(e.active) >= maxDepth {
		return false, grid.Errorf(grid.TooLarge, "macros within macros: more than %d levels at $(%s)", maxDepth, name)
	}
	e.active = append(e.active, key)
	isLive, err = e.Expand(b, text)
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

// SelfReplaced replaces $(key) in value by what the macro was before: the one
// reference that is not left for later. What becomes too long for a value is not grown
// further: expanding it is an error.
func SelfReplaced(value, key, before string) string {
	var b strings.Builder
	for {
		i := strings.Index(value, "$(")
		if i < 0 {
			break
		}
		body, rest, ok := Parenthesized(value[i+1:])
		name, otherwise, _ := strings.Cut(body, ":")
		if !ok || b.Len() > maxText || Fold(strings.TrimSpace(name)) != key || i > 0 && value[i-1] == '$' {
			b.WriteString(value[:i+2])
			value = value[i+2:]
			continue
		}
		b.WriteString(value[:i])
		if before == "" {
			before = otherwise
		}
		b.WriteString(before)
		value = rest
	}
	return b.String() + value
}

// Parenthesized cuts s, which begins with a parenthesis, at the closing one.
func Parenthesized(s string) (body, rest string, ok bool) {
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

// ValidName reports whether name can be a macro's.
func ValidName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && c != '.' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// Fold is the key of a name: names are compared without case.
func Fold(name string) string { return strings.ToLower(name) }
