package account

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// failed is a run that has ended: a failed after its POST script, behind it b is futile; c
// is done, d was removed, e could not be submitted; s is a service, f the FINAL node.
func failed(t *testing.T) *dag.Run {
	t.Helper()
	b := dag.NewBuilder("w.dag")
	for _, n := range []dag.Node{
		{Name: "a", Post: &dag.Script{}, Retries: 2}, {Name: "b"}, {Name: `c"`}, {Name: "d"}, {Name: "e", Subdag: true}, {Name: "s", Kind: dag.ServiceNode}, {Name: "f", Kind: dag.FinalNode},
	} {
		b.Add(n)
	}
	b.Order([]int32{0}, []int32{1})
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	records := map[int32]dag.Record{
		0: {State: grid.NodeFailed, Attempt: 3, Cluster: 4, Procs: 1, Exit: 7},
		2: {State: grid.NodeDone, Attempt: 1, Cluster: 5, Procs: 1},
		3: {State: grid.NodeFailed, Attempt: 1, Cluster: 6, Exit: dag.ExitRemoved},
		4: {State: grid.NodeFailed, Attempt: 1, Exit: dag.ExitSubmit},
		5: {State: grid.NodeFailed, Attempt: 1, Exit: dag.ExitRemoved},
		6: {State: grid.NodeDone, Attempt: 1, Cluster: 9, Procs: 1},
	}
	h := dag.Header{Status: dag.RunFailed, Return: 1, Condition: dag.ConditionFailed}
	r, err := dag.Open(g, h, func(yield func(int32, dag.Record) bool) {
		for i := range int32(g.Len()) {
			if rec, ok := records[i]; ok && !yield(i, rec) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestANodeStatusFileTellsOfEachNode(t *testing.T) {
	text := string(Status(failed(t), []string{"w.dag", "x.dag"}, time.Unix(1_700_000_000, 0), time.Minute, func(i int32) Procs { return Procs{} }))
	for _, want := range []string{
		"DagFiles = {\n    \"w.dag\",\n    \"x.dag\"\n  };",
		"Timestamp = 1700000000; /* ",
		`DagStatus = 6; /* "STATUS_ERROR (failed)" */`,
		"NodesTotal = 6;", "NodesDone = 2;", "NodesFailed = 3;", "NodesFutile = 1;",
		`Node = "c\"";`,
		`StatusDetails = "POST Script failed with status 7 (after 2 node retries)";` + "\n  RetryCount = 2;",
		`StatusDetails = "Was STATUS_SUBMITTED";`, `StatusDetails = "Job submit failed";`,
		"NextUpdate = 1700000060; /* ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, `"s"`) {
		t.Error("it tells of a service")
	}
}

func TestMetricsCountNodes(t *testing.T) {
	text, err := Metrics(failed(t), Run{ID: 3, Parent: 2, Rescue: 1, Started: time.Unix(100, 0), Ended: time.Unix(102, 5e8), Client: "c", Version: "v"})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"nodes": 5, "nodes_failed": 1, "nodes_succeeded": 2, "dag_nodes": 1, "dag_nodes_failed": 1, "total_nodes": 6, "total_nodes_run": 4, "jobs": 5,
		"service_nodes": 1, "service_nodes_failed": 0, "duration": 2.5, "exitcode": 1, "DagStatus": 2, "dagman_id": 3, "parent_dagman_id": 2, "rescue_dag_number": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

func TestADrawingHasNodesAndEdges(t *testing.T) {
	text := string(Dot(failed(t), time.Unix(0, 0), "    rankdir=LR;\n"))
	for _, want := range []string{"digraph DAG {\n    rankdir=LR;\n", `"a" [shape=ellipse label="a (E)"];`, `"c\"" [shape=ellipse label="c\" (Done)"];`, `"a" -> "b";`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestLinesOfAJobstateLog(t *testing.T) {
	at := time.Unix(12, 0)
	if got := Internal(at, "DAGMAN_FINISHED 0") + Line(at, "n", "SUBMIT", "4.0", 2) + Line(at, "n", "PRE_SCRIPT_STARTED", "", 2); got != "12 INTERNAL *** DAGMAN_FINISHED 0 ***\n12 n SUBMIT 4.0 - - 2\n12 n PRE_SCRIPT_STARTED - - - 2\n" {
		t.Errorf("%q", got)
	}
}
