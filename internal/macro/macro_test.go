package macro

import (
	"strings"
	"testing"

	"gridburst/internal/ad"
)

// knows is an expander of these macros; a value that begins with "live " is live, one that
// begins with "text " is taken as it is.
func knows(macros map[string]string) *Expander {
	my := ad.New(1)
	my.SetInt("Foo", 3)
	return &Expander{
		My:     my,
		Random: func(string) uint64 { return 1 },
		Getenv: func(name string) (string, bool, bool) { return "/home", name == "HOME", true },
		Lookup: func(key string) Meaning {
			text, ok := macros[key]
			switch live, isLive := strings.CutPrefix(text, "live "); {
			case !ok:
				return Meaning{}
			case isLive:
				return Meaning{Live, live}
			}
			if text, verbatim := strings.CutPrefix(text, "text "); verbatim {
				return Meaning{Verbatim, text}
			}
			return Meaning{Written, text}
		},
	}
}

func TestTextIsExpanded(t *testing.T) {
	macros := map[string]string{"a": "x$(b)", "b": "5", "c": "text $(b)", "p": "live Process", "file": "/d/e.tar.gz", "self": "$(self)", "name": "b"}
	for text, want := range map[string]string{
		"$(a)-$(A)": "x5-x5", "$(c)": "$(b)", "$(DOLLAR)(b)": "$(b)", "$$(Cpus)": "$$(Cpus)", "$": "$", "[$(no)]": "[]", "$(no:$(b))": "5", "$($(name))": "5",
		"$INT(b,%03d)": "005", "$REAL(b)": "5", "$STRING(b)": "5", "$EVAL(Foo + 1)": "4", "$CHOICE(1,u,v)": "v", "$CHOICE(b,x)": "error", "$SUBSTR(file,1,1)": "d",
		"$BASENAME(file)": "e.tar.gz", "$DIRNAME(file)": "/d/", "$Fnx(file)": "e.tar.gz", "$Fx(file)": ".gz", "$ENV(HOME)": "/home", "$ENV(NO)": "UNDEFINED", "$RANDOM_INTEGER(3,9)": "4",
		"$(self)": "error", "$(p)": "$(Process)", "$INT(p)": "$INT($(Process))", "$NOSUCH(x)": "$NOSUCH(x)",
	} {
		got, _, err := knows(macros).Text(text)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s is %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestConditionsHold(t *testing.T) {
	macros := map[string]string{"yes": "true", "empty": "", "n": "0.5"}
	for text, want := range map[string]string{
		"true": "holds", "! true": "does not", "!!1": "holds", "0": "does not", "$(n)": "holds", "$(yes)": "holds", "defined yes": "holds", "defined empty": "does not", "!defined no": "holds",
		"defined $(yes)": "holds", "version >= 8.9": "holds", "version < 8": "does not", "version 8": "wrong", "$(no)": "wrong", "$(yes) && true": "wrong", "defined a b": "wrong",
	} {
		holds, problem, _ := knows(macros).Holds(text)
		got := map[bool]string{true: "holds", false: "does not"}[holds]
		if problem != "" {
			got = "wrong"
		}
		if got != want {
			t.Errorf("%s: %s (%s), want %s", text, got, problem, want)
		}
	}
	var c Conditions
	var seen []bool
	for _, w := range []struct {
		word  Word
		holds bool
	}{{If, false}, {Elif, true}, {If, true}, {Else, false}, {Endif, false}, {Elif, true}, {Else, false}, {Endif, false}} {
		if problem := c.Take(w.word, func() bool { return w.holds }); problem != "" {
			t.Fatal(problem)
		}
		seen = append(seen, c.Active())
	}
	want := []bool{false, true, true, false, true, false, false, true}
	for i := range want {
		if seen[i] != want[i] {
			t.Errorf("after word %d lines count: %v", i, seen[i])
		}
	}
	if c.Open() != 0 || c.Take(Endif, nil) == "" {
		t.Error("an endif without its if is taken")
	}
}

func TestAMacroThatNamesItselfHasWhatItWasBefore(t *testing.T) {
	for _, c := range []struct{ value, before, want string }{
		{"$(a) more", "x", "x more"},
		{"$(A)$( a )", "x", "xx"},
		{"$(a:y)", "", "y"},
		{"$$(a) $(b)", "x", "$$(a) $(b)"},
	} {
		if got := SelfReplaced(c.value, "a", c.before); got != c.want {
			t.Errorf("%s on %s is %s, want %s", c.value, c.before, got, c.want)
		}
	}
	text := "x"
	for range 64 {
		text = SelfReplaced("$(a)$(a)", "a", text)
	}
	if len(text) > 3*maxText {
		t.Errorf("it has grown to %d bytes", len(text))
	}
}
