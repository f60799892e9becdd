// Package runner runs jobs, one after another, in a process that outlives its
// agent.
//
// A runner is the gworker binary again, started by an agent ([Spawn]) and kept for
// many jobs: a job costs one fork and one exec, and no start of a helper process.
// The two speak over a Unix socket in the runner's directory ([Order], [News]); an
// agent that has died is followed by one that finds the directory and goes on
// ([Attach]).
//
//	STATE/journal/12.0.3.json      the agent's record of an attempt
//	STATE/journal/12.0.3.result    the runner's result, a wire.Report
//	STATE/runner/ID/socket         where the runner listens
//	STATE/runner/ID/process.json   which process it is, see [Identity]
//	STATE/runner/ID/log            its error output
//
// # What holds whatever dies
//
//   - The agent dies: the runner and its job go on. The lease of the job is kept by
//     the runner, on the boot-time clock, so that a stopped agent or a suspended machine cannot
//     stretch it. The result is in its file before anybody is told. A runner that
//     is idle, and has no agent for as long as its lease, ends.
//   - The runner dies: nothing of its job lives on, see below. Its agent, or the
//     next, sees the process gone (by a descriptor of the process, or its start
//     time and boot; never by the number alone) and only then speaks of the attempt.
//   - The job leaves something behind: all of it is killed and reaped before the
//     result is written.
//
// # Containment
//
// With [wire.Namespaces] a runner is the first process of a PID namespace and has a
// mount namespace of its own. kill(-1) then means all of the job and nothing else;
// if the runner dies, the kernel kills the rest before it lets anybody see the
// death. The job sees a /proc of its own processes, its own /tmp, /var/tmp and
// /dev/shm, its own System V IPC, and not the worker's state.
// [wire.UserNamespaces] is the same for a worker without root: the
// runner is its user's own process in a user namespace with that one user.
// A mount for /tmp or /var/tmp is left out where the job's directory or program
// lies below it.
//
// With [wire.ProcessGroups] a runner is a subreaper: what its job starts becomes
// its child when the parent in between ends, however it detached itself, so an
// attempt ends when the runner has no child left. If the runner itself dies, the job's first process
// dies with it, and the agent kills what is left: everything in the runner's
// cgroup, where one can be made (cgroup v2, cgroup.kill), and everything whose
// environment still carries the runner's mark. A process that wiped its
// environment escapes the second way; that is why this mode is named as the weaker
// one.
//
// # Checks
//
// A job may have a readiness check ([wire.Check]), which is tried beside it until it succeeds or
// the job ends. What it has come to ([Checked]) is news for the agent, and is told to each that
// comes later. A try is the command of the check, or for a port or a URL this program again
// (probe.go), made as the job's first process is, in a session of its own. There is one at a time;
// with its end its process group ends. It is cut off when the job is suspended or is to end.
//
// # Whose rights
//
// The runner keeps the worker's uid, because it must kill and mount; only the job
// has its owner's. One locked thread prepares and starts all jobs, another all tries of checks. Each has
// no_new_privs, an empty ambient and bounding set and a umask of its own, all of
// which a child inherits; fork and exec then set exactly the owner's groups, gid and uid. So no
// job has a capability or can gain one, the uid that a job runs as notwithstanding.
// What a job needs opened is opened with its owner's rights ([sandbox.Become]).
package runner
