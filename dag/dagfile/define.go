package dagfile

import (
	"fmt"
	"slices"
	"strings"

	"gridburst/dag"
)

// job reads JOB name submit-file [DIR directory] [NOOP] [DONE], and its likes.
func (r *reader) job(l *line, c *command) { r.named(l, c, r.jobNamed) }

func (r *reader) jobNamed(l *line, c *command, name, file word) bool {
	kind := dag.NodeKind(slices.Index(kindNames[:], c.name))
	at := l.where(name)
	n := dag.Node{Name: name.text, Kind: kind, File: file.text}
	text, within := "", false
	rest := l
	if opensText(file) {
		if !r.nothing(l, c) {
			return false
		}
		if text, rest, within = r.text(l, file); !within {
			return false
		}
		n.File = ""
	}
	if !r.nodeOptions(rest, c, &n) {
		return false
	}
	i, ok := r.addNode(l, name, at, n)
	switch {
	case !ok:
	case within:
		r.describeAs(l, name, r.scope.prefix+name.text, text, at)
		r.builder.Node(i).Submit = r.scope.prefix + name.text
	default:
		r.scope.pending = append(r.scope.pending, reference{i, file.text})
	}
	return ok
}

// named reads a name that a command defines, and a file, and has define read the rest. If
// anything about it is wrong, the name is an alien's.
func (r *reader) named(l *line, c *command, define func(l *line, c *command, name, file word) bool) {
	name, ok := r.need(l, c)
	if !ok {
		return
	}
	if file, ok := r.need(l, c); !ok || !define(l, c, name, file) {
		r.aliens[r.scope.prefix+name.text] = true
	}
}

// nodeOptions reads what may follow a node's file.
func (r *reader) nodeOptions(l *line, c *command, n *dag.Node) bool {
	for w, more := l.word(); more; w, more = l.word() {
		switch strings.ToUpper(w.text) {
		case "DIR":
			dir, ok := r.need(l, c)
			if !ok {
				return false
			}
			n.Dir = dir.text
		case "NOOP":
			n.Noop = true
		case "DONE":
			if n.Kind != dag.JobNode {
				r.warn(l, w, "a "+c.name+" node is never done before it has run", "")
				continue
			}
			n.Done = true
		default:
			r.unknown(l, w, "option of "+c.name, []string{"DIR", "NOOP", "DONE"})
			return false
		}
	}
	return true
}

// subdag reads SUBDAG EXTERNAL name dag-file [DIR directory] [NOOP] [DONE].
func (r *reader) subdag(l *line, c *command) {
	external, ok := r.need(l, c)
	if !ok {
		return
	}
	if !strings.EqualFold(external.text, "EXTERNAL") {
		r.fail(l, external, "SUBDAG is followed by EXTERNAL", "It is written "+c.usage+".")
		return
	}
	r.named(l, c, func(l *line, c *command, name, file word) bool {
		n := dag.Node{Name: name.text, File: file.text, Subdag: true}
		if !r.nodeOptions(l, c, &n) {
			return false
		}
		_, ok := r.addNode(l, name, l.where(name), n)
		return ok
	})
}

// data refuses DATA, which DAGMan knew once.
func (r *reader) data(l *line, _ *command) {
	name, _ := l.word()
	r.aliens[r.scope.prefix+name.text] = true
	r.fail(l, word{end: len("DATA")}, "DATA is no command of DAG files any more", "A job that moves data is a JOB.")
}

// addNode gives the graph a node.
func (r *reader) addNode(l *line, name word, at place, n dag.Node) (int32, bool) {
	problem := func(summary, detail string) (int32, bool) {
		r.add(at, at.problem(false, summary, detail))
		return 0, false
	}
	checked := n.Name
	if r.options.AnyName {
		checked = strings.ReplaceAll(checked, "+", ".")
	}
	if summary, detail := dag.NameProblem(checked); summary != "" {
		return problem(summary, detail)
	}
	s := r.scope
	switch {
	case n.Kind == dag.FinalNode && s.splice:
		return problem("a splice has no FINAL node", "A FINAL node belongs to a whole DAG: write it into the file that has the splice.")
	case n.Kind == dag.ProvisionerNode && s.splice:
		r.add(at, at.problem(true, "a PROVISIONER has no effect in a splice", "It belongs into the file of the DAG."))
		return 0, false
	case n.Kind == dag.FinalNode || n.Kind == dag.ProvisionerNode:
		if before := r.special[n.Kind]; before != 0 {
			first := r.places[before-1].problem(false, "", "")
			return problem("there is a second "+kindNames[n.Kind]+" node", fmt.Sprintf("The first is in line %d of %s.", first.Line, first.File))
		}
	}
	if s.splices[n.Name] != nil {
		return problem("there are a node and a splice named "+quote(n.Name), "")
	}
	if r.builder.Len() == dag.MaxNodes {
		r.errors = maxProblems
		return problem(fmt.Sprintf("there are more than %d nodes", dag.MaxNodes), "")
	}
	if s.prefix != "" {
		n.Name = s.prefix + n.Name
	}
	if s.dir != "" {
		if n.Dir == "" {
			n.Dir = s.dir
		} else {
			n.Dir = below(s.dir, n.Dir)
		}
	}
	i, ok := r.builder.Add(n)
	if !ok {
		first := r.places[i].problem(false, "", "")
		return problem("there are two nodes named "+quote(name.text), fmt.Sprintf("The first is in line %d of %s.", first.Line, first.File))
	}
	if n.Kind == dag.FinalNode || n.Kind == dag.ProvisionerNode {
		r.special[n.Kind] = i + 1
	}
	r.places = append(r.places, at)
	return i, true
}

// splice reads SPLICE name dag-file [DIR directory]. The file is read when all nodes of
// this one are known: they come first.
func (r *reader) splice(l *line, c *command) { r.named(l, c, r.spliceNamed) }

func (r *reader) spliceNamed(l *line, c *command, name, file word) bool {
	s := r.scope
	inner := &scope{outer: s, splice: true, name: name.text, prefix: s.prefix + name.text + "+", dir: s.dir}
	dir, ok := r.option(l, c, "DIR")
	if !ok {
		return false
	}
	if dir {
		w, ok := r.need(l, c)
		if !ok || !r.nothing(l, c) {
			return false
		}
		inner.dir = below(s.dir, w.text)
	}
	if summary, detail := dag.NameProblem(name.text); summary != "" {
		r.fail(l, name, strings.ReplaceAll(summary, "a node", "a splice"), detail)
		return false
	}
	if _, taken := r.find(name.text); taken || s.splices[name.text] != nil {
		r.fail(l, name, "the name "+quote(name.text)+" is taken", "A splice has a name of its own.")
		return false
	}
	if inner.src = r.open(l, file, inner.dir, "splices"); inner.src == nil {
		return false
	}
	inner.src.name = below(inner.dir, file.text)
	if s.splices == nil {
		s.splices = map[string]*scope{}
	}
	s.splices[name.text] = inner
	s.order = append(s.order, inner)
	return true
}

// include reads INCLUDE file.
func (r *reader) include(l *line, c *command) {
	src := l.from
	src.included = append(src.included, nil)
	w, ok := r.need(l, c)
	if !ok || !r.nothing(l, c) {
		return
	}
	inner := r.open(l, w, r.scope.dir, "includes")
	if inner == nil || !r.room(inner) {
		return
	}
	src.included[len(src.included)-1] = inner
	r.reading = append(r.reading, inner)
	r.define(inner)
	r.reading = r.reading[:len(r.reading)-1]
}

// reject reads REJECT, with which tools mark a file that is not to be run as it is.
func (r *reader) reject(l *line, c *command) {
	r.fail(l, word{end: len(c.name)}, "the file says that it is not to be run", "REJECT marks a file that a tool generated or has not completed; take the line out if it is complete.")
}

// opensText reports whether a submit description begins behind a word: { to a line },
// or @=tag to a line @tag.
func opensText(w word) bool { return !w.quoted && (w.text == "{" || strings.HasPrefix(w.text, "@=")) }

// text reads a submit description that begins behind w, and gives what follows its end in
// the same line.
func (r *reader) text(l *line, w word) (text string, rest *line, ok bool) {
	end := "}"
	if tag, tagged := strings.CutPrefix(w.text, "@="); tagged {
		if end = "@" + tag; tag == "" {
			r.fail(l, w, "the submit description has no end mark", "It is written @=tag, and a line @tag ends the description.")
			return "", nil, false
		}
	}
	src := l.from
	from := src.at
	for {
		at, row := src.at, src.row
		raw, more := src.line()
		if !more {
			break
		}
		trimmed := strings.TrimSpace(raw)
		if trimmed != end && !strings.HasPrefix(trimmed, end+" ") && !strings.HasPrefix(trimmed, end+"\t") {
			continue
		}
		text = strings.ReplaceAll(strings.TrimSuffix(src.text[from:at], "\n"), "\r\n", "\n")
		src.texts = append(src.texts, span{from, src.at, src.row})
		src.passed++
		if !isText(text) {
			r.fail(l, w, "the submit description that begins here is not UTF-8 text", "Save the file as UTF-8.")
			return "", nil, false
		}
		indent := strings.Index(raw, end)
		rest = &line{from: src, text: raw, pieces: []piece{{0, at, row}}, at: indent + len(end), command: l.command}
		return strings.TrimSuffix(text, "\r"), rest, true
	}
	src.texts = append(src.texts, span{from, src.at, src.row})
	src.passed++
	r.fail(l, w, "the submit description that begins here is not ended", "End it with a line "+quote(end)+".")
	return "", nil, false
}

// description reads SUBMIT-DESCRIPTION name {.
func (r *reader) description(l *line, c *command) {
	name, ok := r.need(l, c)
	if !ok {
		return
	}
	open, ok := r.need(l, c)
	if !ok {
		return
	}
	if !opensText(open) {
		r.fail(l, open, "a submit description begins with {", "It is written "+c.usage+".")
		return
	}
	if !r.nothing(l, c) {
		return
	}
	at := l.where(name)
	text, rest, ok := r.text(l, open)
	if !ok || !r.nothing(rest, c) {
		return
	}
	if strings.Contains(name.text, "+") && !r.options.AnyName {
		r.add(at, at.problem(false, "the name of a submit description holds no +", "DAGMan joins the names of splices and what is in them with it."))
		return
	}
	r.describeAs(l, name, r.scope.prefix+name.text, text, at)
}

// describeAs keeps a submit description under its full name.
func (r *reader) describeAs(l *line, name word, full, text string, at place) {
	if before, ok := r.descriptions[full]; ok {
		first := before.problem(false, "", "")
		r.add(at, at.problem(false, "there are two submit descriptions named "+quote(name.text), fmt.Sprintf("The first is in line %d of %s.", first.Line, first.File)))
		return
	}
	r.descriptions[full] = at
	g := r.builder.Draft()
	g.Descriptions = append(g.Descriptions, dag.Description{Name: full, Text: text})
}

// describe finds out which nodes of a scope name a submit description, of it or of what
// it is spliced into.
func (r *reader) describe(s *scope) {
	if len(r.descriptions) == 0 {
		s.pending = nil
		return
	}
	for _, p := range s.pending {
		for at := s; at != nil; at = at.outer {
			if _, ok := r.descriptions[at.prefix+p.name]; ok {
				n := r.builder.Node(p.node)
				n.File, n.Submit = "", at.prefix+p.name
				break
			}
		}
	}
	s.pending = nil
}
