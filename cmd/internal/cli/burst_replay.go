package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gridburst/configs"
	"gridburst/internal/grid"
	"gridburst/internal/replay"
	"gridburst/internal/replay/trace"
	"gridburst/schedd/api"
)

type replayOptions struct {
	Asks
	config, svg, html, since         string
	traces, policies                 []string
	history, json, faults, foresight bool
	seed                             uint64
	seeds, times                     int
	every                            time.Duration
}

// replayCommand is gburst replay.
func replayCommand(d *Deps) *cobra.Command {
	o := replayOptions{}
	var list strings.Builder
	for _, p := range replay.Named {
		fmt.Fprintf(&list, "  %-10s  %s\n", p.Name, p.What)
	}
	c := &cobra.Command{
		Use:   "replay",
		Short: "Say what a workload would have cost with a configuration, and how long jobs would have waited",
		Long: `Say what a workload would have cost with a configuration, and how long its jobs would
have waited. The workload happens under a virtual clock; jobs are placed and machines are
brought up and let go by the same code as in gschedd. Nothing is asked of an engine, and
nothing is changed.

A workload is a file (--trace): the Standard Workload Format (.swf), a workflow of WfCommons
(WfFormat, .json) or a list of SWIM (.tsv), each also as .gz; or what this schedd has run
(--history). With --every a timetable begins it again and again.

The machines are those of the burst blocks of --config: their cores, memory, max_vms,
min_vms, boot_time, idle_time and price. How long one boots is drawn from the numbers after
--seed, about boot_time; --faults has some of them take ten times as long or never come,
answers lost, and an hour of each day with less of a quota. A job that is wider than a
machine takes so many whole machines at once, or waits.

Policies (--policy, all of them without):
` + list.String() + `
A row says: machine-hours billed, and how many times that is of the least with which nobody
waits, by one who knows all; waits; bounded slowdown; starts, of these machines that ran
nothing, and those within a boot of another's end; elasticity as SPEC measures it. With
reactive or all, ratio is a policy's mean wait by that of fixed holds at the same cost.

With --foresight, workflows are compared with and without what their graphs and timetables
tell: --trace may be there several times, and each file is a row.
` + ExitHelp,
		Example: "  gburst replay --trace log.swf.gz --config new.hcl\n  gburst replay --history --since 720h --config new.hcl --policy default,slurm --html burst.html\n  gburst replay --trace nightly.json --every 24h --times 7 --config new.hcl",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneOf(c, "trace", "history"); err != nil {
				return err
			}
			return o.run(c.Context(), d)
		},
	}
	o.Flags(c)
	f := c.Flags()
	f.StringArrayVar(&o.traces, "trace", nil, "the workload, a `file`")
	f.BoolVar(&o.foresight, "foresight", false, "compare what the default does with what it would do without workflows and timetables")
	f.BoolVar(&o.history, "history", false, "the workload is the jobs that have left this schedd's queue")
	f.StringVar(&o.since, "since", "", "of the history only jobs that left so long ago at most (720h), or at or after this `time`")
	f.StringVar(&o.config, "config", "", "the configuration `file` with the machines")
	f.StringSliceVar(&o.policies, "policy", []string{"all"}, "the `names` of policies, with commas between")
	f.Uint64Var(&o.seed, "seed", 1, "the `number` that boots and faults are drawn from")
	f.IntVar(&o.seeds, "seeds", 1, "how `many` numbers after the seed to take, for the mean of all")
	f.BoolVar(&o.faults, "faults", false, "have machines and answers fail")
	f.DurationVar(&o.every, "every", 0, "have a timetable begin the workload again, so `long` after each time")
	f.IntVar(&o.times, "times", 7, "with --every, how `often`")
	f.BoolVar(&o.json, "json", false, "print the results as JSON")
	f.StringVar(&o.svg, "svg", "", "draw machines needed against machines serving to this `file`")
	f.StringVar(&o.html, "html", "", "write the table and the picture to this `file`, for a browser")
	return c
}

func (o *replayOptions) run(ctx context.Context, d *Deps) error {
	switch {
	case len(o.traces) == 0 && !o.history:
		return usage("a workload is missing: --trace FILE, or --history")
	case len(o.traces) > 1 && !o.foresight:
		return usage("several workloads are for --foresight")
	case o.foresight && (o.history || o.svg != "" || o.html != ""):
		return usage("--foresight is for workflows in files, and draws nothing")
	}
	if o.config == "" {
		return usage("the machines are missing: --config FILE, a schedd's configuration with a burst block")
	}
	if o.seeds < 1 || o.seeds > 100 || o.times < 1 || o.times > 10_000 || o.every < 0 {
		return usage("--seeds is 1 to 100, --times 1 to 10000, and --every not below nought")
	}
	var names []string
	for _, p := range o.policies {
		more, err := replay.Expand(p)
		if err != nil {
			return err
		}
		names = append(names, more...)
	}
	set, err := machinesOf(d, o.config, o.seed, o.faults)
	if err != nil {
		return err
	}
	if o.foresight {
		return o.foresee(ctx, d, set)
	}
	t, err := o.workload(ctx, d)
	if err != nil {
		return err
	}
	all, err := replay.Compare(ctx, *set, t, names, o.seeds)
	if err != nil {
		return err
	}
	return o.tell(d, set, t, all)
}

// machinesOf reads the machines of a configuration file.
func machinesOf(d *Deps, path string, seed uint64, faults bool) (*replay.Setup, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "the configuration: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, configs.MaxFile+1))
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "read the configuration: %w", err)
	}
	file, diags := configs.ReadSchedd(path, src)
	if diags.HasErrors() {
		return nil, diags.Err()
	}
	d.Diagnose(diags)
	return replay.SetupOf(&file, seed, faults)
}

func (o *replayOptions) workload(ctx context.Context, d *Deps) (*trace.Trace, error) {
	if len(o.traces) > 0 {
		return o.read(o.traces[0])
	}
	client, err := o.Client(d)
	if err != nil {
		return nil, err
	}
	since, err := sinceOf(o.since, d.Now())
	if err != nil {
		return nil, err
	}
	var h trace.History
	for job, err := range client.History(ctx, api.HistoryQuery{JobsQuery: api.JobsQuery{Attributes: trace.Attributes}, Since: since}) {
		if err != nil {
			return nil, err
		}
		a, err := parseAd(job)
		if err != nil {
			return nil, err
		}
		h.Add(a)
	}
	t, err := h.Trace()
	return o.repeat(t), err
}

// read reads a workload from a file.
func (o *replayOptions) read(path string) (*trace.Trace, error) {
	t, err := trace.Read(path)
	return o.repeat(t), err
}

func (o *replayOptions) repeat(t *trace.Trace) *trace.Trace {
	if t == nil || o.every == 0 {
		return t
	}
	return t.Repeat(o.times, o.every)
}

// foresee compares workflows with and without what they tell.
func (o *replayOptions) foresee(ctx context.Context, d *Deps, set *replay.Setup) error {
	var all []*replay.Foresight
	for _, path := range o.traces {
		t, err := o.read(path)
		if err != nil {
			return err
		}
		if t.Graph == nil {
			return grid.Errorf(grid.Invalid, "%s is no workflow: nothing is foreseen of its jobs", path)
		}
		f, err := replay.Foresee(ctx, *set, t, o.seeds)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	if o.json {
		makespan, hours := replay.Worst(all)
		return PrintJSON(d, map[string]any{"workloads": all, "worst_makespan": makespan, "median_hours": hours})
	}
	return replay.ForesightTable(d.Out, all)
}

func (o *replayOptions) tell(d *Deps, set *replay.Setup, t *trace.Trace, all []*replay.Result) error {
	for path, write := range map[string]func(io.Writer) error{
		o.svg:  func(w io.Writer) error { return replay.SVG(w, t.Name, all) },
		o.html: func(w io.Writer) error { return replay.HTML(w, t.Name, set.Currency, all) },
	} {
		if path == "" {
			continue
		}
		if err := toFile(path, write); err != nil {
			return err
		}
	}
	if o.json {
		return PrintJSON(d, map[string]any{"trace": t.Name, "left_out": t.Skipped, "currency": set.Currency, "results": all})
	}
	fmt.Fprintf(d.Out, "%s: %d jobs, %d left out; bounds: %.1f machine-hours of work, %.1f with nobody waiting.\n",
		grid.Printable(t.Name), t.Events()/2, t.Skipped+all[0].Never, all[0].Bounds.Area, all[0].Bounds.Layered)
	return replay.Table(d.Out, set.Currency, all)
}

func toFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return grid.Errorf(grid.Invalid, "%w", err)
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
