package ledger

import (
	"slices"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// maxNodes bounds a workflow.
const maxNodes = 1_000_000

func (c *StartDag) apply(t *txn) (any, error) {
	if err := c.fits(); err != nil {
		return nil, err
	}
	if c.Cron != "" && c.Due <= t.v.crons[c.Cron] {
		return nil, grid.Errorf(grid.Conflict, "trigger %s has fired or passed over this occurrence", c.Cron)
	}
	if c.Parent != (Parent{}) {
		if err := t.due(c.Parent); err != nil {
			return nil, err
		}
	}
	id, err := c.begin(t, 0)
	if err != nil {
		return nil, err
	}
	if c.Cron != "" {
		t.mark(c.Cron, c.Due)
		t.emit(Event{Type: CronFired, ID: id, Text: c.Cron})
	}
	return id, nil
}

// fits refuses a workflow of no size.
func (c *StartDag) fits() error {
	if c.Nodes < 1 || c.Nodes > maxNodes {
		return grid.Errorf(grid.TooLarge, "a workflow of %d nodes: 1 to %d", c.Nodes, maxNodes)
	}
	return nil
}

// begin adds the run, behind the one before it of its timetable; 0: behind none.
func (c *StartDag) begin(t *txn, before uint32) (uint32, error) {
	if err := c.fits(); err != nil {
		return 0, err
	}
	if c.Header.Status != dag.RunNew || c.Header.Version != 0 {
		return 0, grid.Errorf(grid.Invalid, "a workflow begins as a new one")
	}
	chunks, err := t.staged(c.Stage)
	if err != nil {
		return 0, err
	}
	t.v.counters.Dag++
	id := t.v.counters.Dag
	for i, p := range c.Graph {
		t.put(bGraph, keyPair(id, uint32(i)), raw(p))
	}
	for i, p := range chunks {
		t.put(bGraph, keyPair(id, uint32(len(c.Graph)+i)), raw(p))
	}
	t.dropStage(c.Stage, len(chunks))
	g := Dag{
		Owner: t.owner(c.Owner), Name: c.Name, File: c.File, Dir: c.Dir, Cron: c.Cron, Due: c.Due, Nodes: c.Nodes, Started: t.at,
		Header: c.Header, Parent: c.Parent, Rescue: c.Rescue, Before: before, Scale: c.Scale,
	}
	t.emit(Event{Type: DagMoved, ID: id, To: uint8(dag.RunNew), Text: c.Name})
	t.putDag(id, &g)
	return id, nil
}

func (t *txn) putDag(id uint32, g *Dag) {
	t.v.dags.set(t.ed, id, *g)
	t.put(bDag, key4(id), g.encode())
}

// mark moves a trigger's watermark.
func (t *txn) mark(cron string, at int64) {
	t.v.crons = with(t.v.crons, cron, at)
	e := newEnc(16)
	e.i(at)
	t.put(bCron, []byte(cron), e)
}

// putNode stores a node's record and keeps the run's counts in step; the caller stores
// the run.
func (t *txn) putNode(id uint32, g *Dag, c *NodeChange) {
	old, _ := t.v.Node(id, c.Index)
	count := func(s grid.NodeState, by int32) {
		switch s {
		case grid.NodeDone:
			g.Done += by
		case grid.NodeFailed:
			g.Failed += by
		}
	}
	count(old.State, -1)
	count(c.Record.State, 1)
	t.v.nodes.set(t.ed, id, uint32(c.Index), c.Record)
	e := newEnc(32)
	e.node(&c.Record)
	t.put(bNode, keyPair(id, uint32(c.Index)), e)
	if old.State != c.Record.State || c.Why != "" {
		t.emit(Event{Type: NodeMoved, ID: id, Node: c.Index, From: uint8(old.State), To: uint8(c.Record.State), Text: c.Why})
	}
}

func (c *StepDag) apply(t *txn) (any, error) {
	g, ok := t.v.dags.get(c.Dag)
	switch {
	case !ok:
		return nil, grid.Errorf(grid.NotFound, "workflow %d does not run", c.Dag)
	case c.Version != g.Version || c.Header.Version <= g.Version:
		return nil, grid.Errorf(grid.Conflict, "workflow %d has changed since", c.Dag)
	}
	for i := range c.Nodes {
		if n := c.Nodes[i].Index; n < 0 || n >= g.Nodes {
			return nil, grid.Errorf(grid.Invalid, "workflow %d has no node %d", c.Dag, n)
		}
	}
	for i := range c.Nodes {
		t.putNode(c.Dag, &g, &c.Nodes[i])
	}
	was := g.Status
	g.Header = c.Header
	if g.Status != was {
		t.emit(Event{Type: DagMoved, ID: c.Dag, From: uint8(was), To: uint8(g.Status), Text: g.Name})
	}
	if !g.Status.Ended() {
		t.putDag(c.Dag, &g)
		return nil, nil
	}
	g.Ended = t.at
	t.v.dags.del(t.ed, c.Dag)
	t.v.nodes.clear(t.ed, c.Dag)
	t.drop(bDag, key4(c.Dag))
	t.put(bPastDag, key4(c.Dag), g.encode())
	return nil, nil
}

func (c *ScaleDag) apply(t *txn) (any, error) {
	g, ok := t.v.dags.get(c.Dag)
	switch {
	case !ok:
		return nil, grid.Errorf(grid.NotFound, "workflow %d does not run", c.Dag)
	case g.Status != dag.RunNew && g.Status != dag.RunRunning && g.Status != dag.RunFinishing:
		return nil, grid.Errorf(grid.Refused, "workflow %d is %s: it needs no more machines", c.Dag, g.Status)
	}
	list := slices.Clone(g.Scale)
	if at := slices.IndexFunc(list, func(s Scaled) bool { return s.Pool == c.Pool }); at >= 0 {
		list[at] = c.Scaled
	} else {
		list = append(list, c.Scaled)
	}
	if len(list) > maxScaled {
		return nil, grid.Errorf(grid.TooLarge, "workflow %d asks for machines of more than %d pools", c.Dag, maxScaled)
	}
	g.Scale = list
	t.emit(Event{Type: DagScaled, ID: c.Dag, Code: int32(c.Count), Text: c.Pool})
	t.putDag(c.Dag, &g)
	return nil, nil
}

// maxScaled bounds the pools of which a run may want machines.
const maxScaled = 100

func (c *PassCron) apply(t *txn) (any, error) {
	if c.Cron == "" || c.At <= t.v.crons[c.Cron] {
		return nil, grid.Errorf(grid.Conflict, "trigger %s is beyond that already", c.Cron)
	}
	t.mark(c.Cron, c.At)
	return nil, nil
}

// due refuses what is begun for a node's attempt which nobody asked for, or no more.
func (t *txn) due(p Parent) error {
	g, ok := t.v.dags.get(p.Dag)
	n, _ := t.v.Node(p.Dag, p.Node)
	live := g.Status == dag.RunRunning || g.Status == dag.RunFinishing
	if !ok || !live || !n.Asked || n.Attempt != p.Attempt {
		return grid.Errorf(grid.Conflict, "attempt %d of node %d of workflow %d is not due", p.Attempt, p.Node, p.Dag)
	}
	return nil
}
