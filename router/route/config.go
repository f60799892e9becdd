package route

import (
	"cmp"
	"path"
	"strings"
	"unicode/utf8"

	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// Files is how a reading sees files beside the one it was given. Names are as they are
// written, or beside the file that names them.
type Files interface {
	ReadFile(name string) ([]byte, error)
}

const (
	maxFile    = 1 << 20 // bytes of one file
	maxInclude = 16      // files within files
	maxLines   = 10_000  // of one route or transform
	maxRoutes  = 1000
)

// config is HTCondor's configuration, as far as it is read for routes: what its names
// stand for.
type config struct {
	files Files
	diags grid.Diagnostics
	names map[string]*definition // by folded name
	depth int
}

// definition is a name's value.
type definition struct {
	name  string
	text  string
	lines []Line   // the value's lines with their places
	pos   grid.Pos // of the name
	at    grid.Pos // of the value
	used  bool
}

// readConfig reads a configuration's text.
func readConfig(name string, src []byte, files Files) *config {
	c := &config{files: files, names: map[string]*definition{}}
	c.read(name, src)
	return c
}

func (c *config) fail(at grid.Pos, summary, detail string) {
	c.diags = append(c.diags, at.Problem(false, summary, detail))
}

func (c *config) warn(at grid.Pos, summary, detail string) {
	c.diags = append(c.diags, at.Problem(true, summary, detail))
}

// read reads one file.
func (c *config) read(name string, src []byte) {
	switch {
	case len(src) > maxFile:
		c.fail(grid.Pos{File: name}, "the file is longer than 1 MiB", "")
		return
	case !utf8.Valid(src):
		c.fail(grid.Pos{File: name}, "the file is not UTF-8 text", "Save it as UTF-8.")
		return
	}
	raw := strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
	lines := make([]Line, len(raw))
	for i, text := range raw {
		text = strings.TrimSuffix(text, "\r")
		lines[i] = Line{Text: text, Pos: grid.Pos{File: name, Line: i + 1, Column: 1, Length: max(utf8.RuneCountInString(text), 1), Source: text}}
	}
	var ifs macro.Conditions
	var open []grid.Pos
	for i := 0; i < len(lines); i++ {
		first := lines[i]
		text := strings.TrimLeft(first.Text, " \t")
		if text == "" || text[0] == '#' {
			continue
		}
		last := i
		for last+1 < len(lines) && strings.HasSuffix(strings.TrimRight(lines[last].Text, " \t"), `\`) {
			last++
		}
		whole := continued(lines[i : last+1])
		if c.conditional(&ifs, &open, whole, first.Pos) {
			i = last
			continue
		}
		if name, tag, ok := cutTagged(whole); ok {
			end := i + 1
			for end < len(lines) && strings.TrimSpace(lines[end].Text) != "@"+tag {
				end++
			}
			if end == len(lines) {
				c.fail(nameAt(first), "the value of "+name+" is not ended", `End it with a line "@`+tag+`".`)
				return
			}
			if ifs.Active() {
				c.define(name, lines[i+1:end], nameAt(first), first.Pos)
			}
			i = end
			continue
		}
		if ifs.Active() {
			c.statement(whole, lines[i:last+1])
		}
		i = last
	}
	for _, p := range open {
		c.warn(p, "this if has no endif", "It counts to the end of the file.")
	}
}

// continued is lines of which all but the last end in a backslash, as one.
func continued(lines []Line) string {
	if len(lines) == 1 {
		return lines[0].Text
	}
	var b strings.Builder
	for i, l := range lines {
		text := l.Text
		if i > 0 {
			text = strings.TrimLeft(text, " \t")
			if strings.HasPrefix(text, "#") {
				text = `\` // a comment within continues as its backslash says
				if i == len(lines)-1 {
					text = ""
				}
			}
		}
		if i < len(lines)-1 {
			text = strings.TrimSuffix(strings.TrimRight(text, " \t\r"), `\`)
		}
		b.WriteString(text)
	}
	return b.String()
}

// nameAt is the place of a line's first word.
func nameAt(l Line) grid.Pos {
	start, end := word(l.Text, 0)
	if i := strings.IndexAny(l.Text[start:end], "=@"); i > 0 {
		end = start + i
	}
	return within(l.Pos, l.Text, start, end-start)
}

// conditional executes if, elif, else and endif.
func (c *config) conditional(ifs *macro.Conditions, open *[]grid.Pos, text string, pos grid.Pos) bool {
	start, end := word(text, 0)
	key := strings.ToLower(text[start:end])
	if i := strings.IndexAny(key, "!:($"); i >= 0 {
		key = key[:i]
	}
	rest := strings.TrimSpace(text[start+len(key):])
	w, ok := conditions[key]
	if !ok || strings.HasPrefix(rest, "=") {
		return false
	}
	var wrong, detail string
	problem := ifs.Take(w, func() bool {
		var holds bool
		holds, wrong, detail = c.expander(pos).Holds(rest)
		return holds
	})
	if problem = cmp.Or(problem, wrong); problem != "" {
		c.fail(pos, problem, detail)
	}
	switch {
	case w == macro.If:
		*open = append(*open, pos)
	case w == macro.Endif && len(*open) > 0:
		*open = (*open)[:len(*open)-1]
	}
	return true
}

// statement reads NAME = value, include, use, error or warning.
func (c *config) statement(text string, lines []Line) {
	pos := nameAt(lines[0])
	if name, value, ok := cutAssignment(text); ok {
		name = strings.TrimPrefix(name, "+")
		at := lines[0].Pos
		from, _ := word(text, value)
		if len(lines) == 1 {
			at = within(at, text, min(from, len(text)), len(text)-min(from, len(text)))
			lines = []Line{{Text: strings.TrimSpace(text[value:]), Pos: at}}
		} else {
			lines = []Line{{Text: strings.TrimSpace(text[value:]), Pos: at, Whole: true}}
		}
		c.define(name, lines, pos, at)
		return
	}
	first, rest, _ := strings.Cut(strings.TrimSpace(text), ":")
	what := strings.ToLower(strings.TrimSpace(first))
	rest = strings.TrimSpace(rest)
	switch {
	case what == "include" || what == "include ifexist":
		c.include(rest, what != "include", pos)
	case what == "error":
		c.fail(pos, rest, "The file itself says so.")
	case what == "warning":
		c.warn(pos, rest, "The file itself says so.")
	case strings.HasPrefix(what, "use ") || strings.HasPrefix(what, "@use "):
		// A template for daemons that are not here.
	case strings.HasPrefix(what, "include "):
		c.fail(pos, "only files are included here", "Write what the command prints into a file, and include that.")
	default:
		c.fail(pos, "this line is no statement of a configuration", "A line is a comment (#), NAME = value, NAME @=tag ... @tag, include : file, or one of if, elif, else, endif.")
	}
}

// include reads another file. A relative name is beside the file that names it.
func (c *config) include(name string, ifExist bool, pos grid.Pos) {
	name, err := c.expanded(name, pos)
	switch {
	case err != nil:
		c.fail(pos, grid.MessageOf(err), "")
		return
	case strings.HasSuffix(name, "|"):
		c.fail(pos, "only files are included here", "Write what the command prints into a file, and include that.")
		return
	case c.depth >= maxInclude:
		c.fail(pos, "files include files, more than 16 deep", "Does one include itself?")
		return
	case c.files == nil:
		c.fail(pos, "no other file can be read here", "Write its text in place of the include.")
		return
	}
	if !path.IsAbs(name) {
		name = path.Join(path.Dir(pos.File), name)
	}
	src, err := c.files.ReadFile(name)
	if err != nil {
		if !ifExist {
			c.fail(pos, "it cannot be included: "+err.Error(), "")
		}
		return
	}
	c.depth++
	c.read(name, src)
	c.depth--
}

// define gives a name a value; a reference to itself is to what it was.
func (c *config) define(name string, lines []Line, pos, at grid.Pos) {
	key := macro.Fold(name)
	before := ""
	if old := c.names[key]; old != nil {
		before = old.text
	}
	d := &definition{name: name, pos: pos, at: at}
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l.Text)
	}
	raw := b.String()
	d.text = macro.SelfReplaced(raw, key, before)
	d.lines = lines
	if d.text != raw {
		d.lines = nil
		for text := range strings.SplitSeq(d.text, "\n") {
			d.lines = append(d.lines, Line{Text: text, Pos: pos, Whole: true})
		}
	}
	c.names[key] = d
}

// find is a name's definition: the router's own one, JOB_ROUTER.NAME, before the
// machine's.
func (c *config) find(name string) *definition {
	key := macro.Fold(name)
	d := c.names["job_router."+key]
	if d == nil {
		d = c.names[key]
	}
	if d != nil {
		d.used = true
	}
	return d
}

func (c *config) expander(pos grid.Pos) *macro.Expander {
	return &macro.Expander{
		Lookup: func(key string) macro.Meaning {
			if d := c.find(key); d != nil {
				return macro.Meaning{State: macro.Written, Text: d.text}
			}
			return automatic(key)
		},
		Random: func(string) uint64 { return 0 },
		Odd:    func(what error) { c.warn(pos, grid.MessageOf(what), "It stays as it is written.") },
		Getenv: func(string) (string, bool, bool) { return "", false, false },
	}
}

func (c *config) expanded(text string, at grid.Pos) (string, error) {
	out, _, err := c.expander(at).Text(text)
	return strings.TrimSpace(out), err
}

// value is a name's value with its macros expanded; ok is false when it is not set, or
// wrong, which then is said.
func (c *config) value(name string) (text string, d *definition, ok bool) {
	d = c.find(name)
	if d == nil {
		return "", nil, false
	}
	text, err := c.expanded(d.text, d.at)
	if err != nil {
		c.fail(d.at, d.name+": "+grid.MessageOf(err), "")
		return "", d, false
	}
	return text, d, text != ""
}
