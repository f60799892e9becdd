package idle

import (
	"cmp"
	"iter"
	"slices"

	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
)

// Index is the idle jobs. One goroutine has it.
type Index struct {
	groups groups
	queues map[queueKey]*queue
	place  map[int32]placed // by cluster: where its idle jobs are
	n      int
}

type queueKey struct {
	owner uint32
	group uint32
}

// queue is the idle jobs of one owner and group, by priority.
type queue struct {
	queueKey
	group  *router.Group
	levels []level // larger prio first
	n      int
}

type level struct {
	prio int32
	jobs runset
}

// placed says in which queues a cluster's idle jobs are. Most clusters have one.
type placed struct {
	queue  *queue
	others []*queue // when procs differ in what matching looks at
}

// New is an index without jobs. universes are those whose jobs it keeps.
func New(ads *jobad.Ads) *Index {
	return &Index{
		groups: groups{ads: ads, looks: map[string]bool{}, byKey: map[string]*router.Group{}, byTemplate: map[uint32]*shape{}},
		queues: map[queueKey]*queue{}, place: map[int32]placed{},
	}
}

// Len is the number of jobs that wait.
func (x *Index) Len() int { return x.n }

// Rebuild forgets everything and reads the view. Jobs whose ads cannot be read are
// left out; the first error is returned with the rest done.
func (x *Index) Rebuild(v *ledger.View) (first error) {
	clear(x.queues)
	clear(x.place)
	x.n = 0
	err := x.groups.ads.Read(v, func(s *jobad.Session) error {
		for id, c := range v.Clusters(0) {
			if err := x.enter(s, v, grid.WholeCluster(id), c); err != nil && first == nil {
				first = err
			}
		}
		return nil
	})
	return cmp.Or(err, first)
}

// Look brings the index up to date for jobs that something happened to.
func (x *Index) Look(v *ledger.View, runs iter.Seq[grid.Run]) (first error) {
	err := x.groups.ads.Read(v, func(s *jobad.Session) error {
		for r := range runs {
			c, ok := v.Cluster(r.Cluster)
			if !ok {
				x.drop(grid.WholeCluster(r.Cluster))
				delete(x.place, r.Cluster)
				continue
			}
			x.drop(r)
			if err := x.enter(s, v, r, &c); err != nil && first == nil {
				first = err
			}
		}
		return nil
	})
	return cmp.Or(err, first)
}

// Sift drops the jobs of clusters that are not in the queue any more.
func (x *Index) Sift(v *ledger.View) {
	keep := func(r grid.Run) bool {
		_, ok := v.Cluster(r.Cluster)
		return ok
	}
	for key, q := range x.queues {
		for i := range q.levels {
			n := q.levels[i].jobs.sift(keep)
			q.n -= n
			x.n -= n
		}
		q.levels = slices.DeleteFunc(q.levels, func(l level) bool { return l.jobs.n == 0 })
		if q.n == 0 {
			delete(x.queues, key)
		}
	}
	place := map[int32]placed{} // a map keeps the room that it once had
	for id, p := range x.place {
		if _, ok := v.Cluster(id); ok {
			place[id] = p
		}
	}
	x.place = place
}

// Heed tells which job attributes slots look at, by folded names. It reports whether
// that is more than before: then the index must be rebuilt.
func (x *Index) Heed(names []string) bool { return x.groups.heed(names) }

// Looks are the slot attributes that jobs look at, by folded names; "*" among them
// means that it may be any. It only grows.
func (x *Index) Looks() map[string]bool { return x.groups.looks }

func (x *Index) drop(r grid.Run) {
	p := x.place[r.Cluster]
	if p.queue == nil {
		return
	}
	for _, q := range append([]*queue{p.queue}, p.others...) {
		for i := range q.levels {
			n := q.levels[i].jobs.remove(r)
			q.n -= n
			x.n -= n
		}
		q.levels = slices.DeleteFunc(q.levels, func(l level) bool { return l.jobs.n == 0 })
		if q.n == 0 && x.queues[q.queueKey] == q {
			delete(x.queues, q.queueKey) // a later one may have its place already
		}
	}
}

// waits reports whether the router may place the job.
func waits(c *ledger.Cluster, j *ledger.Job) bool {
	return j.Status == grid.Idle && !j.Attempt() && c.Universe != grid.Grid
}

// enter adds the idle jobs of a run that is not in the index.
func (x *Index) enter(s *jobad.Session, v *ledger.View, r grid.Run, c *ledger.Cluster) error {
	for st := range v.Stretches(r) {
		if !waits(c, &st.Job) {
			continue
		}
		g, prio, err := x.groups.of(s, c, &st)
		if err != nil {
			return err
		}
		if g != nil {
			x.put(c.Owner, g, prio, st.Run)
			continue
		}
		for proc := st.Run.Lo; proc < st.Run.Hi; proc++ {
			id := grid.JobID{Cluster: r.Cluster, Proc: proc}
			g, prio, err := x.groups.alone(s, id)
			if err != nil {
				return err
			}
			x.put(c.Owner, g, prio, grid.OneJob(id))
		}
	}
	return nil
}

func (x *Index) put(owner uint32, g *router.Group, prio int32, r grid.Run) {
	key := queueKey{owner, g.ID}
	q := x.queues[key]
	if q == nil {
		q = &queue{queueKey: key, group: g}
		x.queues[key] = q
	}
	i, found := slices.BinarySearchFunc(q.levels, prio, func(l level, p int32) int { return cmp.Compare(p, l.prio) })
	if !found {
		q.levels = slices.Insert(q.levels, i, level{prio: prio})
	}
	q.levels[i].jobs.add(r)
	q.n += r.Len()
	x.n += r.Len()
	p := x.place[r.Cluster]
	switch {
	case p.queue == nil || p.queue.n == 0:
		p.queue = q
	case p.queue != q && !slices.Contains(p.others, q):
		p.others = append(slices.DeleteFunc(p.others, func(o *queue) bool { return o.n == 0 }), q)
	default:
		return
	}
	x.place[r.Cluster] = p
}

// Queues are the waiting jobs as the router takes them: of each owner and group at
// most limit jobs, and how many there are in all. A job whose version in the view is
// newer than the index is in all the same: the plan's check will tell.
func (x *Index) Queues(v *ledger.View, limit int) (queues []router.Queue, waiting []int) {
	for _, q := range x.queues {
		out := router.Queue{Owner: q.owner, Group: q.group}
		for i := range q.levels {
			l := &q.levels[i]
			for r := range l.jobs.runs() {
				for proc := r.Lo; proc < r.Hi && len(out.Jobs) < limit; proc++ {
					id := grid.JobID{Cluster: r.Cluster, Proc: proc}
					if j, ok := v.Job(id); ok {
						out.Jobs = append(out.Jobs, router.Job{ID: id, Version: j.Version, Prio: l.prio})
					}
				}
				if len(out.Jobs) >= limit {
					break
				}
			}
		}
		queues = append(queues, out)
		waiting = append(waiting, q.n)
	}
	return queues, waiting
}

// Group is the group of one job in the queue, whether it waits or not.
func (x *Index) Group(v *ledger.View, id grid.JobID) (g *router.Group, err error) {
	err = x.groups.ads.Read(v, func(s *jobad.Session) error {
		g, _, err = x.groups.alone(s, id)
		return err
	})
	return g, err
}
