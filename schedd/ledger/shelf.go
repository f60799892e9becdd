package ledger

import "iter"

// shelves are records by two numbers: those of a run's nodes, of a cluster's routings.
// The zero value is empty. Like a [table], a copy is a snapshot.
type shelves[T any] struct{ by table[*shelf[T]] }

type shelf[T any] struct {
	ed   *editor
	recs table[T]
}

func (s *shelf[T]) own(ed *editor) *shelf[T] {
	if s == nil {
		return &shelf[T]{ed: ed}
	}
	if s.ed == ed {
		return s
	}
	c := *s
	c.ed = ed
	return &c
}

func (s *shelves[T]) get(outer, inner uint32) (v T, ok bool) {
	in, _ := s.by.get(outer)
	if in == nil {
		return v, false
	}
	return in.recs.get(inner)
}

func (s *shelves[T]) set(ed *editor, outer, inner uint32, v T) {
	in, _ := s.by.get(outer)
	in = in.own(ed)
	in.recs.set(ed, inner, v)
	s.by.set(ed, outer, in)
}

// del takes away one record, and the shelf when it was the last.
func (s *shelves[T]) del(ed *editor, outer, inner uint32) {
	in, _ := s.by.get(outer)
	in = in.own(ed)
	in.recs.del(ed, inner)
	if in.recs.len() == 0 {
		s.by.del(ed, outer)
		return
	}
	s.by.set(ed, outer, in)
}

// clear takes away all records of outer.
func (s *shelves[T]) clear(ed *editor, outer uint32) { s.by.del(ed, outer) }

// all yields the records by ascending numbers, which the array holds. The pointers are
// into the snapshot: read only.
func (s *shelves[T]) all() iter.Seq2[[2]uint32, *T] {
	return func(yield func([2]uint32, *T) bool) {
		for outer, in := range s.by.from(0) {
			for inner, v := range (*in).recs.from(0) {
				if !yield([2]uint32{outer, inner}, v) {
					return
				}
			}
		}
	}
}
