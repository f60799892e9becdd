package submit

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// reading is the execution of a submit file: its statements one after the other, a
// section for each queue.
type reading struct {
	site  *Site
	files Files
	diags grid.Diagnostics

	name   string // of the file that was submitted
	macros map[string]*definition
	order  []string // keys of macros, in the order of their first setting
	ifs    macro.Conditions
	open   []Pos // the ifs without endif
	depth  int   // of includes

	specs    []Spec
	sections []Section // of the cluster that is being read
	program  string    // the executable of its last queue
	queues   int
	end      Pos
	getenv   answer // of the first queue statement of the cluster

	queue      *Queue // the one that is being lowered, whose variables are live
	usedVars   map[string]bool
	rowNumbers []int // of a sliced list: the items' numbers in the whole one
}

// definition is a macro that the file or its site has set.
type definition struct {
	name    string
	value   string
	pos     Pos // of the name
	at      Pos // of the value
	used    bool
	custom  bool // a job attribute: +name
	outside bool // set by the site
}

// answer is what the file says for a command.
type answer struct {
	v  Value
	ok bool
}

// Specs executes the file at a site, reading what it names through files. Specs of
// queue statements without any job are left out. With errors among the diagnostics
// the specs are not to be used.
func (f *File) Specs(site Site, files Files) ([]Spec, grid.Diagnostics) {
	r := &reading{site: &site, files: files, name: f.Name, macros: map[string]*definition{}, end: Pos{File: f.Name}}
	for _, v := range site.Vars {
		if !v.Append {
			r.setVar(v)
		}
	}
	r.execute(f)
	for _, p := range r.open {
		r.warn(p, "this if has no endif", "It counts to the end of the file.")
	}
	r.closeCluster()
	if r.queues == 0 {
		r.fail(r.end, "no queue statement", "A submit file makes jobs with queue, as its last line.")
	} else if len(r.specs) == 0 && !r.diags.HasErrors() {
		r.warn(r.end, "there are only empty queue statements: no jobs", "")
	}
	r.reportUnused()
	return r.specs, once(r.diags)
}

// once drops repetitions: a wrong line is wrong for each queue statement.
func once(diags grid.Diagnostics) grid.Diagnostics {
	seen := map[grid.Diagnostic]bool{}
	return slices.DeleteFunc(diags, func(d grid.Diagnostic) bool {
		again := seen[d]
		seen[d] = true
		return again
	})
}

// Lower reads a submit file in one go: [Parse], then [File.Specs].
func Lower(name string, src []byte, site Site, files Files) ([]Spec, grid.Diagnostics) {
	f, diags := Parse(name, src)
	specs, more := f.Specs(site, files)
	return specs, append(diags, more...)
}

func (r *reading) fail(p Pos, summary, detail string) {
	r.diags = append(r.diags, p.Problem(false, summary, detail))
}

func (r *reading) warn(p Pos, summary, detail string) {
	r.diags = append(r.diags, p.Problem(true, summary, detail))
}

func (r *reading) execute(f *File) {
	for i := range f.statements {
		s := &f.statements[i]
		r.end = s.pos
		if r.condition(s) || !r.ifs.Active() {
			continue
		}
		switch s.word {
		case assignment:
			r.assign(s)
		case includeWord:
			r.include(s)
		case errorWord:
			r.fail(s.pos, r.message(s), "The file itself says so.")
		case warningWord:
			r.warn(s.pos, r.message(s), "The file itself says so.")
		case useWord:
			r.fail(s.pos, "there are no templates to use", "")
		case queueWord:
			r.enqueue(s)
		}
	}
}

// message is the text of an error or warning statement.
func (r *reading) message(s *statement) string {
	text, _ := r.expanded(strings.TrimSpace(strings.TrimPrefix(s.value, ":")), s.at)
	return text
}

// expanded expands text that is needed at once, and reports what is wrong with it.
func (r *reading) expanded(text string, at Pos) (string, bool) {
	out, isLive, err := r.expander(at).Text(text)
	switch {
	case err != nil:
		r.fail(at, grid.MessageOf(err), "")
		return "", false
	case isLive:
		r.fail(at, "this must not depend on the job: "+text, "$(Process), $(Cluster) and item variables have no value yet.")
		return "", false
	}
	return out, true
}

func (r *reading) assign(s *statement) {
	key := fold(s.name)
	if s.op == "+" {
		key = "my." + key
	}
	d := r.macros[key]
	if d == nil {
		d = &definition{name: s.name, custom: s.op == "+"}
		r.macros[key] = d
		r.order = append(r.order, key)
	}
	d.value = macro.SelfReplaced(s.value, key, d.value)
	d.pos, d.at, d.outside = s.pos, s.at, false
}

func (r *reading) setVar(v Var) {
	s := statement{name: v.Name, op: "=", value: v.Value, pos: Pos{File: "macro " + v.Name}}
	if n, ok := ad.CutMy(v.Name); ok {
		s.op, s.name = "+", n
	}
	s.at = s.pos
	if !macro.ValidName(s.name) {
		r.fail(s.pos, quote(v.Name)+" is no name for a macro", "")
		return
	}
	r.assign(&s)
	key := fold(s.name)
	if s.op == "+" {
		key = "my." + key
	}
	r.macros[key].outside = true
}

// expander knows the macros of the file and the site; those of a proc are live. A
// macro that is not set counts as nothing, as in HTCondor, but it is said.
func (r *reading) expander(at Pos) *macro.Expander {
	return &macro.Expander{
		Lookup: r.lookup,
		Miss: func(name string) {
			detail := "It counts as nothing."
			if near := grid.Nearest(name, r.macroNames()); near != "" {
				detail = "It counts as nothing. Did you mean $(" + near + ")?"
			}
			r.warn(at, "the macro $("+name+") is not set", detail)
		},
		Odd:    func(what error) { r.warn(at, grid.MessageOf(what), "It stays as it is written.") },
		Now:    r.site.Now.Unix(),
		Dir:    r.site.Dir,
		Getenv: r.site.getenv,
	}
}

func (r *reading) lookup(key string) macro.Meaning {
	if r.queue != nil {
		for _, v := range r.queue.Vars {
			if fold(v) == key {
				r.usedVars[key] = true
				return macro.Meaning{State: macro.Live, Text: v}
			}
		}
	}
	if key == "item" { // of a queue statement without items
		return macro.Meaning{State: macro.Verbatim}
	}
	if name := liveName(key); name != "" {
		return macro.Meaning{State: macro.Live, Text: name}
	}
	if d := r.macros[key]; d != nil {
		d.used = true
		return macro.Meaning{State: macro.Written, Text: d.value}
	}
	return r.automatic(key)
}

// macroNames are the names that a macro reference may have meant.
func (r *reading) macroNames() []string {
	names := []string{"Cluster", "Process", "Step", "Row", "Item"}
	for _, key := range r.order {
		names = append(names, r.macros[key].name)
	}
	if r.queue != nil {
		names = append(names, r.queue.Vars...)
	}
	return names
}

// automatic are the macros that nobody needs to set.
func (r *reading) automatic(key string) macro.Meaning {
	known := func(s string) macro.Meaning { return macro.Meaning{State: macro.Verbatim, Text: s} }
	switch key {
	case "submit_file":
		return known(r.name)
	case "submit_time":
		return known(strconv.FormatInt(r.site.Now.Unix(), 10))
	case "year":
		return known(r.site.Now.Format("2006"))
	case "month":
		return known(r.site.Now.Format("01"))
	case "day":
		return known(r.site.Now.Format("02"))
	case "arch":
		return known(r.site.Arch)
	case "opsys":
		return known(r.site.OpSys)
	case "opsysver":
		return known(r.site.OpSysVer)
	case "opsysandver":
		return known(r.site.OpSysAndVer)
	case "node":
		if u := r.macros["universe"]; u != nil && (strings.EqualFold(strings.TrimSpace(u.value), "parallel") || strings.TrimSpace(u.value) == "11") {
			return known(NodePlace)
		}
	case "islinux":
		return known(digit(r.site.OpSys == "LINUX"))
	case "iswindows":
		return known(digit(r.site.OpSys == "WINDOWS"))
	}
	return macro.Meaning{}
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// enqueue lowers the file as it stands at a queue statement.
func (r *reading) enqueue(s *statement) {
	r.queues++
	for _, v := range r.site.Vars {
		if v.Append {
			r.setVar(v)
		}
	}
	q, ok := r.readQueue(s)
	if !ok {
		return
	}
	if q.PerItem == 0 || len(q.Vars) > 0 && len(q.Items) == 0 {
		return
	}
	r.queue, r.usedVars = q, map[string]bool{}
	if v, _ := r.value("executable", q); v.Text != r.program {
		r.closeCluster()
		r.program = v.Text
	}
	job := r.job(q)
	r.sections = append(r.sections, LowerSection(job, r.site, r.files, &r.diags))
	for _, v := range q.Vars {
		if !r.usedVars[fold(v)] && !strings.EqualFold(v, "Item") && v != rowName {
			r.warn(s.pos, "the queue variable "+v+" is not used", "Use it as $("+v+").")
		}
	}
	r.queue = nil
}

// job is the file's commands as the lowering sees them.
func (r *reading) job(q *Queue) *Job {
	seen := map[string]answer{}
	get := func(name string) (Value, bool) {
		if a, ok := seen[name]; ok {
			return a.v, a.ok
		}
		v, ok := r.value(name, q)
		seen[name] = answer{v, ok}
		return v, ok
	}
	v, ok := get("getenv")
	if len(r.sections) == 0 {
		r.getenv = answer{v, ok}
	} else if v.Text != r.getenv.v.Text {
		r.warn(v.Pos, "the getenv of the first queue statement counts for all of the cluster", "Put jobs with another environment into a file of their own.")
	}
	seen["getenv"] = r.getenv // HTCondor asks once for a cluster
	job := &Job{Get: get, Names: slices.Concat(r.order, q.Vars), Queue: *q}
	for i, key := range r.order {
		job.Names[i] = r.macros[key].name
	}
	for _, key := range r.order {
		if d := r.macros[key]; d.custom {
			v, _ := get(key)
			job.Custom = append(job.Custom, Custom{Name: d.name, Value: v})
		}
	}
	return job
}

// value is what the file says for name: the value of the macro, or of the queue's
// variable, of that name.
func (r *reading) value(name string, q *Queue) (Value, bool) {
	for _, v := range q.Vars {
		if fold(v) == name {
			r.usedVars[name] = true
			return Value{Text: "$(" + v + ")", Live: true, Pos: q.Pos}, true
		}
	}
	d := r.macros[name]
	if d == nil {
		return Value{}, false
	}
	d.used = true
	text, isLive, err := r.expander(d.at).Text(d.value)
	if err != nil {
		r.fail(d.at, d.name+": "+grid.MessageOf(err), "")
		return Value{}, false
	}
	return Value{Text: text, Live: isLive, Pos: d.at}, true
}

// closeCluster makes the sections read so far a spec, and begins a new one.
func (r *reading) closeCluster() {
	if len(r.sections) > 0 {
		r.specs = append(r.specs, NewSpec(r.sections))
	}
	r.sections = nil
}

// NewSpec is the spec of one cluster, what all its sections agree on taken out of
// them.
func NewSpec(sections []Section) Spec {
	s := Spec{Sections: sections}
	first := sections[0].Attrs
	for _, a := range first {
		common := true
		for _, other := range sections[1:] {
			expr, ok := Find(other.Attrs, a.Name)
			common = common && ok && expr == a.Expr
		}
		if common {
			s.Attrs = append(s.Attrs, a)
		}
	}
	for i := range sections {
		var rest []Attr
		for _, a := range sections[i].Attrs {
			if _, ok := Find(s.Attrs, a.Name); !ok {
				rest = append(rest, a)
			}
		}
		sections[i].Attrs = rest
	}
	return s
}

// reportUnused warns of lines that had no effect, which typing errors are.
func (r *reading) reportUnused() {
	if len(r.specs) == 0 || r.diags.HasErrors() {
		return
	}
	for _, key := range r.order {
		d := r.macros[key]
		c, isCommand := CommandNamed(key)
		if isCommand && c.inert && !d.custom {
			r.warn(d.pos, d.name+" has no effect here", "HTCondor knows this command; it becomes an attribute of the job, and that is all.")
		}
		if d.used || d.custom || d.outside {
			continue
		}
		if isCommand || strings.HasPrefix(key, "request_") {
			continue
		}
		if slices.Contains(unserved[:], key) {
			r.warn(d.pos, d.name+" has no effect here", "HTCondor knows this command; it is not served.")
			continue
		}
		detail := ""
		if near := grid.Nearest(d.name, r.site.CommandNames()); near != "" {
			detail = "Did you mean " + quote(near) + "?"
		}
		r.warn(d.pos, "the line '"+d.name+" = "+shown(d.value)+"' was not used: is it a typing error?", detail)
	}
}

// shown is a value in a message: its first line, cut.
func shown(s string) string {
	s, _, cut := strings.Cut(s, "\n")
	if len(s) > 60 {
		s, cut = strings.ToValidUTF8(s[:60], ""), true
	}
	if cut {
		s += "..."
	}
	return s
}
