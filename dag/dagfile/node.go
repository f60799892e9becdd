package dagfile

import (
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"gridburst/dag"
)

// parent reads PARENT name ... CHILD name ....
func (r *reader) parent(l *line, c *command) { r.order(l, c, false) }

// weak reads WEAK PARENT name ... CHILD name ....
func (r *reader) weak(l *line, c *command) {
	w, ok := r.need(l, c)
	if !ok {
		return
	}
	if !strings.EqualFold(w.text, "PARENT") {
		r.fail(l, w, "WEAK is followed by PARENT", "It is written "+c.usage+".")
		return
	}
	r.order(l, c, true)
}

func (r *reader) order(l *line, c *command, weak bool) {
	nodes := [2][]int32{r.sides[0][:0], r.sides[1][:0]}
	defer func() { r.sides = nodes }()
	var given [2]int
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
		given[side]++
		if s := r.scope.splices[w.text]; s != nil {
			ends := s.last
			if side == 1 {
				ends = s.first
			}
			if s.to == s.from && r.errors == 0 {
				r.fail(l, w, "the splice "+quote(w.text)+" has no nodes", "Nothing can be before or behind it.")
			}
			nodes[side] = append(nodes[side], ends...)
			continue
		}
		i, ok := r.node(l, w, c)
		if ok {
			if k := r.builder.Node(i).Kind; k != dag.JobNode {
				r.fail(l, w, "a "+kindNames[k]+" node has no parents and no children", w.text+" is one.")
				ok = false
			}
		}
		known = known && ok
		nodes[side] = append(nodes[side], i)
	}
	if given[0] == 0 || given[1] == 0 {
		r.usage(l, l.end(), c)
		return
	}
	if known {
		if weak {
			r.builder.OrderWeak(nodes[0], nodes[1])
		} else {
			r.builder.Order(nodes[0], nodes[1])
		}
	}
}

// number reads a whole number from lo to hi.
func (r *reader) number(l *line, c *command, lo, hi int) (int, bool) {
	w, ok := r.need(l, c)
	if !ok {
		return 0, false
	}
	return r.numberOf(l, w, c, lo, hi)
}

func (r *reader) numberOf(l *line, w word, c *command, lo, hi int) (int, bool) {
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
		r.excess(l, w, c)
		return false, false
	}
	return true, true
}

// retry reads RETRY node times [UNLESS-EXIT code].
func (r *reader) retry(l *line, c *command) {
	nodes, _ := r.nodes(l, c)
	if nodes == nil || !r.ordered(l, c, nodes) {
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
	if nodes == nil || !r.ordered(l, c, nodes) {
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

// tolerance reads TOLERANCE node number[%] [FAIL-FAST | WAIT].
func (r *reader) tolerance(l *line, c *command) {
	nodes, w, ok := r.nodesAnd(l, c)
	if !ok {
		return
	}
	var t dag.Tolerance
	hi := math.MaxInt32
	digits, percent := strings.CutSuffix(w.text, "%")
	if t.Percent = percent; percent {
		hi = 100
	}
	w.text = digits
	if t.Procs, ok = r.numberOf(l, w, c, 0, hi); !ok {
		return
	}
	if w, more := l.word(); more {
		switch strings.ToUpper(w.text) {
		case "WAIT":
			t.Wait = true
		case "FAIL-FAST", "FAIL_FAST":
		default:
			r.excess(l, w, c)
			return
		}
	}
	if !r.nothing(l, c) {
		return
	}
	for _, i := range nodes {
		r.builder.Node(i).Tolerance = new(t)
	}
}

// priority reads PRIORITY node number.
func (r *reader) priority(l *line, c *command) {
	nodes, _ := r.nodes(l, c)
	if nodes == nil || !r.ordered(l, c, nodes) {
		return
	}
	if p, ok := r.number(l, c, math.MinInt32, math.MaxInt32); ok && r.nothing(l, c) {
		for _, i := range nodes {
			r.builder.Node(i).Priority = p
		}
	}
}

// categoryName is a category's name in the graph. One of a splice is its own, unless it
// begins with +.
func (r *reader) categoryName(name string) string {
	if s := r.scope; s.splice && !strings.HasPrefix(name, "+") {
		return s.prefix + name
	}
	return name
}

// category reads CATEGORY node name.
func (r *reader) category(l *line, c *command) {
	nodes, _ := r.nodes(l, c)
	if nodes == nil || !r.ordered(l, c, nodes) {
		return
	}
	w, ok := r.need(l, c)
	if !ok || !r.nothing(l, c) {
		return
	}
	name := r.categoryName(w.text)
	k, known := r.limits[name]
	if known {
		name = k.full // of many strings that are equal, one
	} else {
		r.limits[name] = limit{full: name, name: w.text, at: l.where(w)}
	}
	for _, i := range nodes {
		r.builder.Node(i).Category = name
	}
}

// limit is a category, where it is first named, and whether it has a MAXJOBS.
type limit struct {
	full string
	name string // within its scope
	at   place
	set  bool
}

// maxJobs reads MAXJOBS category number.
func (r *reader) maxJobs(l *line, c *command) {
	w, ok := r.need(l, c)
	if !ok {
		return
	}
	if n, ok := r.number(l, c, 1, math.MaxInt32); ok && r.nothing(l, c) {
		name := r.categoryName(w.text)
		r.builder.Limit(name, n)
		r.limits[name] = limit{full: name, set: true}
	}
}

// look warns of what has no effect, when all is read.
func (r *reader) look() {
	for _, k := range r.limits {
		if !k.set {
			r.add(k.at, k.at.problem(true, "the category "+quote(k.name)+" has no limit", "As in: MAXJOBS "+k.name+" 5"))
		}
	}
	for i := range int32(r.builder.Len()) {
		if n := r.builder.Node(i); n.PreSkip != 0 && n.Pre == nil {
			at := r.places[i]
			r.add(at, at.problem(true, quote(n.Name)+" has a PRE_SKIP and no PRE script", "PRE_SKIP is about the exit code of SCRIPT PRE."))
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
		r.fail(l, word{end: len(c.name)}, "DONE names one node", "")
		return
	}
	n := r.builder.Node(nodes[0])
	if n.Kind != dag.JobNode {
		r.fail(l, word{end: len(c.name)}, "a "+kindNames[n.Kind]+" node is never done before it has run", n.Name+" is one.")
		return
	}
	n.Done = true
}

// saveDir is where the files of save points are that come without a directory.
const saveDir = "save_files"

// savePoint reads SAVE_POINT_FILE node [file].
func (r *reader) savePoint(l *line, c *command) {
	name := *l
	nodes, all := r.nodes(l, c)
	if nodes == nil {
		return
	}
	if all {
		r.fail(l, word{end: len(c.name)}, "SAVE_POINT_FILE names one node", "Each needs a file of its own.")
		return
	}
	node, _ := name.word()
	file, given := l.word()
	if given && !r.nothing(l, c) {
		return
	}
	if !given || file.text == "" {
		file.text = node.text + "-" + path.Base(l.from.name) + ".save"
	}
	if !strings.Contains(file.text, "/") {
		file.text = saveDir + "/" + file.text
	}
	r.builder.Node(nodes[0]).SaveFile = below(r.scope.dir, file.text)
}
