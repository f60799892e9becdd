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

// Rescues are the numbers of the rescue files of a DAG file that are there, ascending.
func Rescues(file string, several bool) (numbers []int, err error) {
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

// Resumed reads a workflow, and behind it the newest rescue file that an earlier run of it
// left, whose number it gives; 0: there is none.
func Resumed(file, name string) (g *dag.Graph, rescue int32, diags grid.Diagnostics, err error) {
	return resumed(file, name, func(string, []byte) {})
}

func resumed(file, name string, saw func(path string, src []byte)) (g *dag.Graph, rescue int32, diags grid.Diagnostics, err error) {
	path := ""
	if !IsHCL(file) {
		numbers, err := Rescues(file, false)
		if err != nil {
			return nil, 0, nil, err
		}
		if len(numbers) > 0 {
			rescue = int32(numbers[len(numbers)-1])
			path = dagfile.RescueName(file, false, int(rescue))
		}
	}
	g, diags, err = workflows([]string{file}, []string{name}, path, nil, saw)
	return g, rescue, diags, err
}

// KeepRescue writes the rescue file of a run under the next number. Once it is there it is
// not written anew under another: it is known by its number, which is greater than that
// which the run began with, and by what it says. most is how many there may be; the last
// is then written over.
func KeepRescue(file string, several bool, text []byte, began, most int) (number int, err error) {
	numbers, err := Rescues(file, several)
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
