package corpus

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"gridburst/dag/dagfile"
)

const dags = "../../../dag/dagfile/testdata/corpus"

func collect(t *testing.T) []dagFile {
	t.Helper()
	list, err := dagCollection(dags)
	if err != nil || len(list) != 50 {
		t.Fatalf("%d files, %v", len(list), err)
	}
	return list
}

func TestDagFilesAreJudgedAndRunAsByDAGMan(t *testing.T) {
	var out bytes.Buffer
	j := &judge{out: &out}
	for _, f := range collect(t) {
		if err := j.dag(f); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	}
	if want := (dagCounts{47, 47, 3, 3, 47, 113, 113}); j.dags != want || j.differences != 0 {
		t.Errorf("%+v, want %+v:\n%s", j.dags, want, out.String())
	}
}

// A judge that finds nothing is no judge.
func TestWhatDiffersFromARecordingIsFound(t *testing.T) {
	list := collect(t)
	i := slices.IndexFunc(list, func(f dagFile) bool { return f.base() == "job_dagman_abort-B.dag" })
	f := list[i]
	src, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	var run2 recorded
	for _, o := range f.runs {
		if o.Run == "run2" {
			run2 = o
		}
	}
	for want, spoil := range map[string]func(o *recorded){
		"exit code":                 func(o *recorded) { o.ExitCode = new(int32(7)) },
		"DAG_STATUS":                func(o *recorded) { o.Metrics.DagStatus = 3 },
		"state of A":                func(o *recorded) { o.Nodes = map[string]status{"A": {Status: "STATUS_ERROR"}} },
		"retries of C":              func(o *recorded) { o.Nodes = map[string]status{"C": {Status: "STATUS_ERROR", Retries: 2}} },
		"submissions of B":          func(o *recorded) { o.Submitted = map[string]int{"A": 1, "B": 2, "C": 4, "D": 1} },
		"scripts":                   func(o *recorded) { o.Scripts = o.Scripts[1:] },
		"picked up":                 func(o *recorded) { o.PickedUp = "x.rescue001" },
		"rescue file":               func(o *recorded) { o.Rescue = nil },
		"done by it":                func(o *recorded) { o.Rescue = new(*o.Rescue); o.Rescue.Done = []string{"A"} },
		"other lines of it":         func(o *recorded) { o.Rescue = new(*o.Rescue); o.Rescue.Others = nil },
		"header of it":              func(o *recorded) { o.Rescue = new(*o.Rescue); o.Rescue.Header = nil },
		"nodename of submission 1":  func(o *recorded) { o.Jobs["A"][0]["vars_seen"] = map[string]any{"nodename": "B"} },
		"DAGParentNodeNames of sub": func(o *recorded) { o.Jobs["A"][0]["DAGParentNodeNames"] = "D" },
	} {
		o := run2
		o.Jobs = map[string][]map[string]any{"A": {{}}}
		spoil(&o)
		d, err := f.perform(&o, src)
		if err != nil || len(d) == 0 || !strings.HasPrefix(d[0], want) {
			t.Errorf("%s: %v, %v", want, d, err)
		}
	}
	g, diags := dagfile.Read("in.dag", []byte("JOB A a.sub\nCONFIG c\n"), disk{"c": "DAGMAN_X = 1\n"})
	if g == nil {
		t.Fatal(diags)
	}
	if d := rewrite(g, disk{"c": ""}); d == "" {
		t.Error("another graph is taken for equal")
	}
	f.accepted = false
	j := &judge{out: new(bytes.Buffer)}
	if err := j.dag(f); err != nil || j.differences != 1 {
		t.Errorf("a file that should be refused: %d differences, %v", j.differences, err)
	}
}
