//go:build !planted_ready_cap

package failpoint

// ReadyCap, planted, counts only the machines that are ready against the most that there may be.
const ReadyCap = false
