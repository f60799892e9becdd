package configs

import (
	"cmp"
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Job is a job block of a file.
type Job struct {
	Name string // its label
	Spec submit.Spec
}

// reader reads the jobs of a file.
type reader struct {
	*file
	site  *submit.Site
	files submit.Files
	vars  *variables
}

// Jobs reads the job blocks of an HCL file at a site. site.Vars are values for the file's
// variable blocks, but for job attributes (+Name), which every job gets. With errors among the diagnostics the jobs are not to be used.
func Jobs(filename string, src []byte, site submit.Site, files submit.Files) ([]Job, grid.Diagnostics) {
	f, body := parse(filename, src)
	if body == nil {
		return nil, f.diags
	}
	r := &reader{file: f, site: &site, files: files, vars: newVariables(f)}
	blocks := r.vars.blocks(body, values(site))
	if len(blocks.workflows) > 0 {
		r.fail(blocks.workflows[0].TypeRange, "this file holds a workflow, not only jobs", "Submit it with gdag submit.")
	}
	if len(blocks.jobs) == 0 && !r.diags.HasErrors() {
		r.diags = append(r.diags, grid.Diagnostic{Summary: "there is no job block", Detail: `As in: job "name" { executable = ... }`, File: filename})
	}
	var out []Job
	for _, b := range blocks.jobs {
		if spec, ok := r.job(b); ok {
			out = append(out, Job{Name: label(b), Spec: spec})
		}
	}
	if r.diags.HasErrors() {
		return nil, r.diags
	}
	return out, r.diags
}

// JobNamed reads one job block of an HCL file as [Jobs] does, for a node of a workflow;
// without a name it is the only one. The file's other blocks need not be right, and its
// variables need a value only where this job uses them.
func JobNamed(filename string, src []byte, name string, site submit.Site, files submit.Files) (Job, grid.Diagnostics) {
	f, body := parse(filename, src)
	if body == nil {
		return Job{}, f.diags
	}
	r := &reader{file: f, site: &site, files: files, vars: newVariables(f)}
	r.vars.lazy = true
	blocks := r.vars.blocks(body, values(site))
	var names []string
	var found *hclsyntax.Block
	for _, b := range blocks.jobs {
		if names = append(names, label(b)); label(b) == name || name == "" {
			found = b
		}
	}
	problem := grid.Diagnostic{File: filename}
	switch {
	case r.diags.HasErrors():
		return Job{}, r.diags
	case len(names) == 0:
		problem.Summary, problem.Detail = "there is no job block", `As in: job "name" { executable = ... }`
	case name == "" && len(names) > 1:
		problem.Summary, problem.Detail = "there are several jobs, and none is named", "They are "+strings.Join(names, ", ")+"."
	case found == nil:
		problem.Summary, problem.Detail = "there is no job "+quote(name), didYouMean(name, names)
	default:
		spec, ok := r.job(found)
		if !ok || r.diags.HasErrors() {
			return Job{}, r.diags
		}
		return Job{Name: label(found), Spec: spec}, r.diags
	}
	return Job{}, append(r.diags, problem)
}

// values are what is given from outside for variable blocks.
func values(site submit.Site) map[string]string {
	given := map[string]string{}
	for _, v := range site.Vars {
		given[v.Name] = v.Value
	}
	return given
}

// setting is a key of a job block under the name of the command that it is.
type setting struct {
	command submit.Command
	key     string // as written: request { memory } or request_memory
	attr    *hclsyntax.Attribute
}

// blockKeys are the blocks of a job whose keys are commands with a common prefix.
var blockKeys = [...]struct{ block, prefix string }{{"request", "request_"}, {"ovirt", "ovirt_"}, {"ready", "ready_"}}

// job lowers a job block: a section for each of its queue blocks.
func (r *reader) job(b *hclsyntax.Block) (submit.Spec, bool) {
	settings := map[string]setting{}
	var queues, attributes []*hclsyntax.Block
	for _, a := range sorted(b.Body.Attributes) {
		r.set(settings, a.Name, a.Name, a, blockNames())
	}
	for _, inner := range b.Body.Blocks {
		switch inner.Type {
		case "queue":
			queues = append(queues, inner)
		case "attributes":
			attributes = append(attributes, inner)
		default:
			r.prefixed(settings, inner)
		}
		if len(inner.Labels) > 0 {
			r.fail(inner.LabelRanges[0], "this block has no name", "")
		}
	}
	var sections []submit.Section
	for _, qb := range queues {
		l := r.lowering(nil)
		q, ok := r.queue(l, qb)
		if !ok {
			continue
		}
		if q.PerItem == 0 || len(q.Vars) > 0 && len(q.Items) == 0 {
			r.warn(qb.TypeRange, "this queue block makes no jobs", "")
			continue
		}
		sections = append(sections, r.section(settings, attributes, q))
	}
	if len(queues) == 0 {
		q := submit.Queue{PerItem: 1, Verbatim: true, Pos: r.pos(b.TypeRange)}
		sections = append(sections, r.section(settings, attributes, q))
	}
	r.once()
	if len(sections) == 0 {
		return submit.Spec{}, false
	}
	return submit.NewSpec(sections), true
}

func (r *reader) lowering(items []string) *lowering {
	return &lowering{file: r.file, vars: r.vars, items: items, now: r.site.Now.Unix()}
}

// prefixed takes the keys of a block such as request.
func (r *reader) prefixed(settings map[string]setting, b *hclsyntax.Block) {
	for _, k := range blockKeys {
		if k.block != b.Type {
			continue
		}
		for _, a := range sorted(b.Body.Attributes) {
			r.set(settings, k.prefix+a.Name, k.block+" { "+a.Name+" }", a, nil)
		}
		for _, inner := range b.Body.Blocks {
			r.fail(inner.TypeRange, "a "+k.block+" block holds no blocks", "")
		}
		return
	}
	known := blockNames()
	if _, isKey := r.site.Command(b.Type); isKey {
		r.fail(b.TypeRange, quote(b.Type)+" is a key, not a block", "Write "+b.Type+" = ...")
		return
	}
	r.unknown(b.TypeRange, "block", b.Type, known)
}

func blockNames() []string {
	names := []string{"queue", "attributes"}
	for _, k := range blockKeys {
		names = append(names, k.block)
	}
	return names
}

// set takes a key. Keys are the commands' own names; also known as names to suggest.
func (r *reader) set(settings map[string]setting, name, key string, a *hclsyntax.Attribute, also []string) {
	if slices.Contains(also, name) {
		r.fail(a.NameRange, quote(name)+" is a block, not a key", "Write "+name+" { ... }")
		return
	}
	c, ok := r.site.Command(name)
	if !ok || c.Name != name {
		resource, isRequest := strings.CutPrefix(name, "request_")
		service, isPort := strings.CutSuffix(name, "_container_port")
		known := r.site.CommandNames()
		short := a.Name != name
		if short {
			known = shortNames(name[:len(name)-len(a.Name)])
		}
		switch {
		case isPort && ad.ValidName(service):
			c = submit.Command{Name: name, Kind: submit.KindInt}
		case isRequest && ad.ValidName(resource) && grid.Nearest(a.Name, known) == "":
			c = submit.Command{Name: name, Kind: submit.KindOldExpr}
		default:
			r.unknown(a.NameRange, "key", a.Name, append(known, also...))
			return
		}
	}
	if before, twice := settings[name]; twice {
		r.fail(a.NameRange, key+" and "+before.key+" are both set", "They are the same.")
		return
	}
	settings[name] = setting{c, key, a}
}

// shortNames are the commands with a prefix, without it.
func shortNames(prefix string) []string {
	var names []string
	for _, n := range submit.CommandNames() {
		if short, ok := strings.CutPrefix(n, prefix); ok {
			names = append(names, short)
		}
	}
	return names
}

// section lowers the job's keys for the jobs of one queue block.
func (r *reader) section(settings map[string]setting, attributes []*hclsyntax.Block, q submit.Queue) submit.Section {
	l := r.lowering(q.Vars)
	before := len(r.diags)
	values := map[string]submit.Value{}
	var names []string
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s := settings[name]
		if v, ok := l.value(s.command, s.attr.Expr); ok {
			values[name] = v
		}
	}
	if p, ok := r.nodePriority(); ok && !slices.Contains(names, "priority") {
		values["priority"] = p
		names = append(names, "priority")
	}
	job := &submit.Job{
		Get:   func(name string) (submit.Value, bool) { v, ok := values[name]; return v, ok },
		Names: names,
		Queue: q,
		HCL:   true,
	}
	r.custom(l, attributes, job)
	if r.diags[before:].HasErrors() {
		return submit.Section{}
	}
	return submit.LowerSection(job, r.site, r.files, &r.diags)
}

// nodePriority is the priority that a workflow gives to a node's job: it holds unless the
// job has its own, as in a submit file.
func (r *reader) nodePriority() (submit.Value, bool) {
	for _, v := range r.site.Vars {
		if v.Name == "priority" {
			return submit.Value{Text: v.Value, Pos: submit.Pos{File: "macro " + v.Name}}, true
		}
	}
	return submit.Value{}, false
}

// custom takes the job's own attributes, and those that the site gives.
func (r *reader) custom(l *lowering, blocks []*hclsyntax.Block, job *submit.Job) {
	seen := map[string]bool{}
	for _, b := range blocks {
		for _, inner := range b.Body.Blocks {
			r.fail(inner.TypeRange, "an attributes block holds no blocks", "")
		}
		for _, a := range sorted(b.Body.Attributes) {
			if key := strings.ToLower(a.Name); seen[key] {
				r.fail(a.NameRange, "the attribute "+a.Name+" is set twice", "")
			} else {
				seen[key] = true
			}
			if v, ok := l.attribute(a); ok {
				job.Custom = append(job.Custom, submit.Custom{Name: a.Name, Value: v})
			}
		}
	}
	for _, v := range r.site.Vars {
		if name, ok := ad.CutMy(v.Name); ok {
			job.Custom = append(job.Custom, submit.Custom{Name: name, Value: submit.Value{Text: v.Value, Pos: submit.Pos{File: "macro " + v.Name}}})
		}
	}
}

// attribute is the value of a job attribute of one's own: a value, or expr() around
// an expression, or around its source.
func (l *lowering) attribute(a *hclsyntax.Attribute) (submit.Value, bool) {
	e := a.Expr
	l.live, l.bad = isLive(e), false
	v := submit.Value{Live: l.live, New: true, Pos: l.pos(e.Range())}
	if call, ok := e.(*hclsyntax.FunctionCallExpr); ok && call.Name == "expr" {
		if len(call.Args) != 1 || call.ExpandFinal {
			l.fail(call.NameRange, "expr() takes 1 argument", "")
			return v, false
		}
		v.Text, v.New = l.expression(call.Args[0])
		return v, !l.bad
	}
	if namesAd(e) {
		l.fail(e.Range(), "an attribute that is an expression is written with expr()", "As in: "+a.Name+" = expr(target.Memory > 1000)")
		return v, false
	}
	v.Text = l.source(e)
	return v, !l.bad
}

// once drops repetitions: a wrong key is wrong for each queue block, and each instance
// of a node.
func (f *file) once() {
	seen := map[grid.Diagnostic]bool{}
	f.diags = slices.DeleteFunc(f.diags, func(d grid.Diagnostic) bool {
		again := seen[d]
		seen[d] = true
		return again
	})
}

// sorted are attributes in the order of the text.
func sorted(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	out := make([]*hclsyntax.Attribute, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hclsyntax.Attribute) int { return cmp.Compare(a.SrcRange.Start.Byte, b.SrcRange.Start.Byte) })
	return out
}
