package configs

import (
	"math/big"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// lowering writes HCL expressions as submit-language text and ClassAd source.
type lowering struct {
	*file
	vars  *variables
	items []string // names of the item variables; nil: the job has no items
	now   int64
	// live: the text will hold macros of a proc, so what is meant literally must be
	// escaped.
	live bool
	bad  bool // something was wrong

	// special is source for what has a meaning of its own here; ok is false when e has none.
	// nil: nothing has.
	special func(e hclsyntax.Expression) (src string, ok bool)
}

func (l *lowering) fail(r hcl.Range, summary, detail string) {
	l.bad = true
	l.file.fail(r, summary, detail)
}

// isLive reports whether e depends on the proc.
func isLive(e hclsyntax.Expression) bool {
	for _, t := range e.Variables() {
		if macroOf(t.RootName()) != "" || t.RootName() == "item" {
			return true
		}
	}
	return false
}

// namesAd reports whether e depends on an ad.
func namesAd(e hclsyntax.Expression) bool {
	for _, t := range e.Variables() {
		if t.RootName() == "my" || t.RootName() == "target" {
			return true
		}
	}
	return false
}

// macroOf is the macro that a name stands for.
func macroOf(name string) string {
	switch name {
	case "process":
		return "Process"
	case "cluster":
		return "Cluster"
	case "step":
		return "Step"
	case "row":
		return "Row"
	}
	return ""
}

// isNode reports whether a name is that of the number of a node, of a job of several.
func isNode(t hcl.Traversal) bool { return t.RootName() == "node" && len(t) == 1 }

var roots = []string{"my", "target", "process", "cluster", "step", "row", "item", "node", "local", "var"}

// literally is text that is meant as it is.
func (l *lowering) literally(s string) string {
	if l.live {
		return submit.Escape(s)
	}
	return s
}

// text is e as the text of a command.
func (l *lowering) text(e hclsyntax.Expression) string {
	switch e := e.(type) {
	case *hclsyntax.TemplateWrapExpr:
		return l.text(e.Wrapped)
	case *hclsyntax.ParenthesesExpr:
		return l.text(e.Expression)
	case *hclsyntax.TemplateExpr:
		var b strings.Builder
		for _, part := range e.Parts {
			b.WriteString(l.text(part))
		}
		return b.String()
	case *hclsyntax.LiteralValueExpr:
		return l.literally(l.plain(e.Val, e.SrcRange))
	case *hclsyntax.ScopeTraversalExpr:
		if s, ok := l.nameAsText(e); ok {
			return s
		}
	}
	return l.computed(e)
}

// nameAsText is a name as text; ok is false for names that only an expression has.
func (l *lowering) nameAsText(e *hclsyntax.ScopeTraversalExpr) (string, bool) {
	root := e.Traversal.RootName()
	switch {
	case macroOf(root) != "" || root == "item":
		return l.macro(e), true
	case isNode(e.Traversal):
		return l.literally(submit.NodePlace), true
	case root == "local" || root == "var":
		v, ok := l.vars.value(e.Traversal)
		if !ok {
			l.bad = true
			return "", true
		}
		return l.literally(l.plain(v, e.SrcRange)), true
	}
	return "", false
}

// macro is the macro for process, item and their like.
func (l *lowering) macro(e *hclsyntax.ScopeTraversalExpr) string {
	t := e.Traversal
	root := t.RootName()
	if m := macroOf(root); m != "" {
		if len(t) > 1 {
			l.fail(e.SrcRange, root+" is a number: it has no parts", "")
		}
		return "$(" + m + ")"
	}
	switch name, named := attribute(t, 1); {
	case l.items == nil:
		l.fail(e.SrcRange, "there is no item here", "A job has items with queue { in = [...] }, from or matching.")
	case len(t) == 1 && len(l.items) == 1:
		return "$(" + l.items[0] + ")"
	case len(t) == 2 && named:
		for _, v := range l.items {
			if strings.EqualFold(v, name) {
				return "$(" + v + ")"
			}
		}
		l.bad = true
		l.unknown(e.SrcRange, "item variable", name, l.items)
	default:
		l.fail(e.SrcRange, "an item here has several parts", "They are item."+strings.Join(l.items, ", item.")+".")
	}
	return ""
}

// computed is the text that an operation comes to: now, or, as a macro function, for
// each proc.
func (l *lowering) computed(e hclsyntax.Expression) string {
	if namesAd(e) {
		l.fail(e.Range(), "the attributes of my and target are known only when the job is matched", "They may be used in expressions such as requirements and rank.")
		return ""
	}
	if isLive(e) {
		return macro.Computed(l.source(e))
	}
	was := l.live
	l.live = false
	src := l.source(e)
	l.live = was
	if l.bad {
		return ""
	}
	x, err := ad.Parse(src)
	if err != nil {
		l.fail(e.Range(), grid.MessageOf(err), "")
		return ""
	}
	v := ad.Instant(l.now).Eval(x, nil, nil)
	if s, ok := v.Text(); ok {
		return l.literally(s)
	}
	if v.IsUndefined() || v.IsError() {
		l.fail(e.Range(), "this comes to "+v.String(), "As an expression of ClassAds it is "+src+".")
		return ""
	}
	return l.literally(v.String())
}

// plain is a value as text.
func (l *lowering) plain(v cty.Value, r hcl.Range) string {
	switch {
	case v.IsNull():
		l.fail(r, "null has no text", "Leave the key out to have it not set.")
	case v.Type() == cty.String:
		return v.AsString()
	case v.Type() == cty.Bool:
		return strconv.FormatBool(v.True())
	case v.Type() == cty.Number:
		return number(v)
	default:
		l.fail(r, "this is a "+v.Type().FriendlyName()+", not a text", "")
	}
	return ""
}

// number writes a number as ClassAds read it.
func number(v cty.Value) string {
	f := v.AsBigFloat()
	if i, accuracy := f.Int64(); accuracy == big.Exact {
		return strconv.FormatInt(i, 10)
	}
	x, _ := f.Float64()
	return ad.RealValue(x).String()
}

// source is e as ClassAd source.
func (l *lowering) source(e hclsyntax.Expression) string {
	if l.special != nil {
		if src, ok := l.special(e); ok {
			return src
		}
	}
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return "(" + l.source(e.Expression) + ")"
	case *hclsyntax.LiteralValueExpr:
		return l.literal(e.Val, e.SrcRange)
	case *hclsyntax.TemplateExpr:
		return l.template(e)
	case *hclsyntax.TemplateWrapExpr:
		return l.source(e.Wrapped)
	case *hclsyntax.ScopeTraversalExpr:
		return l.name(e)
	case *hclsyntax.RelativeTraversalExpr:
		return "(" + l.source(e.Source) + ")" + l.steps(e.Traversal, e.SrcRange)
	case *hclsyntax.IndexExpr:
		return "(" + l.source(e.Collection) + ")[" + l.source(e.Key) + "]"
	case *hclsyntax.UnaryOpExpr:
		return l.unary(e)
	case *hclsyntax.BinaryOpExpr:
		return l.operand(e.LHS) + " " + operator(e.Op) + " " + l.operand(e.RHS)
	case *hclsyntax.ConditionalExpr:
		return l.operand(e.Condition) + " ? " + l.operand(e.TrueResult) + " : " + l.operand(e.FalseResult)
	case *hclsyntax.FunctionCallExpr:
		return l.call(e)
	case *hclsyntax.TupleConsExpr:
		parts := make([]string, len(e.Exprs))
		for i, x := range e.Exprs {
			parts[i] = l.source(x)
		}
		return "{ " + strings.Join(parts, ",") + " }"
	case *hclsyntax.ObjectConsExpr:
		return l.record(e)
	case *hclsyntax.ForExpr, *hclsyntax.TemplateJoinExpr:
		l.fail(e.Range(), "for has no meaning in a job", "In a locals block it has: write local.x here.")
	case *hclsyntax.SplatExpr:
		l.fail(e.Range(), "[*] has no meaning in a job", "In a locals block it has: write local.x here.")
	case *hclsyntax.ExprSyntaxError:
		l.bad = true // said already
	default:
		l.fail(e.Range(), "this has no meaning in a job", "")
	}
	return "error"
}

// operand is part of an operation. Choices and operations are put in parentheses, so
// that nothing rests on both languages binding alike.
func (l *lowering) operand(e hclsyntax.Expression) string {
	s := l.source(e)
	switch e.(type) {
	case *hclsyntax.ConditionalExpr, *hclsyntax.BinaryOpExpr:
		return "(" + s + ")"
	}
	return s
}

func (l *lowering) unary(e *hclsyntax.UnaryOpExpr) string {
	sign := "-"
	if e.Op == hclsyntax.OpLogicalNot {
		sign = "!"
	}
	s := l.operand(e.Val)
	if strings.HasPrefix(s, "-") {
		s = "(" + s + ")"
	}
	return sign + s
}

func operator(op *hclsyntax.Operation) string {
	switch op {
	case hclsyntax.OpLogicalOr:
		return "||"
	case hclsyntax.OpLogicalAnd:
		return "&&"
	case hclsyntax.OpEqual:
		return "=="
	case hclsyntax.OpNotEqual:
		return "!="
	case hclsyntax.OpGreaterThan:
		return ">"
	case hclsyntax.OpGreaterThanOrEqual:
		return ">="
	case hclsyntax.OpLessThan:
		return "<"
	case hclsyntax.OpLessThanOrEqual:
		return "<="
	case hclsyntax.OpAdd:
		return "+"
	case hclsyntax.OpSubtract:
		return "-"
	case hclsyntax.OpMultiply:
		return "*"
	case hclsyntax.OpDivide:
		return "/"
	}
	return "%"
}

// literal is a known value as source.
func (l *lowering) literal(v cty.Value, r hcl.Range) string {
	switch {
	case v.IsNull():
		return "undefined"
	case v.Type() == cty.String:
		return l.literally(ad.Quote(v.AsString()))
	case v.Type() == cty.Bool, v.Type() == cty.Number:
		s := l.plain(v, r)
		if strings.HasPrefix(s, "-") {
			return "(" + s + ")"
		}
		return s
	case v.Type().IsTupleType(), v.Type().IsListType(), v.Type().IsSetType():
		var parts []string
		for it := v.ElementIterator(); it.Next(); {
			_, x := it.Element()
			parts = append(parts, l.literal(x, r))
		}
		return "{ " + strings.Join(parts, ",") + " }"
	case v.Type().IsObjectType(), v.Type().IsMapType():
		var parts []string
		for it := v.ElementIterator(); it.Next(); {
			k, x := it.Element()
			parts = append(parts, l.field(k.AsString(), r)+" = "+l.literal(x, r))
		}
		return "[ " + strings.Join(parts, "; ") + " ]"
	}
	l.fail(r, "a "+v.Type().FriendlyName()+" has no meaning in an expression", "")
	return "error"
}

func (l *lowering) field(name string, r hcl.Range) string {
	if !ad.ValidName(name) {
		l.fail(r, quote(name)+" is no name for an attribute", "")
	}
	return name
}

// template is a string with values in it, as source.
func (l *lowering) template(e *hclsyntax.TemplateExpr) string {
	switch {
	case namesAd(e):
		parts := make([]string, len(e.Parts))
		for i, p := range e.Parts {
			parts[i] = l.source(p)
		}
		return "strcat(" + strings.Join(parts, ",") + ")"
	case isLive(e):
		return macro.Quoted(l.text(e))
	}
	was := l.live
	l.live = false
	s := l.text(e)
	l.live = was
	return l.literally(ad.Quote(s))
}

// name is a traversal as source.
func (l *lowering) name(e *hclsyntax.ScopeTraversalExpr) string {
	t := e.Traversal
	switch root := t.RootName(); {
	case root == "my" || root == "target":
		name, ok := attribute(t, 1)
		if !ok {
			l.fail(e.SrcRange, root+" needs an attribute behind it", "As in "+root+".Memory.")
			return "error"
		}
		return strings.ToUpper(root) + "." + l.field(name, e.SrcRange) + l.steps(t[2:], e.SrcRange)
	case macroOf(root) != "":
		return l.macro(e)
	case isNode(t):
		return ad.Quote(submit.NodePlace)
	case root == "item":
		return macro.Quoted(l.macro(e))
	case root == "local" || root == "var":
		v, ok := l.vars.value(t)
		if !ok {
			l.bad = true
			return "error"
		}
		return l.literal(v, e.SrcRange)
	default:
		l.bad = true
		detail := "Attributes are my." + root + " and target." + root + "; a text stands in double quotes."
		if near := grid.Nearest(root, roots); near != "" && len(root) > 2 {
			detail = "Did you mean " + quote(near) + "? " + detail
		}
		l.file.fail(e.SrcRange, "there is no "+quote(root), detail)
		return "error"
	}
}

// steps are the attributes and indexes behind a value.
func (l *lowering) steps(t hcl.Traversal, r hcl.Range) string {
	var b strings.Builder
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseAttr:
			b.WriteString("." + l.field(s.Name, r))
		case hcl.TraverseIndex:
			b.WriteString("[" + l.literal(s.Key, r) + "]")
		default:
			l.fail(r, "this has no meaning in a job", "")
		}
	}
	return b.String()
}

func (l *lowering) record(e *hclsyntax.ObjectConsExpr) string {
	parts := make([]string, len(e.Items))
	for i, item := range e.Items {
		parts[i] = l.field(l.key(item), item.KeyExpr.Range()) + " = " + l.source(item.ValueExpr)
	}
	return "[ " + strings.Join(parts, "; ") + " ]"
}

// key is the name of an object's item.
func (l *lowering) key(item hclsyntax.ObjectConsItem) string {
	k, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr)
	if ok && !k.ForceNonLiteral {
		if name := hcl.ExprAsKeyword(k.Wrapped); name != "" {
			return name
		}
	}
	if ok {
		if t, isTemplate := k.Wrapped.(*hclsyntax.TemplateExpr); isTemplate && !isLive(t) && !namesAd(t) {
			return l.text(t)
		}
	}
	l.fail(item.KeyExpr.Range(), "a name must be known here", "Write it as it is, or in double quotes.")
	return "error"
}

// call is a function call as source. The functions are those of ClassAds, and is()
// and isnt().
func (l *lowering) call(e *hclsyntax.FunctionCallExpr) string {
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = l.source(a)
	}
	if e.ExpandFinal {
		l.fail(e.Range(), "... has no meaning in a job", "")
	}
	switch name := strings.ToLower(e.Name); name {
	case "is", "isnt":
		if len(args) != 2 {
			l.fail(e.NameRange, e.Name+"() takes 2 arguments, not "+strconv.Itoa(len(args)), "")
			return "error"
		}
		op := map[string]string{"is": "=?=", "isnt": "=!="}[name]
		return "((" + args[0] + ") " + op + " (" + args[1] + "))"
	case "expr":
		l.fail(e.NameRange, "expr() is the whole value of a job attribute", "As in: attributes { Big = expr(target.Memory > 1000) }")
		return "error"
	}
	x := e.Name + "(" + strings.Join(args, ",") + ")"
	known := false
	for _, n := range ad.FunctionNames() {
		known = known || strings.EqualFold(n, e.Name)
	}
	if !known {
		l.bad = true
		l.unknown(e.NameRange, "function", e.Name, append(ad.FunctionNames(), "is", "isnt"))
		return "error"
	}
	return x
}
