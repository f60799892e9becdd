package ledger

import (
	"slices"
	"strconv"

	"gridburst/internal/grid"
)

// StagedAttr is what a report of an end says of outputs: which stream they are, until they
// are in place.
const StagedAttr = "StagedOutputs"

// holds reports whether a gang is one that can be placed.
func (t *txn) holds(p *Placement, epoch uint32) bool {
	g := p.Gang
	if len(g.Nodes) == 0 || len(g.Nodes) > grid.MaxNodes || g.Nodes[0].Worker != p.At || epoch > grid.MaxNodeEpoch {
		return false
	}
	return !slices.ContainsFunc(g.Nodes, func(n GangNode) bool { return t.v.workers.at(n.Worker) == nil })
}

// member is a report on one node of a job of several, being applied.
type member struct {
	attempt
	g    *Gang
	i    int
	node *GangNode
}

// reportNode applies what became of one node. The attempt is over when the last node is: by
// what happened to the first that failed, or by the job's own end, which a Taken closes when
// nothing of any node is left. It gives false when the node is none of the job's current
// attempt, or was over before.
func (t *txn) reportNode(r *AttemptReport, s *Stretch, cl *Cluster) bool {
	g, ok := t.gang(r.Job)
	epoch, i := grid.SplitEpoch(r.Epoch)
	if !ok || !s.Job.Attempt() || epoch != s.Job.Epoch || i >= len(g.Nodes) {
		return false
	}
	own := *r
	own.Epoch = epoch
	m := member{attempt: attempt{t: t, s: s, cl: cl, r: &own, was: s.Job.Status, attrs: s.attrs}, g: g.clone(), i: i}
	m.node = &m.g.Nodes[i]
	if r.Kind == Taken {
		return m.taken()
	}
	if m.node.State == GangOver {
		return false
	}
	switch r.Kind {
	case Started:
		if m.node.State != GangWaits {
			return true // told before
		}
		m.begins()
	case Ended:
		if m.node.State == GangExits {
			return true // told before
		}
		m.exits()
	case Delivered:
		if m.node.State != GangExits {
			return false
		}
		m.over()
		if r.Verdict == Park {
			m.fail(Over{Kind: Park, Code: int32(r.HoldCode), Sub: r.HoldSub, Reason: r.Reason})
		}
	case Failed:
		m.use()
		m.over()
		if m.needed() {
			m.fail(Over{Kind: Park, Code: int32(r.HoldCode), Sub: r.HoldSub, Reason: r.Reason})
		}
	case Stopped, Vanished:
		if m.node.State == GangExits {
			return true // what it left is here: its worker is not needed for it
		}
		m.loses()
	default:
		return false
	}
	m.settle()
	return true
}

// begins notes that a node runs; with the last one, the job does.
func (m *member) begins() {
	m.node.State = GangRuns
	if !m.g.Wants(&m.s.Job) {
		return // it is about to be ended
	}
	m.tell(Event{Type: NodeStarted, Text: m.r.Where})
	m.together()
}

// together begins the job when no node waits any more.
func (m *member) together() {
	if m.s.Job.Status == grid.Idle && !slices.ContainsFunc(m.g.Nodes, func(n GangNode) bool { return n.State == GangWaits }) {
		m.r.Where = GangHost
		m.start()
	}
}

// GangHost is where a job of several nodes runs, as HTCondor says it.
const GangHost = "MPI_job"

// exits notes that a node has exited by itself, and with node 0, or with the last where
// that is the job's policy, that the job has.
func (m *member) exits() {
	j := &m.s.Job
	counts := m.g.Over.Kind == TakeOver && j.Status != grid.Held && j.Status != grid.Removed
	m.use()
	m.node.Exited = true
	m.node.Exit.Code, m.node.Exit.Signal = m.r.Exit.Code, m.r.Exit.Signal
	if !counts {
		m.over()
		return
	}
	exit := m.node.Exit
	m.tell(Event{Type: NodeEnded, Exit: &exit})
	if m.r.Verdict == TakeOver {
		m.node.State, m.node.Staged = GangExits, unquote(find(m.r.Attrs, StagedAttr))
	} else {
		m.over()
	}
	if m.t.v.rules >= 5 {
		m.together() // of this one no start may have been heard
	}
	last := !slices.ContainsFunc(m.g.Nodes, func(n GangNode) bool { return !n.Exited })
	if j.Status == grid.TransferringOutput || !last && (m.i != 0 || m.g.WaitAll) {
		return
	}
	if j.Status == grid.Idle {
		m.r.Where = GangHost
		m.start()
	}
	m.r.Exit = m.g.Nodes[0].Exit
	m.exit()
}

// loses notes that a node ended without a result. While the job needs it, that is the end of
// the attempt.
func (m *member) loses() {
	m.use()
	m.over()
	if !m.needed() {
		return
	}
	code, sub, why, known := m.ordered()
	if !known {
		code, why = m.r.Vacate, m.r.Reason
		if len(m.g.Nodes) > 1 {
			why = "node " + strconv.Itoa(m.i) + ": " + why
		}
	}
	m.fail(Over{Kind: Again, Code: int32(code), Sub: sub, Reason: why})
}

// needed reports whether the job comes to nothing without the node.
func (m *member) needed() bool {
	switch m.s.Job.Status {
	case grid.TransferringOutput, grid.Held, grid.Removed:
		return false
	}
	return true
}

// fail notes why the attempt comes to nothing; the first reason counts.
func (m *member) fail(o Over) {
	if m.g.Over.Kind == TakeOver {
		m.g.Over = o
	}
}

// use notes what a node has used.
func (m *member) use() {
	x, given := m.r.Exit, &m.node.Exit
	x.Code, x.Signal = given.Code, given.Signal
	x.Cpus, x.MemoryMB, x.DiskKB = given.Cpus, given.MemoryMB, given.DiskKB
	m.node.Exit = x
}

// over notes that nothing of the node is left.
func (m *member) over() {
	m.node.State, m.node.Staged = GangOver, ""
	m.tell(Event{Type: NodeOver, Code: int32(m.r.Kind), Text: m.r.Reason})
}

func (m *member) tell(e Event) {
	e.Node = int32(m.i)
	m.emit(e)
}

// settle keeps what has changed, or, when nothing of any node is left and the job has not
// ended by itself, ends the attempt.
func (m *member) settle() {
	j := &m.s.Job
	switch {
	case !m.g.Done(), m.g.Over.Kind == TakeOver && j.Status != grid.Held && j.Status != grid.Removed:
		m.t.putGangNode(m.r.Job, m.g, m.i)
		m.t.putGang(m.r.Job, m.g)
	case j.Status == grid.Held || j.Status == grid.Removed:
		m.r.Exit = m.g.Total()
		m.close()
		m.left = j.Status == grid.Removed
		m.emit(Event{Type: JobUnplaced, Code: int32(m.r.Kind), Text: m.r.Reason})
	case m.g.Over.Kind == Park:
		m.r.Exit = m.g.Total()
		m.r.HoldCode, m.r.HoldSub, m.r.Reason = grid.HoldCode(m.g.Over.Code), m.g.Over.Sub, m.g.Over.Reason
		m.end(grid.Hold)
		m.park()
	default:
		m.r.Exit = m.g.Total()
		m.end(grid.Requeue)
		m.again(grid.VacateCode(m.g.Over.Code), m.g.Over.Sub, m.g.Over.Reason)
	}
	m.store()
}

// taken closes the attempt of a job that has ended by itself, also when it was held or
// removed just then.
func (m *member) taken() bool {
	if m.i != 0 || !m.g.Done() {
		return false
	}
	switch m.s.Job.Status {
	case grid.TransferringOutput:
		if len(m.r.Attrs) > 0 {
			m.attrs = merge(m.attrs, m.r.Attrs...)
		}
		m.finish()
		m.store()
	case grid.Held, grid.Removed:
		m.settle()
	default:
		return false
	}
	return true
}
