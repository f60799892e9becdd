package submit

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/macro"

	"pgregory.net/rapid"
)

// macroTexts draws text over the macros a, b (of the file), Process, Step and i (of
// the proc).
func macroTexts(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{
		"x", "-", "", ",", "5", "$(a)", "$(b)", "$(Process)", "$(i)", "$(Step)", "$(DOLLAR)", "$(DOLLAR)(Process)", "$$(Cpus)", "$", "$(nosuch)", "$(nosuch:y)",
		"$(nosuch:$(i))", "$INT(Process,%03d)", "$SUBSTR(i,1)", "$CHOICE(Step,p,q,$(i))", "$BASENAME(i)", "$Fn(b)", "$QUOTE(i)",
	})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		sub := func(label string) string { return macroTexts(depth-1).Draw(t, label) }
		switch rapid.IntRange(0, 4).Draw(t, "form") {
		case 0:
			return sub("l") + sub("r")
		case 1:
			return "$SUBSTR(" + strings.ReplaceAll(sub("s"), ",", ".") + ",0," + rapid.SampledFrom([]string{"2", "$(Step)", "-1"}).Draw(t, "n") + ")"
		case 2:
			return "$BASENAME(" + strings.ReplaceAll(sub("s"), ",", ".") + ")"
		case 3:
			return "$QUOTE(" + sub("s") + ")"
		}
		return leaf.Draw(t, "leaf")
	})
}

func TestExpandingInTwoStepsIsExpandingAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := macroTexts(3).Draw(t, "text")
		a, b := macroTexts(1).Draw(t, "a"), "dir/"+macroTexts(0).Draw(t, "b")
		a, b = strings.ReplaceAll(a, "$(a)", "z"), strings.ReplaceAll(strings.ReplaceAll(b, "$(a)", "z"), "$(b)", "z")
		item := rapid.SampledFrom([]string{"it,em", "p/q.r", "$(Step)k", "", "a b", "$x", `"`}).Draw(t, "item")
		verbatimItem := rapid.Bool().Draw(t, "verbatim")
		s := &Section{Vars: []string{"i"}, Items: [][]string{{item}}, PerItem: 3, Verbatim: verbatimItem}
		id, index := grid.JobID{Cluster: 4, Proc: 9}, 2

		file := func(key string) macro.Meaning {
			switch key {
			case "a":
				return macro.Meaning{State: macro.Written, Text: a}
			case "b":
				return macro.Meaning{State: macro.Written, Text: b}
			}
			return macro.Meaning{}
		}
		atSubmit := &macro.Expander{Lookup: func(key string) macro.Meaning {
			if key == "i" {
				return macro.Meaning{State: macro.Live, Text: "i"}
			}
			if n := liveName(key); n != "" {
				return macro.Meaning{State: macro.Live, Text: n}
			}
			return file(key)
		}}
		proc := procExpander(s, id, index, s.Items[0])
		atOnce := &macro.Expander{Random: proc.Random, Lookup: func(key string) macro.Meaning {
			if m := procMacro(s, id, index, s.Items[0], fold(nonEmpty(liveName(key), key))); m.State != macro.Missing {
				return m
			}
			return file(key)
		}}
		want, _, wantErr := atOnce.Text(text)
		got, isLive, err := atSubmit.Text(text)
		if err == nil && isLive {
			got, _, err = proc.Text(got)
		}
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Fatalf("%q with a = %q, b = %q, i = %q:\nin two steps %q, %v\nat once      %q, %v", text, a, b, item, got, err, want, wantErr)
		}
	})
}

func nonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestRandomValuesAreFixedByTheJobAndSpreadOverThem(t *testing.T) {
	s := specsOf(t, "executable = /bin/true\narguments = $RANDOM_INTEGER(0,9) $RANDOM_CHOICE(a,b)\nqueue 1000", tree{})[0]
	counts := map[string]int{}
	for p := range int32(1000) {
		id := grid.JobID{Cluster: 5, Proc: p}
		one, err := s.Proc(id)
		if err != nil {
			t.Fatal(err)
		}
		two, _ := s.Proc(id)
		x, _ := Find(one, "Args")
		if y, _ := Find(two, "Args"); x != y {
			t.Fatalf("%s, then %s", x, y)
		}
		counts[x]++
	}
	if len(counts) != 20 {
		t.Errorf("%d of 20 pairs occur", len(counts))
	}
	for pair, n := range counts {
		if n < 20 || n > 90 {
			t.Errorf("%s occurs %d times in 1000", pair, n)
		}
	}
}

func TestMacroBombsAreRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("executable = /bin/true\narguments = $(m0)\n")
	for i := range 40 {
		b.WriteString("m" + strconv.Itoa(i) + " = $(m" + strconv.Itoa(i+1) + ")$(m" + strconv.Itoa(i+1) + ")\n")
	}
	b.WriteString("m40 = x\nqueue\n")
	for name, src := range map[string]string{
		"doubling": b.String(),
		"circle":   "executable = /bin/true\narguments = $(a)\na = $(b)\nb = $(a)\nqueue",
		"include":  "include : me\nqueue",
	} {
		files := tree{}.put("/bin/true")
		files["/sub/me"] = tfile{text: "include : me"}
		if _, diags := Lower("x", []byte(src), testSite(), files); !diags.HasErrors() {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzLower(f *testing.F) {
	for _, s := range []string{
		typical, deltacloud, "if defined x\nqueue\nendif\n", "a @=x\nb\n@x\nqueue", "queue x,y in [1:2] (a b\n c d\n)", "arguments = $INT(a,%d) $CHOICE(Process,a,b)\nqueue 2",
		"include : x\nerror : y\nwarning: z", "executable=a\\\n#c\nb\nqueue matching files *.x", "+a = $(b:$(c))\nMY.b = \"\\\"\nqueue 3 a from (\n$(a)\n)",
	} {
		f.Add(s)
	}
	recorded, err := filepath.Glob("testdata/recorded/*.sub")
	if err != nil || len(recorded) == 0 {
		f.Fatal(recorded, err)
	}
	for _, name := range recorded {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Fuzz(func(t *testing.T, src string) {
		files := tree{}.put("job.sh", "wc", "a", "b", "/bin/true", "!user_pwd")
		files["/sub/x"] = tfile{text: "a = b\n"}
		specs, diags := Lower("f.sub", []byte(src), testSite(), files)
		_ = diags.String()
		if diags.HasErrors() {
			return
		}
		for _, s := range specs {
			for _, p := range []int{0, s.Len() - 1} {
				if _, err := s.Proc(grid.JobID{Cluster: 1, Proc: int32(p)}); err != nil {
					t.Fatalf("%q is accepted, but proc %d has no ad: %v", src, p, err)
				}
			}
		}
	})
}
