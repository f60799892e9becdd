package replay

import "time"

// event is something that will happen.
type event struct {
	at   time.Duration
	seq  uint64 // of two at one time the one that was foreseen first comes first
	what what
	vm   *vm
	n    int32 // a task, or a job of the trace
}

type what uint8

const (
	arrives what = iota // a job of the trace
	begins              // a workflow of it
	ends                // a task
	joins               // a machine serves
	fails               // a machine is given up: it has not come
	looks               // a drained machine is looked at again
	leaves              // a machine is gone
	decides             // it is time to decide
)

// events is a heap, the first to come at its head.
type events struct {
	heap []event
	seq  uint64
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

func (w *world) at(at time.Duration, k what, v *vm, n int32) {
	h := &w.events
	h.seq++
	h.heap = append(h.heap, event{at, h.seq, k, v, n})
	for i := len(h.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.heap[i].before(&h.heap[up]) {
			break
		}
		h.heap[i], h.heap[up] = h.heap[up], h.heap[i]
		i = up
	}
}

func (h *events) pop() event {
	top := h.heap[0]
	last := len(h.heap) - 1
	h.heap[0] = h.heap[last]
	h.heap[last] = event{}
	h.heap = h.heap[:last]
	for i := 0; ; {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < last; k++ {
			if h.heap[k].before(&h.heap[least]) {
				least = k
			}
		}
		if least == i {
			return top
		}
		h.heap[i], h.heap[least] = h.heap[least], h.heap[i]
		i = least
	}
}
