package adm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/userlog"
)

type eventsOptions struct {
	rebuild bool
	output  string
	format  string
}

func (a *admin) events() *cobra.Command {
	var o eventsOptions
	c := &cobra.Command{
		Use:   "events {LOGFILE | --rebuild} [JOB ...]",
		Short: "Print the events of an event log, or write one anew",
		Long: `Print the events of an event log, whichever form it has, a line each; with --json as one
JSON object a line. With jobs, those of these jobs.

With --rebuild, ask the schedd for an event log of these jobs (all that are yours,
without any) and write it to FILE, or print it. What the schedd's log of commands still
has is told as it was. Of what is older, what the jobs' ads know: their submission, their
last start, and how they ended or are held. What others wrote into the log, earlier starts
and holds, and jobs that the history has dropped, are gone. FILE is replaced when the new one is whole: what jobs that still run write
meanwhile goes to the old one.
` + cli.ExitHelp,
		Example: "  gadm events --json job.log 12.0\n  gadm events --rebuild --output job.log 12",
		RunE: func(c *cobra.Command, args []string) error {
			if o.rebuild {
				return a.rebuild(c.Context(), &o, args)
			}
			if o.output != "" || o.format != "" {
				return grid.Errorf(grid.Invalid, "--output and --format belong to --rebuild")
			}
			if len(args) == 0 {
				return grid.Errorf(grid.Invalid, "name an event log, or --rebuild one")
			}
			return a.printEvents(args[0], args[1:])
		},
	}
	f := c.Flags()
	f.BoolVar(&o.rebuild, "rebuild", false, "make an event log of what the schedd knows")
	f.StringVar(&o.output, "output", "", "write it to this `file`")
	f.StringVar(&o.format, "format", "", "text, xml or json")
	return c
}

func (a *admin) printEvents(path string, jobs []string) error {
	var runs []grid.Run
	for _, j := range jobs {
		r, err := grid.ParseRun(j)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	log := userlog.Follow(path)
	defer log.Close()
	for {
		events, err := log.Next()
		if errors.Is(err, os.ErrNotExist) {
			return grid.Errorf(grid.NotFound, "%s: no such event log", path)
		}
		if err != nil {
			return grid.Errorf(grid.Invalid, "the event log: %w", err)
		}
		if len(events) == 0 {
			return nil
		}
		for i := range events {
			e := &events[i]
			if len(runs) > 0 && !slices.ContainsFunc(runs, func(r grid.Run) bool { return r.Has(e.Job) }) {
				continue
			}
			if a.json {
				fmt.Fprintf(a.Out, "%s\n", e.JSON())
				continue
			}
			fmt.Fprintf(a.Out, "%s  %03d  %-10s  %s\n", e.Time.Format("2006-01-02 15:04:05"), e.Number(), e.Job, grid.Printable(e.Summary()))
		}
	}
}

func (a *admin) rebuild(ctx context.Context, o *eventsOptions, jobs []string) (err error) {
	client, err := a.ask.Client(a.Deps)
	if err != nil {
		return err
	}
	q := api.EventsQuery{IDs: jobs, Format: o.format}
	if a.json && q.Format == "" {
		q.Format = "json"
	}
	if o.output == "" {
		return client.RetellEvents(ctx, q, a.Out)
	}
	f, err := os.CreateTemp(filepath.Dir(o.output), "."+filepath.Base(o.output)+".*")
	if err != nil {
		return grid.Errorf(grid.Invalid, "write the event log: %w", err)
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	out := bufio.NewWriter(f)
	if err := client.RetellEvents(ctx, q, out); err != nil {
		return err
	}
	if err := finish(out, f, o.output); err != nil {
		return grid.Errorf(grid.NoSpace, "write the event log: %w", err)
	}
	return nil
}

// finish puts what was written in the place of the file of that name, with that one's
// mode if there is one.
func finish(out *bufio.Writer, f *os.File, name string) error {
	mode := os.FileMode(0o644)
	if old, err := os.Stat(name); err == nil {
		mode = old.Mode().Perm()
	}
	for _, do := range []func() error{out.Flush, func() error { return f.Chmod(mode) }, f.Sync} {
		if err := do(); err != nil {
			return err
		}
	}
	return os.Rename(f.Name(), name)
}
