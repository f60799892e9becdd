package schedd

import (
	"context"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// life is a machine as the events and the last records of its claim tell it, ms since 1970.
type life struct {
	resource             string
	owner, burst         uint32
	wanted, started, end int64
	closed               bool
}

// judge goes through all that has happened, and counts machines and money by itself.
func (h *hour) judge() {
	t := h.t
	t.Helper()
	m, err := ledger.OpenMachine(filepath.Join(h.d.spool(), ledger.FileName), ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	lives := map[uint32]*life{}
	err = m.Read(func(r *ledger.Reader) error {
		for id, c := range r.PastClaims() {
			lives[id] = &life{resource: c.Resource, owner: c.Owner, burst: c.Burst}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]*Resource{}
	for _, r := range prices() {
		of[r.Name] = &r
	}
	var seen uint64
	most, top, unknown, refused := map[string]int{}, map[string]float64{}, 0, 0
	for {
		events, next, err := m.Events(context.Background(), seen, 4096)
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			e := &events[i]
			if e.Type == ledger.PoolTold {
				refused++
			}
			if e.Type != ledger.ClaimMoved {
				continue
			}
			l := lives[e.ID]
			if l == nil {
				t.Fatalf("claim %d is not closed", e.ID)
			}
			switch to := grid.ClaimState(e.To); {
			case to == grid.ClaimWanted:
				l.wanted = e.At
			case to == grid.ClaimBooting && l.started == 0:
				l.started = e.At
			case to == grid.ClaimUnknown:
				unknown++
			case to.Closed():
				l.end, l.closed = e.At, true
			}
			h.within(of, lives, e.At, most, top)
			if t.Failed() {
				t.Fatalf("after %s of claim %d", grid.ClaimState(e.To), e.ID)
			}
		}
		if next == seen {
			break
		}
		seen = next
	}
	t.Logf("%d machines, %d times unknown; at most %v at one time; at most %v of the budgets; %d lines of refusals", len(lives), unknown, most, top, refused)
	// The hour was worth judging: the bounds were reached.
	if most["small"] < 5 || most["large"] < 1 || unknown == 0 || refused == 0 || top["hour of small"] < 3 || top["day of all"] < 6 {
		t.Errorf("that was no hour to judge: %v, %v, %d, %d", most, top, unknown, refused)
	}
}

// within holds the machines there are at an instant against caps and budgets.
func (h *hour) within(of map[string]*Resource, lives map[uint32]*life, at int64, most map[string]int, top map[string]float64) {
	h.t.Helper()
	open := map[string]int{}
	spent := map[string]float64{}
	const hourMS = 3_600_000
	for _, l := range lives {
		if l.wanted == 0 {
			continue // its time has not come
		}
		r := of[l.resource]
		if !l.closed {
			open[l.resource]++
		}
		start, end := float64(l.started), float64(at)
		switch {
		case l.closed && l.started == 0:
			continue
		case l.started == 0:
			start = float64(l.wanted)
		case l.closed:
			end = float64(l.end)
		}
		// Whole periods, in advance; an open machine counts for the whole hour to come.
		period := float64(r.BillingPeriod.Milliseconds())
		cost, hour := 0.0, 0.0
		for bill := start; bill == start || bill < end || !l.closed && bill == end; bill += period {
			cost += r.Price * period / hourMS
			if float64(at)-bill < hourMS {
				hour += r.Price * period / hourMS
			}
		}
		if !l.closed {
			hour = math.Max(hour, r.Price)
		}
		spent["hour of "+l.resource] += hour
		spent["day of "+l.resource] += cost
		spent["day of all"] += cost
		spent["owner of "+l.resource+" "+strconv.Itoa(int(l.owner))] += cost
		if l.resource == "large" {
			spent["burst of large "+strconv.Itoa(int(l.burst))] += cost
		}
	}
	for name, r := range of {
		most[name] = max(most[name], open[name])
		if open[name] > r.MaxVMs || open[name] > r.Burst.MaxVMs {
			h.t.Errorf("%d machines of %s", open[name], name)
		}
	}
	for name, n := range spent {
		top[name] = math.Max(top[name], n)
		limit := map[string]float64{"hour of small": 4.2, "day of small": 6, "day of all": 9}[name]
		switch {
		case strings.HasPrefix(name, "owner of large"):
			limit = 2
		case strings.HasPrefix(name, "burst of large"):
			limit = 4
		}
		if limit > 0 && n > limit+1e-9 {
			h.t.Errorf("%v are spent of the %v for an %s", n, limit, name)
		}
	}
}
