package qemu

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gridburst/internal/grid"
)

// libraries finds what programs of this machine are linked to.
type libraries struct {
	dirs []string
}

// newLibraries looks where this machine's linker does. Directories of one architecture
// come first.
func newLibraries() libraries {
	var l libraries
	confs, _ := filepath.Glob("/etc/ld.so.conf.d/*.conf") // the pattern is right
	for _, conf := range append(confs, "/etc/ld.so.conf") {
		b, err := os.ReadFile(conf)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
				l.dirs = append(l.dirs, line)
			}
		}
	}
	l.dirs = append(l.dirs, "/lib64", "/usr/lib64", "/lib", "/usr/lib")
	return l
}

// of gives the paths of a program's linker and libraries, to be had under the same paths
// wherever the program is to run; none, if it stands alone or is a script.
func (l libraries) of(program string) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	var add func(string) error
	add = func(path string) error {
		f, err := elf.Open(path)
		var format *elf.FormatError
		if errors.As(err, &format) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil // it is something else, however short
		}
		if err != nil {
			return err
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type != elf.PT_INTERP {
				continue
			}
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return err
			}
			if linker := strings.TrimRight(string(b), "\x00"); !seen[linker] {
				seen[linker] = true
				out = append(out, linker)
			}
		}
		names, err := f.ImportedLibraries()
		if err != nil {
			return err
		}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			found, err := l.find(name, f.Class)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			out = append(out, found)
			if err := add(found); err != nil {
				return err
			}
		}
		return nil
	}
	return out, add(program)
}

func (l libraries) find(name string, class elf.Class) (string, error) {
	for _, dir := range l.dirs {
		path := filepath.Join(dir, name)
		f, err := elf.Open(path)
		if err != nil {
			continue
		}
		f.Close()
		if f.Class == class {
			return path, nil
		}
	}
	return "", grid.Errorf(grid.NotFound, "its library %s is not where this machine's linker looks", name)
}
