//go:build planted_any_epoch

package failpoint

// AnyEpoch, planted, lets a report of an older attempt count for the job's current one.
const AnyEpoch = true
