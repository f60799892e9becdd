package desk

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
)

const (
	opStage  = "stage"
	opCommit = "commit"
	opDrop   = "drop"
)

// Outputs says where the results of one attempt belong.
type Outputs struct {
	Job    grid.JobID        `json:"job"`
	Epoch  uint32            `json:"epoch"`
	Iwd    string            `json:"iwd"`
	Out    string            `json:"out,omitempty"` // where _stdout goes; empty: nowhere
	Err    string            `json:"err,omitempty"`
	Remaps map[string]string `json:"remaps,omitempty"` // name in the sandbox -> path
	Staged []Staged          `json:"staged,omitempty"` // of a commit: what was staged
}

// Staged is one file that lies beside its place.
type Staged struct {
	Name   string `json:"name"` // as in the stream
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// The names under which a sandbox sends what a job wrote to its standard streams.
const (
	StdoutName = "_stdout"
	StderrName = "_stderr"
)

// StageOutputs unpacks a tar stream beside the places where its files belong, under
// names that carry job and epoch, and flushes them. Staging again begins anew.
func (d *Desks) StageOutputs(ctx context.Context, owner Owner, o Outputs, r io.Reader) (staged []Staged, err error) {
	pipe, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, r)
		if err == nil {
			w.Close() // only a whole stream ends
		}
		copied <- err
	}()
	stop := context.AfterFunc(ctx, func() { w.Close() })
	defer stop()
	err = d.call(ctx, owner, opStage, o, pipe, &staged)
	pipe.Close()
	w.Close()
	if broken := <-copied; err == nil && broken != nil {
		err = broken
	}
	return staged, err
}

// CommitOutputs renames what was staged into place. It may be repeated: a file that
// is in place already, with the staged one's content, is left there.
func (d *Desks) CommitOutputs(ctx context.Context, owner Owner, o Outputs) error {
	return d.call(ctx, owner, opCommit, o, nil, nil)
}

// DropOutputs removes what was staged by attempts of o.Job up to o.Epoch.
func (d *Desks) DropOutputs(ctx context.Context, owner Owner, o Outputs) error {
	return d.call(ctx, owner, opDrop, o, nil, nil)
}

// place is where a top-level name of the sandbox belongs; "" for nowhere.
func (o *Outputs) place(name string) string {
	to := name
	switch name {
	case StdoutName:
		if to = o.Out; to == "" {
			return ""
		}
	case StderrName:
		if to = o.Err; to == "" {
			return ""
		}
	default:
		if m, ok := o.Remaps[name]; ok {
			to = m
		}
	}
	return absolute(o.Iwd, to)
}

const stagePrefix = ".gridburst-"

// stagedAs is the name beside place.
func (o *Outputs) stagedAs(place string) string {
	return filepath.Join(filepath.Dir(place), fmt.Sprintf("%s%s.%d-%s", stagePrefix, o.Job, o.Epoch, filepath.Base(place)))
}

func stageOutputs(o Outputs, r *os.File) ([]Staged, error) {
	s := staging{o: o, begun: map[string]bool{}}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "read the outputs: %w", err)
		}
		if err := s.entry(h, t); err != nil {
			return nil, err
		}
	}
	return s.staged, nil
}

type staging struct {
	o      Outputs
	begun  map[string]bool // top-level names
	staged []Staged
}

func (s *staging) entry(h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	if !filepath.IsLocal(name) || name == "." {
		return grid.Errorf(grid.Invalid, "the outputs hold the name %q", h.Name)
	}
	top, rest, nested := strings.Cut(name, "/")
	place := s.o.place(top)
	if place == "" {
		return nil
	}
	at := s.o.stagedAs(place)
	if !s.begun[top] {
		if err := os.RemoveAll(at); err != nil {
			return err
		}
		s.begun[top] = true
	}
	// What is below a directory is made through a root there, so that a link in
	// the stream cannot lead out of it.
	if !nested {
		rest = filepath.Base(at)
		at = filepath.Dir(at)
	} else if err := os.Mkdir(at, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return err
	}
	defer root.Close()
	if nested {
		if err := root.MkdirAll(path.Dir(rest), 0o755); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(rest, os.FileMode(h.Mode)&0o777|0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		return nil
	case tar.TypeReg:
		return s.file(root, name, rest, h, r)
	}
	return nil // links and devices are not results
}

func (s *staging) file(root *os.Root, name, at string, h *tar.Header, r io.Reader) error {
	f, err := root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(h.Mode)&0o777|0o200)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), r)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	s.staged = append(s.staged, Staged{Name: name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return f.Close()
}

func commitOutputs(o Outputs) (struct{}, error) {
	for _, name := range o.tops() {
		place := o.place(name)
		if place == "" {
			continue
		}
		staged := o.stagedAs(place)
		if _, err := os.Lstat(staged); errors.Is(err, os.ErrNotExist) {
			if err := o.inPlace(name); err != nil {
				return struct{}{}, err
			}
			continue
		}
		if err := move(staged, place); err != nil {
			return struct{}{}, grid.Errorf(codeOfPath(err), "put %s in place: %w", name, err)
		}
		failpoint.Hit("desk.commit.one")
	}
	return struct{}{}, nil
}

// tops are the names at the top of what was staged, each once.
func (o *Outputs) tops() (names []string) {
	for _, f := range o.Staged {
		top, _, _ := strings.Cut(f.Name, "/")
		if !slices.Contains(names, top) {
			names = append(names, top)
		}
	}
	return names
}

// inPlace proves that what is not staged any more was put in place before: its files
// are there, with the content that was staged.
func (o *Outputs) inPlace(name string) error {
	for _, f := range o.Staged {
		top, rest, _ := strings.Cut(f.Name, "/")
		if top != name {
			continue
		}
		at := filepath.Join(o.place(top), rest)
		if sum, err := hashFile(at); err != nil || sum != f.SHA256 {
			return grid.Errorf(grid.NotFound, "the output %s is neither staged nor at %s: somebody removed it before it was put in place", f.Name, at)
		}
	}
	return nil
}

func hashFile(p string) (string, error) {
	f, err := os.Open(p)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// move puts a staged file or directory into its place. A directory that is there
// already takes the new files in.
func move(staged, place string) error {
	err := os.Rename(staged, place)
	if err == nil {
		return nil
	}
	info, serr := os.Lstat(staged)
	if serr != nil || !info.IsDir() {
		return err
	}
	entries, rerr := os.ReadDir(staged)
	if rerr != nil {
		return err
	}
	for _, e := range entries {
		if err := move(filepath.Join(staged, e.Name()), filepath.Join(place, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(staged)
}

// dropOutputs looks where outputs of the job can lie: the working directory and
// those of its streams and remaps.
func dropOutputs(o Outputs) (struct{}, error) {
	dirs := map[string]bool{filepath.Clean(o.Iwd): true}
	for _, p := range append([]string{o.Out, o.Err}, values(o.Remaps)...) {
		if p != "" {
			dirs[filepath.Dir(absolute(o.Iwd, p))] = true
		}
	}
	prefix := stagePrefix + o.Job.String() + "."
	var errs []error
	for dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		errs = append(errs, err)
		for _, e := range entries {
			rest, ok := strings.CutPrefix(e.Name(), prefix)
			epoch, _, dashed := strings.Cut(rest, "-")
			var n uint32
			if _, err := fmt.Sscanf(epoch, "%d", &n); ok && dashed && err == nil && n <= o.Epoch {
				errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
			}
		}
	}
	return struct{}{}, errors.Join(errs...)
}

func values(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}
