package dag

import (
	"encoding/binary"
	"encoding/json"
	"reflect"
	"slices"

	"gridburst/internal/grid"
)

// packed begins a graph in the compact form:
//
//	"GRAPH1"  len(texts) texts  len(rest) rest  nodes edges vars  node ...
//
// Numbers are unsigned varints. The texts are all strings, each once, one after the other;
// a string elsewhere is a pair of offset and length in them. A node is
//
//	has  name file dir category submit  len(vars) (append name value) ...  len(children) (distance) ...  [len(rest) rest]
//
// where has says whether a rest follows. Rests are JSON of what has no place of its own,
// so that a field that is added later needs nothing here. Parents follow from children,
// each of which is told by its distance from the one before.
const packed = "GRAPH1"

// Pack is the compact form of g: of a hundred thousand nodes that share a submit file, a
// fifth of its JSON.
func (g *Graph) Pack() ([]byte, error) {
	p := packer{at: map[string][2]uint64{}}
	whole := *g
	whole.Nodes = nil
	rest, err := json.Marshal(&whole)
	if err != nil {
		return nil, err
	}
	for i := range g.Nodes {
		if err := p.node(&g.Nodes[i]); err != nil {
			return nil, err
		}
	}
	out := append([]byte(packed), binary.AppendUvarint(nil, uint64(len(p.texts)))...)
	out = append(out, p.texts...)
	out = binary.AppendUvarint(out, uint64(len(rest)))
	out = append(out, rest...)
	out = binary.AppendUvarint(out, uint64(len(g.Nodes)))
	edges, vars := 0, 0
	for i := range g.Nodes {
		edges += len(g.Nodes[i].Children)
		vars += len(g.Nodes[i].Vars)
	}
	out = binary.AppendUvarint(out, uint64(edges))
	out = binary.AppendUvarint(out, uint64(vars))
	return append(out, p.nodes...), nil
}

type packer struct {
	texts []byte
	at    map[string][2]uint64
	nodes []byte
}

func (p *packer) u(v uint64) { p.nodes = binary.AppendUvarint(p.nodes, v) }

func (p *packer) s(s string) {
	at, ok := p.at[s]
	if !ok {
		at = [2]uint64{uint64(len(p.texts)), uint64(len(s))}
		p.at[s] = at
		p.texts = append(p.texts, s...)
	}
	p.u(at[0])
	p.u(at[1])
}

func (p *packer) node(n *Node) error {
	rest := *n
	rest.Name, rest.File, rest.Dir, rest.Category, rest.Submit, rest.Vars, rest.Children, rest.Parents = "", "", "", "", "", nil, nil, nil
	var blob []byte
	if !rest.plain() {
		var err error
		if blob, err = json.Marshal(&rest); err != nil {
			return err
		}
	}
	p.u(uint64(min(len(blob), 1)))
	for _, s := range []string{n.Name, n.File, n.Dir, n.Category, n.Submit} {
		p.s(s)
	}
	p.u(uint64(len(n.Vars)))
	for _, v := range n.Vars {
		last := uint64(0)
		if v.Append {
			last = 1
		}
		p.u(last)
		p.s(v.Name)
		p.s(v.Value)
	}
	p.u(uint64(len(n.Children)))
	last := int32(0)
	for _, c := range n.Children {
		p.u(uint64(c - last))
		last = c
	}
	if blob != nil {
		p.u(uint64(len(blob)))
		p.nodes = append(p.nodes, blob...)
	}
	return nil
}

// plain reports whether n is nothing but what a node is by itself.
func (n *Node) plain() bool { return reflect.ValueOf(n).Elem().IsZero() }

// Unpack reads what Pack made, or a graph in JSON. The texts of its nodes are shared.
func Unpack(blob []byte) (*Graph, error) {
	g := new(Graph)
	if len(blob) < len(packed) || string(blob[:len(packed)]) != packed {
		if err := json.Unmarshal(blob, g); err != nil {
			return nil, grid.Errorf(grid.Invalid, "this is no workflow: %w", err)
		}
		return g, nil
	}
	u := unpacker{left: blob[len(packed):]}
	u.texts = string(u.bytes(u.count(1)))
	if err := json.Unmarshal(u.bytes(u.count(1)), g); err != nil && !u.bad {
		return nil, grid.Errorf(grid.Invalid, "a packed workflow: %w", err)
	}
	nodes, edges, vars := u.count(12), u.count(1), u.count(3)
	if u.bad {
		return nil, errPacked
	}
	g.Nodes = make([]Node, nodes)
	u.children, u.vars = make([]int32, 0, edges), make([]Var, 0, vars)
	for i := range g.Nodes {
		if err := u.node(&g.Nodes[i], nodes); err != nil {
			return nil, err
		}
	}
	if u.bad || len(u.left) > 0 {
		return nil, errPacked
	}
	g.parents(len(u.children))
	return g, nil
}

var errPacked = grid.Errorf(grid.Invalid, "a packed workflow is cut or changed")

type unpacker struct {
	left     []byte
	bad      bool
	texts    string
	children []int32
	vars     []Var
}

func (u *unpacker) u() uint64 {
	v, n := binary.Uvarint(u.left)
	if n <= 0 {
		u.bad = true
		return 0
	}
	u.left = u.left[n:]
	return v
}

// count is a number of things of at least so many bytes each, which must be there.
func (u *unpacker) count(size int) int {
	v := u.u()
	if v > uint64(len(u.left)/size) {
		u.bad = true
		return 0
	}
	return int(v)
}

func (u *unpacker) bytes(n int) []byte {
	b := u.left[:n]
	u.left = u.left[n:]
	return b
}

func (u *unpacker) s() string {
	at, n := u.u(), u.u()
	if at > uint64(len(u.texts)) || n > uint64(len(u.texts))-at {
		u.bad = true
		return ""
	}
	return u.texts[at : at+n]
}

func (u *unpacker) node(n *Node, nodes int) error {
	rest := u.u()
	texts := [5]string{}
	for k := range texts {
		texts[k] = u.s()
	}
	from := len(u.vars)
	for range u.count(5) {
		v := Var{Append: u.u() == 1}
		v.Name, v.Value = u.s(), u.s()
		u.vars = append(u.vars, v)
	}
	begin := len(u.children)
	last := uint64(0)
	for range u.count(1) {
		last += u.u()
		if last >= uint64(nodes) {
			u.bad = true
			return errPacked
		}
		u.children = append(u.children, int32(last))
	}
	if rest == 1 {
		if err := json.Unmarshal(u.bytes(u.count(1)), n); err != nil {
			return grid.Errorf(grid.Invalid, "a packed workflow: %w", err)
		}
	}
	if u.bad {
		return errPacked
	}
	n.Name, n.File, n.Dir, n.Category, n.Submit = texts[0], texts[1], texts[2], texts[3], texts[4]
	if k := len(u.vars); k > from {
		n.Vars = u.vars[from:k:k]
	}
	if k := len(u.children); k > begin {
		n.Children = u.children[begin:k:k]
	}
	return nil
}

// parents gives the nodes the parents that their children say they have, ascending.
func (g *Graph) parents(edges int) {
	parents := make([]int32, edges)
	degree := make([]int32, len(g.Nodes)+1)
	for i := range g.Nodes {
		for _, c := range g.Nodes[i].Children {
			degree[c+1]++
		}
	}
	for i := range g.Nodes {
		degree[i+1] += degree[i]
	}
	begin := slices.Clone(degree)
	for i := range g.Nodes {
		for _, c := range g.Nodes[i].Children {
			parents[degree[c]] = int32(i)
			degree[c]++
		}
	}
	for i := range g.Nodes {
		g.Nodes[i].Parents = nil
		if from, to := begin[i], begin[i+1]; to > from {
			g.Nodes[i].Parents = parents[from:to:to]
		}
	}
}
