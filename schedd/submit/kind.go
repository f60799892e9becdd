package submit

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// Kind is how a command's text becomes an attribute's value. It is the only place
// where that happens: for values that are worked out at submit, for those of one
// proc, and for job files in HCL.
type Kind string

// The kinds. Those with a list take it instead of the text.
const (
	KindString       Kind = "string"       // a string
	KindExpr         Kind = "expr"         // an expression, in the new syntax
	KindOldExpr      Kind = "old_expr"     // an expression, as submit files write it
	KindBool         Kind = "bool"         // true, false, yes, no, or an expression
	KindMiB          Kind = "mib"          // a size in MiB with an optional unit, or an expression
	KindKiB          Kind = "kib"          // a size in KiB, likewise
	KindPath         Kind = "path"         // a path, put behind the directories of List unless it is absolute
	KindArguments    Kind = "arguments"    // Args or Arguments, by the way it is written
	KindArgv         Kind = "argv"         // Arguments, List one by one
	KindEnvironment  Kind = "environment"  // environment in either way, on top of List[0] (the new way)
	KindEnv          Kind = "env"          // List[1:] are NAME=value, on top of List[0]
	KindFiles        Kind = "files"        // names separated by commas
	KindFileList     Kind = "file_list"    // List one by one
	KindRequirements Kind = "requirements" // Text is the user's, List the clauses to add: see requirement.go
	KindSignal       Kind = "signal"       // a signal's number or name
	KindNotification Kind = "notification" // never, always, complete, error
	KindLimits       Kind = "limits"       // names with optional weights
	KindDuration     Kind = "duration"     // seconds, or an expression
	KindInt          Kind = "int"          // a whole number, or an expression that comes to one without any ad
	KindUnsigned     Kind = "unsigned"     // likewise, and at least 0
	KindTruth        Kind = "truth"        // true or false, or an expression that comes to one of them without any ad
	KindVersion      Kind = "version"      // a version as 11.2, of which CUDA makes 11020
	KindNames        Kind = "names"        // names separated by commas or blanks
)

// value is the attribute that expanded text makes.
func (c Column) value(text string, list []string) (Attr, error) {
	raw := text
	text = strings.TrimSpace(text)
	expr, err := "", error(nil)
	switch c.Kind {
	case KindString:
		return quoted(c.Attr, text), nil
	case KindPath:
		dir := list[0]
		for _, d := range list[1:] {
			dir = fullPath(dir, d)
		}
		return quoted(c.Attr, fullPath(dir, text)), nil
	case KindArguments:
		words, newWay, err := submitWords(text)
		switch {
		case err != nil:
			return Attr{}, err
		case newWay || raw == "":
			return quoted("Arguments", ad.JoinWords(words)), nil
		}
		return quoted("Args", strings.Join(words, " ")), nil
	case KindArgv:
		return quoted("Arguments", ad.JoinWords(list)), nil
	case KindEnvironment:
		words, err := submitVariables(text)
		if err != nil {
			return Attr{}, err
		}
		return c.environment(list[0], words)
	case KindEnv:
		return c.environment(list[0], list[1:])
	case KindFiles:
		return quoted(c.Attr, strings.Join(fileNames(text), ",")), nil
	case KindFileList:
		for _, f := range list {
			if strings.ContainsAny(f, ",\n") || strings.TrimSpace(f) != f {
				return Attr{}, grid.Errorf(grid.Invalid, "the file name %q holds a comma or blanks at its ends: such a file cannot be transferred", f)
			}
		}
		return quoted(c.Attr, strings.Join(list, ",")), nil
	case KindNames:
		return quoted(c.Attr, strings.Join(macro.ListItems(text), ",")), nil
	case KindExpr:
		expr, err = newExpr(text)
	case KindInt:
		expr, err = wholeNumber(text)
	case KindUnsigned:
		if expr, err = wholeNumber(text); err == nil && strings.HasPrefix(expr, "-") {
			err = grid.Errorf(grid.Invalid, "%q is below 0", text)
		}
	case KindTruth:
		expr, err = truth(text)
	case KindVersion:
		expr, err = runtimeVersion(text)
	case KindOldExpr:
		expr, err = oldExpr(text)
	case KindBool:
		expr, err = boolExpr(text)
	case KindMiB:
		expr, err = sizeExpr(text, 1<<20)
	case KindKiB:
		expr, err = sizeExpr(text, 1<<10)
	case KindDuration:
		expr, err = oldExpr(text)
	case KindRequirements:
		expr, err = requirements(text, list)
	case KindSignal:
		expr, err = signalName(text)
	case KindNotification:
		expr, err = notificationCode(text)
	case KindLimits:
		expr, err = limits(text)
	default:
		err = grid.Errorf(grid.Invalid, "%q is no kind of value", c.Kind)
	}
	return Attr{c.Attr, expr}, err
}

// takesList reports whether values of the kind are computed from a list, and of how
// many elements at least.
func (k Kind) takesList() (least int, ok bool) {
	switch k {
	case KindPath, KindEnvironment, KindEnv, KindRequirements:
		return 1, true
	case KindArgv, KindFileList:
		return 0, true
	}
	return 0, false
}

func (c Column) environment(base string, words []string) (Attr, error) {
	for _, w := range words {
		if _, err := variable(w); err != nil {
			return Attr{}, err
		}
	}
	under, err := ad.SplitWords(base)
	if err != nil {
		return Attr{}, err
	}
	return quoted(c.Attr, ad.Variables(append(under, words...))), nil
}

// fullPath is name as seen from the directory dir.
func fullPath(dir, name string) string {
	if strings.HasPrefix(name, "/") || dir == "" {
		return name
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}

func fileNames(text string) []string {
	var names []string
	for n := range strings.SplitSeq(text, ",") {
		if n = strings.TrimSpace(n); n != "" {
			names = append(names, n)
		}
	}
	return names
}

func newExpr(text string) (string, error) {
	e, err := ad.Parse(text)
	if err != nil {
		return "", err
	}
	return text, e.Check()
}

// oldExpr checks an expression as submit files write it and gives it in the new
// syntax.
func oldExpr(text string) (string, error) {
	e, err := ad.ParseOld(text)
	if err != nil {
		return "", err
	}
	if err := e.Check(); err != nil {
		return "", err
	}
	if strings.Contains(text, `\`) {
		return e.String(), nil
	}
	return strings.ReplaceAll(text, "\n", " "), nil
}

// wholeNumber is the number that an expression comes to; of a fraction, its whole part.
func wholeNumber(text string) (string, error) {
	e, err := ad.ParseOld(text)
	if err != nil {
		return "", err
	}
	f, ok := ad.Instant(0).EvalWithin(macro.MaxSteps, e, nil, nil).Number()
	if !ok || math.Abs(f) > 1<<53 {
		return "", grid.Errorf(grid.Invalid, "%q is not a whole number", text)
	}
	return strconv.FormatInt(int64(f), 10), nil
}

// runtimeVersion is a version as NVIDIA counts it: 1000 times the major number and 10
// times the minor one.
func runtimeVersion(text string) (string, error) {
	major, minor, _ := strings.Cut(text, ".")
	a, err := strconv.ParseUint(major, 10, 16)
	if err != nil {
		return "", grid.Errorf(grid.Invalid, "%q is no version: write one like 11.2", text)
	}
	b, err := strconv.ParseUint(cmp.Or(minor, "0"), 10, 16)
	if err != nil {
		return "", grid.Errorf(grid.Invalid, "%q is no version: write one like 11.2", text)
	}
	return strconv.FormatUint(1000*a+10*b, 10), nil
}

// boolean reads the words that HTCondor takes for a truth.
func boolean(text string) (b, ok bool) {
	switch fold(text) {
	case "true", "t", "yes", "y", "1":
		return true, true
	case "false", "f", "no", "n", "0":
		return false, true
	}
	return false, false
}

func boolExpr(text string) (string, error) {
	if b, ok := boolean(text); ok {
		return strconv.FormatBool(b), nil
	}
	return oldExpr(text)
}

func truth(text string) (string, error) {
	if b, ok := boolean(text); ok {
		return strconv.FormatBool(b), nil
	}
	e, err := ad.ParseOld(text)
	if err != nil {
		return "", err
	}
	b, ok := ad.Instant(0).EvalWithin(macro.MaxSteps, e, nil, nil).Bool()
	if !ok {
		return "", grid.Errorf(grid.Invalid, "%q is neither true nor false", text)
	}
	return strconv.FormatBool(b), nil
}

func sizeExpr(text string, unit int64) (string, error) {
	if n, ok := grid.ParseSize(text, unit); ok {
		return strconv.FormatInt(n, 10), nil
	}
	expr, err := oldExpr(text)
	if err != nil {
		return "", grid.Errorf(grid.Invalid, "%q is neither a size (512, 512MB, 1.5 GiB) nor an expression", text)
	}
	return expr, nil
}

var signals = [...]string{
	1: "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2",
	"SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG",
	"SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

// Signal is the number of a signal as the job attributes KillSig, RemoveKillSig and
// HoldKillSig name it, 0 for none.
func Signal(name string) int { return max(slices.Index(signals[:], name), 0) }

func signalName(text string) (string, error) {
	name := strings.ToUpper(text)
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n >= len(signals) {
			return "", grid.Errorf(grid.Invalid, "there is no signal number %d", n)
		}
		name = signals[n]
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if Signal(name) == 0 {
		return "", grid.Errorf(grid.Invalid, "there is no signal %s; did you mean %s?", text, grid.Nearest(name, signals[1:]))
	}
	return ad.Quote(name), nil
}

var notifications = [...]string{"never", "always", "complete", "error"}

func notificationCode(text string) (string, error) {
	if i := slices.Index(notifications[:], fold(text)); i >= 0 {
		return strconv.Itoa(i), nil
	}
	return "", grid.Errorf(grid.Invalid, "notification is one of %s, not %q", strings.Join(notifications[:], ", "), text)
}

// limits writes concurrency limits as HTCondor stores them: small letters, sorted.
func limits(text string) (string, error) {
	names := fileNames(fold(strings.ReplaceAll(text, " ", ",")))
	for _, n := range names {
		name, weight, hasWeight := strings.Cut(n, ":")
		if f, err := strconv.ParseFloat(weight, 64); hasWeight && (err != nil || f <= 0) || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" || name == "" {
			return "", grid.Errorf(grid.Invalid, "%q is no concurrency limit: write a name, or a name and a weight as in name:2", n)
		}
	}
	slices.Sort(names)
	return ad.Quote(strings.Join(names, ",")), nil
}
