package schedd

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/ledger"
	"gridburst/schedd/userlog"
)

// logs writes the users' event logs. One goroutine follows the ledger's events and
// gives each owner's to a writer of their own, so that a user whose files hang holds
// up nobody else.
//
// How far everything is written is marked in the ledger now and then, always between
// two seconds. After a crash what was not marked is written again, and each log is
// compared first: an event that is there is not repeated. Equal events of one second
// are counted, so that none is taken for another.
type logs struct {
	d *Daemon

	mu     sync.Mutex
	wake   chan struct{} // closed when something was routed or written
	routed uint64        // entries up to here have been given to their writers
	second int64         // of the last event routed
	edge   uint64        // the last entry that is known to be of an earlier second than what comes

	// The entry of the last mark since the start, and its second.
	markEntry  uint64
	markSecond int64

	writers map[uint32]*logWriter
	again   uint64 // entries up to here may have been written before the start
}

// logWriter writes one owner's logs, or the event log of all jobs.
type logWriter struct {
	owner   desk.Owner
	global  *userlog.Global // nil: of an owner
	queue   []logLine
	busy    bool
	written uint64                              // everything of this owner's up to here is written or given up
	last    map[string]position                 // logs written since the last mark
	recall  map[string]position                 // where logs ended that the last mark before the start told of
	seen    map[string]map[userlog.Identity]int // events that may have been written before the start, by log
	refused map[string]string                   // logs that could not be written, and why
	dirty   map[string]bool                     // logs that were written, and not flushed
}

// globalUID stands where an owner's would for the event log of all jobs: no user has it.
const globalUID = ^uint32(0)

type logLine struct {
	index  uint64
	before uint64 // the last entry of an earlier second
	path   string
	text   []byte
	nth    int // see [userlog.Entry]; of what may have been written before the start
}

type position struct {
	index uint64
	at    userlog.Position
}

func newLogs(d *Daemon) *logs {
	v := d.ledger.View()
	l := &logs{d: d, wake: make(chan struct{}), writers: map[uint32]*logWriter{}, routed: v.Marked, edge: v.Marked, again: v.Index}
	if g := &d.c.EventLog; g.Path != "" {
		l.writer(desk.Owner{Name: "the event log", UID: globalUID}).global = g
	}
	return l
}

func (l *logs) run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	if err := l.recall(); err != nil {
		return err
	}
	mark := time.NewTicker(markEvery)
	defer mark.Stop()
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-mark.C:
				l.mark(ctx)
			}
		}
	})
	for {
		l.mu.Lock()
		after := l.routed
		l.mu.Unlock()
		events, next, err := l.d.ledger.Events(ctx, after, 2048)
		if grid.CodeOf(err) == grid.Gone {
			l.d.log.WithError(err).Error("events of logs are lost: the ledger's log begins later")
			next = l.d.ledger.View().LogFirst - 1
		} else if err != nil {
			return ignoreEnd(ctx, err)
		}
		l.route(ctx, &wg, events, next)
		if next > after {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.d.ledger.Changed(after):
		}
	}
}

// recall reads where the logs ended that were written before the last mark.
func (l *logs) recall() error {
	return l.d.ledger.Read(func(r *ledger.Reader) error {
		for p, err := range r.LogPositions() {
			if err != nil {
				return err
			}
			w := l.writer(desk.Owner{UID: p.UID})
			at := userlog.Position{Device: p.Device, Inode: p.Inode, Offset: p.Offset}
			w.last[p.Path], w.recall[p.Path] = position{p.Index, at}, position{p.Index, at}
		}
		return nil
	})
}

func (l *logs) writer(o desk.Owner) *logWriter {
	w := l.writers[o.UID]
	if w == nil {
		w = &logWriter{owner: o, last: map[string]position{}, recall: map[string]position{}, refused: map[string]string{}, dirty: map[string]bool{}}
		l.writers[o.UID] = w
	}
	if o.Name != "" {
		w.owner = o
	}
	return w
}

// route makes the events' texts and gives them to the writers.
func (l *logs) route(ctx context.Context, wg *sync.WaitGroup, events []ledger.Event, next uint64) {
	lines := l.linesOf(events)
	l.mu.Lock()
	defer l.mu.Unlock()
	before := map[uint64]uint64{}
	for i := range events {
		if second := events[i].At / 1000; second > l.second {
			l.second, l.edge = second, events[i].Index-1
		}
		before[events[i].Index] = l.edge
	}
	if next >= l.markEntry && l.second < l.markSecond {
		l.edge = next // what comes is not older than the mark
	}
	for owner, list := range lines {
		w := l.writer(owner)
		for _, line := range list {
			switch {
			case line.index > l.again:
				w.seen = nil
			case line.index <= w.recall[line.path].index:
				continue // known to be there
			default:
				line.nth = w.count(&line)
			}
			line.before = before[line.index]
			w.queue = append(w.queue, line)
		}
		if len(w.queue) > 0 && !w.busy {
			w.busy = true
			wg.Go(func() { l.write(ctx, w) })
		}
	}
	l.routed = next
	l.changed()
	failpoint.Hit("logs.routed")
}

// count is how many of its kind the line is among those that may be in its log.
func (w *logWriter) count(line *logLine) int {
	if w.seen == nil {
		w.seen = map[string]map[userlog.Identity]int{}
	}
	if w.seen[line.path] == nil {
		w.seen[line.path] = map[userlog.Identity]int{}
	}
	id := userlog.IdentityOf(line.text)
	w.seen[line.path][id]++
	return w.seen[line.path][id]
}

// changed wakes those who wait; l.mu is held.
func (l *logs) changed() {
	close(l.wake)
	l.wake = make(chan struct{})
}

// logLimit bounds one request to a desk; logRetry is the wait after one that failed.
const (
	logLimit  = 30 * time.Second
	logRetry  = 2 * time.Second
	markEvery = 2 * time.Second
)

// write is one owner's writer. It ends when nothing is left to write.
func (l *logs) write(ctx context.Context, w *logWriter) {
	unsure := false // the last request may have been carried out
	for {
		l.mu.Lock()
		if len(w.queue) == 0 {
			w.busy = false
			w.written = l.routed
			l.changed()
			l.mu.Unlock()
			return
		}
		lines := w.queue[:min(len(w.queue), 1000)]
		if lines[0].index <= l.again {
			// What may have been written before is asked for by itself.
			if i := slices.IndexFunc(lines, func(line logLine) bool { return line.index > l.again }); i > 0 {
				lines = lines[:i]
			}
		}
		asks := l.asksOf(w, lines, unsure)
		owner := w.owner
		l.mu.Unlock()
		limited, cancel := context.WithTimeout(ctx, logLimit)
		failpoint.Hit("logs.append.before")
		done, err := l.append(limited, w, owner, asks)
		failpoint.Hit("logs.append.after")
		cancel()
		if ctx.Err() != nil {
			return // the next start goes on from the mark
		}
		if err != nil {
			l.d.log.WithError(err).WithField("owner", owner.Name).Warn("event logs cannot be written now")
			unsure = true
			if pause.For(ctx, logRetry) != nil {
				return
			}
			continue
		}
		unsure = false
		l.settle(w, lines, asks, done)
		failpoint.Hit("logs.settled")
	}
}

// append writes to logs: an owner's through the owner's desk, the one of all jobs, which
// is the schedd's own, at once.
func (l *logs) append(ctx context.Context, w *logWriter, owner desk.Owner, asks []desk.LogAppend) ([]desk.LogAppended, error) {
	if w.global == nil {
		return l.d.desks.AppendLogs(ctx, owner, asks)
	}
	done := make([]desk.LogAppended, len(asks))
	for i, a := range asks {
		at, err := w.global.Append(a.Entries, a.After)
		if err != nil {
			done[i].Error = err.Error()
		}
		done[i].Position = at
	}
	return done, nil
}

// asksOf gathers lines by log; l.mu is held.
func (l *logs) asksOf(w *logWriter, lines []logLine, unsure bool) []desk.LogAppend {
	var asks []desk.LogAppend
	at := map[string]int{}
	var again logWriter // counts what an unsure request has written
	for i := range lines {
		line := &lines[i]
		k, ok := at[line.path]
		if !ok {
			k = len(asks)
			at[line.path] = k
			a := desk.LogAppend{Path: line.path}
			switch {
			case line.index <= l.again:
				// It may be anywhere behind what was marked, also before what has been
				// written since the start.
				p := w.recall[line.path].at
				a.After = &p
			case unsure:
				p := w.last[line.path].at
				a.After = &p
			}
			asks = append(asks, a)
		}
		e := userlog.Entry{Text: line.text, Nth: line.nth}
		if unsure && e.Nth == 0 {
			e.Nth = again.count(line)
		}
		asks[k].Entries = append(asks[k].Entries, e)
	}
	return asks
}

func (l *logs) settle(w *logWriter, lines []logLine, asks []desk.LogAppend, done []desk.LogAppended) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := lines[len(lines)-1].index
	if rest := w.queue[len(lines):]; len(rest) > 0 && rest[0].index == last {
		last-- // more of this entry follows
	}
	for i, a := range asks {
		if done[i].Error == "" {
			w.last[a.Path] = position{last, done[i].Position}
			w.dirty[a.Path] = true
			delete(w.refused, a.Path)
			continue
		}
		if _, known := w.refused[a.Path]; !known {
			l.d.log.WithFields(map[string]any{"owner": w.owner.Name, "path": a.Path, "error": done[i].Error}).Warn("event log cannot be written")
		}
		if len(w.refused) >= 1000 {
			clear(w.refused)
		}
		w.refused[a.Path] = done[i].Error
	}
	w.queue = append(w.queue[:0:0], w.queue[len(lines):]...)
	w.written = last - 1 // of the last entry more lines may follow
	l.changed()
}

// settled is the entry up to which everything is written or given up.
func (l *logs) settled() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.routed
	for _, w := range l.writers {
		if w.busy && len(w.queue) > 0 {
			at = min(at, w.queue[0].index-1)
		}
	}
	return at
}

// wait returns when everything of the owner's up to the entry is written, or ctx
// ends. The text says what is wrong with the log, if something is.
func (l *logs) wait(ctx context.Context, uid uint32, index uint64, path string) (warning string) {
	for {
		l.mu.Lock()
		w := l.writers[uid]
		settled := l.routed >= index && (w == nil || !w.busy || w.written >= index)
		if settled && w != nil {
			warning = w.refused[path]
		}
		wake := l.wake
		l.mu.Unlock()
		if settled {
			return warning
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return "it does not answer; events will be written when it does"
		}
	}
}

// reached returns when the events up to an entry have been given to their writers.
func (l *logs) reached(ctx context.Context, index uint64) error {
	for {
		l.mu.Lock()
		done, wake := l.routed >= index, l.wake
		l.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// mark tells the ledger how far everything is written.
func (l *logs) mark(ctx context.Context) {
	m := &ledger.Mark{}
	l.mu.Lock()
	m.Index = l.edge
	for _, w := range l.writers {
		if w.busy && len(w.queue) > 0 {
			m.Index = min(m.Index, w.queue[0].before)
		}
	}
	if m.Index <= max(l.d.ledger.View().Marked, l.markEntry) {
		l.mu.Unlock()
		return // nothing has happened but the last mark
	}
	for uid, w := range l.writers {
		for path, p := range w.last {
			if len(m.Logs) == maxPositions {
				break // the rest is looked for at their ends
			}
			m.Logs = append(m.Logs, ledger.LogPosition{
				UID: uid, Path: path, Index: p.index, Device: p.at.Device, Inode: p.at.Inode, Offset: p.at.Offset,
			})
		}
		// What has been written of the second that goes on is known until that is marked.
		maps.DeleteFunc(w.last, func(_ string, p position) bool { return !w.busy && p.index <= m.Index })
	}
	l.mu.Unlock()
	if err := l.flush(ctx); err != nil {
		if ctx.Err() == nil {
			l.d.log.WithError(err).Warn("event logs cannot be flushed now")
		}
		return
	}
	failpoint.Hit("logs.mark.before")
	at := l.d.now()
	r, err := l.d.ledger.Propose(ctx, ledger.Command{By: "schedd", At: at, Body: m})
	if err != nil {
		if ctx.Err() == nil {
			l.d.log.WithError(err).Warn("how far event logs are written could not be marked")
		}
		return
	}
	failpoint.Hit("logs.mark.after")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.markEntry, l.markSecond = r.Index, at/1000
}

// flush sees logs on the disk: what is marked as written is not looked for after a power
// cut.
func (l *logs) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.writers {
		if len(w.dirty) == 0 {
			continue
		}
		owner, dirty := w.owner, w.dirty
		w.dirty = map[string]bool{}
		l.mu.Unlock()
		err := l.sync(ctx, w, owner, slices.Collect(maps.Keys(dirty)))
		l.mu.Lock()
		if err != nil {
			maps.Copy(w.dirty, dirty)
			return err
		}
	}
	return nil
}

func (l *logs) sync(ctx context.Context, w *logWriter, owner desk.Owner, paths []string) error {
	if w.global == nil {
		return l.d.desks.SyncLogs(ctx, owner, paths)
	}
	return userlog.Sync(paths)
}

// maxPositions bounds one mark, which must fit one entry.
const maxPositions = 1500
