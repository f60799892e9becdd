package trigger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"gridburst/internal/grid"

	"github.com/robfig/cron/v3"
)

// Schedule is a timetable. The policies may be set before it is used.
type Schedule struct {
	Gap     Gap
	Overlap Overlap

	// Begin and End bound it, End itself left out; zero: they do not. Except are days on
	// which nothing happens, as [ParseDays] reads them.
	Begin, End time.Time
	Except     []Days

	// Jitter spreads what many timetables would begin at once: an occurrence is begun up to
	// so much later, by as much as Name and the instant say, which is the same each time
	// anybody asks. It is what it was, and is called so, by the instant of the expression.
	Jitter time.Duration
	Name   string

	also  []*Schedule // further expressions
	spec  string
	zone  *time.Location
	every time.Duration // 0: cron
	cron  *cron.SpecSchedule
	fixed bool // certain hours, not every one
}

// Gap is what becomes of an occurrence whose time the clock skips.
type Gap uint8

// Overlap is which occurrence counts when the clock repeats a time.
type Overlap uint8

// The policies, defaults first.
const (
	RunAfterGap Gap = 0 // it happens when the skip is over
	SkipGap     Gap = 1

	FirstOfOverlap Overlap = 0
	LastOfOverlap  Overlap = 1
	BothOfOverlap  Overlap = 2
)

const (
	maxSpec             = 1000
	everyHour           = 1<<24 - 1
	starBit      uint64 = 1 << 63 // robfig/cron's mark of a field that is not restricted
	descriptions        = "There are @hourly, @daily, @weekly, @monthly, @yearly and @every."
)

// field is one of an expression's five.
type field struct {
	name   string
	lo, hi int
	names  []string // of the values from lo on
}

var fields = [...]field{
	{name: "minute", lo: 0, hi: 59},
	{name: "hour", lo: 0, hi: 23},
	{name: "day of the month", lo: 1, hi: 31},
	{name: "month", lo: 1, hi: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "day of the week", lo: 0, hi: 6, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

const (
	dayOfMonth = 2
	dayOfWeek  = 4
)

// Parse reads an expression. zone is the name of its time zone; empty means what the
// expression says itself, or UTC. Errors are [grid.Invalid].
func Parse(spec, zone string) (*Schedule, error) {
	s, err := parse(strings.TrimSpace(spec), zone)
	if err != nil {
		shown := grid.Printable(spec)
		if len(shown) > 100 {
			shown = shown[:100] + "..."
		}
		return nil, grid.Errorf(grid.Invalid, "the schedule %q is wrong: %w", shown, err)
	}
	return s, nil
}

func parse(spec, zone string) (*Schedule, error) {
	if len(spec) > maxSpec {
		return nil, fmt.Errorf("it has more than %d characters", maxSpec)
	}
	s := &Schedule{spec: spec}
	if name, rest, ok := cutZone(spec); ok {
		if zone != "" && zone != name {
			return nil, fmt.Errorf("it names the zone %s, and its zone is %s", name, zone)
		}
		spec, zone = rest, name
	}
	switch zone {
	case "":
		zone = "UTC"
	case "Local":
		return nil, fmt.Errorf("the zone Local is another on every machine: name it, as in Europe/Berlin")
	}
	var err error
	if s.zone, err = time.LoadLocation(zone); err != nil {
		return nil, fmt.Errorf("there is no time zone %q: zones are named as in Europe/Berlin", zone)
	}
	if strings.HasPrefix(spec, "@") {
		return s, s.describe(spec)
	}
	words := strings.Fields(spec)
	switch {
	case len(words) == 6:
		return nil, fmt.Errorf("it has six fields: there are no seconds, only minute, hour, day of month, month, day of week")
	case len(words) != 5:
		return nil, fmt.Errorf("it has %d fields of five: minute, hour, day of month, month, day of week", len(words))
	}
	for i, w := range words {
		if words[i], err = fields[i].normal(w); err != nil {
			return nil, err
		}
	}
	return s, s.build(strings.Join(words, " "))
}

// cutZone cuts TZ=name or CRON_TZ=name off.
func cutZone(spec string) (name, rest string, ok bool) {
	first, rest, _ := strings.Cut(spec, " ")
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		if name, ok := strings.CutPrefix(first, prefix); ok {
			return name, strings.TrimSpace(rest), true
		}
	}
	return "", spec, false
}

// describe takes an @ word.
func (s *Schedule) describe(spec string) error {
	word, rest, _ := strings.Cut(spec, " ")
	switch word {
	case "@every":
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		if err != nil {
			return fmt.Errorf("%q is no duration: write it as in @every 1h30m", rest)
		}
		if d < time.Second || d%time.Second != 0 {
			return fmt.Errorf("%s is not a number of seconds above 0", d)
		}
		s.every = d
		return nil
	case "@reboot":
		return fmt.Errorf("@reboot is no time. %s", descriptions)
	case "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually":
		if rest != "" {
			return fmt.Errorf("nothing follows %s", word)
		}
		return s.build(word)
	}
	return fmt.Errorf("there is no %s. %s", word, descriptions)
}

// build hands an expression that has been made plain to the library.
func (s *Schedule) build(plain string) error {
	parsed, err := cron.ParseStandard(plain)
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return fmt.Errorf("it cannot be read")
	}
	spec.Location = time.UTC // it reckons with the clock on the wall; zones are ours
	if words := strings.Fields(plain); len(words) == len(fields) {
		spec.Dom |= star(words[dayOfMonth])
		spec.Dow |= star(words[dayOfWeek])
	}
	s.cron = spec
	s.fixed = spec.Hour&everyHour != everyHour
	if s.wallNext(time.Unix(0, 0).UTC()).IsZero() {
		return fmt.Errorf("it never happens: no such month has such a day")
	}
	return nil
}

// star is the library's mark for a field with a star. The library itself does not
// set it for a star with a step.
func star(word string) uint64 {
	if strings.Contains(word, "*") {
		return starBit
	}
	return 0
}

// normal checks a field and gives it as the library reads it: numbers, no names, no
// range that wraps around.
func (f *field) normal(text string) (string, error) {
	var out []string
	for _, element := range strings.Split(text, ",") {
		plain, err := f.element(element)
		if err != nil {
			return "", err
		}
		out = append(out, plain)
	}
	return strings.Join(out, ","), nil
}

func (f *field) element(text string) (string, error) {
	if text == "" {
		return "", fmt.Errorf("the %s has an empty element", f.name)
	}
	span, by, stepped := strings.Cut(text, "/")
	step := 1
	if stepped {
		var err error
		if step, err = strconv.Atoi(by); err != nil || step < 1 || by[0] == '+' {
			return "", fmt.Errorf("the %s has the step %q: it is a number from 1", f.name, by)
		}
		if step > f.hi-f.lo {
			return "", fmt.Errorf("the %s has the step %d, and there are only %d of them", f.name, step, f.hi-f.lo+1)
		}
	}
	if span == "*" || span == "?" {
		return "*/" + strconv.Itoa(step), nil
	}
	from, to, ranged := strings.Cut(span, "-")
	lo, err := f.value(from)
	if err != nil {
		return "", err
	}
	hi := lo
	switch {
	case ranged:
		if hi, err = f.value(to); err != nil {
			return "", err
		}
	case stepped:
		hi = f.hi
	}
	if f.names != nil && f.lo == 0 { // days of the week go round
		return f.around(lo, hi, step), nil
	}
	if lo > hi {
		return "", fmt.Errorf("the %s has the range %s, which ends before it begins: write %d-%d,%d-%d", f.name, span, lo, f.hi, f.lo, hi)
	}
	return fmt.Sprintf("%d-%d/%d", lo, hi, step), nil
}

// around lists the days of the week from lo to hi, past Saturday if need be. 7 is
// Sunday.
func (f *field) around(lo, hi, step int) string {
	if hi < lo {
		hi += 7
	}
	var days []string
	for d := lo; d <= hi; d += step {
		days = append(days, strconv.Itoa(d%7))
	}
	slices.Sort(days)
	return strings.Join(slices.Compact(days), ",")
}

// value is a number or a name.
func (f *field) value(text string) (int, error) {
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 {
		return f.lo + i, nil
	}
	hi := f.hi
	if f.names != nil && f.lo == 0 {
		hi = 7
	}
	n, err := strconv.Atoi(text)
	if err != nil || text[0] == '+' || text[0] == '-' {
		return 0, fmt.Errorf("the %s is %q: it is a number from %d to %d, * for all, a list or a range", f.name, text, f.lo, hi)
	}
	if n < f.lo || n > hi {
		return 0, fmt.Errorf("the %s is %d: it is from %d to %d", f.name, n, f.lo, hi)
	}
	return n, nil
}

// String is the expression as it was written.
func (s *Schedule) String() string { return s.spec }

// Zone is the time zone that it is in.
func (s *Schedule) Zone() *time.Location { return s.zone }
