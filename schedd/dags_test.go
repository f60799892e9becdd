package schedd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// diamond is a workflow of four nodes, whose jobs name themselves.
func (w *place) diamond(retries int) api.DagSubmission {
	w.t.Helper()
	w.file("node.sub", "executable = /bin/true\narguments = $(JOB) $(RETRY)\nshould_transfer_files = no\nqueue\n", 0o644)
	b := dag.NewBuilder("diamond.dag")
	for _, name := range []string{"a", "b", "c", "d"} {
		b.Add(dag.Node{Name: name, File: "node.sub", Retries: retries})
	}
	b.Order([]int32{0}, []int32{1, 2})
	b.Order([]int32{1, 2}, []int32{3})
	g, err := b.Graph()
	if err != nil {
		w.t.Fatal(err)
	}
	dir := w.dir
	return api.DagSubmission{File: filepath.Join(dir, "diamond.dag"), Dir: dir, Graph: *g}
}

// record is the nodes that a worker was given, in order.
type record struct {
	mu    sync.Mutex
	nodes []string
	codes map[string]int32 // exit codes by "node attempt"
}

func (r *record) code(s wire.Start) int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := strings.Join(s.Args, " ")
	r.nodes = append(r.nodes, name)
	return r.codes[name]
}

func (w *place) dagEnd(id uint32) api.DagDetail {
	w.t.Helper()
	w.waitFor("the workflow to end", func(e *api.Event) bool {
		return e.Type == "dag_moved" && e.ID == id && (e.To == "done" || e.To == "failed" || e.To == "removed")
	})
	d, err := w.Dag(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func states(d api.DagDetail) string {
	var b strings.Builder
	for _, n := range d.Detail {
		fmt.Fprintf(&b, "%s %s %d; ", n.Name, n.State, n.Attempt)
	}
	return b.String()
}

func TestAWorkflowRunsInItsOrder(t *testing.T) {
	w := newPlace(t, nil)
	r := &record{}
	w.crew("w1", 2, nil, r.code)
	s := w.diamond(0)
	s.Key = "key"
	out, err := w.SubmitDag(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.SubmitDag(t.Context(), s); err != nil || again != out {
		t.Errorf("the same key again gives %+v (%v)", again, err)
	}
	d := w.dagEnd(out.Dag)
	if d.Status != "done" || d.Done != 4 || states(d) != "a done 1; b done 1; c done 1; d done 1; " {
		t.Errorf("it ended %s: %s", d.Status, states(d))
	}
	if len(r.nodes) != 4 || r.nodes[0] != "a 0" || r.nodes[3] != "d 0" {
		t.Errorf("the nodes ran in the order %v", r.nodes)
	}
}

func TestFailedNodesAreTriedAgainAndThenEndWhatIsBehindThem(t *testing.T) {
	w := newPlace(t, nil)
	r := &record{codes: map[string]int32{"a 0": 1, "b 0": 7, "b 1": 7}}
	w.crew("w1", 2, nil, r.code)
	out, err := w.SubmitDag(t.Context(), w.diamond(1))
	if err != nil {
		t.Fatal(err)
	}
	d := w.dagEnd(out.Dag)
	if d.Status != "failed" || d.Exit != 1 || states(d) != "a done 2; b failed 2; c done 1; d futile 0; " || d.Detail[1].Exit != 7 {
		t.Errorf("it ended %s with %d: %s", d.Status, d.Exit, states(d))
	}
}

// Further attempts are for other machines than those before.
func TestAttemptsGoElsewhere(t *testing.T) {
	w := newPlace(t, nil)
	var mu sync.Mutex
	ran := map[string][]string{} // by node and attempt
	worker := func(name string) {
		w.crew(name, 1, nil, func(s wire.Start) int32 {
			mu.Lock()
			defer mu.Unlock()
			what := strings.Join(s.Args, " ")
			ran[what] = append(ran[what], name)
			if what == "a 2" || s.Args[0] != "a" {
				return 0
			}
			return 1
		})
	}
	worker("w1")
	s := w.diamond(2)
	s.Graph.Nodes[0].Elsewhere = true
	out, err := w.SubmitDag(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	attempt := func(cluster string) func(*api.Event) bool {
		return func(e *api.Event) bool {
			return e.Type == "job_submitted" && e.ID == out.Dag && e.Node == 0 && strings.HasPrefix(e.Jobs, cluster+".")
		}
	}
	w.waitFor("the second attempt", attempt("2"))
	worker("w2")
	w.waitFor("the third attempt", attempt("3"))
	worker("w3")
	if d := w.dagEnd(out.Dag); d.Status != "done" {
		t.Errorf("it ended %s: %s", d.Status, states(d))
	}
	mu.Lock()
	defer mu.Unlock()
	for k, want := range []string{"w1", "w2", "w3"} {
		if got := strings.Join(ran[fmt.Sprint("a ", k)], ","); got != want {
			t.Errorf("attempt %d ran on %s, not on %s", k+1, got, want)
		}
	}
}

func TestARunGoesOnAfterARestart(t *testing.T) {
	w := newPlace(t, nil)
	out, err := w.SubmitDag(t.Context(), w.diamond(0))
	if err != nil {
		t.Fatal(err)
	}
	submitted := func(node int32) func(*api.Event) bool {
		return func(e *api.Event) bool { return e.Type == "job_submitted" && e.ID == out.Dag && e.Node == node }
	}
	w.waitFor("the first node", submitted(0))
	w.restart()
	r := &record{}
	k := w.crew("w1", 1, nil, r.code)
	w.waitFor("a later node", submitted(1))
	k.hangUp()
	w.restart()
	w.crew("w1", 1, nil, r.code)
	d := w.dagEnd(out.Dag)
	if d.Status != "done" {
		t.Errorf("it ended %s: %s", d.Status, states(d))
	}
	slices.Sort(r.nodes)
	if nodes := slices.Compact(r.nodes); len(nodes) != 4 {
		t.Errorf("ran %v", nodes)
	}
	totals, err := w.Totals(t.Context())
	if err != nil || totals.All.Total() != 0 {
		t.Errorf("the queue has %+v (%v)", totals, err)
	}
}

func TestARemovedRunRemovesItsJobs(t *testing.T) {
	w := newPlace(t, nil)
	out, err := w.SubmitDag(t.Context(), w.diamond(0))
	if err != nil {
		t.Fatal(err)
	}
	w.waitFor("the first node's job", func(e *api.Event) bool { return e.Type == "node_moved" && e.To == "submitted" })
	if err := w.RemoveDag(t.Context(), out.Dag); err != nil {
		t.Fatal(err)
	}
	if d := w.dagEnd(out.Dag); d.Status != "removed" {
		t.Errorf("it ended %s: %s", d.Status, states(d))
	}
	if err := w.RemoveDag(t.Context(), out.Dag); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("again: %v", err)
	}
}

// A removal that overtakes the submission of a node: the node is not submitted any more,
// and the run does not wait for it.
func TestARunThatIsRemovedAtOnceEnds(t *testing.T) {
	w := newPlace(t, nil)
	s := w.diamond(0)
	var runs []uint32
	for range 10 {
		out, err := w.SubmitDag(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.RemoveDag(t.Context(), out.Dag); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, out.Dag)
	}
	for _, id := range runs {
		if d := w.dagEnd(id); d.Status != "removed" || d.Detail[0].State == "submitted" {
			t.Errorf("run %d ended %s: %s", id, d.Status, states(d))
		}
	}
}

func TestANodeWhoseFileIsWrongFailsWithTheReason(t *testing.T) {
	w := newPlace(t, nil)
	s := w.diamond(0)
	w.file("node.sub", "executable = /bin/true\nrequirements = Foo ==\nqueue\n", 0o644)
	out, err := w.SubmitDag(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if d := w.dagEnd(out.Dag); d.Status != "failed" || d.Detail[0].Exit != dag.ExitSubmit {
		t.Errorf("it ended %s: %s", d.Status, states(d))
	}
	e := w.waitFor("the reason", func(e *api.Event) bool { return e.Type == "node_moved" && e.To == "failed" })
	if !strings.Contains(e.Text, "node.sub:2") {
		t.Errorf("the reason is %q", e.Text)
	}
}
