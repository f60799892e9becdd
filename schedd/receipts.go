package schedd

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// template is what the claim's machine will be made from; empty of one that exists.
func (s *claimStep) template() string {
	if s.claim.Kind == ledger.Overflow {
		if s.res.Burst == nil {
			return ""
		}
		return s.res.Burst.Template
	}
	return s.spec.Template
}

// receiptInfo is a claim's receipt for people and programs.
func (d *Daemon) receiptInfo(c *ledger.Claim, r *ledger.Receipt, now time.Time) *api.Receipt {
	out := &api.Receipt{
		Template: r.Template, Why: r.Why, Made: r.Made / 1000, Started: r.Started / 1000, Ready: r.Ready / 1000, Ended: r.Ended / 1000,
		Runs: r.Runs, Seen: r.Seen,
	}
	for _, id := range r.Jobs {
		out.Jobs = append(out.Jobs, id.String())
	}
	end := now.UnixMilli()
	if c.State.Closed() {
		out.Gone = c.Entered / 1000
		end = c.Entered
	}
	if r.Started > 0 {
		out.Minutes = math.Round(float64(max(end-r.Started, 0))/6000) / 10
	}
	if res := d.resource(c.Resource); res != nil && res.Price > 0 && r.Started > 0 {
		out.Cost, out.Currency = math.Round(float64(costOf(c, r, res, end))/100)/1e4, res.Currency
	}
	return out
}

// costOf is what a machine has cost until then, in millionths: by the terms that it was
// wished for under, or, of one that an older program wished for, by those of today.
func costOf(c *ledger.Claim, r *ledger.Receipt, res *Resource, until int64) int64 {
	terms := res.terms()
	if c.Burst != 0 {
		terms = c.Terms
	}
	return terms.Between(r.Started, max(until, r.Started+1), -1, until)
}

// Boot times: how many are needed before they are believed, how many of a kind are looked
// at, and how far back for them.
const (
	enoughBoots = 5
	maxBoots    = 500
	maxLook     = 20_000
)

// bootKey is of what the boot times are alike.
type bootKey struct {
	resource, template string
	kind               ledger.ClaimKind
}

// boots are the times from wish to service that the ledger's claims have recorded, in order
// of length.
type boots map[bootKey][]time.Duration

// readBoots learns them from the claims, the newest first.
func (d *Daemon) readBoots() (boots, error) {
	b := boots{}
	err := d.ledger.Read(func(r *ledger.Reader) error {
		for id, c := range d.ledger.View().Claims() {
			if err := b.learn(r, id, c); err != nil {
				return err
			}
		}
		looked := 0
		for id, c := range r.PastClaims() {
			if looked++; looked > maxLook {
				break
			}
			if err := b.learn(r, id, &c); err != nil {
				return err
			}
		}
		return nil
	})
	for _, all := range b {
		slices.Sort(all)
	}
	return b, err
}

// learn takes in one claim.
func (b boots) learn(r *ledger.Reader, id uint32, c *ledger.Claim) error {
	if c.Kind == ledger.Borrowed {
		return nil // it existed, and only its guest starts
	}
	rec, err := r.Receipt(id)
	if err != nil || rec.Ready == 0 {
		return err
	}
	k := bootKey{c.Resource, rec.Template, c.Kind}
	if len(b[k]) < maxBoots {
		b[k] = append(b[k], time.Duration(rec.Ready-c.Wanted)*time.Millisecond)
	}
	return nil
}

// quantile is the least of the times within which that part of the machines were there.
func quantile(sorted []time.Duration, part float64) time.Duration {
	at := int(math.Ceil(part*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

// Boots implements [serve.Backend].
func (d *Daemon) Boots(context.Context, serve.Identity) (out api.Boots, err error) {
	out.Boots = []api.Boot{}
	all, err := d.readBoots()
	if err != nil {
		return out, err
	}
	for i := range d.config().Resources {
		if r := &d.config().Resources[i]; r.Burst != nil {
			k := bootKey{r.Name, r.Burst.Template, ledger.Overflow}
			if _, known := all[k]; !known {
				all[k] = nil // what is configured is told of, learnt or not
			}
		}
	}
	for k, times := range all {
		b := api.Boot{Resource: k.resource, Template: k.template, Kind: k.kind.String(), Samples: len(times)}
		if b.Learned = len(times) >= enoughBoots; b.Learned {
			b.P50, b.P90, b.P99 = quantile(times, 0.5).Seconds(), quantile(times, 0.9).Seconds(), quantile(times, 0.99).Seconds()
		} else {
			prior := d.bootPrior(k.resource).Seconds()
			b.P50, b.P90, b.P99 = prior, prior, prior
		}
		out.Boots = append(out.Boots, b)
	}
	slices.SortFunc(out.Boots, func(a, b api.Boot) int {
		return cmp.Or(strings.Compare(a.Resource, b.Resource), strings.Compare(a.Template, b.Template), strings.Compare(a.Kind, b.Kind))
	})
	return out, nil
}

// bootPrior is how long a machine of a resource takes before enough have shown it.
func (d *Daemon) bootPrior(resource string) time.Duration {
	if r := d.resource(resource); r != nil && r.Burst != nil {
		return r.Burst.BootTime
	}
	return defaultBootTime
}

// defaultBootTime is the prior where none is configured.
const defaultBootTime = time.Minute
