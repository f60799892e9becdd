package ledger

import (
	"fmt"

	"gridburst/internal/bill"
)

// Purse bounds what machines may cost. What was spent of it is no counter: it is worked
// out from the claims, open and closed, whenever somebody asks. A claim that is open is
// taken for a machine that runs from the wish on, whether it was started, or whether that
// is not known; so a purse also holds what has been promised.
type Purse struct {
	Name     string // for people: per_day of lab
	Unit     string // the currency
	Resource string // only its machines; empty: of all resources
	Owner    uint32 // only machines for jobs of that owner; 0: all
	Burst    bool   // only those of the same burst
	Window   int64  // ms: what was billed within it; 0: ever
	Limit    int64  // in millionths

	// Ahead: a machine that is there, or on its way, counts as if it ran for the whole
	// window, so that the purse is not exceeded although all of them run on.
	Ahead bool
}

// Start is what one more machine takes from the purse.
func (p *Purse) Start(t bill.Terms) int64 {
	if p.Ahead {
		return max(t.First(), t.For(p.Window))
	}
	return t.First()
}

func (e *enc) purses(list []Purse) {
	e.u(uint64(len(list)))
	for i := range list {
		p := &list[i]
		e.str(p.Name)
		e.str(p.Unit)
		e.str(p.Resource)
		e.u(uint64(p.Owner))
		e.bool(p.Burst)
		e.i(p.Window)
		e.i(p.Limit)
		e.bool(p.Ahead)
	}
}

func (d *dec) purses() (list []Purse) {
	for range d.count(8) {
		list = append(list, Purse{Name: d.str(), Unit: d.str(), Resource: d.str(), Owner: d.u32(), Burst: d.bool(), Window: d.i(), Limit: d.i(), Ahead: d.bool()})
	}
	return list
}

// String is a purse that does not cover any more, for people.
func (p *Purse) String() string { return fmt.Sprintf("%s is %s", p.Name, bill.Text(p.Limit, p.Unit)) }

// stay is a machine that is or was there, as far as it is billed.
type stay struct {
	Resource string
	Owner    uint32
	Burst    uint32
	Terms    bill.Terms
	Start    int64
	End      int64 // 0: it is there
}

// billed is a claim's stay; false when nothing is billed for it.
func (c *Claim) billed() (stay, bool) {
	s := stay{Resource: c.Resource, Owner: c.Owner, Burst: c.Burst, Terms: c.Terms, Start: c.Started}
	switch {
	case c.Burst == 0 || c.Terms.Price == 0:
		return s, false
	case c.State.Closed():
		s.End = c.Entered
		return s, c.Started > 0
	case c.Started == 0:
		s.Start = c.Wanted
	}
	return s, true
}

// counts reports whether a purse pays for a machine. burst is the one that is asked about.
func (p *Purse) counts(s *stay, burst uint32) bool {
	return (p.Resource == "" || p.Resource == s.Resource) && (p.Owner == 0 || p.Owner == s.Owner) && (!p.Burst || s.Burst == burst)
}

func (s *stay) encode() *enc {
	e := newEnc(64)
	e.str(s.Resource)
	e.u(uint64(s.Owner))
	e.u(uint64(s.Burst))
	e.terms(s.Terms)
	e.i(s.Start)
	return e
}

// decodeStay reads a record of bBilled, whose key begins with the stay's end.
func decodeStay(k, v []byte) (s stay, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return s, err
	}
	d := dec{b: body}
	s = stay{Resource: d.str(), Owner: d.u32(), Burst: d.u32(), Terms: d.terms(), Start: d.i(), End: int64(be64(k))}
	return s, d.err()
}

// Left is what purses still cover of a machine of a resource now, in millionths; it may be
// less than nothing, for what runs goes on.
func (r *Reader) Left(v *View, purses []Purse, resource string, now int64) []int64 {
	now = max(now, v.At)
	burst, began := r.began(v, resource)
	var all []stay
	if b := r.bucket(bBilled); b != nil { // else it is an older file, which is only read
		all = v.stays(b.Cursor(), oldest(purses, began, now))
	}
	out := make([]int64, len(purses))
	for i := range purses {
		out[i] = purses[i].Limit - purses[i].spent(all, burst, began, now)
	}
	return out
}

// began is burstOf, with the first claim looked up where it is closed already.
func (r *Reader) began(v *View, resource string) (burst uint32, began int64) {
	burst, began = v.burstOf(resource)
	if c, ok, err := r.PastClaim(burst); burst != 0 && ok && err == nil {
		began = min(began, c.Wanted)
	}
	return burst, began
}
