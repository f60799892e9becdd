package submit

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// Value is what a job file says for one command: text in which every macro is
// expanded but the live ones.
type Value struct {
	Text   string
	List   []string // with IsList: the words, files or NAME=value one by one
	IsList bool
	Live   bool // holds live macros: it is escaped (see Escape), and differs from proc to proc
	New    bool // an expression is in the new syntax
	Pos    Pos
}

// Escape makes text that is to be taken as it is safe in a live [Value].
func Escape(s string) string { return macro.Escape(s) }

// Job is what the lowering needs to know of a job: its commands with their values,
// and the procs to make.
type Job struct {
	// Get is a command's value, asked for by the command's own name or one of the
	// other names it goes by.
	Get func(name string) (Value, bool)
	// Names are the names under which something is set.
	Names []string
	// Custom are attributes that the file sets itself.
	Custom []Custom
	Queue  Queue
	// HCL: an executable without a slash that is not in the directory may be one of
	// $PATH, which then is run in place; and remaps have no quotes of their own.
	HCL bool
}

// Custom is an attribute that a job file sets by its name.
type Custom struct {
	Name  string
	Value Value
}

// Queue is the procs of a section.
type Queue struct {
	Vars     []string
	Items    [][]string
	PerItem  int
	Verbatim bool
	Pos      Pos
}

// lowering is the making of one section.
type lowering struct {
	site  *Site
	files Files
	job   *Job
	diags *grid.Diagnostics

	attrs   map[string]Attr // by folded name
	columns []Column
	placed  map[string]Pos // where a column's text was written, by folded attribute
	origins Origins
	asked   []asked // in the present step

	universe    universe
	iwd         []text // directories, outermost first
	transfer    string // YES, NO, IF_NEEDED
	plugins     []string
	image       string   // a container's, which is transferred
	resources   []string // custom ones asked for
	runsInPlace bool     // the executable is not transferred
	inputKiB    int64
	hold        bool
	deferred    bool // it waits for a time
	unready     bool // its readiness check was said to be wrong
}

// text is a part of a value that the lowering adds: finished, or escaped with live
// macros.
type text struct {
	s    string
	live bool
}

// LowerSection works out a job's section: all its attributes and columns. Problems
// are added to diags; with errors among them the section is not to be used.
func LowerSection(job *Job, site *Site, files Files, diags *grid.Diagnostics) Section {
	l := &lowering{site: site, files: files, job: job, diags: diags, attrs: map[string]Attr{}, placed: map[string]Pos{}, origins: Origins{}}
	for _, step := range []func(){
		l.setUniverse,
		l.setDirectory,
		l.setFileTransfer,
		l.setExecutable,
		l.setStreams,
		l.setEnvironment,
		l.setResources,
		l.setTransfer,
		l.setPolicy,
		l.setDeferral,
		l.setServicePorts,
		l.setVirtualMachine,
		l.setPlainCommands,
		l.setReady,
		l.setOwnCommands,
		l.setCustom,
		l.checkReady,
		l.setRequirements,
	} {
		l.asked = nil
		step()
	}
	q := job.Queue
	s := Section{Columns: l.columns, Vars: q.Vars, Items: q.Items, PerItem: q.PerItem, Verbatim: q.Verbatim, Hold: l.hold}
	for _, a := range l.attrs {
		s.Attrs = append(s.Attrs, a)
	}
	s.Attrs = Merge(s.Attrs)
	l.verify(&s)
	if site.Explain != nil {
		site.Explain(l.origins)
	}
	return s
}

// setPlainCommands sets the attributes of all commands that are one line each.
func (l *lowering) setPlainCommands() {
	for _, c := range commands {
		if c.own {
			continue
		}
		l.asked = nil
		if v, ok := l.command(c.Name); ok {
			if v.IsList {
				v = joined(v)
			}
			l.put(c.Attr, c.Kind, v)
		} else if c.absent != "" {
			l.set(c.Attr, c.absent)
		}
	}
}

// joined makes a list one text, for commands that have no better use for one.
func joined(v Value) Value {
	v.Text, v.List, v.IsList = strings.Join(v.List, ","), nil, false
	return v
}

// setCustom sets the attributes that the file names itself. They win over all
// others.
func (l *lowering) setCustom() {
	for _, c := range l.job.Custom {
		p := c.Value.Pos
		l.asked = []asked{{"+" + c.Name, p}}
		switch {
		case !ad.ValidName(c.Name):
			l.fail(p, quote(c.Name)+" is no name for an attribute", "Letters, digits and underscores, not a digit first.")
		case Protected(c.Name):
			l.fail(p, "the attribute "+c.Name+" is set by the queue itself", "")
		case strings.TrimSpace(c.Value.Text) == "":
			l.warn(p, "the attribute "+c.Name+" has no value", "It is undefined.")
			l.set(c.Name, "undefined")
		default:
			l.put(c.Name, KindOldExpr, c.Value)
		}
	}
}

// command is a command's value, under the first of its names that is set. Empty text
// counts as not set, as in HTCondor.
func (l *lowering) command(name string) (Value, bool) {
	c, ok := l.site.Command(name)
	if !ok {
		panic("submit: no command " + name)
	}
	for _, n := range c.names() {
		if v, ok := l.job.Get(n); ok && (v.IsList || v.Text != "") {
			if c.unquote && !v.New && !v.IsList && len(v.Text) > 1 && v.Text[0] == '"' && strings.HasSuffix(v.Text, `"`) {
				v.Text = v.Text[1 : len(v.Text)-1]
			}
			l.asked = append(l.asked, asked{c.Name, v.Pos})
			return v, true
		}
	}
	return Value{}, false
}

// word is a command's value that decides other things, so that it must be the same
// for all procs.
func (l *lowering) word(name string) (s string, v Value, ok bool) {
	v, ok = l.command(name)
	if ok && v.Live {
		l.fail(v.Pos, name+" must not differ between the jobs of one queue statement", "Write several queue statements, each with its own "+name+".")
		return "", v, false
	}
	return strings.TrimSpace(v.Text), v, ok
}

// flag is a command that is true or false for all procs.
func (l *lowering) flag(name string) (b, ok bool) {
	s, v, ok := l.word(name)
	if !ok {
		return false, false
	}
	b, known := boolean(s)
	if !known {
		l.fail(v.Pos, name+" is true or false, not "+quote(s), "")
	}
	return b, known
}

// put sets an attribute from a value of the given kind, with what the kind takes
// beside the text. It becomes a column when any part is live.
func (l *lowering) put(attr string, kind Kind, v Value, list ...text) {
	if v.New {
		switch kind {
		case KindOldExpr, KindBool, KindDuration, KindMiB, KindKiB:
			kind = KindExpr
		}
	}
	isLive := v.Live
	for _, t := range list {
		isLive = isLive || t.live
	}
	c := Column{Attr: attr, Kind: kind, Text: v.Text}
	for _, t := range list {
		c.List = append(c.List, settle(t.s, t.live, isLive))
	}
	for _, t := range v.List {
		c.List = append(c.List, settle(t, v.Live, isLive))
	}
	if isLive {
		c.Text = settle(c.Text, v.Live, true)
		l.drop(attr)
		l.columns = append(l.columns, c)
		l.placed[fold(attr)] = v.Pos
		l.written(attr, v.Pos)
		return
	}
	a, err := c.value(c.Text, c.List)
	if err != nil {
		l.failed(v.Pos, attr, err)
		return
	}
	l.drop(attr)
	l.attrs[fold(a.Name)] = a
	l.written(a.Name, v.Pos)
}

// settle escapes s if it is finished and shall become part of something live.
func settle(s string, isLive, within bool) string {
	if within && !isLive {
		return macro.Escape(s)
	}
	return s
}

// set gives an attribute an expression that needs no reading.
func (l *lowering) set(attr, expr string) {
	l.drop(attr)
	l.attrs[fold(attr)] = Attr{attr, expr}
	l.implied(attr)
}

func (l *lowering) setString(attr, s string) { l.set(attr, ad.Quote(s)) }

// drop forgets what was set before: of several the last counts.
func (l *lowering) drop(attr string) {
	delete(l.attrs, fold(attr))
	kept := l.columns[:0]
	for _, c := range l.columns {
		if compareNames(c.Attr, attr) != 0 {
			kept = append(kept, c)
		}
	}
	l.columns = kept
}

func (l *lowering) has(attr string) bool {
	if _, ok := l.attrs[fold(attr)]; ok {
		return true
	}
	for _, c := range l.columns {
		if compareNames(c.Attr, attr) == 0 {
			return true
		}
	}
	return false
}

// stat looks at a file as the owner.
func (l *lowering) stat(name string) (FileInfo, error) {
	if l.files == nil {
		return FileInfo{}, nil
	}
	return l.files.Stat(lookedAt(name))
}

// needFile refuses a file that cannot be looked at.
func (l *lowering) needFile(p Pos, what, name string) (FileInfo, bool) {
	info, err := l.stat(name)
	switch {
	case err == nil && info.Mode.IsDir():
		l.fail(p, what+" "+name+" is a directory", "")
	case err == nil:
		return info, true
	case errors.Is(err, fs.ErrNotExist):
		l.fail(p, what+" "+name+" does not exist", "")
	default:
		l.fail(p, what+" "+name+" cannot be read", grid.MessageOf(asRefused(err)))
	}
	return info, false
}

func asRefused(err error) error {
	if grid.CodeOf(err) != grid.Internal {
		return err
	}
	return grid.Errorf(grid.Refused, "%w", err)
}

func (l *lowering) fail(p Pos, summary, detail string) {
	*l.diags = append(*l.diags, p.Problem(false, summary, detail))
}

func (l *lowering) warn(p Pos, summary, detail string) {
	*l.diags = append(*l.diags, p.Problem(true, summary, detail))
}

// failed reports a value that made no attribute. Where an expression goes wrong
// within a text that stands in the file as it is, that place is shown.
func (l *lowering) failed(p Pos, attr string, err error) {
	name := attr
	if i := slices.IndexFunc(commands[:], func(c Command) bool { return c.Attr != "" && compareNames(c.Attr, attr) == 0 }); i >= 0 {
		name = commands[i].Name
	}
	var syntax *ad.SyntaxError
	if errors.As(err, &syntax) && p.Line > 0 && syntax.Column > 0 {
		written := []rune(p.Source)
		if from := p.Column - 1; from < len(written) && strings.HasPrefix(string(written[from:]), syntax.Source) {
			p.Column, p.Length = min(p.Column+syntax.Column-1, len(written)), 1
			l.fail(p, name+": not a ClassAd expression: "+syntax.Reason, "")
			return
		}
	}
	l.fail(p, name+": "+grid.MessageOf(asRefused(err)), "")
}

// verify computes the columns of procs whose texts may go wrong, so that none goes
// wrong later: of every item, its first proc and its last.
func (l *lowering) verify(s *Section) {
	fragile := Section{Vars: s.Vars, Items: s.Items, PerItem: s.PerItem, Verbatim: s.Verbatim}
	for _, c := range s.Columns {
		if !c.safe() {
			fragile.Columns = append(fragile.Columns, c)
		}
	}
	if len(fragile.Columns) == 0 {
		return
	}
	reported := map[string]bool{}
	check := func(index int) {
		id := grid.JobID{Cluster: 1, Proc: int32(index)}
		e := procExpander(&fragile, id, index, fragile.Row(index))
		for _, c := range fragile.Columns {
			if reported[c.Attr] {
				continue
			}
			if _, err := c.expand(e); err != nil {
				reported[c.Attr] = true
				detail := ""
				if row := fragile.Row(index); row != nil {
					detail = "With the item " + strings.Join(row, " ") + "."
				}
				l.failed(l.placed[fold(c.Attr)], c.Attr, err)
				(*l.diags)[len(*l.diags)-1].Detail = detail
			}
		}
	}
	n := s.Len()
	if len(s.Vars) == 0 {
		if n > 0 {
			check(0)
			check(n - 1)
		}
		return
	}
	for first := 0; first < n; first += s.PerItem {
		check(first)
		if s.PerItem > 1 {
			check(first + s.PerItem - 1)
		}
	}
}

// safe reports whether no item can make the column's text wrong.
func (c Column) safe() bool {
	for _, t := range append([]string{c.Text}, c.List...) {
		if i := strings.IndexByte(t, '$'); i >= 0 && strings.Contains(strings.ReplaceAll(t, "$(", ""), "$") {
			return false // a function
		}
	}
	return c.Kind == KindString || c.Kind == KindPath || c.Kind == KindArgv || c.Kind == KindFiles
}

func quote(s string) string { return `"` + s + `"` }
