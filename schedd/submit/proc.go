package submit

import (
	"hash/fnv"
	"strconv"

	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// expand computes the column for one proc.
func (c Column) expand(e *macro.Expander) (Attr, error) {
	text, _, err := e.Text(c.Text)
	if err != nil {
		return Attr{}, err
	}
	var list []string
	if len(c.List) > 0 {
		list = make([]string, len(c.List))
		for i, t := range c.List {
			if list[i], _, err = e.Text(t); err != nil {
				return Attr{}, err
			}
		}
	}
	if least, ok := c.Kind.takesList(); ok && len(list) < least {
		return Attr{}, grid.Errorf(grid.Invalid, "a column of kind %s lacks its list", c.Kind)
	}
	return c.value(text, list)
}

// procExpander knows the macros of the index-th proc of s.
func procExpander(s *Section, id grid.JobID, index int, row []string) *macro.Expander {
	calls := uint64(0)
	return &macro.Expander{
		Lookup: func(key string) macro.Meaning { return procMacro(s, id, index, row, key) },
		// Random values are a function of the job's id: asked again, a job is the same.
		Random: func(args string) uint64 {
			calls++
			h := fnv.New64a()
			h.Write([]byte(id.String() + "/" + strconv.FormatUint(calls, 10) + "/" + args))
			x := h.Sum64()
			x ^= x >> 33 // fnv's low bits alone are uneven
			x *= 0xff51afd7ed558ccd
			return x ^ x>>33
		},
		Getenv: func(string) (string, bool, bool) { return "", false, false },
	}
}

func procMacro(s *Section, id grid.JobID, index int, row []string, key string) macro.Meaning {
	for i, v := range s.Vars {
		if fold(v) != key {
			continue
		}
		m := macro.Meaning{State: macro.Written}
		if s.Verbatim {
			m.State = macro.Verbatim
		}
		if i < len(row) {
			m.Text = row[i]
		}
		return m
	}
	number := -1
	switch key {
	case "cluster":
		number = int(id.Cluster)
	case "process":
		number = int(id.Proc)
	case "jobid":
		return macro.Meaning{State: macro.Verbatim, Text: id.String()}
	case "step":
		number = index
		if s.PerItem > 0 {
			number %= s.PerItem
		}
	case "row":
		number = 0
		if len(s.Vars) > 0 && s.PerItem > 0 {
			number = index / s.PerItem
		}
	}
	if number < 0 {
		return macro.Meaning{}
	}
	return macro.Meaning{State: macro.Verbatim, Text: strconv.Itoa(number)}
}

// Automatic reports whether every job has a macro of that name.
func Automatic(name string) bool { return liveName(fold(name)) != "" }

const rowName = "Row"

// liveName is the name under which a proc knows an automatic macro; "" for others.
func liveName(key string) string {
	switch key {
	case "cluster", "clusterid":
		return "Cluster"
	case "process", "procid":
		return "Process"
	case "jobid":
		return "JobId"
	case "step":
		return "Step"
	case "row", "itemindex":
		return rowName
	}
	return ""
}
