package ad

import (
	"cmp"

	"github.com/PelicanPlatform/classad/classad"
)

type operator uint8

const (
	opNone operator = iota
	opAnd
	opOr
	opIs
	opIsnt
	opEqual
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opPlus
	opMinus
	opTimes
	opDivide
	opModulo
	opBitAnd
	opBitOr
	opBitXor
	opShiftLeft
	opShiftRight
	opShiftRightZero
	opNot
	opInvert
)

// spelling is how we print operators; the library's is in operatorOf.
var spelling = [...]string{
	opAnd: "&&", opOr: "||", opIs: "=?=", opIsnt: "=!=", opEqual: "==", opNotEqual: "!=",
	opLess: "<", opLessEqual: "<=", opGreater: ">", opGreaterEqual: ">=",
	opPlus: "+", opMinus: "-", opTimes: "*", opDivide: "/", opModulo: "%",
	opBitAnd: "&", opBitOr: "|", opBitXor: "^", opShiftLeft: "<<", opShiftRight: ">>", opShiftRightZero: ">>>",
	opNot: "!", opInvert: "~",
}

// operatorOf is the operator that the library's tree spells so.
func operatorOf(s string) operator {
	switch s {
	case "is":
		return opIs
	case "isnt":
		return opIsnt
	}
	for op, t := range spelling {
		if t == s {
			return operator(op)
		}
	}
	return opNone
}

// apply is a binary operator on two values. The pairs that matching consists of are
// decided here; the rest is left to the library.
func apply(op operator, a, b Value) Value {
	switch {
	case op == opIs:
		return identical(a, b).value()
	case op == opIsnt:
		return identical(a, b).not().value()
	case a.kind == Error || b.kind == Error:
		return ErrorValue()
	case a.kind == Undefined || b.kind == Undefined:
		return UndefinedValue()
	case isTime(a) || isTime(b):
		return applyTime(op, a, b)
	case op >= opEqual && op <= opGreaterEqual:
		switch {
		case a.kind == Int && b.kind == Int:
			return BoolValue(ordered(op, cmp.Compare(int64(a.bits), int64(b.bits))))
		case a.kind == String && b.kind == String:
			return BoolValue(ordered(op, compareFold(a.str, b.str)))
		}
	case a.kind == Int && b.kind == Int:
		x, y := int64(a.bits), int64(b.bits)
		switch op {
		case opPlus:
			return IntValue(x + y)
		case opMinus:
			return IntValue(x - y)
		case opTimes:
			return IntValue(x * y)
		}
	}
	var e classad.Evaluator
	return fromLibrary(e.ApplyBinaryOp(spelling[op], toLibrary(a), toLibrary(b)))
}

func ordered(op operator, c int) bool {
	switch op {
	case opEqual:
		return c == 0
	case opNotEqual:
		return c != 0
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	case opGreater:
		return c > 0
	}
	return c >= 0
}

// identical is =?=: the same kind and the same value, case included. Lists and
// records cannot be compared.
func identical(a, b Value) truth {
	if a.kind != b.kind {
		return no
	}
	same := true
	switch a.kind {
	case Bool, Int:
		same = a.bits == b.bits
	case Real:
		same = a.real() == b.real()
	case String:
		same = a.str == b.str
	case AbsTime, RelTime:
		same = a.bits == b.bits && a.str == b.str
	case List, Record:
		return bad
	}
	if same {
		return yes
	}
	return no
}

// compareFold compares as strcasecmp does: ASCII letters without their case.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(lower(a[i]), lower(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
