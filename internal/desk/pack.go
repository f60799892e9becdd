package desk

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"gridburst/internal/grid"
)

const opPack = "pack"

// Inputs is what a job's sandbox begins with.
type Inputs struct {
	Iwd        string   `json:"iwd"`                  // relative paths begin here
	Executable string   `json:"executable,omitempty"` // empty: it is on the worker already
	Files      []string `json:"files,omitempty"`      // a directory with a slash at its end means what is in it
}

// PackInputs writes the inputs to w as a tar stream, the executable and each file
// under its base name. Nothing has been written when it fails with anything but an
// error of w: every file was looked at first. The error names the path, and is a
// [syscall.Errno] underneath.
func (d *Desks) PackInputs(ctx context.Context, owner Owner, in Inputs, w io.Writer) error {
	r, pipe, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	result := make(chan error, 1)
	go func() {
		err := d.call(ctx, owner, opPack, in, pipe, nil)
		pipe.Close()
		result <- err
	}()
	stop := context.AfterFunc(ctx, func() { r.Close() })
	defer stop()
	_, copied := io.Copy(w, r)
	r.Close() // a desk that still writes learns that nobody reads
	if err := <-result; err != nil {
		return err
	}
	return copied
}

type packed struct {
	name string // in the stream
	path string
	exec bool
}

func packInputs(in Inputs, w io.Writer) (struct{}, error) {
	var list []packed
	if in.Executable != "" {
		list = append(list, packed{path.Base(in.Executable), absolute(in.Iwd, in.Executable), true})
	}
	for _, f := range in.Files {
		name := path.Base(strings.TrimRight(f, "/"))
		if strings.HasSuffix(f, "/") {
			name = "."
		}
		list = append(list, packed{name: name, path: absolute(in.Iwd, f)})
	}
	for _, p := range list {
		if err := readable(p.path); err != nil {
			return struct{}{}, err
		}
	}
	out := bufio.NewWriterSize(w, 1<<16)
	t := tar.NewWriter(out)
	for _, p := range list {
		if err := p.write(t); err != nil {
			return struct{}{}, err
		}
	}
	if err := t.Close(); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, out.Flush()
}

func absolute(dir, p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(dir, p)
}

// readable opens what will be read, so that a complaint comes before the stream.
func readable(p string) error {
	f, err := os.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return grid.Errorf(codeOfPath(err), "input %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if m := info.Mode(); !m.IsRegular() && !m.IsDir() {
		return grid.Errorf(grid.Refused, "input %s is neither a file nor a directory", p)
	}
	return nil
}

func codeOfPath(err error) grid.Code {
	var no syscall.Errno
	if errors.As(err, &no) {
		return codeOf(no)
	}
	return grid.Internal
}

func (p packed) write(t *tar.Writer) error {
	info, err := os.Stat(p.path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return writeFile(t, p.name, p.path, p.exec)
	}
	return filepath.WalkDir(p.path, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(p.path, at)
		if err != nil {
			return err
		}
		name := path.Join(p.name, filepath.ToSlash(rel))
		if name == "." {
			return nil
		}
		info, err := os.Stat(at) // through links: the sandbox has no other end of one
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: int64(info.Mode().Perm()) | 0o700, ModTime: info.ModTime()})
		case info.Mode().IsRegular():
			return writeFile(t, name, at, false)
		}
		return nil // a link to a directory, a socket, a device: nothing to send
	})
}

// writeFile sends as many bytes as the file had when it was opened: one that grows
// meanwhile does not break the stream, one that shrinks is an error.
func writeFile(t *tar.Writer, name, from string, exec bool) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mode := int64(info.Mode().Perm()) | 0o400
	if exec {
		mode |= 0o500
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	if _, err := io.CopyN(t, f, info.Size()); err != nil {
		return grid.Errorf(grid.Refused, "input %s changed while it was read: %w", from, err)
	}
	return nil
}
