package submit

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// A job set file hands in several jobs of one name, each for every row of one table:
//
//	name = NAME
//	iterator = table x, y {
//	    1, one
//	}
//	job { ... }              submit commands; queue N at its end makes N of each row
//	job input=x { ... }      $(input) in it is the table's x
//
// Instead of what is in braces a file may be named. The jobs of a set have a JobSetName.

// SetAttr is the attribute that makes jobs a set.
const SetAttr = "JobSetName"

// JobSet is a job set file that was read but not yet lowered.
type JobSet struct {
	Name string
	vars []string
	rows [][]string
	jobs []*File
}

// table is the rows that a queue statement of a set has.
type table struct {
	vars []string
	rows [][]string
}

// LowerSet reads a job set file: a spec for each of its jobs, in order. With errors among
// the diagnostics nothing of it is to be used.
func LowerSet(name string, src []byte, site Site, files Files) (JobSet, []Spec, grid.Diagnostics) {
	set, diags := parseSet(name, src, &site, files)
	if diags.HasErrors() {
		return set, nil, diags
	}
	var specs []Spec
	for _, f := range set.jobs {
		made, more := f.Specs(site, files)
		specs, diags = append(specs, made...), append(diags, more...)
	}
	return set, specs, once(diags)
}

type setParser struct {
	parser
	site  *Site
	files Files
	set   JobSet
	table Pos // of the iterator; the zero Pos: none yet
}

func parseSet(name string, src []byte, site *Site, files Files) (JobSet, grid.Diagnostics) {
	p := &setParser{parser: parser{file: &File{Name: name}}, site: site, files: files}
	if len(src) > MaxFile {
		p.problem(Pos{File: name}, "the file is longer than 64 MiB", "Put the table into a file of its own: iterator = table x list.txt")
		return p.set, p.diags
	}
	p.lines = strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
	var jobs []setJob
	for p.next < len(p.lines) {
		number := p.next
		line := p.line()
		text := strings.TrimSpace(beforeComment(line))
		if text == "" {
			continue
		}
		at := p.place(number, len(line)-len(strings.TrimLeftFunc(line, blank)))
		at.Length = utf8.RuneCountInString(text)
		switch word := fold(text[:wordEnd(text)]); word {
		case "name":
			p.name(at, text)
		case "iterator":
			p.iterator(at, text)
		case "job":
			if j, ok := p.job(at, strings.TrimSpace(text[len(word):])); ok {
				jobs = append(jobs, j)
			}
		default:
			p.problem(at, "this is nothing that a job set file has", "Its lines are name = NAME, iterator = table VAR,VAR { ... } and job { ... }.")
		}
	}
	here := Pos{File: name}
	broken := p.diags.HasErrors()
	for _, j := range jobs {
		p.set.jobs = append(p.set.jobs, p.complete(j))
	}
	switch {
	case broken: // what seems to be missing may be what could not be read
	case p.set.Name == "":
		p.problem(here, "the job set has no name", "As in: name = measurements")
	case p.table == (Pos{}):
		p.problem(here, "the job set has no iterator", "As in: iterator = table data,size { ... }, a row on each line.")
	case len(jobs) == 0:
		p.problem(here, "the job set has no job", "As in: job { ... }, with submit commands between the braces.")
	}
	return p.set, p.diags
}

func beforeComment(line string) string {
	line, _, _ = strings.Cut(line, "#")
	return line
}

func wordEnd(text string) int {
	for i := range len(text) {
		if c := text[i]; c == '=' || c == '{' || blank(rune(c)) {
			return i
		}
	}
	return len(text)
}

// valueOf is what stands behind a word and its equals sign.
func (p *setParser) valueOf(at Pos, text string) (string, bool) {
	_, value, ok := strings.Cut(text, "=")
	if value = strings.TrimSpace(value); !ok || value == "" {
		p.problem(at, "this line says no value", "As in: name = measurements")
		return "", false
	}
	return value, true
}

func (p *setParser) name(at Pos, text string) {
	value, ok := p.valueOf(at, text)
	switch {
	case !ok:
	case p.set.Name != "":
		p.problem(at, "the job set has a name already: "+p.set.Name, "")
	case !utf8.ValidString(value):
		p.problem(at, "the name is not UTF-8 text", "Save the file as UTF-8.")
	default:
		p.set.Name = value
	}
}

// block is the lines of a brace up to the one that closes it.
func (p *setParser) block(at Pos) (lines []string, ok bool) {
	for p.next < len(p.lines) {
		line := p.line()
		if strings.TrimSpace(beforeComment(line)) == "}" {
			return lines, true
		}
		lines = append(lines, line)
	}
	p.problem(at, "this brace is not closed", "End it with a line that is a closing brace.")
	return nil, false
}

func (p *setParser) iterator(at Pos, text string) {
	value, ok := p.valueOf(at, text)
	if !ok {
		return
	}
	kind, rest := value[:wordEnd(value)], strings.TrimSpace(value[wordEnd(value):])
	names, source := strings.TrimSpace(strings.TrimSuffix(rest, "{")), ""
	inline := strings.HasSuffix(rest, "{")
	if !inline {
		if i := strings.LastIndexFunc(rest, blank); i >= 0 {
			names, source = strings.TrimSpace(rest[:i]), rest[i+1:]
		}
	}
	vars := strings.FieldsFunc(names, func(c rune) bool { return c == ',' || blank(c) })
	var lines []string
	first, from := p.next, p.file.Name
	switch {
	case inline:
		if lines, ok = p.block(at); !ok {
			return
		}
	case source != "" && len(vars) > 0:
		src, err := readFile(p.files, p.site.path(source))
		if err != nil {
			p.problem(at, grid.MessageOf(unreadable(source, err)), "")
			return
		}
		lines, first, from = strings.Split(string(src), "\n"), 0, source
	}
	switch {
	case p.table != (Pos{}):
		p.problem(at, "the job set has an iterator already", "")
		return
	case fold(kind) != "table":
		p.problem(at, quote(kind)+" is no kind of iterator", "There is one kind: iterator = table VAR,VAR { ... }")
		return
	case len(vars) == 0:
		p.problem(at, "the table has no variables", "As in: iterator = table data,size { ... }")
		return
	}
	p.table = at
	for i, v := range vars {
		if !macro.ValidName(v) || slices.Contains(vars[:i], v) {
			p.problem(at, quote(v)+" is no name for a variable of its own", "")
		}
	}
	p.set.vars = vars
	p.rows(lines, first, from)
}

// rows reads the table. A row has a value for each variable, between commas.
func (p *setParser) rows(lines []string, first int, from string) {
	for i, line := range lines {
		text := strings.TrimSpace(beforeComment(line))
		if text == "" {
			continue
		}
		at := Pos{File: from, Line: first + i + 1, Column: 1, Length: utf8.RuneCountInString(text), Source: strings.ToValidUTF8(strings.TrimSuffix(line, "\r"), "\ufffd")}
		row := strings.Split(text, ",")
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		switch {
		case !utf8.ValidString(text):
			p.problem(at, "this line is not UTF-8 text", "Save the file as UTF-8.")
		case len(row) != len(p.set.vars):
			p.problem(at, "this row has "+strconv.Itoa(len(row))+" values for "+strconv.Itoa(len(p.set.vars))+" variables", "Values are parted by commas: "+strings.Join(p.set.vars, ", "))
		}
		p.set.rows = append(p.set.rows, row)
	}
	if len(p.set.rows) == 0 {
		p.problem(p.table, "the table has no rows", "Each row makes one of each job.")
	}
}

// setJob is one job of the file.
type setJob struct {
	at      Pos
	renamed [][2]string // what it calls variables of the table, and what these are
	file    *File
}

func (p *setParser) job(at Pos, text string) (j setJob, ok bool) {
	j.at = at
	source := ""
	fields := strings.FieldsFunc(text, func(c rune) bool { return c == ',' || blank(c) })
	switch n := len(fields); {
	case strings.HasSuffix(text, "{"):
		fields = strings.FieldsFunc(strings.TrimSuffix(text, "{"), func(c rune) bool { return c == ',' || blank(c) })
	case n > 0 && !strings.Contains(fields[n-1], "="):
		source, fields = fields[n-1], fields[:n-1]
	default:
		p.problem(at, "this job has neither a brace nor a file", "As in: job { ... }, or: job input=x common.sub")
		return j, false
	}
	for _, f := range fields {
		mine, theirs, both := strings.Cut(f, "=")
		if !both || !macro.ValidName(mine) || !macro.ValidName(theirs) {
			p.problem(at, quote(f)+" does not say what a variable of the table is called here", "As in: job input=x { ... }, whose $(input) is the table's x.")
			continue
		}
		j.renamed = append(j.renamed, [2]string{mine, theirs})
	}
	if source != "" {
		src, err := readFile(p.files, p.site.path(source))
		if err != nil {
			p.problem(at, grid.MessageOf(unreadable(source, err)), "")
			return j, false
		}
		var diags grid.Diagnostics
		j.file, diags = Parse(source, src)
		p.diags = append(p.diags, diags...)
		return j, true
	}
	first := p.next
	if _, ok := p.block(at); !ok {
		return j, false
	}
	// Its places are those in the whole file.
	body := parser{file: &File{Name: p.file.Name}, lines: p.lines[:p.next-1], next: first}
	body.run()
	p.diags = append(p.diags, body.diags...)
	j.file = body.file
	return j, true
}

// complete gives a job's file what the set says: the names of variables, the set's, and the
// table.
func (p *setParser) complete(j setJob) *File {
	out := &File{Name: j.file.Name}
	for _, pair := range j.renamed {
		if p.set.vars != nil && !slices.Contains(p.set.vars, pair[1]) {
			near := grid.Nearest(pair[1], p.set.vars)
			if near != "" {
				near = "Did you mean " + quote(near) + "?"
			}
			p.problem(j.at, "the table has no variable "+quote(pair[1]), near)
		}
		out.statements = append(out.statements, statement{name: pair[0], op: "=", value: "$(" + pair[1] + ")", pos: j.at, at: j.at})
	}
	queue := statement{word: queueWord, pos: j.at, at: j.at, table: &table{p.set.vars, p.set.rows}}
	for i, s := range j.file.statements {
		switch {
		case s.word != queueWord:
			out.statements = append(out.statements, s)
		case i < len(j.file.statements)-1:
			p.problem(s.pos, "a job of a set has one queue statement, as its last line", "It may be left out: queue N makes N jobs of each row.")
		default:
			queue.value, queue.pos, queue.at = s.value, s.pos, s.at
			if s.lines != nil || strings.ContainsAny(s.value, "(,") || strings.Contains(" "+fold(s.value)+" ", " from ") {
				p.problem(s.pos, "the rows of a set are those of its iterator", "Write queue, or queue N for N jobs of each row.")
			}
		}
	}
	of := func(name, value string) statement {
		return statement{name: name, op: "+", value: value, pos: j.at, at: j.at}
	}
	out.statements = append(out.statements, of(SetAttr, ad.Quote(p.set.Name)), of("InJobSet", "true"), queue)
	return out
}

// readTable is readQueue of a job of a set: a count, and the set's rows.
func (r *reading) readTable(s *statement) (*Queue, bool) {
	q := &Queue{PerItem: 1, Vars: slices.Clone(s.table.vars), Items: make([][]string, len(s.table.rows)), Verbatim: true, Pos: s.pos}
	text, ok := r.queueText(s.value, s.at)
	if !ok {
		return nil, false
	}
	if text != "" {
		if q.PerItem, ok = r.count(text, s.at); !ok {
			return nil, false
		}
	}
	for i, row := range s.table.rows {
		q.Items[i] = slices.Clone(row)
		for c, cell := range row {
			if !strings.Contains(cell, "$") {
				continue
			}
			q.Verbatim = false
			var b strings.Builder
			if _, err := r.expander(s.at).Expand(&b, cell); err != nil {
				r.fail(s.at, "the value "+quote(cell)+": "+grid.MessageOf(err), "")
				return nil, false
			}
			q.Items[i][c] = b.String()
		}
	}
	return q, r.bounded(q)
}

// CheckSet refuses a spec whose jobs are not of one set, by a name that is known: a cluster
// is in a set as a whole.
func CheckSet(s *Spec) error {
	for i := range s.Sections {
		sec := &s.Sections[i]
		_, apart := Find(sec.Attrs, SetAttr)
		if apart || slices.ContainsFunc(sec.Columns, func(c Column) bool { return strings.EqualFold(c.Attr, SetAttr) }) {
			return grid.Errorf(grid.Invalid, "the jobs of a cluster are of one job set: %s (jobset) differs between them", SetAttr)
		}
	}
	expr, ok := Find(s.Attrs, SetAttr)
	if !ok {
		return nil
	}
	if name, plain := ad.Unquote(expr); !plain || len(name) > MaxName {
		return grid.Errorf(grid.Invalid, "%s (jobset) is a text of at most %d bytes, not %s", SetAttr, MaxName, shown(expr))
	}
	return nil
}
