// Package burst decides how many machines to bring up for jobs that the pool cannot run
// soon, and which to let go.
//
// [Decide] is pure. Demand is not a count of idle jobs: it is what is left when the real
// jobs have been matched, by the same [router.Cycle] that places them, with everything
// that will serve them without a new machine: slots that will be free before one could
// be up, machines that are being drained, machines that are on their way. What is left
// is matched with machines that do not exist yet; each that gets a job is wanted, and
// bound to the jobs it got. So a job that no machine could run wants none, and an empty
// queue wants nothing.
//
// A machine is let go when it has been idle for long enough. It is drained first, and a
// drain is taken back before anything new is started. No running job is ever ended by it.
package burst
