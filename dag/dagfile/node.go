package dagfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gridburst/dag"
)

// job reads JOB name submit-file [DIR directory] [NOOP] [DONE].
func (r *reader) job(l *line, c *command) {
	name, _ := l.word()
	r.aliens[name.text] = true // until it is found to be right
	file, ok := l.word()
	if !ok {
		r.usage(l, file, c)
		return
	}
	if opensText(file.text) {
		r.fail(l, file, "a submit description within a DAG file is not supported yet", "Write it into a submit file of its own.")
		r.skipText(l, file)
		return
	}
	n := dag.Node{Name: name.text, File: file.text}
	for w, more := l.word(); more; w, more = l.word() {
		switch strings.ToUpper(w.text) {
		case "DIR":
			dir, ok := l.word()
			if !ok {
				r.usage(l, dir, c)
				return
			}
			n.Dir = dir.text
		case "NOOP":
			n.Noop = true
		case "DONE":
			n.Done = true
		default:
			r.unknown(l, w, "option of JOB", []string{"DIR", "NOOP", "DONE"})
			return
		}
	}
	r.define(l, name, n)
}

// include reads INCLUDE file.
func (r *reader) include(l *line, c *command) {
	w, ok := l.word()
	if !ok {
		r.usage(l, w, c)
		return
	}
	if !r.nothing(l, c) {
		return
	}
	if src, ok := r.open(l, w); ok {
		r.file(w.text, src)
	}
}

// reject reads REJECT, with which tools mark a file that is not to be run as it is.
func (r *reader) reject(l *line, _ *command) {
	r.fail(l, word{end: l.at}, "the file says that it is not to be run", "REJECT marks a file that a tool generated or has not completed; take the line out if it is complete.")
}

// parent reads PARENT name ... CHILD name ....
func (r *reader) parent(l *line, c *command) {
	var nodes [2][]int32
	side, known := 0, true
	for w, more := l.word(); more; w, more = l.word() {
		if strings.EqualFold(w.text, "CHILD") {
			if side == 1 {
				r.fail(l, w, "there is a second CHILD", "It is written "+c.usage+".")
				return
			}
			side = 1
			continue
		}
		i, ok := r.node(l, w)
		known = known && ok
		nodes[side] = append(nodes[side], i)
	}
	if len(nodes[0]) == 0 || len(nodes[1]) == 0 {
		r.usage(l, word{start: l.at, end: l.at}, c)
		return
	}
	if known {
		r.builder.Order(nodes[0], nodes[1])
	}
}

// number reads a whole number from lo to hi.
func (r *reader) number(l *line, c *command, lo, hi int) (int, bool) {
	w, ok := l.word()
	if !ok {
		r.usage(l, w, c)
		return 0, false
	}
	n, err := strconv.Atoi(w.text)
	switch {
	case err != nil:
		r.fail(l, w, quote(w.text)+" is no whole number", "It is written "+c.usage+".")
	case n < lo || n > hi:
		limits := fmt.Sprintf("It is from %d to %d.", lo, hi)
		if hi == math.MaxInt32 && n < lo {
			limits = fmt.Sprintf("It is at least %d.", lo)
		}
		r.fail(l, w, w.text+" is out of bounds", limits)
	default:
		return n, true
	}
	return 0, false
}

// option reads a keyword that may follow.
func (r *reader) option(l *line, c *command, keyword string) (given, ok bool) {
	w, more := l.word()
	if !more {
		return false, true
	}
	if !strings.EqualFold(w.text, keyword) {
		r.fail(l, w, quote(w.text)+" is too much", "It is written "+c.usage+".")
		return false, false
	}
	return true, true
}

// retry reads RETRY node times [UNLESS-EXIT code].
func (r *reader) retry(l *line, c *command) {
	nodes, _ := r.nodes(l, c)
	if nodes == nil {
		return
	}
	times, ok := r.number(l, c, 0, math.MaxInt32)
	if !ok {
		return
	}
	unless, ok := r.option(l, c, "UNLESS-EXIT")
	if !ok {
		return
	}
	code := 0
	if unless {
		if code, ok = r.number(l, c, math.MinInt32, math.MaxInt32); !ok || !r.nothing(l, c) {
			return
		}
	}
	for _, i := range nodes {
		n := r.builder.Node(i)
		n.Retries, n.Unless = times, nil
		if unless {
			n.Unless = new(code)
		}
	}
}

// abort reads ABORT-DAG-ON node exit-code [RETURN code].
func (r *reader) abort(l *line, c *command) {
	nodes, _ := r.nodes(l, c)
	if nodes == nil {
		return
	}
	exit, ok := r.number(l, c, math.MinInt32, math.MaxInt32)
	if !ok {
		return
	}
	given, ok := r.option(l, c, "RETURN")
	if !ok {
		return
	}
	a := dag.AbortOn(exit)
	if given {
		if a.Return, ok = r.number(l, c, 0, 255); !ok || !r.nothing(l, c) {
			return
		}
	}
	for _, i := range nodes {
		r.builder.Node(i).Abort = new(*a)
	}
}

// priority reads PRIORITY node number.
func (r *reader) priority(l *line, c *command) {
	nodes, _ := r.nodes(l, c)
	if nodes == nil {
		return
	}
	if p, ok := r.number(l, c, math.MinInt32, math.MaxInt32); ok && r.nothing(l, c) {
		for _, i := range nodes {
			r.builder.Node(i).Priority = p
		}
	}
}

// category reads CATEGORY node name.
func (r *reader) category(l *line, c *command) {
	nodes, _ := r.nodes(l, c)
	if nodes == nil {
		return
	}
	w, ok := l.word()
	if !ok {
		r.usage(l, w, c)
		return
	}
	if !r.nothing(l, c) {
		return
	}
	for _, i := range nodes {
		r.builder.Node(i).Category = w.text
	}
	if _, known := r.limits[w.text]; !known {
		r.limits[w.text] = limit{line: l, name: w}
	}
}

// limit is a category, where it is first named, and whether it has a MAXJOBS.
type limit struct {
	line *line
	name word
	set  bool
}

// maxJobs reads MAXJOBS category number.
func (r *reader) maxJobs(l *line, c *command) {
	w, ok := l.word()
	if !ok {
		r.usage(l, w, c)
		return
	}
	if n, ok := r.number(l, c, 1, math.MaxInt32); ok && r.nothing(l, c) {
		r.builder.Limit(w.text, n)
		r.limits[w.text] = limit{set: true}
	}
}

// unlimited warns of categories without effect.
func (r *reader) unlimited() {
	for name, k := range r.limits {
		if !k.set {
			r.warn(k.line, k.name, "the category "+quote(name)+" has no limit", "As in: MAXJOBS "+name+" 5")
		}
	}
}

// done reads DONE node, as rescue files have it.
func (r *reader) done(l *line, c *command) {
	nodes, all := r.nodes(l, c)
	if nodes == nil || !r.nothing(l, c) {
		return
	}
	if all {
		r.fail(l, word{end: l.at}, "DONE names one node", "")
		return
	}
	r.builder.Node(nodes[0]).Done = true
}
