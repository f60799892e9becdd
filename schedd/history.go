package schedd

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// History implements [serve.Backend].
func (d *Daemon) History(ctx context.Context, who serve.Identity, hq api.HistoryQuery) (api.Jobs, error) {
	after := hq.After
	hq.After = "" // it is a place in time, no job
	q, err := d.query(who, hq.JobsQuery)
	if err != nil {
		return api.Jobs{}, err
	}
	var from ledger.PastAt
	if after != "" {
		if from, err = placeOf(after); err != nil {
			return api.Jobs{}, err
		}
	}
	v := d.ledger.View()
	next := ""
	err = d.ads.Read(v, func(s *jobad.Session) error {
		for p, err := range q.pasts(v, s, from, hq.Since*1000) {
			if err != nil {
				return err
			}
			full, err := q.past(s, v, &p, from)
			if full || err != nil {
				next = placeText(ledger.PastAt{Left: p.Left, Job: q.last})
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return nil
	})
	page := q.page(false)
	page.Next = next
	return page, err
}

// placeText is a place in the history as Jobs.Next has it: milliseconds, and a job.
func placeText(at ledger.PastAt) string { return fmt.Sprintf("%d/%s", at.Left, at.Job) }

func placeOf(text string) (at ledger.PastAt, err error) {
	ms, id, _ := strings.Cut(text, "/")
	r, err := grid.ParseRun(id)
	if err == nil && r.Len() == 1 {
		at.Job = r.First()
		if at.Left, err = strconv.ParseInt(ms, 10, 64); err == nil {
			return at, nil
		}
	}
	return at, grid.Errorf(grid.Invalid, "after is no place in the history: %q", text)
}

// pasts are the records of the history that may have what is asked for: by the ids, or
// by the time of their leaving, the latest first.
func (q *query) pasts(v *ledger.View, s *jobad.Session, from ledger.PastAt, since int64) iter.Seq2[ledger.Past, error] {
	if len(q.runs) == 0 {
		var owners []uint32
		for id, o := range v.Owners() {
			if q.Owner == "" || q.Owner == o.Name {
				owners = append(owners, id)
			}
		}
		return s.History(owners, from, since)
	}
	runs := slices.Clone(q.runs)
	slices.SortFunc(runs, func(a, b grid.Run) int { return cmp.Compare(b.First().Key(), a.First().Key()) })
	return func(yield func(ledger.Past, error) bool) {
		for _, r := range runs {
			// What was removed a moment ago, and has not been moved yet.
			for p := range s.Leaving(r) {
				if p.Left >= since && !yield(p, nil) {
					return
				}
			}
			for p, err := range s.PastByID(grid.JobID{Cluster: r.Cluster, Proc: r.Hi}.Key()) {
				if err == nil && (p.Run.Cluster != r.Cluster || p.Run.Hi <= r.Lo) {
					break
				}
				if p.Left >= since && !yield(p, err) {
					return
				}
			}
		}
	}
}

// past takes the jobs of one record of the history, highest proc first.
func (q *query) past(s *jobad.Session, v *ledger.View, p *ledger.Past, from ledger.PastAt) (full bool, err error) {
	c, err := s.Cluster(p.Run.Cluster)
	if err != nil {
		return false, err
	}
	owner, _ := v.Owner(c.Owner)
	if q.Owner != "" && q.Owner != owner.Name {
		return false, nil
	}
	for proc := p.Run.Hi - 1; proc >= p.Run.Lo; proc-- {
		id := grid.JobID{Cluster: p.Run.Cluster, Proc: proc}
		if !q.named(id) || q.seen(p, id, from) {
			continue
		}
		job, err := s.Past(p, proc)
		if err != nil {
			return false, err
		}
		if q.take(id, owner, job) {
			return true, nil
		}
	}
	return false, nil
}

// seen reports whether an earlier page had the job.
func (q *query) seen(p *ledger.Past, id grid.JobID, from ledger.PastAt) bool {
	switch {
	case from == ledger.PastAt{}:
		return false
	case len(q.runs) > 0: // by id
		return id.Key() >= from.Job.Key()
	}
	return p.Left == from.Left && id.Key() >= from.Job.Key()
}

// named reports whether the ids mean the job.
func (q *query) named(id grid.JobID) bool {
	return len(q.runs) == 0 || slices.ContainsFunc(q.runs, func(r grid.Run) bool {
		return r.Cluster == id.Cluster && r.Lo <= id.Proc && id.Proc < r.Hi
	})
}
