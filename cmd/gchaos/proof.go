package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/chaos"
	"gridburst/internal/grid"
)

type proofOptions struct {
	dir   string
	only  []string
	tries int
}

// proof plants bugs, one after another, and has the chaos look for each.
func proof(d *cli.Deps) *cobra.Command {
	var o proofOptions
	c := &cobra.Command{
		Use:   "proof",
		Short: "Plant bugs, and see whether each is found",
		Long: `Build the programs with a bug planted in them, one after another, and see whether a
short run made for it finds it. It fails when one is not found: then the judge does not
look where it should.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "build/chaos-proof", "the sandbox")
	f.StringSliceVar(&o.only, "only", nil, "only these bugs")
	f.IntVar(&o.tries, "tries", 5, "runs, with one seed after another, until a bug is found")
	return c
}

func (o *proofOptions) run(ctx context.Context, d *cli.Deps) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	log, end, err := open(dir, "journal")
	if err != nil {
		return err
	}
	defer end()
	found, looked := 0, 0
	for _, bug := range chaos.Bugs {
		if len(o.only) > 0 && !slices.Contains(o.only, bug.Name) {
			continue
		}
		looked++
		fmt.Fprintf(d.Err, "planting %s\n", bug.Name)
		how, err := chaos.Find(ctx, bug, filepath.Join(dir, bug.Name), o.tries, log)
		if err != nil {
			return fmt.Errorf("%s: %w", bug.Name, err)
		}
		if how == "" {
			fmt.Fprintf(d.Out, "%-12s NOT FOUND: %s\n", bug.Name, bug.What)
			continue
		}
		found++
		fmt.Fprintf(d.Out, "%-12s found: %s\n", bug.Name, strings.TrimSpace(how))
	}
	fmt.Fprintf(d.Out, "planted bugs found %d/%d\n", found, looked)
	if found < looked || looked == 0 {
		return grid.Errorf(grid.Internal, "%d of %d planted bugs were not found", looked-found, looked)
	}
	return nil
}
