package ledger

import (
	"gridburst/internal/grid"
)

// after is the instant behind which a purse counts what was billed. began is when the burst
// began that is asked about.
func (p *Purse) after(began, at int64) int64 {
	switch {
	case p.Window > 0:
		return at - p.Window
	case p.Burst:
		return began - 1
	}
	return -1
}

// stays are the machines that may have been billed for behind an instant. Closed claims are
// kept in order of their ends, so only the last of them are looked at.
func (v *View) stays(past cursor, after int64) (out []stay) {
	for _, c := range v.claims.from(0) {
		if s, ok := c.billed(); ok {
			out = append(out, s)
		}
	}
	for k, value := past.Last(); k != nil && int64(be64(k)) >= after; k, value = past.Prev() {
		if s, err := decodeStay(k, value); err == nil { // damage is told of elsewhere
			out = append(out, s)
		}
	}
	return out
}

// oldest is the instant behind which some of the purses count.
func oldest(purses []Purse, began, at int64) int64 {
	after := at
	for i := range purses {
		after = min(after, purses[i].after(began, at))
	}
	return after
}

// spent is how much of a purse is spent or promised.
func (p *Purse) spent(all []stay, burst uint32, began, at int64) (sum int64) {
	after := p.after(began, at)
	for i := range all {
		s := &all[i]
		if !p.counts(s, burst) {
			continue
		}
		n := s.Terms.Between(s.Start, s.End, after, at)
		if p.Ahead && s.End == 0 {
			n = max(n, s.Terms.For(p.Window))
		}
		if sum += n; sum < 0 {
			return 1<<63 - 1
		}
	}
	return sum
}

// burstOf is the burst that an overflow machine of a resource would belong to, and when
// that began as far as open claims tell; 0: it would begin one.
func (v *View) burstOf(resource string) (burst uint32, began int64) {
	for _, c := range v.claims.from(0) {
		if c.Resource == resource && c.Kind == Overflow && c.Burst != 0 {
			burst = c.Burst
		}
	}
	if burst == 0 {
		return 0, v.At
	}
	began = 1<<63 - 1
	for _, c := range v.claims.from(0) {
		if c.Burst == burst {
			began = min(began, c.Wanted)
		}
	}
	return burst, began
}

// note writes a line, and drops the one that it is too many by.
func (t *txn) note(n Note) {
	k, _ := t.bucket(bJournal).Cursor().Last()
	seq := be64(k) + 1
	n.At, n.Jobs = t.at, n.Jobs[:min(len(n.Jobs), maxNoteJobs)]
	e := newEnc(128)
	e.note(&n)
	t.put(bJournal, key8(seq), e)
	if seq > maxNotes {
		t.drop(bJournal, key8(seq-maxNotes))
	}
}

func (c *Tell) apply(t *txn) (any, error) {
	for _, n := range c.Notes {
		t.note(n)
		t.emit(Event{Type: PoolTold, ID: n.Claim, Code: int32(n.What), Text: n.Text})
	}
	return nil, nil
}

// tell writes what a line of a claim's table means, of one that is told of.
func (t *txn) tell(id uint32, c *Claim, verb grid.ClaimVerb, reason string) {
	what, ok := map[grid.ClaimVerb]What{
		grid.ClaimJoin: NoteReady, grid.ClaimLost: NoteLost, grid.ClaimDrain: NoteDrain, grid.ClaimUndrain: NoteKeep,
		grid.ClaimStop: NoteStop, grid.ClaimGoneNow: NoteGone, grid.ClaimFail: NoteFailed,
	}[verb]
	if !ok || c.Burst == 0 {
		return
	}
	n := Note{What: what, Pool: c.Resource, Claim: id, VM: c.Name, Text: reason, By: Asker(t.by)}
	if c.Kind != Overflow {
		n.Jobs = []grid.JobID{c.Job}
	}
	t.note(n)
}

// Asker is whom a note names of who has proposed something; empty: the daemon itself.
func Asker(by string) string {
	if by == "schedd" {
		return ""
	}
	return by
}

func (c *Steer) apply(t *txn) (any, error) {
	if c.Pool == "" || c.Mode > Draining {
		return nil, grid.Errorf(grid.Invalid, "a pool without a name, or steered in no way that there is")
	}
	s := Steering{Mode: c.Mode, Capped: c.Capped, Cap: c.Cap, By: t.by, Why: c.Reason, At: t.at}
	if s.Mode == Steered && !s.Capped {
		t.v.steered = without(t.v.steered, c.Pool)
		t.drop(bSteer, []byte(c.Pool))
	} else {
		t.v.steered = with(t.v.steered, c.Pool, s)
		t.put(bSteer, []byte(c.Pool), s.encode())
	}
	t.note(Note{What: NoteSteer, Pool: c.Pool, Reason: s.Mode.String(), Text: c.Text, By: t.by})
	t.emit(Event{Type: PoolTold, Code: int32(NoteSteer), Text: c.Text})
	return nil, nil
}

// refuses says why a pool may have no more machines by what was said about it; nil: it may.
func (s *Steering) refuses(pool string, overflow uint32) error {
	switch {
	case s.Mode != Steered:
		return grid.Errorf(grid.Refused, "pool %s is %s", pool, s.Mode)
	case s.Capped && overflow >= s.Cap:
		return grid.Errorf(grid.Refused, "pool %s has %d machines, and was capped at %d", pool, overflow, s.Cap)
	}
	return nil
}
