package submit

import "slices"

// individual are the attributes that usually differ from submit to submit even when
// nothing else does, by folded name, sorted.
var individual = [...]string{
	"args", "arguments", "dagmanjobid", "dagmannoderetry", "dagnodename", "dagparentnodenames", "env", "environment", "err", "in",
	"jobdescription", "out", "ovirtuserdata", "submiteventnotes", "submiteventusernotes", "transferinput", "transferinputsizemb",
	"transferoutput", "transferoutputremaps", "userlog",
}

// Split parts attributes into a template, which many submits share, and those of
// this one. Merge puts them together again.
func Split(attrs []Attr) (template, own []Attr) {
	template = make([]Attr, 0, len(attrs))
	for _, a := range attrs {
		if _, ok := slices.BinarySearchFunc(individual[:], a.Name, compareNames); ok {
			own = append(own, a)
		} else {
			template = append(template, a)
		}
	}
	return template, own
}
