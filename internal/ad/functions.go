package ad

import (
	"slices"
	"time"
)

// builtins are the functions of the language, sorted by name without case. Absent
// from HTCondor's own are those on time values (absTime, relTime and what takes or
// gives them), those on arguments and environments, and userMap: [Expr.Check]
// refuses them by name.
var builtins = [...]function{
	{name: "absTime", min: 0, max: 1},
	{name: "allCompare", min: 3, max: 3},
	{name: "anyCompare", min: 3, max: 3},
	{name: "argsToList", min: 1, max: 1},
	{name: "avg", min: 1, max: 1},
	{name: "bool", min: 1, max: 1},
	{name: "ceil", min: 1, max: 1},
	{name: "ceiling", min: 1, max: 1},
	{name: "countMatches", min: 2, max: 2},
	{name: "dayTime", min: 0, max: 0},
	{name: "debug", min: 1, max: 1},
	{name: "envV1ToV2", min: 1, max: 1},
	{name: "eval", min: 1, max: 1},
	{name: "evalInEachContext", min: 2, max: 2},
	{name: "floor", min: 1, max: 1},
	{name: "formatTime", min: 0, max: 2},
	{name: "getDayOfMonth", min: 1, max: 1},
	{name: "getDayOfWeek", min: 1, max: 1},
	{name: "getDayOfYear", min: 1, max: 1},
	{name: "getDays", min: 1, max: 1},
	{name: "getHours", min: 1, max: 1},
	{name: "getMinutes", min: 1, max: 1},
	{name: "getMonth", min: 1, max: 1},
	{name: "getSeconds", min: 1, max: 1},
	{name: "getYear", min: 1, max: 1},
	{name: "identicalMember", min: 2, max: 2},
	{name: "ifThenElse", min: 3, max: 3},
	{name: "int", min: 1, max: 1},
	{name: "interval", min: 1, max: 1},
	{name: "isAbstime", min: 1, max: 1},
	{name: "isBoolean", min: 1, max: 1},
	{name: "isClassAd", min: 1, max: 1},
	{name: "isError", min: 1, max: 1},
	{name: "isInteger", min: 1, max: 1},
	{name: "isList", min: 1, max: 1},
	{name: "isReal", min: 1, max: 1},
	{name: "isReltime", min: 1, max: 1},
	{name: "isString", min: 1, max: 1},
	{name: "isUndefined", min: 1, max: 1},
	{name: "join", min: 1, max: -1},
	{name: "listToArgs", min: 1, max: 1},
	{name: "max", min: 1, max: 1},
	{name: "member", min: 2, max: 2},
	{name: "mergeEnvironment", min: 0, max: -1},
	{name: "min", min: 1, max: 1},
	{name: "pow", min: 2, max: 2},
	{name: "quantize", min: 2, max: 2},
	{name: "random", min: 0, max: 1},
	{name: "real", min: 1, max: 1},
	{name: "regexp", min: 2, max: 3, pattern: true},
	{name: "regexpMember", min: 2, max: 3, pattern: true},
	{name: "regexps", min: 3, max: 4, pattern: true},
	{name: "relTime", min: 1, max: 1},
	{name: "replace", min: 3, max: 4, pattern: true},
	{name: "replaceAll", min: 3, max: 4, pattern: true},
	{name: "round", min: 1, max: 1},
	{name: "size", min: 1, max: 1},
	{name: "split", min: 1, max: 2},
	{name: "splitSlotName", min: 1, max: 1},
	{name: "splitTime", min: 1, max: 1},
	{name: "splitUserName", min: 1, max: 1},
	{name: "strcat", min: 0, max: -1, texts: true},
	{name: "strcmp", min: 2, max: 2, texts: true},
	{name: "stricmp", min: 2, max: 2, texts: true},
	{name: "string", min: 1, max: 1, texts: true},
	{name: "stringList_regexpMember", min: 2, max: 4, pattern: true},
	{name: "stringListAvg", min: 1, max: 2},
	{name: "stringListIMember", min: 2, max: 3},
	{name: "stringListMax", min: 1, max: 2},
	{name: "stringListMember", min: 2, max: 3},
	{name: "stringListMin", min: 1, max: 2},
	{name: "stringListsIntersect", min: 2, max: 3},
	{name: "stringListSize", min: 1, max: 2},
	{name: "stringListSubsetMatch", min: 2, max: 3},
	{name: "stringListSum", min: 1, max: 2},
	{name: "substr", min: 2, max: 3},
	{name: "sum", min: 1, max: 1},
	{name: "time", min: 0, max: 0},
	{name: "toLower", min: 1, max: 1, texts: true},
	{name: "toUpper", min: 1, max: 1, texts: true},
	{name: "unparse", min: 1, max: 1},
	{name: "userMap", min: 2, max: 4},
	{name: "version_in_range", min: 3, max: 3},
	{name: "versioncmp", min: 2, max: 2},
	{name: "versionEQ", min: 2, max: 2},
	{name: "versionGE", min: 2, max: 2},
	{name: "versionGT", min: 2, max: 2},
	{name: "versionLE", min: 2, max: 2},
	{name: "versionLT", min: 2, max: 2},
}

// function is a built-in: HTCondor's spelling (names are compared without case) and
// how many arguments it takes.
type function struct {
	name     string
	min, max int  // max -1: any number
	texts    bool // lists and records among the arguments count as their source text
	pattern  bool // the first argument is a regular expression, the last may be its options
}

func (f *function) takes(n int) bool { return n >= f.min && (f.max < 0 || n <= f.max) }

// functionNamed finds a built-in by name, nil when there is none.
func functionNamed(name string) *function {
	i, ok := slices.BinarySearchFunc(builtins[:], name, func(f function, name string) int { return compareFold(f.name, name) })
	if !ok {
		return nil
	}
	return &builtins[i]
}

// FunctionNames are the built-in functions, sorted.
func FunctionNames() []string {
	names := make([]string, len(builtins))
	for i := range builtins {
		names[i] = builtins[i].name
	}
	return names
}

// own is how a built-in is worked out here: from the values of its arguments
// (strict), or from the arguments themselves (lazy). Neither: it is the library's.
type own struct {
	lazy   func(*run, *callNode) Value
	strict func(*run, []Value) Value
}

// ownNamed is a switch and not a part of the table, because eval leads back to it.
func ownNamed(name string) own {
	switch name {
	case "countMatches":
		return own{lazy: countMatches}
	case "evalInEachContext":
		return own{lazy: evalInEachContext}
	case "ifThenElse":
		return own{lazy: ifThenElse}
	case "unparse":
		return own{lazy: unparse}
	case "absTime":
		return own{strict: absTime}
	case "argsToList":
		return own{strict: argsToList}
	case "dayTime":
		return own{strict: dayTime}
	case "envV1ToV2":
		return own{strict: envV1ToV2}
	case "getDayOfMonth":
		return own{strict: ofDate(time.Time.Day)}
	case "getDayOfWeek":
		return own{strict: ofDate(func(t time.Time) int { return int(t.Weekday()) })}
	case "getDayOfYear":
		return own{strict: ofDate(func(t time.Time) int { return t.YearDay() - 1 })}
	case "getDays":
		return own{strict: days}
	case "getHours":
		return own{strict: ofClock(3600, 24)}
	case "getMinutes":
		return own{strict: ofClock(60, 60)}
	case "getMonth":
		return own{strict: ofDate(func(t time.Time) int { return int(t.Month()) })}
	case "getSeconds":
		return own{strict: ofClock(1, 60)}
	case "getYear":
		return own{strict: ofDate(time.Time.Year)}
	case "isAbstime":
		return own{strict: is(AbsTime)}
	case "isReltime":
		return own{strict: is(RelTime)}
	case "listToArgs":
		return own{strict: listToArgs}
	case "mergeEnvironment":
		return own{strict: mergeEnvironment}
	case "relTime":
		return own{strict: relTime}
	case "splitTime":
		return own{strict: splitTime}
	case "userMap":
		return own{strict: userMap}
	case "debug":
		return own{strict: same}
	case "eval":
		return own{strict: evalText}
	case "formatTime":
		return own{strict: formatTime}
	case "isBoolean":
		return own{strict: is(Bool)}
	case "isClassAd":
		return own{strict: is(Record)}
	case "isError":
		return own{strict: is(Error)}
	case "isInteger":
		return own{strict: is(Int)}
	case "isList":
		return own{strict: is(List)}
	case "isReal":
		return own{strict: is(Real)}
	case "isString":
		return own{strict: is(String)}
	case "isUndefined":
		return own{strict: is(Undefined)}
	case "size":
		return own{strict: size}
	case "time":
		return own{strict: now}
	}
	return own{}
}
