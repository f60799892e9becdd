package desk

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridburst/internal/freeze"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/target"
	"gridburst/schedd/userlog"
)

// TestMain is also the desk.
func TestMain(m *testing.M) {
	operations["who"] = func(json.RawMessage, *os.File) (any, error) {
		groups, err := os.Getgroups()
		return map[string]any{"uid": os.Getuid(), "gid": os.Getgid(), "groups": groups, "env": os.Environ(), "pid": os.Getpid()}, err
	}
	Main()
	os.Exit(m.Run())
}

func open(t *testing.T, o Options) *Desks {
	t.Helper()
	d := New(o)
	t.Cleanup(d.Close)
	return d
}

func me() Owner {
	return Owner{Name: "me", UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
}

type identity struct {
	UID, GID int
	Groups   []int
	Env      []string
	PID      int
}

func who(t *testing.T, d *Desks, o Owner) (i identity) {
	t.Helper()
	if err := d.call(t.Context(), o, "who", nil, nil, &i); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestDeskHasTheOwnersRightsAndNothingElse(t *testing.T) {
	t.Setenv("SECRET", "canary")
	d := open(t, Options{})
	i := who(t, d, me())
	if i.UID != os.Getuid() || strings.Contains(strings.Join(i.Env, " "), "canary") || i.PID == os.Getpid() {
		t.Errorf("a desk is %+v", i)
	}
	if again := who(t, d, me()); again.PID != i.PID {
		t.Error("each request has a desk of its own")
	}
	if os.Getuid() != 0 {
		if err := d.call(t.Context(), Owner{Name: "root"}, "who", nil, nil, nil); grid.CodeOf(err) != grid.Unavailable {
			t.Errorf("an ordinary user's schedd acted for root: %v", err)
		}
		t.Skip("switching users needs root")
	}
	nobody := Owner{Name: "nobody", UID: 65534, GID: 65534}
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	if err := os.WriteFile(closed, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	i = who(t, d, nobody)
	if i.UID != 65534 || i.GID != 65534 || len(i.Groups) != 1 {
		t.Errorf("nobody's desk is %+v", i)
	}
	err := d.PackInputs(t.Context(), nobody, Inputs{Iwd: "/", Files: []string{closed}}, io.Discard)
	if grid.CodeOf(err) != grid.Forbidden || !errors.Is(err, syscall.EACCES) {
		t.Errorf("nobody read a file of root: %v", err)
	}
	if err := d.call(t.Context(), Owner{Name: "ghost", UID: 54321}, "who", nil, nil, nil); err == nil {
		t.Error("a user that does not exist has a desk")
	}
}

func TestLogsAreWrittenEachForItself(t *testing.T) {
	d := open(t, Options{})
	dir := t.TempDir()
	text := userlog.Form{}.Encode(&userlog.Event{Job: grid.JobID{Cluster: 1}, Body: &userlog.Submit{Host: "<h>"}})
	entries := []userlog.Entry{{Text: text, Nth: 1}}
	done, err := d.AppendLogs(t.Context(), me(), []LogAppend{
		{Path: filepath.Join(dir, "a"), Entries: entries},
		{Path: filepath.Join(dir, "none", "b"), Entries: entries},
		{Path: "relative", Entries: entries},
	})
	if err != nil {
		t.Fatal(err)
	}
	if done[0].Error != "" || done[0].Position.Offset != int64(len(text)) || done[1].Error == "" || done[2].Error == "" {
		t.Errorf("%+v", done)
	}
	done, err = d.AppendLogs(t.Context(), me(), []LogAppend{{Path: filepath.Join(dir, "a"), Entries: entries, After: &userlog.Position{}}})
	if err != nil || done[0].Position.Offset != int64(len(text)) {
		t.Errorf("an event was repeated: %+v %v", done, err)
	}
}

func write(t *testing.T, p, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, stream io.Reader) (out []string) {
	t.Helper()
	r := tar.NewReader(stream)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %o", h.Name, h.Mode))
	}
}

func TestAFileIsWrittenWholeAsItsOwner(t *testing.T) {
	d, dir := open(t, Options{}), t.TempDir()
	path := filepath.Join(dir, "vm.log")
	for _, text := range []string{"long, and written first", "short"} {
		if err := d.WriteFile(t.Context(), me(), path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		same(t, "the directory", tree(t, dir), map[string]string{"vm.log": text})
	}
	err := d.WriteFile(t.Context(), me(), filepath.Join(dir, "nosuch", "vm.log"), nil)
	if grid.CodeOf(err) == grid.Unavailable || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("a directory that is missing: %v", err)
	}
	if err := d.WriteFile(t.Context(), me(), "vm.log", nil); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("a path that is not full: %v", err)
	}
}

func TestInputsArePacked(t *testing.T) {
	d := open(t, Options{})
	dir := t.TempDir()
	write(t, dir+"/bin/prog", "#!/bin/sh\n", 0o644)
	write(t, dir+"/data/x.txt", "x", 0o640)
	write(t, dir+"/data/sub/y.txt", "y", 0o600)
	if err := os.Symlink("x.txt", dir+"/data/link"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err := d.PackInputs(t.Context(), me(), Inputs{Iwd: dir, Executable: "bin/prog", Files: []string{"data", "data/", "data/x.txt"}}, &b)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(names(t, &b), "\n")
	want := "prog 744\ndata/ 755\ndata/link 640\ndata/sub/ 755\ndata/sub/y.txt 600\ndata/x.txt 640\nlink 640\nsub/ 755\nsub/y.txt 600\nx.txt 640\nx.txt 640"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	b.Reset()
	err = d.PackInputs(t.Context(), me(), Inputs{Iwd: dir, Files: []string{"data/x.txt", "missing"}}, &b)
	if !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), filepath.Join(dir, "missing")) || b.Len() > 0 {
		t.Errorf("a missing input: %v after %d bytes", err, b.Len())
	}
}

// outputs is a tar stream of names; those that end in a slash are directories.
func outputs(t *testing.T, files map[string]string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		h := &tar.Header{Name: name, Mode: 0o4755, Size: int64(len(text)), Typeflag: tar.TypeReg}
		if link, ok := strings.CutPrefix(text, "-> "); ok {
			h = &tar.Header{Name: name, Linkname: link, Typeflag: tar.TypeSymlink}
			text = ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	w.Close()
	return &b
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func TestOutputsAreStagedThenPutInPlace(t *testing.T) {
	d := open(t, Options{})
	dir := t.TempDir()
	write(t, dir+"/result", "old", 0o644)
	write(t, dir+"/tree/kept", "kept", 0o644)
	o := Outputs{Job: grid.JobID{Cluster: 7, Proc: 1}, Epoch: 2, Iwd: dir, Out: "logs/out", Remaps: map[string]string{"b": "renamed"}}
	place := func() map[string]string { // without the manifest
		out := tree(t, dir)
		delete(out, ".gridburst-7.1.2-")
		return out
	}
	if err := os.Mkdir(dir+"/logs", 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"out/result": "new", "out/tree/a": "a", "out/tree/sub/b": "b", "out/b": "B", "out/tree/link": "-> a", "out/tree/bad": "-> ../../etc",
		wire.StdoutName: "said", wire.StderrName: "nowhere",
	}
	before := tree(t, dir)
	staged, err := d.StageOutputs(t.Context(), me(), o, outputs(t, files))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range before {
		if got := tree(t, dir)[name]; got != text {
			t.Errorf("%s is %q before the outputs are accepted", name, got)
		}
	}
	if staged.Files != len(files) {
		t.Errorf("staged %+v", staged)
	}
	if err := d.CommitOutputs(t.Context(), me(), o); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("a stream that nobody named was put in place: %v", err)
	}
	o.SHA256 = staged.SHA256
	for range 2 { // a crash may repeat it
		if err := d.CommitOutputs(t.Context(), me(), o); err != nil {
			t.Fatal(err)
		}
		same(t, "in place", place(), map[string]string{
			"result": "new", "tree/kept": "kept", "tree/a": "a", "tree/link": "a", "tree/sub/b": "b", "renamed": "B", "logs/out": "said",
		})
	}
	if info, err := os.Stat(dir + "/result"); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v %v: no set-uid bit may come from a worker", info.Mode(), err)
	}
	// An output that is neither staged nor in place is missed.
	if err := os.Remove(dir + "/result"); err != nil {
		t.Fatal(err)
	}
	if err := d.CommitOutputs(t.Context(), me(), o); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("a missing output: %v", err)
	}
	write(t, dir+"/result", "NEW", 0o644) // of the same size
	if err := d.CommitOutputs(t.Context(), me(), o); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("somebody else's file passed for the output: %v", err)
	}
	if err := d.DropOutputs(t.Context(), me(), o); err != nil || len(tree(t, dir)) != len(place()) {
		t.Errorf("the manifest is left: %v", err)
	}
}

func TestOutputsOfOldAttemptsAreDropped(t *testing.T) {
	d := open(t, Options{})
	dir := t.TempDir()
	o := Outputs{Job: grid.JobID{Cluster: 7}, Iwd: dir, Out: "sub/out"}
	if err := os.Mkdir(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for epoch := uint32(1); epoch <= 3; epoch++ {
		o.Epoch = epoch
		if _, err := d.StageOutputs(t.Context(), me(), o, outputs(t, map[string]string{"out/a": "x", "out/t/b": "y", wire.StdoutName: "z"})); err != nil {
			t.Fatal(err)
		}
	}
	o.Epoch = 2
	if err := d.DropOutputs(t.Context(), me(), o); err != nil {
		t.Fatal(err)
	}
	left := tree(t, dir)
	delete(left, ".gridburst-7.0.3-")
	same(t, "left", left, map[string]string{".gridburst-7.0.3-a": "x", ".gridburst-7.0.3-t/b": "y", "sub/.gridburst-7.0.3-out": "z"})
}

func TestHostileOutputsStayInside(t *testing.T) {
	d := open(t, Options{})
	for what, files := range map[string]map[string]string{
		"a name that leads out":       {"../evil": "x"},
		"a name that leads out below": {"out/../../evil": "x"},
		"an absolute name":            {"/tmp/evil": "x"},
		"a name that is the parent":   {"..": "x"},
		"a name beside the outputs":   {"evil": "x"},
	} {
		dir := filepath.Join(t.TempDir(), "home")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := d.StageOutputs(t.Context(), me(), Outputs{Job: grid.JobID{Cluster: 1}, Iwd: dir}, outputs(t, files)); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: %v", what, err)
		}
		if left := tree(t, filepath.Dir(dir)); len(left) > 0 {
			t.Errorf("%s left %v", what, left)
		}
	}
	dir := t.TempDir()
	o := Outputs{Job: grid.JobID{Cluster: 1}, Iwd: dir}
	_, err := d.StageOutputs(t.Context(), me(), o, outputs(t, map[string]string{"out/link": "-> /etc/passwd", "out/d/link": "-> ../../x", "out/d/abs": "-> /etc"}))
	if left := tree(t, dir); err != nil || len(left) != 1 {
		t.Errorf("a link that leads out was staged: %v %v", left, err)
	}
	// A stream that was cut is refused.
	whole, _ := io.ReadAll(outputs(t, map[string]string{"out/a": strings.Repeat("x", 5000)}))
	if _, err := d.StageOutputs(t.Context(), me(), Outputs{Job: grid.JobID{Cluster: 1}, Iwd: dir}, bytes.NewReader(whole[:3000])); err == nil {
		t.Error("half a stream passed for all")
	}
}

// A stream is whole when the archive's end is there, whatever lies before it.
func TestOutputsThatAreCutAnywhereAreRefused(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range []struct{ name, text string }{
		{"out/a", "a"},
		{"out/zeros", strings.Repeat("\x00", 4096)},
		{"out/" + strings.Repeat("long/", 40) + "name", "b"}, // with a header of its own before it
		{"out/empty", ""},
	} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: int64(len(e.text)), Format: tar.FormatPAX, PAXRecords: map[string]string{"comment": strings.Repeat("x", 700)}}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, e.text)
	}
	w.Close()
	whole := b.Bytes()
	stage := func(stream []byte) error {
		r, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		go func() {
			out.Write(stream)
			out.Close()
		}()
		_, err = stageOutputs(Outputs{Job: grid.JobID{Cluster: 1}, Iwd: t.TempDir()}, r)
		return err
	}
	for n := range len(whole) / tarBlock {
		for _, cut := range []int{n * tarBlock, n*tarBlock + 1} {
			if err := stage(whole[:cut]); grid.CodeOf(err) != grid.Unavailable {
				t.Errorf("%d bytes of %d: %v", cut, len(whole), err)
			}
		}
	}
	if err := stage(whole); err != nil {
		t.Error(err)
	}
	if err := stage(append(slices.Clone(whole), make([]byte, 7*tarBlock)...)); err != nil {
		t.Errorf("with more behind its end: %v", err)
	}
}

func TestHungDeskIsLeftAloneAndReplaced(t *testing.T) {
	d := open(t, Options{Hung: 2 * time.Second})
	first := who(t, d, me())
	if err := freeze.Process(first.PID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.call(ctx, me(), "who", nil, nil, nil); grid.CodeOf(err) != grid.Unavailable {
		t.Errorf("a hung desk answered %v", err)
	}
	// Somebody who waits longer learns that it was killed; the next has a new one.
	var i identity
	err := d.call(t.Context(), me(), "who", nil, nil, &i)
	if err != nil && grid.CodeOf(err) != grid.Unknown && grid.CodeOf(err) != grid.Unavailable {
		t.Errorf("a killed desk answered %v", err)
	}
	if i = who(t, d, me()); i.PID == first.PID {
		t.Error("the hung desk is still used")
	}
}

func TestDeskEndsWithItsSchedd(t *testing.T) {
	d := New(Options{})
	i := who(t, d, me())
	d.Close() // waits for the child
	if err := syscall.Kill(i.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the desk is still there: %v", err)
	}
	if err := d.call(t.Context(), me(), "who", nil, nil, nil); grid.CodeOf(err) != grid.Unavailable {
		t.Errorf("a closed keeper started a desk: %v", err)
	}
}

func TestADeskWhoseCommandTakesLongLives(t *testing.T) {
	d := open(t, Options{Hung: 2 * time.Second})
	out, err := d.Run(t.Context(), me(), target.Command{Argv: []string{"/bin/sh", "-c", "sleep 5; echo done"}, Limit: time.Hour})
	if err != nil || !bytes.Equal(out.Stdout, []byte("done\n")) {
		t.Errorf("%+v, %v", out, err)
	}
}

// A stream that comes slowly is no sign of a desk that hangs.
func TestADeskThatMovesFilesForLongLives(t *testing.T) {
	d := open(t, Options{Hung: 2 * time.Second})
	from, dir := t.TempDir()+"/stream", t.TempDir()
	stream, err := io.ReadAll(outputs(t, map[string]string{"out/a": strings.Repeat("x", 20000)}))
	if err != nil {
		t.Fatal(err)
	}
	write(t, from, string(stream), 0o600)
	slow := exec.Command("/bin/sh", "-c", "for i in $(seq 0 24); do dd if="+from+" bs=1000 skip=$i count=1 status=none; sleep 0.2; done")
	r, err := slow.StdoutPipe()
	if err == nil {
		err = slow.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	staged, err := d.StageOutputs(t.Context(), me(), Outputs{Job: grid.JobID{Cluster: 1}, Iwd: dir}, r)
	if err != nil || staged.Bytes != int64(len(stream)) {
		t.Errorf("%+v, %v", staged, err)
	}
	if err := slow.Wait(); err != nil {
		t.Error(err)
	}
}
