package ledger

import "gridburst/internal/grid"

// Dag is a run of a workflow. Its graph does not change and stays on disk; what happens
// to its nodes is a [Node] each.
type Dag struct {
	Status  DagStatus
	Owner   uint32
	Name    string // of the workflow
	File    string // where it was written; full path
	Dir     string // where its nodes' files are found; full path
	Cron    string // the trigger that began it; empty: a person
	Due     int64  // and for which occurrence, ms since 1970
	Nodes   int32
	Done    int32 // nodes
	Failed  int32
	Futile  int32
	Version uint32 // grows with every change
	Started int64  // ms since 1970
	Ended   int64  // ms since 1970; 0: not yet
	Reason  string // of the last status
}

// DagStatus says where a run is.
type DagStatus uint8

const (
	DagRunning  DagStatus = 1
	DagRemoving DagStatus = 2 // its jobs are being removed; it ends then
	DagDone     DagStatus = 3
	DagFailed   DagStatus = 4
	DagRemoved  DagStatus = 5
)

// Ended reports whether nothing of the run will happen any more.
func (s DagStatus) Ended() bool { return s >= DagDone }

func (s DagStatus) String() string {
	switch s {
	case DagRunning:
		return "running"
	case DagRemoving:
		return "removing"
	case DagDone:
		return "done"
	case DagFailed:
		return "failed"
	case DagRemoved:
		return "removed"
	}
	return "unknown"
}

// Node is what has happened to a node of a run, without a pointer.
type Node struct {
	State   grid.NodeState
	Attempt uint32 // attempts begun
	Cluster int32  // of the current or last attempt's jobs; 0: none
	Exit    int32  // of the last attempt
}

func (d *Dag) encode() *enc {
	e := newEnc(128)
	e.byte(byte(d.Status))
	e.u(uint64(d.Owner))
	e.str(d.Name)
	e.str(d.File)
	e.str(d.Dir)
	e.str(d.Cron)
	e.i(d.Due)
	e.u(uint64(d.Nodes))
	e.u(uint64(d.Done))
	e.u(uint64(d.Failed))
	e.u(uint64(d.Futile))
	e.u(uint64(d.Version))
	e.i(d.Started)
	e.i(d.Ended)
	e.str(d.Reason)
	return e
}

func decodeDag(k, v []byte) (g Dag, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return g, err
	}
	d := dec{b: body}
	g = Dag{
		Status: DagStatus(d.byte()), Owner: d.u32(), Name: d.str(), File: d.str(), Dir: d.str(), Cron: d.str(), Due: d.i(),
		Nodes: d.id(), Done: d.id(), Failed: d.id(), Futile: d.id(), Version: d.u32(), Started: d.i(), Ended: d.i(), Reason: d.str(),
	}
	return g, d.err()
}

func (e *enc) node(n *Node) {
	e.byte(byte(n.State))
	e.u(uint64(n.Attempt))
	e.u(uint64(n.Cluster))
	e.i(int64(n.Exit))
}

func (d *dec) node() Node {
	return Node{State: grid.NodeState(d.byte()), Attempt: d.u32(), Cluster: d.id(), Exit: d.i32()}
}

func decodeNode(k, v []byte) (n Node, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return n, err
	}
	d := dec{b: body}
	n = d.node()
	return n, d.err()
}

// StartDag adds a run, all of its nodes waiting. The result is its number, a uint32.
// With Cron set, it is the trigger's run for the occurrence Due, and is refused when
// that has been fired or passed over already.
type StartDag struct {
	Owner Owner
	Name  string
	File  string
	Dir   string
	Graph [][]byte // in chunks; the ledger does not look into them
	Stage uint32   // further chunks, staged before; 0: none
	Nodes int32
	Cron  string
	Due   int64
}

func (*StartDag) Kind() Kind { return KindStartDag }
func (c *StartDag) encode(e *enc) {
	e.owner(c.Owner)
	e.str(c.Name)
	e.str(c.File)
	e.str(c.Dir)
	e.u(uint64(len(c.Graph)))
	for _, p := range c.Graph {
		e.bytes(p)
	}
	e.u(uint64(c.Stage))
	e.u(uint64(c.Nodes))
	e.str(c.Cron)
	e.i(c.Due)
}

func (c *StartDag) decode(d *dec) {
	c.Owner = d.owner()
	c.Name, c.File, c.Dir = d.str(), d.str(), d.str()
	if n := d.count(1); n > 0 {
		c.Graph = make([][]byte, n)
		for i := range c.Graph {
			c.Graph[i] = d.bytes()
		}
	}
	c.Stage, c.Nodes, c.Cron, c.Due = d.u32(), d.id(), d.str(), d.i()
}

// StepDag records what a step of a run has changed. The step was worked out by the
// proposer, from the version that it names.
type StepDag struct {
	Dag     uint32
	Version uint32
	Changes []NodeChange
	Status  DagStatus // 0: as it is
	Reason  string
}

// NodeChange is a node as it is from now on.
type NodeChange struct {
	Index int32
	Node
}

func (*StepDag) Kind() Kind { return KindStepDag }
func (c *StepDag) encode(e *enc) {
	e.u(uint64(c.Dag))
	e.u(uint64(c.Version))
	e.u(uint64(len(c.Changes)))
	for i := range c.Changes {
		e.u(uint64(c.Changes[i].Index))
		e.node(&c.Changes[i].Node)
	}
	e.byte(byte(c.Status))
	e.str(c.Reason)
}

func (c *StepDag) decode(d *dec) {
	c.Dag, c.Version = d.u32(), d.u32()
	if n := d.count(5); n > 0 {
		c.Changes = make([]NodeChange, n)
		for i := range c.Changes {
			c.Changes[i] = NodeChange{Index: d.id(), Node: d.node()}
		}
	}
	c.Status, c.Reason = DagStatus(d.byte()), d.str()
}

// RemoveDag asks for the end of a run. Its jobs are removed, then it ends.
type RemoveDag struct {
	Dag    uint32
	Owner  uint32 // only if it is this owner's; 0: anybody's
	Reason string
}

func (*RemoveDag) Kind() Kind { return KindRemoveDag }
func (c *RemoveDag) encode(e *enc) {
	e.u(uint64(c.Dag))
	e.u(uint64(c.Owner))
	e.str(c.Reason)
}
func (c *RemoveDag) decode(d *dec) { *c = RemoveDag{Dag: d.u32(), Owner: d.u32(), Reason: d.str()} }

// PassCron moves a trigger's watermark without a run: nothing up to At will be fired
// any more.
type PassCron struct {
	Cron   string
	At     int64 // ms since 1970
	Reason string
}

func (*PassCron) Kind() Kind { return KindPassCron }
func (c *PassCron) encode(e *enc) {
	e.str(c.Cron)
	e.i(c.At)
	e.str(c.Reason)
}
func (c *PassCron) decode(d *dec) { *c = PassCron{Cron: d.str(), At: d.i(), Reason: d.str()} }
