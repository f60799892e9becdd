package desk

import (
	"errors"
	"path/filepath"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
)

func TestJobFilesAndWorkflowsAreReadAsTheirOwner(t *testing.T) {
	d := open(t, Options{})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.sub"), "executable = /bin/true\nqueue 2\n", 0o644)
	write(t, filepath.Join(dir, "bad.sub"), "executable = /bin/true\nqueue 2 3\n", 0o644)
	write(t, filepath.Join(dir, "w.dag"), "JOB a a.sub\nJOB b a.sub\nPARENT a CHILD b\n", 0o644)
	write(t, filepath.Join(dir, "bad.dag"), "JOB a a.sub\nPARENT a CHILD nobody\n", 0o644)

	specs, err := d.LowerJobs(t.Context(), me(), jobfile.Request{File: filepath.Join(dir, "a.sub"), Dir: dir})
	if err != nil || len(specs) != 1 || specs[0].Len() != 2 {
		t.Errorf("a job file: %d specs, %v", len(specs), err)
	}
	g, _, err := d.ReadWorkflow(t.Context(), me(), filepath.Join(dir, "w.dag"))
	if err != nil || g.Len() != 2 || g.Check() != nil {
		t.Errorf("a workflow: %+v, %v", g, err)
	}
	text, err := d.ReadFile(t.Context(), me(), filepath.Join(dir, "a.sub"), 100)
	if err != nil || len(text) == 0 {
		t.Errorf("a file: %q, %v", text, err)
	}
	var diags *grid.DiagnosticsError
	if _, err := d.LowerJobs(t.Context(), me(), jobfile.Request{File: filepath.Join(dir, "bad.sub"), Dir: dir}); !errors.As(err, &diags) || diags.Diagnostics[0].Line != 2 {
		t.Errorf("a bad job file: %v", err)
	}
	if _, _, err := d.ReadWorkflow(t.Context(), me(), filepath.Join(dir, "bad.dag")); !errors.As(err, &diags) || diags.Diagnostics[0].Line != 2 {
		t.Errorf("a bad workflow: %v", err)
	}
	for name, err := range map[string]error{
		"a missing file": func() error { _, err := d.ReadFile(t.Context(), me(), filepath.Join(dir, "none"), 1); return err }(),
		"a missing dag": func() error {
			_, _, err := d.ReadWorkflow(t.Context(), me(), filepath.Join(dir, "none.dag"))
			return err
		}(),
		"a missing job": func() error {
			_, err := d.LowerJobs(t.Context(), me(), jobfile.Request{File: filepath.Join(dir, "none.sub"), Dir: dir})
			return err
		}(),
	} {
		if grid.CodeOf(err) != grid.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.ReadFile(t.Context(), me(), filepath.Join(dir, "a.sub"), 3); grid.CodeOf(err) != grid.TooLarge {
		t.Errorf("a file that is too large: %v", err)
	}
	if _, err := d.ReadFile(t.Context(), me(), dir, 3); err == nil {
		t.Error("a directory was read")
	}
}
