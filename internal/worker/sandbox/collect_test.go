package sandbox

import (
	"archive/tar"
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// Law: what is unpacked and asked for by name comes back as it was.
func TestTreesComeBackAsTheyWent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}(/[a-z]{1,3}){0,3}`), 1, 8, rapid.ID).Draw(rt, "names")
		var in []entry
		want := map[string]string{}
		for _, n := range names {
			// A name that is another's directory would be both.
			if slices.ContainsFunc(names, func(o string) bool { return o != n && strings.HasPrefix(o, n+"/") }) {
				continue
			}
			body := rapid.StringN(0, 50, 2000).Draw(rt, "content of "+n)
			in = append(in, entry{name: "top/" + n, body: body, mode: 0o640})
			want["out/top/"+n] = body
		}
		dir, err := os.MkdirTemp("", "trees")
		if err != nil {
			rt.Fatal(err)
		}
		s := Sandbox{Dir: dir, User: Self()}
		defer s.Remove()
		if err := s.Create(); err != nil {
			rt.Fatal(err)
		}
		if _, err := s.Unpack(bytes.NewReader(stream(t, in...)), Limits{}); err != nil {
			rt.Fatal(err)
		}
		var b bytes.Buffer
		staged, err := s.Collect(&b, wire.Execution{Outputs: []string{"top"}}, Limits{})
		if err != nil || staged.Bytes != int64(b.Len()) {
			rt.Fatalf("%+v of %d bytes, %v", staged, b.Len(), err)
		}
		got := contents(t, b.Bytes())
		maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasSuffix(name, "/") })
		if !maps.Equal(got, want) {
			rt.Fatalf("got %q, want %q", got, want)
		}
	})
}

// collect prepares as for a job, lets it run a script, and returns what is sent.
func collect(t *testing.T, s Sandbox, x wire.Execution, script string, l Limits) (map[string]string, error) {
	t.Helper()
	x.Transfer = true
	if _, err := s.Unpack(bytes.NewReader(stream(t, entry{name: "input", body: "in"}, entry{name: "kept", body: "in"})), Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.WriteAd(map[string]string{"ClusterId": "12", "Cmd": `"x"`}), s.Capture(x), s.Remember()); err != nil {
		t.Fatal(err)
	}
	asUser(t, s, script)
	var b bytes.Buffer
	staged, err := s.Collect(&b, x, l)
	var h *HoldError
	if err != nil && !errors.As(err, &h) {
		t.Fatal(err)
	}
	got := contents(t, b.Bytes())
	if staged.Files != len(got) || staged.Bytes != int64(b.Len()) || len(staged.SHA256) != 64 {
		t.Errorf("described as %+v, and it is %d entries in %d bytes", staged, len(got), b.Len())
	}
	return got, err
}

func TestWithoutNamesEveryNewOrChangedFileAtTheTopIsSent(t *testing.T) {
	for name, u := range users(t) {
		t.Run(name, func(t *testing.T) {
			s := place(t, u)
			got, err := collect(t, s, wire.Execution{Out: "o", Err: "e"},
				`echo new >new; echo changed >input; mkdir d; echo x >d/x; mkfifo pipe; ln -s new link; : >.hidden; chmod 6755 new; echo out >../stdout; echo err >../stderr`, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"_stdout": "out\n", "_stderr": "err\n", "out/new": "new\n", "out/input": "changed\n", "out/.hidden": ""}
			if !maps.Equal(got, want) {
				t.Fatalf("got %q, want %q", got, want)
			}
		})
	}
}

func TestWithNamesThoseAreSent(t *testing.T) {
	s := place(t, Self())
	got, err := collect(t, s, wire.Execution{Out: "same", Err: "same", Outputs: []string{"d/", "kept", "d/../new", "new", "via"}},
		`echo new >new; mkdir -p d/e; echo x >d/e/x; ln -s e/x d/link; ln -s ../e d/e/loop; ln -s d/e/x via; echo no >other`, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"_stdout": "", "out/new": "new\n", "out/kept": "in", "out/via": "x\n",
		"out/d/": "", "out/d/e/": "", "out/d/e/x": "x\n", "out/d/link": "-> e/x", "out/d/e/loop": "-> ../e",
	}
	if !maps.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestNothingButOutAndErrIsSentIfSoWished(t *testing.T) {
	got, err := collect(t, place(t, Self()), wire.Execution{Out: "o", NoOutput: true}, `echo x >new`, Limits{})
	if err != nil || !maps.Equal(got, map[string]string{"_stdout": ""}) {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestWhatCannotBeSentHoldsTheJobAndTheRestIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		outputs []string
		script  string
		says    string
		want    map[string]string
	}{
		"a file that was not made":        {[]string{"a", "b"}, `echo a >a`, "b was not made", map[string]string{"out/a": "a\n"}},
		"many files that were not made":   {[]string{"1", "2", "3", "4", "5", "6", "7"}, ``, "and 2 more", map[string]string{}},
		"a path that goes up":             {[]string{"../stdout", "a"}, `echo a >a`, "within", map[string]string{"out/a": "a\n"}},
		"an absolute path":                {[]string{"/etc/passwd"}, ``, "within", map[string]string{}},
		"a link to a file outside":        {[]string{"l"}, `ln -s /etc/passwd l`, "the output l", map[string]string{}},
		"a link that goes up":             {[]string{"l"}, `ln -s ../inputs.json l`, "the output l", map[string]string{}},
		"a FIFO":                          {[]string{"p"}, `mkfifo p`, "neither", map[string]string{}},
		"a FIFO in a directory":           {[]string{"d"}, `mkdir d; mkfifo d/p; echo a >d/a`, "d/p is neither", map[string]string{"out/d/": "", "out/d/a": "a\n"}},
		"a link out of its directory":     {[]string{"d"}, `mkdir d; echo a >a; ln -s ../a d/l`, "leads out of d", map[string]string{"out/d/": ""}},
		"an absolute link in a directory": {[]string{"d"}, `mkdir d; ln -s /etc d/l`, "leads out of d", map[string]string{"out/d/": ""}},
		"directories without end":         {[]string{"d"}, `mkdir d; cd d; i=0; while [ $i -lt 120 ]; do mkdir d; cd d; i=$((i+1)); done`, "directories deep", nil},
		"a sparse file of a terabyte":     {[]string{"big", "a"}, `truncate -s 1T big; echo a >a`, "too large", map[string]string{"out/a": "a\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := collect(t, place(t, Self()), wire.Execution{Outputs: c.outputs}, c.script, Limits{Bytes: 1 << 20})
			holds(t, err, grid.HoldOutput, c.says)
			if c.want != nil && !maps.Equal(got, c.want) {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAnOwnerGetsNothingThatIsNotHis(t *testing.T) {
	needRoot(t)
	s := place(t, another)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Unpack(bytes.NewReader(stream(t)), Limits{}); err != nil {
		t.Fatal(err)
	}
	// A hard link, which a job may make where the system does not forbid it, a
	// device, and a file of the worker's own that ended up there.
	if err := os.Link(secret, filepath.Join(s.Work(), "hard")); err != nil && !errors.Is(err, syscall.EXDEV) {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Work(), "own"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(s.Work(), "zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_, err := s.Collect(&b, wire.Execution{Outputs: []string{"hard", "own", "zero"}}, Limits{})
	holds(t, err, grid.HoldOutput, "permission denied")
	if strings.Contains(b.String(), "secret") || len(contents(t, b.Bytes())) != 0 {
		t.Fatalf("sent: %q", contents(t, b.Bytes()))
	}
}

func TestAFileThatGrowsIsSentAsItWas(t *testing.T) {
	s := place(t, Self())
	path := filepath.Join(s.Work(), "grows")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	grow := writerFunc(func(p []byte) (int, error) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write([]byte("more"))
			f.Close()
		}
		if err != nil {
			return 0, err
		}
		return b.Write(p)
	})
	if _, err := s.Collect(grow, wire.Execution{Outputs: []string{"grows"}}, Limits{}); err != nil {
		t.Fatal(err)
	}
	if n := len(contents(t, b.Bytes())["out/grows"]); n < 100_000 || n > 100_100 {
		t.Fatalf("%d bytes were sent", n)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestTimesAreThoseOfTheFiles(t *testing.T) {
	s := place(t, Self())
	path := filepath.Join(s.Work(), "f")
	when := time.Unix(1_600_000_000, 500)
	if err := errors.Join(os.WriteFile(path, nil, 0o640), os.Chtimes(path, when, when)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := s.Collect(&b, wire.Execution{Outputs: []string{"f"}}, Limits{}); err != nil {
		t.Fatal(err)
	}
	h, err := tar.NewReader(&b).Next()
	if err != nil || h.ModTime.Unix() != when.Unix() || h.Mode != 0o640 {
		t.Fatalf("%+v, %v", h, err)
	}
}
