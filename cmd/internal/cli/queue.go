package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type queueOptions struct {
	jobOptions
	allUsers bool
	batch    bool
	noBatch  bool
	held     bool
	running  bool
	totals   bool
	watch    bool
	factory  bool
	dag      bool
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

They are shown by batches: the jobs of one batch_name, of one workflow's run, or of a
cluster. DONE counts those that have left the queue too. --nobatch, --run and --held give
each job a row, -af and --attributes print what you choose of their ads.

--watch shows the batches until you press q, again whenever something has happened; with
JOBs it ends when none of them is left. Where there is no terminal it prints each change.

States: I idle, R running, H held, > results on their way, C completed and kept,
X being removed, S suspended.
` + ExitHelp,
		Example: "  gq --why 12.0\n  gq --held\n  gq --constraint 'JobStatus == 5' -af:j HoldReason\n  gq --watch 12",
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf(c, "batch", "nobatch", "held", "hold", "run", "totals", "watch", "why", "factory", "dag"); err != nil {
				return err
			}
			if err := oneOf(c, "af", "attributes"); err != nil {
				return err
			}
			return o.run(c.Context(), d, args)
		},
	}
	o.Flags(c)
	c.ValidArgsFunction = o.completeJobs(d)
	f := c.Flags()
	f.BoolVar(&o.allUsers, "allusers", false, "jobs of all users")
	f.BoolVar(&o.batch, "batch", false, "a row for each batch, as is done anyway; with --json, the batches")
	f.BoolVar(&o.noBatch, "nobatch", false, "a row for each job")
	f.BoolVar(&o.held, "held", false, "only held jobs: since when, and why")
	f.BoolVar(&o.held, "hold", false, "the same, as HTCondor calls it")
	f.BoolVar(&o.running, "run", false, "only jobs that run, and where")
	f.BoolVar(&o.factory, "factory", false, "clusters whose jobs are made little by little (max_materialize, max_idle): their bounds, the next job, and what keeps it from being made")
	f.BoolVar(&o.dag, "dag", false, "a row for each job, those of a workflow's nodes under a row for its run")
	f.BoolVar(&o.totals, "totals", false, "print only the numbers")
	f.BoolVar(&o.watch, "watch", false, "go on showing the batches, with their progress")
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
	batches := api.BatchesQuery{IDs: q.IDs, Owner: q.Owner, Constraint: q.Constraint, Limit: min(o.limit, 10_000)}
	switch {
	case o.watch && !o.tabled():
		return usage("--watch shows batches: it goes with no other form")
	case o.watch:
		return d.live(ctx, client, 0, func(ctx context.Context) (view, error) { return o.look(ctx, d, client, batches) })
	case o.factory:
		return o.factories(ctx, d, client, status, api.FactoriesQuery{IDs: q.IDs, Owner: q.Owner})
	case o.batch && o.json:
		out, err := client.Batches(ctx, batches)
		if err != nil {
			return err
		}
		return PrintJSON(d, out)
	case !o.tabled():
		q.Constraint = allOf(append(o.constraints, o.table().only...))
		return o.printed(ctx, d, client, q, status)
	}
	fmt.Fprintf(d.Out, "\n\n%s\n", heading(d, status))
	found, err := o.show(ctx, d, client, q, batches)
	if err != nil {
		return err
	}
	if err := o.foot(ctx, d, client, found, status); err != nil {
		return err
	}
	fmt.Fprintln(d.Out)
	return nil
}

// printed prints jobs in a form that was asked for.
func (o *queueOptions) printed(ctx context.Context, d *Deps, client *api.Client, q api.JobsQuery, status api.Status) error {
	if o.print != nil && !o.print.noTitle {
		fmt.Fprintf(d.Out, "\n\n%s\n", heading(d, status))
	}
	found, err := o.jobs(ctx, d, client, q, nil)
	if err != nil || o.print == nil || o.print.noSummary {
		return err
	}
	return o.foot(ctx, d, client, found, status)
}

// foot prints how many jobs were found, and how many there are.
func (o *queueOptions) foot(ctx context.Context, d *Deps, client *api.Client, found api.Totals, status api.Status) error {
	all, err := client.Totals(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(d.Out)
	d.lines(numbers(found, all, status.You.User)...)
	return nil
}

// show prints a table, or with --totals none, and counts what it is of.
func (o *queueOptions) show(ctx context.Context, d *Deps, client *api.Client, q api.JobsQuery, batches api.BatchesQuery) (found api.Totals, err error) {
	switch {
	case o.totals && len(q.IDs) == 0 && q.Constraint == "":
		all, err := client.Totals(ctx)
		return totalsOf(all, q.Owner), err
	case o.dag:
		fmt.Fprintln(d.Out, o.table().head)
		return o.tree(ctx, d, client, q)
	case o.noBatch || o.held || o.running:
		table := o.table()
		q.Attributes, q.Evaluate, q.Constraint = table.attributes, true, allOf(append(o.constraints, table.only...))
		fmt.Fprintln(d.Out, table.head)
		return o.jobs(ctx, d, client, q, table.row)
	}
	out, err := client.Batches(ctx, batches)
	switch {
	case err != nil:
		return found, err
	case len(out.Batches) == 0 && len(q.IDs) > 0:
		return found, none(ctx, q.IDs, "queue", "ghistory")
	case !o.totals:
		d.lines(batchTable(out, false)...)
	}
	return out.Total, nil
}

func heading(d *Deps, s api.Status) string {
	return fmt.Sprintf("-- Schedd: %s : %s @ %s", s.Name, s.You.User, d.Now().Format("01/02/06 15:04:05"))
}

// lines prints rows of a table.
func (d *Deps) lines(lines ...line) {
	for _, l := range lines {
		fmt.Fprintln(d.Out, d.paint(l.colour, d.cut(l.text)))
	}
}

// jobs prints jobs one by one, each that row has a line for, and counts them.
func (o *queueOptions) jobs(ctx context.Context, d *Deps, client *api.Client, q api.JobsQuery, row func(*ad.Ad, time.Time) line) (found api.Totals, err error) {
	n, err := o.each(d, client.Jobs(ctx, q), func(a *ad.Ad) {
		found.Add(grid.Status(a.Int("JobStatus", 0)), 1)
		if o.print != nil {
			return
		}
		if l := row(a, d.Now()); l != later {
			d.lines(l)
		}
	})
	if err == nil && n == 0 && len(q.IDs) > 0 {
		err = none(ctx, q.IDs, "queue", "ghistory")
	}
	return found, err
}

// look is what --watch shows now.
func (o *queueOptions) look(ctx context.Context, d *Deps, client *api.Client, q api.BatchesQuery) (v view, err error) {
	status, err := client.Status(ctx)
	if err != nil {
		return v, err
	}
	out, err := client.Batches(ctx, q)
	if err != nil {
		return v, err
	}
	all, err := client.Totals(ctx)
	if err != nil {
		return v, err
	}
	v.index, v.over = status.Index, len(q.IDs) > 0 && len(out.Batches) == 0
	v.lines = append(v.lines, line{text: heading(d, status)}, line{})
	v.lines = append(v.lines, batchTable(out, true)...)
	v.lines = append(v.lines, line{})
	v.lines = append(v.lines, numbers(out.Total, all, status.You.User)...)
	v.lines = append(v.lines, line{}, line{dim, barLegend})
	return v, nil
}

// jobTable is one way to give each job a row.
type jobTable struct {
	only       []string // of which jobs: these constraints
	attributes []string
	head       string
	row        func(*ad.Ad, time.Time) line
}

func (o *queueOptions) table() jobTable {
	switch {
	case o.held:
		return jobTable{
			[]string{"JobStatus == 5"},
			[]string{"ClusterId", "ProcId", "Owner", "JobStatus", "EnteredCurrentStatus", "HoldReason", "HoldReasonCode", "HoldReasonSubCode"},
			" ID      OWNER          HELD_SINCE  CODE/SUB HOLD_REASON", heldRow,
		}
	case o.running:
		return jobTable{
			[]string{"JobStatus == 2 || JobStatus == 6 || JobStatus == 7"},
			append([]string{"RemoteHost"}, rowAttributes...),
			" ID      OWNER            SUBMITTED     RUN_TIME HOST(S)", runningRow,
		}
	}
	return jobTable{nil, rowAttributes, " ID      OWNER            SUBMITTED     RUN_TIME ST PRI SIZE   CMD", queueRow}
}

func queueRow(a *ad.Ad, now time.Time) line {
	r := rowOf(a, now)
	text := fmt.Sprintf(" %-7s %-14s %-11s %12s %-2c %-3d %-6.1f %s",
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
	return line{colour, text}
}

func heldRow(a *ad.Ad, _ time.Time) line {
	r := rowOf(a, time.Time{})
	code := fmt.Sprintf("%d/%d", a.Int("HoldReasonCode", 0), a.Int("HoldReasonSubCode", 0))
	return line{text: fmt.Sprintf(" %-7s %-14s %-11s %8s %s", r.id, r.owner, moment(time.Unix(a.Int("EnteredCurrentStatus", 0), 0)), code, grid.Printable(a.Text("HoldReason")))}
}

func runningRow(a *ad.Ad, now time.Time) line {
	r := rowOf(a, now)
	return line{text: fmt.Sprintf(" %-7s %-14s %-11s %12s %s", r.id, r.owner, moment(r.submitted), clock(r.runTime), grid.Printable(a.Text("RemoteHost")))}
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

// numbers are those of what was found, of the user and of all.
func numbers(found api.Totals, all api.QueueTotals, user string) []line {
	of := func(what string, t api.Totals) line {
		return line{text: fmt.Sprintf("Total for %s: %d jobs; %d completed, %d removed, %d idle, %d running, %d held, %d suspended",
			what, t.Total(), t.Completed, t.Removed, t.Idle, t.Running+t.Transferring, t.Held, t.Suspended)}
	}
	lines := []line{of("query", found), of(user, totalsOf(all, user)), of("all users", all.All)}
	if all.Leaving > 0 {
		lines = append(lines, line{text: fmt.Sprintf("%d removed jobs are on their way to the history", all.Leaving)})
	}
	return lines
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
