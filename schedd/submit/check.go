package submit

import (
	"slices"
	"strings"
	"unicode/utf8"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// protected are the attributes that only the queue writes: who and what a job is,
// and what has happened to it. By folded name, sorted.
var protected = [...]string{
	"autoclusterattrs", "autoclusterid", "checkpointnumber", "clusterid", "committedslottime", "committedsuspensiontime", "committedtime", "completiondate",
	"cumulativeremotesyscpu", "cumulativeremoteusercpu", "cumulativeslottime", "cumulativesuspensiontime", "currenthosts", "enteredcurrentstatus",
	"exitbysignal", "exitcode", "exitreason", "exitsignal", "exitstatus", "globaljobid", "gridjobid", "holdreason", "holdreasoncode", "holdreasonsubcode",
	"jobcurrentstartdate", "joblaststartdate", "jobstartdate", "jobstatus", "lastcheckpointtime", "lastholdreason", "lastholdreasoncode", "lastjobstatus", "mytype", "numckpts",
	"numholds", "numjobcompletions", "numjobmatches", "numjobreconnects", "numjobstarts", "numrestarts", "numshadowexceptions", "numshadowstarts",
	"numsystemholds", "numvacates", "osuser", "owner", "procid", "qdate", "releasereason", "remotehost", "remotesyscpu", "remoteusercpu",
	"remotewallclocktime", "removereason", "shadowbday", "targettype", "totalsuspensions", "user", "vacatereason", "vacatereasoncode",
}

// Protected reports whether only the queue may set the attribute.
func Protected(name string) bool {
	_, ok := slices.BinarySearchFunc(protected[:], name, compareNames)
	return ok
}

// Limits of a spec that somebody sends.
const (
	MaxAttrs    = 1000
	MaxName     = 128       // bytes
	MaxValue    = 256 << 10 // bytes of one attribute's expression
	MaxSpec     = 400 << 10 // bytes of all that is not items: it goes into one entry of the log
	MaxSections = 1000
	MaxColumns  = 100
	MaxVars     = 64
	MaxRow      = 64 << 10 // bytes of one item row
)

// Check refuses a spec that the queue cannot take: it is for specs that come from
// outside, whoever made them. It looks at everything that is shared, and computes
// the columns of each section's first proc and of its last; what makes no value for
// another proc, its [Section.Expand] says. Expressions are looked up in exprs, which
// the caller keeps.
func (s *Spec) Check(exprs *ad.Cache) error {
	c := checker{exprs: exprs}
	c.attrs(s.Attrs)
	if len(s.Sections) == 0 || len(s.Sections) > MaxSections {
		c.refuse(grid.Invalid, "a spec has 1 to %d sections, not %d", MaxSections, len(s.Sections))
	}
	procs := 0
	for i := range s.Sections {
		if c.err != nil {
			return c.err
		}
		sec := &s.Sections[i]
		c.section(sec)
		for _, need := range []string{"Cmd", "Iwd", "JobUniverse", "Requirements"} {
			if _, ok := Find(s.Attrs, need); !ok {
				if _, ok := Find(sec.Attrs, need); !ok && !slices.ContainsFunc(sec.Columns, func(c Column) bool { return compareNames(c.Attr, need) == 0 }) {
					c.refuse(grid.Invalid, "the attribute %s is missing", need)
				}
			}
		}
		if c.err == nil {
			c.expand(sec, procs)
			procs += sec.Len()
		}
		if procs > grid.MaxProcs {
			c.refuse(grid.TooLarge, "a cluster cannot have more than %d jobs", grid.MaxProcs)
		}
	}
	if c.size > MaxSpec {
		c.refuse(grid.TooLarge, "a spec of %d bytes, items apart, is too large: at most %d", c.size, MaxSpec)
	}
	if procs == 0 {
		c.refuse(grid.Invalid, "a spec without jobs")
	}
	return c.err
}

// CheckAttrs refuses attributes that a job in the queue cannot be given. They are sorted;
// an empty expression, which deletes, is let through.
func CheckAttrs(attrs []Attr, exprs *ad.Cache) error {
	c := checker{exprs: exprs}
	set := slices.Clone(attrs)
	for i := range set {
		if set[i].Expr == "" {
			set[i].Expr = "undefined"
		}
	}
	c.attrs(set)
	return c.err
}

// Sort brings the attributes into the order that the rest of the package asks for;
// of several with one name the last stays.
func (s *Spec) Sort() {
	s.Attrs = sorted(s.Attrs)
	for i := range s.Sections {
		s.Sections[i].Attrs = sorted(s.Sections[i].Attrs)
	}
}

// sorted is Merge of one layer, which mostly is in order.
func sorted(attrs []Attr) []Attr {
	for i := 1; i < len(attrs); i++ {
		if compareNames(attrs[i-1].Name, attrs[i].Name) >= 0 {
			return Merge(attrs)
		}
	}
	return attrs
}

// checker keeps the first thing that is wrong.
type checker struct {
	exprs *ad.Cache
	size  int
	err   error
}

func (c *checker) refuse(code grid.Code, format string, args ...any) {
	if c.err == nil {
		c.err = grid.Errorf(code, format, args...)
	}
}

func (c *checker) attrs(attrs []Attr) {
	if len(attrs) > MaxAttrs {
		c.refuse(grid.TooLarge, "%d attributes are too many: at most %d", len(attrs), MaxAttrs)
		return
	}
	for i, a := range attrs {
		c.name(a.Name)
		if i > 0 && compareNames(attrs[i-1].Name, a.Name) >= 0 {
			c.refuse(grid.Invalid, "attributes must be sorted by name and come once: %s does not stand right", a.Name)
		}
		if len(a.Expr) > MaxValue {
			c.refuse(grid.TooLarge, "the attribute %s has %d bytes: at most %d", a.Name, len(a.Expr), MaxValue)
		}
		c.size += len(a.Name) + len(a.Expr)
		if c.err != nil {
			return
		}
		if err := c.exprs.Check(a.Expr); err != nil {
			c.refuse(grid.CodeOf(err), "attribute %s: %w", a.Name, err)
			return
		}
		c.words(a)
	}
}

// words checks the attributes that the queue and the runners act on.
func (c *checker) words(a Attr) {
	switch key := fold(a.Name); key {
	case "jobuniverse":
		if !slices.Contains(universes[:], a.Expr) {
			c.refuse(grid.Invalid, "JobUniverse is %s: jobs of that universe are not run here", a.Expr)
		}
	case "cmd", "iwd", "userlog", "in", "out", "err", "args", "arguments", "environment", "transferinput", "transferoutput", "gridresource",
		"shouldtransferfiles", "whentotransferoutput", "killsig", "removekillsig", "holdkillsig":
		text, ok := ad.Unquote(a.Expr)
		switch {
		case !ok:
			c.refuse(grid.Invalid, "the attribute %s must be a string", a.Name)
		case (key == "iwd" || key == "userlog") && !strings.HasPrefix(text, "/"):
			c.refuse(grid.Invalid, "the attribute %s must be an absolute path, not %s", a.Name, text)
		case strings.Contains(text, "\n") && key != "environment" && key != "arguments":
			c.refuse(grid.Invalid, "the attribute %s must not hold a line end", a.Name)
		}
	}
}

// universes are those that jobs may have.
var universes = [...]string{"5", "7", "9", "10", "11", "12"}

func (c *checker) name(name string) {
	switch {
	case len(name) > MaxName:
		c.refuse(grid.TooLarge, "an attribute's name has %d bytes: at most %d", len(name), MaxName)
	case !ad.ValidName(name):
		c.refuse(grid.Invalid, "%q is no name for an attribute", name)
	case Protected(name):
		c.refuse(grid.Forbidden, "the attribute %s is set by the queue itself", name)
	}
}

func (c *checker) section(s *Section) {
	c.attrs(s.Attrs)
	switch {
	case len(s.Columns) > MaxColumns:
		c.refuse(grid.TooLarge, "%d columns are too many: at most %d", len(s.Columns), MaxColumns)
	case len(s.Vars) > MaxVars:
		c.refuse(grid.TooLarge, "%d item variables are too many: at most %d", len(s.Vars), MaxVars)
	case s.PerItem < 1 || s.PerItem > grid.MaxProcs || len(s.Items) > grid.MaxProcs:
		c.refuse(grid.Invalid, "a section makes 1 to %d jobs for each item, not %d", grid.MaxProcs, s.PerItem)
	case len(s.Vars) > 0 && len(s.Items) == 0, len(s.Vars) == 0 && len(s.Items) > 0:
		c.refuse(grid.Invalid, "a section has both variables and items, or neither")
	}
	for _, v := range s.Vars {
		if !macro.ValidName(v) || len(v) > MaxName {
			c.refuse(grid.Invalid, "%q is no name for an item variable", v)
		}
		c.size += len(v)
	}
	for i, col := range s.Columns {
		c.name(col.Attr)
		if slices.ContainsFunc(s.Columns[:i], func(o Column) bool { return compareNames(o.Attr, col.Attr) == 0 }) {
			c.refuse(grid.Invalid, "there are two columns for the attribute %s", col.Attr)
		}
		for _, t := range append([]string{col.Text}, col.List...) {
			c.text(col.Attr, t)
		}
	}
	for i, row := range s.Items {
		size := 0
		for _, cell := range row {
			size += len(cell)
			if !utf8.ValidString(cell) || strings.IndexByte(cell, 0) >= 0 {
				c.refuse(grid.Invalid, "item %d is not UTF-8 text without NUL", i)
			}
		}
		if len(row) != len(s.Vars) {
			c.refuse(grid.Invalid, "item %d has %d cells for %d variables", i, len(row), len(s.Vars))
		}
		if size > MaxRow {
			c.refuse(grid.TooLarge, "item %d has %d bytes: at most %d", i, size, MaxRow)
		}
		if c.err != nil {
			return
		}
	}
}

func (c *checker) text(attr, t string) {
	c.size += len(t)
	if len(t) > MaxValue || !utf8.ValidString(t) || strings.IndexByte(t, 0) >= 0 {
		c.refuse(grid.Invalid, "the column for %s is not UTF-8 text of at most %d bytes", attr, MaxValue)
	}
}

// expand computes the columns of the first and the last proc.
func (c *checker) expand(s *Section, first int) {
	if len(s.Columns) == 0 {
		return
	}
	last, size := s.Len()-1, c.size
	defer func() { c.size = size }() // what comes out is not what is stored
	for _, i := range []int{0, last} {
		id := grid.JobID{Cluster: 1, Proc: int32(first + i)}
		attrs, err := s.Expand(id, i, s.Row(i))
		if err != nil {
			c.refuse(grid.CodeOf(err), "%w", err)
			return
		}
		c.attrs(Merge(attrs))
		if last == 0 {
			return
		}
	}
}
