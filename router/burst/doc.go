// Package burst decides how many machines to bring up for jobs that the pool cannot run
// soon, and which to let go.
//
// [Decide] is pure. Demand is not a count of idle jobs: it is what is left when the real
// jobs have been matched, by the same [router.Cycle] that places them, with everything
// that will serve them without a new machine: slots that will be free before one could
// be up, machines that are being drained, machines that are on their way. What is left
// is matched with machines that do not exist yet; each that gets a job is wanted, and
// bound to the jobs it got. So a job that no machine could run wants none, and an empty
// queue wants nothing. No decision takes more from a cap or a [Purse] than there is.
//
// Three values belong to the caller and are what he has learnt: [Levels], how the need for
// machines comes and goes, by which idle ones are kept; [Runtimes], how long jobs run, which
// says of slots in use what will be free ([Runtimes.Busy]) and of workflows what will come
// ([Runtimes.Outlook]). None survives a restart; without them decisions are as if nothing
// were known. package replay calls the same under a virtual clock.
//
// A machine is drained first, and a drain is taken back before anything new is started. No
// running job is ever ended by it.
package burst
