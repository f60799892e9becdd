//go:build planted_any_mark

package failpoint

// AnyMark, planted, adopts a machine that has a claim's name without a look at its mark.
const AnyMark = true
