package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/chaos/kills"
)

type killsOptions struct {
	kills.Options
	out string
}

// killsCommand kills a schedd at each instant of its work, many times.
func killsCommand(d *cli.Deps) *cobra.Command {
	var o killsOptions
	c := &cobra.Command{
		Use:   "kills",
		Short: "Kill a schedd at each named instant of its work, many times, and judge",
		Long: `Kill a schedd at each named instant of a submit, hold, release, remove, removal of
everything, backup, restore, compaction, start and rotation of event logs, so many times
each, and judge from outside: what it had acknowledged is there, and nothing by halves.
It fails when something is not so, and when nobody died in a round.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "build/chaos-kills", "the sandbox")
	f.StringVar(&o.Bin, "bin", "", "the `directory` of programs built with -tags failpoints (default: they are built)")
	f.StringVar(&o.out, "out", "build/chaos-kills.json", "the report, as JSON")
	f.Uint64Var(&o.Seed, "seed", 0, "makes what is asked for (default: a new one)")
	f.IntVar(&o.Rounds, "rounds", 20, "so many of each work at each point")
	f.StringSliceVar(&o.Points, "points", nil, "only these points")
	f.BoolVar(&o.Short, "short", false, "one work for each point")
	f.IntVar(&o.Parallel, "parallel", 4, "so many schedds at a time")
	return c
}

func (o *killsOptions) run(ctx context.Context, d *cli.Deps) (err error) {
	end, err := begin(d, &o.Dir, &o.Seed, &o.Log)
	if err != nil {
		return err
	}
	defer end()
	begun := time.Now()
	rep, err := kills.Run(ctx, o.Options)
	if err != nil {
		return err
	}
	if err := report(o.out, rep); err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "%-26s %-8s %-14s %6s %6s %6s %5s %6s\n", "POINT", "OF", "DURING", "ROUNDS", "KILLED", "ACKED", "LOST", "HALVES")
	for _, r := range rep.Rows {
		fmt.Fprintf(d.Out, "%-26s %-8s %-14s %6d %6d %6d %5d %6d\n", r.Point, r.Of, r.Work, r.Rounds, r.Killed, r.Acked, r.Lost, r.Halves)
	}
	points, all := rep.Sum()
	fmt.Fprintf(d.Out, "points %d kills %d | acked %d lost %d halves %d | %s\n",
		points, all.Killed, all.Acked, all.Lost, all.Halves, time.Since(begun).Round(time.Second))
	if points == 0 {
		all.Wrong = append(all.Wrong, "nobody was to die anywhere")
	}
	return verdict(d, o.Seed, all.Wrong)
}
