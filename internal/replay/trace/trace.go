// Package trace reads workloads: what jobs came when, how long they ran on how much, and
// which waited for which.
//
// Files come in four forms, told apart by their names, each also as .gz: the Standard
// Workload Format of the Parallel Workloads Archive (.swf), workflows of WfCommons
// (WfFormat, .json), the arrivals of SWIM (.tsv), and a schedd's own history, which is read
// from its ads. A file with a mistake is refused with its line; a job that ran for no time,
// or on nothing, is left out and counted.
package trace

import (
	"cmp"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// Trace is a workload.
type Trace struct {
	Name    string
	Jobs    []Job // by Submit
	Skipped int   // jobs that ran for no time, or on nothing
	Timed   bool  // a timetable says when workflows begin

	// Graph is of workflows, one after the other: its nodes are the jobs of each, in their
	// order. nil: no job waits for another.
	Graph *dag.Graph

	Known map[string][]time.Duration // run times that were seen before, by class
}

// Job is jobs that came at once and are alike: mostly one.
type Job struct {
	Submit   time.Duration // from the trace's beginning; later, if Parents are not done by then
	Run      time.Duration // nobody who decides sees it
	Estimate time.Duration // how long its owner said that it would run; 0: nothing
	Count    int           // how many of them
	Cpus     int64         // of each
	MemoryMB int64
	Owner    uint32
	Class    string // run times of those of a class are alike; empty: of no class
	Parents  []int  // indexes into Jobs, before it
}

// Events is how much happens in a trace: each job comes and ends.
func (t *Trace) Events() (n int) {
	for i := range t.Jobs {
		n += 2 * t.Jobs[i].Count
	}
	return n
}

// maxFile bounds what a file may hold when it is unpacked.
const maxFile = 1 << 30

// Read reads a file.
func Read(path string) (*Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "%w", err)
	}
	defer f.Close()
	name := filepath.Base(path)
	var r io.Reader = f
	if plain, packed := strings.CutSuffix(name, ".gz"); packed {
		name = plain
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "%s is not what gzip makes: %w", path, err)
		}
		defer z.Close()
		r = z
	}
	t, err := Parse(name, r)
	if err != nil {
		return nil, grid.Errorf(grid.CodeOf(err), "%s: %w", path, err)
	}
	return t, nil
}

// Parse reads a workload, whose form the name's ending tells.
func Parse(name string, r io.Reader) (t *Trace, err error) {
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	ext := strings.ToLower(filepath.Ext(name))
	switch ext {
	case ".swf":
		t, err = parseSWF(limited)
	case ".json":
		t, err = parseWorkflow(limited)
	case ".tsv":
		t, err = parseSWIM(limited)
	default:
		return nil, grid.Errorf(grid.Invalid, "%q says nothing of the form: a trace is a .swf, .json or .tsv, or one of these as .gz", name)
	}
	switch {
	case limited.N <= 0:
		return nil, grid.Errorf(grid.Invalid, "it holds more than %d MiB", maxFile>>20)
	case err != nil:
		return nil, err
	case len(t.Jobs) == 0:
		return nil, grid.Errorf(grid.Invalid, "no job of it ran (%d are left out)", t.Skipped)
	}
	t.Name = strings.TrimSuffix(name, filepath.Ext(name))
	if t.Graph == nil {
		t.order()
	}
	return t, nil
}

// order puts jobs in the order of their coming, and begins with the first.
func (t *Trace) order() {
	slices.SortStableFunc(t.Jobs, func(a, b Job) int { return cmp.Compare(a.Submit, b.Submit) })
	first := t.Jobs[0].Submit
	for i := range t.Jobs {
		t.Jobs[i].Submit -= first
	}
}

// Repeat is the workload again and again, by a timetable: times times, each so long after
// the one before, and the first after that time too.
// What waits for another waits for that of its own time.
func (t *Trace) Repeat(times int, every time.Duration) *Trace {
	out := &Trace{Name: t.Name, Skipped: t.Skipped, Graph: t.Graph, Timed: true}
	for k := range times {
		for _, j := range t.Jobs {
			j.Submit += time.Duration(k+1) * every
			parents := make([]int, len(j.Parents))
			for i, p := range j.Parents {
				parents[i] = p + k*len(t.Jobs)
			}
			j.Parents = parents
			out.Jobs = append(out.Jobs, j)
		}
	}
	return out
}
