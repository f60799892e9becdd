package schedd

import (
	"context"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// Batches implements [serve.Backend]. Without a constraint it looks at records alone, so
// that a million jobs that share one cost as much as one.
func (d *Daemon) Batches(ctx context.Context, who serve.Identity, bq api.BatchesQuery) (api.Batches, error) {
	q, err := d.query(who, api.JobsQuery{IDs: bq.IDs, Owner: bq.Owner, Constraint: bq.Constraint, Limit: bq.Limit})
	if err != nil {
		return api.Batches{}, err
	}
	v := d.ledger.View()
	f := batching{v: v, limit: q.limit, at: map[batchKey]int{}, out: api.Batches{Batches: []api.Batch{}}}
	err = d.ads.Read(v, func(s *jobad.Session) error {
		f.s = s
		for r := range q.ranges(v) {
			c, ok := v.Cluster(r.Cluster)
			owner, _ := v.Owner(c.Owner)
			if !ok || q.Owner != "" && q.Owner != owner.Name {
				continue
			}
			f.cluster(r.Cluster, &c, owner)
			for st := range v.Stretches(r) {
				if q.constraint == nil {
					f.take(st.Run, st.Job.Status)
					continue
				}
				for p := st.Run.Lo; p < st.Run.Hi; p++ {
					id := grid.JobID{Cluster: r.Cluster, Proc: p}
					job, err := s.Job(id)
					if err != nil {
						return err
					}
					if q.wants(owner, job) {
						f.take(grid.OneJob(id), st.Job.Status)
					}
				}
			}
			if q.constraint == nil && r.Whole() {
				f.await()
			}
			if f.err != nil {
				return f.err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return f.out, err
}

// batchKey is what jobs of one batch have in common.
type batchKey struct {
	owner   uint32
	dag     uint32
	name    string
	cluster int32 // of jobs that have no name
}

// batching gathers batches from clusters in the order of their ids.
type batching struct {
	v     *ledger.View
	s     *jobad.Session
	limit int
	out   api.Batches
	at    map[batchKey]int // in out.Batches
	err   error

	id      int32 // the cluster that is looked at
	c       *ledger.Cluster
	owner   ledger.Owner
	counted bool // it is in its batch, or among those that are omitted
	into    int  // its batch; -1: omitted
}

// cluster turns to the next cluster.
func (f *batching) cluster(id int32, c *ledger.Cluster, owner ledger.Owner) {
	if id != f.id {
		f.counted = false
	}
	f.id, f.c, f.owner = id, c, owner
}

// take counts jobs of the cluster.
func (f *batching) take(r grid.Run, s grid.Status) {
	if !f.counted {
		f.counted = true
		f.into = f.batch()
	}
	f.out.Total.Add(s, r.Len())
	if f.into < 0 {
		return
	}
	b := &f.out.Batches[f.into]
	b.Totals.Add(s, r.Len())
	if b.First == "" {
		b.First = r.First().String()
	}
	b.Last = grid.JobID{Cluster: r.Cluster, Proc: r.Hi - 1}.String()
}

// await counts the jobs of the cluster that are still to be made.
func (f *batching) await() {
	coming := f.v.Coming(f.id)
	if coming == 0 {
		return
	}
	if !f.counted {
		f.counted = true
		f.into = f.batch()
	}
	if f.into < 0 {
		return
	}
	b := &f.out.Batches[f.into]
	b.Coming += int(coming)
	if b.First == "" {
		b.First = grid.JobID{Cluster: f.id, Proc: f.c.Procs}.String()
		b.Last = b.First
	}
}

// batch finds or begins the batch of the cluster, which counts in it from now on.
func (f *batching) batch() int {
	k := batchKey{owner: f.c.Owner, dag: f.c.Dag}
	name := ""
	if k.dag != 0 {
		run, _ := f.v.Dag(k.dag)
		name = run.Name
	} else {
		if name, f.err = f.s.BatchName(f.c); f.err != nil {
			return -1
		}
		if k.name = name; name == "" {
			k.cluster = f.id
		}
	}
	i, known := f.at[k]
	switch {
	case known:
	case len(f.out.Batches) >= f.limit:
		f.out.Omitted++
		return -1
	default:
		i = len(f.out.Batches)
		f.at[k] = i
		f.out.Batches = append(f.out.Batches, api.Batch{Owner: f.owner.Name, Name: name, Dag: k.dag, Submitted: f.c.QDate / 1000})
	}
	b := &f.out.Batches[i]
	b.Jobs += int(f.c.Procs + f.v.Coming(f.id))
	b.Left += int(f.c.Procs - f.c.Live)
	return i
}
