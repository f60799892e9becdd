package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// act is what one of grm, ghold and grelease does.
type act struct {
	use, short string
	verb       string // of the API
	done       string // of a job: "12.0 held"
	allDone    string // of a cluster: "All jobs in cluster 12 have been held"
	refused    string // "Job 12.0 ..."
}

var (
	removal = act{"grm", "Remove jobs from the queue", "remove", "marked for removal", "have been marked for removal", "cannot be removed"}
	holding = act{"ghold", "Hold jobs: they stop, and stay in the queue", "hold", "held", "have been held", "cannot be held"}
	release = act{"grelease", "Release held jobs", "release", "released", "have been released", "not held to be released"}
)

// Remove is grm.
func Remove(d *Deps) *cobra.Command { return removal.command(d) }

// Hold is ghold.
func Hold(d *Deps) *cobra.Command { return holding.command(d) }

// Release is grelease.
func Release(d *Deps) *cobra.Command { return release.command(d) }

type actOptions struct {
	Asks
	act         act
	all         bool
	constraints []string
	reason      string
	subcode     int32
	json        bool
}

func (a act) command(d *Deps) *cobra.Command {
	o := actOptions{act: a}
	c := &cobra.Command{
		Use:   a.use + " {JOB ... | --all | --constraint EXPRESSION}",
		Short: a.short,
		Long: a.short + `.

A JOB is a cluster (12), a job (12.0) or a range (12.0-9). Several are done one after
the other; the exit status is 0 when something was done.
` + ExitHelp,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args) },
	}
	f := c.Flags()
	o.Flags(c)
	c.ValidArgsFunction = o.completeJobs(d)
	f.BoolVar(&o.all, "all", false, "all jobs that you may act on")
	f.StringArrayVar(&o.constraints, "constraint", nil, "jobs of which this ClassAd `expression` is true")
	f.StringVar(&o.reason, "reason", "", "`why`, for the event log and the ads")
	f.BoolVar(&o.json, "json", false, "print the answers as JSON, one a line")
	if a.verb == "hold" {
		f.Int32Var(&o.subcode, "subcode", 0, "the hold's `number`, for programs")
	}
	return c
}

func (o *actOptions) run(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	ways := 0
	for _, given := range []bool{len(args) > 0, o.all, len(o.constraints) > 0} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return usage("name jobs, or --all, or a --constraint: one of these")
	}
	ask := api.Action{Verb: o.act.verb, Reason: o.reason, Subcode: o.subcode}
	if len(args) == 0 {
		ask.All = o.all
		ask.Constraint = allOf(o.constraints)
		return o.many(ctx, d, client, ask)
	}
	// All are looked at before any is acted on.
	runs := make([]grid.Run, len(args))
	for i, a := range args {
		if runs[i], err = grid.ParseRun(a); err != nil {
			return err
		}
	}
	acted, code := false, ExitDone
	for _, r := range runs {
		ask.IDs = []string{r.String()}
		done, err := client.Act(ctx, ask)
		if err != nil {
			if code == ExitDone && !acted {
				return err
			}
			fmt.Fprintf(d.Err, "%s: %s\n", r, grid.MessageOf(err))
			return said(ExitOf(err))
		}
		if o.json {
			if err := PrintJSON(d, done); err != nil {
				return err
			}
		}
		switch exit := o.tell(d, r, done); exit {
		case ExitDone:
			acted = true
		default:
			code = exit
		}
	}
	if acted {
		return nil
	}
	return said(code)
}

// many acts on jobs that are not named one by one.
func (o *actOptions) many(ctx context.Context, d *Deps, client *api.Client, ask api.Action) error {
	done, err := client.Act(ctx, ask)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, done)
	}
	fmt.Fprintf(d.Out, "%d job(s) %s\n", done.Changed, o.act.done)
	if done.Already > 0 {
		fmt.Fprintf(d.Out, "%d job(s) already %s\n", done.Already, o.act.done)
	}
	if done.Changed+done.Already == 0 && ask.Constraint != "" && done.Refused == 0 {
		return grid.Errorf(grid.NotFound, "no job fits the constraint")
	}
	return nil
}

// tell says what became of one target.
func (o *actOptions) tell(d *Deps, r grid.Run, done api.Acted) int {
	what, verb := "Job "+r.String(), o.act.done
	switch {
	case r.Whole():
		what, verb = "All jobs in cluster "+r.String(), o.act.allDone
	case r.Len() > 1:
		what, verb = "Jobs "+r.String(), o.act.allDone
	}
	out := d.Out
	if o.json {
		out = io.Discard
	}
	switch {
	case done.Changed > 0:
		fmt.Fprintf(out, "%s %s\n", what, verb)
	case done.Already > 0:
		fmt.Fprintf(out, "%s already %s\n", what, o.act.done)
	case done.Foreign > 0:
		fmt.Fprintf(d.Err, "%s: permission denied: it belongs to another user\n", r)
		return ExitRefused
	case done.Refused > 0:
		fmt.Fprintf(d.Err, "Job %s %s: gq %s shows its state\n", r, o.act.refused, r)
		return ExitRefused
	default:
		fmt.Fprintf(d.Err, "Job %s not found\n", r)
		return ExitNotFound
	}
	return ExitDone
}
