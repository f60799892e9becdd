package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
)

type topOptions struct {
	Asks
	once  bool
	every time.Duration
}

// Top is gtop.
func Top(d *Deps) *cobra.Command {
	var o topOptions
	c := &cobra.Command{
		Use:   "gtop",
		Short: "Watch the schedd: rates, users, machines, virtual machines",
		Long: `Watch what the schedd does, until you press q: how many jobs start and end, whose jobs
they are, what is in use of the pool's machines, and what becomes of virtual machines.

Rates are those of the last minute, of jobs that you may see. Where there is no terminal,
or with --once, it prints one view and ends.
` + ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	o.Flags(c)
	c.Flags().BoolVar(&o.once, "once", false, "print one view and end")
	c.Flags().DurationVar(&o.every, "every", 2*time.Second, "look again after this `time` though nothing happens")
	return c
}

func (o *topOptions) run(ctx context.Context, d *Deps) error {
	if o.every < calm {
		return usage(fmt.Sprintf("--every %s: at least %s", o.every, calm))
	}
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	if o.once || d.terminal == nil {
		v, err := topView(ctx, d, client, nil)
		d.lines(v.lines...)
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer stop()
	r := &rates{began: d.Now()}
	following.Go(func() { r.follow(ctx, d, client) })
	return d.live(ctx, client, o.every, func(ctx context.Context) (view, error) { return topView(ctx, d, client, r) })
}

// rateWindow is what rates are taken over.
const rateWindow = time.Minute

// rates counts what happens, by seconds of the last minute.
type rates struct {
	began time.Time

	mu      sync.Mutex
	seconds [int(rateWindow / time.Second)]second
}

type second struct {
	at                        int64 // since 1970: which second it is
	submitted, started, ended int
}

// follow counts until ctx ends. What happens while the schedd cannot be asked is
// counted later, by its own time.
func (r *rates) follow(ctx context.Context, d *Deps, client *api.Client) {
	for ctx.Err() == nil {
		status, err := client.Status(ctx)
		if err != nil {
			_ = pause.For(ctx, time.Second) // the view says what is wrong
			continue
		}
		for e, err := range client.Events(ctx, status.Index) {
			if err != nil {
				break // the log has gone on without us: begin anew
			}
			r.count(&e)
		}
	}
}

func (r *rates) count(e *api.Event) {
	run, err := grid.ParseRun(e.Jobs)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := e.Time / 1000
	s := &r.seconds[at%int64(len(r.seconds))]
	if s.at < at {
		*s = second{at: at}
	}
	switch e.Type {
	case "job_submitted":
		s.submitted += run.Len()
	case "job_started":
		s.started += run.Len()
	case "job_completed":
		s.ended += run.Len()
	}
}

// line says how many jobs a second there were.
func (r *rates) line(now time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum second
	for _, s := range r.seconds {
		if s.at > now.Add(-rateWindow).Unix() {
			sum.submitted += s.submitted
			sum.started += s.started
			sum.ended += s.ended
		}
	}
	over := min(max(now.Sub(r.began), time.Second), rateWindow).Seconds()
	return fmt.Sprintf("Jobs/s: %.1f submitted, %.1f started, %.1f completed (over %.0f s)", float64(sum.submitted)/over, float64(sum.started)/over, float64(sum.ended)/over, over)
}

// topView is what gtop shows now; rates may be nil.
func topView(ctx context.Context, d *Deps, client *api.Client, r *rates) (v view, err error) {
	status, err := client.Status(ctx)
	if err != nil {
		return v, err
	}
	totals, err := client.Totals(ctx)
	if err != nil {
		return v, err
	}
	slots, err := client.Slots(ctx)
	if err != nil {
		return v, err
	}
	claims, err := client.Claims(ctx, false)
	if err != nil {
		return v, err
	}
	v.index = status.Index
	add := func(colour, text string) { v.lines = append(v.lines, line{colour, text}) }
	now := d.Now()
	add("", fmt.Sprintf("%s  up %s  entry %d", heading(d, status), clock(now.Sub(time.Unix(status.Since, 0))), status.Index))
	for _, w := range status.Warnings {
		add(red, "! "+grid.Printable(w))
	}
	t := totals.All
	add("", fmt.Sprintf("Jobs: %d; %d idle, %d running, %d held, %d suspended, %d completed, %d removed", t.Total(), t.Idle, t.Running+t.Transferring, t.Held, t.Suspended, t.Completed, t.Removed))
	if r != nil {
		add("", r.line(now))
	}
	v.lines = append(v.lines, poolUse(slots.Slots)...)
	add("", "")
	v.lines = append(v.lines, ownerTable(totals.Owners)...)
	if len(slots.Slots) > 0 {
		add("", "")
		v.lines = append(v.lines, slotTable(slots.Slots, now)...)
	}
	if len(claims.Claims) > 0 {
		add("", "")
		v.lines = append(v.lines, claimTable(claims.Claims, now)...)
	}
	return v, nil
}

// poolUse says how much of the pool is in use.
func poolUse(slots []api.Slot) []line {
	var cpus, free, memory, freeMB int64
	for i := range slots {
		s := &slots[i]
		cpus, free, memory, freeMB = cpus+s.Cpus, free+s.FreeCpus, memory+s.MemoryMB, freeMB+s.FreeMB
	}
	if len(slots) == 0 {
		return []line{{yellow, "Pool: no machines; gworker offers one"}}
	}
	return []line{{"", fmt.Sprintf("Pool: %d machines; cpus %s %d of %d, memory %s %d of %d MB",
		len(slots), gauge(cpus-free, cpus), cpus-free, cpus, gauge(memory-freeMB, memory), memory-freeMB, memory)}}
}

// gauge draws how much of something is in use.
func gauge(used, all int64) string {
	const width = 10
	n := 0
	if all > 0 {
		n = int(max(min(used*width/all, width), 0))
	}
	return "[" + strings.Repeat("=", n) + strings.Repeat(" ", width-n) + "]"
}

// ownerTable is users and their jobs, who runs most first.
func ownerTable(owners []api.OwnerTotals) []line {
	owners = slices.Clone(owners)
	slices.SortFunc(owners, func(a, b api.OwnerTotals) int {
		return cmp.Or(cmp.Compare(b.Running+b.Transferring, a.Running+a.Transferring), cmp.Compare(b.Total(), a.Total()), cmp.Compare(a.Owner, b.Owner))
	})
	lines := []line{{bold, fmt.Sprintf("%-16s %8s %8s %8s %8s", "OWNER", "RUN", "IDLE", "HOLD", "TOTAL")}}
	for _, o := range owners {
		colour := ""
		if o.Held > 0 {
			colour = red
		}
		lines = append(lines, line{colour, fmt.Sprintf("%-16s %8d %8d %8d %8d", grid.Printable(o.Owner), o.Running+o.Transferring+o.Suspended, o.Idle, o.Held, o.Total())})
	}
	return lines
}
