package ledger

import (
	"slices"
	"testing"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// writeScaled makes a history of runs that want machines to be there.
func writeScaled(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	h.do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.11", Rules: 4})
	run := h.do(startScaled()).Value.(uint32)
	h.do(&StepDag{Dag: run, Header: dag.Header{Version: 1, Status: dag.RunRunning}})
	for n := range uint32(20) {
		h.do(&ScaleDag{run, Scaled{[]string{"lab", "main"}[n%2], n}})
	}
	other := h.do(startScaled()).Value.(uint32)
	h.do(&StepDag{Dag: other, Header: dag.Header{Version: 1, Status: dag.RunStopping, End: dag.RunRemoved}})
	h.do(&ScaleDag{other, Scaled{"lab", 1}}) // refused
	h.write(path)
}

func startScaled() *StartDag {
	return &StartDag{
		Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Name: "w", File: "/home/alice/w.hcl", Dir: "/home/alice", Graph: [][]byte{[]byte("graph")}, Nodes: 2,
		Scale: []Scaled{{"lab", 2}},
	}
}

// A run wants machines while it runs, and none before or behind that.
func TestARunWantsMachinesWhileItRuns(t *testing.T) {
	h := newHistory(t)
	run := h.do(startScaled()).Value.(uint32)
	head := dag.Header{}
	wants := func() []Scaled {
		g, _ := h.m.View().Dag(run)
		return g.Wants()
	}
	to := func(s dag.RunStatus) {
		was := head.Version
		head.Version, head.Status = head.Version+1, s
		h.do(&StepDag{Dag: run, Version: was, Header: head})
	}
	if got := wants(); got != nil {
		t.Errorf("before it runs it wants %v", got)
	}
	to(dag.RunRunning)
	h.do(&ScaleDag{run, Scaled{"main", 3}})
	h.do(&ScaleDag{run, Scaled{"lab", 1}})
	if got := wants(); !slices.Equal(got, []Scaled{{"lab", 1}, {"main", 3}}) {
		t.Errorf("it wants %v", got)
	}
	for n := range maxScaled - 2 {
		h.do(&ScaleDag{run, Scaled{string(rune('a' + n)), 1}})
	}
	if r := h.do(&ScaleDag{run, Scaled{"one more", 1}}); r.Err == nil || r.Err.Code != grid.TooLarge {
		t.Errorf("of one pool more than may be: %v", r.Err)
	}
	to(dag.RunClosing)
	if r := h.do(&ScaleDag{run, Scaled{"lab", 2}}); wants() != nil || r.Err == nil || r.Err.Code != grid.Refused {
		t.Errorf("at its end it wants %v (%v)", wants(), r.Err)
	}
	to(dag.RunDone)
	if r := h.do(&ScaleDag{run, Scaled{"lab", 2}}); r.Err == nil || r.Err.Code != grid.NotFound {
		t.Errorf("behind its end: %v", r.Err)
	}
}
