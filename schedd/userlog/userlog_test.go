package userlog

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

var update = flag.Bool("update", false, "accept new golden files")

// sample has one event of every number that we write.
func sample() []Event {
	at := time.Date(2026, 11, 20, 23, 34, 5, 0, time.UTC)
	id := grid.JobID{Cluster: 12, Proc: 3}
	exit := &Exit{
		Run:   Usage{User: 90061 * time.Second, Sys: 2 * time.Second, Sent: 10, Received: 20},
		Total: Usage{User: 90062 * time.Second, Sent: 30, Received: 40},
		Requests: []Request{
			{"Cpus", "0.98", "1", "1"}, {"Disk (KB)", "12", "1024", "2048"}, {"Memory (MB)", "3", "128", "128"},
		},
	}
	killed := *exit
	killed.Signal, killed.Code, killed.Requests = true, 9, nil
	events := []Event{
		{Number: grid.EventSubmit, Host: "127.0.0.1:9618?addrs=x", Notes: "DAG Node: A\nsecond"},
		{Number: grid.EventClusterSubmit, Host: "host"},
		{Number: grid.EventExecute, Host: "10.0.0.1:9618", Slot: "slot1_1@w1"},
		{Number: grid.EventEvicted, Code: 1007, Exit: exit, Reason: "the runner died"},
		{Number: grid.EventTerminated, Exit: exit},
		{Number: grid.EventTerminated, Exit: &killed},
		{Number: grid.EventShadow, Reason: "lost"},
		{Number: grid.EventAborted, Reason: "via grm (by user alice)"},
		{Number: grid.EventSuspended},
		{Number: grid.EventUnsuspended},
		{Number: grid.EventHeld, Reason: "hostile\n...\n005 (012.003.000) text", Code: 12, Sub: 2},
		{Number: grid.EventHeld},
		{Number: grid.EventReleased, Reason: "via grelease"},
		{Number: grid.EventDisconnected, Reason: "the worker is silent", Host: "10.0.0.1"},
		{Number: grid.EventReconnected, Slot: "slot1@w1", Host: "10.0.0.1"},
		{Number: grid.EventReconnectFail, Slot: "slot1@w1", Reason: "lease ended"},
		{Number: grid.EventGridSubmit, GridResource: "ovirt https://e/api", GridJobID: "ovirt gb-1 42"},
		{Number: grid.EventGridDown, GridResource: "ovirt https://e/api"},
		{Number: grid.EventGridUp, GridResource: "ovirt https://e/api"},
		{Number: grid.EventClusterRemove, Jobs: 5, Items: 5},
	}
	for i := range events {
		events[i].Job, events[i].Time = id, at
	}
	return events
}

func TestEventsLookAsReadersExpect(t *testing.T) {
	var got bytes.Buffer
	for _, e := range sample() {
		got.Write(e.Text())
	}
	const golden = "testdata/events.log"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got:\n%s", got.Bytes())
	}
	events, n := Read(got.Bytes())
	if n != got.Len() || len(events) != len(sample()) {
		t.Fatalf("read %d events of %d bytes, want %d of %d", len(events), n, len(sample()), got.Len())
	}
	for i, e := range sample() {
		if events[i].Number != e.Number || events[i].Job != e.Job || events[i].Time != "2026-11-20 23:34:05" {
			t.Errorf("event %d read as %+v", i, events[i])
		}
	}
	if v, ok := events[4].Normal(); !ok || v != 0 {
		t.Errorf("a normal end reads as %d, %v", v, ok)
	}
	if _, ok := events[5].Normal(); ok {
		t.Error("an end by a signal reads as normal")
	}
}

func TestEventBeingWrittenIsLeftForLater(t *testing.T) {
	e := sample()[4]
	text := e.Text()
	for n := range text {
		if events, used := Read(text[:n]); len(events) != 0 || used != 0 {
			t.Fatalf("%d of %d bytes read as an event", n, len(text))
		}
	}
}

// However a writer died, writing the same events again gives each exactly once,
// whole, in order, beside what others wrote.
func TestCrashNeitherRepeatsNorTearsAnEvent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	all := sample()
	var texts [][]byte
	for i := range all {
		all[i].Job.Proc = int32(i) // all different
		texts = append(texts, all[i].Text())
	}
	foreign := Event{Number: grid.EventSubmit, Job: grid.JobID{Cluster: 99}, Time: all[0].Time, Host: "other"}
	rapid.Check(t, func(t *rapid.T) {
		os.Remove(path)
		fail := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		first := rapid.IntRange(0, len(texts)).Draw(t, "first")
		at, err := Append(path, texts[:first], nil)
		fail(err)
		// The writer goes on and dies within a write.
		var rest bytes.Buffer
		for _, x := range texts[first:] {
			rest.Write(x)
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		fail(err)
		between := rapid.Bool().Draw(t, "foreign")
		if between {
			_, err = f.Write(foreign.Text())
			fail(err)
		}
		_, err = f.Write(rest.Bytes()[:rapid.IntRange(0, rest.Len()).Draw(t, "written")])
		fail(err)
		fail(f.Close())
		// How it knows where it was: exactly, at some event before, or not at all.
		known, again := at, first
		switch rapid.IntRange(0, 2).Draw(t, "known") {
		case 1:
			again = rapid.IntRange(0, first).Draw(t, "again")
			known.Offset = int64(len(bytes.Join(texts[:again], nil)))
		case 2:
			known, again = Position{}, rapid.IntRange(0, first).Draw(t, "again")
		}
		end, err := Append(path, texts[again:], &known)
		fail(err)
		data, err := os.ReadFile(path)
		fail(err)
		if end.Offset != int64(len(data)) {
			t.Fatalf("the end is said to be %d of %d", end.Offset, len(data))
		}
		want := bytes.Join(texts, nil)
		got := bytes.Replace(data, foreign.Text(), nil, 1)
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d", len(got), len(want))
		}
	})
}

func TestAppendGoesOnInANewFileAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	a, b := sample()[0], sample()[2]
	at, err := Append(path, [][]byte{a.Text()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	end, err := Append(path, [][]byte{b.Text()}, &at)
	if err != nil || end.Inode == at.Inode {
		t.Fatalf("%+v %v", end, err)
	}
	if data, _ := os.ReadFile(path); !bytes.Equal(data, b.Text()) {
		t.Errorf("the new file has %q", data)
	}
}

func TestAppendRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir, filepath.Join(dir, "no", "such")} {
		if _, err := Append(path, [][]byte{[]byte("x")}, nil); err == nil {
			t.Errorf("wrote to %s", path)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, e := range sample() {
		f.Add(e.Text())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		events, n := Read(data)
		if n > len(data) || len(events) > bytes.Count(data, []byte("...")) {
			t.Fatalf("%d events in %d of %d bytes", len(events), n, len(data))
		}
	})
}
