package configs

import (
	"math"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Allowance is one line of a budget: what machines may cost.
type Allowance struct {
	Per      string // hour, day, burst, owner
	Amount   float64
	Currency string
}

// budget reads a block of allowances. Bursts are of one resource each.
func (f *file) budget(b *hclsyntax.Block, ofResource bool) (out []Allowance) {
	per := []string{"hour", "day", "owner"}
	if ofResource {
		per = append(per, "burst")
	}
	read := make([]Allowance, len(per))
	var table []key
	for i, p := range per {
		table = append(table, key{"per_" + p, price(&read[i].Amount, &read[i].Currency)})
	}
	f.keys(b, table)
	for i, p := range per {
		if read[i].Currency != "" {
			read[i].Per = p
			out = append(out, read[i])
		}
	}
	return out
}

// sameCurrency finds an allowance in another currency than what it is compared with.
func (f *file) sameCurrency(b *hclsyntax.Block, a Allowance, currency, of string) {
	if at := b.Body.Attributes["per_"+a.Per]; at != nil && currency != "" && a.Currency != currency {
		f.fail(at.Expr.Range(), "this is in "+a.Currency+", and "+of+" in "+currency, "A budget and the prices that it bounds have one currency.")
	}
}

// oneCurrency compares the budget of all resources with the prices.
func (f *file) oneCurrency(b *hclsyntax.Block, c *Schedd) {
	for i := range c.Resources {
		for _, a := range c.Budget {
			f.sameCurrency(b, a, c.Resources[i].Currency, "price_per_hour of "+quote(c.Resources[i].Name))
		}
	}
}

// ConcurrencyLimit bounds what runs of the jobs that name it (concurrency_limits).
type ConcurrencyLimit struct {
	Name string // in small letters; GROUP.*: of each of the group that has none; *: of any other
	Max  int
}

func (f *file) concurrency(b *hclsyntax.Block) ConcurrencyLimit {
	l := ConcurrencyLimit{Name: strings.ToLower(b.Labels[0])}
	f.keys(b, []key{{"max", required(count(&l.Max))}})
	return l
}

// price is an amount and its currency: "0.12 EUR".
func price(amount *float64, currency *string) setter {
	var s string
	return setter{set: func(f *file, e hclsyntax.Expression) {
		text(&s).set(f, e)
		if s == "" {
			return
		}
		number, unit, ok := strings.Cut(s, " ")
		n, err := strconv.ParseFloat(number, 64)
		if unit = strings.TrimSpace(unit); err != nil || !ok || unit == "" || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			f.fail(e.Range(), quote(s)+" is no price", `As in: "0.12 EUR"`)
			return
		}
		*amount, *currency = n, unit
	}}
}
