package ledger

import (
	"slices"

	"gridburst/internal/grid"
)

// Receipt is what is kept of a claim for whoever asks later what its machine was for: why
// it was wished for, when it came and went, and what it ran. It is written as things
// happen, and stays with the claim.
type Receipt struct {
	Template string // that the machine is made from; empty: it existed before
	Why      string // of the wish
	Made     int64  // when the engine's id of it became known; all in ms since 1970, 0: not
	Started  int64  // when the engine had accepted its last start
	Ready    int64  // when its worker joined first, or its guest was seen up
	Ended    int64  // when it was ordered to go, or came to nothing
	Runs     uint32 // executions that have begun on it
	Jobs     []grid.JobID
	Seen     string // how it was seen gone

	// Of claims that are told of ([Want].Told).
	Busy  int64        // ms in which anything ran on it, up to Since
	Since int64        // since when something runs on it; 0: nothing does
	On    []grid.JobID // what runs on it
}

// maxReceiptJobs bounds the jobs that a receipt names: the last to begin, oldest first.
const maxReceiptJobs = 8

func (r *Receipt) encode() *enc {
	e := newEnc(128)
	e.str(r.Template)
	e.str(r.Why)
	for _, at := range []int64{r.Made, r.Started, r.Ready, r.Ended} {
		e.i(at)
	}
	e.u(uint64(r.Runs))
	e.u(uint64(len(r.Jobs)))
	for _, id := range r.Jobs {
		e.job(id)
	}
	e.str(r.Seen)
	if r.Busy != 0 || r.Since != 0 {
		e.i(r.Busy)
		e.i(r.Since)
		e.u(uint64(len(r.On)))
		for _, id := range r.On {
			e.job(id)
		}
	}
	return e
}

func decodeReceipt(body []byte) (r Receipt, err error) {
	d := dec{b: body}
	r.Template, r.Why = d.str(), d.str()
	for _, at := range []*int64{&r.Made, &r.Started, &r.Ready, &r.Ended} {
		*at = d.i()
	}
	r.Runs = d.u32()
	for range d.count(2) {
		r.Jobs = append(r.Jobs, d.job())
	}
	r.Seen = d.str()
	if d.more() {
		r.Busy, r.Since = d.i(), d.i()
		for range d.count(2) {
			r.On = append(r.On, d.job())
		}
	}
	return r, d.err()
}

// receipt changes a claim's, by rules 4. One that is damaged is left alone: what it says is
// for people.
func (t *txn) receipt(claim uint32, change func(*Receipt)) {
	if t.v.rules < 4 {
		return
	}
	var r Receipt
	body, err := t.get(bReceipt, key4(claim))
	if err == nil && body != nil {
		r, err = decodeReceipt(body)
	}
	if err != nil {
		return
	}
	change(&r)
	t.put(bReceipt, key4(claim), r.encode())
}

// moved notes a line of the claim's table.
func (r *Receipt) moved(verb grid.ClaimVerb, at int64, seen string) {
	switch verb {
	case grid.ClaimStarted:
		r.Started = at
	case grid.ClaimJoin:
		if r.Ready == 0 {
			r.Ready = at
		}
	case grid.ClaimStop, grid.ClaimFail:
		if r.Ended == 0 {
			r.Ended = at
		}
	case grid.ClaimGoneNow:
		r.Seen = seen
		r.idle(at)
	}
}

// idle notes that nothing runs on the machine.
func (r *Receipt) idle(at int64) {
	if r.Since > 0 {
		r.Busy += at - r.Since
	}
	r.Since, r.On = 0, nil
}

// claimOf is the claim on whose machine a job is placed; 0: on none.
func (t *txn) claimOf(j *Job) (claim uint32) {
	switch {
	case t.v.rules < 4:
	case j.Place == AsVM:
		claim = j.At
	case j.Place == OnSlot:
		for open, c := range t.v.claims.from(0) { // some hundreds at most, and mostly none
			if c.Worker == j.At && c.Worker != 0 {
				claim = open
			}
		}
	}
	return claim
}

// told reports whether a claim is told of, and open.
func (t *txn) told(claim uint32) bool {
	c, ok := t.v.claims.get(claim)
	return ok && c.Burst != 0
}

// rest notes that a job's execution is over, on a claim's machine, if it is one.
func (t *txn) rest(j *Job, id grid.JobID) {
	claim := t.claimOf(j)
	if claim == 0 || !t.told(claim) {
		return
	}
	t.receipt(claim, func(r *Receipt) {
		if r.On = slices.DeleteFunc(r.On, func(on grid.JobID) bool { return on == id }); len(r.On) == 0 {
			r.idle(t.at)
		}
	})
}

// ran notes an execution that has begun on a claim's machine, if it is one.
func (t *txn) ran(j *Job, id grid.JobID) {
	claim := t.claimOf(j)
	if claim == 0 {
		return
	}
	told := t.told(claim)
	t.receipt(claim, func(r *Receipt) {
		if told {
			if r.On = append(r.On, id); r.Since == 0 {
				r.Since = t.at
			}
		}
		r.Runs++
		if r.Jobs = append(r.Jobs, id); len(r.Jobs) > maxReceiptJobs {
			r.Jobs = slices.Delete(r.Jobs, 0, len(r.Jobs)-maxReceiptJobs)
		}
	})
}

// Receipt is a claim's, open or closed; the zero Receipt when there is none, as of claims
// before there were receipts.
func (r *Reader) Receipt(claim uint32) (out Receipt, err error) {
	body, err := r.sealed(bReceipt, key4(claim), "the receipt of a claim")
	if body == nil {
		return out, err
	}
	return decodeReceipt(body)
}
