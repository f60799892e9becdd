package dagfile

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gridburst/dag"
	"gridburst/internal/grid"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "accept new golden files")

const corpus = "testdata/corpus"

// tree is an owner's files.
type tree map[string]string

func (t tree) ReadFile(name string) ([]byte, error) {
	s, ok := t[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(s), nil
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Fatalf("%s (accept with -update):\n%s", name, d)
	}
}

func corpusFile(tb testing.TB, name string) []byte {
	tb.Helper()
	src, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

// verdicts is whether DAGMan accepts each file of the corpus.
func verdicts(tb testing.TB) map[string]bool {
	tb.Helper()
	out := map[string]bool{}
	for line := range strings.Lines(string(corpusFile(tb, "expected/VERDICTS.tsv"))) {
		if f := strings.Split(line, "\t"); f[0] != "file" {
			out[f[0]] = f[1] == "accepted"
		}
	}
	if len(out) < 50 {
		tb.Fatalf("the corpus has %d files", len(out))
	}
	return out
}

func TestEveryFileOfTheCorpusIsReadOrRefusedWithAReason(t *testing.T) {
	var b strings.Builder
	accepted := verdicts(t)
	for _, name := range slices.Sorted(maps.Keys(accepted)) {
		g, diags := Read(name, corpusFile(t, name), tree{})
		if (g == nil) != diags.HasErrors() {
			t.Errorf("%s: a graph and errors, or neither", name)
		}
		if g != nil && !accepted[name] {
			t.Errorf("%s is accepted, but not by DAGMan", name)
		}
		b.WriteString(name + "\n")
		if g != nil {
			fmt.Fprintf(&b, "  %d nodes, %d edges, %d joins, %d categories\n", g.Len(), g.Edges(), g.Joins, len(g.Categories))
		}
		for _, d := range diags {
			kind := "error"
			if d.Warning {
				kind = "warning"
			}
			fmt.Fprintf(&b, "  %s, line %d: %s. %s\n", kind, d.Line, d.Summary, d.Detail)
			if g == nil && accepted[name] && !d.Warning && !strings.HasSuffix(d.Summary, "is not supported yet") {
				t.Errorf("%s is refused, but not by DAGMan: %s", name, d.Summary)
			}
		}
	}
	golden(t, "testdata/corpus.golden", b.String())
}

// observed is a run of a file by DAGMan, as the corpus tells it.
type observed struct {
	Dag      string
	Run      string
	Kind     string
	Options  []string         `json:"submit_dag_options"`
	Failing  map[string]int32 `json:"failing"`
	PickedUp string           `json:"picked_up"`
	ExitCode *int32           `json:"exit_code"`
	Nodes    map[string]struct {
		Status string
	} `json:"node_status"`
	Submissions map[string]int
	Order       []string `json:"first_submit_order"`
	Rescue      *struct{ Done []string }
	Jobs        map[string][]struct {
		Vars    map[string]string `json:"vars_seen"`
		Parents string            `json:"DAGParentNodeNames"`
		JobPrio *int
	} `json:"job_attributes"`
}

func readObserved(tb testing.TB, name string) (o observed) {
	tb.Helper()
	if err := json.Unmarshal(corpusFile(tb, filepath.Join("expected", name)), &o); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return o
}

var statusNames = map[string]grid.NodeState{
	"STATUS_NOT_READY": grid.NodeWaiting, "STATUS_READY": grid.NodeReady, "STATUS_DONE": grid.NodeDone,
	"STATUS_ERROR": grid.NodeFailed, "STATUS_FUTILE": grid.NodeFutile,
}

func TestRunsEndAsTheyDoUnderDAGMan(t *testing.T) {
	paths, err := filepath.Glob(corpus + "/expected/*.json")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d runs, %v", len(paths), err)
	}
	for _, p := range paths {
		name := filepath.Base(p)
		t.Run(name, func(t *testing.T) { compareRun(t, readObserved(t, name)) })
	}
}

func compareRun(t *testing.T, o observed) {
	src := corpusFile(t, o.Dag)
	if before, ok := strings.CutSuffix(o.Run, "-resume"); ok {
		// A rescue file is read behind the file.
		for _, n := range readObserved(t, o.Dag+"."+before+".json").Rescue.Done {
			src = fmt.Appendf(src, "\nDONE %s", n)
		}
		o.Failing = nil
	}
	g, diags := Read(o.Dag, src, tree{})
	if g == nil {
		t.Fatal(diags)
	}
	header := dag.Header{}
	if len(o.Options) == 2 && o.Options[0] == "-maxjobs" {
		if _, err := fmt.Sscan(o.Options[1], &header.MaxJobs); err != nil {
			t.Fatal(err)
		}
	}
	run, err := dag.Open(g, header, nil)
	if err != nil {
		t.Fatal(err)
	}
	submissions, order, seen := map[string]int{}, []string{}, map[string][]dag.Var{}
	todo := []dag.Happening{dag.Begin{}}
	for len(todo) > 0 {
		change, actions, err := dag.Step(run, todo[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Apply(change); err != nil {
			t.Fatal(err)
		}
		todo = todo[1:]
		for _, a := range actions {
			s, ok := a.(dag.Submit)
			if !ok {
				continue
			}
			n := &g.Nodes[s.Node]
			if submissions[n.Name]++; s.Attempt == 1 {
				order = append(order, n.Name)
				seen[n.Name] = run.Vars(s.Node)
			}
			cluster := s.Node*100 + int32(s.Attempt)
			todo = append(todo, dag.Submitted{Node: s.Node, Attempt: s.Attempt, Cluster: cluster, Procs: 1},
				dag.ProcsLeft{Node: s.Node, Cluster: cluster, At: dag.Position{Index: uint64(s.Attempt)}, Procs: 1, Exit: o.Failing[n.Name]})
		}
	}
	if o.ExitCode != nil && run.Return != *o.ExitCode {
		t.Errorf("exit code %d, DAGMan %d", run.Return, *o.ExitCode)
	}
	if d := cmp.Diff(o.Submissions, submissions); d != "" {
		t.Errorf("submissions: %s", d)
	}
	if header.MaxJobs == 1 {
		if d := cmp.Diff(o.Order, order); d != "" {
			t.Errorf("order: %s", d)
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if want, ok := statusNames[o.Nodes[n.Name].Status]; ok && run.State(int32(i)) != want {
			t.Errorf("%s is %s, under DAGMan %s", n.Name, run.State(int32(i)), want)
		}
		compareVars(t, n.Name, seen[n.Name], o)
	}
}

// compareVars compares what the first job of a node was told.
func compareVars(t *testing.T, node string, vars []dag.Var, o observed) {
	t.Helper()
	if len(o.Jobs[node]) == 0 || len(vars) == 0 {
		return
	}
	job, got := o.Jobs[node][0], map[string]string{}
	for _, v := range vars {
		got[strings.ToLower(v.Name)] = v.Value
	}
	for name, want := range job.Vars {
		if got[strings.ToLower(name)] != want {
			t.Errorf("%s: %s is %q, under DAGMan %q", node, name, got[strings.ToLower(name)], want)
		}
	}
	if want := `"` + job.Parents + `"`; got["+dagparentnodenames"] != want {
		t.Errorf("%s: parents %s, under DAGMan %s", node, got["+dagparentnodenames"], want)
	}
	prio := 0
	if p := got["priority"]; p != "" {
		if _, err := fmt.Sscan(p, &prio); err != nil {
			t.Fatal(err)
		}
	}
	if job.JobPrio != nil && prio != *job.JobPrio {
		t.Errorf("%s: priority %d, under DAGMan %d", node, prio, *job.JobPrio)
	}
}
