package dag

import "gridburst/internal/grid"

// refuseEnded refuses what is too late for the run.
func (s *step) refuseEnded() error {
	if s.head.Status.Ended() {
		return grid.Errorf(grid.Refused, "the run of %s has ended: it is %s", s.Graph.Name, s.head.Status)
	}
	return nil
}

func (h Throttle) happen(s *step) error {
	s.head.Limit(h.Limits)
	return s.refuseEnded()
}

func (h Hold) happen(s *step) error {
	s.head.Halt = h.Halt
	return s.refuseEnded()
}

// person is a node that somebody wants to do something to.
func (s *step) person(i int32) (node, error) {
	n, err := s.node(i)
	switch {
	case err != nil:
		return n, err
	case s.head.Status != RunRunning:
		return n, grid.Errorf(grid.Refused, "the run of %s is %s: nothing of it is begun any more", s.Graph.Name, s.head.Status)
	case !s.ordinary(i):
		return n, grid.Errorf(grid.Refused, "node %s is none of those that wait for others", s.Graph.Nodes[i].Name)
	}
	return n, nil
}

func (h Retry) happen(s *step) error {
	n, err := s.person(h.Node)
	if err != nil {
		return err
	}
	g := &s.Graph.Nodes[h.Node]
	if n.State != grid.NodeFailed {
		return grid.Errorf(grid.Refused, "node %s is %s: only one that has failed is tried again", g.Name, n.State)
	}
	for _, c := range g.Children {
		if s.Graph.Nodes[c].WeakOn(h.Node) {
			return grid.Errorf(grid.Refused, "node %s is not tried again: its end was enough for node %s, which has gone on", g.Name, s.Graph.Nodes[c].Name)
		}
	}
	n.on(grid.NodeRetry)
	s.say(h.Node, "somebody asked for another attempt")
	s.put(h.Node, n)
	moved(s, h.Node, grid.NodeFailed)
	if g.Past != "" {
		s.act(LookBack(h))
	}
	return nil
}

func (h Skip) happen(s *step) error {
	n, err := s.person(h.Node)
	if err != nil {
		return err
	}
	was := n.State
	if n.busy() || was == grid.NodeDone {
		return grid.Errorf(grid.Refused, "node %s is %s: only one whose job does not run can be skipped", s.Graph.Nodes[h.Node].Name, was)
	}
	for _, c := range s.Graph.Nodes[h.Node].Children {
		if was == grid.NodeFailed && s.Graph.Nodes[c].When != "" && s.Graph.Nodes[c].WeakOn(h.Node) {
			return grid.Errorf(grid.Refused, "node %s has failed, and node %s has gone by that", s.Graph.Nodes[h.Node].Name, s.Graph.Nodes[c].Name)
		}
	}
	n.on(grid.NodeSkip)
	n.Skipped, n.Exit = true, 0
	s.say(h.Node, "somebody said that it counts as done")
	s.put(h.Node, n)
	moved(s, h.Node, was)
	return nil
}

func (Remove) happen(s *step) error {
	if err := s.refuseEnded(); err != nil {
		return err
	}
	switch s.head.Status {
	case RunStopping:
		s.removeAll()
	case RunFinishing, RunClosing:
		// Once more: it does not even wait for what cleans up.
		s.head.End, s.head.Return, s.head.Condition, s.head.Hurry = RunRemoved, ReturnRemoved, ConditionRemoved, true
		s.removeAll()
	default:
		s.stop(RunRemoved, ReturnRemoved, ConditionRemoved)
	}
	return nil
}

// stop begins nothing any more and removes what there is.
func (s *step) stop(end RunStatus, code int32, c Condition) {
	s.head.on(runStop)
	s.head.End, s.head.Return, s.head.Condition = end, code, c
	s.removeAll()
}

// removeAll ends what goes on and is to go on no more.
func (s *step) removeAll() {
	for i := range int32(s.Graph.Len()) {
		if n := s.get(i); n.busy() && s.doomed(i) {
			s.dismiss(i)
		}
	}
}

// dismiss ends what goes on of node i.
func (s *step) dismiss(i int32) {
	switch n := s.get(i); {
	case n.State == grid.NodeSubmitted:
		s.remove(i)
	case n.Asked: // what becomes of that is told
	case n.Script == ScriptRuns:
		s.act(KillScript{i, n.Attempt, n.State, n.Try})
	case n.State == grid.NodePre, n.State == grid.NodePost:
		s.ended(i, ExitRemoved, "the run goes on no more")
	}
}

// remove removes the job of node i.
func (s *step) remove(i int32) {
	n := s.get(i)
	if s.Graph.Nodes[i].Subdag {
		s.act(RemoveRun{i, uint32(n.Cluster)})
	} else {
		s.act(RemoveJobs{i, n.Cluster})
	}
}
