package sandbox

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// Stdio is a job's three files.
type Stdio [3]*os.File

// Close closes this process's side of them.
func (s Stdio) Close() {
	for i, f := range s {
		if f != nil && (i == 0 || f != s[i-1]) {
			f.Close() // nothing was written through it here
		}
	}
}

// Enter makes the job's working directory that of the calling thread and opens the
// job's files, relative to it. The thread has to be locked, with a working directory of its
// own (unshare(CLONE_FS)) and the owner's rights ([Become]). With Transfer the
// files are those of s. The error is a [*HoldError].
func (s Sandbox) Enter(x wire.Execution) (Stdio, error) {
	dir := x.Iwd
	if x.Transfer {
		dir = s.Work()
	}
	if err := syscall.Chdir(dir); err != nil {
		return Stdio{}, Hold(grid.HoldIwd, err, "enter the working directory %s", dir)
	}
	var std Stdio
	in := x.In
	if in == "" {
		in = os.DevNull
	}
	// Without O_NONBLOCK a FIFO would wait here for its writer; the job gets it without.
	fd, err := open(in, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		return Stdio{}, Hold(grid.HoldOpenInput, err, "open the input %s", shown(dir, in))
	}
	std[0] = os.NewFile(uintptr(fd), in)
	if info, err := std[0].Stat(); err != nil || info.IsDir() {
		std.Close()
		return Stdio{}, Hold(grid.HoldOpenInput, errors.Join(err, syscall.EISDIR), "open the input %s", shown(dir, in))
	}
	out, errs := x.Out, x.Err
	same := out != "" && out == errs
	if x.Transfer {
		if out != "" {
			out = s.Stdout()
		}
		if errs != "" && !same {
			errs = s.Stderr()
		}
	}
	for i, name := range []string{out, errs} {
		if i == 1 && same {
			std[2] = std[1]
			continue
		}
		flags := unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC
		switch {
		case name == "":
			name, flags = os.DevNull, unix.O_WRONLY
		case x.Transfer: // after a checkpoint the job goes on where it was
			flags &^= unix.O_TRUNC
		}
		// O_NONBLOCK: a FIFO without a reader is an error, not a wait.
		fd, err := open(name, flags|unix.O_NONBLOCK, 0o666) // less the thread's umask
		if err == nil {
			err = unix.SetNonblock(fd, false)
		}
		if err == nil && x.Transfer {
			_, err = unix.Seek(fd, 0, io.SeekEnd)
		}
		if err != nil {
			std.Close()
			return Stdio{}, Hold(grid.HoldOpenOutput, err, "open the %s %s", []string{"output", "error output"}[i], shown(dir, name))
		}
		std[i+1] = os.NewFile(uintptr(fd), name)
	}
	return std, nil
}

func open(name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Open(name, flags|unix.O_CLOEXEC|unix.O_NOCTTY, mode)
		if err != unix.EINTR { // network file systems
			return fd, err
		}
	}
}

// shown is how a sentence names a file.
func shown(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
