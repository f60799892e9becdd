package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// checked is the answer of gdag check, for programs.
type checked struct {
	File       string           `json:"file"`
	Problems   grid.Diagnostics `json:"problems"` // errors and warnings
	Statistics *dag.Shape       `json:"statistics,omitempty"`
}

// check needs no schedd.
func (o *workflowOptions) check(_ context.Context, d *Deps, args []string) error {
	w, err := o.workflow(args, rescueOptions{})
	if err != nil {
		return err
	}
	if !w.diags.HasErrors() {
		w.lint(api.Status{})
	}
	out := checked{File: args[0], Problems: w.diags}
	if out.Problems == nil {
		out.Problems = grid.Diagnostics{}
	}
	if !w.diags.HasErrors() {
		out.Statistics = new(w.graph.Shape())
	}
	if o.json {
		if err := PrintJSON(d, out); err != nil {
			return err
		}
	} else {
		d.Diagnose(w.diags)
	}
	if w.diags.HasErrors() {
		return said(ExitFailed)
	}
	if !o.json {
		fmt.Fprintf(d.Out, "%s: %d node(s), %d edge(s).\n%s.\n", grid.Printable(args[0]), w.graph.Len(), w.graph.Edges(), out.Statistics)
	}
	return nil
}

// samples is how many nodes of one job file, with macros of the same names, are looked at.
// Of a hundred thousand nodes that share a file, the rest will not be different.
const samples = 100

// linter looks at the files that the nodes of a workflow name.
type linter struct {
	*workflow
	schedd      api.Status
	run         *dag.Run
	seen        map[string]bool // problems, since many nodes share a file
	looked      map[string]int  // nodes by job file and names of macros
	stats       map[string]bool // programs that are there
	provisioner string
	within      []string // DAG files that this one is a sub-DAG of
}

// lint reads the job files of all nodes as they will be read. One that is not there is a
// mistake, unless a script or a node before could make it.
func (w *workflow) lint(schedd api.Status) {
	l := &linter{workflow: w, schedd: schedd, seen: map[string]bool{}, looked: map[string]int{}, stats: map[string]bool{}}
	l.all()
}

func (l *linter) all() {
	run, err := dag.Open(l.graph, dag.Header{}, nil)
	if err != nil {
		l.diags = append(l.diags, grid.Diagnostic{Summary: grid.MessageOf(err), File: l.file})
		return
	}
	l.run = run
	if i := run.Provisioner(); i >= 0 {
		l.provisioner = l.graph.Nodes[i].Name
	}
	for i := range int32(l.graph.Len()) {
		n := &l.graph.Nodes[i]
		l.scripts(n)
		switch {
		case n.Noop || n.Done || n.Past != "":
		case n.Subdag:
			l.subdag(n)
		default:
			l.job(i, n)
		}
	}
}

// maker is what could make a file of a node before it is read; empty: nothing.
func (l *linter) maker(n *dag.Node) string {
	switch {
	case n.Pre != nil:
		return "Its PRE script may make it."
	case len(n.Parents) > 0 || n.Kind == dag.FinalNode:
		return "A node before it may make it."
	case n.Kind == dag.JobNode:
		if l.provisioner != "" {
			return "The provisioner " + l.provisioner + " may make it."
		}
	}
	return ""
}

// missing reports a file that is not there.
func (l *linter) missing(n *dag.Node, what string) {
	if by := l.maker(n); by != "" {
		l.problem(grid.Diagnostic{Warning: true, Summary: "node " + n.Name + ": " + what + " is not there yet", Detail: by, File: l.file})
		return
	}
	l.problem(grid.Diagnostic{
		Summary: "node " + n.Name + ": " + what + " is not there", File: l.file,
		Detail: "Neither a PRE script nor a node before it could make it.",
	})
}

func (l *linter) problem(d grid.Diagnostic) {
	if key := fmt.Sprint(d.File, d.Line, d.Column, d.Summary); !l.seen[key] {
		l.seen[key] = true
		l.diags = append(l.diags, d)
	}
}

// job looks at the submit file or description of a node.
func (l *linter) job(i int32, n *dag.Node) {
	key := n.File + "\x00" + n.Dir + "\x00" + n.Job + "\x00" + n.Submit
	for _, v := range n.Vars {
		key += "\x00" + v.Name
	}
	if l.looked[key]++; l.looked[key] > samples {
		return
	}
	r := jobfile.Node(n, l.file, filepath.Dir(l.file))
	r.Domain, r.Own = l.schedd.Domain, l.schedd.Commands
	if n.Submit != "" {
		if _, err := os.Stat(r.Dir); os.IsNotExist(err) {
			l.missing(n, "the directory "+r.Dir)
		}
		r.Described(l.graph, n)
		r.File = fmt.Sprintf("%s (the description %s)", l.file, n.Submit)
	}
	vars, err := dag.AnyAddress(l.run.Vars(i))
	if err != nil {
		l.problem(grid.Diagnostic{Summary: "node " + n.Name + ": " + grid.MessageOf(err), File: l.file})
		return
	}
	for _, v := range vars {
		r.Vars = append(r.Vars, submit.Var(v))
	}
	specs, found, err := jobfile.Read(r)
	switch {
	case grid.CodeOf(err) == grid.NotFound:
		l.missing(n, r.File)
	case err != nil:
		l.problem(grid.Diagnostic{Summary: "node " + n.Name + ": " + grid.MessageOf(err), File: l.file})
	case !found.HasErrors() && len(specs) != 1:
		l.problem(grid.Diagnostic{
			Summary: fmt.Sprintf("node %s: %s makes %d clusters of jobs; a node is one", n.Name, r.File, len(specs)),
			Detail:  "Name one job block, or use one queue statement.", File: l.file,
		})
	case !found.HasErrors() && n.Kind == dag.ProvisionerNode && specs[0].Len() != 1:
		l.problem(grid.Diagnostic{Summary: fmt.Sprintf("node %s: %s makes %d jobs; a provisioner is one", n.Name, r.File, specs[0].Len()), File: l.file})
	}
	for _, p := range found {
		l.problem(p)
	}
}

// subdag looks at the DAG file of a node as it is now. It is read when the node begins.
func (l *linter) subdag(n *dag.Node) {
	at := jobfile.Node(n, l.file, filepath.Dir(l.file)).File
	if l.looked[at]++; l.looked[at] > 1 {
		return
	}
	for _, outer := range append(l.within, l.file) {
		if outer == at {
			l.problem(grid.Diagnostic{Summary: "node " + n.Name + ": the DAG file " + at + " is a sub-DAG of itself", Detail: "Its runs would never end.", File: l.file})
			return
		}
	}
	l.subdags = append(l.subdags, at)
	graph, diags, err := jobfile.Workflow(at, at)
	switch {
	case grid.CodeOf(err) == grid.NotFound:
		l.missing(n, at)
		return
	case err != nil:
		l.problem(grid.Diagnostic{Summary: "node " + n.Name + ": " + grid.MessageOf(err), File: l.file})
		return
	}
	inner := workflow{file: at, graph: graph}
	if graph != nil {
		(&linter{workflow: &inner, schedd: l.schedd, seen: l.seen, looked: map[string]int{}, stats: l.stats, within: append(l.within, l.file)}).all()
		l.subdags = append(l.subdags, inner.subdags...)
	}
	for _, p := range append(diags, inner.diags...) {
		// What is before it may still change it.
		p.Warning = p.Warning || l.maker(n) != ""
		l.problem(p)
	}
}

// scripts warns of programs that are not there.
func (l *linter) scripts(n *dag.Node) {
	for k, s := range []*dag.Script{n.Pre, n.Post, n.Hold} {
		kind := []string{"PRE", "POST", "HOLD"}[k]
		if s == nil {
			continue
		}
		at := s.Program
		if !filepath.IsAbs(at) {
			at = filepath.Join(jobfile.Node(n, l.file, filepath.Dir(l.file)).Dir, at)
		}
		there, looked := l.stats[at]
		if !looked {
			_, err := os.Stat(at)
			there = !os.IsNotExist(err)
			l.stats[at] = there
		}
		if !there {
			l.problem(grid.Diagnostic{Warning: true, Summary: "node " + n.Name + ": its " + kind + " script " + at + " is not there", File: l.file})
		}
	}
}
