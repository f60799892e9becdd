package kills

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
	"gridburst/schedd/userlog"
)

// Verdict is what a look has found.
type Verdict struct {
	Lost   int      `json:"lost"`   // things that were acknowledged and are not so
	Halves int      `json:"halves"` // things of which a part is there
	Wrong  []string `json:"wrong,omitempty"`
}

func (v *Verdict) lost(format string, args ...any) {
	v.Lost++
	v.wrong("lost: "+format, args...)
}

func (v *Verdict) half(format string, args ...any) {
	v.Halves++
	v.wrong("half: "+format, args...)
}

func (v *Verdict) wrong(format string, args ...any) {
	v.Wrong = append(v.Wrong, fmt.Sprintf(format, args...))
}

func (v *Verdict) add(o Verdict) {
	v.Lost += o.Lost
	v.Halves += o.Halves
	v.Wrong = append(v.Wrong, o.Wrong...)
}

// seen is the jobs of one cluster as the queue or the history shows them.
type seen struct {
	id     int32
	status map[int32]grid.Status // by proc
	queued int                   // so many of them are in the queue
	twice  []grid.JobID          // stand there more than once
}

// list reads the whole queue and its history, by KillsKey.
func list(ctx context.Context, schedd *api.Client) (map[string]*seen, error) {
	all := map[string]*seen{}
	ask := api.JobsQuery{Attributes: []string{"ClusterId", "ProcId", "JobStatus", "KillsKey"}, Limit: 5000}
	for i, jobs := range []func(func(json.RawMessage, error) bool){schedd.Jobs(ctx, ask), schedd.History(ctx, api.HistoryQuery{JobsQuery: ask})} {
		for raw, err := range jobs {
			if err != nil {
				return nil, err
			}
			var a struct {
				ClusterId, ProcId int32
				JobStatus         grid.Status
				KillsKey          string
			}
			if err := json.Unmarshal(raw, &a); err != nil {
				return nil, err
			}
			s := all[a.KillsKey]
			if s == nil {
				s = &seen{id: a.ClusterId, status: map[int32]grid.Status{}}
				all[a.KillsKey] = s
			}
			if _, twice := s.status[a.ProcId]; twice || s.id != a.ClusterId {
				s.twice = append(s.twice, grid.JobID{Cluster: a.ClusterId, Proc: a.ProcId})
			}
			s.status[a.ProcId] = a.JobStatus
			if i == 0 {
				s.queued++
			}
		}
	}
	return all, nil
}

// judge compares what the clients know with what is there.
func judge(clients []*client, there map[string]*seen) (v Verdict) {
	judgeSweeps(&v, clients, there)
	asked := map[string]bool{}
	for _, c := range clients {
		for _, k := range c.clusters {
			asked[k.key] = true
			c.judge(&v, k, there[k.key])
		}
		v.Wrong = append(v.Wrong, c.wrong...)
		c.wrong = nil
	}
	for key, s := range there {
		if !asked[key] {
			v.wrong("cluster %d is there, as %q, and nobody asked for it", s.id, key)
		}
	}
	return v
}

func (c *client) judge(v *Verdict, k *cluster, s *seen) {
	switch {
	case s == nil && k.acked:
		v.lost("%s was acknowledged as cluster %d with %d jobs", k.key, k.id, k.procs)
	case s == nil:
	case len(s.twice) > 0:
		v.wrong("%s is cluster %d, and its jobs stand there more than once: %v", k.key, s.id, s.twice)
	case s.queued != 0 && s.queued != k.procs:
		v.half("%s has %d jobs, of which the queue has %d", k.key, k.procs, s.queued)
	case len(s.status) != k.procs:
		v.half("%s has %d jobs, and %d were asked for", k.key, len(s.status), k.procs)
	case k.id != 0 && s.id != k.id:
		v.wrong("%s is cluster %d, and was cluster %d", k.key, s.id, k.id)
	default:
		k.id = s.id
		c.judgeStatus(v, k, s)
	}
}

// judgeStatus: all jobs of a cluster are as the last step left them, or all as one that
// was not acknowledged leaves them.
func (c *client) judgeStatus(v *Verdict, k *cluster, s *seen) {
	status := s.status[0]
	for proc := range int32(k.procs) {
		if s.status[proc] != status {
			v.half("of cluster %d, job 0 is %s, and job %d is %s", k.id, status, proc, s.status[proc])
			return
		}
	}
	if status == k.status || c.pending != nil && slices.Contains(c.pending.clusters, k) && status == c.pending.after() {
		return
	}
	v.lost("cluster %d is %s, and was acknowledged to be %s", k.id, status, k.status)
}

// counted is how often each event of each job stands in a log.
type counted map[grid.JobID]map[grid.EventNumber]int

// events counts what a log has, and what has been moved away of it. Each of the files has
// whole events, or is cut.
func events(path string) (count counted, cut bool, err error) {
	all, err := turned(path)
	count = counted{}
	for _, name := range all {
		b, failed := os.ReadFile(name)
		if failed != nil {
			return nil, false, failed
		}
		list, whole := userlog.Read(b)
		cut = cut || whole < len(b)
		for _, e := range list {
			if count[e.Job] == nil {
				count[e.Job] = map[grid.EventNumber]int{}
			}
			count[e.Job][e.Number()]++
		}
	}
	return count, cut, err
}

// judgeSubmits: a submit is acknowledged once its events are in their log, or with a
// warning that they are not.
func (c *client) judgeSubmits(v *Verdict) error {
	count, _, err := events(c.copied)
	for _, k := range c.clusters {
		for proc := range int32(k.procs) {
			if id := (grid.JobID{Cluster: k.id, Proc: proc}); k.acked && !k.warned && count[id][grid.EventSubmit] == 0 {
				v.lost("the log has no submit of job %s, which was acknowledged", id)
			}
		}
	}
	return err
}

// judgeLog: each event of what was done is in the log, whole and once. late is what
// may only need more time.
func (c *client) judgeLog() (v Verdict, late bool, err error) {
	count, cut, err := events(c.copied)
	if err != nil {
		return v, false, err
	}
	if cut {
		v.half("%s ends in the midst of an event", c.log)
		late = true
	}
	late = c.judgeEvents(&v, c.log, count) || late
	for id := range count {
		v.wrong("%s tells of job %s, which nobody asked for", c.log, id)
	}
	return v, late, nil
}

// judgeEvents takes the client's jobs out of what a log has.
func (c *client) judgeEvents(v *Verdict, log string, count counted) (late bool) {
	for _, k := range c.clusters {
		for proc := range int32(k.procs) {
			id := grid.JobID{Cluster: k.id, Proc: proc}
			for number, want := range k.events {
				switch got := count[id][number]; {
				case got > want:
					v.wrong("event %03d of job %s stands %d times in %s, and happened %d times", number, id, got, log, want)
				case got < want:
					v.lost("event %03d of job %s stands %d times in %s, and happened %d times", number, id, got, log, want)
					late = true
				}
			}
			delete(count, id)
		}
	}
	return late
}

// settled is what is wrong with a log once it is complete, or should be; fetch copies it
// to here.
func (c *client) settled(ctx context.Context, fetch func() error) (Verdict, error) {
	return complete(ctx, func() (v Verdict, late bool, err error) {
		if err := fetch(); err != nil {
			return v, false, err
		}
		return c.judgeLog()
	})
}

// complete judges until nothing is late any more.
func complete(ctx context.Context, judge func() (v Verdict, late bool, err error)) (Verdict, error) {
	for begun := time.Now(); ; {
		v, late, err := judge()
		if err != nil || !late || time.Since(begun) > logPatience {
			return v, err
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return v, err
		}
	}
}
