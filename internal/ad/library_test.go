package ad

import (
	"strings"
	"testing"

	"github.com/PelicanPlatform/classad/classad"
	"pgregory.net/rapid"
)

// sources draws an expression over the attributes a to e.
func sources(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{
		"0", "1", "-3", "7", "2.5", "0.0", "true", "false", "undefined", "error", `"x"`, `"X"`, `""`, `"12"`,
		"a", "b", "c", "d", "MY.a", "MY.e", "TARGET.a", "TARGET.b", "nosuch", "TARGET.nosuch", "{1,2,\"x\"}", "{}",
	})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		sub := func(label string) string { return sources(depth-1).Draw(t, label) }
		switch rapid.IntRange(0, 9).Draw(t, "form") {
		case 0, 1:
			return leaf.Draw(t, "leaf")
		case 2, 3:
			op := rapid.SampledFrom([]string{"&&", "||"}).Draw(t, "op")
			return "(" + sub("l") + ") " + op + " (" + sub("r") + ")"
		case 4, 5:
			op := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">=", "=?=", "=!="}).Draw(t, "op")
			return "(" + sub("l") + ") " + op + " (" + sub("r") + ")"
		case 6:
			op := rapid.SampledFrom([]string{"+", "-", "*", "/", "%", "&", "|", "^"}).Draw(t, "op")
			return "(" + sub("l") + ") " + op + " (" + sub("r") + ")"
		case 7:
			return rapid.SampledFrom([]string{"!", "-", "+", "~"}).Draw(t, "op") + "(" + sub("x") + ")"
		case 8:
			return "(" + sub("c") + ") ? (" + sub("l") + ") : (" + sub("r") + ")"
		}
		f := rapid.SampledFrom([]string{
			"isUndefined(§)", "isError(§)", "ifThenElse(§, §, §)", "int(§)", "real(§)", "string(§)", "strcat(§, §)", "size(§)",
			"member(§, {1,2,\"x\"})", "toUpper(§)", "floor(§)", "max({§, 1})", "stringListMember(§, \"x,y\")", "isString(§)",
			"substr(\"abcdef\", §)", "quantize(§, 4)", "regexp(\"^x\", §)",
		}).Draw(t, "call")
		for strings.Contains(f, "§") {
			f = strings.Replace(f, "§", sub("arg"), 1)
		}
		return f
	})
}

func TestWalkingTheTreeOurselvesGivesTheLibrarysAnswers(t *testing.T) {
	const mine = `[ a = 1; b = "x"; c = undefined; d = { 1, a }; e = a + 1 ]`
	const theirs = `[ a = 2.5; b = e; e = "theirs" ]`
	my, target := record2ad(t, mine), record2ad(t, theirs)
	lmy, err := classad.Parse(mine)
	if err != nil {
		t.Fatal(err)
	}
	ltarget, err := classad.Parse(theirs)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		src := sources(3).Draw(t, "src")
		e, err := Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		le, err := classad.ParseExpr(src)
		if err != nil {
			t.Fatal(err)
		}
		w := writer{exact: true}
		w.value(Instant(0).Eval(e, my, target))
		lw := writer{exact: true}
		lw.value(fromLibrary(le.EvalWithContext(lmy, ltarget)))
		if got, want := w.String(), lw.String(); got != want && !listSource(got, want) {
			t.Fatalf("%s\nwe:      %s\nlibrary: %s", src, got, want)
		}
		again, err := Parse(e.String())
		if err != nil {
			t.Fatalf("%s is printed as %s: %v", src, e, err)
		}
		w2 := writer{exact: true}
		w2.value(Instant(0).Eval(again, my, target))
		if w2.String() != w.String() || again.String() != e.String() {
			t.Fatalf("%s is printed as %s, which is %s, not %s", src, e, w2.String(), w.String())
		}
	})
}

// listSource allows that a list value prints as it was written here, and as its
// elements there.
func listSource(got, want string) bool {
	return strings.HasPrefix(got, "{") && strings.HasPrefix(want, "{")
}

func TestEveryFunctionLeftToTheLibraryIsKnownToIt(t *testing.T) {
	for i := range builtins {
		f := &builtins[i]
		if o := ownNamed(f.name); o.lazy != nil || o.strict != nil || f.pattern {
			continue
		}
		// Some argument must make it answer something other than error.
		alive := false
		for _, arg := range []Value{IntValue(1), StringValue("1.0"), ListValue([]Value{IntValue(1)}), StringValue("<")} {
			for n := f.min; n <= max(f.max, f.min+1) && n <= 4; n++ {
				args := make([]Value, n)
				for j := range args {
					args[j] = arg
				}
				if f.name == "substr" {
					args[0] = StringValue("abc")
				}
				if n == 3 && strings.HasSuffix(f.name, "Compare") {
					args = []Value{StringValue("<"), ListValue([]Value{IntValue(1)}), IntValue(2)}
				}
				if n == 2 && strings.HasSuffix(f.name, "ember") {
					args[1] = ListValue([]Value{arg})
				}
				r := run{left: Budget}
				if v := callLibrary(&r, f.name, args); v.kind != Error {
					alive = true
				}
			}
		}
		if !alive {
			t.Errorf("%s answers error to everything: does the library know it?", f.name)
		}
	}
}

func TestBuiltinsAreSorted(t *testing.T) {
	for i := 1; i < len(builtins); i++ {
		if compareFold(builtins[i-1].name, builtins[i].name) >= 0 {
			t.Errorf("%s stands before %s", builtins[i-1].name, builtins[i].name)
		}
	}
	for _, name := range FunctionNames() {
		if functionNamed(strings.ToUpper(name)) == nil {
			t.Errorf("%s is not found", name)
		}
	}
}
