package ledger

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A queue file that is taken away under a schedd ends the schedd, and nothing that was
// acknowledged goes with it.
func TestQueueFileThatIsTakenAwayIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(path string) error
		kept string // the name of the file that has everything
		says string
	}{
		"removed": {os.Remove, FileName, "was removed"},
		"renamed": {func(path string) error { return os.Rename(path, path+".away") }, FileName, "was removed"},
		"replaced": {func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.WriteFile(path, []byte("another"), 0o600)
		}, FileName + ".running", "another file has taken the place"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l, err := Open(dir, Options{})
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- l.Run(ctx) }()
			for range 3 {
				_, err := l.Propose(ctx, submitOne(""))
				must(t, err)
			}
			cancel()
			must(t, <-done)
			must(t, l.present())
			want := digestOf(t, l.Machine)
			must(t, c.harm(filepath.Join(dir, FileName)))
			if err := l.present(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %v", err)
			}
			must(t, l.Close())
			m, err := OpenMachine(filepath.Join(dir, c.kept), Options{ReadOnly: true})
			must(t, err)
			defer m.Close()
			if got := digestOf(t, m); got != want {
				t.Errorf("%s has digest %v, the queue had %v", c.kept, got, want)
			}
		})
	}
}
