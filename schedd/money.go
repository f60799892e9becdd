package schedd

import (
	"time"

	"gridburst/internal/bill"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// Allowance is one line of a budget: what machines may cost for an hour, for a day, in one
// burst, or for one owner's jobs in a day.
type Allowance struct {
	Per      string // hour, day, burst, owner
	Limit    int64  // in millionths of Currency
	Currency string
}

// terms are how a resource's machines are billed.
func (r *Resource) terms() bill.Terms {
	return bill.Terms{Price: bill.Millionths(r.Price), Period: r.BillingPeriod.Milliseconds(), Min: r.MinBill.Milliseconds()}
}

// purses are the budgets that pay for a machine of a resource: for jobs of an owner (0:
// of none), and as part of a burst or not.
func (d *Daemon) purses(r *Resource, owner uint32, burst bool) (out []ledger.Purse) {
	if r.Price <= 0 {
		return nil // what is free is paid from nothing
	}
	add := func(list []Allowance, of, resource string) {
		for _, a := range list {
			p := ledger.Purse{Name: "the budget per_" + a.Per + " of " + of, Unit: a.Currency, Resource: resource, Limit: a.Limit}
			switch a.Per {
			case "hour":
				p.Window, p.Ahead = time.Hour.Milliseconds(), true
			case "day":
				p.Window = 24 * time.Hour.Milliseconds()
			case "burst":
				if p.Burst = true; !burst {
					continue
				}
			case "owner":
				if p.Owner, p.Window = owner, 24*time.Hour.Milliseconds(); owner == 0 {
					continue
				}
			}
			out = append(out, p)
		}
	}
	add(r.Budget, r.Name, r.Name)
	add(d.config().Budget, "all resources", "")
	return out
}

// money is a purse and what is left of it.
type money struct {
	ledger.Purse
	left int64
}

// left is what the purses of a resource still cover, as the claims tell it.
func (d *Daemon) left(v *ledger.View, r *Resource, purses []ledger.Purse) (out []money, err error) {
	if len(purses) == 0 {
		return nil, nil
	}
	now := d.now()
	err = d.ledger.Read(func(in *ledger.Reader) error {
		for i, left := range in.Left(v, purses, r.Name, now) {
			out = append(out, money{purses[i], left})
		}
		return nil
	})
	return out, err
}

// starts is how many more machines of a resource the purse covers.
func (m *money) starts(r *Resource) int64 {
	return max(m.left, 0) / max(m.Start(r.terms()), 1)
}

// broke says which of the purses does not cover one more machine; empty: all do.
func (r *Resource) broke(all []money) string {
	for i := range all {
		if m := &all[i]; m.starts(r) == 0 {
			cost := m.Start(r.terms())
			return m.String() + ", of which " + bill.Text(m.Limit-m.left, m.Unit) + " are spent or promised; one more machine costs " + bill.Text(cost, m.Unit) + " at least"
		}
	}
	return ""
}

func completeBudget(list []Allowance) error {
	for _, a := range list {
		switch a.Per {
		case "hour", "day", "burst", "owner":
		default:
			return grid.Errorf(grid.Invalid, "a budget per %q: it is per hour, day, burst or owner", a.Per)
		}
		if a.Limit < 0 {
			return grid.Errorf(grid.Invalid, "a budget per %s of less than nothing", a.Per)
		}
	}
	return nil
}
