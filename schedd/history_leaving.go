package schedd

import (
	"cmp"
	"iter"
	"slices"

	"gridburst/internal/grid"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
)

// leaving yields the jobs that have left the queue and are not in the history yet, in the
// history's order: they will have the same places in it.
func (h *history) leaving(s *jobad.Session) iter.Seq2[ledger.Past, error] {
	var clusters []ledger.PastAt
	for id, c := range h.v.LeavingClusters() {
		at := ledger.PastAt{Left: h.v.LeftAt(id, c), Job: grid.JobID{Cluster: id}}
		if at.Left >= h.Since && slices.Contains(h.Owners, c.Owner) && !h.beyond(at) {
			clusters = append(clusters, at)
		}
	}
	slices.SortFunc(clusters, func(a, b ledger.PastAt) int { return h.order(b, a) })
	return func(yield func(ledger.Past, error) bool) {
		for _, at := range clusters {
			jobs := s.Leaving(grid.WholeCluster(at.Job.Cluster))
			if h.Forward {
				jobs = slices.Values(reversed(jobs))
			}
			for p := range jobs {
				if !s.InHistory(p.Run.First()) && !yield(p, nil) {
					return
				}
			}
		}
	}
}

func reversed(jobs iter.Seq[ledger.Past]) []ledger.Past {
	all := slices.Collect(jobs)
	slices.Reverse(all)
	return all
}

// beyond reports whether earlier pages had all of a cluster.
func (h *history) beyond(at ledger.PastAt) bool {
	if h.From == (ledger.PastAt{}) {
		return false
	}
	from := h.From
	from.Job.Proc = 0
	return h.order(at, from) > 0
}

// order is positive when a comes before b.
func (h *history) order(a, b ledger.PastAt) int {
	c := cmp.Or(cmp.Compare(a.Left, b.Left), cmp.Compare(a.Job.Key(), b.Job.Key()))
	if h.Forward {
		return -c
	}
	return c
}

// merged makes one of two sequences in the history's order.
func (h *history) merged(a, b iter.Seq2[ledger.Past, error]) iter.Seq2[ledger.Past, error] {
	return func(yield func(ledger.Past, error) bool) {
		next, stop := iter.Pull2(b)
		defer stop()
		other, err, ok := next()
		for p, pastErr := range a {
			for pastErr == nil && ok && (err != nil || h.order(placeOfPast(&other), placeOfPast(&p)) > 0) {
				if !yield(other, err) {
					return
				}
				other, err, ok = next()
			}
			if !yield(p, pastErr) {
				return
			}
		}
		for ok {
			if !yield(other, err) {
				return
			}
			other, err, ok = next()
		}
	}
}

func placeOfPast(p *ledger.Past) ledger.PastAt {
	return ledger.PastAt{Left: p.Left, Job: p.Run.First()}
}
