// Package dagfile reads DAGMan files into graphs.
//
// [Read] takes a file as DAGMan would: one command on a line, keywords in any case,
// a backslash at a line's end to go on, # for comments. Nodes are found first, then
// what is said of them, so a file may speak of a node before it defines it.
//
// Each command is done, refused or reported, and command.go says which. What would
// change how the workflow runs and is not supported yet (SCRIPT, FINAL, SPLICE, ...)
// refuses the file. What only concerns files and settings of DAGMan's own (DOT, CONFIG,
// NODE_STATUS_FILE, ...) is a warning with its reason. Nothing is passed over in silence.
//
// A statement with many parents and many children becomes a join (see [dag.Builder]),
// as in DAGMan. Nodes that wait for each other are an error here, with their names;
// DAGMan notices when nothing is left to do.
package dagfile
