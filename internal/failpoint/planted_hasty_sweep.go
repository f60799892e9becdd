//go:build !planted_hasty_sweep

package failpoint

// HastySweep, planted, takes a machine without a claim away when the first listing shows it.
const HastySweep = false
