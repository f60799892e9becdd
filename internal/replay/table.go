package replay

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Table prints results, a row for each.
func Table(out io.Writer, currency string, all []*Result) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "policy\thours\t×bound\t"
	if currency != "" {
		head += currency + "\t"
	}
	head += "wait s\tp50\tp95\tp99\tslowdown\tutil %\tstarts\tunused\tflaps\taU/aO %\ttU/tO %\tinstab %\tjitter\t"
	compared := len(all) > 0 && all[0].Ratio > 0
	if compared {
		head += "frontier\tratio\t"
	}
	fmt.Fprintln(t, head)
	notes := ""
	for _, r := range all {
		if r.Failed != "" {
			notes += fmt.Sprintf("%s does not end: %s.\n", r.Policy, r.Failed)
			continue
		}
		fmt.Fprintf(t, "%s\t%.1f\t%.2f\t", r.Policy, r.Hours, r.Hours/r.Bounds.Layered)
		if currency != "" {
			fmt.Fprintf(t, "%.2f\t", r.Cost)
		}
		e := &r.Elastic
		fmt.Fprintf(t, "%.1f\t%.0f\t%.0f\t%.0f\t%.2f\t%.1f\t%d\t%d\t%d\t%.2f/%.2f\t%.1f/%.1f\t%.1f\t%+.2f\t",
			r.Mean, r.P50, r.P95, r.P99, r.Slowdown, 100*r.Utilisation, r.Starts, r.Unused, r.Flaps, e.Under, e.Over, e.UnderTime, e.OverTime, e.Instability, e.Jitter)
		if compared {
			fmt.Fprintf(t, "%.1f\t%.3f\t", r.Frontier, r.Ratio)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, notes)
	return err
}
