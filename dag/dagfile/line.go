package dagfile

import (
	"strings"
	"unicode/utf8"

	"gridburst/internal/grid"
)

// source is a file's lines and how far they have been read.
type source struct {
	name  string
	lines []string
	next  int // index of the line to read
}

func newSource(name string, src []byte) *source {
	return &source{name: name, lines: strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")}
}

// line is a command with its continuations, and how far it has been read.
type line struct {
	from   *source
	number int // of all lines of the reading: diagnostics are sorted by it
	text   string
	pieces []piece
	at     int // offset in text
}

// piece is a part of a line's text that stands in one line of the file.
type piece struct {
	start int // offset in the text
	row   int // index in source.lines, of which it is the beginning
}

// word is a part of a line between blanks, or between quotes.
type word struct {
	text       string
	start, end int // in the line's text, quotes included
}

// command is the next line that is neither empty nor a comment. Comments within a
// continuation are left out.
func (s *source) command() (*line, bool) {
	for s.next < len(s.lines) {
		l := &line{from: s}
		body, more := s.piece(l)
		if trimmed := strings.TrimLeft(body, " \t"); trimmed == "" && !more || strings.HasPrefix(trimmed, "#") {
			continue
		}
		for more && s.next < len(s.lines) {
			if strings.HasPrefix(strings.TrimLeft(s.lines[s.next], " \t"), "#") {
				s.next++
				continue
			}
			_, more = s.piece(l)
		}
		if strings.TrimLeft(l.text, " \t") != "" {
			return l, true
		}
	}
	return nil, false
}

// piece adds the next line of the file to l; more says that it is continued.
func (s *source) piece(l *line) (body string, more bool) {
	raw := strings.TrimRight(s.lines[s.next], " \t\r")
	l.pieces = append(l.pieces, piece{start: len(l.text), row: s.next})
	s.next++
	if strings.HasPrefix(strings.TrimLeft(raw, " \t"), "#") {
		return raw, false
	}
	body, more = strings.CutSuffix(raw, `\`)
	l.text += body
	return body, more
}

// skipTo reads on behind the line that is end, as at the end of a text that a command
// holds; false: there is none.
func (s *source) skipTo(end string) bool {
	for s.next < len(s.lines) {
		s.next++
		if strings.TrimSpace(s.lines[s.next-1]) == end {
			return true
		}
	}
	return false
}

// word reads the next word. ok is false at the end of the line.
func (l *line) word() (w word, ok bool) {
	for l.at < len(l.text) && blank(l.text[l.at]) {
		l.at++
	}
	w.start = l.at
	if l.at == len(l.text) {
		w.end = l.at
		return w, false
	}
	if l.text[l.at] == '"' {
		if n := strings.IndexByte(l.text[l.at+1:], '"'); n >= 0 {
			w.text = l.text[l.at+1 : l.at+1+n]
			l.at += n + 2
			w.end = l.at
			return w, true
		}
	}
	for l.at < len(l.text) && !blank(l.text[l.at]) {
		l.at++
	}
	w.end = l.at
	w.text = l.text[w.start:w.end]
	return w, true
}

// words reads all that is left.
func (l *line) words() []word {
	var out []word
	for w, ok := l.word(); ok; w, ok = l.word() {
		out = append(out, w)
	}
	return out
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// problem is a diagnostic at a part of the line.
func (l *line) problem(w word, warning bool, summary, detail string) grid.Diagnostic {
	p := l.pieces[0]
	for _, q := range l.pieces {
		if q.start <= w.start {
			p = q
		}
	}
	src := strings.TrimSuffix(l.from.lines[p.row], "\r")
	begin := min(w.start-p.start, len(src))
	end := max(min(w.end-p.start, len(src)), begin)
	return grid.Diagnostic{
		Warning: warning, Summary: summary, Detail: detail, File: l.from.name,
		Line: p.row + 1, Column: utf8.RuneCountInString(src[:begin]) + 1, Length: max(utf8.RuneCountInString(src[begin:end]), 1),
		Source: strings.ToValidUTF8(src, "\ufffd"),
	}
}
