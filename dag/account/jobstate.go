package account

import (
	"fmt"
	"time"
)

// Internal is a line of a jobstate log about the run itself.
func Internal(at time.Time, what string) string {
	return fmt.Sprintf("%d INTERNAL *** %s ***\n", at.Unix(), what)
}

// Line is a line of a jobstate log about a node: what happened, of which job (empty: of
// none), and which of the run's attempts it is.
func Line(at time.Time, node, what, job string, seq int) string {
	if job == "" {
		job = "-"
	}
	return fmt.Sprintf("%d %s %s %s - - %d\n", at.Unix(), node, what, job, seq)
}
