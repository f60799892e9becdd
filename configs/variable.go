package configs

import (
	"cmp"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// variables are the values of a file that are known before any job: what locals
// blocks compute, and what variable blocks take from outside.
type variables struct {
	file     *file
	locals   map[string]*hclsyntax.Attribute
	vars     map[string]cty.Value
	known    map[string]cty.Value // of locals
	computes map[string]bool      // locals that are being computed
	lacking  map[string]bool      // variables without a value
	lazy     bool                 // a variable without a value is only wrong where it is used
}

func newVariables(f *file) *variables {
	return &variables{
		file: f, locals: map[string]*hclsyntax.Attribute{}, vars: map[string]cty.Value{},
		known: map[string]cty.Value{}, computes: map[string]bool{}, lacking: map[string]bool{},
	}
}

// addLocals takes the names of a locals block.
func (v *variables) addLocals(b *hclsyntax.Block) {
	for _, a := range sorted(b.Body.Attributes) {
		if _, twice := v.locals[a.Name]; twice {
			v.file.fail(a.NameRange, "the local "+quote(a.Name)+" is set twice", "")
			continue
		}
		v.locals[a.Name] = a
	}
	for _, inner := range b.Body.Blocks {
		v.file.fail(inner.TypeRange, "a locals block holds no blocks", "Write name = { ... }.")
	}
}

// addVariable takes a variable block; given is the value from outside.
func (v *variables) addVariable(b *hclsyntax.Block, given map[string]string) {
	if len(b.Labels) != 1 {
		v.file.fail(b.TypeRange, "a variable block has a name", `As in: variable "samples" { default = 10 }`)
		return
	}
	name := b.Labels[0]
	if _, twice := v.vars[name]; twice {
		v.file.fail(b.LabelRanges[0], "the variable "+quote(name)+" is declared twice", "")
		return
	}
	value, want := cty.NilVal, cty.NilType
	for _, a := range sorted(b.Body.Attributes) {
		switch a.Name {
		case "default":
			x, diags := a.Expr.Value(nil)
			for _, d := range diags {
				v.file.syntax(d)
			}
			if !diags.HasErrors() {
				value = x
			}
		case "type":
			t, diags := typeexpr.TypeConstraint(a.Expr)
			for _, d := range diags {
				v.file.syntax(d)
			}
			if !diags.HasErrors() {
				want = t
			}
		case "description":
		default:
			v.file.unknown(a.NameRange, "key", a.Name, []string{"default", "description", "type"})
		}
	}
	if want != cty.NilType && value != cty.NilVal {
		x, err := convert.Convert(value, want)
		if err != nil {
			v.file.fail(b.Body.Attributes["default"].Expr.Range(), "the default of "+quote(name)+" is not of its type", "It is a "+typeexpr.TypeString(want)+": "+err.Error()+".")
			x = cty.DynamicVal
		}
		value = x
	}
	if text, ok := given[name]; ok {
		like := ""
		if want == cty.NilType && value != cty.NilVal {
			if want = value.Type(); !want.IsPrimitiveType() {
				want = cty.DynamicPseudoType // a list of as many as it has by default is no type
			}
			like = "Like its default, it"
		}
		value = v.outside(b, name, text, want, cmp.Or(like, "It"))
	}
	if value == cty.NilVal {
		if v.lacking[name] = v.lazy; !v.lazy {
			v.lacks(b.LabelRanges[0], name)
		}
		value = cty.DynamicVal
	}
	v.vars[name] = value
}

// outside is a value that was given as a text: of a list or a map, its expression.
func (v *variables) outside(b *hclsyntax.Block, name, text string, want cty.Type, it string) cty.Value {
	value := cty.StringVal(text)
	if want == cty.NilType {
		return value
	}
	var err error
	if !want.IsPrimitiveType() {
		e, diags := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
		if !diags.HasErrors() {
			value, diags = e.Value(nil)
		}
		if diags.HasErrors() {
			err = diags
		}
	}
	if err == nil {
		value, err = convert.Convert(value, want)
	}
	if err != nil {
		what := "is a list or a map"
		if want != cty.DynamicPseudoType {
			what = "is a " + typeexpr.TypeString(want)
		}
		v.file.fail(b.LabelRanges[0], "the variable "+quote(name)+" was given "+quote(text), it+" "+what+".")
		return cty.DynamicVal
	}
	return value
}

func (v *variables) lacks(r hcl.Range, name string) {
	v.file.fail(r, "the variable "+quote(name)+" has no value", "Give one from outside, or a default.")
}

// value is what local.X or var.X stands for, with what follows it (an attribute, an
// index).
func (v *variables) value(t hcl.Traversal) (cty.Value, bool) {
	root := t.RootName()
	name, ok := attribute(t, 1)
	if !ok {
		v.file.fail(t.SourceRange(), root+" needs a name behind it", "As in "+root+".x.")
		return cty.NilVal, false
	}
	base, ok := v.vars[name]
	if root == "local" {
		base, ok = v.local(name)
	}
	if !ok {
		if v.computes[name] {
			return cty.NilVal, false // said already
		}
		v.file.unknown(t.SourceRange(), map[string]string{"local": "local value", "var": "variable"}[root], name, v.names(root))
		return cty.NilVal, false
	}
	if root == "var" && v.lacking[name] {
		v.lacks(t.SourceRange(), name)
		return cty.NilVal, false
	}
	x, diags := hcl.Traversal(t[2:]).TraverseRel(base)
	for _, d := range diags {
		v.file.syntax(d)
	}
	if diags.HasErrors() || !x.IsWhollyKnown() {
		return cty.NilVal, false
	}
	return x, true
}

func (v *variables) names(root string) []string {
	var names []string
	if root == "local" {
		for n := range v.locals {
			names = append(names, n)
		}
		return names
	}
	for n := range v.vars {
		names = append(names, n)
	}
	return names
}

// local computes a local value when it is first asked for.
func (v *variables) local(name string) (cty.Value, bool) {
	if x, ok := v.known[name]; ok {
		return x, true
	}
	a, ok := v.locals[name]
	if !ok {
		return cty.NilVal, false
	}
	if v.computes[name] {
		v.file.fail(a.NameRange, "the local "+quote(name)+" leads back to itself", "")
		return cty.NilVal, false
	}
	v.computes[name] = true
	x, ok := v.computed(a.Expr)
	if ok {
		delete(v.computes, name)
		v.known[name] = x
	}
	return x, ok
}

// scope is what an expression may use beside locals and variables.
type scope struct {
	names     map[string]cty.Value
	functions map[string]function.Function
	why       string // why other names have no value
}

var localScope = scope{why: "A local value is known before any job: it rests on local.X and var.X."}

// computed is the value of an expression of locals and variables, by HCL's own rules.
func (v *variables) computed(e hclsyntax.Expression) (cty.Value, bool) {
	return v.computedIn(e, localScope)
}

func (v *variables) computedIn(e hclsyntax.Expression, s scope) (cty.Value, bool) {
	locals, names := map[string]cty.Value{}, map[string]cty.Value{}
	maps.Copy(names, s.names)
	for _, t := range e.Variables() {
		name, _ := attribute(t, 1)
		root := t.RootName()
		_, inScope := s.names[root]
		switch {
		case root == "local":
			if _, there := v.locals[name]; !there {
				v.file.unknown(t.SourceRange(), "local value", name, v.names("local"))
				return cty.NilVal, false
			}
			x, ok := v.local(name)
			if !ok {
				return cty.NilVal, false
			}
			locals[name] = x
		case root == "var" && v.lacking[name]:
			v.lacks(t.SourceRange(), name)
			return cty.NilVal, false
		case root == "var" || inScope:
		default:
			v.file.fail(t.SourceRange(), quote(root)+" has no value here", s.why)
			return cty.NilVal, false
		}
	}
	names["local"], names["var"] = object(locals), object(v.vars)
	x, diags := e.Value(&hcl.EvalContext{Variables: names, Functions: s.functions})
	for _, d := range diags {
		v.file.syntax(d)
	}
	return x, !diags.HasErrors()
}

func object(m map[string]cty.Value) cty.Value {
	if len(m) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(m)
}

// attribute is the name at place i of a traversal.
func attribute(t hcl.Traversal, i int) (string, bool) {
	if i >= len(t) {
		return "", false
	}
	a, ok := t[i].(hcl.TraverseAttr)
	return a.Name, ok
}
