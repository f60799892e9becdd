package schedd

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"sync"

	"github.com/sirupsen/logrus"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/ledger"
)

// dags leads the runs of workflows: it tells package dag what happens, keeps what that
// changes, and does what is then to be done. One goroutine has all runs; submitting
// nodes, which waits for users' files, is done beside it.
type dags struct {
	d     *Daemon
	runs  map[uint32]*dagRun
	seen  uint64
	told  chan told
	asks  chan func(context.Context) error
	slots chan struct{} // of submissions at a time
	wg    sync.WaitGroup
}

// dagRun is one run, as it will be when what is pending has been kept.
type dagRun struct {
	id      uint32
	run     *dag.Run
	kept    uint64 // the version that the ledger has
	pending map[int32]ledger.NodeChange
	order   []int32 // of pending
	actions []dag.Action
}

// told is what came of a submission.
type told struct {
	run uint32
	h   dag.Happening
}

// submitters bounds the nodes that are submitted at one time.
const submitters = 8

func newDags(d *Daemon) *dags {
	return &dags{d: d, told: make(chan told, 1024), asks: make(chan func(context.Context) error), slots: make(chan struct{}, submitters)}
}

func (g *dags) run(ctx context.Context) error {
	defer g.wg.Wait()
	if err := g.rebuild(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	for {
		if err := g.follow(ctx); err != nil {
			return ignoreEnd(ctx, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-g.d.ledger.Changed(g.seen):
		case t := <-g.told:
			if err := g.hear(ctx, t); err != nil {
				return ignoreEnd(ctx, err)
			}
		case f := <-g.asks:
			if err := f(ctx); err != nil {
				return ignoreEnd(ctx, err)
			}
		}
	}
}

// ask runs f on the goroutine of the runs. What f returns ends the daemon.
func (g *dags) ask(ctx context.Context, f func(context.Context) error) error {
	done := make(chan struct{})
	select {
	case g.asks <- func(ctx context.Context) error { defer close(done); return f(ctx) }:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	<-done
	return nil
}

// rebuild opens every run that has not ended.
func (g *dags) rebuild(ctx context.Context) error {
	v := g.d.ledger.View()
	g.seen, g.runs = v.Index, map[uint32]*dagRun{}
	for id := range v.Dags() {
		if err := g.open(ctx, v, id); err != nil {
			return err
		}
	}
	return nil
}

// open takes a run up: from its beginning, or where the ledger says it stands.
func (g *dags) open(ctx context.Context, v *ledger.View, id uint32) error {
	rec, ok := v.Dag(id)
	if !ok || g.runs[id] != nil {
		return nil
	}
	r := &dagRun{id: id, kept: rec.Version, pending: map[int32]ledger.NodeChange{}}
	graph, err := g.d.graphOf(id)
	if err == nil {
		r.run, err = dag.Open(graph, rec.Header, func(yield func(int32, dag.Record) bool) {
			for i := range rec.Nodes {
				if n, ok := v.Node(id, i); ok && !yield(i, n) {
					return
				}
			}
		})
	}
	if err != nil {
		// It stands still, and somebody must look.
		g.d.log.WithError(err).WithField("dag", id).Error("a run cannot be taken up")
		g.d.trouble.add("workflow " + strconv.Itoa(int(id)) + " cannot be taken up: " + grid.MessageOf(err))
		return nil
	}
	g.runs[id] = r
	if rec.Status == dag.RunNew {
		return g.step(ctx, r, dag.Begin{})
	}
	for i := range rec.Nodes {
		if n := r.run.Record(i); n.State == grid.NodeSubmitted {
			h, err := g.d.count(v, i, &n)
			if err != nil {
				return err
			}
			if err := g.take(r, h); err != nil {
				return err
			}
		}
	}
	return g.step(ctx, r, dag.Resume{})
}

func (d *Daemon) graphOf(id uint32) (*dag.Graph, error) {
	var blob []byte
	err := d.ledger.Read(func(r *ledger.Reader) (err error) {
		blob, err = r.Graph(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	graph := new(dag.Graph)
	if err := json.Unmarshal(blob, graph); err != nil {
		return nil, grid.Errorf(grid.Internal, "the graph of workflow %d: %w", id, err)
	}
	return graph, nil
}

// count says how a node's cluster stands in the view.
func (d *Daemon) count(v *ledger.View, node int32, n *dag.Record) (dag.Counted, error) {
	h := dag.Counted{Node: node, Cluster: n.Cluster, At: dag.Position{Index: v.Index, Seq: math.MaxUint32}}
	if c, ok := v.Cluster(n.Cluster); ok {
		h.Left = c.Live + v.Coming(n.Cluster)
	} else if c, ok := v.Leaving(n.Cluster); ok {
		h.Left = c.Live // each is told of when it moves to the history
	}
	err := d.ledger.Read(func(r *ledger.Reader) error {
		for p, err := range r.PastByID(grid.JobID{Cluster: n.Cluster + 1}.Key()) {
			if err != nil {
				return err
			}
			if p.Run.Cluster != n.Cluster {
				break
			}
			if exit := returnOf(&p.Job); exit != 0 {
				h.Bad += int32(p.Run.Len())
				h.Exit = exit
			}
		}
		return nil
	})
	return h, err
}

// returnOf is what DAGMan calls $RETURN of a job that has left the queue.
func returnOf(j *ledger.Job) int32 {
	switch {
	case j.Status == grid.Removed:
		return dag.ExitRemoved
	case j.Flags&ledger.BySignal != 0:
		return -j.Exit
	}
	return j.Exit
}

// follow takes in the events since the last time, and keeps what they change.
func (g *dags) follow(ctx context.Context) error {
	rebuild := func() error { return g.rebuild(ctx) }
	return g.d.follow(ctx, &g.seen, rebuild, func(v *ledger.View, events []ledger.Event) error {
		touched := map[uint32]bool{}
		for i := range events {
			e := &events[i]
			switch {
			case e.Type == ledger.DagMoved && dag.RunStatus(e.To) == dag.RunNew:
				if err := g.open(ctx, v, e.ID); err != nil {
					return err
				}
			case (e.Type == ledger.JobLeft || e.Type == ledger.FactoryEnded && e.Code < e.Sub) && e.ID != 0 && g.runs[e.ID] != nil:
				h, err := g.d.leftOf(e)
				if err != nil {
					return err
				}
				if err := g.take(g.runs[e.ID], h); err != nil {
					return err
				}
				touched[e.ID] = true
			}
		}
		for id := range touched {
			if r := g.runs[id]; r != nil {
				if err := g.keep(ctx, r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// leftOf is a job's end, as its run is told, or that of jobs which were never made.
func (d *Daemon) leftOf(e *ledger.Event) (h dag.ProcsLeft, err error) {
	h = dag.ProcsLeft{Node: e.Node, Cluster: e.Jobs.Cluster, At: dag.Position{Index: e.Index, Seq: e.Seq}, Procs: int32(e.Jobs.Len())}
	if e.Type == ledger.FactoryEnded {
		h.Procs, h.Exit = e.Sub-e.Code, dag.ExitRemoved
		return h, nil
	}
	err = d.ledger.Read(func(r *ledger.Reader) error {
		p, ok, err := r.Past(e.Jobs.First())
		if err == nil && !ok {
			err = grid.Errorf(grid.Internal, "job %s has left the queue and is not in the history", e.Jobs)
		}
		h.Exit = returnOf(&p.Job)
		return err
	})
	return h, err
}

// hear takes in what came of submissions, as many as there are.
func (g *dags) hear(ctx context.Context, t told) error {
	touched := map[uint32]bool{}
	for more := true; more; {
		if r := g.runs[t.run]; r != nil {
			if err := g.take(r, t.h); err != nil {
				return err
			}
			touched[t.run] = true
		}
		select {
		case t = <-g.told:
		default:
			more = false
		}
	}
	for id := range touched {
		if err := g.keep(ctx, g.runs[id]); err != nil {
			return err
		}
	}
	return nil
}

// step takes one happening in and keeps what it changes.
func (g *dags) step(ctx context.Context, r *dagRun, h dag.Happening) error {
	if err := g.take(r, h); err != nil {
		return err
	}
	return g.keep(ctx, r)
}

// take works out what a happening changes, in memory.
func (g *dags) take(r *dagRun, h dag.Happening) error {
	change, actions, err := dag.Step(r.run, h)
	if err != nil {
		return err
	}
	if err := r.run.Apply(change); err != nil {
		return err
	}
	for _, c := range change.Nodes {
		if _, again := r.pending[c.Node]; !again {
			r.order = append(r.order, c.Node)
		}
		r.pending[c.Node] = ledger.NodeChange{Index: c.Node, Record: c.Record, Why: c.Why}
	}
	r.actions = append(r.actions, actions...)
	return nil
}

// keep makes what is pending durable, then does what is to be done.
func (g *dags) keep(ctx context.Context, r *dagRun) error {
	if r.run.Version != r.kept {
		c := &ledger.StepDag{Dag: r.id, Version: r.kept, Header: r.run.Header}
		for _, i := range r.order {
			c.Nodes = append(c.Nodes, r.pending[i])
		}
		_, err := g.d.propose(ctx, c)
		if code := grid.CodeOf(err); code == grid.Conflict || code == grid.NotFound {
			// Somebody else has moved it: look anew.
			delete(g.runs, r.id)
			return g.open(ctx, g.d.ledger.View(), r.id)
		}
		if err != nil {
			return err
		}
		r.kept = r.run.Version
		clear(r.pending)
		r.order = r.order[:0]
	}
	actions := r.actions
	r.actions = nil
	for _, a := range actions {
		if err := g.do(ctx, r, a); err != nil {
			return err
		}
	}
	if r.run.Status.Ended() {
		delete(g.runs, r.id)
		g.d.crons.poke()
		g.d.log.WithFields(logrus.Fields{"dag": r.id, "status": r.run.Status.String()}).Info("workflow has ended")
	}
	return nil
}

func (g *dags) do(ctx context.Context, r *dagRun, a dag.Action) error {
	switch a := a.(type) {
	case dag.Submit:
		n := nodeSubmission{run: r.id, node: a.Node, attempt: a.Attempt, graph: r.run.Graph.Nodes[a.Node], vars: r.run.Vars(a.Node)}
		g.wg.Go(func() { g.submit(ctx, n) })
	case dag.RemoveJobs:
		_, err := g.d.propose(ctx, &ledger.Act{
			Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(a.Cluster)}, Reason: "removed by workflow " + strconv.Itoa(int(r.id)),
		})
		return err
	}
	return nil
}

// submit submits a node, however long that takes, and tells what came of it.
func (g *dags) submit(ctx context.Context, n nodeSubmission) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return
	}
	for tries := 1; ; tries++ {
		h, again := g.d.submitNode(ctx, n)
		if !again {
			if h != nil {
				select {
				case g.told <- told{n.run, h}:
				case <-ctx.Done():
				}
			}
			return
		}
		if pause.For(ctx, backOff(tries)) != nil {
			return
		}
	}
}
