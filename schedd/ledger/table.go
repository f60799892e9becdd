package ledger

import (
	"iter"
	"math/bits"
)

// table is a persistent array of T by a dense non-negative key: a radix tree with
// leaves of 32 values. A copy of a table is a snapshot; a set or del with an
// editor copies only what that editor has not copied yet. T must be free of
// pointers where there are many, so that the garbage collector skips the leaves.
//
// Many goroutines may read one table value; only the holder of an editor that made
// it may change it.
type table[T any] struct {
	root  *branch[T]
	depth int // levels of branches above the leaves; 0 with a nil root
	n     int
}

const (
	radixBits = 5
	radix     = 1 << radixBits
	radixMask = radix - 1
)

// editor owns the nodes that carry its address.
type editor struct{ _ byte }

type branch[T any] struct {
	ed     *editor
	kids   [radix]*branch[T] // all levels but the lowest
	leaves *[radix]*leaf[T]  // the lowest level
	n      int               // children in use
}

type leaf[T any] struct {
	ed   *editor
	mask uint32
	vals [radix]T
}

func (t *table[T]) len() int { return t.n }

// capacity is the first key that needs another level.
func (t *table[T]) capacity() uint64 {
	if t.root == nil {
		return 0
	}
	return 1 << (radixBits * (t.depth + 1))
}

func (t *table[T]) get(key uint32) (v T, ok bool) {
	if p := t.at(key); p != nil {
		return *p, true
	}
	return v, false
}

// at points into the snapshot: read only.
func (t *table[T]) at(key uint32) *T {
	if uint64(key) >= t.capacity() {
		return nil
	}
	b := t.root
	for level := t.depth; level > 1; level-- {
		if b = b.kids[key>>(radixBits*level)&radixMask]; b == nil {
			return nil
		}
	}
	l := b.leaves[key>>radixBits&radixMask]
	if l == nil || l.mask&(1<<(key&radixMask)) == 0 {
		return nil
	}
	return &l.vals[key&radixMask]
}

func (t *table[T]) set(ed *editor, key uint32, v T) {
	if t.root == nil {
		t.root, t.depth = newBranch[T](ed, true), 1
	}
	for uint64(key) >= t.capacity() {
		up := newBranch[T](ed, false)
		if t.root.n > 0 {
			up.kids[0], up.n = t.root, 1
		}
		t.root = up
		t.depth++
	}
	t.root = t.root.own(ed)
	b := t.root
	for level := t.depth; level > 1; level-- {
		i := key >> (radixBits * level) & radixMask
		kid := b.kids[i]
		if kid == nil {
			kid = newBranch[T](ed, level == 2)
			b.n++
		} else {
			kid = kid.own(ed)
		}
		b.kids[i] = kid
		b = kid
	}
	i := key >> radixBits & radixMask
	l := b.leaves[i]
	switch {
	case l == nil:
		l = &leaf[T]{ed: ed}
		b.leaves[i] = l
		b.n++
	case l.ed != ed:
		c := *l
		c.ed = ed
		l = &c
		b.leaves[i] = l
	}
	bit := uint32(1) << (key & radixMask)
	if l.mask&bit == 0 {
		l.mask |= bit
		t.n++
	}
	l.vals[key&radixMask] = v
}

func (t *table[T]) del(ed *editor, key uint32) {
	if t.at(key) == nil {
		return
	}
	t.n--
	if t.n == 0 {
		t.root, t.depth = nil, 0
		return
	}
	t.root = t.root.own(ed)
	t.root.del(ed, key, t.depth)
}

// del removes a key that is there from a branch that ed owns.
func (b *branch[T]) del(ed *editor, key uint32, level int) {
	i := key >> (radixBits * level) & radixMask
	if level > 1 {
		kid := b.kids[i].own(ed)
		kid.del(ed, key, level-1)
		if kid.n == 0 {
			kid = nil
			b.n--
		}
		b.kids[i] = kid
		return
	}
	l := b.leaves[i]
	bit := uint32(1) << (key & radixMask)
	if l.mask == bit {
		b.leaves[i] = nil
		b.n--
		return
	}
	if l.ed != ed {
		c := *l
		c.ed = ed
		l = &c
		b.leaves[i] = l
	}
	l.mask &^= bit
	var zero T
	l.vals[key&radixMask] = zero
}

func newBranch[T any](ed *editor, lowest bool) *branch[T] {
	b := &branch[T]{ed: ed}
	if lowest {
		b.leaves = new([radix]*leaf[T])
	}
	return b
}

func (b *branch[T]) own(ed *editor) *branch[T] {
	if b.ed == ed {
		return b
	}
	c := *b
	c.ed = ed
	if b.leaves != nil {
		leaves := *b.leaves
		c.leaves = &leaves
	}
	return &c
}

// from yields keys and values in order, beginning at key first. The pointers are
// into the snapshot: read only.
func (t *table[T]) from(first uint32) iter.Seq2[uint32, *T] {
	return func(yield func(uint32, *T) bool) {
		if t.root != nil {
			t.root.walk(0, first, t.depth, yield)
		}
	}
}

func (b *branch[T]) walk(base, first uint32, level int, yield func(uint32, *T) bool) bool {
	span := uint64(1) << (radixBits * level) // keys below one child
	for i := range uint32(radix) {
		low := base + i<<(radixBits*level)
		if uint64(low)+span <= uint64(first) {
			continue
		}
		if level > 1 {
			if kid := b.kids[i]; kid != nil && !kid.walk(low, first, level-1, yield) {
				return false
			}
			continue
		}
		l := b.leaves[i]
		if l == nil {
			continue
		}
		for m := l.mask; m != 0; m &= m - 1 {
			j := uint32(bits.TrailingZeros32(m))
			if low+j >= first && !yield(low+j, &l.vals[j]) {
				return false
			}
		}
	}
	return true
}
