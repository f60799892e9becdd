package main

import (
	"context"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/chaos"
	"gridburst/internal/grid"
)

type tracesOptions struct {
	chaos.TraceOptions
	out string
}

// traces runs the workflows of traces. Nobody is killed.
func traces(d *cli.Deps) *cobra.Command {
	var o tracesOptions
	c := &cobra.Command{
		Use:   "traces FILE...",
		Short: "Run the workflows of traces over machines of a simulated engine, and judge",
		Long: `Run workflows that once ran elsewhere (WfCommons, .json), one after another: each as a
DAG, a node for each task, which runs for as long as it did there, scaled. There is no pool:
machines of a simulated engine come for the nodes and go. Judge by a witness that every node
calls, and by the engine's record: that each node ran once and none began before those before
it had done all, and that no machine is left. The DAG files stay in DIR/run/dags.
` + cli.ExitHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Files = args
			return o.run(c.Context(), d)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "build/traces", "the sandbox")
	f.StringVar(&o.Bin, "bin", "", "the `directory` of the programs (default: they are built)")
	f.StringVar(&o.out, "out", "build/traces.json", "the report, as JSON")
	f.DurationVar(&o.Work, "work", 30*time.Second, "to which the run times of a workflow are scaled in all, at most")
	f.DurationVar(&o.Path, "path", 8*time.Second, "and those of the longest way through it")
	f.DurationVar(&o.Limit, "limit", 30*time.Minute, "of all of it")
	return c
}

func (o *tracesOptions) run(ctx context.Context, d *cli.Deps) (err error) {
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	log, end, err := open(o.Dir, "journal")
	if err != nil {
		return err
	}
	defer end()
	o.Log = log
	rep, err := chaos.Traces(ctx, o.TraceOptions)
	if err != nil {
		return err
	}
	if err := report(o.out, rep); err != nil {
		return err
	}
	t := tabwriter.NewWriter(d.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "workflow\tnodes\tedges\tscale\tpath\tmakespan\tmachines\tleft")
	for _, r := range rep.Runs {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.2g\t%s\t%s\t%d\t%d\n", r.Name, r.Nodes, r.Edges, r.Scale, r.Path.Round(100*time.Millisecond), r.Makespan.Round(100*time.Millisecond), r.Machines, r.Left)
	}
	if err := t.Flush(); err != nil {
		return grid.Errorf(grid.Internal, "%w", err)
	}
	return verdict(d, 0, rep.Wrong)
}
