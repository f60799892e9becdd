package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/chaos"
)

type options struct {
	chaos.Options
	out   string
	short bool
}

func command(d *cli.Deps) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "gchaos",
		Short: "Kill a grid's programs while jobs run on it, and judge",
		Long: `Kill the programs of a grid in a sandbox while jobs run on it, at random instants and
at every named failpoint, and judge from outside whether anything was lost, doubled or
left behind. Run it in the source tree. It fails when something is wrong, and when
nobody died at one of the failpoints.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "build/chaos", "the sandbox")
	f.StringVar(&o.Bin, "bin", "", "the `directory` of programs built with -tags failpoints (default: they are built)")
	f.StringVar(&o.out, "out", "build/chaos.json", "the report, as JSON")
	f.Uint64Var(&o.Seed, "seed", 0, "makes the jobs and the order of faults (default: a new one)")
	f.IntVar(&o.Jobs, "jobs", 500, "at least so many jobs")
	f.IntVar(&o.Kills, "kills", 60, "at least so many kills")
	f.DurationVar(&o.Pause, "pause", 300*time.Millisecond, "between faults, on the average")
	f.DurationVar(&o.Limit, "limit", 10*time.Minute, "no faults after this")
	f.DurationVar(&o.Drain, "drain", 3*time.Minute, "for everything to come to rest after the last fault")
	f.BoolVar(&o.short, "short", false, "fewer jobs and shorter pauses, for a minute or so")
	f.BoolVar(&o.NoVMs, "no-vms", false, "the pool alone, without an engine")
	f.BoolVar(&o.Paper, "paper", false, "the engine's machines have no guests")
	c.AddCommand(proof(d), engines(d), killsCommand(d), dags(d), traces(d), cuts(d), guest())
	return c
}

func (o *options) run(ctx context.Context, d *cli.Deps) (err error) {
	if o.short {
		o.Jobs, o.Pause, o.Limit = min(o.Jobs, 200), min(o.Pause, 100*time.Millisecond), min(o.Limit, 3*time.Minute)
	}
	end, err := begin(d, &o.Dir, &o.Seed, &o.Log)
	if err != nil {
		return err
	}
	defer end()
	rep, err := chaos.Run(ctx, o.Options)
	if err != nil {
		return err
	}
	if err := report(o.out, rep); err != nil {
		return err
	}
	return tell(d, rep)
}

// tell prints what came of a run; it is an error if that was not right.
func tell(d *cli.Deps, rep *chaos.Report) error {
	fmt.Fprintln(d.Out, rep.Line())
	for _, p := range rep.Points {
		fmt.Fprintf(d.Out, "  %-26s %-10s killed %2d  come by %3d\n", p.Name, p.Of, p.Killed, p.Hit)
	}
	for _, of := range rep.Programs() {
		fmt.Fprintf(d.Out, "  %-26s %-10s killed %2d  stopped %2d\n", "at a random instant", of, rep.Random[of], rep.Stopped[of])
	}
	wrong := slices.Clone(rep.Wrong)
	for _, m := range rep.Missed() {
		wrong = append(wrong, "nobody died at "+m)
	}
	return verdict(d, rep.Seed, wrong)
}
