package cli

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gridburst/configs"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
)

type cronOptions struct {
	Asks
	json    bool
	count   int
	explain bool
	from    string
	to      string
	zone    string
	limit   int
	long    bool
	params  []string
	at      string
	anyway  bool
	key     string
	reason  string
	until   string
	atOnce  int
	prio    int
	again   bool
	end     uint32
	name    string
}

// Cron is gcron.
func Cron(d *Deps) *cobra.Command {
	var o cronOptions
	c := &cobra.Command{
		Use:   "gcron",
		Short: "Show timetables and bursts by the clock, and act on them",
		Long: `Show timetables and bursts by the clock, and act on them.

A timetable starts a workflow of its owner's at each of its instants: each at most once,
whatever is killed and whatever the clock does. One of the schedd's configuration (a cron
block) has a name of its own; one that a user has handed in is USER/NAME, and its user may
say NAME. A burst by the clock (a burst block) has machines there at an hour, and none when
it is over; it is burst:NAME, and a name that nothing else has will do.

A workflow file (.hcl) says when it is to run in a cron block:

  workflow "night" {
    cron {
      schedule  = "30 2 * * *"
      time_zone = "Europe/Berlin"
    }
    node "fit" {}
  }

Times on the command line are RFC 3339 (2026-03-29T02:30:00+02:00), or a date, or a date and
a time (2026-03-29 02:30) in the zone of the timetable.
` + ExitHelp,
		Example: "  gcron submit night.hcl\n  gcron next night --count 5 --explain\n  gcron run night --param day=2026-03-01\n  gcron backfill night --from 2026-03-01 --to 2026-03-07 --at-once 2\n  gcron history night",
	}
	o.Flags(c)
	sub := func(use, short string, args cobra.PositionalArgs, run func(context.Context, *Deps, []string) error) *cobra.Command {
		s := &cobra.Command{
			Use: use, Short: short, Args: args,
			RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), d, args) },
		}
		s.Flags().BoolVar(&o.json, "json", false, "print the answer as JSON")
		if strings.HasSuffix(use, " NAME") {
			s.ValidArgsFunction = o.complete(d)
		}
		c.AddCommand(s)
		return s
	}
	sub("list", "Show all, with what is next", cobra.NoArgs, o.list)
	s := sub("next NAME", "Show the occurrences to come", cobra.ExactArgs(1), o.next)
	s.Flags().IntVar(&o.count, "count", 10, "how `many`")
	s.Flags().BoolVar(&o.explain, "explain", false, "in UTC too, with what changes of the clock mean, and what jitter adds")
	s.Flags().StringVar(&o.from, "from", "", "after this `time` (default: now)")
	s = sub("history NAME", "Show what became of its occurrences, the last first", cobra.ExactArgs(1), o.history)
	s.Flags().IntVar(&o.limit, "limit", 20, "at most so `many`; 0: all that is remembered")
	s.Flags().BoolVar(&o.long, "long", false, "also what was read and given, and the receipts of bursts")
	s = sub("run NAME", "Begin a run now; of a burst: have its machines come up now", cobra.ExactArgs(1), o.run)
	s.Flags().StringArrayVar(&o.params, "param", nil, "a macro for its jobs, `NAME=VALUE`; as often as needed")
	s.Flags().StringVar(&o.at, "at", "", "the `time` that it is to be the run of (default: now)")
	s.Flags().BoolVar(&o.anyway, "anyway", false, "though its last run goes on")
	s.Flags().StringVar(&o.key, "key", "", "the same `key` again is the same run (default: a new one)")
	s = sub("pause NAME", "Pass over its occurrences", cobra.ExactArgs(1), o.pause)
	s.Flags().StringVar(&o.reason, "reason", "", "`why`: it is noted with each occurrence")
	s.Flags().StringVar(&o.until, "until", "", "end by itself at this `time`")
	sub("resume NAME", "End a pause; what was passed over stays so", cobra.ExactArgs(1), o.resume)
	s = sub("backfill NAME", "Run the occurrences of a range of the past, beside all else", cobra.ExactArgs(1), o.backfill)
	s.Flags().StringVar(&o.from, "from", "", "the range's begin, a `time`")
	s.Flags().StringVar(&o.to, "to", "", "its end, a `time` that belongs to it (default: now)")
	s.Flags().IntVar(&o.atOnce, "at-once", 1, "runs at a `time`")
	s.Flags().IntVar(&o.prio, "prio", -10, "`added` to the priority of its jobs")
	s.Flags().BoolVar(&o.again, "again", false, "also what has run")
	s.Flags().Uint32Var(&o.end, "end", 0, "begin no more of the backfill with this `number`")
	s = sub("submit FILE", "Hand a workflow's timetable in, or put it in the place of the last", cobra.ExactArgs(1), o.submit)
	s.Flags().StringVar(&o.name, "name", "", "its `name` (default: the workflow's)")
	sub("rm NAME", "Take a timetable back that was handed in, and forget it", cobra.ExactArgs(1), o.remove)
	return c
}

// complete offers the names of timetables.
func (o *cronOptions) complete(d *Deps) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, err := o.Client(d)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(c.Context(), completePatience)
		defer cancel()
		out, err := client.Crons(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for i := range out.Crons {
			if k := &out.Crons[i]; strings.HasPrefix(k.Name, begun) {
				names = append(names, cobra.CompletionWithDesc(k.Name, strings.Join(k.Schedules, ", ")))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func (o *cronOptions) list(ctx context.Context, d *Deps, _ []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.Crons(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	width := len("Name")
	for i := range out.Crons {
		width = max(width, len(grid.Printable(out.Crons[i].Name)))
	}
	lines := []line{{bold, fmt.Sprintf("%-*s %-10s %-20s %-16s %-25s %s", width, "Name", "Owner", "Schedule", "Zone", "Next", "Last")}}
	for i := range out.Crons {
		k := &out.Crons[i]
		schedule := k.Schedules[0]
		if len(k.Schedules) > 1 {
			schedule += ", ..."
		}
		text := fmt.Sprintf("%-*s %-10s %-20s %-16s %-25s %s", width, grid.Printable(k.Name), grid.Printable(k.Owner), grid.Printable(schedule), k.TimeZone, nextText(k), lastText(k))
		lines = append(lines, line{text: strings.TrimRight(text, " ")})
	}
	d.lines(lines...)
	return nil
}

// nextText is when a timetable has its next occurrence, in its own zone.
func nextText(k *api.Cron) string {
	switch {
	case k.Paused && k.PausedUntil > 0:
		return "paused until " + time.Unix(k.PausedUntil, 0).Format(time.DateTime)
	case k.Paused:
		return "paused"
	case k.Next == 0:
		return "never again"
	}
	return inZone(k.Next, k.TimeZone, "2006-01-02 15:04:05 -0700")
}

// inZone is an instant as the clock of a zone shows it. What this machine does not know
// is shown in UTC.
func inZone(at int64, zone, layout string) string {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	return time.Unix(at, 0).In(loc).Format(layout)
}

func lastText(k *api.Cron) string {
	var parts []string
	if w := k.Window; w != nil && w.Open {
		parts = append(parts, fmt.Sprintf("open, %d of %d machines", w.Machines, w.Count))
	}
	for _, run := range k.Runs {
		parts = append(parts, fmt.Sprintf("run %d goes on", run))
	}
	if n := len(k.Queued); n > 0 {
		parts = append(parts, fmt.Sprintf("%d wait", n))
	}
	for i := range k.Backfills {
		parts = append(parts, fmt.Sprintf("backfill %d to %s", k.Backfills[i].ID, inZone(k.Backfills[i].To, k.TimeZone, time.DateTime)))
	}
	if k.Last != nil && len(parts) == 0 {
		parts = append(parts, inZone(k.Last.Due, k.TimeZone, time.DateTime)+" "+outcome(k.Last))
	}
	return strings.Join(parts, ", ")
}

// outcome is what became of an occurrence, in a word or two.
func outcome(o *api.Occurrence) string {
	if o.Run == 0 {
		return o.Outcome
	}
	return fmt.Sprintf("run %d is %s", o.Run, o.Status)
}

func (o *cronOptions) next(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	if o.count < 1 || o.count > 1000 {
		return usage("--count is from 1 to 1000")
	}
	from, err := o.instant(ctx, client, args[0], o.from)
	if err != nil {
		return err
	}
	out, err := client.CronNext(ctx, args[0], o.count, from)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	head := fmt.Sprintf("%-30s", out.TimeZone)
	if o.explain {
		head += "  UTC"
	}
	lines := []line{{bold, strings.TrimRight(head, " ")}}
	for i := range out.Instants {
		lines = append(lines, o.instantLines(&out.Instants[i])...)
	}
	if out.Ends {
		lines = append(lines, line{yellow, "There is no occurrence after these."})
	}
	d.lines(lines...)
	return nil
}

func (o *cronOptions) instantLines(i *api.Instant) (lines []line) {
	if i.Left && !o.explain {
		return nil
	}
	if !o.explain {
		return []line{{text: i.Zone}}
	}
	colour, text := "", fmt.Sprintf("%-30s  %s", i.Zone, i.UTC)
	if i.Left {
		colour, text = yellow, fmt.Sprintf("%-30s  %-19s  left out", i.Zone, i.UTC)
	}
	if i.Delay > 0 {
		text += fmt.Sprintf("  begun %s later (jitter)", time.Duration(i.Delay)*time.Second)
	}
	if i.Asked > 0 {
		text += "  machines asked for at " + time.Unix(i.Asked, 0).UTC().Format(time.TimeOnly)
	}
	lines = append(lines, line{colour, text})
	for _, n := range i.Notes {
		lines = append(lines, line{yellow, "    " + grid.Printable(n)})
	}
	return lines
}

// instant reads a time of the command line; nothing is 0.
func (o *cronOptions) instant(ctx context.Context, client *api.Client, name, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.Unix(), nil
	}
	if o.zone == "" {
		out, err := client.CronNext(ctx, name, 1, 0)
		if err != nil {
			return 0, err
		}
		o.zone = out.TimeZone
	}
	loc, err := time.LoadLocation(o.zone)
	if err != nil {
		return 0, grid.Errorf(grid.Invalid, "this machine does not know the zone %s: write the time with its offset, as in 2026-03-29T02:30:00+02:00", o.zone)
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, loc); err == nil {
			return t.Unix(), nil
		}
	}
	return 0, usage(fmt.Sprintf("%q is no time: as in 2026-03-29T02:30:00+02:00, or 2026-03-29 02:30 in the timetable's zone", text))
}

func (o *cronOptions) history(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.CronHistory(ctx, args[0], o.limit)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	lines := []line{{bold, fmt.Sprintf("%-20s %-9s %-8s %6s %-9s %s", "Instant (UTC)", "Kind", "Outcome", "Run", "Is", "Why")}}
	for i := range out.Occurrences {
		lines = append(lines, o.occurrence(&out.Occurrences[i])...)
	}
	d.lines(lines...)
	return nil
}

func (o *cronOptions) occurrence(x *api.Occurrence) []line {
	run := ""
	if x.Run != 0 {
		run = fmt.Sprint(x.Run)
	}
	why, more, _ := strings.Cut(x.Why, "\n")
	colour := map[string]string{"failed": red, "missed": yellow}[x.Outcome]
	text := fmt.Sprintf("%-20s %-9s %-8s %6s %-9s %s", time.Unix(x.Due, 0).UTC().Format(time.DateTime), x.Kind, x.Outcome, run, x.Status, grid.Printable(why))
	lines := []line{{colour, strings.TrimRight(text, " ")}}
	say := func(format string, args ...any) {
		lines = append(lines, line{text: "    " + grid.Printable(fmt.Sprintf(format, args...))})
	}
	if o.long {
		for l := range strings.Lines(more) {
			say("%s", strings.TrimRight(l, "\n"))
		}
	}
	if x.Details == nil || !o.long && x.Details.Receipt == nil {
		return lines
	}
	if r := x.Details.Receipt; r != nil {
		lines = append(lines, receiptLines(r)...)
	}
	if !o.long {
		return lines
	}
	for _, f := range x.Details.Files {
		say("read  %s  %s", f.SHA256, f.Path)
	}
	for _, e := range x.Details.Env {
		say("env   %s", e)
	}
	for _, name := range slices.Sorted(maps.Keys(x.Details.Params)) {
		say("param %s=%s", name, x.Details.Params[name])
	}
	return lines
}

// receiptLines are what a burst by the clock had.
func receiptLines(r *api.WindowReceipt) []line {
	text := fmt.Sprintf("    %d machines planned, %d asked for, %d started, %d joined, %d by the hour; all gone at %s UTC",
		r.Planned, r.Asked, r.Started, r.Joined, r.InTime, time.Unix(r.Gone, 0).UTC().Format(time.DateTime))
	if r.Asked == 0 {
		text = fmt.Sprintf("    %d machines planned, none asked for", r.Planned)
	}
	cost := ""
	if r.Currency != "" {
		cost = fmt.Sprintf(", %.4f %s", r.Cost, r.Currency)
	}
	return []line{{text: text}, {text: fmt.Sprintf("    %d executions; %.2f machine minutes, %.2f of them used, %.2f idle%s", r.Runs, r.Minutes, r.Used, r.Idle, cost)}}
}

func (o *cronOptions) run(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	r := api.CronRun{Key: o.key, Name: args[0], Anyway: o.anyway, Params: map[string]string{}}
	for _, p := range o.params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return usage(fmt.Sprintf("--param %q is not NAME=VALUE", p))
		}
		r.Params[name] = value
	}
	if r.At, err = o.instant(ctx, client, r.Name, o.at); err != nil {
		return err
	}
	out, err := client.RunCron(ctx, r)
	if err != nil {
		return err
	}
	switch {
	case o.json:
		return PrintJSON(d, out)
	case out.Run == 0:
		fmt.Fprintf(d.Out, "The machines of %s come up now, for %s.\ngvm shows them, gcron history %s what became of them.\n", out.Name, time.Unix(out.Due, 0).Format(time.DateTime), out.Name)
	default:
		fmt.Fprintf(d.Out, "Workflow %d is a run of %s.\ngdag status %d shows how it goes.\n", out.Run, grid.Printable(out.Name), out.Run)
	}
	return nil
}

func (o *cronOptions) pause(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	p := api.CronPause{Name: args[0], Reason: o.reason}
	if p.Until, err = o.instant(ctx, client, p.Name, o.until); err != nil {
		return err
	}
	out, err := client.PauseCron(ctx, p)
	return o.say(d, out, err, "Occurrences of %s are passed over. gcron resume %s ends that.\n", out.Name, out.Name)
}

func (o *cronOptions) resume(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.ResumeCron(ctx, args[0])
	return o.say(d, out, err, "%s goes on.\n", out.Name)
}

func (o *cronOptions) remove(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	out, err := client.RemoveCron(ctx, args[0])
	return o.say(d, out, err, "%s is taken back. Runs of it that go on do so.\n", out.Name)
}

func (o *cronOptions) backfill(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	b := api.CronBackfill{Name: args[0], AtOnce: o.atOnce, Prio: o.prio, Again: o.again, End: o.end}
	if o.end != 0 {
		out, err := client.BackfillCron(ctx, b)
		return o.say(d, out, err, "Backfill %d of %s begins no more.\n", out.ID, out.Name)
	}
	if o.from == "" {
		return usage("--from says where the range begins")
	}
	if b.From, err = o.instant(ctx, client, b.Name, o.from); err != nil {
		return err
	}
	if b.To, err = o.instant(ctx, client, b.Name, o.to); err != nil {
		return err
	}
	if o.to == "" {
		b.To = d.Now().Unix()
	}
	out, err := client.BackfillCron(ctx, b)
	return o.say(d, out, err, "Backfill %d of %s is begun: gcron history %s shows it.\n", out.ID, out.Name, out.Name)
}

// say tells what was done, as JSON if that is asked for.
func (o *cronOptions) say(d *Deps, out api.CronAnswer, err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	fmt.Fprintf(d.Out, format, args...)
	return nil
}

func (o *cronOptions) submit(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	if !jobfile.IsHCL(args[0]) {
		return grid.Errorf(grid.Invalid, "%s is no HCL file: the timetable of a DAG file stands in a cron block of the schedd's configuration", args[0])
	}
	w, err := (&workflowOptions{}).workflow(args[:1], rescueOptions{})
	if err != nil {
		return err
	}
	src, err := jobfile.OS{}.ReadFile(w.file)
	if err != nil {
		return grid.Errorf(grid.Unavailable, "read %s: %w", args[0], err)
	}
	c, found, _ := configs.WorkflowCron(args[0], src) // its mistakes are among the workflow's
	switch {
	case w.diags.HasErrors():
		return w.diags.Err()
	case !found:
		return grid.Errorf(grid.Invalid, "%s does not say when it is to run: its workflow needs a cron block, as in cron { schedule = \"30 2 * * *\" }", args[0])
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if w.lint(status); w.diags.HasErrors() {
		return w.diags.Err()
	}
	d.Diagnose(w.diags)
	if o.name != "" {
		c.Name = o.name
	}
	out, err := client.SubmitCron(ctx, timetableOf(&c, w.file))
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	next := "It has no occurrence to come."
	if out.Next != 0 {
		next = "Next: " + inZone(out.Next, c.TimeZone, "Mon 2006-01-02 15:04:05 -0700") + "."
	}
	fmt.Fprintf(d.Out, "%s is handed in. %s\ngcron next %s --explain shows more; %s is read anew each time.\n", grid.Printable(out.Name), next, grid.Printable(c.Name), grid.Printable(filepath.Base(w.file)))
	return nil
}

// timetableOf says a cron block in the words of the contract.
func timetableOf(c *configs.Cron, file string) api.Timetable {
	return api.Timetable{
		Name: c.Name, File: file, Schedules: append([]string{c.Schedule}, c.Also...), TimeZone: c.TimeZone, Gap: c.Gap, Repeat: c.Repeat, Except: c.Except,
		Begin: c.Begin, End: c.End, Jitter: int64(c.Jitter / time.Second), Missed: c.Missed, MissedLimit: c.MissedLimit, Overlap: c.Overlap, AfterPrevious: c.AfterPrevious,
		StartDeadline: int64(c.StartDeadline / time.Second),
	}
}
