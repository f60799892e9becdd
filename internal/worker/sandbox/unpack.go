package sandbox

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gridburst/internal/grid"
)

// Limits bound what one transfer holds. A zero field is its default.
type Limits struct {
	Bytes   int64 // default 256 GiB
	Entries int   // default 100,000
}

const maxDepth = 100 // directories above an entry

func (l Limits) withDefaults() Limits {
	return Limits{Bytes: cmp.Or(l.Bytes, 256<<30), Entries: cmp.Or(l.Entries, 100_000)}
}

// Unpack fills the job's directory from a tar stream of regular files, directories
// and symbolic links that stay inside, and returns the bytes of their contents.
// Modes lose their setuid, setgid and sticky bits; the owner can always read and
// write. Anything else in the stream is a [*HoldError]; an error of r is returned
// as it is, and the directory then holds some part.
func (s Sandbox) Unpack(r io.Reader, l Limits) (n int64, err error) {
	err = As(s.User, func() error {
		root, err := os.OpenRoot(s.Work())
		if err != nil {
			return fmt.Errorf("open the sandbox: %w", err)
		}
		defer root.Close()
		u := &unpacking{root: root, what: "inputs", from: &source{r: r}, left: l.withDefaults(), links: map[string]bool{}}
		err = u.all()
		n = u.bytes
		return err
	})
	return n, err
}

// source remembers an error of the stream.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

type unpacking struct {
	root  *os.Root
	what  string // the stream's name for people
	from  *source
	left  Limits
	bytes int64
	links map[string]bool // made by this stream

	// of a checkpoint, which takes the place of what is there
	stdout, stderr string          // files; empty: not wanted
	tops           map[string]bool // names at the top of the directory that came
}

func (u *unpacking) all() error {
	err := u.entries()
	if u.from.err != nil {
		return u.from.err // the stream's trouble, whatever the reader above made of it
	}
	return err
}

func (u *unpacking) entries() error {
	t := tar.NewReader(u.from)
	for {
		h, err := t.Next()
		if err == io.EOF {
			// The rest is padding; reading it to its end is what shows that it was whole.
			_, err := io.Copy(io.Discard, io.LimitReader(u.from, 1<<20))
			return err
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err != nil {
			return u.hold(err, "came as something else than a tar stream")
		}
		if u.left.Entries--; u.left.Entries < 0 {
			return u.hold(nil, "are too many files")
		}
		place := u.entry
		if u.tops != nil {
			place = u.restore
		}
		if err := place(h, path.Clean(h.Name), t); err != nil {
			return err
		}
	}
}

// entry puts an entry at name, in the job's directory.
func (u *unpacking) entry(h *tar.Header, name string, r io.Reader) error {
	if !local(name) {
		return u.hold(nil, "hold %q, which is not a path within the sandbox", h.Name)
	}
	if name == "." && h.Typeflag == tar.TypeDir {
		return nil
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if u.links[dir] {
			return u.hold(nil, "hold %s below the link %s", h.Name, dir)
		}
	}
	if dir := path.Dir(name); dir != "." {
		if err := u.root.MkdirAll(dir, 0o755); err != nil {
			return u.put(h, err)
		}
	}
	mode := fs.FileMode(h.Mode) & 0o777
	switch h.Typeflag {
	case tar.TypeDir:
		if err := u.root.MkdirAll(name, 0o755); err != nil {
			return u.put(h, err)
		}
		// Not narrower than what its entries need while they come.
		return u.put(h, u.root.Chmod(name, mode|0o700))
	case tar.TypeReg:
		if u.left.Bytes -= h.Size; u.left.Bytes < 0 {
			return u.hold(nil, "are too large: %s passes the worker's limit", h.Name)
		}
		// A new file: what an earlier entry made, a link even, is not written through.
		f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return u.put(h, err)
		}
		n, err := io.Copy(f, r)
		u.bytes += n
		if u.from.err == nil && err == nil {
			err = f.Chmod(mode | 0o600)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			return u.put(h, err)
		}
		return nil
	case tar.TypeSymlink:
		if !stays(name, h.Linkname) {
			return u.hold(nil, "hold the link %s to %q, which leads out of the sandbox", h.Name, h.Linkname)
		}
		u.links[name] = true
		return u.put(h, u.root.Symlink(h.Linkname, name))
	}
	return u.hold(nil, "hold %s, which is neither a file, a directory nor a link", h.Name)
}

// hold is a reason to hold the job that the stream gives.
func (u *unpacking) hold(cause error, format string, args ...any) *HoldError {
	return Hold(grid.HoldInput, cause, "the "+u.what+" "+format, args...)
}

// put is what came of making h's entry.
func (u *unpacking) put(h *tar.Header, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return u.hold(nil, "hold %s twice", h.Name)
	}
	return Hold(grid.HoldInput, err, "put %s into the sandbox", h.Name)
}

// local reports whether name, which is clean, is a path below its directory that
// a file system can hold.
func local(name string) bool {
	return filepath.IsLocal(name) && !strings.ContainsRune(name, 0) && strings.Count(name, "/") < maxDepth
}

// stays reports whether a link at name, below directories that are none themselves,
// leads to a place in the same tree. ".." may only come first in its target: after
// another link its meaning would depend on where that one leads.
func stays(name, target string) bool {
	if target == "" || path.IsAbs(target) || !local(path.Join(path.Dir(name), target)) {
		return false
	}
	down := false
	for part := range strings.SplitSeq(target, "/") {
		if part == ".." && down {
			return false
		}
		down = down || (part != ".." && part != "." && part != "")
	}
	return true
}
