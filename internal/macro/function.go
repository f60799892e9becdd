package macro

import (
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// macroFunction is a function in macro text, such as $INT(x,%03d).
type macroFunction struct {
	name     string
	min, max int
	// list: the second argument may be the name of a list, whose items take its place.
	list bool
	// whole: there is one argument, commas included.
	whole bool
	apply func(e *Expander, name string, args []string) (string, error)
}

// functionNamed finds a function. Their names are told from text by their case.
func functionNamed(name string) (macroFunction, bool) {
	f := macroFunction{name: name, min: 1, max: 1}
	switch name {
	case "ENV":
		f.whole, f.apply = true, envFunction
	case "INT":
		f.max, f.apply = 2, intFunction
	case "REAL":
		f.max, f.apply = 2, realFunction
	case "STRING":
		f.max, f.apply = 2, stringFunction
	case "EVAL":
		f.whole, f.apply = true, evalFunction
	case "QUOTE":
		f.whole, f.apply = true, quoteFunction
	case "VALUE":
		f.whole, f.apply = true, valueFunction
	case "CHOICE":
		f.min, f.max, f.list, f.apply = 2, 1<<10, true, choiceFunction
	case "RANDOM_CHOICE":
		f.max, f.apply = 1<<10, randomChoice
	case "RANDOM_INTEGER":
		f.min, f.max, f.apply = 2, 3, randomInteger
	case "SUBSTR":
		f.min, f.max, f.apply = 2, 3, substrFunction
	case "DIRNAME":
		f.apply = fileFunction
	case "BASENAME":
		f.max, f.apply = 2, basenameFunction
	default:
		if name[0] != 'F' || strings.Trim(name[1:], "fpduwnxbqa") != "" {
			return macroFunction{}, false
		}
		f.apply = fileFunction
	}
	return f, true
}

var functionNames = [...]string{
	"ENV", "INT", "REAL", "STRING", "EVAL", "CHOICE", "RANDOM_CHOICE", "RANDOM_INTEGER", "SUBSTR", "DIRNAME", "BASENAME",
	"F", "Fn", "Fx", "Fnx", "Fp", "Fpnx",
}

func unknownFunction(name string) error {
	if near := grid.Nearest(name, functionNames[:]); near != "" {
		return grid.Errorf(grid.Invalid, "there is no function $%s(); did you mean $%s()?", name, near)
	}
	return grid.Errorf(grid.Invalid, "there is no function $%s()", name)
}

// call replaces a function call, or keeps it, its arguments expanded, when one of
// them is live.
func (e *Expander) call(b *strings.Builder, f macroFunction, body string) (isLive bool, err error) {
	raw := []string{strings.TrimSpace(body)}
	if !f.whole {
		raw = arguments(body)
	}
	if len(raw) < f.min || len(raw) > f.max {
		return false, grid.Errorf(grid.Invalid, "$%s(%s): wrong number of arguments", f.name, body)
	}
	if e.calls++; e.calls > maxCalls {
		return false, grid.Errorf(grid.TooLarge, "more than %d functions are called for one job", maxCalls)
	}
	isLive = strings.HasPrefix(f.name, "RANDOM_") && e.Random == nil
	args := make([]string, len(raw))
	for i, a := range raw {
		var l bool
		if args[i], l, err = e.argument(f, i, a); err != nil {
			return false, err
		}
		isLive = isLive || l
	}
	if isLive {
		b.WriteString("$" + f.name + "(" + strings.Join(args, ",") + ")")
		return true, nil
	}
	if f.list && len(args) == 2 {
		args = append(args[:1], ListItems(args[1])...)
	}
	for i := range args {
		args[i] = Finish(args[i])
	}
	out, err := f.apply(e, f.name, args)
	if err != nil {
		return false, grid.Errorf(grid.Invalid, "$%s(%s): %w", f.name, body, err)
	}
	b.WriteString(Escape(out))
	return false, nil
}

// argument expands an argument. One that is a macro's name stands for its value.
func (e *Expander) argument(f macroFunction, i int, arg string) (string, bool, error) {
	if ValidName(arg) && f.name != "ENV" {
		if m := e.Lookup(Fold(arg)); m.State != Missing {
			arg = "$(" + arg + ")"
		}
	}
	var b strings.Builder
	isLive, err := e.Expand(&b, arg)
	if err != nil {
		return "", false, err
	}
	return protect(b.String(), !f.whole && !(f.list && i == 1)), isLive, nil
}

// protect escapes what would make an argument end early when the call is read again:
// parentheses that have no partner, and commas, if they separate arguments. Macros
// and calls in s stay as they are.
func protect(s string, commas bool) string {
	_, rest, ok := Parenthesized("(" + s + ")")
	parens := !ok || rest != ""
	if !parens && !(commas && strings.Contains(s, ",")) {
		return s
	}
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if n := callAt(s[i:]); n > 0 {
			b.WriteString(s[i : i+n])
			i += n - 1
			continue
		}
		switch {
		case c == '(' && parens:
			b.WriteString("$(<)")
		case c == ')' && parens:
			b.WriteString("$(>)")
		case c == ',' && commas && depth == 0:
			b.WriteString("$(,)")
		default:
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Quoted is the text that becomes, with each job, what text is then, as a ClassAd
// string. It is for live values written by others than submit files.
func Quoted(text string) string { return "$QUOTE(" + protect(text, false) + ")" }

// Computed is the text that becomes, with each job, what the expression src (in the
// new syntax, with live macros) comes to then.
func Computed(src string) string { return "$VALUE(" + protect(src, false) + ")" }

// callAt is the length of the macro or call that s begins with, 0 if it begins with
// none.
func callAt(s string) int {
	if s[0] != '$' {
		return 0
	}
	open := 1
	for open < len(s) && (s[open] >= 'A' && s[open] <= 'Z' || s[open] >= 'a' && s[open] <= 'z' || s[open] == '_') {
		open++
	}
	if open == len(s) || s[open] != '(' {
		return 0
	}
	if open > 1 {
		if _, known := functionNamed(s[1:open]); !known {
			return 0
		}
	}
	_, rest, ok := Parenthesized(s[open:])
	if !ok {
		return 0
	}
	return len(s) - len(rest)
}

// ListItems are the items of a list, which commas or blanks separate.
func ListItems(s string) []string {
	return strings.FieldsFunc(Finish(s), func(c rune) bool { return c == ',' || strings.ContainsRune(" \t\n\r\v\f", c) })
}

func envFunction(e *Expander, _ string, args []string) (string, error) {
	name, otherwise, hasDefault := strings.Cut(args[0], ":")
	value, set, ok := e.Getenv(strings.TrimSpace(name))
	switch {
	case !ok:
		return "", grid.Errorf(grid.Invalid, "the environment is known only at submit")
	case set:
		return value, nil
	case hasDefault:
		return otherwise, nil
	}
	return "UNDEFINED", nil // as HTCondor does
}

// evaluated is the value of text as an expression.
func (e *Expander) evaluated(text string) (ad.Value, error) {
	x, err := ad.ParseOld(text)
	if err != nil {
		return ad.Value{}, err
	}
	return ad.Instant(e.Now).EvalWithin(MaxSteps, x, e.My, nil), nil
}

func intFunction(e *Expander, _ string, args []string) (string, error) {
	f, err := e.number(args[0])
	if err != nil {
		return "", err
	}
	if f > math.MaxInt64 || f < math.MinInt64 {
		return "", grid.Errorf(grid.Invalid, "%s is out of range", args[0])
	}
	return printed(args[1:], "diuxXoc", int64(f), strconv.FormatInt(int64(f), 10))
}

func realFunction(e *Expander, _ string, args []string) (string, error) {
	f, err := e.number(args[0])
	if err != nil {
		return "", err
	}
	return printed(args[1:], "fFeEgG", f, strconv.FormatFloat(f, 'G', 16, 64))
}

func (e *Expander) number(text string) (float64, error) {
	v, err := e.evaluated(text)
	if err != nil {
		return 0, err
	}
	if b, ok := v.Bool(); ok && b {
		return 1, nil
	} else if ok {
		return 0, nil
	}
	f, ok := v.Number()
	if !ok {
		return 0, grid.Errorf(grid.Invalid, "%s is %s, not a number", text, v.Kind())
	}
	return f, nil
}

func stringFunction(e *Expander, _ string, args []string) (string, error) {
	text := args[0]
	if v, err := e.evaluated(text); err == nil {
		if s, ok := v.Text(); ok {
			text = s
		} else if v.Kind() != ad.Undefined && v.Kind() != ad.Error {
			text = v.String()
		}
	}
	return printed(args[1:], "s", text, text)
}

// printed formats value with the format in args, or gives otherwise without one.
func printed(args []string, verbs string, value any, otherwise string) (string, error) {
	if len(args) == 0 || args[0] == "" {
		return otherwise, nil
	}
	format := args[0]
	at := strings.IndexByte(format, '%')
	end := at + 1
	for end < len(format) && strings.IndexByte("+-# 0123456789.", format[end]) >= 0 {
		end++
	}
	if at < 0 || end == len(format) || strings.IndexByte(verbs, format[end]) < 0 || strings.Contains(format[end:], "%") || end-at > 8 {
		return "", grid.Errorf(grid.Invalid, "%s is no format for this: write one like %%%c", format, verbs[0])
	}
	verb := format[end]
	if verb == 'i' || verb == 'u' {
		verb = 'd'
	}
	return fmt.Sprintf(format[:end]+string(verb)+format[end+1:], value), nil
}

func evalFunction(e *Expander, _ string, args []string) (string, error) {
	v, err := e.evaluated(args[0])
	if err != nil {
		return "", err
	}
	if s, ok := v.Text(); ok {
		return s, nil
	}
	if f, ok := v.Number(); ok && v.Kind() == ad.Real {
		return strconv.FormatFloat(f, 'E', 15, 64), nil
	}
	return v.String(), nil
}

// quoteFunction is ours: the text as a ClassAd string, for items in expressions.
func quoteFunction(_ *Expander, _ string, args []string) (string, error) {
	return ad.Quote(args[0]), nil
}

// valueFunction is ours too: what an expression in the new syntax comes to.
func valueFunction(e *Expander, _ string, args []string) (string, error) {
	x, err := ad.Parse(args[0])
	if err != nil {
		return "", err
	}
	v := ad.Instant(e.Now).EvalWithin(MaxSteps, x, e.My, nil)
	if v.IsUndefined() || v.IsError() {
		return "", grid.Errorf(grid.Invalid, "%s comes to %s", args[0], v)
	}
	if s, ok := v.Text(); ok {
		return s, nil
	}
	return v.String(), nil
}

func choiceFunction(e *Expander, _ string, args []string) (string, error) {
	f, err := e.number(args[0])
	if err != nil {
		return "", err
	}
	if i := int(f); i >= 0 && i < len(args)-1 {
		return args[1+i], nil
	}
	return "", grid.Errorf(grid.Invalid, "there is no choice number %d: they are 0 to %d", int(f), len(args)-2)
}

func randomChoice(e *Expander, _ string, args []string) (string, error) {
	if len(args) == 1 {
		args = ListItems(args[0])
	}
	if len(args) == 0 {
		return "", grid.Errorf(grid.Invalid, "there is nothing to choose from")
	}
	return args[e.Random(strings.Join(args, ","))%uint64(len(args))], nil
}

func randomInteger(e *Expander, _ string, args []string) (string, error) {
	bounds := [3]int64{2: 1}
	for i, a := range args {
		f, err := e.number(a)
		if err != nil {
			return "", err
		}
		bounds[i] = int64(f)
	}
	low, high, step := bounds[0], bounds[1], bounds[2]
	if high < low || step < 1 {
		return "", grid.Errorf(grid.Invalid, "needs a minimum, a maximum that is not smaller, and a step of at least 1")
	}
	n := uint64(high-low)/uint64(step) + 1
	return strconv.FormatInt(low+int64(e.Random(strings.Join(args, ","))%n)*step, 10), nil
}

func substrFunction(e *Expander, _ string, args []string) (string, error) {
	s := args[0]
	bounds := [2]int{1: len(s)}
	for i, a := range args[1:] {
		f, err := e.number(a)
		if err != nil {
			return "", err
		}
		bounds[i] = int(f)
	}
	start, length := bounds[0], bounds[1]
	if start < 0 {
		start += len(s)
	}
	start = min(max(start, 0), len(s))
	end := start + length
	if length < 0 {
		end = len(s) + length
	}
	return s[start:min(max(end, start), len(s))], nil
}

func basenameFunction(_ *Expander, _ string, args []string) (string, error) {
	base := args[0][strings.LastIndexByte(args[0], '/')+1:]
	if len(args) > 1 {
		base = strings.TrimSuffix(base, args[1])
	}
	return base, nil
}

// fileFunction is $DIRNAME, which is $Fp, and the $F family: parts of a file's name. The letters
// say which: p its directory, d the last directory of that, n the name, x the
// extension with its dot; f first makes the path full. b takes off the last slash
// of p and d or the dot of x, q and a put the result in quotes, u and w turn
// slashes.
func fileFunction(e *Expander, name string, args []string) (string, error) {
	if name == "DIRNAME" {
		name = "Fp"
	}
	letters := name[1:]
	has := func(c string) bool { return strings.Contains(letters, c) }
	file := strings.Trim(args[0], `"`)
	if has("f") && !strings.HasPrefix(file, "/") {
		file = path.Join(e.Dir, file)
	}
	slash := strings.LastIndexByte(file, '/') + 1
	dir, base := file[:slash], file[slash:]
	dot := strings.LastIndexByte(base, '.')
	if dot <= 0 { // a point at the beginning begins no extension
		dot = len(base)
	}
	stem, ext := base[:dot], base[dot:]
	if n := strings.Count(letters, "d"); n > 0 && !has("p") {
		parts := strings.SplitAfter(strings.TrimSuffix(dir, "/"), "/")
		if dir != "" {
			dir = strings.Join(parts[max(len(parts)-n, 0):], "") + "/"
		}
	}
	out := file
	if strings.ContainsAny(letters, "pdnx") {
		out = ""
		if has("p") || has("d") {
			if has("b") && !has("n") && !has("x") {
				dir = strings.TrimSuffix(dir, "/")
			}
			out += dir
		}
		if has("n") {
			out += stem
		}
		if has("x") {
			if has("b") && !has("n") {
				ext = strings.TrimPrefix(ext, ".")
			}
			out += ext
		}
	}
	switch {
	case has("u"):
		out = strings.ReplaceAll(out, `\`, "/")
	case has("w"):
		out = strings.ReplaceAll(out, "/", `\`)
	}
	switch {
	case has("a"):
		out = "'" + out + "'"
	case has("q"):
		out = `"` + out + `"`
	}
	return out, nil
}
