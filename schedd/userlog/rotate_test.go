package userlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

// Rotation keeps events whole and in order, each file says what was before it, and who
// reads along misses nothing, whenever the writer is started anew and whatever it then
// writes again.
func TestRotationKeepsWholeEventsAndTheirSequence(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		fail := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		g := Global{
			Path: filepath.Join(dir, "EventLog"), MaxSize: rapid.Int64Range(2500, 5000).Draw(t, "size"), Keep: rapid.IntRange(1, 4).Draw(t, "keep"),
			Form: forms(t), ID: "test",
		}
		for _, name := range generations(g.Path) {
			fail(os.Remove(name))
		}
		reader := Follow(g.Path)
		defer reader.Close()
		var read, wrote []byte
		look := func() {
			for {
				events, err := reader.Next()
				if errors.Is(err, fs.ErrNotExist) {
					return
				}
				fail(err)
				if len(events) == 0 {
					return
				}
				for i := range events {
					if events[i].Number() != grid.EventGeneric {
						read = append(read, g.Form.Encode(&events[i])...)
					}
				}
			}
		}
		var at Position
		proc := int32(0)
		for range rapid.IntRange(1, 12).Draw(t, "requests") {
			var entries []Entry
			for range rapid.IntRange(1, 6).Draw(t, "events") {
				proc++
				e := Event{Job: grid.JobID{Cluster: 1, Proc: proc}, Time: time.Unix(int64(proc), 0), Body: &Held{Reason: fmt.Sprint("reason ", proc)}}
				text := g.Form.Encode(&e)
				entries, wrote = append(entries, Entry{text, 1}), append(wrote, text...)
			}
			known := at
			end, err := g.Append(entries, nil)
			fail(err)
			if rapid.Bool().Draw(t, "again") {
				end, err = g.Append(entries, &known)
				fail(err)
			}
			at = end
			look()
			if rapid.IntRange(0, 9).Draw(t, "broken off") == 0 && len(generations(g.Path)) <= g.Keep {
				// As a rotation leaves it that dies before the new file is made.
				f, err := g.open()
				fail(err)
				fail(g.close(f))
				f.Close()
				for n := g.Keep; n > 1; n-- {
					os.Rename(fmt.Sprintf("%s.%d", g.Path, n-1), fmt.Sprintf("%s.%d", g.Path, n))
				}
				old := g.Path + ".1"
				if g.Keep == 1 {
					old = g.Path + ".old"
				}
				fail(os.Rename(g.Path, old))
			}
		}
		if !bytes.Equal(read, wrote) {
			t.Fatalf("read %d bytes of events, %d were written", len(read), len(wrote))
		}
		all := generations(g.Path)
		if len(all) > g.Keep+1 {
			t.Errorf("%d files", len(all))
		}
		var kept []byte
		for i, name := range all {
			data, err := os.ReadFile(name)
			fail(err)
			events, n := Read(data)
			h, ok := headerOf(&events[0])
			if !ok || n != len(data) {
				t.Fatalf("%s: %d of %d bytes are events, header %v", name, n, len(data), ok)
			}
			last := i == len(all)-1 && name == g.Path
			if !last && (h.size != int64(len(data)) || h.events != int64(len(events)-1)) {
				t.Errorf("%s: %d bytes and %d events, its header says %+v", name, len(data), len(events)-1, h)
			}
			if i > 0 {
				before, _, err := readHeader(all[i-1])
				fail(err)
				if h.sequence != before.sequence+1 || h.offset != before.offset+before.size || h.before != before.before+before.events {
					t.Errorf("%s: %+v behind %+v", name, h, before)
				}
			}
			for i := range events[1:] {
				kept = append(kept, g.Form.Encode(&events[i+1])...)
			}
		}
		if !bytes.HasSuffix(wrote, kept) {
			t.Error("what is kept is not what was written last")
		}
	})
}

// A writer that dies in the midst of an event that fills a file has the event completed
// in that file, and so does one whose machine dies and leaves zeros there.
func TestEventThatWasCutIsCompletedBeforeARotation(t *testing.T) {
	for name, tail := range map[string][]byte{"": nil, " and zeros follow": make([]byte, 5000)} {
		for _, kept := range []int{0, 1, 80} {
			t.Run(fmt.Sprintf("%d bytes are left%s", kept, name), func(t *testing.T) {
				g := Global{Path: filepath.Join(t.TempDir(), "EventLog"), MaxSize: 1000, Keep: 3, ID: "test"}
				event := func(proc int32) Entry {
					e := Event{Job: grid.JobID{Cluster: 1, Proc: proc}, Time: time.Unix(int64(proc), 0), Body: &Held{Reason: strings.Repeat("reason ", 50)}}
					return Entry{g.Form.Encode(&e), 1}
				}
				at, err := g.Append([]Entry{event(0)}, nil)
				if err != nil {
					t.Fatal(err)
				}
				next := []Entry{event(1), event(2), event(3)}
				f, err := os.OpenFile(g.Path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range [][]byte{next[0].Text, next[1].Text[:kept], tail} {
					if _, err := f.Write(part); err != nil {
						t.Fatal(err)
					}
				}
				f.Close()
				if _, err := g.Append(next, &at); err != nil {
					t.Fatal(err)
				}
				var jobs []int32
				for _, name := range generations(g.Path) {
					data, err := os.ReadFile(name)
					if err != nil {
						t.Fatal(err)
					}
					events, n := Read(data)
					if n != len(data) {
						t.Errorf("%s: %d of %d bytes are events", name, n, len(data))
					}
					for _, e := range events[1:] {
						jobs = append(jobs, e.Job.Proc)
					}
				}
				if fmt.Sprint(jobs) != "[0 1 2 3]" {
					t.Errorf("there are events of jobs %v", jobs)
				}
			})
		}
	}
}

// A file that took over the number of one that was rotated away is not taken for it.
func TestFileNumberThatIsUsedAgain(t *testing.T) {
	g := Global{Path: filepath.Join(t.TempDir(), "EventLog"), MaxSize: 600, Keep: 1, ID: "test"}
	var known Position
	var entries []Entry
	for proc := range int32(12) {
		e := Event{Job: grid.JobID{Cluster: 1, Proc: proc}, Time: time.Unix(int64(proc), 0), Body: &Released{Reason: "reason"}}
		entries = append(entries, Entry{g.Form.Encode(&e), 1})
		at, err := g.Append(entries[proc:], nil)
		if err != nil {
			t.Fatal(err)
		}
		if proc == 0 {
			known = at
		}
	}
	count := func() (n int) {
		for _, name := range generations(g.Path) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			events, _ := Read(data)
			n += len(events) - 1
		}
		return n
	}
	before := count()
	// Those that went with the oldest file come again; the others do not.
	last := entries[len(entries)-before:]
	if _, err := g.Append(last, &known); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != before {
		t.Errorf("%d events stood there, and now %d", before, n)
	}
}

// A log that was deleted and made anew is another file, whatever its number.
func TestLogThatIsDeletedAndMadeAnewIsAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	events := func(from, to int32) (entries []Entry) {
		for proc := from; proc < to; proc++ {
			e := Event{Job: grid.JobID{Cluster: 1, Proc: proc}, Time: time.Unix(int64(proc), 0), Body: &Released{}}
			entries = append(entries, Entry{Form{}.Encode(&e), 1})
		}
		return entries
	}
	known, err := Append(path, events(0, 3), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, after := range []*Position{nil, &known} { // the second time after a death
		if _, err := Append(path, events(3, 9), after); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if list, _ := Read(data); len(list) != 6 {
		t.Errorf("the new log has %d events, and 6 were written", len(list))
	}
}

func TestFollowingALogThroughItsFates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := Follow(path)
	defer f.Close()
	if _, err := f.Next(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before there is a log: %v", err)
	}
	proc := int32(0) // of the last event
	for _, fate := range []func() error{
		func() error { return nil },
		func() error { return os.Rename(path, path+".1") },
		func() error { return os.Remove(path) },
		func() error { return os.Truncate(path, 0) },
		func() error { return nil },
	} {
		if err := fate(); err != nil {
			t.Fatal(err)
		}
		if events, err := f.Next(); err != nil && proc > 0 || len(events) != 0 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		proc++
		e := Event{Job: grid.JobID{Cluster: 1, Proc: proc}, Time: time.Unix(0, 0), Body: &Released{}}
		text := Form{}.Encode(&e)
		half := len(text) / 2
		for i, part := range [][]byte{text[:half], text[half:]} {
			if _, err := Append(path, []Entry{{Text: part}}, nil); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if events, err := f.Next(); err != nil || len(events) != 0 {
					t.Fatalf("half an event: %d events, %v", len(events), err)
				}
			}
		}
		if events, err := f.Next(); err != nil || len(events) != 1 || events[0].Job != e.Job {
			t.Fatalf("event %d: %+v %v", proc, events, err)
		}
	}
}

func TestHeadersOfHTCondorAreRead(t *testing.T) {
	all := generations("testdata/htcondor/EventLog")
	if len(all) != 4 {
		t.Fatalf("its files are %v", all)
	}
	var last header
	for i, name := range all {
		h, ok, err := readHeader(name)
		if err != nil || !ok {
			t.Fatalf("%s: %v %v", name, ok, err)
		}
		if i > 0 && (h.sequence != last.sequence+1 || h.offset != last.offset+last.size) {
			t.Errorf("%s: %+v behind %+v", name, h, last)
		}
		last = h
	}
}
