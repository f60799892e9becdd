package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Remove takes the whole sandbox away. It follows no link, leaves what another
// file system holds (and says so), and neither directories without permissions nor
// trees deeper than any path stop it. It may be repeated after an error or a crash.
//
// It works on two levels only: a directory inside a directory of the sandbox is
// moved up beside it, under a number, and emptied there. So no recursion can run
// out of descriptors; and since nobody but the worker may write at the top level,
// nobody can replace a directory there between the look and the act.
func (s Sandbox) Remove() error { return s.RemoveAround("") }

// RemoveAround is [Sandbox.Remove], and of the files at the top that one goes last.
func (s Sandbox) RemoveAround(last string) error {
	if err := unix.Rmdir(s.Dir); err == nil || err == unix.ENOENT {
		return nil
	}
	fd, err := openDir(unix.AT_FDCWD, s.Dir)
	if err != nil {
		return fmt.Errorf("open the sandbox %s: %w", s.Dir, err)
	}
	top := os.NewFile(uintptr(fd), s.Dir)
	defer top.Close()
	r := &removal{path: s.Dir, top: fd}
	// Each pass takes the names that are there; what it moved up is there in the next.
	for again := true; again; {
		again = false
		err = pass(top, func(e os.DirEntry) error {
			if e.Name() == last {
				return nil
			}
			if e.IsDir() {
				again = true
				return r.empty(e.Name())
			}
			return r.unlink(r.top, e.Name())
		})
		if err != nil {
			return fmt.Errorf("clear the sandbox %s: %w", s.Dir, err)
		}
	}
	if last != "" {
		if err := os.RemoveAll(filepath.Join(s.Dir, last)); err != nil {
			return fmt.Errorf("clear the sandbox %s: %w", s.Dir, err)
		}
	}
	if err := unix.Rmdir(s.Dir); err != nil {
		return fmt.Errorf("remove the sandbox %s: %w", s.Dir, err)
	}
	return nil
}

type removal struct {
	path string
	top  int // its descriptor
	next int // the number for the next directory that is moved up
}

// empty removes the directory name at the top: its files, then itself. The
// directories in it are moved up.
func (r *removal) empty(name string) error {
	if unix.Unlinkat(r.top, name, unix.AT_REMOVEDIR) == nil {
		return nil
	}
	fd, err := openDir(r.top, name)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	dir := os.NewFile(uintptr(fd), filepath.Join(r.path, name)) // the name is used where a file system does not tell what an entry is
	defer dir.Close()
	if err := unix.Fchmod(fd, 0o700); err != nil && !errors.Is(err, unix.EPERM) { // EPERM: another's, and then root needs no permission
		return err
	}
	err = pass(dir, func(e os.DirEntry) error {
		if e.IsDir() {
			return r.raise(fd, e.Name())
		}
		return r.unlink(fd, e.Name())
	})
	if err != nil {
		return fmt.Errorf("empty %s: %w", name, err)
	}
	return unix.Unlinkat(r.top, name, unix.AT_REMOVEDIR)
}

// raise moves the directory name in dir to the top. The move of a directory
// changes its "..", so it needs the right to write in it.
func (r *removal) raise(dir int, name string) error {
	if unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) == nil {
		return nil
	}
	for {
		to := strconv.Itoa(r.next)
		r.next++
		err := unix.Renameat2(dir, name, r.top, to, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EACCES) {
			if err = unix.Fchmodat(dir, name, 0o700, 0); err == nil {
				err = unix.Renameat2(dir, name, r.top, to, unix.RENAME_NOREPLACE)
			}
		}
		if !errors.Is(err, unix.EEXIST) { // of an earlier try that was cut short
			return err
		}
	}
}

func (r *removal) unlink(dir int, name string) error {
	if err := unix.Unlinkat(dir, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// openDir opens a directory that is not a link, and lets its owner in first if
// need be.
func openDir(at int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, name, flags, 0)
	if errors.Is(err, unix.EACCES) {
		if err = unix.Fchmodat(at, name, 0o700, 0); err == nil {
			fd, err = unix.Openat(at, name, flags, 0)
		}
	}
	return fd, err
}

// pass calls f for each entry of dir, from its start.
func pass(dir *os.File, f func(os.DirEntry) error) error {
	// All names first: what f does to the directory must not disturb the reading.
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var entries []os.DirEntry
	for {
		more, err := dir.ReadDir(4096)
		entries = append(entries, more...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}
