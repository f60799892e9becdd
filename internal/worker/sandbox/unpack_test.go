package sandbox

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"gridburst/internal/grid"
)

func TestInputsArriveAsTheOwners(t *testing.T) {
	for name, u := range users(t) {
		t.Run(name, func(t *testing.T) {
			s := place(t, u)
			n, err := s.Unpack(bytes.NewReader(stream(t,
				entry{name: "run.sh", body: "#!/bin/sh\n", mode: 0o4755},
				entry{name: "data/", kind: tar.TypeDir, mode: 0o2500},
				entry{name: "data/a", body: "aaa", mode: 0o400},
				entry{name: "deep/er/b", body: "b"},
				entry{name: "link", kind: tar.TypeSymlink, link: "data/a"},
				entry{name: "data/up", kind: tar.TypeSymlink, link: "../run.sh"},
			)), Limits{})
			if err != nil || n != 14 {
				t.Fatal(n, err)
			}
			for name, want := range map[string]fs.FileMode{
				"run.sh": 0o755, "data": fs.ModeDir | 0o700, "data/a": 0o600, "deep/er/b": 0o600,
			} {
				info, err := os.Stat(filepath.Join(s.Work(), name))
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode() != want {
					t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
				}
				if uid := info.Sys().(*syscall.Stat_t).Uid; uid != u.UID {
					t.Errorf("%s belongs to uid %d, want %d", name, uid, u.UID)
				}
			}
			if b, err := os.ReadFile(filepath.Join(s.Work(), "link")); string(b) != "aaa" {
				t.Errorf("through the link: %q, %v", b, err)
			}
		})
	}
}

func TestHostileInputsAreRefused(t *testing.T) {
	many := make([]entry, 12)
	for i := range many {
		many[i] = entry{name: fmt.Sprint(i)}
	}
	for name, c := range map[string]struct {
		entries []entry
		says    string
	}{
		"a path that goes up":                 {[]entry{{name: "../x"}}, "within"},
		"an absolute path":                    {[]entry{{name: "/etc/x"}}, "within"},
		"a path that goes up later":           {[]entry{{name: "a/../../x"}}, "within"},
		"a path of a hundred directories":     {[]entry{{name: strings.Repeat("d/", 101) + "x"}}, "within"},
		"an absolute link":                    {[]entry{{name: "l", kind: tar.TypeSymlink, link: "/etc"}}, "leads out"},
		"a link that goes up":                 {[]entry{{name: "a/l", kind: tar.TypeSymlink, link: "../../x"}}, "leads out"},
		"a link that goes up through another": {[]entry{{name: "s", kind: tar.TypeSymlink, link: "."}, {name: "l", kind: tar.TypeSymlink, link: "s/../x"}}, "leads out"},
		"an entry below a link":               {[]entry{{name: "d/", kind: tar.TypeDir}, {name: "s", kind: tar.TypeSymlink, link: "d"}, {name: "s/x"}}, "below the link"},
		"a link that is written through":      {[]entry{{name: "t"}, {name: "l", kind: tar.TypeSymlink, link: "t"}, {name: "l", body: "x"}}, "twice"},
		"a file twice":                        {[]entry{{name: "f"}, {name: "f"}}, "twice"},
		"a file and a directory of one name":  {[]entry{{name: "f"}, {name: "f/x"}}, "f/x"},
		"a device":                            {[]entry{{name: "d", kind: tar.TypeChar}}, "neither"},
		"a FIFO":                              {[]entry{{name: "d", kind: tar.TypeFifo}}, "neither"},
		"a hard link":                         {[]entry{{name: "f"}, {name: "h", kind: tar.TypeLink, link: "f"}}, "neither"},
		"more files than the limit":           {many, "too many"},
		"more bytes than the limit":           {[]entry{{name: "f", body: strings.Repeat("x", 600)}, {name: "g", body: strings.Repeat("x", 600)}}, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			s := place(t, Self())
			_, err := s.Unpack(bytes.NewReader(stream(t, c.entries...)), Limits{Bytes: 1000, Entries: 10})
			holds(t, err, grid.HoldInput, c.says)
			if entries, err := os.ReadDir(filepath.Dir(s.Dir)); err != nil || len(entries) != 1 {
				t.Fatalf("beside the sandbox: %v, %v", entries, err)
			}
		})
	}
}

func TestAStreamThatBreaksIsNobodysFault(t *testing.T) {
	whole := stream(t, entry{name: "f", body: strings.Repeat("x", 5000)})
	broken := errors.New("connection reset")
	for at := 0; at < len(whole)-1024; at += 300 { // the last 1024 bytes are padding
		s := place(t, Self())
		_, err := s.Unpack(io.MultiReader(bytes.NewReader(whole[:at]), iotest.ErrReader(broken)), Limits{})
		if !errors.Is(err, broken) {
			t.Fatalf("broken off after %d bytes: %v", at, err)
		}
	}
	for _, at := range []int{100, 700, 5000} {
		s := place(t, Self())
		_, err := s.Unpack(bytes.NewReader(whole[:at]), Limits{})
		var h *HoldError
		if err == nil || errors.As(err, &h) {
			t.Fatalf("cut after %d bytes: %v", at, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(stream(f, entry{name: "a", body: "b"}, entry{name: "d/", kind: tar.TypeDir}, entry{name: "l", kind: tar.TypeSymlink, link: "d"}))
	f.Add(stream(f, entry{name: "../a", body: "b"}))
	f.Add(stream(f, entry{name: "s", kind: tar.TypeSymlink, link: "."}, entry{name: "s/s/x", kind: tar.TypeSymlink, link: "../.."}))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Sandbox{Dir: filepath.Join(dir, "box"), User: Self()}
		if err := s.Create(); err != nil {
			t.Fatal(err)
		}
		s.Unpack(bytes.NewReader(b), Limits{Bytes: 1 << 20, Entries: 100})
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Fatalf("beside the sandbox: %v, %v", entries, err)
		}
		err := filepath.WalkDir(s.Work(), func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type()&fs.ModeSymlink != 0 {
				// Wherever it leads, it leads inside, if anywhere.
				if to, err := filepath.EvalSymlinks(p); err == nil && to != s.Work() && !strings.HasPrefix(to, s.Work()+"/") {
					t.Fatalf("%s leads to %s", p, to)
				}
			}
			if err == nil && !d.IsDir() && !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0 {
				t.Fatalf("%s is a %v", p, d.Type())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(); err != nil {
			t.Fatal(err)
		}
	})
}
