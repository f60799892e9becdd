package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
)

// meddler holds, releases and removes jobs, and remembers what was acknowledged.
type meddler struct {
	run  *run
	rand *rand.Rand

	mu      sync.Mutex
	removed map[string]removal // by job
	held    []holding
	stuck   []string // jobs whose release was refused until the end
}

// removal is what is known of a removal.
type removal struct {
	acked  time.Time
	unsure bool // it was asked for again: the job may have completed before
}

// holding is a time in which a job was held: from the acknowledgement of the hold to the
// first request for its release.
type holding struct {
	job      string
	from, to time.Time
}

// mayMeddle are the shapes whose jobs are no more than what the witness and the log tell
// of them.
func mayMeddle(s shape) bool {
	return s == inPlace || s == bare || s == moved || s == retried || s == stepped
}

// do meddles until ctx ends. What it has held it releases, for which it has until.
func (m *meddler) do(ctx, until context.Context) {
	for pause.For(ctx, time.Duration((0.5+m.rand.Float64())*float64(m.run.Pause))) == nil {
		id, ok := m.pick()
		if !ok {
			continue
		}
		if m.rand.IntN(4) == 0 {
			m.remove(until, id)
			continue
		}
		changed, unsure := m.act(until, grid.Hold, id)
		if !changed && !unsure {
			continue
		}
		h := holding{job: id, from: time.Now()}
		_ = pause.For(ctx, time.Duration(m.rand.Float64()*float64(time.Second)))
		h.to = time.Now()
		if changed {
			m.mu.Lock()
			m.held = append(m.held, h)
			m.mu.Unlock()
		}
		m.release(until, id)
	}
}

// release lets go of what was held. It is refused while the attempt that was held is being
// ended, which may take as long as anything that comes to rest.
func (m *meddler) release(ctx context.Context, id string) {
	limited, cancel := context.WithTimeout(ctx, m.run.Drain)
	defer cancel()
	m.act(limited, grid.Release, id)
	if limited.Err() != nil && ctx.Err() == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.stuck = append(m.stuck, id)
	}
}

// pick draws one of the jobs that were handed in lately.
func (m *meddler) pick() (id string, ok bool) {
	all := m.run.client.all()
	all = all[max(0, len(all)-10):]
	if len(all) == 0 {
		return "", false
	}
	h := all[m.rand.IntN(len(all))]
	return grid.JobID{Cluster: h.Cluster, Proc: int32(m.rand.IntN(h.Jobs))}.String(), h.Cluster != 0 && mayMeddle(h.Shape)
}

func (m *meddler) remove(ctx context.Context, id string) {
	changed, unsure := m.act(ctx, grid.Remove, id)
	if !changed && !unsure {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removed[id] = removal{acked: time.Now(), unsure: unsure}
}

// act asks until there is an answer; for a release until it is not refused. It is unsure when
// a request before that one may have been carried out.
func (m *meddler) act(ctx context.Context, verb grid.Verb, id string) (changed, unsure bool) {
	for {
		done, err := m.run.house.schedd.Act(ctx, api.Action{Verb: string(verb), Selection: api.Selection{IDs: []string{id}}})
		if err == nil && (verb != grid.Release || done.Refused == 0) {
			return done.Changed > 0, unsure
		}
		if ctx.Err() != nil {
			return false, true
		}
		unsure = unsure || grid.CodeOf(err) == grid.Unknown
		if pause.For(ctx, 20*time.Millisecond) != nil {
			return false, true
		}
	}
}

// judge looks whether what was held did not begin meanwhile.
func (m *meddler) judge(rep *Report, runs map[string][]Execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rep.Held, rep.Removed = len(m.held), len(m.removed)
	for _, id := range m.stuck {
		rep.wrong("job %s was held, and could not be released again", id)
	}
	for _, h := range m.held {
		for _, e := range runs[h.job] {
			if e.Begin.After(h.from.Add(slack)) && e.Begin.Before(h.to) {
				rep.wrong("job %s began, as %s, %s after it was held, and nobody had released it", h.job, e.Nonce, e.Begin.Sub(h.from))
			}
		}
	}
}

// judgeRemoved reports whether a removal is what became of a job, and what is wrong with
// that.
func (m *meddler) judgeRemoved(rep *Report, id string, q *queue, runs []Execution) (removed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, asked := m.removed[id]
	gone := q.gone[id]
	switch {
	case asked && !gone && !r.unsure:
		rep.Lost++
		rep.wrong("job %s was removed, which was acknowledged, and is %s", id, q.status[id])
		return true
	case !asked && gone:
		rep.wrong("job %s is removed, and nobody asked for that", id)
		return true
	case !gone:
		return false
	}
	if n := len(q.done[id]); n > 0 {
		rep.wrong("job %s is removed, and was counted complete %d times", id, n)
	}
	for _, e := range runs {
		if e.Begin.After(r.acked.Add(slack)) {
			rep.wrong("job %s began as %s, %s after it was removed", id, e.Nonce, e.Begin.Sub(r.acked))
		}
	}
	return true
}
