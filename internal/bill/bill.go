// Package bill works out what a machine costs.
//
// Money is whole millionths of a currency, time is milliseconds: sums are exact, and two
// programs come to the same.
package bill

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// Terms are how a machine is billed: in advance, for whole periods from its start.
type Terms struct {
	Price  int64 // of an hour, in millionths; 0: it is free
	Period int64 // ms that are billed at a time; 0: a minute
	Min    int64 // ms that are billed at the start, at least
}

const (
	hour   = 3_600_000
	minute = 60_000
)

func (t Terms) period() int64 {
	if t.Period > 0 {
		return t.Period
	}
	return minute
}

// first is how much is billed at the start, in ms.
func (t Terms) first() int64 {
	p := t.period()
	n := max((t.Min+p-1)/p, 1)
	return n * p
}

// First is what a start costs, whatever becomes of the machine.
func (t Terms) First() int64 { return t.For(t.first()) }

// For is the price of so many ms, rounded up.
func (t Terms) For(ms int64) int64 {
	if t.Price <= 0 || ms <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(t.Price), uint64(ms))
	if hi >= hour {
		return math.MaxInt64
	}
	q, rem := bits.Div64(hi, lo, hour)
	if rem > 0 {
		q++
	}
	return int64(min(q, math.MaxInt64))
}

// Billed is what has been billed by now for a machine that was started then. All in ms.
func (t Terms) Billed(start, now int64) int64 {
	if now < start {
		return 0
	}
	return t.For(t.Until(start, now) - start)
}

// Between is what is billed for a machine after one instant and up to another. end is when
// it was gone; 0: it is there.
func (t Terms) Between(start, end, after, now int64) int64 {
	if end > 0 {
		now = min(now, max(end-1, start)) // the period that would begin with its end is not billed
	}
	return max(t.Billed(start, now)-t.Billed(start, min(after, now)), 0)
}

// Until is when what has been billed by now is used up.
func (t Terms) Until(start, now int64) int64 {
	at := start + t.first()
	if over := now - at; over >= 0 {
		at += (over/t.period() + 1) * t.period()
	}
	return at
}

// Text is an amount as people write it: 1.25 EUR.
func Text(millionths int64, currency string) string {
	sign := ""
	if millionths < 0 {
		sign, millionths = "-", -millionths
	}
	whole, part := millionths/1_000_000, fmt.Sprintf("%06d", millionths%1_000_000)
	for len(part) > 2 && part[len(part)-1] == '0' {
		part = part[:len(part)-1]
	}
	return strings.TrimSpace(fmt.Sprintf("%s%d.%s %s", sign, whole, part, currency))
}

// Millionths is an amount that somebody wrote, rounded to a millionth.
func Millionths(amount float64) int64 {
	return int64(min(math.Round(amount*1e6), math.MaxInt64/2))
}
