package ledger

import (
	"iter"

	bolt "go.etcd.io/bbolt"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// Reader looks at what the view does not hold. It is one short bbolt read
// transaction and may be newer than a view taken before; nothing it gives shares
// the file's memory unless said so.
type Reader struct{ tx *bolt.Tx }

// Read calls f with a reader. While f runs no page of the file is used anew, so it
// must not wait for anybody.
func (m *Machine) Read(f func(*Reader) error) error {
	return m.db.View(func(tx *bolt.Tx) error { return f(&Reader{tx}) })
}

func (r *Reader) bucket(b bucket) *bolt.Bucket { return r.tx.Bucket(stateBuckets[b]) }

func (r *Reader) sealed(b bucket, key []byte, what string) ([]byte, error) {
	v := r.bucket(b).Get(key)
	if v == nil {
		return nil, nil
	}
	body, err := unseal(key, v)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "%s: %w", what, err)
	}
	return append([]byte(nil), body...), nil
}

// Template is the shared part of ads with that number; nil when there is none.
func (r *Reader) Template(id uint32) ([]byte, error) {
	return r.sealed(bTemplate, key4(id), "template")
}

// HasTemplate reports whether a submit may name a template by hash alone.
func (r *Reader) HasTemplate(hash [16]byte) bool {
	return r.bucket(bTemplateHash).Get(hash[:]) != nil
}

// HasKey reports whether a command of that proposer with that idempotency key is known.
func (r *Reader) HasKey(by, key string) bool {
	return r.bucket(bKey).Get(scopedKey(&Entry{Command: Command{By: by, Key: key}})) != nil
}

// Own is what a cluster's ads have beside the template; nil when they have nothing.
func (r *Reader) Own(cluster int32) ([]byte, error) {
	return r.sealed(bOwn, key4(uint32(cluster)), "cluster "+grid.WholeCluster(cluster).String())
}

// Items yields the chunks of a cluster's item data, in order.
func (r *Reader) Items(cluster int32) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		c := r.bucket(bItems).Cursor()
		for k, v := c.Seek(keyPair(uint32(cluster), 0)); k != nil && be32(k) == uint32(cluster); k, v = c.Next() {
			body, err := unseal(k, v)
			if !yield(append([]byte(nil), body...), err) || err != nil {
				return
			}
		}
	}
}

// Attrs are the attributes that were set after the submit, of a job in the queue.
func (r *Reader) Attrs(v *View, id grid.JobID) ([]Attr, error) {
	j, ok := v.Job(id)
	if !ok || j.Flags&HasAttrs == 0 {
		return nil, nil
	}
	// Its own, or those that it shares with the rest of the cluster.
	for _, proc := range [...]uint32{uint32(id.Proc), baseProc} {
		k := keyPair(uint32(id.Cluster), proc)
		if value := r.bucket(bAttrs).Get(k); value != nil {
			return decodeAttrs(k, value)
		}
	}
	return nil, nil // it has left since the view was made
}

// PastCluster is the record of a cluster that has left the queue.
func (r *Reader) PastCluster(id int32) (c Cluster, ok bool, err error) {
	k := key4(uint32(id))
	v := r.bucket(bPastCluster).Get(k)
	if v == nil {
		return c, false, nil
	}
	c, err = decodeCluster(k, v)
	return c, err == nil, err
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
	return p, p.Run.Has(id), nil
}

// lastBelow moves a cursor to the last record below a key.
func lastBelow(c *bolt.Cursor, key []byte) (k, v []byte) {
	if k, _ = c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// History yields the jobs that have left the queue, highest id first, those below
// before (a [grid.JobID.Key]; 0: all).
func (r *Reader) History(before uint64) iter.Seq2[Past, error] {
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

// LogPositions yields where our writing of user logs ends.
func (r *Reader) LogPositions() iter.Seq2[LogPosition, error] {
	return func(yield func(LogPosition, error) bool) {
		c := r.bucket(bLogPosition).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			p, err := decodeLogPosition(k, v)
			if !yield(p, err) {
				return
			}
		}
	}
}

// Token is what is known of a worker's token; the zero Token when there is none.
func (r *Reader) Token(worker string) (k Token, err error) {
	body, err := r.sealed(bToken, []byte(worker), "the token of "+worker)
	if body == nil {
		return k, err
	}
	return decodeToken(body)
}

// PastClaim is the closed claim with number id.
func (r *Reader) PastClaim(id uint32) (c Claim, ok bool, err error) {
	k := key4(id)
	v := r.bucket(bPastClaim).Get(k)
	if v == nil {
		return c, false, nil
	}
	c, err = decodeClaim(k, v)
	return c, err == nil, err
}

// PastClaims yields the closed claims, newest first.
func (r *Reader) PastClaims() iter.Seq2[uint32, Claim] {
	return func(yield func(uint32, Claim) bool) {
		c := r.bucket(bPastClaim).Cursor()
		for k, v := c.Last(); k != nil; k, v = c.Prev() {
			claim, err := decodeClaim(k, v)
			if err != nil {
				continue // damage is found and told by the checks
			}
			if !yield(be32(k), claim) {
				return
			}
		}
	}
}

// Graph is a run's graph, as it was given in chunks.
func (r *Reader) Graph(dag uint32) ([]byte, error) {
	var out []byte
	c := r.bucket(bGraph).Cursor()
	for k, v := c.Seek(keyPair(dag, 0)); k != nil && be32(k) == dag; k, v = c.Next() {
		body, err := unseal(k, v)
		if err != nil {
			return nil, grid.Errorf(grid.Internal, "the graph of workflow %d: %w", dag, err)
		}
		out = append(out, body...)
	}
	return out, nil
}

// Nodes yields what has happened to the nodes of a run, ended or not.
func (r *Reader) Nodes(run uint32) iter.Seq2[int32, dag.Record] {
	return func(yield func(int32, dag.Record) bool) {
		c := r.bucket(bNode).Cursor()
		for k, v := c.Seek(keyPair(run, 0)); k != nil && be32(k) == run; k, v = c.Next() {
			n, err := decodeNode(k, v)
			if err != nil {
				continue // damage is found and told by the checks
			}
			if !yield(int32(be32(k[4:])), n) {
				return
			}
		}
	}
}

// PastDag is the ended run with number id.
func (r *Reader) PastDag(id uint32) (g Dag, ok bool, err error) {
	k := key4(id)
	v := r.bucket(bPastDag).Get(k)
	if v == nil {
		return g, false, nil
	}
	g, err = decodeDag(k, v)
	return g, err == nil, err
}

// PastDags yields the ended runs, newest first.
func (r *Reader) PastDags() iter.Seq2[uint32, Dag] {
	return func(yield func(uint32, Dag) bool) {
		c := r.bucket(bPastDag).Cursor()
		for k, v := c.Last(); k != nil; k, v = c.Prev() {
			g, err := decodeDag(k, v)
			if err != nil {
				continue // damage is found and told by the checks
			}
			if !yield(be32(k), g) {
				return
			}
		}
	}
}
