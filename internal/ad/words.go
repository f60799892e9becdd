package ad

import (
	"slices"
	"strings"

	"gridburst/internal/grid"
)

// SplitWords splits text that is written in the new way.
func SplitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun, quotes := false, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\'' && quotes && i+1 < len(text) && text[i+1] == '\'':
			word.WriteByte(c)
			i++
		case c == '\'':
			begun, quotes = true, !quotes
		case !quotes && blank(rune(c)):
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if quotes {
		return nil, grid.Errorf(grid.Invalid, "a single quote is not closed in %s", text)
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

// JoinWords writes words in the new way, so that [SplitWords] gives them back.
func JoinWords(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if w == "" {
			b.WriteString("''")
		}
		quotes := false
		for _, c := range []byte(w) {
			special := c == '\'' || blank(rune(c))
			if special != quotes {
				b.WriteByte('\'')
				quotes = special
			}
			if c == '\'' {
				b.WriteByte(c)
			}
			b.WriteByte(c)
		}
		if quotes {
			b.WriteByte('\'')
		}
	}
	return b.String()
}

func blank(c rune) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'
}

// Variables writes NAME=value words by name, in the new way; of several with one name the
// last counts.
func Variables(words []string) string {
	name := func(w string) string {
		n, _, _ := strings.Cut(w, "=")
		return n
	}
	sorted := slices.Clone(words)
	slices.SortStableFunc(sorted, func(a, b string) int { return strings.Compare(name(a), name(b)) })
	kept := sorted[:0]
	for i, w := range sorted {
		if i+1 == len(sorted) || name(w) != name(sorted[i+1]) {
			kept = append(kept, w)
		}
	}
	return JoinWords(kept)
}

// The functions on arguments and environments.

// envV1ToV2 writes an environment of the old way, A=1;B=2, in the new one.
func envV1ToV2(_ *run, args []Value) Value {
	text, ok := args[0].Text()
	if !ok {
		return unlessUndefined(args[0])
	}
	return StringValue(Variables(strings.FieldsFunc(text, func(c rune) bool { return c == ';' })))
}

// mergeEnvironment is all environments in one: later ones win.
func mergeEnvironment(_ *run, args []Value) Value {
	var words []string
	for _, a := range args {
		if a.IsUndefined() {
			continue
		}
		text, ok := a.Text()
		if !ok {
			return ErrorValue()
		}
		w, err := SplitWords(text)
		if err != nil {
			return ErrorValue()
		}
		words = append(words, w...)
	}
	return StringValue(Variables(words))
}

// argsToList is the words of arguments in the new way.
func argsToList(_ *run, args []Value) Value {
	text, ok := args[0].Text()
	if !ok {
		return unlessUndefined(args[0])
	}
	words, err := SplitWords(text)
	if err != nil {
		return ErrorValue()
	}
	list := make([]Value, len(words))
	for i, w := range words {
		list[i] = StringValue(w)
	}
	return ListValue(list)
}

// listToArgs is arguments in the new way.
func listToArgs(_ *run, args []Value) Value {
	list, ok := args[0].List()
	if !ok {
		return unlessUndefined(args[0])
	}
	words := make([]string, len(list))
	for i, v := range list {
		if words[i], ok = v.Text(); !ok {
			return ErrorValue()
		}
	}
	return StringValue(JoinWords(words))
}

// unlessUndefined is what a function makes of an argument that it does not take.
func unlessUndefined(v Value) Value {
	if v.IsUndefined() {
		return v
	}
	return ErrorValue()
}
