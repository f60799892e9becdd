package dagfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// Limits of a reading.
const (
	MaxFile     = 64 << 20 // bytes of a file, and of all files together
	maxIncludes = 1000
	maxProblems = 100 // errors, after which nothing is read on; and as many warnings
	maxNearest  = 20  // problems for which a name is suggested: it looks at every name
)

// Files is how a reading sees the owner's files. Names are as in the text, relative to
// the DAG's directory, unless they are absolute. An error for a file that is not there is
// [fs.ErrNotExist].
type Files interface {
	ReadFile(name string) ([]byte, error)
}

// Read reads a DAGMan file and those that it includes. With errors among the
// diagnostics there is no graph.
func Read(name string, src []byte, files Files) (*dag.Graph, grid.Diagnostics) {
	r := &reader{
		files: files, commands: language(), builder: dag.NewBuilder(path.Base(name)),
		found: map[string]found{}, aliens: map[string]bool{}, counts: map[string]*count{}, limits: map[string]limit{}, vars: map[varOf]bool{},
	}
	r.file(name, src)
	for _, c := range r.later {
		if r.tooMany() {
			break
		}
		c.command.run(r, c.line, c.command)
	}
	r.unlimited()
	return r.end(name)
}

type reader struct {
	files    Files
	commands map[string]*command
	builder  *dag.Builder
	reading  []string // the file that is read and those that include it
	lines    int      // of commands, so far
	bytes    int
	opened   int

	later  []later // what is said of nodes, for when all are known
	found  map[string]found
	aliens map[string]bool // names that commands not supported define
	limits map[string]limit
	vars   map[varOf]bool

	counts  map[string]*count
	numbers []int // of the line of each diagnostic
	diags   grid.Diagnostics
	errors  int
	nearest int
}

type later struct {
	command *command
	line    *line
}

// found is where a node is defined.
type found struct {
	line *line
	name word
}

// count is how often a command without effect or support occurs.
type count struct {
	times int
	diag  int // of the first
}

// varOf is a macro of a node that a VARS of that node alone sets.
type varOf struct {
	node int32
	name string
}

// file reads a file's nodes, and keeps the rest for later.
func (r *reader) file(name string, src []byte) {
	r.bytes += len(src)
	if r.bytes > MaxFile {
		r.errors = maxProblems
		r.diags, r.numbers = append(r.diags, grid.Diagnostic{Summary: "the file is longer than 64 MiB", File: name}), append(r.numbers, r.lines)
		return
	}
	r.reading = append(r.reading, path.Clean(name))
	defer func() { r.reading = r.reading[:len(r.reading)-1] }()
	s := newSource(name, src)
	for !r.tooMany() {
		l, ok := s.command()
		if !ok {
			return
		}
		r.lines++
		l.number = r.lines
		keyword, _ := l.word()
		if !utf8.ValidString(l.text) {
			r.fail(l, keyword, "this line is not UTF-8 text", "Save the file as UTF-8.")
			continue
		}
		c := r.commands[strings.ToUpper(keyword.text)]
		if c == nil {
			r.unknown(l, keyword, "command", slices.Sorted(maps.Keys(r.commands)))
			continue
		}
		switch {
		case c.first:
			c.run(r, l, c)
		case c.run != nil:
			r.later = append(r.later, later{c, l})
		default:
			r.only(c, l, keyword)
		}
	}
}

// only reports a command that is not done, once for all its occurrences.
func (r *reader) only(c *command, l *line, keyword word) {
	if n := r.counts[c.name]; n != nil {
		n.times++
	} else {
		r.counts[c.name] = &count{times: 1, diag: len(r.diags)}
		if c.idle != "" {
			r.warn(l, keyword, c.name+" has no effect here", c.idle)
		} else {
			r.fail(l, keyword, c.name+" is not supported yet", c.why)
		}
	}
	words := l.words()
	if c.names > 0 && len(words) >= c.names {
		r.aliens[words[c.names-1].text] = true
	}
	if len(words) > 0 && opensText(words[len(words)-1].text) {
		r.skipText(l, words[len(words)-1])
	}
}

// opensText reports whether a submit description begins behind a word: { to a line },
// or @=tag to a line @tag.
func opensText(s string) bool { return s == "{" || strings.HasPrefix(s, "@=") }

// skipText passes over a submit description.
func (r *reader) skipText(l *line, w word) {
	end := "}"
	if tag, ok := strings.CutPrefix(w.text, "@="); ok {
		end = "@" + tag
	}
	if !l.from.skipTo(end) {
		r.fail(l, w, "the submit description that begins here is not ended", "End it with a line "+quote(end)+".")
	}
}

func (r *reader) end(name string) (*dag.Graph, grid.Diagnostics) {
	for _, n := range r.counts {
		if d := &r.diags[n.diag]; n.times > 1 {
			d.Detail = strings.TrimSpace(fmt.Sprintf("%s There are %d of them.", d.Detail, n.times))
		}
	}
	if r.builder.Len() == 0 && !r.diags.HasErrors() {
		r.diags, r.numbers = append(r.diags, grid.Diagnostic{Summary: "the file has no nodes", Detail: "A node is written JOB name submit-file.", File: name}), append(r.numbers, r.lines)
	}
	var g *dag.Graph
	if !r.diags.HasErrors() {
		var err error
		if g, err = r.builder.Graph(); err != nil {
			r.cycle(err)
		}
	}
	order := make([]int, len(r.diags))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.numbers[a], r.numbers[b]) })
	var sorted grid.Diagnostics
	for _, i := range order {
		sorted = append(sorted, r.diags[i])
	}
	return g, sorted
}

func (r *reader) cycle(err error) {
	var c *dag.Cycle
	if errors.As(err, &c) {
		at := r.found[c.Names[0]]
		r.fail(at.line, at.name, err.Error(), "Each would begin only after the one before it; one of the PARENT statements is wrong.")
	}
}

func (r *reader) fail(l *line, w word, summary, detail string) {
	r.errors++
	r.diags, r.numbers = append(r.diags, l.problem(w, false, summary, detail)), append(r.numbers, l.number)
}

func (r *reader) warn(l *line, w word, summary, detail string) {
	if len(r.diags) >= 2*maxProblems {
		return
	}
	r.diags, r.numbers = append(r.diags, l.problem(w, true, summary, detail)), append(r.numbers, l.number)
}

// tooMany ends a reading that finds nothing but problems.
func (r *reader) tooMany() bool { return r.errors >= maxProblems }

// unknown refuses a name that means nothing, with the nearest that does.
func (r *reader) unknown(l *line, w word, what string, known []string) {
	detail := ""
	if r.nearest++; r.nearest <= maxNearest && len(w.text) > 2 {
		if near := grid.Nearest(w.text, known); near != "" {
			detail = "Did you mean " + quote(near) + "?"
		}
	}
	r.fail(l, w, "there is no "+what+" "+quote(w.text), detail)
}

func quote(s string) string { return `"` + s + `"` }

// open reads a file that a line names.
func (r *reader) open(l *line, w word) ([]byte, bool) {
	name := path.Clean(w.text)
	if slices.Contains(r.reading, name) {
		r.fail(l, w, "the file "+quote(w.text)+" includes itself", "By way of "+strings.Join(append(r.reading, name), ", ")+".")
		return nil, false
	}
	if r.opened++; r.opened > maxIncludes {
		r.fail(l, w, fmt.Sprintf("more than %d files are included", maxIncludes), "")
		return nil, false
	}
	src, err := r.files.ReadFile(w.text)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.fail(l, w, "there is no file "+quote(w.text), "Its name is relative to the directory of the DAG.")
	case err != nil:
		r.fail(l, w, "the file "+quote(w.text)+" cannot be read", grid.MessageOf(err))
	default:
		return src, true
	}
	return nil, false
}

// define adds a node.
func (r *reader) define(l *line, name word, n dag.Node) {
	if summary, detail := dag.NameProblem(n.Name); summary != "" {
		r.fail(l, name, summary, detail)
		return
	}
	if r.builder.Len() == dag.MaxNodes {
		r.fail(l, name, fmt.Sprintf("there are more than %d nodes", dag.MaxNodes), "")
		return
	}
	if _, ok := r.builder.Add(n); !ok {
		before := r.found[n.Name]
		first := before.line.problem(before.name, false, "", "")
		r.fail(l, name, "there are two nodes named "+quote(n.Name), fmt.Sprintf("The first is in line %d of %s.", first.Line, first.File))
		return
	}
	r.found[n.Name] = found{l, name}
}

const allNodes = "ALL_NODES"

// nodes reads the name of a node, or ALL_NODES. all says that it was that. Of a name
// that a command defines that is wrong, enough has been said.
func (r *reader) nodes(l *line, c *command) (nodes []int32, all bool) {
	w, ok := l.word()
	switch {
	case !ok:
		r.usage(l, w, c)
		return nil, false
	case strings.EqualFold(w.text, allNodes):
		nodes = make([]int32, r.builder.Len())
		for i := range nodes {
			nodes[i] = int32(i)
		}
		return nodes, true
	}
	if i, ok := r.node(l, w); ok {
		return []int32{i}, false
	}
	return nil, false
}

func (r *reader) node(l *line, w word) (int32, bool) {
	i, ok := r.builder.Find(w.text)
	if !ok && !r.aliens[w.text] {
		names := make([]string, r.builder.Len())
		for k := range names {
			names[k] = r.builder.Node(int32(k)).Name
		}
		r.unknown(l, w, "node", names)
	}
	return i, ok
}

// usage refuses a line that lacks something.
func (r *reader) usage(l *line, w word, c *command) {
	r.fail(l, w, c.name+" lacks something", "It is written "+c.usage+".")
}

// nothing refuses what follows a complete command.
func (r *reader) nothing(l *line, c *command) bool {
	w, more := l.word()
	if more {
		r.fail(l, w, quote(w.text)+" is too much", "It is written "+c.usage+".")
	}
	return !more
}
