package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/chaos"
)

type enginesOptions struct {
	chaos.EngineOptions
	out   string
	short bool
	list  bool
}

// engines makes an engine go wrong while a schedd has machines of it.
func engines(d *cli.Deps) *cobra.Command {
	var o enginesOptions
	c := &cobra.Command{
		Use:   "engines",
		Short: "Make an engine go wrong in every way, and judge what became of its machines",
		Long: `Run a schedd that keeps machines at a simulated engine, with machines of other people
beside them that are named like ours, and let one thing after another go wrong: at the
engine, on the way to it, with the credential, in the programs, and by other people's
hands. In the end everything is mended and every job removed. Judged by the engine's own
record: no machine of ours is left, none was there for ten minutes of the machines' clock
after nobody wanted it, nobody else's was touched, there were never more than may be, and
nothing was started twice. The machines live ` + fmt.Sprint(chaos.Speed) + ` times as fast as the real time.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "build/chaos-engines", "the sandbox")
	f.StringVar(&o.Bin, "bin", "", "the `directory` of programs built with -tags failpoints (default: they are built)")
	f.StringVar(&o.out, "out", "build/chaos-engines.json", "the report, as JSON")
	f.Uint64Var(&o.Seed, "seed", 0, "makes the order of faults (default: a new one)")
	f.IntVar(&o.Faults, "faults", 300, "at least so many faults")
	f.IntVar(&o.VMs, "vms", 200, "so many jobs are machines at one time")
	f.IntVar(&o.Foreign, "foreign", 100, "so many machines of other people have names like ours")
	f.StringArrayVar(&o.Kinds, "kind", nil, "only this `fault`, by its name; may be repeated")
	f.BoolVar(&o.list, "kinds", false, "list the kinds of faults, and do nothing")
	f.DurationVar(&o.Pause, "pause", 500*time.Millisecond, "between faults, on the average; three may be at a time")
	f.DurationVar(&o.Limit, "limit", 20*time.Minute, "no faults after this")
	f.DurationVar(&o.Drain, "drain", 5*time.Minute, "for everything to come to rest after the last fault")
	f.BoolVar(&o.short, "short", false, "fewer faults and machines, for a minute or so")
	return c
}

func (o *enginesOptions) run(ctx context.Context, d *cli.Deps) (err error) {
	if o.list {
		for _, k := range chaos.Kinds() {
			fmt.Fprintln(d.Out, k)
		}
		return nil
	}
	if o.short {
		o.Faults, o.VMs, o.Pause = min(o.Faults, 45), min(o.VMs, 30), min(o.Pause, 200*time.Millisecond)
	}
	end, err := begin(d, &o.Dir, &o.Seed, &o.Log)
	if err != nil {
		return err
	}
	defer end()
	begun := time.Now()
	rep, err := chaos.Engines(ctx, o.EngineOptions)
	if err != nil {
		return err
	}
	if err := report(o.out, rep); err != nil {
		return err
	}
	for _, b := range rep.Befell {
		missed := ""
		if b.Missed > 0 {
			missed = fmt.Sprintf("  (%d times there was nobody for it to befall)", b.Missed)
		}
		fmt.Fprintf(d.Out, "  %-58s %3d%s\n", b.Kind, b.Times, missed)
	}
	fmt.Fprintf(d.Out, "%s · %s\n", rep.Line(), time.Since(begun).Round(time.Second))
	return verdict(d, o.Seed, rep.Wrong)
}
