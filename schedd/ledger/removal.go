package ledger

import "slices"

// RemoveAll removes every job of an owner that no execution has, however many they
// are: they are out of the queue at once, and [Clear] moves them to the history. A
// cluster with an execution, or with jobs to come, is left alone; the proposer removes
// those by [Act]. The
// result is a [Removing].
type RemoveAll struct {
	Owner  uint32 // 0: everybody's
	Reason string
}

// Removing is the result of a [RemoveAll].
type Removing struct {
	Jobs int32 // out of the queue now
	Last int32 // the newest cluster that there was: later ones are not meant
}

func (*RemoveAll) Kind() Kind { return KindRemoveAll }
func (c *RemoveAll) encode(e *enc) {
	e.u(uint64(c.Owner))
	e.str(c.Reason)
}
func (c *RemoveAll) decode(d *dec) { *c = RemoveAll{Owner: d.u32(), Reason: d.str()} }

// Clear moves jobs of the oldest [RemoveAll] to the history, about Max of them. The
// result is how many jobs are still to be moved, of all, an int32.
type Clear struct {
	Max int32
	// Gaps counts what jobs that share a record are in stretches, between others that have
	// left: each has an event and a record in the history.
	Gaps bool
}

func (*Clear) Kind() Kind { return KindClear }
func (c *Clear) encode(e *enc) {
	e.u(uint64(c.Max))
	if c.Gaps {
		e.bool(c.Gaps)
	}
}

func (c *Clear) decode(d *dec) {
	c.Max = d.id()
	if d.more() {
		c.Gaps = d.bool()
	}
}

// removal is a [RemoveAll] whose jobs have not all been moved yet.
type removal struct {
	index  uint64 // the entry
	owner  uint32 // 0: everybody's
	next   int32  // the cluster to go on with
	last   int32
	jobs   int32 // still to be moved
	reason string
	except []int32 // clusters that were left alone, ascending
	at     int64   // when they left the queue, ms since 1970; 0: when they are moved
}

func (r *removal) has(cluster int32, owner uint32) bool {
	if cluster < r.next || cluster > r.last || r.owner != 0 && r.owner != owner {
		return false
	}
	_, found := slices.BinarySearch(r.except, cluster)
	return !found
}

func (r *removal) encode() *enc {
	e := newEnc(64)
	e.u(uint64(r.owner))
	e.u(uint64(r.next))
	e.u(uint64(r.last))
	e.u(uint64(r.jobs))
	e.str(r.reason)
	e.u(uint64(len(r.except)))
	for _, c := range r.except {
		e.u(uint64(c))
	}
	if r.at != 0 {
		e.i(r.at)
	}
	return e
}

func decodeRemoval(k, v []byte) (r removal, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return r, err
	}
	d := dec{b: body}
	r = removal{index: be64(k), owner: d.u32(), next: d.id(), last: d.id(), jobs: d.id(), reason: d.str()}
	if n := d.count(1); n > 0 {
		r.except = make([]int32, n)
		for i := range r.except {
			r.except[i] = d.id()
		}
	}
	if d.more() {
		r.at = d.i()
	}
	return r, d.err()
}

// leaves reports whether a cluster has been removed and waits to be moved.
func (v *View) leaves(id int32, c *Cluster) bool {
	for i := range v.removals {
		if v.removals[i].has(id, c.Owner) {
			return true
		}
	}
	return false
}

// Leaving is the record of a cluster that is out of the queue and not in the history
// yet.
func (v *View) Leaving(id int32) (Cluster, bool) {
	c, ok := v.clusters.get(uint32(max(id, 0)))
	return c, ok && v.leaves(id, &c)
}

// LeftAt is when a cluster left the queue that is not in the history yet, ms since 1970.
func (v *View) LeftAt(id int32, c *Cluster) int64 {
	for i := range v.removals {
		if r := &v.removals[i]; r.at != 0 && r.has(id, c.Owner) {
			return r.at
		}
	}
	return v.At
}

// LeavingJobs counts the jobs that are out of the queue and not in the history yet.
func (v *View) LeavingJobs() (n int) {
	for i := range v.removals {
		n += int(v.removals[i].jobs)
	}
	return n
}
