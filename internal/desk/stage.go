package desk

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
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
	Out    string            `json:"out,omitempty"` // where what it wrote to its standard output goes; empty: nowhere
	Err    string            `json:"err,omitempty"`
	Remaps map[string]string `json:"remaps,omitempty"` // name in the sandbox -> path
	SHA256 string            `json:"sha256,omitempty"` // of a commit: the stream that is to be put in place
	Node   bool              `json:"node,omitempty"`   // of one node of a job of several: the others' are left alone
}

// StageOutputs unpacks an outputs stream (see package wire) beside the places where
// its files belong, under names that carry job and epoch, and flushes them. Staging
// again begins anew.
func (d *Desks) StageOutputs(ctx context.Context, owner Owner, o Outputs, r io.Reader) (staged wire.Staged, err error) {
	pipe, w, err := os.Pipe()
	if err != nil {
		return staged, err
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

// CommitOutputs renames what was staged from the stream with o.SHA256 into place. It
// may be repeated: a file that is in place already, with the staged one's content, is
// left there. [grid.NotFound] when that stream is not what lies there.
func (d *Desks) CommitOutputs(ctx context.Context, owner Owner, o Outputs) error {
	return d.call(ctx, owner, opCommit, o, nil, nil)
}

// DropOutputs removes what was staged by attempts of o.Job up to o.Epoch, or by that node
// alone, and what is known of it.
func (d *Desks) DropOutputs(ctx context.Context, owner Owner, o Outputs) error {
	return d.call(ctx, owner, opDrop, o, nil, nil)
}

// parse takes a name of the stream apart: the place of its top, "" for nowhere, and
// the path below that, if any.
func (o *Outputs) parse(name string) (place, below string, err error) {
	clean := path.Clean(name)
	if !filepath.IsLocal(clean) {
		return "", "", grid.Errorf(grid.Invalid, "the outputs hold the name %q", name)
	}
	switch clean {
	case ".", strings.TrimSuffix(wire.OutputDir, "/"):
		return "", "", nil
	case wire.StdoutName:
		return o.stream(o.Out), "", nil
	case wire.StderrName:
		return o.stream(o.Err), "", nil
	}
	rest, ok := strings.CutPrefix(clean, wire.OutputDir)
	if !ok {
		return "", "", grid.Errorf(grid.Invalid, "the outputs hold the name %q, which is not below %s", name, wire.OutputDir)
	}
	top, below, _ := strings.Cut(rest, "/")
	if to, ok := o.Remaps[top]; ok {
		top = to
	}
	return absolute(o.Iwd, top), below, nil
}

func (o *Outputs) stream(to string) string {
	if to == "" {
		return ""
	}
	return absolute(o.Iwd, to)
}

const stagePrefix = ".gridburst-"

// stagedAs is the name beside place.
func (o *Outputs) stagedAs(place string) string {
	return filepath.Join(filepath.Dir(place), fmt.Sprintf("%s%s.%d-%s", stagePrefix, o.Job, o.Epoch, filepath.Base(place)))
}

// manifest lies in the working directory from the moment that everything is staged
// until the job is done: after a crash it says what was to go where.
type manifest struct {
	SHA256 string       `json:"sha256"` // of the stream
	Files  []stagedFile `json:"files"`
}

type stagedFile struct {
	Place  string `json:"place"` // of its top
	Below  string `json:"below,omitempty"`
	SHA256 string `json:"sha256"`
}

func (o *Outputs) manifest() string {
	return filepath.Join(o.Iwd, fmt.Sprintf("%s%s.%d-", stagePrefix, o.Job, o.Epoch))
}

func stageOutputs(o Outputs, r io.Reader) (wire.Staged, error) {
	if err := os.Remove(o.manifest()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return wire.Staged{}, err
	}
	s := staging{o: o, begun: map[string]bool{}}
	sum := sha256.New()
	all := &counter{r: io.TeeReader(r, sum)}
	t := tar.NewReader(all)
	entries, behind := 0, int64(0) // where the last entry ends
	for {
		h, err := t.Next()
		if err == io.EOF {
			if all.n-behind < archiveEnd || all.zeros < archiveEnd {
				return wire.Staged{}, brokeOff(entries, io.ErrUnexpectedEOF)
			}
			break
		}
		if err == nil {
			entries++
			if err := s.entry(h, t); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				return wire.Staged{}, err
			}
			_, err = io.Copy(io.Discard, t)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return wire.Staged{}, brokeOff(entries, err)
		}
		if err != nil {
			return wire.Staged{}, grid.Errorf(grid.Invalid, "read the outputs: %w", err)
		}
		behind = (all.n + tarBlock - 1) / tarBlock * tarBlock
	}
	if _, err := io.Copy(io.Discard, all); err != nil { // what pads the archive
		return wire.Staged{}, err
	}
	s.m.SHA256 = hex.EncodeToString(sum.Sum(nil))
	text, err := json.Marshal(s.m)
	if err != nil {
		return wire.Staged{}, err
	}
	failpoint.Hit("desk.stage.manifest")
	if err := writeDurably(o.manifest(), text); err != nil {
		return wire.Staged{}, err
	}
	return wire.Staged{Files: entries, Bytes: all.n, SHA256: s.m.SHA256}, nil
}

// brokeOff is the error of a stream that was cut in its entry n, or behind it. It may be sent
// again.
func brokeOff(n int, err error) error {
	return grid.Errorf(grid.Unavailable, "read the outputs: they break off at entry %d: %w", n, err)
}

// A tar archive is of blocks, and two blocks of zeros are its end. One that is cut between two
// entries reads like one that ends there, but for those.
const (
	tarBlock   = 512
	archiveEnd = 2 * tarBlock
)

// counter counts what is read, and the zeros at its end.
type counter struct {
	r     io.Reader
	n     int64
	zeros int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	rest := len(bytes.TrimRight(p[:n], "\x00"))
	if rest > 0 {
		c.zeros = 0
	}
	c.zeros += int64(n - rest)
	return n, err
}

func writeDurably(name string, data []byte) error {
	f, err := os.OpenFile(name+"new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(name+"new", name)
}

type staging struct {
	o     Outputs
	begun map[string]bool // places
	m     manifest
}

func (s *staging) entry(h *tar.Header, r io.Reader) error {
	place, below, err := s.o.parse(h.Name)
	if err != nil || place == "" {
		return err
	}
	at := s.o.stagedAs(place)
	if !s.begun[place] {
		if err := os.RemoveAll(at); err != nil {
			return err
		}
		s.begun[place] = true
	}
	// What is below a directory is made through a root there, so that a link in
	// the stream cannot lead out of it.
	name := below
	if below == "" {
		name = filepath.Base(at)
		at = filepath.Dir(at)
	} else if err := os.Mkdir(at, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return err
	}
	defer root.Close()
	if below != "" {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(name, os.FileMode(h.Mode)&0o777|0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	case tar.TypeReg:
		sum, err := writeBelow(root, name, os.FileMode(h.Mode)&0o777|0o200, r)
		if err != nil {
			return err
		}
		s.m.Files = append(s.m.Files, stagedFile{Place: place, Below: below, SHA256: sum})
	case tar.TypeSymlink:
		// The sandbox let out only links that stay inside; a worker is not
		// trusted, so that is looked at anew.
		if below != "" && !filepath.IsAbs(h.Linkname) && filepath.IsLocal(filepath.Join(filepath.Dir(below), h.Linkname)) {
			return root.Symlink(h.Linkname, name)
		}
	}
	return nil
}

func writeBelow(root *os.Root, name string, mode os.FileMode, r io.Reader) (sum string, err error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), r); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), f.Close()
}

func commitOutputs(o Outputs) (struct{}, error) {
	text, err := os.ReadFile(o.manifest())
	if err != nil {
		return struct{}{}, grid.Errorf(codeOfPath(err), "the outputs of job %s are not staged: %w", o.Job, err)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil || m.SHA256 != o.SHA256 {
		return struct{}{}, grid.Errorf(grid.NotFound, "what is staged for job %s is another stream than its worker reported", o.Job)
	}
	done := map[string]bool{}
	for _, f := range m.Files {
		if done[f.Place] {
			continue
		}
		done[f.Place] = true
		staged := o.stagedAs(f.Place)
		if _, err := os.Lstat(staged); errors.Is(err, os.ErrNotExist) {
			if err := m.inPlace(f.Place); err != nil {
				return struct{}{}, err
			}
			continue
		}
		if err := move(staged, f.Place); err != nil {
			return struct{}{}, grid.Errorf(codeOfPath(err), "put %s in place: %w", f.Place, err)
		}
		failpoint.Hit("desk.commit.one")
	}
	return struct{}{}, nil
}

// inPlace proves that what is not staged any more was put in place before: its files
// are there, with the content that was staged.
func (m *manifest) inPlace(place string) error {
	for _, f := range m.Files {
		if f.Place != place {
			continue
		}
		at := filepath.Join(place, f.Below)
		if sum, err := hashFile(at); err != nil || sum != f.SHA256 {
			return grid.Errorf(grid.NotFound, "the output %s is neither staged nor in place: somebody removed it before it was put there", at)
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
			if _, err := fmt.Sscanf(epoch, "%d", &n); ok && dashed && err == nil && (n == o.Epoch || n < o.Epoch && !o.Node) {
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
