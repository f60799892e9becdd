// Package script runs the scripts of workflows, each once, whatever becomes of the
// schedd meanwhile.
//
// A script is kept by a process of its own, the keeper: this same program, started again
// with [Arg]. It starts the script with its owner's rights in a session of its own,
// waits for it, ends what it leaves behind, and writes how it ended into a file of the
// schedd's. The file is the key to it: a [Book] has one for each script that was begun,
// named after what it is for.
//
//	empty, locked     a keeper begins, or a schedd is about to start one
//	begun, locked     the keeper is there: the script runs
//	ended             how it ended, whoever asks
//	begun, unlocked   the keeper was killed, and the script with it: it has ended by SIGKILL
//	empty, unlocked   nothing was begun: it may be
//
// "Begun" is on the disk before the script is there, and the lock is the keeper's own,
// which goes with it. So a schedd that is started anew waits for what runs, learns what
// has ended, and begins nothing twice.
package script
