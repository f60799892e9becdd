package dagfile

import (
	"strings"

	"gridburst/dag"
	"gridburst/internal/ad"
)

// setVars reads VARS node [PREPEND | APPEND] name="value" ....
func (r *reader) setVars(l *line, c *command) {
	nodes, all := r.nodes(l, c)
	if nodes == nil {
		return
	}
	var vars []dag.Var
	var names []word
	back := l.at
	last := r.appendVars
	switch w, _ := l.word(); strings.ToUpper(w.text) {
	case "APPEND":
		last = true
	case "PREPEND":
		last = false
	default:
		l.at, l.open = back, word{}
	}
	for {
		name, value, more, ok := r.assignment(l, c)
		if !ok {
			return
		}
		if !more {
			break
		}
		vars = append(vars, dag.Var{Name: name.text, Value: value, Append: last})
		names = append(names, name)
	}
	if len(vars) == 0 {
		r.usage(l, l.end(), c)
		return
	}
	for k, v := range vars {
		for _, i := range nodes {
			r.setVar(l, names[k], i, v, all)
		}
	}
}

// setVar gives a node a macro. The last one of a name holds; only if it replaces one
// that was given to nodes by name, that is worth a word.
func (r *reader) setVar(l *line, name word, i int32, v dag.Var, all bool) {
	n := r.builder.Node(i)
	if all {
		if r.scope.allVars == nil {
			r.scope.allVars = map[string]bool{}
		}
		r.scope.allVars[strings.ToLower(v.Name)] = true
	}
	before := len(n.Vars)
	n.Vars = without(n.Vars, v.Name)
	if len(n.Vars) < before && !r.scope.allVars[strings.ToLower(v.Name)] {
		r.warn(l, name, v.Name+" is set again for "+quote(n.Name), "The last value holds.")
	}
	n.Vars = append(n.Vars, v)
}

// assignment reads name = "value", in which \" is a quote and \\ a backslash. more is
// false at the end of the line.
func (r *reader) assignment(l *line, c *command) (name word, value string, more, ok bool) {
	l.skipBlanks()
	if l.at == len(l.text) {
		return name, "", false, true
	}
	name.start = l.at
	for l.at < len(l.text) && !blank(l.text[l.at]) && l.text[l.at] != '=' {
		l.at++
	}
	name.end = l.at
	name.text = l.text[name.start:name.end]
	l.skipBlanks()
	if l.at == len(l.text) || l.text[l.at] != '=' {
		r.fail(l, name, quote(name.text)+" has no value", "It is written "+c.usage+".")
		return name, "", false, false
	}
	l.at++
	l.skipBlanks()
	at := word{start: l.at, end: l.at + 1}
	if l.at == len(l.text) || l.text[l.at] != '"' {
		r.fail(l, at, "the value of "+name.text+" does not stand in quotes", "It is written "+c.usage+".")
		return name, "", false, false
	}
	from := l.at + 1
	escaped := false
	for l.at++; l.at < len(l.text); l.at++ {
		switch l.text[l.at] {
		case '"':
			if value = l.text[from:l.at]; escaped {
				value = unescape(value)
			}
			l.at++
			return name, value, true, r.validVar(l, name)
		case '\\':
			escaped = true
			if l.at+1 < len(l.text) && (l.text[l.at+1] == '"' || l.text[l.at+1] == '\\') {
				l.at++
			}
		}
	}
	r.fail(l, at, "the value of "+name.text+" is not ended", `A quote within it is written \".`)
	return name, "", false, false
}

// unescape makes \" a quote and \\ a backslash; before anything else a backslash is one.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

const nameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// validVar reports whether a macro may have a name.
func (r *reader) validVar(l *line, w word) bool {
	name, isAttr := ad.CutMy(w.text)
	valid := name != "" && strings.Trim(name, nameChars) == ""
	switch {
	case !valid:
		r.fail(l, w, quote(w.text)+" is no name for a macro", "Names are letters, digits and underscores; + before it makes it an attribute of the job.")
	case !isAttr && len(name) >= 5 && strings.EqualFold(name[:5], "queue"):
		r.fail(l, w, "the name of a macro does not begin with queue", "Its line in a submit file would be a queue statement.")
		valid = false
	}
	return valid
}
