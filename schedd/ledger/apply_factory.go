package ledger

import "gridburst/internal/grid"

func (t *txn) putFactory(id int32, f *Factory) {
	t.v.factories.set(t.ed, uint32(id), *f)
	t.put(bFactory, key4(uint32(id)), f.encode())
}

// tellFactory emits an event of a factory, for which the cluster's first job stands.
func (t *txn) tellFactory(e Event, id int32, c *Cluster) {
	e.Jobs, e.ID, e.Node = grid.OneJob(grid.JobID{Cluster: id}), c.Dag, c.Node
	t.emit(e)
}

// beginFactory makes a cluster of a submit that makes its jobs later.
func (t *txn) beginFactory(c *Submit, id int32, cl *Cluster) {
	t.putCluster(id, cl)
	f := Factory{Jobs: c.Procs, Limit: c.Bounds.Limit, MaxIdle: c.Bounds.MaxIdle, Paused: c.Held}
	t.putFactory(id, &f)
	t.tellFactory(Event{Type: FactoryBegun, Code: f.Jobs}, id, cl)
	if f.Paused {
		t.tellFactory(Event{Type: FactoryPaused, Code: int32(grid.HoldSubmitted), Text: heldAtSubmit}, id, cl)
	}
}

func (c *Materialize) apply(t *txn) (any, error) {
	cl, ok := t.cluster(c.Cluster)
	f, is := t.v.factories.get(uint32(max(c.Cluster, 0)))
	n := int64(c.To) - int64(c.From)
	switch {
	case !ok || !is:
		return nil, grid.Errorf(grid.NotFound, "cluster %d has no jobs to come", c.Cluster)
	case n < 1 || n > MaxMaterialize:
		return nil, grid.Errorf(grid.Invalid, "to make %d jobs at once: 1 to %d", n, MaxMaterialize)
	case c.From != cl.Procs || n > int64(f.Room(&cl)):
		return nil, grid.Errorf(grid.Conflict, "cluster %d has %d jobs and room for %d: not for those from %d to %d", c.Cluster, cl.Procs, f.Room(&cl), c.From, c.To)
	case !t.made(c.Cluster, &cl, int32(n)):
		return nil, grid.Errorf(grid.Internal, "the pattern of cluster %d's jobs is damaged: remove the cluster", c.Cluster)
	}
	return int32(n), nil
}

// made makes the next n jobs of a cluster by its pattern; it is false, and nothing is
// made, when that is damaged.
func (t *txn) made(id int32, c *Cluster, n int32) bool {
	pattern := Stretch{Run: grid.WholeCluster(id), Job: c.Base, Base: true}
	if !t.read(&pattern) {
		return false
	}
	run := grid.Run{Cluster: id, Lo: c.Procs, Hi: c.Procs + n}
	c.Procs += n
	c.Live += n
	for proc := run.Lo; proc < run.Hi; proc++ {
		s := Stretch{Run: grid.OneJob(grid.JobID{Cluster: id, Proc: proc}), Job: pattern.Job, shared: true, attrs: pattern.attrs}
		s.Job.Entered, s.Job.Version = t.at, 0
		t.store(&s, c, 0, 1)
	}
	t.emit(Event{Type: JobSubmitted, Jobs: run, To: uint8(c.Base.Status), Code: n, ID: c.Dag, Node: c.Node})
	return true
}

// actOnFactory does to a cluster's factory what is done to the whole cluster, and counts
// the jobs to come in out. over means that nothing is left to act on: the cluster is out
// of the queue.
func (t *txn) actOnFactory(c *Act, id int32, out *Acted) (over bool) {
	cl, ok := t.cluster(id)
	f, is := t.v.factories.get(uint32(max(id, 0)))
	if !ok || !is || c.Owner != 0 && c.Owner != cl.Owner {
		return false
	}
	coming := f.Coming(&cl)
	if coming == 0 {
		return false
	}
	switch c.Verb {
	case grid.Hold, grid.Release:
		pause := c.Verb == grid.Hold
		if f.Paused == pause {
			out.Already += coming
			return false
		}
		out.Changed += coming
		f.Paused = pause
		t.putFactory(id, &f)
		e := Event{Type: FactoryResumed, Text: c.Reason}
		if pause {
			e.Type, e.Code, e.Sub = FactoryPaused, int32(c.Code), c.Sub
		}
		t.tellFactory(e, id, &cl)
	case grid.Remove:
		if c.Force {
			return false
		}
		out.Changed += coming
		// One job at least is removed: it is how the history knows.
		if cl.Live == 0 && t.made(id, &cl, 1) {
			out.Changed--
			f, _ = t.v.factories.get(uint32(id))
		}
		f.Stopped = true
		t.putFactory(id, &f)
		if cl.Live == 0 {
			t.endCluster(id, &cl)
			return true
		}
	}
	return false
}

// alterFactory sets attributes of the jobs to come, and the bounds of their factory.
func (c *Alter) alterFactory(t *txn, id int32, out *Acted) {
	cl, ok := t.cluster(id)
	f, is := t.v.factories.get(uint32(max(id, 0)))
	if !ok || !is || c.Owner != 0 && c.Owner != cl.Owner || f.Coming(&cl) == 0 {
		return
	}
	pattern := Stretch{Run: grid.WholeCluster(id), Job: cl.Base, Base: true}
	if !t.read(&pattern) {
		return
	}
	out.Changed += f.Coming(&cl)
	t.setAttrs(&pattern, merge(pattern.attrs, c.Attrs...))
	cl.Base = pattern.Job
	cl.Base.Version++
	t.putCluster(id, &cl)
	if b := c.Bounds; b != nil {
		if b.Limit >= 0 {
			f.Limit = b.Limit
		}
		if b.MaxIdle >= 0 {
			f.MaxIdle = b.MaxIdle
		}
		t.putFactory(id, &f)
		t.tellFactory(Event{Type: FactoryBounded, Code: f.Limit, Sub: f.MaxIdle}, id, &cl)
	}
}

// countWaiting follows n jobs of a cluster from one status to another.
func (t *txn) countWaiting(id int32, from, to grid.Status, n int32) {
	f, is := t.v.factories.get(uint32(id))
	if !is || waits(from) == waits(to) {
		return
	}
	if waits(from) {
		n = -n
	}
	f.Waiting += n
	t.v.factories.set(t.ed, uint32(id), f)
}

// endFactory drops the factory of a cluster that ends.
func (t *txn) endFactory(id int32, c *Cluster) {
	f, is := t.v.factories.get(uint32(id))
	if !is {
		return
	}
	t.drop(bFactory, key4(uint32(id)))
	t.v.factories.del(t.ed, uint32(id))
	t.tellFactory(Event{Type: FactoryEnded, Code: c.Procs, Sub: f.Jobs}, id, c)
}
