//go:build !planted_prefix_owns

package failpoint

// PrefixOwns, planted, takes every machine whose name begins as ours do for one of ours.
const PrefixOwns = false
