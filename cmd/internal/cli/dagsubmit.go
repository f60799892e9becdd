package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
)

// rescueOptions say what a run of a DAG file takes over from earlier ones.
type rescueOptions struct {
	auto  bool
	from  int
	file  string
	save  string
	force bool
}

func (o *rescueOptions) flags(c *cobra.Command) {
	c.Flags().BoolVar(&o.auto, "auto-rescue", true, "take up where the newest rescue file left off, if there is one")
	c.Flags().IntVar(&o.from, "do-rescue-from", 0, "take up where rescue file `N` left off; newer ones get the ending .old")
	c.Flags().StringVar(&o.file, "rescue-file", "", "take up where this rescue `file` left off")
	c.Flags().StringVar(&o.save, "load-save", "", "begin from this `file` of a save point")
	c.Flags().BoolVar(&o.force, "force", false, "begin anew; rescue files get the ending .old")
}

// alone refuses options that contradict each other.
func (o *rescueOptions) alone() error {
	given := 0
	for _, is := range []bool{o.from != 0, o.file != "", o.save != "", o.force} {
		if is {
			given++
		}
	}
	if given > 1 {
		return usage("--do-rescue-from, --rescue-file, --load-save and --force exclude each other")
	}
	return nil
}

// choose finds the file to be read behind a DAG file, and those that are then out of date.
func (o *rescueOptions) choose(file string, several bool) (rescue string, old []string, err error) {
	if err := o.alone(); err != nil {
		return "", nil, err
	}
	numbers, err := jobfile.Rescues(file, several)
	if err != nil {
		return "", nil, err
	}
	switch {
	case o.file != "" || o.save != "":
		rescue, err = filepath.Abs(o.file + o.save)
		return rescue, nil, err
	case o.from != 0:
		if !slices.Contains(numbers, o.from) {
			return "", nil, grid.Errorf(grid.NotFound, "there is no rescue file %s", dagfile.RescueName(filepath.Base(file), several, o.from))
		}
		rescue = dagfile.RescueName(file, several, o.from)
	case o.force:
	case o.auto && len(numbers) > 0:
		return dagfile.RescueName(file, several, numbers[len(numbers)-1]), nil, nil
	default:
		return "", nil, nil
	}
	return rescue, o.outOfDate(file, several, numbers), nil
}

// outOfDate are the rescue files behind the chosen one, or all of them.
func (o *rescueOptions) outOfDate(file string, several bool, numbers []int) (old []string) {
	for _, n := range numbers {
		if n > o.from {
			old = append(old, dagfile.RescueName(file, several, n))
		}
	}
	return old
}

func (o *workflowOptions) submit(ctx context.Context, d *Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	w, err := o.workflow(args, o.rescue)
	if err != nil {
		return err
	}
	if w.diags.HasErrors() {
		return w.diags.Err()
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	w.lint(status)
	if w.diags.HasErrors() {
		return w.diags.Err()
	}
	d.Diagnose(w.diags)
	if o.rescue.force || o.rescue.from != 0 { // it is meant for sub-DAGs too
		for _, file := range w.subdags {
			if numbers, err := jobfile.Rescues(file, false); err == nil {
				w.old = append(w.old, o.rescue.outOfDate(file, false, numbers)...)
			}
		}
	}
	// Before the run begins, so that what it leaves is not among them.
	for _, name := range w.old {
		if err := os.Rename(name, name+".old"); err != nil {
			return grid.Errorf(grid.Refused, "the rescue file is not put aside: %w", err)
		}
	}
	if scripted(w.graph) {
		environment(w.graph, os.Environ())
	}
	out, err := client.SubmitDag(ctx, api.DagSubmission{
		Key: o.key, File: w.file, Dir: filepath.Dir(w.file), Graph: *w.graph, DagLimits: o.limits.DagLimits, Priority: o.prio, AlwaysPost: o.always,
		Rescue: int32(dagfile.RescueNumber(w.file, len(args) > 1, filepath.Base(w.rescue))),
	})
	if err != nil {
		return err
	}
	if o.json {
		return PrintJSON(d, out)
	}
	if w.rescue != "" {
		fmt.Fprintf(d.Out, "Taking up where %s left off.\n", grid.Printable(filepath.Base(w.rescue)))
	}
	fmt.Fprintf(d.Out, "Workflow %d submitted: %d node(s) of %s.\ngdag status %d shows how it goes.\n", out.Dag, w.graph.Len(), grid.Printable(w.graph.Name), out.Dag)
	return nil
}

// ReadGraph reads a workflow's file, and says what is wrong with it.
func ReadGraph(d *Deps, name string, vars map[string]string) (*dag.Graph, error) {
	o := workflowOptions{vars: vars}
	w, err := o.workflow([]string{name}, rescueOptions{})
	if err == nil {
		err = w.diags.Err()
	}
	if err != nil {
		return nil, err
	}
	d.Diagnose(w.diags)
	return w.graph, nil
}

// workflow is one that was read from disk.
type workflow struct {
	file    string // its full path, that of the first of several
	graph   *dag.Graph
	diags   grid.Diagnostics
	rescue  string   // the file that was read behind it
	old     []string // rescue files that are out of date
	subdags []string // DAG files of nodes, and of theirs, once lint has looked
}

// workflow reads files as they are named.
func (o *workflowOptions) workflow(names []string, rescue rescueOptions) (w workflow, err error) {
	var files []string
	for _, name := range names {
		file, err := filepath.Abs(name)
		if err != nil {
			return w, grid.Errorf(grid.Invalid, "the current directory: %w", err)
		}
		files = append(files, file)
	}
	w.file = files[0]
	switch {
	case jobfile.IsHCL(w.file) && rescue != (rescueOptions{auto: rescue.auto}):
		return w, usage("a workflow in HCL has no rescue files")
	case !jobfile.IsHCL(w.file):
		if w.rescue, w.old, err = rescue.choose(w.file, len(files) > 1); err != nil {
			return w, err
		}
	}
	w.graph, w.diags, err = jobfile.Workflows(files, names, w.rescue, o.vars)
	return w, err
}
