package conform

import (
	"os"
	"path/filepath"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

type kase struct {
	name  string
	files files
	run   func(*check)
}

// files is of which targets a case is, by what the files of their jobs do.
type files string

const (
	anyway files = ""
	share  files = "are in a directory that is shared"
	travel files = "travel"
)

var cases = []kase{
	{"a job runs and leaves its result and what it wrote", anyway, func(c *check) {
		j := c.job("runs", "/bin/sh", "-c", `echo "$A" "$1"; echo oops >&2; exit 3`, "sh", `it's "so" $HOME`)
		r := c.submit(j)
		if got := c.result(j); got.Code != 3 || got.Signal || got.Host == "" || got.HoldCode != 0 {
			c.Errorf("its result is %+v", got)
		}
		c.until(r, target.Ended)
		if out, want := c.left(j, "out"), "a b it's \"so\" $HOME\n"; out != want {
			c.Errorf("it wrote %q, want %q", out, want)
		}
		if err := c.left(j, "err"); err != "oops\n" {
			c.Errorf("it wrote %q to its error output", err)
		}
	}},

	{"a job that a signal ends says so", anyway, func(c *check) {
		j := c.job("signal", "/bin/sh", "-c", "kill -9 $$")
		c.submit(j)
		if got := c.result(j); got.Code != 9 || !got.Signal {
			c.Errorf("its result is %+v", got)
		}
	}},

	{"what cannot be run is told as a reason to hold", anyway, func(c *check) {
		j := c.job("none", "/nonexistent/program")
		c.submit(j)
		if got := c.result(j); got.HoldCode != grid.HoldNoProcess || !strings.Contains(got.Reason, "/nonexistent/program") {
			c.Errorf("its result is %+v", got)
		}
	}},

	{"a job that runs is shown running", anyway, func(c *check) {
		j := c.job("running", "/bin/sleep", "600")
		r := c.submit(j)
		if s := c.until(r, target.Running); s.Word == "" {
			c.Errorf("a job that runs is shown as %+v", s)
		}
		if s, err := c.Target.Look(c.ctx, r); err != nil || s.State != target.Running || s.Name != j.Name {
			c.Errorf("asked for alone it is %+v, %v", s, err)
		}
		c.must(c.Target.Remove(c.ctx, r))
		c.until(r, target.Ended)
		if _, err := os.Stat(filepath.Join(j.Dir, target.ResultName)); err == nil {
			c.Error("a job that was removed left a result")
		}
	}},

	{"a job that waits is held and released", anyway, func(c *check) {
		j := c.job("held", "/bin/true")
		c.Wait(&j)
		r := c.submit(j)
		if s, _ := c.seen(r); s.State != target.Waiting {
			c.Errorf("it is shown as %+v", s)
		}
		c.must(c.Target.Hold(c.ctx, r))
		c.until(r, target.Held)
		c.must(c.Target.Hold(c.ctx, r))
		c.must(c.Target.Release(c.ctx, r))
		c.until(r, target.Waiting)
		c.must(c.Target.Hold(c.ctx, r))
		c.until(r, target.Held)
		c.must(c.Target.Remove(c.ctx, r))
		c.until(r, target.Ended)
	}},

	{"a removal may be repeated", anyway, func(c *check) {
		j := c.job("removed", "/bin/true")
		c.Wait(&j)
		r := c.submit(j)
		c.must(c.Target.Remove(c.ctx, r))
		s := c.until(r, target.Ended)
		if s.ID != "" && s.End != target.Cancelled {
			c.Errorf("a job that was removed ended as %+v", s)
		}
		c.code("a second removal", c.Target.Remove(c.ctx, r), "", grid.NotFound)
		c.must(c.Target.Forget(c.ctx, r))
		c.must(c.Target.Forget(c.ctx, r))
		c.code("a removal of what is forgotten", c.Target.Remove(c.ctx, r), "", grid.NotFound)
	}},

	{"a job that was never there is not found", anyway, func(c *check) {
		r := target.Ref{Owner: c.Owner, Name: prefix + "nobody", ID: "999999"}
		_, err := c.Target.Look(c.ctx, r)
		c.code("look", err, grid.NotFound)
		c.code("hold", c.Target.Hold(c.ctx, r), grid.NotFound)
		c.code("release", c.Target.Release(c.ctx, r), grid.NotFound)
		c.code("remove", c.Target.Remove(c.ctx, r), grid.NotFound, "")
		c.code("forget", c.Target.Forget(c.ctx, r), "", grid.NotFound)
	}},

	{"a job that the target does not want is refused and not there", anyway, func(c *check) {
		j := c.job("refused", "/bin/true")
		c.Refused(&j)
		_, err := c.Target.Submit(c.ctx, j)
		c.code("submit", err, grid.Refused, grid.Invalid)
		if err != nil && err.Error() == "" {
			c.Error("it is refused without a word")
		}
		all, err := c.Target.List(c.ctx, j.Name, []target.Owner{c.Owner})
		if err != nil || len(all) > 0 {
			c.Errorf("then there is %+v, %v", all, err)
		}
	}},

	{"a job that is handed in twice runs once", anyway, func(c *check) {
		j := c.job("twice", "/bin/sh", "-c", "echo ran >>ran")
		b, a := c.hand(j), c.hand(j)
		if same := a.ID == b.ID; same != c.Once {
			c.Errorf("the ids are %s and %s", a.ID, b.ID)
		}
		c.begin(a)
		if got := c.result(j); got.Code != 0 {
			c.Errorf("its result is %+v", got)
		}
		c.until(a, target.Ended)
		if c.spool != nil && !c.Once { // nobody has let it go
			if s, _ := c.seen(b); s.State != target.Waiting || s.Starts != 0 {
				c.Errorf("the other is %+v", s)
			}
			c.must(c.Target.Remove(c.ctx, b))
		}
		c.until(b, target.Ended)
		if ran := c.left(j, "ran"); ran != "ran\n" {
			c.Errorf("it ran %d times", strings.Count(ran, "\n"))
		}
	}},

	{"a listing is of an owner and a prefix", anyway, func(c *check) {
		j := c.job("listed", "/bin/true")
		c.Wait(&j)
		r := c.submit(j)
		if _, ok := c.seen(r); !ok {
			c.Error("it is not listed")
		}
		all, err := c.Target.List(c.ctx, prefix+"other-", []target.Owner{c.Owner})
		if err != nil || len(all) > 0 {
			c.Errorf("by another prefix: %+v, %v", all, err)
		}
		all, err = c.Target.List(c.ctx, prefix, nil)
		if err != nil || len(all) > 0 {
			c.Errorf("of nobody: %+v, %v", all, err)
		}
	}},

	{"a target that is down has no say", anyway, func(c *check) {
		if c.Down == nil {
			c.Skip("this one is not taken down")
		}
		j := c.job("down", "/bin/sleep", "600")
		r := c.submit(j)
		c.until(r, target.Running)
		c.Down()
		_, err := c.Target.List(c.ctx, prefix, []target.Owner{c.Owner})
		c.code("list", err, grid.Unavailable)
		_, err = c.Target.Look(c.ctx, r)
		c.code("look", err, grid.Unavailable)
		_, err = c.Target.Submit(c.ctx, c.job("late", "/bin/true"))
		c.code("submit", err, grid.Unavailable, grid.Unknown)
		c.code("remove", c.Target.Remove(c.ctx, r), grid.Unavailable, grid.Unknown)
		c.Up()
		// It may have forgotten what it had just taken.
		c.answers()
		c.code("remove", c.Target.Remove(c.ctx, r), "", grid.NotFound)
		c.until(r, target.Ended)
		late := c.job("later", "/bin/true")
		c.submit(late)
		c.result(late)
	}},
}

// sharing are cases of targets whose machines share a directory with us.
var sharing = []kase{
	{"one that is kept from beginning runs nothing", share, func(c *check) {
		j := c.job("revoked", "/bin/sh", "-c", "echo ran >>ran")
		c.must(os.WriteFile(filepath.Join(j.Dir, target.StartedName), []byte("revoked\n"), 0o644))
		r := c.submit(j)
		c.until(r, target.Ended)
		if _, err := os.Stat(filepath.Join(j.Dir, "ran")); err == nil {
			c.Error("it ran")
		}
	}},
}
