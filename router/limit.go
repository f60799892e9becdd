package router

import (
	"maps"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Limits bound what runs of the jobs that name something which they share: licences, a
// database. Names are in small letters.
type Limits struct {
	// Max is how much of a limit there is. GROUP.* is of each limit of the group that is not
	// named, * of any other; one that is nowhere has no bound.
	Max  map[string]float64
	Used map[string]float64
}

// Use is what a job takes of one limit.
type Use struct {
	Name   string
	Weight float64
}

// limitsAttr is where a job says which limits it takes from: "db,lic:2".
const limitsAttr = "ConcurrencyLimits"

// ParseUses reads what a job takes of limits. What is no weight counts as 1, as in
// HTCondor.
func ParseUses(text string) (out []Use) {
	for _, item := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ',' || r == ' ' }) {
		name, weight, _ := strings.Cut(item, ":")
		w, err := strconv.ParseFloat(weight, 64)
		if err != nil || !(w > 0) || w > 1e9 {
			w = 1
		}
		out = append(out, Use{name, w})
	}
	return out
}

// MaxOf is how much there is of a limit; false: there is no bound.
func (l *Limits) MaxOf(name string) (float64, bool) {
	if n, ok := l.Max[name]; ok {
		return n, true
	}
	if group, _, ok := strings.Cut(name, "."); ok {
		if n, ok := l.Max[group+".*"]; ok {
			return n, true
		}
	}
	n, ok := l.Max["*"]
	return n, ok
}

// Blocks is the first limit that has not enough left; false: all have.
func (l *Limits) Blocks(uses []Use) (Use, bool) {
	for _, u := range uses {
		if n, bounded := l.MaxOf(u.Name); bounded && l.Used[u.Name]+u.Weight > n {
			return u, true
		}
	}
	return Use{}, false
}

// Take notes that a job takes so much. Who calls it owns l.Used.
func (l *Limits) Take(uses []Use) {
	for _, u := range uses {
		l.Used[u.Name] += u.Weight
	}
}

func (l *Limits) giveBack(uses []Use) {
	for _, u := range uses {
		l.Used[u.Name] -= u.Weight
	}
}

// Clone is limits of which can be taken for a trial.
func (l *Limits) Clone() Limits {
	used := maps.Clone(l.Used)
	if used == nil {
		used = map[string]float64{}
	}
	return Limits{Max: l.Max, Used: used}
}

// UsesOf is what a job takes of limits on a slot, and the text of it; empty: it names none,
// or nothing that is a text. slot may be nil.
func UsesOf(now ad.Instant, job, slot *ad.Ad) (uses []Use, text string) {
	if !job.Has(limitsAttr) {
		return nil, ""
	}
	text, _ = now.Attr(limitsAttr, job, slot).Text()
	return ParseUses(text), text
}

// uses is what a job of the group takes of limits on a slot of a kind, bounded or not: a
// bound may come later.
func (c *cycle) uses(g *Group, k *kind) ([]Use, string) {
	if !g.Ad.Has(limitsAttr) {
		return nil, ""
	}
	return UsesOf(c.in.Now, g.Ad, c.m.slotAd(k.class, k.free))
}

// Number is a limit's amount for people: 5, 2.5.
func Number(f float64) string { return grid.Printable(strconv.FormatFloat(f, 'g', -1, 64)) }
