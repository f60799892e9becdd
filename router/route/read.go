package route

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// Read reads the routes of HTCondor's configuration, in the syntax of today
// (JOB_ROUTER_ROUTE_NAMES) or of former versions (JOB_ROUTER_ENTRIES). With errors among
// the diagnostics the table is not to be used.
func Read(name string, src []byte, files Files) (*Table, grid.Diagnostics) {
	s, diags := ReadSource(name, src, files)
	return Build(s, &diags), diags
}

// ReadSource is [Read] without the building, for those who add routes of their own.
func ReadSource(name string, src []byte, files Files) (Source, grid.Diagnostics) {
	c := readConfig(name, src, files)
	s := Source{Macros: map[string]string{}}
	s.Name, _, _ = c.value("JOB_ROUTER_NAME")
	if text, d, ok := c.value("JOB_ROUTER_SOURCE_JOB_CONSTRAINT"); ok {
		x, err := parse(text)
		if err != nil {
			c.fail(expressionAt(d.at, text, err, text != d.text), d.name+" is no expression: "+reasonOf(err), "")
		}
		s.Constraint = x
	}
	s.MaxJobs = c.number("JOB_ROUTER_MAX_JOBS")
	s.MaxPerRoute = c.number("JOB_ROUTER_DEFAULT_MAX_JOBS_PER_ROUTE")
	s.MaxIdle = c.number("JOB_ROUTER_DEFAULT_MAX_IDLE_JOBS_PER_ROUTE")
	s.RoundRobin = c.truth("JOB_ROUTER_ROUND_ROBIN_SELECTION", false)
	s.HoldStays = !c.truth("JOB_ROUTER_RELEASE_ON_HOLD", true)
	s.Pre = c.transforms("JOB_ROUTER_PRE_ROUTE_TRANSFORM_NAMES")
	s.Post = c.transforms("JOB_ROUTER_POST_ROUTE_TRANSFORM_NAMES")
	s.Routes = c.routes()
	for key, d := range c.names {
		s.Macros[key] = d.text
		if old, ok := strings.CutPrefix(key, "job_router."); ok {
			s.Macros[old] = d.text
		}
	}
	c.misspelt()
	return s, c.diags
}

// number is a whole number; nil where it is not set.
func (c *config) number(name string) *int {
	text, d, ok := c.value(name)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > math.MaxInt32 {
		c.fail(d.at, d.name+" is a whole number, and "+quote(text)+" is none", "")
	}
	return &n
}

func (c *config) truth(name string, otherwise bool) bool {
	text, d, ok := c.value(name)
	if !ok {
		return otherwise
	}
	switch strings.ToLower(text) {
	case "true", "t", "yes", "1":
		return true
	case "false", "f", "no", "0":
		return false
	}
	c.fail(d.at, d.name+" is true or false, not "+quote(text), "")
	return otherwise
}

// list is a value that is names, which commas or blanks separate.
func (c *config) list(name string) (names []string, d *definition) {
	text, d, _ := c.value(name)
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }), d
}

// transforms are those that a list of names names.
func (c *config) transforms(list string) []Text {
	names, where := c.list(list)
	var out []Text
	for _, name := range names {
		d := c.find("JOB_ROUTER_TRANSFORM_" + name)
		if d == nil {
			c.missing(where, "transform", "JOB_ROUTER_TRANSFORM_", name)
			continue
		}
		out = append(out, Text{Name: name, Pos: d.pos, Lines: d.lines})
	}
	return out
}

// missing says that a list names what is not there.
func (c *config) missing(where *definition, what, prefix, name string) {
	var known []string
	for key, d := range c.names {
		if strings.HasPrefix(key, strings.ToLower(prefix)) {
			known = append(known, d.name[len(prefix):])
		}
	}
	detail := "It would be written " + prefix + name + " @=end ... @end"
	if near := grid.Nearest(name, known); near != "" {
		detail = "Did you mean " + quote(near) + "?"
	}
	at := where.at
	if i := strings.Index(where.text, name); i >= 0 && len(where.lines) == 1 && where.lines[0].Text == where.text {
		at = within(at, where.text, i, len(name))
	}
	c.fail(at, "there is no "+what+" "+quote(name), detail)
}

// routes are those of JOB_ROUTER_ROUTE_NAMES in its order; without it, those of the old
// syntax in the order of their writing.
func (c *config) routes() []Text {
	old := c.entries()
	names, where := c.list("JOB_ROUTER_ROUTE_NAMES")
	if where == nil {
		return old
	}
	var out []Text
	for _, name := range names {
		if d := c.find("JOB_ROUTER_ROUTE_" + name); d != nil {
			if strings.HasPrefix(strings.TrimSpace(d.text), "[") {
				out = append(out, c.oldRoutes(d, d.text, d.lines, c.defaults(), name)...)
				continue
			}
			out = append(out, Text{Name: name, Pos: d.pos, Lines: d.lines})
			continue
		}
		found := false
		for _, r := range old {
			if r.Name == name {
				out, found = append(out, r), true
			}
		}
		if !found {
			c.missing(where, "route", "JOB_ROUTER_ROUTE_", name)
		}
	}
	return out
}

// served are the settings of HTCondor's router that are read.
var served = []string{
	"JOB_ROUTER_NAME", "JOB_ROUTER_SOURCE_JOB_CONSTRAINT", "JOB_ROUTER_MAX_JOBS", "JOB_ROUTER_DEFAULT_MAX_JOBS_PER_ROUTE",
	"JOB_ROUTER_DEFAULT_MAX_IDLE_JOBS_PER_ROUTE", "JOB_ROUTER_ROUND_ROBIN_SELECTION", "JOB_ROUTER_RELEASE_ON_HOLD",
	"JOB_ROUTER_PRE_ROUTE_TRANSFORM_NAMES", "JOB_ROUTER_POST_ROUTE_TRANSFORM_NAMES", "JOB_ROUTER_ROUTE_NAMES",
	"JOB_ROUTER_ENTRIES", "JOB_ROUTER_ENTRIES_FILE", "JOB_ROUTER_DEFAULTS",
}

// misspelt warns of settings of a router that mean nothing, where one that is served is
// near, and of routes that no list names.
func (c *config) misspelt() {
	var keys []string
	for key := range c.names {
		if strings.HasPrefix(key, "job_router_") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		d := c.names[key]
		if d.used {
			continue
		}
		switch {
		case strings.HasPrefix(key, "job_router_route_"):
			c.warn(d.pos, "the route "+quote(d.name[len("JOB_ROUTER_ROUTE_"):])+" is off", "JOB_ROUTER_ROUTE_NAMES does not name it.")
		case strings.HasPrefix(key, "job_router_transform_"):
			c.warn(d.pos, "the transform "+quote(d.name[len("JOB_ROUTER_TRANSFORM_"):])+" is off", "No list of transforms names it.")
		default:
			if near := grid.Nearest(d.name, served); near != "" && !strings.EqualFold(near, d.name) {
				c.warn(d.pos, d.name+" means nothing here", "Did you mean "+near+"?")
			}
		}
	}
}
