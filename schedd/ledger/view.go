package ledger

import (
	"iter"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// View is the state after some entry: immutable, so any goroutine may keep and
// read one without a lock. It holds ids and small records; the ads of jobs stay on
// disk and are fetched through a [Reader].
type View struct {
	Index      uint64 // of the last entry it knows
	At         int64  // the latest time any entry carried, ms since 1970
	Term       uint64 // counts Begins
	Deployment string
	Marked     uint64 // user logs are written up to this entry
	LogFirst   uint64 // the oldest entry that the log still has

	Checkpoint     uint64 // the newest checkpoint's entry; 0: none, the log is whole
	CheckpointName string // its file, in the spool directory

	rules      uint32 // by which entries are applied: see [Rules]
	counters   counters
	sums       sums
	clusters   table[Cluster]
	procs      table[*procs] // of clusters with more than one
	factories  table[Factory]
	owners     table[Owner]
	ownerOf    map[uint32]uint32 // uid -> owner; replaced, never changed
	workers    table[Worker]
	workerOf   map[string]uint32     // name -> worker; replaced, never changed
	tallies    table[Tally]          // by owner
	claims     table[Claim]          // open ones
	dags       table[Dag]            // not ended
	nodes      shelves[dag.Record]   // what has happened to the nodes of these
	routings   shelves[Routing]      // by cluster and proc
	gangs      shelves[*Gang]        // by cluster and proc; what is pointed to is never changed
	crons      map[string]int64      // watermarks of triggers; replaced, never changed
	steered    map[string]Steering   // pools that somebody steers; replaced, never changed
	throttles  map[string]Throttle   // of routes; replaced, never changed
	timetables map[string]*Timetable // what is pointed to is never changed; replaced, never changed
	removals   []removal             // not carried out whole, oldest first; replaced, never changed
}

// counters give the next durable ids.
type counters struct {
	Cluster  int32
	Owner    uint32
	Template uint32
	Worker   uint32
	Stage    uint32
	Claim    uint32
	Token    uint32
	Dag      uint32
}

// procs is what the procs of one cluster do not share.
type procs struct {
	ed   *editor
	recs table[Job]
	left table[leftPage]
}

func (p *procs) own(ed *editor) *procs {
	if p == nil {
		return &procs{ed: ed}
	}
	if p.ed == ed {
		return p
	}
	c := *p
	c.ed = ed
	return &c
}

func (p *procs) hasLeft(proc int32) bool {
	if p == nil {
		return false
	}
	page := p.left.at(uint32(proc / leftSpan))
	return page != nil && page.has(proc)
}

// Tally counts an owner's jobs in the queue by status.
type Tally [8]int32

// Total is the number of all jobs in t.
func (t *Tally) Total() (n int) {
	for _, k := range t {
		n += int(k)
	}
	return n
}

// Cluster is the record of cluster id, if any proc of it is in the queue.
func (v *View) Cluster(id int32) (Cluster, bool) {
	if id <= 0 {
		return Cluster{}, false
	}
	c, ok := v.clusters.get(uint32(id))
	if !ok || v.leaves(id, &c) {
		return Cluster{}, false
	}
	return c, true
}

// Job is the record of one job in the queue.
func (v *View) Job(id grid.JobID) (Job, bool) {
	if j, leaves, ok := v.job(id); ok && !leaves {
		return j, true
	}
	return Job{}, false
}

// LeavingJob is the record of a job that is out of the queue and not in the history yet.
func (v *View) LeavingJob(id grid.JobID) (Job, bool) {
	j, leaves, ok := v.job(id)
	return j, ok && leaves
}

func (v *View) job(id grid.JobID) (j Job, leaves, ok bool) {
	if id.Cluster <= 0 || id.Proc < 0 {
		return j, false, false
	}
	c := v.clusters.at(uint32(id.Cluster))
	if c == nil || id.Proc >= c.Procs {
		return j, false, false
	}
	j, ok = v.jobOf(c, id)
	return j, v.leaves(id.Cluster, c), ok
}

func (v *View) jobOf(c *Cluster, id grid.JobID) (Job, bool) {
	if c.single() {
		return c.Base, true
	}
	p, _ := v.procs.get(uint32(id.Cluster))
	if p == nil {
		return c.Base, true
	}
	if j := p.recs.at(uint32(id.Proc)); j != nil {
		return *j, true
	}
	if p.hasLeft(id.Proc) {
		return Job{}, false
	}
	return c.Base, true
}

// Coming is how many jobs of a cluster in the queue are still to be made.
func (v *View) Coming(cluster int32) int32 {
	c, ok := v.Cluster(cluster)
	if !ok {
		return 0
	}
	return v.coming(cluster, &c)
}

// Clusters yields the clusters in the queue by ascending id, beginning at first.
func (v *View) Clusters(first int32) iter.Seq2[int32, *Cluster] {
	return func(yield func(int32, *Cluster) bool) {
		for k, c := range v.clusters.from(uint32(max(first, 0))) {
			if !v.leaves(int32(k), c) && !yield(int32(k), c) {
				return
			}
		}
	}
}

// LeavingClusters yields the clusters that are out of the queue and not in the history yet,
// by ascending id.
func (v *View) LeavingClusters() iter.Seq2[int32, *Cluster] {
	return func(yield func(int32, *Cluster) bool) {
		if len(v.removals) == 0 {
			return
		}
		for k, c := range v.clusters.from(0) {
			if v.leaves(int32(k), c) && !yield(int32(k), c) {
				return
			}
		}
	}
}

// Stretch is neighbouring procs of a cluster with one record: a single job, or
// all of a range to which nothing has happened alone.
type Stretch struct {
	Run  grid.Run
	Job  Job
	Base bool // Job is the cluster's shared record

	shared bool   // one job that is about to leave the shared record
	fresh  bool   // one job that has just done so
	attrs  []Attr // as read by txn.read
}

// Stretches yields the live procs of cluster id within run's bounds, in order.
func (v *View) Stretches(run grid.Run) iter.Seq[Stretch] {
	return func(yield func(Stretch) bool) {
		c := v.clusters.at(uint32(run.Cluster))
		if c == nil || v.leaves(run.Cluster, c) {
			return
		}
		lo, hi := max(run.Lo, 0), min(run.Hi, c.Procs)
		if lo >= hi {
			return
		}
		if c.single() {
			yield(Stretch{Run: grid.Run{Cluster: run.Cluster, Lo: 0, Hi: 1}, Job: c.Base, Base: true})
			return
		}
		p, _ := v.procs.get(uint32(run.Cluster))
		if p == nil {
			yield(Stretch{Run: grid.Run{Cluster: run.Cluster, Lo: lo, Hi: hi}, Job: c.Base, Base: true})
			return
		}
		// shared yields the untouched procs of [lo,end), which holds no record.
		shared := func(end int32) bool {
			for lo < end {
				for lo < end && p.hasLeft(lo) {
					lo++
				}
				first := lo
				for lo < end && !p.hasLeft(lo) {
					lo++
				}
				if first < lo && !yield(Stretch{Run: grid.Run{Cluster: run.Cluster, Lo: first, Hi: lo}, Job: c.Base, Base: true}) {
					return false
				}
			}
			return true
		}
		for k, j := range p.recs.from(uint32(lo)) {
			proc := int32(k)
			if proc >= hi {
				break
			}
			if !shared(proc) || !yield(Stretch{Run: grid.OneJob(grid.JobID{Cluster: run.Cluster, Proc: proc}), Job: *j}) {
				return
			}
			lo = proc + 1
		}
		shared(hi)
	}
}

// Owner is the owner with number id.
func (v *View) Owner(id uint32) (Owner, bool) { return v.owners.get(id) }

// OwnerOf is the number of the owner with that uid; 0 when none has ever submitted.
func (v *View) OwnerOf(uid uint32) uint32 { return v.ownerOf[uid] }

// Owners yields every owner with a tally of their jobs in the queue.
func (v *View) Owners() iter.Seq2[uint32, Owner] {
	return func(yield func(uint32, Owner) bool) {
		for k, o := range v.owners.from(0) {
			if !yield(k, *o) {
				return
			}
		}
	}
}

// Tally counts the jobs of an owner in the queue; owner 0 is everybody.
func (v *View) Tally(owner uint32) Tally {
	t, _ := v.tallies.get(owner)
	return t
}

// JobsOf is how many jobs the user has in the queue.
func (v *View) JobsOf(uid uint32) int {
	owner := v.OwnerOf(uid)
	if owner == 0 {
		return 0
	}
	t := v.Tally(owner)
	return t.Total()
}

// Worker is the worker with number id.
func (v *View) Worker(id uint32) (Worker, bool) { return v.workers.get(id) }

// WorkerOf is the number of the worker with that name; 0 when none has been seen.
func (v *View) WorkerOf(name string) uint32 { return v.workerOf[name] }

// Dag is the run with number id, if it has not ended.
func (v *View) Dag(id uint32) (Dag, bool) { return v.dags.get(id) }

// Dags yields the runs that have not ended, by ascending number.
func (v *View) Dags() iter.Seq2[uint32, *Dag] { return v.dags.from(0) }

// Node is a node of a run that has not ended; false when nothing has happened to it.
func (v *View) Node(run uint32, index int32) (dag.Record, bool) {
	return v.nodes.get(run, uint32(index))
}

// Cron is a trigger's watermark, ms since 1970: nothing up to it is fired any more. 0:
// the trigger is new.
func (v *View) Cron(name string) int64 { return v.crons[name] }

// Claim is the open claim with number id.
func (v *View) Claim(id uint32) (Claim, bool) { return v.claims.get(id) }

// Claims yields the open claims by ascending number.
func (v *View) Claims() iter.Seq2[uint32, *Claim] { return v.claims.from(0) }

// ClaimNamed is the number of the open claim whose machine has that name; 0 when none
// has. It is not for borrowed machines, whose names are unique only within an engine.
func (v *View) ClaimNamed(name string) uint32 {
	for id, c := range v.claims.from(0) {
		if c.Kind != Borrowed && c.Name == name {
			return id
		}
	}
	return 0
}
