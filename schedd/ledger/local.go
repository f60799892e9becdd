package ledger

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
)

// Log puts commands in order. Nothing above it knows how: one goroutine here, a
// quorum elsewhere.
type Log interface {
	// Propose returns once the command is durable and visible. The error is the
	// refusal, or [grid.Unknown] when it is not known whether the command counted:
	// ctx ended, or the daemon is stopping. Then the same key may be proposed again.
	Propose(ctx context.Context, c Command) (Result, error)
	// Leader reports whether this process may act on the world.
	Leader() bool
}

// Ledger is a machine with the log that feeds it, in a directory that no other
// process has.
type Ledger struct {
	*Machine
	dir       string
	file      os.FileInfo // the queue file that is open
	lock      *os.File
	space     space
	proposals chan proposal
	stopped   chan struct{} // closed when Run has returned
	committed func(int, time.Duration)
	begun     atomic.Int64 // when the batch that is being written was begun, ms since 1970; 0: none is
}

type proposal struct {
	entry Entry
	reply chan Result
}

// FileName is the queue file's name within its directory.
const FileName = "queue.db"

// Open locks dir, which must exist, and opens or creates the queue file in it.
func Open(dir string, o Options) (*Ledger, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	err = dropBroken(dir)
	var m *Machine
	if err == nil {
		m, err = OpenMachine(filepath.Join(dir, FileName), o)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	file, err := os.Stat(m.path)
	if err != nil {
		m.Close()
		lock.Close()
		return nil, err
	}
	l := &Ledger{
		Machine: m, dir: dir, file: file, lock: lock, space: space{dir: dir, reserve: o.Reserve, free: freeBytes},
		proposals: make(chan proposal, 1024), stopped: make(chan struct{}), committed: o.Committed,
	}
	if l.space.reserve == 0 {
		l.space.reserve = DefaultReserve
	}
	if err := l.space.prepare(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// lockPatience is how long the lock of a schedd is waited for that may be dead already:
// one that was killed while it started a child leaves the lock to it until the child has
// become another program.
const lockPatience = time.Second

// lockDir locks the directory itself: a lock on a file in it would go with the file
// when that is renamed away.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "open the spool directory: %w", err)
	}
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK || time.Since(begun) > lockPatience {
			break
		}
	}
	if err != nil {
		f.Close()
		if err == unix.EWOULDBLOCK {
			return nil, grid.Errorf(grid.Refused, "another schedd has %s; stop that one first", dir)
		}
		return nil, grid.Errorf(grid.Invalid, "lock %s: %w", dir, err)
	}
	return f, nil
}

// Close closes the file and gives the directory free. Run must have returned.
func (l *Ledger) Close() error {
	err := l.Machine.Close()
	l.lock.Close()
	return err
}

// Leader is always true: there is one schedd.
func (l *Ledger) Leader() bool { return true }

// Load is what a ledger has to do, and the room that it has for it.
type Load struct {
	Waiting   int           // proposals
	Writing   time.Duration // how long the batch under way has taken so far; 0: there is none
	FileBytes int64
	FreeBytes int64 // of the disk
	Reserve   int64 // bytes of the disk below which nothing new is taken
}

// Load looks at the ledger and its disk.
func (l *Ledger) Load() Load {
	out := Load{Waiting: len(l.proposals), Reserve: l.space.reserve}
	if at := l.begun.Load(); at != 0 {
		out.Writing = max(time.Since(time.UnixMilli(at)), 0)
	}
	if info, err := os.Stat(filepath.Join(l.dir, FileName)); err == nil {
		out.FileBytes = info.Size()
	}
	if free, err := l.space.free(l.dir); err == nil {
		out.FreeBytes = free
	}
	return out
}

// Propose implements [Log].
func (l *Ledger) Propose(ctx context.Context, c Command) (Result, error) {
	p, err := l.Offer(ctx, c)
	if err != nil {
		return Result{}, err
	}
	return l.Await(ctx, p)
}

// Pending is a command that has its place behind those offered before it.
type Pending struct{ reply chan Result }

// Offer is the first half of Propose: what one goroutine offers comes in that order,
// and mostly in one batch.
func (l *Ledger) Offer(ctx context.Context, c Command) (Pending, error) {
	p := proposal{entry: Entry{Command: c, body: encodeBody(c.Body)}, reply: make(chan Result, 1)}
	if n := len(p.entry.body); n > MaxEntry {
		return Pending{}, grid.Errorf(grid.TooLarge, "the request is %s long; at most %s", grid.FormatSize(int64(n)), grid.FormatSize(MaxEntry))
	}
	if len(c.Key) > MaxKey {
		return Pending{}, grid.Errorf(grid.Invalid, "the idempotency key has %d bytes: at most %d", len(c.Key), MaxKey)
	}
	select {
	case l.proposals <- p:
		return Pending{p.reply}, nil
	case <-ctx.Done():
		return Pending{}, grid.Errorf(grid.Unavailable, "not proposed: %w", context.Cause(ctx))
	case <-l.stopped:
		return Pending{}, grid.Errorf(grid.Unavailable, "the schedd is stopping; try again")
	}
}

// Await is the second half of Propose.
func (l *Ledger) Await(ctx context.Context, p Pending) (Result, error) {
	select {
	case r := <-p.reply:
		return answer(r)
	case <-ctx.Done():
		return Result{}, grid.Errorf(grid.Unknown, "gave up waiting for the queue file: %w", context.Cause(ctx))
	case <-l.stopped:
		select {
		case r := <-p.reply:
			return answer(r)
		default:
			return Result{}, grid.Errorf(grid.Unknown, "the schedd stopped meanwhile; ask again")
		}
	}
}

func answer(r Result) (Result, error) {
	switch {
	case r.Stopped != nil:
		return r, r.Stopped
	case r.Err != nil:
		return r, r.Err
	}
	return r, nil
}

// One batch is what came while the last one was being written, up to these.
const (
	batchEntries = 1024
	batchBytes   = 4 << 20
)

// Run applies proposals until ctx ends (then it returns nil) or the file cannot be
// written (then nothing may go on: the process must restart and look).
func (l *Ledger) Run(ctx context.Context) error {
	defer close(l.stopped)
	index := l.View().Index
	var batch []proposal
	answer := func(results []Result) {
		for i := range batch {
			batch[i].reply <- results[i]
			failpoint.Hit("ledger.answer.some")
		}
	}
	if failpoint.AckEarly {
		l.early = func(results []Result) {
			answer(results)
			time.Sleep(10 * time.Millisecond) // as a busy disk takes, so that the answers arrive
		}
	}
	look := time.NewTicker(presentEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if err := l.present(); err != nil {
				return err
			}
			continue
		case p := <-l.proposals:
			batch = l.collect(append(batch[:0], p))
		case <-ctx.Done():
			return nil
		}
		batch = l.refuseGrowth(batch)
		entries := make([]Entry, len(batch))
		for i := range batch {
			index++
			batch[i].entry.Index = index
			entries[i] = batch[i].entry
		}
		if len(entries) == 0 {
			continue
		}
		failpoint.Hit("ledger.apply.before")
		begun := time.Now()
		l.begun.Store(begun.UnixMilli())
		results := l.ApplyBatch(entries)
		l.begun.Store(0)
		if l.committed != nil {
			l.committed(len(entries), time.Since(begun))
		}
		failpoint.Hit("ledger.answer.before")
		if !failpoint.AckEarly {
			answer(results)
		}
		if l.dead != nil {
			return l.dead
		}
		failpoint.Hit("ledger.answer.after")
	}
}

func (l *Ledger) collect(batch []proposal) []proposal {
	size := len(batch[0].entry.body)
	for len(batch) < batchEntries && size < batchBytes {
		select {
		case p := <-l.proposals:
			batch = append(batch, p)
			size += len(p.entry.body)
		default:
			return batch
		}
	}
	return batch
}

// refuseGrowth answers the proposals that the disk has no room for.
func (l *Ledger) refuseGrowth(batch []proposal) []proposal {
	err := l.space.check()
	if err == nil {
		return batch
	}
	kept := batch[:0]
	for _, p := range batch {
		if kinds[p.entry.Body.Kind()].grows {
			p.reply <- Result{Err: err}
			continue
		}
		kept = append(kept, p)
	}
	return kept
}
