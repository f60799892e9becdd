package ad

import (
	"github.com/PelicanPlatform/classad/ast"
	"github.com/PelicanPlatform/classad/classad"
)

// callLibrary evaluates one of the library's functions on values. Its evaluator is
// made for the call and sees no ad, so nothing is shared.
func callLibrary(r *run, name string, args []Value) (v Value) {
	call := &ast.FunctionCall{Name: name, Args: make([]ast.Expr, len(args))}
	for i, a := range args {
		if a.kind == String && !r.spend(len(a.str)/16) || a.kind == List && !r.spend(len(a.list.elems)) {
			return ErrorValue()
		}
		call.Args[i] = expression(a)
	}
	defer func() {
		if recover() != nil { // a function of the library met what it did not foresee
			v = ErrorValue()
		}
	}()
	return fromLibrary(classad.NewEvaluator(nil).Evaluate(call))
}

// expression is v as a literal of the library's tree. Records are not taken by any
// function that we leave to it.
func expression(v Value) ast.Expr {
	switch v.kind {
	case Undefined:
		return &ast.UndefinedLiteral{}
	case Bool:
		return &ast.BooleanLiteral{Value: v.bits != 0}
	case Int, AbsTime: // functions on times take seconds as well
		return &ast.IntegerLiteral{Value: int64(v.bits)}
	case Real, RelTime:
		return &ast.RealLiteral{Value: v.real()}
	case String:
		return &ast.StringLiteral{Value: v.str}
	case List:
		l := &ast.ListLiteral{Elements: make([]ast.Expr, len(v.list.elems))}
		for i, e := range v.list.elems {
			l.Elements[i] = expression(e)
		}
		return l
	}
	return &ast.ErrorLiteral{}
}

// toLibrary is v for the library's operators, which take no lists and records but
// to refuse them.
func toLibrary(v Value) classad.Value {
	switch v.kind {
	case Undefined:
		return classad.NewUndefinedValue()
	case Bool:
		return classad.NewBoolValue(v.bits != 0)
	case Int:
		return classad.NewIntValue(int64(v.bits))
	case Real:
		return classad.NewRealValue(v.real())
	case String:
		return classad.NewStringValue(v.str)
	}
	return classad.NewErrorValue()
}

func fromLibrary(v classad.Value) Value {
	switch v.Type() {
	case classad.UndefinedValue:
		return UndefinedValue()
	case classad.BooleanValue:
		b, _ := v.BoolValue()
		return BoolValue(b)
	case classad.IntegerValue:
		i, _ := v.IntValue()
		return IntValue(i)
	case classad.RealValue:
		f, _ := v.RealValue()
		return RealValue(f)
	case classad.StringValue:
		s, _ := v.StringValue()
		return StringValue(s)
	case classad.ListValue:
		elems, _ := v.ListValue()
		out := make([]Value, len(elems))
		for i, e := range elems {
			out[i] = fromLibrary(e)
		}
		return ListValue(out)
	}
	return ErrorValue()
}
