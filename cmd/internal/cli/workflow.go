package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

type workflowOptions struct {
	Asks
	key     string
	json    bool
	all     bool
	timeout time.Duration
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
	s := sub("submit FILE", "Begin a run of a workflow", cobra.ExactArgs(1), o.submit)
	s.Flags().StringVar(&o.key, "key", "", "the same `key` again is the same run (default: a new one)")
	sub("check FILE", "Look for mistakes in a workflow and its job files; begin nothing", cobra.ExactArgs(1), o.check)
	s = sub("status [ID]", "Show runs, or one with its nodes", cobra.MaximumNArgs(1), o.status)
	s.Flags().BoolVar(&o.all, "all", false, "also runs that have ended")
	sub("remove ID", "End a run: its jobs are removed", cobra.ExactArgs(1), o.remove)
	s = sub("wait ID", "Wait until a run has ended; the exit status is 1 if it has failed", cobra.ExactArgs(1), o.wait)
	s.Flags().DurationVar(&o.timeout, "timeout", 0, "give up after this `time`")
	return c
}

func (o *workflowOptions) submit(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	file, g, diags, err := readWorkflow(args[0])
	if err != nil {
		return err
	}
	if diags.HasErrors() {
		return diags.Err()
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	diags = append(diags, lint(g, file, status)...)
	if diags.HasErrors() {
		return diags.Err()
	}
	d.Diagnose(diags)
	out, err := client.SubmitDag(ctx, api.DagSubmission{Key: o.key, File: file, Dir: filepath.Dir(file), Graph: *g})
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	fmt.Fprintf(d.Out, "Workflow %d submitted: %d node(s) of %s.\ngdag status %d shows how it goes.\n", out.Dag, g.Len(), grid.Printable(g.Name), out.Dag)
	return nil
}

// check needs no schedd.
func (o *workflowOptions) check(_ context.Context, d *Deps, args []string) error {
	file, g, diags, err := readWorkflow(args[0])
	if err != nil {
		return err
	}
	if !diags.HasErrors() {
		diags = append(diags, lint(g, file, api.Status{})...)
	}
	if diags.HasErrors() {
		return diags.Err()
	}
	d.Diagnose(diags)
	if o.json {
		return PrintJSON(d, g)
	}
	fmt.Fprintf(d.Out, "%s: %d node(s), %d edge(s).\n", grid.Printable(args[0]), g.Len(), g.Edges())
	return nil
}

// readWorkflow reads the file as it is named, and gives its full path too.
func readWorkflow(name string) (file string, g *dag.Graph, diags grid.Diagnostics, err error) {
	if file, err = filepath.Abs(name); err != nil {
		return "", nil, nil, grid.Errorf(grid.Invalid, "the current directory: %w", err)
	}
	g, diags, err = jobfile.Workflow(file, name)
	return file, g, diags, err
}

// lint reads the job files of all nodes as they will be read. One that is not there is a
// mistake, unless a node before could make it.
func lint(g *dag.Graph, file string, schedd api.Status) (diags grid.Diagnostics) {
	run, err := dag.Open(g, dag.Header{}, nil)
	if err != nil {
		return grid.Diagnostics{{Summary: grid.MessageOf(err)}}
	}
	seen := map[string]bool{}
	for i := range g.Len() {
		n := &g.Nodes[i]
		if n.Noop {
			continue
		}
		r := jobfile.Node(n, file, filepath.Dir(file))
		r.Domain, r.Own = schedd.Domain, schedd.Commands
		for _, v := range run.Vars(int32(i)) {
			r.Vars = append(r.Vars, submit.Var(v))
		}
		specs, found, err := jobfile.Read(r)
		switch {
		case grid.CodeOf(err) == grid.NotFound && len(n.Parents) > 0:
			diags = append(diags, grid.Diagnostic{Warning: true, Summary: "node " + n.Name + ": " + r.File + " is not there yet", Detail: "A node before it may make it."})
		case err != nil:
			diags = append(diags, grid.Diagnostic{Summary: "node " + n.Name + ": " + grid.MessageOf(err)})
		case !found.HasErrors() && len(specs) != 1:
			diags = append(diags, grid.Diagnostic{Summary: fmt.Sprintf("node %s: %s makes %d clusters of jobs; a node is one", n.Name, r.File, len(specs)), Detail: "Name one job block, or use one queue statement."})
		}
		for _, p := range found {
			// Many nodes share a file.
			if key := fmt.Sprint(p.File, p.Line, p.Column, p.Summary); !seen[key] {
				seen[key] = true
				diags = append(diags, p)
			}
		}
	}
	return diags
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, usage(fmt.Sprintf("%q is not a number", s))
	}
	return uint32(n), nil
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
	fmt.Fprintf(d.Out, "Workflow %d (%s of %s) is %s.\n\n%-*s %-10s %7s %8s %5s\n", id, grid.Printable(detail.Name), grid.Printable(detail.Owner), detail.Status, name, "Node", "State", "Attempt", "Cluster", "Exit")
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
	for _, s := range []string{"done", "submitted", "ready", "waiting", "failed", "futile"} {
		totals = append(totals, fmt.Sprintf("%d %s", counts[s], s))
	}
	fmt.Fprintf(d.Out, "\nTotal: %d nodes; %s\n", len(detail.Detail), strings.Join(totals, ", "))
	return nil
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
	id, err := number(args[0])
	if err != nil {
		return err
	}
	client, err := o.Client(d)
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
	id, err := number(args[0])
	if err != nil {
		return err
	}
	client, err := o.Client(d)
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
