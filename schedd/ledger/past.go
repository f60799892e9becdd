package ledger

import (
	"encoding/binary"
	"errors"
	"iter"

	bolt "go.etcd.io/bbolt"

	"gridburst/internal/grid"
)

// PastCluster is the record of a cluster that has left the queue.
func (r *Reader) PastCluster(id int32) (Cluster, bool, error) {
	return pastOf(r.bucket(bPastCluster), uint32(id), decodeCluster)
}

// Past is the job with that id in the history.
func (r *Reader) Past(id grid.JobID) (p Past, ok bool, err error) {
	c := r.bucket(bPast).Cursor()
	k, v := c.Seek(key8(id.Key()))
	if k == nil || be64(k) != id.Key() {
		k, v = lastBelow(c, key8(id.Key())) // a range that began before
	}
	if k == nil {
		return p, false, nil
	}
	if p, err = decodePast(k, v); err != nil {
		return p, false, err
	}
	in := p.Run.Cluster == id.Cluster && p.Run.Lo <= id.Proc && id.Proc < p.Run.Hi
	return p, in, nil
}

// lastBelow moves a cursor to the last record below a key.
func lastBelow(c *bolt.Cursor, key []byte) (k, v []byte) {
	if k, _ = c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// PastByID yields the jobs that have left the queue, highest id first, those below
// before (a [grid.JobID.Key]; 0: all).
func (r *Reader) PastByID(before uint64) iter.Seq2[Past, error] {
	return func(yield func(Past, error) bool) {
		c := r.bucket(bPast).Cursor()
		k, v := c.Last()
		if before != 0 {
			k, v = lastBelow(c, key8(before))
		}
		for ; k != nil; k, v = c.Prev() {
			p, err := decodePast(k, v)
			if !yield(p, err) {
				return
			}
		}
	}
}

// PastAt is a place in the history: a job, and when it left the queue.
type PastAt struct {
	Left int64 // ms since 1970
	Job  grid.JobID
}

// PastQuery says which part of the history is meant, and in which order.
type PastQuery struct {
	Owners  []uint32
	Since   int64  // what left the queue at or after this, ms since 1970
	From    PastAt // begin with the record that has this job; the zero PastAt: at an end
	Forward bool   // the first that left comes first; otherwise the last
}

// History yields records of the history in the order in which they left the queue, or
// the other way round.
func (r *Reader) History(q PastQuery) iter.Seq2[Past, error] {
	return func(yield func(Past, error) bool) {
		// One cursor for each owner; the first of their records is the next.
		var open []*pastCursor
		for _, o := range q.Owners {
			c := &pastCursor{owner: o, c: r.tx.Bucket(bPastOwner).Cursor()}
			if c.begin(&q); c.in(q.Since) {
				open = append(open, c)
			}
		}
		for len(open) > 0 {
			next := 0
			for i, c := range open {
				if later := string(c.k[4:]) > string(open[next].k[4:]); later != q.Forward {
					next = i
				}
			}
			c := open[next]
			k := c.k[12:]
			p, err := Past{}, error(nil)
			if _, err = unseal(c.k, c.v); err == nil {
				p, err = decodePast(k, r.bucket(bPast).Get(k))
			}
			if !yield(p, err) {
				return
			}
			if q.Forward {
				c.k, c.v = c.c.Next()
			} else {
				c.k, c.v = c.c.Prev()
			}
			if !c.in(q.Since) {
				open = append(open[:next], open[next+1:]...)
			}
		}
	}
}

// pastCursor goes through one owner's part of the index.
type pastCursor struct {
	owner uint32
	c     *bolt.Cursor
	k, v  []byte
}

func (c *pastCursor) begin(q *PastQuery) {
	end := key4(c.owner + 1)
	switch {
	case q.From != (PastAt{}):
		// It may be in a range that begins before it.
		end = pastOwnerKey(c.owner, q.From.Left, q.From.Job)
		if c.k, c.v = c.c.Seek(end); string(c.k) == string(end) {
			return
		}
	case q.Forward:
		c.k, c.v = c.c.Seek(pastOwnerKey(c.owner, q.Since, grid.JobID{}))
		return
	}
	c.k, c.v = lastBelow(c.c, end)
	if q.Forward && !c.in(q.Since) {
		c.k, c.v = c.c.Seek(end) // there is none before
	}
}

// in reports whether the cursor is at a record of its owner's that is not too old.
func (c *pastCursor) in(since int64) bool {
	return len(c.k) == 20 && be32(c.k) == c.owner && int64(be64(c.k[4:])) >= since
}

func pastOwnerKey(owner uint32, left int64, first grid.JobID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(key4(owner), uint64(left)), first.Key())
}

// indexPast makes the index of the history by owner, if there is none.
func indexPast(tx *bolt.Tx) error {
	if tx.Bucket(bPastOwner) != nil {
		return nil
	}
	index, err := tx.CreateBucket(bPastOwner)
	if err != nil {
		return err
	}
	return eachPast(tx, func(owner uint32, p *Past) error {
		k := pastOwnerKey(owner, p.Left, p.Run.First())
		return index.Put(k, seal(k, newEnc(5).b))
	})
}

// eachPast calls f for each record of the history whose cluster can be read too; the
// others are damage that the checks find.
func eachPast(tx *bolt.Tx, f func(owner uint32, p *Past) error) error {
	c := tx.Bucket(stateBuckets[bPast]).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		p, err := decodePast(k, v)
		if err != nil {
			continue
		}
		in := stateBuckets[bCluster]
		if tx.Bucket(in).Get(k[:4]) == nil {
			in = stateBuckets[bPastCluster]
		}
		cl, ok, err := pastOf(tx.Bucket(in), be32(k), decodeCluster)
		if !ok || err != nil {
			continue
		}
		if err := f(cl.Owner, &p); err != nil {
			return err
		}
	}
	return nil
}

var errPastIndex = errors.New("the index of the history is not what the history says")

// checkPast compares the index with the history.
func checkPast(tx *bolt.Tx) error {
	index := tx.Bucket(bPastOwner)
	if index == nil {
		return nil // of an older file
	}
	n := 0
	c := index.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		n++
		if _, err := unseal(k, v); err != nil {
			return err
		}
	}
	err := eachPast(tx, func(owner uint32, p *Past) error {
		if n--; index.Get(pastOwnerKey(owner, p.Left, p.Run.First())) == nil {
			return errPastIndex
		}
		return nil
	})
	if err == nil && n != 0 {
		return errPastIndex
	}
	return err
}
