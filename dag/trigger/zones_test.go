package trigger

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var zoneRounds = flag.Int("zone-rounds", 0, "schedules that are tried at each change of each clock in ten years; 0: one at three changes of each")

// zones are forty: of every continent, with changes of an hour, of half an hour and of
// two, in either direction first, at midnight, by the moon, and with none at all.
var zones = []string{
	"Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Moscow", "Europe/Istanbul", "Europe/Chisinau", "Europe/Kyiv",
	"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Anchorage", "America/Adak", "America/Halifax", "America/St_Johns",
	"America/Sao_Paulo", "America/Santiago", "America/Asuncion", "America/Havana", "America/Mexico_City", "America/Nuuk", "America/Scoresbysund", "America/Port-au-Prince",
	"Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem", "Asia/Tehran", "Asia/Amman",
	"Asia/Kathmandu", "Asia/Kolkata", "Australia/Sydney", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Chatham", "Antarctica/Troll", "Pacific/Apia",
}

// changesOf are the instants at which a zone's clock is changed in ten years.
func changesOf(zone *time.Location) (out []time.Time) {
	at, end := time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
	for {
		_, next := at.In(zone).ZoneBounds()
		if next.IsZero() || next.After(end) {
			return out
		}
		out = append(out, next)
		at = next
	}
}

// The days on which the clocks of forty zones are changed in ten years, for schedules of
// all kinds and every rule, against a walk from minute to minute.
func TestDaysOfChangeOfFortyZones(t *testing.T) {
	changed, tried := 0, 0
	for n, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		all := changesOf(zone)
		changed += len(all)
		rounds := max(*zoneRounds, 1)
		if *zoneRounds == 0 {
			// Three of them, others in each zone, and a day without a change.
			var some []time.Time
			for k := range min(3, len(all)) {
				some = append(some, all[(n+k*len(all)/3)%len(all)])
			}
			all = some
		}
		all = append(all, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))
		for k, at := range all {
			for round := range rounds {
				d := rapid.Custom(drawSpec).Example(n*100_000 + k*1000 + round)
				s, err := Parse(d.spec, name)
				if err != nil && strings.Contains(err.Error(), "it never happens") {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				s.Gap, s.Overlap = Gap((n+k+round)%2), Overlap((n+k+round)%3)
				from, to := at.Add(-27*time.Hour).Truncate(time.Minute), at.Add(27*time.Hour).Truncate(time.Minute)
				want := d.walk(zone, from, to, s.Gap, s.Overlap)
				var got []time.Time
				for next := s.Next(from.Add(-time.Second)); !next.IsZero() && next.Before(to); next = s.Next(next) {
					got = append(got, next)
				}
				if !slices.EqualFunc(got, want, time.Time.Equal) {
					t.Errorf("%s in %s around %s, gap %d, overlap %d\nNext %v\nwalk %v", d.spec, name, at, s.Gap, s.Overlap, got, want)
				}
				explained(t, s, from, got)
				tried++
			}
		}
	}
	t.Logf("%d zones, whose clocks are changed %d times: %d schedules", len(zones), changed, tried)
	if changed < 600 || tried < 100 {
		t.Error("too little was tried")
	}
}

// explained compares what is shown to people with what happens.
func explained(t *testing.T, s *Schedule, from time.Time, want []time.Time) {
	t.Helper()
	var got []time.Time
	for _, e := range s.Explain(from.Add(-time.Second), min(len(want), 50)) {
		if !e.Left {
			got = append(got, e.At)
		} else if len(e.Notes) == 0 {
			t.Errorf("%s: nothing is said of %s, which is left out", s, e.At)
		}
	}
	if !slices.EqualFunc(got, want[:min(len(want), 50)], time.Time.Equal) {
		t.Errorf("%s is shown with %v, and happens at %v", s, got, want)
	}
}

func TestBoundsAndExceptions(t *testing.T) {
	s := must(t, "0 12 * * *", "Europe/Berlin")
	s.Begin, s.End = at(t, s, "2026-12-23 12:00"), at(t, s, "2026-12-29 12:00")
	for _, text := range []string{"2026-12-24", "2026-12-26..2026-12-27"} {
		d, err := ParseDays(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Except = append(s.Except, d)
	}
	want := []string{"Wed 2026-12-23 12:00:00 +0100", "Fri 2026-12-25 12:00:00 +0100", "Mon 2026-12-28 12:00:00 +0100", "never"}
	if got := next(t, s, "2026-11-20 12:00", 5); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, text := range []string{"", "2026-13-01", "2026-12-24..", "2026-12-24..2026-12-23", "tomorrow"} {
		if _, err := ParseDays(text); err == nil {
			t.Errorf("%q is taken for days", text)
		}
	}
	// A day that does not begin at midnight is left out from its first instant on.
	c := must(t, "@hourly", "Africa/Cairo")
	c.Except = []Days{{Day{2024, 4, 25}, Day{2024, 4, 25}}}
	if got := next(t, c, "2024-04-24 23:30", 2); !slices.Equal(got, []string{"Fri 2024-04-26 01:00:00 +0300", "Fri 2024-04-26 02:00:00 +0300"}) {
		t.Errorf("%q", got)
	}
}

func TestSeveralExpressionsAreOneSchedule(t *testing.T) {
	s, err := ParseAll([]string{"0 2 * * *", "0 12 * * sun", "0 2 * * sun"}, "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Sat 2026-11-21 02:00:00 +0100", "Sun 2026-11-22 02:00:00 +0100", "Sun 2026-11-22 12:00:00 +0100", "Mon 2026-11-23 02:00:00 +0100"}
	if got := next(t, s, "2026-11-20 12:00", 4); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, specs := range [][]string{nil, {"0 2 * * *", "61 * * * *"}, {"0 2 * * *", "TZ=UTC 0 2 * * *"}, make([]string, 21)} {
		if _, err := ParseAll(specs, "Europe/Berlin"); err == nil {
			t.Errorf("%q is a schedule", specs)
		}
	}
}

func TestJitterIsTheSameEachTimeAndKeepsTheOrder(t *testing.T) {
	s := must(t, "*/10 * * * *", "")
	s.Name, s.Jitter = "nightly", 5*time.Minute
	if err := s.CheckJitter(time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	different := map[time.Duration]bool{}
	mark, when := at(t, s, "2026-11-20 12:00"), time.Time{}
	for now, end := mark, mark.Add(20*time.Hour); now.Before(end); now = now.Add(20 * time.Second) {
		p := Due(s, mark, now, Policy{})
		for _, due := range p.Start {
			late := now.Sub(due.Add(s.Delay(due)))
			if late < 0 || late >= 20*time.Second || !due.After(when) {
				t.Fatalf("%s, behind %s, is begun at %s: %s", due, when, now, s.Delay(due))
			}
			different[s.Delay(due)] = true
			when = due
		}
		if len(p.Skipped) > 0 || !p.Next.After(now) {
			t.Fatalf("%+v", p)
		}
		mark = p.Watermark
	}
	if len(different) < 30 {
		t.Errorf("%d different delays in 120", len(different))
	}
	again := must(t, "*/10 * * * *", "")
	again.Name, again.Jitter = "nightly", 5*time.Minute
	if again.Delay(when) != s.Delay(when) {
		t.Error("a restart changes the delay")
	}
	s.Jitter = 10 * time.Minute
	if err := s.CheckJitter(time.Unix(0, 0)); err == nil {
		t.Error("a jitter as long as the interval is taken")
	}
}

func TestExplainSaysWhatChangesOfTheClockMean(t *testing.T) {
	show := func(s *Schedule, from string, n int) string {
		var b strings.Builder
		for _, e := range s.Explain(at(t, s, from), n) {
			b.WriteString(e.At.Format(stamp))
			if e.Left {
				b.WriteString(" left out")
			}
			b.WriteString(": " + strings.Join(e.Notes, "; ") + "\n")
		}
		return b.String()
	}
	s := must(t, "30 2 * * *", "Europe/Berlin")
	if got, want := show(s, "2026-03-28 12:00", 2), "Sun 2026-03-29 03:00:00 +0200: its time does not exist on this day: it happens when the clock has gone on (gap = run); on this day the clock goes from 02:00 to 03:00\nMon 2026-03-30 02:30:00 +0200: \n"; got != want {
		t.Errorf("%s", got)
	}
	s.Gap, s.Overlap = SkipGap, LastOfOverlap
	if got, want := show(s, "2026-03-28 12:00", 1), "Sun 2026-03-29 03:00:00 +0200 left out: its time does not exist on this day: it is left out (gap = skip)\nMon 2026-03-30 02:30:00 +0200: \n"; got != want {
		t.Errorf("%s", got)
	}
	if got, want := show(s, "2026-10-24 12:00", 1), "Sun 2026-10-25 02:30:00 +0200 left out: its time comes twice on this day, and this is the first: it is left out (overlap = last); on this day the clock goes from 03:00 to 02:00\nSun 2026-10-25 02:30:00 +0100: its time comes twice on this day, and this is the second (overlap = last); on this day the clock goes from 03:00 to 02:00\n"; got != want {
		t.Errorf("%s", got)
	}
	hourly := must(t, "0 * * * *", "Europe/Berlin")
	if got := show(hourly, "2026-10-25 01:30", 2); strings.Count(got, "an hourly schedule follows elapsed time") != 2 {
		t.Errorf("%s", got)
	}
}
