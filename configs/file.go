package configs

import (
	"strings"
	"unicode/utf8"

	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Limits of a file: its bytes, and how deeply its brackets and signs are nested,
// which the parser follows by calling itself.
const (
	MaxFile    = 4 << 20
	maxNesting = 500
)

// file is an HCL text and what was found wrong with it.
type file struct {
	name  string
	lines []string
	diags grid.Diagnostics
}

// parse reads the syntax of a file. The body is nil when there is nothing to go on
// with.
func parse(name string, src []byte) (*file, *hclsyntax.Body) {
	f := &file{name: name}
	switch {
	case len(src) > MaxFile:
		f.diags = append(f.diags, grid.Diagnostic{Summary: "the file is longer than 4 MiB", Detail: "Put long lists of items into a file of their own: queue { from = \"list.txt\" }", File: name})
		return f, nil
	case !utf8.Valid(src):
		f.diags = append(f.diags, grid.Diagnostic{Summary: "the file is not UTF-8 text", File: name})
		return f, nil
	case nesting(src) > maxNesting:
		f.diags = append(f.diags, grid.Diagnostic{Summary: "the file is nested too deeply", File: name})
		return f, nil
	}
	f.lines = strings.Split(string(src), "\n")
	parsed, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	for _, d := range diags {
		f.syntax(d)
	}
	if parsed == nil {
		return f, nil
	}
	body, _ := parsed.Body.(*hclsyntax.Body)
	return f, body
}

// nesting bounds from above how deep a text is nested: open brackets, and signs in a
// row. It looks at no quotes, so it may count too many.
func nesting(src []byte) int {
	depth, deepest, row := 0, 0, 0
	for _, c := range src {
		switch c {
		case '(', '[', '{', '?':
			depth++
		case ')', ']', '}', '\n':
			if depth > 0 && c != '\n' {
				depth--
			}
		}
		switch c {
		case '!', '-':
			row++
		case ' ', '\t':
		default:
			row = 0
		}
		deepest = max(deepest, depth, row)
	}
	return deepest
}

// syntax keeps a problem that the HCL library found.
func (f *file) syntax(d *hcl.Diagnostic) {
	p := submit.Pos{File: f.name}
	if d.Subject != nil {
		p = f.pos(*d.Subject)
	}
	summary := strings.TrimSuffix(d.Summary, ".")
	if summary != "" {
		summary = strings.ToLower(summary[:1]) + summary[1:]
	}
	f.diags = append(f.diags, p.Problem(d.Severity != hcl.DiagError, summary, d.Detail))
}

// pos is where a range begins, and its length if it ends on that line.
func (f *file) pos(r hcl.Range) submit.Pos {
	p := submit.Pos{File: f.name, Line: r.Start.Line, Column: r.Start.Column, Length: 1}
	if r.Start.Line >= 1 && r.Start.Line <= len(f.lines) {
		p.Source = strings.TrimSuffix(f.lines[r.Start.Line-1], "\r")
	}
	if r.End.Line == r.Start.Line {
		p.Length = max(r.End.Column-r.Start.Column, 1)
	} else {
		p.Length = max(utf8.RuneCountInString(p.Source)-p.Column+1, 1)
	}
	return p
}

func (f *file) fail(r hcl.Range, summary, detail string) {
	f.diags = append(f.diags, f.pos(r).Problem(false, summary, detail))
}

func (f *file) warn(r hcl.Range, summary, detail string) {
	f.diags = append(f.diags, f.pos(r).Problem(true, summary, detail))
}

// unknown refuses a name that means nothing, with the nearest that does.
func (f *file) unknown(r hcl.Range, what, name string, known []string) {
	f.fail(r, "there is no "+what+" "+quote(name), didYouMean(name, known))
}

// didYouMean is the nearest name to one that means nothing, as a question.
func didYouMean(name string, known []string) string {
	if near := grid.Nearest(name, known); near != "" {
		return "Did you mean " + quote(near) + "?"
	}
	return ""
}

func quote(s string) string { return `"` + s + `"` }
