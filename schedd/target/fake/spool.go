package fake

import (
	"context"
	"os"
	"path/filepath"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// Spool is one whose machine has a directory of its own: files travel there and back.
type Spool struct{ *Target }

// NewSpool makes one of a target that has taken no job yet.
func NewSpool(f *Target, dir string) Spool {
	f.spool = dir
	return Spool{f}
}

var _ target.Spool = Spool{}

// receive takes the files of a job that came, or none of them.
func (f *Target) receive(j *job, half bool) {
	from := j.Dir
	j.Dir = filepath.Join(f.spool, j.seen.ID)
	j.Script = filepath.Join(j.Dir, target.ScriptName)
	j.seen.Wants = target.WantsBegin
	err := os.Mkdir(j.Dir, 0o700)
	for _, name := range []string{target.ScriptName, target.InputsName} {
		if err == nil && !half && !f.Paper {
			err = copyFile(filepath.Join(from, name), filepath.Join(j.Dir, name), 1)
		}
	}
	if half || err != nil {
		j.seen.State, j.seen.Word, j.seen.Wants = target.Held, "held (its files are on their way)", target.WantsFiles
	}
}

// Evict shows a job as one that was taken from its machine, where it runs on if it lives.
func (f *Target) Evict(id string, lives bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.find(id)
	if j == nil {
		return
	}
	j.seen.State, j.seen.Word, j.seen.Host, j.seen.Wants = target.Waiting, "idle", "", target.WantsEnd
	if !lives {
		j.stop()
		j.command = nil
	}
}

// copyFile copies one part in so many of a file.
func copyFile(from, to string, part int) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text[:len(text)/part], 0o700)
}

// Begin implements [target.Spool].
func (s Spool) Begin(_ context.Context, r target.Ref) error {
	return s.order(Begin, r, func(j *job) error {
		if j.seen.Wants == target.WantsBegin {
			j.seen.Wants = target.WantsNothing
		}
		return nil
	})
}

// Fetch implements [target.Spool].
func (s Spool) Fetch(_ context.Context, r target.Ref, dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault, done, err := s.goes(Fetch)
	if !done {
		return err
	}
	j := s.known(r.ID)
	if j == nil || j.seen.State != target.Ended {
		return grid.Errorf(grid.NotFound, "there is no job %s that has ended", r.ID)
	}
	part := 1
	switch fault {
	case Full:
		return err
	case Cut:
		part = 2
	}
	if failed := copyFile(filepath.Join(j.Dir, target.OutputsName), filepath.Join(dir, target.OutputsName), part); failed != nil {
		return grid.Errorf(grid.NotFound, "%w", failed)
	}
	return err
}
