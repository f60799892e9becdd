//go:build !planted_no_look

package failpoint

// NoLook, planted, takes a create whose outcome is unknown for one that failed, so that another machine is made for the job.
const NoLook = false
