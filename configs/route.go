package configs

import (
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router/route"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Router is how jobs are routed: job_router, and the blocks route and transform.
type Router struct {
	// CondorConfig is a configuration of HTCondor whose routes come before those of the
	// blocks; empty: there is none.
	CondorConfig string

	at     grid.Pos
	source route.Source
}

// Table is the routes, with those of HTCondor's configuration, which is read through
// files, to which names go as they are written; nil of no Router. With errors among the diagnostics it is not to be used.
func (r *Router) Table(files route.Files) (*route.Table, grid.Diagnostics) {
	if r == nil {
		return nil, nil
	}
	s := r.source
	var diags grid.Diagnostics
	if r.CondorConfig != "" {
		src, err := files.ReadFile(r.CondorConfig)
		if err != nil {
			return nil, grid.Diagnostics{r.at.Problem(false, "HTCondor's configuration cannot be read: "+err.Error(), "")}
		}
		var under route.Source
		if under, diags = route.ReadSource(r.CondorConfig, src, files); !diags.HasErrors() {
			s = s.Over(under)
		}
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return route.Build(s, &diags), diags
}

// router reads the block job_router.
func (f *file) router(b *hclsyntax.Block, r *Router) {
	s := &r.source
	var release *bool
	f.keys(b, []key{
		{"condor_config", setter{set: func(f *file, e hclsyntax.Expression) {
			text(&r.CondorConfig).set(f, e)
			r.at = f.pos(e.Range())
		}}},
		{"name", text(&s.Name)},
		{"constraint", expression(&s.Constraint)},
		{"max_jobs", given(&s.MaxJobs)},
		{"max_jobs_per_route", given(&s.MaxPerRoute)},
		{"max_idle_jobs_per_route", given(&s.MaxIdle)},
		{"round_robin", boolean(&s.RoundRobin)},
		{"release_on_hold", setter{set: func(f *file, e hclsyntax.Expression) {
			release = new(bool)
			boolean(release).set(f, e)
		}}},
	})
	s.HoldStays = release != nil && !*release
}

// given is a count that is told from one that is not given.
func given(to **int) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		*to = new(int)
		count(*to).set(f, e)
	}}
}

// route reads a block route, as lines of a route in HTCondor's language.
func (f *file) route(b *hclsyntax.Block, r *Router) {
	l := lines{f: f}
	table := []key{
		{"requirements", l.expr("REQUIREMENTS ")},
		{"universe", l.word("UNIVERSE ")},
		{"grid_resource", l.word("GridResource = ")},
		{"max_jobs", l.number("MaxJobs = ")},
		{"max_idle_jobs", l.number("MaxIdleJobs = ")},
		{"failure_rate_threshold", l.number("FailureRateThreshold = ")},
		{"job_failure_test", l.expr("JobFailureTest = ")},
		{"job_should_be_sandboxed", l.expr("JobShouldBeSandboxed = ")},
		{"edit_job_in_place", l.expr("EditJobInPlace = ")},
	}
	f.keys(b, append(table, l.edits()...))
	r.source.Routes = append(r.source.Routes, l.text(b))
}

// transform reads a block transform, which is before all routes or behind them.
func (f *file) transform(b *hclsyntax.Block, r *Router) {
	l := lines{f: f}
	stage := "before"
	f.keys(b, append([]key{
		{"stage", choice(&stage, "before", "after")},
		{"requirements", l.expr("REQUIREMENTS ")},
	}, l.edits()...))
	if stage == "before" {
		r.source.Pre = append(r.source.Pre, l.text(b))
	} else {
		r.source.Post = append(r.source.Post, l.text(b))
	}
}

// lines gathers what a block says as lines of HTCondor's transform language, each with the
// place of its value. They come in the order of the table of keys, not of the block.
type lines struct {
	f     *file
	parts map[int][]route.Line
	next  int
}

func (l *lines) text(b *hclsyntax.Block) route.Text {
	t := route.Text{Name: b.Labels[0], Pos: l.f.pos(b.LabelRanges[0])}
	for i := range l.next {
		t.Lines = append(t.Lines, l.parts[i]...)
	}
	return t
}

// part is a key whose lines come at this place.
func (l *lines) part(set func(e hclsyntax.Expression, add func(e hclsyntax.Expression, text string))) setter {
	at := l.next
	l.next++
	return setter{set: func(f *file, e hclsyntax.Expression) {
		set(e, func(e hclsyntax.Expression, text string) {
			if strings.HasSuffix(strings.TrimSpace(text), `\`) {
				f.fail(e.Range(), "this ends in a backslash", "It would go on with what follows.")
				return
			}
			if l.parts == nil {
				l.parts = map[int][]route.Line{}
			}
			l.parts[at] = append(l.parts[at], route.Line{Text: text, Pos: f.pos(e.Range()), Whole: true})
		})
	}}
}

// source is a value as the source of a ClassAd expression, in the new syntax or, as most
// lines have it, the old: a string is source, a number or a truth itself, and an expression
// of my.X is lowered as in a job file.
func (l *lines) source(e hclsyntax.Expression, new bool) (src string, ok bool) {
	if _, isText := e.(*hclsyntax.TemplateExpr); !isText && (len(e.Variables()) > 0 || isCall(e)) {
		return l.lowered(e, new)
	}
	switch v, diags := e.Value(nil); {
	case diags.HasErrors() || v.IsNull():
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('g', -1), true
	case v.Type() == cty.Bool:
		return strconv.FormatBool(v.True()), true
	}
	v, ok := l.f.constantOf(e, cty.String, "an expression in quotes, a number, true or false")
	if !ok {
		return "", false
	}
	// Of several lines one expression is meant.
	if src = strings.TrimSpace(strings.ReplaceAll(v.AsString(), "\n", " ")); src == "" {
		l.f.fail(e.Range(), "this is empty", "Write an expression, or leave the key out.")
		return "", false
	}
	return src, true
}

// lowered is an expression in HCL as source.
func (l *lines) lowered(e hclsyntax.Expression, new bool) (src string, ok bool) {
	for _, t := range e.Variables() {
		if root := t.RootName(); root != "my" && root != "target" {
			l.f.fail(t.SourceRange(), quote(root)+" is nothing here", "An expression of a route names attributes of the job: my."+root)
			return "", false
		}
	}
	down := &lowering{file: l.f, vars: newVariables(l.f)}
	src = down.source(e)
	if down.bad {
		return "", false
	}
	x, err := ad.Parse(src)
	if err != nil {
		l.f.fail(e.Range(), "this is no expression: "+grid.MessageOf(err), "")
		return "", false
	}
	if new {
		return x.String(), true
	}
	return x.Old(), true
}

func (l *lines) expr(begin string) setter {
	return l.part(func(e hclsyntax.Expression, add func(hclsyntax.Expression, string)) {
		if src, ok := l.source(e, false); ok {
			add(e, begin+src)
		}
	})
}

// word is a text that stands in the line as it is.
func (l *lines) word(begin string) setter {
	return l.part(func(e hclsyntax.Expression, add func(hclsyntax.Expression, string)) {
		if v, ok := l.f.constantOf(e, cty.String, "a text"); ok {
			s := strings.TrimSpace(v.AsString())
			if s == "" || strings.ContainsAny(s, "\n\\") {
				l.f.fail(e.Range(), quote(s)+" is not one line of text", "")
				return
			}
			add(e, begin+s)
		}
	})
}

func (l *lines) number(begin string) setter {
	return l.part(func(e hclsyntax.Expression, add func(hclsyntax.Expression, string)) {
		v, ok := l.f.constantOf(e, cty.Number, "a number")
		if !ok {
			return
		}
		if v.AsBigFloat().Sign() < 0 {
			l.f.fail(e.Range(), "this is less than 0", "")
			return
		}
		add(e, begin+v.AsBigFloat().Text('g', -1))
	})
}

// edits are the keys by which a block edits the job, in the order in which they work.
func (l *lines) edits() []key {
	return []key{
		{"macros", l.pairs(func(name, text string) string { return name + " = " + text })},
		{"copy", l.pairs(func(name, text string) string { return "COPY " + name + " " + text })},
		{"rename", l.pairs(func(name, text string) string { return "RENAME " + name + " " + text })},
		{"delete", l.names("DELETE ")},
		{"default", l.sources("DEFAULT ")},
		{"set", l.sources("SET ")},
		{"eval_set", l.sources("EVALSET ")},
		{"steps", l.steps()},
	}
}

// items are the names of a map in their order, with their values.
func (l *lines) items(e hclsyntax.Expression, each func(name string, value hclsyntax.Expression)) {
	o, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		l.f.fail(e.Range(), "this is not a map", `As in: { Attribute = "value" }`)
		return
	}
	for _, item := range o.Items {
		v, diags := item.KeyExpr.Value(nil)
		if diags.HasErrors() || v.Type() != cty.String || v.AsString() == "" || strings.ContainsAny(v.AsString(), "\n") {
			l.f.fail(item.KeyExpr.Range(), "this is no name", "")
			continue
		}
		each(v.AsString(), item.ValueExpr)
	}
}

// pairs are names with texts.
func (l *lines) pairs(line func(name, text string) string) setter {
	return l.part(func(e hclsyntax.Expression, add func(hclsyntax.Expression, string)) {
		l.items(e, func(name string, value hclsyntax.Expression) {
			if v, ok := l.f.constantOf(value, cty.String, "a text"); ok {
				add(value, line(name, strings.ReplaceAll(v.AsString(), "\n", " ")))
			}
		})
	})
}

// sources are attributes with expressions.
func (l *lines) sources(begin string) setter {
	return l.part(func(e hclsyntax.Expression, add func(hclsyntax.Expression, string)) {
		l.items(e, func(name string, value hclsyntax.Expression) {
			if src, ok := l.source(value, begin == "EVALSET "); ok {
				add(value, begin+name+" "+src)
			}
		})
	})
}

func (l *lines) names(begin string) setter {
	return l.part(func(e hclsyntax.Expression, add func(hclsyntax.Expression, string)) {
		tuple, ok := e.(*hclsyntax.TupleConsExpr)
		if !ok {
			l.f.fail(e.Range(), "this is not a list of texts", `As in: ["Foo", "/^bar/"]`)
			return
		}
		for _, x := range tuple.Exprs {
			if v, ok := l.f.constantOf(x, cty.String, "a text"); ok {
				add(x, begin+strings.ReplaceAll(v.AsString(), "\n", " "))
			}
		}
	})
}

// steps are lines as HTCondor writes them, in a heredoc.
func (l *lines) steps() setter {
	at := l.next
	l.next++
	return setter{set: func(f *file, e hclsyntax.Expression) {
		v, ok := f.constantOf(e, cty.String, "a text")
		if !ok {
			return
		}
		p := f.pos(e.Range())
		if l.parts == nil {
			l.parts = map[int][]route.Line{}
		}
		for i, line := range strings.Split(v.AsString(), "\n") {
			one := route.Line{Text: line, Pos: p, Whole: true}
			// A heredoc's lines stand below its beginning as they are, but for their indent.
			if n := p.Line + i; n < len(f.lines) && strings.TrimSpace(f.lines[n]) == strings.TrimSpace(line) {
				src := strings.TrimSuffix(f.lines[n], "\r")
				one.Pos = grid.Pos{File: f.name, Line: n + 1, Column: 1 + strings.Index(src, line), Source: src}
				one.Whole = !strings.Contains(src, line)
			}
			l.parts[at] = append(l.parts[at], one)
		}
	}}
}
