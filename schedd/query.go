package schedd

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
)

// Status implements [serve.Backend].
func (d *Daemon) Status(who serve.Identity) api.Status {
	v := d.ledger.View()
	dir := ""
	if who.Admin {
		dir = d.c.Dir
	}
	return api.Status{
		Name: d.c.Name, Domain: d.c.Domain, Dir: dir, Version: d.c.Version, Deployment: v.Deployment, Term: v.Term, Index: v.Index, Since: d.born.Unix(),
		You: api.Identity{User: who.Name, UID: who.UID, Admin: who.Admin}, Personal: d.personal(), Warnings: d.trouble.all(),
		Commands: d.config().Commands, Verified: d.verified.Load(),
	}
}

// Totals implements [serve.Backend].
func (d *Daemon) Totals(context.Context, serve.Identity) (out api.QueueTotals, err error) {
	v := d.ledger.View()
	out.All = totalsOf(v.Tally(0))
	for id, o := range v.Owners() {
		if t := v.Tally(id); t.Total() > 0 {
			out.Owners = append(out.Owners, api.OwnerTotals{Owner: o.Name, Totals: totalsOf(t)})
		}
	}
	out.Leaving = v.LeavingJobs()
	return out, nil
}

func totalsOf(t ledger.Tally) (out api.Totals) {
	for s, n := range t {
		out.Add(grid.Status(s), int(n))
	}
	return out
}

// query is a JobsQuery, understood.
type query struct {
	api.JobsQuery
	runs       []grid.Run
	constraint *ad.Expr
	limit      int
	after      uint64 // a job's key
	now        ad.Instant
	who        serve.Identity
	jobs       []json.RawMessage
	last       grid.JobID
}

const defaultLimit = 1000

func (d *Daemon) query(who serve.Identity, q api.JobsQuery) (*query, error) {
	out := &query{JobsQuery: q, limit: q.Limit, now: instant(), who: who}
	// Each once, however it is spelled, and in the order in which ads are written.
	fold := strings.ToLower
	out.Attributes = slices.SortedStableFunc(slices.Values(q.Attributes), func(a, b string) int { return cmp.Compare(fold(a), fold(b)) })
	out.Attributes = slices.CompactFunc(out.Attributes, strings.EqualFold)
	if out.limit <= 0 {
		out.limit = defaultLimit
	}
	for _, s := range q.IDs {
		r, err := grid.ParseRun(s)
		if err != nil {
			return nil, err
		}
		out.runs = append(out.runs, r)
	}
	if q.Constraint != "" {
		e, err := ad.ParseConstraint(q.Constraint)
		if err != nil {
			return nil, err
		}
		out.constraint = e
	}
	if q.After != "" {
		r, err := grid.ParseRun(q.After)
		if err != nil || r.Len() != 1 {
			return nil, grid.Errorf(grid.Invalid, "after is no job id: %q", q.After)
		}
		out.after = r.First().Key()
	}
	return out, nil
}

// private are attributes that only the owner and administrators may see.
var private = []string{
	"Args", "Arguments", "Env", "Environment", "In", "Out", "Err", "UserLog", "TransferInput", "TransferOutput", "TransferOutputRemaps", "Iwd",
	"OvirtPasswordFile", "OvirtUserDataFile", "DeltacloudPasswordFile", "ReadyCommand", "ReadyHttp", "ReadyAnswer",
}

// wants reports whether the constraint is true of a job, as who asks may see it.
func (q *query) wants(owner ledger.Owner, job *ad.Ad) bool {
	submit.Hide(job)
	if !q.who.Admin && owner.UID != q.who.UID {
		for _, name := range private {
			if job.Has(name) {
				job.SetValue(name, ad.UndefinedValue())
			}
		}
	}
	return q.constraint == nil || ad.Truth(q.now.Eval(q.constraint, job, nil))
}

// take adds a job to the page if it is wanted, and reports whether the page is full.
func (q *query) take(id grid.JobID, owner ledger.Owner, job *ad.Ad) (full bool) {
	if !q.wants(owner, job) {
		return false
	}
	q.jobs = append(q.jobs, q.project(job))
	q.last = id
	return len(q.jobs) >= q.limit
}

// project is the part of an ad that was asked for, as JSON.
func (q *query) project(job *ad.Ad) json.RawMessage {
	if len(q.Attributes) == 0 && !q.Evaluate {
		return job.AppendJSON(nil)
	}
	names := q.Attributes
	if len(names) == 0 {
		names = job.Names()
	}
	if !q.Evaluate {
		return job.AppendChosen(nil, names, nil)
	}
	return job.AppendChosen(nil, names, func(e *ad.Expr) ad.Value { return q.now.Eval(e, job, nil) })
}

func (q *query) page(more bool) api.Jobs {
	p := api.Jobs{Jobs: q.jobs}
	if p.Jobs == nil {
		p.Jobs = []json.RawMessage{}
	}
	if more {
		p.Next = q.last.String()
	}
	return p
}

// Jobs implements [serve.Backend].
func (d *Daemon) Jobs(ctx context.Context, who serve.Identity, jq api.JobsQuery) (api.Jobs, error) {
	q, err := d.query(who, jq)
	if err != nil {
		return api.Jobs{}, err
	}
	v := d.ledger.View()
	full := false
	job := ad.New(48) // each job's in its turn
	err = d.ads.Read(v, func(s *jobad.Session) error {
		for r := range q.ranges(v) {
			c, _ := v.Cluster(r.Cluster)
			owner, _ := v.Owner(c.Owner)
			if q.Owner != "" && q.Owner != owner.Name {
				continue
			}
			for st := range v.Stretches(r) {
				for p := st.Run.Lo; p < st.Run.Hi; p++ {
					id := grid.JobID{Cluster: r.Cluster, Proc: p}
					if q.after != 0 && id.Key() <= q.after {
						continue
					}
					if err := s.JobInto(job, id); err != nil {
						return err
					}
					if full = q.take(id, owner, job); full {
						return nil
					}
				}
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return q.page(full), err
}

// ranges are what the ids mean, in order; all clusters without any.
func (q *query) ranges(v *ledger.View) iter.Seq[grid.Run] {
	return func(yield func(grid.Run) bool) {
		first := int32(0)
		if q.after != 0 {
			first = grid.JobIDOfKey(q.after).Cluster
		}
		if len(q.runs) > 0 {
			runs := slices.Clone(q.runs)
			slices.SortFunc(runs, func(a, b grid.Run) int { return cmp.Compare(a.First().Key(), b.First().Key()) })
			for _, r := range runs {
				if r.Cluster >= first && !yield(r) {
					return
				}
			}
			return
		}
		for id := range v.Clusters(first) {
			if !yield(grid.WholeCluster(id)) {
				return
			}
		}
	}
}

// stateOf is a worker's state in a word.
func stateOf(w *pool.Status) string {
	switch {
	case !w.Connected:
		return "lost"
	case w.Drains:
		return "draining"
	case len(w.Jobs) > 0:
		return "busy"
	}
	return "idle"
}

// Slots implements [serve.Backend].
func (d *Daemon) Slots(context.Context, serve.Identity) (out api.Slots, err error) {
	out.Slots = []api.Slot{}
	for _, w := range d.pool.Workers() {
		if w.Info.Name == "" {
			known, _ := d.ledger.View().Worker(w.ID)
			w.Info.Name = known.Name
		}
		s := api.Slot{
			Name: "slot1@" + w.Info.Name, Worker: w.Info.Name, Isolation: string(w.Info.Isolation), Claim: w.Info.Claim,
			Cpus: w.Total.Cpus, MemoryMB: w.Total.MemoryMB, DiskKB: w.Total.DiskKB, FreeCpus: w.Free.Cpus, FreeMB: w.Free.MemoryMB,
			Since: w.Since.Unix(), State: stateOf(&w), Attrs: w.Info.Attrs,
		}
		if a := d.pool.Ad(w.ID); a != nil {
			s.Arch, s.OpSys = a.Text("Arch"), a.Text("OpSys")
		}
		for id := range w.Jobs {
			s.Jobs = append(s.Jobs, id.String())
		}
		slices.Sort(s.Jobs)
		out.Slots = append(out.Slots, s)
	}
	slices.SortFunc(out.Slots, func(a, b api.Slot) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
