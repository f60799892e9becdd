package desk

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// errHungUp ends what a desk does for a schedd that is gone: the next one has a desk of
// its own, which may be at the same file.
var errHungUp = errors.New("the schedd has hung up")

// alone calls do while no other desk is at the file at path. It fails when this desk's
// schedd is gone by then: a desk of the next schedd looks at what is there, and then
// nothing may come behind it.
func alone(schedd *net.UnixConn, path string, do func()) error {
	// What cannot be opened, or has no locks, do finds to be so, or writes all the same.
	if f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NONBLOCK|unix.O_NOCTTY, 0o644); err == nil {
		defer f.Close()
		for unix.Flock(int(f.Fd()), unix.LOCK_EX) == unix.EINTR {
		}
	}
	if hungUp(schedd) {
		return errHungUp
	}
	do()
	return nil
}

// hungUp reports whether the other end has closed a socket.
func hungUp(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	p := []unix.PollFd{{Events: unix.POLLRDHUP}}
	controlled := raw.Control(func(fd uintptr) {
		p[0].Fd = int32(fd)
		_, err = unix.Poll(p, 0)
	})
	return controlled != nil || err == nil && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP) != 0
}
