package cli

import (
	"strings"
	"testing"
	"time"

	"gridburst/schedd/api"
)

func TestRatesAreThoseOfTheLastMinute(t *testing.T) {
	began := time.Unix(1_800_000_000, 0)
	r := &rates{began: began}
	happens := func(after time.Duration, what, jobs string) {
		r.count(&api.Event{Time: began.Add(after).UnixMilli(), Type: what, Jobs: jobs})
	}
	happens(0, "job_submitted", "1.0-99")
	happens(time.Second, "job_started", "1.0")
	happens(time.Second, "job_started", "1.1")
	happens(time.Second, "claim_moved", "")
	for _, c := range []struct {
		name  string
		after time.Duration
		want  string
	}{
		{"what was seen so far is divided by how long it was looked", 4 * time.Second, "25.0 submitted, 0.5 started, 0.0 completed (over 4 s)"},
		{"a minute later it is over", 61 * time.Second, "0.0 submitted, 0.0 started, 0.0 completed (over 60 s)"},
	} {
		if got := r.line(began.Add(c.after)); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	happens(60*time.Second, "job_completed", "1.0-29") // in the place of the first second
	if got := r.line(began.Add(60 * time.Second)); !strings.HasSuffix(got, "0.0 submitted, 0.0 started, 0.5 completed (over 60 s)") {
		t.Errorf("a minute after the first: %s", got)
	}
}
