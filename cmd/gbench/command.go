package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/bench"
	"gridburst/internal/grid"
)

type options struct {
	bench.Options
	out string
}

func command(d *cli.Deps) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "gbench",
		Short: "Measure this system beside its machine and its peers",
		Long: `Measure a Gridburst of its own in a sandbox: build the programs, start them, print a
table, write it as JSON. Run it in the source tree, on a machine that has nothing else
to do.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "build/bench.json", "the JSON `file`")
	f.StringVar(&o.Dir, "dir", "build/bench", "the sandbox")
	f.StringVar(&o.Bin, "bin", "", "the `directory` of built programs (default: they are built)")
	f.StringSliceVar(&o.Tags, "tags", nil, "build tags")
	f.StringSliceVar(&o.Rows, "rows", nil, "only these rows")
	f.IntVar(&o.Runs, "runs", 5, "how often each row is measured")
	f.Float64Var(&o.Scale, "scale", 1, "a factor for every count, for a quick look")
	return c
}

func (o *options) run(ctx context.Context, d *cli.Deps) error {
	o.Log = d.Err
	rows, err := bench.Run(ctx, o.Options)
	if len(rows) > 0 {
		if err := bench.Print(d.Out, rows); err != nil {
			return err
		}
		if err := cli.WriteJSON(o.out, rows); err != nil {
			return grid.Errorf(grid.Internal, "write the results: %w", err)
		}
		fmt.Fprintf(d.Out, "written to %s\n", o.out)
	}
	return err
}
