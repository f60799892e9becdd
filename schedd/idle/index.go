package idle

import (
	"cmp"
	"iter"
	"slices"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
)

// Index is the idle jobs. One goroutine has it.
type Index struct {
	groups   groups
	queues   map[queueKey]*queue
	place    places
	byNumber map[uint32]*queue
	others   map[int32][]*queue // of clusters whose procs differ in what matching looks at: the further ones
	last     uint32             // number of a queue
	n        int
}

type queueKey struct {
	owner uint32
	group uint32
}

// queue is the idle jobs of one owner and group, by priority.
type queue struct {
	queueKey
	number uint32
	group  *router.Group
	levels []level // larger prio first
	n      int
}

type level struct {
	prio int32
	jobs runset
}

// New is an index without jobs. universes are those whose jobs it keeps.
func New(ads *jobad.Ads) *Index {
	return &Index{
		groups: groups{ads: ads, looks: map[string]bool{}, byKey: map[string]*router.Group{}, byTemplate: map[uint32]*shape{}},
		queues: map[queueKey]*queue{}, byNumber: map[uint32]*queue{}, others: map[int32][]*queue{},
	}
}

// Len is the number of jobs that wait.
func (x *Index) Len() int { return x.n }

// Rebuild forgets everything and reads the view. Jobs whose ads cannot be read are
// left out; the first error is returned with the rest done.
func (x *Index) Rebuild(v *ledger.View) (first error) {
	clear(x.queues)
	clear(x.byNumber)
	clear(x.others)
	x.place = places{}
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
				x.forget(r.Cluster)
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
	for _, q := range x.queues {
		for i := range q.levels {
			n := q.levels[i].jobs.sift(keep)
			q.n -= n
			x.n -= n
		}
		x.tidy(q)
	}
	for number, page := range x.place.pages {
		if page == nil {
			continue
		}
		for i, queue := range page.at {
			if id := int32(number*placeSpan + i); queue != 0 && !keep(grid.WholeCluster(id)) {
				x.forget(id)
			}
		}
	}
}

// forget takes a cluster without jobs out.
func (x *Index) forget(cluster int32) {
	x.place.set(cluster, 0)
	delete(x.others, cluster)
}

// tidy drops what a queue that jobs were taken out of has no use for, and an empty queue.
func (x *Index) tidy(q *queue) {
	q.levels = slices.DeleteFunc(q.levels, func(l level) bool { return l.jobs.n == 0 })
	if q.n == 0 && x.byNumber[q.number] == q {
		delete(x.queues, q.queueKey)
		delete(x.byNumber, q.number)
	}
}

// Heed tells which job attributes slots look at, by folded names. It reports whether
// that is more than before: then the index must be rebuilt.
func (x *Index) Heed(names []string) bool { return x.groups.heed(names) }

// Looks are the slot attributes that jobs look at, by folded names; "*" among them
// means that it may be any. It only grows.
func (x *Index) Looks() map[string]bool { return x.groups.looks }

func (x *Index) drop(r grid.Run) {
	x.dropFrom(x.byNumber[x.place.get(r.Cluster)], r)
	for _, q := range x.others[r.Cluster] {
		x.dropFrom(q, r)
	}
}

func (x *Index) dropFrom(q *queue, r grid.Run) {
	if q == nil {
		return
	}
	for i := range q.levels {
		n := q.levels[i].jobs.remove(r)
		q.n -= n
		x.n -= n
	}
	x.tidy(q)
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
		x.last++
		q = &queue{queueKey: key, number: x.last, group: g}
		x.queues[key], x.byNumber[q.number] = q, q
	}
	i, found := slices.BinarySearchFunc(q.levels, prio, func(l level, p int32) int { return cmp.Compare(p, l.prio) })
	if !found {
		q.levels = slices.Insert(q.levels, i, level{prio: prio})
	}
	q.levels[i].jobs.add(r)
	q.n += r.Len()
	x.n += r.Len()
	others := x.others[r.Cluster]
	switch first := x.byNumber[x.place.get(r.Cluster)]; {
	case first == q || slices.Contains(others, q):
	case first == nil:
		x.place.set(r.Cluster, q.number)
	default:
		x.others[r.Cluster] = append(slices.DeleteFunc(others, func(o *queue) bool { return o.n == 0 }), q)
	}
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

// Foreseen is the group that a job with this ad will be in. The ad is not looked at afterwards.
func (x *Index) Foreseen(a *ad.Ad) *router.Group { return x.groups.like(a) }
