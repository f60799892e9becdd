package jobfile

import (
	"os"
	"path/filepath"
	"testing"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"
)

func TestTheNodesOfAWorkflowInHCL(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wf.hcl")
	src := `
variable "part" {}
job "count" {
  executable = "/bin/sh"
  output     = "out.${var.part}"
}
job "other" { executable = "/nosuch" }
workflow "w" {
  node "count" {
    for_each = ["x", "y"]
    vars     = { part = each.value }
    dir      = "run"
  }
}
`
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	g, diags, err := Workflow(file, "wf.hcl")
	if err != nil || diags.HasErrors() {
		t.Fatal(err, diags)
	}
	run, err := dag.Open(g, dag.Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"out.x"`, `"out.y"`} {
		r := Node(&g.Nodes[i], file, dir)
		for _, v := range run.Vars(int32(i)) {
			r.Vars = append(r.Vars, submit.Var(v))
		}
		specs, diags, err := Read(r)
		if err != nil || diags.HasErrors() || len(specs) != 1 {
			t.Fatal(specs, err, diags)
		}
		attrs, err := specs[0].Proc(grid.JobID{Cluster: 1})
		if err != nil {
			t.Fatal(err)
		}
		if out, _ := submit.Find(attrs, "Out"); out != want {
			t.Errorf("node %d writes to %s, want %s", i, out, want)
		}
		if iwd, _ := submit.Find(attrs, "Iwd"); iwd != `"`+filepath.Join(dir, "run")+`"` {
			t.Errorf("node %d runs in %s", i, iwd)
		}
	}
}
