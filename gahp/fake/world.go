package fake

import (
	"testing"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
)

// NewWorld is an engine for package conform, on a clock of its own, with way to it:
// a machine takes about a second for each of its steps.
func NewWorld(way func(*Engine) gahp.Provider) conform.World {
	clock := NewClock()
	e := New(Config{
		Inventory: conform.Stock(), MemoryMB: 200 * 512,
		Lock: time.Second, Launch: 500 * time.Millisecond, Boot: time.Second, PowerOff: time.Second, Remove: time.Second,
		Now: clock.Now,
	})
	return conform.World{
		Provider: way(e),
		Inject:   func(_ testing.TB, f conform.Fault) func() { return e.Inject(f) },
		Machines: func(testing.TB) []conform.Machine { return e.Machines() },
		Pass:     clock.Advance,
	}
}
