package dag

import (
	"math/bits"
	"slices"
)

// next is the first place from at on that waits, -1 when there is none.
func (q *readyQueue) next(at int) int {
	w := at / 64
	if w >= len(q.bits) {
		return -1
	}
	word := q.bits[w] >> (at % 64) << (at % 64)
	for word == 0 {
		if w++; w == len(q.bits) {
			return -1
		}
		word = q.bits[w]
	}
	return w*64 + bits.TrailingZeros64(word)
}

// admit asks for the jobs of ready nodes, as many as the limits allow. The nodes are
// those of the run's queues and those that became ready in this step, which are not in
// them yet.
func (s *step) admit() {
	if s.head.Status != RunRunning || !s.room() {
		return
	}
	slices.SortFunc(s.fresh, s.order)
	fresh := slices.Compact(s.fresh)
	front := make([]int, len(s.ready)) // of each queue; -1: none waits, or it is full
	for c := range front {
		front[c] = s.ready[c].next(0)
	}
	for s.room() {
		for len(fresh) > 0 && (s.full(s.place[fresh[0]].category) || !s.idle(fresh[0])) {
			fresh = fresh[1:]
		}
		best, from := int32(-1), -1
		if len(fresh) > 0 {
			best = fresh[0]
		}
		for c := range front {
			for front[c] >= 0 && !s.idle(s.ready[c].nodes[front[c]]) {
				front[c] = s.ready[c].next(front[c] + 1)
			}
			if front[c] < 0 || s.full(int32(c)) {
				continue
			}
			if i := s.ready[c].nodes[front[c]]; best < 0 || s.order(i, best) < 0 {
				best, from = i, c
			}
		}
		if best < 0 {
			return
		}
		if from >= 0 {
			front[from] = s.ready[from].next(front[from] + 1)
		} else {
			fresh = fresh[1:]
		}
		s.ask(best)
	}
}

func (s *step) idle(i int32) bool {
	n := s.get(i)
	return n.idle()
}

// room reports whether one more node may be asked for, of whatever category.
func (s *step) room() bool {
	return s.count.asked < MaxAsked && (s.head.MaxJobs <= 0 || s.count.active < s.head.MaxJobs)
}

// full reports whether a category has as many nodes with a job as it may.
func (s *step) full(category int32) bool {
	limit := s.ready[category].limit
	return limit > 0 && s.count.used[category] >= limit
}

// ask begins an attempt of a node.
func (s *step) ask(i int32) {
	n := s.get(i)
	n.Asked = true
	n.Attempt++
	n.Cluster, n.Left, n.Bad, n.Exit = 0, 0, 0, 0
	s.put(i, n)
	s.act(Submit{i, n.Attempt})
}
