package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/replay"
	"gridburst/internal/replay/trace"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// planOptions is what gdag plan goes by.
type planOptions struct {
	config, since string
	times         []string
	history       bool
	draws         int
	seed          uint64
}

// What a run time is taken to be within: of one that somebody says, and of one that nobody
// does. Of ten jobs one is shorter and one longer.
const (
	saidSpread = 1.5
	nobodySays = 10 * time.Minute
	nobodyKnow = 3.0
)

func (o *planOptions) flags(c *cobra.Command) {
	c.Long = `Say what a workflow is expected to take with a configuration, before anything starts: how
wide it is, its longest way through, when it ends, how many machines there are when, and what
they cost, each with a range. Nothing is begun, and nothing is asked of an engine.

The workflow is run many times under a virtual clock, with other run times and boots in each
draw, by the same code as in gschedd: package dag leads it, router.Cycle places its jobs, and
machines are brought up and let go by burst.Decide. The machines are those of the burst blocks
of --config, and there is nothing else to run on. Scripts and sub-DAGs take no time; services
and provisioners are left out.

How long a node's jobs run is said by --run-time NAME=TIME. NAME is a node, a job file or block, a
description, a category, or * for all others; TIME is seconds or as in 90s and 5m, taken with a
spread of half as much more, or a range (1m..10m) within which eight of ten are. With --history
it is drawn from what jobs of its executable have taken that completed, of the history that one may
see, where there are three of them. What nobody says is taken to be ten minutes, from a third to three times that; the
plan tells of how many nodes that is so.
` + ExitHelp
	c.Example = "  gdag plan --config schedd.hcl --run-time '*=5m' nightly.dag\n  gdag plan --config schedd.hcl --history --run-time merge=30m..2h flow.hcl --json"
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "the configuration `file` with the machines")
	f.StringArrayVar(&o.times, "run-time", nil, "`NAME=TIME`: how long jobs run")
	f.BoolVar(&o.history, "history", false, "run times are those of the jobs that have left this schedd's queue")
	f.StringVar(&o.since, "since", "", "of the history only jobs that left so long ago at most (720h), or at or after this `time`")
	f.IntVar(&o.draws, "draws", 50, "how `many` times the workflow is run")
	f.Uint64Var(&o.seed, "seed", 1, "the `number` that run times and boots are drawn from")
}

// plannedFlow is the answer of gdag plan, for programs.
type plannedFlow struct {
	File     string      `json:"file"`
	Shape    dag.Shape   `json:"shape"`
	Currency string      `json:"currency,omitempty"`
	Times    []knownTime `json:"run_times"`
	*replay.Plan
}

// knownTime is how long the jobs of a kind are taken to run, and who says so.
type knownTime struct {
	Name  string  `json:"name"`
	Nodes int     `json:"nodes"`
	Says  string  `json:"says"` // said, history or nobody
	Low   float64 `json:"p10_s"`
	Mid   float64 `json:"p50_s"`
	High  float64 `json:"p90_s"`
}

// plan says what a workflow is expected to take.
func (o *workflowOptions) plan(ctx context.Context, d *Deps, args []string) error {
	p := &o.planning
	switch {
	case p.config == "":
		return usage("the machines are missing: --config FILE, a schedd's configuration with a burst block")
	case p.draws < 1 || p.draws > 10_000:
		return usage("--draws is 1 to 10000")
	}
	times, err := p.said()
	if err != nil {
		return err
	}
	w, err := o.workflow(args, rescueOptions{})
	if err != nil {
		return err
	}
	if !w.diags.HasErrors() {
		w.lint(api.Status{})
	}
	d.Diagnose(w.diags)
	if w.diags.HasErrors() {
		return said(ExitFailed)
	}
	set, err := machinesOf(d, p.config, p.seed, false)
	if err != nil {
		return err
	}
	k := &knower{workflow: &w, said: times, used: map[string]bool{}, kinds: map[string]*knownJob{}, seen: map[string][]time.Duration{}}
	if p.history {
		client, err := o.Client(d)
		if err != nil {
			return err
		}
		if err := k.hear(ctx, d, client, p.since); err != nil {
			return err
		}
	}
	if k.run, err = dag.Open(w.graph, dag.Header{}, nil); err != nil {
		return err
	}
	plan, err := replay.PlanOf(ctx, *set, w.graph, k.job, p.draws)
	if err = errors.Join(err, k.err); err != nil {
		return err
	}
	for name := range times {
		if !k.used[name] && name != "*" {
			return grid.Errorf(grid.Invalid, "--run-time %s: no node, job file, description or category has that name", grid.Printable(name))
		}
	}
	out := plannedFlow{File: args[0], Shape: w.graph.Shape(), Currency: set.Currency, Times: k.times(), Plan: plan}
	if o.json {
		return PrintJSON(d, out)
	}
	return out.print(d)
}

// said reads --run-time.
func (p *planOptions) said() (map[string][2]time.Duration, error) {
	out := map[string][2]time.Duration{}
	for _, text := range p.times {
		name, value, ok := strings.Cut(text, "=")
		low, high, ranged := strings.Cut(value, "..")
		a, err := timeOf(low)
		b := a
		if ranged && err == nil {
			b, err = timeOf(high)
		}
		if !ok || name == "" || err != nil || a <= 0 || b < a {
			return nil, usage(fmt.Sprintf("--run-time %q: it is NAME=TIME, with a time as in 90, 90s or 1m..10m", text))
		}
		if !ranged {
			a, b = time.Duration(float64(a)/saidSpread), time.Duration(float64(a)*saidSpread)
		}
		out[name] = [2]time.Duration{a, b}
	}
	return out, nil
}

func timeOf(text string) (time.Duration, error) {
	if s, err := strconv.ParseFloat(text, 64); err == nil && s < 1e9 {
		return time.Duration(s * float64(time.Second)), nil
	}
	return time.ParseDuration(text)
}

// knower knows what nodes ask for and how long they run.
type knower struct {
	*workflow
	run   *dag.Run
	said  map[string][2]time.Duration
	used  map[string]bool // of those
	kinds map[string]*knownJob
	order []*knownJob
	seen  map[string][]time.Duration // in the history, by executable
	err   error
}

// knownJob is what nodes of one file ask for, and how long they run.
type knownJob struct {
	job   replay.NodeJob
	time  knownTime
	times replay.Times
}

// hear takes in what jobs have taken.
func (k *knower) hear(ctx context.Context, d *Deps, client *api.Client, since string) error {
	from, err := sinceOf(since, d.Now())
	if err != nil {
		return err
	}
	for job, err := range client.History(ctx, api.HistoryQuery{JobsQuery: api.JobsQuery{Attributes: trace.Attributes}, Since: from}) {
		if err != nil {
			return err
		}
		a, err := parseAd(job)
		if err != nil {
			return err
		}
		run, ok := trace.RanFor(a)
		if !ok || a.Int("JobStatus", 0) != int64(grid.Completed) {
			continue
		}
		run = max(run, time.Second/2) // it took less than one
		k.seen[a.Text("Cmd")] = append(k.seen[a.Text("Cmd")], run)
	}
	return nil
}

// fewSeen is how many jobs have to have been seen.
const fewSeen = 3

// job is what a node asks for.
func (k *knower) job(i int32) replay.NodeJob {
	n := &k.graph.Nodes[i]
	r := jobfile.Node(n, k.file, filepath.Dir(k.file))
	if n.Submit != "" {
		r.Described(k.graph, n)
	}
	kind := r.File + " " + r.Job + " " + n.Submit
	names := []string{n.Name, n.Submit, n.Job, n.File, filepath.Base(n.File), n.Category}
	at := slices.IndexFunc(names, func(name string) bool { _, ok := k.said[name]; return ok && name != "" })
	key := kind
	if at >= 0 {
		key += " " + names[at]
		k.used[names[at]] = true
	}
	if x := k.kinds[key]; x != nil {
		x.time.Nodes++
		return x.job
	}
	for _, v := range k.run.Vars(i) {
		r.Vars = append(r.Vars, submit.Var(v))
	}
	x := &knownJob{job: replay.NodeJob{Procs: 1, Cpus: 1}, times: replay.Times{Kind: kind}}
	name := n.File
	for _, other := range []string{n.Job, n.Submit} {
		if other != "" {
			name = other
		}
	}
	x.time = knownTime{Name: name, Nodes: 1, Says: "nobody"}
	x.times.Low, x.times.High = time.Duration(float64(nobodySays)/nobodyKnow), time.Duration(float64(nobodySays)*nobodyKnow)
	seen := k.seen[k.read(r, &x.job)]
	all, others := k.said["*"]
	switch {
	case at >= 0:
		x.time.Says, x.times.Low, x.times.High = "said", k.said[names[at]][0], k.said[names[at]][1]
		x.time.Name = names[at]
	case len(seen) >= fewSeen:
		x.time.Says, x.times.Seen = "history", seen
	case others:
		x.time.Says, x.times.Low, x.times.High = "said", all[0], all[1]
	}
	x.time.Low, x.time.High = x.times.Low.Seconds(), x.times.High.Seconds()
	if x.times.Seen != nil {
		sorted := slices.Sorted(slices.Values(seen))
		x.time.Low, x.time.High = sorted[(len(sorted)-1)/10].Seconds(), sorted[(len(sorted)-1)*9/10].Seconds()
	}
	x.time.Mid = x.times.Middle().Seconds()
	x.job.Times = &x.times
	k.kinds[key] = x
	k.order = append(k.order, x)
	return x.job
}

// read reads what a job file asks for, and its executable. A file that is not there yet, for a
// node before makes it, asks for what a job asks for that says nothing.
func (k *knower) read(r jobfile.Request, job *replay.NodeJob) (cmd string) {
	specs, diags, err := jobfile.Read(r)
	if err != nil || diags.HasErrors() || len(specs) != 1 {
		return ""
	}
	attrs, err := specs[0].Proc(grid.JobID{Cluster: 1})
	if err != nil {
		k.err = err
		return ""
	}
	number := func(name string, otherwise int64) int64 {
		text, _ := submit.Find(attrs, name)
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
		return otherwise
	}
	job.Procs, job.Cpus, job.MemoryMB = specs[0].Len(), max(number("RequestCpus", 1), 1), max(number("RequestMemory", 0), 0)
	text, _ := submit.Find(attrs, "Cmd")
	if plain, err := strconv.Unquote(text); err == nil {
		return plain
	}
	return ""
}

func (k *knower) times() (out []knownTime) {
	for _, x := range k.order {
		out = append(out, x.time)
	}
	return out
}

// courseRows is how many rows a plan's course has at most.
const courseRows = 12

func (p *plannedFlow) print(d *Deps) error {
	fmt.Fprintf(d.Out, "%s: %s.\n", grid.Printable(p.File), p.Shape)
	fmt.Fprintf(d.Out, "Nodes at each level: %s.\n", strings.Join(widthsText(p.Shape.Widths), " "))
	fmt.Fprintf(d.Out, "The longest way: %s, %s.\n", grid.Printable(wayText(p.Critical)), secondsText(p.Path))
	if len(p.Left) > 0 {
		fmt.Fprintf(d.Out, "Without time or machines of their own: %s.\n", grid.Printable(wayText(p.Left)))
	}
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nrun times\tnodes\tp10\tp50\tp90\tas says\n")
	for _, x := range p.Times {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", grid.Printable(x.Name), x.Nodes, secondsText(x.Low), secondsText(x.Mid), secondsText(x.High), map[string]string{"said": "--run-time", "history": "the history", "nobody": "nobody"}[x.Says])
	}
	fmt.Fprintf(t, "\n%d draws\t\tp10\tp50\tp90\t\n", p.Draws)
	row := func(name string, r replay.Range, show func(float64) string) {
		fmt.Fprintf(t, "%s\t\t%s\t%s\t%s\t\n", name, show(r.Low), show(r.Middle), show(r.High))
	}
	plain := func(digits int) func(float64) string {
		return func(x float64) string { return strconv.FormatFloat(x, 'f', digits, 64) }
	}
	row("end", p.End, secondsText)
	row("machines at a time", p.Peak, plain(0))
	row("machines in all", p.Starts, plain(0))
	row("machine-hours", p.Hours, plain(2))
	if p.Currency != "" {
		row(p.Currency, p.Cost, plain(4))
	}
	fmt.Fprintf(t, "\nfrom\t\tneeded\tserving\t\t\n")
	for _, m := range p.rows() {
		fmt.Fprintf(t, "%s\t\t%d\t%d\t\t\n", secondsText(m.At), m.Needed, m.Serving)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(table.String()) {
		fmt.Fprintln(d.Out, strings.TrimRight(line, " \n"))
	}
	return nil
}

// rows are a few moments of the course: those at which most changes, the first and the last.
func (p *plannedFlow) rows() []replay.Moment {
	all := p.Course
	for len(all) > courseRows {
		least, at := math.MaxInt, 1
		for i := 1; i < len(all)-1; i++ {
			a, b := &all[i-1], &all[i]
			if change := max(a.Needed-b.Needed, b.Needed-a.Needed) + max(a.Serving-b.Serving, b.Serving-a.Serving); change < least {
				least, at = change, i
			}
		}
		all = slices.Delete(slices.Clone(all), at, at+1)
	}
	return all
}

func widthsText(widths []int) (out []string) {
	for i, w := range widths {
		if i == 2*courseRows {
			return append(out, fmt.Sprintf("and %d more levels", len(widths)-i))
		}
		out = append(out, strconv.Itoa(w))
	}
	return out
}

// wayText is names in a line.
func wayText(names []string) string {
	if len(names) > courseRows {
		names = slices.Concat(names[:4], []string{fmt.Sprintf("(%d more)", len(names)-8)}, names[len(names)-4:])
	}
	return strings.Join(names, " > ")
}

func secondsText(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
