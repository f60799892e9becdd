package userlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
)

// Global is an event log of all jobs, which is rotated: path becomes path.1, that
// path.2, and so on; with one generation kept, path.old. Each file begins with a generic
// event that says which in the sequence it is, and what was before it.
type Global struct {
	Path    string
	MaxSize int64 // a larger file is rotated before the next event, bytes; 0: never
	Keep    int   // rotated files
	Form    Form
	ID      string // of whoever writes, a word
}

// header is what the first event of a file says.
type header struct {
	created        int64 // seconds since 1970
	id             string
	sequence       int64
	size, events   int64 // of the file; known once it is rotated
	offset, before int64 // bytes and events of all earlier files
	keep           int
}

// headerSize is how long a header's text is made, so that it can be written anew in its
// place.
const headerSize = 256

func (h *header) event(at time.Time) Event {
	info := fmt.Sprintf("Global JobLog: ctime=%d id=%s sequence=%d size=%d events=%d offset=%d event_off=%d max_rotation=%d creator_name=<>",
		h.created, h.id, h.sequence, h.size, h.events, h.offset, h.before, h.keep)
	return Event{Job: grid.JobID{Cluster: -1, Proc: -1}, Time: at, Body: &Generic{Info: fmt.Sprintf("%-*s", headerSize, info)}}
}

// headerOf reads an event as a header; false if it is none.
func headerOf(e *Event) (h header, ok bool) {
	g, generic := e.Body.(*Generic)
	if !generic || !strings.HasPrefix(g.Info, "Global JobLog:") {
		return h, false
	}
	for word := range strings.FieldsSeq(g.Info) {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "ctime":
			h.created = n
		case "id":
			h.id = value
		case "sequence":
			h.sequence = n
		case "size":
			h.size = n
		case "events":
			h.events = n
		case "offset":
			h.offset = n
		case "event_off":
			h.before = n
		}
	}
	return h, h.sequence > 0
}

// Append is [Append] for a log that is rotated, whole events to a file.
func (g *Global) Append(entries []Entry, after *Position) (Position, error) {
	f, err := g.open()
	if err != nil {
		return Position{}, err
	}
	defer func() { f.Close() }()
	if after != nil {
		if err := dropHole(f); err != nil {
			return Position{}, err
		}
	}
	missing, part, err := missing(f, g.Path, entries, after, true)
	if err != nil {
		return Position{}, err
	}
	at, err := positionOf(f)
	if err != nil {
		return Position{}, err
	}
	for len(missing) > 0 {
		// What was cut is completed where it was begun.
		if g.MaxSize > 0 && g.Keep > 0 && at.Offset > g.MaxSize && !part {
			next, err := g.rotate(f)
			if err != nil {
				return Position{}, err
			}
			f.Close()
			f = next
			if at, err = positionOf(f); err != nil {
				return Position{}, err
			}
		}
		var out bytes.Buffer
		for len(missing) > 0 && (out.Len() == 0 || g.MaxSize == 0 || at.Offset+int64(out.Len()) <= g.MaxSize) {
			out.Write(missing[0])
			missing = missing[1:]
		}
		if err := writeWhole(f, out.Bytes()); err != nil {
			return Position{}, fmt.Errorf("write %s: %w", g.Path, err)
		}
		at.Offset += int64(out.Len())
		part = false
	}
	return positionOf(f)
}

// open opens the log, and makes it, with its header, if it is not there.
func (g *Global) open() (*os.File, error) {
	for {
		f, err := os.OpenFile(g.Path, os.O_RDWR|os.O_APPEND, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		// It has never been, or a rotation was broken off, or it was deleted.
		h := header{created: time.Now().Unix()}
		if all := generations(g.Path); len(all) > 0 {
			if last, ok, err := readHeader(all[len(all)-1]); err != nil {
				return nil, err
			} else if ok {
				h.offset, h.before, h.sequence = last.offset+last.size, last.before+last.events, last.sequence
			}
		}
		h.sequence++
		h.keep, h.id = g.Keep, fmt.Sprintf("%s.%d.%d", strings.ReplaceAll(g.ID, " ", "_"), h.created, h.sequence)
		e := h.event(time.Unix(h.created, 0))
		if err := whole.Write(g.Path, g.Form.Encode(&e), 0o644); err != nil {
			return nil, err
		}
	}
}

func readHeader(path string) (h header, ok bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return h, false, err
	}
	defer f.Close()
	b := make([]byte, 4*headerSize)
	n, _ := f.ReadAt(b, 0)
	if e, _ := first(b[:n]); e != nil {
		h, ok = headerOf(e)
	}
	return h, ok, nil
}

// rotate says in the header of the full file what it has come to, moves the files on,
// and gives the new one. Broken off anywhere, the next opening goes on.
func (g *Global) rotate(full *os.File) (*os.File, error) {
	failpoint.Hit("rotate.full")
	if err := g.close(full); err != nil {
		return nil, err
	}
	if err := full.Sync(); err != nil {
		return nil, err
	}
	older := func(n int) string { return g.Path + "." + strconv.Itoa(n) }
	if g.Keep == 1 {
		older = func(int) string { return g.Path + ".old" }
	}
	// A name that a rotation left free before it was broken off is filled again.
	free := 1
	for free < g.Keep && exists(older(free)) {
		free++
	}
	failpoint.Hit("rotate.before")
	for n := free; n > 1; n-- {
		if err := os.Rename(older(n-1), older(n)); err != nil {
			return nil, err
		}
		failpoint.Hit("rotate.some")
	}
	if err := os.Rename(g.Path, older(1)); err != nil {
		return nil, err
	}
	failpoint.Hit("rotate.after")
	fresh, err := g.open()
	if err == nil {
		failpoint.Hit("rotate.fresh")
	}
	return fresh, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// close writes a full file's header anew, in its place.
func (g *Global) close(full *os.File) error {
	h, ok, err := readHeader(g.Path)
	if err != nil || !ok {
		return err // somebody else's file, which has none
	}
	at, err := positionOf(full)
	if err != nil {
		return err
	}
	counted := map[Identity]int{}
	if _, err := count(full, 0, at.Offset, counted); err != nil {
		return err
	}
	h.events = -1 // the header itself
	for _, n := range counted {
		h.events += int64(n)
	}
	h.size, h.keep = at.Offset, g.Keep
	e := h.event(time.Unix(h.created, 0))
	text := g.Form.Encode(&e)
	// Not with the descriptor that appends, which writes nowhere but at the end.
	f, err := os.OpenFile(g.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	old := make([]byte, len(text))
	if _, err := f.ReadAt(old, 0); err != nil {
		return err
	}
	if e, used := first(old); e == nil || used != len(text) {
		return nil // written in another form
	}
	_, err = f.WriteAt(text, 0)
	return err
}
