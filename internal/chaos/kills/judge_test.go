package kills

import (
	"strings"
	"testing"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
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
