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

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type poolOptions struct {
	Asks
	constraints []string
	af          []string
	afFormat    string
	long, json  bool
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

A constraint and --af look at the slot's ad: what the worker says of it, and Name, Machine,
State, TotalCpus and TotalMemory (MiB), Cpus and Memory (what is free), Jobs.
` + ExitHelp,
		Example: "  gstatus --constraint 'Memory >= 4096'\n  gstatus -af:h Name State Cpus",
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args) },
	}
	o.Flags(c)
	c.Flags().StringArrayVar(&o.constraints, "constraint", nil, "only machines of whose slot this ClassAd `expression` is true")
	c.Flags().StringSliceVar(&o.af, "af", nil, "print these attributes, `A,B`, on a line for each machine; further ones among the arguments")
	c.Flags().StringVar(&o.afFormat, "af-format", "", "of --af: h headings, l labels, V quotes, t tabs, `,` commas (-af:h is --af-format=h --af)")
	c.Flags().BoolVarP(&o.long, "long", "l", false, "print everything that is known of each")
	c.Flags().BoolVar(&o.json, "json", false, "print it as JSON")
	return c
}

func (o *poolOptions) run(ctx context.Context, d *Deps, args []string) error {
	client, err := o.NodeClient(d)
	if err != nil {
		return err
	}
	all, err := client.Slots(ctx)
	if err != nil {
		return err
	}
	slots := all.Slots
	if len(o.af) > 0 {
		o.af, args = append(o.af, args...), nil
	}
	if len(args) > 0 {
		slots = slices.DeleteFunc(slots, func(s api.Slot) bool { return !slices.Contains(args, s.Name) && !slices.Contains(args, s.Worker) })
		if len(slots) == 0 {
			return grid.Errorf(grid.NotFound, "%s: not in the pool; gstatus lists it", strings.Join(args, " "))
		}
	}
	if slots, err = o.those(slots, d.Now()); err != nil {
		return err
	}
	switch {
	case len(o.af) > 0:
		lines := autoformat{out: d.Out, names: o.af, format: o.afFormat, now: d.Now()}
		for i := range slots {
			a, err := slotAd(&slots[i])
			if err != nil {
				return err
			}
			lines.print(a)
		}
		return nil
	case o.json:
		return PrintJSON(d, api.Slots{Slots: slots})
	case o.long:
		return o.whole(d, slots)
	}
	table := slotTable(slots, d.Now())
	d.lines(table[0], line{})
	d.lines(table[1:]...)
	poolTotal(d, slots)
	return nil
}

// those are the slots of which the constraints are true.
func (o *poolOptions) those(slots []api.Slot, now time.Time) (kept []api.Slot, err error) {
	if len(o.constraints) == 0 {
		return slots, nil
	}
	e, err := ad.ParseConstraint(allOf(o.constraints))
	if err != nil {
		return nil, err
	}
	for i := range slots {
		a, err := slotAd(&slots[i])
		if err != nil {
			return nil, err
		}
		if ad.Truth(ad.At(now).Eval(e, a, nil)) {
			kept = append(kept, slots[i])
		}
	}
	return kept, nil
}

// slotAd is a machine's slot with what is known of it beside its own attributes.
func slotAd(s *api.Slot) (*ad.Ad, error) {
	a := ad.New(len(s.Attrs) + 8)
	for name, expr := range s.Attrs {
		if err := a.Set(name, expr); err != nil {
			return nil, grid.Errorf(grid.Internal, "attribute %s of %s: %w", name, s.Name, err)
		}
	}
	a.SetString("Name", s.Name)
	a.SetString("Machine", s.Worker)
	a.SetString("State", s.State)
	a.SetInt("TotalCpus", s.Cpus)
	a.SetInt("TotalMemory", s.MemoryMB)
	a.SetInt("Cpus", s.FreeCpus)
	a.SetInt("Memory", s.FreeMB)
	a.SetInt("Jobs", int64(len(s.Jobs)))
	return a, nil
}

// slotTable is a heading and a row for each machine.
func slotTable(slots []api.Slot, now time.Time) []line {
	name := len("Name")
	for _, s := range slots {
		name = max(name, len(s.Name))
	}
	lines := []line{{bold, fmt.Sprintf("%-*s OpSys      Arch   State    Cpus  Free     Mem    Free Jobs Kept  Since", name, "Name")}}
	for i := range slots {
		s := &slots[i]
		colour := map[string]string{"busy": green, "draining": yellow, "lost": red}[s.State]
		lines = append(lines, line{colour, fmt.Sprintf("%-*s %-10s %-6s %-8s %4d %5d %7d %7d %4d %-5s %s",
			name, grid.Printable(s.Name), grid.Printable(s.OpSys), grid.Printable(s.Arch), s.State, s.Cpus, s.FreeCpus, s.MemoryMB, s.FreeMB, len(s.Jobs),
			grid.Printable(s.Isolation), clock(now.Sub(time.Unix(s.Since, 0))))})
	}
	return lines
}

func poolTotal(d *Deps, slots []api.Slot) {
	states := map[string]int{}
	var cpus, free int64
	jobs := 0
	for i := range slots {
		s := &slots[i]
		states[s.State]++
		cpus, free, jobs = cpus+s.Cpus, free+s.FreeCpus, jobs+len(s.Jobs)
	}
	fmt.Fprintf(d.Out, "\nTotal: %d machines; %d idle, %d busy, %d draining, %d lost; %d of %d cpus free; %d jobs\n",
		len(slots), states["idle"], states["busy"], states["draining"], states["lost"], free, cpus, jobs)
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
