package dag

import (
	"slices"

	"gridburst/internal/grid"
)

// Step is what h makes of r, and what is then to be done. It leaves r as it is. It
// takes time for the nodes that it touches and their children, not for all of them,
// but for [Remove] and [Resume].
//
// A happening that comes too late or again (of another attempt, of a node that has
// ended) changes nothing. One that cannot be is an error: of a node that there is not,
// or Begin of a run that has begun.
func Step(r *Run, h Happening) (Change, []Action, error) {
	s := &step{Run: r, head: r.Header, over: map[int32]node{}, count: r.tally}
	s.count.used = slices.Clone(r.tally.used)
	if err := h.happen(s); err != nil {
		return Change{}, nil, err
	}
	s.admit()
	for s.advance() {
		s.admit()
	}
	return s.change(), s.actions, nil
}

// step is a Run as it will be.
type step struct {
	*Run
	head    Header
	over    map[int32]node // nodes that differ
	touched []int32        // their indexes, in order of touch
	count   tally
	fresh   []int32 // nodes that came to wait for something
	asks    int32   // jobs asked for
	why     map[int32]string
	actions []Action
	heard   struct { // by the happening
		node int32
		last string
	}
}

func (s *step) get(i int32) node {
	if n, ok := s.over[i]; ok {
		return n
	}
	return s.nodes[i]
}

func (s *step) put(i int32, n node) {
	was := s.get(i)
	if _, again := s.over[i]; !again {
		s.touched = append(s.touched, i)
	}
	s.count.move(s.Run, i, &was.Record, &n.Record)
	if w := s.wants(i, &n.Record); w != wantNothing && w != s.wants(i, &was.Record) {
		s.fresh = append(s.fresh, i)
	}
	s.over[i] = n
}

func (s *step) act(a Action) { s.actions = append(s.actions, a) }

// node is a node that a happening names.
func (s *step) node(i int32) (node, error) {
	if i < 0 || int(i) >= s.Graph.Len() {
		return node{}, grid.Errorf(grid.NotFound, "the workflow %s has no node %d: it has %d", s.Graph.Name, i, s.Graph.Len())
	}
	return s.get(i), nil
}

// say explains what becomes of a node.
func (s *step) say(i int32, why string) {
	if why == "" {
		return
	}
	if s.why == nil {
		s.why = map[int32]string{}
	}
	s.why[i] = why
}

// change collects what must be kept. Nodes that only followed others need not be.
func (s *step) change() Change {
	c := Change{Header: s.head}
	for _, i := range s.touched {
		was, is := s.nodes[i].Record, s.over[i].Record
		if is != was && is.kept() {
			c.Nodes = append(c.Nodes, NodeChange{Node: i, Record: is, Why: s.why[i]})
		}
	}
	if len(c.Nodes) == 0 && s.head == s.Header {
		return Change{}
	}
	c.Header.Version++
	return c
}

func (Begin) happen(s *step) error {
	if s.head.Status != RunNew {
		return grid.Errorf(grid.Refused, "the run of %s has begun before: it is %s", s.Graph.Name, s.head.Status)
	}
	s.head.on(runBegin)
	s.lookBack()
	return nil
}

func (Look) happen(*step) error { return nil }

func (Resume) happen(s *step) error {
	for i := range int32(s.Graph.Len()) {
		n := s.get(i)
		switch {
		case n.Asked:
			s.save(i, &n)
			s.act(s.submission(i, &n))
		case n.State == grid.NodeSubmitted:
			switch {
			case s.doomed(i), n.Progress > ProgressReady, s.tooMany(i, &n) && !s.waits(i):
				s.remove(i)
			case i == s.first && s.head.Status == RunClosing:
				s.act(s.deadline())
			default:
				s.watch(i)
			}
		case n.Script == ScriptRuns && s.doomed(i):
			s.act(KillScript{i, n.Attempt, n.State, n.Try})
		case n.Script == ScriptRuns:
			s.act(RunScript{i, n.Attempt, n.State, n.Try})
		case n.Script == ScriptDeferred:
			s.act(s.deferral(i, &n))
		}
	}
	s.lookBack()
	if s.head.Status.Ended() {
		s.act(Finish{s.head.Status, s.head.Return})
	}
	return nil
}
