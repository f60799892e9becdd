// Package draw draws workflows: gdag draw.
package draw

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-graphviz"
	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/schedd/api"
)

// picture is a workflow as it is drawn.
type picture struct {
	name  string
	nodes []api.DagNode
}

// most is how many nodes and edges are laid out. Beyond it nobody sees anything, and the
// layout takes for ever.
const most = 3000

type options struct {
	cli.Asks
	dot, svg string
	vars     map[string]string
}

// Command is gdag draw.
func Command(d *cli.Deps) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "draw RUN|FILE",
		Short: "Draw a run, or a workflow that is not begun",
		Long: `Draw a run of a workflow, each node in the colour of its state, or a workflow's file:
as SVG, or in the language of graphviz. Without --svg and --dot the drawing is printed in the latter.

Colours: green done, yellow in the queue or its scripts run, red failed, grey futile, white
not begun. A dotted edge is one that only waits for an end.
` + cli.ExitHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args[0]) },
	}
	o.Flags(c)
	f := c.Flags()
	f.StringVar(&o.svg, "svg", "", "write it to this `file` as SVG")
	f.StringVar(&o.dot, "dot", "", "write it to this `file` for graphviz")
	f.StringToStringVar(&o.vars, "var", nil, "`NAME=VALUE`: as in submit")
	return c
}

func (o *options) run(ctx context.Context, d *cli.Deps, what string) error {
	p, err := o.read(ctx, d, what)
	if err != nil {
		return err
	}
	dot := p.dot()
	if o.dot != "" {
		if err := whole.Write(o.dot, dot, 0o644); err != nil {
			return grid.Errorf(grid.Refused, "%w", err)
		}
	}
	if o.svg != "" {
		svg, err := p.svg(ctx, dot)
		if err != nil {
			return err
		}
		if err := whole.Write(o.svg, svg, 0o644); err != nil {
			return grid.Errorf(grid.Refused, "%w", err)
		}
	}
	if o.dot == "" && o.svg == "" {
		_, err = d.Out.Write(dot)
	}
	return err
}

// read asks for a run, or reads a file.
func (o *options) read(ctx context.Context, d *cli.Deps, what string) (p picture, err error) {
	id, notNumber := strconv.ParseUint(what, 10, 32)
	if _, err := os.Stat(what); notNumber != nil || err == nil {
		g, err := cli.ReadGraph(d, what, o.vars)
		if err != nil {
			return p, err
		}
		return ofGraph(g), nil
	}
	client, err := o.Client(d)
	if err != nil {
		return p, err
	}
	run, err := client.DagEdges(ctx, uint32(id))
	return picture{run.Name, run.Detail}, err
}

func ofGraph(g *dag.Graph) picture {
	p := picture{name: g.Name, nodes: make([]api.DagNode, g.Len())}
	for i := range p.nodes {
		n := &g.Nodes[i]
		p.nodes[i] = api.DagNode{Name: n.Name, State: grid.NodeWaiting.String(), Kind: n.KindWord()}
		for _, q := range g.Parents(int32(i)) {
			if g.Weakly(int32(i), q) {
				q = -1 - q
			}
			p.nodes[i].Parents = append(p.nodes[i].Parents, q)
		}
	}
	return p
}

// colours are those of states, and of the text on them.
var colours = map[string]string{
	"done": "#7bc47f", "submitted": "#ffe08a", "pre": "#ffe08a", "post": "#ffe08a", "failed": "#f08a8a", "futile": "#c8c8c8", "ready": "#dcecff",
}

// shapes are those of kinds of nodes.
var shapes = map[string]string{"final": "doubleoctagon", "provisioner": "house", "service": "cds", "subdag": "folder"}

func (p *picture) dot() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "digraph %s {\n\tlabel=%s;\n\tnode [style=filled, fillcolor=white, shape=box];\n", quote(p.name), quote(p.name))
	for i, n := range p.nodes {
		fmt.Fprintf(&b, "\tn%d [label=%s", i, quote(n.Name))
		if c := colours[n.State]; c != "" {
			fmt.Fprintf(&b, ", fillcolor=%s", quote(c))
		}
		if s := shapes[n.Kind]; s != "" {
			fmt.Fprintf(&b, ", shape=%s", s)
		}
		fmt.Fprintf(&b, ", tooltip=%s];\n", quote(n.Name+": "+n.State))
	}
	for i, n := range p.nodes {
		for _, q := range n.Parents {
			if q < 0 {
				fmt.Fprintf(&b, "\tn%d -> n%d [style=dotted];\n", -1-q, i)
			} else {
				fmt.Fprintf(&b, "\tn%d -> n%d;\n", q, i)
			}
		}
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(grid.Printable(s)) + `"`
}

func (p *picture) svg(ctx context.Context, dot []byte) ([]byte, error) {
	edges := 0
	for _, n := range p.nodes {
		edges += len(n.Parents)
	}
	if len(p.nodes)+edges > most {
		return nil, grid.Errorf(grid.Refused, "%d nodes and %d edges are too many for a drawing that anybody could read; --dot writes them for other programs", len(p.nodes), edges)
	}
	g, err := graphviz.New(ctx)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "graphviz: %w", err)
	}
	defer g.Close()
	graph, err := graphviz.ParseBytes(dot)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "graphviz: %w", err)
	}
	defer graph.Close()
	var b bytes.Buffer
	if err := g.Render(ctx, graph, graphviz.SVG, &b); err != nil {
		return nil, grid.Errorf(grid.Internal, "graphviz: %w", err)
	}
	return b.Bytes(), nil
}

// Workflow is gdag with draw. It stands here so that no other command carries the library
// that lays out graphs.
func Workflow(d *cli.Deps) *cobra.Command {
	c := cli.Workflow(d)
	c.AddCommand(Command(d))
	return c
}
