package ad

import (
	"regexp"
	"strings"
)

// pattern is a regular expression that was compiled with its call.
type pattern struct {
	re  *regexp.Regexp // nil: not a literal, compile when evaluating
	err error
}

// options are the letters after a pattern. HTCondor's letters are small ones;
// others mean nothing.
type options struct {
	flags string // as Go writes them
	full  bool   // f: the result is the whole text with the match replaced
	all   bool   // g: every match
}

func optionsOf(s string) options {
	var o options
	for _, c := range s {
		switch c {
		case 'i', 'm', 's':
			if !strings.ContainsRune(o.flags, c) {
				o.flags += string(c)
			}
		case 'f':
			o.full = true
		case 'g':
			o.all = true
		}
	}
	return o
}

func compilePattern(text string, o options) (*regexp.Regexp, error) {
	if o.flags != "" {
		text = "(?" + o.flags + ")" + text
	}
	return regexp.Compile(text)
}

// patternOf compiles the pattern of a call whose pattern and options are literals.
func patternOf(fn string, args []node) pattern {
	text, ok := args[0].(*literal)
	if !ok || text.v.kind != String {
		return pattern{}
	}
	var o options
	if i := optionsAt(fn); len(args) > i {
		l, ok := args[i].(*literal)
		if !ok || l.v.kind != String {
			return pattern{}
		}
		o = optionsOf(l.v.str)
	}
	re, err := compilePattern(text.v.str, o)
	return pattern{re, err}
}

// optionsAt is the place of the options among the arguments.
func optionsAt(fn string) int {
	switch fn {
	case "regexp", "regexpMember":
		return 2
	}
	return 3
}

// match calls one of the functions that take a pattern. The matching itself is
// linear in the text, whatever the pattern.
func (n *callNode) match(r *run, args []Value) Value {
	for _, a := range args {
		if a.kind == Error {
			return a
		}
	}
	var o options
	if i := optionsAt(n.fn.name); len(args) > i {
		if args[i].kind == String {
			o = optionsOf(args[i].str)
		} else if args[i].kind != Undefined {
			return ErrorValue()
		}
	}
	for _, a := range args[:n.fn.min] {
		if a.kind == Undefined {
			return a
		}
	}
	if args[0].kind != String {
		return ErrorValue()
	}
	re := n.pattern.re
	if re == nil {
		var err error
		if re, err = compilePattern(args[0].str, o); err != nil || !r.spend(100+50*len(args[0].str)) {
			return ErrorValue()
		}
	}
	switch n.fn.name {
	case "regexpMember":
		return anyMatch(r, re, args[1].list)
	case "stringList_regexpMember":
		return stringListMatch(r, re, args)
	}
	if args[1].kind != String || !r.spend(30+len(args[1].str)) {
		return ErrorValue()
	}
	if n.fn.name == "regexp" {
		return BoolValue(re.MatchString(args[1].str))
	}
	if args[2].kind != String {
		return ErrorValue()
	}
	o.full = o.full || n.fn.name != "regexps"
	o.all = o.all || n.fn.name == "replaceAll"
	return substitute(r, re, args[1].str, args[2].str, o)
}

// anyMatch reports whether an element matches. An element that is no string makes
// an error, unless an earlier one matches.
func anyMatch(r *run, re *regexp.Regexp, l *list) Value {
	if l == nil {
		return ErrorValue()
	}
	for _, e := range l.elems {
		if e.kind != String || !r.spend(len(e.str)) {
			return ErrorValue()
		}
		if re.MatchString(e.str) {
			return BoolValue(true)
		}
	}
	return BoolValue(false)
}

func stringListMatch(r *run, re *regexp.Regexp, args []Value) Value {
	delimiters := ", "
	if len(args) > 2 {
		if args[2].kind != String {
			return ErrorValue()
		}
		delimiters = args[2].str
	}
	if args[1].kind != String || !r.spend(len(args[1].str)) {
		return ErrorValue()
	}
	for item := range strings.FieldsFuncSeq(args[1].str, func(c rune) bool { return strings.ContainsRune(delimiters, c) }) {
		if re.MatchString(strings.TrimSpace(item)) {
			return BoolValue(true)
		}
	}
	return BoolValue(false)
}

// substitute is the replacement with \0 to \9 filled in from the first match, or
// with the option f the text with that in the match's place. Without a match it is
// nothing, or with f the text.
func substitute(r *run, re *regexp.Regexp, text, replacement string, o options) Value {
	count := 1
	if o.all {
		count = -1
	}
	var b strings.Builder
	end := 0
	for _, m := range re.FindAllStringSubmatchIndex(text, count) {
		if o.full {
			b.WriteString(text[end:m[0]])
		}
		fill(&b, text, replacement, m)
		end = m[1]
		if !r.spend(len(replacement)) || b.Len() > 16*Budget {
			return ErrorValue()
		}
	}
	if o.full {
		b.WriteString(text[end:])
	}
	return StringValue(b.String())
}

func fill(b *strings.Builder, text, replacement string, m []int) {
	for i := 0; i < len(replacement); i++ {
		c := replacement[i]
		if c != '\\' || i+1 == len(replacement) || replacement[i+1] < '0' || replacement[i+1] > '9' {
			b.WriteByte(c)
			continue
		}
		i++
		if g := 2 * int(replacement[i]-'0'); g < len(m) && m[g] >= 0 {
			b.WriteString(text[m[g]:m[g+1]])
		}
	}
}
