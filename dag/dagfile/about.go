package dagfile

import (
	"bytes"
	"math"
	"strings"

	"gridburst/dag"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// config reads CONFIG file. What DAGMan's settings it has go into the graph.
func (r *reader) config(l *line, c *command) {
	w, ok := r.need(l, c)
	if !ok || !r.nothing(l, c) {
		return
	}
	g := r.builder.Draft()
	if g.Config != "" {
		if g.Config != w.text {
			r.fail(l, w, "there is a second CONFIG", "The first names "+g.Config+"; a run has one.")
		}
		return
	}
	g.Config = w.text
	if src := r.open(l, w, "", "includes"); src != nil {
		g.Settings = settings(src.text)
		for _, v := range g.Settings {
			if v.Name == "DAGMAN_DEFAULT_APPEND_VARS" {
				r.appendVars = isTrue(v.Value)
			}
		}
	}
}

// settings are the lines of a configuration that are about DAGMan; the last of a name
// holds.
func settings(text string) (out []dag.Var) {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, "=")
		name = strings.ToUpper(strings.TrimSpace(name))
		if !ok || !strings.HasPrefix(name, "DAGMAN_") {
			continue
		}
		out = without(out, name)
		out = append(out, dag.Var{Name: name, Value: strings.TrimSpace(value)})
	}
	return out
}

func isTrue(s string) bool {
	return strings.EqualFold(s, "true") || strings.EqualFold(s, "t") || strings.EqualFold(s, "yes") || s == "1"
}

// without is vars but for those of a name.
func without(vars []dag.Var, name string) []dag.Var {
	for i := range vars {
		if strings.EqualFold(vars[i].Name, name) {
			return append(vars[:i], vars[i+1:]...)
		}
	}
	return vars
}

// env reads ENV GET name ... and ENV SET name=value;name=value.
func (r *reader) env(l *line, c *command) {
	w, ok := r.need(l, c)
	if !ok {
		return
	}
	g := r.builder.Draft()
	rest := l.rest()
	if rest.text == "" {
		r.usage(l, rest, c)
		return
	}
	switch strings.ToUpper(w.text) {
	case "GET":
		for _, name := range strings.FieldsFunc(rest.text, func(c rune) bool { return strings.ContainsRune(" \t\r,;", c) }) {
			g.Env = append(g.Env, dag.EnvRule{Get: name})
		}
	case "SET":
		rules, wrong := environment(rest.text)
		if wrong != "" {
			r.fail(l, rest, wrong, "It is written "+c.usage+`, or in quotes with blanks between: ENV SET "name='a value' other=1".`)
			return
		}
		g.Env = append(g.Env, rules...)
	default:
		r.unknown(l, w, "form of ENV", []string{"GET", "SET"})
	}
}

// environment reads name=value;name=value, or "name=value name='a value'" where two quotes
// are one.
func environment(s string) (rules []dag.EnvRule, wrong string) {
	var items []string
	if inner, quoted := strings.CutPrefix(s, `"`); quoted {
		inner, quoted = strings.CutSuffix(inner, `"`)
		if !quoted {
			return nil, "a quote begins here and does not end"
		}
		if items, wrong = environmentWords(inner); wrong != "" {
			return nil, wrong
		}
	} else {
		items = strings.Split(s, ";")
	}
	for _, item := range items {
		name, value, ok := strings.Cut(item, "=")
		name = strings.TrimSpace(name)
		switch {
		case name == "" && !ok && strings.TrimSpace(item) == "":
			continue // behind the last ;
		case name == "" || !ok || strings.ContainsAny(name, blanks):
			return nil, quote(strings.TrimSpace(item)) + " sets no variable"
		}
		rules = append(rules, dag.EnvRule{Set: name, Value: value})
	}
	if len(rules) == 0 {
		return nil, "no variable is set"
	}
	return rules, ""
}

// environmentWords splits what stands between double quotes.
func environmentWords(s string) (words []string, wrong string) {
	var b strings.Builder
	within, single := false, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		twice := i+1 < len(s) && s[i+1] == c
		switch {
		case c == '"' && !twice:
			return nil, "a double quote within the quotes is written twice"
		case c == '"', c == '\'' && single && twice:
			b.WriteByte(c)
			i++
			within = true
		case c == '\'':
			single, within = !single, true
		case blank(c) && !single:
			if within {
				words = append(words, b.String())
				b.Reset()
				within = false
			}
		default:
			b.WriteByte(c)
			within = true
		}
	}
	if single {
		return nil, "a single quote does not end"
	}
	if within {
		words = append(words, b.String())
	}
	return words, ""
}

// setJobAttr reads SET_JOB_ATTR name = expression: an attribute of the run.
func (r *reader) setJobAttr(l *line, c *command) {
	rest := l.rest()
	name, value, ok := strings.Cut(rest.text, "=")
	name, value = strings.Trim(name, blanks), strings.Trim(value, blanks)
	name = strings.TrimPrefix(name, "+")
	if !ok || name == "" || value == "" {
		r.usage(l, rest, c)
		return
	}
	if strings.Trim(name, nameChars) != "" {
		r.fail(l, rest, quote(name)+" is no name for an attribute", "Names are letters, digits and underscores.")
		return
	}
	if _, err := ad.Parse(value); err != nil {
		r.fail(l, rest, "the value of "+name+" is no expression: "+grid.MessageOf(err), `A text stands in quotes: `+name+` = "..."`)
		return
	}
	g := r.builder.Draft()
	g.Attrs = append(without(g.Attrs, name), dag.Var{Name: name, Value: value})
}

// statusFile reads NODE_STATUS_FILE file [seconds] [ALWAYS-UPDATE]. The first one holds.
func (r *reader) statusFile(l *line, c *command) {
	w, ok := r.need(l, c)
	if !ok {
		return
	}
	s := dag.StatusFile{File: w.text, Seconds: 60}
	for w, more := l.word(); more; w, more = l.word() {
		if strings.EqualFold(w.text, "ALWAYS-UPDATE") || strings.EqualFold(w.text, "ALWAYS_UPDATE") {
			s.Always = true
			continue
		}
		if s.Seconds, ok = r.numberOf(l, w, c, 0, math.MaxInt32); !ok {
			return
		}
	}
	if g := r.builder.Draft(); g.Status == nil {
		g.Status = &s
	} else if *g.Status != s {
		r.warn(l, word{end: len(c.name)}, "there is a second NODE_STATUS_FILE", "The first one holds: "+g.Status.File+".")
	}
}

// stateLog reads JOBSTATE_LOG file. The first one holds.
func (r *reader) stateLog(l *line, c *command) {
	w, ok := r.need(l, c)
	if !ok || !r.nothing(l, c) {
		return
	}
	if g := r.builder.Draft(); g.StateLog == "" {
		g.StateLog = w.text
	} else if g.StateLog != w.text {
		r.warn(l, w, "there is a second JOBSTATE_LOG", "The first one holds: "+g.StateLog+".")
	}
}

// dot reads DOT file [UPDATE | DONT-UPDATE] [OVERWRITE | DONT-OVERWRITE] [INCLUDE file].
func (r *reader) dot(l *line, c *command) {
	w, ok := r.need(l, c)
	if !ok {
		return
	}
	d := dag.DotFile{File: w.text}
	for w, more := l.word(); more; w, more = l.word() {
		switch strings.ReplaceAll(strings.ToUpper(w.text), "_", "-") {
		case "UPDATE":
			d.Update = true
		case "DONT-UPDATE":
			d.Update = false
		case "OVERWRITE":
			d.Keep = false
		case "DONT-OVERWRITE":
			d.Keep = true
		case "INCLUDE":
			w, ok := r.need(l, c)
			if !ok {
				return
			}
			d.Include = w.text
		default:
			r.unknown(l, w, "option of DOT", []string{"UPDATE", "DONT-UPDATE", "OVERWRITE", "DONT-OVERWRITE", "INCLUDE"})
			return
		}
	}
	g := r.builder.Draft()
	if g.Dot != nil && *g.Dot != d {
		r.warn(l, word{end: len(c.name)}, "there is a second DOT", "The last one holds: "+d.File+".")
	}
	g.Dot = &d
}

// rescue reads a rescue file or that of a save point, whose names are those of the graph.
func (r *reader) rescue(f File) {
	s := &scope{own: int32(r.builder.Len()), to: int32(r.builder.Len())}
	src := newSource(f.Name, f.Name, string(bytes.TrimSpace(f.Text)))
	if !r.room(src) {
		return
	}
	outer := r.scope
	r.scope = s
	defer func() { r.scope = outer }()
	r.define(src)
	r.describe(s)
	r.tell(src)
}
