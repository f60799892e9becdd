package cli

import (
	"fmt"
	"strings"

	"gridburst/internal/grid"
)

// Colours of terminals.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	dim    = "\x1b[2m"
	plain  = "\x1b[0m"
)

// Diagnose shows problems in a file on d.Err.
func (d *Deps) Diagnose(diags grid.Diagnostics) {
	for i, diag := range diags {
		if i > 0 {
			fmt.Fprintln(d.Err)
		}
		text := diag.String()
		if d.ErrColour {
			text = coloured(text, diag.Warning)
		}
		fmt.Fprint(d.Err, text)
	}
}

// coloured marks the kind of a diagnostic and its carets.
func coloured(text string, warning bool) string {
	colour := red
	if warning {
		colour = yellow
	}
	var b strings.Builder
	first := true
	for line := range strings.Lines(text) {
		kind, rest, ok := strings.Cut(line, ":")
		bar, mark, isSource := strings.Cut(line, "│")
		switch {
		case first && ok:
			b.WriteString(bold + colour + kind + ":" + plain + bold + strings.TrimSuffix(rest, "\n") + plain + "\n")
		case isSource && strings.Trim(mark, " \t^\n") == "" && strings.Contains(mark, "^"):
			b.WriteString(dim + bar + "│" + plain + colour + strings.TrimSuffix(mark, "\n") + plain + "\n")
		default:
			b.WriteString(line)
		}
		first = false
	}
	return b.String()
}
