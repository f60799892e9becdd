package ad

import (
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	_, _, vectors := readVectors(f)
	for i := 0; i < len(vectors); i += 7 {
		f.Add(vectors[i].expr)
	}
	for _, s := range []string{`"\033[0m"`, "a?:b", "'x y'.z", "{[a=1;b=a]}[0].b", `eval("eval(\"a\")")`, `regexps("(a)|(b)","b","\\1\\2","fg")`} {
		f.Add(s)
	}
	my, target := adOf(f, "a = 1 | b = \"x\" | c = a + d | Requirements = a"), adOf(f, "d = c | e = { [ a = 2 ] } | Requirements = b == \"X\"")
	f.Fuzz(func(t *testing.T, src string) {
		e, err := Parse(src)
		if err != nil {
			return
		}
		v := Instant(5).Eval(e, my, target)
		_ = v.String()
		e.Refs()
		e.Clauses()
		_ = e.Check()
		text := e.String()
		again, err := Parse(text)
		if err != nil {
			if len(text) > MaxSource || !utf8.ValidString(text) {
				return
			}
			t.Fatalf("%q is printed as %q: %v", src, text, err)
		}
		if again.String() != text {
			t.Fatalf("%q is printed as %q, and that as %q", src, text, again.String())
		}
	})
}

func FuzzParseLong(f *testing.F) {
	f.Add("A = 1\nB = \"C:\\x\"\n# c\n\nC = A + 1\n")
	f.Add(`Cmd = "say \"x\"" `)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseLong(text)
		if err != nil {
			return
		}
		long := a.AppendLong(nil)
		b, err := ParseLong(string(long))
		if err != nil {
			return // a string with \" in it cannot be written in the old syntax
		}
		if b.Len() != a.Len() {
			t.Fatalf("%q became %q", text, long)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"A":1,"E":"\/Expr(x > 1)\/","L":[1,null,{"a":2.5}],"S":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ParseJSON(data)
		if err != nil {
			return
		}
		out := a.AppendJSON(nil)
		b, err := ParseJSON(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", data, out, err)
		}
		if again := b.AppendJSON(nil); string(again) != string(out) {
			t.Fatalf("%q became %q, and that %q", data, out, again)
		}
	})
}
