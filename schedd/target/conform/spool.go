package conform

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// inputs is what the jobs of the cases begin with.
func inputs() []byte {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, name := range []string{"input", "changed"} {
		text := "the " + name + "\n"
		t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(text)), ModTime: time.Unix(target.InputsDate, 0)})
		t.Write([]byte(text))
	}
	t.Close()
	return b.Bytes()
}

// fetched waits for a job's end, and fetches what it left.
func (c *check) fetched(j target.Job) target.Result {
	c.Helper()
	r := c.refs[j.Name]
	c.until(r, target.Ended)
	c.must(c.spool.Fetch(c.ctx, r, j.Dir))
	left, err := c.whole(j)
	c.must(err)
	c.came[j.Name] = left
	res, err := target.ParseResult([]byte(left[target.ResultName]))
	c.must(err)
	return res
}

// whole is what has come of a job, by name; an error when it is not whole, or nothing.
func (c *check) whole(j target.Job) (map[string]string, error) {
	c.Helper()
	f, err := os.Open(filepath.Join(j.Dir, target.OutputsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, grid.Errorf(grid.NotFound, "nothing has come of %s", j.Name)
	}
	c.must(err)
	defer f.Close()
	info, err := f.Stat()
	c.must(err)
	stream, err := target.Left(f, info.Size())
	if err != nil {
		return nil, err
	}
	left := map[string]string{}
	t := tar.NewReader(stream)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return left, nil
		}
		c.must(err)
		text, err := io.ReadAll(t)
		c.must(err)
		left[path.Clean(h.Name)] = string(text)
	}
}

// noted waits until a job that runs has written a line into a file here, and counts them.
func (c *check) noted(file string) int {
	c.Helper()
	var text []byte
	c.wait("the job to note that it runs", func() bool {
		text, _ = os.ReadFile(file)
		return len(text) > 0
	})
	return strings.Count(string(text), "\n")
}

// travelling are cases of targets whose machines share nothing with us.
var travelling = []kase{
	{"inputs go there and what is new comes back", travel, func(c *check) {
		j := c.job("files", "/bin/sh", "-c", "cat input >copy; echo more >>changed; mkdir d; echo x >d/x; ln -s input link; : >.hidden")
		c.submit(j)
		if got := c.result(j); got.Code != 0 {
			c.Errorf("its result is %+v", got)
		}
		for name, want := range map[string]string{"copy": "the input\n", "changed": "the changed\nmore\n", ".hidden": ""} {
			if got := c.left(j, name); got != want {
				c.Errorf("%s came back as %q", name, got)
			}
		}
		for _, name := range []string{"input", "d", "d/x", "link"} {
			if _, ok := c.came[j.Name][path.Join(target.WorkName, name)]; ok {
				c.Errorf("%s came back", name)
			}
		}
	}},

	{"what is asked for comes back", travel, func(c *check) {
		j := c.jobOf(target.Spooled{Outputs: []string{"d", "it's", "none", "../job.sh", "/etc/passwd"}}, "named", "/bin/sh", "-c", `mkdir d; echo x >d/x; echo y >"it's"; echo z >other`)
		c.submit(j)
		c.result(j)
		if x, y := c.left(j, "d/x"), c.left(j, "it's"); x != "x\n" || y != "y\n" {
			c.Errorf("%q and %q came back", x, y)
		}
		for name := range c.came[j.Name] {
			if strings.Contains(name, "other") || strings.Contains(name, "job.sh") || strings.Contains(name, "passwd") {
				c.Errorf("%s came back", name)
			}
		}
	}},

	{"what a job left is too large to come back", travel, func(c *check) {
		j := c.jobOf(target.Spooled{MaxOutput: 1 << 20}, "large", "/bin/sh", "-c", "head -c 2000000 /dev/zero >large")
		c.submit(j)
		if got := c.result(j); got.HoldCode != grid.HoldOutputSize || !strings.Contains(got.Reason, "at most 1048576") {
			c.Errorf("its result is %+v", got)
		}
	}},

	{"what a job left is fetched again until it is forgotten", travel, func(c *check) {
		j := c.job("again", "/bin/sh", "-c", "echo one >one")
		r := c.submit(j)
		c.result(j)
		c.must(os.Remove(filepath.Join(j.Dir, target.OutputsName)))
		if c.Once { // it is in place, and its target has nothing more of it
			return
		}
		c.result(j)
		if one := c.left(j, "one"); one != "one\n" {
			c.Errorf("%q came back", one)
		}
		c.must(os.Remove(filepath.Join(j.Dir, target.OutputsName)))
		c.must(c.Target.Forget(c.ctx, r))
		c.wait("it to be forgotten", func() bool { _, there := c.seen(r); return !there })
		c.code("fetch", c.spool.Fetch(c.ctx, r, j.Dir), grid.NotFound)
	}},

	{"nothing comes back of a job that was removed", travel, func(c *check) {
		note := filepath.Join(c.Dir, "note")
		j := c.job("removed", "/bin/sh", "-c", "echo half >half; echo ran >>"+note+"; exec sleep 600")
		r := c.submit(j)
		c.noted(note)
		c.until(r, target.Running)
		c.must(c.Target.Remove(c.ctx, r))
		c.until(r, target.Ended)
		_ = c.spool.Fetch(c.ctx, r, j.Dir) // whatever it says, nothing is there
		if left, err := c.whole(j); grid.CodeOf(err) != grid.NotFound {
			c.Errorf("%q came back, %v", left, err)
		}
	}},

	{"a job that has not had its Begin does not run", travel, func(c *check) {
		if c.Once {
			c.Skip("a name is one job there, which needs no Begin")
		}
		j := c.job("asleep", "/bin/true")
		r := c.hand(j)
		other := c.job("other", "/bin/true")
		c.submit(other)
		c.result(other)
		s, ok := c.seen(r)
		if !ok || s.State != target.Waiting || s.Wants != target.WantsBegin || s.Starts != 0 {
			c.Errorf("it is %+v, %t", s, ok)
		}
		c.must(c.Target.Remove(c.ctx, r))
		if s := c.until(r, target.Ended); s.Starts != 0 {
			c.Errorf("it is %+v", s)
		}
	}},

	{"a job that is taken from its machine does not begin again", travel, func(c *check) {
		if c.Evict == nil {
			c.Skip("this one takes no job from its machine")
		}
		note := filepath.Join(c.Dir, "note")
		j := c.job("evicted", "/bin/sh", "-c", "echo ran >>"+note+"; exec sleep 600")
		r := c.submit(j)
		c.noted(note)
		c.until(r, target.Running)
		c.Evict(r)
		if s := c.until(r, target.Waiting); s.Wants != target.WantsEnd || s.Starts != 1 {
			c.Errorf("it is %+v", s)
		}
		c.must(c.Target.Remove(c.ctx, r))
		c.until(r, target.Ended)
		if s, err := c.Target.Look(c.ctx, r); err != nil || s.State != target.Ended || s.End != target.Cancelled || s.Starts != 1 {
			c.Errorf("it is %+v, %v", s, err)
		}
		if n := c.noted(note); n != 1 {
			c.Errorf("it has begun %d times", n)
		}
	}},
}
