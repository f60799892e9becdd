//go:build !planted_forgotten

package failpoint

// Forgotten, planted, closes a claim when the engine refuses to remove its machine.
const Forgotten = false
