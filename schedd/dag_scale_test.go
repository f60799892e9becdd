package schedd

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gridburst/dag"
	"gridburst/gahp/conform"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// watched is a run with a service beside a node, for which there are machines of the lab.
func (l *lab) watched(t *testing.T) uint32 {
	t.Helper()
	l.file("watch.sub", "executable = /bin/true\nshould_transfer_files = no\nrequirements = Memory < 1001\nqueue\n", 0o644)
	return l.watching(t)
}

// watching is that of the service that watch.sub says.
func (l *lab) watching(t *testing.T) uint32 {
	t.Helper()
	l.file("node.sub", "executable = /bin/true\nshould_transfer_files = no\nrequirements = Machine == \"nowhere\"\nqueue\n", 0o644)
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

// tokenOf is what a worker is given for a service's attempt, as a client that has it.
func (l *lab) tokenOf(t *testing.T, w *worker, s *wire.Start) *api.Client {
	t.Helper()
	status, token := w.files(http.MethodGet, s, "token", nil)
	if status != http.StatusOK {
		t.Fatalf("the token of %s.%x: %d %s", s.Job, s.Epoch, status, token)
	}
	return api.NewClient(filepath.Join(l.c.Dir, "schedd.sock")).WithToken(string(token))
}

// A token is good for the execution that it was given, and for no other of the same job, nor of
// another: also when the schedd was killed, and did not see one of them end.
func TestATokenIsGoodForOneExecution(t *testing.T) {
	t.Parallel()
	l := newLab(t, bursting)
	w := l.place.worker("head")
	run := l.watched(t)
	scale := func(c *api.Client, n int) grid.Code {
		_, err := c.ScaleDag(t.Context(), run, api.DagScale{Pool: "lab", Count: n})
		return grid.CodeOf(err)
	}
	first := w.start()
	w.started(first)
	early := l.tokenOf(t, w, first)
	if code := scale(early, 2); code != "" {
		t.Fatal(code)
	}
	l.act("vacate", first.Job.String())
	w.kill()
	w.report(first, wire.Report{Kind: wire.Killed})
	second := w.begins()
	w.started(second)
	if second.Job != first.Job || second.Epoch == first.Epoch {
		t.Fatalf("it is executed anew as %s.%x", second.Job, second.Epoch)
	}
	late := l.tokenOf(t, w, second)
	for range 2 {
		if code := scale(early, 3); code != grid.Unauthorized {
			t.Errorf("the token of the execution before: %q", code)
		}
		if code := scale(late, 2); code != "" {
			t.Errorf("the token of the execution that runs: %q", code)
		}
		l.killed()
	}
	l.act("hold", second.Job.String())
	l.killed()
	for name, c := range map[string]*api.Client{"of before": early, "of an execution that is to end": late} {
		if code := scale(c, 3); code != grid.Unauthorized {
			t.Errorf("after a hold, the token %s: %q", name, code)
		}
	}
	d, err := l.Dag(t.Context(), run)
	if err != nil || d.Provision[0].Count != 2 {
		t.Errorf("it wants %+v (%v)", d.Provision, err)
	}
	if err := l.RemoveDag(t.Context(), run); err != nil {
		t.Fatal(err)
	}
}

// Each node of a service of several has a token, as long as it lives.
func TestEachNodeOfAServiceHasItsToken(t *testing.T) {
	t.Parallel()
	l := newLab(t, bursting)
	w := l.place.worker("head")
	l.file("watch.sub", strings.Replace(several, "log = log", "requirements = Memory < 1001\nmachine_count = 2\nrequest_memory = 1\nqueue", 1), 0o644)
	run := l.watching(t)
	all := nodes(t, map[*worker]int{w: 2})
	for i := range all {
		all[i].started()
	}
	for i := range all {
		token := l.tokenOf(t, w, all[i].Start)
		if _, err := token.ScaleDag(t.Context(), run, api.DagScale{Pool: "lab", Count: i}); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
		if i == 0 {
			continue
		}
		w.exited(all[i].Start, 0)
		w.forgets()
		if _, err := token.ScaleDag(t.Context(), run, api.DagScale{Pool: "lab", Count: 3}); grid.CodeOf(err) != grid.Unauthorized {
			t.Errorf("node %d, which has ended: %v", i, err)
		}
	}
	if err := l.RemoveDag(t.Context(), run); err != nil {
		t.Fatal(err)
	}
}
