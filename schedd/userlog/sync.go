package userlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// manyLogs of one file system are flushed with everything else of it, in one call.
const manyLogs = 16

// Sync sees what was written to logs on the disk. One that is not there any more is no
// error.
func Sync(paths []string) error {
	devices := map[uint64][]*os.File{}
	defer func() {
		for _, files := range devices {
			for _, f := range files {
				f.Close()
			}
		}
	}()
	for _, p := range paths {
		for _, p := range []string{p, filepath.Dir(p)} { // the file may be new in its directory
			f, err := openAny(p)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				continue
			}
			if err != nil {
				return err
			}
			var st unix.Stat_t
			if err := unix.Fstat(int(f.Fd()), &st); err != nil {
				f.Close()
				return fmt.Errorf("look at %s: %w", p, err)
			}
			if devices[st.Dev] = append(devices[st.Dev], f); len(devices[st.Dev]) > manyLogs {
				f.Close() // one of them is enough
				devices[st.Dev] = devices[st.Dev][:manyLogs]
			}
		}
	}
	for _, files := range devices {
		if len(files) == manyLogs {
			if err := unix.Syncfs(int(files[0].Fd())); err != nil {
				return fmt.Errorf("flush the file system of %s: %w", files[0].Name(), err)
			}
			continue
		}
		for _, f := range files {
			if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("flush %s: %w", f.Name(), err)
			}
		}
	}
	return nil
}

// openAny opens a file to flush it, also one that may be written and not read.
func openAny(path string) (*os.File, error) {
	const flags = unix.O_NONBLOCK | unix.O_NOCTTY
	f, err := os.OpenFile(path, os.O_RDONLY|flags, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.OpenFile(path, os.O_WRONLY|flags, 0)
	}
	return f, err
}
