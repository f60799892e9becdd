// Package cli is what the user commands are made of: one file for each, and what they
// share.
//
// A command is an options struct and a method run(ctx, deps, args), so that a test
// needs neither a terminal nor a process. [Deps] is all that a command sees of the
// world; [Main] makes it from the process, runs the command and gives its exit
// status.
//
// A schedd is found by --schedd, by GRIDBURST_SCHEDD, in the user's own directory
// (~/.gridburst), or in the system's (/var/lib/gridburst): see [Find]. Nobody reads the
// schedd's configuration for it: where that puts the socket elsewhere, the schedd leaves
// a link in the default directory. Only groute reads one, to try its routes.
//
// People get tables cut to their terminal, pipes get the same columns uncut, and
// programs get --json with the names of the API. What went wrong goes to standard
// error, in one sentence.
package cli
