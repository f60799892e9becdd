package configs

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gridburst/dag"
	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// module is another file's workflow as a part of this one: its nodes are this one's, under
// the module's name.
type module struct {
	*hclsyntax.Block
	name        string
	first, last []int32 // nodes that wait for none of the module's, and those that none of it waits for
	before      []int32 // nodes whose outputs it was given
}

var moduleKeys = []string{"source", "vars", "dir", "after", "after_any"}

// maxModules is how deep modules are within each other.
const maxModules = 30

// module takes a module block's name.
func (w *workflow) module(b *hclsyntax.Block) {
	name := label(b)
	switch summary, detail := dag.NameProblem(name); {
	case name == "":
		w.fail(b.TypeRange, "a module block has a name", `As in: module "align" { source = "align.hcl" }`)
		return
	case summary != "":
		w.fail(b.LabelRanges[0], summary, detail)
		return
	case slices.ContainsFunc(w.modules, func(m *module) bool { return m.name == name }):
		w.fail(b.LabelRanges[0], "there are two modules named "+quote(name), "")
		return
	}
	for _, a := range sorted(b.Body.Attributes) {
		if !slices.Contains(moduleKeys, a.Name) {
			w.unknown(a.NameRange, "key", a.Name, moduleKeys)
		}
	}
	for _, in := range b.Body.Blocks {
		w.fail(in.TypeRange, "a module block holds no blocks", "")
	}
	if b.Body.Attributes["source"] == nil {
		w.fail(b.TypeRange, "the module "+quote(name)+" lacks source", `As in: source = "align.hcl"`)
		return
	}
	w.modules = append(w.modules, &module{Block: b, name: name})
}

// enter reads a module's file. Its nodes are added behind those that there are.
func (w *workflow) enter(m *module) {
	at := m.Body.Attributes["source"].Expr.Range()
	source, ok := w.text(m.Body.Attributes["source"].Expr, instance{})
	if !ok {
		return
	}
	in := &workflow{outside: w.outside, prefix: w.prefix + m.name + "+", within: w, dir: w.dir, builder: w.builder, owners: w.owners}
	if in.path = source; !path.IsAbs(source) {
		in.path = path.Join(path.Dir(w.path), source)
	}
	if a := m.Body.Attributes["dir"]; a != nil {
		dir, ok := w.text(a.Expr, instance{})
		if !ok {
			return
		}
		in.dir = path.Join(w.dir, dir)
		if path.IsAbs(dir) {
			in.dir = dir
		}
	}
	way, depth := []string{in.path}, 0
	for up := w; up != nil; up = up.within {
		if way = append(way, up.path); path.Clean(up.path) == path.Clean(in.path) {
			slices.Reverse(way)
			w.fail(at, "the module "+quote(m.name)+" is a part of itself", "By way of "+strings.Join(way, ", ")+".")
			return
		}
		depth++
	}
	if depth > maxModules {
		w.fail(at, "modules are nested too deeply", "")
		return
	}
	if in.given, ok = w.give(m); !ok {
		return
	}
	if w.outside.Files == nil {
		w.fail(at, "no other file can be read here", "")
		return
	}
	src, err := w.outside.Files.ReadFile(in.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.fail(at, "there is no file "+quote(in.path), "Its name is relative to this file's directory.")
		return
	case err != nil:
		w.fail(at, "the file "+quote(in.path)+" cannot be read", grid.MessageOf(err))
		return
	}
	from := int32(w.builder.Len())
	f, body := parse(path.Join(path.Dir(w.root().name), in.path), src)
	if in.file = f; body != nil {
		in.open(body)
	}
	m.first, m.last = w.builder.Ends(from, int32(w.builder.Len()))
	if !in.diags.HasErrors() {
		w.promise(m, in)
	}
	w.diags = append(w.diags, in.diags...)
}

func (w *workflow) root() *workflow {
	for w.within != nil {
		w = w.within
	}
	return w
}

// give is what the module's variables are given.
func (w *workflow) give(m *module) (map[string]string, bool) {
	a := m.Body.Attributes["vars"]
	if a == nil {
		return nil, true
	}
	v, before, ok := w.fed(a.Expr, instance{}, nil)
	if !ok {
		return nil, false
	}
	if m.before = before; v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		w.fail(a.Expr.Range(), "vars takes a map", "As in: vars = { samples = var.samples }")
		return nil, false
	}
	given := map[string]string{}
	for it := v.ElementIterator(); it.Next(); {
		key, x := it.Element()
		text, err := written(x)
		if err != nil {
			w.fail(a.Expr.Range(), "the value of "+quote(key.AsString())+" cannot be given", grid.MessageOf(err))
			return nil, false
		}
		given[key.AsString()] = text
	}
	return given, true
}

// written is a value as it is given from outside: a text, or for lists and maps their
// expression in HCL.
func written(v cty.Value) (string, error) {
	if text, ok := textOf(v); ok {
		return text, nil
	}
	text, err := ctyjson.Marshal(v, v.Type())
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(string(text)), err
}

// promise takes the output blocks of a module's file.
func (w *workflow) promise(m *module, in *workflow) {
	out := map[string]cty.Value{}
	for _, b := range in.promises {
		a := b.Body.Attributes["value"]
		if label(b) == "" || a == nil {
			in.fail(b.TypeRange, "an output block has a name and a value", `As in: output "table" { value = output.merge.table }`)
			continue
		}
		s := in.scope(instance{})
		s.names["output"], s.names["module"] = in.made, in.joined
		if v, ok := in.vars.computedIn(a.Expr, s); ok {
			out[label(b)] = v
		}
	}
	all := map[string]cty.Value{m.name: object(out)}
	for name, v := range w.joined.AsValueMap() {
		all[name] = v
	}
	w.joined = object(all)
}

// orderModule puts a module behind what it names in after, and what it was given.
func (w *workflow) orderModule(m *module) {
	w.builder.Order(m.before, m.first)
	for key, order := range map[string]func(parents, children []int32){"after": w.builder.Order, "after_any": w.builder.OrderWeak} {
		if a := m.Body.Attributes[key]; a != nil {
			order(w.parents(a.Expr, instance{}, dag.JobNode), m.first)
		}
	}
}
