package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Row is one thing that was measured.
type Row struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`
	Limit *float64 `json:"limit"` // the bare machine's, in this run; nil: none was measured
	Peer  *float64 `json:"peer"`  // the best peer's, on a machine of this kind; nil: none is known

	Bar  *float64  `json:"bar,omitempty"` // to be reached
	Less bool      `json:"less_is_better"`
	Runs []float64 `json:"runs"`
	Note string    `json:"note,omitempty"`
}

// Reached reports whether the row meets its bar, if it has one.
func (r *Row) Reached() bool {
	return r.Bar == nil || r.Less && r.Value <= *r.Bar || !r.Less && r.Value >= *r.Bar
}

func number(f float64) *float64 { return &f }

func median(runs []float64) float64 {
	if len(runs) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(runs))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// Print writes rows as a table.
func Print(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "what\tvalue\tspread\tunit\tmachine\tpeer\tto reach\t\t")
	for i := range rows {
		r := &rows[i]
		verdict := ""
		if r.Bar != nil {
			verdict = "yes"
			if !r.Reached() {
				verdict = "NO"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s-%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Name, short(&r.Value),
			short(number(slices.Min(r.Runs))), short(number(slices.Max(r.Runs))), r.Unit, short(r.Limit), short(r.Peer), short(r.Bar), verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range rows {
		if rows[i].Note != "" {
			fmt.Fprintf(w, "%s: %s\n", rows[i].Name, rows[i].Note)
		}
	}
	return nil
}

func short(f *float64) string {
	switch {
	case f == nil:
		return "-"
	case *f >= 100:
		return strconv.FormatFloat(*f, 'f', 0, 64)
	case *f >= 10:
		return strconv.FormatFloat(*f, 'f', 1, 64)
	}
	return strconv.FormatFloat(*f, 'f', 2, 64)
}
