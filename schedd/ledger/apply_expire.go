package ledger

import "slices"

func (c *Expire) apply(t *txn) (any, error) {
	index := t.tx.Bucket(bPastOwner)
	var old [][]byte
	for owner := range t.v.owners.from(0) {
		cur := index.Cursor()
		for k, _ := cur.Seek(key4(owner)); len(old) < int(c.Max); k, _ = cur.Next() {
			if len(k) != 20 || be32(k) != owner || int64(be64(k[4:])) >= c.Before {
				break
			}
			if !t.awaited(be32(k[12:])) {
				old = append(old, slices.Clone(k))
			}
		}
	}
	for _, k := range old {
		if err := index.Delete(k); err != nil {
			panic(err)
		}
		t.drop(bPast, k[12:])
		t.forgetInstances(k[12:])
		t.forgetCluster(be32(k[12:]))
	}
	return len(old), nil
}

// awaited reports whether a workflow that has not ended may look at what became of a
// cluster.
func (t *txn) awaited(cluster uint32) bool {
	if t.v.dags.len() == 0 {
		return false
	}
	c, ok := t.cluster(int32(cluster))
	if !ok {
		var err error
		if c, ok, err = pastOf(t.bucket(bPastCluster), cluster, decodeCluster); !ok || err != nil {
			return false
		}
	}
	return c.Dag != 0 && t.v.dags.at(c.Dag) != nil
}

// forgetCluster drops what is kept of a cluster that has nothing in the queue and
// nothing in the history any more.
func (t *txn) forgetCluster(id uint32) {
	if t.v.clusters.at(id) != nil {
		return
	}
	if k, _ := t.bucket(bPast).Cursor().Seek(key4(id)); be32(k) == id {
		return
	}
	c, ok, err := pastOf(t.bucket(bPastCluster), id, decodeCluster)
	t.drop(bPastCluster, key4(id))
	t.drop(bOwn, key4(id))
	var items [][]byte
	cur := t.bucket(bItems).Cursor()
	for k, _ := cur.Seek(key4(id)); len(k) == 8 && be32(k) == id; k, _ = cur.Next() {
		items = append(items, slices.Clone(k))
	}
	for _, k := range items {
		t.drop(bItems, k)
	}
	if ok && err == nil {
		t.leaveTemplate(c.Template)
	}
}

// leaveTemplate counts a template as used once less, and drops one without users.
func (t *txn) leaveTemplate(id uint32) {
	users, err := t.get(bTemplateUsers, key4(id))
	if err != nil || users == nil {
		return // damage is found and told by the checks
	}
	if n := be32(users); n > 1 {
		t.put(bTemplateUsers, key4(id), raw(key4(n-1)))
		return
	}
	body, err := t.get(bTemplate, key4(id))
	if err != nil || body == nil {
		return
	}
	hash := HashTemplate(body)
	t.drop(bTemplateHash, hash[:])
	t.drop(bTemplate, key4(id))
	t.drop(bTemplateUsers, key4(id))
}
