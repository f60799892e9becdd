package trigger

import (
	"slices"
	"time"

	"gridburst/internal/grid"
)

// Missed is what becomes of occurrences that passed while nobody looked.
type Missed uint8

// The ways to deal with what was missed.
const (
	MissedSkip Missed = 0 // it is not made up for
	MissedOnce Missed = 1 // one run for all of them, for the last
	MissedAll  Missed = 2 // every one, oldest first
)

// ParseMissed reads none, last or all, of which the first two are called skip and once
// too; nothing is none.
func ParseMissed(s string) (Missed, error) {
	switch s {
	case "", "skip", "none":
		return MissedSkip, nil
	case "once", "last":
		return MissedOnce, nil
	case "all":
		return MissedAll, nil
	}
	return 0, grid.Errorf(grid.Invalid, "%q says nothing about missed runs: write none, last or all", s)
}

// Policy is how late an occurrence may be.
type Policy struct {
	Missed Missed
	// StartDeadline is how long after its time an occurrence may still be started,
	// whatever Missed says; 0: for ever.
	StartDeadline time.Duration
	// Grace is how late one that is not missed may be noticed; 0: a minute, or the
	// StartDeadline if that is longer.
	Grace time.Duration
	// Limit bounds what MissedAll makes up for, to the newest; 0: 100.
	Limit int
	// Paused says why an occurrence is passed over though it is due; empty: it is not.
	// nil: none is.
	Paused func(at time.Time) string
}

// Reasons for which an occurrence is not started.
const (
	TooLate    = "its start deadline had passed"
	WasMissed  = "it was missed"
	Superseded = "a later one is started in its place"
	BeyondMost = "more were missed than are made up for"
)

// maxListed bounds the occurrences of a plan.
const maxListed = 100

// Plan is what is due.
type Plan struct {
	Start     []time.Time // oldest first
	Skipped   []Skip      // oldest first: the newest 100 at most
	More      bool        // older ones than those were skipped too
	Watermark time.Time   // to be kept, with what is started
	Next      time.Time   // when to ask again; zero: never
}

// Skip is an occurrence that is not started.
type Skip struct {
	At  time.Time
	Why string
}

// Due plans what to do about the occurrences in (watermark, now]. A zero watermark is a
// schedule that begins now. If now is before the watermark the clock was set back, and
// nothing is due until it has caught up.
func Due(s *Schedule, watermark, now time.Time, p Policy) Plan {
	if watermark.IsZero() {
		watermark = now
	}
	plan := Plan{Watermark: watermark}
	most := maxListed // that are started
	if p.Limit > 0 && p.Missed == MissedAll {
		most = p.Limit
	}
	limit := max(most, maxListed)
	// Those that wait for their jitter come last: no more than one does, but where the
	// clock is changed.
	due, more := s.newest(watermark, now, limit+1)
	var waits time.Time // the first that has not come
	for i, at := range due {
		if from := at.Add(s.Delay(at)); from.After(now) {
			due, waits = due[:i], from
			break
		}
	}
	if over := len(due) - limit; over > 0 {
		due, more = due[over:], true
	}
	plan.More = more
	for i, at := range due {
		why := p.refuses(at, now.Add(-s.Delay(at)), i == len(due)-1)
		if why == "" && len(due)-i > most {
			why = BeyondMost
		}
		if why != "" {
			plan.Skipped = append(plan.Skipped, Skip{at, why})
		} else {
			plan.Start = append(plan.Start, at)
		}
		plan.Watermark = at
	}
	if over := len(plan.Skipped) - maxListed; over > 0 {
		plan.Skipped, plan.More = plan.Skipped[over:], true
	}
	from := plan.Watermark
	if now.After(from) {
		from = now
	}
	if plan.Next = waits; waits.IsZero() {
		if plan.Next = s.Next(from); !plan.Next.IsZero() {
			plan.Next = plan.Next.Add(s.Delay(plan.Next))
		}
	}
	return plan
}

// refuses is why an occurrence is not started.
func (p *Policy) refuses(at, now time.Time, newest bool) string {
	late := now.Sub(at)
	grace := p.Grace
	if grace <= 0 {
		grace = max(time.Minute, p.StartDeadline)
	}
	if p.Paused != nil {
		if why := p.Paused(at); why != "" {
			return why
		}
	}
	switch {
	case p.StartDeadline > 0 && late > p.StartDeadline:
		return TooLate
	case p.Missed == MissedSkip && late > grace:
		return WasMissed
	case p.Missed != MissedAll && !newest:
		return Superseded
	}
	return ""
}

// newest is the last occurrences in (after, until], at most n of them, oldest first.
// more says that there are older ones.
func (s *Schedule) newest(after, until time.Time, n int) (due []time.Time, more bool) {
	for t := s.Next(after); !t.IsZero() && !t.After(until); t = s.Next(t) {
		if len(due) == n {
			more = true
			break
		}
		due = append(due, t)
	}
	if !more {
		return due, false
	}
	// Too many to walk through: from the end, then.
	due = due[:0]
	for t := s.last(after, until); len(due) < n; t = s.last(after, t.Add(-time.Second)) {
		due = append(due, t)
	}
	slices.Reverse(due)
	return due, true
}
