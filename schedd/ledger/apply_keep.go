package ledger

import (
	"encoding/binary"

	"gridburst/internal/grid"
)

// Idempotency keys. A known key's value is the kind of the first command, its
// index, and its result as two numbers.

func scopedKey(e *Entry) []byte {
	k := make([]byte, 0, len(e.By)+1+len(e.Key))
	k = append(k, e.By...)
	k = append(k, 0)
	return append(k, e.Key...)
}

func (t *txn) known(e *Entry) (value any, ok bool, err error) {
	body, err := t.get(bKey, scopedKey(e))
	if body == nil {
		return nil, false, err
	}
	return decodeFirst(body), true, nil
}

func decodeFirst(body []byte) any {
	d := dec{b: body}
	kind := Kind(d.byte())
	d.u()
	d.i()
	a, b := d.u(), d.u()
	if kind == KindSubmit {
		return Submitted{Cluster: int32(a), Procs: int32(b)}
	}
	return uint32(a)
}

func (t *txn) remember(e *Entry, value any) {
	var a, b uint64
	switch v := value.(type) {
	case Submitted:
		a, b = uint64(v.Cluster), uint64(v.Procs)
	case uint32:
		a = uint64(v)
	}
	w := newEnc(32)
	w.byte(byte(e.Body.Kind()))
	w.u(e.Index)
	w.i(t.at)
	w.u(a)
	w.u(b)
	k := scopedKey(e)
	t.put(bKey, k, w)
	t.put(bKeyAge, binary.BigEndian.AppendUint64(key8(uint64(t.at)), e.Index), raw(k))
}

func (c *Forget) apply(t *txn) (any, error) {
	n := 0
	var old [][]byte
	ages := t.bucket(bKeyAge).Cursor()
	for k, _ := ages.First(); k != nil && n < int(c.Max) && int64(be64(k)) < c.Keys; k, _ = ages.Next() {
		old = append(old, append([]byte(nil), k...))
		n++
	}
	for _, k := range old {
		if body, err := t.get(bKeyAge, k); err == nil {
			t.drop(bKey, append([]byte(nil), body...))
		}
		t.drop(bKeyAge, k)
	}
	old = nil
	stages := t.bucket(bStage).Cursor()
	for k, v := stages.First(); k != nil && n < int(c.Max); {
		if begun, err := unseal(k, v); len(k) == 4 && err == nil && int64(be64(begun)) >= c.Stages {
			k, v = stages.Seek(keyPair(be32(k), baseProc)) // past its chunks
			continue
		}
		old = append(old, append([]byte(nil), k...))
		n++
		k, v = stages.Next()
	}
	for _, k := range old {
		t.drop(bStage, k)
	}
	return n, nil
}

func (c *Mark) apply(t *txn) (any, error) {
	if c.Index > t.v.Index || c.Index < t.v.Marked {
		return nil, grid.Errorf(grid.Conflict, "mark at entry %d: the last is at %d, the log at %d", c.Index, t.v.Marked, t.v.Index)
	}
	t.v.Marked = c.Index
	var old [][]byte
	cur := t.bucket(bLogPosition).Cursor()
	for k, _ := cur.First(); k != nil; k, _ = cur.Next() {
		old = append(old, append([]byte(nil), k...))
	}
	for _, k := range old {
		t.drop(bLogPosition, k)
	}
	for i := range c.Logs {
		l := &c.Logs[i]
		w := newEnc(32)
		w.u(l.Index)
		w.u(l.Device)
		w.u(l.Inode)
		w.i(l.Offset)
		if l.Born != 0 {
			w.i(l.Born)
		}
		t.put(bLogPosition, append(key4(l.UID), l.Path...), w)
	}
	return nil, nil
}

func decodeLogPosition(k, v []byte) (p LogPosition, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return p, err
	}
	d := dec{b: body}
	p = LogPosition{UID: be32(k), Path: string(k[4:]), Index: d.u(), Device: d.u(), Inode: d.u(), Offset: d.i()}
	if d.more() {
		p.Born = d.i()
	}
	return p, d.err()
}

func (ck *Checkpoint) apply(t *txn) (any, error) {
	if ck.Index >= t.v.Index || ck.Index < t.v.Checkpoint || ck.Trim > ck.Index {
		return nil, grid.Errorf(grid.Conflict, "checkpoint of entry %d: the last is of %d, the log is at %d", ck.Index, t.v.Checkpoint, t.v.Index)
	}
	t.v.Checkpoint, t.v.CheckpointName = ck.Index, ck.Name
	n := 0
	log := t.tx.Bucket(bLog)
	c := log.Cursor()
	k, _ := c.First()
	for ; k != nil && be64(k) <= ck.Trim && n < int(ck.Max); k, _ = c.First() {
		if err := log.Delete(append([]byte(nil), k...)); err != nil {
			panic(err)
		}
		n++
	}
	if k != nil {
		t.v.LogFirst = be64(k)
	}
	return n, nil
}
