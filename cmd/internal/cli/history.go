package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type historyOptions struct {
	jobOptions
	since   string
	forward bool
	epochs  bool
}

// History is ghistory.
func History(d *Deps) *cobra.Command {
	var o historyOptions
	c := &cobra.Command{
		Use:   "ghistory [JOB ...] [USER]",
		Short: "Show jobs that have left the queue",
		Long: `Show jobs that have left the queue, the latest to leave first: a cluster (12), a job
(12.0), a range (12.0-9), those of a user; without any, all. Of ids, the highest is first.

States: C completed, X removed.

With --epochs each execution that has ended has a row, also of jobs in the queue: the job
as that left it, of the highest job first and of a job its last. The latest hundred of a
job are kept, for as long as the job is.
` + ExitHelp,
		Example: "  ghistory --limit 20\n  ghistory --since 24h --owner alice\n  ghistory 12 -af:j ExitCode RemoveReason",
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf(c, "af", "attributes"); err != nil {
				return err
			}
			if err := oneOf(c, "epochs", "forward"); err != nil {
				return err
			}
			return o.run(c.Context(), d, args)
		},
	}
	o.Flags(c)
	c.Flags().IntVar(&o.limit, "match", 0, "the same as --limit")
	c.Flags().BoolVar(&o.forward, "forward", false, "the other way round: the first that left the queue first")
	c.Flags().BoolVar(&o.epochs, "epochs", false, "executions instead of jobs")
	c.Flags().StringVar(&o.since, "since", "", "only jobs that left the queue so long ago at most (90m, 24h), or at or after this `time` (2026-11-29, 2026-11-29T10:00:00Z)")
	return c
}

// sinceOf is a time in seconds since 1970; 0 for none.
func sinceOf(text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago).Unix(), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t.Unix(), nil
		}
	}
	return 0, usage(fmt.Sprintf("--since %s is neither a duration, such as 24h, nor a time, such as 2026-11-29 or 2026-11-29T10:00:00Z", text))
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
	since, err := sinceOf(o.since, d.Now())
	if err != nil {
		return err
	}
	if o.epochs {
		return o.executions(ctx, d, client, api.HistoryQuery{JobsQuery: q, Since: since, Epochs: true})
	}
	if o.tabled() {
		fmt.Fprintln(d.Out, " ID      OWNER            SUBMITTED     RUN_TIME ST COMPLETED   CMD")
	}
	n, err := o.each(d, client.History(ctx, api.HistoryQuery{JobsQuery: q, Since: since, Forward: o.forward}), func(a *ad.Ad) {
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

// executions prints one execution after the other.
func (o *historyOptions) executions(ctx context.Context, d *Deps, client *api.Client, q api.HistoryQuery) error {
	if o.tabled() {
		q.Attributes = append(slices.Clone(rowAttributes), "RunInstanceID", "EpochWriteDate", "LastRemoteWallClockTime", "RemoteHost", "VacateReason", "HoldReason", "RemoveReason")
		fmt.Fprintln(d.Out, " ID      OWNER          RUN  ENDED           RUN_TIME ST HOST             WHY")
	}
	n, err := o.each(d, client.History(ctx, q), func(a *ad.Ad) {
		r := rowOf(a, d.Now())
		why := ""
		switch r.status {
		case grid.Idle:
			why = a.Text("VacateReason")
		case grid.Held:
			why = a.Text("HoldReason")
		case grid.Removed:
			why = a.Text("RemoveReason")
		}
		line := fmt.Sprintf(" %-7s %-14s %-4d %-11s %12s %-2c %-16s %s", r.id, r.owner, a.Int("RunInstanceID", 0), moment(time.Unix(a.Int("EpochWriteDate", 0), 0)),
			clock(time.Duration(a.Int("LastRemoteWallClockTime", 0))*time.Second), r.status.Letter(), grid.Printable(a.Text("RemoteHost")), grid.Printable(why))
		fmt.Fprintln(d.Out, d.cut(strings.TrimRight(line, " ")))
	})
	if err == nil && n == 0 && len(q.IDs) > 0 {
		return grid.Errorf(grid.NotFound, "no execution of such jobs has ended, or their history is not kept any more")
	}
	return err
}
