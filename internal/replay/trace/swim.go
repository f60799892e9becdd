package trace

import (
	"bufio"
	"io"
	"math"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// SWIM's lists have when a job came and how many bytes it moved, and no run times. These
// follow from the bytes: a task for each block of input, which starts, and then moves its
// share of what is shuffled and written.
const (
	swimBlock = 128 << 20 // bytes of input for a task
	swimTasks = 400       // of a job at most
	swimStart = 15        // seconds for a task to start
	swimMove  = 10        // seconds to move a block
	swimRun   = 3600      // seconds of a task at most
)

// parseSWIM reads lines of name, second, seconds since the one before, and bytes of input,
// shuffle and output, with tabs between.
func parseSWIM(r io.Reader) (*Trace, error) {
	t := &Trace{}
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		if strings.TrimSpace(in.Text()) == "" {
			continue
		}
		words := strings.Split(in.Text(), "\t")
		if len(words) != 6 {
			return nil, grid.Errorf(grid.Invalid, "line %d has %d columns: 6 are needed, with tabs between", n, len(words))
		}
		var f [5]float64
		for i := range f {
			v, err := strconv.ParseFloat(strings.TrimSpace(words[i+1]), 64)
			if err != nil || math.IsNaN(v) || v < 0 || v > 1e18 || i < 2 && v > longest {
				return nil, grid.Errorf(grid.Invalid, "line %d: %q is no number that could stand there (column %d)", n, words[i+1], i+2)
			}
			f[i] = v
		}
		input, moved := f[2], f[3]+f[4]
		tasks := min(max(1, math.Ceil(input/swimBlock)), swimTasks)
		run := min(swimStart+swimMove*moved/(tasks*swimBlock), swimRun)
		t.Jobs = append(t.Jobs, Job{
			Submit: seconds(f[0]), Run: seconds(run), Count: int(tasks), Cpus: 1, Class: "task",
		})
	}
	if err := in.Err(); err != nil {
		return nil, grid.Errorf(grid.Invalid, "%w", err)
	}
	return t, nil
}
