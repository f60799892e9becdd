package replay

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"gridburst/internal/grid"
	"gridburst/internal/replay/trace"
)

// Foresight is what came of a workload with what workflows and timetables tell, and without.
type Foresight struct {
	Trace   string  `json:"trace"`
	With    *Result `json:"with"`
	Without *Result `json:"without"`
}

// Makespan is that with foresight by that without.
func (f *Foresight) Makespan() float64 { return f.With.Makespan / f.Without.Makespan }

// Hours is the same of machine time.
func (f *Foresight) Hours() float64 { return f.With.Hours / f.Without.Hours }

// Foresee replays a trace with and without foresight; the means of several seeds.
func Foresee(ctx context.Context, set Setup, t *trace.Trace, seeds int) (*Foresight, error) {
	all, err := Compare(ctx, set, t, []string{Default, Blind}, seeds)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Failed != "" {
			return nil, grid.Errorf(grid.Refused, "%s, %s: %s", t.Name, r.Policy, r.Failed)
		}
	}
	return &Foresight{t.Name, all[0], all[1]}, nil
}

// Worst is the worst makespan of several by that without foresight, and the median of their
// machine time.
func Worst(all []*Foresight) (makespan, hours float64) {
	var times []float64
	for _, f := range all {
		makespan = max(makespan, f.Makespan())
		times = append(times, f.Hours())
	}
	slices.Sort(times)
	return makespan, (times[(len(times)-1)/2] + times[len(times)/2]) / 2
}

// ForesightTable prints workloads, a row for each.
func ForesightTable(out io.Writer, all []*Foresight) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workload\tmakespan s\twithout\tratio\tVM-seconds\twithout\tratio\twait s\twithout\tstarts\twithout\t")
	for _, f := range all {
		a, b := f.With, f.Without
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.3f\t%.0f\t%.0f\t%.3f\t%.1f\t%.1f\t%d\t%d\t\n",
			grid.Printable(f.Trace), a.Makespan, b.Makespan, f.Makespan(), 3600*a.Hours, 3600*b.Hours, f.Hours(), a.Mean, b.Mean, a.Starts, b.Starts)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	makespan, hours := Worst(all)
	_, err := fmt.Fprintf(out, "The makespan is %.3f of that without foresight at the worst, machine time %.3f in the median.\n", makespan, hours)
	return err
}
