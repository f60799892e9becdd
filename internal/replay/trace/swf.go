package trace

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// Fields of a line of the Standard Workload Format, from 0. -1 is unknown.
const (
	swfSubmit     = 1
	swfRun        = 3
	swfAllocated  = 4
	swfProcs      = 7 // asked for
	swfEstimate   = 8
	swfUser       = 11
	swfExecutable = 13
	swfFields     = 18
)

// longest is the longest time that a trace may speak of, about three centuries.
const longest = 1e10

// parseSWF reads the Standard Workload Format. When a job waited then, and how long, is not
// looked at.
func parseSWF(r io.Reader) (*Trace, error) {
	t := &Trace{}
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == ';' {
			continue
		}
		words := strings.Fields(line)
		if len(words) < swfFields {
			return nil, grid.Errorf(grid.Invalid, "line %d has %d numbers: 18 are needed", n, len(words))
		}
		var f [swfFields]float64
		for i := range f {
			v, err := strconv.ParseFloat(words[i], 64)
			if err != nil || math.IsNaN(v) || math.Abs(v) > longest {
				return nil, grid.Errorf(grid.Invalid, "line %d: %q is no number that could stand there (field %d)", n, words[i], i+1)
			}
			f[i] = v
		}
		procs := f[swfAllocated]
		if procs == -1 {
			procs = f[swfProcs]
		}
		if f[swfRun] <= 0 || procs <= 0 || f[swfSubmit] < 0 {
			t.Skipped++
			continue
		}
		j := Job{
			Submit: seconds(f[swfSubmit]), Run: seconds(f[swfRun]), Estimate: seconds(max(f[swfEstimate], 0)), Count: 1, Cpus: int64(math.Ceil(procs)),
			Owner: uint32(max(f[swfUser], 0)), Class: fmt.Sprintf("%v/%v/%v", f[swfUser], f[swfExecutable], procs),
		}
		if f[swfUser] < 0 && f[swfExecutable] < 0 {
			j.Class = "" // jobs of which nobody knows anything have nothing in common
		}
		t.Jobs = append(t.Jobs, j)
	}
	if err := in.Err(); err != nil {
		return nil, grid.Errorf(grid.Invalid, "%w", err)
	}
	return t, nil
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
