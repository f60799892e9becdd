package trigger

import (
	"fmt"
	"time"
)

// Shown is an occurrence for people: or, with Left set, a time of the expression at which
// nothing happens because the clock is changed.
type Shown struct {
	At    time.Time // in the schedule's zone
	Left  bool
	Delay time.Duration // by the jitter
	Notes []string      // what the clock's changes mean for it
}

// Explain is the next n occurrences after a time, with what would happen between them were
// the clock not changed. Fewer than n: none comes after the last.
func (s *Schedule) Explain(after time.Time, n int) (out []Shown) {
	// With these rules everything happens that may.
	all := *s
	all.Gap, all.Overlap = RunAfterGap, BothOfOverlap
	at, candidate := s.Next(after), all.Next(after)
	for n > 0 && !at.IsZero() {
		for !candidate.IsZero() && candidate.Before(at) && s.fixed {
			out = append(out, Shown{At: candidate, Left: true, Notes: s.notes(candidate, true)})
			candidate = all.Next(candidate)
		}
		out = append(out, Shown{At: at, Delay: s.Delay(at), Notes: s.notes(at, false)})
		at, candidate = s.Next(at), all.Next(at)
		n--
	}
	return out
}

// notes says what a change of the clock on its day means for an occurrence.
func (s *Schedule) notes(at time.Time, left bool) (notes []string) {
	p := s.period(at)
	const clock = "15:04"
	switch {
	case s.fixed && at.Equal(p.start) && s.moved(&p, at):
		text := "its time does not exist on this day: "
		if left {
			return []string{text + "it is left out (gap = skip)"}
		}
		notes = append(notes, text+"it happens when the clock has gone on (gap = run)")
	case p.before > p.offset && !p.start.IsZero() && at.Before(p.start.Add(p.before-p.offset)):
		notes = append(notes, s.twice("second", left))
	case p.after < p.offset && !p.end.IsZero() && !at.Before(p.end.Add(p.after-p.offset)):
		notes = append(notes, s.twice("first", left))
	}
	for _, change := range []struct {
		at       time.Time
		from, to time.Duration
	}{{p.start, p.before, p.offset}, {p.end, p.offset, p.after}} {
		if change.at.IsZero() || change.from == change.to || !sameDay(at, change.at.In(s.zone)) {
			continue
		}
		from, to := change.at.UTC().Add(change.from), change.at.UTC().Add(change.to)
		notes = append(notes, fmt.Sprintf("on this day the clock goes from %s to %s", from.Format(clock), to.Format(clock)))
	}
	return notes
}

// moved reports whether the instant at which a skip is over is none of the expression.
func (s *Schedule) moved(p *period, at time.Time) bool {
	if p.before >= p.offset {
		return false
	}
	wall := p.wall(at)
	own := func(o *Schedule) bool { return o.every == 0 && o.wallNext(wall.Add(-time.Second)).Equal(wall) }
	if own(s) {
		return false
	}
	for _, o := range s.also {
		if own(o) {
			return false
		}
	}
	return true
}

func (s *Schedule) twice(which string, left bool) string {
	text := "its time comes twice on this day, and this is the " + which
	if !s.fixed {
		return text + "; an hourly schedule follows elapsed time"
	}
	rule := map[Overlap]string{FirstOfOverlap: "first", LastOfOverlap: "last", BothOfOverlap: "both"}[s.Overlap]
	if left {
		return text + ": it is left out (overlap = " + rule + ")"
	}
	return text + " (overlap = " + rule + ")"
}

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}
