package schedd

import (
	"maps"
	"slices"

	"gridburst/internal/desk"
	"gridburst/schedd/ledger"
	"gridburst/schedd/userlog"
)

// logbook is what is known of event logs: which lines are still to be written, and where
// our writing of each log ended. It does nothing by itself.
//
// How far everything is written is marked in the ledger now and then, always between
// two seconds. After a crash what was not marked is written again, and each log is
// compared first: an event that is there is not repeated. Equal events of one second
// are counted, so that none is taken for another.
type logbook struct {
	routed uint64 // entries up to here have been given to their writers
	again  uint64 // entries up to here may have been written before the start
	second int64  // of the last event routed
	edge   uint64 // the last entry that is known to be of an earlier second than what comes

	// The entry of the last mark since the start, and its second.
	markEntry  uint64
	markSecond int64

	writers map[uint32]*logWriter
}

// logWriter is one owner's logs, or the event log of all jobs.
type logWriter struct {
	owner   desk.Owner
	global  *userlog.Global // nil: of an owner
	queue   []logLine
	busy    bool
	unsure  bool                                // the last request may have been carried out
	again   uint64                              // as the logbook's; 0: all of that is written
	written uint64                              // everything of this owner's up to here is written or given up
	last    map[string]position                 // logs written since the last mark
	recall  map[string]position                 // where logs ended that the last mark before the start told of
	seen    map[string]map[userlog.Identity]int // events that may have been written before the start, by log
	refused map[string]refusal                  // logs that could not be written
	dirty   map[string]bool                     // logs that were written, and not flushed
}

type logLine struct {
	index  uint64
	before uint64 // the last entry of an earlier second
	path   string
	text   []byte
	nth    int // see [userlog.Entry]; of what may have been written before the start
}

// position is where our writing of a log ends.
type position struct {
	// What a mark may tell: lines of entries up to index are before at, and all others
	// behind it, or nowhere.
	index uint64
	at    userlog.Position

	end userlog.Position // of what was written last, which may be a part of an entry
}

// refusal is why a log could not be written.
type refusal struct {
	index uint64 // the last entry that was given up
	why   string
	over  bool // it has been written since
}

// newLogbook begins behind the last mark.
func newLogbook(marked, index uint64) logbook {
	return logbook{routed: marked, edge: marked, again: index, writers: map[uint32]*logWriter{}}
}

// recall takes in where a log ended that was written before the last mark.
func (b *logbook) recall(p *ledger.LogPosition) {
	w := b.writer(desk.Owner{UID: p.UID})
	at := userlog.Position{Device: p.Device, Inode: p.Inode, Offset: p.Offset, Born: p.Born}
	w.recall[p.Path] = position{p.Index, at, at}
	w.last[p.Path] = w.recall[p.Path]
}

func (b *logbook) writer(o desk.Owner) *logWriter {
	w := b.writers[o.UID]
	if w == nil {
		w = &logWriter{
			owner: o, again: b.again, last: map[string]position{}, recall: map[string]position{},
			refused: map[string]refusal{}, dirty: map[string]bool{},
		}
		b.writers[o.UID] = w
	}
	if o.Name != "" {
		w.owner = o
	}
	return w
}

// route takes in the lines of events up to an entry. It gives the writers that have
// something to do again.
func (b *logbook) route(events []ledger.Event, lines map[desk.Owner][]logLine, next uint64) (begin []*logWriter) {
	before := map[uint64]uint64{}
	for i := range events {
		if second := events[i].At / 1000; second > b.second {
			b.second, b.edge = second, events[i].Index-1
		}
		before[events[i].Index] = b.edge
	}
	if next >= b.markEntry && b.second < b.markSecond {
		b.edge = next // what comes is not older than the mark
	}
	for owner, list := range lines {
		w := b.writer(owner)
		for _, line := range list {
			if line.index <= w.recall[line.path].index {
				continue // known to be there
			}
			if line.index <= b.again {
				line.nth = count(&w.seen, &line)
			}
			line.before = before[line.index]
			w.queue = append(w.queue, line)
		}
		if len(w.queue) > 0 && !w.busy {
			w.busy = true
			begin = append(begin, w)
		}
	}
	b.routed = next
	return begin
}

// count is how many of its kind the line is among those that may be in its log.
func count(seen *map[string]map[userlog.Identity]int, line *logLine) int {
	if *seen == nil {
		*seen = map[string]map[userlog.Identity]int{}
	}
	if (*seen)[line.path] == nil {
		(*seen)[line.path] = map[userlog.Identity]int{}
	}
	id := userlog.IdentityOf(line.text)
	(*seen)[line.path][id]++
	return (*seen)[line.path][id]
}

// caughtUp looks whether all that may have been written before the start is written now:
// then each log ends with it.
func (b *logbook) caughtUp(w *logWriter) bool {
	if w.again == 0 {
		return true
	}
	if b.routed < w.again || len(w.queue) > 0 && w.queue[0].index <= w.again {
		return false
	}
	for path, p := range w.last {
		w.last[path] = position{w.again, p.end, p.end}
	}
	w.again, w.seen = 0, nil
	return true
}

// batch is what the writer writes next, at most so many lines.
func (b *logbook) batch(w *logWriter, limit int) []logLine {
	lines := w.queue[:min(len(w.queue), limit)]
	if !b.caughtUp(w) {
		// What may have been written before is asked for by itself.
		if i := slices.IndexFunc(lines, func(line logLine) bool { return line.index > b.again }); i > 0 {
			lines = lines[:i]
		}
	}
	return lines
}

// asks gathers lines by log.
func (w *logWriter) asks(lines []logLine) []desk.LogAppend {
	var asks []desk.LogAppend
	at := map[string]int{}
	var again map[string]map[userlog.Identity]int // counts what an unsure request has written
	for i := range lines {
		line := &lines[i]
		k, ok := at[line.path]
		if !ok {
			k = len(asks)
			at[line.path] = k
			a := desk.LogAppend{Path: line.path}
			switch {
			case w.again > 0:
				// It may be anywhere behind what was marked, also before what has been
				// written since the start.
				p := w.recall[line.path].at
				a.After = &p
			case w.unsure:
				p := w.last[line.path].end
				a.After = &p
			}
			asks = append(asks, a)
		}
		e := userlog.Entry{Text: line.text, Nth: line.nth}
		if w.unsure && w.again == 0 {
			e.Nth = count(&again, line)
		}
		asks[k].Entries = append(asks[k].Entries, e)
	}
	return asks
}

// settle takes in what became of lines. It gives the logs that are refused from now on.
func (b *logbook) settle(w *logWriter, lines []logLine, asks []desk.LogAppend, done []desk.LogAppended) (refused []desk.LogAppend) {
	last := lines[len(lines)-1].index
	cut := map[string]bool{} // logs that have a part of an entry
	upTo := last
	if rest := w.queue[len(lines):]; len(rest) > 0 && rest[0].index == last {
		upTo-- // more of this entry follows
		for i := range lines {
			if lines[i].index == last {
				cut[lines[i].path] = true
			}
		}
	}
	for i, a := range asks {
		before := w.refused[a.Path]
		if why := done[i].Error; why != "" {
			if before.why == "" || before.over {
				refused = append(refused, a)
			}
			if len(w.refused) >= 1000 {
				clear(w.refused)
			}
			w.refused[a.Path] = refusal{index: last, why: why}
			continue
		}
		if before.why != "" {
			before.over = true
			w.refused[a.Path] = before
		}
		p := w.last[a.Path]
		p.end = done[i].Position
		if w.again == 0 && !cut[a.Path] {
			p.index, p.at = upTo, p.end
		}
		w.last[a.Path] = p
		w.dirty[a.Path] = true
	}
	w.queue = append(w.queue[:0:0], w.queue[len(lines):]...)
	w.written = upTo
	return refused
}

// settled is the entry up to which everything is written or given up.
func (b *logbook) settled() uint64 {
	at := b.routed
	for _, w := range b.writers {
		if len(w.queue) > 0 {
			at = min(at, w.queue[0].index-1)
		}
	}
	return at
}

// maxPositions bounds one mark, which must fit one entry.
const maxPositions = 1500

// mark is how far everything is written; nil when nothing has happened since an entry
// was marked but that.
func (b *logbook) mark(marked uint64) *ledger.Mark {
	m := &ledger.Mark{Index: b.edge}
	for _, w := range b.writers {
		if len(w.queue) > 0 {
			m.Index = min(m.Index, w.queue[0].before)
		}
	}
	if m.Index <= max(marked, b.markEntry) {
		return nil
	}
	for uid, w := range b.writers {
		caughtUp := b.caughtUp(w)
		for path, p := range w.last {
			if len(m.Logs) == maxPositions {
				break // the rest is looked for at their ends
			}
			m.Logs = append(m.Logs, ledger.LogPosition{
				UID: uid, Path: path, Index: p.index, Device: p.at.Device, Inode: p.at.Inode, Offset: p.at.Offset, Born: p.at.Born,
			})
		}
		// What has been written of the second that goes on is known until that is marked.
		maps.DeleteFunc(w.last, func(_ string, p position) bool { return caughtUp && !w.busy && p.index <= m.Index })
	}
	return m
}

// marked takes in the entry of a mark, of an instant in ms.
func (b *logbook) marked(index uint64, at int64) { b.markEntry, b.markSecond = index, at/1000 }
