package cli

import (
	"bufio"
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// printFormat is a print format file: what --print-format prints of each job, in
// HTCondor's language for it ("Print Formats" in its manual).
type printFormat struct {
	noTitle, noHeader, noSummary bool
	labels                       bool
	separator                    string // between a label and its value
	recordBefore, recordAfter    string
	fieldBefore, fieldAfter      string

	fields []printField
	where  []string
	group  []sortKey
}

// printField is a line of it.
type printField struct {
	expr     formula
	label    string
	printf   *conversion
	as       printFunction
	always   bool // as is asked also for values that are undefined
	width    int
	fit      bool // the width is that of the widest
	cut      bool
	left     bool
	noBefore bool
	noAfter  bool
	or       string // for undefined values; twice the same character fills the column
}

type sortKey struct {
	expr formula
	down bool
}

// readPrintFormat reads the text of a file.
func readPrintFormat(name string, src []byte) (*printFormat, error) {
	f := &printFormat{separator: " = ", recordAfter: "\n", fieldAfter: " "}
	lines := bufio.NewScanner(bytes.NewReader(src))
	lines.Buffer(nil, 1<<20)
	section := ""
	for n := 1; lines.Scan(); n++ {
		w := &formatLine{text: strings.TrimSpace(lines.Text())}
		if w.text == "" || w.text[0] == '#' {
			continue
		}
		first, _, _ := strings.Cut(w.text, " ")
		first, _, _ = strings.Cut(first, "\t")
		if slices.Contains(formatSections[:], first) {
			if slices.Index(formatSections[:], first) < slices.Index(formatSections[:], section) || first == section {
				return nil, grid.Errorf(grid.Invalid, "%s line %d: %s stands behind %s: their order is SELECT, WHERE, GROUP BY, SUMMARY", name, n, first, section)
			}
			section, w.text = first, strings.TrimSpace(w.text[len(first):])
			if section == "GROUP" {
				by, rest, _ := strings.Cut(w.text, " ")
				if by != "BY" {
					return nil, grid.Errorf(grid.Invalid, "%s line %d: GROUP is followed by BY", name, n)
				}
				w.text = strings.TrimSpace(rest)
			}
			if section == "SELECT" {
				if err := f.heading(w); err != nil {
					return nil, grid.Errorf(grid.Invalid, "%s line %d: %w", name, n, err)
				}
				continue
			}
		}
		if w.text == "" {
			continue
		}
		if err := f.line(section, w); err != nil {
			return nil, grid.Errorf(grid.Invalid, "%s line %d: %w", name, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, grid.Errorf(grid.Invalid, "%s: %w", name, err)
	}
	if section == "" {
		return nil, grid.Errorf(grid.Invalid, "%s is no print format: it begins with SELECT", name)
	}
	if len(f.fields) == 0 && f.noHeader && f.noSummary {
		return nil, grid.Errorf(grid.Invalid, "%s prints nothing: there is neither a field behind SELECT nor a summary", name)
	}
	return f, nil
}

var formatSections = [...]string{"", "SELECT", "WHERE", "GROUP", "SUMMARY"}

func (f *printFormat) line(section string, w *formatLine) error {
	switch section {
	case "SELECT":
		return f.field(w)
	case "WHERE":
		text := strings.TrimPrefix(strings.TrimPrefix(w.text, "AND "), "&& ")
		if _, err := ad.Parse(text); err != nil {
			return grid.Errorf(grid.Invalid, "%q is no expression: %w", text, err)
		}
		f.where = append(f.where, text)
	case "GROUP":
		var k sortKey
		text := w.text
		for _, direction := range []string{"ASCENDING", "DESCENDING", "DECENDING"} {
			if cut, ok := strings.CutSuffix(text, " "+direction); ok {
				text, k.down = strings.TrimSpace(cut), direction != "ASCENDING"
			}
		}
		var err error
		if k.expr, err = formulaOf(text); err != nil {
			return grid.Errorf(grid.Invalid, "%q is no expression: %w", text, err)
		}
		f.group = append(f.group, k)
	case "SUMMARY":
		switch w.text {
		case "STANDARD":
		case "NONE":
			f.noSummary = true
		default:
			return grid.Errorf(grid.Invalid, "SUMMARY is STANDARD or NONE, not %q", w.text)
		}
	default:
		return grid.Errorf(grid.Invalid, "%q stands before SELECT", w.text)
	}
	return nil
}

// heading reads what stands behind SELECT.
func (f *printFormat) heading(w *formatLine) error {
	texts := map[string]*string{
		"RECORDPREFIX": &f.recordBefore, "RECORDSUFFIX": &f.recordAfter, "FIELDPREFIX": &f.fieldBefore, "FIELDSUFFIX": &f.fieldAfter, "SEPARATOR": &f.separator,
	}
	for {
		word, ok := w.word()
		switch {
		case !ok:
			return nil
		case word == "BARE":
			f.noTitle, f.noHeader, f.noSummary = true, true, true
		case word == "NOTITLE":
			f.noTitle = true
		case word == "NOHEADER":
			f.noHeader = true
		case word == "NOSUMMARY":
			f.noSummary = true
		case word == "LABEL":
			f.labels, f.noHeader = true, true
		case texts[word] != nil:
			text, ok := w.string()
			if !ok {
				return grid.Errorf(grid.Invalid, "%s lacks its text", word)
			}
			*texts[word] = text
		case word == "FROM" || word == "UNIQUE":
			return grid.Errorf(grid.Invalid, "SELECT %s is not supported: gq --totals and --json count and group", word)
		default:
			return grid.Errorf(grid.Invalid, "%q is no option of SELECT", word)
		}
	}
}

// field reads a field: an expression up to the first word that is one of the language.
func (f *printFormat) field(w *formatLine) error {
	p := printField{fit: true, left: true}
	p.label = w.until(fieldWords[:])
	var err error
	if p.expr, err = formulaOf(p.label); err != nil {
		return grid.Errorf(grid.Invalid, "%q is no expression: %w", p.label, err)
	}
	for {
		word, ok := w.word()
		if !ok {
			f.fields = append(f.fields, p)
			return nil
		}
		if err := p.option(word, w); err != nil {
			return err
		}
	}
}

var fieldWords = [...]string{"AS", "PRINTF", "PRINTAS", "ALWAYS", "WIDTH", "FIT", "TRUNCATE", "LEFT", "RIGHT", "NOPREFIX", "NOSUFFIX", "OR"}

func (p *printField) option(word string, w *formatLine) error {
	text := ""
	switch word {
	case "AS", "PRINTF", "PRINTAS", "WIDTH", "OR":
		var ok bool
		if text, ok = w.string(); !ok {
			return grid.Errorf(grid.Invalid, "%s lacks what belongs to it", word)
		}
	}
	switch word {
	case "AS":
		p.label = text
	case "PRINTF":
		all, err := conversions([]string{text + "\x00" + p.expr.text})
		if err != nil {
			return err
		}
		p.printf, p.cut = &all[0], false
	case "PRINTAS":
		if p.as = printFunctions[strings.ToUpper(text)]; p.as == nil {
			near := ""
			if n := grid.Nearest(strings.ToUpper(text), printFunctionNames()); n != "" {
				near = "; did you mean " + n + "?"
			}
			return grid.Errorf(grid.Invalid, "there is no function %s%s", text, near)
		}
	case "ALWAYS":
		p.always = true
	case "WIDTH":
		if text == "AUTO" {
			p.fit = true
			return nil
		}
		n, err := strconv.Atoi(text)
		if err != nil || n == 0 || n > 1000 || n < -1000 {
			return grid.Errorf(grid.Invalid, "WIDTH %q is neither AUTO nor a number of characters", text)
		}
		p.width, p.fit, p.cut, p.left = max(n, -n), false, p.printf == nil, n < 0
	case "FIT":
		p.fit, p.cut = true, false
	case "TRUNCATE":
		p.cut = true
	case "LEFT", "RIGHT":
		p.left = word == "LEFT"
	case "NOPREFIX":
		p.noBefore = true
	case "NOSUFFIX":
		p.noAfter = true
	case "OR":
		if strings.Trim(text, " ?*.-_#0") != "" || len(text) > 2 || len(text) == 2 && text[0] != text[1] {
			return grid.Errorf(grid.Invalid, "OR %q is no character of \" ?*.-_#0\", nor one of them twice", text)
		}
		p.or = text
	default:
		return grid.Errorf(grid.Invalid, "%q is no word for a field: %s", word, strings.Join(fieldWords[:], ", "))
	}
	return nil
}

// formatLine is a line that is being read.
type formatLine struct{ text string }

func (w *formatLine) word() (string, bool) {
	if w.text = strings.TrimSpace(w.text); w.text == "" {
		return "", false
	}
	end := strings.IndexAny(w.text, " \t")
	if end < 0 {
		end = len(w.text)
	}
	word := w.text[:end]
	w.text = w.text[end:]
	return word, true
}

// string is a word, or what stands in quotes.
func (w *formatLine) string() (string, bool) {
	w.text = strings.TrimSpace(w.text)
	if w.text == "" || w.text[0] != '"' && w.text[0] != '\'' {
		return w.word()
	}
	end := strings.IndexByte(w.text[1:], w.text[0])
	if end < 0 {
		return "", false
	}
	text := w.text[1 : 1+end]
	w.text = w.text[2+end:]
	return strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t").Replace(text), true
}

// until takes the text up to one of words, which stands alone and outside of quotes.
func (w *formatLine) until(words []string) string {
	quoted := false
	for i := 0; i < len(w.text); i++ {
		switch c := w.text[i]; {
		case c == '"' && (i == 0 || w.text[i-1] != '\\'):
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			rest := formatLine{w.text[i:]}
			if word, ok := rest.word(); ok && slices.Contains(words, word) {
				text := w.text[:i]
				w.text = w.text[i:]
				return strings.TrimSpace(text)
			}
		}
	}
	text := w.text
	w.text = ""
	return text
}

// asks are the expressions that are looked at of each job.
func (f *printFormat) asks() (texts []string) {
	for i := range f.fields {
		texts = append(texts, f.fields[i].expr.text)
	}
	for _, k := range f.group {
		texts = append(texts, k.expr.text)
	}
	return texts
}

// looksAt is what is needed of each job; none: all of it.
func (f *printFormat) looksAt() ([]string, error) {
	if f.functions() {
		return nil, nil
	}
	return looksAt(f.asks())
}

// functions reports whether a field is printed by a function, which looks at more than
// its expression.
func (f *printFormat) functions() bool {
	return slices.ContainsFunc(f.fields, func(p printField) bool { return p.as != nil })
}

// pad brings a field's text to its column's width.
func (p *printField) pad(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if p.cut && n > width && width > 0 {
		return cut(text, width)
	}
	gap := strings.Repeat(" ", max(width-n, 0))
	if p.left {
		return text + gap
	}
	return gap + text
}
