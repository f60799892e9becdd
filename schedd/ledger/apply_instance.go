package ledger

import "slices"

// instance keeps what an execution that has ended left of its job.
func (a *attempt) instance() {
	if !a.ended || a.left || a.t.v.rules < 3 {
		return
	}
	id, epoch := a.s.Run.First(), a.s.Job.Epoch
	i := Instance{Rec: a.s.Job, Ended: a.t.at, Attrs: a.s.attrs}
	a.t.put(bInstance, instanceKey(id, epoch), i.encode())
	if epoch > keepInstances {
		a.t.drop(bInstance, instanceKey(id, epoch-keepInstances))
	}
}

// forgetInstances drops those of a job of the history. Jobs that share a record there have
// none.
func (t *txn) forgetInstances(job []byte) {
	var old [][]byte
	c := t.bucket(bInstance).Cursor()
	for k, _ := c.Seek(job); len(k) == 12 && string(k[:8]) == string(job); k, _ = c.Next() {
		old = append(old, slices.Clone(k))
	}
	for _, k := range old {
		t.drop(bInstance, k)
	}
}
