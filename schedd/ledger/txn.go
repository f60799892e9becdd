package ledger

import (
	"cmp"
	"encoding/binary"
	"maps"

	bolt "go.etcd.io/bbolt"

	"gridburst/internal/grid"
)

// txn is one batch being applied: a private copy of the view and one bbolt
// transaction, which are changed together. Only the goroutine of ApplyBatch has it.
type txn struct {
	tx   *bolt.Tx
	open [len(stateBuckets)]*bolt.Bucket
	v    View
	ed   *editor

	index  uint64 // of the entry being applied
	at     int64
	left   int64 // when jobs that go to the history have left the queue; 0: at
	by     string
	events []Event // of that entry
}

// bucket is one of the state's, by its number in stateBuckets.
func (t *txn) bucket(b bucket) *bolt.Bucket {
	if t.open[b] == nil {
		t.open[b] = t.tx.Bucket(stateBuckets[b])
		if growsAtEnd[b] {
			t.open[b].FillPercent = 0.95
		}
	}
	return t.open[b]
}

// put panics on a failure: bbolt refuses a Put only for keys and sizes that this
// package never makes, and half a batch must not commit.
func (t *txn) put(b bucket, key []byte, value *enc) {
	in := t.bucket(b)
	t.v.sums[b] -= weight(in.Get(key))
	v := seal(key, value.b)
	t.v.sums[b] += weight(v)
	if err := in.Put(key, v); err != nil {
		panic(err)
	}
}

func (t *txn) drop(b bucket, key []byte) {
	in := t.bucket(b)
	old := in.Get(key)
	if old == nil {
		return
	}
	t.v.sums[b] -= weight(old)
	if err := in.Delete(key); err != nil {
		panic(err)
	}
}

// sums are one number a bucket: the sum over its records of a number that each
// record's checksum gives. A record that is lost, doubled or changed with the pages
// around it, where its own checksum cannot tell, makes the sum another.
type sums [len(stateBuckets)]uint64

// weight spreads a stored value's checksum over 64 bits.
func weight(v []byte) uint64 {
	if len(v) < 4 {
		return 0
	}
	x := uint64(be32(v[len(v)-4:])) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// get is a value's body, nil when there is none. On a damaged one nothing may be
// decided: the command is refused.
func (t *txn) get(b bucket, key []byte) ([]byte, error) {
	v := t.bucket(b).Get(key)
	if v == nil {
		return nil, nil
	}
	body, err := unseal(key, v)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "a record of the queue file (%s %x) is damaged: %w", b, key, err)
	}
	return body, nil
}

func (t *txn) emit(e Event) {
	e.Index, e.Seq, e.At = t.index, uint32(len(t.events)), t.at
	t.events = append(t.events, e)
}

func key4(a uint32) []byte { return binary.BigEndian.AppendUint32(nil, a) }

func key8(a uint64) []byte { return binary.BigEndian.AppendUint64(nil, a) }

func keyPair(a, b uint32) []byte { return binary.BigEndian.AppendUint32(key4(a), b) }

func be64(k []byte) uint64 {
	if len(k) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}

func be32(k []byte) uint32 {
	if len(k) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(k)
}

// Clusters and their jobs.

func (t *txn) cluster(id int32) (Cluster, bool) { return t.v.Cluster(id) }

func (t *txn) putCluster(id int32, c *Cluster) {
	t.v.clusters.set(t.ed, uint32(id), *c)
	t.put(bCluster, key4(uint32(id)), c.encode())
}

// baseProc stands for a cluster's Base where a key needs a proc.
const baseProc = 1<<32 - 1

// attrsKey is where the attributes of a stretch are kept.
func attrsKey(s *Stretch) []byte {
	if s.Base || s.shared {
		return keyPair(uint32(s.Run.Cluster), baseProc)
	}
	return keyPair(uint32(s.Run.Cluster), uint32(s.Run.Lo))
}

// read fetches the attributes of s. It gives false when they are damaged: then
// nothing may be decided on the job, and it is treated as not there.
func (t *txn) read(s *Stretch) bool {
	if s.Job.Flags&HasAttrs == 0 {
		return true
	}
	k := attrsKey(s)
	as, err := decodeAttrs(k, t.bucket(bAttrs).Get(k))
	s.attrs = as
	return err == nil
}

func decodeAttrs(k, v []byte) ([]Attr, error) {
	body, err := unseal(k, v)
	if err != nil {
		return nil, err
	}
	d := dec{b: body}
	as := d.attrs()
	return as, d.err()
}

// setAttrs stores as as the attributes of s alone, whose Job.Flags it keeps in
// step; the caller stores the record.
func (t *txn) setAttrs(s *Stretch, as []Attr) {
	if s.shared {
		s.shared = false
		s.Job.Flags &^= HasAttrs
	}
	s.attrs = as
	if len(as) == 0 {
		if s.Job.Flags&HasAttrs != 0 {
			t.drop(bAttrs, attrsKey(s))
			s.Job.Flags &^= HasAttrs
		}
		return
	}
	e := newEnc(32 * len(as))
	e.attrs(as)
	t.put(bAttrs, attrsKey(s), e)
	s.Job.Flags |= HasAttrs
}

// stretch is the one job id as something to change.
func (t *txn) stretch(id grid.JobID) (s Stretch, c Cluster, ok bool) {
	j, ok := t.v.Job(id)
	if !ok {
		return s, c, false
	}
	c, _ = t.cluster(id.Cluster)
	s = Stretch{Run: grid.OneJob(id), Job: j, Base: c.single()}
	if p, _ := t.v.procs.get(uint32(id.Cluster)); !c.single() && (p == nil || p.recs.at(uint32(id.Proc)) == nil) {
		s.shared, s.fresh = true, true
	}
	return s, c, t.read(&s)
}

// store writes s.Job back as the record of every job in runs (one run but for a
// Base that has gaps), and counts them over from status was.
func (t *txn) store(s *Stretch, c *Cluster, was grid.Status, n int32) {
	if s.shared {
		t.setAttrs(s, s.attrs) // it leaves the shared record
	}
	s.Job.Version++
	t.count(c.Owner, was, s.Job.Status, n)
	t.countWaiting(s.Run.Cluster, was, s.Job.Status, n)
	if s.Base {
		c.Base = s.Job
		t.putCluster(s.Run.Cluster, c)
		return
	}
	id := s.Run.First()
	cluster := uint32(id.Cluster)
	p, _ := t.v.procs.get(cluster)
	p = p.own(t.ed)
	if p.recs.at(uint32(id.Proc)) == nil {
		c.Touched++
		t.putCluster(id.Cluster, c)
	}
	p.recs.set(t.ed, uint32(id.Proc), s.Job)
	t.v.procs.set(t.ed, cluster, p)
	e := newEnc(64)
	e.jobRec(&s.Job)
	t.put(bJob, keyPair(cluster, uint32(id.Proc)), e)
}

// pass is setAttrs and store of the shared record of a whole cluster that leaves the
// queue in the same breath, without writing it.
func (t *txn) pass(s *Stretch, c *Cluster, as []Attr, was grid.Status) {
	s.attrs = as
	s.Job.Flags &^= HasAttrs
	if len(as) > 0 {
		s.Job.Flags |= HasAttrs
	}
	s.Job.Version++
	t.count(c.Owner, was, s.Job.Status, c.Live)
	c.Base = s.Job
}

// count moves n jobs of an owner from one status to another; 0 is outside the queue.
func (t *txn) count(owner uint32, from, to grid.Status, n int32) {
	if from == to {
		return
	}
	for _, o := range [...]uint32{0, owner} {
		tally, _ := t.v.tallies.get(o)
		if from != 0 {
			tally[from] -= n
		}
		if to != 0 {
			tally[to] += n
		}
		t.v.tallies.set(t.ed, o, tally)
	}
}

// leave moves jobs that share s.Job out of the queue into the history.
func (t *txn) leave(s *Stretch, c *Cluster, runs []grid.Run) {
	cluster := uint32(s.Run.Cluster)
	why := ""
	if s.Job.Status == grid.Removed {
		why = unquote(find(s.attrs, "RemoveReason"))
	}
	for _, r := range runs {
		p := Past{Run: r, Job: s.Job, Left: cmp.Or(t.left, t.at), Attrs: s.attrs}
		t.put(bPast, key8(r.First().Key()), p.encode())
		store(t.tx.Bucket(bPastOwner), pastOwnerKey(c.Owner, p.Left, r.First()), newEnc(5))
		n := int32(r.Len())
		t.count(c.Owner, s.Job.Status, 0, n)
		c.Live -= n
		t.emit(Event{Type: JobLeft, Jobs: r, Epoch: s.Job.Epoch, From: uint8(s.Job.Last), To: uint8(s.Job.Status), ID: c.Dag, Node: c.Node, Text: why})
	}
	if !s.Base {
		t.drop(bJob, key8(s.Run.First().Key()))
		if s.Job.Flags&HasAttrs != 0 {
			t.drop(bAttrs, attrsKey(s))
		}
		c.Touched--
	}
	if c.Live == 0 && t.v.coming(s.Run.Cluster, c) == 0 {
		t.events[len(t.events)-1].Code = c.Procs // the cluster leaves with it
		t.endCluster(s.Run.Cluster, c)
		return
	}
	p, _ := t.v.procs.get(cluster)
	p = p.own(t.ed)
	if !s.Base {
		p.recs.del(t.ed, uint32(s.Run.Lo))
	}
	for _, r := range runs {
		t.markLeft(cluster, p, r)
	}
	t.v.procs.set(t.ed, cluster, p)
	t.putCluster(s.Run.Cluster, c)
}

func (t *txn) markLeft(cluster uint32, p *procs, r grid.Run) {
	for lo := r.Lo; lo < r.Hi; {
		number := uint32(lo / leftSpan)
		page, _ := p.left.get(number)
		for ; lo < r.Hi && uint32(lo/leftSpan) == number; lo++ {
			page.add(lo)
		}
		p.left.set(t.ed, number, page)
		e := newEnc(8 * len(page))
		for _, w := range page {
			e.b = binary.BigEndian.AppendUint64(e.b, w)
		}
		t.put(bLeft, keyPair(cluster, number), e)
	}
}

// endCluster takes a cluster without live procs out of the queue. What its past
// jobs' ads are made of stays.
func (t *txn) endCluster(id int32, c *Cluster) {
	cluster := uint32(id)
	if p, _ := t.v.procs.get(cluster); p != nil {
		for number := range p.left.from(0) {
			t.drop(bLeft, keyPair(cluster, number))
		}
		t.v.procs.del(t.ed, cluster)
	}
	t.drop(bAttrs, keyPair(cluster, baseProc))
	t.drop(bCluster, key4(cluster))
	t.v.clusters.del(t.ed, cluster)
	t.put(bPastCluster, key4(cluster), c.encode())
	t.endFactory(id, c)
}

// Owners and workers.

func (t *txn) owner(o Owner) uint32 {
	if id := t.v.ownerOf[o.UID]; id != 0 {
		if known, _ := t.v.owners.get(id); known != o {
			t.putOwner(id, o) // renamed, or another primary group
		}
		return id
	}
	t.v.counters.Owner++
	id := t.v.counters.Owner
	t.v.ownerOf = with(t.v.ownerOf, o.UID, id)
	t.putOwner(id, o)
	return id
}

func (t *txn) putOwner(id uint32, o Owner) {
	t.v.owners.set(t.ed, id, o)
	e := newEnc(32)
	e.owner(o)
	t.put(bOwner, key4(id), e)
}

func (t *txn) putWorker(id uint32, w Worker) {
	t.v.workers.set(t.ed, id, w)
	t.put(bWorker, key4(id), w.encode())
}

// with is m with one more pair; views that have m keep it as it is.
func with[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	c := make(map[K]V, len(m)+1)
	maps.Copy(c, m)
	c[k] = v
	return c
}

// without is m without a pair.
func without[K comparable, V any](m map[K]V, k K) map[K]V {
	c := maps.Clone(m)
	delete(c, k)
	return c
}
