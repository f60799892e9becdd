package dag

import (
	"fmt"
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
	s.finish()
	return s.change(), s.actions, nil
}

// step is a Run as it will be.
type step struct {
	*Run
	head    Header
	over    map[int32]node // nodes that differ
	touched []int32        // their indexes, in order of touch
	count   tally
	fresh   []int32 // nodes that became ready
	why     map[int32]string
	actions []Action
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
	if n.idle() && !was.idle() {
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
	return nil
}

func (h Submitted) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || !n.Asked || n.Attempt != h.Attempt {
		return err
	}
	if h.Procs <= 0 {
		return SubmitFailed{h.Node, h.Attempt, "its submit file makes no jobs"}.happen(s)
	}
	n.Asked = false
	n.on(grid.NodeSubmit)
	n.Cluster = h.Cluster
	n.Left += h.Procs
	s.put(h.Node, n)
	if n.Left > 0 && (n.Bad > 0 || s.head.Status == RunStopping) {
		s.act(RemoveJobs{h.Node, n.Cluster})
	}
	s.judge(h.Node)
	return nil
}

func (h SubmitFailed) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || !n.Asked || n.Attempt != h.Attempt {
		return err
	}
	n.Asked = false
	n.Bad, n.Exit = 1, ExitSubmit
	s.put(h.Node, n)
	s.attemptEnded(h.Node, "its job could not be submitted: "+h.Reason)
	return nil
}

func (h ProcsLeft) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || !n.active() || n.Cluster != 0 && n.Cluster != h.Cluster || !h.At.After(n.Seen) || h.Procs <= 0 {
		return err
	}
	n.Seen = h.At
	n.Left -= h.Procs
	if h.Exit != 0 {
		if n.Bad == 0 {
			n.Exit = h.Exit
		}
		n.Bad += h.Procs
	}
	s.decide(h.Node, n)
	return nil
}

func (h Counted) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || n.State != grid.NodeSubmitted || n.Cluster != h.Cluster || !h.At.After(n.Seen) {
		return err
	}
	n.Seen = h.At
	n.Left = max(h.Left, 0)
	if n.Bad == 0 {
		n.Exit = h.Exit
	}
	n.Bad = max(h.Bad, n.Bad)
	s.decide(h.Node, n)
	return nil
}

// decide stores what is now known of a cluster. With its first failure the rest of it
// is removed.
func (s *step) decide(i int32, n node) {
	first := s.get(i).Bad == 0 && n.Bad > 0
	s.put(i, n)
	if first && n.Left > 0 && n.State == grid.NodeSubmitted {
		s.act(RemoveJobs{i, n.Cluster})
	}
	s.judge(i)
}

// judge ends a node's attempt if its job has left the queue.
func (s *step) judge(i int32) {
	n := s.get(i)
	if n.State != grid.NodeSubmitted || n.Left > 0 {
		return
	}
	n.Left = 0
	s.put(i, n)
	s.attemptEnded(i, "")
}

// attemptEnded moves a node on from an attempt whose end is known.
func (s *step) attemptEnded(i int32, why string) {
	n := s.get(i)
	g := &s.Graph.Nodes[i]
	exit := int32(0)
	if n.Bad > 0 {
		exit = n.Exit
	}
	running := s.head.Status == RunRunning
	aborts := running && g.Abort != nil && exit == int32(g.Abort.Exit)
	if why == "" {
		why = outcome(exit)
	}
	switch {
	case n.Bad == 0:
		n.on(grid.NodeSucceed)
	case running && !aborts && int(n.Attempt) <= g.Retries && (g.Unless == nil || exit != int32(*g.Unless)):
		n.on(grid.NodeRetry)
		why += fmt.Sprintf("; attempt %d of %d is next", n.Attempt+1, g.Retries+1)
	default:
		n.on(grid.NodeFail)
	}
	if aborts {
		why = fmt.Sprintf("exit code %d of this node ends the run", exit)
	}
	if why != "" {
		if s.why == nil {
			s.why = map[int32]string{}
		}
		s.why[i] = why
	}
	s.put(i, n)
	if n.State.Final() {
		follow(s, []int32{i})
	}
	if aborts {
		s.stop(endOf(g.Abort.Return), int32(g.Abort.Return))
	}
}

// outcome says how a job ended; nothing of one that succeeded.
func outcome(exit int32) string {
	switch {
	case exit == 0:
		return ""
	case exit == ExitRemoved:
		return "its job was removed"
	case exit < 0:
		return fmt.Sprintf("its job was killed by signal %d", -exit)
	}
	return fmt.Sprintf("its job exited with code %d", exit)
}

// endOf is how a run ends that was told its exit code.
func endOf(code int) RunStatus {
	if code == ReturnDone {
		return RunDone
	}
	return RunFailed
}

func (Remove) happen(s *step) error {
	switch {
	case s.head.Status.Ended():
		return grid.Errorf(grid.Refused, "the run of %s has ended: it is %s", s.Graph.Name, s.head.Status)
	case s.head.Status == RunStopping:
		s.removeAll()
	default:
		s.stop(RunRemoved, ReturnRemoved)
	}
	return nil
}

// stop begins nothing any more and removes what there is.
func (s *step) stop(end RunStatus, code int32) {
	s.head.on(runStop)
	s.head.End, s.head.Return = end, code
	s.removeAll()
}

func (s *step) removeAll() {
	for i := range int32(s.Graph.Len()) {
		if n := s.get(i); n.State == grid.NodeSubmitted {
			s.act(RemoveJobs{i, n.Cluster})
		}
	}
}

func (Resume) happen(s *step) error {
	for i := range int32(s.Graph.Len()) {
		switch n := s.get(i); {
		case n.Asked:
			s.act(Submit{i, n.Attempt})
		case n.State == grid.NodeSubmitted && (n.Bad > 0 || s.head.Status == RunStopping):
			s.act(RemoveJobs{i, n.Cluster})
		}
	}
	if s.head.Status.Ended() {
		s.act(Finish{s.head.Status, s.head.Return})
	}
	return nil
}

// finish ends the run when nothing runs and nothing can.
func (s *step) finish() {
	if s.count.active > 0 {
		return
	}
	switch {
	case s.head.Status == RunRunning && s.count.states[grid.NodeReady] > 0:
		return
	case s.head.Status == RunRunning && s.count.states[grid.NodeFailed] > 0:
		s.head.on(runFail)
		s.head.Return = ReturnFailed
	case s.head.Status == RunRunning:
		s.head.on(runSucceed)
	case s.head.Status == RunStopping:
		s.head.on(map[RunStatus]runVerb{RunDone: runSucceed, RunFailed: runFail, RunRemoved: runRemove}[s.head.End])
		s.head.End = RunNew
	default:
		return
	}
	s.act(Finish{s.head.Status, s.head.Return})
}
