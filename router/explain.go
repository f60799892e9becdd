package router

import (
	"fmt"
	"slices"
	"strings"

	"gridburst/internal/ad"
)

// Explanation says what stands between the jobs of a group and the slots there are.
type Explanation struct {
	Slots       int // in all
	Now         int // take such a job now
	Busy        int // would take it when they have nothing else to do
	Clauses     []Clause
	SlotClauses []Clause  // of the slots that the job would take: what their own Requirements say
	TooSmall    int       // slots that both sides would take, and that have not enough even when empty
	BadRequest  string    // a request that is no amount, with its value
	Part        Resources // what is asked for
	Most        Resources // the most that any slot has, each by itself

	// Of a job of several nodes: how many it has, how many of them fit now, and would if all
	// slots were empty; no more than it has.
	Nodes, Fit, Could int
	Turn              bool // what comes free is kept for it just now; the caller knows
}

// Clause is one part of a Requirements; all parts must be true.
type Clause struct {
	Text      string
	Removes   int    // slots on which it is not true
	Undefined int    // of these, where it is undefined
	Values    string // what it looked at: "RequestMemory is 1048576; Memory is 500 to 15990 there"
}

// Explain looks at each slot with the same evaluation that [Cycle] uses.
func (m *Matcher) Explain(now ad.Instant, g *Group, slots []Slot) Explanation {
	e := Explanation{Slots: len(slots), Nodes: g.Nodes}
	clauses := clausesOf(g.Ad)
	jobSide := make([]tally, len(clauses))
	var slotSide []tally
	var slotClauses []*ad.Expr
	for i := range slots {
		s := &slots[i]
		if g.Nodes > 0 {
			e.Fit = min(e.Fit+m.Holds(now, g, s.Class, s.Free, g.Nodes), g.Nodes)
			e.Could = min(e.Could+m.Holds(now, g, s.Class, s.Total, g.Nodes), g.Nodes)
		}
		if m.Fit(now, g, s.Class, s.Free).OK {
			e.Now++
			continue
		}
		empty := m.Fit(now, g, s.Class, s.Total)
		e.Part = empty.Part
		switch empty.Why {
		case NoRefusal:
			e.Busy++
		case BadRequest:
			e.BadRequest = badRequest(now, g.Ad, m.slotAd(s.Class, s.Total))
		case JobRefuses:
			slot := m.slotAd(s.Class, s.Total)
			for k, c := range clauses {
				jobSide[k].add(now, c, g.Ad, slot)
			}
		case SlotRefuses:
			slot := m.slotAd(s.Class, s.Total)
			own := clausesOf(slot)
			for _, c := range own {
				k := slices.IndexFunc(slotClauses, func(o *ad.Expr) bool { return o.String() == c.String() })
				if k < 0 {
					k = len(slotClauses)
					slotClauses = append(slotClauses, c)
					slotSide = append(slotSide, tally{})
				}
				slotSide[k].add(now, c, slot, g.Ad)
			}
		case TooSmall:
			e.TooSmall++
		}
		e.Most.Cpus = max(e.Most.Cpus, s.Total.Cpus)
		e.Most.MemoryMB = max(e.Most.MemoryMB, s.Total.MemoryMB)
		e.Most.DiskKB = max(e.Most.DiskKB, s.Total.DiskKB)
	}
	e.Clauses = report(clauses, jobSide)
	e.SlotClauses = report(slotClauses, slotSide)
	return e
}

func clausesOf(a *ad.Ad) []*ad.Expr {
	if r, ok := a.Expr("Requirements"); ok {
		return r.Clauses()
	}
	return nil
}

// tally is what became of one clause on many slots.
type tally struct {
	removes, undefined int
	my                 map[string]ad.Value
	low, high          map[string]ad.Value
}

func (t *tally) add(now ad.Instant, c *ad.Expr, my, other *ad.Ad) {
	v := now.Eval(c, my, other)
	if ad.Truth(v) {
		return
	}
	t.removes++
	if v.IsUndefined() {
		t.undefined++
	}
	refs, text := c.Refs(), c.String()
	for _, name := range refs.My {
		t.see(&t.my, spelled(name, text), now.Attr(name, my, other))
	}
	for _, name := range refs.Target {
		t.spread(spelled(name, text), now.Attr(name, other, my))
	}
	for _, name := range refs.Bare {
		if my.Has(name) {
			t.see(&t.my, spelled(name, text), now.Attr(name, my, other))
		} else {
			t.spread(spelled(name, text), now.Attr(name, other, my))
		}
	}
}

// spelled is the attribute as the text writes it; name is in lower case.
func spelled(name, text string) string {
	if i := strings.Index(strings.ToLower(text), name); i >= 0 && i+len(name) <= len(text) {
		return text[i : i+len(name)]
	}
	return name
}

func (t *tally) see(m *map[string]ad.Value, name string, v ad.Value) {
	if *m == nil {
		*m = map[string]ad.Value{}
	}
	(*m)[name] = v
}

// spread keeps the smallest and largest value of the other side's attribute.
func (t *tally) spread(name string, v ad.Value) {
	low, seen := t.low[name]
	if !seen || less(v, low) {
		t.see(&t.low, name, v)
	}
	if high, seen := t.high[name]; !seen || less(high, v) {
		t.see(&t.high, name, v)
	}
}

func less(a, b ad.Value) bool {
	x, ok1 := a.Number()
	y, ok2 := b.Number()
	if ok1 && ok2 {
		return x < y
	}
	return a.String() < b.String()
}

func report(clauses []*ad.Expr, tallies []tally) []Clause {
	var out []Clause
	for i, c := range clauses {
		t := &tallies[i]
		var values []string
		for _, name := range sorted(t.my) {
			values = append(values, fmt.Sprintf("%s is %s", name, t.my[name]))
		}
		for _, name := range sorted(t.low) {
			low, high := t.low[name].String(), t.high[name].String()
			switch {
			case low == high:
				values = append(values, fmt.Sprintf("%s is %s there", name, low))
			default:
				values = append(values, fmt.Sprintf("%s is %s to %s there", name, low, high))
			}
		}
		out = append(out, Clause{Text: c.String(), Removes: t.removes, Undefined: t.undefined, Values: strings.Join(values, "; ")})
	}
	return out
}

func sorted(m map[string]ad.Value) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func badRequest(now ad.Instant, job, slot *ad.Ad) string {
	for _, name := range []string{"RequestCpus", "RequestMemory", "RequestDisk"} {
		if _, ok := amount(now, name, job, slot, 0); !ok {
			src, _ := job.Source(name)
			return fmt.Sprintf("%s = %s comes to %s", name, src, now.Attr(name, job, slot))
		}
	}
	return ""
}
