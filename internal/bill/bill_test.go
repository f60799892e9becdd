package bill

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestMachinesAreBilledInAdvanceForWholePeriods(t *testing.T) {
	const m = 60_000
	hourly := Terms{Price: 1_200_000, Period: 60 * m}
	for _, c := range []struct {
		name       string
		of         Terms
		start, now int64
		want       int64
	}{
		{"before its start", hourly, 5, 4, 0},
		{"with its start a whole hour", hourly, 0, 0, 1_200_000},
		{"still the first hour", hourly, 0, 60*m - 1, 1_200_000},
		{"the second begins", hourly, 0, 60 * m, 2_400_000},
		{"the least time is billed at once", Terms{Price: 1_200_000, Period: 60 * m, Min: 61 * m}, 0, 0, 2_400_000},
		{"and lasts", Terms{Price: 1_200_000, Period: 60 * m, Min: 61 * m}, 0, 120*m - 1, 2_400_000},
		{"by minutes, unless somebody says otherwise", Terms{Price: 60_000}, 0, 90_000, 2_000},
		{"parts of a millionth are rounded up, once", Terms{Price: 100_000}, 0, 60*m - 1, 100_000},
		{"what costs nothing", Terms{}, 0, 60 * m, 0},
		{"a price beyond all numbers", Terms{Price: math.MaxInt64, Period: math.MaxInt64 / 4}, 0, 0, math.MaxInt64},
	} {
		if got := c.of.Billed(c.start, c.now); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
	if got := hourly.Between(0, 60*m, 0, 99*m); got != 0 {
		t.Errorf("a machine that goes with its hour is billed %d more", got)
	}
	if got := hourly.Until(0, 61*m); got != 120*m {
		t.Errorf("it is paid until %d", got)
	}
}

// What is billed in two neighbouring spans is what is billed in both together; it grows
// with time; and a machine is paid for as long as it is there.
func TestBillsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := Terms{
			Price: rapid.Int64Range(0, 10_000_000).Draw(t, "price"), Period: rapid.Int64Range(0, 7_200_000).Draw(t, "period"), Min: rapid.Int64Range(0, 7_200_000).Draw(t, "min"),
		}
		at := func(name string) int64 { return rapid.Int64Range(0, 50_000_000).Draw(t, name) }
		start, a := at("start"), at("a")
		b := a + at("b")
		c := b + at("c")
		end := int64(0)
		if rapid.Bool().Draw(t, "gone") {
			end = start + at("end")
		}
		parts, whole := of.Between(start, end, a, b)+of.Between(start, end, b, c), of.Between(start, end, a, c)
		if parts != whole {
			t.Fatalf("%d in parts, %d in all", parts, whole)
		}
		if of.Billed(start, b) < of.Billed(start, a) {
			t.Fatal("it was billed more before")
		}
		if b >= start && of.Billed(start, b) < of.For(b-start) {
			t.Fatalf("%d for %d ms", of.Billed(start, b), b-start)
		}
		if b >= start && (of.Until(start, b) <= b || of.Billed(start, of.Until(start, b)-1) != of.Billed(start, b)) {
			t.Fatalf("it is not paid until %d", of.Until(start, b))
		}
	})
}

func TestAmountsAreWrittenAsPeopleDo(t *testing.T) {
	for amount, want := range map[int64]string{0: "0.00 EUR", 1_250_000: "1.25 EUR", 1: "0.000001 EUR", -2_500_000: "-2.50 EUR"} {
		if got := Text(amount, "EUR"); got != want {
			t.Errorf("%d is %q, not %q", amount, got, want)
		}
	}
	if got := Millionths(0.12); got != 120_000 {
		t.Errorf("0.12 is %d millionths", got)
	}
}
