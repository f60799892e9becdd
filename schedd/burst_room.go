package schedd

import (
	"fmt"
	"math"
	"slices"
	"time"

	"gridburst/internal/bill"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// curb is one thing that bounds the machines of a resource, in words.
type curb struct {
	reason string // a word that is the same as long as the answer is
	left   int    // how many more there may be by it
	text   string // what is the matter, when nothing is left; a sentence
	help   string // what would help; a sentence
}

// Reasons of bounds, for programs.
const (
	reasonPaused    = "paused"
	reasonDraining  = "draining"
	reasonCapped    = "capped"
	reasonFull      = "max_vms"
	reasonHour      = "max_vms_per_hour"
	reasonBudget    = "budget"
	reasonBreaker   = "breaker"
	reasonQuota     = "quota"
	reasonTemplate  = "template_missing"
	reasonSuspected = "trial"
)

// bounds are all that bound the machines of a resource now but for money, the tightest
// first; more machines are counted as if they were there.
func (b *bursts) bounds(v *ledger.View, r *Resource, now time.Time, more int) []curb {
	open, overflow, coming := more, more, more
	for _, c := range v.Claims() {
		if c.Resource == r.Name {
			open++
			if c.Kind == ledger.Overflow {
				overflow++
				if c.State < grid.ClaimReady || c.State == grid.ClaimUnknown {
					coming++
				}
			}
		}
	}
	var out []curb
	add := func(reason string, left int, help, text string, args ...any) {
		out = append(out, curb{reason, max(left, 0), fmt.Sprintf(text, args...), help})
	}
	name := grid.Printable(r.Name)
	s := v.Steering(r.Name)
	switch s.Mode {
	case ledger.Paused:
		add(reasonPaused, 0, "It would help to let the pool go on: gburst resume "+name, "%s has paused pool %s%s: no machine is started.", b.p.d.asker(v, s.By), name, because(s.Why))
	case ledger.Draining:
		add(reasonDraining, 0, "It would help to let the pool go on: gburst resume "+name, "%s has pool %s drained%s: no machine is started, and those that are there take no more jobs.", b.p.d.asker(v, s.By), name, because(s.Why))
	}
	if s.Capped {
		add(reasonCapped, int(s.Cap)-overflow, "It would help to raise the cap (gburst cap "+name+" N) or to lift it (gburst cap "+name+" none).",
			"Pool %s has %s, and %s has capped it at %d%s.", name, machinesText(overflow), b.p.d.asker(v, s.By), s.Cap, because(s.Why))
	}
	if r.MaxVMs > 0 {
		add(reasonFull, r.MaxVMs-open, "It would help to wait until one is gone (gvm), or to raise max_vms in the configuration.",
			"Resource %s has %s of ours, and there may be %d: there may be no more of them now.", name, machinesText(open), r.MaxVMs)
	}
	if r.Burst.MaxVMs > 0 {
		add(reasonFull, r.Burst.MaxVMs-overflow, "It would help to wait until one is gone (gvm), or to raise max_vms of its burst in the configuration.",
			"Pool %s has %s for jobs, and there may be %d: there may be no more of them now.", name, machinesText(overflow), r.Burst.MaxVMs)
	}
	if left := b.p.d.hourLeft(v, r); left < math.MaxInt {
		add(reasonHour, left-more, "It helps to wait, or to raise max_vms_per_hour in the configuration.",
			"Within an hour %s of %s were started, as many as may be: there may be no more of them now.", machinesText(r.MaxVMsPerHour), name)
	}
	if p, ok := b.rests[breakerOf(r)]; ok {
		out = append(out, p.bound(r, now, coming))
	}
	slices.SortStableFunc(out, func(a, b curb) int { return a.left - b.left })
	return out
}

// room is how many more machines there may be by all bounds.
func room(all []curb) int {
	n := math.MaxInt
	for i := range all {
		n = min(n, all[i].left)
	}
	return n
}

func machinesText(n int) string {
	if n == 1 {
		return "1 machine"
	}
	return fmt.Sprintf("%d machines", n)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + grid.Printable(why) + ")"
}

// asker names who has asked for something.
func (d *Daemon) asker(v *ledger.View, by string) string {
	for _, o := range v.Owners() {
		if byUser(o.UID) == by {
			return grid.Printable(o.Name)
		}
	}
	if by == byUser(0) {
		return "root"
	}
	return by
}

// spentText is a purse that does not cover one more machine, in words.
func spentText(r *Resource, m *money) curb {
	cost := m.Start(r.terms())
	help := "It would help to raise " + m.Name + " in the configuration"
	if m.Burst {
		help += ", or to wait until this burst is over: a new one begins when all its machines are gone."
	} else {
		help += ", or to wait: what was billed longer ago than " + windowText(m.Window) + " does not count any more."
	}
	whose := ""
	if m.Owner != 0 {
		whose = " for jobs of this user"
	}
	return curb{
		reason: reasonBudget, left: int(min(m.starts(r), math.MaxInt32)), help: help,
		text: fmt.Sprintf("The money for machines of %s%s is spent: %s is %s, %s of it are spent or promised, and one more machine costs %s at least.",
			grid.Printable(r.Name), whose, m.Name, bill.Text(m.Limit, m.Unit), bill.Text(m.Limit-m.left, m.Unit), bill.Text(cost, m.Unit)),
	}
}

func windowText(ms int64) string {
	if ms == 24*time.Hour.Milliseconds() {
		return "a day"
	}
	return "an hour"
}
