package route

import (
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// The syntax of former versions: a list of ads in brackets, each a route on top of the
// defaults. It is turned into the lines of today's, as HTCondor itself did:
//
//	[ Name = "A"; GridResource = "batch slurm"; Requirements = TARGET.WantA; set_X = 3; ]

// entry is one attribute of an old route.
type entry struct {
	name string
	expr *ad.Expr
	pos  grid.Pos
}

// entries are the routes of JOB_ROUTER_ENTRIES and of its file.
func (c *config) entries() []Text {
	if d := c.find("JOB_ROUTER_ENTRIES_CMD"); d != nil && strings.TrimSpace(d.text) != "" {
		c.fail(d.pos, "routes are read from text alone, not from a command", "Write what it prints into a file, and name that: JOB_ROUTER_ENTRIES_FILE")
	}
	var out []Text
	add := func(more []Text) {
		for _, r := range more {
			i := slices.IndexFunc(out, func(o Text) bool { return o.Name == r.Name })
			switch {
			case i < 0 || r.Name == "":
				out = append(out, r)
			case r.override == keepEarlier:
			default:
				if r.override == unsaid {
					c.warn(r.Pos, "there are two routes "+quote(r.Name)+": this one replaces the one before", "OverrideRoutingEntry = true says that it shall.")
				}
				out[i] = r
			}
		}
	}
	defaults := c.defaults()
	if name, d, ok := c.value("JOB_ROUTER_ENTRIES_FILE"); ok {
		if c.files == nil {
			c.fail(d.at, "no other file can be read here", "")
		} else if src, err := c.files.ReadFile(name); err != nil {
			c.fail(d.at, "the file of the routes: "+err.Error(), "")
		} else {
			add(c.oldRoutes(d, string(src), linesOf(name, string(src)), defaults, ""))
		}
	}
	if text, d, ok := c.value("JOB_ROUTER_ENTRIES"); ok {
		add(c.oldRoutes(d, text, d.placed(text), defaults, ""))
	}
	return out
}

// placed are the lines of a value, with their places if expanding its macros changed none.
func (d *definition) placed(text string) []Line {
	if text == strings.TrimSpace(d.text) && len(d.lines) > 0 {
		lead := len(d.text) - len(strings.TrimLeft(d.text, " \t\r\n"))
		return d.lines[strings.Count(d.text[:lead], "\n"):]
	}
	var out []Line
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, Line{Text: line, Pos: d.pos, Whole: true})
	}
	return out
}

// linesOf are the lines of a file.
func linesOf(file, text string) []Line {
	var out []Line
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		out = append(out, Line{Text: line, Pos: grid.Pos{File: file, Line: len(out) + 1, Column: 1, Source: line}})
	}
	return out
}

// defaults is JOB_ROUTER_DEFAULTS: one ad, or several that are laid on top of each other.
func (c *config) defaults() []entry {
	text, d, ok := c.value("JOB_ROUTER_DEFAULTS")
	if !ok {
		return nil
	}
	if !strings.HasPrefix(text, "[") {
		text = "[" + text + "]"
	}
	merge := c.truth("MERGE_JOB_ROUTER_DEFAULT_ADS", false)
	var all []entry
	for i, record := range c.records(d, text, d.placed(text)) {
		if i > 0 && !merge {
			c.warn(d.pos, "only the first ad of JOB_ROUTER_DEFAULTS counts", "MERGE_JOB_ROUTER_DEFAULT_ADS = true lays the others on top of it.")
			break
		}
		all = laid(all, record)
	}
	return all
}

// laid is attributes with others on top.
func laid(under, over []entry) []entry {
	out := slices.Clone(under)
	for _, e := range over {
		if i := slices.IndexFunc(out, func(o entry) bool { return strings.EqualFold(o.name, e.name) }); i >= 0 {
			out[i] = e
		} else {
			out = append(out, e)
		}
	}
	return out
}

// What an old route says of one of its name before it.
const (
	unsaid uint8 = iota
	keepEarlier
	replace
)

// scanner reads ads in brackets, and knows the place of each byte.
type scanner struct {
	c     *config
	text  string
	lines []Line
	ends  []int // where the text's lines end
	at    int
}

// place is where a byte of the text is written.
func (s *scanner) place(offset, length int) grid.Pos {
	line, _ := slices.BinarySearch(s.ends, offset)
	if line >= len(s.lines) {
		return grid.Pos{}
	}
	begin, end := 0, len(s.text)
	if line > 0 {
		begin = s.ends[line-1] + 1
	}
	if line < len(s.ends) {
		end = s.ends[line]
	}
	l := s.lines[line]
	if l.Whole {
		return l.Pos
	}
	shift := strings.Index(l.Text, strings.TrimSuffix(s.text[begin:end], "\r"))
	if shift < 0 {
		return l.Pos
	}
	return within(l.Pos, l.Text, min(shift+offset-begin, len(l.Text)), length)
}

// whole reports whether there are no places within the text.
func (s *scanner) whole() bool { return len(s.lines) > 0 && s.lines[0].Whole }

// blanks passes white space and comments.
func (s *scanner) blanks() {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			s.at++
		case rest[0] == '#', strings.HasPrefix(rest, "//"):
			s.at += len(rest)
			if i := strings.IndexByte(rest, '\n'); i >= 0 {
				s.at += i - len(rest)
			}
		case strings.HasPrefix(rest, "/*"):
			s.at += len(rest)
			if i := strings.Index(rest[2:], "*/"); i >= 0 {
				s.at += i + 4 - len(rest)
			}
		default:
			return
		}
	}
}

// records are the ads that a text lists, commas or blanks between them.
func (c *config) records(d *definition, text string, lines []Line) [][]entry {
	s := scanner{c: c, text: text, lines: lines}
	for i := range len(text) {
		if text[i] == '\n' {
			s.ends = append(s.ends, i)
		}
	}
	var out [][]entry
	for {
		s.blanks()
		for s.at < len(s.text) && s.text[s.at] == ',' {
			s.at++
			s.blanks()
		}
		if s.at >= len(s.text) {
			return out
		}
		if s.text[s.at] != '[' {
			c.fail(or1(s.place(s.at, 1), d.pos), "a route of the old syntax begins with [", `As in: [ Name = "A"; GridResource = "batch slurm"; ]`)
			return out
		}
		if len(out) == maxRoutes {
			c.fail(s.place(s.at, 1), "there are more than 1000 routes", "")
			return out
		}
		record, ok := s.record()
		if !ok {
			return out
		}
		out = append(out, record)
	}
}

// record reads one ad.
func (s *scanner) record() (out []entry, ok bool) {
	open := s.at
	for s.at++; ; {
		s.blanks()
		switch {
		case s.at >= len(s.text):
			s.c.fail(s.place(open, 1), "this [ is not closed", "")
			return nil, false
		case s.text[s.at] == ']':
			s.at++
			return out, true
		case s.text[s.at] == ';':
			s.at++
			continue
		}
		if len(out) == maxRoutes {
			s.c.fail(s.place(s.at, 1), "a route of more than 1000 attributes", "")
			return nil, false
		}
		start := s.at
		for s.at < len(s.text) && wordByte(s.text[s.at]) {
			s.at++
		}
		name := s.text[start:s.at]
		s.blanks()
		if name == "" || s.at >= len(s.text) || s.text[s.at] != '=' {
			s.c.fail(s.place(start, max(len(name), 1)), "an attribute of a route is written Name = expression;", "")
			return nil, false
		}
		s.at++
		s.blanks()
		from := s.at
		end, ok := s.expression()
		if !ok {
			s.c.fail(s.place(from, 1), "the value of "+name+" does not end", "Each ends in a semicolon, the route in ].")
			return nil, false
		}
		src := strings.TrimSpace(s.text[from:end])
		x, err := ad.Parse(src)
		if err != nil {
			s.c.fail(expressionAt(s.place(from, max(len(src), 1)), src, err, s.whole()), "this is no expression: "+reasonOf(err), "The value of "+name+".")
			x = ad.Literal(ad.UndefinedValue())
		}
		out = append(out, entry{name: name, expr: x, pos: s.place(start, len(name))})
	}
}

// expression passes a value, and gives where it ends.
func (s *scanner) expression() (end int, ok bool) {
	depth := 0
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case '"', '\'':
			for s.at++; s.at < len(s.text) && s.text[s.at] != c; s.at++ {
				if s.text[s.at] == '\\' {
					s.at++
				}
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 && c == ']' {
				return s.at, true
			}
			depth--
		case ';':
			if depth <= 0 {
				return s.at, true
			}
		case '/':
			if strings.HasPrefix(s.text[s.at:], "//") || strings.HasPrefix(s.text[s.at:], "/*") {
				end := s.at
				s.blanks()
				if s.at < len(s.text) && (s.text[s.at] == ';' || s.text[s.at] == ']') && depth <= 0 {
					return end, true
				}
				s.at--
			}
		}
	}
	return 0, false
}

// oldRoutes turns the ads of a text into routes of today's syntax.
func (c *config) oldRoutes(d *definition, text string, lines []Line, defaults []entry, name string) []Text {
	var out []Text
	for _, record := range c.records(d, text, lines) {
		out = append(out, c.oldRoute(d, laid(defaults, record), name))
	}
	return out
}

// oldRoute writes an old route in today's lines: what it says, then copies, deletions,
// settings, and settings of values.
func (c *config) oldRoute(d *definition, attrs []entry, name string) Text {
	r := Text{Name: name, Pos: d.pos}
	if len(attrs) > 0 {
		r.Pos = or1(attrs[len(attrs)-1].pos, d.pos)
	}
	var says, copies, deletes, sets, evals []Line
	line := func(to *[]Line, e entry, text string) {
		*to = append(*to, Line{Text: text, Pos: e.pos, Whole: true})
	}
	slices.SortStableFunc(attrs, func(a, b entry) int { return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) })
	// What the route says of itself is put in place of its names in expressions.
	own := ad.New(len(attrs))
	for _, e := range attrs {
		if key := strings.ToLower(e.name); key != "requirements" && !strings.HasPrefix(key, "set_") && !strings.HasPrefix(key, "eval_set_") {
			own.SetExpr(e.name, e.expr)
		}
	}
	for _, e := range attrs {
		key := strings.ToLower(e.name)
		cut := func(prefix string) (string, bool) {
			if strings.HasPrefix(key, prefix) && len(key) > len(prefix) {
				return e.name[len(prefix):], true
			}
			return "", false
		}
		if attr, ok := cut("copy_"); ok {
			if to, ok := textOf(e.expr); ok {
				line(&copies, e, "COPY "+attr+" "+to)
			} else {
				c.fail(e.pos, e.name+" is the name of an attribute in quotes", `As in: copy_Owner = "OldOwner"`)
			}
			continue
		}
		if attr, ok := cut("delete_"); ok {
			line(&deletes, e, "DELETE "+attr)
			continue
		}
		if attr, ok := cut("eval_set_"); ok {
			// As in HTCondor, TARGET is the job where the route is named too, and nothing else.
			line(&evals, e, "EVALSET "+attr+" "+e.expr.Inline(own, mentions(e.expr, own)).String())
			continue
		}
		if attr, ok := cut("set_"); ok {
			line(&sets, e, "SET "+attr+" "+e.expr.Old())
			continue
		}
		switch key {
		case "name":
			if s, ok := textOf(e.expr); ok {
				r.Name, r.Pos = s, e.pos
			}
		case "requirements":
			line(&says, e, "REQUIREMENTS "+e.expr.Inline(own, true).Old())
		case "overrideroutingentry":
			r.override = keepEarlier
			if v, ok := e.expr.Constant(); ok && ad.Truth(v) {
				r.override = replace
			}
		default:
			text := e.expr.Inline(own, true).Old()
			if s, ok := textOf(e.expr); ok {
				text = s
			}
			line(&says, e, e.name+" = "+text)
		}
	}
	r.Lines = slices.Concat(says, copies, deletes, sets, evals)
	if r.Name == "" {
		if i := slices.IndexFunc(attrs, func(e entry) bool { return strings.EqualFold(e.name, "GridResource") }); i >= 0 {
			r.Name, _ = textOf(attrs[i].expr)
		}
	}
	return r
}

// mentions reports whether an expression names an attribute of the ad.
func mentions(x *ad.Expr, a *ad.Ad) bool {
	refs := x.Refs()
	return slices.ContainsFunc(slices.Concat(refs.My, refs.Bare), a.Has)
}

// textOf is an expression that is a string literal.
func textOf(x *ad.Expr) (string, bool) {
	v, ok := x.Constant()
	if !ok {
		return "", false
	}
	return v.Text()
}
