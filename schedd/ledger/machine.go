package ledger

import (
	"context"
	"fmt"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
)

// Entry is a command with its place in history.
type Entry struct {
	Index uint64
	Command

	body []byte // Body encoded, if it has been
}

// Result is what became of an entry.
type Result struct {
	Index   uint64
	Value   any         // by the kind of command; of a repeated key, the first one's
	Err     *grid.Error // a refusal: the state is unchanged
	Repeat  bool        // the key was known: nothing was done again
	Stopped error       // the machine has stopped: whether it counted is not known
}

// Machine is the only thing that can change a job. It folds entries into a bbolt
// file and an immutable [View].
//
// Exactly one goroutine calls ApplyBatch, Snapshot may run beside it, and View,
// Read, Events and Changed are for everybody.
type Machine struct {
	db   *bolt.DB
	path string
	view atomic.Pointer[View]
	hub  hub

	damage []Damage
	dead   error          // set once, by a commit whose outcome is not known
	early  func([]Result) // of the planted bug failpoint.AckEarly
}

// OpenMachine opens or creates the file at path and builds the view.
func OpenMachine(path string, o Options) (*Machine, error) {
	db, err := openFile(path, o)
	if err != nil {
		return nil, err
	}
	m := &Machine{db: db, path: path}
	var v *View
	err = db.View(func(tx *bolt.Tx) (err error) {
		v, m.damage, err = loadView(tx)
		return err
	})
	if err != nil {
		db.Close()
		return nil, grid.Errorf(grid.Invalid, "read %s: %w; restore it from a backup with gadm restore", path, err)
	}
	m.view.Store(v)
	m.hub.start(v.Index)
	return m, nil
}

// Close ends the machine. Nothing may use it afterwards.
func (m *Machine) Close() error { return m.db.Close() }

// Damage lists the records that could not be read when the file was opened.
func (m *Machine) Damage() []Damage { return m.damage }

// View is the state as of now.
func (m *Machine) View() *View { return m.view.Load() }

// ApplyBatch applies entries in order, as one transaction. On return they are
// durable and visible. An entry at or before the view's index was applied before
// and is skipped: its Result has no Value.
//
// When the commit fails its outcome is not known (bbolt may have written it): the
// machine stops for good, and every Result says so.
func (m *Machine) ApplyBatch(entries []Entry) []Result {
	results := make([]Result, len(entries))
	if m.dead != nil {
		return stopped(results, m.dead)
	}
	tx, err := m.db.Begin(true)
	if err != nil {
		return stopped(results, m.stop(err))
	}
	defer tx.Rollback() // after a panic; otherwise it does nothing
	old := m.View()
	t := &txn{tx: tx, v: *old, ed: new(editor)}
	log := tx.Bucket(bLog)
	log.FillPercent = 0.95 // it only grows at its end
	var events []Event
	for i := range entries {
		e := &entries[i]
		results[i].Index = e.Index
		if e.Index <= t.v.Index {
			continue
		}
		t.run(e, &results[i])
		events = append(events, t.events...)
		k := key8(e.Index)
		store(log, k, encodeEntry(e, t.at, results[i].Err, t.events))
		failpoint.Hit("ledger.apply.some")
	}
	if t.v.Index == old.Index {
		return results
	}
	if t.v.LogFirst == 0 {
		t.v.LogFirst = entries[0].Index
	}
	store(tx.Bucket(bMeta), kState, t.v.encodeState())
	if failpoint.AckEarly && m.early != nil {
		m.early(results)
	}
	failpoint.Hit("ledger.commit.before")
	if err := tx.Commit(); err != nil {
		return stopped(results, m.stop(err))
	}
	failpoint.Hit("ledger.commit.after")
	m.view.Store(&t.v)
	failpoint.Hit("ledger.publish.after")
	m.hub.publish(t.v.Index, events)
	return results
}

// store writes what is not the fold of the log; failures are as in txn.put.
func store(b *bolt.Bucket, key []byte, value *enc) {
	if err := b.Put(key, seal(key, value.b)); err != nil {
		panic(err)
	}
}

func stopped(results []Result, err error) []Result {
	for i := range results {
		results[i] = Result{Index: results[i].Index, Stopped: err}
	}
	return results
}

// stop ends the machine after a failure whose effect on the disk is not known.
func (m *Machine) stop(err error) error {
	m.dead = grid.Errorf(grid.Unknown, "the queue file %s could not be written: %w; the daemon must restart and look", m.path, err)
	return m.dead
}

// run applies one entry. A panic names the entry: history must not go on past one
// that was half applied.
func (t *txn) run(e *Entry, r *Result) {
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("ledger: apply entry %d (%s by %s): %v", e.Index, e.Body.Kind(), e.By, p))
		}
	}()
	t.v.Index = e.Index
	t.v.At = max(t.v.At, e.At)
	t.index, t.at, t.by, t.events = e.Index, t.v.At, e.By, nil
	if e.Key != "" {
		first, known, err := t.known(e)
		if err != nil {
			r.Err = refusal(err)
			return
		}
		if known {
			r.Value, r.Repeat = first, true
			return
		}
	}
	value, err := e.Body.apply(t)
	if err != nil {
		if len(t.events) > 0 {
			panic("it was refused after it had done something")
		}
		r.Err = refusal(err)
		return
	}
	r.Value = value
	if e.Key != "" {
		t.remember(e, value)
	}
}

func refusal(err error) *grid.Error {
	if e, ok := err.(*grid.Error); ok {
		return e
	}
	return &grid.Error{Code: grid.Internal, Message: err.Error(), Err: err}
}

// Changed is closed once the view's index is beyond index.
func (m *Machine) Changed(index uint64) <-chan struct{} { return m.hub.changed(index) }

// Events are those of the entries after index, oldest first, whole entries at a
// time, about max of them; next is the index to go on from. Events that memory has
// no more are read from the log; [grid.Gone] says that the log begins later.
func (m *Machine) Events(ctx context.Context, index uint64, max int) (events []Event, next uint64, err error) {
	if events, next, ok := m.hub.after(index, max); ok {
		return events, next, nil
	}
	// What is committed and not published is not announced either: whoever hears of a job
	// finds it in the view.
	published := m.View().Index
	if index >= published {
		return nil, index, nil
	}
	err = m.Read(func(r *Reader) error {
		for e, err := range r.Entries(index+1, published) {
			if err != nil {
				return err
			}
			if e.Index != next+1 && next != 0 || next == 0 && e.Index != index+1 {
				return grid.Errorf(grid.Gone, "the log begins at entry %d; events after %d are not kept", e.Index, index)
			}
			next = e.Index
			if events = append(events, e.Events...); len(events) >= max || ctx.Err() != nil {
				break
			}
		}
		return ctx.Err()
	})
	if err == nil && next == 0 {
		next = index
	}
	return events, next, err
}
