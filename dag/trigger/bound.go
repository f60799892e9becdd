package trigger

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// Days are some that follow one another, the last included, as a calendar names them.
type Days struct{ First, Last Day }

// Day is one of a calendar.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

func dayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day{y, m, d}
}

func (d Day) before(o Day) bool {
	if d.Year != o.Year {
		return d.Year < o.Year
	}
	if d.Month != o.Month {
		return d.Month < o.Month
	}
	return d.Day < o.Day
}

// ParseDays reads 2026-12-24 or 2026-12-24..2027-01-01.
func ParseDays(text string) (Days, error) {
	first, last, ranged := strings.Cut(text, "..")
	if !ranged {
		last = first
	}
	a, err1 := time.Parse(time.DateOnly, strings.TrimSpace(first))
	b, err2 := time.Parse(time.DateOnly, strings.TrimSpace(last))
	if err1 != nil || err2 != nil {
		return Days{}, grid.Errorf(grid.Invalid, "%q is no day: write it as in 2026-12-24, or 2026-12-24..2027-01-01", grid.Printable(text))
	}
	if b.Before(a) {
		return Days{}, grid.Errorf(grid.Invalid, "the days %q end before they begin", grid.Printable(text))
	}
	return Days{dayOf(a), dayOf(b)}, nil
}

// excepted reports whether an instant lies in days on which nothing happens, and when
// these are over.
func (s *Schedule) excepted(at time.Time) (end time.Time, out bool) {
	day := dayOf(at.In(s.zone))
	for _, d := range s.Except {
		if !day.before(d.First) && !d.Last.before(day) {
			// A day begins when the clock says midnight, or as soon as it is past it.
			next := time.Date(d.Last.Year, d.Last.Month, d.Last.Day+1, 0, 0, 0, 0, s.zone)
			for dayOf(next) == d.Last || dayOf(next).before(d.Last) {
				next = next.Add(30 * time.Minute)
			}
			return next, true
		}
	}
	return time.Time{}, false
}

// ParseAll reads one expression, or several of which each has its occurrences.
func ParseAll(specs []string, zone string) (*Schedule, error) {
	if len(specs) == 0 {
		return nil, grid.Errorf(grid.Invalid, "there is no schedule: write one as in \"30 2 * * *\"")
	}
	if len(specs) > maxSpecs {
		return nil, grid.Errorf(grid.Invalid, "there are %d expressions: at most %d make a schedule", len(specs), maxSpecs)
	}
	var all *Schedule
	for _, spec := range specs {
		s, err := Parse(spec, zone)
		switch {
		case err != nil:
			return nil, err
		case all == nil:
			all = s
			continue
		case s.zone.String() != all.zone.String():
			return nil, grid.Errorf(grid.Invalid, "the expressions %q and %q are in different zones", all.spec, s.spec)
		}
		all.also = append(all.also, s)
	}
	return all, nil
}

const maxSpecs = 20

// ParseGap reads run or skip; nothing is run.
func ParseGap(s string) (Gap, error) {
	switch s {
	case "", "run":
		return RunAfterGap, nil
	case "skip":
		return SkipGap, nil
	}
	return 0, grid.Errorf(grid.Invalid, "%q says nothing about times that the clock skips: write run or skip", grid.Printable(s))
}

// ParseOverlap reads first, last or both; nothing is first.
func ParseOverlap(s string) (Overlap, error) {
	switch s {
	case "", "first":
		return FirstOfOverlap, nil
	case "last":
		return LastOfOverlap, nil
	case "both":
		return BothOfOverlap, nil
	}
	return 0, grid.Errorf(grid.Invalid, "%q says nothing about times that come twice: write first, last or both", grid.Printable(s))
}

// Delay is how much later than its time an occurrence is begun: the jitter's part of it.
func (s *Schedule) Delay(at time.Time) time.Duration {
	if s.Jitter < time.Second {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%d", s.Name, at.Unix())
	x := h.Sum64() // spread over all bits
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return time.Duration(x%uint64(s.Jitter/time.Second+1)) * time.Second
}

// CheckJitter refuses a jitter that is as long as the time between two occurrences: they
// would be begun in another order than they are named.
func (s *Schedule) CheckJitter(now time.Time) error {
	if s.Jitter < 0 {
		return grid.Errorf(grid.Invalid, "the jitter is below 0")
	}
	if s.Jitter == 0 {
		return nil
	}
	at := s.Next(now)
	for range 50 {
		next := s.Next(at)
		if at.IsZero() || next.IsZero() {
			return nil
		}
		if d := next.Sub(at); s.Jitter >= d {
			return grid.Errorf(grid.Invalid, "the jitter of %s is not shorter than the %s between %s and the next", s.Jitter, d, at.Format("2006-01-02 15:04"))
		}
		at = next
	}
	return nil
}
