package submit

import (
	"strconv"
	"strings"
)

// Compatible is the version of HTCondor whose behaviour this package follows, and with
// which `if version` compares.
const Compatible = "23.9.6"

// condition executes if, elif, else and endif, and reports whether s is one of them.
func (r *reading) condition(s *statement) bool {
	switch s.word {
	case ifWord:
		b := branch{pos: s.pos, within: r.active()}
		if b.within {
			b.active = r.holds(s)
			b.taken = b.active
		}
		r.ifs = append(r.ifs, b)
		return true
	case elifWord, elseWord, endifWord:
	default:
		return false
	}
	if len(r.ifs) == 0 {
		r.fail(s.pos, "there is no if for this", "")
		return true
	}
	b := &r.ifs[len(r.ifs)-1]
	switch {
	case s.word == endifWord:
		r.ifs = r.ifs[:len(r.ifs)-1]
	case b.last:
		r.fail(s.pos, "the else of this if was before", "")
	case s.word == elseWord:
		b.active, b.last = b.within && !b.taken, true
	case !b.within || b.taken:
		b.active = false
	default:
		b.active = r.holds(s)
		b.taken = b.active
	}
	return true
}

// holds evaluates a condition: a truth, a number, defined NAME, version >= x.y.z,
// each with an exclamation mark before it.
func (r *reading) holds(s *statement) bool {
	text := strings.TrimSpace(s.value)
	negated := false
	for strings.HasPrefix(text, "!") {
		negated = !negated
		text = strings.TrimSpace(text[1:])
	}
	if first, name, _ := strings.Cut(text, " "); strings.EqualFold(first, "defined") {
		return r.defined(strings.TrimSpace(name), s) != negated
	}
	text, ok := r.expanded(text, s.at)
	if !ok {
		return false
	}
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(fold(text), "version"); ok {
		return r.version(strings.TrimSpace(rest), s) != negated
	}
	if b, ok := boolean(text); ok {
		return b != negated
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return (f != 0) != negated
	}
	r.fail(s.at, quote(text)+" is no condition", "Write true, false, a number, defined NAME or version >= x.y.z, each with ! before it if need be. There is no && and no comparing of macros.")
	return false
}

func (r *reading) defined(name string, s *statement) bool {
	if strings.HasPrefix(name, "$") {
		text, ok := r.expanded(name, s.at)
		return ok && strings.TrimSpace(text) != ""
	}
	if !validMacro(name) {
		r.fail(s.at, "defined needs the name of a macro", "")
		return false
	}
	m := r.lookup(fold(name))
	return m.state != missing && (m.state == live || m.text != "")
}

func (r *reading) version(text string, s *statement) bool {
	for _, op := range []string{">=", "<=", "==", "!=", ">", "<"} {
		rest, ok := strings.CutPrefix(text, op)
		if !ok {
			continue
		}
		c, ok := compareVersions(Compatible, strings.TrimSpace(rest))
		if !ok {
			break
		}
		switch op {
		case ">=":
			return c >= 0
		case "<=":
			return c <= 0
		case "==":
			return c == 0
		case "!=":
			return c != 0
		case ">":
			return c > 0
		}
		return c < 0
	}
	r.fail(s.at, "a version is compared as in: version >= 8.1.2", "")
	return false
}

// compareVersions compares as many parts as b has.
func compareVersions(a, b string) (c int, ok bool) {
	have := strings.Split(a, ".")
	for i, part := range strings.Split(b, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return 0, false
		}
		m := 0
		if i < len(have) {
			m, _ = strconv.Atoi(have[i])
		}
		if m != n {
			return m - n, true
		}
	}
	return 0, true
}
