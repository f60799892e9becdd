// Package failpoint names the instants at which a test may kill this process, and the
// bugs that a test may plant in it.
//
// Without the build tag "failpoints" a [Hit] is nothing at all. With it, a process dies
// by SIGKILL at a named point in one of two ways:
//
//   - GRIDBURST_FAILPOINTS, "name=n,name=n": at its own n-th hit of the name;
//   - GRIDBURST_FAILPOINT_DIR, a directory: when it hits a point of whose name there is
//     a file in it. The process removes the file first, so that of all processes that
//     come by exactly one dies. This is how a chaos run arms one point after another
//     while everything runs.
//
// GRIDBURST_FAILPOINT_LOG names a file to which a line "name hit" is appended when a
// process comes by a name first, and "name killed" when it dies there.
//
// [Points] is the list of all names. A planted bug is a constant that is false, and
// true with its own build tag; that a chaos run finds each of them shows that it looks.
package failpoint
