package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type poolOptions struct {
	Asks
	long, json bool
}

// Pool is gstatus.
func Pool(d *Deps) *cobra.Command {
	var o poolOptions
	c := &cobra.Command{
		Use:   "gstatus [NAME ...]",
		Short: "Show the pool: machines, and what of them is in use",
		Long: `Show the machines of the pool, or those with these names.

States: idle, busy (it runs jobs), draining (it takes no more), lost (it has not been
heard; its jobs go on there until its lease ends).
` + ExitHelp,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args) },
	}
	o.Flags(c)
	c.Flags().BoolVarP(&o.long, "long", "l", false, "print everything that is known of each")
	c.Flags().BoolVar(&o.json, "json", false, "print it as JSON")
	return c
}

func (o *poolOptions) run(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	all, err := client.Slots(ctx)
	if err != nil {
		return err
	}
	slots := all.Slots
	if len(args) > 0 {
		slots = slices.DeleteFunc(slots, func(s api.Slot) bool { return !slices.Contains(args, s.Name) && !slices.Contains(args, s.Worker) })
		if len(slots) == 0 {
			return grid.Errorf(grid.NotFound, "%s: not in the pool; gstatus lists it", strings.Join(args, " "))
		}
	}
	switch {
	case o.json:
		return PrintJSON(d, api.Slots{Slots: slots})
	case o.long:
		return o.whole(d, slots)
	}
	o.table(d, slots)
	return nil
}

func (o *poolOptions) table(d *Deps, slots []api.Slot) {
	name := len("Name")
	for _, s := range slots {
		name = max(name, len(s.Name))
	}
	fmt.Fprintf(d.Out, "%-*s OpSys      Arch   State    Cpus  Free     Mem    Free Jobs Kept  Since\n\n", name, "Name")
	states := map[string]int{}
	var total api.Slot
	jobs := 0
	for i := range slots {
		s := &slots[i]
		states[s.State]++
		total.Cpus += s.Cpus
		total.FreeCpus += s.FreeCpus
		jobs += len(s.Jobs)
		colour := map[string]string{"busy": green, "draining": yellow, "lost": red}[s.State]
		line := fmt.Sprintf("%-*s %-10s %-6s %-8s %4d %5d %7d %7d %4d %-5s %s",
			name, grid.Printable(s.Name), grid.Printable(s.OpSys), grid.Printable(s.Arch), s.State, s.Cpus, s.FreeCpus, s.MemoryMB, s.FreeMB, len(s.Jobs),
			grid.Printable(s.Isolation), clock(d.Now().Sub(time.Unix(s.Since, 0))))
		fmt.Fprintln(d.Out, d.paint(colour, d.cut(line)))
	}
	fmt.Fprintf(d.Out, "\nTotal: %d machines; %d idle, %d busy, %d draining, %d lost; %d of %d cpus free; %d jobs\n",
		len(slots), states["idle"], states["busy"], states["draining"], states["lost"], total.FreeCpus, total.Cpus, jobs)
}

// whole prints the names and values of the API, one a line.
func (o *poolOptions) whole(d *Deps, slots []api.Slot) error {
	for i := range slots {
		b, err := json.Marshal(&slots[i])
		if err != nil {
			return err
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(b, &fields); err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(d.Out)
		}
		for _, n := range slices.Sorted(maps.Keys(fields)) {
			fmt.Fprintf(d.Out, "%s = %s\n", n, fields[n])
		}
	}
	return nil
}
