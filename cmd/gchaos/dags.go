package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/chaos"
)

type dagsOptions struct {
	chaos.DagOptions
	out string
}

// dags runs workflows while programs are killed.
func dags(d *cli.Deps) *cobra.Command {
	var o dagsOptions
	c := &cobra.Command{
		Use:   "dags",
		Short: "Kill a grid's programs while workflows run on it, and judge",
		Long: `Run workflows with scripts, retries, services, a sub-DAG and a FINAL node, one after
another, and kill the programs of their grid meanwhile, at random instants and at every
named instant of a workflow. Judge from outside, by a witness that every job and script
calls: that no node begins before its parents have done all, that no attempt of a node is
submitted twice or runs twice at a time, and that no script runs twice.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "build/chaos-dags", "the sandbox")
	f.StringVar(&o.Bin, "bin", "", "the `directory` of programs built with -tags failpoints (default: they are built)")
	f.StringVar(&o.out, "out", "build/chaos-dags.json", "the report, as JSON")
	f.Uint64Var(&o.Seed, "seed", 0, "makes the workflows and the order of faults (default: a new one)")
	f.IntVar(&o.Nodes, "nodes", 2000, "of each workflow")
	f.IntVar(&o.Kills, "kills", 100, "at least so many kills")
	f.DurationVar(&o.Pause, "pause", 500*time.Millisecond, "between faults, on the average")
	f.DurationVar(&o.Limit, "limit", time.Hour, "of all of it")
	return c
}

func (o *dagsOptions) run(ctx context.Context, d *cli.Deps) (err error) {
	end, err := begin(d, &o.Dir, &o.Seed, &o.Log)
	if err != nil {
		return err
	}
	defer end()
	rep, err := chaos.Dags(ctx, o.DagOptions)
	if err != nil {
		return err
	}
	if err := report(o.out, rep); err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "%d runs, %d nodes, %d attempts, %d PRE and %d POST scripts; %d kills %v: %d doubled, %d scripts twice, %d out of order\n",
		rep.Runs, rep.Nodes, rep.Attempts, rep.Pre, rep.Post, rep.Kills(), rep.Killed, rep.Doubled, rep.Twice, rep.Disorder)
	return verdict(d, o.Seed, rep.Wrong)
}
