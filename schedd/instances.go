package schedd

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
)

// instances is the history by executions: of the highest job first, and of a job its last.
// What ended with the job's leaving the queue stands in the job's own record there, the
// others in records of their own, those of jobs in the queue too.
func (d *Daemon) instances(ctx context.Context, q *query, hq api.HistoryQuery, after string) (api.Jobs, error) {
	if hq.Forward {
		return api.Jobs{}, grid.Errorf(grid.Invalid, "executions are told the last first: not forward")
	}
	from := instanceAt{job: grid.JobID{Cluster: math.MaxInt32}}
	if after != "" {
		var err error
		if from, err = instanceOf(after); err != nil {
			return api.Jobs{}, err
		}
	}
	h := history{query: q, v: d.ledger.View()}
	runs := h.byCluster()
	if len(runs) == 0 {
		runs = []grid.Run{{}}
	}
	next := ""
	err := d.ads.Read(h.v, func(s *jobad.Session) error {
		for _, r := range runs {
			for i, err := range executions(s, r, from) {
				if err != nil {
					return err
				}
				full, err := h.instance(s, &i, hq.Since*1000)
				if full || err != nil {
					next = fmt.Sprintf("%s/%d", i.Job, i.Epoch)
					return err
				}
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
			}
		}
		return nil
	})
	page := q.page(false)
	page.Next = next
	return page, err
}

// instanceAt is a place among executions.
type instanceAt struct {
	job   grid.JobID
	epoch uint32
}

func instanceOf(text string) (at instanceAt, err error) {
	id, number, _ := strings.Cut(text, "/")
	r, err := grid.ParseRun(id)
	if err == nil && r.Len() == 1 {
		epoch, numberErr := strconv.ParseUint(number, 10, 32)
		if numberErr == nil {
			return instanceAt{r.First(), uint32(epoch)}, nil
		}
	}
	return at, grid.Errorf(grid.Invalid, "after is no place among executions: %q", text)
}

// before reports whether an execution comes before a place.
func (at instanceAt) before(other instanceAt) bool {
	return cmp.Or(cmp.Compare(at.job.Key(), other.job.Key()), cmp.Compare(at.epoch, other.epoch)) > 0
}

// executions yields those of the jobs of one run (the empty run: of all) behind a place.
func executions(s *jobad.Session, r grid.Run, from instanceAt) iter.Seq2[ledger.Instance, error] {
	top := from
	if end := (instanceAt{job: grid.JobID{Cluster: r.Cluster, Proc: r.Hi}}); r != (grid.Run{}) && from.before(end) {
		top = end
	}
	kept := func(yield func(ledger.Instance, error) bool) {
		for i, err := range s.Instances(top.job, top.epoch) {
			if err == nil && i.Job.Key() < r.First().Key() || !yield(i, err) {
				return
			}
		}
	}
	last := func(yield func(ledger.Instance, error) bool) {
		end := top.job
		if top.epoch > 0 {
			end.Proc++ // its own last one may come yet
		}
		for p, err := range s.PastByID(end.Key()) {
			i := ledger.Instance{Job: p.Run.First(), Epoch: p.Job.Epoch, Rec: p.Job, Ended: p.Left, Attrs: p.Attrs}
			switch {
			case err == nil && i.Job.Key() < r.First().Key():
				return
			case err == nil && (i.Epoch == 0 || !top.before(instanceAt{i.Job, i.Epoch})):
				continue
			}
			if !yield(i, err) {
				return
			}
		}
	}
	return func(yield func(ledger.Instance, error) bool) {
		next, stop := iter.Pull2[ledger.Instance, error](last)
		defer stop()
		l, lastErr, ok := next()
		for i, err := range kept {
			at := instanceAt{i.Job, i.Epoch}
			for err == nil && ok && (lastErr != nil || (instanceAt{l.Job, l.Epoch}).before(at)) {
				if !yield(l, lastErr) {
					return
				}
				l, lastErr, ok = next()
			}
			if err == nil && ok && (instanceAt{l.Job, l.Epoch}) == at {
				l, lastErr, ok = next() // it ended before its job left
			}
			if !yield(i, err) {
				return
			}
		}
		for ok {
			if !yield(l, lastErr) {
				return
			}
			l, lastErr, ok = next()
		}
	}
}

// instance takes one execution.
func (h *history) instance(s *jobad.Session, i *ledger.Instance, since int64) (full bool, err error) {
	if i.Ended < since || !h.named(i.Job) {
		return false, nil
	}
	c, err := s.Cluster(i.Job.Cluster)
	if err != nil {
		return false, err
	}
	owner, _ := h.v.Owner(c.Owner)
	if h.Owner != "" && h.Owner != owner.Name {
		return false, nil
	}
	job, err := s.Instance(i)
	if err != nil {
		return false, err
	}
	return h.take(i.Job, owner, job), nil
}
