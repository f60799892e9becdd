package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gridburst/configs"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/router/route"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

type routeOptions struct {
	Asks
	config   string
	jobads   string
	route    string
	each     bool
	ads, all bool
	json     bool

	own []submit.OwnCommand // of the configuration
}

// Routes is groute.
func Routes(d *Deps) *cobra.Command {
	var o routeOptions
	c := &cobra.Command{
		Use:   "groute",
		Short: "Show the routes by which jobs leave the pool, try and steer them",
		Long: `Show the routes by which jobs leave the pool, and try them on jobs: which route takes a
job, what it becomes there, and why not the others. Nothing is changed, and no job moves, but
by pause, resume and cap, which steer a route of the schedd that is meant.

Routes are read from a configuration: the one of --config, which is a schedd's (its name
ends in .hcl) or HTCondor's own; or else the one that gschedd reads. They are tried as if
no job were on them yet, and as if the jobs came one after the other. list tells also what
goes on on the routes of a schedd that answers, unless --config names another configuration.

Jobs come from a job file, which is read as gsubmit reads it; from --jobads, which holds
ads as gq -l or condor_q -l print them; or from the queue, by their ids.
` + ExitHelp,
	}
	o.Flags(c)
	p := c.PersistentFlags()
	p.StringVar(&o.config, "config", "", "the configuration `file` (default: as gschedd finds it)")
	p.BoolVar(&o.json, "json", false, "print it as JSON")
	list := &cobra.Command{
		Use: "list", Short: "Show the routes in their order", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.list(c.Context(), d) },
	}
	test := &cobra.Command{
		Use: "test [JOBFILE | JOB ...]", Short: "Say which route takes each job",
		Example: "  groute test job.hcl\n  groute test --config /etc/condor/condor_config --jobads jobs.ad",
		RunE:    func(c *cobra.Command, args []string) error { return o.test(c.Context(), d, args) },
	}
	explain := &cobra.Command{
		Use: "explain [JOBFILE | JOB ...]", Short: "Say of each route what it would do with a job, step by step, and why not",
		Example: "  groute explain job.hcl --route slurm\n  groute explain 12.0 --ads",
		RunE:    func(c *cobra.Command, args []string) error { return o.explain(c.Context(), d, args) },
	}
	for _, sub := range []*cobra.Command{test, explain} {
		sub.Flags().StringVar(&o.jobads, "jobads", "", "take the jobs from this `file` of ads; - is standard input")
	}
	test.Flags().BoolVar(&o.each, "alone", false, "try each job as if no other had come before it")
	explain.Flags().StringVar(&o.route, "route", "", "only the route of this `name`")
	explain.Flags().BoolVar(&o.ads, "ads", false, "also print what the job would become, whole")
	explain.Flags().BoolVar(&o.all, "steps", false, "also tell what every copy leaves behind and begins with")
	c.AddCommand(list, test, explain)
	c.AddCommand(steersRoutes().commands(d, &o.Asks, false)...)
	return c
}

// table reads the routes.
func (o *routeOptions) table(d *Deps) (*route.Table, string, error) {
	name, err := o.where(d)
	if err != nil {
		return nil, "", err
	}
	src, err := jobfile.OS{}.ReadFile(name)
	if err != nil {
		code := grid.Invalid
		if errors.Is(err, os.ErrNotExist) {
			code = grid.NotFound
		}
		return nil, "", grid.Errorf(code, "the configuration: %w", err)
	}
	var t *route.Table
	var diags grid.Diagnostics
	if strings.EqualFold(filepath.Ext(name), ".hcl") {
		c, found := configs.ReadSchedd(name, src)
		if diags, o.own = found, c.Commands; !diags.HasErrors() {
			var more grid.Diagnostics
			t, more = c.Router.Table(besideFiles{filepath.Dir(name)})
			if c.Router != nil && c.Router.CondorConfig != "" { // else they were told already
				diags = append(diags, more...)
			}
		}
	} else {
		t, diags = route.Read(name, src, jobfile.OS{})
	}
	if diags.HasErrors() {
		return nil, "", diags.Err()
	}
	d.Diagnose(diags)
	if t == nil || len(t.Routes) == 0 {
		return nil, "", grid.Errorf(grid.NotFound, "%s has no routes", name)
	}
	return t, name, nil
}

// where is the configuration: the named one, or that of the schedd that is meant.
func (o *routeOptions) where(d *Deps) (string, error) {
	if o.config != "" {
		return o.config, nil
	}
	named := cmp.Or(o.schedd, d.Env("GRIDBURST_SCHEDD"))
	if info, err := os.Stat(named); err == nil && info.IsDir() {
		return filepath.Join(named, "schedd.hcl"), nil
	}
	dir, err := DefaultDir(d.Env)
	if dir == SystemDir {
		return "/etc/gridburst/schedd.hcl", nil
	}
	return filepath.Join(dir, "schedd.hcl"), err
}

// besideFiles are files that are named as seen from a directory.
type besideFiles struct{ dir string }

func (f besideFiles) ReadFile(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(f.dir, name)
	}
	return jobfile.OS{}.ReadFile(name)
}

// jobs are those that the routes are tried on.
func (o *routeOptions) jobs(ctx context.Context, d *Deps, args []string) ([]*ad.Ad, error) {
	switch {
	case o.jobads != "" && len(args) > 0:
		return nil, usage("--jobads and a job do not go together")
	case o.jobads != "":
		_, src, err := readSource(d, o.jobads)
		if err != nil {
			return nil, err
		}
		return ad.ParseLongs(string(src))
	case len(args) == 0:
		return nil, usage("name a job file, a job, or --jobads FILE")
	}
	for _, a := range args {
		if _, err := grid.ParseRun(a); err != nil {
			if len(args) > 1 {
				return nil, usage("one job file at a time, or jobs by their ids")
			}
			return o.fromFile(d, args[0])
		}
	}
	return o.fromQueue(ctx, args, d)
}

// fromFile are the jobs that a job file would make.
func (o *routeOptions) fromFile(d *Deps, file string) ([]*ad.Ad, error) {
	name, src, err := readSource(d, file)
	if err != nil {
		return nil, err
	}
	site, err := here(d, api.Status{Commands: o.own})
	if err != nil {
		return nil, err
	}
	specs, diags := jobfile.Lower(name, src, jobfile.IsHCL(name), "", site)
	if diags.HasErrors() {
		return nil, diags.Err()
	}
	d.Diagnose(diags)
	var out []*ad.Ad
	for i := range specs {
		for p := range specs[i].Len() {
			attrs, err := specs[i].Proc(grid.JobID{Cluster: int32(i + 1), Proc: int32(p)})
			if err != nil {
				return nil, err
			}
			a := ad.New(len(attrs) + 4)
			for _, at := range attrs {
				if err := a.Set(at.Name, at.Expr); err != nil {
					return nil, err
				}
			}
			a.SetString("Owner", site.Owner)
			a.SetString("User", site.Owner+"@"+site.FileSystemDomain)
			a.SetInt("QDate", site.Now.Unix())
			submit.Hide(a) // as in every ad that is shown
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, grid.Errorf(grid.Invalid, "%s makes no jobs", name)
	}
	return out, nil
}

// fromQueue are jobs of the queue.
func (o *routeOptions) fromQueue(ctx context.Context, ids []string, d *Deps) ([]*ad.Ad, error) {
	client, err := o.Client(d)
	if err != nil {
		return nil, err
	}
	var out []*ad.Ad
	for job, err := range client.Jobs(ctx, api.JobsQuery{IDs: ids}) {
		if err != nil {
			return nil, err
		}
		a, err := parseAd(job)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	if len(out) == 0 {
		return nil, none(ctx, ids, "queue", "ghistory")
	}
	return out, nil
}

// leads is where a route goes.
func leads(r *route.Route) string {
	if r.GridResource != "" {
		return r.GridResource
	}
	return "universe " + route.UniverseName(r.Universe)
}

func (o *routeOptions) list(ctx context.Context, d *Deps) error {
	t, name, err := o.table(d)
	if grid.CodeOf(err) == grid.NotFound && !o.json {
		if now := o.now(ctx, d); len(now) > 0 { // of routes that are not configured any more, something is left
			fmt.Fprintln(d.Out, grid.Printable(strings.ToUpper(grid.MessageOf(err)[:1])+grid.MessageOf(err)[1:])+".")
			printNow(d, now)
			return nil
		}
	}
	if err != nil {
		return err
	}
	type shown struct {
		Name         string  `json:"name"`
		Target       string  `json:"target"`
		Universe     int     `json:"universe"`
		MaxJobs      int     `json:"max_jobs"`
		MaxIdleJobs  int     `json:"max_idle_jobs"`
		FailureRate  float64 `json:"failure_rate_threshold"`
		Requirements string  `json:"requirements,omitempty"`
		File         string  `json:"file"`
		Line         int     `json:"line"`
	}
	var out struct {
		Router     string  `json:"router"`
		Constraint string  `json:"constraint,omitempty"`
		MaxJobs    int     `json:"max_jobs"`
		RoundRobin bool    `json:"round_robin,omitempty"`
		Routes     []shown `json:"routes"`

		Now []api.Route `json:"now,omitempty"`
	}
	out.Router, out.MaxJobs, out.RoundRobin = t.Name, t.MaxJobs, t.RoundRobin
	if t.Source != nil {
		out.Constraint = t.Source.String()
	}
	for _, r := range t.Routes {
		s := shown{Name: r.Name, Target: leads(r), Universe: r.Universe, MaxJobs: r.MaxJobs, MaxIdleJobs: r.MaxIdleJobs, FailureRate: r.FailureRate, File: r.Pos.File, Line: r.Pos.Line}
		if r.Requirements != nil {
			s.Requirements = r.Requirements.String()
		}
		out.Routes = append(out.Routes, s)
	}
	if out.Now = o.now(ctx, d); o.json {
		return PrintJSON(d, out)
	}
	names, targets := len("Route"), len("Leads to")
	for _, s := range out.Routes {
		names, targets = max(names, len([]rune(s.Name))), max(targets, len([]rune(s.Target)))
	}
	fmt.Fprintf(d.Out, "Routes of %s, from %s\n\n", grid.Printable(t.Name), grid.Printable(name))
	row := func(cells ...any) {
		fmt.Fprintln(d.Out, d.cut(fmt.Sprintf("%-*s  %-*s  %7v  %7v  %s", append([]any{names, cells[0], targets}, cells[1:]...)...)))
	}
	row("Route", "Leads to", "MaxJobs", "MaxIdle", "Which jobs")
	for _, s := range out.Routes {
		which := s.Requirements
		if which == "" {
			which = "true"
		}
		row(grid.Printable(s.Name), grid.Printable(s.Target), bound(s.MaxJobs), bound(s.MaxIdleJobs), grid.Printable(which))
	}
	fmt.Fprintln(d.Out)
	if out.Constraint != "" {
		fmt.Fprintln(d.Out, d.cut("Jobs are looked at of which this is true: "+grid.Printable(out.Constraint)))
	}
	if t.RoundRobin {
		fmt.Fprintln(d.Out, "Routes that match take turns.")
	} else {
		fmt.Fprintln(d.Out, "The first route that matches and has room takes a job.")
	}
	printNow(d, out.Now)
	return nil
}

func bound(n int) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func (o *routeOptions) test(ctx context.Context, d *Deps, args []string) error {
	t, _, err := o.table(d)
	if err != nil {
		return err
	}
	jobs, err := o.jobs(ctx, d, args)
	if err != nil {
		return err
	}
	type tried struct {
		Job      string          `json:"job"`
		Route    string          `json:"route,omitempty"`
		Bar      *route.Verdict  `json:"bar,omitempty"`
		Verdicts []route.Verdict `json:"verdicts,omitempty"`
	}
	var out []tried
	load := route.Load{Routes: map[string]route.Use{}}
	counts := map[string]int{}
	for _, job := range jobs {
		c := t.Choose(job, load, d.Now())
		one := tried{Job: idOf(job).String(), Verdicts: c.Verdicts}
		if c.Bar.Answer != "" {
			one.Bar = &c.Bar
		}
		if c.Route != nil {
			one.Route = c.Route.Name
			if !o.each && !c.InPlace {
				u := load.Routes[one.Route]
				u.Jobs, u.Idle = u.Jobs+1, u.Idle+1
				load.Routes[one.Route] = u
				load.Jobs, load.Turn = load.Jobs+1, load.Turn+1
			}
		}
		counts[one.Route]++
		out = append(out, one)
	}
	if o.json {
		return PrintJSON(d, out)
	}
	for _, one := range out {
		switch {
		case one.Route != "":
			fmt.Fprintf(d.Out, "%-8s  %s\n", one.Job, grid.Printable(one.Route))
		case one.Bar != nil:
			fmt.Fprintln(d.Out, d.cut(fmt.Sprintf("%-8s  none: %s", one.Job, grid.Printable(one.Bar.String()))))
		default:
			var why []string
			for _, v := range one.Verdicts {
				why = append(why, v.Route+" "+v.String())
			}
			fmt.Fprintln(d.Out, d.cut(fmt.Sprintf("%-8s  none: %s", one.Job, grid.Printable(strings.Join(why, "; ")))))
		}
	}
	var total []string
	for _, r := range t.Routes {
		if n := counts[r.Name]; n > 0 {
			total = append(total, fmt.Sprintf("%d by %s", n, grid.Printable(r.Name)))
		}
	}
	if n := counts[""]; n > 0 {
		total = append(total, fmt.Sprintf("%d by none", n))
	}
	fmt.Fprintf(d.Out, "\n%d job(s): %s\n", len(out), strings.Join(total, ", "))
	return nil
}

func (o *routeOptions) explain(ctx context.Context, d *Deps, args []string) error {
	t, _, err := o.table(d)
	if err != nil {
		return err
	}
	if o.route != "" && t.Route(o.route) == nil {
		var names []string
		for _, r := range t.Routes {
			names = append(names, r.Name)
		}
		hint := "they are " + strings.Join(names, ", ")
		if near := grid.Nearest(o.route, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		return grid.Errorf(grid.NotFound, "there is no route %s: %s", o.route, hint)
	}
	jobs, err := o.jobs(ctx, d, args)
	if err != nil {
		return err
	}
	type would struct {
		Verdict route.Verdict `json:"verdict"`
		Steps   []route.Step  `json:"steps,omitempty"`
		Ad      *ad.Ad        `json:"ad,omitempty"`
	}
	type explained struct {
		Job    string         `json:"job"`
		Route  string         `json:"route,omitempty"`
		Bar    *route.Verdict `json:"bar,omitempty"`
		Routes []would        `json:"routes"`
	}
	var out []explained
	for _, job := range jobs {
		c := t.Choose(job, route.Load{}, d.Now())
		one := explained{Job: idOf(job).String()}
		if c.Bar.Answer != "" {
			one.Bar = &c.Bar
		}
		if c.Route != nil {
			one.Route = c.Route.Name
		}
		for i, e := range t.Explain(job, route.Load{}, d.Now()) {
			w := would{Verdict: e.Verdicts[0], Steps: e.Steps, Ad: e.Ad}
			if c.Verdicts != nil {
				w.Verdict = c.Verdicts[i]
				if w.Verdict.Answer == route.Would && e.Verdicts[0].Answer == route.Broken {
					w.Verdict = e.Verdicts[0]
				}
			} else if w.Verdict.Answer == route.Takes {
				w.Verdict.Answer, w.Verdict.Words = route.Would, "the router does not look at the job"
			}
			if o.route == "" || w.Verdict.Route == o.route {
				one.Routes = append(one.Routes, w)
			}
		}
		out = append(out, one)
	}
	if o.json {
		return PrintJSON(d, out)
	}
	for i, one := range out {
		if i > 0 {
			fmt.Fprintln(d.Out)
		}
		switch {
		case one.Bar != nil:
			fmt.Fprintf(d.Out, "Job %s goes by no route: %s.\n", one.Job, grid.Printable(one.Bar.String()))
		case one.Route == "":
			fmt.Fprintf(d.Out, "Job %s goes by no route.\n", one.Job)
		default:
			fmt.Fprintf(d.Out, "Job %s goes by route %s.\n", one.Job, grid.Printable(one.Route))
		}
		for _, w := range one.Routes {
			fmt.Fprintf(d.Out, "\nroute %s %s\n", grid.Printable(w.Verdict.Route), grid.Printable(w.Verdict.String()))
			o.steps(d, w.Steps)
			if o.ads && w.Ad != nil {
				for line := range strings.Lines(string(w.Ad.AppendLong(nil))) {
					fmt.Fprint(d.Out, "    "+grid.Printable(line))
				}
			}
		}
	}
	return nil
}

// steps tells what a route makes of a job. What every copy leaves behind is one line.
func (o *routeOptions) steps(d *Deps, steps []route.Step) {
	by := ""
	var left, begins []string
	for _, s := range steps {
		if s.By == "copy" && !o.all && !slices.Contains([]string{"GridResource", "JobUniverse"}, s.Attr) {
			if s.After == "" {
				left = append(left, s.Attr)
			} else {
				begins = append(begins, s.Attr)
			}
			continue
		}
		if s.By != by {
			by = s.By
			fmt.Fprintf(d.Out, "  %s\n", grid.Printable(by))
		}
		text := s.Text
		if s.Before != "" && s.After != "" {
			text += "   (it was " + s.Before + ")"
		} else if s.Before != "" && !strings.Contains(text, s.Before) {
			text += "   (" + s.Attr + " was " + s.Before + ")"
		}
		fmt.Fprintln(d.Out, d.cut("    "+grid.Printable(text)))
	}
	if len(left)+len(begins) > 0 {
		fmt.Fprintf(d.Out, "  every copy\n    leaves %d attributes of the job behind and begins with %d of its own: --steps tells which\n", len(left), len(begins))
	}
}
