package idle

import (
	"iter"
	"slices"

	"gridburst/internal/grid"
)

// runset is a set of jobs, kept as the fewest runs, in the order of their ids. Runs
// lie in blocks, so that a change in the midst of a long set moves little.
type runset struct {
	blocks [][]grid.Run
	n      int // jobs
}

const blockRuns = 256

// compare orders runs by where they begin.
func compare(a, b grid.Run) int {
	if a.Cluster != b.Cluster {
		return int(a.Cluster) - int(b.Cluster)
	}
	return int(a.Lo) - int(b.Lo)
}

// find is the block and place of the first run that ends after r begins.
func (s *runset) find(r grid.Run) (block, at int) {
	before := func(x grid.Run) bool { return x.Cluster < r.Cluster || x.Cluster == r.Cluster && x.Hi <= r.Lo }
	block, _ = slices.BinarySearchFunc(s.blocks, r, func(b []grid.Run, _ grid.Run) int {
		if before(b[len(b)-1]) {
			return -1
		}
		return 1
	})
	if block == len(s.blocks) {
		return block, 0
	}
	at, _ = slices.BinarySearchFunc(s.blocks[block], r, func(x, _ grid.Run) int {
		if before(x) {
			return -1
		}
		return 1
	})
	return block, at
}

// add puts the jobs of r in; those that are in stay.
func (s *runset) add(r grid.Run) {
	s.remove(r) // what is left of it touches r and does not overlap
	s.n += r.Len()
	block, at := s.find(grid.Run{Cluster: r.Cluster, Lo: r.Lo, Hi: r.Hi})
	if block == len(s.blocks) && block > 0 {
		block--
		at = len(s.blocks[block])
	}
	// Join with the neighbours.
	if at > 0 {
		if p := &s.blocks[block][at-1]; p.Cluster == r.Cluster && p.Hi == r.Lo {
			p.Hi = r.Hi
			s.join(block, at)
			return
		}
	} else if block > 0 {
		prev := s.blocks[block-1]
		if p := &prev[len(prev)-1]; p.Cluster == r.Cluster && p.Hi == r.Lo {
			p.Hi = r.Hi
			return
		}
	}
	if block < len(s.blocks) && at < len(s.blocks[block]) {
		if p := &s.blocks[block][at]; p.Cluster == r.Cluster && p.Lo == r.Hi {
			p.Lo = r.Lo
			return
		}
	}
	if len(s.blocks) == 0 {
		s.blocks = [][]grid.Run{{r}}
		return
	}
	b := slices.Insert(s.blocks[block], at, r)
	if len(b) <= blockRuns {
		s.blocks[block] = b
		return
	}
	half := len(b) / 2
	if block == len(s.blocks)-1 && at == len(b)-1 {
		half = len(b) - 1 // sets mostly grow at their end: leave full blocks behind
	}
	second := append(make([]grid.Run, 0, blockRuns+1), b[half:]...)
	s.blocks[block] = b[:half:half]
	s.blocks = slices.Insert(s.blocks, block+1, second)
}

// join merges the run at with the one before it, if they touch now.
func (s *runset) join(block, at int) {
	b := s.blocks[block]
	if at < len(b) && b[at].Cluster == b[at-1].Cluster && b[at].Lo == b[at-1].Hi {
		b[at-1].Hi = b[at].Hi
		s.blocks[block] = slices.Delete(b, at, at+1)
	}
}

// remove takes the jobs of r out and says how many were in.
func (s *runset) remove(r grid.Run) (removed int) {
	for {
		block, at := s.find(r)
		if block == len(s.blocks) {
			return removed
		}
		x := s.blocks[block][at]
		if x.Cluster != r.Cluster || x.Lo >= r.Hi {
			return removed
		}
		lo, hi := max(x.Lo, r.Lo), min(x.Hi, r.Hi)
		removed += int(hi - lo)
		s.n -= int(hi - lo)
		switch {
		case x.Lo < lo && hi < x.Hi: // a hole
			s.blocks[block][at].Hi = lo
			rest := grid.Run{Cluster: x.Cluster, Lo: hi, Hi: x.Hi}
			s.blocks[block] = slices.Insert(s.blocks[block], at+1, rest)
			return removed
		case x.Lo < lo:
			s.blocks[block][at].Hi = lo
		case hi < x.Hi:
			s.blocks[block][at].Lo = hi
			return removed
		default:
			if s.blocks[block] = slices.Delete(s.blocks[block], at, at+1); len(s.blocks[block]) == 0 {
				s.blocks = slices.Delete(s.blocks, block, block+1)
			}
		}
	}
}

// sift takes the runs out that are not to be kept and says how many jobs they had.
func (s *runset) sift(keep func(grid.Run) bool) (removed int) {
	blocks := s.blocks[:0]
	for _, b := range s.blocks {
		b = slices.DeleteFunc(b, func(r grid.Run) bool {
			if keep(r) {
				return false
			}
			removed += r.Len()
			return true
		})
		if len(b) > 0 {
			blocks = append(blocks, b)
		}
	}
	clear(s.blocks[len(blocks):])
	s.blocks = blocks
	s.n -= removed
	return removed
}

// runs yields the set in order.
func (s *runset) runs() iter.Seq[grid.Run] {
	return func(yield func(grid.Run) bool) {
		for _, b := range s.blocks {
			for _, r := range b {
				if !yield(r) {
					return
				}
			}
		}
	}
}
