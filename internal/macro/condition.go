package macro

import (
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// Compatible is the version of HTCondor whose behaviour we follow, and with which
// `if version` compares.
const Compatible = "23.9.6"

// Word is a keyword of conditions.
type Word uint8

// The words.
const (
	If Word = iota
	Elif
	Else
	Endif
)

// Conditions are the ifs that are open at a line. The zero Conditions is ready: none is.
type Conditions struct{ open []branch }

// branch is an if that is not ended yet.
type branch struct {
	active bool // its lines count
	taken  bool // one of its branches has counted
	within bool // the if itself counts
	last   bool // else was seen
}

// Active reports whether a line counts.
func (c *Conditions) Active() bool { return len(c.open) == 0 || c.open[len(c.open)-1].active }

// Open is how many ifs have no endif yet.
func (c *Conditions) Open() int { return len(c.open) }

// Take executes a word. holds is asked for its condition where that decides; problem is
// what is wrong with the word where it stands.
func (c *Conditions) Take(w Word, holds func() bool) (problem string) {
	if w == If {
		b := branch{within: c.Active()}
		if b.within {
			b.active = holds()
			b.taken = b.active
		}
		c.open = append(c.open, b)
		return ""
	}
	if len(c.open) == 0 {
		return "there is no if for this"
	}
	b := &c.open[len(c.open)-1]
	switch {
	case w == Endif:
		c.open = c.open[:len(c.open)-1]
	case b.last:
		return "the else of this if was before"
	case w == Else:
		b.active, b.last = b.within && !b.taken, true
	case !b.within || b.taken:
		b.active = false
	default:
		b.active = holds()
		b.taken = b.active
	}
	return ""
}

// Holds evaluates a condition: a truth, a number, defined NAME, version >= x.y.z,
// each with an exclamation mark before it. What is wrong with it is a problem, with
// what to write instead.
func (e *Expander) Holds(text string) (holds bool, problem, detail string) {
	text = strings.TrimSpace(text)
	negated := false
	for strings.HasPrefix(text, "!") {
		negated = !negated
		text = strings.TrimSpace(text[1:])
	}
	if first, name, _ := strings.Cut(text, " "); strings.EqualFold(first, "defined") {
		holds, problem, detail = e.defined(strings.TrimSpace(name))
		return holds != negated, problem, detail
	}
	text, problem, detail = e.atOnce(text)
	if problem != "" {
		return false, problem, detail
	}
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(Fold(text), "version"); ok {
		holds, ok = version(strings.TrimSpace(rest))
		if !ok {
			return false, "a version is compared as in: version >= 8.1.2", ""
		}
		return holds != negated, "", ""
	}
	switch Fold(text) {
	case "true", "t", "yes", "y":
		return !negated, "", ""
	case "false", "f", "no", "n":
		return negated, "", ""
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return (f != 0) != negated, "", ""
	}
	return false, `"` + text + `" is no condition`, "Write true, false, a number, defined NAME or version >= x.y.z, each with ! before it if need be. There is no && and no comparing of macros."
}

// atOnce expands text that is needed now.
func (e *Expander) atOnce(text string) (out, problem, detail string) {
	out, isLive, err := e.Text(text)
	switch {
	case err != nil:
		return "", grid.MessageOf(err), ""
	case isLive:
		return "", "this must not depend on the job: " + text, "$(Process), $(Cluster) and item variables have no value yet."
	}
	return out, "", ""
}

func (e *Expander) defined(name string) (holds bool, problem, detail string) {
	if strings.HasPrefix(name, "$") {
		name, problem, detail = e.atOnce(name)
		return strings.TrimSpace(name) != "", problem, detail
	}
	if !ValidName(name) {
		return false, "defined needs the name of a macro", ""
	}
	m := e.Lookup(Fold(name))
	return m.State == Live || m.State != Missing && m.Text != "", "", ""
}

// version compares Compatible as the text says.
func version(text string) (holds, ok bool) {
	for _, op := range []string{">=", "<=", "==", "!=", ">", "<"} {
		rest, ok := strings.CutPrefix(text, op)
		if !ok {
			continue
		}
		c, ok := compareVersions(Compatible, strings.TrimSpace(rest))
		if !ok {
			return false, false
		}
		switch op {
		case ">=":
			return c >= 0, true
		case "<=":
			return c <= 0, true
		case "==":
			return c == 0, true
		case "!=":
			return c != 0, true
		case ">":
			return c > 0, true
		}
		return c < 0, true
	}
	return false, false
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
