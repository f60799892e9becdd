package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// act is what one of the commands that do something to jobs does, and how it says so.
type act struct {
	use, short string
	verb       string // of the API; "" for an edit
	done       string // of a job: "Job 12.0 held"
	allDone    string // of a cluster: "All jobs in cluster 12 have been held"
	refused    string // "Job 12.0 ..."
}

var (
	removal    = act{"grm", "Remove jobs from the queue", "remove", "marked for removal", "have been marked for removal", "cannot be removed"}
	holding    = act{"ghold", "Hold jobs: they stop, and stay in the queue", "hold", "held", "have been held", "cannot be held"}
	release    = act{"grelease", "Release held jobs", "release", "released", "have been released", "not held to be released"}
	vacating   = act{"gvacate", "Stop jobs where they run: they wait again, and run elsewhere or later", "vacate", "vacated", "have been vacated", "not running to be vacated"}
	suspending = act{"gsuspend", "Let the processes of running jobs stand still, and keep their places", "suspend", "suspended", "have been suspended", "not running to be suspended"}
	continuing = act{"gcontinue", "Let suspended jobs go on", "continue", "continued", "have been continued", "not suspended to be continued"}
)

// Remove is grm.
func Remove(d *Deps) *cobra.Command { return removal.command(d) }

// Hold is ghold.
func Hold(d *Deps) *cobra.Command { return holding.command(d) }

// Release is grelease.
func Release(d *Deps) *cobra.Command { return release.command(d) }

// Vacate is gvacate.
func Vacate(d *Deps) *cobra.Command { return vacating.command(d) }

// Suspend is gsuspend.
func Suspend(d *Deps) *cobra.Command { return suspending.command(d) }

// Continue is gcontinue.
func Continue(d *Deps) *cobra.Command { return continuing.command(d) }

// selecting is which jobs a command means, and how it does something to some of them.
type selecting struct {
	Asks
	act         act
	all         bool
	constraints []string
	jobSet      string
	json        bool
	do          func(context.Context, *api.Client, api.Selection) (api.Acted, error)
}

// selection is how --help names jobs.
const selection = "{JOB ... | USER ... | --all | --constraint EXPRESSION | --jobset NAME}"

// selectionHelp is what that means.
const selectionHelp = `A JOB is a cluster (12), a job (12.0) or a range (12.0-9); a USER means all jobs of that
user. With a constraint, users only narrow it; with a job set, they say whose it is.
Several are done one after the other; the exit status is 0 when something was done.
`

func (o *selecting) flags(d *Deps, c *cobra.Command) *pflag.FlagSet {
	f := c.Flags()
	o.Flags(c)
	c.ValidArgsFunction = o.completeJobs(d)
	f.BoolVar(&o.all, "all", false, "all jobs that you may act on")
	f.StringArrayVar(&o.constraints, "constraint", nil, "jobs of which this ClassAd `expression` is true")
	f.StringVar(&o.jobSet, "jobset", "", "all jobs of the set of this `name`, those still to be made too")
	f.BoolVar(&o.json, "json", false, "print the answers as JSON, one a line")
	return f
}

func (a act) command(d *Deps) *cobra.Command {
	o := selecting{act: a}
	ask := api.Action{Verb: a.verb}
	c := &cobra.Command{
		Use:   a.use + " " + selection,
		Short: a.short,
		Long:  a.short + ".\n\n" + selectionHelp + ExitHelp,
		RunE:  func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args) },
	}
	o.do = func(ctx context.Context, client *api.Client, s api.Selection) (api.Acted, error) {
		ask := ask
		ask.Selection = s
		return client.Act(ctx, ask)
	}
	f := o.flags(d, c)
	f.StringVar(&ask.Reason, "reason", "", "`why`, for the event log and the ads")
	switch a.verb {
	case "hold":
		f.Int32Var(&ask.Subcode, "subcode", 0, "the hold's `number`, for programs")
	case "vacate":
		f.BoolVar(&ask.Fast, "fast", false, "without asking the jobs first")
	case "remove":
		f.BoolVar(&ask.Force, "forcex", false, "only jobs that are being removed (X): they go at once, whatever still runs of them")
	}
	return c
}

// run acts on the jobs that the arguments and options name.
func (o *selecting) run(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	constraint := allOf(o.constraints)
	// All are looked at before any is acted on.
	targets := make([]target, len(args))
	for i, a := range args {
		if targets[i], err = targetOf(a); err != nil {
			return err
		}
		if o.chosen(constraint) && targets[i].user == "" {
			return usage("name jobs, or a --constraint, or a --jobset: one of these")
		}
	}
	switch {
	case o.all && (len(args) > 0 || o.chosen(constraint)), !o.all && len(args) == 0 && !o.chosen(constraint), constraint != "" && o.jobSet != "":
		return usage("name jobs or users, or --all, or a --constraint, or a --jobset: one of these")
	case len(args) == 0:
		return o.many(ctx, d, client, api.Selection{All: o.all, Constraint: constraint, JobSet: o.jobSet})
	}
	acted, code := false, ExitDone
	for _, t := range targets {
		if t.user != "" {
			if err := o.many(ctx, d, client, api.Selection{Owner: t.user, Constraint: constraint, JobSet: o.jobSet}); err != nil {
				code = d.fail(o.act.use, err)
			} else {
				acted = true
			}
			continue
		}
		done, err := o.do(ctx, client, api.Selection{IDs: []string{t.run.String()}})
		if err != nil {
			if code == ExitDone && !acted {
				return err
			}
			fmt.Fprintf(d.Err, "%s: %s\n", t.run, grid.MessageOf(err))
			return said(ExitOf(err))
		}
		if o.json {
			if err := PrintJSON(d, done); err != nil {
				return err
			}
		}
		switch exit := o.tell(d, t.run, done); exit {
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

// chosen reports whether jobs are chosen by what they say.
func (o *selecting) chosen(constraint string) bool { return constraint != "" || o.jobSet != "" }

// target is jobs, or a user's.
type target struct {
	run  grid.Run
	user string
}

// targetOf reads an argument: what begins with a digit is jobs.
func targetOf(arg string) (t target, err error) {
	if arg == "" || '0' <= arg[0] && arg[0] <= '9' || strings.ContainsAny(arg, " \t/=") {
		t.run, err = grid.ParseRun(arg)
		return t, err
	}
	return target{user: arg}, nil
}

// many acts on jobs that are not named one by one.
func (o *selecting) many(ctx context.Context, d *Deps, client *api.Client, s api.Selection) error {
	done, err := o.do(ctx, client, s)
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
	if done.Changed+done.Already > 0 || done.Refused > 0 {
		return nil
	}
	switch {
	case s.JobSet != "" && done.Foreign > 0:
		return grid.Errorf(grid.Forbidden, "the job set %s of %s is not yours", s.JobSet, s.Owner)
	case s.JobSet != "":
		return grid.Errorf(grid.NotFound, "there is no job set %s in the queue: gjobset list shows all", s.JobSet)
	case s.Constraint != "":
		return grid.Errorf(grid.NotFound, "no job fits the constraint")
	case s.Owner != "":
		return grid.Errorf(grid.NotFound, "there is no job of %s that you may act on", s.Owner)
	}
	return nil
}

// tell says what became of one target.
func (o *selecting) tell(d *Deps, r grid.Run, done api.Acted) int {
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
	case done.Refused > 0 && done.Why != "":
		fmt.Fprintf(d.Err, "Job %s %s\n", r, done.Why)
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
