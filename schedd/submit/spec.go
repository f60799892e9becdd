package submit

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Attr is a job attribute with its value as ClassAd source, in the new syntax.
type Attr struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
}

// Spec is one submission, lowered: a cluster of jobs. Everything that does not
// differ between its procs is worked out; what does is a [Column], computed when a
// proc's ad is asked for. A job file may hold several.
type Spec struct {
	Attrs    []Attr    `json:"attrs"`    // of every proc, by name, names unique but for case
	Sections []Section `json:"sections"` // one for each queue statement, in order
}

// Require has every proc require what more, ClassAd source, says besides its own
// requirements.
func (s *Spec) Require(more string) {
	const name = "Requirements"
	add := func(expr string) string { return "(" + expr + ") && (" + more + ")" }
	in := func(attrs []Attr) (found bool) {
		for k := range attrs {
			if strings.EqualFold(attrs[k].Name, name) {
				attrs[k].Expr, found = add(attrs[k].Expr), true
			}
		}
		return found
	}
	if !in(s.Attrs) {
		s.Attrs = append(s.Attrs, Attr{Name: name, Expr: more})
	}
	for k := range s.Sections {
		sec := &s.Sections[k]
		in(sec.Attrs)
		for c := range sec.Columns {
			if col := &sec.Columns[c]; strings.EqualFold(col.Attr, name) {
				col.Text = add(col.Text)
			}
		}
	}
}

// Section is the procs that one queue statement makes.
type Section struct {
	Attrs    []Attr     `json:"attrs,omitempty"`    // on top of Spec.Attrs
	Columns  []Column   `json:"columns,omitempty"`  // on top of both
	Vars     []string   `json:"vars,omitempty"`     // names of the item variables
	Items    [][]string `json:"items,omitempty"`    // one row each, as long as Vars; none: no item
	PerItem  int        `json:"per_item"`           // procs for each item, or in all without items
	Verbatim bool       `json:"verbatim,omitempty"` // a $( in an item is no macro
	Hold     bool       `json:"hold,omitempty"`     // the procs begin held
}

// Column is an attribute whose value differs from proc to proc. Its text holds
// macros of the proc ($(Process), $(Cluster), $(Step), $(Row), $(JobId) and the item
// variables) and functions of them; every other macro is expanded already.
type Column struct {
	Attr string   `json:"attr"`
	Kind Kind     `json:"kind"` // how the expanded text becomes a value
	Text string   `json:"text,omitempty"`
	List []string `json:"list,omitempty"` // for kinds that take a list: expanded one by one
}

// Len is the number of procs in s.
func (s *Section) Len() int {
	if len(s.Vars) == 0 {
		return s.PerItem
	}
	return s.PerItem * len(s.Items)
}

// Len is the number of procs in s.
func (s *Spec) Len() int {
	n := 0
	for i := range s.Sections {
		n += s.Sections[i].Len()
	}
	return n
}

// Locate finds a proc: its section, and its index among the section's procs. ok is
// false when there is no such proc.
func (s *Spec) Locate(proc int32) (section, index int, ok bool) {
	left := int(proc)
	if left < 0 {
		return 0, 0, false
	}
	for i := range s.Sections {
		n := s.Sections[i].Len()
		if left < n {
			return i, left, true
		}
		left -= n
	}
	return 0, 0, false
}

// Row is the item row of the index-th proc of s, nil without items.
func (s *Section) Row(index int) []string {
	if len(s.Vars) == 0 || s.PerItem == 0 {
		return nil
	}
	return s.Items[index/s.PerItem]
}

// Expand is the attributes of s.Columns for one proc: the index-th of s, whose item
// is row. It depends on its arguments alone. An error is a text that makes no value
// with this item, such as an unfinished quote.
func (s *Section) Expand(id grid.JobID, index int, row []string) ([]Attr, error) {
	if len(s.Columns) == 0 {
		return nil, nil
	}
	e := procExpander(s, id, index, row)
	out := make([]Attr, 0, len(s.Columns))
	for _, c := range s.Columns {
		a, err := c.expand(e)
		if err != nil {
			return nil, grid.Errorf(grid.CodeOf(err), "job %s: %s: %w", id, c.Attr, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// Proc is the whole ad of one proc as it is when the job enters the queue, by name,
// but for the attributes that only the queue knows (Owner, QDate and their like).
func (s *Spec) Proc(id grid.JobID) ([]Attr, error) {
	section, index, ok := s.Locate(id.Proc)
	if !ok {
		return nil, grid.Errorf(grid.NotFound, "job %s: the cluster has %d procs", id, s.Len())
	}
	sec := &s.Sections[section]
	own, err := sec.Expand(id, index, sec.Row(index))
	if err != nil {
		return nil, err
	}
	last := []Attr{{"ClusterId", strconv.Itoa(int(id.Cluster))}, {"ProcId", strconv.Itoa(int(id.Proc))}}
	return Merge(Baseline(), s.Attrs, sec.Attrs, own, Status(sec.Hold), last), nil
}

// Merge is the attributes of all layers by name; of several with one name, the last.
func Merge(layers ...[]Attr) []Attr {
	out := slices.Concat(layers...)
	slices.SortStableFunc(out, func(a, b Attr) int { return compareNames(a.Name, b.Name) })
	kept := out[:0]
	for i, a := range out {
		if i+1 < len(out) && compareNames(a.Name, out[i+1].Name) == 0 {
			continue
		}
		kept = append(kept, a)
	}
	return kept
}

// Status is the attributes that say whether a job enters the queue idle or held.
func Status(hold bool) []Attr {
	if !hold {
		return []Attr{{"JobStatus", "1"}}
	}
	return []Attr{
		{"JobStatus", "5"},
		{"HoldReason", `"submitted on hold at user's request"`},
		{"HoldReasonCode", strconv.Itoa(int(grid.HoldSubmitted))},
	}
}

// Baseline is what HTCondor puts into every new job ad: the counters at nought. The
// queue counts them in its own record, so specs do not carry them.
func Baseline() []Attr { return baseline[:] }

var baseline = [...]Attr{
	{"CommittedSlotTime", "0"},
	{"CommittedSuspensionTime", "0"},
	{"CommittedTime", "0"},
	{"CumulativeRemoteSysCpu", "0.0"},
	{"CumulativeRemoteUserCpu", "0.0"},
	{"CumulativeSlotTime", "0"},
	{"CumulativeSuspensionTime", "0"},
	{"CurrentHosts", "0"},
	{"ExitBySignal", "false"},
	{"ExitStatus", "0"},
	{"MyType", `"Job"`},
	{"NumCkpts", "0"},
	{"NumJobCompletions", "0"},
	{"NumJobStarts", "0"},
	{"NumRestarts", "0"},
	{"NumSystemHolds", "0"},
	{"RemoteSysCpu", "0.0"},
	{"RemoteUserCpu", "0.0"},
	{"RemoteWallClockTime", "0.0"},
	{"TargetType", `"Machine"`},
	{"TotalSuspensions", "0"},
}

// Find is the attribute's source in attrs, which are by name.
func Find(attrs []Attr, name string) (expr string, ok bool) {
	i, ok := slices.BinarySearchFunc(attrs, name, func(a Attr, name string) int { return compareNames(a.Name, name) })
	if !ok {
		return "", false
	}
	return attrs[i].Expr, true
}

// compareNames orders attribute names as everything here sorts them: without case.
func compareNames(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := lower(a[i]), lower(b[i])
		if x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func quoted(name, value string) Attr { return Attr{name, ad.Quote(value)} }
