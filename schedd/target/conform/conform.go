// Package conform is what every target must do, as tests that do not ask which target they
// judge.
//
// A room with a target gives [Run] a [Harness]: how to get one, how to make a job wait or be
// refused there, and how to take it down. The cases hand real scripts in, and assert states,
// kinds of errors and what the scripts leave; never durations.
package conform

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// World is a target for one case.
type World struct {
	Target target.Target
	Owner  target.Owner
	Dir    string // which Owner may write, and the target's machines share unless files travel

	// Wait makes a job one that is not started, and that its owner can hold, release and
	// remove. Refused makes it one that the target does not take.
	Wait    func(*target.Job)
	Refused func(*target.Job)

	// Once says that the target knows a job by its name: handed in again, it is the same.
	Once bool

	// Evict takes a job that runs from its machine; nil: that is not tried.
	Evict func(target.Ref)

	// Down stops the target, and Up starts it again; nil: that is not tried.
	Down func()
	Up   func()
}

// Harness makes worlds.
type Harness struct {
	Start func(t *testing.T) World
}

// patience bounds what a case waits for.
const patience = 2 * time.Minute

type check struct {
	*testing.T
	World
	ctx   context.Context
	spool target.Spool // nil: the directory is shared

	// Of jobs by name.
	refs map[string]target.Ref
	came map[string]map[string]string // what has come back: names, and what they hold
}

// Run runs all cases: those of all targets, and those of one to which files travel, or does
// not.
func Run(t *testing.T, h Harness) {
	for _, k := range slices.Concat(cases, sharing, travelling) {
		t.Run(strings.ReplaceAll(k.name, " ", "_"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c := &check{T: t, World: h.Start(t), ctx: ctx, refs: map[string]target.Ref{}, came: map[string]map[string]string{}}
			c.spool, _ = c.Target.(target.Spool)
			if k.files != anyway && (k.files == travel) != (c.spool != nil) {
				t.Skipf("it is about files that %s", k.files)
			}
			k.run(c)
		})
	}
}

const prefix = "gb-conform-"

// job is a script in a directory of its own.
func (c *check) job(name string, argv ...string) target.Job {
	c.Helper()
	return c.jobOf(target.Spooled{Inputs: []string{"input", "changed"}}, name, argv...)
}

// jobOf is a job of whose files some travel, where they do.
func (c *check) jobOf(files target.Spooled, name string, argv ...string) target.Job {
	c.Helper()
	name = prefix + filepath.Base(c.Dir) + "-" + name
	dir := filepath.Join(c.Dir, name)
	c.must(os.Mkdir(dir, 0o700))
	c.must(os.Lchown(dir, int(c.Owner.UID), int(c.Owner.GID)))
	script := filepath.Join(dir, target.ScriptName)
	work := target.Work{Job: name, Dir: dir, In: dir, Argv: argv, Env: []string{"A=a b"}, Stdout: filepath.Join(dir, "out"), Stderr: filepath.Join(dir, "err")}
	if c.spool != nil {
		work.In, work.Stdout, work.Stderr, work.Spool = target.WorkName, "out", "err", &files
		c.write(filepath.Join(dir, target.InputsName), inputs(), 0o600)
	}
	c.write(script, target.Script(work), 0o700)
	return target.Job{Owner: c.Owner, Name: name, Dir: dir, Script: script, Cpus: 1, Label: "a case", Spool: c.spool != nil}
}

// write makes a file of the jobs' owner.
func (c *check) write(name string, text []byte, mode os.FileMode) {
	c.Helper()
	c.must(os.WriteFile(name, text, mode))
	c.must(os.Lchown(name, int(c.Owner.UID), int(c.Owner.GID)))
}

func (c *check) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// submit hands a job in, and lets it go.
func (c *check) submit(j target.Job) target.Ref {
	c.Helper()
	r := c.hand(j)
	c.begin(r)
	return r
}

// hand hands a job in.
func (c *check) hand(j target.Job) target.Ref {
	c.Helper()
	id, err := c.Target.Submit(c.ctx, j)
	c.must(err)
	if id == "" {
		c.Fatal("the job has no id")
	}
	c.Cleanup(func() { c.Target.Remove(context.Background(), target.Ref{Owner: c.Owner, Name: j.Name, ID: id}) })
	r := target.Ref{Owner: c.Owner, Name: j.Name, ID: id}
	c.refs[j.Name] = r
	return r
}

// begin lets a job go when it has its files, if it wants that.
func (c *check) begin(r target.Ref) {
	c.Helper()
	if c.spool == nil {
		return
	}
	c.wait("job "+r.ID+" to have its files", func() bool {
		s, ok := c.seen(r)
		return !ok || s.Wants != target.WantsFiles
	})
	if s, _ := c.seen(r); s.Wants == target.WantsBegin {
		c.refs[r.Name] = r
		c.must(c.spool.Begin(c.ctx, r))
		c.must(c.spool.Begin(c.ctx, r))
		if s, ok := c.seen(r); ok && s.Wants != target.WantsNothing {
			c.Errorf("it has had its Begin, and is %+v", s)
		}
	}
}

// wait waits for something.
func (c *check) wait(what string, yes func() bool) {
	c.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !yes() {
		select {
		case <-look.C:
		case <-c.ctx.Done():
			c.Fatalf("waited in vain for %s", what)
		}
	}
}

// seen is a job as a listing shows it; false when none does.
func (c *check) seen(r target.Ref) (target.Seen, bool) {
	c.Helper()
	all, err := c.Target.List(c.ctx, prefix, []target.Owner{c.Owner})
	c.must(err)
	for _, s := range all {
		if s.ID == r.ID {
			if s.Name != r.Name {
				c.Errorf("job %s is listed as %s, not as %s", s.ID, s.Name, r.Name)
			}
			return s, true
		}
		if !strings.HasPrefix(s.Name, prefix) {
			c.Errorf("a listing by the prefix %s shows %s", prefix, s.Name)
		}
	}
	return target.Seen{}, false
}

// until waits until a listing shows the job so; Ended is also when it is not shown.
func (c *check) until(r target.Ref, want target.State) target.Seen {
	c.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		s, ok := c.seen(r)
		if ok && s.State == want || !ok && want == target.Ended {
			return s
		}
		select {
		case <-look.C:
		case <-c.ctx.Done():
			c.Fatalf("job %s is %+v, not %s", r.ID, s, want)
		}
	}
}

// result waits for what a script leaves.
func (c *check) result(j target.Job) target.Result {
	c.Helper()
	if c.spool != nil {
		return c.fetched(j)
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		text, err := os.ReadFile(filepath.Join(j.Dir, target.ResultName))
		if err == nil {
			r, err := target.ParseResult(text)
			c.must(err)
			return r
		}
		select {
		case <-look.C:
		case <-c.ctx.Done():
			log, _ := os.ReadFile(filepath.Join(j.Dir, target.LogName))
			c.Fatalf("job %s left no result; its target says %q", j.Name, log)
		}
	}
}

func (c *check) left(j target.Job, name string) string {
	c.Helper()
	if c.spool != nil {
		for _, n := range []string{name, path.Join(target.WorkName, name)} {
			if text, ok := c.came[j.Name][n]; ok {
				return text
			}
		}
		c.Fatalf("%s has not come back, but %q", name, c.came[j.Name])
	}
	text, err := os.ReadFile(filepath.Join(j.Dir, name))
	c.must(err)
	return string(text)
}

func (c *check) code(what string, err error, want ...grid.Code) {
	c.Helper()
	for _, w := range want {
		if grid.CodeOf(err) == w {
			return
		}
	}
	c.Errorf("%s: %q %v, want one of %q", what, grid.CodeOf(err), err, want)
}

// answers waits until the target lists again.
func (c *check) answers() {
	c.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		_, err := c.Target.List(c.ctx, prefix, []target.Owner{c.Owner})
		if err == nil {
			return
		}
		select {
		case <-look.C:
		case <-c.ctx.Done():
			c.Fatal(err)
		}
	}
}

// Says is a command that comes to what a test has written.
type Says struct {
	Out target.Output
	Err error
}

// Run implements [target.Commands].
func (s Says) Run(context.Context, target.Owner, target.Command) (target.Output, error) {
	return s.Out, s.Err
}
