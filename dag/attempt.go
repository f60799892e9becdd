package dag

import (
	"cmp"
	"fmt"
	"slices"

	"gridburst/internal/grid"
)

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
	n.Script = ScriptNone
	n.Cluster, n.Procs = h.Cluster, h.Procs
	n.Left += h.Procs
	s.put(h.Node, n)
	g := &s.Graph.Nodes[h.Node]
	alone := h.Procs > 1 && (h.Node == s.first || g.ReadyWithin > 0)
	if alone {
		s.say(h.Node, "a "+g.KindWord()+" is one job, and its submit file makes more: they are removed")
	}
	switch {
	case n.Left <= 0:
	case alone || s.doomed(h.Node) || s.tooMany(h.Node, &n) && !s.waits(h.Node):
		s.remove(h.Node)
	default:
		s.watch(h.Node)
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
	n.Procs, n.Left, n.Bad, n.Exit = 0, 0, 1, ExitSubmit
	s.put(h.Node, n)
	s.jobEnded(h.Node, "its job could not be submitted: "+h.Reason)
	return nil
}

func (h ProcsLeft) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || !n.active() || n.Cluster != 0 && n.Cluster != h.Cluster || !h.At.After(n.Seen) || h.Procs <= 0 || s.Graph.Nodes[h.Node].Subdag {
		return err
	}
	s.hear(h.Node, h.Last)
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
	if err != nil || n.State != grid.NodeSubmitted || n.Cluster != h.Cluster || !h.At.After(n.Seen) || s.Graph.Nodes[h.Node].Subdag {
		return err
	}
	s.hear(h.Node, h.Last)
	n.Seen = h.At
	n.Left = max(h.Left, 0)
	if n.Bad == 0 {
		n.Exit = h.Exit
	}
	n.Bad = max(h.Bad, n.Bad)
	s.decide(h.Node, n)
	return nil
}

func (h RunStarted) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || !n.Asked || n.Attempt != h.Attempt || !s.Graph.Nodes[h.Node].Subdag {
		return err
	}
	n.Asked = false
	n.on(grid.NodeSubmit)
	n.Script = ScriptNone
	n.Cluster, n.Procs, n.Left = int32(h.Run), 1, 1
	s.put(h.Node, n)
	if s.doomed(h.Node) {
		s.remove(h.Node)
	} else {
		s.watch(h.Node)
	}
	return nil
}

func (h RunEnded) happen(s *step) error {
	if err := (RunStarted{h.Node, h.Attempt, h.Run}).happen(s); err != nil {
		return err
	}
	n := s.get(h.Node)
	if n.State != grid.NodeSubmitted || n.Attempt != h.Attempt || n.Cluster != int32(h.Run) || !s.Graph.Nodes[h.Node].Subdag {
		return nil
	}
	n.Left, n.Exit = 0, h.Exit
	if h.Exit != 0 {
		n.Bad = 1
	}
	s.put(h.Node, n)
	s.judge(h.Node)
	return nil
}

// tooMany reports whether more procs of node i have failed than may.
func (s *step) tooMany(i int32, n *node) bool {
	t := s.Graph.Nodes[i].Tolerance
	switch {
	case t == nil:
		return n.Bad > 0
	case n.Procs == 0 && n.State != grid.NodeSubmitted:
		return n.Bad > 0 && n.Exit == ExitSubmit // else it is not known of how many
	case t.Percent:
		return int64(n.Bad)*100 > int64(t.Procs)*int64(n.Procs)
	}
	return int(n.Bad) > t.Procs
}

// waits reports whether the other procs of node i go on when it has failed.
func (s *step) waits(i int32) bool {
	t := s.Graph.Nodes[i].Tolerance
	return t != nil && t.Wait
}

// decide stores what is now known of a cluster. With one failure too many the rest of it
// is removed.
func (s *step) decide(i int32, n node) {
	was := s.get(i)
	s.put(i, n)
	if n.Left > 0 && n.State == grid.NodeSubmitted && s.tooMany(i, &n) && !s.tooMany(i, &was) && !s.waits(i) {
		s.remove(i)
	}
	s.judge(i)
}

// judge ends a node's job if it has left the queue.
func (s *step) judge(i int32) {
	n := s.get(i)
	if n.State != grid.NodeSubmitted || n.Left > 0 {
		return
	}
	n.Left = 0
	s.put(i, n)
	s.jobEnded(i, "")
}

// jobEnded moves a node on from its job, whose end is known: to its POST script, if it
// has one.
func (s *step) jobEnded(i int32, why string) {
	n := s.get(i)
	exit := int32(0)
	if s.tooMany(i, &n) {
		exit = n.Exit
	}
	if why == "" {
		if why = outcome(exit); exit != 0 {
			why = cmp.Or(s.cutBy(i, &n), why)
		}
	}
	n.Exit = exit
	if s.Graph.Nodes[i].Post == nil {
		s.put(i, n)
		s.ended(i, exit, why)
		return
	}
	if !s.live(i) {
		s.put(i, n)
		if exit == 0 {
			exit, why = ExitRemoved, "its POST script is not run any more"
		}
		s.ended(i, exit, why)
		return
	}
	s.say(i, why)
	n.on(grid.NodeRunPost)
	n.Script, n.Try = ScriptWaits, 0
	s.put(i, n)
}

// ended moves a node on from an attempt. The exit is that of its last part.
func (s *step) ended(i int32, exit int32, why string) {
	n := s.get(i)
	g := &s.Graph.Nodes[i]
	live := s.live(i) && g.Kind != ProvisionerNode
	aborts := live && g.Kind == JobNode && g.Abort != nil && exit == int32(g.Abort.Exit)
	switch {
	case exit == 0 && !(live && g.Always), slices.Contains(g.DoneExit, exit):
		n.on(grid.NodeSucceed)
	case live && !aborts && int(n.Attempt) <= g.Retries && (g.Unless == nil || exit != int32(*g.Unless)):
		n.on(grid.NodeRetry)
		why = fmt.Sprintf("%s; attempt %d of %d is next", cmp.Or(why, "it has ended"), n.Attempt+1, g.Retries+1)
	default:
		n.on(grid.NodeFail)
	}
	if aborts {
		why = fmt.Sprintf("exit code %d of this node ends the run", exit)
	}
	n.Script, n.Exit = ScriptNone, exit
	if n.State != grid.NodeDone {
		n.Progress = ProgressNone
	}
	if n.State == grid.NodeReady && g.RetryWait > 0 {
		n.Script = ScriptDeferred
		n.Try++
		wait := s.deferral(i, &n)
		why += fmt.Sprintf(", after %v", wait.For)
		s.act(wait)
	}
	s.say(i, why)
	s.put(i, n)
	if n.State.Final() {
		follow(s, []int32{i})
	}
	switch {
	case aborts:
		s.stop(endOf(g.Abort.Return), int32(g.Abort.Return), ConditionAborted)
	case i == s.first && s.head.Status == RunRunning && s.head.Supply < SupplyComplete:
		s.say(i, "it ended before it said that all is there, which ends the run")
		s.stop(RunFailed, ReturnFailed, ConditionError)
	case g.Kind == ServiceNode:
		s.serviceEnded(i, why)
	}
}

// outcome says how a job ended; nothing of one that succeeded.
func outcome(exit int32) string {
	switch {
	case exit == 0:
		return ""
	case exit == ExitRemoved:
		return "its job was removed"
	case exit == ExitSubmit:
		return "its job could not be submitted"
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
