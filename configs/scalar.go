package configs

import (
	"fmt"
	"maps"
	"math"

	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// workflowFunctions are the functions of a workflow block. None depends on anything
// but its arguments.
var workflowFunctions = map[string]function.Function{
	"concat": stdlib.ConcatFunc,
	"format": stdlib.FormatFunc,
	"join":   stdlib.JoinFunc,
	"keys":   stdlib.KeysFunc,
	"length": stdlib.LengthFunc,
	"lower":  stdlib.LowerFunc,
	"max":    stdlib.MaxFunc,
	"merge":  stdlib.MergeFunc,
	"min":    stdlib.MinFunc,
	"range":  rangeFunc,
	"split":  stdlib.SplitFunc,
	"upper":  stdlib.UpperFunc,
	"values": stdlib.ValuesFunc,
}

// maxRange bounds the numbers that one range makes.
const maxRange = 100_000

// rangeFunc is range(n), the numbers from 0 below n, and range(lo, hi), those from lo
// below hi. (That of the library ends at 1,024.)
var rangeFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "bounds", Type: cty.Number},
	Type:     function.StaticReturnType(cty.List(cty.Number)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var lo, hi int64
		switch len(args) {
		case 1:
			hi, _ = args[0].AsBigFloat().Int64()
		case 2:
			lo, _ = args[0].AsBigFloat().Int64()
			hi, _ = args[1].AsBigFloat().Int64()
		default:
			return cty.NilVal, function.NewArgErrorf(len(args), "range takes one bound or two")
		}
		if hi <= lo {
			return cty.ListValEmpty(cty.Number), nil
		}
		if n := uint64(hi) - uint64(lo); n > maxRange {
			return cty.NilVal, function.NewArgErrorf(0, "a range holds at most %d numbers", maxRange)
		}
		var out []cty.Value
		for i := lo; i < hi; i++ {
			out = append(out, cty.NumberIntVal(i))
		}
		return cty.ListVal(out), nil
	},
})

// functions are those of this workflow: glob lists files of its directory.
func (w *workflow) functions() map[string]function.Function {
	root := w.root()
	switch {
	case root.outside.Files == nil:
		return workflowFunctions
	case root.glob == nil:
		root.glob = maps.Clone(workflowFunctions)
		root.glob["glob"] = function.New(&function.Spec{
			Params: []function.Parameter{{Name: "pattern", Type: cty.String}},
			Type:   function.StaticReturnType(cty.List(cty.String)),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				names, err := root.outside.Files.Glob(args[0].AsString())
				switch {
				case err != nil:
					return cty.NilVal, function.NewArgErrorf(0, "%s", grid.MessageOf(err))
				case len(names) > maxRange:
					return cty.NilVal, function.NewArgErrorf(0, "more than %d files match", maxRange)
				case len(names) == 0:
					return cty.ListValEmpty(cty.String), nil
				}
				out := make([]cty.Value, len(names))
				for i, n := range names {
					out[i] = cty.StringVal(n)
				}
				return cty.ListVal(out), nil
			},
		})
	}
	return root.glob
}

// textOf is a text, a number or a bool as a text.
func textOf(v cty.Value) (string, bool) {
	if v.IsNull() || !v.IsKnown() || !v.Type().IsPrimitiveType() {
		return "", false
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil {
		return "", false
	}
	return s.AsString(), true
}

// scalar is the value of a key of a node, of a type.
func (w *workflow) scalar(e hclsyntax.Expression, i instance, of cty.Type, what string) (cty.Value, bool) {
	v, ok := w.vars.computedIn(e, w.scope(i))
	if !ok {
		return v, false
	}
	if !v.IsNull() && v.IsKnown() {
		if x, err := convert.Convert(v, of); err == nil && v.Type().IsPrimitiveType() {
			return x, true
		}
	}
	w.fail(e.Range(), "this is no "+what, "")
	return v, false
}

func (w *workflow) text(e hclsyntax.Expression, i instance) (string, bool) {
	v, ok := w.scalar(e, i, cty.String, "text")
	if !ok {
		return "", false
	}
	if v.AsString() == "" {
		w.fail(e.Range(), "this is empty", "")
		return "", false
	}
	return v.AsString(), true
}

func (w *workflow) bool(e hclsyntax.Expression, i instance) bool {
	v, ok := w.scalar(e, i, cty.Bool, "bool: it is true or false")
	return ok && v.True()
}

// number is a whole number from lo to hi.
func (w *workflow) number(e hclsyntax.Expression, i instance, lo, hi int) (int, bool) {
	v, ok := w.scalar(e, i, cty.Number, "number")
	if !ok {
		return 0, false
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != 0 || n < int64(lo) || n > int64(hi) {
		limits := fmt.Sprintf("It is from %d to %d.", lo, hi)
		if hi == math.MaxInt32 && n < int64(lo) {
			limits = fmt.Sprintf("It is at least %d.", lo)
		}
		w.fail(e.Range(), "this is no whole number within bounds", limits)
		return 0, false
	}
	return int(n), true
}
