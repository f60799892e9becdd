package ovirtsim

import (
	"slices"
	"sync"
	"time"
)

// Clock is what machines live by. Calls are delayed by the real time, whatever the
// clock is: nobody moves a clock on while waiting for an answer.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f, in a goroutine of its own or in one that moves the clock on,
	// unless it is stopped before.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// realTime is also right inside a testing/synctest bubble.
type realTime struct{}

func (realTime) Now() time.Time { return time.Now() }

func (realTime) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// Pace is a clock that runs with the real time and faster: minutes of machines pass in
// seconds of a run. It shows the same after a restart, and what it shows is the real time
// at From alone: whoever compares asks [Pace.Real].
type Pace struct {
	From  time.Time `yaml:"from"`
	Speed float64   `yaml:"speed"`
}

// Now is the time.
func (p Pace) Now() time.Time {
	return p.From.Add(time.Duration(float64(time.Since(p.From)) * p.Speed))
}

// AfterFunc has f called when d has passed on this clock.
func (p Pace) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(time.Duration(float64(d)/p.Speed), f).Stop
}

// Real is the real time at which the clock shows t.
func (p Pace) Real(t time.Time) time.Time {
	return p.From.Add(time.Duration(float64(t.Sub(p.From)) / p.Speed))
}

// ManualClock stands still until somebody moves it.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*manualTimer // by time, then by age
}

type manualTimer struct {
	at time.Time
	f  func()
}

// NewClock is a clock that begins at noon of some day.
func NewClock() *ManualClock {
	return &ManualClock{now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
}

// Now is the time.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc has f called by [ManualClock.Advance].
func (c *ManualClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &manualTimer{c.now.Add(max(d, 0)), f}
	i := len(c.timers)
	for i > 0 && c.timers[i-1].at.After(t.at) {
		i--
	}
	c.timers = slices.Insert(c.timers, i, t)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.timers, t)
		if i >= 0 {
			c.timers = slices.Delete(c.timers, i, i+1)
		}
		return i >= 0
	}
}

// Advance moves the clock on. What falls due on the way has happened, at its time and
// in its order, when it returns.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := c.now.Add(d)
	for len(c.timers) > 0 && !c.timers[0].at.After(end) {
		t := c.timers[0]
		c.timers = c.timers[1:]
		c.now = t.at
		c.mu.Unlock()
		t.f()
		c.mu.Lock()
	}
	c.now = end
}
