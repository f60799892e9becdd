package dagfile

import (
	"fmt"
	"math"
	"slices"

	"gridburst/dag"
)

// pin reads PIN_IN node number and PIN_OUT node number: to where a CONNECT leads and from
// where.
func (r *reader) pin(l *line, c *command) {
	nodes, all := r.nodes(l, c)
	if nodes == nil {
		return
	}
	if all {
		r.fail(l, word{end: len(c.name)}, c.name+" names one node", "")
		return
	}
	if k := r.builder.Node(nodes[0]).Kind; k != dag.JobNode {
		r.fail(l, word{end: len(c.name)}, "a "+kindNames[k]+" node has no pins", "It has no parents and no children.")
		return
	}
	n, ok := r.number(l, c, 1, math.MaxInt32)
	if !ok || !r.nothing(l, c) {
		return
	}
	side := 0
	if c.name == "PIN_OUT" {
		side = 1
	}
	s := r.scope
	if s.pins[side] == nil {
		s.pins[side] = map[int][]int32{}
	}
	if slices.Contains(s.pins[side][n], nodes[0]) {
		r.warn(l, word{end: len(c.name)}, fmt.Sprintf("%s is pin %d already", r.builder.Node(nodes[0]).Name, n), "")
		return
	}
	s.pins[side][n] = append(s.pins[side][n], nodes[0])
}

// connect reads CONNECT splice splice: each PIN_OUT of the first comes before the PIN_IN
// of the second that has its number.
func (r *reader) connect(l *line, c *command) {
	var splices [2]*scope
	var at [2]word
	for k := range splices {
		w, ok := r.need(l, c)
		if !ok {
			return
		}
		if at[k], splices[k] = w, r.scope.splices[w.text]; splices[k] != nil {
			continue
		}
		if _, ok := r.find(w.text); ok {
			r.fail(l, w, quote(w.text)+" is a node", "CONNECT is for splices; nodes are ordered by PARENT and CHILD.")
			return
		}
		if !r.aliens[r.scope.prefix+w.text] {
			var names []string
			for _, s := range r.scope.order {
				names = append(names, s.name)
			}
			r.unknown(l, w, "splice", names)
		}
		return
	}
	if !r.nothing(l, c) {
		return
	}
	out, in := splices[0].pins[1], splices[1].pins[0]
	switch {
	case len(out) == 0:
		r.fail(l, at[0], "the splice "+quote(at[0].text)+" has no PIN_OUT", "CONNECT leads from a splice's PIN_OUTs to another's PIN_INs.")
		return
	case len(in) == 0:
		r.fail(l, at[1], "the splice "+quote(at[1].text)+" has no PIN_IN", "CONNECT leads from a splice's PIN_OUTs to another's PIN_INs.")
		return
	case len(out) != len(in):
		r.fail(l, word{end: len(c.name)}, fmt.Sprintf("%q has %d PIN_OUTs and %q %d PIN_INs", at[0].text, len(out), at[1].text, len(in)), "Each PIN_OUT leads to the PIN_IN of its number.")
		return
	}
	for k := range splices {
		for n := 1; n <= len(out); n++ {
			if pins := splices[k].pins[1-k]; len(pins[n]) == 0 {
				kind := []string{"PIN_OUT", "PIN_IN"}[k]
				r.fail(l, at[k], fmt.Sprintf("the splice %q has no %s %d", at[k].text, kind, n), "The numbers begin with 1, and none is left out.")
				return
			}
		}
	}
	var led []int32
	for n := 1; n <= len(out); n++ {
		r.builder.Order(out[n], in[n])
		led = append(led, in[n]...)
	}
	for _, i := range splices[1].first {
		if before, _ := r.builder.Bound(i); !before && !slices.Contains(led, i) {
			name := r.builder.Node(i).Name[len(splices[1].prefix):]
			r.fail(l, at[1], fmt.Sprintf("nothing leads to the node %q of the splice %q", name, at[1].text), "It has no parents: give it a PIN_IN.")
		}
	}
}
