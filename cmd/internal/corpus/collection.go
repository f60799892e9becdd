package corpus

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gridburst/internal/grid"
)

// submission is a submit file of a collection, with what HTCondor made of it.
type submission struct {
	file     string // its path
	name     string
	expected string // the file with its ads; "" when HTCondor refused it
	said     string // by HTCondor
	stubs    []string
	data     string // a directory whose files it finds; "" without one
}

// files are what a directory holds: submit files with expectations, and others.
type files struct {
	judged []submission
	dags   []dagFile // with expectations
	others []string
}

// find lists what is to be judged below a directory.
func find(root string) (files, error) {
	var found files
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "expected" || isRegular(strings.TrimSuffix(name, ".d"))):
			return filepath.SkipDir // expectations, or the files of a submit file
		case e.IsDir() && isRegular(filepath.Join(name, verdictFile)):
			list, err := dagCollection(name)
			found.dags = append(found.dags, list...)
			return err
		case e.IsDir() && isDir(filepath.Join(name, "expected")):
			list, err := collection(name)
			found.judged = append(found.judged, list...)
			return err
		case !e.Type().IsRegular():
		case isDir(filepath.Join(filepath.Dir(name), "expected")) && (isSubmit(name) || isRegular(filepath.Join(filepath.Dir(name), verdictFile))):
		case isWorkflow(name), isSubmit(name):
			found.others = append(found.others, name)
		}
		return nil
	})
	return found, err
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func isSubmit(name string) bool {
	return slices.Contains([]string{".sub", ".submit", ".jdl", ".cmd", ".condor"}, strings.ToLower(filepath.Ext(name)))
}

func isWorkflow(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	return !isSubmit(base) && (strings.HasSuffix(base, ".dag") || strings.Contains(base, ".dag."))
}

// collection reads a directory of submit files with their expectations.
func collection(dir string) ([]submission, error) {
	notes, err := readIndex(filepath.Join(dir, "INDEX.tsv"))
	if os.IsNotExist(err) {
		notes, err = readIndex(filepath.Join(filepath.Dir(dir), "INDEX.tsv"))
	}
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []submission
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || isWorkflow(name) || name == "INDEX.tsv" || strings.HasPrefix(name, "README") || strings.HasPrefix(name, ".") {
			continue
		}
		s := submission{file: filepath.Join(dir, name), name: name}
		s.stubs, s.said = parseNote(notes[name])
		if ads := filepath.Join(dir, "expected", name+".ads"); isRegular(ads) {
			s.expected = ads
		}
		if data := filepath.Join(dir, name+".d"); isDir(data) {
			s.data = data
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b submission) int { return cmp.Compare(a.name, b.name) })
	return list, nil
}

func isRegular(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// readIndex gives the last column of an INDEX.tsv by the base name in its first.
func readIndex(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	notes := map[string]string{}
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(columns) > 1 {
			notes[path.Base(columns[0])] = columns[len(columns)-1]
		}
	}
	return notes, nil
}

// parseNote takes a note of the index apart.
func parseNote(note string) (stubs []string, said string) {
	note, said, _ = strings.Cut(note, "said: ")
	if _, list, ok := strings.Cut(note, "stub files: "); ok {
		list, _, _ = strings.Cut(list, ";")
		stubs = strings.Fields(list)
	}
	return stubs, strings.TrimSpace(said)
}

// lay makes the files of s below dir. Stubs are programs that do nothing, and directories
// where the submit file takes them for one.
func (s *submission) lay(dir string, src []byte) error {
	if s.data != "" {
		if err := os.CopyFS(dir, os.DirFS(s.data)); err != nil {
			return err
		}
	}
	for _, stub := range s.stubs {
		at := filepath.Join(dir, stub)
		if filepath.IsAbs(stub) {
			if _, err := os.Stat(stub); err != nil {
				return grid.Errorf(grid.Refused, "%s needs %s, which is not on this machine", s.name, stub)
			}
			continue
		}
		if s.isDirectory(stub, src) {
			if err := os.MkdirAll(at, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, []byte("#!/bin/sh\n"), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// isDirectory reports whether the submit file names stub as a directory.
func (s *submission) isDirectory(stub string, src []byte) bool {
	if strings.HasSuffix(stub, "/") || slices.ContainsFunc(s.stubs, func(other string) bool { return strings.HasPrefix(other, stub+"/") }) {
		return true
	}
	for line := range strings.Lines(string(src)) {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.TrimRight(strings.TrimSpace(value), "/") != strings.TrimRight(stub, "/") {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "initialdir", "initial_dir", "job_iwd", "iwd":
			return true
		}
	}
	return false
}
