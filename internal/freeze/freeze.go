// Package freeze stops processes for tests of what happens when one hangs.
package freeze

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Process stops a process with SIGSTOP and returns when it stands still. The
// signal only asks: until each thread has come to its stop, one of them may
// still answer. It fails when the process ends, or has not stopped after 10 s.
func Process(pid int) error {
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		still, err := stopped(pid)
		if still || err != nil {
			return err
		}
	}
	return fmt.Errorf("process %d does not stop", pid)
}

// stopped reports whether every thread of a process is in state T.
func stopped(pid int) (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false, err
	}
	if len(threads) == 0 {
		return false, fmt.Errorf("process %d has ended", pid)
	}
	for _, t := range threads {
		stat, err := os.ReadFile(t)
		if err != nil {
			return false, nil // this thread has ended meanwhile
		}
		// pid (name) state ... ; the name may hold anything.
		switch rest := bytes.TrimSpace(stat[bytes.LastIndexByte(stat, ')')+1:]); {
		case bytes.HasPrefix(rest, []byte("Z")):
			return false, fmt.Errorf("process %d has ended", pid)
		case !bytes.HasPrefix(rest, []byte("T")):
			return false, nil
		}
	}
	return true, nil
}
