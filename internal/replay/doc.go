// Package replay runs a workload against a policy under a virtual clock, and measures what
// it would have cost and who would have waited.
//
// Jobs are placed by [router.Cycle], and machines are brought up and let go by
// [burst.Decide], workflows are led by [dag.Step]: the same that a schedd calls; baselines are
// written against the same input. A policy sees what a schedd sees: who waits for what, what
// machines are where, what their owners said of jobs, how long those that have ended took. No
// run time is seen before its job has ended.
//
// [Run] is one policy over one trace, [Compare] several, [Foresee] the default with and without
// what workflows tell, and [PlanOf] one workflow with run times of which little is known; all
// are pure, and the same seed gives the same result.
package replay
