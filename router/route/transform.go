package route

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// Transform edits a job's ad, line by line:
//
//	NAME = value          a macro: $(NAME) from here on
//	REQUIREMENTS expr     the transform is for jobs of which this is true, before any change
//	SET attr expr         the attribute has the expression
//	DEFAULT attr expr     likewise, if the job has none of that name
//	EVALSET attr expr     the attribute has the value that the expression comes to now
//	EVALMACRO name expr   the macro has that value
//	COPY attr new         another attribute has the same expression; COPY /regex/ new\1
//	RENAME attr new       it has another name;                     RENAME /regex/ new\1
//	DELETE attr           it goes;                                 DELETE /regex/
//	UNIVERSE name         of a route: the universe of the routed job
//	NAME text             of the transform
//	if, elif, else, endif as in submit files
//
// $(MY.attr) is the job's attribute as it is at that line, a string without its quotes.
// Words are read in any case. It never changes.
type Transform struct {
	Name         string
	Requirements *ad.Expr // nil: every job
	Universe     int      // 0: it does not say
	Pos          grid.Pos

	clauses  []clause
	requires grid.Pos // of the Requirements
	lines    []statement
}

// Line is a line of a transform, and where it is written.
type Line struct {
	Text string
	Pos  grid.Pos // of its first character
	// Whole: the text does not stand there as it is, so that there are no places within it.
	Whole bool
}

// verb is what a statement does.
type verb uint8

const (
	assign verb = iota
	condition
	set
	setDefault
	evalSet
	evalMacro
	copyAttr
	rename
	remove
	requirements
	universe
	named
	iterate
)

var verbs = map[string]verb{
	"set": set, "default": setDefault, "evalset": evalSet, "evalmacro": evalMacro, "copy": copyAttr, "rename": rename, "delete": remove,
	"requirements": requirements, "universe": universe, "name": named, "transform": iterate,
}

var verbNames = []string{
	"SET", "DEFAULT", "EVALSET", "EVALMACRO", "COPY", "RENAME", "DELETE", "REQUIREMENTS", "UNIVERSE", "NAME", "TRANSFORM", "if", "elif", "else", "endif",
}

var conditions = map[string]macro.Word{"if": macro.If, "elif": macro.Elif, "else": macro.Else, "endif": macro.Endif}

// statement is a line of a transform that is carried out.
type statement struct {
	verb  verb
	word  macro.Word     // of a condition
	shown string         // the verb as a step says it
	name  string         // the attribute or macro
	regex *regexp.Regexp // instead of the attribute
	text  string         // the rest, macros in it
	expr  *ad.Expr       // the rest, if it holds no macro and is an expression
	pos   grid.Pos       // of the line
	at    grid.Pos       // of the rest
	whole bool           // there are no places within it
}

// parser reads the lines of one transform.
type parser struct {
	t     *Transform
	diags *grid.Diagnostics
	ifs   []grid.Pos // without an endif
	whole bool       // of the line
}

// ParseTransform reads a transform. Problems are added to diags; with errors among them
// it is not to be used.
func ParseTransform(name string, at grid.Pos, lines []Line, diags *grid.Diagnostics) *Transform {
	p := &parser{t: &Transform{Name: name, Pos: at}, diags: diags}
	if len(lines) > maxLines {
		p.fail(at, "these are more than 10000 lines", "")
		return p.t
	}
	for i := 0; i < len(lines); i++ {
		text, pos := lines[i].Text, lines[i].Pos
		p.whole = lines[i].Whole
		trimmed := strings.TrimLeft(text, " \t\r")
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		last := i
		for last+1 < len(lines) && strings.HasSuffix(strings.TrimRight(lines[last].Text, " \t\r"), `\`) {
			last++
		}
		if last > i {
			text = continued(lines[i : last+1])
			i = last
		}
		if !utf8.ValidString(text) {
			p.fail(pos, "this line is not UTF-8 text", "Save the file as UTF-8.")
			continue
		}
		if tagged, tag, ok := cutTagged(text); ok {
			end := i + 1
			for end < len(lines) && strings.TrimSpace(lines[end].Text) != "@"+tag {
				end++
			}
			if end == len(lines) {
				p.fail(pos, "the value of "+tagged+" is not ended", `End it with a line "@`+tag+`".`)
				break
			}
			var body []string
			for _, l := range lines[i+1 : end] {
				body = append(body, l.Text)
			}
			i = end
			p.t.lines = append(p.t.lines, statement{verb: assign, whole: true, name: tagged, text: strings.Join(body, "\n"), pos: pos, at: pos})
			continue
		}
		if p.line(text, pos) {
			break
		}
	}
	for _, pos := range p.ifs {
		p.warn(pos, "this if has no endif", "It counts to the end of the transform.")
	}
	p.t.clauses = clausesOf(p.t.Requirements)
	return p.t
}

func (p *parser) fail(at grid.Pos, summary, detail string) {
	*p.diags = append(*p.diags, at.Problem(false, summary, detail))
}

func (p *parser) warn(at grid.Pos, summary, detail string) {
	*p.diags = append(*p.diags, at.Problem(true, summary, detail))
}

// within is a place that lies bytes further in the text of a line.
func within(pos grid.Pos, text string, offset, length int) grid.Pos {
	pos.Column += utf8.RuneCountInString(text[:offset])
	pos.Length = max(utf8.RuneCountInString(text[offset:min(offset+length, len(text))]), 1)
	return pos
}

func (p *parser) within(pos grid.Pos, text string, offset, length int) grid.Pos {
	if p.whole {
		return pos
	}
	return within(pos, text, offset, length)
}

// cutTagged reads NAME @=tag.
func cutTagged(text string) (name, tag string, ok bool) {
	name, tag, ok = strings.Cut(text, "@=")
	name, tag = strings.TrimSpace(name), strings.TrimSpace(tag)
	return name, tag, ok && macro.ValidName(name) && tag != "" && !strings.ContainsAny(tag, " \t")
}

// cutAssignment reads NAME = value.
func cutAssignment(text string) (name string, value int, ok bool) {
	name, _, ok = strings.Cut(text, "=")
	value = len(name) + 1
	name = strings.TrimSpace(name)
	if plus, isPlus := strings.CutPrefix(name, "+"); isPlus {
		return name, value, ok && macro.ValidName(plus)
	}
	return name, value, ok && macro.ValidName(name)
}

// word is the next word of text from an offset, and where it begins and ends.
func word(text string, from int) (start, end int) {
	for start = from; start < len(text) && strings.IndexByte(" \t\r\n", text[start]) >= 0; start++ {
	}
	for end = start; end < len(text) && strings.IndexByte(" \t\r\n", text[end]) < 0; end++ {
	}
	return start, end
}

// line reads one statement, and reports whether it is the last.
func (p *parser) line(text string, pos grid.Pos) (last bool) {
	start, end := word(text, 0)
	key := strings.ToLower(text[start:end])
	rest, _ := word(text, end)
	s := statement{whole: p.whole, pos: p.within(pos, text, start, len(strings.TrimRight(text[start:], " \t\r"))), shown: strings.ToUpper(text[start:end])}
	s.text = strings.TrimRight(text[rest:], " \t\r")
	s.at = p.within(pos, text, rest, len(s.text))
	assigns := strings.HasPrefix(s.text, "=")
	keyword := key
	if i := strings.IndexAny(key, "!:($"); i >= 0 {
		keyword = key[:i]
	}
	if w, ok := conditions[keyword]; ok && !assigns {
		s.verb, s.word = condition, w
		s.text = strings.TrimSpace(text[start+len(keyword):])
		p.condition(s)
		return false
	}
	v, ok := verbs[key]
	if ok && !assigns {
		s.verb = v
		return p.verb(s, text, pos, rest)
	}
	if name, value, ok := cutAssignment(text); ok {
		from, _ := word(text, value)
		s.verb, s.name, s.text = assign, name, strings.TrimSpace(text[value:])
		s.at = p.within(pos, text, min(from, len(text)), len(s.text))
		p.t.lines = append(p.t.lines, s)
		return false
	}
	detail := "A line is NAME = value, or begins with one of " + strings.Join(verbNames, ", ") + "."
	if near := grid.Nearest(text[start:end], verbNames); near != "" {
		detail = "Did you mean " + near + "?"
	}
	p.fail(p.within(pos, text, start, end-start), quote(text[start:end])+" is no command of transforms", detail)
	return false
}

func (p *parser) condition(s statement) {
	if s.word == macro.If || s.word == macro.Elif {
		// Whatever the macros come to, the form is wrong.
		x := macro.Expander{Lookup: func(string) macro.Meaning { return macro.Meaning{State: macro.Verbatim, Text: "1"} }}
		if _, problem, detail := x.Holds(masked(s.text)); problem != "" {
			p.fail(s.pos, strings.ReplaceAll(problem, masked(s.text), s.text), detail)
		}
	}
	switch s.word {
	case macro.If:
		p.ifs = append(p.ifs, s.pos)
	case macro.Endif:
		if len(p.ifs) > 0 {
			p.ifs = p.ifs[:len(p.ifs)-1]
			break
		}
		p.fail(s.pos, "there is no if for this", "")
		return
	default:
		if len(p.ifs) == 0 {
			p.fail(s.pos, "there is no if for this", "")
			return
		}
	}
	p.t.lines = append(p.t.lines, s)
}

// masked is the text of a condition with a number in place of each macro.
func masked(text string) string {
	if first, _, _ := strings.Cut(strings.TrimLeft(text, "! "), " "); strings.EqualFold(first, "defined") {
		return text
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			return b.String() + text
		}
		open := strings.IndexByte(text[i:], '(')
		if open < 0 {
			return b.String() + text
		}
		_, rest, ok := macro.Parenthesized(text[i+open:])
		if !ok {
			return b.String() + text
		}
		b.WriteString(text[:i] + "1")
		text = rest
	}
}

// verb reads the arguments of a command.
func (p *parser) verb(s statement, text string, pos grid.Pos, rest int) (last bool) {
	whole := strings.TrimRight(text, " \t\r")
	if rest >= len(whole) && s.verb != iterate {
		p.fail(s.pos, s.shown+" of what?", usageOf(s))
		return false
	}
	switch s.verb {
	case iterate:
		if s.text != "" && s.text != "1" {
			p.fail(s.at, "a route makes one job of one: TRANSFORM takes nothing here", "")
		}
		return true
	case named:
		p.t.Name = s.text
		return false
	case universe:
		p.universe(s)
		return false
	case requirements:
		p.t.Requirements, p.t.requires = p.expression(s.text, s.at), s.at
		p.early(s)
		return false
	}
	from := rest
	if (s.verb == copyAttr || s.verb == rename || s.verb == remove) && whole[rest] == '/' {
		end, ok := p.regex(&s, whole, pos, rest)
		if !ok {
			return false
		}
		from = end
	} else {
		_, end := word(whole, rest)
		s.name = strings.TrimRight(whole[rest:end], ",=")
		if s.name == "" || !strings.Contains(s.name, "$") && !ad.ValidName(s.name) && (s.verb != evalMacro || !macro.ValidName(s.name)) {
			p.fail(p.within(pos, text, rest, end-rest), quote(whole[rest:end])+" is no name for an attribute", "Letters, digits and underscores, not a digit first.")
			return false
		}
		from = end
	}
	if s.verb == remove {
		if start, _ := word(whole, from); start < len(whole) {
			p.fail(p.within(pos, text, start, len(whole)-start), "DELETE takes one attribute, or one /regex/", "Write a line for each.")
			return false
		}
		s.text = ""
		p.t.lines = append(p.t.lines, s)
		return false
	}
	start, end := word(whole, from)
	if start < len(whole) && (whole[start:end] == "=" || whole[start:end] == ",") {
		start, _ = word(whole, end)
	}
	if start >= len(whole) {
		p.fail(s.pos, s.shown+" "+s.name+": to what?", usageOf(s))
		return false
	}
	s.text, s.at = whole[start:], p.within(pos, text, start, len(whole)-start)
	p.settle(s)
	return false
}

// settle keeps a statement of two arguments, with what can be known of them now.
func (p *parser) settle(s statement) {
	plain := !strings.Contains(s.text, "$")
	switch s.verb {
	case set, setDefault, evalSet, evalMacro:
		if plain {
			x, odd, err := s.verb.parse(s.text)
			if err != nil {
				p.fail(expressionAt(s.at, s.text, err, p.whole), "this is no expression: "+reasonOf(err), "")
				return
			}
			if odd {
				p.warn(s.at, "a backslash here begins no escape, and is left out", s.shown+` reads \n, \" and \\ as escapes, unlike SET: write \\ for a backslash.`)
			}
			s.expr = x
		}
	default:
		if s.regex != nil {
			for i := 0; i+1 < len(s.text); i++ {
				if s.text[i] == '\\' && s.text[i+1] >= '0' && s.text[i+1] <= '9' && int(s.text[i+1]-'0') > s.regex.NumSubexp() {
					p.fail(p.within(s.at, s.text, i, 2), s.text[i:i+2]+" is nothing: "+s.name+" has "+groups(s.regex.NumSubexp()), "What stands in parentheses is a group; \\0 is all that matched.")
					return
				}
			}
		}
		if plain && s.regex == nil && !ad.ValidName(s.text) {
			p.fail(s.at, quote(s.text)+" is no name for an attribute", "Letters, digits and underscores, not a digit first.")
			return
		}
	}
	p.t.lines = append(p.t.lines, s)
}

// early warns of what counts before any line, though it stands behind an if.
func (p *parser) early(s statement) {
	if len(p.ifs) > 0 {
		p.warn(s.pos, s.shown+" counts whatever the if before it says", "It is looked at before the first line. Write the condition into the expression.")
	}
}

func (p *parser) universe(s statement) {
	p.early(s)
	if n, err := strconv.Atoi(s.text); err == nil && UniverseName(n) != s.text {
		p.t.Universe = n
		return
	}
	n, ok := universes[strings.ToLower(s.text)]
	if !ok {
		names := []string{"vanilla", "scheduler", "grid", "java", "parallel", "local", "vm", "docker", "container"}
		detail := "Those that are: " + strings.Join(names, ", ") + "."
		if near := grid.Nearest(s.text, names); near != "" {
			detail = "Did you mean " + near + "?"
		}
		p.fail(s.at, quote(s.text)+" is no universe", detail)
		p.t.Universe = universes["vanilla"] // which lacks nothing else
		return
	}
	p.t.Universe = n
}

// expression reads an expression in the old syntax, as these files write them.
func (p *parser) expression(src string, at grid.Pos) *ad.Expr {
	x, err := parse(src)
	if err != nil {
		p.fail(expressionAt(at, src, err, p.whole), "this is no expression: "+reasonOf(err), "")
		return nil
	}
	return x
}

// regex reads /pattern/options from an offset, and gives where it ends.
func (p *parser) regex(s *statement, text string, pos grid.Pos, from int) (end int, ok bool) {
	end = from + 1
	for end < len(text) && text[end] != '/' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(text) {
		p.fail(p.within(pos, text, from, len(text)-from), "this regular expression is not ended", "Write /pattern/.")
		return 0, false
	}
	pattern := strings.ReplaceAll(text[from+1:end], `\/`, "/")
	options := end + 1
	for end = options; end < len(text) && strings.IndexByte(" \t", text[end]) < 0; end++ {
	}
	flags := "i"
	for _, c := range text[options:end] {
		switch c {
		case 'i':
		case 'm', 'U':
			flags += string(c)
		default:
			p.fail(p.within(pos, text, options, end-options), quote(text[options:end])+" are no options of a regular expression", "They are i, m and U.")
			return 0, false
		}
	}
	re, err := regexp.Compile("(?" + flags + ")" + pattern)
	if err != nil {
		p.fail(p.within(pos, text, from, options-from), "this regular expression cannot be used: "+wrongOf(err), "")
		return 0, false
	}
	s.regex, s.name = re, text[from:end]
	return end, true
}

// wrongOf is what is wrong with a regular expression, without its text.
func wrongOf(err error) string {
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		return wrong.Code.String()
	}
	return err.Error()
}

func groups(n int) string {
	if n == 1 {
		return "1 group"
	}
	return strconv.Itoa(n) + " groups"
}

func usageOf(s statement) string {
	switch s.verb {
	case set, setDefault, evalSet:
		return "Write " + s.shown + " Attribute expression"
	case evalMacro:
		return "Write EVALMACRO name expression"
	case copyAttr, rename:
		return "Write " + s.shown + ` Attribute NewName, or ` + s.shown + ` /regex/ New\1`
	case remove:
		return "Write DELETE Attribute, or DELETE /regex/"
	case requirements:
		return "Write REQUIREMENTS expression"
	case universe:
		return "Write UNIVERSE vanilla, grid, local, ..."
	}
	return ""
}

func quote(s string) string { return `"` + s + `"` }
