package jobfile

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/schedd/submit"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBothTonguesAreReadFromDisk(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "prog", "#!/bin/sh\n")
	sub := write(t, dir, "job.sub", "executable = prog\narguments = $(x)\nqueue 2\n")
	hcl := write(t, dir, "job.hcl", `
job "one" {
  executable = "prog"
}
job "two" {
  executable = "prog"
  queue { count = 3 }
}
`)
	for _, c := range []struct {
		name string
		r    Request
		jobs []int
	}{
		{"a submit file", Request{File: sub, Vars: []submit.Var{{Name: "x", Value: "7"}}}, []int{2}},
		{"an HCL file with all its jobs", Request{File: hcl}, []int{1, 3}},
		{"one job of an HCL file", Request{File: hcl, Job: "two"}, []int{3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Dir = dir
			specs, diags, err := Read(c.r)
			if err != nil || diags.HasErrors() || len(specs) != len(c.jobs) {
				t.Fatalf("%d specs, %v, %v", len(specs), diags, err)
			}
			for i := range specs {
				if specs[i].Len() != c.jobs[i] {
					t.Errorf("spec %d has %d jobs, not %d", i, specs[i].Len(), c.jobs[i])
				}
			}
		})
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	hcl := write(t, dir, "job.hcl", `job "one" { executable = "/bin/true" }`)
	if _, _, err := Read(Request{File: filepath.Join(dir, "none.sub"), Dir: dir}); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, diags, err := Read(Request{File: hcl, Dir: dir, Job: "two"}); err != nil || !diags.HasErrors() {
		t.Errorf("a job that is not there: %v, %v", diags, err)
	}
	fifo := filepath.Join(dir, "fifo.sub")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(Request{File: fifo, Dir: dir}); err == nil {
		t.Error("a FIFO was read")
	}
}
