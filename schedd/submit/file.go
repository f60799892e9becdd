package submit

import (
	"strings"
	"unicode/utf8"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// File is a submit file, read and cut into statements but not yet executed: what its
// macros mean depends on the site, on files that it includes, and on its own order.
type File struct {
	Name       string
	statements []statement
}

// statement is a line of a submit file, continuations joined.
type statement struct {
	word  word
	name  string   // of an assignment, without + and My.
	op    string   // of an assignment: "=", or "+" for a job attribute
	value string   // text behind the name, or behind the keyword
	lines []string // of a list that begins in a queue statement and ends below it
	table *table   // of the queue statement of a job set's job
	pos   Pos      // of the name or keyword
	at    Pos      // of the value
}

type word uint8

const (
	assignment word = iota
	ifWord
	elifWord
	elseWord
	endifWord
	includeWord
	errorWord
	warningWord
	queueWord
	useWord
)

func keywordNamed(s string) (word, bool) {
	switch fold(s) {
	case "if":
		return ifWord, true
	case "elif":
		return elifWord, true
	case "else":
		return elseWord, true
	case "endif":
		return endifWord, true
	case "include":
		return includeWord, true
	case "error":
		return errorWord, true
	case "warning":
		return warningWord, true
	case "queue":
		return queueWord, true
	case "use":
		return useWord, true
	}
	return assignment, false
}

// MaxFile bounds the text of a submit file and of each file that it includes.
const MaxFile = 64 << 20

// Parse cuts a submit file into statements. Lines that are none are reported, and
// the rest is read on.
func Parse(name string, src []byte) (*File, grid.Diagnostics) {
	p := &parser{file: &File{Name: name}}
	if len(src) > MaxFile {
		p.problem(Pos{File: name}, "the file is longer than 64 MiB", "Put long lists of items into a file of their own: queue x from list.txt")
		return p.file, p.diags
	}
	p.lines = strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
	p.run()
	return p.file, p.diags
}

type parser struct {
	file  *File
	diags grid.Diagnostics
	lines []string
	next  int // index of the line to read
}

func (p *parser) problem(at Pos, summary, detail string) {
	p.diags = append(p.diags, at.Problem(false, summary, detail))
}

func (p *parser) run() {
	for p.next < len(p.lines) {
		first := p.next
		text := p.logical()
		trimmed := strings.TrimLeftFunc(text, blank)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		s := statement{pos: p.place(first, len(text)-len(trimmed))}
		if !utf8.ValidString(text) {
			p.problem(s.pos, "this line is not UTF-8 text", "Save the file as UTF-8.")
			continue
		}
		if p.keyword(&s, trimmed, first, text) || p.assignment(&s, trimmed, first, text) {
			p.file.statements = append(p.file.statements, s)
		}
	}
}

// logical is the next line with its continuations. A comment alone does not continue; one
// within a continuation is left out, and continues it with a backslash like any line.
func (p *parser) logical() string {
	line := p.line()
	if strings.HasPrefix(strings.TrimLeftFunc(line, blank), "#") {
		return line
	}
	var b strings.Builder
	comment := false
	for {
		body, more := strings.CutSuffix(strings.TrimRightFunc(line, blank), `\`)
		if comment {
			body, line = "", ""
		}
		if !more {
			b.WriteString(line)
			return b.String()
		}
		b.WriteString(body)
		if p.next == len(p.lines) {
			return b.String()
		}
		line = strings.TrimLeftFunc(p.line(), blank)
		comment = strings.HasPrefix(line, "#")
	}
}

func (p *parser) line() string {
	p.next++
	return strings.TrimSuffix(p.lines[p.next-1], "\r")
}

// place is where byte offset of the given line is; behind its end, as in a
// continuation, it is the line's end.
func (p *parser) place(line, offset int) Pos {
	src := strings.TrimSuffix(p.lines[line], "\r")
	offset = min(offset, len(src))
	return Pos{File: p.file.Name, Line: line + 1, Column: utf8.RuneCountInString(src[:offset]) + 1, Source: strings.ToValidUTF8(src, "\ufffd")}
}

// keyword reads a statement that begins with a keyword. A keyword before an equals
// sign is a name.
func (p *parser) keyword(s *statement, text string, line int, whole string) bool {
	end := 0
	for end < len(text) && (text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z') {
		end++
	}
	w, ok := keywordNamed(text[:end])
	rest := strings.TrimLeftFunc(text[end:], blank)
	if !ok || strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "@=") {
		return false
	}
	if end < len(text) && !blank(rune(text[end])) && text[end] != ':' && text[end] != '(' && text[end] != '!' && text[end] != '$' {
		return false
	}
	s.word = w
	s.pos.Length = end
	s.at = p.place(line, len(whole)-len(rest))
	s.value = strings.TrimRightFunc(rest, blank)
	s.at.Length = utf8.RuneCountInString(s.value)
	if w == queueWord && opensList(s.value) {
		p.list(s)
	}
	return true
}

// opensList reports whether a queue statement ends within the parenthesis of a list.
func opensList(text string) bool {
	for _, w := range []string{"in", "from", "matching"} {
		if _, after, ok := cutWord(text, w); ok {
			open := strings.IndexByte(after, '(')
			return open >= 0 && strings.IndexByte(after[open:], ')') < 0
		}
	}
	return false
}

// list reads the lines of a list up to one that begins with the closing parenthesis.
func (p *parser) list(s *statement) {
	for p.next < len(p.lines) {
		line := p.line()
		if !utf8.ValidString(line) {
			p.problem(p.place(p.next-1, 0), "this line is not UTF-8 text", "Save the file as UTF-8.")
			continue
		}
		if strings.HasPrefix(strings.TrimLeftFunc(line, blank), ")") {
			s.value += ")"
			if s.lines == nil {
				s.lines = []string{}
			}
			return
		}
		s.lines = append(s.lines, line)
	}
	p.problem(s.pos, "the list of this queue statement is not closed", "End it with a line that begins with a closing parenthesis.")
	s.value += ")"
}

// assignment reads name = value, name @=tag ..., +name = value.
func (p *parser) assignment(s *statement, text string, line int, whole string) bool {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		s.pos.Length = utf8.RuneCountInString(text)
		p.problem(s.pos, "this line is no statement", "A line is a comment (#), name = value, queue, or one of if, elif, else, endif, include, error, warning.")
		return false
	}
	tagged := strings.HasSuffix(name, "@")
	s.name = strings.TrimRightFunc(strings.TrimSuffix(name, "@"), blank)
	s.op = "="
	s.pos.Length = utf8.RuneCountInString(s.name)
	if n, ok := ad.CutMy(s.name); ok {
		s.op, s.name = "+", n
	}
	if !macro.ValidName(s.name) {
		p.problem(s.pos, quote(s.name)+" is no name for a macro", "Names are letters, digits, underscores and points.")
		return false
	}
	trimmed := strings.TrimLeftFunc(value, blank)
	s.at = p.place(line, len(whole)-len(trimmed))
	s.value = strings.TrimRightFunc(trimmed, blank)
	if tagged {
		p.tagged(s)
	}
	s.at.Length = max(utf8.RuneCountInString(s.value), 1)
	return true
}

// tagged reads the lines of a value up to the line @tag.
func (p *parser) tagged(s *statement) {
	tag := "@" + s.value
	var lines []string
	for p.next < len(p.lines) {
		line := p.line()
		if strings.TrimSpace(line) == tag {
			s.value = strings.Join(lines, "\n")
			return
		}
		if !utf8.ValidString(line) {
			p.problem(p.place(p.next-1, 0), "this line is not UTF-8 text", "Save the file as UTF-8.")
			return
		}
		lines = append(lines, line)
	}
	p.problem(s.pos, "the value of "+s.name+" is not ended", "End it with a line "+quote(tag)+".")
}

// cutWord cuts text at the first occurrence of a word, in any case, between blanks.
func cutWord(text, word string) (before, after string, ok bool) {
	for i := 0; i+len(word) <= len(text); i++ {
		if !strings.EqualFold(text[i:i+len(word)], word) || i > 0 && !blank(rune(text[i-1])) {
			continue
		}
		end := i + len(word)
		if end == len(text) || blank(rune(text[end])) || text[end] == '(' || text[end] == '[' {
			return text[:i], text[end:], true
		}
	}
	return "", "", false
}

func fold(name string) string { return macro.Fold(name) }
