package fake

import (
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
)

// machine is one machine. Its state is the one that began at since:
//
//	image_locked -> down -> wait_for_launch -> powering_up -> up -> powering_down -> down
//	      |                                                   '-------------------> down
//	      '-> gone                                              down -> image_locked -> gone
type machine struct {
	conform.Machine
	since      time.Time
	created    time.Time
	started    time.Time
	stopped    time.Time
	rolledBack bool          // it goes instead of being ready
	removed    bool          // it is on its way out
	deaf       bool          // its guest heeds no shutdown
	lifetime   time.Duration // of its guest, from when it is up; 0: no end
	held       *rule         // keeps it from leaving the state that it is in
}

// running: a host has it.
func running(s gahp.State) bool {
	switch s {
	case gahp.ImageLocked, gahp.Down, gahp.Suspended, gahp.NoState:
		return false
	}
	return true
}

// pass brings m to where it is at now, and says whether that is nowhere.
func (m *machine) pass(c Config, now time.Time) (gone bool) {
	for {
		begin := m.since
		if m.held != nil {
			if m.held.ended.IsZero() {
				return false
			}
			if m.held.ended.After(begin) {
				begin = m.held.ended
			}
		}
		next, after, ok := m.next(c)
		if !ok || now.Before(begin.Add(after)) {
			return false
		}
		at := begin.Add(after)
		switch {
		case m.State == gahp.ImageLocked && (m.removed || m.rolledBack):
			return true
		case next == gahp.Down && m.State != gahp.ImageLocked:
			m.stopped = at
		}
		m.State, m.since, m.held = next, at, nil
	}
}

// next is the state that follows by itself, and after how long.
func (m *machine) next(c Config) (s gahp.State, after time.Duration, ok bool) {
	switch {
	case m.State == gahp.ImageLocked && m.removed:
		return gahp.NoState, c.Remove, true
	case m.State == gahp.ImageLocked:
		return gahp.Down, c.Lock, true
	case m.State == gahp.WaitForLaunch:
		return gahp.PoweringUp, c.Launch, true
	case m.State == gahp.PoweringUp:
		return gahp.Up, c.Boot, true
	case m.State == gahp.Up && m.lifetime > 0:
		return gahp.Down, m.lifetime, true
	case m.State == gahp.PoweringDown && !m.deaf:
		return gahp.Down, c.PowerOff, true
	}
	return "", 0, false
}

// to moves m, by an order.
func (m *machine) to(s gahp.State, now time.Time) {
	if s == gahp.Down {
		m.stopped = now
	}
	m.State, m.since, m.held = s, now, nil
}

// vm is m as a provider says it.
func (m *machine) vm(hostLost bool, template string) gahp.VM {
	v := gahp.VM{
		ID: m.ID, Name: m.Name, State: m.State, Mark: m.Mark, Template: template, Description: m.Description,
		Created: m.created, Started: m.started, Stopped: m.stopped,
	}
	switch {
	case hostLost && running(m.State):
		v.State = gahp.UnknownState
	case m.State == gahp.Up:
		v.Addresses = []string{"192.0.2.1"}
	}
	return v
}
