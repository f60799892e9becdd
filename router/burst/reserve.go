package burst

import (
	"slices"

	"gridburst/router"
)

// enough is of how many machines on their way one is likely to come so late that one more
// beside them, given up when they are there, costs less than the wait for that one is worth.
const enough = 4

// reserve reports whether of a shape one machine more is to be on its way than is needed:
// whichever comes last is given up. That the jobs come in time to wait for it is as likely as
// not. Where boots are much alike it gains nothing, and where whole periods are paid for it costs
// one.
func (d *decision) reserve(shape int) bool {
	s := &d.in.Shapes[shape]
	if Worth*(s.late()-s.Boot) < 2*s.Boot || s.Period > s.late() {
		return false
	}
	n := 0
	for i := range d.in.Starting {
		if st := &d.in.Starting[i]; st.Shape == shape && d.awaited(st) {
			n++
		}
	}
	for i := range d.out.Want {
		if w := &d.out.Want[i]; w.Shape == shape && w.HasOwner {
			n++
		}
	}
	return n >= enough
}

// wantOneMore wants the reserve with machines for jobs that may come before nearly all of
// these are there. There is none on its way: it would have been taken for them.
func (d *decision) wantOneMore() {
	for i := range d.in.Shapes {
		s := &d.in.Shapes[i]
		unsure := slices.IndexFunc(d.out.Want, func(w Want) bool {
			return w.Shape == i && w.For.Jobs > 0 && w.For.known()+d.grain() < s.late()
		})
		if unsure < 0 || !d.reserve(i) {
			continue
		}
		if w := d.out.Want[unsure]; d.pay(i, w.Owner, true) {
			w.Reserve = true
			d.out.Want = append(d.out.Want, w)
			d.spare = append(d.spare, router.Resources{})
		}
	}
}
