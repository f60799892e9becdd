package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

type submitOptions struct {
	Asks
	hcl     bool
	dry     bool
	explain bool
	terse   bool
	json    bool
	check   bool
	domain  string
	append  []string
	vars    []string
	key     string
}

// Submit is gsubmit.
func Submit(d *Deps) *cobra.Command {
	var o submitOptions
	c := &cobra.Command{
		Use:   "gsubmit [FILE] [NAME=VALUE ...]",
		Short: "Hand in jobs",
		Long: `Hand in the jobs of a job file.

A FILE whose name ends in .hcl is a job file in HCL; any other is a submit file in
HTCondor's language. Without FILE, or with -, the jobs are read from standard input.
NAME=VALUE sets a macro before the file is read (in HCL: a variable); +NAME=VALUE
sets an attribute of every job.

A submission is handed in once, even when the connection breaks: gsubmit asks again
until it knows. --key lets several runs of gsubmit be one submission.
` + ExitHelp,
		Example: "  gsubmit job.hcl\n  gsubmit job.sub size=20 --append 'request_memory = 2GB'",
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args) },
	}
	f := c.Flags()
	o.Flags(c)
	f.BoolVar(&o.hcl, "hcl", false, "the file is HCL, whatever its name")
	f.BoolVar(&o.dry, "dry-run", false, "print the jobs' ads; hand in nothing")
	f.BoolVar(&o.explain, "explain", false, "say where each attribute of the jobs came from; hand in nothing")
	f.BoolVar(&o.terse, "terse", false, "print only the first and last job of each cluster")
	f.BoolVar(&o.json, "json", false, "print the answer as JSON")
	f.BoolVar(&o.check, "check", false, "also refuse jobs whose input files are not there yet")
	f.StringArrayVarP(&o.append, "append", "a", nil, "a `line` NAME = VALUE behind those of the file")
	f.StringArrayVar(&o.vars, "var", nil, "NAME=VALUE, as among the arguments")
	f.StringVar(&o.domain, "domain", "", "machines of this `domain` share our files (default: what the schedd says)")
	f.StringVar(&o.key, "key", "", "the same `key` again is the same submission (default: a new one)")
	return c
}

func (o *submitOptions) run(ctx context.Context, d *Deps, args []string) error {
	file, vars, err := o.arguments(args)
	if err != nil {
		return err
	}
	name, src, err := readSource(d, file)
	if err != nil {
		return err
	}
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	// Who we are and which machines share our files, the schedd knows.
	status, err := client.Status(ctx)
	if err != nil && !o.dry && !o.explain {
		return err
	}
	site, err := here(d, status)
	if err != nil {
		return err
	}
	site.Vars, site.Check = vars, o.check
	var sections []submit.Origins
	if o.explain {
		site.Explain = func(s submit.Origins) { sections = append(sections, s) }
	}
	site.FileSystemDomain = cmp.Or(o.domain, site.FileSystemDomain)
	specs, diags := o.specs(name, src, site)
	if diags.HasErrors() {
		return diags.Err()
	}
	d.Diagnose(diags)
	if o.explain {
		return o.origins(d, specs, sections)
	}
	if o.dry {
		return o.show(d, specs)
	}
	if len(specs) == 0 {
		return grid.Errorf(grid.Invalid, "%s makes no jobs", name)
	}
	out, err := client.Submit(ctx, api.Submission{Key: o.key, Specs: specs})
	if err != nil {
		return err
	}
	for _, w := range out.Warnings {
		fmt.Fprintf(d.Err, "Warning: %s\n", grid.Printable(w))
	}
	return o.tell(d, out)
}

// arguments takes the command line apart.
func (o *submitOptions) arguments(args []string) (file string, vars []submit.Var, err error) {
	pair := func(s, from string, behind bool) error {
		name, value, ok := strings.Cut(s, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return usage(fmt.Sprintf("%s %q is not NAME=VALUE", from, s))
		}
		vars = append(vars, submit.Var{Name: name, Value: strings.TrimSpace(value), Append: behind})
		return nil
	}
	for _, a := range args {
		if strings.Contains(a, "=") && !strings.ContainsRune(strings.SplitN(a, "=", 2)[0], '/') {
			if err := pair(a, "the argument", false); err != nil {
				return "", nil, err
			}
			continue
		}
		if file != "" {
			return "", nil, usage("one job file at a time: " + file + " or " + a)
		}
		file = a
	}
	for _, v := range o.vars {
		if err := pair(v, "--var", false); err != nil {
			return "", nil, err
		}
	}
	for _, v := range o.append {
		if err := pair(v, "--append", true); err != nil {
			return "", nil, err
		}
	}
	return file, vars, nil
}

// readSource reads a job file, or standard input.
func readSource(d *Deps, file string) (name string, src []byte, err error) {
	var r io.Reader
	switch {
	case file == "" && d.InTerm:
		return "", nil, usage("name a job file, or - for standard input")
	case file == "" || file == "-":
		name, r = "standard input", d.In
	default:
		f, err := os.Open(file)
		if err != nil {
			code := grid.Invalid
			if os.IsNotExist(err) {
				code = grid.NotFound
			}
			return "", nil, grid.Errorf(code, "the job file: %w", err)
		}
		defer f.Close()
		name, r = file, f
	}
	if src, err = io.ReadAll(io.LimitReader(r, submit.MaxFile+1)); err != nil {
		return "", nil, grid.Errorf(grid.Invalid, "read %s: %w", name, err)
	}
	return name, src, nil
}

// specs reads the jobs in the file's language.
func (o *submitOptions) specs(name string, src []byte, site submit.Site) ([]submit.Spec, grid.Diagnostics) {
	return jobfile.Lower(name, src, o.hcl || jobfile.IsHCL(name), "", site)
}

// maxDots bounds the dots of a large submission's line.
const maxDots = 1000

// tell prints what was submitted, in the words that programs look for.
func (o *submitOptions) tell(d *Deps, out api.Submitted) error {
	switch {
	case o.json:
		return PrintJSON(d, out)
	case o.terse:
		for _, c := range out.Clusters {
			fmt.Fprintf(d.Out, "%d.0 - %d.%d\n", c.Cluster, c.Cluster, c.Procs-1)
		}
		return nil
	}
	dots := 0
	for _, c := range out.Clusters {
		dots += int(c.Procs)
	}
	fmt.Fprintf(d.Out, "Submitting job(s)%s\n", strings.Repeat(".", min(dots, maxDots)))
	for _, c := range out.Clusters {
		fmt.Fprintf(d.Out, "%d job(s) submitted to cluster %d.\n", c.Procs, c.Cluster)
	}
	return nil
}

// show prints the ads that the specs would become, as clusters 1, 2, ...
func (o *submitOptions) show(d *Deps, specs []submit.Spec) error {
	list := adList{d: d, long: !o.json}
	for i := range specs {
		for p := range specs[i].Len() {
			attrs, err := specs[i].Proc(grid.JobID{Cluster: int32(i + 1), Proc: int32(p)})
			if err != nil {
				return err
			}
			a := ad.New(len(attrs))
			for _, at := range attrs {
				if err := a.Set(at.Name, at.Expr); err != nil {
					return err
				}
			}
			submit.Hide(a) // as in every ad that is shown
			list.ad(a)
		}
	}
	list.end()
	if !o.json {
		for i := range specs {
			fmt.Fprintf(d.Err, "%d job(s) dry-run to cluster %d.\n", specs[i].Len(), i+1)
		}
	}
	return nil
}

// origin is an attribute of a job with where it came from.
type origin struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Why  string `json:"why"`
}

// origins says of the first job of each queue statement where its attributes came from.
func (o *submitOptions) origins(d *Deps, specs []submit.Spec, sections []submit.Origins) error {
	var out [][]origin
	for i := range specs {
		proc := 0
		for s := range specs[i].Sections {
			attrs, err := specs[i].Proc(grid.JobID{Cluster: int32(i + 1), Proc: int32(proc)})
			if err != nil {
				return err
			}
			proc += specs[i].Sections[s].Len()
			from := sections[len(out)]
			job := make([]origin, 0, len(attrs))
			for _, a := range submit.HideAttrs(attrs) {
				why := from.Of(a.Name)
				job = append(job, origin{a.Name, a.Expr, why.Pos.File, why.Pos.Line, why.Why})
			}
			out = append(out, job)
		}
	}
	if o.json {
		return PrintJSON(d, out)
	}
	for i, job := range out {
		if i > 0 {
			fmt.Fprintln(d.Out)
		}
		for _, a := range job {
			why := a.Why
			if a.Line > 0 {
				why = fmt.Sprintf("%s:%d: %s", a.File, a.Line, why)
			} else if a.File != "" {
				why = a.File
			}
			fmt.Fprintf(d.Out, "%s = %s\n    %s\n", a.Name, a.Expr, grid.Printable(why))
		}
	}
	return nil
}
