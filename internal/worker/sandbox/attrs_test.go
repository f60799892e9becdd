package sandbox

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatAJobSaysOfItself(t *testing.T) {
	s := Sandbox{Dir: t.TempDir()}
	if err := os.MkdirAll(s.Work(), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := s.Attrs(); got != nil {
		t.Errorf("a job that says nothing: %v", got)
	}
	name := filepath.Join(s.Work(), AttrsName)
	if err := os.WriteFile(name, []byte("A = 1\nB=\"x = y\"\n\nnothing\n= 3\nA = 2\nC = 4"), 0o644); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"A": "2", "B": `"x = y"`}, s.Attrs()); d != "" {
		t.Error(d)
	}
	// Neither somebody else's file nor a pipe is read.
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("A = 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, make := range map[string]func() error{
		"a link": func() error { return os.Symlink(secret, name) },
		"a pipe": func() error { return syscall.Mkfifo(name, 0o644) },
	} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if got := s.Attrs(); got != nil {
			t.Errorf("%s: %v", what, got)
		}
	}
}
