package sandbox

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"gridburst/internal/wire"
)

// begun is a sandbox with inputs, in which a job is about to begin.
func begun(t *testing.T, u User, x wire.Execution) Sandbox {
	t.Helper()
	s := place(t, u)
	if _, err := s.Unpack(bytes.NewReader(stream(t,
		entry{name: "same", body: "input"}, entry{name: "dir/", kind: tar.TypeDir, mode: 0o755}, entry{name: "dir/old", body: "old"}, entry{name: "dir/new", body: "input"},
		entry{name: "was/", kind: tar.TypeDir, mode: 0o755}, entry{name: "was/a", body: "a"}, entry{name: "becomes", body: "a file"}, entry{name: "linked", body: "input"},
	)), Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Capture(x); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestACheckpointComesBackAsItWasSent(t *testing.T) {
	x := wire.Execution{Transfer: true, Out: "o", Err: "e", NoOutput: true, Checkpoint: &wire.Checkpoint{Code: 85, Files: []string{"same", "dir", "was", "becomes", "linked"}}}
	for name, u := range users(t) {
		t.Run(name, func(t *testing.T) {
			s := begun(t, u, x)
			for _, do := range []func() error{
				func() error { return os.WriteFile(s.Stdout(), []byte("so far"), 0o600) },
				func() error { return os.WriteFile(filepath.Join(s.Work(), "same"), []byte("saved"), 0o600) },
				func() error { return os.WriteFile(filepath.Join(s.Work(), "dir/new"), []byte("saved"), 0o600) },
				func() error { return os.RemoveAll(filepath.Join(s.Work(), "was")) },
				func() error { return os.WriteFile(filepath.Join(s.Work(), "was"), []byte("a file"), 0o644) },
				func() error { return os.Remove(filepath.Join(s.Work(), "becomes")) },
				func() error { return os.Mkdir(filepath.Join(s.Work(), "becomes"), 0o755) },
				func() error { return os.WriteFile(filepath.Join(s.Work(), "becomes/b"), []byte("b"), 0o644) },
				func() error { return os.Symlink("old", filepath.Join(s.Work(), "dir/link")) },
			} {
				if err := As(u, do); err != nil {
					t.Fatal(err)
				}
			}
			var sent bytes.Buffer
			if _, err := s.Collect(&sent, CheckpointOf(x), Limits{}); err != nil {
				t.Fatal(err)
			}
			next := begun(t, u, x)
			broken := errors.New("the line broke")
			if _, _, err := next.Restore(iotest.TimeoutReader(iotest.HalfReader(bytes.NewReader(sent.Bytes()))), x, Limits{}); err == nil {
				t.Fatal("a stream that breaks off is taken for whole")
			}
			if _, _, err := next.Restore(iotest.ErrReader(broken), x, Limits{}); !errors.Is(err, broken) {
				t.Fatal(err)
			}
			names, _, err := next.Restore(bytes.NewReader(sent.Bytes()), x, Limits{}) // again, from the beginning
			if err != nil || strings.Join(names, " ") != "becomes dir linked same was" {
				t.Fatal(names, err)
			}
			for name, want := range map[string]string{
				"same": "saved", "dir/old": "old", "dir/new": "saved", "dir/link": "old", "was": "a file", "becomes/b": "b", "linked": "input", "../stdout": "so far", "../stderr": "",
			} {
				if b, err := os.ReadFile(filepath.Join(next.Work(), name)); err != nil || string(b) != want {
					t.Errorf("%s holds %q (%v), not %q", name, b, err, want)
				}
			}
			// Of what a checkpoint brings all is new, though it may look as it did.
			if err := next.Remember(names...); err != nil {
				t.Fatal(err)
			}
			all := x
			all.NoOutput = false
			var out bytes.Buffer
			if _, err := next.Collect(&out, all, Limits{}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(namesOf(t, out.Bytes()), " "); got != "_stdout _stderr out/linked out/same out/was" {
				t.Errorf("the outputs are %s", got)
			}
		})
	}
}

func namesOf(t *testing.T, b []byte) (names []string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if err != nil {
			return names
		}
		names = append(names, h.Name)
	}
}

func TestHostileCheckpointsAreRefused(t *testing.T) {
	x := wire.Execution{Transfer: true, Out: "o", Checkpoint: &wire.Checkpoint{Code: 85}}
	for name, e := range map[string][]entry{
		"a name at the top":        {{name: "same", body: "x"}},
		"a way up":                 {{name: "out/../../x", body: "x"}},
		"a full path":              {{name: "/x", body: "x"}},
		"a link that leads out":    {{name: "out/same", kind: tar.TypeSymlink, link: "../../x"}},
		"a file below a link":      {{name: "out/dir", kind: tar.TypeSymlink, link: "was"}, {name: "out/dir/x", body: "x"}},
		"a device":                 {{name: "out/same", kind: tar.TypeChar}},
		"more than the limit":      {{name: "out/same", body: strings.Repeat("x", 200)}},
		"an output over that":      {{name: wire.StdoutName, body: strings.Repeat("x", 200)}},
		"more entries than may be": {{name: "out/1"}, {name: "out/2"}, {name: "out/3"}, {name: "out/4"}, {name: "out/5"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begun(t, Self(), x)
			_, _, err := s.Restore(bytes.NewReader(stream(t, e...)), x, Limits{Bytes: 100, Entries: 4})
			var hold *HoldError
			if !errors.As(err, &hold) || !strings.HasPrefix(hold.Reason, "the checkpoint's files ") {
				t.Fatal(err)
			}
		})
	}
}
