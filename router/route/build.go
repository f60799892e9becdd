package route

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// Text is a route or a transform as it is written.
type Text struct {
	Name  string
	Pos   grid.Pos
	Lines []Line

	override uint8 // of the old syntax: what becomes of one of its name before it
}

// Source is a table as it is written: what [Build] makes one of. The zero value of a
// field, and nil, mean HTCondor's default.
type Source struct {
	Name        string
	Constraint  *ad.Expr // which jobs are looked at at all
	MaxJobs     *int     // on all routes together
	RoundRobin  bool
	HoldStays   bool // a job that was held as its copy was stays held when it is given back
	MaxPerRoute *int
	MaxIdle     *int // per route

	Pre    []Text
	Routes []Text
	Post   []Text

	Macros map[string]string // of the configuration, by any name
}

// String is all that s says, without the places where it is written.
func (s *Source) String() string {
	var b strings.Builder
	constraint := ""
	if s.Constraint != nil {
		constraint = s.Constraint.String()
	}
	number := func(n *int) int { return given(n, math.MinInt) }
	fmt.Fprintf(&b, "%q %q %d %t %t %d %d\n", s.Name, constraint, number(s.MaxJobs), s.RoundRobin, s.HoldStays, number(s.MaxPerRoute), number(s.MaxIdle))
	for _, name := range slices.Sorted(maps.Keys(s.Macros)) {
		fmt.Fprintf(&b, "%q = %q\n", name, s.Macros[name])
	}
	for kind, list := range [][]Text{s.Pre, s.Routes, s.Post} {
		for _, x := range list {
			fmt.Fprintf(&b, "%d %q %d\n", kind, x.Name, x.override)
			for _, l := range x.Lines {
				fmt.Fprintf(&b, "%q\n", l.Text)
			}
		}
	}
	return b.String()
}

// knobs are the macros by which a route says how it is used.
var knobs = []string{
	"GridResource", "MaxJobs", "MaxIdleJobs", "FailureRateThreshold", "JobFailureTest", "JobShouldBeSandboxed", "EditJobInPlace",
	"TargetUniverse", "OverrideRoutingEntry", "UseSharedX509UserProxy", "SharedX509UserProxy", "SendIDTokens",
}

// unserved are knobs of HTCondor that have no meaning here.
var unserved = []string{"UseSharedX509UserProxy", "SharedX509UserProxy", "SendIDTokens"}

// Build makes a table. Problems are added to diags; with errors among them the table is
// not to be used.
func Build(s Source, diags *grid.Diagnostics) *Table {
	t := &Table{
		Name: cmp.Or(s.Name, DefaultName), Source: s.Constraint, MaxJobs: given(s.MaxJobs, NoBound), RoundRobin: s.RoundRobin, ReleaseOnHold: !s.HoldStays,
		macros: map[string]string{}, clauses: clausesOf(s.Constraint), text: s.String(),
	}
	if t.MaxJobs < 0 {
		t.MaxJobs = NoBound
	}
	for name, text := range s.Macros {
		t.macros[macro.Fold(name)] = text
	}
	if strings.ContainsAny(t.Name, ",/") {
		*diags = append(*diags, grid.Diagnostic{Summary: "the router's name " + quote(t.Name) + " holds a comma or a slash", Detail: "They stand between the names in RoutePath."})
	}
	for _, x := range s.Pre {
		t.Pre = append(t.Pre, ParseTransform(x.Name, x.Pos, x.Lines, diags))
	}
	for _, x := range s.Post {
		t.Post = append(t.Post, ParseTransform(x.Name, x.Pos, x.Lines, diags))
	}
	if len(s.Routes) > maxRoutes {
		*diags = append(*diags, s.Routes[maxRoutes].Pos.Problem(false, "there are more than 1000 routes", ""))
		return t
	}
	for _, x := range s.Routes {
		b := builder{t: t, s: &s, diags: diags}
		if r := b.route(x); r != nil {
			t.Routes = append(t.Routes, r)
		}
	}
	for i, r := range t.Routes {
		if slices.ContainsFunc(t.Routes[:i], func(o *Route) bool { return o.Name == r.Name }) {
			*diags = append(*diags, r.Pos.Problem(false, "there are two routes "+quote(r.Name), "A route's name is its own."))
		}
		if i < len(t.Routes)-1 && !t.RoundRobin && r.takesAll() {
			*diags = append(*diags, or1(r.Transform.requires, r.Pos).Problem(true, "the route "+quote(r.Name)+" takes every job", "Those behind it get jobs only when it is full. Put it last, or say by its Requirements which jobs are for it."))
		}
	}
	return t
}

// takesAll reports whether the route says that it wants every job.
func (r *Route) takesAll() bool {
	if r.Requirements == nil {
		return true
	}
	v, ok := r.Requirements.Constant()
	return ok && ad.Truth(v)
}

// builder makes one route.
type builder struct {
	t     *Table
	s     *Source
	diags *grid.Diagnostics
	r     *Route
	vars  map[string]knob
	text  string // of all lines that may use a macro, in small letters
}

// knob is a macro of a route, with its place.
type knob struct {
	text  string
	at    grid.Pos
	whole bool
}

func (b *builder) fail(at grid.Pos, summary, detail string) {
	*b.diags = append(*b.diags, at.Problem(false, summary, detail))
}

func (b *builder) warn(at grid.Pos, summary, detail string) {
	*b.diags = append(*b.diags, at.Problem(true, summary, detail))
}

func (b *builder) route(x Text) *Route {
	tr := ParseTransform(x.Name, x.Pos, x.Lines, b.diags)
	r := &Route{Name: x.Name, Requirements: tr.Requirements, Universe: tr.Universe, Transform: tr, Pos: x.Pos, clauses: tr.clauses}
	b.r = r
	b.known(tr)
	r.MaxJobs = b.number("MaxJobs", given(b.s.MaxPerRoute, DefaultMaxJobs))
	r.MaxIdleJobs = b.number("MaxIdleJobs", given(b.s.MaxIdle, DefaultMaxIdleJobs))
	if r.MaxIdleJobs < 0 {
		r.MaxIdleJobs = NoBound
	}
	r.FailureRate = b.rate("FailureRateThreshold", DefaultFailureRate)
	r.FailureTest = b.expression("JobFailureTest")
	r.Sandboxed = b.expression("JobShouldBeSandboxed")
	r.EditInPlace = b.expression("EditJobInPlace")
	if r.Universe == 0 {
		r.Universe = b.number("TargetUniverse", defaultUniverse)
	}
	if text, at, ok := b.knob("GridResource"); ok {
		if containsFold(b.vars["gridresource"].text, "$(my.") {
			b.warn(at, "GridResource is worked out before there is a job: $(MY. ...) is nothing there", "Write it as an edit: SET GridResource ...")
		}
		if inner, isQuoted := strings.CutPrefix(text, `"`); isQuoted {
			text = strings.TrimSuffix(inner, `"`)
		}
		if r.GridResource = strings.TrimSpace(text); r.GridResource == "" {
			b.fail(at, "GridResource is empty", "")
		}
	}
	if r.Name == "" {
		r.Name = r.GridResource
	}
	switch {
	case r.Name == "":
		b.fail(r.Pos, "this route has no name", "")
	case strings.ContainsAny(r.Name, ",/") && strings.Contains(r.Name, wayBetween):
		b.fail(r.Pos, "the name "+quote(r.Name)+" holds a comma", "Commas stand between the names of routes in RoutePath.")
	}
	_, _, inPlace := b.knob("EditJobInPlace")
	if r.Universe == defaultUniverse && r.GridResource == "" && !inPlace {
		b.fail(r.Pos, "the route "+quote(r.Name)+" leads nowhere", "A route of the grid universe needs a GridResource; any other says its universe, such as vanilla.")
	}
	if r.MaxJobs <= 0 {
		_, at, _ := b.knob("MaxJobs")
		b.warn(or1(at, r.Pos), "the route "+quote(r.Name)+" takes no job: its MaxJobs is "+strconv.Itoa(r.MaxJobs), "")
	}
	if r.Requirements == nil && tr.requires == (grid.Pos{}) && b.t.Source == nil {
		b.fail(r.Pos, "the route "+quote(r.Name)+" takes every job there is", "Say by its Requirements which jobs are for it, or that all are: true. The router's constraint says it for all routes.")
	}
	if r.Requirements != nil && len(r.Requirements.Refs().Target) > 0 {
		b.warn(tr.requires, "TARGET. is nothing in a route's REQUIREMENTS", "The job's attributes are named without it, or by MY.")
	}
	b.unknown(tr)
	return r
}

// known finds the macros that the route sets whatever the job is: those that are outside
// of conditions, or within ones that hold without any job.
func (b *builder) known(t *Transform) {
	b.vars = map[string]knob{}
	var ifs macro.Conditions
	for i := range t.lines {
		switch s := &t.lines[i]; {
		case s.verb == condition:
			ifs.Take(s.word, func() bool {
				holds, problem, _ := b.expander().Holds(s.text)
				return holds && problem == ""
			})
		case s.verb == assign && ifs.Active():
			key := macro.Fold(s.name)
			before, ok := b.vars[key]
			if !ok {
				before.text = b.t.macros[key]
			}
			b.vars[key] = knob{macro.SelfReplaced(s.text, key, before.text), s.at, s.whole}
		}
	}
}

func (b *builder) expander() *macro.Expander {
	return &macro.Expander{
		Lookup: func(key string) macro.Meaning {
			if k, ok := b.vars[key]; ok {
				return macro.Meaning{State: macro.Written, Text: k.text}
			}
			if text, ok := b.t.macros[key]; ok {
				return macro.Meaning{State: macro.Written, Text: text}
			}
			return automatic(key)
		},
		Random: func(string) uint64 { return 0 },
		Getenv: func(string) (string, bool, bool) { return "", false, false },
	}
}

// knob is what a macro of the route comes to without any job.
func (b *builder) knob(name string) (text string, at grid.Pos, ok bool) {
	k, ok := b.vars[macro.Fold(name)]
	if !ok {
		return "", grid.Pos{}, false
	}
	text, _, err := b.expander().Text(k.text)
	if err != nil {
		b.fail(k.at, name+": "+grid.MessageOf(err), "")
		return "", k.at, false
	}
	text = strings.TrimSpace(text)
	return text, k.at, text != ""
}

// constant is a number that an expression comes to without any job.
func (b *builder) constant(name string) (f float64, at grid.Pos, ok bool) {
	text, at, ok := b.knob(name)
	if !ok {
		return 0, at, false
	}
	x, err := parse(text)
	if err == nil {
		v := ad.Instant(0).EvalWithin(macro.MaxSteps, x, nil, nil)
		if f, ok = v.Number(); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, at, true
		}
	}
	b.fail(at, name+" is a number, and "+quote(text)+" is none", "")
	return 0, at, false
}

func (b *builder) number(name string, otherwise int) int {
	f, at, ok := b.constant(name)
	switch {
	case !ok:
		return otherwise
	case f != math.Trunc(f) || math.Abs(f) > math.MaxInt32:
		b.fail(at, name+" is a whole number", "")
		return otherwise
	}
	return int(f)
}

func (b *builder) rate(name string, otherwise float64) float64 {
	f, at, ok := b.constant(name)
	switch {
	case !ok:
		return otherwise
	case f < 0 || f > 1e6:
		b.fail(at, name+" is failures per second, from 0 on", "As in: "+name+" = 0.03")
		return otherwise
	}
	return f
}

func (b *builder) expression(name string) *ad.Expr {
	text, at, ok := b.knob(name)
	if !ok {
		return nil
	}
	x, err := parse(text)
	if err != nil {
		k := b.vars[macro.Fold(name)]
		b.fail(expressionAt(at, text, err, k.whole || text != strings.TrimSpace(k.text)), name+" is no expression: "+reasonOf(err), "")
		return nil
	}
	return x
}

// unknown warns of macros that nothing uses and that are close to what a route may say.
func (b *builder) unknown(t *Transform) {
	for i := range t.lines {
		s := &t.lines[i]
		if s.verb != assign {
			continue
		}
		if slices.ContainsFunc(unserved, func(n string) bool { return strings.EqualFold(n, s.name) }) {
			b.warn(s.pos, s.name+" has no effect here", "HTCondor knows this setting; it is not served.")
			continue
		}
		if slices.ContainsFunc(knobs, func(n string) bool { return strings.EqualFold(n, s.name) }) {
			continue
		}
		if near := grid.Nearest(s.name, knobs); near != "" && !b.mentioned(t, s.name) {
			b.warn(s.pos, "nothing uses "+s.name, "Did you mean "+near+"?")
		}
	}
}

// mentioned reports whether a macro may be used: by the route, or by any transform.
func (b *builder) mentioned(t *Transform, name string) bool {
	if b.text == "" {
		var text strings.Builder
		for _, x := range slices.Concat([]*Transform{t}, b.t.Pre, b.t.Post) {
			for i := range x.lines {
				text.WriteString(strings.ToLower(x.lines[i].text + "\n"))
				if n := x.lines[i].name; strings.Contains(n, "$(") {
					text.WriteString(strings.ToLower(n + "\n"))
				}
			}
		}
		b.text = text.String()
	}
	return strings.Contains(b.text, strings.ToLower(name))
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func given(n *int, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return *n
}

func or1(p, otherwise grid.Pos) grid.Pos {
	if p.File == "" && p.Line == 0 {
		return otherwise
	}
	return p
}

// Over is s on top of another: what s says counts, and what under has comes first.
func (s Source) Over(under Source) Source {
	out := under
	out.Name = cmp.Or(s.Name, under.Name)
	if s.Constraint != nil {
		out.Constraint = s.Constraint
	}
	out.MaxJobs, out.MaxPerRoute, out.MaxIdle = cmp.Or(s.MaxJobs, under.MaxJobs), cmp.Or(s.MaxPerRoute, under.MaxPerRoute), cmp.Or(s.MaxIdle, under.MaxIdle)
	out.RoundRobin, out.HoldStays = s.RoundRobin || under.RoundRobin, s.HoldStays || under.HoldStays
	out.Pre, out.Routes, out.Post = slices.Concat(under.Pre, s.Pre), slices.Concat(under.Routes, s.Routes), slices.Concat(under.Post, s.Post)
	return out
}
