package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
)

type historyOptions struct{ jobOptions }

// History is ghistory.
func History(d *Deps) *cobra.Command {
	var o historyOptions
	c := &cobra.Command{
		Use:   "ghistory [JOB ...] [USER]",
		Short: "Show jobs that have left the queue",
		Long: `Show jobs that have left the queue, newest id first: a cluster (12), a job (12.0), a
range (12.0-9), those of a user; without any, all.

States: C completed, X removed.
` + ExitHelp,
		Example: "  ghistory --limit 20\n  ghistory 12 -af:j ExitCode RemoveReason",
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf(c, "af", "attributes"); err != nil {
				return err
			}
			return o.run(c.Context(), d, args)
		},
	}
	o.Flags(c)
	c.Flags().IntVar(&o.limit, "match", 0, "the same as --limit")
	return c
}

func (o *historyOptions) run(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	q, err := o.query(args)
	if err != nil {
		return err
	}
	if o.tabled() {
		fmt.Fprintln(d.Out, " ID      OWNER            SUBMITTED     RUN_TIME ST COMPLETED   CMD")
	}
	n, err := o.each(d, client.History(ctx, q), func(a *ad.Ad) {
		r := rowOf(a, d.Now())
		done := "???"
		if !r.completed.IsZero() {
			done = moment(r.completed)
		}
		line := fmt.Sprintf(" %-7s %-14s %-11s %12s %-2c %-11s %s", r.id, r.owner, moment(r.submitted), clock(r.runTime), r.status.Letter(), done, r.cmd)
		fmt.Fprintln(d.Out, d.cut(line))
	})
	if err == nil && n == 0 && len(q.IDs) > 0 {
		return none(ctx, q.IDs, "history", "gq")
	}
	return err
}
