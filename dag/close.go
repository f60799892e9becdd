package dag

import (
	"slices"
	"time"

	"gridburst/internal/grid"
)

// ProvisionerDeadline is how long a provisioner may take to give back what it brought
// up, when all else of its run has ended. Then its job is removed.
const ProvisionerDeadline = 10 * time.Minute

// live reports whether node i may begin something.
func (s *step) live(i int32) bool {
	if i == s.final {
		return s.head.Status == RunFinishing && !s.head.Hurry
	}
	return s.head.Status == RunRunning
}

// doomed reports whether what goes on of node i is to end.
func (s *step) doomed(i int32) bool {
	switch s.Graph.Nodes[i].Kind {
	case FinalNode:
		return s.head.Hurry
	case ServiceNode:
		return s.head.Status == RunClosing && (s.head.Hurry || !slices.ContainsFunc(s.Graph.Nodes[i].Children, s.busy))
	case ProvisionerNode:
		return s.head.Status == RunClosing &&
			(s.head.End == RunRemoved || s.head.Supply < SupplyComplete || s.head.Supply >= SupplyReleased)
	}
	return s.head.Status == RunStopping
}

func (h Supplied) happen(s *step) error {
	if s.first < 0 || h.State <= s.head.Supply || s.head.Status.Ended() {
		return nil
	}
	s.head.Supply = h.State
	if s.doomed(s.first) {
		s.dismiss(s.first)
	}
	return nil
}

func (s *step) deadline() Wait {
	n := s.get(s.first)
	return Wait{Node: s.first, Attempt: n.Attempt, Try: n.Try, For: ProvisionerDeadline}
}

// advance brings the run nearer to its end, when nothing runs and nothing can.
func (s *step) advance() bool {
	h := &s.head
	switch h.Status {
	case RunRunning:
		if s.count.busy > 0 {
			return false
		}
		h.End, h.Return = RunDone, ReturnDone
		switch {
		case s.count.states[grid.NodeReady] > 0 && h.Halt != Halted:
			h.End, h.Return = s.Header.End, s.Header.Return
			return false
		case s.count.states[grid.NodeReady] > 0:
			h.End, h.Return, h.Condition = RunFailed, ReturnFailed, ConditionHalted
		case s.count.states[grid.NodeFailed] > 0:
			h.End, h.Return, h.Condition = RunFailed, ReturnFailed, ConditionFailed
		}
		s.finale()
	case RunStopping:
		if s.count.busy > 0 {
			return false
		}
		s.finale()
	case RunFinishing:
		n := s.get(s.final)
		if !n.State.Final() {
			return false
		}
		// Its result is the run's; one that was removed stays so.
		h.Return = ReturnFailed
		if n.State == grid.NodeDone {
			h.Return = ReturnDone
		} else if h.Condition == ConditionOK {
			h.Condition = ConditionFailed
		}
		if h.End != RunRemoved {
			h.End = endOf(int(h.Return))
		}
		if h.Hurry {
			h.Return = ReturnRemoved
		}
		s.close()
	case RunClosing:
		if s.count.services > 0 || s.first >= 0 && s.busy(s.first) {
			return false
		}
		h.on(map[RunStatus]runVerb{RunDone: runSucceed, RunFailed: runFail, RunRemoved: runRemove}[h.End])
		h.End = RunNew
		s.act(Finish{h.Status, h.Return})
	default:
		return false
	}
	return true
}

func (s *step) busy(i int32) bool {
	n := s.get(i)
	return n.busy()
}

// finale goes on to the FINAL node, if there is one.
func (s *step) finale() {
	if s.final < 0 || s.get(s.final).State.Final() {
		s.close()
		return
	}
	s.head.on(runFinal)
	s.releaseFinal(s)
}

// close ends what ran beside the nodes.
func (s *step) close() {
	s.head.on(runClose)
	s.removeAll()
	if s.first >= 0 && s.busy(s.first) && !s.doomed(s.first) {
		s.act(s.deadline())
	}
}
