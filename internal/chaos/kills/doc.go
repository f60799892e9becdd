// Package kills ends a schedd at every named instant of its work on a queue, and judges
// from outside whether what it had acknowledged is there, and nothing by halves.
//
// For each point of [failpoint.Points] and each work that comes by it there is a case: a
// schedd of its own and three clients. In a round one client is about to do that work,
// the point is armed, and the work is asked for; the other two submit, hold, release and
// remove meanwhile, so that batches hold more than one command. Whoever comes by dies by
// SIGKILL. Then the schedd is started again and everything is looked at:
//
//   - what was acknowledged is there: a job, the last thing that was done to it, its
//     events in the log;
//   - what was asked for and not acknowledged is there whole or not at all, and asking
//     again gives what it gave;
//   - nothing is there that nobody asked for, and nothing twice;
//   - what was removed with everything else is out of the queue at once and for good, and in
//     the history once it has moved there;
//   - a backup that has its description is one that can be put back;
//   - a queue file that was being made small is the one of before, or the small one.
//
// When a case's rounds are over, each event must stand in its log exactly once, or in what
// was moved away of it, also in the log of all jobs that the schedd rotates; and gadm verify
// must prove the queue.
package kills
