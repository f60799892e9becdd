package configs

import (
	"encoding/json"
	"slices"
	"strings"

	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Shape is what a block, or a file outside of its blocks, may hold.
type Shape struct {
	Keys   map[string]ValueKind
	Blocks map[string]*BlockShape // by the word that they begin with
}

// BlockShape is one kind of block.
type BlockShape struct {
	Shape
	Key   string // under which what it says is found
	Many  bool   // there may be several: Key is a list of them
	Named bool   // it has a name, found as "name"
}

// ValueKind is what a key takes.
type ValueKind string

// The kinds of values.
const (
	ValueText   ValueKind = "a text"
	ValueNumber ValueKind = "a number"
	ValueTruth  ValueKind = "true or false"
	ValueTexts  ValueKind = "a list of texts"
	ValueMap    ValueKind = "a map of texts"
)

// Tree reads a file of blocks in blocks as values that JSON can say, for files whose
// meaning is another's. Names and kinds of values are checked here, where the place is known.
func Tree(filename string, src []byte, shape *Shape) (map[string]any, grid.Diagnostics) {
	f, body := parse(filename, src)
	if body == nil || f.diags.HasErrors() {
		return nil, f.diags
	}
	out := map[string]any{}
	f.branch(body, shape, out)
	return out, f.diags
}

func (f *file) branch(b *hclsyntax.Body, shape *Shape, out map[string]any) {
	var keys, blocks []string
	for k := range shape.Keys {
		keys = append(keys, k)
	}
	for k := range shape.Blocks {
		blocks = append(blocks, k)
	}
	for _, a := range sorted(b.Attributes) {
		kind, ok := shape.Keys[a.Name]
		switch {
		case ok:
			if v, ok := f.plain(a.Expr, kind); ok {
				out[a.Name] = v
			}
		case shape.Blocks[a.Name] != nil:
			f.fail(a.NameRange, quote(a.Name)+" is a block, not a key", "Write "+a.Name+" { ... }")
		default:
			f.unknown(a.NameRange, "key", a.Name, append(slices.Clone(keys), blocks...))
		}
	}
	for _, in := range b.Blocks {
		s := shape.Blocks[in.Type]
		if s == nil {
			f.unknown(in.TypeRange, "block", in.Type, blocks)
			continue
		}
		want := in.Type
		if s.Named {
			want += ` "NAME"`
		}
		if !f.labels(in, want) {
			continue
		}
		leaf := map[string]any{}
		if s.Named {
			leaf["name"] = in.Labels[0]
		}
		f.branch(in.Body, &s.Shape, leaf)
		switch before, twice := out[s.Key]; {
		case s.Many:
			list, _ := before.([]any)
			out[s.Key] = append(list, leaf)
		case twice:
			f.fail(in.TypeRange, "there is a second block "+in.Type, "")
		default:
			out[s.Key] = leaf
		}
	}
}

// plain is a value of a kind.
func (f *file) plain(e hclsyntax.Expression, kind ValueKind) (any, bool) {
	v, diags := e.Value(&hcl.EvalContext{Functions: workflowFunctions})
	if len(diags) > 0 {
		for _, d := range diags {
			f.syntax(d)
		}
		return nil, false
	}
	if v.IsNull() {
		return nil, false
	}
	ty, ok := v.Type(), false
	texts := func() bool {
		for it := v.ElementIterator(); it.Next(); {
			if _, x := it.Element(); x.IsNull() || x.Type() != cty.String {
				return false
			}
		}
		return true
	}
	switch kind {
	case ValueText:
		ok = ty == cty.String
	case ValueNumber:
		ok = ty == cty.Number
	case ValueTruth:
		ok = ty == cty.Bool
	case ValueTexts:
		ok = (ty.IsTupleType() || ty.IsListType()) && texts()
	case ValueMap:
		ok = (ty.IsObjectType() || ty.IsMapType()) && texts()
	}
	if !ok {
		f.fail(e.Range(), "this is not "+string(kind), "")
		return nil, false
	}
	text, err := ctyjson.Marshal(v, ty)
	if err != nil {
		f.fail(e.Range(), strings.TrimSuffix(err.Error(), "."), "")
		return nil, false
	}
	return json.RawMessage(text), true
}
