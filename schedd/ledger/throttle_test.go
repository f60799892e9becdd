package ledger

import (
	"math"
	"path/filepath"
	"testing"

	"gridburst/internal/grid"
)

// writeReloads makes a history of timetables that are followed no more, and of throttles.
func writeReloads(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	h.do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.9", Rules: 4})
	for _, name := range []string{"night", "day", "noon", "dusk"} {
		h.do(&Settle{Name: name, Mark: h.at})
		h.do(&Settle{Name: name, Mark: h.at + 60_000, List: []Occurrence{{Due: h.at + 60_000, Kind: Scheduled, Outcome: OccurrenceQueued, Why: "its last run goes on"}}})
		h.do(&BeginBackfill{Name: name, Fill: Backfill{From: 1000, To: 9000, AtOnce: 2, By: "alice"}})
	}
	h.do(&Settle{Name: "night", Gone: "it is not configured"})
	h.do(&Settle{Name: "day", Gone: "it is not configured", Mark: h.at}) // refused
	h.do(&Settle{Name: "day", Gone: "it is not configured"})
	h.do(&Settle{Name: "day", Mark: h.at + 120_000})
	h.do(&KeepThrottles{List: []RouteThrottle{{"A", Throttle{Since: h.at, Routed: 3, Succeeded: 1, Failed: 2, Allowed: 0.25}}, {"B", Throttle{Since: h.at, Failed: 1}}, {"C", Throttle{Since: h.at, Routed: 9}}}})
	h.do(&KeepThrottles{List: []RouteThrottle{{"B", Throttle{Since: h.at}}, {"", Throttle{}}}}) // refused
	h.do(&KeepThrottles{List: []RouteThrottle{{"B", Throttle{Since: h.at}}}})
	h.write(path)
}

// What tells something of a route is kept, and read again; what does not is forgotten, and a
// throttle that is none is refused with all that comes with it.
func TestThrottlesAreKept(t *testing.T) {
	h := newHistory(t)
	a, b := Throttle{Since: h.at, Routed: 3, Succeeded: 1, Failed: 2, Allowed: 1. / 600}, Throttle{Since: h.at, Failed: 1}
	keep := func(list ...RouteThrottle) error {
		if err := h.do(&KeepThrottles{List: list}).Err; err != nil {
			return err
		}
		return nil
	}
	must(t, keep(RouteThrottle{"A", a}, RouteThrottle{"B", b}, RouteThrottle{"C", Throttle{Since: h.at, Routed: 9}}))
	for _, bad := range []RouteThrottle{{"", a}, {"D", Throttle{Allowed: -1}}, {"D", Throttle{Allowed: math.NaN()}}} {
		if err := keep(RouteThrottle{"B", Throttle{}}, bad); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	path := filepath.Join(t.TempDir(), FileName)
	h.write(path)
	m, err := OpenMachine(path, Options{})
	must(t, err)
	defer m.Close()
	for name, want := range map[string]Throttle{"A": a, "B": b, "C": {}, "D": {}} {
		if got := m.View().Throttle(name); got != want {
			t.Errorf("of %s there is kept %+v", name, got)
		}
	}
	must(t, keep(RouteThrottle{"B", Throttle{Since: h.at, Succeeded: 4}}))
	names := ""
	for name := range h.m.View().Throttles() {
		names += name
	}
	if names != "A" {
		t.Errorf("there is kept one of %s", names)
	}
}
