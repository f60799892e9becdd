package dagfile

import (
	"strings"
	"unicode/utf8"

	"gridburst/internal/grid"
)

// source is a file's text and how far it has been read. It is read twice: nodes are
// defined, then what is said of them is taken in.
type source struct {
	name string
	path string // cleaned: two sources of one path are the same file
	text string
	at   int // offset of the next line
	row  int // its number, from 0

	number   int       // of all sources of the reading: diagnostics are sorted by it
	included []*source // in order; nil: could not be read
	texts    []span    // the submit descriptions within, in order
	passed   int       // of texts, those that lie behind
	scratch  line
}

// span is a part of a source that holds no commands.
type span struct{ from, to, row int } // row is that of to

func newSource(name, path, text string) *source {
	return &source{name: name, path: path, text: strings.TrimPrefix(text, "\ufeff")}
}

// again goes back to the beginning.
func (s *source) again() { s.at, s.row, s.passed = 0, 0, 0 }

// line is the next line without its end.
func (s *source) line() (raw string, ok bool) {
	if s.at >= len(s.text) {
		return "", false
	}
	raw = s.text[s.at:]
	if n := strings.IndexByte(raw, '\n'); n >= 0 {
		raw = raw[:n]
		s.at++
	}
	s.at += len(raw)
	s.row++
	return strings.TrimSuffix(raw, "\r"), true
}

// line is a command with its continuations, and how far it has been read.
type line struct {
	from    *source
	text    string
	pieces  []piece
	at      int // offset in text
	command *command
	open    word // begins with a quote that does not end; its end is 0 if there is none
}

// piece is a part of a line's text that stands in one line of the file.
type piece struct {
	start  int // offset in the line's text
	offset int // of the file's line in its source
	row    int
}

// word is a part of a line between blanks, or between quotes.
type word struct {
	text       string
	start, end int // in the line's text, quotes included
	quoted     bool
}

// command is the next line that is neither empty nor a comment. Comments within a
// continuation are left out. The line is good until the next call.
func (s *source) command() (*line, bool) {
	if s.passed < len(s.texts) && s.at == s.texts[s.passed].from {
		s.at, s.row = s.texts[s.passed].to, s.texts[s.passed].row
		s.passed++
	}
	l := &s.scratch
	for s.at < len(s.text) {
		*l = line{from: s, pieces: l.pieces[:0]}
		body, more := s.piece(l)
		if trimmed := strings.TrimLeft(body, blanks); trimmed == "" && !more || isComment(trimmed) {
			continue
		}
		for more && s.at < len(s.text) {
			back, row := s.at, s.row
			if raw, _ := s.line(); isComment(strings.TrimLeft(raw, blanks)) {
				continue
			}
			s.at, s.row = back, row
			_, more = s.piece(l)
		}
		if strings.TrimLeft(l.text, blanks) != "" {
			return l, true
		}
	}
	return nil, false
}

func isComment(trimmed string) bool {
	return strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "//")
}

// piece adds the next line of the file to l; more says that it is continued.
func (s *source) piece(l *line) (body string, more bool) {
	l.pieces = append(l.pieces, piece{start: len(l.text), offset: s.at, row: s.row})
	raw, _ := s.line()
	raw = strings.TrimRight(raw, blanks)
	if len(l.pieces) == 1 && isComment(strings.TrimLeft(raw, blanks)) {
		return raw, false
	}
	body, more = strings.CutSuffix(raw, `\`)
	if l.text == "" {
		l.text = body
	} else {
		l.text += body
	}
	return body, more
}

// blanks stand between words.
const blanks = " \t\r"

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func (l *line) skipBlanks() {
	for l.at < len(l.text) && blank(l.text[l.at]) {
		l.at++
	}
}

// word reads the next word. ok is false at the end of the line.
func (l *line) word() (w word, ok bool) {
	l.skipBlanks()
	if l.at < len(l.text) && l.text[l.at] == '"' {
		w.start, w.quoted = l.at, true
		n := strings.IndexByte(l.text[l.at+1:], '"')
		if n < 0 {
			n = len(l.text) - l.at - 1
			l.open = word{start: l.at, end: len(l.text)}
		}
		w.text = l.text[l.at+1 : l.at+1+n]
		l.at = min(l.at+n+2, len(l.text))
		w.end = l.at
		return w, true
	}
	return l.plain()
}

// plain reads the next word, in which quotes mean nothing.
func (l *line) plain() (w word, ok bool) {
	l.skipBlanks()
	w.start = l.at
	for l.at < len(l.text) && !blank(l.text[l.at]) {
		l.at++
	}
	w.end = l.at
	w.text = l.text[w.start:w.end]
	return w, w.end > w.start
}

// rest reads all that is left.
func (l *line) rest() word {
	l.skipBlanks()
	w := word{text: strings.TrimRight(l.text[l.at:], blanks), start: l.at}
	l.at = len(l.text)
	w.end = w.start + len(w.text)
	return w
}

// end is where the line ends, for what is missing there.
func (l *line) end() word { return word{start: len(l.text), end: len(l.text)} }

// place is a part of a source.
type place struct {
	from    *source
	offset  int
	length  int
	row     int
	command *command // that stands there; nil: none
}

// where is the place of a word.
func (l *line) where(w word) place {
	p := l.pieces[0]
	for _, q := range l.pieces {
		if q.start <= w.start {
			p = q
		}
	}
	return place{l.from, p.offset + w.start - p.start, w.end - w.start, p.row, l.command}
}

func (p place) problem(warning bool, summary, detail string) grid.Diagnostic {
	text := p.from.text
	offset := min(p.offset, len(text))
	first := strings.LastIndexByte(text[:offset], '\n') + 1
	src := text[first:]
	if n := strings.IndexByte(src, '\n'); n >= 0 {
		src = src[:n]
	}
	src = strings.TrimSuffix(src, "\r")
	begin := min(offset-first, len(src))
	end := max(min(begin+p.length, len(src)), begin)
	d := grid.Diagnostic{
		Warning: warning, Summary: summary, Detail: detail, File: p.from.name,
		Line: p.row + 1, Column: utf8.RuneCountInString(src[:begin]) + 1, Length: max(utf8.RuneCountInString(src[begin:end]), 1),
		Source: strings.ToValidUTF8(src, "\ufffd"),
	}
	if p.command != nil {
		d.Command = p.command.name
	}
	return d
}
