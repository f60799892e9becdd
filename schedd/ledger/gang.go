package ledger

import (
	"iter"
	"slices"

	"gridburst/internal/grid"
)

// Gang is the placement of a job of several nodes: one placement with a slot for each. It is
// there from the moment that the job is placed until nothing of any node lives: then all of
// its slots are free, in one step. Node i's reports have the epoch [grid.NodeEpoch] of i.
type Gang struct {
	Epoch   uint32 // the job's attempt that it is
	WaitAll bool   // the job ends with its last node, and not with node 0
	Over    Over   // why the attempt is over for all, other than by its end
	Nodes   []GangNode
}

// Over is why an attempt of several nodes comes to nothing: what happened to one of them
// first. The others are ended for it.
type Over struct {
	Kind   Verdict // Again: back to idle. Park: to be held. TakeOver: it is not over
	Code   int32   // a grid.VacateCode or grid.HoldCode
	Sub    int32
	Reason string
}

// GangState is how far a node has come.
type GangState uint8

const (
	GangWaits GangState = 0 // it is to start
	GangRuns  GangState = 1
	GangExits GangState = 2 // it has exited, and its outputs are to be put in place
	GangOver  GangState = 3 // nothing of it lives, and nothing is to be done about it
)

// GangNode is one node, and the slot that it has.
type GangNode struct {
	Worker uint32
	Slot   uint32 // the number of the dynamic slot
	State  GangState
	Exited bool   // by itself
	Exit   Exit   // what it has used, and how it exited if it has; from the beginning, what it was given
	Staged string // of GangExits: which stream its outputs are
}

// Alive reports whether something of the node may be on its worker.
func (n *GangNode) Alive() bool { return n.State <= GangRuns }

// Wants reports whether the nodes of a job are to run, or to go on.
func (g *Gang) Wants(j *Job) bool {
	return g.Over.Kind == TakeOver && j.Flags&Vacating == 0 &&
		(j.Status == grid.Idle || j.Status == grid.Running || j.Status == grid.Suspended)
}

// Done reports whether nothing of any node is left.
func (g *Gang) Done() bool {
	return !slices.ContainsFunc(g.Nodes, func(n GangNode) bool { return n.State != GangOver })
}

// Total is what all nodes have used, and how node 0 has exited.
func (g *Gang) Total() Exit {
	out := g.Nodes[0].Exit
	for i := range g.Nodes[1:] {
		x := &g.Nodes[i+1].Exit
		out.UserMS, out.SysMS, out.Sent, out.Received = out.UserMS+x.UserMS, out.SysMS+x.SysMS, out.Sent+x.Sent, out.Received+x.Received
		out.WallMS, out.MaxRSSKB = max(out.WallMS, x.WallMS), max(out.MaxRSSKB, x.MaxRSSKB)
		out.Cpus, out.MemoryMB, out.DiskKB = out.Cpus+x.Cpus, out.MemoryMB+x.MemoryMB, out.DiskKB+x.DiskKB
	}
	return out
}

// clone is a gang that may be changed.
func (g *Gang) clone() *Gang {
	c := *g
	c.Nodes = slices.Clone(g.Nodes)
	return &c
}

func (g *Gang) encode() *enc {
	e := newEnc(32)
	e.u(uint64(g.Epoch))
	e.bool(g.WaitAll)
	e.byte(byte(g.Over.Kind))
	e.i(int64(g.Over.Code))
	e.i(int64(g.Over.Sub))
	e.str(g.Over.Reason)
	e.u(uint64(len(g.Nodes)))
	return e
}

// decodeGang gives a gang whose nodes are to be read.
func decodeGang(k, v []byte) (*Gang, error) {
	body, err := unseal(k, v)
	if err != nil {
		return nil, err
	}
	d := dec{b: body}
	g := &Gang{Epoch: d.u32(), WaitAll: d.bool(), Over: Over{Kind: Verdict(d.byte()), Code: d.i32(), Sub: d.i32(), Reason: d.str()}}
	n := d.u32()
	if err := d.err(); err != nil {
		return nil, err
	}
	if n == 0 || n > grid.MaxNodes {
		return nil, errMalformed
	}
	g.Nodes = make([]GangNode, n)
	return g, nil
}

func (n *GangNode) encode() *enc {
	e := newEnc(64)
	e.u(uint64(n.Worker))
	e.u(uint64(n.Slot))
	e.byte(byte(n.State))
	e.bool(n.Exited)
	e.exit(&n.Exit)
	e.str(n.Staged)
	return e
}

func decodeGangNode(k, v []byte) (n GangNode, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return n, err
	}
	d := dec{b: body}
	n = GangNode{Worker: d.u32(), Slot: d.u32(), State: GangState(d.byte()), Exited: d.bool(), Exit: *d.exit(), Staged: d.str()}
	return n, d.err()
}

// placedGang is a gang as a [Placement] has it: whose slots these are, and what they give.
func (e *enc) placedGang(g *Gang) {
	e.bool(g != nil)
	if g == nil {
		return
	}
	e.bool(g.WaitAll)
	e.u(uint64(len(g.Nodes)))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		e.u(uint64(n.Worker))
		e.u(uint64(n.Slot))
		e.i(n.Exit.Cpus)
		e.i(n.Exit.MemoryMB)
		e.i(n.Exit.DiskKB)
	}
}

func (d *dec) placedGang() *Gang {
	if !d.bool() {
		return nil
	}
	g := &Gang{WaitAll: d.bool()}
	if n := d.count(5); n > 0 {
		g.Nodes = make([]GangNode, n)
	}
	for i := range g.Nodes {
		g.Nodes[i] = GangNode{Worker: d.u32(), Slot: d.u32(), Exit: Exit{Cpus: d.i(), MemoryMB: d.i(), DiskKB: d.i()}}
	}
	return g
}

// Gang is the placement of a job of several nodes, while it has one. It is not to be
// changed.
func (v *View) Gang(id grid.JobID) (*Gang, bool) {
	if id.Cluster <= 0 || id.Proc < 0 {
		return nil, false
	}
	return v.gangs.get(uint32(id.Cluster), uint32(id.Proc))
}

// Gangs yields all of them, by ascending job.
func (v *View) Gangs() iter.Seq2[grid.JobID, *Gang] {
	return func(yield func(grid.JobID, *Gang) bool) {
		for at, g := range v.gangs.all() {
			if !yield(grid.JobID{Cluster: int32(at[0]), Proc: int32(at[1])}, *g) {
				return
			}
		}
	}
}

// OnSlot is the job whose attempt, or node of one, a worker may have by that epoch: false
// when it is not the job's current one, or nothing of it is left. node is nil for a job that
// is no gang.
func (v *View) OnSlot(id grid.JobID, epoch, worker uint32) (j Job, node *GangNode, ok bool) {
	j, ok = v.Job(id)
	if !ok || j.Place != OnSlot {
		return j, nil, false
	}
	if j.Flags&Several == 0 {
		return j, nil, j.At == worker && j.Epoch == epoch
	}
	attempt, i := grid.SplitEpoch(epoch)
	g, ok := v.Gang(id)
	if !ok || attempt != j.Epoch || i >= len(g.Nodes) || g.Nodes[i].Worker != worker || g.Nodes[i].State == GangOver {
		return j, nil, false
	}
	return j, &g.Nodes[i], true
}

// AttemptAt is the worker of a job's attempt, or of a node of one; 0: of none that there is.
func (v *View) AttemptAt(id grid.JobID, epoch uint32) uint32 {
	j, ok := v.Job(id)
	if !ok || j.Place != OnSlot {
		return 0
	}
	if j.Flags&Several == 0 {
		return j.At
	}
	g, ok := v.Gang(id)
	if _, i := grid.SplitEpoch(epoch); ok && i < len(g.Nodes) {
		return g.Nodes[i].Worker
	}
	return 0
}

func (t *txn) gang(id grid.JobID) (*Gang, bool) { return t.v.Gang(id) }

// newGang keeps the gang of an attempt that begins.
func (t *txn) newGang(id grid.JobID, placed *Gang, epoch uint32) {
	g := placed.clone()
	g.Epoch, g.Over = epoch, Over{}
	for i := range g.Nodes {
		t.putGangNode(id, g, i)
	}
	t.putGang(id, g)
}

// putGang keeps the head of a gang; its nodes that have changed are put by themselves.
func (t *txn) putGang(id grid.JobID, g *Gang) {
	cluster, proc := uint32(id.Cluster), uint32(id.Proc)
	t.v.gangs.set(t.ed, cluster, proc, g)
	t.put(bGang, keyPair(cluster, proc), g.encode())
}

func (t *txn) putGangNode(id grid.JobID, g *Gang, i int) {
	t.put(bGang, nodeKey(id, i), g.Nodes[i].encode())
}

func (t *txn) dropGang(id grid.JobID) {
	g, ok := t.gang(id)
	if !ok {
		return
	}
	cluster, proc := uint32(id.Cluster), uint32(id.Proc)
	t.v.gangs.del(t.ed, cluster, proc)
	t.drop(bGang, keyPair(cluster, proc))
	for i := range g.Nodes {
		t.drop(bGang, nodeKey(id, i))
	}
}

func nodeKey(id grid.JobID, node int) []byte { return append(key8(id.Key()), key4(uint32(node))...) }

// unplace ends a job's placement.
func (t *txn) unplace(j *Job, id grid.JobID) {
	if j.Flags&Several == 0 {
		t.rest(j, id)
	} else {
		t.eachWorker(j, id, t.rest)
		t.dropGang(id)
		j.Flags &^= Several
	}
	j.Place, j.At = Nowhere, 0
}

// runs notes that a job has begun to run where it is placed.
func (t *txn) runs(j *Job, id grid.JobID) {
	if j.Flags&Several == 0 {
		t.ran(j, id)
	} else {
		t.eachWorker(j, id, t.ran)
	}
}

// eachWorker calls do for a job of several nodes as if it were on each of its workers alone.
func (t *txn) eachWorker(j *Job, id grid.JobID, do func(*Job, grid.JobID)) {
	g, ok := t.gang(id)
	if !ok {
		return
	}
	var seen []uint32
	for i := range g.Nodes {
		if at := *j; !slices.Contains(seen, g.Nodes[i].Worker) {
			at.At = g.Nodes[i].Worker
			seen = append(seen, at.At)
			do(&at, id)
		}
	}
}
