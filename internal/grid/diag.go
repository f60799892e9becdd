package grid

import (
	"fmt"
	"slices"
	"strings"
)

// Diagnostic is a problem in a file that a person wrote: what is wrong, where, and
// what to write instead.
type Diagnostic struct {
	Warning bool   `json:"warning,omitempty"` // false: the file is refused
	Summary string `json:"summary"`           // one line, no full stop
	Detail  string `json:"detail,omitempty"`  // sentences
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`    // from 1; 0: no place known
	Column  int    `json:"column,omitempty"`  // from 1, in characters
	Length  int    `json:"length,omitempty"`  // characters to underline
	Source  string `json:"source,omitempty"`  // the line, without its end
	Command string `json:"command,omitempty"` // the keyword of the line, in files that have them
}

// Pos is a place in a text that a person wrote.
type Pos struct {
	File   string
	Line   int    // from 1; 0: no place
	Column int    // from 1, in characters
	Length int    // in characters
	Source string // the line
}

// Problem is a diagnostic at p.
func (p Pos) Problem(warning bool, summary, detail string) Diagnostic {
	return Diagnostic{
		Warning: warning, Summary: summary, Detail: detail,
		File: p.File, Line: p.Line, Column: p.Column, Length: p.Length, Source: p.Source,
	}
}

// Diagnostics is every problem of one reading, in the order of the text.
type Diagnostics []Diagnostic

// HasErrors reports whether any of ds refuses the file.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return !d.Warning })
}

// Err is nil without errors, else an [Invalid] whose message is the first of them
// with its place; the whole text is [Diagnostics.String].
func (ds Diagnostics) Err() error {
	for _, d := range ds {
		if !d.Warning {
			e := Errorf(Invalid, "%s%s", d.place(), d.Summary)
			e.Err = &DiagnosticsError{ds}
			return e
		}
	}
	return nil
}

// DiagnosticsError carries [Diagnostics] through an error chain.
type DiagnosticsError struct{ Diagnostics Diagnostics }

func (e *DiagnosticsError) Error() string { return e.Diagnostics.String() }

func (d Diagnostic) place() string {
	switch {
	case d.File == "" && d.Line == 0:
		return ""
	case d.Line == 0:
		return d.File + ": "
	case d.File == "":
		return fmt.Sprintf("line %d: ", d.Line)
	}
	return fmt.Sprintf("%s:%d: ", d.File, d.Line)
}

// String shows d as
//
//	Error: no such key "arguement"
//
//	  on job.hcl line 3, column 3:
//	  3 │   arguement = "x"
//	    │   ^^^^^^^^^
//
//	Did you mean "arguments"?
func (d Diagnostic) String() string {
	var b strings.Builder
	kind := "Error"
	if d.Warning {
		kind = "Warning"
	}
	fmt.Fprintf(&b, "%s: %s\n", kind, Printable(d.Summary))
	if d.Line > 0 {
		name := d.File
		if name == "" {
			name = "input"
		}
		fmt.Fprintf(&b, "\n  on %s line %d, column %d:\n", Printable(name), d.Line, max(d.Column, 1))
		if d.Source != "" {
			number := fmt.Sprint(d.Line)
			source := []rune(strings.TrimRight(d.Source, "\r\n"))
			fmt.Fprintf(&b, "  %s │ %s\n", number, Printable(string(source)))
			column := min(max(d.Column, 1)-1, len(source))
			indent := make([]rune, column)
			for i := range indent {
				indent[i] = ' '
				if source[i] == '\t' {
					indent[i] = '\t'
				}
			}
			carets := max(min(d.Length, len(source)-column), 1)
			fmt.Fprintf(&b, "  %s │ %s%s\n", strings.Repeat(" ", len(number)), string(indent), strings.Repeat("^", carets))
		}
	} else if d.File != "" {
		fmt.Fprintf(&b, "\n  in %s\n", Printable(d.File))
	}
	if d.Detail != "" {
		fmt.Fprintf(&b, "\n%s\n", Printable(d.Detail))
	}
	return b.String()
}

// String shows every diagnostic, a blank line between them.
func (ds Diagnostics) String() string {
	parts := make([]string, len(ds))
	for i, d := range ds {
		parts[i] = d.String()
	}
	return strings.Join(parts, "\n")
}

// Printable replaces control characters, but for line ends and tabs, so that text
// from outside cannot drive a terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0), // C0, DEL, C1
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // direction overrides
			return '\ufffd'
		}
		return r
	}, s)
}

// Nearest is the candidate closest to name, for "did you mean"; "" when none is
// close. Case is ignored.
func Nearest(name string, candidates []string) string {
	best, bestDistance := "", len(name)/3+2
	lower := strings.ToLower(name)
	for _, c := range candidates {
		d := distance(lower, strings.ToLower(c), bestDistance+1)
		if d < bestDistance || d == bestDistance && best != "" && c < best {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance counts edits (insert, delete, change, swap of neighbours) from a to b,
// and gives limit when there are at least that many.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return min(rows[len(a)][len(b)], limit)
}
