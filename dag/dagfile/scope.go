package dagfile

import (
	"strings"

	"gridburst/dag"
)

// scope is a DAG file or a splice, with what it includes: names mean something within it.
type scope struct {
	outer    *scope // of a splice: the file that has it
	splice   bool
	name     string // of a splice, as its file's author calls it
	prefix   string // of the names of its nodes in the graph
	dir      string // relative to the DAG's: where its files' names begin
	src      *source
	order    []*scope // its splices
	splices  map[string]*scope
	pending  []reference // to submit descriptions or files
	allVars  map[string]bool
	scripts  [3]bool // kinds of scripts that all its nodes were given
	from, to int32   // its nodes and those of its splices
	own      int32   // up to where they are its own

	// Of a splice, once it has been read: what PARENT statements about it mean.
	first, last []int32
	pins        [2]map[int][]int32 // PIN_IN, PIN_OUT: nodes by number
}

// reference is what a node names as its job: a submit description, or else a file.
type reference struct {
	node int32
	name string
}

// ends finds the nodes of a splice that have nothing before or behind them in it.
func (r *reader) ends(s *scope) {
	if s.splice {
		s.first, s.last = r.builder.Ends(s.from, s.to)
	}
}

// nodes reads the name of a node, or ALL_NODES. all says that it was that. Of a name
// that a command defines that is wrong, enough has been said.
func (r *reader) nodes(l *line, c *command) (nodes []int32, all bool) {
	w, ok := r.need(l, c)
	if !ok {
		return nil, false
	}
	if strings.EqualFold(w.text, allNodes) {
		nodes = make([]int32, 0, r.scope.own-r.scope.from)
		for i := r.scope.from; i < r.scope.own; i++ {
			if k := r.builder.Node(i).Kind; k != dag.FinalNode && k != dag.ServiceNode {
				nodes = append(nodes, i)
			}
		}
		return nodes, true
	}
	if i, ok := r.node(l, w, c); ok {
		return []int32{i}, false
	}
	return nil, false
}

// nodesAnd reads what nodes reads, and the word behind it.
func (r *reader) nodesAnd(l *line, c *command) (nodes []int32, w word, ok bool) {
	if nodes, _ = r.nodes(l, c); nodes == nil {
		return nil, w, false
	}
	w, ok = r.need(l, c)
	return nodes, w, ok
}

const allNodes = "ALL_NODES"

// find is the node with a name in the scope.
func (r *reader) find(name string) (int32, bool) {
	if r.scope.prefix != "" {
		name = r.scope.prefix + name
	}
	return r.builder.Find(name)
}

// node is a node that a command names.
func (r *reader) node(l *line, w word, c *command) (int32, bool) {
	i, ok := r.find(w.text)
	if ok {
		return i, true
	}
	if r.scope.splices[w.text] != nil {
		r.fail(l, w, quote(w.text)+" is a splice", c.name+" is for nodes; say it of those in the splice's file.")
		return 0, false
	}
	if !r.aliens[r.scope.prefix+w.text] {
		r.unknown(l, w, "node", r.names())
	}
	return 0, false
}

// names is those of nodes and splices that the scope knows.
func (r *reader) names() []string {
	s := r.scope
	names := make([]string, 0, int(s.own-s.from)+len(s.order))
	for i := s.from; i < s.own; i++ {
		names = append(names, r.builder.Node(i).Name[len(s.prefix):])
	}
	for _, p := range s.order {
		names = append(names, p.name)
	}
	return names
}

// ordered refuses what is said of a node that is not part of the order of the others.
func (r *reader) ordered(l *line, c *command, nodes []int32) bool {
	for _, i := range nodes {
		n := r.builder.Node(i)
		if n.Kind == dag.FinalNode || n.Kind == dag.ServiceNode {
			r.fail(l, word{end: len(l.text)}, "a "+kindNames[n.Kind]+" node takes no "+c.name, n.Name+" is one.")
			return false
		}
	}
	return true
}

var kindNames = [...]string{"JOB", "FINAL", "PROVISIONER", "SERVICE"}
