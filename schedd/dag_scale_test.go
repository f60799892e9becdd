package schedd

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gridburst/dag"
	"gridburst/gahp/conform"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// watched is a run with a service beside a node, for which there are machines of the lab.
func (l *lab) watched(t *testing.T) uint32 {
	t.Helper()
	l.file("node.sub", "executable = /bin/true\nshould_transfer_files = no\nrequirements = Machine == \"nowhere\"\nqueue\n", 0o644)
	l.file("watch.sub", "executable = /bin/true\nshould_transfer_files = no\nrequirements = Memory < 1001\nqueue\n", 0o644)
	b := dag.NewBuilder("w")
	b.Add(dag.Node{Name: "work", File: "node.sub"})
	b.Add(dag.Node{Name: "watch", File: "watch.sub", Kind: dag.ServiceNode})
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	g.Provision = []dag.Provision{{Pool: "lab", Count: 1, Max: 3}}
	s := api.DagSubmission{File: filepath.Join(l.dir, "w.dag"), Dir: l.dir, Graph: *g}
	out, err := l.SubmitDag(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return out.Dag
}

// machines are those of the engine that are ours, up or on their way.
func (l *lab) machines() (n int) {
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign {
			n++
		}
	}
	return n
}

// A service has its run's token, with which it asks for machines within what the workflow's
// provision block says, reads who serves, and may do nothing else. It is good as long as the
// service runs, over restarts too; what the run has asked for ends with it.
func TestAServiceScalesItsRun(t *testing.T) {
	t.Parallel()
	l := newLab(t, bursting)
	w := l.place.worker("head")
	run := l.watched(t)
	s := w.start()
	if s.Run != run {
		t.Fatalf("its service is to have the token of workflow %d, not of %d", s.Run, run)
	}
	status, token := w.files(http.MethodGet, s, "token", nil)
	if status != http.StatusOK || !strings.HasPrefix(string(token), tokenBegins) {
		t.Fatalf("the worker asked for it, and got %d %q", status, token)
	}
	w.started(s)
	l.becomes("a machine is there from the beginning on", func() bool { return l.machines() == 1 })
	service := api.NewClient(filepath.Join(l.c.Dir, "schedd.sock")).WithToken(string(token))
	scale := func(run uint32, pool string, n int) error {
		_, err := service.ScaleDag(t.Context(), run, api.DagScale{Pool: pool, Count: n})
		return err
	}
	if err := scale(run, "lab", 3); err != nil {
		t.Fatal(err)
	}
	l.becomes("there are three", func() bool { return l.machines() == 3 })
	if c, err := service.Claims(t.Context(), false); err != nil || len(c.Claims) != 3 {
		t.Errorf("it sees %+v (%v)", c, err)
	}
	d, err := l.Dag(t.Context(), run)
	if err != nil || len(d.Provision) != 1 || d.Provision[0] != (api.DagProvision{Pool: "lab", Count: 3, Max: 3}) {
		t.Errorf("of the run is said %+v (%v)", d.Provision, err)
	}
	for what, err := range map[string]error{
		"more than it may": scale(run, "lab", 4), "less than none": scale(run, "lab", -1), "another pool": scale(run, "other", 1),
	} {
		if grid.CodeOf(err) != grid.Refused {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := l.watched(t)
	if err := scale(other, "lab", 1); grid.CodeOf(err) != grid.Forbidden {
		t.Errorf("another run's machines: %v", err)
	}
	if _, err := service.Dags(t.Context(), false); grid.CodeOf(err) != grid.Forbidden {
		t.Errorf("all runs: %v", err)
	}
	for _, bad := range []string{"", "x", tokenBegins + "1.1.1.x", strings.Replace(string(token), ".1.", ".2.", 1), string(token) + "x"} {
		if _, err := api.NewClient(filepath.Join(l.c.Dir, "schedd.sock")).WithToken("t" + bad).Status(t.Context()); grid.CodeOf(err) != grid.Unauthorized {
			t.Errorf("the token %q: %v", bad, err)
		}
		if bad == "" {
			continue
		}
		if _, err := api.NewClient(filepath.Join(l.c.Dir, "schedd.sock")).WithToken(bad).Status(t.Context()); grid.CodeOf(err) != grid.Unauthorized {
			t.Errorf("the token %q: %v", bad, err)
		}
	}
	if err := l.RemoveDag(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	l.restart()
	if err := scale(run, "lab", 2); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign {
			l.boot(m)
		}
	}
	l.becomes("one goes", func() bool { return l.machines() == 2 })
	if err := l.RemoveDag(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	l.becomes("the others go", func() bool { return l.machines() == 0 })
	if err := scale(run, "lab", 1); err == nil {
		t.Error("a run that is removed asks for machines")
	}
	l.connect(w.hello)
	l.becomes("the token is good no more", func() bool {
		_, err := service.Status(t.Context())
		return grid.CodeOf(err) == grid.Unauthorized
	})
	l.becomes("nothing else asks for any", func() bool { return l.machines() == 0 })
}

// A node that is no service gets no token, and a pool that there is not is told at the submit.
func TestOnlyWhatRunsBesideTheNodesHasAToken(t *testing.T) {
	t.Parallel()
	l := newLab(t, bursting)
	w := l.place.worker("head")
	out, err := l.SubmitDag(t.Context(), l.diamond(0))
	if err != nil {
		t.Fatal(err)
	}
	s := w.start()
	if status, answer := w.files(http.MethodGet, s, "token", nil); s.Run != 0 || status == http.StatusOK {
		t.Errorf("a node of workflow %d gets %d %s", out.Dag, status, answer)
	}
	d := l.diamond(0)
	d.Graph.Provision = []dag.Provision{{Pool: "labour", Max: 1}}
	if _, err := l.SubmitDag(t.Context(), d); grid.CodeOf(err) != grid.NotFound || !strings.Contains(err.Error(), "there is lab") {
		t.Errorf("a pool that there is not: %v", err)
	}
}
