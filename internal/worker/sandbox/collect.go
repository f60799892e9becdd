package sandbox

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// Collect writes the outputs that x asks for to w as a tar stream: what the job
// wrote to its output and error output, and its files below [wire.OutputDir]. It
// sends all that it can: the [*HoldError] for what is missing, or cannot be sent,
// comes with a stream that is whole without it, and with its description. After
// any other error the stream is not whole.
func (s Sandbox) Collect(w io.Writer, x wire.Execution, l Limits) (wire.Staged, error) {
	c := &collecting{sum: sha256.New(), left: l.withDefaults()}
	c.tar = tar.NewWriter(io.MultiWriter(w, c.sum, (*counter)(&c.staged.Bytes)))
	var before map[string]stamp
	if len(x.Outputs) == 0 && !x.NoOutput {
		var err error
		if before, err = s.remembered(); err != nil {
			return wire.Staged{}, err
		}
	}
	err := As(s.User, func() error { return c.all(s, x, before) })
	if err == nil {
		err = c.tar.Close()
	}
	if err != nil {
		return wire.Staged{}, fmt.Errorf("send the outputs: %w", err)
	}
	c.staged.SHA256 = hex.EncodeToString(c.sum.Sum(nil))
	if len(c.problems) > 0 {
		return c.staged, c.hold()
	}
	return c.staged, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

type collecting struct {
	root     *os.Root
	tar      *tar.Writer
	sum      hash.Hash
	left     Limits
	staged   wire.Staged
	problems []*HoldError
}

// hold is one reason for all problems.
func (c *collecting) hold() *HoldError {
	const shown = 5
	first := *c.problems[0]
	if len(c.problems) > 1 {
		var all []string
		for _, p := range c.problems[:min(shown, len(c.problems))] {
			all = append(all, p.Reason)
		}
		if n := len(c.problems) - shown; n > 0 {
			all = append(all, fmt.Sprintf("and %d more", n))
		}
		first.Reason = strings.Join(all, "; ")
	}
	return &first
}

// problem notes why name is not sent. The stream goes on without it.
func (c *collecting) problem(cause error, format string, args ...any) {
	c.problems = append(c.problems, Hold(grid.HoldOutput, cause, format, args...))
}

func (c *collecting) all(s Sandbox, x wire.Execution, before map[string]stamp) error {
	for _, std := range []struct{ path, name, wanted string }{{s.Stdout(), wire.StdoutName, x.Out}, {s.Stderr(), wire.StderrName, x.Err}} {
		if std.wanted == "" || std.name == wire.StderrName && x.Err == x.Out {
			continue
		}
		f, err := os.OpenFile(std.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		err = c.file(f, std.name)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if x.NoOutput {
		return nil
	}
	root, err := os.OpenRoot(s.Work())
	if err != nil {
		return err
	}
	defer root.Close()
	c.root = root
	if len(x.Outputs) == 0 {
		return c.changed(before)
	}
	seen := map[string]bool{}
	for _, name := range x.Outputs {
		clean := path.Clean(name)
		switch {
		case !local(clean) || clean == ".":
			c.problem(nil, "the output %q is not a path within the sandbox", name)
		case !seen[clean]:
			seen[clean] = true
			if err := c.named(clean); err != nil {
				return err
			}
		}
	}
	return nil
}

// changed sends the regular files at the top that are new or not what they were.
func (c *collecting) changed(before map[string]stamp) error {
	now, err := stamps(c.root.Name())
	if err != nil {
		return err
	}
	names := make([]string, 0, len(now))
	for name, st := range now {
		if was, ok := before[name]; (!ok || was != st) && name != AdName && name != AttrsName && name != TokenName {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		info, err := c.root.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := c.open(name, info); err != nil {
			return err
		}
	}
	return nil
}

// named sends what was asked for by name. A link there stands for what it leads
// to, as long as that is within the sandbox.
func (c *collecting) named(name string) error {
	info, err := c.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.problem(nil, "the output %s was not made", name)
	case err != nil:
		c.problem(err, "look for the output %s", name)
	case info.IsDir():
		return c.tree(name, 0)
	case info.Mode().IsRegular():
		return c.open(name, info)
	default:
		c.problem(nil, "the output %s is neither a file nor a directory", name)
	}
	return nil
}

// tree sends a directory and what is below it.
func (c *collecting) tree(name string, depth int) error {
	if depth >= maxDepth {
		c.problem(nil, "the output %s lies more than %d directories deep", name, maxDepth)
		return nil
	}
	dir, err := c.root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		c.problem(err, "open the output directory %s", name)
		return nil
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	if !c.room(name, 0) {
		return nil
	}
	if err := c.head(&tar.Header{Typeflag: tar.TypeDir, Name: wire.OutputDir + name + "/", Mode: int64(info.Mode().Perm()), ModTime: whole(info.ModTime())}); err != nil {
		return err
	}
	entries, err := dir.ReadDir(c.left.Entries + 1)
	if err != nil && err != io.EOF {
		c.problem(err, "read the output directory %s", name)
		return nil
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		below := name + "/" + e.Name()
		info, err := c.root.Lstat(below)
		if err != nil {
			c.problem(err, "look at the output %s", below)
			continue
		}
		switch {
		case info.IsDir():
			err = c.tree(below, depth+1)
		case info.Mode().IsRegular():
			err = c.open(below, info)
		case info.Mode()&fs.ModeSymlink != 0:
			err = c.link(below, name)
		default:
			c.problem(nil, "the output %s is neither a file, a directory nor a link", below)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// link sends a symbolic link as one. Its tree is the directory that was asked for,
// at the top of name.
func (c *collecting) link(name, within string) error {
	target, err := c.root.Readlink(name)
	if err != nil {
		c.problem(err, "read the output link %s", name)
		return nil
	}
	top, _, _ := strings.Cut(within, "/")
	if !stays(strings.TrimPrefix(name, top+"/"), target) {
		c.problem(nil, "the output %s is a link to %s, which leads out of %s", name, target, top)
		return nil
	}
	if !c.room(name, 0) {
		return nil
	}
	return c.head(&tar.Header{Typeflag: tar.TypeSymlink, Name: wire.OutputDir + name, Linkname: target, Mode: 0o777})
}

// open sends the regular file that info was seen to be.
func (c *collecting) open(name string, info fs.FileInfo) error {
	f, err := c.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // never waits, should it have become a FIFO
	if err != nil {
		c.problem(err, "open the output %s", name)
		return nil
	}
	defer f.Close()
	if now, err := f.Stat(); err != nil || !os.SameFile(now, info) {
		c.problem(err, "the output %s changed while it was looked at", name)
		return nil
	}
	return c.file(f, wire.OutputDir+name)
}

// file sends f, with the size that it has now.
func (c *collecting) file(f *os.File, name string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		c.problem(nil, "the output %s is not a file any more", name)
		return nil
	}
	if !c.room(name, info.Size()) {
		return nil
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: int64(info.Mode().Perm()), ModTime: whole(info.ModTime())}
	if err := c.head(h); err != nil {
		return err
	}
	if n, err := io.CopyN(c.tar, f, info.Size()); err != nil {
		return fmt.Errorf("%s: %d of %d bytes: %w", name, n, info.Size(), err)
	}
	return nil
}

// room takes an entry of n bytes off what is left.
func (c *collecting) room(name string, n int64) bool {
	c.left.Entries--
	c.left.Bytes -= n
	if c.left.Entries < 0 || c.left.Bytes < 0 {
		if len(c.problems) == 0 || c.problems[len(c.problems)-1].Err != errFull {
			c.problems = append(c.problems, &HoldError{
				Hold: wire.Hold{Code: grid.HoldOutput, Reason: "the outputs are too many or too large: " + name + " passes the worker's limit"}, Err: errFull,
			})
		}
		c.left.Bytes += n // a smaller one may still fit
		return false
	}
	return true
}

var errFull = errors.New("limit reached")

func (c *collecting) head(h *tar.Header) error {
	c.staged.Files++
	return c.tar.WriteHeader(h)
}

// whole is a time that a plain tar header holds.
func whole(t time.Time) time.Time { return t.Truncate(time.Second) }
