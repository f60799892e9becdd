// Package failpoint names the instants at which a test may kill this process.
//
// Without the build tag "failpoints" a [Hit] is nothing at all. With it, the
// environment variable GRIDBURST_FAILPOINTS, "name=n,name=n", kills the process
// with SIGKILL at the n-th hit of a name, and GRIDBURST_FAILPOINT_LOG names a file
// to which every name is appended when this process hits it first, so that a test
// can tell which points its load reaches.
package failpoint
