package desk

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
	"gridburst/schedd/target"
)

// Spool is how the files of a job travel.
//
//	.gb-.../inputs.tar   what goes there, with job.sh
//	.gb-.../outputs      what has come back
//	.gb-.../back.../     that, unpacked while it is looked at
type Spool struct {
	MaxInput  int64 `json:"max_input,omitempty"`  // bytes; 0: no bound
	MaxOutput int64 `json:"max_output,omitempty"` // likewise

	Names []string `json:"names,omitempty"` // of what went there, at the top; set by Prepare
}

// travels is what the target's script makes of it.
func (p *Spool) travels(x *wire.Execution) *target.Spooled {
	return &target.Spooled{Inputs: p.Names, Outputs: x.Outputs, NoOutput: x.NoOutput, MaxOutput: p.MaxOutput}
}

// packs makes of the job's directory what goes to its target.
func (a *Away) packs(s sandbox.Sandbox, lives *alive) error {
	entries, err := os.ReadDir(s.Work())
	if err != nil {
		return err
	}
	date := time.Unix(target.InputsDate, 0)
	for _, e := range entries {
		a.Spool.Names = append(a.Spool.Names, e.Name())
		if err := os.Chtimes(filepath.Join(s.Work(), e.Name()), date, date); err != nil {
			return err
		}
	}
	at := filepath.Join(a.Dir, target.InputsName)
	f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(lives.writer(f), 1<<16)
	t := tar.NewWriter(out)
	err = packed{name: ".", path: s.Work()}.write(t)
	if err == nil {
		err = errors.Join(t.Close(), out.Flush(), f.Sync())
	}
	if err != nil {
		return grid.Errorf(codeOfPath(err), "pack the job's inputs for its target: %w", err)
	}
	failpoint.Hit("desk.spool.packed")
	// The target has them from now on.
	return os.RemoveAll(s.Work())
}

// fits reports an error if the inputs, of so many bytes, may not travel.
func (p *Spool) fits(size int64) error {
	if p == nil || p.MaxInput <= 0 || size <= p.MaxInput {
		return nil
	}
	return grid.Errorf(grid.TooLarge, "its inputs are %s: at most %s may travel (max_transfer_input_mb)", grid.FormatSize(size), grid.FormatSize(p.MaxInput))
}

// backName begins the names of directories in which what has come back is unpacked.
const backName = "back."

// back unpacks what has come back of a job, as a shared directory would have it; end takes that
// away. What was unpacked before counts for nothing: a power cut may have left half of it, where
// what has come carries its digest. [grid.NotFound] when nothing has come, and what has not come
// whole goes, to be fetched again.
func (a *Away) back(lives *alive) (s sandbox.Sandbox, end func(), err error) {
	end = func() {}
	at := filepath.Join(a.Dir, target.OutputsName)
	f, err := os.Open(at)
	if errors.Is(err, fs.ErrNotExist) {
		return s, end, grid.Errorf(grid.NotFound, "nothing has come back of job %s", a.Job)
	}
	if err != nil {
		return s, end, grid.Errorf(codeOfPath(err), "read what has come back: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, end, err
	}
	r, err := target.Left(lives.readerAt(f), info.Size())
	if grid.CodeOf(err) == grid.Unavailable {
		return s, end, errors.Join(err, os.Remove(at))
	}
	if err != nil {
		return s, end, err
	}
	older, err := filepath.Glob(filepath.Join(a.Dir, backName+"*"))
	for _, dir := range older {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	dir := ""
	if err == nil {
		dir, err = os.MkdirTemp(a.Dir, backName)
	}
	if err != nil {
		return s, end, grid.Errorf(codeOfPath(err), "unpack what has come back: %w", err)
	}
	end = func() { os.RemoveAll(dir) } // or it goes with the job's directory
	come := sandbox.Sandbox{Dir: filepath.Join(dir, "come"), User: sandbox.Self()}
	if err = come.Create(); err == nil {
		err = unpackBack(come, r)
	}
	switch {
	case noRoom(err):
		return s, end, grid.Errorf(grid.NoSpace, "unpack what has come back: %w", err)
	case err != nil:
		return s, end, ofSandbox(err)
	}
	failpoint.Hit("desk.spool.back")
	return sandbox.Sandbox{Dir: come.Work(), User: sandbox.Self()}, end, nil
}

// noRoom reports whether there is no room for a file.
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// unpackBack puts into s.Work() what a job's script has packed. A file of several names is
// several files here; what is no file, directory or link is not there.
func unpackBack(s sandbox.Sandbox, r io.Reader) error {
	in, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	var links []tar.Header // made when all else is there, so that nothing comes through one
	sorted := make(chan error, 1)
	go func() {
		defer w.Close()
		from, to := tar.NewReader(r), tar.NewWriter(w)
		for {
			h, err := from.Next()
			switch {
			case err == io.EOF:
				sorted <- to.Close()
				return
			case err != nil:
				sorted <- err
				return
			}
			switch h.Typeflag {
			case tar.TypeLink, tar.TypeSymlink:
				links = append(links, *h)
				continue
			case tar.TypeReg, tar.TypeDir:
			default:
				continue
			}
			h = &tar.Header{Typeflag: h.Typeflag, Name: h.Name, Mode: h.Mode, Size: h.Size, ModTime: h.ModTime}
			if err = to.WriteHeader(h); err == nil {
				_, err = io.Copy(to, from)
			}
			if err != nil {
				sorted <- err
				return
			}
		}
	}()
	_, err = s.Unpack(in, sandbox.Limits{})
	in.Close()
	if serr := <-sorted; serr != nil && err == nil {
		err = grid.Errorf(grid.Invalid, "what has come back is no archive: %w", serr)
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(s.Work())
	if err != nil {
		return err
	}
	defer root.Close()
	err = root.MkdirAll(target.WorkName, 0o700)
	for i := 0; err == nil && i < len(links); i++ {
		l := &links[i]
		if l.Typeflag == tar.TypeSymlink { // where it leads is looked at when it is collected
			err = root.Symlink(l.Linkname, path.Clean(l.Name))
		} else {
			err = root.Link(path.Clean(l.Linkname), path.Clean(l.Name))
		}
	}
	if err != nil {
		return grid.Errorf(codeOfPath(err), "unpack what has come back: %w", err)
	}
	// All that came is new: what had not changed did not come.
	return root.WriteFile(sandbox.InputsName, []byte("{}"), 0o600)
}
