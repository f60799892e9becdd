package configs

import (
	"slices"
	"strings"
	"time"

	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// key is one that a block of a configuration may have.
type key struct {
	name string
	setter
}

// setter takes a key's value, or an inner block.
type setter struct {
	set   func(f *file, e hclsyntax.Expression)
	block func(b *hclsyntax.Block)
	must  bool
}

func required(s setter) setter {
	s.must = true
	return s
}

// inner is a block within a block, at most one.
func inner(read func(*hclsyntax.Block)) setter { return setter{block: read} }

// keys reads a block by the table of its keys. Plain keys come first, so that inner
// blocks may rest on them.
func (f *file) keys(b *hclsyntax.Block, table []key) {
	names := make([]string, len(table))
	for i, k := range table {
		names[i] = k.name
	}
	find := func(name string) *key {
		if i := slices.Index(names, name); i >= 0 {
			return &table[i]
		}
		return nil
	}
	for _, a := range sorted(b.Body.Attributes) {
		switch k := find(a.Name); {
		case k == nil:
			f.unknown(a.NameRange, "key", a.Name, names)
		case k.set == nil:
			f.fail(a.NameRange, quote(a.Name)+" is a block, not a key", "Write "+a.Name+" { ... }")
		default:
			k.set(f, a.Expr)
		}
	}
	seen := map[string]bool{}
	for _, in := range b.Body.Blocks {
		switch k := find(in.Type); {
		case k == nil:
			f.unknown(in.TypeRange, "block", in.Type, names)
		case k.block == nil:
			f.fail(in.TypeRange, quote(in.Type)+" is a key, not a block", "Write "+in.Type+" = ...")
		case f.labels(in, in.Type) && f.single(seen, in, in.Type):
			k.block(in)
		}
	}
	for _, k := range table {
		if k.must && b.Body.Attributes[k.name] == nil {
			f.fail(b.TypeRange, "this block needs "+quote(k.name), "")
		}
	}
}

// labels checks that a block has as many names as its form, such as cron "NAME".
func (f *file) labels(b *hclsyntax.Block, form string) bool {
	if len(b.Labels) == strings.Count(form, `"`)/2 && !slices.Contains(b.Labels, "") {
		return true
	}
	f.fail(b.TypeRange, "this block is written "+form+" { ... }", "")
	return false
}

// single refuses a second block of a kind or name.
func (f *file) single(seen map[string]bool, b *hclsyntax.Block, what string) bool {
	if seen[what] {
		f.fail(b.TypeRange, "there are two blocks "+what, "")
		return false
	}
	seen[what] = true
	return true
}

// constantOf evaluates a value, which must be known as it stands.
func (f *file) constantOf(e hclsyntax.Expression, want cty.Type, what string) (cty.Value, bool) {
	if len(e.Variables()) > 0 || isCall(e) {
		f.fail(e.Range(), "a configuration holds plain values", "Strings are written in quotes.")
		return cty.NilVal, false
	}
	v, diags := e.Value(nil)
	for _, d := range diags {
		f.syntax(d)
	}
	if diags.HasErrors() || v.IsNull() {
		return cty.NilVal, false
	}
	if !v.Type().Equals(want) {
		f.fail(e.Range(), "this is not "+what, "")
		return cty.NilVal, false
	}
	return v, true
}

// isCall reports whether e calls a function anywhere.
func isCall(e hclsyntax.Expression) bool {
	found := false
	hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if _, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			found = true
		}
		return nil
	})
	return found
}

func text(to *string) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		if v, ok := f.constantOf(e, cty.String, "a text"); ok {
			*to = v.AsString()
		}
	}}
}

func choice(to *string, words ...string) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		v, ok := f.constantOf(e, cty.String, "a text")
		if !ok {
			return
		}
		if *to = v.AsString(); slices.Contains(words, *to) {
			return
		}
		detail := "It is one of " + strings.Join(words, ", ") + "."
		if near := grid.Nearest(*to, words); near != "" {
			detail += " Did you mean " + quote(near) + "?"
		}
		f.fail(e.Range(), quote(*to)+" is none of the words for this key", detail)
	}}
}

func boolean(to *bool) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		if v, ok := f.constantOf(e, cty.Bool, "true or false"); ok {
			*to = v.True()
		}
	}}
}

func count(to *int) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		v, ok := f.constantOf(e, cty.Number, "a number")
		if !ok {
			return
		}
		n, exact := v.AsBigFloat().Int64()
		if exact != 0 || n < 0 || n > 1<<31 {
			f.fail(e.Range(), "this is not a whole number from 0 on", "")
			return
		}
		*to = int(n)
	}}
}

// span is a duration with a unit. A bare number is refused: of what would it be?
func span(to *time.Duration) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		v, ok := f.constantOf(e, cty.String, `a duration such as "20m" or "1h30m"`)
		if !ok {
			return
		}
		d, err := time.ParseDuration(v.AsString())
		if err != nil || d < 0 {
			f.fail(e.Range(), quote(v.AsString())+" is not a duration", `As in: "90s", "20m", "1h30m", "168h"`)
			return
		}
		*to = d
	}}
}

// size is a text with a unit, in units of base bytes, rounded up.
func size(to *int64, base int64) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		v, ok := f.constantOf(e, cty.String, `a size such as "64MiB" or "2GiB"`)
		if !ok {
			return
		}
		s := strings.TrimSpace(v.AsString())
		n, ok := grid.ParseSize(s, base)
		if !ok || s == "" || s[len(s)-1] >= '0' && s[len(s)-1] <= '9' {
			f.fail(e.Range(), quote(s)+" is not a size with its unit", `As in: "64MiB", "2GiB"`)
			return
		}
		*to = n
	}}
}

func texts(to *[]string) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		tuple, ok := e.(*hclsyntax.TupleConsExpr)
		if !ok {
			f.fail(e.Range(), "this is not a list of texts", `As in: ["a", "b"]`)
			return
		}
		list := make([]string, 0, len(tuple.Exprs))
		for _, x := range tuple.Exprs {
			if v, ok := f.constantOf(x, cty.String, "a text"); ok {
				list = append(list, v.AsString())
			}
		}
		*to = list
	}}
}
