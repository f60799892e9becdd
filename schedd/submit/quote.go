package submit

import (
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// HTCondor has two ways to write a list of words. The old one splits at white space
// (arguments) or semicolons (environment) and cannot express more. The new one
// splits at white space, and single quotes keep words together; within them a quote
// is doubled. In a submit file a value in the new way stands in double quotes, and
// double quotes within are doubled.

// Argv is the arguments of a job (without the command itself), from its Arguments
// (the new way) or Args (the old one).
func Argv(a *ad.Ad) ([]string, error) {
	if v, ok := a.Literal("Arguments"); ok {
		text, _ := v.Text()
		return ad.SplitWords(text)
	}
	return strings.FieldsFunc(a.Text("Args"), blank), nil
}

// oldDelimiter parts the variables of Env, the attribute of the old way.
const oldDelimiter = ";"

// Environ is the environment of a job as NAME=value, from its Environment (the new way)
// or Env (the old one).
func Environ(a *ad.Ad) ([]string, error) {
	words, err := ad.SplitWords(a.Text("Environment"))
	if old := a.Text("Env"); old != "" && !a.Has("Environment") {
		delimiter := a.Text("EnvDelim")
		if delimiter == "" {
			delimiter = oldDelimiter
		}
		words, err = strings.Split(old, delimiter), nil
	}
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		if _, err := variable(w); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// submitWords splits the text of a submit command into words, whichever way it is
// written.
func submitWords(text string) (words []string, newWay bool, err error) {
	text = strings.TrimSpace(text)
	if inner, ok, err := unwrapped(text); ok || err != nil {
		if err != nil {
			return nil, true, err
		}
		words, err = ad.SplitWords(inner)
		return words, true, err
	}
	plain, err := unescaped(text)
	if err != nil {
		return nil, false, err
	}
	return strings.FieldsFunc(plain, blank), false, nil
}

// unwrapped takes the double quotes off text that is written the new way.
func unwrapped(text string) (inner string, ok bool, err error) {
	if !strings.HasPrefix(text, `"`) {
		return "", false, nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		if strings.TrimSpace(text[i+1:]) != "" {
			return "", true, grid.Errorf(grid.Invalid, "there is text behind the closing double quote: %s (to have a double quote in a value, double it)", text[i+1:])
		}
		return b.String(), true, nil
	}
	return "", true, grid.Errorf(grid.Invalid, "the double quote at the beginning is not closed: %s", text)
}

// unescaped turns \" of the old way into a quote; a bare quote is an error.
func unescaped(text string) (string, error) {
	if !strings.Contains(text, `"`) {
		return text, nil
	}
	plain := strings.ReplaceAll(text, `\"`, "\x00")
	if strings.Contains(plain, `"`) {
		return "", grid.Errorf(grid.Invalid, "a double quote within the value: write the whole value in double quotes and double this one, or write \\\" (%s)", text)
	}
	return strings.ReplaceAll(plain, "\x00", `"`), nil
}

// submitVariables splits the text of the environment command, whichever way it is
// written, into NAME=value.
func submitVariables(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	inner, newWay, err := unwrapped(text)
	if err != nil {
		return nil, err
	}
	var words []string
	if newWay {
		if words, err = ad.SplitWords(inner); err != nil {
			return nil, err
		}
	} else {
		for w := range strings.SplitSeq(text, ";") {
			if w = strings.TrimLeftFunc(w, blank); w != "" {
				words = append(words, w)
			}
		}
	}
	for _, w := range words {
		if _, err := variable(w); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// variable is the name of NAME=value.
func variable(word string) (string, error) {
	name, _, ok := strings.Cut(word, "=")
	switch {
	case !ok:
		return "", grid.Errorf(grid.Invalid, "missing '=' after the environment variable '%s'", word)
	case name == "":
		return "", grid.Errorf(grid.Invalid, "missing name before '%s' in the environment", word)
	}
	return name, nil
}

func blank(c rune) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'
}
