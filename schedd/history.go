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
	if hq.Epochs {
		return d.instances(ctx, q, hq, after)
	}
	h := history{query: q, PastQuery: ledger.PastQuery{Since: hq.Since * 1000, Forward: hq.Forward}}
	if after != "" {
		if h.From, err = placeOf(after); err != nil {
			return api.Jobs{}, err
		}
	}
	h.v = d.ledger.View()
	next := ""
	err = d.ads.Read(h.v, func(s *jobad.Session) error {
		for p, err := range h.pasts(s) {
			if err != nil {
				return err
			}
			full, err := h.past(s, &p)
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

// history is a HistoryQuery, understood.
type history struct {
	*query
	ledger.PastQuery
	v *ledger.View
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
// by the time of their leaving.
func (h *history) pasts(s *jobad.Session) iter.Seq2[ledger.Past, error] {
	if len(h.runs) == 0 {
		for id, o := range h.v.Owners() {
			if h.Owner == "" || h.Owner == o.Name {
				h.Owners = append(h.Owners, id)
			}
		}
		if h.v.LeavingJobs() == 0 {
			return s.History(h.PastQuery)
		}
		return h.merged(s.History(h.PastQuery), h.leaving(s))
	}
	if !h.Forward {
		return h.byID(s)
	}
	var found []ledger.Past
	for p, err := range h.byID(s) {
		if err != nil {
			return func(yield func(ledger.Past, error) bool) { yield(p, err) }
		}
		found = append(found, p)
	}
	return func(yield func(ledger.Past, error) bool) {
		for _, p := range slices.Backward(found) {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// byCluster is what the ids mean, the highest cluster first: each once, and of it all that
// lies between what is named.
func (h *history) byCluster() (runs []grid.Run) {
	for _, r := range slices.SortedFunc(slices.Values(h.runs), func(a, b grid.Run) int { return cmp.Compare(b.Cluster, a.Cluster) }) {
		if n := len(runs); n > 0 && runs[n-1].Cluster == r.Cluster {
			runs[n-1].Lo, runs[n-1].Hi = min(runs[n-1].Lo, r.Lo), max(runs[n-1].Hi, r.Hi)
			continue
		}
		runs = append(runs, r)
	}
	return runs
}

// byID yields the records that have jobs of the ids, the highest id first.
func (h *history) byID(s *jobad.Session) iter.Seq2[ledger.Past, error] {
	runs := h.byCluster()
	return func(yield func(ledger.Past, error) bool) {
		for _, r := range runs {
			// What was removed a moment ago, and has not been moved yet.
			for p := range s.Leaving(r) {
				if p.Left >= h.Since && !yield(p, nil) {
					return
				}
			}
			for p, err := range s.PastByID(grid.JobID{Cluster: r.Cluster, Proc: r.Hi}.Key()) {
				if err == nil && (p.Run.Cluster != r.Cluster || p.Run.Hi <= r.Lo) {
					break
				}
				if p.Left >= h.Since && !yield(p, err) {
					return
				}
			}
		}
	}
}

// past takes the jobs of one record of the history.
func (h *history) past(s *jobad.Session, p *ledger.Past) (full bool, err error) {
	c, err := s.Cluster(p.Run.Cluster)
	if err != nil {
		return false, err
	}
	owner, _ := h.v.Owner(c.Owner)
	if h.Owner != "" && h.Owner != owner.Name {
		return false, nil
	}
	for i := range int32(p.Run.Len()) {
		id := grid.JobID{Cluster: p.Run.Cluster, Proc: p.Run.Hi - 1 - i}
		if h.Forward {
			id.Proc = p.Run.Lo + i
		}
		if !h.named(id) || h.seen(p, id) {
			continue
		}
		job, err := s.Past(p, id.Proc)
		if err != nil {
			return false, err
		}
		if h.take(id, owner, job) {
			return true, nil
		}
	}
	return false, nil
}

// seen reports whether an earlier page had the job.
func (h *history) seen(p *ledger.Past, id grid.JobID) bool {
	order := cmp.Compare(id.Key(), h.From.Job.Key())
	if len(h.runs) == 0 { // by time first
		order = cmp.Or(cmp.Compare(p.Left, h.From.Left), order)
	}
	switch {
	case h.From == ledger.PastAt{}:
		return false
	case h.Forward:
		return order <= 0
	}
	return order >= 0
}

// named reports whether the ids mean the job.
func (q *query) named(id grid.JobID) bool {
	return len(q.runs) == 0 || slices.ContainsFunc(q.runs, func(r grid.Run) bool {
		return r.Cluster == id.Cluster && r.Lo <= id.Proc && id.Proc < r.Hi
	})
}
