package ledger

import "gridburst/internal/grid"

// maxNodes bounds a workflow.
const maxNodes = 1_000_000

func (c *StartDag) apply(t *txn) (any, error) {
	if c.Nodes < 1 || c.Nodes > maxNodes {
		return nil, grid.Errorf(grid.TooLarge, "a workflow of %d nodes: 1 to %d", c.Nodes, maxNodes)
	}
	if c.Cron != "" && c.Due <= t.v.crons[c.Cron] {
		return nil, grid.Errorf(grid.Conflict, "trigger %s has fired or passed over this occurrence", c.Cron)
	}
	chunks, err := t.staged(c.Stage)
	if err != nil {
		return nil, err
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
		Status: DagRunning, Owner: t.owner(c.Owner), Name: c.Name, File: c.File, Dir: c.Dir, Cron: c.Cron, Due: c.Due,
		Nodes: c.Nodes, Version: 1, Started: t.at,
	}
	t.emit(Event{Type: DagMoved, ID: id, To: uint8(DagRunning), Text: c.Name})
	if c.Cron != "" {
		t.mark(c.Cron, c.Due)
		t.emit(Event{Type: CronFired, ID: id, Text: c.Cron})
	}
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

// putNode stores a node and keeps the run's counts in step; the caller stores the run.
func (t *txn) putNode(id uint32, g *Dag, index int32, n Node) {
	old, _ := t.v.Node(id, index)
	counter := func(s grid.NodeState) *int32 {
		switch s {
		case grid.NodeDone:
			return &g.Done
		case grid.NodeFailed:
			return &g.Failed
		case grid.NodeFutile:
			return &g.Futile
		}
		return nil
	}
	if k := counter(old.State); k != nil {
		*k--
	}
	if k := counter(n.State); k != nil {
		*k++
	}
	ns, _ := t.v.nodes.get(id)
	ns = ns.own(t.ed)
	ns.recs.set(t.ed, uint32(index), n)
	t.v.nodes.set(t.ed, id, ns)
	e := newEnc(16)
	e.node(&n)
	t.put(bNode, keyPair(id, uint32(index)), e)
	if old.State != n.State {
		t.emit(Event{Type: NodeMoved, ID: id, Node: index, From: uint8(old.State), To: uint8(n.State)})
	}
}

func (c *StepDag) apply(t *txn) (any, error) {
	g, ok := t.v.dags.get(c.Dag)
	switch {
	case !ok:
		return nil, grid.Errorf(grid.NotFound, "workflow %d does not run", c.Dag)
	case g.Version != c.Version:
		return nil, grid.Errorf(grid.Conflict, "workflow %d has changed since", c.Dag)
	}
	for i := range c.Changes {
		if n := c.Changes[i].Index; n < 0 || n >= g.Nodes {
			return nil, grid.Errorf(grid.Invalid, "workflow %d has no node %d", c.Dag, n)
		}
	}
	for i := range c.Changes {
		t.putNode(c.Dag, &g, c.Changes[i].Index, c.Changes[i].Node)
	}
	g.Version++
	t.enterDag(c.Dag, &g, c.Status, c.Reason)
	return g.Version, nil
}

// enterDag is the only place that changes a run's status, and stores the run.
func (t *txn) enterDag(id uint32, g *Dag, s DagStatus, reason string) {
	if s != 0 && s != g.Status {
		t.emit(Event{Type: DagMoved, ID: id, From: uint8(g.Status), To: uint8(s), Text: reason})
		g.Status, g.Reason = s, reason
	}
	if !g.Status.Ended() {
		t.putDag(id, g)
		return
	}
	g.Ended = t.at
	t.v.dags.del(t.ed, id)
	t.v.nodes.del(t.ed, id)
	t.drop(bDag, key4(id))
	t.put(bPastDag, key4(id), g.encode())
}

func (c *RemoveDag) apply(t *txn) (any, error) {
	g, ok := t.v.dags.get(c.Dag)
	switch {
	case !ok:
		return nil, grid.Errorf(grid.NotFound, "workflow %d does not run", c.Dag)
	case c.Owner != 0 && c.Owner != g.Owner:
		return nil, grid.Errorf(grid.Forbidden, "workflow %d is another user's", c.Dag)
	case g.Status != DagRunning:
		return nil, grid.Errorf(grid.Refused, "workflow %d is being removed already", c.Dag)
	}
	g.Version++
	t.enterDag(c.Dag, &g, DagRemoving, c.Reason)
	return nil, nil
}

func (c *PassCron) apply(t *txn) (any, error) {
	if c.Cron == "" || c.At <= t.v.crons[c.Cron] {
		return nil, grid.Errorf(grid.Conflict, "trigger %s is beyond that already", c.Cron)
	}
	t.mark(c.Cron, c.At)
	return nil, nil
}

// node is the node whose attempt the cluster is, as it is then. It is refused for one that is not
// due: so each attempt of a node is submitted once.
func (c *Submit) node(t *txn) (*Dag, Node, error) {
	g, ok := t.v.dags.get(c.Dag)
	if !ok || g.Status != DagRunning || c.Node < 0 || c.Node >= g.Nodes {
		return nil, Node{}, grid.Errorf(grid.Conflict, "workflow %d does not run, or has no node %d", c.Dag, c.Node)
	}
	n, _ := t.v.Node(c.Dag, c.Node)
	next, err := n.State.On(grid.NodeSubmit)
	if err != nil || c.Attempt != n.Attempt+1 {
		return nil, n, grid.Errorf(grid.Conflict, "attempt %d of node %d of workflow %d is not due", c.Attempt, c.Node, c.Dag)
	}
	n.State, n.Attempt = next, c.Attempt
	return &g, n, nil
}
