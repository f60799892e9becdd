package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// straysCommand is gvm strays.
func (o *machineOptions) straysCommand(d *Deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "strays [keep | remove]",
		Short: "Show machines that no claim stands for, or say what becomes of them",
		Long: `Show machines that bear this schedd's mark and that no claim stands for. Two listings
that show one have it removed, but for one case: a queue that was restored from a backup
may have forgotten claims. Machines of claims that it does not know are left alone for an
hour. Within it, or after keep,

  keep    leaves them alone until it is said otherwise, also beyond the hour;
  remove  has them removed from now on.

A machine that is to stay for good, under other hands, is given another comment at its
engine: then it is nobody's of ours.
` + ExitHelp,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: straysVerbs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return o.strays(c.Context(), d)
			}
			return o.actOnStrays(c.Context(), d, args[0])
		},
	}
	o.Flags(c)
	c.Flags().BoolVar(&o.json, "json", false, "print it as JSON")
	return c
}

func (o *machineOptions) strays(ctx context.Context, d *Deps) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.Strays(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	lines := []line{{bold, fmt.Sprintf("%5s %-12s %-20s %-14s  %s", "Claim", "Resource", "Machine", "State", "What becomes of it")}}
	for i := range out.Strays {
		s := &out.Strays[i]
		lines = append(lines, line{text: fmt.Sprintf("%5d %-12s %-20s %-14s  %s", s.Claim, grid.Printable(s.Resource), grid.Printable(s.Name), grid.Printable(s.State), fate(s, &out))})
	}
	d.lines(lines...)
	return nil
}

// fate is what becomes of a stray.
func fate(s *api.Stray, all *api.Strays) string {
	switch {
	case !s.Unknown:
		return "it is removed"
	case all.Kept:
		return "it is left alone until you say: gvm strays remove"
	case all.KeptUntil > 0:
		return "it is left alone until " + time.Unix(all.KeptUntil, 0).Format(time.TimeOnly) + ", and removed then: gvm strays keep, or remove"
	}
	return "it is removed with the next listing"
}

var straysVerbs = []string{"keep", "remove"}

func (o *machineOptions) actOnStrays(ctx context.Context, d *Deps, verb string) error {
	if !slices.Contains(straysVerbs, verb) {
		return grid.Errorf(grid.Invalid, "%q is not something to do to strays: say keep or remove", verb)
	}
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	if err := client.ActOnStrays(ctx, verb); err != nil {
		return err
	}
	if verb == "keep" {
		fmt.Fprintln(d.Out, "Machines of claims that the queue does not know are left alone until you say: gvm strays remove.")
	} else {
		fmt.Fprintln(d.Out, "Machines that no claim stands for are removed when two listings have shown them.")
	}
	return nil
}
