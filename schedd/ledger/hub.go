package ledger

import "sync"

// hub keeps the newest events in memory and wakes those who wait for more. Nobody
// is ever waited for: who falls behind reads the log.
type hub struct {
	mu    sync.Mutex
	index uint64 // of the newest entry published
	first uint64 // entries after this one are in ring
	ring  []Event
	wake  chan struct{} // closed at the next publish; nil when nobody waits
}

// keepEvents is how many events stay in memory: a few seconds of a busy queue, 3 MB.
const keepEvents = 1 << 14

func (h *hub) start(index uint64) { h.index, h.first = index, index }

func (h *hub) publish(index uint64, events []Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.index = index
	h.ring = append(h.ring, events...)
	if drop := len(h.ring) - keepEvents; drop >= keepEvents {
		// Entries stay whole: what is dropped ends with all events of one.
		for drop < len(h.ring) && h.ring[drop].Index == h.ring[drop-1].Index {
			drop++
		}
		h.first = h.ring[drop-1].Index
		h.ring = append([]Event(nil), h.ring[drop:]...)
	}
	if h.wake != nil {
		close(h.wake)
		h.wake = nil
	}
}

func (h *hub) changed(index uint64) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.index > index {
		return closed
	}
	if h.wake == nil {
		h.wake = make(chan struct{})
	}
	return h.wake
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (h *hub) after(index uint64, limit int) (events []Event, next uint64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if index < h.first {
		return nil, 0, false
	}
	if index >= h.index {
		return nil, index, true
	}
	lo, hi := 0, len(h.ring)
	for lo < hi { // the first event after index
		if mid := (lo + hi) / 2; h.ring[mid].Index <= index {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	rest := h.ring[lo:]
	if len(rest) <= limit {
		return append(events, rest...), h.index, true
	}
	for limit < len(rest) && rest[limit].Index == rest[limit-1].Index {
		limit++
	}
	return append(events, rest[:limit]...), rest[limit-1].Index, true
}
