package dag

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// services is how many of the nodes are services.
func (g *Graph) services() (n int) {
	for i := range g.Nodes {
		if g.Nodes[i].Kind == ServiceNode {
			n++
		}
	}
	return n
}

// unserved reports whether nodes that wait for service i go on waiting, as rec says: until
// its job has said that it is ready, or, of a service that says nothing, until it has been
// submitted for the first time.
func (r *Run) unserved(i int32, rec *Record) bool {
	if r.Graph.Nodes[i].ReadyWithin > 0 {
		return rec.Progress != ProgressReady
	}
	return rec.Attempt == 0 && !rec.State.Final() || rec.Attempt == 1 && (rec.Asked || rec.State == grid.NodePre)
}

// lost reports whether a service has failed by itself.
func (r *Record) lost() bool { return r.State == grid.NodeFailed && r.Exit != ExitRemoved }

// Serves reports whether node i is a service that nobody waits for.
func (r *Run) Serves(i int32) bool {
	return r.Graph.Nodes[i].Kind == ServiceNode && !r.unserved(i, &r.nodes[i].Record)
}

// Awaits are the services that service i waits for, as they stand.
func (r *Run) Awaits(i int32) []int32 {
	return slices.DeleteFunc(slices.Clone(r.Graph.Nodes[i].Parents), func(p int32) bool { return r.Serves(p) })
}

// served reports whether all services that service i waits for are there.
func (s *step) served(i int32) bool {
	return !slices.ContainsFunc(s.Graph.Nodes[i].Parents, func(p int32) bool {
		n := s.get(p)
		return s.unserved(p, &n.Record)
	})
}

// within is how long an attempt's job may take: a service to say that it is ready, any other
// node to end; 0: as long as it takes.
func (n *Node) within() time.Duration {
	return time.Duration(max(n.ReadyWithin, n.Timeout)) * time.Second
}

// timed reports whether the time of an attempt's job of node i runs.
func (s *step) timed(i int32, n *node) bool {
	return s.Graph.Nodes[i].within() > 0 && n.State == grid.NodeSubmitted && n.Progress == ProgressNone
}

// watch asks to be told when the time of an attempt's job of node i is over, if it has one.
func (s *step) watch(i int32) {
	if n := s.get(i); s.timed(i, &n) {
		s.act(Wait{Node: i, Attempt: n.Attempt, Try: n.Try, For: s.Graph.Nodes[i].within(), Submitted: true})
	}
}

func (h Serving) happen(s *step) error {
	n, err := s.node(h.Node)
	if err != nil || s.Graph.Nodes[h.Node].ReadyWithin == 0 || n.State != grid.NodeSubmitted || n.Cluster != h.Cluster || n.Progress > ProgressReady {
		return err
	}
	if h.Lost {
		s.cut(h.Node, ProgressLost)
		return nil
	}
	if n.Progress == ProgressNone {
		n.Progress = ProgressReady
		s.say(h.Node, "it is ready")
		s.put(h.Node, n)
	}
	return nil
}

// cut removes an attempt's job that is of no use any more.
func (s *step) cut(i int32, to Progress) {
	n := s.get(i)
	n.Progress = to
	s.say(i, s.cutBy(i, &n))
	s.put(i, n)
	s.remove(i)
}

// cutBy says why the run removed an attempt's job; empty: it did not.
func (s *step) cutBy(i int32, n *node) string {
	switch within := s.Graph.Nodes[i].within(); {
	case n.Progress == ProgressLate && s.Graph.Nodes[i].Kind == ServiceNode:
		why := fmt.Sprintf("it did not say within %v that it is ready", within)
		if i == s.heard.node && s.heard.last != "" {
			why += " (" + s.heard.last + ")"
		}
		return why
	case n.Progress == ProgressLate:
		return fmt.Sprintf("it was not done within %v", within)
	case n.Progress == ProgressLost:
		return "its execution was cut off"
	}
	return ""
}

// hear takes in for what a service waits, or did until its end, to explain what becomes of it.
func (s *step) hear(i int32, last string) { s.heard.node, s.heard.last = i, last }

// serviceEnded goes on behind an attempt of a service. Without one that says when it is
// ready, the nodes would wait for ever; one that is removed lets go of those before it.
func (s *step) serviceEnded(i int32, why string) {
	n := s.get(i)
	g := &s.Graph.Nodes[i]
	switch {
	case s.head.Status == RunClosing:
		for _, p := range g.Parents {
			if s.busy(p) && s.doomed(p) {
				s.dismiss(p)
			}
		}
	case s.head.Status == RunRunning && n.State.Final() && g.ReadyWithin > 0 && n.Progress != ProgressReady:
		if why == "" {
			why = "it has ended"
		}
		s.say(i, why+", and the run ends without it")
		s.stop(RunFailed, ReturnFailed, ConditionError)
	}
}

// addressBegins begins what stands for a service's address in the values of a node's
// [Var]s; the node's number and a closing parenthesis follow.
const addressBegins = "$(SERVICE_ADDRESS "

// AddressOf is what stands for the address of service i in a node's [Var]s, until the node
// is submitted: see [Addressed].
func AddressOf(i int32) string { return addressBegins + strconv.Itoa(int(i)) + ")" }

// Addressed is vars with the addresses that of knows of services put in.
func Addressed(vars []Var, of func(service int32) (string, error)) ([]Var, error) {
	vars = slices.Clone(vars)
	for k := range vars {
		var b strings.Builder
		for rest := vars[k].Value; ; {
			before, after, more := strings.Cut(rest, addressBegins)
			number, behind, closed := strings.Cut(after, ")")
			i, err := strconv.ParseInt(number, 10, 32)
			b.WriteString(before)
			if !more {
				break
			}
			if rest = behind; !closed || err != nil {
				return nil, grid.Errorf(grid.Invalid, "the value of %s names no service: %s", vars[k].Name, grid.Printable(vars[k].Value))
			}
			address, err := of(int32(i))
			if err != nil {
				return nil, err
			}
			b.WriteString(address)
		}
		vars[k].Value = b.String()
	}
	return vars, nil
}

// AnyAddress is vars as [Addressed] makes them, where an address is as good as another: nobody
// goes there.
func AnyAddress(vars []Var) ([]Var, error) {
	return Addressed(vars, func(int32) (string, error) { return "host:1", nil })
}
