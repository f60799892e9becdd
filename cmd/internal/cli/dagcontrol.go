package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// dagLimits are options that limit a run.
type dagLimits struct {
	api.DagLimits
	set func(name string) bool
}

func (l *dagLimits) flags(c *cobra.Command) {
	for _, x := range []struct {
		to         *int32
		name, text string
	}{
		{&l.MaxJobs, "maxjobs", "at most `N` nodes have a job in the queue at a time"},
		{&l.MaxIdle, "maxidle", "no node is submitted while `N` jobs of the run wait"},
		{&l.MaxPre, "maxpre", "at most `N` PRE scripts run at a time"},
		{&l.MaxPost, "maxpost", "at most `N` POST scripts run at a time"},
		{&l.MaxHold, "maxhold", "at most `N` HOLD scripts run at a time"},
	} {
		c.Flags().Int32Var(x.to, x.name, 0, x.text+" (0: as many as the administrator allows)")
	}
	l.set = c.Flags().Changed
}

// over puts what was asked for over what there is.
func (l *dagLimits) over(now api.DagLimits) api.DagLimits {
	for _, x := range []struct {
		name     string
		from, to *int32
	}{
		{"maxjobs", &l.MaxJobs, &now.MaxJobs},
		{"maxidle", &l.MaxIdle, &now.MaxIdle},
		{"maxpre", &l.MaxPre, &now.MaxPre},
		{"maxpost", &l.MaxPost, &now.MaxPost},
		{"maxhold", &l.MaxHold, &now.MaxHold},
	} {
		if l.set(x.name) {
			*x.to = *x.from
		}
	}
	return now
}

// control tells a run something.
func (o *workflowOptions) control(verb, said string) func(context.Context, *Deps, []string) error {
	return func(ctx context.Context, d *Deps, args []string) error {
		client, id, err := o.about(d, args[0])
		if err != nil {
			return err
		}
		what := api.DagControl{Verb: verb}
		if len(args) > 1 {
			what.Node = args[1]
		}
		if verb == "throttle" {
			now, err := client.Dag(ctx, id)
			if err != nil {
				return err
			}
			limits := o.limits.over(now.Limit)
			what.Limit = &limits
		}
		out, err := client.ControlDag(ctx, id, what)
		if err != nil {
			return err
		}
		if o.json {
			return PrintJSON(d, out)
		}
		if verb == "throttle" {
			fmt.Fprintf(d.Out, "Workflow %d: %s.\n", id, limitWords(out.Limit))
			return nil
		}
		fmt.Fprintf(d.Out, "Workflow %d "+said+".\n", append([]any{id}, anys(args[1:])...)...)
		return nil
	}
}

// scale says how many machines of a pool are to be there for a run.
func (o *workflowOptions) scale(ctx context.Context, d *Deps, args []string) error {
	id, err := number(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return usage(fmt.Sprintf("%q is no number of machines", args[2]))
	}
	client, err := o.NodeClient(d)
	if err != nil {
		return err
	}
	out, err := client.ScaleDag(ctx, id, api.DagScale{Pool: args[1], Count: n})
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	fmt.Fprintf(d.Out, "Workflow %d wants %d machines of %s, where it wanted %d.\n", id, n, grid.Printable(args[1]), out.Was)
	return nil
}

func anys(list []string) (out []any) {
	for _, w := range list {
		out = append(out, grid.Printable(w))
	}
	return out
}

func limitWords(l api.DagLimits) string {
	var out []string
	for _, x := range []struct {
		name string
		n    int32
	}{{"maxjobs", l.MaxJobs}, {"maxidle", l.MaxIdle}, {"maxpre", l.MaxPre}, {"maxpost", l.MaxPost}, {"maxhold", l.MaxHold}} {
		n := "no limit"
		if x.n > 0 {
			n = fmt.Sprint(x.n)
		}
		out = append(out, x.name+" "+n)
	}
	return strings.Join(out, ", ")
}

// taken are the variables that the scripts of a run have from its submitter.
var taken = []string{"PATH", "HOME", "LANG", "LC_*", "TZ", "PYTHON*", "PERL*", "PEGASUS_*", "CONDOR_CONFIG", "_CONDOR_*"}

// environment makes what a graph takes over from the submitter's environment a part of
// it: the schedd has another one.
func environment(g *dag.Graph, environ []string) {
	var rules []dag.EnvRule
	for _, pattern := range taken {
		prefix, open := strings.CutSuffix(pattern, "*")
		for _, e := range environ {
			if name, value, _ := strings.Cut(e, "="); name == prefix || open && strings.HasPrefix(name, prefix) {
				rules = append(rules, dag.EnvRule{Set: name, Value: value})
			}
		}
	}
	for _, r := range g.Env {
		if r.Get == "" {
			rules = append(rules, r)
			continue
		}
		if value, ok := os.LookupEnv(r.Get); ok {
			rules = append(rules, dag.EnvRule{Set: r.Get, Value: value})
		}
	}
	g.Env = rules
}

// scripted reports whether a run of g has use for an environment.
func scripted(g *dag.Graph) bool {
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.Pre != nil || n.Post != nil || n.Hold != nil {
			return true
		}
	}
	return false
}
