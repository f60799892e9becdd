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
	}
}

// ran notes an execution that has begun on a claim's machine, if it is one.
func (t *txn) ran(j *Job, id grid.JobID) {
	claim := uint32(0)
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
	if claim == 0 {
		return
	}
	t.receipt(claim, func(r *Receipt) {
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
