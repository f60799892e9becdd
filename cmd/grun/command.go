package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/demo"
	"gridburst/cmd/internal/manual"
	"gridburst/cmd/internal/sandbox"
	"gridburst/internal/grid"
)

type options struct {
	dir, bin, examples string
	limit              time.Duration
	guarded            bool
	json               bool
}

// command is grun.
func command(d *cli.Deps) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "grun",
		Short: "A whole grid on this machine: an engine that is simulated, a schedd, a worker",
		Long: `A whole grid on this machine, in one directory: an oVirt engine that is simulated, a
schedd, and a worker with two slots. What dies is started again.

demo runs the main job on it, from the first submit to the receipt, and ends it. up
keeps one up for jobs of your own, until down. Nothing listens but on the loopback.

Guests of the simulated engine are processes in namespaces of their own. Root has them
everywhere, and jobs in namespaces too; a plain user where the system gives user
namespaces to users. gstatus says how jobs are kept apart.
` + cli.ExitHelp,
	}
	sub := func(use, short, dir string, run func(context.Context, *cli.Deps) error) *cobra.Command {
		s := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			o.dir = cmp.Or(o.dir, dir)
			return run(c.Context(), d)
		}}
		s.Flags().StringVar(&o.dir, "dir", "", "the sandbox (default: "+dir+")")
		s.Flags().StringVar(&o.bin, "bin", "", "the `directory` of the programs (default: that of grun)")
		c.AddCommand(s)
		return s
	}
	s := sub("demo", "Run the main job in a sandbox of its own, and print the receipt", "build/run", o.demo)
	s.Flags().StringVar(&o.examples, "examples", "", "the `directory` of the examples (default: beside the sources that grun was built of)")
	s.Flags().DurationVar(&o.limit, "limit", 10*time.Minute, "fail when it takes longer")
	guarded := func(s *cobra.Command) {
		s.Flags().BoolVar(&o.guarded, "guarded", false, "")
		_ = s.Flags().MarkHidden("guarded")
	}
	guarded(s)
	sub("up", "Start a grid that stays", upDir, o.up)
	s = sub("keep", "Be that grid", upDir, o.keep)
	s.Hidden = true
	guarded(s)
	sub("down", "End it", upDir, o.down)
	s = sub("status", "Say whether it is up, and what it has", upDir, o.status)
	s.Flags().BoolVar(&o.json, "json", false, "print the answer as JSON")
	c.AddCommand(&cobra.Command{
		Use: "man DIR", Short: "Write the manual pages and the shells' completions of all commands", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return manual.WriteAll(args[0]) },
	})
	return c
}

const upDir = "build/up"

// places completes the directories.
func (o *options) places() (sandbox.Dir, error) {
	if o.bin == "" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		o.bin = filepath.Dir(self)
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return "", err
	}
	o.bin = bin
	if o.examples == "" {
		o.examples = filepath.Join(bin, "..", "..", "examples") // from build/bin
	}
	return sandbox.At(o.dir)
}

func (o *options) demo(ctx context.Context, d *cli.Deps) error {
	dir, err := o.places()
	if err != nil {
		return err
	}
	if !o.guarded {
		return guard(dir)
	}
	ctx = sandbox.Guarded(ctx)
	width := d.Width
	if width == 0 {
		width = 100
	}
	view := &demo.View{W: d.Err}
	if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && d.Env("TERM") != "dumb" {
		view.Width = w
	}
	return demo.Run(ctx, demo.Options{Dir: dir, Bin: o.bin, Examples: o.examples, Limit: o.limit, Out: d.Out, Width: width, View: view})
}

// guard runs this command again under a guard, and ends with its status.
func guard(dir sandbox.Dir) error {
	status, err := sandbox.Guard(dir, os.Args[1:])
	if err != nil {
		return err
	}
	return cli.Status(status)
}

func (o *options) up(ctx context.Context, d *cli.Deps) error {
	dir, err := o.places()
	if err != nil {
		return err
	}
	s, up, err := dir.State()
	if err == nil && !up {
		s, err = dir.Detach(ctx, []string{"keep", "--dir", string(dir), "--bin", o.bin})
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, `A grid is up in %[1]s.

  export GRIDBURST_SCHEDD=%[2]s
  export PATH=%[3]s:$PATH
  gsubmit %[4]s
  gstatus; gq; gvm

Its engine is %[5]s
(user %[6]s, password in %[7]s, authority in %[1]s/engine/ca.pem).
grun down --dir %[1]s ends it.
`, dir, s.Socket, o.bin, filepath.Join(o.examples, "hello.hcl"), s.Engine, sandbox.User, dir.Password())
	return nil
}

func (o *options) keep(ctx context.Context, d *cli.Deps) error {
	dir, err := o.places()
	if err != nil {
		return err
	}
	if !o.guarded {
		return guard(dir)
	}
	return sandbox.Keep(sandbox.Guarded(ctx), dir, o.bin)
}

func (o *options) down(_ context.Context, d *cli.Deps) error {
	dir, err := o.places()
	if err != nil {
		return err
	}
	was, err := dir.Down()
	switch {
	case err != nil:
		return err
	case was:
		fmt.Fprintf(d.Out, "The grid in %s has ended.\n", dir)
	default:
		fmt.Fprintf(d.Out, "No grid is up in %s.\n", dir)
	}
	return nil
}

// status asks the schedd too: that the processes are there is not enough.
func (o *options) status(ctx context.Context, d *cli.Deps) error {
	dir, err := o.places()
	if err != nil {
		return err
	}
	s, up, err := dir.State()
	if err != nil {
		return err
	}
	if !up {
		return grid.Errorf(grid.NotFound, "no grid is up in %s: grun up --dir %s starts one", dir, dir)
	}
	if o.json {
		return cli.PrintJSON(d, s)
	}
	client := dir.Client()
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	slots, err := client.Slots(ctx)
	if err != nil {
		return err
	}
	totals, err := client.Totals(ctx)
	if err != nil {
		return err
	}
	claims, err := client.Claims(ctx, false)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "The grid in %s is up since %s.\n", dir, time.Unix(s.Since, 0).Format(time.DateTime))
	fmt.Fprintf(d.Out, "schedd   %s, at %s\n", status.Name, s.Socket)
	fmt.Fprintf(d.Out, "engine   %s\n", s.Engine)
	fmt.Fprintf(d.Out, "workers  %d", len(slots.Slots))
	for _, slot := range slots.Slots {
		fmt.Fprintf(d.Out, "; %s %s, jobs kept apart by %s", slot.Worker, slot.State, slot.Isolation)
	}
	fmt.Fprintf(d.Out, "\nqueue    %d jobs: %d running, %d idle, %d held\nmachines %d\n", totals.All.Total(), totals.All.Running, totals.All.Idle, totals.All.Held, len(claims.Claims))
	return nil
}
