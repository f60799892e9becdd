package ad

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"gridburst/internal/grid"

	"pgregory.net/rapid"
)

func parse(tb testing.TB, src string) *Expr {
	tb.Helper()
	e, err := Parse(src)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func adOf(tb testing.TB, long string) *Ad {
	tb.Helper()
	a, err := ParseLong(strings.ReplaceAll(long, " | ", "\n"))
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func TestTruthIsTrueOrANumberOtherThanZero(t *testing.T) {
	for src, want := range map[string]bool{
		"true": true, "false": false, "1": true, "-1": true, "0": false, "0.5": true, "0.0": false,
		"undefined": false, "error": false, `"true"`: false, "{1}": false, "[a=1]": false,
	} {
		if got := Truth(Instant(0).Eval(parse(t, src), nil, nil)); got != want {
			t.Errorf("Truth(%s) = %v", src, got)
		}
	}
}

func TestAMatchNeedsBothSidesAndSaysWhoRefused(t *testing.T) {
	for _, c := range []struct {
		name, job, slot string
		refused         Side
		value           string
	}{
		{"both true", "Requirements = TARGET.Memory >= 5", "Memory = 6 | Requirements = true", Neither, "true"},
		{"a number is as good as true", "Requirements = 1", "Requirements = 2.5", Neither, "2.5"},
		{"the job refuses", "Requirements = TARGET.Memory >= 5", "Memory = 4 | Requirements = true", First, "false"},
		{"the job asks for what the slot does not say", "Requirements = TARGET.Gpus >= 5", "Requirements = true", First, "undefined"},
		{"the slot refuses", "Owner = \"bob\" | Requirements = true", "Requirements = TARGET.Owner != \"bob\"", Second, "false"},
		{"a string is not true", "Requirements = \"true\"", "Requirements = true", First, `"true"`},
		{"an ad without Requirements", "x = 1", "Requirements = true", First, "undefined"},
		{"a cycle", "Requirements = a | a = b | b = a", "Requirements = true", First, "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := At(time.Unix(5, 0)).Match(adOf(t, c.job), adOf(t, c.slot))
			if v.Refused != c.refused || v.Value.String() != c.value || v.Matches() != (c.refused == Neither) {
				t.Errorf("got %v %v, want %v %s", v.Refused, v.Value, c.refused, c.value)
			}
		})
	}
}

func TestRankIsANumber(t *testing.T) {
	slot := adOf(t, "KFlops = 7 | Fast = true")
	for src, want := range map[string]float64{
		"TARGET.KFlops": 7, "TARGET.Fast": 1, "TARGET.Nosuch": 0, "2.5": 2.5, `"x"`: 0, "1/0": 0, "false": 0,
	} {
		job := &Ad{}
		if err := job.Set("Rank", src); err != nil {
			t.Fatal(err)
		}
		if got := Instant(0).Rank(job, slot); got != want {
			t.Errorf("Rank %s = %v, want %v", src, got, want)
		}
	}
	if got := Instant(0).Rank(&Ad{}, slot); got != 0 {
		t.Errorf("no Rank = %v", got)
	}
}

func TestTimeIsTheInstantOfTheEvaluation(t *testing.T) {
	a := adOf(t, "QDate = 1000 | Age = time() - QDate | Old = CurrentTime - QDate")
	for _, name := range []string{"Age", "Old"} {
		if got := Instant(1060).Attr(name, a, nil); got.String() != "60" {
			t.Errorf("%s = %v", name, got)
		}
	}
	a.SetInt("CurrentTime", 1001)
	if got := Instant(1060).Attr("Old", a, nil); got.String() != "1" {
		t.Errorf("an ad's own CurrentTime counts: %v", got)
	}
}

func TestAnAttributeOfTheOtherAdSeesItsOwnAd(t *testing.T) {
	job := adOf(t, "x = 1 | y = TARGET.twice")
	slot := adOf(t, "x = 10 | twice = MY.x + TARGET.x | only = x")
	if got := Instant(0).Attr("y", job, slot); got.String() != "11" {
		t.Errorf("y = %v", got)
	}
	if got := Instant(0).Eval(parse(t, "only"), job, slot); got.String() != "10" {
		t.Errorf("only = %v", got)
	}
}

func TestGPUsAreCountedOneByOne(t *testing.T) {
	job := adOf(t, "RequireGPUs = Capability >= GPUsMinCapability && GlobalMemoryMb >= GPUsMinMemory | GPUsMinCapability = 7.5 | GPUsMinMemory = 4096 | RequestGPUs = 2")
	if err := job.Set("Requirements", "countMatches(MY.RequireGPUs,TARGET.AvailableGPUs) >= RequestGPUs"); err != nil {
		t.Fatal(err)
	}
	slot := adOf(t, "A = [ Capability = 8.0; GlobalMemoryMb = 8192 ] | B = [ Capability = 7.5; GlobalMemoryMb = 4096 ] | C = [ Capability = 6.0; GlobalMemoryMb = 16384 ] | AvailableGPUs = { A, B, C } | Requirements = true")
	if v := Instant(0).Match(job, slot); !v.Matches() {
		t.Errorf("two of three GPUs do: %v %v", v.Refused, v.Value)
	}
	job.SetInt("RequestGPUs", 3)
	if v := Instant(0).Match(job, slot); v.Matches() {
		t.Error("three are asked for, two do")
	}
}

func TestNamesIgnoreCaseAndKeepTheirFirstSpelling(t *testing.T) {
	a := &Ad{}
	a.SetInt("RequestCpus", 1)
	a.SetInt("requestcpus", 2)
	a.SetString("zeta", "z")
	if got := fmt.Sprint(a.Names(), a.Len(), a.Int("REQUESTCPUS", 0)); got != "[RequestCpus zeta] 2 2" {
		t.Error(got)
	}
	a.Delete("requestCPUS")
	if a.Has("RequestCpus") || a.Len() != 1 {
		t.Error("still there")
	}
}

func TestAChainedAdShowsThrough(t *testing.T) {
	cluster := adOf(t, "Cmd = \"/bin/true\" | Args = \"a\"")
	proc := adOf(t, "args = \"b\" | ProcId = 3")
	proc.Chain(cluster)
	if got := fmt.Sprint(proc.Names(), proc.Text("Cmd"), proc.Text("Args"), cluster.Text("Args")); got != "[args Cmd ProcId]/bin/trueba" {
		t.Error(got)
	}
	flat := proc.Clone()
	proc.Delete("args")
	if proc.Text("Args") != "a" || flat.Text("Args") != "b" {
		t.Errorf("%q %q", proc.Text("Args"), flat.Text("Args"))
	}
}

func TestSyntaxErrorsNameThePlace(t *testing.T) {
	for src, column := range map[string]int{
		"1 +": 4, "a b": 3, "x = 5": 3, "0x1F": 4, "a\n&& (b": 8, `strcat("a"`: 11, "$(x)": 1, "": 1,
	} {
		_, err := Parse(src)
		var se *SyntaxError
		if !errors.As(err, &se) || se.Column != column || grid.CodeOf(err) != grid.Invalid {
			t.Errorf("Parse(%q) = %v, want invalid at character %d", src, err, column)
		}
	}
	if _, err := Parse("x == \"\xff\""); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("not UTF-8: %v", err)
	}
}

func TestCheckNamesWhatHTCondorWouldSilentlyCallAnError(t *testing.T) {
	for src, want := range map[string]string{
		"regexpp(\"a\", b)":            "there is no function regexpp(); did you mean regexp()?",
		"x && debugTime(\"2024\") > 3": "there is no function debugTime()",
		"regexp(\"a\")":                "regexp() takes 2 to 3 arguments, not 1",
		"time(5) > 3":                  "time() takes 0 arguments, not 1",
		"regexp(\"(?!x)\", y)":         "regexp(): error parsing regexp: invalid or unsupported Perl syntax: `(?!`",
		"TARGET.OpSys == \"LINUX\" && IFTHENELSE(a, b, c)": "",
		"join()": "join() takes at least 1 argument, not 0",
	} {
		err := parse(t, src).Check()
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want && !(want == "there is no function debugTime()" && strings.HasPrefix(got, want)) {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
		if err != nil && grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: code %s", src, grid.CodeOf(err))
		}
	}
}

func TestRefsAreByScope(t *testing.T) {
	r := parse(t, `TARGET.Memory >= MY.RequestMemory && (opsys == "LINUX") && member(X, {TARGET.y}) && memory > 1`).Refs()
	if got := fmt.Sprint(r.My, r.Target, r.Bare, r.Opaque); got != "[requestmemory] [memory y] [memory opsys x] false" {
		t.Error(got)
	}
	if !parse(t, `eval("x")`).Refs().Opaque {
		t.Error("eval reaches anything")
	}
	if e := parse(t, "TARGET.Arch == MY.arch"); !e.Mentions("ARCH") || e.Mentions("OpSys") {
		t.Error("Mentions")
	}
}

func TestClausesAreWhatAndJoins(t *testing.T) {
	var got []string
	for _, c := range parse(t, `((a > 1) && (b || c && d)) && !e && (f && (g))`).Clauses() {
		got = append(got, c.String())
	}
	if s := strings.Join(got, " ; "); s != "a > 1 ; b || c && d ; !e ; f ; g" {
		t.Error(s)
	}
}

func TestQuotingIsUndoneByUnquoting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := strings.ReplaceAll(rapid.String().Draw(t, "s"), "\x00", "")
		q := Quote(s)
		if back, ok := Unquote(q); !ok || back != s {
			t.Fatalf("%q is %s is %q", s, q, back)
		}
		e, err := Parse(q)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := e.Constant(); !ok || v.str != s {
			t.Fatalf("%q parses to %v", q, v)
		}
		old, err := ParseOld(Literal(StringValue(strings.TrimRight(s, `\`))).Old())
		if v, _ := old.Constant(); err == nil && !strings.Contains(s, `\"`) && v.str != strings.TrimRight(s, `\`) {
			t.Fatalf("old %q is %q", s, v.str)
		}
	})
}

func TestTheShortWayReadsLiteralsAsTheParserDoes(t *testing.T) {
	for _, src := range []string{
		"0", "-0", "7", "-7", "007", "1.5", "-1.5", "5.", ".5", "1e3", "1e+3", "1E-3", "1e400", "0x1F", "1_000", "9223372036854775807",
		"9223372036854775808", "-9223372036854775808", "true", "TRUE", "False", "undefined", "Error", `"a"`, `""`, `"a\"b"`, `"a\\"`,
		`"a" + "b"`, `"a\`, `"tab\t"`, `"\101"`, `"\q"`, "inf", "nan", "infinity", "1f", "1p3", `"\1"`, `"é"`, "e", "t", "1.e5", "1.5.2",
	} {
		fast, ok := literalOf(src)
		if !ok {
			continue
		}
		slow, err := Parse(" " + src) // a blank takes the long way
		if err != nil {
			t.Errorf("%s is %v, but the parser says %v", src, fast, err)
			continue
		}
		if v, _ := slow.Constant(); v.String() != fast.String() || v.Kind() != fast.Kind() {
			t.Errorf("%s is %v, but the parser says %v", src, fast, v)
		}
	}
}

func TestOldSyntaxKeepsBackslashes(t *testing.T) {
	for src, want := range map[string]string{
		`"C:\dir\file"`:                     `C:\dir\file`,
		`"say \"x\""`:                       `say "x"`,
		`"C:\"`:                             `C:\`,
		`strcat("a\b", "c")`:                `a\bc`,
		`regexps("^a\.(.*)$", "a.b", "\1")`: "b",
	} {
		e, err := ParseOld(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got, _ := Instant(0).Eval(e, nil, nil).Text(); got != want {
			t.Errorf("%s is %q, want %q", src, got, want)
		}
	}
}

func TestLongFormAndJSONAreReadBack(t *testing.T) {
	a := adOf(t, `MyType = "Job" | Cmd = "C:\x \"y\"" | N = 5 | R = 2.5 | Z = 1.0 | T = true | U = undefined | E = x > 1 && y | L = { 1,"a",z } | Rec = [ a = 1; b = "s" ] | Tricky = "/Expr(1)/"`)
	long := string(a.AppendLong(nil))
	b, err := ParseLong(long)
	if err != nil {
		t.Fatal(err)
	}
	if again := string(b.AppendLong(nil)); again != long {
		t.Errorf("%s\nbecame\n%s", long, again)
	}
	data, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Cmd":"C:\\x \"y\"","E":"\/Expr(x > 1 && y)\/","L":[1,"a","\/Expr(z)\/"],"MyType":"Job","N":5,"R":2.5,"Rec":{"a":1,"b":"s"},"T":true,"Tricky":"\/Expr(\"/Expr(1)/\")\/","U":null,"Z":1.0}`
	if raw := string(a.AppendJSON(nil)); raw != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	c, err := ParseJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	if again := string(c.AppendLong(nil)); again != long {
		t.Errorf("by JSON:\n%s\nbecame\n%s", long, again)
	}
	for _, bad := range []string{"x", "1x = 2", "= 5", "a = 1 +"} {
		if _, err := ParseLong("ok = 1\n" + bad); grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestOneExprAndOneAdServeManyGoroutines(t *testing.T) {
	slot := adOf(t, "Memory = 8192 | Cpus = 4 | OpSys = \"LINUX\" | Gpus = { [ c = Cpus ], [ c = 9 ] } | Twice = Memory * 2 | Requirements = TARGET.RequestMemory <= Memory && Twice > 0")
	job := adOf(t, "RequestMemory = 100 | Need = RequestMemory + 1 | Requirements = TARGET.Memory > Need && countMatches(c > 3, TARGET.Gpus) == 2 && regexp(\"^l\", TARGET.OpSys, \"i\")")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if v := Instant(0).Match(job, slot); !v.Matches() {
					t.Errorf("%v %v", v.Refused, v.Value)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestHostileExpressionsCostLittle(t *testing.T) {
	deep := func(open, close string, n int) string {
		return strings.Repeat(open, n) + "1" + strings.Repeat(close, n)
	}
	for name, src := range map[string]string{
		"parentheses": deep("(", ")", 20000),
		"negations":   deep("!", "", 60000),
		"lists":       deep("{", "}", 20000),
		"records":     deep("[a=", "]", 15000),
		"choices":     deep("a?", ":b", 12000),
		"calls":       deep("isError(", ")", 6000),
		"sums":        deep("1+", "", 20000),
		"long":        deep("1 && ", "", MaxSource),
	} {
		if _, err := Parse(src); grid.CodeOf(err) != grid.TooLarge {
			t.Errorf("%s: %v", name, grid.CodeOf(err))
		}
	}
	if e := parse(t, deep("x == 1 || ", "", 5000)); !Truth(Instant(0).Eval(e, nil, nil)) {
		t.Error("a long chain of || is ordinary")
	}

	doubling := func(form string) *Ad {
		a := &Ad{}
		for i := range 60 {
			if err := a.Set(fmt.Sprintf("a%d", i), strings.ReplaceAll(form, "%", fmt.Sprintf("a%d", i+1))); err != nil {
				t.Fatal(err)
			}
		}
		a.SetString("a60", "x")
		return a
	}
	for _, form := range []string{"% == %", "strcat(%,%)", "{%,%}", "[x = %; y = %]", "regexps(%,%,%)", "evalInEachContext(%,{[p=%]})", "%[%]", "eval(strcat(\"\",%,%))", "join(%,{%,%})", "replaceAll(\"x\",%,%)"} {
		// A form whose cost doubles at each step would not come back.
		a := doubling(form)
		if v := Instant(0).Attr("a0", a, nil); v.Kind() != Error {
			t.Errorf("%s: %v", form, v.Kind())
		}
	}
	chain := &Ad{}
	for i := range 5000 {
		if err := chain.Set(fmt.Sprintf("a%d", i), fmt.Sprintf("a%d + 1", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if v := Instant(0).Attr("a0", chain, nil); v.Kind() != Error {
		t.Errorf("a chain of 5000: %v", v)
	}
}

func TestCacheAnswersAsParseDoes(t *testing.T) {
	var c Cache
	for range 3 {
		for _, src := range []string{"x > 1", "5", `"s"`, "1 +", "nosuch(1)"} {
			e, err := c.Parse(src)
			f, want := Parse(src)
			if (err == nil) != (want == nil) || err == nil && e.String() != f.String() {
				t.Errorf("%s: %v, %v", src, err, want)
			}
		}
		if c.Check("nosuch(1)") == nil || c.Check("1 +") == nil || c.Check("time() > 1") != nil || c.Check("5") != nil {
			t.Error("Check")
		}
	}
	for i := range 3 * generationTexts {
		if _, err := c.Parse(fmt.Sprintf("x > %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.young) + len(c.old); n > 2*generationTexts {
		t.Errorf("%d texts are kept", n)
	}
	for i := range 64 {
		c.Check(fmt.Sprintf("%d < %s", i, Quote(strings.Repeat("y", 60000))))
	}
	if c.bytes > generationBytes+MaxSource {
		t.Errorf("%d bytes are kept", c.bytes)
	}
}

func TestRealsArePrintedToBeReadBack(t *testing.T) {
	for f, want := range map[float64]string{
		8: "8.0", 7.5: "7.5", 0: "0.0", 1e300: "1E+300", -2.25: "-2.25", math.Inf(1): `real("INF")`, 12.0: "12.0",
	} {
		if got := RealValue(f).String(); got != want {
			t.Errorf("%g is printed %s, want %s", f, got, want)
		}
	}
}
