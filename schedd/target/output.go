package target

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// Output is what a command has come to.
type Output struct {
	Code   int // that it exited with; -1: it was killed by a signal
	Stdout []byte
	Stderr []byte
}

// Says reports whether a command has said any of these.
func (o *Output) Says(any []string) bool {
	return slices.ContainsFunc(any, func(w string) bool { return strings.Contains(string(o.Stderr), w) })
}

// Sentence is lines of what a command has said; how it exited, if there are none.
func (o *Output) Sentence(lines []string) string {
	if len(lines) == 0 {
		return "it exited with " + strconv.Itoa(o.Code) + ", and said nothing"
	}
	return strings.Join(lines, "; ")
}

// Reading is the error of a command that only reads: nothing of it is [grid.Unknown], and it is
// run again.
func Reading(err error) error {
	if grid.CodeOf(err) == grid.Unknown {
		return grid.Errorf(grid.Unavailable, "%w", err)
	}
	return err
}
