package dagfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
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
	maxOpened   = 100_000  // files that are included or spliced, each time counted
	maxProblems = 100      // errors, after which nothing is read on; and as many warnings
	maxNearest  = 20       // problems for which a name is suggested: it looks at every name
)

// Files is how a reading sees the owner's files. Names are as in the text, relative to
// the DAG's directory, unless they are absolute. An error for a file that is not there is
// [fs.ErrNotExist].
type Files interface {
	ReadFile(name string) ([]byte, error)
}

// File is a file that has been read already.
type File struct {
	Name string
	Text []byte
	Dir  string // where the names in it begin; empty: in the directory of the first DAG file
}

// Options are what a reading depends on beside the files.
type Options struct {
	// AnyName allows a + in the names of nodes, as DAGMan does when
	// DAGMAN_ALLOW_ANY_NODE_NAME_CHARACTERS is set. [Write] flattens splices into such
	// names.
	AnyName bool
	// Rescue is read behind the DAG files, if it is not nil: it says which nodes are done.
	Rescue *File
}

// Read reads a DAGMan file and those that it includes and splices. With errors among the
// diagnostics there is no graph.
func Read(name string, src []byte, files Files) (*dag.Graph, grid.Diagnostics) {
	return ReadAll([]File{{Name: name, Text: src}}, files, Options{})
}

// ReadAll reads DAGMan files into one graph. Of several files, the nodes of the first are
// named 0.name, those of the second 1.name, and so on.
func ReadAll(dags []File, files Files, o Options) (*dag.Graph, grid.Diagnostics) {
	if len(dags) == 0 {
		return nil, grid.Diagnostics{{Summary: "there is no DAG file"}}
	}
	r := &reader{
		files: files, options: o, commands: language(), builder: dag.NewBuilder(path.Base(dags[0].Name)),
		aliens: map[string]bool{}, limits: map[string]limit{}, descriptions: map[string]place{}, cache: map[string]string{},
	}
	for k, f := range dags {
		s := &scope{dir: f.Dir}
		if len(dags) > 1 {
			s.prefix = fmt.Sprint(k, ".")
			r.builder.Draft().Files = append(r.builder.Draft().Files, f.Name)
		}
		r.read(s, newSource(f.Name, path.Clean(f.Name), string(f.Text)))
	}
	if o.Rescue != nil {
		r.rescue(*o.Rescue)
	}
	r.look()
	return r.end(dags[0].Name)
}

type reader struct {
	files    Files
	options  Options
	commands map[string]*command
	builder  *dag.Builder
	scope    *scope
	reading  []*source // the file that is read and those that include or splice it
	sources  int
	bytes    int
	opened   int
	cache    map[string]string // texts of spliced files

	places       []place         // of each node
	aliens       map[string]bool // full names that commands define that are wrong, or mean nothing here
	special      [4]int32        // 1 + the node of a kind that there is only one of
	limits       map[string]limit
	descriptions map[string]place // by full name
	sides        [2][]int32       // of a PARENT statement, for the next one
	appendVars   bool             // VARS come after the submit file unless they say PREPEND

	problems []problem
	errors   int
	nearest  int
}

// problem is a diagnostic and where it is in the order of the text.
type problem struct {
	source, offset int
	grid.Diagnostic
}

// read takes in a DAG file or splice: its nodes, those of its splices, then what it says
// of them.
func (r *reader) read(s *scope, src *source) {
	if !r.room(src) {
		return
	}
	outer := r.scope
	r.scope = s
	r.reading = append(r.reading, src)
	defer func() { r.scope, r.reading = outer, r.reading[:len(r.reading)-1] }()
	s.from = int32(r.builder.Len())
	r.grow(src.text)
	r.define(src)
	s.own = int32(r.builder.Len())
	for _, p := range s.order {
		r.read(p, p.src)
	}
	s.to = int32(r.builder.Len())
	r.describe(s)
	r.tell(src)
	r.ends(s)
}

// grow makes room for the nodes of a large file, of which there are about as many as
// lines that begin like JOB.
func (r *reader) grow(text string) {
	if len(text) < 1<<20 {
		return
	}
	n := strings.Count(text, "\nJOB ") + strings.Count(text, "\nJob ") + strings.Count(text, "\njob ")
	r.builder.Grow(n)
	r.places = slices.Grow(r.places, min(n, dag.MaxNodes))
}

// room counts the bytes of a file, and refuses more than there may be.
func (r *reader) room(src *source) bool {
	r.sources++
	src.number = r.sources
	if r.bytes += len(src.text); r.bytes > MaxFile {
		r.errors = maxProblems
		r.add(place{from: src}, grid.Diagnostic{Summary: "the file is longer than 64 MiB", File: src.name})
		return false
	}
	return true
}

// define is the first reading of a file and of those that it includes.
func (r *reader) define(src *source) {
	valid := isText(src.text)
	for l, keyword := range r.lines(src) {
		switch {
		case !valid && !isText(l.text):
			r.fail(l, keyword, "this line is not UTF-8 text", "Save the file as UTF-8.")
		case l.command == nil:
			r.unknown(l, keyword, "command", keywords())
		case l.command.first:
			r.run(l)
		}
	}
}

// lines yields the lines of a file that are commands, and their keywords, until too much
// is wrong.
func (r *reader) lines(src *source) iter.Seq2[*line, word] {
	return func(yield func(*line, word) bool) {
		for !r.tooMany() {
			l, ok := src.command()
			if !ok {
				return
			}
			keyword, _ := l.word()
			l.command = r.command(keyword.text)
			if !yield(l, keyword) {
				return
			}
		}
	}
}

// isText reports whether s is what a person could have written.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// tell is the second reading.
func (r *reader) tell(src *source) {
	src.again()
	included := src.included
	for l := range r.lines(src) {
		switch {
		case l.command == nil || !isText(l.text):
			// Said before.
		case l.command.name == "INCLUDE":
			if inner := included[0]; inner != nil {
				r.tell(inner)
			}
			included = included[1:]
		case !l.command.first:
			r.run(l)
		}
	}
}

// run takes in a command whose keyword has been read.
func (r *reader) run(l *line) {
	c := l.command
	if c.whole && r.scope.splice {
		r.warn(l, word{end: len(c.name)}, c.name+" has no effect in a splice", "It belongs into the file of the DAG.")
		return
	}
	c.run(r, l, c)
	if l.open.end > 0 {
		r.fail(l, l.open, "a quote begins here and does not end", "")
	}
}

func keywords() []string {
	var names []string
	for _, c := range language() {
		if c.name != "DATA" {
			names = append(names, c.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *reader) end(name string) (*dag.Graph, grid.Diagnostics) {
	if r.builder.Len() == 0 && r.errors == 0 {
		r.errors++
		r.problems = append(r.problems, problem{Diagnostic: grid.Diagnostic{Summary: "the file has no nodes", Detail: "A node is written JOB name submit-file.", File: name}})
	}
	var g *dag.Graph
	if r.errors == 0 {
		var err error
		if g, err = r.builder.Graph(); err != nil {
			g = nil
			r.cycle(err)
		}
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.offset, b.offset))
	})
	var sorted grid.Diagnostics
	for _, p := range r.problems {
		sorted = append(sorted, p.Diagnostic)
	}
	return g, sorted
}

func (r *reader) cycle(err error) {
	var c *dag.Cycle
	if errors.As(err, &c) {
		at := r.places[c.Nodes[0]]
		r.add(at, at.problem(false, err.Error(), "Each would begin only after the one before it; one of the PARENT statements is wrong."))
	}
}

func (r *reader) add(at place, d grid.Diagnostic) {
	if d.Warning {
		if len(r.problems)-r.errors >= maxProblems {
			return
		}
	} else {
		r.errors++
	}
	r.problems = append(r.problems, problem{at.from.number, at.offset, d})
}

func (r *reader) fail(l *line, w word, summary, detail string) {
	at := l.where(w)
	r.add(at, at.problem(false, summary, detail))
}

func (r *reader) warn(l *line, w word, summary, detail string) {
	at := l.where(w)
	r.add(at, at.problem(true, summary, detail))
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

// open makes a source of a file that a line names, relative to the scope's directory.
func (r *reader) open(l *line, w word, dir, verb string) *source {
	name := below(dir, w.text)
	at := path.Clean(name)
	if i := slices.IndexFunc(r.reading, func(s *source) bool { return s.path == at }); i >= 0 {
		var way []string
		for _, s := range r.reading[i:] {
			way = append(way, s.path)
		}
		r.fail(l, w, "the file "+quote(name)+" "+verb+" itself", "By way of "+strings.Join(append(way, at), ", ")+".")
		return nil
	}
	if r.opened++; r.opened > maxOpened {
		r.fail(l, w, fmt.Sprintf("more than %d files are included or spliced", maxOpened), "")
		r.errors = maxProblems
		return nil
	}
	if text, ok := r.cache[at]; ok {
		return newSource(name, at, text)
	}
	src, err := r.files.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.fail(l, w, "there is no file "+quote(name), "Its name is relative to the directory of the DAG.")
	case err != nil:
		r.fail(l, w, "the file "+quote(name)+" cannot be read", grid.MessageOf(err))
	default:
		r.cache[at] = string(src)
		return newSource(name, at, r.cache[at])
	}
	return nil
}

// below is where a file is that something in a directory names.
func below(dir, name string) string {
	if dir == "" || path.IsAbs(name) {
		return name
	}
	return path.Join(dir, name)
}

// usage refuses a line that lacks something.
func (r *reader) usage(l *line, w word, c *command) {
	r.fail(l, w, c.name+" lacks something", "It is written "+c.usage+".")
}

// excess refuses a word that has no meaning where it stands.
func (r *reader) excess(l *line, w word, c *command) {
	r.fail(l, w, quote(w.text)+" is too much", "It is written "+c.usage+".")
}

// need reads a word that must be there.
func (r *reader) need(l *line, c *command) (word, bool) {
	w, ok := l.word()
	if !ok || w.text == "" {
		r.usage(l, w, c)
		return w, false
	}
	return w, true
}

// nothing refuses what follows a complete command.
func (r *reader) nothing(l *line, c *command) bool {
	w, more := l.word()
	if more {
		r.excess(l, w, c)
	}
	return !more
}
