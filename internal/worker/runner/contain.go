package runner

import (
	"syscall"

	"gridburst/internal/wire"
)

// containment is how a runner keeps a job together. kill and stop are called by any
// thread, beside by that of the checks, and the others by the launching thread, or before it
// runs.
type containment interface {
	// setup is called once, and fills what a [Ready] says of containment.
	setup(*Ready) error
	// prepare makes the job's surroundings; cwd is its directory. It returns the path
	// that is the job's directory for temporary files.
	prepare(j Job, cwd string) (tmp string, err error)
	// attr says how the job's first process is made.
	attr(*syscall.SysProcAttr)
	// beside lets the calling thread start processes beside the job, for its checks: attr
	// says how they are made, and leave ends that. main is the job's first process.
	beside(main int) (attr func(*syscall.SysProcAttr), leave func() error)
	// kill begins to kill all of the job, the rest follows in end. The first process
	// has not been reaped.
	kill(main int)
	// stop lets every process of the job stand still, or go on. The first process has not
	// been reaped.
	stop(main int, on bool) error
	// end kills what is left of the job, reaps it, and returns when nothing is left.
	// reaped is given the use of each process.
	end(reaped func(*syscall.Rusage)) error
	// clear undoes prepare.
	clear() error
}

func containmentOf(i wire.Isolation, id, state string) containment {
	if i == wire.ProcessGroups {
		return &group{id: id}
	}
	return &namespace{state: state}
}

// flags are the namespaces that a runner's process is started in.
func flags(i wire.Isolation) uintptr {
	switch i {
	case wire.Namespaces:
		return syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	case wire.UserNamespaces:
		return syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER
	}
	return 0
}
