package dagfile

import (
	"math"
	"slices"
	"strings"

	"gridburst/dag"
)

// scriptKinds are the scripts of a node.
var scriptKinds = []string{"PRE", "POST", "HOLD"}

// scriptOf is where a node has its script of a kind.
func scriptOf(n *dag.Node, kind int) **dag.Script {
	return []**dag.Script{&n.Pre, &n.Post, &n.Hold}[kind]
}

// script reads SCRIPT [DEFER exit-code seconds] [DEBUG file stream] PRE | POST | HOLD node
// program argument .... Quotes mean nothing in the program and its arguments.
func (r *reader) script(l *line, c *command) {
	var s dag.Script
	kind := -1
	for kind < 0 {
		w, ok := r.need(l, c)
		if !ok {
			return
		}
		switch upper := strings.ToUpper(w.text); {
		case slices.Contains(scriptKinds, upper):
			kind = slices.Index(scriptKinds, upper)
		case upper == "DEFER":
			code, ok := r.number(l, c, math.MinInt32, math.MaxInt32)
			if !ok {
				return
			}
			if s.DeferSeconds, ok = r.number(l, c, 0, math.MaxInt32); !ok {
				return
			}
			s.Defer = new(code)
		case upper == "DEBUG":
			file, ok := r.need(l, c)
			if !ok {
				return
			}
			stream, ok := r.need(l, c)
			if !ok {
				return
			}
			s.Debug, s.Capture = file.text, strings.ToUpper(stream.text)
			if streams := []string{"STDOUT", "STDERR", "ALL"}; !slices.Contains(streams, s.Capture) {
				r.unknown(l, stream, "stream", streams)
				return
			}
		default:
			r.unknown(l, w, "kind of script", append([]string{"DEFER", "DEBUG"}, scriptKinds...))
			return
		}
	}
	nodes, all := r.nodes(l, c)
	if nodes == nil {
		return
	}
	program, ok := l.plain()
	if !ok {
		r.usage(l, program, c)
		return
	}
	s.Program = program.text
	for w, more := l.plain(); more; w, more = l.plain() {
		s.Args = append(s.Args, w.text)
	}
	if all {
		r.scope.scripts[kind] = true
	}
	for _, i := range nodes {
		at := scriptOf(r.builder.Node(i), kind)
		if *at != nil && !r.scope.scripts[kind] {
			r.warn(l, word{end: len(c.name)}, quote(r.builder.Node(i).Name)+" has a "+scriptKinds[kind]+" script already", "The last one holds.")
		}
		*at = new(s)
	}
}

// preSkip reads PRE_SKIP node exit-code.
func (r *reader) preSkip(l *line, c *command) {
	nodes, w, ok := r.nodesAnd(l, c)
	if !ok {
		return
	}
	code, ok := r.numberOf(l, w, c, math.MinInt32, math.MaxInt32)
	if !ok || !r.nothing(l, c) {
		return
	}
	if code == 0 {
		r.fail(l, w, "an exit code of 0 skips nothing", "With it a PRE script has succeeded, and the job runs.")
		return
	}
	for _, i := range nodes {
		r.builder.Node(i).PreSkip = code
	}
}
