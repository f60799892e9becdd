package configs

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variables are the values of a file that are known before any job: what locals
// blocks compute, and what variable blocks take from outside.
type variables struct {
	file     *file
	locals   map[string]*hclsyntax.Attribute
	vars     map[string]cty.Value
	known    map[string]cty.Value // of locals
	computes map[string]bool      // locals that are being computed
}

func newVariables(f *file) *variables {
	return &variables{
		file: f, locals: map[string]*hclsyntax.Attribute{}, vars: map[string]cty.Value{},
		known: map[string]cty.Value{}, computes: map[string]bool{},
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
	value := cty.NilVal
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
		case "description":
		default:
			v.file.unknown(a.NameRange, "key", a.Name, []string{"default", "description"})
		}
	}
	if text, ok := given[name]; ok {
		outside := cty.StringVal(text)
		if value != cty.NilVal && value.Type().IsPrimitiveType() {
			converted, err := convert.Convert(outside, value.Type())
			if err != nil {
				v.file.fail(b.LabelRanges[0], "the variable "+quote(name)+" was given "+quote(text), "Like its default, it is a "+value.Type().FriendlyName()+".")
			} else {
				outside = converted
			}
		}
		value = outside
	}
	if value == cty.NilVal {
		v.file.fail(b.LabelRanges[0], "the variable "+quote(name)+" has no value", "Give one from outside, or a default.")
		value = cty.DynamicVal
	}
	v.vars[name] = value
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

// computed is the value of an expression of locals and variables, by HCL's own rules.
func (v *variables) computed(e hclsyntax.Expression) (cty.Value, bool) {
	locals, vars := map[string]cty.Value{}, v.vars
	for _, t := range e.Variables() {
		name, _ := attribute(t, 1)
		switch t.RootName() {
		case "local":
			if _, there := v.locals[name]; !there {
				v.file.unknown(t.SourceRange(), "local value", name, v.names("local"))
				return cty.NilVal, false
			}
			x, ok := v.local(name)
			if !ok {
				return cty.NilVal, false
			}
			locals[name] = x
		case "var":
		default:
			v.file.fail(t.SourceRange(), quote(t.RootName())+" has no value here", "A local value is known before any job: it rests on local.X and var.X.")
			return cty.NilVal, false
		}
	}
	x, diags := e.Value(&hcl.EvalContext{Variables: map[string]cty.Value{"local": object(locals), "var": object(vars)}})
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
