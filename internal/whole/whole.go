// Package whole makes files that are there whole, or as they were before.
package whole

import (
	"errors"
	"os"
	"path/filepath"
)

// Beside ends the name of a file that is not whole yet. What a kill leaves there is for
// the next writer, and whoever lists the directory, to drop.
const Beside = ".new"

// Write makes a file hold b. A kill leaves the file before or the file after; a power
// cut may leave neither.
func Write(path string, b []byte, mode os.FileMode) error {
	if err := os.WriteFile(path+Beside, b, mode); err != nil {
		return err
	}
	return os.Rename(path+Beside, path)
}

// WriteIn is [Write] for a file of a directory that is open.
func WriteIn(dir *os.Root, name string, b []byte, mode os.FileMode) error {
	if err := dir.WriteFile(name+Beside, b, mode); err != nil {
		return err
	}
	return dir.Rename(name+Beside, name)
}

// Store is [Write], and the file is on the disk when it returns: a power cut too leaves
// the file before or the file after.
func Store(path string, b []byte, mode os.FileMode) error {
	l, err := Lay(path, b, mode)
	if err != nil {
		return err
	}
	return l.Place()
}

// Laid is what a file is to hold, on the disk beside it.
type Laid struct{ path string }

// Lay is the first half of [Store], in which nearly all may fail that can: the file is as it was
// before, and what it is to hold lies beside it.
func Lay(path string, b []byte, mode os.FileMode) (l Laid, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return l, &os.PathError{Op: "write", Path: path, Err: errors.New("it is a directory")}
	}
	f, err := os.OpenFile(path+Beside, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return l, err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return Laid{path}, errors.Join(err, f.Close())
}

// Place is the second half: the file holds it.
func (l Laid) Place() error {
	if err := os.Rename(l.path+Beside, l.path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(l.path))
}

// SyncDir sees the names of a directory on the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
