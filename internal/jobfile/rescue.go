package jobfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
)

// Rescue says which rescue file a run begins with.
type Rescue struct {
	None   bool   // none, and those that there are get out of the way
	Number int    // that one, and newer ones get out of the way; 0: the newest, if there is one
	File   string // a file of another name; full path
}

// rescues are the numbers of the rescue files of a DAG file that are there, ascending.
func rescues(file string, several bool) (numbers []int, err error) {
	list, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return nil, grid.Errorf(codeOf(err), "look for rescue files of %s: %w", file, reason(err))
	}
	for _, e := range list {
		if n := dagfile.RescueNumber(file, several, e.Name()); n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Resumed reads DAG files that are to be one run, and behind them the rescue file that an
// earlier run of them left. rescue is its number; 0: there is none, or it has none.
func Resumed(files, names []string, which Rescue) (g *dag.Graph, rescue int32, diags grid.Diagnostics, err error) {
	path, number := which.File, 0
	if !IsHCL(files[0]) && path == "" {
		numbers, err := rescues(files[0], len(files) > 1)
		if err != nil {
			return nil, 0, nil, err
		}
		last := 0
		if len(numbers) > 0 {
			last = numbers[len(numbers)-1]
		}
		number = last
		if which.Number > 0 {
			number = which.Number
			if !slices.Contains(numbers, number) {
				return nil, 0, nil, grid.Errorf(grid.NotFound, "%s is not there; the newest has number %d", dagfile.RescueName(files[0], len(files) > 1, number), last)
			}
		}
		if which.None {
			number = 0
		}
		if number > 0 {
			path = dagfile.RescueName(files[0], len(files) > 1, number)
		}
	}
	g, diags, err = Workflows(files, names, path)
	return g, int32(number), diags, err
}

// Aside renames the rescue files of a DAG file that have a greater number than one, so
// that the next gets the number behind it.
func Aside(file string, several bool, number int) error {
	numbers, err := rescues(file, several)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n > number {
			name := dagfile.RescueName(file, several, n)
			if err := os.Rename(name, name+".old"); err != nil {
				return grid.Errorf(codeOf(err), "put %s aside: %w", name, reason(err))
			}
		}
	}
	return nil
}

// KeepRescue writes the rescue file of a run under the next number. Once it is there it is
// not written anew under another: it is known by its number, which is greater than that
// which the run began with, and by what it says. most is how many there may be; the last
// is then written over.
func KeepRescue(file string, several bool, text []byte, began, most int) (number int, err error) {
	numbers, err := rescues(file, several)
	if err != nil || most < 1 {
		return 0, err
	}
	if len(numbers) > 0 {
		number = numbers[len(numbers)-1]
		was, err := os.ReadFile(dagfile.RescueName(file, several, number))
		if err == nil && number > began && bytes.Equal(timeless(was), timeless(text)) {
			return number, nil
		}
	}
	number = min(number+1, most)
	name := dagfile.RescueName(file, several, number)
	if err := whole.Write(name, text, 0o644); err != nil {
		return 0, grid.Errorf(codeOf(err), "write %s: %w", name, reason(err))
	}
	return number, nil
}

// timeless is a rescue file without the line that says when it was made.
func timeless(text []byte) []byte {
	var out [][]byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("# Created ")) {
			out = append(out, line)
		}
	}
	return bytes.Join(out, nil)
}

// KeepSave writes the save point of a node. The one before is kept as .old.
func KeepSave(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return grid.Errorf(codeOf(err), "make %s: %w", filepath.Dir(path), reason(err))
	}
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return grid.Errorf(codeOf(err), "put %s aside: %w", path, reason(err))
	}
	if err := whole.Write(path, text, 0o644); err != nil {
		return grid.Errorf(codeOf(err), "write %s: %w", path, reason(err))
	}
	return nil
}
