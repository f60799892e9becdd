// Package secrecy keeps what a process knows out of core files and from other processes.
//
// A process that holds a password, a key or somebody's user data calls [Seal] before it
// reads any. What it starts is not sealed by that: a program that is executed begins anew.
package secrecy

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Seal makes this process one that leaves no core, whatever becomes of it and whoever
// collects cores, and whose memory, environment and descriptors no process of the same
// user may look at. The files below its /proc belong to root from then on: a plain user's
// process that is sealed cannot start one in a user namespace, whose ids it would have to
// write there. Such a process has [NoCore].
func Seal() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return errors.Join(fmt.Errorf("forbid looking into this process: %w", err), NoCore())
	}
	return NoCore()
}

// NoCore makes this process one that writes no core, and those that it starts, unless they
// ask for it. Where the kernel pipes cores to a program, that program decides.
func NoCore() error {
	var l unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &l)
	if err == nil {
		l.Cur = 0
		err = unix.Setrlimit(unix.RLIMIT_CORE, &l)
	}
	if err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	return nil
}
