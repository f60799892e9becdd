package schedd

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"gridburst/dag"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// standBehind has a run told of the run before it, whenever that changes.
func (g *dags) standBehind(r *dagRun) {
	before := r.files.rec.Before
	if before != 0 && r.run.Graph.LooksBack() && !slices.Contains(g.behind[before], r.id) {
		g.behind[before] = append(g.behind[before], r.id)
	}
}

// standAside ends that: it has ended.
func (g *dags) standAside(r *dagRun) {
	before := r.files.rec.Before
	left := slices.DeleteFunc(g.behind[before], func(id uint32) bool { return id == r.id })
	if g.behind[before] = left; len(left) == 0 {
		delete(g.behind, before)
	}
}

// tellBehind tells the runs behind one how that stands, once it is durable.
func (g *dags) tellBehind(ctx context.Context, id uint32) error {
	for _, behind := range slices.Clone(g.behind[id]) {
		if err := g.lookBack(ctx, behind); err != nil {
			return err
		}
	}
	return nil
}

// lookBack tells a run what became of the nodes of the run before that it waits for, as far as
// that is known for good. A node that has failed may be tried again as long as its run goes
// on: its end counts when the run has ended.
func (g *dags) lookBack(ctx context.Context, id uint32) error {
	r := g.runs[id]
	if r == nil {
		return nil
	}
	waits := r.run.LookingBack()
	if len(waits) == 0 {
		return nil
	}
	look, told := g.before(r.files.rec.Before), false
	failpoint.Hit("dag.previous.before")
	for _, i := range waits {
		h, known := look(&r.run.Graph.Nodes[i])
		if !known {
			continue
		}
		h.Node, told = i, true
		if err := g.take(ctx, r, h); err != nil {
			return err
		}
		if r = g.runs[id]; r == nil {
			return nil
		}
	}
	if !told {
		return nil
	}
	return g.keep(ctx, r)
}

// before is how one learns what became of nodes of a run, which is the one before another; 0:
// there is none.
func (g *dags) before(id uint32) (look func(*dag.Node) (h dag.LookedBack, known bool)) {
	all := func(why string) func(*dag.Node) (dag.LookedBack, bool) {
		return func(*dag.Node) (dag.LookedBack, bool) { return dag.LookedBack{Why: why}, true }
	}
	none := func(*dag.Node) (h dag.LookedBack, known bool) { return h, false }
	if id == 0 {
		return all("there is no run before this one")
	}
	if r := g.runs[id]; r != nil {
		if r.run.Version != r.kept {
			return none // it tells when it is kept
		}
		r.index()
		return func(n *dag.Node) (dag.LookedBack, bool) { return fateBefore(id, r.run, r.places, n) }
	}
	v := g.d.ledger.View()
	if _, live := v.Dag(id); live {
		return none // it cannot be taken up
	}
	rec, run, err := g.d.runOf(v, id)
	switch {
	case grid.CodeOf(err) == grid.NotFound:
		return all(fmt.Sprintf("nothing is known any more of workflow %d, the run before", id))
	case err != nil:
		g.d.log.WithError(err).WithField("dag", id).Error("the run before cannot be looked at")
		g.d.trouble.add("workflow " + strconv.Itoa(int(id)) + " cannot be looked at, and a run behind it waits: " + grid.MessageOf(err))
		return none
	case rec.Status == dag.RunDone:
		return all(fmt.Sprintf("workflow %d, the run before, is done", id))
	}
	names := namesOf(run.Graph)
	return func(n *dag.Node) (dag.LookedBack, bool) { return fateBefore(id, run, names, n) }
}

// fateBefore is what became of a node of the run before; not known: it may yet change.
func fateBefore(id uint32, run *dag.Run, names map[string]int32, n *dag.Node) (h dag.LookedBack, known bool) {
	name := grid.Printable(n.Past)
	i, there := names[n.Past]
	switch {
	case !there:
		h.Why = fmt.Sprintf("workflow %d, the run before, has no node %s", id, name)
	case run.State(i) == grid.NodeDone:
		h.Why = fmt.Sprintf("%s of workflow %d, the run before, is done", name, id)
	case !run.Status.Ended():
		return h, false
	default:
		h.Failed = !n.PastAny
		h.Why = fmt.Sprintf("workflow %d, the run before, is %s, and %s of it %s", id, run.Status, name, cameTo(run.State(i)))
	}
	return h, true
}

// cameTo is how a node stands whose run has ended, and that is not done.
func cameTo(s grid.NodeState) string {
	if s == grid.NodeFailed {
		return "failed"
	}
	return "did not run"
}

// index makes the names of a run's nodes to be found.
func (r *dagRun) index() {
	if r.places == nil {
		r.places = namesOf(r.run.Graph)
	}
}

func namesOf(g *dag.Graph) map[string]int32 {
	names := make(map[string]int32, g.Len())
	for i := range g.Nodes[:g.Len()] {
		names[g.Nodes[i].Name] = int32(i)
	}
	return names
}

// previousOf is how people are told of the nodes of the run before that a run waits for, or
// has waited for.
func (d *Daemon) previousOf(v *ledger.View, rec *ledger.Dag, run *dag.Run) func(*dag.Node) *api.DagPrevious {
	if !run.Graph.LooksBack() || rec.Before == 0 {
		return func(n *dag.Node) *api.DagPrevious { return &api.DagPrevious{Node: n.Past, Any: n.PastAny} }
	}
	before, then, err := d.runOf(v, rec.Before)
	if err != nil {
		return func(n *dag.Node) *api.DagPrevious {
			return &api.DagPrevious{Node: n.Past, Any: n.PastAny, Run: rec.Before}
		}
	}
	names := namesOf(then.Graph)
	return func(n *dag.Node) *api.DagPrevious {
		out := &api.DagPrevious{Node: n.Past, Any: n.PastAny, Run: rec.Before, Due: before.Due / 1000, Ended: before.Status.Ended()}
		if i, there := names[n.Past]; there {
			out.State = then.State(i).String()
		}
		return out
	}
}
