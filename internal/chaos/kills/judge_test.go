package kills

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/userlog"
)

// What the judge says of one cluster of two jobs, by what the queue shows.
func TestJudge(t *testing.T) {
	type jobs = map[int32]grid.Status
	held := &cluster{key: "k", id: 1, acked: true, procs: 2, status: grid.Held}
	for name, c := range map[string]struct {
		cluster *cluster
		pending failpoint.Work
		there   map[string]*seen
		want    string // how what is wrong begins; empty: nothing is
	}{
		"as it was acknowledged":            {held, "", map[string]*seen{"k": {id: 1, status: jobs{0: grid.Held, 1: grid.Held}}}, ""},
		"gone":                              {held, "", nil, "lost"},
		"one of two":                        {held, "", map[string]*seen{"k": {id: 1, status: jobs{0: grid.Held}}}, "half"},
		"one of two is held":                {held, "", map[string]*seen{"k": {id: 1, status: jobs{0: grid.Held, 1: grid.Idle}}}, "half"},
		"not held":                          {held, "", map[string]*seen{"k": {id: 1, status: jobs{0: grid.Idle, 1: grid.Idle}}}, "lost"},
		"another id":                        {held, "", map[string]*seen{"k": {id: 2, status: jobs{0: grid.Held, 1: grid.Held}}}, "k is cluster 2"},
		"a release that was not answered":   {held, failpoint.Release, map[string]*seen{"k": {id: 1, status: jobs{0: grid.Idle, 1: grid.Idle}}}, ""},
		"half a release":                    {held, failpoint.Release, map[string]*seen{"k": {id: 1, status: jobs{0: grid.Idle, 1: grid.Held}}}, "half"},
		"a submit that was not answered":    {&cluster{key: "k", procs: 2, status: grid.Idle}, failpoint.Submit, nil, ""},
		"it is there all the same":          {&cluster{key: "k", procs: 2, status: grid.Idle}, failpoint.Submit, map[string]*seen{"k": {id: 1, status: jobs{0: grid.Idle, 1: grid.Idle}}}, ""},
		"half of one that was not answered": {&cluster{key: "k", procs: 2, status: grid.Idle}, failpoint.Submit, map[string]*seen{"k": {id: 1, status: jobs{0: grid.Idle}}}, "half"},
		"what nobody asked for":             {held, "", map[string]*seen{"k": {id: 1, status: jobs{0: grid.Held, 1: grid.Held}}, "x": {id: 2, status: jobs{0: grid.Idle}}}, "cluster 2 is there"},
	} {
		t.Run(name, func(t *testing.T) {
			k := *c.cluster
			one := &client{clusters: []*cluster{&k}}
			if c.pending != "" {
				one.pending = &step{work: c.pending, clusters: one.clusters}
			}
			says := strings.Join(judge([]*client{one}, c.there).Wrong, "\n")
			if c.want == "" && says != "" || !strings.HasPrefix(says, c.want) {
				t.Errorf("it says %q, want %q", says, c.want)
			}
		})
	}
}

// What the judge says of a removal of everything, by what became of two clusters that were
// there before it and of one that came at the same time.
func TestJudgeRemoval(t *testing.T) {
	type jobs = map[int32]grid.Status
	idle := func(id int32) *seen { return &seen{id: id, queued: 1, status: jobs{0: grid.Idle}} }
	gone := func(id int32) *seen { return &seen{id: id, status: jobs{0: grid.Removed}} }
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	for name, c := range map[string]struct {
		acked         bool
		first, second *seen
		meanwhile     *seen
		want          string
	}{
		"all of them are gone":               {true, gone(1), gone(2), gone(3), ""},
		"what came meanwhile was not meant":  {true, gone(1), gone(2), idle(3), ""},
		"one is still there":                 {true, gone(1), idle(2), idle(3), "lost"},
		"one is neither here nor there":      {true, gone(1), nil, idle(3), "lost"},
		"not acknowledged, and done":         {false, gone(1), gone(2), idle(3), ""},
		"not acknowledged, and nothing done": {false, idle(1), idle(2), idle(3), ""},
		"not acknowledged, and half done":    {false, gone(1), idle(2), idle(3), "half"},
		"one is there twice":                 {true, gone(1), &seen{id: 2, status: jobs{0: grid.Removed}, twice: []grid.JobID{{Cluster: 2}}}, gone(3), "second is cluster 2, and its jobs stand there more than once"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &removal{asked: at(5)}
			one := &client{sweeps: []*removal{r}}
			if c.acked {
				r.done = at(7)
			} else {
				one.pending = &step{work: failpoint.RemoveAll, sweep: r}
			}
			there := map[string]*seen{"first": c.first, "second": c.second, "meanwhile": c.meanwhile}
			for i, key := range []string{"first", "second", "meanwhile"} {
				k := &cluster{key: key, id: int32(i + 1), acked: true, asked: at(1), done: at(2), procs: 1, status: grid.Idle, events: map[grid.EventNumber]int{}}
				if key == "meanwhile" {
					k.asked, k.done = at(4), at(6)
				}
				one.clusters = append(one.clusters, k)
			}
			says := strings.Join(judge([]*client{one}, there).Wrong, "\n")
			if c.want == "" && says != "" || !strings.HasPrefix(says, c.want) {
				t.Errorf("it says %q, want %q", says, c.want)
			}
			if c.acked != (len(one.sweeps) == 0) {
				t.Errorf("%d removals are to be looked at again", len(one.sweeps))
			}
			if k := one.clusters[0]; k.status == grid.Removed && k.events[grid.EventAborted] != 1 {
				t.Errorf("its log must have %d removals", k.events[grid.EventAborted])
			}
		})
	}
}

// What the judge says of an event log of all jobs, by what somebody has done to its files.
func TestJudgeRotated(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(log string) error
		want string // somewhere in it; empty: nothing is wrong
	}{
		"nothing":                  {func(string) error { return nil }, ""},
		"a file is gone":           {func(log string) error { return os.Remove(log + ".2") }, "stands 0 times"},
		"a file is there twice":    {func(log string) error { return clone(log+".2", log+".9") }, "stands 2 times"},
		"two files changed places": {func(log string) error { return swap(log+".1", log+".2") }, "does not say"},
		"an event is cut":          {func(log string) error { return os.Truncate(log+".1", 450) }, "in the midst of an event"},
		"it was never rotated":     {func(log string) error { return keep(log) }, "never rotated"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{dir: t.TempDir(), clients: []*client{{}}}
			g := userlog.Global{Path: b.global(), MaxSize: 600, Keep: 100, ID: "test"}
			for id := range int32(8) {
				e := userlog.Event{Job: grid.JobID{Cluster: id + 1}, Time: time.Unix(int64(id), 0), Body: &userlog.Released{Reason: strings.Repeat("reason ", 20)}}
				if _, err := g.Append([]userlog.Entry{{Text: g.Form.Encode(&e)}}, nil); err != nil {
					t.Fatal(err)
				}
				b.clients[0].clusters = append(b.clients[0].clusters, &cluster{id: id + 1, procs: 1, events: map[grid.EventNumber]int{e.Number(): 1}})
			}
			if err := c.harm(b.global()); err != nil {
				t.Fatal(err)
			}
			v, _, err := b.judgeRotated()
			says := strings.Join(v.Wrong, "\n")
			if err != nil || c.want == "" && says != "" || !strings.Contains(says, c.want) {
				t.Errorf("it says %q (%v), want %q", says, err, c.want)
			}
		})
	}
}

func clone(from, to string) error {
	b, err := os.ReadFile(from)
	return errors.Join(err, os.WriteFile(to, b, 0o600))
}

func swap(a, b string) error {
	return errors.Join(os.Rename(a, a+"x"), os.Rename(b, a), os.Rename(a+"x", b))
}

// keep removes all files of a log but the last.
func keep(log string) error {
	all, err := turned(log)
	for _, name := range all[:len(all)-1] {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}
