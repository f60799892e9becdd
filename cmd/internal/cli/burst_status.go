package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type burstOptions struct {
	Asks
	json, verbose bool
	q             api.JournalQuery
	since         string
	pool          string
}

// burstCommands are what gburst asks a schedd, and tells one.
func burstCommands(d *Deps) []*cobra.Command {
	var o burstOptions
	list := []*cobra.Command{
		{
			Use: "status", Short: "Show the pools: machines, limits, budgets, and who has steered them",
			Long: `Show each pool of virtual machines that come and go by demand: how many there are and
what they are at, how many more there may be and by what, what is left of its budgets, and
whether somebody has paused, drained or capped it.

What is promised counts as spent: a machine that is on its way, or of which it is not known
whether it is there, costs as if it ran.
` + ExitHelp,
			Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return o.status(c.Context(), d) },
		},
		{
			Use: "plan", Short: "Say what would be started and let go now, and why, without doing it",
			Long: `Say which virtual machines would be started now, which let go, which jobs would wait for
machines on their way, and which get none and why. It is the decision of the schedd itself,
on the same input; nothing is done by asking.
` + ExitHelp,
			Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return o.plan(c.Context(), d) },
		},
		{
			Use: "log", Short: "Say what was done about machines and not done, and why",
			Long: `Print the journal: each start, end and refusal of a virtual machine, each time that one is
not started although jobs could use it, each command that steers a pool, with its reason.
While the answer stays the same it is told once. The last 20,000 lines are kept.

--job also finds what became of the machines that were started for the job.
` + ExitHelp,
			Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return o.log(c.Context(), d) },
		},
		{
			Use: "receipts", Short: "Say what bursts have used and cost",
			Long: `Print a receipt for each burst: machines that were asked for, started and used, how long
they were there and how long they had nothing to do, what that cost, and when all were gone.

A burst begins with the first machine of a pool that is wished for, and ends when all of the
pool are gone.
` + ExitHelp,
			Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return o.receipts(c.Context(), d) },
		},
	}
	for i, c := range list {
		o.Flags(c)
		c.Flags().BoolVar(&o.json, "json", false, "print it as JSON")
		switch i {
		case 2:
			c.Flags().StringVar(&o.q.Job, "job", "", "only what was said of this `job`, and of machines for it")
			c.Flags().StringVar(&o.q.VM, "vm", "", "only what was said of the machine of this `name` or claim")
			c.Flags().StringVar(&o.q.Pool, "pool", "", "only what was said of this `pool`")
			c.Flags().IntVar(&o.q.Limit, "limit", 1000, "at most so many lines, the newest")
			c.Flags().StringVar(&o.since, "since", "", "only what came later: a `time` (2006-01-02 15:04:05) or how long ago (90m)")
			c.Flags().BoolVar(&o.verbose, "inputs", false, "print what each rested on, too")
		case 3:
			c.Flags().StringVar(&o.pool, "pool", "", "only bursts of this `pool`")
			c.Flags().StringVar(&o.since, "since", "", "only those that were not over at that `time` (2006-01-02 15:04:05), or so long ago (24h)")
		}
	}
	return append(list, steersPools().commands(d, &o.Asks, true)...)
}

// steersPools is the commands that change how a pool goes on.
func steersPools() *steering {
	return &steering{
		what: "Pool", of: "machines", shows: "gburst status",
		uses: []struct{ use, short, long string }{
			{"pause POOL", "Start no more machines of a pool", "Start no more machines of a pool. Those that are there go on, and go when they are idle."},
			{"drain POOL", "Start no more machines of a pool, and let those go that are there", "Start no more machines of a pool, and give those that are there no more jobs. Each goes\nwhen it has none; no running job is ended. Machines on their way are given up."},
			{"resume POOL", "Let a pool go on that was paused or drained", "Let a pool go on that was paused or drained. A cap stays."},
			{"cap POOL N|none", "Bound the machines of a pool by a command", "Bound the machines of a pool, beside what the configuration says; none lifts that. A cap\nbelow what is there starts nothing and ends nothing."},
		},
		post: func(c *api.Client) func(context.Context, string, string, api.Steer) error { return c.SteerBurst },
	}
}

func (o *burstOptions) status(ctx context.Context, d *Deps) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.Bursts(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	d.lines(poolLines(out.Pools)...)
	return nil
}

func poolLines(pools []api.BurstPool) (out []line) {
	if len(pools) == 0 {
		return []line{{text: "No pool: no resource of the configuration has burst { }."}}
	}
	for i := range pools {
		p := &pools[i]
		out = append(out, line{bold, fmt.Sprintf("%s (template %s): %s", grid.Printable(p.Name), grid.Printable(p.Template), steeredTo(&p.Steered))})
		if by := steeredBy(&p.Steered); by != "" {
			out = append(out, line{text: "  " + by})
		}
		out = append(out, line{text: fmt.Sprintf("  machines  %d: %d on their way, %d serve (%d idle), %d drain, %d go", p.Open, p.Starting, p.Serving, p.Idle, p.Draining, p.Stopping)})
		if p.Unknown > 0 {
			out = append(out, line{text: fmt.Sprintf("            of %d it is not known whether they are there", p.Unknown)})
		}
		more := "no bound"
		if p.Room >= 0 {
			more = strconv.Itoa(p.Room)
		}
		out = append(out, line{text: fmt.Sprintf("  more      %s; one takes %s", more, seconds(p.Boot))})
		for _, b := range p.Bounds {
			if b.Left == 0 {
				out = append(out, line{text: "            " + grid.Printable(b.Text)})
			}
		}
		for _, m := range p.Purses {
			out = append(out, line{text: "  money     " + purseText(&m)})
		}
	}
	return out
}

func purseText(m *api.Purse) string {
	of := ""
	if m.Owner != "" {
		of = " for " + grid.Printable(m.Owner)
	}
	return fmt.Sprintf("%s%s: %.2f of %.2f %s spent or promised", grid.Printable(strings.TrimPrefix(m.Name, "the budget ")), of, m.Spent, m.Limit, m.Currency)
}

func (o *burstOptions) plan(ctx context.Context, d *Deps) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.PlanBursts(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	d.lines(planLines(&out)...)
	return nil
}

func planLines(p *api.BurstPlan) []line {
	out := []line{{bold, fmt.Sprintf("%s jobs wait that no slot takes now; this would be done:", strconv.Itoa(p.Waiting))}}
	say := func(format string, args ...any) {
		out = append(out, line{text: "  " + grid.Printable(fmt.Sprintf(format, args...))})
	}
	for i := range p.Start {
		s := &p.Start[i]
		cost := ""
		if s.Money != "" {
			cost = fmt.Sprintf(", for %.4f %s at least", s.Cost, s.Money)
		}
		say("start  a machine of %s for %s%s", s.Pool, idsText(s.Jobs), cost)
		say("       %s", s.Reason)
	}
	for _, b := range p.Bind {
		say("bind   %s to claim %d, whose machine is on its way", idsText(b.Jobs), b.Claim)
	}
	for _, m := range p.Keep {
		say("keep   claim %d (%s of %s): %s", m.Claim, m.VM, m.Pool, m.Reason)
	}
	for _, m := range p.Drain {
		say("drain  claim %d (%s of %s): %s", m.Claim, m.VM, m.Pool, m.Reason)
	}
	for i := range p.Refused {
		r := &p.Refused[i]
		say("not    for %d jobs of %s at %s: %s", r.Jobs, r.Owner, r.Pool, r.Text)
		if r.Help != "" {
			say("       %s", r.Help)
		}
	}
	if len(out) == 1 {
		say("nothing")
	}
	return append(append(out, line{}), poolLines(p.Pools)...)
}

func idsText(ids []string) string {
	switch {
	case len(ids) == 0:
		return "nobody yet"
	case len(ids) > 8:
		return strings.Join(ids[:8], " ") + fmt.Sprintf(" and %d more jobs", len(ids)-8)
	}
	return strings.Join(ids, " ")
}
