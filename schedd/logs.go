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
type logs struct {
	d *Daemon

	mu   sync.Mutex
	wake chan struct{} // closed when something was routed or written
	book logbook
}

// globalUID stands where an owner's would for the event log of all jobs: no user has it.
const globalUID = ^uint32(0)

func newLogs(d *Daemon) *logs {
	v := d.ledger.View()
	l := &logs{d: d, wake: make(chan struct{}), book: newLogbook(v.Marked, v.Index)}
	if g := &d.c.EventLog; g.Path != "" {
		l.book.writer(desk.Owner{Name: "the event log", UID: globalUID}).global = g
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
		after := l.book.routed
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
			l.book.recall(&p)
		}
		return nil
	})
}

// route makes the events' texts and gives them to the writers.
func (l *logs) route(ctx context.Context, wg *sync.WaitGroup, events []ledger.Event, next uint64) {
	lines := l.linesOf(events)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.book.route(events, lines, next) {
		wg.Go(func() { l.write(ctx, w) })
	}
	l.changed()
	failpoint.Hit("logs.routed")
}

// changed wakes those who wait; l.mu is held.
func (l *logs) changed() {
	close(l.wake)
	l.wake = make(chan struct{})
}

// logLimit bounds one request to a desk, and logLines what is in it; logRetry is the wait
// after one that failed.
const (
	logLimit  = 30 * time.Second
	logLines  = 1000
	logRetry  = 2 * time.Second
	markEvery = 2 * time.Second
)

// write is one owner's writer. It ends when nothing is left to write.
func (l *logs) write(ctx context.Context, w *logWriter) {
	for {
		l.mu.Lock()
		if len(w.queue) == 0 {
			w.busy = false
			w.written = l.book.routed
			l.changed()
			l.mu.Unlock()
			return
		}
		lines := l.book.batch(w, logLines)
		asks := w.asks(lines)
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
		w.unsure = err != nil
		if err != nil {
			l.d.log.WithError(err).WithField("owner", owner.Name).Warn("event logs cannot be written now")
			if pause.For(ctx, logRetry) != nil {
				return
			}
			continue
		}
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

func (l *logs) settle(w *logWriter, lines []logLine, asks []desk.LogAppend, done []desk.LogAppended) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.book.settle(w, lines, asks, done) {
		l.d.log.WithFields(map[string]any{"owner": w.owner.Name, "path": a.Path, "error": w.refused[a.Path].why}).Warn("event log cannot be written")
	}
	l.changed()
}

// settled is the entry up to which everything is written or given up.
func (l *logs) settled() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.book.settled()
}

// wait returns when everything of the owner's up to the entry is written, or ctx
// ends. The text says what is wrong with the log, if something is.
func (l *logs) wait(ctx context.Context, uid uint32, index uint64, path string) (warning string) {
	for {
		l.mu.Lock()
		w := l.book.writers[uid]
		settled := l.book.routed >= index && (w == nil || !w.busy || w.written >= index)
		if settled && w != nil && w.refused[path].index >= index {
			warning = w.refused[path].why
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
		done, wake := l.book.routed >= index, l.wake
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
	l.mu.Lock()
	m := l.book.mark(l.d.ledger.View().Marked)
	l.mu.Unlock()
	if m == nil {
		return
	}
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
	l.book.marked(r.Index, at)
}

// flush sees logs on the disk: what is marked as written is not looked for after a power
// cut.
func (l *logs) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.book.writers {
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
