package runner

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroup is a cgroup of version 2 without any controller: a way to kill all of a
// job at once. It is a directory and a file, which need no library.
type cgroup struct {
	path string
	dir  *os.File
}

// makeCgroup makes the cgroup of a runner below its own.
func makeCgroup(id string) (*cgroup, error) {
	path, err := cgroupPath(id)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := unix.Access(filepath.Join(path, killFile), unix.W_OK); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", killFile, err), os.Remove(path)) // Linux before 5.14
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &cgroup{path, dir}, nil
}

const killFile = "cgroup.kill"

// cgroupPath is where a runner's cgroup is, if the machine has cgroups of version 2.
func cgroupPath(id string) (string, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer mounts.Close()
	at := ""
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			at = fields[4]
			break
		}
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "0::"); ok && at != "" {
			return filepath.Join(at, path, "gridburst-"+id), nil
		}
	}
	return "", errors.New("no cgroup of version 2")
}

// kill kills everything in the cgroup and waits until it is empty. A cgroup that
// has been removed is empty.
func (c *cgroup) kill() error {
	if err := c.write(killFile, "1"); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
			return nil
		}
		return fmt.Errorf("kill a cgroup: %w", err)
	}
	return c.awaitEmpty()
}

// renew makes the cgroup anew after a kill: Linux (6.18 was tried) kills whatever
// is cloned into a cgroup that was ever killed, if its parent stays outside.
func (c *cgroup) renew() error {
	if err := os.Remove(c.path); err != nil {
		return fmt.Errorf("renew a cgroup: %w", err)
	}
	if err := os.Mkdir(c.path, 0o755); err != nil {
		return fmt.Errorf("renew a cgroup: %w", err)
	}
	dir, err := os.Open(c.path)
	if err != nil {
		return fmt.Errorf("renew a cgroup: %w", err)
	}
	c.dir.Close()
	c.dir = dir
	return nil
}

func (c *cgroup) write(name, text string) error {
	fd, err := unix.Openat(int(c.dir.Fd()), name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

// awaitEmpty waits for "populated 0" in cgroup.events, whose changes poll reports.
func (c *cgroup) awaitEmpty() error {
	fd, err := unix.Openat(int(c.dir.Fd()), "cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed by another burier
	}
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "cgroup.events")
	defer f.Close()
	for {
		b := make([]byte, 200)
		n, err := f.ReadAt(b, 0)
		if errors.Is(err, syscall.ENODEV) {
			return nil // removed by another burier
		}
		if err != nil && err != io.EOF {
			return err
		}
		b = b[:n]
		if bytes.Contains(b, []byte("populated 0")) {
			return nil
		}
		// A second at the most, should the kernel not tell.
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, 1000); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// buryCgroup kills what is left in the cgroup of a runner that has died, and
// removes it.
func buryCgroup(path string) error {
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := (&cgroup{path, dir}).kill(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a cgroup: %w", err)
	}
	return nil
}
