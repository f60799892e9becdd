package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// factories prints clusters whose jobs are made little by little.
func (o *queueOptions) factories(ctx context.Context, d *Deps, client *api.Client, status api.Status, q api.FactoriesQuery) error {
	if len(o.constraints) > 0 || !o.json && !o.tabled() {
		return usage("--factory shows clusters: choose them by id or user, and print them as a table or with --json")
	}
	out, err := client.Factories(ctx, q)
	switch {
	case err != nil:
		return err
	case o.json:
		return PrintJSON(d, out)
	case len(out.Factories) == 0 && len(q.IDs) > 0:
		return grid.Errorf(grid.NotFound, "no such cluster is in the queue whose jobs are made little by little")
	}
	fmt.Fprintf(d.Out, "\n\n%s\n", heading(d, status))
	d.lines(factoryTable(out.Factories)...)
	fmt.Fprintln(d.Out)
	return nil
}

func factoryTable(all []api.Factory) []line {
	owner := len("OWNER")
	for i := range all {
		owner = max(owner, len(grid.Printable(all[i].Owner)))
	}
	row := func(id, who, when, limit, idle, present, run, waits, hold, next, total, mode, name string) string {
		return fmt.Sprintf(" %-6s %-*s %-11s %6s %7s %6s %5s %6s %6s %8s %8s %-7s %s", id, owner, who, when, limit, idle, present, run, waits, hold, next, total, mode, name)
	}
	lines := []line{{bold, row("ID", "OWNER", "SUBMITTED", "LIMIT", "MAXIDLE", "PRESNT", "RUN", "IDLE", "HOLD", "NEXTID", "JOBS", "MODE", "BATCH_NAME")}}
	bound := func(n int32) string {
		if n == 0 {
			return "-"
		}
		return strconv.Itoa(int(n))
	}
	for i := range all {
		f := &all[i]
		next, colour := strconv.Itoa(int(f.Made)), ""
		switch f.State {
		case "done":
			next, colour = "-", dim
		case "paused":
			colour = red
		}
		lines = append(lines, line{colour, row(strconv.Itoa(int(f.Cluster)), grid.Printable(f.Owner), moment(time.Unix(f.Submitted, 0)), bound(f.Limit), bound(f.MaxIdle),
			strconv.Itoa(f.Total()), strconv.Itoa(f.Running+f.Transferring+f.Suspended), strconv.Itoa(f.Idle), strconv.Itoa(f.Held), next, strconv.Itoa(int(f.Jobs)), f.State, grid.Printable(f.Name))})
	}
	return lines
}
