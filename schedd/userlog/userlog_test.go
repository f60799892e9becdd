package userlog

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

var update = flag.Bool("update", false, "accept new golden files")

func parsed(long string) *ad.Ad {
	a, err := ad.ParseLong(long)
	if err != nil {
		panic(err)
	}
	return a
}

// sample has one event of every kind, and of some two.
func sample() []Event {
	at := time.Date(2026, 11, 20, 23, 34, 5, 0, time.UTC)
	id := grid.JobID{Cluster: 12, Proc: 3}
	long, short := Usage{90061 * time.Second, 2 * time.Second}, Usage{1 * time.Second, 0}
	table := []Resource{
		{Name: "Cpus", Usage: "0.98", Request: "1", Allocation: "1"},
		{Name: "Disk", Usage: "12", Request: "1024", Allocation: "2048"},
		{Name: "Gpus", Request: "1", Allocation: "1", Assigned: `"GPU-1"`},
		{Name: "Memory", Usage: "3", Request: "128", Allocation: "128"},
	}
	bodies := []Body{
		&Submit{Host: "<127.0.0.1:9618?addrs=x>", LogNotes: "DAG Node: A", UserNotes: "second", Warnings: "odd"},
		&Execute{Host: "<10.0.0.1:9618>", Slot: "slot1_1@w1", Props: parsed("Cpus = 1\nOpSys = \"LINUX\"\n")},
		&ExecutableError{}, &ExecutableError{BadLink: true},
		&Evicted{Code: 1007, Sub: 2, Run: long, Moved: Moved{10, 20}, Reason: "the runner died"},
		&Evicted{Requeued: &Exit{Code: 9, Signal: true, Core: "/tmp/core"}, Run: short, Reason: "once more"},
		&Terminated{Run: long, Total: short, RunMoved: Moved{1, 2}, TotalMoved: Moved{3, 4}, Resources: table},
		&Terminated{Exit: Exit{Code: 9, Signal: true}},
		&ImageSize{SizeKB: 45, MemoryMB: 5, ResidentKB: 4564, ProportionalKB: -1},
		&Shadow{Message: "lost", Sent: 1, Received: 2},
		&Generic{Info: "anything"},
		&Aborted{Reason: "via grm (by user alice)"},
		&Suspended{Processes: 2}, &Unsuspended{},
		&Held{Reason: "hostile ... 005 (012.003.000) text", Code: 12, Sub: 2}, &Held{},
		&Released{Reason: "via grelease"},
		&NodeExecute{12, Execute{Host: "<10.0.0.1:9618>", Slot: "slot1_2@w1", Props: parsed("Cpus = 1\n")}}, &NodeExecute{Execute: Execute{Host: "<h>"}},
		&NodeTerminated{3, Terminated{Run: long, Total: short, RunMoved: Moved{1, 2}, TotalMoved: Moved{3, 4}, Resources: table}},
		&NodeTerminated{Terminated: Terminated{Exit: Exit{Code: 15, Signal: true}}},
		&PostScript{Exit: Exit{Code: 3}, Node: "A"},
		&RemoteError{Daemon: "starter", Host: "slot1@w1", Message: "first\nsecond", Code: 6, Sub: 2},
		&RemoteError{Daemon: "starter", Host: "slot1@w1", Message: "first", Notice: true},
		&Disconnected{Reason: "the worker is silent", Slot: "slot1@w1", Host: "<10.0.0.1>"},
		&Reconnected{Slot: "slot1@w1", Host: "<10.0.0.1>", Starter: "<10.0.0.1:2>"},
		&ReconnectFailed{Slot: "slot1@w1", Reason: "lease ended"},
		&GridUp{Resource: "ovirt https://e/api"}, &GridDown{Resource: "ovirt https://e/api"},
		&GridSubmit{Resource: "ovirt https://e/api", JobID: "ovirt gb-1 42"},
		&AdInformation{Ad: parsed("JobStatus = 1\nTriggerEventTypeName = \"ULOG_SUBMIT\"\nTriggerEventTypeNumber = 0\n")},
		&StatusUnknown{}, &StatusKnown{},
		&AttributeUpdate{Name: "JobPrio", Old: "0", Value: "5"}, &AttributeUpdate{Name: "JobPrio", Value: "5"},
		&PreSkip{Notes: "DAG Node: A"},
		&ClusterSubmit{Host: "<host>", LogNotes: "one"},
		&ClusterRemove{Jobs: 5, Items: 7, Completion: Complete, Notes: "done"}, &ClusterRemove{Completion: -3},
		&FactoryPaused{Reason: "held", Pause: 1, Hold: 1}, &FactoryPaused{Hold: 3},
		&FactoryResumed{Reason: "via grelease"},
		&FileTransfer{Step: InputStarted, Queue: 3, Host: "<10.0.0.1>"}, &FileTransfer{Step: OutputQueued, Queue: -1},
		&DataflowSkipped{Reason: "its outputs are newer"},
		&Other{Number: 43, Head: "Something new", Lines: []string{"\tA: 1"}},
	}
	events := make([]Event, len(bodies))
	for i, b := range bodies {
		events[i] = Event{Job: id, Time: at, Body: b}
	}
	return events
}

func TestEveryKindHasASample(t *testing.T) {
	seen := map[grid.EventNumber]bool{}
	for _, e := range sample() {
		seen[e.Number()] = true
	}
	for n := range kinds {
		if !seen[n] {
			t.Errorf("none of %03d", n)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s", name, got)
	}
}

func TestEventsLookAsReadersExpect(t *testing.T) {
	for name, form := range map[string]Form{"events.log": {}, "events.xml": {Kind: XML}, "events.json": {Kind: JSON}} {
		var got bytes.Buffer
		for _, e := range sample() {
			got.Write(form.Encode(&e))
		}
		golden(t, name, got.Bytes())
	}
}

// same compares by what the events say: ads have no order, and no spelling of their own.
func same(a, b *Event) bool {
	whole := Form{UTC: true, SubSecond: true}
	return a.Job == b.Job && a.Time.Equal(b.Time) && reflect.TypeOf(a.Body) == reflect.TypeOf(b.Body) &&
		bytes.Equal(whole.Encode(a), whole.Encode(b)) && string(a.JSON()) == string(b.JSON())
}

// forms draws one that loses nothing of the time.
func forms(t *rapid.T) Form {
	return Form{
		Kind: rapid.SampledFrom([]Kind{Text, XML, JSON}).Draw(t, "kind"), UTC: rapid.Bool().Draw(t, "utc"), SubSecond: true,
	}
}

// word is text that a field may hold: the forms keep no space at its ends, and text no
// line ends.
func word(t *rapid.T, old string) string {
	if old == "" || rapid.Bool().Draw(t, "as it is") {
		return old
	}
	return rapid.StringMatching(`[!-~]([ -~äß]{0,20}[!-~])?`).Draw(t, "word")
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	free := map[string]bool{"Host": true, "UserNotes": true, "Message": true, "Reason": true, "Info": true, "Resource": true, "JobID": true, "Core": true, "Warnings": true}
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(sample()).Draw(t, "event")
		e.Job = grid.JobID{Cluster: rapid.Int32Range(1, 1<<30).Draw(t, "cluster"), Proc: rapid.Int32Range(-1, 1<<30).Draw(t, "proc")}
		e.Time = time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "time"))
		v := reflect.ValueOf(e.Body).Elem()
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.String:
				if name := v.Type().Field(i).Name; free[name] && v.Type().Name() != "RemoteError" && v.Type().Name() != "Disconnected" {
					f.SetString(word(t, f.String()))
				}
			case reflect.Int64, reflect.Int32:
				if f.Int() > 0 && v.Type().Field(i).Name != "Step" && v.Type().Field(i).Name != "Completion" {
					f.SetInt(int64(rapid.Int32Range(1, 1<<30).Draw(t, "number")))
				}
			}
		}
		form := forms(t)
		if form.Kind != Text {
			switch b := e.Body.(type) {
			case *Evicted:
				b.Resources = nil
			case *Other:
				b.Lines = nil
			}
		}
		text := form.Encode(&e)
		got, n := Read(text)
		if n != len(text) || len(got) != 1 {
			t.Fatalf("%d events in %d of %d bytes:\n%s", len(got), n, len(text), text)
		}
		if o, other := got[0].Body.(*Other); other && form.Kind != Text {
			o.Ad = nil
		}
		if !same(&got[0], &e) {
			t.Fatalf("read as\n%s, not\n%s", form.Encode(&got[0]), text)
		}
	})
}

// The logs in testdata/htcondor are HTCondor's own: what is read of them is written the
// same again, but for the lines that newer ones have no more.
func TestLogsOfHTCondorAreReadWhole(t *testing.T) {
	for _, c := range []struct {
		file    string
		form    Form
		numbers string
	}{
		{"ok.log", Form{}, "0 28 1 28 6 28 5 28"},
		{"held.log", Form{}, "0 33 13 1 6 4 9"},
		{"long.log", Form{}, "0 1 6 10 6 11 4 1 4 12 13 1 4 9"},
		{"fac.log", Form{}, "35 0 1 6 5 0 1 6 5 0 1 6 5 36"},
		{"bad.log", Form{}, "0 1 21 4 12"},
		{"EventLog.1", Form{Legacy: true}, "8 6 5 0 13 1 4 4 9 9 1"},
		{"xml.log", Form{Kind: XML}, "0 28 0 28 1 28 6 28 5 28 1 28 6 28 5 28"},
		{"json.log", Form{Kind: JSON}, "0 1 6 5"},
	} {
		data, err := os.ReadFile(filepath.Join("testdata/htcondor", c.file))
		if err != nil {
			t.Fatal(err)
		}
		events, n := Read(data)
		var numbers []string
		var again []byte
		for i := range events {
			e := &events[i]
			if _, unread := e.Body.(*Other); unread {
				t.Errorf("%s: %03d is not understood", c.file, e.Number())
			}
			numbers = append(numbers, fmt.Sprint(e.Number()))
			again = append(again, c.form.Encode(e)...)
		}
		if got := strings.Join(numbers, " "); n != len(data) || got != c.numbers {
			t.Errorf("%s: %s in %d of %d bytes, not %s", c.file, got, n, len(data), c.numbers)
		}
		if c.form.Kind != Text {
			back, _ := Read(again)
			for i := range back {
				if !same(&back[i], &events[i]) {
					t.Errorf("%s: event %d is written as\n%s", c.file, i, c.form.Encode(&events[i]))
				}
			}
			continue
		}
		if got, want := comparable(string(again)), comparable(string(data)); got != want {
			t.Errorf("%s: written as\n%s\nnot\n%s", c.file, got, want)
		}
	}
}

// comparable is a log's text as newer writers have it, without records, whose fields
// have no order.
func comparable(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		switch {
		case line == "\n", strings.HasPrefix(line, "\tJob terminated of its own accord"), strings.Contains(line, " = [ "):
			continue
		case strings.HasPrefix(line, "\tError from slot") && strings.Contains(b.String()[strings.LastIndex(b.String(), "...\n")+1:], "Job was evicted"):
			line = "\tReason: " + line[1:]
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestEventBeingWrittenIsLeftForLater(t *testing.T) {
	for _, form := range []Form{{}, {Kind: XML}, {Kind: JSON}} {
		text := form.Encode(&sample()[6])
		for n := range text {
			if events, used := Read(text[:n]); len(events) != 0 || used != 0 {
				t.Fatalf("%d of %d bytes read as an event", n, len(text))
			}
			// And if it never is: the next one counts.
			if n > 0 && text[n-1] == '\n' && n < len(text) {
				if events, _ := Read(append(slices.Clone(text[:n]), text...)); len(events) != 1 {
					t.Fatalf("behind %d bytes of another, %d events", n, len(events))
				}
			}
		}
	}
}

// However a writer died, writing the same events again gives each exactly once,
// whole, in order, beside what others wrote, whatever became of the file.
func TestCrashNeitherRepeatsNorTearsAnEvent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	all := sample()
	rapid.Check(t, func(t *rapid.T) {
		fail := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range generations(path) {
			fail(os.Remove(name))
		}
		form := forms(t)
		foreign := form.Encode(&Event{Job: grid.JobID{Cluster: 99}, Time: all[0].Time, Body: &Submit{Host: "other"}})
		// Some events are equal, byte for byte.
		var texts [][]byte
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			texts = append(texts, form.Encode(&all[rapid.IntRange(0, 4).Draw(t, "event")]))
		}
		entries := func(from int) []Entry {
			seen := map[Identity]int{}
			var out []Entry
			for _, x := range texts[from:] {
				seen[IdentityOf(x)]++
				out = append(out, Entry{x, seen[IdentityOf(x)]})
			}
			return out
		}
		first := rapid.IntRange(0, len(texts)).Draw(t, "first")
		at, err := Append(path, entries(0)[:first], nil)
		fail(err)
		// The writer goes on and dies within a write.
		rest := bytes.Join(texts[first:], nil)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		fail(err)
		if rapid.Bool().Draw(t, "foreign") {
			_, err = f.Write(foreign)
			fail(err)
		}
		written := rapid.IntRange(0, len(rest)).Draw(t, "written")
		// Rotation moves whole events away; a half one is cut for good.
		rotated := rapid.Bool().Draw(t, "rotated")
		if rotated {
			_, written = Read(rest[:written])
		}
		_, err = f.Write(rest[:written])
		fail(err)
		fail(f.Close())
		known, again := at, first
		if rotated {
			fail(os.Rename(path, path+".1"))
		}
		if rapid.Bool().Draw(t, "nothing is known") {
			known, again = Position{}, 0
		}
		// Later, in two requests.
		todo := entries(again)
		half := rapid.IntRange(0, len(todo)).Draw(t, "half")
		_, err = Append(path, todo[:half], &known)
		fail(err)
		end, err := Append(path, todo[half:], &known)
		fail(err)
		var data []byte
		for _, name := range generations(path) {
			b, err := os.ReadFile(name)
			fail(err)
			data = append(data, b...)
		}
		if now, err := os.Stat(path); err != nil || end.Offset != now.Size() {
			t.Fatalf("the end is said to be %d: %v", end.Offset, err)
		}
		if got, want := bytes.Replace(data, foreign, nil, 1), bytes.Join(texts, nil); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d:\n%s", len(got), len(want), got)
		}
	})
}

func TestAppendRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir, filepath.Join(dir, "no", "such")} {
		if _, err := Append(path, []Entry{{Text: []byte("x")}}, nil); err == nil {
			t.Errorf("wrote to %s", path)
		}
	}
}

func TestWhatHasNoRoomLeavesNoHalfEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	first := Entry{Text: Form{}.Encode(&sample()[6])}
	if _, err := Append(path, []Entry{first}, nil); err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	tight := old
	tight.Cur = uint64(len(first.Text)) + 50
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &tight); err != nil {
		t.Fatal(err)
	}
	_, err := Append(path, []Entry{first}, nil)
	if failed := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); failed != nil {
		t.Fatal(failed)
	}
	if err == nil {
		t.Error("there was no room, and no error")
	}
	if data, _ := os.ReadFile(path); !bytes.Equal(data, first.Text) {
		t.Errorf("%d bytes are left of an event that had no room", len(data)-len(first.Text))
	}
}

func TestFormsAreToldInHTCondorsWords(t *testing.T) {
	for words, want := range map[string]Form{
		"": {}, "ISO_DATE UTC": {UTC: true}, "legacy": {Legacy: true}, "UTC !UTC SUB_SECOND": {SubSecond: true},
		"xml": {Kind: XML}, "JSON UTC": {Kind: JSON, UTC: true}, "!LEGACY": {},
	} {
		if got, err := ParseForm(strings.Fields(words)); err != nil || got != want {
			t.Errorf("%q: %+v %v", words, got, err)
		}
	}
	if _, err := ParseForm([]string{"YAML"}); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("YAML: %v", err)
	}
	e := sample()[0]
	for want, form := range map[string]Form{
		"000 (012.003.000) 2026-11-20 23:34:05 ": {}, "000 (012.003.000) 11/20 23:34:05 ": {Legacy: true},
		"000 (012.003.000) 2026-11-20 23:34:05.000Z ": {UTC: true, SubSecond: true},
	} {
		if got := string(form.Encode(&e)); !strings.HasPrefix(got, want) {
			t.Errorf("%+v: %s", form, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, e := range sample() {
		for _, form := range []Form{{}, {Kind: XML}, {Kind: JSON}} {
			f.Add(form.Encode(&e))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		events, n := Read(data)
		if n > len(data) {
			t.Fatalf("%d of %d bytes", n, len(data))
		}
		// What was understood can be told again, in one event for one.
		for _, form := range []Form{{}, {Kind: XML}, {Kind: JSON}} {
			for i := range events {
				text := form.Encode(&events[i])
				if back, used := Read(text); len(back) != 1 || used != len(text) || back[0].Number() != events[i].Number() || back[0].Job != events[i].Job {
					t.Fatalf("%q is read as %d events", text, len(back))
				}
			}
		}
	})
}
