package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	bolt "go.etcd.io/bbolt"
)

// Digest names a state by its content: two machines that were fed the same entries
// have the same one.
type Digest [32]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText makes a digest hexadecimal in JSON.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != 2*len(d) {
		return errMalformed
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// Digest hashes everything that is the fold of the log.
func (r *Reader) Digest() Digest {
	h := sha256.New()
	put(h, r.tx.Bucket(bMeta).Get(kState))
	for b, name := range stateBuckets {
		in := r.bucket(bucket(b))
		if bucket(b) >= firstLater && empty(in) {
			continue
		}
		put(h, name)
		c := in.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			put(h, k)
			put(h, v)
		}
	}
	return Digest(h.Sum(nil))
}

// empty reports whether a bucket has no records, or is not there at all.
func empty(b *bolt.Bucket) bool {
	if b == nil {
		return true
	}
	k, _ := b.Cursor().First()
	return k == nil
}

func put(h hash.Hash, p []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(p)))
	h.Write(n[:])
	h.Write(p)
}

// Digest is the state's, as of now.
func (m *Machine) Digest() (d Digest, index uint64, err error) {
	err = m.Read(func(r *Reader) error {
		d = r.Digest()
		var v View
		err := v.decodeState(r.tx.Bucket(bMeta).Get(kState))
		index = v.Index
		return err
	})
	return d, index, err
}

// Check looks for damage: in bbolt's own structure, in every record's checksum, and
// between the buckets. It gives what it found, at most limit findings.
func (m *Machine) Check(limit int) (found []Damage, err error) {
	err = m.db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			if len(found) < limit {
				found = append(found, Damage{Bucket: "file", Err: err})
			}
		}
		var v View
		if err := v.decodeState(tx.Bucket(bMeta).Get(kState)); err != nil {
			return err
		}
		for b, name := range stateBuckets {
			if tx.Bucket(name) == nil {
				continue
			}
			var sum uint64
			c := tx.Bucket(name).Cursor()
			for k, value := c.First(); k != nil && len(found) < limit; k, value = c.Next() {
				sum += weight(value)
				if _, err := unseal(k, value); err != nil {
					found = append(found, Damage{string(name), append([]byte(nil), k...), err})
				}
			}
			if sum != v.sums[b] && len(found) < limit {
				found = append(found, Damage{Bucket: string(name), Err: errMissing})
			}
		}
		if err := checkPast(tx); err != nil && len(found) < limit {
			found = append(found, Damage{Bucket: string(bPastOwner), Err: err})
		}
		for _, err := range entries(tx, 0, 0) {
			if err != nil && len(found) < limit {
				found = append(found, Damage{Bucket: "log", Err: err})
			}
		}
		_, damage, err := loadView(tx)
		if room := limit - len(found); room > 0 {
			found = append(found, damage[:min(len(damage), room)]...)
		}
		return err
	})
	return found, err
}
