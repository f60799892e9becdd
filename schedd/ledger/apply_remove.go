package ledger

import (
	"slices"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
)

func (c *RemoveAll) apply(t *txn) (any, error) {
	r := removal{index: t.index, owner: c.Owner, next: 1, last: t.v.counters.Cluster, reason: c.Reason}
	if t.v.rules >= 3 {
		r.at = t.at
	}
	for key, cl := range t.v.clusters.from(0) {
		id := int32(key)
		switch {
		case c.Owner != 0 && c.Owner != cl.Owner, t.v.leaves(id, cl):
			continue
		case t.v.executes(id), t.v.coming(id, cl) > 0:
			r.except = append(r.except, id)
			continue
		}
		r.jobs += cl.Live
		t.countAll(id, false)
	}
	if r.jobs > 0 {
		t.v.removals = append(slices.Clip(t.v.removals), r)
		t.put(bRemoval, key8(r.index), r.encode())
		t.emit(Event{Type: QueueCleared, Code: r.jobs, Sub: r.last, ID: c.Owner, Text: c.Reason})
	}
	return Removing{Jobs: r.jobs, Last: r.last}, nil
}

// executes reports whether a job of the cluster may have an execution.
func (v *View) executes(cluster int32) bool {
	for s := range v.Stretches(grid.WholeCluster(cluster)) {
		if s.Job.Attempt() {
			return true
		}
	}
	return false
}

// countAll counts all jobs of a cluster into or out of the tallies.
func (t *txn) countAll(cluster int32, in bool) {
	c, _ := t.cluster(cluster)
	for s := range t.v.Stretches(grid.WholeCluster(cluster)) {
		if in {
			t.count(c.Owner, 0, s.Job.Status, int32(s.Run.Len()))
		} else {
			t.count(c.Owner, s.Job.Status, 0, int32(s.Run.Len()))
		}
	}
}

func (c *Clear) apply(t *txn) (any, error) {
	if len(t.v.removals) == 0 {
		return int32(0), nil
	}
	failpoint.Hit("ledger.clear.begun")
	r, later := t.v.removals[0], t.v.removals[1:]
	act := &Act{Verb: grid.Remove, Reason: r.reason}
	var todo []int32 // a table that is being changed cannot be walked
	budget := max(c.Max, 1)
	next := r.last + 1
	for key, cl := range t.v.clusters.from(uint32(r.next)) {
		id := int32(key)
		if id > r.last {
			break
		}
		if !r.has(id, cl.Owner) {
			continue
		}
		if budget -= c.cost(t, id, cl); budget < 0 && len(todo) > 0 {
			next = id
			break
		}
		todo = append(todo, id)
	}
	// To be moved they are in the queue once more, and counted.
	t.v.removals = nil
	t.left = r.at
	defer func() { t.left = 0 }()
	for _, id := range todo {
		cl, _ := t.cluster(id)
		r.jobs -= cl.Live
		t.countAll(id, true)
		part := t.touched(id, max(c.Max, 1))
		if part == nil && c.Gaps {
			part = t.between(id, max(c.Max, 1))
		}
		if part == nil {
			t.act(act, grid.WholeCluster(id), nil, new(Acted))
			failpoint.Hit("ledger.clear.some")
			continue
		}
		var out Acted
		for _, run := range part {
			t.act(act, run, nil, &out)
			failpoint.Hit("ledger.clear.some")
		}
		if left, ok := t.cluster(id); ok && out.Changed > 0 {
			next = id // the rest is for the next time
			r.jobs += left.Live
			t.countAll(id, false)
		}
	}
	r.next = next
	if r.next > r.last {
		t.drop(bRemoval, key8(r.index))
		t.v.removals = later
	} else {
		t.v.removals = append([]removal{r}, later...)
		t.put(bRemoval, key8(r.index), r.encode())
	}
	return int32(t.v.LeavingJobs()), nil
}

// cost is about how many events the move of a cluster has.
func (c *Clear) cost(t *txn, id int32, cl *Cluster) (n int32) {
	if !c.Gaps || cl.Live == cl.Procs {
		return 1 + cl.Touched
	}
	removals := t.v.removals // which hide the cluster
	t.v.removals = nil
	defer func() { t.v.removals = removals }()
	for range t.v.Stretches(grid.WholeCluster(id)) {
		if n++; n > c.Max {
			break
		}
	}
	return n
}

// touched are the first jobs of a cluster with records of their own, when there are more
// than limit; otherwise nil.
func (t *txn) touched(cluster, limit int32) (out []grid.Run) {
	if c, _ := t.cluster(cluster); c.Touched <= limit {
		return nil
	}
	p, _ := t.v.procs.get(uint32(cluster))
	for proc := range p.recs.from(0) {
		if int32(len(out)) == limit {
			break
		}
		out = append(out, grid.OneJob(grid.JobID{Cluster: cluster, Proc: int32(proc)}))
	}
	return out
}

// between are the first jobs of a cluster that share its record, when they are in more than
// limit stretches; otherwise nil.
func (t *txn) between(cluster, limit int32) (out []grid.Run) {
	stretches, room := int32(0), limit
	for s := range t.v.Stretches(grid.WholeCluster(cluster)) {
		if !s.Base {
			continue
		}
		stretches++
		s.Run.Hi = min(s.Run.Hi, s.Run.Lo+room)
		if n := int32(s.Run.Len()); n > 0 {
			out = append(out, s.Run)
			room -= n
		}
		if stretches > limit && room == 0 {
			return out
		}
	}
	return nil
}
