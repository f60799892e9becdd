package submit

import (
	"flag"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
)

var update = flag.Bool("update", false, "accept new golden files")

// tree is an owner's files, in memory.
type tree map[string]tfile

type tfile struct {
	text string
	mode fs.FileMode
}

func (t tree) ReadFile(name string) ([]byte, error) {
	f, ok := t[path.Clean(name)]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(f.text), nil
}

func (t tree) Glob(pattern string) ([]string, error) {
	var out []string
	for name := range t {
		if ok, err := path.Match(pattern, name); err != nil {
			return nil, err
		} else if ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (t tree) Stat(name string) (FileInfo, error) {
	f, ok := t[path.Clean(name)]
	if !ok {
		return FileInfo{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return FileInfo{Size: int64(len(f.text)), Mode: f.mode}, nil
}

// put adds files; a name that ends in a slash is a directory, one that begins with
// a bang can be read by its owner alone.
func (t tree) put(names ...string) tree {
	for _, n := range names {
		mode := fs.FileMode(0o755)
		if s, ok := strings.CutPrefix(n, "!"); ok {
			n, mode = s, 0o600
		}
		if strings.HasSuffix(n, "/") {
			mode |= fs.ModeDir
		}
		t[path.Join("/sub", n)] = tfile{text: "#!/bin/sh\n", mode: mode}
		if strings.HasPrefix(n, "/") {
			t[path.Clean(n)] = tfile{text: "#!/bin/sh\n", mode: mode}
		}
	}
	return t
}

func testSite() Site {
	return Site{
		Dir: "/sub",
		Env: []string{
			"CONDOR_CONFIG=/etc/condor/condor_config", "FILES=f1", "HOME=/home/tester", "PATH=/usr/bin:/bin", "PWD=/sub", "SHLVL=0", "USER=tester",
		},
		Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Owner: "tester",
		FileSystemDomain: "test.local", Arch: "X86_64", OpSys: "LINUX", OpSysVer: "13", OpSysAndVer: "Debian13",
	}
}

func adOf(tb testing.TB, attrs []Attr) *ad.Ad {
	tb.Helper()
	a := ad.New(len(attrs))
	for _, x := range attrs {
		if err := a.Set(x.Name, x.Expr); err != nil {
			tb.Fatalf("%s = %s: %v", x.Name, x.Expr, err)
		}
	}
	return a
}

// difference lists how got is not want.
func difference(got, want *ad.Ad) string {
	var b strings.Builder
	for _, n := range slices.Compact(slices.Sorted(slices.Values(append(got.Names(), want.Names()...)))) {
		g, _ := got.Source(n)
		w, _ := want.Source(n)
		if g != w {
			fmt.Fprintf(&b, "%s\n  ours: %s\n  want: %s\n", n, g, w)
		}
	}
	return b.String()
}
