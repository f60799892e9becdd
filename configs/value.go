package configs

import (
	"strconv"
	"strings"
	"time"

	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// value is a key's value for the command c. ok is false when the key is not set
// (null), or wrong.
func (l *lowering) value(c submit.Command, e hclsyntax.Expression) (v submit.Value, ok bool) {
	l.live, l.bad = isLive(e), false
	if l.isNull(e) {
		return submit.Value{}, false
	}
	v = submit.Value{Live: l.live, Pos: l.pos(e.Range())}
	switch c.Kind {
	case submit.KindOldExpr, submit.KindBool, submit.KindTruth, submit.KindRequirements:
		v.Text, v.New = l.expression(e)
	case submit.KindMiB, submit.KindKiB:
		if l.isText(e) {
			v.Text = l.text(e)
		} else {
			v.Text, v.New = l.source(e), !l.isNumber(e)
		}
	case submit.KindDuration:
		v.Text, v.New = l.duration(e)
	case submit.KindEnvironment:
		if pairs, isMap := l.pairs(e); isMap {
			v.List, v.IsList = pairs, true
		} else {
			v.Text = l.text(e)
		}
	default:
		words, isList := l.words(e)
		switch {
		case !isList:
			v.Text = l.text(e)
		case !takesList(c):
			l.fail(e.Range(), c.Name+" takes one text, not a list", "")
		default:
			v.List, v.IsList = words, true
		}
	}
	return v, !l.bad
}

// takesList reports whether a command's value may be a list.
func takesList(c submit.Command) bool {
	switch c.Kind {
	case submit.KindArguments, submit.KindFiles, submit.KindLimits, submit.KindNames:
		return true
	}
	return c.Name == "getenv"
}

// expression is the value of a key that holds an expression: a string is source as
// in a submit file, anything else is lowered.
func (l *lowering) expression(e hclsyntax.Expression) (text string, lowered bool) {
	if l.isText(e) {
		return l.text(e), false
	}
	return l.source(e), true
}

// isText reports whether e is a string as it stands.
func (l *lowering) isText(e hclsyntax.Expression) bool {
	switch e := e.(type) {
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		return true
	case *hclsyntax.ScopeTraversalExpr:
		v, ok := l.constant(e)
		return ok && v.Type() == cty.String
	}
	return false
}

func (l *lowering) isNumber(e hclsyntax.Expression) bool {
	v, ok := l.constant(e)
	return ok && v.Type() == cty.Number
}

func (l *lowering) isNull(e hclsyntax.Expression) bool {
	v, ok := l.constant(e)
	return ok && v.IsNull()
}

// constant is the value of a literal, local.X or var.X.
func (l *lowering) constant(e hclsyntax.Expression) (cty.Value, bool) {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return e.Val, true
	case *hclsyntax.ScopeTraversalExpr:
		if root := e.Traversal.RootName(); root == "local" || root == "var" {
			n := len(l.diags)
			v, ok := l.vars.value(e.Traversal)
			l.diags = l.diags[:n] // it will be asked for again, and said then
			return v, ok
		}
	}
	return cty.NilVal, false
}

// duration is a number of seconds, a text such as "1h30m", or an expression.
func (l *lowering) duration(e hclsyntax.Expression) (text string, lowered bool) {
	if !l.isText(e) {
		return l.source(e), true
	}
	text = l.text(e)
	if l.live {
		return text, false
	}
	if d, err := time.ParseDuration(text); err == nil {
		if d < 0 || d%time.Second != 0 {
			l.fail(e.Range(), quote(text)+" is not a number of seconds", "")
		}
		return strconv.FormatInt(int64(d/time.Second), 10), false
	}
	return text, false
}

// words are the elements of a list as texts.
func (l *lowering) words(e hclsyntax.Expression) (words []string, isList bool) {
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return l.words(e.Expression)
	case *hclsyntax.TupleConsExpr:
		words = make([]string, 0, len(e.Exprs))
		for _, x := range e.Exprs {
			words = append(words, l.text(x))
		}
		return words, true
	}
	v, ok := l.constant(e)
	if !ok || v.IsNull() || !(v.Type().IsTupleType() || v.Type().IsListType() || v.Type().IsSetType()) {
		return nil, false
	}
	words = make([]string, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, x := it.Element()
		words = append(words, l.literally(l.plain(x, e.Range())))
	}
	return words, true
}

// pairs are the items of a map as NAME=value.
func (l *lowering) pairs(e hclsyntax.Expression) (pairs []string, isMap bool) {
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return l.pairs(e.Expression)
	case *hclsyntax.ObjectConsExpr:
		pairs = make([]string, 0, len(e.Items))
		for _, item := range e.Items {
			name := l.key(item)
			if name == "" || strings.ContainsAny(name, "=") {
				l.fail(item.KeyExpr.Range(), quote(name)+" is no name for an environment variable", "")
			}
			pairs = append(pairs, l.literally(name+"=")+l.text(item.ValueExpr))
		}
		return pairs, true
	}
	v, ok := l.constant(e)
	if !ok || v.IsNull() || !(v.Type().IsObjectType() || v.Type().IsMapType()) {
		return nil, false
	}
	pairs = make([]string, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, x := it.Element()
		pairs = append(pairs, l.literally(k.AsString()+"="+l.plain(x, e.Range())))
	}
	return pairs, true
}
