package schedd

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// A job set has no record of its own: it is the clusters of an owner that say its name
// (JobSetName), from the first one on for as long as any of them has jobs in the queue.
// Those that have left by then are found in the history, which is in the order of their
// leaving: what left before the oldest known cluster came belonged to an earlier set.

// setKey is what the clusters of one set have in common.
type setKey struct {
	owner uint32
	name  string
}

// jobSet is a set, while its clusters are gathered.
type jobSet struct {
	api.JobSet
	since int64 // when its oldest known cluster came, ms since 1970
}

// JobSets implements [serve.Backend].
func (d *Daemon) JobSets(ctx context.Context, _ serve.Identity, q api.JobSetsQuery) (api.JobSets, error) {
	v := d.ledger.View()
	g := gathering{v: v, sets: map[setKey]*jobSet{}}
	err := d.ads.Read(v, func(s *jobad.Session) error {
		g.s = s
		for id, c := range v.Clusters(0) {
			name, err := s.SetName(c)
			if err != nil {
				return err
			}
			owner, _ := v.Owner(c.Owner)
			if name == "" || q.Name != "" && q.Name != name || q.Owner != "" && q.Owner != owner.Name {
				continue
			}
			g.live(setKey{c.Owner, name}, owner.Name, id, c)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return cmp.Or(g.leaving(), g.past(ctx))
	})
	if err != nil {
		return api.JobSets{}, err
	}
	out := api.JobSets{Sets: []api.JobSet{}}
	for _, set := range g.sets {
		set.Submitted = set.since / 1000
		out.Sets = append(out.Sets, set.JobSet)
	}
	slices.SortFunc(out.Sets, func(a, b api.JobSet) int {
		return cmp.Or(strings.Compare(a.Owner, b.Owner), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// gathering finds the clusters of sets.
type gathering struct {
	v    *ledger.View
	s    *jobad.Session
	sets map[setKey]*jobSet
}

// add counts a cluster in its set.
func (g *gathering) add(set *jobSet, id int32, c *ledger.Cluster) {
	set.Clusters++
	set.Jobs += int(c.Procs)
	if set.ID == 0 || id < set.ID {
		set.ID = id
	}
	if set.since == 0 || c.QDate < set.since {
		set.since = c.QDate
	}
}

// live takes a cluster that is in the queue.
func (g *gathering) live(k setKey, owner string, id int32, c *ledger.Cluster) {
	set := g.sets[k]
	if set == nil {
		set = &jobSet{JobSet: api.JobSet{Name: k.name, Owner: owner}}
		g.sets[k] = set
	}
	g.add(set, id, c)
	set.Existing++
	coming := int(g.v.Coming(id))
	set.Coming += coming
	set.Jobs += coming
	for st := range g.v.Stretches(grid.WholeCluster(id)) {
		set.Add(st.Job.Status, st.Run.Len())
	}
}

// leaving takes the clusters that are on their way to the history.
func (g *gathering) leaving() error {
	if len(g.sets) == 0 {
		return nil
	}
	for id, c := range g.v.LeavingClusters() {
		name, err := g.s.SetName(c)
		if err != nil {
			return err
		}
		if set := g.sets[setKey{c.Owner, name}]; set != nil {
			g.add(set, id, c)
			set.Left.Add(grid.Removed, int(c.Live))
		}
	}
	return nil
}

// past takes what is in the history, back to where each set began.
func (g *gathering) past(ctx context.Context) error {
	oldest := map[uint32][]*jobSet{} // of each owner
	for k, set := range g.sets {
		oldest[k.owner] = append(oldest[k.owner], set)
	}
	for owner, sets := range oldest {
		known := map[int32]*jobSet{} // clusters that were seen: nil, of none of these
		for p, err := range g.s.History(ledger.PastQuery{Owners: []uint32{owner}}) {
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(sets, func(set *jobSet) bool { return p.Left >= set.since }) {
				break
			}
			set, seen := known[p.Run.Cluster]
			if !seen {
				if set, err = g.gone(owner, &p); err != nil {
					return err
				}
				known[p.Run.Cluster] = set
			}
			if set != nil {
				set.Left.Add(p.Job.Status, p.Run.Len())
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// gone is the set of a cluster of which something has left the queue; nil when it is of
// none. One that is no longer in the queue is counted in it.
func (g *gathering) gone(owner uint32, p *ledger.Past) (*jobSet, error) {
	c, err := g.s.Cluster(p.Run.Cluster)
	if err != nil {
		return nil, err
	}
	name, err := g.s.SetName(&c)
	if err != nil {
		return nil, err
	}
	set := g.sets[setKey{owner, name}]
	if set == nil || p.Left < set.since {
		return nil, nil
	}
	_, live := g.v.Cluster(p.Run.Cluster)
	_, leaves := g.v.Leaving(p.Run.Cluster)
	if !live && !leaves {
		g.add(set, p.Run.Cluster, &c)
	}
	return set, nil
}

// setRuns are the clusters of a set: the caller's, or for an administrator that owner's.
func (d *Daemon) setRuns(v *ledger.View, who serve.Identity, s *api.Selection) (runs []grid.Run, err error) {
	owner := cmp.Or(s.Owner, who.Name)
	err = d.ads.Read(v, func(session *jobad.Session) error {
		for id, c := range v.Clusters(0) {
			if name, _ := v.Owner(c.Owner); name.Name != owner {
				continue
			}
			name, err := session.SetName(c)
			if err != nil {
				return err
			}
			if name == s.JobSet {
				runs = append(runs, grid.WholeCluster(id))
			}
		}
		return nil
	})
	return runs, err
}
