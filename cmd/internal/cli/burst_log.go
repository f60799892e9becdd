package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// asker is whom to ask, and about what since when.
func (o *burstOptions) asker(d *Deps) (client *api.Client, since int64, err error) {
	if since, err = sinceOf(o.since, d.Now()); err != nil {
		return nil, 0, err
	}
	client, err = o.Client(d)
	return client, since, err
}

func (o *burstOptions) log(ctx context.Context, d *Deps) error {
	client, since, err := o.asker(d)
	if err != nil {
		return err
	}
	q := o.q
	q.Since = since
	out, err := client.Journal(ctx, q)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	d.lines(noteLines(out.Notes, o.verbose)...)
	return nil
}

func noteLines(notes []api.Note, inputs bool) (out []line) {
	for i := range notes {
		n := &notes[i]
		about := n.Pool
		if n.Claim > 0 {
			about += fmt.Sprintf(" claim %d", n.Claim)
		}
		text := n.Text
		if len(n.Jobs) > 0 {
			text += " [" + idsText(n.Jobs) + "]"
		}
		if n.By != "" && n.What != "steer" {
			text += " (asked for by " + n.By + ")"
		}
		out = append(out, line{text: strings.TrimRight(fmt.Sprintf("%s  %-6s  %-16s  %s", time.UnixMilli(n.Time).Format(time.DateTime), n.What, grid.Printable(about), grid.Printable(text)), " ")})
		if inputs && n.Inputs != "" {
			out = append(out, line{text: "                     " + grid.Printable(n.Inputs)})
		}
	}
	return out
}

func (o *burstOptions) receipts(ctx context.Context, d *Deps) error {
	client, since, err := o.asker(d)
	if err != nil {
		return err
	}
	out, err := client.BurstReceipts(ctx, api.ReceiptsQuery{Pool: o.pool, Since: since})
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	for i := range out.Bursts {
		d.lines(burstReceipt(&out.Bursts[i])...)
	}
	return nil
}

func burstReceipt(r *api.BurstReceipt) []line {
	gone := "it goes on"
	if r.Gone > 0 {
		gone = "all gone at " + time.Unix(r.Gone, 0).Format(time.DateTime)
	}
	out := []line{
		{bold, fmt.Sprintf("Burst %d of %s: from %s, %s", r.Burst, grid.Printable(r.Pool), time.Unix(r.Began, 0).Format(time.DateTime), gone)},
		{text: fmt.Sprintf("  machines  %d asked for, %d started, %d used, %d came to nothing; %d at one time", r.Asked, r.Started, r.Used, r.Failed, r.Most)},
		{text: fmt.Sprintf("  minutes   %.2f there, %.2f with jobs, %.2f without; %d executions", r.Minutes, r.Busy, r.Idle, r.Runs)},
	}
	if r.Currency != "" {
		out = append(out, line{text: fmt.Sprintf("  cost      %.4f %s", r.Cost, r.Currency)})
	}
	return out
}
