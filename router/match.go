package router

import (
	"gridburst/internal/ad"
)

// Matcher works out verdicts and remembers them. It belongs to one goroutine.
type Matcher struct {
	fits    map[fitKey]Fit // that hold whenever it is
	passing map[fitKey]Fit // that hold now
	still   map[side]bool  // ads that do not look at the time
	scratch ad.Ad
	at      ad.Instant
}

// side is the ad of a group or of a class.
type side struct {
	id    uint32
	class bool
}

type fitKey struct {
	group, class uint32
	free         Resources
}

// Fit is the verdict on one group and one kind of slot.
type Fit struct {
	OK   bool
	Rank float64
	Part Resources // what a job of the group takes
	Why  Refusal   // when it is not OK
}

// Refusal is what stands against a match.
type Refusal uint8

const (
	NoRefusal   Refusal = iota
	JobRefuses          // the job's Requirements are not true
	SlotRefuses         // the slot's are not
	TooSmall            // the requests do not fit
	BadRequest          // a request is no amount
)

// remember bounds the verdicts kept, about 10 MB.
const remember = 100_000

// NewMatcher makes a matcher that knows nothing yet.
func NewMatcher() *Matcher {
	return &Matcher{fits: map[fitKey]Fit{}, passing: map[fitKey]Fit{}, still: map[side]bool{}}
}

// Fit says whether a slot of the class with that much free takes a job of the group.
// An ad that asks for the time is asked again every second.
func (m *Matcher) Fit(now ad.Instant, g *Group, c *Class, free Resources) Fit {
	key := fitKey{g.ID, c.ID, free}
	if fit, ok := m.fits[key]; ok {
		return fit
	}
	if m.at != now {
		m.at = now
		clear(m.passing)
	}
	if fit, ok := m.passing[key]; ok {
		return fit
	}
	fit := m.fit(now, g, c, free)
	kept := m.passing
	if m.stands(side{id: g.ID}, g.Ad) && m.stands(side{c.ID, true}, c.Ad) {
		kept = m.fits
	}
	if len(kept) >= remember {
		clear(kept)
	}
	kept[key] = fit
	return fit
}

// stands reports whether what the ad says is the same at any time.
func (m *Matcher) stands(s side, a *ad.Ad) bool {
	still, known := m.still[s]
	if !known {
		still = true
		for _, n := range a.Names() {
			if e, ok := a.Expr(n); ok {
				refs := e.Refs()
				still = still && !refs.Fleeting && !refs.Opaque
			}
		}
		if len(m.still) >= remember {
			clear(m.still)
		}
		m.still[s] = still
	}
	return still
}

func (m *Matcher) fit(now ad.Instant, g *Group, c *Class, free Resources) Fit {
	slot := m.slotAd(c, free)
	part, ok := request(now, g.Ad, slot)
	if !ok {
		return Fit{Why: BadRequest}
	}
	fit := Fit{Part: part}
	switch v := now.Match(g.Ad, slot); {
	case v.Refused == ad.First:
		fit.Why = JobRefuses
	case v.Refused == ad.Second:
		fit.Why = SlotRefuses
	case !part.Fits(free):
		fit.Why = TooSmall
	default:
		fit.OK, fit.Rank = true, now.Rank(g.Ad, slot)
	}
	return fit
}

// slotAd is a slot's ad as jobs see it. It is valid until the next call.
func (m *Matcher) slotAd(c *Class, free Resources) *ad.Ad {
	m.scratch.Reset()
	m.scratch.Chain(c.Ad)
	m.scratch.SetInt("Cpus", free.Cpus)
	m.scratch.SetInt("Memory", free.MemoryMB)
	m.scratch.SetInt("Disk", free.DiskKB)
	return &m.scratch
}

// request is what a job asks of a slot. Requests may be expressions and look at the
// slot; what is not asked for is one cpu and no memory or disk.
func request(now ad.Instant, job, slot *ad.Ad) (r Resources, ok bool) {
	cpus, ok1 := amount(now, "RequestCpus", job, slot, 1)
	memory, ok2 := amount(now, "RequestMemory", job, slot, 0)
	disk, ok3 := amount(now, "RequestDisk", job, slot, 0)
	return Resources{Cpus: cpus, MemoryMB: memory, DiskKB: disk}, ok1 && ok2 && ok3
}

func amount(now ad.Instant, name string, job, slot *ad.Ad, otherwise int64) (int64, bool) {
	v := now.Attr(name, job, slot)
	if v.IsUndefined() {
		return otherwise, true
	}
	f, ok := v.Number()
	if !ok || f < 0 || f > 1<<53 {
		return 0, false
	}
	n := int64(f)
	if float64(n) < f {
		n++
	}
	return n, true
}
