package ovirt

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gridburst/gahp"
)

// maxPassword bounds a password file, bytes.
const maxPassword = 4096

// readPassword reads a file that nobody but us can read. It is read anew for each
// login, so that a new password needs no restart.
func readPassword(path string) (string, error) {
	bad := func(why string) error {
		return &gahp.Error{Kind: gahp.BadPassword, Text: "the password file " + path + " " + why}
	}
	// NONBLOCK: a named pipe must not hang us before we see that it is one.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return "", bad("is a symbolic link; name the file itself")
	case errors.Is(err, fs.ErrNotExist):
		return "", bad("does not exist")
	case err != nil:
		return "", bad("cannot be opened: " + reason(err))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", bad("cannot be examined: " + reason(err))
	}
	if !st.Mode().IsRegular() {
		return "", bad("is not a regular file")
	}
	if st.Mode().Perm()&0o077 != 0 {
		return "", bad("can be read or written by others (mode " + st.Mode().Perm().String() + "); chmod 600 it, and change the password if it was not meant to be seen")
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		return "", bad("belongs to another user; chown it to the one that this runs as")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", bad("cannot be read: " + reason(err))
	}
	p := strings.TrimRight(string(b), "\r\n")
	switch {
	case p == "":
		return "", bad("is empty")
	case len(b) > maxPassword:
		return "", bad("is longer than a password")
	case strings.ContainsAny(p, "\r\n\x00"):
		return "", bad("has more than one line; it must hold the password and nothing else")
	}
	return p, nil
}

// reason is an error of the operating system without the path that the sentence
// names already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
