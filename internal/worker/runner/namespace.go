package runner

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespace contains a job in the runner's own PID and mount namespaces.
type namespace struct {
	state  string   // the worker's state directory, which jobs do not see
	mounts []string // made for the job, in order
}

func (n *namespace) setup(r *Ready) error {
	if os.Getpid() != 1 {
		return errors.New("the runner is not the first process of a PID namespace")
	}
	// What the host mounts later still arrives; what is mounted here does not leave.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("part from the host's mounts: %w", err)
	}
	if err := mountProc(); err != nil {
		// A user namespace may not, where parts of the old /proc are covered. The job is
		// contained all the same.
		r.Notes = append(r.Notes, fmt.Sprintf("jobs see the processes of the machine: %v", err))
	}
	if err := unix.Mount("tmpfs", n.state, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, "mode=000,size=4k"); err != nil {
		return fmt.Errorf("hide the worker's state: %w", err)
	}
	return nil
}

// mountProc gives the namespace its own /proc. Files that are covered in the old
// one (by a container, to show its own memory and processors) stay covered.
func mountProc() error {
	covered, err := coveredFiles()
	if err != nil {
		return err
	}
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	kept := covered[:0]
	for _, path := range covered {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue // not to be seen before either
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
			unix.Close(fd)
			continue
		}
		fds, kept = append(fds, fd), append(kept, path)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for i, path := range kept {
		err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fds[i]), path, "", unix.MS_BIND, "")
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cover %s as before: %w", path, err)
		}
	}
	return nil
}

// coveredFiles lists what is mounted below /proc.
func coveredFiles() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var paths []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// 36 35 98:0 /root /mount/point options ...; blanks in names are octal
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && strings.HasPrefix(fields[4], "/proc/") {
			paths = append(paths, fields[4])
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), lines.Err()
}

func (n *namespace) prepare(j Job, cwd string) (string, error) {
	box := filepath.Join(j.Box, "tmp")
	tmp := box
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		if needs(j, cwd, dir) {
			continue
		}
		err := unix.Mount(box, dir, "", unix.MS_BIND, "")
		if errors.Is(err, unix.ENOENT) {
			continue // no such directory on this machine
		}
		if err != nil {
			return "", n.undo(fmt.Errorf("mount the job's %s: %w", dir, err))
		}
		n.mounts = append(n.mounts, dir)
		if dir == "/tmp" {
			tmp = dir
		}
	}
	options := "mode=1777"
	if j.Exec.MemoryMB > 0 {
		options += fmt.Sprintf(",size=%dm", j.Exec.MemoryMB)
	}
	switch err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); {
	case err == nil:
		n.mounts = append(n.mounts, "/dev/shm")
	case !errors.Is(err, unix.ENOENT):
		return "", n.undo(fmt.Errorf("mount the job's /dev/shm: %w", err))
	}
	return tmp, nil
}

// needs reports whether the job uses a path below dir, which then cannot be covered.
func needs(j Job, cwd, dir string) bool {
	paths := []string{cwd, j.Exec.Cmd, j.Box}
	if !j.Exec.Transfer {
		paths = append(paths, j.Exec.Iwd, j.Exec.In, j.Exec.Out, j.Exec.Err)
	}
	for _, path := range paths {
		if path = filepath.Clean(path); path == dir || strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	return false
}

func (n *namespace) undo(err error) error { return errors.Join(err, n.clear()) }

func (n *namespace) attr(a *syscall.SysProcAttr) {
	// Shared memory, semaphores and queues of System V go with the last process.
	a.Cloneflags = syscall.CLONE_NEWIPC
}

// beside shares the job's shared memory, semaphores and queues of System V too. On a Linux
// before 5.8 a check has its own.
func (n *namespace) beside(main int) (attr func(*syscall.SysProcAttr), leave func() error) {
	fd, err := unix.PidfdOpen(main, 0)
	if err == nil {
		err = unix.Setns(fd, unix.CLONE_NEWIPC)
		unix.Close(fd)
	}
	if err != nil {
		return n.attr, func() error { return nil }
	}
	// Into an empty one: the way back to the machine's is not open to every worker.
	return func(*syscall.SysProcAttr) {}, func() error { return unix.Unshare(unix.CLONE_NEWIPC) }
}

func (n *namespace) kill(int) {
	// Everything in the namespace but its first process, this one.
	_ = syscall.Kill(-1, syscall.SIGKILL) // the error is that there is nobody
}

func (n *namespace) stop(_ int, on bool) error {
	if err := syscall.Kill(-1, stopSignal(on)); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func (n *namespace) end(reaped func(*syscall.Rusage)) error {
	// One signal is enough: a process that is just forking gets it before its child
	// is there.
	n.kill(0)
	for {
		if _, err := reap(-1, reaped); errors.Is(err, syscall.ECHILD) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reap what the job left: %w", err)
		}
	}
}

func (n *namespace) clear() error {
	var errs []error
	for _, dir := range slices.Backward(n.mounts) {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("unmount the job's %s: %w", dir, err))
		}
	}
	n.mounts = nil
	return errors.Join(errs...)
}
