package configs

import (
	"fmt"
	"strings"
	"testing"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

// numberExpr, truthExpr and textExpr draw expressions that mean the same in HCL and
// in ClassAds.
func numberExpr(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{"0", "1", "2", "7", "process", "step", "row", "cluster", "local.n"})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		a, b := numberExpr(depth-1).Draw(t, "a"), numberExpr(depth-1).Draw(t, "b")
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			return a + " " + rapid.SampledFrom([]string{"+", "-", "*"}).Draw(t, "op") + " " + b
		case 1:
			return "(" + a + " " + rapid.SampledFrom([]string{"+", "-", "*"}).Draw(t, "op") + " " + b + ")"
		case 2:
			return "(" + truthExpr(depth-1).Draw(t, "c") + " ? " + a + " : " + b + ")"
		}
		return leaf.Draw(t, "leaf")
	})
}

func truthExpr(depth int) *rapid.Generator[string] {
	if depth == 0 {
		return rapid.SampledFrom([]string{"true", "false", "process == 1", `item == "a b"`})
	}
	return rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 4).Draw(t, "form") {
		case 0:
			return numberExpr(depth-1).Draw(t, "a") + " " + rapid.SampledFrom([]string{"<", "<=", ">", ">=", "==", "!="}).Draw(t, "op") + " " + numberExpr(depth-1).Draw(t, "b")
		case 1:
			return truthExpr(depth-1).Draw(t, "a") + " " + rapid.SampledFrom([]string{"&&", "||"}).Draw(t, "op") + " " + truthExpr(depth-1).Draw(t, "b")
		case 2:
			return "!(" + truthExpr(depth-1).Draw(t, "a") + ")"
		case 3:
			return "item == " + textExpr(depth-1).Draw(t, "s")
		}
		return "(" + truthExpr(depth-1).Draw(t, "a") + ")"
	})
}

func textExpr(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{`"x"`, `""`, `"a b"`, `"$(Process)"`, `"p)q("`, `"c,d"`, `"${item}"`, `"$${n}"`, `"\"q\" \\"`, "item", `"é$"`})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			return `"l${` + numberExpr(depth-1).Draw(t, "n") + `}(${item}${` + textExpr(depth-1).Draw(t, "s") + `}$"`
		case 1:
			return "(" + truthExpr(depth-1).Draw(t, "c") + " ? " + textExpr(depth-1).Draw(t, "a") + " : " + textExpr(depth-1).Draw(t, "b") + ")"
		}
		return leaf.Draw(t, "leaf")
	})
}

// What a job's text comes to, by macros and ClassAds, is what HCL itself makes of it
// when it is told the job's numbers and item.
func TestLoweredTextIsWhatHCLMakesOfIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expr := rapid.OneOf(textExpr(3), rapid.Map(numberExpr(3), func(s string) string { return `"${` + s + `}"` })).Draw(t, "expr")
		item := rapid.SampledFrom([]string{"a b", "x", `q"'\`, "$(Process)", "(,", ")", "$${", ""}).Draw(t, "item")
		src := "locals {\n n = 3\n}\njob \"j\" {\n executable = \"run.sh\"\n output = \"=${" + expr + "}\"\n queue {\n  count = 2\n  in = local.items\n }\n}\n"
		src = strings.Replace(src, "n = 3\n", "n = 3\n items = ["+hclString("other")+", "+hclString(item)+"]\n", 1)
		out, diags := Jobs("j.hcl", []byte(src), site(), files())
		if diags.HasErrors() {
			t.Fatalf("%s\n%s", src, diags)
		}
		attrs, err := out[0].Spec.Proc(grid.JobID{Cluster: 4, Proc: 3})
		if err != nil {
			t.Fatal(err)
		}
		quoted, _ := submit.Find(attrs, "Out")
		got, _ := ad.Unquote(quoted)

		parsed, hd := hclsyntax.ParseTemplate([]byte("=${"+expr+"}"), "x", hcl.InitialPos)
		if hd.HasErrors() {
			t.Fatal(hd)
		}
		v, hd := parsed.Value(&hcl.EvalContext{Variables: map[string]cty.Value{
			"process": cty.NumberIntVal(3), "cluster": cty.NumberIntVal(4), "step": cty.NumberIntVal(1), "row": cty.NumberIntVal(1),
			"item": cty.StringVal(item), "local": cty.ObjectVal(map[string]cty.Value{"n": cty.NumberIntVal(3)}),
		}})
		if hd.HasErrors() {
			t.Fatal(hd)
		}
		whole := func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "-0", "0") } // HCL knows a negative zero
		if want := v.AsString(); whole(got) != whole(want) {
			t.Fatalf("%s with item %q\nlowered: %q\nHCL:     %q", expr, item, got, want)
		}
	})
}

func hclString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${").Replace(s) + `"`
}

// both is an expression in both languages at once.
type both struct{ hcl, classad string }

func bothExpr(depth int) *rapid.Generator[both] {
	leaf := rapid.SampledFrom([]both{
		{"1", "1"},
		{"0", "0"},
		{"2.5", "2.5"},
		{"true", "true"},
		{"null", "undefined"},
		{`"a"`, `"a"`},
		{`"A"`, `"A"`},
		{"my.a", "MY.a"},
		{"my.b", "MY.b"},
		{"my.nosuch", "MY.nosuch"},
		{"target.a", "TARGET.a"},
		{"target.s", "TARGET.s"},
		{"target.l", "TARGET.l"},
		{"item", `"it\"em\\"`},
		{"process", "3"},
		{`"x${item}"`, `"xit\"em\\"`},
		{"-4", "-4"},
		{"local.n", "-5"},
	})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) both {
		sub := func(label string) both { return bothExpr(depth-1).Draw(t, label) }
		switch rapid.IntRange(0, 5).Draw(t, "form") {
		case 0, 1:
			a, b := sub("a"), sub("b")
			op := rapid.SampledFrom([]string{"&&", "||", "==", "!=", "<", ">=", "+", "-", "*", "/", "%"}).Draw(t, "op")
			return both{"(" + a.hcl + ") " + op + " (" + b.hcl + ")", "(" + a.classad + ") " + op + " (" + b.classad + ")"}
		case 2:
			a, b, c := sub("a"), sub("b"), sub("c")
			return both{"(" + a.hcl + ") ? (" + b.hcl + ") : (" + c.hcl + ")", "(" + a.classad + ") ? (" + b.classad + ") : (" + c.classad + ")"}
		case 3:
			a, b := sub("a"), sub("b")
			f := rapid.SampledFrom([][2]string{{"is", "=?="}, {"isnt", "=!="}}).Draw(t, "f")
			return both{f[0] + "(" + a.hcl + ", " + b.hcl + ")", "(" + a.classad + ") " + f[1] + " (" + b.classad + ")"}
		case 4:
			a, b := sub("a"), sub("b")
			f := rapid.SampledFrom([]string{"strcat(%s, %s)", "ifThenElse(%s, %s, 1)", "member(%s, [1, %s])", "isUndefined(%s) && isError(%s)"}).Draw(t, "f")
			return both{fmt.Sprintf(f, a.hcl, b.hcl), strings.NewReplacer("[", "{", "]", "}").Replace(fmt.Sprintf(f, a.classad, b.classad))}
		}
		a := sub("a")
		op := rapid.SampledFrom([]string{"!", "-"}).Draw(t, "op")
		return both{op + "(" + a.hcl + ")", op + "(" + a.classad + ")"}
	})
}

// An expression in HCL comes to what the same expression in ClassAds comes to.
func TestLoweredExpressionsAreTheExpressions(t *testing.T) {
	job, slot := &ad.Ad{}, &ad.Ad{}
	job.SetInt("a", 2)
	job.SetString("b", "a")
	slot.SetReal("a", 2.5)
	slot.SetString("s", "xit\"em\\")
	slot.SetValue("l", ad.ListValue([]ad.Value{ad.IntValue(1)}))
	rapid.Check(t, func(t *rapid.T) {
		e := bothExpr(3).Draw(t, "expr")
		src := "locals {\n n = -5\n}\njob \"j\" {\n executable = \"run.sh\"\n attributes {\n  X = expr([" + e.hcl + "])\n }\n queue {\n  count = 4\n  in = [\"it\\\"em\\\\\"]\n }\n}\n"
		out, diags := Jobs("j.hcl", []byte(src), site(), files())
		if diags.HasErrors() {
			t.Fatalf("%s\n%s", src, diags)
		}
		attrs, err := out[0].Spec.Proc(grid.JobID{Cluster: 4, Proc: 3})
		if err != nil {
			t.Fatal(err)
		}
		lowered, _ := submit.Find(attrs, "X")
		got, want := eval(t, lowered, job, slot), eval(t, "{"+strings.NewReplacer("local.n", "-5").Replace(e.classad)+"}", job, slot)
		if got != want {
			t.Fatalf("%s\nlowered: %s = %s\ndirect:  %s = %s", e.hcl, lowered, got, e.classad, want)
		}
	})
}

func eval(t *rapid.T, src string, job, slot *ad.Ad) string {
	e, err := ad.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	list, ok := ad.Instant(0).Eval(e, job, slot).List()
	if !ok || len(list) != 1 {
		t.Fatalf("%s is no list of one", src)
	}
	if list[0].Kind() == ad.List {
		elems, _ := list[0].List()
		return fmt.Sprint(elems)
	}
	return list[0].String()
}

func FuzzJobs(f *testing.F) {
	f.Add(wordcount)
	f.Add("locals {\n a = local.b\n b = [for x in [1] : x]\n}\nvariable \"v\" { default = 1 }\njob \"j\" {\n executable = \"run.sh\"\n arguments = [item.x]\n queue { in = [{ x = local.a }] }\n attributes { Q = expr(my.a ? 1 : \"${process}\") }\n}\n")
	f.Add("job \"j\" {\n executable = \"run.sh\"\n environment = { A = \"$(\" }\n rank = target.a[0].b(\n}\n")
	f.Fuzz(func(t *testing.T, src string) {
		out, diags := Jobs("f.hcl", []byte(src), site(), files())
		_ = diags.String()
		for _, j := range out {
			for _, p := range []int{0, j.Spec.Len() - 1} {
				if _, err := j.Spec.Proc(grid.JobID{Cluster: 1, Proc: int32(p)}); err != nil {
					t.Fatalf("%q is accepted, but proc %d has no ad: %v", src, p, err)
				}
			}
		}
	})
}

func BenchmarkJobs(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, diags := Jobs("j.hcl", []byte(wordcount), site(), files()); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}
