// Package sandbox keeps one attempt's files: its directory, what goes in, what
// comes out, and the end of it.
//
//	DIR/sandbox/12.0.3/        the worker's, mode 0711: the owner may pass, not change it
//	    work/                  the owner's, mode 0700: the job's directory with Transfer
//	    tmp/                   the owner's, mode 0700: what the job sees as /tmp and /var/tmp
//	    stdout, stderr         the owner's, with Transfer
//	    inputs.json            what was in work before the job, to tell what is new
//
// # As the owner
//
// A worker that runs as root opens nothing of a user's with root's rights. [As]
// does it with the owner's: a thread of its own takes the owner's file-system uid,
// gid and groups (setfsuid(2) and setfsgid(2), made for servers that do this) and
// gives up its capabilities; the kernel then judges every path, link and quota as
// if the owner had asked. There is nothing to win in a race with symbolic links,
// since whatever they lead to the owner could have opened himself. No process can
// signal or trace the thread, which kept the worker's other uids. Go makes no new
// thread from a locked one, so the rights cannot spread, and the thread ends with
// its work. A helper process of the owner would do as well, and cost a millisecond
// of CPU for each job.
//
// Beyond that every reader and writer here stays below its directory by os.Root,
// makes new files only, and looks at what it has opened rather than at what it
// was about to open: an owner is no danger to himself, but a name in a tar stream
// is.
//
// # Errors
//
// What the owner can mend is a [*HoldError], with HTCondor's hold code and a
// sentence that names the path. Anything else is the worker's trouble.
package sandbox
