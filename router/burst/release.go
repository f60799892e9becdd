package burst

import (
	"cmp"
	"slices"
	"time"
)

// count works out how many machines of each shape are needed: they have work, or are to
// have it.
func (d *decision) count() {
	d.need = make([]int, len(d.in.Shapes))
	for i := range d.in.Members {
		if m := &d.in.Members[i]; m.Shape >= 0 && d.needed(m) {
			d.need[m.Shape]++
		}
	}
	for i := range d.in.Starting {
		if s := &d.in.Starting[i]; s.Shape >= 0 && d.awaited(s) {
			d.need[s.Shape]++
		}
	}
	for _, w := range d.out.Want {
		if w.HasOwner {
			d.need[w.Shape]++
		}
	}
}

// Observe tells each shape's Levels how many of its machines are needed now. It is for the
// caller, before it has it decided.
func (in *Input) Observe() {
	need, load := make([]int, len(in.Shapes)), make([]float64, len(in.Shapes))
	add := func(shape int, l float64) {
		if shape >= 0 && l > 0 {
			need[shape]++
			load[shape] += l
		}
	}
	for i := range in.Members {
		add(in.Members[i].Shape, in.Members[i].Load)
	}
	for i := range in.Starting {
		add(in.Starting[i].Shape, in.Starting[i].Load)
	}
	for i := range in.Shapes {
		if in.Shapes[i].Levels != nil {
			in.Shapes[i].Levels.Observe(in.Clock, need[i], load[i]/float64(max(need[i], 1)))
		}
	}
}

func (d *decision) needed(m *Member) bool {
	return m.Idle <= 0 && !m.Draining || d.held[m.Claim] || m.Draining && slices.Contains(d.out.Undrain, m.Claim)
}

// awaited: jobs wait for it.
func (d *decision) awaited(s *Starting) bool {
	return d.bound(s) || d.aside[s.Claim]
}

// bound: jobs that wait are bound to it, or are to be.
func (d *decision) bound(s *Starting) bool {
	return s.Free != d.in.Shapes[s.Shape].Offer ||
		slices.ContainsFunc(d.out.Bind, func(b Bind) bool { return b.Claim == s.Claim })
}

// expected: jobs wait that a machine of the shape could run. For whom they wait is no matter:
// nobody knows which of those on their way is there first, and one that is nearly up may be
// before others have done what waits.
func (d *decision) expected(shape int) bool {
	s := &d.in.Shapes[shape]
	for i := range d.in.Starting {
		if st := &d.in.Starting[i]; st.Shape == shape && d.bound(st) {
			return true
		}
	}
	for _, q := range d.in.Queues {
		if len(q.Jobs) > 0 && d.m.Fit(d.in.Now, q.Group, s.Class, s.Offer).OK {
			return true
		}
	}
	return false
}

// release lets go what is not needed and not worth its keep, beyond what is to be there
// anyway. Of those that serve the ones go first that have been idle for the longest. What is
// only on its way goes before any that serves, and stays while jobs wait that it could run.
func (d *decision) release() {
	for i := range d.in.Members {
		if m := &d.in.Members[i]; m.Shape < 0 && m.Idle > 0 && !m.Draining {
			d.out.Drain = append(d.out.Drain, m.Claim)
		}
	}
	for i := range d.in.Shapes {
		d.releaseOf(i)
	}
}

func (d *decision) releaseOf(shape int) {
	s := &d.in.Shapes[shape]
	up := 0
	var idle []*Member
	for i := range d.in.Members {
		m := &d.in.Members[i]
		if m.Shape != shape || !d.serves(m) {
			continue
		}
		up++
		if m.Idle > 0 && !m.Draining && !d.held[m.Claim] {
			idle = append(idle, m)
		}
	}
	slices.SortStableFunc(idle, func(a, b *Member) int { return cmp.Compare(a.Idle, b.Idle) })
	keep := func(k int, idle time.Duration, told bool) time.Duration { // of the machine k beyond what is needed
		return s.Levels.Keep(d.in.Clock, d.need[shape]+k, idle, s.Boot, told)
	}
	spare, kept := len(idle), 0
	if s.learns() {
		for k, m := range idle {
			if left := keep(k, m.Idle, m.Told && !d.later(m.Claim)); left > 0 {
				kept++
				d.again(left)
			}
		}
		spare = len(idle) - kept
	}
	for k := len(idle) - 1; k >= 0 && up > s.least(); k-- {
		m := idle[k]
		if !s.learns() {
			if left := s.Idle - m.Idle; left > 0 {
				d.again(left)
				continue
			}
		} else if spare == 0 {
			break
		}
		if left := s.paid(m); left > 0 {
			d.again(left)
			continue
		}
		d.out.Drain = append(d.out.Drain, m.Claim)
		up--
		spare--
	}
	if !s.learns() || d.expected(shape) {
		return
	}
	type early struct {
		claim uint32
		told  bool
	}
	var coming []early
	for i := range d.in.Starting {
		if st := &d.in.Starting[i]; st.Shape == shape {
			up++
			told := st.Told && !d.later(st.Claim)
			if !d.awaited(st) && (told || st.Up < s.Boot/2) {
				coming = append(coming, early{st.Claim, told})
			}
		}
	}
	reserve := d.reserve(shape)
	for _, st := range coming {
		if reserve {
			reserve = false
			continue
		}
		if left := keep(kept, 0, st.told); left > 0 {
			d.again(left)
			kept++
		} else if up > s.least() {
			d.out.Cancel = append(d.out.Cancel, st.claim)
			up--
		}
	}
}

// paid is for how long an idle machine costs nothing more: until it could only just be gone
// when the period ends that is paid for.
func (s *Shape) paid(m *Member) time.Duration {
	switch {
	case s.Period <= 0:
		return 0
	case m.Paid > 0:
		return m.Paid - m.Up - s.Stop
	}
	return s.Period - m.Up%s.Period - s.Stop
}

// learns: how long its machines are kept is learnt.
func (s *Shape) learns() bool { return s.Levels != nil && s.Idle <= 0 }
