package ledger

import (
	"gridburst/dag"
	"gridburst/internal/grid"
)

// Dag is a run of a workflow. Its graph does not change and stays on disk; what happens
// to its nodes is a [dag.Record] each.
type Dag struct {
	dag.Header
	Owner   uint32
	Name    string // of the workflow
	File    string // where it was written; full path
	Dir     string // where its nodes' files are found; full path
	Cron    string // the trigger that began it; empty: a person
	Due     int64  // and for which occurrence, ms since 1970
	Nodes   int32
	Done    int32 // nodes that have a record and are done
	Failed  int32 // nodes
	Started int64 // ms since 1970
	Ended   int64 // ms since 1970; 0: not yet

	Parent Parent // whose sub-DAG it is; zero: nobody's
	Rescue int32  // the number of the rescue file that it began with; 0: none
	Before uint32 // the run of its timetable's last instant before Due that has begun; 0: none is known
	Scale  []Scaled
}

// Scaled is how many machines of a pool a run wants to be there as long as it goes on.
type Scaled struct {
	Pool  string
	Count uint32
}

func (e *enc) scale(list []Scaled) {
	if len(list) == 0 {
		return
	}
	e.u(uint64(len(list)))
	for _, s := range list {
		e.str(s.Pool)
		e.u(uint64(s.Count))
	}
}

func (d *dec) scale() (list []Scaled) {
	if !d.more() {
		return nil
	}
	for range d.count(2) {
		list = append(list, Scaled{d.str(), d.u32()})
	}
	return list
}

// Parent is the attempt of a node whose sub-DAG a run is.
type Parent struct {
	Dag     uint32
	Node    int32
	Attempt uint32
}

func (e *enc) parent(p Parent, rescue int32, before uint32, more bool) {
	if p == (Parent{}) && rescue == 0 && before == 0 && !more {
		return
	}
	e.u(uint64(p.Dag))
	e.u(uint64(p.Node))
	e.u(uint64(p.Attempt))
	e.u(uint64(rescue))
	if before != 0 || more {
		e.u(uint64(before))
	}
}

// parent reads what comes last but for a scale in a record or command, if it is there.
func (d *dec) parent() (p Parent, rescue int32, before uint32) {
	if !d.more() {
		return p, 0, 0
	}
	p, rescue = Parent{Dag: d.u32(), Node: d.id(), Attempt: d.u32()}, d.id()
	if d.more() {
		before = d.u32()
	}
	return p, rescue, before
}

// longer marks a header or record with fields that older programs did not have. It is
// set in a byte that held something small, and only where they say something, so that
// what older programs wrote is read as before and written as before.
const longer = 0x80

func (e *enc) header(h *dag.Header) {
	old := dag.Header{Version: h.Version, Status: h.Status, End: h.End, Return: h.Return, MaxJobs: h.MaxJobs}
	flag := byte(0)
	if *h != old {
		flag = longer
	}
	e.u(h.Version)
	e.b = append(e.b, byte(h.Status), byte(h.End)|flag)
	e.i(int64(h.Return))
	e.i(int64(h.MaxJobs))
	if flag == 0 {
		return
	}
	for _, n := range [...]int32{h.MaxIdle, h.MaxPre, h.MaxPost, h.MaxHold, h.Priority} {
		e.i(int64(n))
	}
	e.bool(h.AlwaysPost)
	e.b = append(e.b, byte(h.Halt), byte(h.Condition), byte(h.Supply))
	e.bool(h.Hurry)
}

func (d *dec) header() dag.Header {
	h := dag.Header{Version: d.u(), Status: dag.RunStatus(d.byte())}
	end := d.byte()
	h.End, h.Return, h.MaxJobs = dag.RunStatus(end&^longer), d.i32(), d.i32()
	if end&longer == 0 {
		return h
	}
	for _, n := range [...]*int32{&h.MaxIdle, &h.MaxPre, &h.MaxPost, &h.MaxHold, &h.Priority} {
		*n = d.i32()
	}
	h.AlwaysPost, h.Halt, h.Condition, h.Supply, h.Hurry = d.bool(), dag.Halt(d.byte()), dag.Condition(d.byte()), dag.Supply(d.byte()), d.bool()
	return h
}

func (g *Dag) encode() *enc {
	e := newEnc(128)
	e.header(&g.Header)
	e.u(uint64(g.Owner))
	e.str(g.Name)
	e.str(g.File)
	e.str(g.Dir)
	e.str(g.Cron)
	e.i(g.Due)
	e.u(uint64(g.Nodes))
	e.u(uint64(g.Done))
	e.u(uint64(g.Failed))
	e.i(g.Started)
	e.i(g.Ended)
	e.parent(g.Parent, g.Rescue, g.Before, len(g.Scale) > 0)
	e.scale(g.Scale)
	return e
}

func decodeDag(k, v []byte) (g Dag, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return g, err
	}
	d := dec{b: body}
	g = Dag{
		Header: d.header(), Owner: d.u32(), Name: d.str(), File: d.str(), Dir: d.str(), Cron: d.str(), Due: d.i(),
		Nodes: d.id(), Done: d.id(), Failed: d.id(), Started: d.i(), Ended: d.i(),
	}
	g.Parent, g.Rescue, g.Before = d.parent()
	g.Scale = d.scale()
	return g, d.err()
}

func (e *enc) node(n *dag.Record) {
	more := n.Skipped || n.Script != 0 || n.Procs != 0 || n.Pre != 0 || n.Try != 0 || n.Progress != 0
	flag := byte(0)
	if more {
		flag = longer
	}
	e.byte(byte(n.State) | flag)
	e.bool(n.Asked)
	e.u(uint64(n.Attempt))
	e.u(uint64(n.Cluster))
	e.i(int64(n.Left))
	e.i(int64(n.Bad))
	e.i(int64(n.Exit))
	e.u(n.Seen.Index)
	e.u(uint64(n.Seen.Seq))
	if more {
		flag = 0
		if n.Progress != 0 {
			flag = longer
		}
		e.bool(n.Skipped)
		e.byte(byte(n.Script) | flag)
		e.u(uint64(n.Procs))
		e.i(int64(n.Pre))
		e.u(uint64(n.Try))
		if n.Progress != 0 {
			e.byte(byte(n.Progress))
		}
	}
}

func (d *dec) node() dag.Record {
	state := d.byte()
	n := dag.Record{
		State: grid.NodeState(state &^ longer), Asked: d.bool(), Attempt: d.u32(), Cluster: d.id(), Left: d.i32(), Bad: d.i32(), Exit: d.i32(),
		Seen: dag.Position{Index: d.u(), Seq: d.u32()},
	}
	if state&longer != 0 {
		n.Skipped = d.bool()
		script := d.byte()
		n.Script, n.Procs, n.Pre, n.Try = dag.Stage(script&^longer), d.id(), d.i32(), d.u32()
		if script&longer != 0 {
			n.Progress = dag.Progress(d.byte())
		}
	}
	return n
}

func decodeNode(k, v []byte) (n dag.Record, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return n, err
	}
	d := dec{b: body}
	n = d.node()
	return n, d.err()
}

// StartDag adds a run that is new. The result is its number, a uint32. With Cron set, it
// is the trigger's run for the occurrence Due, and is refused when that has been fired
// or passed over already.
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

	Header dag.Header // what it begins with: limits, no status
	Parent Parent     // it is that attempt's sub-DAG, and refused unless that is due
	Rescue int32
	Scale  []Scaled
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
	if c.Header == (dag.Header{}) && c.Parent == (Parent{}) && c.Rescue == 0 && len(c.Scale) == 0 {
		return
	}
	e.header(&c.Header)
	e.parent(c.Parent, c.Rescue, 0, len(c.Scale) > 0)
	e.scale(c.Scale)
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
	if d.more() {
		c.Header = d.header()
		c.Parent, c.Rescue, _ = d.parent()
		c.Scale = d.scale()
	}
}

// StepDag records what steps of a run have changed, many [dag.Change]s in one. It is
// refused when the run is not at the version that they began with.
type StepDag struct {
	Dag     uint32
	Version uint64
	Header  dag.Header
	Nodes   []NodeChange
}

// NodeChange is a node as it is from now on.
type NodeChange struct {
	Index  int32
	Record dag.Record
	Why    string // for people
}

func (*StepDag) Kind() Kind { return KindStepDag }
func (c *StepDag) encode(e *enc) {
	e.u(uint64(c.Dag))
	e.u(c.Version)
	e.header(&c.Header)
	e.u(uint64(len(c.Nodes)))
	for i := range c.Nodes {
		e.u(uint64(c.Nodes[i].Index))
		e.node(&c.Nodes[i].Record)
		e.str(c.Nodes[i].Why)
	}
}

func (c *StepDag) decode(d *dec) {
	c.Dag, c.Version, c.Header = d.u32(), d.u(), d.header()
	if n := d.count(11); n > 0 {
		c.Nodes = make([]NodeChange, n)
		for i := range c.Nodes {
			c.Nodes[i] = NodeChange{Index: d.id(), Record: d.node(), Why: d.str()}
		}
	}
}

// ScaleDag sets how many machines of a pool a run wants. The run begins nothing any more, or
// has ended: then it is refused.
type ScaleDag struct {
	Dag uint32
	Scaled
}

func (*ScaleDag) Kind() Kind { return KindScaleDag }
func (c *ScaleDag) encode(e *enc) {
	e.u(uint64(c.Dag))
	e.str(c.Pool)
	e.u(uint64(c.Count))
}
func (c *ScaleDag) decode(d *dec) { *c = ScaleDag{d.u32(), Scaled{d.str(), d.u32()}} }

// Wants are the machines that a run wants to be there now: none when it comes to its end.
func (g *Dag) Wants() []Scaled {
	if g.Status != dag.RunRunning && g.Status != dag.RunFinishing {
		return nil
	}
	return g.Scale
}

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
