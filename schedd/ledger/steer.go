package ledger

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// SteerMode is what somebody has said about the machines of a pool.
type SteerMode uint8

const (
	Steered  SteerMode = 0 // nothing: machines come and go by demand
	Paused   SteerMode = 1 // none is started; those that are there stay as long as they are of use
	Draining SteerMode = 2 // none is started, and those that are there take no more jobs
)

func (m SteerMode) String() string {
	switch m {
	case Paused:
		return "paused"
	case Draining:
		return "draining"
	}
	return "running"
}

// Steering is how a pool or a route is steered, by commands and beside its configuration.
type Steering struct {
	Mode   SteerMode
	Capped bool   // there may be Cap machines, or jobs on the route
	Cap    uint32 //
	By     string // who said so last: user:1000
	Why    string
	At     int64 // ms since 1970
}

// OfRoute is what a route is called where it is steered: no pool's name has a blank.
func OfRoute(name string) string { return "route " + name }

// RouteOf is the route that is steered under a name; not is: that is a pool's.
func RouteOf(pool string) (name string, is bool) { return strings.CutPrefix(pool, OfRoute("")) }

// Steer says how the machines that a resource gives to the pool, or the jobs that go to a
// route, are steered from now on. Saying what is so already changes who, why and when.
type Steer struct {
	Pool   string
	Mode   SteerMode
	Capped bool
	Cap    uint32
	Reason string
	Text   string // what was asked for, for the journal
}

func (*Steer) Kind() Kind { return KindSteer }
func (c *Steer) encode(e *enc) {
	e.str(c.Pool)
	e.byte(byte(c.Mode))
	e.bool(c.Capped)
	e.u(uint64(c.Cap))
	e.str(c.Reason)
	e.str(c.Text)
}

func (c *Steer) decode(d *dec) {
	*c = Steer{Pool: d.str(), Mode: SteerMode(d.byte()), Capped: d.bool(), Cap: d.u32(), Reason: d.str(), Text: d.str()}
}

func (s *Steering) encode() *enc {
	e := newEnc(64)
	e.byte(byte(s.Mode))
	e.bool(s.Capped)
	e.u(uint64(s.Cap))
	e.str(s.By)
	e.str(s.Why)
	e.i(s.At)
	return e
}

func decodeSteering(k, v []byte) (s Steering, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return s, err
	}
	d := dec{b: body}
	s = Steering{Mode: SteerMode(d.byte()), Capped: d.bool(), Cap: d.u32(), By: d.str(), Why: d.str(), At: d.i()}
	return s, d.err()
}

// Steering is how a pool is steered; the zero Steering when nobody has said anything.
func (v *View) Steering(pool string) Steering { return v.steered[pool] }

// Steered yields the pools that somebody steers, by name.
func (v *View) Steered() iter.Seq2[string, Steering] {
	return func(yield func(string, Steering) bool) {
		for _, name := range slices.Sorted(maps.Keys(v.steered)) {
			if !yield(name, v.steered[name]) {
				return
			}
		}
	}
}
