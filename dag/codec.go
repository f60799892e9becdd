package dag

import (
	"encoding/binary"

	"gridburst/internal/grid"
)

// codecVersion is the first byte of an encoded graph.
//
//	version  name  max jobs  categories  count of nodes  joins
//	  each node: flags  name  file  job  dir  category  retries  priority
//	             [unless]  [abort exit, return]  vars  children
//
// Numbers are varints, signed ones zigzag. A text is its number in a table of the texts
// met so far, or the table's length and then the text. Children are differences.
const codecVersion = 1

const (
	flagNoop = 1 << iota
	flagJoin
	flagDone
	flagUnless
	flagAbort
)

// Encode writes g for [Decode], with nothing that follows from the rest.
func (g *Graph) Encode() []byte {
	e := encoder{b: []byte{codecVersion}, texts: map[string]uint64{}}
	e.text(g.Name)
	e.int(g.MaxJobs)
	e.uint(uint64(len(g.Categories)))
	for _, c := range g.Categories {
		e.text(c.Name)
		e.int(c.MaxJobs)
	}
	e.uint(uint64(len(g.Nodes)))
	e.uint(uint64(g.Joins))
	for i := range g.Nodes {
		e.node(&g.Nodes[i])
	}
	return e.b
}

type encoder struct {
	b     []byte
	texts map[string]uint64
}

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) int(n int)     { e.b = binary.AppendVarint(e.b, int64(n)) }

func (e *encoder) text(s string) {
	at, known := e.texts[s]
	if !known {
		at = uint64(len(e.texts))
		e.texts[s] = at
	}
	e.uint(at)
	if !known {
		e.uint(uint64(len(s)))
		e.b = append(e.b, s...)
	}
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

func (e *encoder) node(n *Node) {
	flags := flag(n.Noop, flagNoop) | flag(n.Join, flagJoin) | flag(n.Done, flagDone) | flag(n.Unless != nil, flagUnless) | flag(n.Abort != nil, flagAbort)
	e.b = append(e.b, flags)
	for _, s := range [...]string{n.Name, n.File, n.Job, n.Dir, n.Category} {
		e.text(s)
	}
	e.int(n.Retries)
	e.int(n.Priority)
	if n.Unless != nil {
		e.int(*n.Unless)
	}
	if n.Abort != nil {
		e.int(n.Abort.Exit)
		e.int(n.Abort.Return)
	}
	e.uint(uint64(len(n.Vars)))
	for _, v := range n.Vars {
		e.text(v.Name)
		e.text(v.Value)
		e.b = append(e.b, flag(v.Append, 1))
	}
	e.uint(uint64(len(n.Children)))
	last := int32(0)
	for _, c := range n.Children {
		e.uint(uint64(c - last))
		last = c
	}
}

// Decode reads what [Graph.Encode] wrote. What it did not write is [grid.Invalid].
func Decode(b []byte) (*Graph, error) {
	if len(b) == 0 || b[0] != codecVersion {
		return nil, grid.Errorf(grid.Invalid, "this is no workflow that this release can read")
	}
	d := decoder{b: b[1:]}
	g := &Graph{Name: d.text(), MaxJobs: d.int()}
	for range d.count() {
		g.Categories = append(g.Categories, Category{d.text(), d.int()})
	}
	n := d.count()
	g.Joins = d.count()
	d.bad = d.bad || g.Joins > n
	for range n {
		if d.bad {
			break
		}
		g.Nodes = append(g.Nodes, d.node(n))
	}
	if d.bad || len(d.b) > 0 {
		return nil, grid.Errorf(grid.Invalid, "the stored workflow is damaged")
	}
	for i := range g.Nodes {
		if join := i >= g.Len(); join != g.Nodes[i].Join {
			return nil, grid.Errorf(grid.Invalid, "the stored workflow has its joins in the wrong place")
		}
		for _, c := range g.Nodes[i].Children {
			g.Nodes[c].Parents = append(g.Nodes[c].Parents, int32(i))
		}
	}
	if c := g.cycle(); c != nil {
		return nil, grid.Errorf(grid.Invalid, "the stored workflow is damaged: %w", c)
	}
	return g, nil
}

type decoder struct {
	b     []byte
	texts []string
	bad   bool
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) int() int {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return int(n)
}

// count is a number of things to come, of a byte each at least.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) text() string {
	at := d.uint()
	if at < uint64(len(d.texts)) {
		return d.texts[at]
	}
	n := d.count()
	if d.bad || at > uint64(len(d.texts)) {
		d.bad = true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	d.texts = append(d.texts, s)
	return s
}

func (d *decoder) node(nodes int) Node {
	flags := d.byte()
	n := Node{
		Noop: flags&flagNoop != 0, Join: flags&flagJoin != 0, Done: flags&flagDone != 0,
		Name: d.text(), File: d.text(), Job: d.text(), Dir: d.text(), Category: d.text(), Retries: d.int(), Priority: d.int(),
	}
	if flags&flagUnless != 0 {
		n.Unless = new(d.int())
	}
	if flags&flagAbort != 0 {
		n.Abort = &Abort{d.int(), d.int()}
	}
	for range d.count() {
		n.Vars = append(n.Vars, Var{d.text(), d.text(), d.byte() == 1})
	}
	last := int32(0)
	for k := range d.count() {
		c := d.uint()
		if d.bad || c == 0 && k > 0 || c >= uint64(nodes)-uint64(last) {
			d.bad = true
			break
		}
		last += int32(c)
		n.Children = append(n.Children, last)
	}
	return n
}
