package userlog

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Follower reads a log as it grows. The log may not be there yet, and may be rotated,
// truncated or deleted meanwhile: what was written before is read to its end, then what
// is at the path now. A Follower is for one goroutine.
type Follower struct {
	path string
	file *os.File
	at   int64  // up to where file has been read
	rest []byte // of an event that is not whole
}

// Follow follows the log at path, from its beginning. Nothing is opened yet.
func Follow(path string) *Follower { return &Follower{path: path} }

// Close closes the file that is open.
func (f *Follower) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// readAtOnce bounds what one call of Next reads.
const readAtOnce = 4 << 20

// Next is what has been added since, in whole events; none if there is nothing new.
// The error is [fs.ErrNotExist] as long as there has been no log.
func (f *Follower) Next() ([]Event, error) {
	if f.file == nil {
		file, err := os.Open(f.path)
		if err != nil {
			return nil, err
		}
		f.file, f.at, f.rest = file, 0, nil
	}
	info, err := f.file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() <= f.at {
		return f.turn(info)
	}
	buf := make([]byte, min(info.Size()-f.at, readAtOnce))
	n, err := f.file.ReadAt(buf, f.at)
	if err != nil && err != io.EOF {
		return nil, err
	}
	f.at += int64(n)
	data := append(f.rest, buf[:n]...)
	events, used := Read(data)
	f.rest = append([]byte(nil), data[used:]...)
	if len(events) == 0 {
		return f.Next() // there may be more
	}
	return events, nil
}

// turn looks for what takes the place of a file that has been read to its end.
func (f *Follower) turn(info os.FileInfo) ([]Event, error) {
	if info.Size() < f.at {
		f.at, f.rest = 0, nil // truncated
		return f.Next()
	}
	now, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && os.SameFile(info, now) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// It may have been rotated more than once.
	next := f.path
	for all := generations(f.path); len(all) > 1; all = all[1:] {
		if old, err := os.Stat(all[0]); err == nil && os.SameFile(info, old) {
			next = all[1]
			break
		}
	}
	// What was added between the last reading and the rotation is there by now.
	if later, err := f.file.Stat(); err == nil && later.Size() > f.at {
		return f.Next()
	}
	file, err := os.Open(next)
	if err != nil {
		return nil, nil // rotated again: the next call finds it
	}
	f.file.Close()
	f.file, f.at, f.rest = file, 0, nil
	return f.Next()
}

// generations are a rotated log's files that are there, the oldest first: path.2,
// path.1, path.old, path.
func generations(path string) []string {
	entries, _ := os.ReadDir(filepath.Dir(path))
	base := filepath.Base(path)
	age := map[string]int{}
	var names []string
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), base)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(strings.TrimPrefix(suffix, "."))
		switch {
		case suffix == "":
			n = -1
		case suffix == ".old":
			n = 0
		case err != nil || n < 0:
			continue
		}
		age[e.Name()] = n
		names = append(names, e.Name())
	}
	slices.SortFunc(names, func(a, b string) int { return age[b] - age[a] })
	for i, n := range names {
		names[i] = filepath.Join(filepath.Dir(path), n)
	}
	return names
}

// where is a file's device and inode.
func where(info os.FileInfo) (device, inode uint64) {
	st := info.Sys().(*syscall.Stat_t)
	return st.Dev, st.Ino
}
