package submit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever procs require, they require more besides.
func TestMoreIsRequired(t *testing.T) {
	s := Spec{
		Attrs: []Attr{{Name: "Cmd", Expr: `"x"`}},
		Sections: []Section{
			{},
			{Attrs: []Attr{{Name: "requirements", Expr: "A || B"}}},
			{Columns: []Column{{Attr: "Requirements", Text: "A == $(Process)"}}},
		},
	}
	s.Require("C || D")
	want := Spec{
		Attrs: []Attr{{Name: "Cmd", Expr: `"x"`}, {Name: "Requirements", Expr: "C || D"}},
		Sections: []Section{
			{},
			{Attrs: []Attr{{Name: "requirements", Expr: "(A || B) && (C || D)"}}},
			{Columns: []Column{{Attr: "Requirements", Text: "(A == $(Process)) && (C || D)"}}},
		},
	}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
	s = Spec{Attrs: []Attr{{Name: "Requirements", Expr: "A || B"}}}
	s.Require("C")
	if got := s.Attrs[0].Expr; len(s.Attrs) != 1 || got != "(A || B) && (C)" {
		t.Errorf("%v", s.Attrs)
	}
}
