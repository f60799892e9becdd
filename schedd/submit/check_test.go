package submit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

func TestASpecOfOursIsAccepted(t *testing.T) {
	var exprs ad.Cache
	for _, src := range []string{typical, deltacloud, "executable = /bin/true\nhold = true\nqueue a,b from (\n1 2\n$(Process) 3\n)\narguments = 5\nqueue"} {
		for _, s := range specsOf(t, src, tree{}.put("wc", "a", "b", "!user_pwd")) {
			data, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			var sent Spec
			if err := json.Unmarshal(data, &sent); err != nil {
				t.Fatal(err)
			}
			if err := sent.Check(&exprs); err != nil {
				t.Errorf("%s\n%v", src, err)
			}
		}
	}
}

func TestWhatTheQueueCannotTakeIsRefused(t *testing.T) {
	set := func(name, expr string) func(*Spec) {
		return func(s *Spec) { s.Attrs = Merge(s.Attrs, []Attr{{name, expr}}) }
	}
	column := func(c Column) func(*Spec) {
		return func(s *Spec) { s.Sections[0].Columns = append(s.Sections[0].Columns, c) }
	}
	for _, c := range []struct {
		name string
		do   func(*Spec)
		code grid.Code
		says string
	}{
		{"an owner of one's choice", set("owner", `"root"`), grid.Forbidden, "owner"},
		{"a job id", set("ClusterId", "5"), grid.Forbidden, "ClusterId"},
		{"a status", set("JobStatus", "2"), grid.Forbidden, "JobStatus"},
		{"a past", set("QDate", "0"), grid.Forbidden, "QDate"},
		{"a status by a column", column(Column{Attr: "jobstatus", Kind: KindExpr, Text: "2"}), grid.Forbidden, "jobstatus"},
		{"no expression", set("Rank", "1 +"), grid.Invalid, "Rank"},
		{"an unknown function", set("Rank", "rnak(1)"), grid.Invalid, "rnak"},
		{"a name that is none", func(s *Spec) { s.Attrs = append(s.Attrs, Attr{"zz bad", "1"}) }, grid.Invalid, "zz bad"},
		{"attributes out of order", func(s *Spec) { slices.Reverse(s.Attrs) }, grid.Invalid, "sorted"},
		{"an attribute twice", func(s *Spec) { s.Attrs = append(s.Attrs, s.Attrs[len(s.Attrs)-1]) }, grid.Invalid, "once"},
		{"another universe, in other letters", func(s *Spec) {
			for i, a := range s.Attrs {
				if a.Name == "JobUniverse" {
					s.Attrs[i] = Attr{"jobuniverse", "13"}
				}
			}
		}, grid.Invalid, "13"},
		{"a command that is no string", set("Cmd", "x"), grid.Invalid, "Cmd"},
		{"arguments that are no string", set("arguments", "5"), grid.Invalid, "arguments"},
		{"a relative directory", set("Iwd", `"x"`), grid.Invalid, "Iwd"},
		{"a path with a line end", set("Out", `"a\nb"`), grid.Invalid, "Out"},
		{"no command", func(s *Spec) { s.Attrs = slices.DeleteFunc(s.Attrs, func(a Attr) bool { return a.Name == "Cmd" }) }, grid.Invalid, "Cmd"},
		{"too much", set("Big", ad.Quote(strings.Repeat("x", MaxValue))), grid.TooLarge, "Big"},
		{"too much in all", func(s *Spec) {
			for i := range 5 {
				set(fmt.Sprintf("Big%d", i), ad.Quote(strings.Repeat("x", 100_000)))(s)
			}
		}, grid.TooLarge, "bytes"},
		{"too many attributes", func(s *Spec) {
			for i := range MaxAttrs {
				s.Attrs = append(s.Attrs, Attr{fmt.Sprintf("Z%06d", i), "1"})
			}
		}, grid.TooLarge, "attributes"},
		{"no sections", func(s *Spec) { s.Sections = nil }, grid.Invalid, "sections"},
		{"no jobs", func(s *Spec) { s.Sections[0].PerItem = 0 }, grid.Invalid, "jobs"},
		{"a negative number of jobs", func(s *Spec) { s.Sections[0].PerItem = -1 }, grid.Invalid, "jobs"},
		{"too many jobs", func(s *Spec) {
			s.Sections[0].PerItem = grid.MaxProcs
			s.Sections = append(s.Sections, s.Sections[0])
		}, grid.TooLarge, "jobs"},
		{"items without variables", func(s *Spec) { s.Sections[0].Items = [][]string{{"a"}} }, grid.Invalid, "variables"},
		{"a short row", func(s *Spec) { s.Sections[0].Vars, s.Sections[0].Items = []string{"a", "b"}, [][]string{{"x"}} }, grid.Invalid, "item 0"},
		{"a huge row", func(s *Spec) {
			s.Sections[0].Vars, s.Sections[0].Items = []string{"a"}, [][]string{{strings.Repeat("x", MaxRow+1)}}
		}, grid.TooLarge, "item 0"},
		{"a column twice", column(Column{Attr: "Out", Kind: KindString}), grid.Invalid, "Out"},
		{"a column of no kind", column(Column{Attr: "X", Kind: "magic"}), grid.Invalid, "magic"},
		{"a column without its list", column(Column{Attr: "X", Kind: KindPath}), grid.Invalid, "list"},
		{"a column that reads the environment", column(Column{Attr: "X", Kind: KindString, Text: "$ENV(SECRET)"}), grid.Invalid, "environment"},
		{"a column whose macro grows", func(s *Spec) {
			s.Sections[0].Vars = []string{"a", "b", "c", "d", "e"}
			ten := func(v string) string { return strings.Repeat("$("+v+")", 20) }
			s.Sections[0].Items = [][]string{{ten("b"), ten("c"), ten("d"), ten("e"), strings.Repeat("x", 20)}}
			column(Column{Attr: "X", Kind: KindString, Text: "$(a)"})(s)
		}, grid.TooLarge, "longer"},
		{"a list that grows", func(s *Spec) {
			s.Sections[0].Vars, s.Sections[0].Items = []string{"a"}, [][]string{{strings.Repeat("x", 60_000)}}
			column(Column{Attr: "X", Kind: KindArgv, List: slices.Repeat([]string{"$(a)"}, 100)})(s)
		}, grid.TooLarge, "longer"},
		{"too many functions", column(Column{Attr: "X", Kind: KindString, Text: strings.Repeat("$EVAL(1)", 2000)}), grid.TooLarge, "functions"},
		{"a column that leads back to itself", func(s *Spec) {
			s.Sections[0].Vars, s.Sections[0].Items = []string{"a"}, [][]string{{"$(a)"}}
			column(Column{Attr: "X", Kind: KindString, Text: "$(a)"})(s)
		}, grid.Invalid, "itself"},
		{"a column that makes no expression", column(Column{Attr: "X", Kind: KindExpr, Text: "$(Process) +"}), grid.Invalid, "X"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := typicalSpec(t)
			c.do(&s)
			var exprs ad.Cache
			err := s.Check(&exprs)
			if grid.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v (%s), want %s that says %q", err, grid.CodeOf(err), c.code, c.says)
			}
		})
	}
}

func TestProtectedAttributesCannotBeSetInAFile(t *testing.T) {
	for _, line := range []string{"+Owner = \"root\"", "MY.ProcId = 3", "+jobstatus = 2"} {
		_, diags := Lower("x", []byte("executable = /bin/true\n"+line+"\nqueue"), testSite(), tree{}.put("/bin/true"))
		if !diags.HasErrors() {
			t.Errorf("%s is accepted", line)
		}
	}
	if !slices.IsSorted(protected[:]) || !slices.IsSorted(individual[:]) {
		t.Error("not sorted")
	}
}

func BenchmarkCheck(b *testing.B) {
	s := typicalSpec(b)
	var exprs ad.Cache
	b.ReportMetric(float64(len(s.Attrs)+len(s.Sections[0].Attrs)), "attrs")
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Check(&exprs); err != nil {
			b.Fatal(err)
		}
	}
}
