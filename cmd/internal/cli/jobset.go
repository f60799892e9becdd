package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

type jobSetOptions struct {
	Asks
	key      string
	owner    string
	reason   string
	allUsers bool
	dry      bool
	json     bool
}

// JobSets is gjobset.
func JobSets(d *Deps) *cobra.Command {
	var o jobSetOptions
	c := &cobra.Command{
		Use:   "gjobset",
		Short: "Hand in, show and remove job sets: clusters under one name",
		Long: `Hand in, show and remove job sets.

A job set is the clusters of one owner whose job files say jobset = NAME. It begins with
the first, and is gone when none of them has a job in the queue. ghold, grelease, grm and
their like act on all of it with --jobset NAME.

gjobset submit reads a file in HTCondor's form, which makes each of its jobs once for
each row of a table:

  name = measurements
  iterator = table data, size {
      a.dat, 10
      b.dat, 20
  }
  job {
      executable = fit
      arguments  = --size $(size) $(data)
  }
  job file=data {
      executable = plot
      arguments  = $(file)
  }

` + ExitHelp,
		Example: "  gjobset submit measurements.set\n  gjobset status measurements\n  gjobset remove measurements",
	}
	o.Flags(c)
	sub := func(use, short string, args cobra.PositionalArgs, run func(context.Context, *Deps, []string) error) *cobra.Command {
		s := &cobra.Command{
			Use: use, Short: short, Args: args,
			RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), d, args) },
		}
		s.Flags().BoolVar(&o.json, "json", false, "print the answer as JSON")
		c.AddCommand(s)
		return s
	}
	s := sub("submit FILE", "Hand in a job set: all of it, or nothing", cobra.ExactArgs(1), o.submit)
	s.Flags().StringVar(&o.key, "key", "", "the same `key` again is the same submission (default: a new one)")
	s.Flags().BoolVar(&o.dry, "dry-run", false, "print the jobs' ads; hand in nothing")
	s = sub("list", "Show the job sets in the queue", cobra.NoArgs, o.list)
	s.Flags().BoolVar(&o.allUsers, "allusers", false, "those of all users")
	s.Flags().StringVar(&o.owner, "owner", "", "those of this `user`")
	s = sub("status NAME", "Show a job set and its batches", cobra.ExactArgs(1), o.status)
	s.Flags().StringVar(&o.owner, "owner", "", "of this `user`")
	s = sub("remove NAME", "Remove all jobs of a set", cobra.ExactArgs(1), o.remove)
	s.Flags().StringVar(&o.owner, "owner", "", "the set of this `user`, for administrators")
	s.Flags().StringVar(&o.reason, "reason", "", "`why`, for the event log and the ads")
	return c
}

func (o *jobSetOptions) submit(ctx context.Context, d *Deps, args []string) error {
	name, src, err := readSource(d, args[0])
	if err != nil {
		return err
	}
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil && !o.dry {
		return err
	}
	site, err := here(d, status)
	if err != nil {
		return err
	}
	set, specs, diags := submit.LowerSet(name, src, site, jobfile.OS{})
	if diags.HasErrors() {
		return diags.Err()
	}
	d.Diagnose(diags)
	as := submitOptions{json: o.json}
	if o.dry {
		return as.show(d, specs)
	}
	out, err := client.Submit(ctx, api.Submission{Key: o.key, Specs: specs})
	if err != nil {
		return err
	}
	for _, w := range out.Warnings {
		fmt.Fprintf(d.Err, "Warning: %s\n", grid.Printable(w))
	}
	if err := as.tell(d, out); err != nil || o.json {
		return err
	}
	fmt.Fprintf(d.Out, "Job set %s has %d cluster(s) more.\n", grid.Printable(set.Name), len(out.Clusters))
	return nil
}

func (o *jobSetOptions) list(ctx context.Context, d *Deps, _ []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	q := api.JobSetsQuery{Owner: o.owner}
	if q.Owner == "" && !o.allUsers && status.You.UID != 0 {
		q.Owner = status.You.User
	}
	out, err := client.JobSets(ctx, q)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	fmt.Fprintf(d.Out, "\n\n%s\n", heading(d, status))
	d.lines(setTable(out.Sets)...)
	fmt.Fprintln(d.Out)
	return nil
}

// the is the one set of that name, and its owner.
func (o *jobSetOptions) the(ctx context.Context, client *api.Client, name string) (set api.JobSet, status api.Status, err error) {
	if status, err = client.Status(ctx); err != nil {
		return set, status, err
	}
	owner := cmp.Or(o.owner, status.You.User)
	out, err := client.JobSets(ctx, api.JobSetsQuery{Owner: owner, Name: name})
	if err == nil && len(out.Sets) == 0 {
		err = grid.Errorf(grid.NotFound, "%s has no job set %s in the queue: gjobset list --allusers shows all, ghistory those that have ended", owner, name)
	}
	if err != nil {
		return set, status, err
	}
	return out.Sets[0], status, nil
}

func (o *jobSetOptions) status(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	set, status, err := o.the(ctx, client, args[0])
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, set)
	}
	batches, err := client.Batches(ctx, api.BatchesQuery{Owner: set.Owner, Constraint: submit.SetAttr + " is " + ad.Quote(set.Name)})
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "\n\n%s\n", heading(d, status))
	d.lines(setTable([]api.JobSet{set})...)
	fmt.Fprintln(d.Out)
	d.lines(batchTable(batches, false)...)
	fmt.Fprintf(d.Out, "\n%d jobs; %d completed, %d removed, %d idle, %d running, %d held, %d suspended\n\n", set.Jobs,
		set.Completed+set.Left.Completed, set.Removed+set.Left.Removed, set.Idle, set.Running+set.Transferring, set.Held, set.Suspended)
	return nil
}

func (o *jobSetOptions) remove(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	act := selecting{act: removal, json: o.json}
	act.do = func(ctx context.Context, client *api.Client, s api.Selection) (api.Acted, error) {
		return client.Act(ctx, api.Action{Verb: removal.verb, Selection: s, Reason: o.reason})
	}
	return act.many(ctx, d, client, api.Selection{JobSet: args[0], Owner: o.owner})
}

// setTable is a table of job sets.
func setTable(sets []api.JobSet) []line {
	owner, name, held := len("OWNER"), len("SET_NAME"), false
	for i := range sets {
		owner, name = max(owner, len(grid.Printable(sets[i].Owner))), max(name, len(grid.Printable(sets[i].Name)))
		held = held || sets[i].Held > 0
	}
	row := func(who, what, when string, numbers ...string) string {
		s := fmt.Sprintf("%-*s %-*s %-11s", owner, who, name, what, when)
		for i, n := range numbers {
			if held || i != 3 {
				s += fmt.Sprintf(" %8s", n)
			}
		}
		return s
	}
	lines := []line{{bold, row("OWNER", "SET_NAME", "SUBMITTED", "DONE", "RUN", "IDLE", "HOLD", "TOTAL", "CLUSTERS")}}
	number := func(n int) string {
		if n == 0 {
			return "_"
		}
		return strconv.Itoa(n)
	}
	for _, s := range sets {
		r := batchRow{run: s.Running + s.Transferring + s.Suspended, held: s.Held}
		lines = append(lines, line{r.colour(), row(grid.Printable(s.Owner), grid.Printable(s.Name), moment(time.Unix(s.Submitted, 0)),
			number(s.Left.Total()+s.Completed), number(r.run), number(s.Idle), number(s.Held), number(s.Jobs), number(s.Clusters))})
	}
	return lines
}
