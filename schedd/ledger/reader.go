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

// SubmittedUnder is the cluster that was submitted under an idempotency key; ok is false when
// none was, or when that is no longer known.
func (r *Reader) SubmittedUnder(by, key string) (s Submitted, ok bool, err error) {
	body, err := r.sealed(bKey, scopedKey(&Entry{Command: Command{By: by, Key: key}}), "the key "+key)
	if body != nil {
		s, ok = decodeFirst(body).(Submitted)
	}
	return s, ok, err
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

// Attrs are the attributes that were set after the submit, of a job in the queue or
// on its way out of it.
func (r *Reader) Attrs(v *View, id grid.JobID) ([]Attr, error) {
	j, _, ok := v.job(id)
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
func (r *Reader) PastClaim(id uint32) (Claim, bool, error) {
	return pastOf(r.bucket(bPastClaim), id, decodeClaim)
}

// PastClaims yields the closed claims, newest first.
func (r *Reader) PastClaims() iter.Seq2[uint32, Claim] {
	return newest(r.bucket(bPastClaim), decodeClaim)
}

// pastOf is the record with that number of a bucket.
func pastOf[T any](b *bolt.Bucket, id uint32, decode func(k, v []byte) (T, error)) (out T, ok bool, err error) {
	k := key4(id)
	v := b.Get(k)
	if v == nil {
		return out, false, nil
	}
	out, err = decode(k, v)
	return out, err == nil, err
}

// newest yields the records of a bucket, the highest number first.
func newest[T any](b *bolt.Bucket, decode func(k, v []byte) (T, error)) iter.Seq2[uint32, T] {
	return func(yield func(uint32, T) bool) {
		c := b.Cursor()
		for k, v := c.Last(); k != nil; k, v = c.Prev() {
			rec, err := decode(k, v)
			if err != nil {
				continue // damage is found and told by the checks
			}
			if !yield(be32(k), rec) {
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
func (r *Reader) PastDag(id uint32) (Dag, bool, error) {
	return pastOf(r.bucket(bPastDag), id, decodeDag)
}

// PastDags yields the ended runs, newest first.
func (r *Reader) PastDags() iter.Seq2[uint32, Dag] {
	return newest(r.bucket(bPastDag), decodeDag)
}
