package ledger

import (
	"iter"

	bolt "go.etcd.io/bbolt"

	"gridburst/internal/grid"
)

// Record is an entry as the log has it: the command and what came of it.
type Record struct {
	Entry
	Time   int64 // the time it counted at, ms since 1970: At, unless that had gone back
	Err    *grid.Error
	Events []Event
}

func encodeBody(b Body) []byte {
	var e enc
	b.encode(&e)
	return e.b
}

func encodeEntry(e *Entry, at int64, refused *grid.Error, events []Event) *enc {
	w := newEnc(256)
	w.byte(byte(e.Body.Kind()))
	w.str(e.Key)
	w.str(e.By)
	w.i(e.At)
	w.i(at - e.At)
	if e.body == nil {
		e.body = encodeBody(e.Body)
	}
	w.bytes(e.body)
	w.bool(refused != nil)
	if refused != nil {
		w.str(string(refused.Code))
		w.str(refused.Message)
	}
	w.u(uint64(len(events)))
	for i := range events {
		w.event(&events[i])
	}
	return w
}

func decodeEntry(k, v []byte) (r Record, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return r, err
	}
	d := dec{b: body}
	kind := Kind(d.byte())
	def, ok := kinds[kind]
	if !ok {
		return r, grid.Errorf(grid.Invalid, "entry %d is of kind %d, which this program does not know", be64(k), kind)
	}
	r.Index = be64(k)
	r.Key, r.By, r.At = d.str(), d.str(), d.i()
	r.Time = r.At + d.i()
	b := dec{b: d.take()}
	r.Body = def.make()
	r.Body.decode(&b)
	if err := b.err(); err != nil {
		return r, err
	}
	if d.bool() {
		r.Err = &grid.Error{Code: grid.Code(d.str()), Message: d.str()}
	}
	if n := d.count(13); n > 0 {
		r.Events = make([]Event, n)
		for i := range r.Events {
			ev := d.event()
			ev.Index, ev.Seq, ev.At = r.Index, uint32(i), r.Time
			r.Events[i] = ev
		}
	}
	return r, d.err()
}

// Entries yields the log from entry first on, to entry last if that is not 0. A
// damaged entry ends it with an error that names the entry.
func (r *Reader) Entries(first, last uint64) iter.Seq2[Record, error] {
	return entries(r.tx, first, last)
}

func entries(tx *bolt.Tx, first, last uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		c := tx.Bucket(bLog).Cursor()
		for k, v := c.Seek(key8(first)); k != nil && (last == 0 || be64(k) <= last); k, v = c.Next() {
			rec, err := decodeEntry(k, v)
			if err != nil {
				yield(rec, grid.Errorf(grid.Internal, "log entry %d: %w", be64(k), err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}
