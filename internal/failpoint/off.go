//go:build !failpoints

package failpoint

// Enabled reports whether this build has failpoints.
const Enabled = false

// Hit marks an instant.
func Hit(string) {}

// Environ is the variables that a child with an environment of its own needs for its
// failpoints.
func Environ() []string { return nil }
