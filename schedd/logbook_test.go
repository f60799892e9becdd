package schedd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/userlog"
)

// The law: wherever the daemon dies, and whatever a desk leaves unanswered, each line
// stands in its log once, and in its order.
func TestEachLineIsLoggedOnce(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		w := &logWorld{t: t, dir: filepath.Join(base, fmt.Sprint(n))}
		if err := os.Mkdir(w.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		w.start()
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) {},
			"happen": func(t *rapid.T) {
				w.second += int64(rapid.IntRange(0, 1).Draw(t, "seconds"))
				w.happen(rapid.SliceOfN(rapid.IntRange(0, 3), 0, 5).Draw(t, "lines"))
			},
			"route": func(t *rapid.T) { w.route(rapid.IntRange(1, 4).Draw(t, "entries")) },
			"write": func(t *rapid.T) {
				w.write(rapid.SampledFrom([]string{"done", "done", "done", "unanswered", "not done"}).Draw(t, "how"))
			},
			"mark":   func(t *rapid.T) { w.mark(rapid.Bool().Draw(t, "in the ledger")) },
			"die":    func(*rapid.T) { w.start() },
			"rotate": func(t *rapid.T) { w.rotate(rapid.IntRange(0, 1).Draw(t, "log")) },
		})
		w.route(len(w.entries))
		for w.write("done") {
		}
		w.judge()
	})
}

// logWorld is a ledger, its events, and two logs of one owner.
type logWorld struct {
	t       *rapid.T
	dir     string
	second  int64
	entries []logEntry // the first has index 1
	marked  ledger.Mark
	book    logbook
	writer  *logWriter
	rotated [2]int
}

type logEntry struct {
	event ledger.Event
	lines []logLine
}

var logOwner = desk.Owner{Name: "me", UID: 1000}

func (w *logWorld) path(log int) string { return filepath.Join(w.dir, fmt.Sprintf("log%d", log)) }

func (w *logWorld) start() {
	w.book = newLogbook(w.marked.Index, uint64(len(w.entries)))
	for i := range w.marked.Logs {
		w.book.recall(&w.marked.Logs[i])
	}
	w.writer = w.book.writer(logOwner)
}

// happen makes an entry with lines, each of one of two kinds and for one of two logs.
func (w *logWorld) happen(lines []int) {
	index := uint64(len(w.entries) + 1)
	e := logEntry{event: ledger.Event{Index: index, At: w.second*1000 + int64(index%1000)}}
	for i, kind := range lines {
		reason := fmt.Sprintf("%d of entry %d", i, index)
		ev := userlog.Event{Job: grid.JobID{Cluster: 1}, Time: time.Unix(w.second, 0), Body: &userlog.Held{Reason: reason}}
		if kind&1 != 0 {
			ev.Body = &userlog.Released{Reason: reason}
		}
		e.lines = append(e.lines, logLine{index: index, path: w.path(kind >> 1), text: userlog.Form{}.Encode(&ev)})
	}
	w.entries = append(w.entries, e)
}

func (w *logWorld) route(n int) {
	from := int(w.book.routed)
	some := w.entries[from:min(from+n, len(w.entries))]
	if len(some) == 0 {
		return
	}
	var events []ledger.Event
	var lines []logLine
	for _, e := range some {
		if len(e.lines) > 0 {
			events = append(events, e.event)
		}
		lines = append(lines, e.lines...)
	}
	w.book.route(events, map[desk.Owner][]logLine{logOwner: lines}, uint64(from+len(some)))
}

// write is one request to a desk, of a few lines.
func (w *logWorld) write(how string) (more bool) {
	if len(w.writer.queue) == 0 {
		w.writer.busy = false
		return false
	}
	lines := w.book.batch(w.writer, 2)
	asks := w.writer.asks(lines)
	done := make([]desk.LogAppended, len(asks))
	for i, a := range asks {
		if how == "not done" {
			break
		}
		var err error
		if done[i].Position, err = userlog.Append(a.Path, a.Entries, a.After); err != nil {
			w.t.Fatal(err)
		}
	}
	w.writer.unsure = how != "done"
	if how == "done" {
		w.book.settle(w.writer, lines, asks, done)
	}
	return true
}

func (w *logWorld) mark(durable bool) {
	m := w.book.mark(w.marked.Index)
	if m == nil || !durable {
		return
	}
	w.happen(nil) // its entry
	w.marked = *m
	w.book.marked(uint64(len(w.entries)), w.second*1000)
}

// rotate moves a log away, as others do.
func (w *logWorld) rotate(log int) {
	path := w.path(log)
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		return
	}
	for n := w.rotated[log]; n >= 0; n-- {
		older := path
		if n > 0 {
			older = fmt.Sprintf("%s.%d", path, n)
		}
		if err := os.Rename(older, fmt.Sprintf("%s.%d", path, n+1)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.rotated[log]++
}

func (w *logWorld) judge() {
	for log := range 2 {
		var want, got []byte
		for _, e := range w.entries {
			for _, line := range e.lines {
				if line.path == w.path(log) {
					want = append(want, line.text...)
				}
			}
		}
		var names []string
		for n := w.rotated[log]; n > 0; n-- {
			names = append(names, fmt.Sprintf("%s.%d", w.path(log), n))
		}
		for _, name := range append(names, w.path(log)) {
			b, err := os.ReadFile(name)
			if err != nil && !os.IsNotExist(err) {
				w.t.Fatal(err)
			}
			got = append(got, b...)
		}
		if !slices.Equal(want, got) {
			w.t.Fatalf("log %d is\n%s\nwant\n%s", log, got, want)
		}
	}
}
