package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type machineOptions struct {
	Asks
	all, json, boot, receipts bool
}

// Machines is gvm.
func Machines(d *Deps) *cobra.Command {
	var o machineOptions
	c := &cobra.Command{
		Use:   "gvm",
		Short: "Show the virtual machines that this schedd has of its resources",
		Long: `Show the virtual machines that this schedd has of its resources, from the wish for
one to the proof that it is gone.

Kinds: overflow (a worker, for jobs that the pool cannot run soon), made (a job that is
the machine), borrowed (a job that is a machine which existed before).

--receipts tells of each, also of those that are gone, why it was wished for, when it came
and went, what it ran, for how long it was there and what that cost (where the resource
has a price_per_hour), and how it was seen gone. --boot tells how long machines take from
the wish for one until it serves, by resource and template, as earlier ones have shown it:
half of them were there within the first time, 90 and 99 of a hundred within the others.
` + ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneOf(c, "receipts", "boot"); err != nil {
				return err
			}
			if o.boot {
				return o.boots(c.Context(), d)
			}
			return o.list(c.Context(), d)
		},
	}
	o.Flags(c)
	c.Flags().BoolVar(&o.all, "all", false, "also those that are gone")
	c.Flags().BoolVar(&o.json, "json", false, "print it as JSON")
	c.Flags().BoolVar(&o.receipts, "receipts", false, "tell of each machine what it was for, also of those that are gone")
	c.Flags().BoolVar(&o.boot, "boot", false, "tell how long machines take until they serve")
	for verb, short := range map[string]string{
		"drain": "Give a machine no more jobs; it goes when it has none", "undrain": "Take a drain back", "stop": "Stop a machine, whatever it does, and remove it",
	} {
		c.AddCommand(&cobra.Command{
			Use: verb + " CLAIM ...", Short: short, Args: cobra.MinimumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return o.act(c.Context(), d, verb, args) },
		})
	}
	c.AddCommand(o.straysCommand(d))
	return c
}

func (o *machineOptions) list(ctx context.Context, d *Deps) error {
	client, err := o.NodeClient(d)
	if err != nil {
		return err
	}
	out, err := client.Claims(ctx, o.all || o.receipts)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	if o.receipts {
		d.lines(receipts(out.Claims)...)
		return nil
	}
	d.lines(claimTable(out.Claims, d.Now())...)
	return nil
}

// claimTable is a heading and a row for each virtual machine.
func claimTable(claims []api.Claim, now time.Time) []line {
	lines := []line{{bold, fmt.Sprintf("%5s %-9s %-9s %-12s %-20s %-8s %11s  %s", "Claim", "State", "Kind", "Resource", "Machine", "Job", "Since", "Why")}}
	for i := range claims {
		lines = append(lines, line{text: claimLine(&claims[i], now)})
	}
	return lines
}

func claimLine(c *api.Claim, now time.Time) string {
	why := c.Waits
	if why == "" {
		why = c.Reason
	}
	return fmt.Sprintf("%5d %-9s %-9s %-12s %-20s %-8s %11s  %s", c.ID, c.State, c.Kind, grid.Printable(c.Resource), grid.Printable(c.Name), c.Job,
		clock(now.Sub(time.Unix(c.Entered, 0))), grid.Printable(why))
}

func (o *machineOptions) act(ctx context.Context, d *Deps, verb string, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	done := map[string]string{"drain": "is being drained", "undrain": "is given jobs again", "stop": "is being stopped"}[verb]
	for _, a := range args {
		id, err := number(a)
		if err != nil {
			return err
		}
		if err := client.ActOnClaim(ctx, id, verb); err != nil {
			return err
		}
		fmt.Fprintf(d.Out, "Claim %d %s.\n", id, done)
	}
	return nil
}

type tokenOptions struct {
	Asks
	json bool
}

// Token is gtoken.
func Token(d *Deps) *cobra.Command {
	var o tokenOptions
	c := &cobra.Command{
		Use:   "gtoken WORKER",
		Short: "Let a worker of another host join",
		Long: `Make a one-time token with which a worker of another host may join under the name
WORKER. The token is printed, for gworker --token-file; it is good for a day, and an
earlier one for the name is void. What else the worker needs is said on standard error;
--json prints all of it.
` + ExitHelp,
		Example: "  gtoken node7 >token && scp token node7:\n  node7$ gworker --schedd https://HEAD:9618 --ca ca.pem --token-file token --name node7",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args[0]) },
	}
	o.Flags(c)
	c.Flags().BoolVar(&o.json, "json", false, "print the token, where the schedd is, and its authority as JSON")
	return c
}

func (o *tokenOptions) run(ctx context.Context, d *Deps, worker string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.Invite(ctx, worker)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	fmt.Fprintln(d.Out, out.Token)
	fmt.Fprintf(d.Err, "The schedd is at %s; its authority has the fingerprint %s.\n", out.Schedd, out.Fingerprint)
	return nil
}
