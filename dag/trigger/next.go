package trigger

import "time"

// Next is the first occurrence after a time, in the schedule's zone. It is the zero
// time when there is none for 40 years.
func (s *Schedule) Next(after time.Time) time.Time {
	if !s.Begin.IsZero() && after.Before(s.Begin) {
		after = s.Begin.Add(-time.Second)
	}
	for {
		at := s.unbounded(after)
		if at.IsZero() || !s.End.IsZero() && !at.Before(s.End) {
			return time.Time{}
		}
		end, out := s.excepted(at)
		if !out {
			return at
		}
		after = end.Add(-time.Second)
	}
}

// unbounded is the next of any of the expressions.
func (s *Schedule) unbounded(after time.Time) time.Time {
	at := s.next(after)
	for _, a := range s.also {
		o := *a
		o.Gap, o.Overlap = s.Gap, s.Overlap
		if n := o.next(after); at.IsZero() || !n.IsZero() && n.Before(at) {
			at = n
		}
	}
	return at
}

// next is that of its own expression.
func (s *Schedule) next(after time.Time) time.Time {
	if s.every > 0 {
		d := int64(s.every / time.Second)
		n := after.Unix()
		n -= (n%d + d) % d
		return time.Unix(n+d, 0).In(s.zone)
	}
	// Between two changes of the clock, wall and time go alike.
	p := s.period(after)
	wall := p.wall(after)
	for {
		w := s.wallNext(wall)
		if w.IsZero() {
			return time.Time{}
		}
		at := w.Add(-p.offset)
		if p.end.IsZero() || at.Before(p.end) {
			if s.repeated(p, at) {
				wall = w
				continue
			}
			return at.In(s.zone)
		}
		next := s.period(p.end)
		begin := next.wall(p.end)
		if s.fixed && s.Gap == RunAfterGap && w.Before(begin) {
			return p.end.In(s.zone) // the clock skips w: it jumps from before it to begin
		}
		p, wall = next, begin.Add(-time.Second)
	}
}

// period is a time in which the clock does not change: [start, end).
type period struct {
	start, end time.Time // zero: none
	offset     time.Duration
	before     time.Duration // the offset before start
	after      time.Duration // the offset from end on
}

// period is the one that holds t.
func (s *Schedule) period(t time.Time) period {
	t = t.In(s.zone)
	var p period
	p.start, p.end = t.ZoneBounds()
	p.offset = offset(t)
	p.before, p.after = p.offset, p.offset
	if !p.start.IsZero() {
		p.before = offset(p.start.Add(-time.Second))
	}
	if !p.end.IsZero() {
		p.after = offset(p.end)
	}
	return p
}

func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// wall is what the clock shows at t in the period, as if it were UTC.
func (p *period) wall(t time.Time) time.Time { return t.UTC().Add(p.offset) }

// repeated reports whether the clock shows the time of an occurrence twice, and this is
// not the one that counts.
func (s *Schedule) repeated(p period, at time.Time) bool {
	if !s.fixed {
		return false
	}
	switch s.Overlap {
	case FirstOfOverlap:
		return p.before > p.offset && at.Before(p.start.Add(p.before-p.offset))
	case LastOfOverlap:
		return p.after < p.offset && !at.Before(p.end.Add(p.after-p.offset))
	}
	return false
}

// wallNext is the next time on the wall that matches. The library looks five years
// ahead; leap days on a day of the week lie up to 40 years apart.
func (s *Schedule) wallNext(wall time.Time) time.Time {
	last := wall.Year() + 40
	for {
		if w := s.cron.Next(wall); !w.IsZero() || wall.Year() > last {
			return w
		}
		wall = time.Date(wall.Year()+6, 1, 1, 0, 0, -1, 0, time.UTC)
	}
}

// last is the last occurrence in (after, until], the zero time if there is none. It
// asks Next some thirty times, however many occurrences there are.
func (s *Schedule) last(after, until time.Time) time.Time {
	within := func(t time.Time) (time.Time, bool) {
		n := s.Next(t)
		return n, !n.IsZero() && !n.After(until)
	}
	best, ok := within(after)
	if !ok {
		return time.Time{}
	}
	lo, hi := best, until // an occurrence lies behind lo, or lo is the last one; none lies behind hi
	for hi.Sub(lo) > time.Second {
		middle := lo.Add(hi.Sub(lo) / 2).Truncate(time.Second)
		if !middle.After(lo) {
			break
		}
		if n, ok := within(middle); ok {
			best, lo = n, n
		} else {
			hi = middle
		}
	}
	if n, ok := within(lo); ok {
		best = n
	}
	return best
}
