package submit

import (
	"slices"
	"strings"
	"testing"

	"gridburst/internal/ad"
	"gridburst/internal/grid"

	"pgregory.net/rapid"
)

func TestWordsAreQuotedAsHTCondorDoes(t *testing.T) {
	for want, words := range map[string][]string{
		"a b' 'c":                      {"a", "b c"},
		"a it''''s":                    {"a", "it's"},
		"''":                           {""},
		"a '' b":                       {"a", "", "b"},
		"FAILED' 'done' 'with' 'B_C 1": {"FAILED done with B_C", "1"},
		"a'  'b":                       {"a  b"},
	} {
		if got := ad.JoinWords(words); got != want {
			t.Errorf("%q is written %s, want %s", words, got, want)
		}
	}
}

func TestWordsAreReadBackWhateverTheyHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringOf(rapid.SampledFrom([]rune("ab'\" \t\n;=$\\é")))).Draw(t, "words")
		text := ad.JoinWords(words)
		got, err := ad.SplitWords(text)
		if err != nil || !slices.Equal(got, words) {
			t.Fatalf("%q is written %s, which is %q, %v", words, text, got, err)
		}
		// The same through a submit file's new way.
		again, newWay, err := submitWords(`"` + strings.ReplaceAll(text, `"`, `""`) + `"`)
		if err != nil || !newWay || !slices.Equal(again, words) {
			t.Fatalf("%q in a submit file is %q, %v", text, again, err)
		}
	})
}

func TestArgvAndEnvironOfAnAd(t *testing.T) {
	a := &ad.Ad{}
	a.SetString("Args", "a  b c")
	if got, err := Argv(a); err != nil || strings.Join(got, "|") != "a|b|c" {
		t.Errorf("%q %v", got, err)
	}
	a.SetString("Arguments", "x 'y z' ''")
	a.SetString("Environment", "A=1 B=two' 'words C='")
	if got, err := Argv(a); err != nil || strings.Join(got, "|") != "x|y z|" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := Environ(a); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("an open quote: %v", err)
	}
	a.SetString("Environment", "A=1 B=two' 'words")
	if got, err := Environ(a); err != nil || strings.Join(got, "|") != "A=1|B=two words" {
		t.Errorf("%q %v", got, err)
	}
	a.SetString("Environment", "A=1 B")
	if _, err := Environ(a); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("no value: %v", err)
	}
}

func TestBadQuotingIsRefused(t *testing.T) {
	for _, text := range []string{`"a`, `"a" b`, `a "b"`, `"a 'b"`, `"a""`} {
		if words, _, err := submitWords(text); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s is %q, %v", text, words, err)
		}
	}
	for _, text := range []string{"A", "A=1;B", "=x", `"A=1 B"`, `"A=1`, `"A='1"`} {
		if words, err := submitVariables(text); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s is %q, %v", text, words, err)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	f.Add("a 'b c' it''''s ''")
	f.Add("'")
	f.Fuzz(func(t *testing.T, text string) {
		words, err := ad.SplitWords(text)
		if err != nil {
			return
		}
		again, err := ad.SplitWords(ad.JoinWords(words))
		if err != nil || !slices.Equal(words, again) {
			t.Fatalf("%q is %q, written and read again %q, %v", text, words, again, err)
		}
	})
}
