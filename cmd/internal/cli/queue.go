package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type queueOptions struct {
	jobOptions
	allUsers bool
	noBatch  bool
	totals   bool
	why      string
}

// Queue is gq.
func Queue(d *Deps) *cobra.Command {
	var o queueOptions
	c := &cobra.Command{
		Use:   "gq [JOB ...] [USER]",
		Short: "Show the queue",
		Long: `Show jobs in the queue: a cluster (12), a job (12.0), a range (12.0-9), those of a
user; without any, one's own, and for root everybody's.

States: I idle, R running, H held, > results on their way, C completed and kept,
X being removed, S suspended.
` + ExitHelp,
		Example: "  gq --why 12.0\n  gq --constraint 'JobStatus == 5' -af:j HoldReason",
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args) },
	}
	o.Flags(c)
	f := c.Flags()
	f.BoolVar(&o.allUsers, "allusers", false, "jobs of all users")
	f.BoolVar(&o.noBatch, "nobatch", false, "one row for each job, as is always done; for HTCondor's habits")
	f.BoolVar(&o.totals, "totals", false, "print only the numbers")
	f.StringVar(&o.why, "why", "", "say why this `job` does not run")
	return c
}

func (o *queueOptions) run(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	if o.why != "" {
		return o.explain(ctx, d, client)
	}
	q, err := o.query(args)
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if len(q.IDs) == 0 && q.Owner == "" && q.Constraint == "" && !o.allUsers && status.You.UID != 0 {
		q.Owner = status.You.User
	}
	tabled := o.tabled()
	if tabled {
		fmt.Fprintf(d.Out, "\n\n-- Schedd: %s : %s @ %s\n", status.Name, status.You.User, d.Now().Format("01/02/06 15:04:05"))
		if !o.totals {
			fmt.Fprintln(d.Out, " ID      OWNER            SUBMITTED     RUN_TIME ST PRI SIZE   CMD")
		}
	}
	if tabled && o.totals && len(q.IDs) == 0 && q.Constraint == "" {
		return o.numbers(ctx, d, client, q.Owner, status.You.User)
	}
	var found api.Totals
	n, err := o.each(d, client.Jobs(ctx, q), func(a *ad.Ad) {
		r := rowOf(a, d.Now())
		count(&found, r.status)
		if !o.totals {
			o.row(d, &r)
		}
	})
	if err != nil {
		return err
	}
	if tabled {
		if err := o.footer(ctx, d, client, found, status.You.User); err != nil {
			return err
		}
	}
	if n == 0 && len(q.IDs) > 0 {
		return none(ctx, q.IDs, "queue", "ghistory")
	}
	return nil
}

func (o *queueOptions) row(d *Deps, r *jobRow) {
	line := fmt.Sprintf(" %-7s %-14s %-11s %12s %-2c %-3d %-6.1f %s",
		r.id, r.owner, moment(r.submitted), clock(r.runTime), r.status.Letter(), r.prio, r.sizeMB, r.cmd)
	colour := ""
	switch r.status {
	case grid.Running, grid.TransferringOutput:
		colour = green
	case grid.Held:
		colour = red
	case grid.Removed, grid.Completed:
		colour = dim
	}
	fmt.Fprintln(d.Out, d.paint(colour, d.cut(line)))
}

func count(t *api.Totals, s grid.Status) {
	switch s {
	case grid.Idle:
		t.Idle++
	case grid.Running:
		t.Running++
	case grid.Removed:
		t.Removed++
	case grid.Completed:
		t.Completed++
	case grid.Held:
		t.Held++
	case grid.TransferringOutput:
		t.Transferring++
	case grid.Suspended:
		t.Suspended++
	}
}

// footer prints the numbers of what was found, of the user and of all.
func (o *queueOptions) footer(ctx context.Context, d *Deps, client *api.Client, found api.Totals, user string) error {
	all, err := client.Totals(ctx)
	if err != nil {
		return err
	}
	printTotals(d, found, all, user)
	return nil
}

// numbers are those of an owner ("": of all), without looking at jobs.
func (o *queueOptions) numbers(ctx context.Context, d *Deps, client *api.Client, owner, user string) error {
	all, err := client.Totals(ctx)
	if err != nil {
		return err
	}
	printTotals(d, totalsOf(all, owner), all, user)
	return nil
}

// totalsOf are an owner's; of all without a name.
func totalsOf(all api.QueueTotals, owner string) api.Totals {
	if owner == "" {
		return all.All
	}
	for _, t := range all.Owners {
		if t.Owner == owner {
			return t.Totals
		}
	}
	return api.Totals{}
}

func printTotals(d *Deps, found api.Totals, all api.QueueTotals, user string) {
	line := func(of string, t api.Totals) {
		fmt.Fprintf(d.Out, "Total for %s: %d jobs; %d completed, %d removed, %d idle, %d running, %d held, %d suspended\n",
			of, t.Total(), t.Completed, t.Removed, t.Idle, t.Running+t.Transferring, t.Held, t.Suspended)
	}
	fmt.Fprintln(d.Out)
	line("query", found)
	line(user, totalsOf(all, user))
	line("all users", all.All)
	if all.Leaving > 0 {
		fmt.Fprintf(d.Out, "%d removed jobs are on their way to the history\n", all.Leaving)
	}
	fmt.Fprintln(d.Out)
}

func (o *queueOptions) explain(ctx context.Context, d *Deps, client *api.Client) error {
	why, err := client.Why(ctx, o.why)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, why)
	}
	fmt.Fprint(d.Out, why.Text)
	return nil
}
