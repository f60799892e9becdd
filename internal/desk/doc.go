// Package desk is the owner's desk: a short-lived child process, with the rights of
// one user, that does everything to that user's files.
//
// The schedd opens no user's path itself. It asks the desk of the job's owner: to
// read a submit or DAG file, to append to an event log, to pack a job's inputs, to
// put its outputs in place. A desk is this same program, started again with the
// owner's uid, gid and groups and a clean environment; the two talk over a socket
// pair, framed, each request with a deadline. Streams (inputs, outputs) go through
// pipes that travel with a request. A desk that has nothing to do ends, and so does
// one whose schedd is gone. A file system that hangs, hangs a desk and the requests
// of one user, never the schedd.
//
// [Desks] are the schedd's side; [Serve] is the child's. Where the daemon runs as
// an ordinary user, only that user has a desk, and nothing is switched.
package desk
