package trigger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// changes are days on which clocks were or will be changed, and one on which they were
// not.
var changes = []struct{ zone, day string }{
	{"Europe/Berlin", "2026-03-29"},
	{"Europe/Berlin", "2026-10-25"},
	{"America/New_York", "2026-03-08"},
	{"America/New_York", "2026-11-01"},
	{"Australia/Lord_Howe", "2026-04-05"},
	{"Australia/Lord_Howe", "2026-10-04"},
	{"Africa/Cairo", "2024-04-26"},
	{"America/Sao_Paulo", "2018-11-04"},
	{"Pacific/Apia", "2011-12-30"},
	{"Asia/Kathmandu", "2026-06-01"},
}

// drawn is an expression and what it means, known without reading it.
type drawn struct {
	spec           string
	minutes, hours map[int]bool // nil: all
	days           map[int]bool
	weekdays       map[int]bool
}

func drawSpec(t *rapid.T) drawn {
	var d drawn
	set := func(name string, lo, hi int) (string, map[int]bool) {
		if rapid.IntRange(0, 2).Draw(t, name+" all") == 0 {
			return "*", nil
		}
		m, words := map[int]bool{}, []string{}
		for range rapid.IntRange(1, 3).Draw(t, name+" elements") {
			from := rapid.IntRange(lo, hi).Draw(t, name)
			to := rapid.IntRange(from, min(from+5, hi)).Draw(t, name+" to")
			step := rapid.IntRange(1, 3).Draw(t, name+" step")
			for n := from; n <= to; n += step {
				m[n] = true
			}
			words = append(words, fmt.Sprintf("%d-%d/%d", from, to, step))
		}
		return strings.Join(words, ","), m
	}
	var minute, hour, day, weekday string
	minute, d.minutes = set("minute", 0, 59)
	hour, d.hours = set("hour", 0, 23)
	day, d.days = set("day", 1, 31)
	weekday, d.weekdays = set("weekday", 0, 6)
	d.spec = strings.Join([]string{minute, hour, day, "*", weekday}, " ")
	return d
}

func (d *drawn) everyHour() bool { return d.hours == nil || len(d.hours) == 24 }

// matches says whether the clock on the wall shows a time of d.
func (d *drawn) matches(wall time.Time) bool {
	in := func(m map[int]bool, n int) bool { return m == nil || m[n] }
	if !in(d.minutes, wall.Minute()) || !in(d.hours, wall.Hour()) {
		return false
	}
	day, weekday := in(d.days, wall.Day()), in(d.weekdays, int(wall.Weekday()))
	if d.days != nil && d.weekdays != nil {
		return day || weekday
	}
	return day && weekday
}

// walk finds the occurrences in [from, to) minute by minute, and those of skipped
// minutes.
func (d *drawn) walk(zone *time.Location, from, to time.Time, gap Gap, overlap Overlap) []time.Time {
	shown := map[time.Time][]time.Time{} // when the wall shows a minute
	wallOf := func(t time.Time) time.Time {
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	var out []time.Time
	for t := from; t.Before(to); t = t.Add(time.Minute) {
		shown[wallOf(t)] = append(shown[wallOf(t)], t)
	}
	end := wallOf(to)
	for wall := wallOf(from); wall.Before(end); wall = wall.Add(time.Minute) {
		if !d.matches(wall) {
			continue
		}
		times := shown[wall]
		switch {
		case len(times) > 0 && d.everyHour() || overlap == BothOfOverlap:
			out = append(out, times...)
		case len(times) > 0 && overlap == LastOfOverlap:
			out = append(out, times[len(times)-1])
		case len(times) > 0:
			out = append(out, times[0])
		}
		if len(times) == 0 && !d.everyHour() && gap == RunAfterGap {
			later := wall
			for len(shown[later]) == 0 {
				later = later.Add(time.Minute)
			}
			out = append(out, shown[later][0])
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}

func TestNextFindsWhatAMinuteWalkFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(t, "change")
		d := drawSpec(t)
		s, err := Parse(d.spec, c.zone)
		if err != nil && strings.Contains(err.Error(), "it never happens") {
			t.Skip()
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Gap = rapid.SampledFrom([]Gap{RunAfterGap, SkipGap}).Draw(t, "gap")
		s.Overlap = rapid.SampledFrom([]Overlap{FirstOfOverlap, LastOfOverlap, BothOfOverlap}).Draw(t, "overlap")
		day, err := time.ParseInLocation("2006-01-02", c.day, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		from, to := day.Add(-60*time.Hour), day.Add(60*time.Hour)
		want := d.walk(s.Zone(), from, to, s.Gap, s.Overlap)
		var got []time.Time
		for at := s.Next(from.Add(-time.Second)); !at.IsZero() && at.Before(to); at = s.Next(at) {
			got = append(got, at)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s in %s\nNext %v\nwalk %v", d.spec, c.zone, got, want)
		}
		// The last one before a time, found from the other side.
		until := from.Add(time.Duration(rapid.IntRange(0, 120*60-1).Draw(t, "until")) * time.Minute)
		var last time.Time
		for _, at := range want {
			if !at.After(until) {
				last = at
			}
		}
		if got := s.last(from.Add(-time.Second), until); !got.Equal(last) {
			t.Fatalf("%s in %s: the last until %s is %s, want %s", d.spec, c.zone, until, got, last)
		}
	})
}

func TestEachOccurrenceIsDecidedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(t, "change")
		s, err := Parse(rapid.SampledFrom([]string{"*/7 * * * *", "30 1,2 * * *", "0 0 * * *", "@every 40m", "15 */3 * * sat-mon"}).Draw(t, "spec"), c.zone)
		if err != nil {
			t.Fatal(err)
		}
		day, err := time.ParseInLocation("2006-01-02", c.day, s.Zone())
		if err != nil {
			t.Fatal(err)
		}
		policy := Policy{
			Missed:        rapid.SampledFrom([]Missed{MissedSkip, MissedOnce, MissedAll}).Draw(t, "missed"),
			StartDeadline: rapid.SampledFrom([]time.Duration{0, 90 * time.Second, time.Hour}).Draw(t, "deadline"),
		}
		first := day.Add(-30 * time.Hour)
		now, watermark := first, first
		decided := map[int64]bool{}
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			// A clock that goes on, sleeps, or is set back.
			now = now.Add(time.Duration(rapid.SampledFrom([]int{1, 20, 60, 600, 3600, 20000, -900}).Draw(t, "seconds")) * time.Second)
			plan := Due(s, watermark, now, policy)
			var all []time.Time
			for _, sk := range plan.Skipped {
				all = append(all, sk.At)
			}
			for _, at := range plan.Start {
				if late := now.Sub(at); policy.StartDeadline > 0 && late > policy.StartDeadline {
					t.Fatalf("%s is started %s late", at, late)
				}
				all = append(all, at)
			}
			for _, at := range all {
				if decided[at.Unix()] || at.After(now) {
					t.Fatalf("%s is decided again, or at %s too early", at, now)
				}
				decided[at.Unix()] = true
			}
			if policy.Missed == MissedOnce && len(plan.Start) > 1 {
				t.Fatalf("%d are started for one", len(plan.Start))
			}
			if plan.More || plan.Watermark.Before(watermark) || !plan.Next.After(now) || !plan.Next.After(plan.Watermark) {
				t.Fatalf("%+v", plan)
			}
			watermark = plan.Watermark
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				watermark = watermark.UTC() // kept and read again
			}
		}
		for at := s.Next(first); !at.After(watermark); at = s.Next(at) {
			if !decided[at.Unix()] {
				t.Fatalf("%s was passed over", at)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"0 2 * * *", "*/15 1-5,22 1,15 jan-mar mon-fri", "0 0 29 2 */6", "@every 1h30m", "@daily", "TZ=Europe/Berlin 0 0 * * 5-7",
		"TZ=UTC", "TZ=", "CRON_TZ=x", ", * * * *", "*-5 * * * *", "0 0 31 2 *", "@reboot", "1,,2 * * * *", "? ? ? ? ?",
	} {
		f.Add(seed)
	}
	base := time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec, "")
		if err != nil {
			if len(err.Error()) < 20 {
				t.Fatalf("%q: %v", spec, err)
			}
			return
		}
		at := base
		for range 3 {
			next := s.Next(at)
			if next.IsZero() {
				return
			}
			if !next.After(at) {
				t.Fatalf("%q: %s is not after %s", spec, next, at)
			}
			at = next
		}
		if last := s.last(base, at); !last.Equal(at) {
			t.Fatalf("%q: the last until %s is %s", spec, at, last)
		}
	})
}

func BenchmarkDue(b *testing.B) {
	s, err := Parse("*/5 * * * *", "Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 11, 20, 12, 0, 1, 0, time.UTC)
	for b.Loop() {
		Due(s, now.Add(-5*time.Minute), now, Policy{})
	}
}
