package dag

import (
	"fmt"
	"time"

	"gridburst/internal/grid"
)

func (h ScriptEnded) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || !n.runs(h.Phase) || n.Attempt != h.Attempt || n.Try != h.Try {
		return err
	}
	g := &s.Graph.Nodes[h.Node]
	if script := g.Script(h.Phase); script.Defer != nil && h.Exit == int32(*script.Defer) && s.live(h.Node) {
		n.Script = ScriptDeferred
		n.Try++
		s.put(h.Node, n)
		s.act(s.deferral(h.Node, &n))
		return nil
	}
	name := "its PRE script"
	if h.Phase == grid.NodePost {
		name = "its POST script"
	}
	why := ""
	switch {
	case h.Exit == 0:
	case h.Reason != "":
		why = name + " " + h.Reason
	case h.Exit < 0:
		why = fmt.Sprintf("%s was killed by signal %d", name, -h.Exit)
	default:
		why = fmt.Sprintf("%s exited with code %d", name, h.Exit)
	}
	if h.Phase == grid.NodePost {
		s.ended(h.Node, h.Exit, why)
		return nil
	}
	s.preEnded(h.Node, h.Exit, why)
	return nil
}

// preEnded moves a node on from its PRE script.
func (s *step) preEnded(i int32, exit int32, why string) {
	n := s.get(i)
	g := &s.Graph.Nodes[i]
	n.Pre = exit
	n.Script = ScriptOver
	s.put(i, n)
	switch {
	case !s.live(i):
		if exit == 0 {
			exit, why = ExitRemoved, "its job is not submitted any more"
		}
		s.ended(i, exit, why)
	case g.Kind == JobNode && g.Abort != nil && exit == int32(g.Abort.Exit):
		s.ended(i, exit, why)
	case exit == 0 && g.Noop:
		s.jobEnded(i, "")
	case exit == 0: // its job waits
	case g.PreSkip != 0 && exit == int32(g.PreSkip):
		s.ended(i, 0, fmt.Sprintf("its PRE script exited with code %d, with which the rest is skipped", exit))
	case s.head.AlwaysPost && g.Post != nil:
		n.Bad, n.Exit = 1, ExitSkipped
		n.on(grid.NodeRunPost)
		n.Script, n.Try = ScriptWaits, 0
		s.say(i, why)
		s.put(i, n)
	default:
		s.ended(i, exit, why)
	}
}

// deferral is how long a script is put off, or a node's next attempt.
func (s *step) deferral(i int32, n *node) Wait {
	w := Wait{Node: i, Attempt: n.Attempt, Try: n.Try}
	if n.State == grid.NodeReady {
		first := time.Duration(s.Graph.Nodes[i].RetryWait) * time.Second
		w.For = min(first<<min(n.Attempt-1, 12), max(time.Hour, first))
	} else {
		w.For = time.Duration(s.Graph.Nodes[i].Script(n.State).DeferSeconds) * time.Second
	}
	return w
}

func (h Waited) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || n.Attempt != h.Attempt || n.Try != h.Try {
		return err
	}
	switch {
	case n.Script == ScriptDeferred && n.State == grid.NodeReady:
		n.Script = ScriptNone
		s.put(h.Node, n)
	case n.Script == ScriptDeferred:
		n.Script = ScriptWaits
		s.put(h.Node, n)
	case h.Node == s.first && s.head.Status == RunClosing && n.State == grid.NodeSubmitted:
		s.say(h.Node, "it had not given back what it brought up in time")
		s.remove(h.Node)
	case s.timed(h.Node, &n) && s.live(h.Node):
		s.hear(h.Node, h.Last)
		s.cut(h.Node, ProgressLate)
	}
	return nil
}

func (h ProcHeld) happen(s *step) error {
	n, err := s.node(h.Node)
	if err == nil && n.active() && (n.Cluster == 0 || n.Cluster == h.Cluster) && s.Graph.Nodes[h.Node].Hold != nil {
		s.act(RunHold{h.Node, n.Attempt})
	}
	return err
}
