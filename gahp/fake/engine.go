package fake

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
)

// Config is an engine as it begins.
type Config struct {
	Inventory conform.Inventory
	MemoryMB  int64 // that machines which run may have together; 0: no limit
	Quota     int   // machines that may exist; 0: no limit

	// How long a machine takes; 0: no time at all.
	Lock     time.Duration // to make its disks
	Launch   time.Duration // to find a host
	Boot     time.Duration // from there until it is up
	PowerOff time.Duration // to heed a shutdown
	Remove   time.Duration // to vanish

	Now func() time.Time // the engine's clock; nil: time.Now
}

// Engine is an engine in memory. Every method may be called from any goroutine.
type Engine struct {
	c  Config
	mu sync.Mutex

	machines map[string]*machine // by id
	making   map[string]bool     // names of machines on their way
	rules    []*rule
	hostLost int // rules that say so
	made     int // machines ever, for ids
	copies   []copied
}

var _ gahp.Provider = (*Engine)(nil)

// New makes an engine. Machines of the inventory that run stay up, and others stay
// in the state that they are in, until something is asked of them.
func New(c Config) *Engine {
	if c.Now == nil {
		c.Now = time.Now
	}
	e := &Engine{c: c, machines: map[string]*machine{}, making: map[string]bool{}}
	for _, m := range c.Inventory.Machines {
		e.add(&machine{Machine: m})
	}
	return e
}

// add gives m an id.
func (e *Engine) add(m *machine) {
	e.made++
	m.ID = fmt.Sprintf("fake-%d", e.made)
	m.created, m.since = e.c.Now(), e.c.Now()
	e.machines[m.ID] = m
}

// Machines is what is true of the engine, by name.
func (e *Engine) Machines() []conform.Machine {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pass()
	var out []conform.Machine
	for _, m := range e.machines {
		out = append(out, m.Machine)
	}
	slices.SortFunc(out, func(a, b conform.Machine) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// pass brings every machine to where the clock says it is. e.mu is held.
func (e *Engine) pass() {
	now := e.c.Now()
	for id, m := range e.machines {
		if m.pass(e.c, now) {
			delete(e.machines, id)
		}
	}
}

// named is the machine of that name, or nil. e.mu is held.
func (e *Engine) named(name string) *machine {
	for _, m := range e.machines {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// newest is a template's newest version. e.mu is held.
func (e *Engine) newest(name string) (t gahp.Template, ok bool) {
	for _, c := range e.templates() {
		if c.Name == name && (!ok || c.Version > t.Version) {
			t, ok = c.Template, true
		}
	}
	return t, ok
}

// Clock stands still until somebody moves it.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock begins at noon of some day.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
