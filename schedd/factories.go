package schedd

import (
	"context"
	"strconv"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
)

// Attributes that bound how many jobs of a cluster exist at a time.
const (
	attrLimit   = "JobMaterializeLimit"
	attrMaxIdle = "JobMaterializeMaxIdle"
)

// makeStep is how many jobs of a factory one command makes.
const makeStep = 500

// refusedRest is how long nothing is made after the queue has refused it.
const refusedRest = 10 * time.Second

// materialize makes the jobs of factories whenever there is room for them. It keeps
// nothing of its own: what has been made stands in the ledger.
func (d *Daemon) materialize(ctx context.Context) error {
	for {
		v := d.ledger.View()
		begun := time.Now()
		made, err := d.makeJobs(ctx, v)
		rest := time.Since(begun)
		switch {
		case ctx.Err() != nil:
			return nil
		case grid.CodeOf(err) == grid.Unknown:
			return err
		case err != nil:
			d.log.WithError(err).Warn("jobs to come cannot be made")
			rest = refusedRest
		case !made:
			select {
			case <-d.ledger.Changed(v.Index):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if pause.For(ctx, rest) != nil {
			return nil
		}
	}
}

// makeJobs gives each factory with room some of its jobs. A factory that has changed
// since is left to the next time; of other refusals the last is returned.
func (d *Daemon) makeJobs(ctx context.Context, v *ledger.View) (made bool, refused error) {
	for id, f := range v.Factories() {
		c, _ := v.Cluster(id)
		n := min(f.Room(&c), makeStep)
		if n == 0 {
			continue
		}
		owner, _ := v.Owner(c.Owner)
		if n = min(n, d.intake.free(owner.UID)); n <= 0 {
			continue
		}
		switch _, err := d.propose(ctx, &ledger.Materialize{Cluster: id, From: c.Procs, To: c.Procs + n}); {
		case err == nil, grid.CodeOf(err) == grid.Conflict, grid.CodeOf(err) == grid.NotFound:
			made = true
		case grid.CodeOf(err) == grid.Unknown, ctx.Err() != nil:
			return made, err
		default:
			refused = err
		}
	}
	return made, refused
}

// boundsOf are those within which a spec's jobs are to be made; nil when all exist from
// the submit on.
func boundsOf(s *submit.Spec) (*ledger.Bounds, error) {
	limit, limited := boundIn(s, attrLimit)
	idle, idleLimited := boundIn(s, attrMaxIdle)
	if !limited && !idleLimited {
		return nil, nil
	}
	if len(s.Sections) > 1 {
		return nil, grid.Errorf(grid.Invalid, "with max_materialize or max_idle there is one queue statement: make a job file for each")
	}
	b := ledger.Bounds{Limit: grid.MaxProcs, MaxIdle: grid.MaxProcs}
	var err error
	if limited {
		b.Limit, err = bound(attrLimit, limit)
	}
	if idleLimited && err == nil {
		b.MaxIdle, err = bound(attrMaxIdle, idle)
	}
	return &b, err
}

// boundIn is the text of an attribute of all jobs of a spec, or of one of its sections.
func boundIn(s *submit.Spec, name string) (text string, ok bool) {
	text, ok = submit.Find(s.Attrs, name)
	for i := range s.Sections {
		if own, has := submit.Find(s.Sections[i].Attrs, name); has {
			text, ok = own, true
		}
	}
	if !ok && columnOf(s, name) {
		return "different from job to job", true
	}
	return text, ok
}

// bound reads how many jobs there may be. Below one, none are made, and more than a
// cluster can have is no bound.
func bound(name, text string) (int32, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, grid.Errorf(grid.Invalid, "%s is a whole number, not %s", name, text)
	}
	return int32(max(min(n, grid.MaxProcs), 0)), nil
}

// editedBounds are those that an edit sets; nil when it sets none.
func editedBounds(attrs []submit.Attr, runs []grid.Run) (*ledger.Bounds, error) {
	b := ledger.Bounds{Limit: -1, MaxIdle: -1}
	for name, to := range map[string]*int32{attrLimit: &b.Limit, attrMaxIdle: &b.MaxIdle} {
		text, ok := submit.Find(attrs, name)
		if !ok {
			continue
		}
		var err error
		if *to, err = bound(name, text); err != nil {
			return nil, err
		}
	}
	if b == (ledger.Bounds{Limit: -1, MaxIdle: -1}) {
		return nil, nil
	}
	for _, r := range runs {
		if !r.Whole() {
			return nil, grid.Errorf(grid.Invalid, "%s and %s are of a whole cluster: name %d", attrLimit, attrMaxIdle, r.Cluster)
		}
	}
	return &b, nil
}

// Factories implements [serve.Backend].
func (d *Daemon) Factories(ctx context.Context, who serve.Identity, fq api.FactoriesQuery) (api.Factories, error) {
	q, err := d.query(who, api.JobsQuery{IDs: fq.IDs, Owner: fq.Owner})
	if err != nil {
		return api.Factories{}, err
	}
	v := d.ledger.View()
	out := api.Factories{Factories: []api.Factory{}}
	err = d.ads.Read(v, func(s *jobad.Session) error {
		for id, f := range v.Factories() {
			c, _ := v.Cluster(id)
			owner, _ := v.Owner(c.Owner)
			if q.Owner != "" && q.Owner != owner.Name || !q.named(grid.JobID{Cluster: id}) {
				continue
			}
			one := api.Factory{
				Cluster: id, Owner: owner.Name, Submitted: c.QDate / 1000, Jobs: f.Jobs, Made: c.Procs, Limit: f.Limit, MaxIdle: f.MaxIdle,
				State: d.factoryState(f, &c, owner.UID),
			}
			if one.Name, err = s.BatchName(&c); err != nil {
				return err
			}
			for _, bound := range []*int32{&one.Limit, &one.MaxIdle} {
				if *bound == grid.MaxProcs {
					*bound = 0
				}
			}
			for st := range v.Stretches(grid.WholeCluster(id)) {
				one.Add(st.Job.Status, st.Run.Len())
			}
			out.Factories = append(out.Factories, one)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return out, err
}

// factoryState is in a word what keeps a factory from making more.
func (d *Daemon) factoryState(f *ledger.Factory, c *ledger.Cluster, owner uint32) string {
	switch {
	case f.Coming(c) == 0:
		return "done"
	case f.Paused:
		return "paused"
	case f.Room(c) == 0:
		return "full"
	case d.intake.free(owner) <= 0:
		return "waiting"
	}
	return "making"
}
