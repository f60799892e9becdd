package ledger

import (
	"iter"
	"maps"
	"math"
	"slices"
)

// Throttle is how much a route was fed when that was last kept, after what became of its jobs.
// What it means is for whoever decides by it.
type Throttle struct {
	Since     int64 // of the interval, ms since 1970
	Routed    uint32
	Succeeded uint32
	Failed    uint32
	Allowed   float64 // jobs in an interval; 0: there is no throttle
}

// Tells reports whether there is anything to remember.
func (t *Throttle) Tells() bool { return t.Allowed > 0 || t.Failed > 0 }

// KeepThrottles keeps the throttles of routes, by the routes' names: one that tells nothing is
// forgotten.
type KeepThrottles struct{ List []RouteThrottle }

// RouteThrottle is a route's.
type RouteThrottle struct {
	Route string
	Throttle
}

// maxThrottles bounds the routes whose throttles are kept.
const maxThrottles = 10_000

func (*KeepThrottles) Kind() Kind { return KindKeepThrottles }
func (c *KeepThrottles) encode(e *enc) {
	e.u(uint64(len(c.List)))
	for i := range c.List {
		e.str(c.List[i].Route)
		e.throttle(&c.List[i].Throttle)
	}
}

func (c *KeepThrottles) decode(d *dec) {
	for range d.count(6) {
		c.List = append(c.List, RouteThrottle{Route: d.str(), Throttle: d.throttle()})
	}
}

func (e *enc) throttle(t *Throttle) {
	e.i(t.Since)
	e.u(uint64(t.Routed))
	e.u(uint64(t.Succeeded))
	e.u(uint64(t.Failed))
	e.u(math.Float64bits(t.Allowed))
}

func (d *dec) throttle() Throttle {
	return Throttle{Since: d.i(), Routed: d.u32(), Succeeded: d.u32(), Failed: d.u32(), Allowed: math.Float64frombits(d.u())}
}

func (t *Throttle) encode() *enc {
	e := newEnc(32)
	e.throttle(t)
	return e
}

func decodeThrottle(k, v []byte) (t Throttle, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return t, err
	}
	d := dec{b: body}
	t = d.throttle()
	return t, d.err()
}

// Throttle is what is kept of a route's; the zero Throttle when that is nothing.
func (v *View) Throttle(route string) Throttle { return v.throttles[route] }

// Throttles yields those that are kept, by the names of their routes.
func (v *View) Throttles() iter.Seq2[string, Throttle] {
	return func(yield func(string, Throttle) bool) {
		for _, name := range slices.Sorted(maps.Keys(v.throttles)) {
			if !yield(name, v.throttles[name]) {
				return
			}
		}
	}
}
