package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// receipts are what machines were for, a few lines each.
func receipts(claims []api.Claim) (out []line) {
	for i := range claims {
		if i > 0 {
			out = append(out, line{})
		}
		out = append(out, receipt(&claims[i])...)
	}
	return out
}

func receipt(c *api.Claim) []line {
	out := []line{{bold, fmt.Sprintf("Claim %d: %s of %s, %s, %s", c.ID, grid.Printable(c.Name), grid.Printable(c.Resource), c.Kind, c.State)}}
	say := func(at int64, what, text string) {
		when := "-"
		if at > 0 {
			when = time.Unix(at, 0).Format(time.DateTime)
		}
		out = append(out, line{text: strings.TrimRight(fmt.Sprintf("  %-19s  %-7s  %s", when, what, grid.Printable(text)), " ")})
	}
	r := c.Receipt
	if r == nil {
		say(c.Wanted, "wanted", "")
		say(c.Entered, c.State, c.Reason)
		out = append(out, line{text: "  It has no receipt: it was wished for by an older program."})
		return out
	}
	why := r.Why
	if r.Template != "" {
		why += ", from template " + r.Template
	}
	say(c.Wanted, "wanted", why)
	for _, s := range []struct {
		at         int64
		what, text string
	}{{r.Made, "made", c.VM}, {r.Started, "started", ""}, {r.Ready, "ready", ""}, {r.Ended, "ended", c.Reason}} {
		if s.at > 0 {
			say(s.at, s.what, s.text)
		}
	}
	if r.Gone > 0 && r.Seen != "" {
		say(r.Gone, "gone", r.Seen)
	}
	out = append(out, line{text: "  " + ranText(r) + "; " + lastedText(r) + "."})
	return out
}

// ranText is what a machine ran.
func ranText(r *api.Receipt) string {
	if r.Runs == 0 {
		return "it ran nothing"
	}
	text := fmt.Sprintf("it ran %d times: ", r.Runs)
	if r.Runs == 1 {
		text = "it ran once: "
	}
	if int(r.Runs) > len(r.Jobs) {
		text += "last "
	}
	return text + strings.Join(r.Jobs, " ")
}

// lastedText is how long it was there, and for how much.
func lastedText(r *api.Receipt) string {
	text := fmt.Sprintf("%.1f minutes", r.Minutes)
	if r.Currency != "" {
		text += fmt.Sprintf(", %.4f %s", r.Cost, r.Currency)
	}
	return text
}

// boots tells how long machines take.
func (o *machineOptions) boots(ctx context.Context, d *Deps) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.Boots(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	d.lines(bootTable(out.Boots)...)
	return nil
}

func bootTable(boots []api.Boot) []line {
	lines := []line{{bold, fmt.Sprintf("%-12s %-16s %-9s %8s %9s %9s %9s", "Resource", "Template", "Kind", "Machines", "50%", "90%", "99%")}}
	for i := range boots {
		b := &boots[i]
		text := fmt.Sprintf("%-12s %-16s %-9s %8d %9s %9s %9s", grid.Printable(b.Resource), grid.Printable(b.Template), b.Kind, b.Samples, seconds(b.P50), seconds(b.P90), seconds(b.P99))
		if !b.Learned {
			text += "  as configured (boot_time): fewer than 5 have shown it"
		}
		lines = append(lines, line{text: text})
	}
	return lines
}

func seconds(s float64) string { return fmt.Sprintf("%.1fs", s) }
