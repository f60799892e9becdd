package submit

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
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
		t[path.Join("/sub", n)] = tfile{mode: mode}
		if strings.HasPrefix(n, "/") {
			t[path.Clean(n)] = tfile{mode: mode}
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

// corpusFile is a submit file of the corpus and what HTCondor made of it.
type corpusFile struct {
	name     string
	accepted bool
	said     string // by HTCondor when it refused
	stubs    []string
}

func readCorpus(tb testing.TB) []corpusFile {
	tb.Helper()
	data, err := os.ReadFile("testdata/corpus/INDEX.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	var out []corpusFile
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		name, ok := strings.CutPrefix(f[0], "submit/")
		if !ok {
			continue
		}
		c := corpusFile{name: name, accepted: strings.Contains(f[4], "-dry-run: ok")}
		if _, said, ok := strings.Cut(f[4], "said: "); ok {
			c.said = said
		}
		if _, stubs, ok := strings.Cut(f[4], "stub files: "); ok {
			stubs, _, _ = strings.Cut(stubs, ";")
			c.stubs = strings.Fields(stubs)
		}
		out = append(out, c)
	}
	if len(out) < 70 {
		tb.Fatalf("the corpus has %d files", len(out))
	}
	return out
}

// sizes follow the stub files, so they are not compared.
var sizes = []string{"DiskUsage", "ImageSize", "ExecutableSize", "TransferInputSizeMB"}

// expectedAds are the procs' whole ads as HTCondor printed them.
func expectedAds(tb testing.TB, name string) []*ad.Ad {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/corpus/submit/expected", name+".ads"))
	if err != nil {
		tb.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), "$IWD", "/sub")
	var ads []*ad.Ad
	var lines []string
	flush := func() {
		if len(lines) == 0 {
			return
		}
		a, err := ad.ParseLong(strings.Join(lines, "\n"))
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		if a.Has("ProcId") && len(ads) > 0 {
			whole := ads[0].Clone()
			for _, n := range a.Names() {
				e, _ := a.Expr(n)
				whole.SetExpr(n, e)
			}
			a = whole
		}
		ads = append(ads, a)
		lines = nil
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			flush()
			continue
		}
		lines = append(lines, line)
	}
	flush()
	return ads
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
		if g != w && !slices.Contains(sizes, n) {
			fmt.Fprintf(&b, "%s\n  ours: %s\n  want: %s\n", n, g, w)
		}
	}
	return b.String()
}

// The level that was reached: it must not fall.
const (
	acceptedAtLeast = 60
	equalAtLeast    = 60
	refusedAtLeast  = 15
)

func TestCorpusMeansWhatHTCondorMakesOfIt(t *testing.T) {
	var accepted, acceptable, equal, refused, refusable int
	for _, c := range readCorpus(t) {
		src, err := os.ReadFile(filepath.Join("testdata/corpus/submit", c.name))
		if err != nil {
			t.Fatal(err)
		}
		files := tree{}.put("/bin/sh", "/bin/echo", "/usr/bin/env", "/bin/bash", "/bin/sleep")
		for _, s := range c.stubs {
			if !strings.Contains(path.Base(s), ".") {
				s += "/"
			}
			files.put(s)
		}
		specs, diags := Lower("in.sub", src, testSite(), files)
		if !c.accepted {
			refusable++
			if diags.HasErrors() {
				refused++
				t.Logf("%s\n  HTCondor: %s\n  we:       %v", c.name, c.said, diags.Err())
			} else {
				t.Logf("%s is accepted, but HTCondor said %s", c.name, c.said)
			}
			continue
		}
		acceptable++
		if diags.HasErrors() {
			t.Logf("%s is refused:\n%s", c.name, diags)
			continue
		}
		accepted++
		if d := compareAds(t, specs, expectedAds(t, c.name)); d != "" {
			t.Logf("%s differs:\n%s", c.name, d)
			continue
		}
		equal++
	}
	t.Logf("accepted %d/%d, ads equal %d/%d, refusals equal %d/%d", accepted, acceptable, equal, acceptable, refused, refusable)
	if accepted < acceptedAtLeast || equal < equalAtLeast || refused < refusedAtLeast {
		t.Errorf("accepted %d, equal %d, refused %d: it was %d, %d, %d", accepted, equal, refused, acceptedAtLeast, equalAtLeast, refusedAtLeast)
	}
}

func compareAds(tb testing.TB, specs []Spec, want []*ad.Ad) string {
	tb.Helper()
	var got []*ad.Ad
	for i, s := range specs {
		for p := range s.Len() {
			attrs, err := s.Proc(grid.JobID{Cluster: int32(i + 1), Proc: int32(p)})
			if err != nil {
				return err.Error()
			}
			got = append(got, adOf(tb, attrs))
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d jobs, want %d", len(got), len(want))
	}
	for i := range got {
		if d := difference(got[i], want[i]); d != "" {
			return fmt.Sprintf("job %d: %s", i, d)
		}
	}
	return ""
}
