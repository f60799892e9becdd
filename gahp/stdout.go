package gahp

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// TakeStdout takes this process's standard output for the protocol. Whatever else
// writes to descriptor 1 afterwards, in C or in Go, writes to standard error: a
// library that prints there cannot break a line of the protocol. It is to be called
// once, first of all.
func TakeStdout() (*os.File, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("take standard output for the protocol: %w", err)
	}
	if err := unix.Dup3(2, 1, 0); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("point standard output at standard error: %w", err)
	}
	return os.NewFile(uintptr(fd), "protocol"), nil
}
