package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/chaos/kills"
)

type cutsOptions struct {
	kills.CutOptions
	out string
}

// cuts cuts the power of a schedd's machine.
func cuts(d *cli.Deps) *cobra.Command {
	var o cutsOptions
	c := &cobra.Command{
		Use:   "cuts",
		Short: "Cut the power of a schedd's machine under load, again and again, and judge",
		Long: `Run a schedd in a virtual machine, have clients ask it for things from outside, and cut
the machine's power, again and again. The machine's disk loses what was not flushed, sector
by sector. It fails when something that was acknowledged is not there afterwards, or is
there by halves.

It needs qemu-system-x86_64, mkfs.ext4 and a Debian "cloud" kernel with its modules.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "build/chaos-cuts", "the sandbox")
	f.StringVar(&o.out, "out", "build/chaos-cuts.json", "the report, as JSON")
	f.StringVar(&o.Kernel, "kernel", "", "the kernel's image, a vmlinuz")
	f.StringVar(&o.Modules, "modules", "", "the `directory` of the kernel's modules, a lib/modules/VERSION")
	f.Uint64Var(&o.Seed, "seed", 0, "makes what is asked for and what the disk loses (default: a new one)")
	f.IntVar(&o.Cuts, "cuts", 3, "so many")
	f.BoolVar(&o.Deaf, "deaf", false, "the disk says that it has flushed, and has not: something must be found")
	c.MarkFlagRequired("kernel")
	c.MarkFlagRequired("modules")
	return c
}

func (o *cutsOptions) run(ctx context.Context, d *cli.Deps) (err error) {
	for _, path := range []*string{&o.Kernel, &o.Modules} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	end, err := begin(d, &o.Dir, &o.Seed, &o.Log)
	if err != nil {
		return err
	}
	defer end()
	begun := time.Now()
	rep, err := kills.Cut(ctx, o.CutOptions)
	if err != nil {
		return err
	}
	if err := report(o.out, rep); err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "power cuts %d | flushes %d, sectors dropped %d | acked %d lost %d halves %d | a boot %s, all %s, seed %d\n",
		rep.Cuts, rep.Flushes, rep.Dropped, rep.Acked, rep.Lost, rep.Halves, rep.Boot.Round(100*time.Millisecond), time.Since(begun).Round(time.Second), rep.Seed)
	return verdict(d, o.Seed, rep.Wrong)
}

// guest is the first process of that machine.
func guest() *cobra.Command {
	return &cobra.Command{
		Use: "guest", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return kills.Guest(c.Context()) },
	}
}
