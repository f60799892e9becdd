package ad

import (
	"math"
	"strings"
)

// Kind is what a [Value] is.
type Kind uint8

// The kinds. The zero Value is undefined.
const (
	Undefined Kind = iota // not known: an attribute that is not there
	Error                 // makes no sense: "a" + 1
	Bool
	Int
	Real
	String
	List
	Record  // an ad within an ad, [ a = 1 ]
	AbsTime // an instant
	RelTime // a length of time
)

var kindNames = [...]string{"undefined", "error", "boolean", "integer", "real", "string", "list", "record", "absolute time", "relative time"}

func (k Kind) String() string { return kindNames[k] }

// Value is what an expression comes to. It does not change.
type Value struct {
	kind Kind
	bits uint64 // Bool: 0 or 1; Int: the number; Real: its IEEE bits
	str  string
	list *list
	rec  *record
}

// list is a list's elements, and the literal that it was written as: HTCondor
// prints a list as it was written, not as what its elements came to.
type list struct {
	elems  []Value
	source *listNode
}

// UndefinedValue is the value of what is not there.
func UndefinedValue() Value { return Value{} }

// ErrorValue is the value of what makes no sense.
func ErrorValue() Value { return Value{kind: Error} }

// BoolValue is b.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, bits: 1}
	}
	return Value{kind: Bool}
}

// IntValue is i.
func IntValue(i int64) Value { return Value{kind: Int, bits: uint64(i)} }

// RealValue is f.
func RealValue(f float64) Value { return Value{kind: Real, bits: math.Float64bits(f)} }

// StringValue is s.
func StringValue(s string) Value { return Value{kind: String, str: s} }

// ListValue is the list of elems, which it keeps.
func ListValue(elems []Value) Value { return Value{kind: List, list: &list{elems: elems}} }

// Kind is what v is.
func (v Value) Kind() Kind { return v.kind }

// IsUndefined reports whether v is undefined.
func (v Value) IsUndefined() bool { return v.kind == Undefined }

// IsError reports whether v is an error.
func (v Value) IsError() bool { return v.kind == Error }

// Bool is v if it is a boolean.
func (v Value) Bool() (b, ok bool) { return v.bits != 0, v.kind == Bool }

// Int is v if it is an integer.
func (v Value) Int() (int64, bool) { return int64(v.bits), v.kind == Int }

// Number is v as a real if it is an integer or a real.
func (v Value) Number() (float64, bool) {
	switch v.kind {
	case Int:
		return float64(int64(v.bits)), true
	case Real:
		return v.real(), true
	}
	return 0, false
}

// Text is v if it is a string.
func (v Value) Text() (string, bool) { return v.str, v.kind == String }

// List is v's elements if it is a list. The caller must not change them.
func (v Value) List() ([]Value, bool) {
	if v.kind != List {
		return nil, false
	}
	return v.list.elems, true
}

// Field is the value of a record's field.
func (v Value) Field(name string) (Value, bool) {
	if v.kind != Record {
		return Value{}, false
	}
	return v.rec.value(fold(name))
}

// Fields are the names of a record's fields, as written and sorted.
func (v Value) Fields() []string {
	if v.kind != Record {
		return nil
	}
	return v.rec.lit.spelled()
}

// String is v as ClassAd source.
func (v Value) String() string {
	w := writer{}
	w.value(v)
	return w.String()
}

func (v Value) real() float64 { return math.Float64frombits(v.bits) }

// Truth is HTCondor's rule for Requirements and policies: true, or a number other
// than zero. Undefined, errors, strings, lists and records are not true.
func Truth(v Value) bool { return truthOf(v) == yes }

// truth is the three-valued view of an operand of && || ! and ?:.
type truth uint8

const (
	no truth = iota
	yes
	unknown // undefined
	bad     // an error, or nothing that has a truth
)

func truthOf(v Value) truth {
	switch v.kind {
	case Bool, Int:
		if v.bits != 0 {
			return yes
		}
		return no
	case Real:
		if v.real() != 0 {
			return yes
		}
		return no
	case Undefined:
		return unknown
	}
	return bad
}

func (t truth) not() truth {
	switch t {
	case no:
		return yes
	case yes:
		return no
	}
	return t
}

func (t truth) value() Value {
	switch t {
	case no:
		return BoolValue(false)
	case yes:
		return BoolValue(true)
	case unknown:
		return UndefinedValue()
	}
	return ErrorValue()
}

// fold is how names are compared: HTCondor ignores the case of ASCII letters.
func fold(name string) string {
	for i := range len(name) {
		if c := name[i]; c >= 'A' && c <= 'Z' || c >= 0x80 {
			return strings.ToLower(name)
		}
	}
	return name
}
