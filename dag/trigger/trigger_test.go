package trigger

import (
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"

	"github.com/google/go-cmp/cmp"
)

func must(tb testing.TB, spec, zone string) *Schedule {
	tb.Helper()
	s, err := Parse(spec, zone)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// at reads a time in the schedule's zone, or one with an offset.
func at(tb testing.TB, s *Schedule, text string) time.Time {
	tb.Helper()
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", text, s.Zone())
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

const stamp = "Mon 2006-01-02 15:04:05 -0700"

// next is the n occurrences after a time.
func next(tb testing.TB, s *Schedule, from string, n int) []string {
	tb.Helper()
	var out []string
	t := at(tb, s, from)
	for range n {
		if t = s.Next(t); t.IsZero() {
			return append(out, "never")
		}
		out = append(out, t.Format(stamp))
	}
	return out
}

func TestOccurrences(t *testing.T) {
	for _, c := range []struct {
		name, spec, zone, from string
		want                   []string
	}{
		{"each night", "0 2 * * *", "Europe/Berlin", "2026-11-20 12:00", []string{"Sat 2026-11-21 02:00:00 +0100", "Sun 2026-11-22 02:00:00 +0100"}},
		{"an occurrence is after the time asked for", "0 2 * * *", "", "2026-11-20 02:00", []string{"Sat 2026-11-21 02:00:00 +0000"}},
		{"7 is Sunday", "0 0 * * 7", "", "2026-11-20 12:00", []string{"Sun 2026-11-22 00:00:00 +0000", "Sun 2026-11-29 00:00:00 +0000"}},
		{"5-7", "0 0 * * 5-7", "", "2026-11-20 12:00", []string{"Sat 2026-11-21 00:00:00 +0000", "Sun 2026-11-22 00:00:00 +0000", "Fri 2026-11-27 00:00:00 +0000"}},
		{"sat-sun", "0 0 * * Sat-SUN", "", "2026-11-20 12:00", []string{"Sat 2026-11-21 00:00:00 +0000", "Sun 2026-11-22 00:00:00 +0000", "Sat 2026-11-28 00:00:00 +0000"}},
		{"fri-mon/2", "0 0 * * fri-mon/2", "", "2026-11-20 12:00", []string{"Sun 2026-11-22 00:00:00 +0000", "Fri 2026-11-27 00:00:00 +0000"}},
		{"0-7 is every day", "0 0 * * 0-7", "", "2026-11-20 12:00", []string{"Sat 2026-11-21 00:00:00 +0000", "Sun 2026-11-22 00:00:00 +0000"}},
		{"either day field", "0 0 13 * fri", "", "2026-11-12 12:00", []string{"Fri 2026-11-13 00:00:00 +0000", "Fri 2026-11-20 00:00:00 +0000", "Fri 2026-11-27 00:00:00 +0000", "Fri 2026-12-04 00:00:00 +0000", "Fri 2026-12-11 00:00:00 +0000", "Sun 2026-12-13 00:00:00 +0000"}},
		{"a starred day field does not restrict", "0 0 */2 * mon", "", "2026-11-01 12:00", []string{"Mon 2026-11-09 00:00:00 +0000", "Mon 2026-11-23 00:00:00 +0000"}},
		{"*/40 begins anew each hour", "*/40 * * * *", "", "2026-11-20 12:10", []string{"Fri 2026-11-20 12:40:00 +0000", "Fri 2026-11-20 13:00:00 +0000", "Fri 2026-11-20 13:40:00 +0000"}},
		{"names of months", "30 6 1 jan,JUL *", "", "2026-11-20 12:10", []string{"Fri 2027-01-01 06:30:00 +0000", "Thu 2027-07-01 06:30:00 +0000"}},
		{"leap days across 2100", "0 0 29 2 *", "", "2096-03-01 00:00", []string{"Fri 2104-02-29 00:00:00 +0000"}},
		{"a leap day on a weekend", "0 0 29 2 */6", "", "2060-03-01 00:00", []string{"Sat 2076-02-29 00:00:00 +0000"}},
		{"TZ=", "TZ=Asia/Kathmandu 0 6 * * *", "", "2026-11-20T00:00:00Z", []string{"Fri 2026-11-20 06:00:00 +0545"}},
		{"CRON_TZ= and the same zone", "CRON_TZ=Asia/Kathmandu   @daily", "Asia/Kathmandu", "2026-11-20T00:00:00Z", []string{"Sat 2026-11-21 00:00:00 +0545"}},
		{"@hourly", "@hourly", "", "2026-11-20 12:10", []string{"Fri 2026-11-20 13:00:00 +0000"}},
		{"@weekly", "@weekly", "", "2026-11-20 12:10", []string{"Sun 2026-11-22 00:00:00 +0000"}},
		{"@every counts from 1970", "@every 45m", "", "2026-11-20 12:10", []string{"Fri 2026-11-20 12:45:00 +0000", "Fri 2026-11-20 13:30:00 +0000"}},
		{"@every before 1970", "@every 1h", "", "1969-12-31T22:30:00Z", []string{"Wed 1969-12-31 23:00:00 +0000", "Thu 1970-01-01 00:00:00 +0000", "Thu 1970-01-01 01:00:00 +0000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, next(t, must(t, c.spec, c.zone), c.from, len(c.want))); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func TestTheClockIsChanged(t *testing.T) {
	for _, c := range []struct {
		name, spec, zone string
		gap              Gap
		overlap          Overlap
		from             string
		want             []string
	}{
		{
			"Berlin skips 2:30, which happens at 3:00", "30 2 * * *", "Europe/Berlin", 0, 0, "2026-03-28 12:00",
			[]string{"Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 02:30:00 +0200"},
		},
		{
			"Berlin skips 2:30, and so does the schedule", "30 2 * * *", "Europe/Berlin", SkipGap, 0, "2026-03-28 12:00",
			[]string{"Mon 2026-03-30 02:30:00 +0200"},
		},
		{
			"several skipped times are one", "*/15 1-2 * * *", "Europe/Berlin", 0, 0, "2026-03-29 01:30",
			[]string{"Sun 2026-03-29 01:45:00 +0100", "Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 01:00:00 +0200"},
		},
		{
			"skipped times and one right behind", "0 2,3 * * *", "Europe/Berlin", 0, 0, "2026-03-29 01:30",
			[]string{"Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 02:00:00 +0200"},
		},
		{
			"every half hour goes on by elapsed time", "*/30 * * * *", "Europe/Berlin", 0, 0, "2026-03-29 01:10",
			[]string{"Sun 2026-03-29 01:30:00 +0100", "Sun 2026-03-29 03:00:00 +0200", "Sun 2026-03-29 03:30:00 +0200"},
		},
		{
			"Berlin repeats 2:30: the first counts", "30 2 * * *", "Europe/Berlin", 0, 0, "2026-10-24 12:00",
			[]string{"Sun 2026-10-25 02:30:00 +0200", "Mon 2026-10-26 02:30:00 +0100"},
		},
		{
			"the last counts", "30 2 * * *", "Europe/Berlin", 0, LastOfOverlap, "2026-10-24 12:00",
			[]string{"Sun 2026-10-25 02:30:00 +0100", "Mon 2026-10-26 02:30:00 +0100"},
		},
		{
			"both count", "30 2 * * *", "Europe/Berlin", 0, BothOfOverlap, "2026-10-24 12:00",
			[]string{"Sun 2026-10-25 02:30:00 +0200", "Sun 2026-10-25 02:30:00 +0100", "Mon 2026-10-26 02:30:00 +0100"},
		},
		{
			"the end of the overlap is no part of it", "0 3 * * *", "Europe/Berlin", 0, LastOfOverlap, "2026-10-24 12:00",
			[]string{"Sun 2026-10-25 03:00:00 +0100"},
		},
		{
			"every hour twice", "0 * * * *", "Europe/Berlin", 0, 0, "2026-10-25 01:30",
			[]string{"Sun 2026-10-25 02:00:00 +0200", "Sun 2026-10-25 02:00:00 +0100", "Sun 2026-10-25 03:00:00 +0100"},
		},
		{
			"New York skips", "30 2 * * *", "America/New_York", 0, 0, "2026-03-07 12:00",
			[]string{"Sun 2026-03-08 03:00:00 -0400", "Mon 2026-03-09 02:30:00 -0400"},
		},
		{
			"New York repeats", "30 1 * * *", "America/New_York", 0, 0, "2026-10-31 12:00",
			[]string{"Sun 2026-11-01 01:30:00 -0400", "Mon 2026-11-02 01:30:00 -0500"},
		},
		{
			"Lord Howe skips half an hour", "15 2 * * *", "Australia/Lord_Howe", 0, 0, "2026-10-03 12:00",
			[]string{"Sun 2026-10-04 02:30:00 +1100", "Mon 2026-10-05 02:15:00 +1100"},
		},
		{
			"Lord Howe repeats half an hour", "45 1 * * *", "Australia/Lord_Howe", 0, 0, "2026-04-04 12:00",
			[]string{"Sun 2026-04-05 01:45:00 +1100", "Mon 2026-04-06 01:45:00 +1030"},
		},
		{
			"Lord Howe repeats half an hour, by elapsed time", "45 * * * *", "Australia/Lord_Howe", 0, 0, "2026-04-05 01:00",
			[]string{"Sun 2026-04-05 01:45:00 +1100", "Sun 2026-04-05 01:45:00 +1030", "Sun 2026-04-05 02:45:00 +1030"},
		},
		{
			"Cairo has no midnight", "0 0 * * *", "Africa/Cairo", 0, 0, "2024-04-25 12:00",
			[]string{"Fri 2024-04-26 01:00:00 +0300", "Sat 2024-04-27 00:00:00 +0300"},
		},
		{
			"Sao Paulo has no midnight", "@daily", "America/Sao_Paulo", 0, 0, "2018-11-03 12:00",
			[]string{"Sun 2018-11-04 01:00:00 -0200", "Mon 2018-11-05 00:00:00 -0200"},
		},
		{
			"Apia skips a day", "0 12 * * *", "Pacific/Apia", 0, 0, "2011-12-29 11:00",
			[]string{"Thu 2011-12-29 12:00:00 -1000", "Sat 2011-12-31 00:00:00 +1400", "Sat 2011-12-31 12:00:00 +1400"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := must(t, c.spec, c.zone)
			s.Gap, s.Overlap = c.gap, c.overlap
			if d := cmp.Diff(c.want, next(t, s, c.from, len(c.want))); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func TestWrongSchedules(t *testing.T) {
	for _, c := range []struct{ spec, zone, want string }{
		{"", "", "0 fields of five"},
		{"* * * *", "", "4 fields of five"},
		{"0 * * * * *", "", "there are no seconds"},
		{"60 * * * *", "", "the minute is 60: it is from 0 to 59"},
		{"* 24 * * *", "", "the hour is 24"},
		{"* * 0 * *", "", "the day of the month is 0"},
		{"* * * 13 *", "", "the month is 13"},
		{"* * * * 8", "", "the day of the week is 8: it is from 0 to 7"},
		{"0 22-2 * * *", "", "write 22-23,0-2"},
		{"1,,2 * * * *", "", "empty element"},
		{", * * * *", "", "empty element"},
		{"*-5 * * * *", "", `the minute is "*"`},
		{"5-* * * * *", "", `the minute is "*"`},
		{"1-2-3 * * * *", "", `the minute is "2-3"`},
		{"*/0 * * * *", "", `the step "0"`},
		{"*/-5 * * * *", "", `the step "-5"`},
		{"*/+5 * * * *", "", `the step "+5"`},
		{"*/ * * * *", "", `the step ""`},
		{"*/5/5 * * * *", "", `the step "5/5"`},
		{"*/90 * * * *", "", "the step 90, and there are only 60 of them"},
		{"*/9223372036854775807 * * * *", "", "the step 9223372036854775807"},
		{"99999999999999999999 * * * *", "", "it is a number from 0 to 59"},
		{"+5 * * * *", "", `the minute is "+5"`},
		{"-5 * * * *", "", `the minute is ""`},
		{"0 0 L * *", "", `the day of the month is "L"`},
		{"0 0 15W * *", "", `the day of the month is "15W"`},
		{"0 0 * * mon#2", "", `the day of the week is "mon#2"`},
		{"0 0 * * someday", "", `the day of the week is "someday"`},
		{"0 0 31 2 *", "", "it never happens"},
		{"0 0 30 feb *", "", "it never happens"},
		{"0 0 31 4,6,9,11 *", "", "it never happens"},
		{"@reboot", "", "@reboot is no time"},
		{"@fortnightly", "", "there is no @fortnightly"},
		{"@daily 5", "", "nothing follows @daily"},
		{"@every", "", "is no duration"},
		{"@every 0s", "", "not a number of seconds above 0"},
		{"@every -1h", "", "not a number of seconds above 0"},
		{"@every 1500ms", "", "not a number of seconds above 0"},
		{"TZ=UTC", "", "0 fields of five"},
		{"TZ=", "", "0 fields of five"},
		{"TZ=Nowhere/Else * * * * *", "", `there is no time zone "Nowhere/Else"`},
		{"TZ=../../etc/passwd * * * * *", "", "there is no time zone"},
		{"TZ=UTC * * * * *", "Europe/Berlin", "it names the zone UTC, and its zone is Europe/Berlin"},
		{"* * * * *", "Local", "another on every machine"},
		{"* * * * *", "berlin", `there is no time zone "berlin"`},
		{strings.Repeat("1,", 600) + "1 * * * *", "", "more than 1000 characters"},
	} {
		_, err := Parse(c.spec, c.zone)
		if grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q in %q: %v, want %q", c.spec, c.zone, err, c.want)
		}
	}
}

func TestWhatIsDue(t *testing.T) {
	hourly := "0 * * * *"
	for _, c := range []struct {
		name, spec, watermark, now string
		policy                     Policy
		want                       string
	}{
		{"nothing yet", hourly, "2026-11-20 12:00", "2026-11-20 12:59", Policy{}, "next 13:00 watermark 12:00"},
		{"on time", hourly, "2026-11-20 12:00", "2026-11-20T13:00:20Z", Policy{}, "start 13:00 next 14:00 watermark 13:00"},
		{"to the second", hourly, "2026-11-20 12:00", "2026-11-20 13:00", Policy{}, "start 13:00 next 14:00 watermark 13:00"},
		{"a schedule that begins now", hourly, "", "2026-11-20 12:30", Policy{}, "next 13:00 watermark 12:30"},
		{"the clock was set back", hourly, "2026-11-20 15:00", "2026-11-20 12:30", Policy{Missed: MissedAll}, "next 16:00 watermark 15:00"},
		{"missed, and not made up for", hourly, "2026-11-20 12:00", "2026-11-20 15:30", Policy{}, "skip 13:00 missed, 14:00 missed, 15:00 missed next 16:00 watermark 15:00"},
		{"missed, and the last just in time", hourly, "2026-11-20 12:00", "2026-11-20T15:00:30Z", Policy{}, "start 15:00 skip 13:00 missed, 14:00 missed next 16:00 watermark 15:00"},
		{"one for all", hourly, "2026-11-20 12:00", "2026-11-20 15:30", Policy{Missed: MissedOnce}, "start 15:00 skip 13:00 superseded, 14:00 superseded next 16:00 watermark 15:00"},
		{"one for all, too late", hourly, "2026-11-20 12:00", "2026-11-20 15:30", Policy{Missed: MissedOnce, StartDeadline: 10 * time.Minute}, "skip 13:00 late, 14:00 late, 15:00 late next 16:00 watermark 15:00"},
		{"every one", hourly, "2026-11-20 12:00", "2026-11-20 15:30", Policy{Missed: MissedAll}, "start 13:00, 14:00, 15:00 next 16:00 watermark 15:00"},
		{"every one in time", hourly, "2026-11-20 12:00", "2026-11-20 15:30", Policy{Missed: MissedAll, StartDeadline: 2 * time.Hour}, "start 14:00, 15:00 skip 13:00 late next 16:00 watermark 15:00"},
		{"every one up to a limit", hourly, "2026-11-20 12:00", "2026-11-20 15:30", Policy{Missed: MissedAll, Limit: 2}, "start 14:00, 15:00 skip 13:00 beyond next 16:00 watermark 15:00"},
		{"a grace of one's own", hourly, "2026-11-20 12:00", "2026-11-20 13:30", Policy{Grace: time.Hour}, "start 13:00 next 14:00 watermark 13:00"},
		{"a deadline is a grace", hourly, "2026-11-20 12:00", "2026-11-20 13:30", Policy{StartDeadline: time.Hour}, "start 13:00 next 14:00 watermark 13:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := must(t, c.spec, "")
			var watermark time.Time
			if c.watermark != "" {
				watermark = at(t, s, c.watermark)
			}
			if d := cmp.Diff(c.want, show(Due(s, watermark, at(t, s, c.now), c.policy))); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func show(p Plan) string {
	const clock = "15:04"
	var parts, starts, skips []string
	for _, t := range p.Start {
		starts = append(starts, t.Format(clock))
	}
	for _, s := range p.Skipped {
		why := map[string]string{TooLate: "late", WasMissed: "missed", Superseded: "superseded", BeyondMost: "beyond"}[s.Why]
		skips = append(skips, s.At.Format(clock)+" "+why)
	}
	if len(starts) > 0 {
		parts = append(parts, "start "+strings.Join(starts, ", "))
	}
	if len(skips) > 0 {
		parts = append(parts, "skip "+strings.Join(skips, ", "))
	}
	if p.More {
		parts = append(parts, "and more")
	}
	return strings.Join(append(parts, "next "+p.Next.Format(clock), "watermark "+p.Watermark.Format(clock)), " ")
}

func TestALongSleepIsNotWalkedThrough(t *testing.T) {
	s := must(t, "* * * * *", "Europe/Berlin")
	from, now := at(t, s, "1996-01-01 00:00"), at(t, s, "2026-11-20 12:00")
	plan := Due(s, from, now, Policy{Missed: MissedAll})
	if len(plan.Start) != maxListed || !plan.More || !plan.Watermark.Equal(now) {
		t.Fatalf("%d to start, watermark %s", len(plan.Start), plan.Watermark)
	}
	for i, at := range plan.Start {
		if want := now.Add(-time.Duration(maxListed-1-i) * time.Minute); !at.Equal(want) {
			t.Fatalf("occurrence %d is %s, want %s", i, at, want)
		}
	}
}

func TestParseMissed(t *testing.T) {
	for text, want := range map[string]Missed{"": MissedSkip, "skip": MissedSkip, "once": MissedOnce, "all": MissedAll} {
		if got, err := ParseMissed(text); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := ParseMissed("twice"); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("twice: %v", err)
	}
}
