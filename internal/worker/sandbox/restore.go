package sandbox

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"gridburst/internal/wire"
)

// CheckpointOf is x as [Sandbox.Collect] has to see it for the job's checkpoint: with the
// checkpoint's files in the place of the outputs, if it names any. What the job has
// written to its output and error output so far belongs to it too.
func CheckpointOf(x wire.Execution) wire.Execution {
	if c := x.Checkpoint; c != nil && len(c.Files) > 0 {
		x.Outputs, x.NoOutput = c.Files, false
	}
	return x
}

// Restore puts a checkpoint, as [Sandbox.Collect] has sent it, into a sandbox with its
// inputs and the files of [Sandbox.Capture]: each entry in the place of what is there by
// its name. It gives the names at the top of the job's directory that came, for
// [Sandbox.Remember], and the bytes of their contents. Repeating it, also after an error,
// gives the same. Errors are as of [Sandbox.Unpack].
func (s Sandbox) Restore(r io.Reader, x wire.Execution, l Limits) (names []string, n int64, err error) {
	err = As(s.User, func() error {
		root, err := os.OpenRoot(s.Work())
		if err != nil {
			return fmt.Errorf("open the sandbox: %w", err)
		}
		defer root.Close()
		u := &unpacking{
			root: root, what: "checkpoint's files", from: &source{r: r}, left: l.withDefaults(), links: map[string]bool{}, tops: map[string]bool{},
		}
		if x.Out != "" {
			u.stdout = s.Stdout()
		}
		if x.Err != "" && x.Err != x.Out {
			u.stderr = s.Stderr()
		}
		err = u.all()
		names, n = slices.Sorted(maps.Keys(u.tops)), u.bytes
		return err
	})
	return names, n, err
}

// restore puts an entry of a checkpoint in the place of what is there.
func (u *unpacking) restore(h *tar.Header, name string, r io.Reader) error {
	switch name {
	case wire.StdoutName:
		return u.stream(h, u.stdout, r)
	case wire.StderrName:
		return u.stream(h, u.stderr, r)
	}
	below, ok := strings.CutPrefix(name, wire.OutputDir)
	if !ok || !local(below) {
		return u.hold(nil, "hold %q, which is no path of a checkpoint", h.Name)
	}
	top, _, _ := strings.Cut(below, "/")
	u.tops[top] = true
	info, err := u.root.Lstat(below)
	if err == nil && (!info.IsDir() || h.Typeflag != tar.TypeDir) {
		if err := u.root.RemoveAll(below); err != nil {
			return u.put(h, err)
		}
	}
	return u.entry(h, below, r)
}

// stream makes one of the files of the job's output what it was.
func (u *unpacking) stream(h *tar.Header, file string, r io.Reader) error {
	if file == "" || h.Typeflag != tar.TypeReg {
		return nil
	}
	if u.left.Bytes -= h.Size; u.left.Bytes < 0 {
		return u.hold(nil, "are too large: %s passes the worker's limit", h.Name)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("write what the job had written: %w", err)
	}
	n, err := io.Copy(f, r)
	u.bytes += n
	return errors.Join(err, f.Close())
}
