package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type workflowOptions struct {
	Asks
	vars    map[string]string
	key     string
	json    bool
	all     bool
	timeout time.Duration
	rescue  rescueOptions
	limits  dagLimits
	prio    int32
	always  bool

	planning planOptions
}

// Workflow is gdag.
func Workflow(d *Deps) *cobra.Command {
	var o workflowOptions
	c := &cobra.Command{
		Use:   "gdag",
		Short: "Run workflows: graphs of jobs",
		Long: `Run workflows.

A workflow is a DAGMan file, or an HCL file (.hcl) with a workflow block. Its nodes'
job files are read when each node is submitted; gdag submit looks at all of them
first, so that a mistake is found before anything has run.

A run of a DAG file that fails leaves a rescue file beside it (FILE.rescue001, and so
on): submitted again, the DAG file is taken up where the newest of them left off.
` + ExitHelp,
	}
	o.Flags(c)
	sub := func(use, short string, args cobra.PositionalArgs, run func(context.Context, *Deps, []string) error) *cobra.Command {
		s := &cobra.Command{
			Use: use, Short: short, Args: args,
			RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), d, args) },
		}
		s.Flags().BoolVar(&o.json, "json", false, "print the answer as JSON")
		c.AddCommand(s)
		return s
	}
	s := sub("submit FILE...", "Begin a run of a workflow, or of several DAG files together", cobra.MinimumNArgs(1), o.submit)
	s.Flags().StringVar(&o.key, "key", "", "the same `key` again is the same run (default: a new one)")
	s.Flags().StringToStringVar(&o.vars, "var", nil, "`NAME=VALUE`: a value for a variable of an HCL workflow; of a list or a map, its expression")
	o.rescue.flags(s)
	o.limits.flags(s)
	s.Flags().Int32Var(&o.prio, "priority", 0, "is added to that of each node")
	s.Flags().BoolVar(&o.always, "always-run-post", false, "POST scripts run also when the PRE script has failed")
	s = sub("check FILE...", "Look for mistakes in a workflow and its job files; begin nothing. The exit status is 1 if there are any", cobra.MinimumNArgs(1), o.check)
	s.Flags().StringToStringVar(&o.vars, "var", nil, "as in submit")
	s = sub("plan FILE...", "Say what a workflow is expected to take, before anything starts", cobra.MinimumNArgs(1), o.plan)
	s.Flags().StringToStringVar(&o.vars, "var", nil, "as in submit")
	o.planning.flags(s)
	s = sub("status [ID]", "Show runs, or one with its nodes", cobra.MaximumNArgs(1), o.status)
	s.Flags().BoolVar(&o.all, "all", false, "also runs that have ended")
	sub("why ID NODE", "Say why a node of a run is where it is, and what it waits for", cobra.ExactArgs(2), o.why)
	run := func(use, short, verb, said string, args int) *cobra.Command {
		return sub(use, short, cobra.ExactArgs(args), o.control(verb, said))
	}
	run("halt ID", "Begin nothing any more of a run; when what runs has ended, so has the run", "halt", "is halted", 1)
	run("pause ID", "Begin nothing of a run, no POST scripts either, until it is resumed", "pause", "is paused", 1)
	run("resume ID", "Let a run go on that was halted or paused", "resume", "goes on", 1)
	run("retry ID NODE", "Give a node that has failed one more attempt, while the run goes on", "retry", "tries %s again", 2)
	run("skip ID NODE", "Let a node count as done whose job does not run", "skip", "counts %s as done", 2)
	o.limits.flags(run("throttle ID", "Limit how much of a run goes on at a time", "throttle", "", 1))
	sub("scale ID POOL N", "Say how many machines of a pool are to be there for a run, within its provision block", cobra.ExactArgs(3), o.scale)
	sub("abort ID", "The same as remove", cobra.ExactArgs(1), o.remove)
	sub("remove ID", "End a run: its jobs are removed", cobra.ExactArgs(1), o.remove)
	s = sub("wait ID", "Wait until a run has ended; the exit status is 1 if it has failed", cobra.ExactArgs(1), o.wait)
	s.Flags().DurationVar(&o.timeout, "timeout", 0, "give up after this `time`")
	return c
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, usage(fmt.Sprintf("%q is not a number", s))
	}
	return uint32(n), nil
}

// about is whom to ask about the workflow with that number.
func (o *workflowOptions) about(d *Deps, arg string) (*api.Client, uint32, error) {
	id, err := number(arg)
	if err != nil {
		return nil, 0, err
	}
	client, err := o.Client(d)
	return client, id, err
}

func (o *workflowOptions) status(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return o.list(ctx, d, client)
	}
	id, err := number(args[0])
	if err != nil {
		return err
	}
	detail, err := client.Dag(ctx, id)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, detail)
	}
	name := len("Node")
	for _, n := range detail.Detail {
		name = max(name, len(n.Name))
	}
	fmt.Fprintf(d.Out, "Workflow %d (%s of %s) is %s.\n\n%-*s %-10s %7s %8s %5s\n", id, grid.Printable(detail.Name), grid.Printable(detail.Owner), stands(&detail.Dag), name, "Node", "State", "Attempt", "Cluster", "Exit")
	counts := map[string]int{}
	for _, n := range detail.Detail {
		counts[n.State]++
		cluster := ""
		if n.Cluster != 0 {
			cluster = strconv.Itoa(int(n.Cluster))
		}
		colour := map[string]string{"done": green, "failed": red, "futile": red, "submitted": yellow}[n.State]
		fmt.Fprintln(d.Out, d.paint(colour, d.cut(fmt.Sprintf("%-*s %-10s %7d %8s %5d", name, grid.Printable(n.Name), n.State, n.Attempt, cluster, n.Exit))))
	}
	var totals []string
	for _, s := range []string{"done", "pre", "submitted", "post", "ready", "waiting", "failed", "futile"} {
		if counts[s] == 0 && (s == "pre" || s == "post") {
			continue // few workflows have scripts
		}
		totals = append(totals, fmt.Sprintf("%d %s", counts[s], s))
	}
	fmt.Fprintf(d.Out, "\nTotal: %d nodes; %s\n", len(detail.Detail), strings.Join(totals, ", "))
	for _, p := range detail.Provision {
		fmt.Fprintf(d.Out, "It wants %d machines of %s, and may have %d; gdag scale %d %s N changes that.\n", p.Count, grid.Printable(p.Pool), p.Max, id, p.Pool)
	}
	for i := range detail.Detail {
		if n := &detail.Detail[i]; n.Awaits != "" {
			fmt.Fprintf(d.Out, "%s is not ready: %s.\n", grid.Printable(n.Name), grid.Printable(n.Awaits))
		}
	}
	waits := 0
	for i := range detail.Detail {
		if n := &detail.Detail[i]; n.Previous != nil && n.State == "waiting" {
			if waits++; waits <= 5 {
				fmt.Fprintf(d.Out, "It waits for %s.\n", previousWords(n.Previous))
			}
		}
	}
	if waits > 5 {
		fmt.Fprintf(d.Out, "And for %d more nodes of that run.\n", waits-5)
	}
	return nil
}

// stands is how a run stands.
func stands(g *api.Dag) string {
	if g.Halt != "" && g.Ended == 0 {
		return g.Status + " (" + g.Halt + ")"
	}
	return g.Status
}

func (o *workflowOptions) list(ctx context.Context, d *Deps, client *api.Client) error {
	out, err := client.Dags(ctx, o.all)
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	fmt.Fprintf(d.Out, "%6s %-10s %-9s %6s %6s %6s  %-11s %s\n", "ID", "Owner", "Status", "Nodes", "Done", "Failed", "Started", "Name")
	for _, g := range out.Dags {
		line := fmt.Sprintf("%6d %-10s %-9s %6d %6d %6d  %-11s %s", g.ID, grid.Printable(g.Owner), g.Status, g.Nodes, g.Done, g.Failed, moment(time.Unix(g.Started, 0)), grid.Printable(g.Name))
		fmt.Fprintln(d.Out, d.cut(line))
	}
	return nil
}

func (o *workflowOptions) remove(ctx context.Context, d *Deps, args []string) error {
	client, id, err := o.about(d, args[0])
	if err != nil {
		return err
	}
	if err := client.RemoveDag(ctx, id); err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "Workflow %d is being removed.\n", id)
	return nil
}

func (o *workflowOptions) wait(ctx context.Context, d *Deps, args []string) error {
	client, id, err := o.about(d, args[0])
	if err != nil {
		return err
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, grid.Errorf(grid.Unavailable, "workflow %d has not ended within %s", id, o.timeout))
		defer cancel()
	}
	ended := func(status string) bool { return status == "done" || status == "failed" || status == "removed" }
	// Events are followed from before the look, so that the end cannot slip between.
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	detail, err := client.Dag(ctx, id)
	if err != nil {
		return err
	}
	how := detail.Status
	if !ended(how) {
		for e, err := range client.Events(ctx, status.Index) {
			if err != nil {
				return err
			}
			if e.Type == "dag_moved" && e.ID == id && ended(e.To) {
				how = e.To
				break
			}
		}
	}
	fmt.Fprintf(d.Out, "Workflow %d is %s.\n", id, how)
	if how != "done" {
		return said(ExitFailed)
	}
	return nil
}
