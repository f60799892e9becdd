package corpus

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/grid"
)

type options struct {
	bin      string
	refusals bool
}

// Command is gcorpus.
func Command(d *cli.Deps) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "gcorpus DIRECTORY...",
		Short: "Judge submit and DAG files of other people",
		Long: `Judge what gsubmit and gdag make of the submit and DAG files below a directory.

Beside submit files there may be a directory "expected": expected/NAME.ads are the ads
that HTCondor made of NAME, and a file without ads is one that it refused. INDEX.tsv says
what files NAME needs. Each is submitted with gsubmit --dry-run in a directory that holds
nothing else, and every difference is printed.

Beside DAG files, expected/VERDICTS.tsv says which ones DAGMan takes, and
expected/NAME.runN.json how their runs ended, with stubs for jobs and scripts. Each is read,
written and read again, and run, and every difference is printed.

Other files are read where they lie.
` + cli.ExitHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args) },
	}
	c.Flags().StringVar(&o.bin, "bin", "", "the `directory` of the programs (default: that of gcorpus, else PATH)")
	c.Flags().BoolVar(&o.refusals, "refusals", false, "also print each refusal beside HTCondor's")
	return c
}

func (o *options) run(ctx context.Context, d *cli.Deps, dirs []string) error {
	j := &judge{out: d.Out, verbose: o.refusals}
	for name, at := range map[string]*string{"gsubmit": &j.gsubmit, "gdag": &j.gdag} {
		var err error
		if *at, err = o.program(name); err != nil {
			return err
		}
	}
	var found files
	for _, dir := range dirs {
		f, err := find(dir)
		switch {
		case err != nil:
			return grid.Errorf(grid.NotFound, "%w", err)
		case len(f.judged)+len(f.others)+len(f.dags) == 0:
			return grid.Errorf(grid.NotFound, "there is no submit or DAG file below %s", dir)
		}
		found.judged, found.others, found.dags = append(found.judged, f.judged...), append(found.others, f.others...), append(found.dags, f.dags...)
	}
	if err := j.all(ctx, found); err != nil {
		return err
	}
	if len(found.judged) > 0 {
		fmt.Fprintf(d.Out, "accepted %d/%d, ads equal %d/%d, refusals equal %d/%d\n", j.accepted, j.acceptable, j.equal, j.acceptable, j.refused, j.refusable)
	}
	if len(found.dags) > 0 {
		c := &j.dags
		fmt.Fprintf(d.Out, "dags accepted %d/%d, refused %d/%d, rewritten equal %d/%d\n", c.accepted, c.acceptable, c.refused, c.refusable, c.rewritten, c.acceptable)
		fmt.Fprintf(d.Out, "dag runs equal %d/%d\n", c.runsEqual, c.runs)
	}
	if len(found.others) > 0 {
		fmt.Fprintf(d.Out, "%d other files: %d read, %d refused, %d broken\n", len(found.others), j.read, j.otherRefused, j.broken)
	}
	if j.differences+j.broken > 0 {
		return cli.Status(cli.ExitFailed)
	}
	return nil
}

// program is where a program of ours is.
func (o *options) program(name string) (string, error) {
	if o.bin != "" {
		return filepath.Abs(filepath.Join(o.bin, name))
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), name); isRegular(beside) {
			return beside, nil
		}
	}
	file, err := exec.LookPath(name)
	if err != nil {
		return "", grid.Errorf(grid.NotFound, "%s is neither beside gcorpus nor in PATH: name its directory with --bin", name)
	}
	return filepath.Abs(file)
}
