package schedd

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// burstFold is a burst in the making of its receipt.
type burstFold struct {
	api.BurstReceipt
	busy, there int64 // ms
	cost        int64 // millionths
	open        bool
	ends        []change
}

// change is how many more machines there are from an instant on.
type change struct {
	at int64
	by int
}

// BurstReceipts implements [serve.Backend]: they are made from the claims and their receipts.
func (d *Daemon) BurstReceipts(_ context.Context, _ serve.Identity, q api.ReceiptsQuery) (out api.BurstReceipts, err error) {
	out.Bursts = []api.BurstReceipt{}
	now := d.now()
	all := map[uint32]*burstFold{}
	add := func(r *ledger.Reader, id uint32, c *ledger.Claim) error {
		if c.Kind != ledger.Overflow || c.Burst == 0 || q.Pool != "" && c.Resource != q.Pool {
			return nil
		}
		rec, err := r.Receipt(id)
		if err != nil {
			return nil // damage is told of by the checks
		}
		b := all[c.Burst]
		if b == nil {
			b = &burstFold{BurstReceipt: api.BurstReceipt{Pool: c.Resource, Burst: c.Burst, Began: c.Wanted / 1000}}
			all[c.Burst] = b
		}
		b.add(c, &rec, now)
		if res := d.resource(c.Resource); res != nil && b.Currency == "" && c.Terms.Price > 0 {
			b.Currency = res.Currency
		}
		return nil
	}
	err = d.ledger.Read(func(r *ledger.Reader) error {
		for id, c := range d.ledger.View().Claims() {
			if err := add(r, id, c); err != nil {
				return err
			}
		}
		looked := 0
		for id, c := range r.PastClaims() {
			if looked++; looked > maxLook {
				break
			}
			if _, open := d.ledger.View().Claim(id); open {
				continue
			}
			if err := add(r, id, &c); err != nil {
				return err
			}
		}
		return nil
	})
	for _, b := range all {
		if r := b.receipt(); r.Gone == 0 || r.Gone >= q.Since {
			out.Bursts = append(out.Bursts, r)
		}
	}
	slices.SortFunc(out.Bursts, func(a, b api.BurstReceipt) int { return cmp.Compare(a.Burst, b.Burst) })
	return out, err
}

// add takes in one machine.
func (b *burstFold) add(c *ledger.Claim, r *ledger.Receipt, now int64) {
	end := now
	if c.State.Closed() {
		end = c.Entered
		b.Gone = max(b.Gone, c.Entered/1000)
	} else {
		b.open = true
	}
	b.Began = min(b.Began, c.Wanted/1000)
	b.Asked++
	b.ends = append(b.ends, change{c.Wanted, 1}, change{end, -1})
	b.Runs += r.Runs
	if r.Runs > 0 {
		b.Used++
	}
	if r.Ready == 0 && c.State.Closed() {
		b.Failed++
	}
	if c.Started == 0 {
		return
	}
	b.Started++
	b.there += max(end-c.Started, 0)
	b.busy += r.Busy
	if r.Since > 0 {
		b.busy += max(end-r.Since, 0)
	}
	b.cost += c.Terms.Between(c.Started, max(end, c.Started+1), -1, end)
}

func (b *burstFold) receipt() api.BurstReceipt {
	r := b.BurstReceipt
	if b.open {
		r.Gone = 0
	}
	minutes := func(ms int64) float64 { return math.Round(float64(ms)/time.Minute.Seconds()/10) / 100 }
	r.Minutes, r.Busy, r.Idle = minutes(b.there), minutes(b.busy), minutes(max(b.there-b.busy, 0))
	r.Cost = amount(b.cost)
	slices.SortFunc(b.ends, func(x, y change) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.by, y.by)) })
	n := 0
	for _, c := range b.ends {
		n += c.by
		r.Most = max(r.Most, n)
	}
	return r
}
