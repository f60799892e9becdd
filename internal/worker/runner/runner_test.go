package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
)

// patience is how long a test waits for a process of its own.
const patience = time.Minute

// world is a worker's directory with its runners.
type world struct {
	cfg     Config
	dir     string
	journal *os.Root
	next    int32
}

// another is a user that is not the test's, for tests as root.
var another = sandbox.User{UID: 61001, GID: 61002, Groups: []uint32{61002, 61050}}

func newWorld(t *testing.T, i wire.Isolation) *world {
	t.Helper()
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return worldIn(t, dir, i)
}

func worldIn(t *testing.T, dir string, i wire.Isolation) *world {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	w := &world{dir: dir, cfg: Config{State: filepath.Join(dir, "state"), Command: []string{os.Args[0], "runner"}, Isolation: i, Boot: "this", Log: log}}
	w.cfg.Env = []string{"GORACE=atexit_sleep_ms=0"} // else each end takes a second under the race detector
	for _, d := range []string{"sandbox", "state/" + JournalDir, "state/" + RunnerDir} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.journal, err = os.OpenRoot(filepath.Join(w.cfg.State, JournalDir)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.journal.Close() })
	return w
}

// spawn starts a runner and sees to its end.
func (w *world) spawn(t *testing.T) *Client {
	t.Helper()
	c, err := Spawn(t.Context(), w.cfg)
	if grid.CodeOf(err) == grid.Refused {
		t.Skip("needs more rights than this user has here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, c) })
	return c
}

// end ends a runner, whatever it does.
func end(t *testing.T, c *Client) {
	t.Helper()
	if err := c.KillRunner(); err != nil {
		t.Error(err)
	}
	closed(t, c)
}

// closed waits until the runner is dead.
func closed(t *testing.T, c *Client) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case _, ok := <-c.News():
			if !ok {
				return
			}
		case <-timeout:
			t.Fatal("a runner does not end")
		}
	}
}

// job is a shell script as an attempt, in place, in a directory of its owner's.
func (w *world) job(t *testing.T, u sandbox.User, script string) Job {
	t.Helper()
	w.next++
	k := Key{Job: grid.JobID{Cluster: w.next}, Epoch: 1}
	box := sandbox.Sandbox{Dir: filepath.Join(w.dir, "sandbox", k.String()), User: u}
	if err := box.Create(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Remove(); err != nil {
			t.Error(err)
		}
	})
	return Job{
		Key: k, Box: box.Dir, User: u,
		Exec:  wire.Execution{Cmd: "/bin/sh", Args: []string{"-c", script}, Iwd: box.Work(), Out: "out", Err: "err"},
		Lease: Lease{Until: Clock() + time.Hour.Milliseconds(), Span: time.Minute.Milliseconds()},
	}
}

func (j Job) file(name string) string { return filepath.Join(j.Box, "work", name) }

// output is what the job wrote.
func (j Job) output(t *testing.T) string {
	t.Helper()
	out, err := os.ReadFile(j.file("out"))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(j.file("err")); len(b) > 0 {
		t.Logf("the job's error output: %s", b)
	}
	return string(out)
}

func give(t *testing.T, c *Client, j Job) {
	t.Helper()
	if err := c.Run(j); err != nil {
		t.Fatal(err)
	}
}

// news is the next of a runner.
func news(t *testing.T, c *Client) News {
	t.Helper()
	select {
	case n, ok := <-c.News():
		if !ok {
			log, _ := os.ReadFile(filepath.Join(c.dir, logFile))
			t.Fatalf("the runner died: %s", log)
		}
		return n
	case <-time.After(patience):
		t.Fatal("the runner says nothing")
		panic("unreachable")
	}
}

func started(t *testing.T, c *Client, j Job) {
	t.Helper()
	if n := news(t, c); n.Started == nil || *n.Started != j.Key {
		t.Fatalf("instead of the start of %s: %+v", j.Key, n)
	}
}

// ended waits for the job's end.
func ended(t *testing.T, c *Client, j Job) wire.Report {
	t.Helper()
	n := news(t, c)
	if n.Started != nil {
		n = news(t, c)
	}
	if n.Ended == nil || n.Ended.Job != j.Job || n.Ended.Epoch != j.Epoch {
		t.Fatalf("instead of the end of %s: %+v", j.Key, n)
	}
	return *n.Ended
}

// until polls, at the border to other processes, for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// living counts the processes with a word in their command line.
func living(t *testing.T, word string) int {
	t.Helper()
	pids, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, pid := range pids {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil && pid != os.Getpid() && bytes.Contains(b, []byte(word)) {
			n++
		}
	}
	return n
}

// word is one that no other process has in its command line.
func word(t *testing.T) string {
	return fmt.Sprintf("%d%d", os.Getpid(), time.Now().UnixNano()%1e9)
}

// inEachMode runs f with runners of each isolation that this user can have.
func inEachMode(t *testing.T, f func(t *testing.T, w *world)) {
	for _, i := range []wire.Isolation{wire.Namespaces, wire.UserNamespaces, wire.ProcessGroups} {
		t.Run(string(i), func(t *testing.T) {
			if os.Geteuid() == 0 && i == wire.UserNamespaces {
				t.Skip("a worker that is root has no use for it")
			}
			f(t, newWorld(t, i))
		})
	}
}

// owner is whom jobs run as.
func owner() sandbox.User {
	if os.Geteuid() == 0 {
		return another
	}
	return sandbox.Self()
}

func TestJobsRunOneAfterAnotherAndTheirEndsAreTold(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		for _, x := range []struct {
			script string
			code   int32
			signal bool
			out    string
		}{
			{`echo hello; exit 0`, 0, false, "hello\n"},
			{`exit 3`, 3, false, ""},
			{`kill -9 $$`, 9, true, ""},
			{`kill -TERM $$`, 15, true, ""},
			{`cat`, 0, false, ""},
			{`echo "$0" "$@"`, 0, false, "a b\n"},
		} {
			j := w.job(t, owner(), x.script)
			j.Exec.Args = append(j.Exec.Args, "a", "b")
			give(t, c, j)
			started(t, c, j)
			r := ended(t, c, j)
			if r.Kind != wire.Exited || r.Code != x.code || r.Signal != x.signal || j.output(t) != x.out {
				t.Errorf("%s: %+v %q", x.script, r, j.output(t))
			}
			if kept, ok := Result(w.journal, j.Key); !ok || kept.Code != r.Code || kept.Kind != r.Kind {
				t.Errorf("%s: in the journal: %+v, %v", x.script, kept, ok)
			}
			if err := errors.Join(ForgetResult(w.journal, j.Key), ForgetResult(w.journal, j.Key)); err != nil {
				t.Error(err)
			}
			if _, ok := Result(w.journal, j.Key); ok {
				t.Error("forgotten, and still there")
			}
		}
	})
}

func TestWhatAJobUsedIsSummedOverAllItsProcesses(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		// The work is done by an orphan, which the job does not wait for by its parent.
		j := w.job(t, owner(), `(sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; : >done' &) ; while ! [ -e done ]; do sleep 0.02; done`)
		give(t, c, j)
		u := ended(t, c, j).Usage
		if u.UserMS < 20 || u.WallMS < u.UserMS/2 || u.MaxRSSKB < 100 {
			t.Fatalf("%+v", u)
		}
	})
}

func TestAJobThatCannotBeRunIsHeldWithTheReason(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		for name, x := range map[string]struct {
			change func(*Job)
			code   grid.HoldCode
			errno  int32
			says   string
		}{
			"no such program":          {func(j *Job) { j.Exec.Cmd = "/no/such" }, grid.HoldNoProcess, 2, "/no/such"},
			"a program without x":      {func(j *Job) { j.Exec.Cmd = j.file("plain") }, grid.HoldNoProcess, 13, "plain"},
			"no program at all":        {func(j *Job) { j.Exec.Cmd = j.file("text") }, grid.HoldNoProcess, 8, "first line"},
			"no such interpreter":      {func(j *Job) { j.Exec.Cmd = j.file("script") }, grid.HoldNoProcess, 2, "interpreter"},
			"no such directory":        {func(j *Job) { j.Exec.Iwd = "/no/such" }, grid.HoldIwd, 2, "/no/such"},
			"no such input":            {func(j *Job) { j.Exec.In = "nothing" }, grid.HoldOpenInput, 2, "nothing"},
			"an output in no place":    {func(j *Job) { j.Exec.Out = "no/out" }, grid.HoldOpenOutput, 2, "no/out"},
			"a NUL in its environment": {func(j *Job) { j.Exec.Env = []string{"A=\x00"} }, grid.HoldNoProcess, 22, "/bin/sh"},
		} {
			t.Run(name, func(t *testing.T) {
				j := w.job(t, owner(), ``)
				err := sandbox.As(owner(), func() error {
					return errors.Join(os.WriteFile(j.file("plain"), nil, 0o644), os.WriteFile(j.file("text"), []byte("echo"), 0o755), os.WriteFile(j.file("script"), []byte("#!/no/such\n"), 0o755))
				})
				if err != nil {
					t.Fatal(err)
				}
				x.change(&j)
				give(t, c, j)
				r := ended(t, c, j)
				if r.Kind != wire.Failed || r.Hold.Code != x.code || r.Hold.Subcode != x.errno || !strings.Contains(r.Hold.Reason, x.says) {
					t.Fatalf("%+v", r)
				}
			})
		}
	})
}

func TestAProgramThatIsStillOpenForWritingIsWaitedFor(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	j := w.job(t, sandbox.Self(), ``)
	b, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(j.file("prog"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	j.Exec.Cmd = j.file("prog")
	give(t, c, j)
	until(t, "files opened", func() bool { return exists(j.file("out")) })
	f.Close()
	if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestTheJobHasItsOwnersRightsAndNoOthers(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		u := owner()
		j := w.job(t, u, `cat /proc/self/status; echo umask $(umask); echo core $(ulimit -c); echo fds $(ls /proc/self/fd | wc -w); ps -o sid= -p $$ | grep -qw $$ && echo leader; env -0 | tr '\0' '\n'`)
		j.Exec.Env = []string{"A=b c", "TMPDIR=/elsewhere", "LONG=" + strings.Repeat("x", 100_000)}
		give(t, c, j)
		ended(t, c, j)
		out := j.output(t)
		want := []string{
			"NoNewPrivs:\t1", "CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000",
			"umask 0022", "core 0",
			"fds 4", // three, and the one that ls lists them by
			"leader",
			"\nA=b c\n", "\n" + defaultPath + "\n", "_CONDOR_SCRATCH_DIR=" + filepath.Join(j.Box, "work"),
			Mark + "=" + c.Name() + "." + j.Key.String(),
		}
		if os.Geteuid() == 0 {
			want = append(want, "Uid:\t61001\t61001\t61001\t61001", "Gid:\t61002\t61002\t61002\t61002", "Groups:\t61002 61050 \n", "CapBnd:\t0000000000000000")
		}
		for _, s := range want {
			if !strings.Contains(out, s) {
				t.Errorf("no %q in what the job sees", s)
			}
		}
		if strings.Contains(out, "/elsewhere") {
			t.Error("the job's TMPDIR is the submit machine's")
		}
		for line := range strings.Lines(out) {
			if _, own, _ := strings.Cut(line, "="); strings.HasPrefix(line, "GO") || strings.Contains(own, "GRIDBURST_TEST") {
				t.Errorf("of the runner's environment: %s", line)
			}
		}
	})
}

func TestRootMayRunAsRootWithoutCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	w := newWorld(t, wire.Namespaces)
	c := w.spawn(t)
	j := w.job(t, sandbox.Self(), `grep ^Cap /proc/self/status; id -u; mount -t tmpfs none /mnt 2>/dev/null && echo mounted`)
	give(t, c, j)
	ended(t, c, j)
	out := j.output(t)
	if strings.Count(out, "\t0000000000000000\n") != 5 || !strings.Contains(out, "\n0\n") || strings.Contains(out, "mounted") {
		t.Fatal(out)
	}
}

func TestTransferredJobsRunInTheirSandbox(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		j := w.job(t, owner(), ``)
		box := sandbox.Sandbox{Dir: j.Box, User: owner()}
		j.Exec = wire.Execution{Transfer: true, Cmd: "run.sh", Args: []string{"x"}, Iwd: "/somewhere/else", In: "in", Out: "logs/out", Err: "logs/err"}
		err := errors.Join(box.Capture(j.Exec), sandbox.As(owner(), func() error {
			return errors.Join(os.WriteFile(j.file("run.sh"), []byte("#!/bin/sh\npwd; cat; echo $1 >&2; echo made >new\n"), 0o755), os.WriteFile(j.file("in"), []byte("input\n"), 0o600))
		}))
		if err != nil {
			t.Fatal(err)
		}
		give(t, c, j)
		if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 0 {
			t.Fatalf("%+v", r)
		}
		for path, want := range map[string]string{box.Stdout(): box.Work() + "\ninput\n", box.Stderr(): "x\n", j.file("new"): "made\n"} {
			if b, err := os.ReadFile(path); string(b) != want {
				t.Errorf("%s holds %q, %v", path, b, err)
			}
		}
	})
}

func TestARunnerIsFoundAtAnyDepth(t *testing.T) {
	dir := t.TempDir()
	for range 4 {
		dir = filepath.Join(dir, strings.Repeat("d", 40)) // longer than a socket's address
	}
	w := worldIn(t, dir, wire.ProcessGroups)
	c := w.spawn(t)
	j := w.job(t, sandbox.Self(), `exit 5`)
	give(t, c, j)
	if r := ended(t, c, j); r.Code != 5 {
		t.Fatalf("%+v", r)
	}
}

func TestAnIsolationThatIsNotToBeHadIsRefused(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may have any")
	}
	w := newWorld(t, wire.Namespaces)
	if _, err := Spawn(t.Context(), w.cfg); grid.CodeOf(err) != grid.Refused {
		t.Fatal(err)
	}
	if ids, err := Runners(w.cfg.State); err != nil || len(ids) != 0 {
		t.Fatal(ids, err)
	}
}

func TestARunnerThatCannotStartSaysWhy(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	if err := os.Remove(filepath.Join(w.cfg.State, JournalDir)); err != nil {
		t.Fatal(err)
	}
	_, err := Spawn(t.Context(), w.cfg)
	if err == nil || !strings.Contains(err.Error(), "journal") {
		t.Fatal(err)
	}
	w.cfg.Command = []string{"/bin/false"}
	if _, err := Spawn(t.Context(), w.cfg); err == nil {
		t.Fatal("/bin/false is no runner")
	}
	if ids, err := Runners(w.cfg.State); err != nil || len(ids) != 0 {
		t.Fatal(ids, err)
	}
}

func TestQuickJobsCostARunnerNothing(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		j := w.job(t, owner(), ``)
		j.Exec.Cmd, j.Exec.Args = "/bin/true", nil
		run := func(n int) {
			for range n {
				give(t, c, j)
				if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 0 {
					t.Fatalf("%+v", r)
				}
			}
		}
		fds := func() int {
			entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.id.PID))
			if errors.Is(err, fs.ErrPermission) {
				t.Skip("not dumpable, so its descriptors cannot be counted by its own user")
			}
			if err != nil {
				t.Fatal(err)
			}
			return len(entries)
		}
		run(20)
		before := fds()
		run(200)
		if after := fds(); after > before {
			t.Fatalf("%d descriptors before, %d after", before, after)
		}
		if mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", c.id.PID)); err != nil || bytes.Contains(mounts, []byte(j.Box)) {
			t.Fatalf("mounts of jobs that have ended: %s, %v", mounts, err)
		}
	})
}

func TestKeysAreReadAsTheyAreWritten(t *testing.T) {
	k := Key{Job: grid.JobID{Cluster: 12, Proc: 7}, Epoch: 3}
	if got, ok := ParseKey(k.String()); !ok || got != k {
		t.Fatal(got, ok)
	}
	for _, s := range []string{"", "12", "12.0", "12.0.", "12.0.x", "12.0.-1", "12.0.01", "x.0.1", "12.0.3.json", "12.0.99999999999"} {
		if k, ok := ParseKey(s); ok {
			t.Errorf("%q was read as %s", s, k)
		}
	}
}
