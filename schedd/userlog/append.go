package userlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
)

// Position is where our writing of a file ends.
type Position struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`

	// Born is when the file was made, in ns since 1970; 0: its file system does not say. A
	// new file often has the number of one that was deleted.
	Born int64 `json:"born,omitempty"`
}

// same reports whether both are in one file.
func (p Position) same(o Position) bool {
	return p.Device == o.Device && p.Inode == o.Inode && (p.Born == o.Born || p.Born == 0 || o.Born == 0)
}

// Entry is one event that is to stand in a log.
type Entry struct {
	Text []byte `json:"text"` // as [Form.Encode] gives it

	// Nth is the how manieth it is, from 1, of those behind where our writing is known
	// to have ended that have its [Identity]; it counts only where a log is searched.
	Nth int `json:"nth,omitempty"`
}

// Identity tells one event from another: its kind, its job and its second. Several may
// share one, and are then told apart by their order.
type Identity struct {
	Number grid.EventNumber
	Job    grid.JobID
	Second int64
}

// IdentityOf reads an encoded event for what it is.
func IdentityOf(encoded []byte) Identity {
	events, _ := Read(encoded)
	if len(events) == 0 {
		return Identity{}
	}
	return events[0].Identity()
}

// Identity is e's.
func (e *Event) Identity() Identity { return Identity{e.Number(), e.Job, e.Time.Unix()} }

// maxTail bounds how much of a file is looked at after a crash.
const maxTail = 16 << 20

// Append puts entries at the end of the file at path, which is made if it is not
// there. It says where the writing ended.
//
// With after set, entries may have been written beyond *after before, in whole or in
// part: an entry whose identity stands there Nth times is not written, and one that was
// cut is completed. When the file at path is another one than that, the old one is
// looked for beside it, where it is put by a rotation.
func Append(path string, entries []Entry, after *Position) (Position, error) {
	f, err := openLog(path)
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
	missing, _, err := missing(f, path, entries, after, false)
	if err != nil {
		return Position{}, err
	}
	if err := writeWhole(f, bytes.Join(missing, nil)); err != nil {
		return Position{}, fmt.Errorf("write %s: %w", path, err)
	}
	return positionOf(f)
}

// writeWhole writes at the file's end. Of what has no room there, nothing is left: half
// an event would spoil the next.
func writeWhole(f *os.File, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	before, err := positionOf(f)
	if err != nil {
		return err
	}
	n, err := f.Write(b)
	if err == nil {
		return nil
	}
	if after, failed := positionOf(f); failed == nil && after.Offset == before.Offset+int64(n) {
		return errors.Join(err, f.Truncate(before.Offset))
	}
	return err // others have written meanwhile
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NONBLOCK|unix.O_NOCTTY, 0o644)
}

func positionOf(f *os.File) (Position, error) {
	info, err := f.Stat()
	if err != nil {
		return Position{}, err
	}
	device, inode := where(info)
	at := Position{Device: device, Inode: inode, Offset: info.Size()}
	var st unix.Statx_t
	if unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st) == nil && st.Mask&unix.STATX_BTIME != 0 {
		at.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return at, nil
}

// missing is what of entries the log does not have yet: of the first, perhaps only its
// end, and the log ends with a part of it. alone: nobody else moves the log's files.
func missing(f *os.File, path string, entries []Entry, after *Position, alone bool) (out [][]byte, part bool, err error) {
	out = make([][]byte, 0, len(entries))
	if after == nil {
		for i := range entries {
			out = append(out, entries[i].Text)
		}
		return out, false, nil
	}
	there, rest, err := behind(f, path, *after, alone)
	if err != nil {
		return nil, false, err
	}
	for i := range entries {
		text := entries[i].Text
		if there[IdentityOf(text)] >= entries[i].Nth {
			continue
		}
		if len(out) == 0 {
			n := cut(rest, text)
			text, part = text[n:], n > 0
		}
		out = append(out, text)
	}
	return out, part, nil
}

// behind counts the events that stand behind a position, and gives what is left over at
// the file's end: an event that was being written when the writer died, or the machine.
func behind(f *os.File, path string, after Position, alone bool) (there map[Identity]int, rest []byte, err error) {
	now, err := positionOf(f)
	if err != nil {
		return nil, nil, err
	}
	there = map[Identity]int{}
	from := after.Offset
	if !now.same(after) {
		// Rotated or deleted since.
		found, err := countOld(path, after, there)
		if err == nil && !found && alone {
			_, err = countOld(path, Position{}, there) // it went with a rotation: all came later
		}
		if err != nil {
			return nil, nil, err
		}
		from = 0
	} else if from > now.Offset {
		from = 0 // truncated
	}
	rest, err = count(f, max(from, now.Offset-maxTail), now.Offset, there)
	return there, rest, err
}

func count(f *os.File, from, to int64, there map[Identity]int) (rest []byte, err error) {
	tail := make([]byte, to-from)
	if _, err := f.ReadAt(tail, from); err != nil && err != io.EOF {
		return nil, err
	}
	n := 0
	for e := range eventsIn(tail, &n) {
		there[e.Identity()]++
	}
	return tail[n:], nil
}

// countOld counts in what was the log when our writing ended at a position, and in what
// came between that and the log of now; where no position is known, in all of it.
func countOld(path string, after Position, there map[Identity]int) (found bool, err error) {
	from := after.Offset
	found = after == Position{}
	for _, name := range generations(path) {
		if name == path {
			continue
		}
		f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != nil {
			continue // gone meanwhile, or not ours to read
		}
		at, err := positionOf(f)
		found = found || err == nil && at.same(after)
		if found {
			_, err = count(f, min(max(from, at.Offset-maxTail), at.Offset), at.Offset, there)
			from = 0
		}
		f.Close()
		if err != nil {
			return false, err
		}
	}
	return found, nil
}

// cut is how many bytes of text the end of rest has.
func cut(rest, text []byte) int {
	for n := min(len(rest), len(text)-1); n > 0; n-- {
		// An event begins at the start of a line.
		if bytes.HasSuffix(rest, text[:n]) && (n == len(rest) || rest[len(rest)-n-1] == '\n') {
			return n
		}
	}
	return 0
}
