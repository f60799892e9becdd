package worker

import (
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

func TestNodesOfOneAttemptRunBesideEachOther(t *testing.T) {
	w := newWorld(t)
	w.run()
	l := w.line()
	node := func(attempt uint32, i int, script string) {
		x := w.script(script)
		x.Nodes, x.Out = 2, ""
		l.start(1, grid.NodeEpoch(attempt, i), x)
	}
	const says = `echo "$_CONDOR_PROCNO of $_CONDOR_NPROCS, $GRIDBURST_NODE of $GRIDBURST_NODES" >said.$GRIDBURST_NODE; `
	for i := range 2 {
		node(1, i, says+"exec sleep 1000")
		l.want(1, grid.NodeEpoch(1, i), wire.Started)
	}
	until(t, "both have said which they are", func() bool {
		return exists(w.file("said.0")) && exists(w.file("said.1")) && strings.HasSuffix(w.read("said.0")+w.read("said.1"), "0 of 2, 0 of 2\n1 of 2, 1 of 2\n")
	})
	// A node of the next attempt ends both, and an order of this one is no good any more.
	node(2, 1, "exit 5")
	ended := map[uint32]bool{}
	for range 2 {
		r := l.report()
		if r.Kind != wire.Killed {
			t.Fatalf("%+v", r)
		}
		ended[r.Epoch] = true
	}
	if !ended[grid.NodeEpoch(1, 0)] || !ended[grid.NodeEpoch(1, 1)] {
		t.Errorf("%v have ended", ended)
	}
	l.want(1, grid.NodeEpoch(2, 1), wire.Started)
	if r := l.ends(1, grid.NodeEpoch(2, 1), wire.Exited); r.Code != 5 {
		t.Errorf("%+v", r)
	}
	node(1, 0, "exit 6")
	l.want(1, grid.NodeEpoch(1, 0), wire.Killed) // it has that one still, and tells of it again
}
