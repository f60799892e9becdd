// Package bench measures a Gridburst of its own in a sandbox, as its users meet it.
//
// Every row is the median of several runs, on real programs over their real socket.
// Beside it stand the machine's own limit for the same work, measured in the same run
// where one can be (the bare storage library, the bare process start), what the best
// peer did on a machine of this kind, and the figure to reach.
package bench
