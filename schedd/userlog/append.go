package userlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Position is where our writing of a file ends.
type Position struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
}

// maxTail bounds how much of a file is looked at after a crash.
const maxTail = 16 << 20

// Append writes texts, each one whole event, at the end of the file at path, which
// is made if it is not there. It says where the writing ended.
//
// With after set, the texts may have been written beyond *after before, in whole or
// in part: what lies there (or, in another file than that, in the file's last 16 MiB)
// is searched for each of them first.
func Append(path string, texts [][]byte, after *Position) (Position, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NONBLOCK|unix.O_NOCTTY, 0o644)
	if errors.Is(err, os.ErrPermission) {
		// A log that its owner may write and not read. Without reading there is
		// no comparing: at worst an event stands twice.
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NONBLOCK|unix.O_NOCTTY, 0o644)
		after = nil
	}
	if err != nil {
		return Position{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && after != nil && info.Mode().IsRegular() {
		if err = dropHole(f); err == nil {
			info, err = f.Stat()
		}
	}
	if err != nil {
		return Position{}, err
	}
	if !info.Mode().IsRegular() {
		return Position{}, fmt.Errorf("%s is not a regular file", path)
	}
	var out bytes.Buffer
	if after == nil {
		for _, t := range texts {
			out.Write(t)
		}
	} else if err := missing(f, info, texts, *after, &out); err != nil {
		return Position{}, err
	}
	if out.Len() > 0 {
		if _, err := f.Write(out.Bytes()); err != nil {
			return Position{}, fmt.Errorf("write %s: %w", path, err)
		}
	}
	if info, err = f.Stat(); err != nil {
		return Position{}, err
	}
	st := info.Sys().(*syscall.Stat_t)
	return Position{Device: st.Dev, Inode: st.Ino, Offset: info.Size()}, nil
}

// missing puts into out what of texts the file does not have yet.
func missing(f *os.File, info os.FileInfo, texts [][]byte, after Position, out *bytes.Buffer) error {
	st := info.Sys().(*syscall.Stat_t)
	from := after.Offset
	if st.Dev != after.Device || st.Ino != after.Inode || from > info.Size() {
		from = 0 // deleted, rotated or truncated since
	}
	from = max(from, info.Size()-maxTail)
	tail := make([]byte, info.Size()-from)
	if _, err := f.ReadAt(tail, from); err != nil && err != io.EOF {
		return err
	}
	for _, t := range texts {
		if i := bytes.Index(tail, t); i >= 0 {
			// Equal events may stand twice with reason: each is found once.
			tail = append(tail[:i:i], tail[i+len(t):]...)
			continue
		}
		if out.Len() == 0 {
			t = t[cut(tail, t):]
		}
		out.Write(t)
	}
	return nil
}

// cut is how many bytes of text the end of tail has: an event that was being
// written when the writer died, or the machine.
func cut(tail, text []byte) int {
	for n := min(len(tail), len(text)-1); n > 0; n-- {
		// An event begins at the start of the file or after a line end.
		if bytes.HasSuffix(tail, text[:n]) && (n == len(tail) || tail[len(tail)-n-1] == '\n') {
			return n
		}
	}
	return 0
}
