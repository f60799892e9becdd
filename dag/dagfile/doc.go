// Package dagfile reads and writes graphs in DAGMan's language.
//
// [Read] takes a file as DAGMan would: one command on a line, keywords in any case,
// a backslash at a line's end to go on, # for comments. A file is read twice. First its
// nodes are found, in it and in the files that it includes, and after them those of its
// splices; then what is said of them. So a file may speak of a node before it defines it.
// All commands of HTCondor 25 are known (command.go lists them), and all that is wrong
// with a file is told at once, each problem with its place.
//
// Nodes of a splice are in the graph under the names that DAGMan gives them, splice+node,
// with the splice's directory before their own. Of several DAG files that make one run,
// the nodes are 0.node, 1.node and so on.
//
// A statement with many parents and many children becomes a join (see [dag.Builder]),
// as in DAGMan. Nodes that wait for each other are an error here, with their names;
// DAGMan notices when nothing is left to do.
//
// [Write] is the way back. [Rescue] writes what a run has achieved, in DAGMan's format;
// such a file is read behind the DAG file, see [Options].
package dagfile
