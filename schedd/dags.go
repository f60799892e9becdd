package schedd

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/dag"
	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/pause"
	"gridburst/internal/script"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// dags leads the runs of workflows: it tells package dag what happens, keeps what that
// changes, and does what is then to be done. One goroutine has all runs; submitting
// nodes and running scripts, which wait for users' files, are done beside it.
type dags struct {
	d       *Daemon
	runs    map[uint32]*dagRun
	seen    uint64
	told    chan told
	asks    chan func(context.Context) error
	lower   func(context.Context, desk.Owner, jobfile.Request) ([]submit.Spec, error) // reads a node's job file
	slots   chan struct{}                                                             // of submissions at a time
	reads   chan struct{}                                                             // of files that are read for what will come, at a time
	book    *script.Book
	scripts map[string]*scriptRun // by key
	holds   uint64                // HOLD scripts that were run

	clusters map[int32]nodeOf    // of live runs, in the queue
	behind   map[uint32][]uint32 // live runs that wait for nodes of one, by that
	watching watching
	wg       sync.WaitGroup
}

// dagRun is one run, as it will be when what is pending has been kept.
type dagRun struct {
	id      uint32
	run     *dag.Run
	kept    uint64 // the version that the ledger has
	pending map[int32]ledger.NodeChange
	order   []int32         // of pending
	queued  map[int32]int32 // clusters of nodes, in the queue
	actions []dag.Action
	after   []func() // once what is pending is kept
	owner   ledger.Owner
	file    string
	dir     string
	holds   chan struct{} // of HOLD scripts at a time
	files   dagFiles
	looked  time.Time // when decisions were last told how it stands
	looks   bool      // they are about to be told

	looksBack bool             // it asks what became of the run before
	places    map[string]int32 // of its nodes, once somebody has looked for one
}

// nodeOf is whose a cluster is.
type nodeOf struct {
	run  uint32
	node int32
}

// told is what came of something that was done beside the goroutine of the runs.
type told struct {
	run   uint32
	h     dag.Happening
	after func() // once that is kept; nil: nothing
	ended bool   // what the run leaves at its end is written
}

// submitters bounds the nodes that are submitted at one time.
const submitters = 8

// batchNodes is how many changed nodes are enough for a command: with what one more step
// may change they are below a thousand.
const batchNodes = 300

func newDags(d *Daemon) *dags {
	return &dags{
		d: d, lower: d.desks.LowerJobs, told: make(chan told, 1024), asks: make(chan func(context.Context) error), slots: make(chan struct{}, submitters), reads: make(chan struct{}, 1),
		scripts: map[string]*scriptRun{}, clusters: map[int32]nodeOf{}, behind: map[uint32][]uint32{},
	}
}

func (g *dags) run(ctx context.Context) error {
	defer g.wg.Wait()
	var err error
	if g.book, err = script.Open(filepath.Join(g.d.c.Dir, "scripts"), nil); err != nil {
		return err
	}
	if err := g.rebuild(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	if err := g.tidy(); err != nil {
		return err
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
			// What was answered before it was asked is known by now.
			if err := g.follow(ctx); err != nil {
				return ignoreEnd(ctx, err)
			}
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
	g.seen, g.runs, g.behind = v.Index, map[uint32]*dagRun{}, map[uint32][]uint32{}
	g.d.foresight.anew()
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
	owner, _ := v.Owner(rec.Owner)
	r := &dagRun{id: id, kept: rec.Version, pending: map[int32]ledger.NodeChange{}, queued: map[int32]int32{}, owner: owner, file: rec.File, dir: rec.Dir, holds: make(chan struct{}, maxHolds(rec.MaxHold))}
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
	g.watching.begin(id, graph)
	g.openFiles(ctx, r, rec)
	g.standBehind(r)
	if rec.Status == dag.RunNew {
		return g.step(ctx, r, dag.Begin{})
	}
	for i := range rec.Nodes {
		n := r.run.Record(i)
		if n.State != grid.NodeSubmitted {
			continue
		}
		r.note(i, &n)
		if !graph.Nodes[i].Subdag {
			g.clusters[n.Cluster] = nodeOf{id, i}
		}
		var h dag.Happening
		if graph.Nodes[i].Subdag {
			if h, err = g.d.childOf(v, i, &n); err != nil {
				return err
			}
		} else if h, err = g.d.count(v, i, &n); err != nil {
			return err
		}
		if h != nil {
			if err := g.take(ctx, r, h); err != nil {
				return err
			}
		}
		if err := g.takeSaid(ctx, id, i); err != nil {
			return err
		}
		if r = g.runs[id]; r == nil {
			return nil
		}
	}
	g.waiting(v, r)
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
	graph, err := dag.Unpack(blob)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "the graph of workflow %d: %w", id, err)
	}
	return graph, nil
}

// follow takes in the events since the last time, and keeps what they change.
func (g *dags) follow(ctx context.Context) error {
	rebuild := func() error { return g.rebuild(ctx) }
	return g.d.follow(ctx, &g.seen, rebuild, func(v *ledger.View, events []ledger.Event) error {
		touched := map[uint32]bool{}
		for i := range events {
			of := g.clusters[events[i].Jobs.Cluster]
			run, h, err := g.happening(ctx, v, &events[i])
			if err != nil {
				return err
			}
			r := g.runs[run]
			if r == nil {
				continue
			}
			if r.files.lines != nil {
				g.tellLog(ctx, r, &events[i], of, h)
			}
			touched[run] = true
			if h == nil {
				continue
			}
			if err := g.take(ctx, r, h); err != nil {
				return err
			}
		}
		return g.keepAll(ctx, v, touched)
	})
}

// keepAll keeps what has been taken in of some runs.
func (g *dags) keepAll(ctx context.Context, v *ledger.View, touched map[uint32]bool) error {
	for _, id := range slices.Sorted(maps.Keys(touched)) {
		r := g.runs[id]
		if r == nil {
			continue
		}
		if g.waiting(v, r) {
			if err := g.take(ctx, r, dag.Look{}); err != nil {
				return err
			}
		}
		if r = g.runs[id]; r == nil {
			continue
		}
		if err := g.keep(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// hear takes in what was done beside, as much as there is.
func (g *dags) hear(ctx context.Context, t told) error {
	touched := map[uint32]bool{}
	for more := true; more; {
		if r := g.runs[t.run]; r != nil {
			r.files.ended = r.files.ended || t.ended
			if t.after != nil {
				r.after = append(r.after, t.after)
			}
			if t.h != nil {
				if err := g.take(ctx, r, t.h); err != nil {
					return err
				}
			}
			if s, is := t.h.(dag.Submitted); is {
				// What its job said before the run knew of it was nothing to the run.
				if _, there := g.d.ledger.View().Cluster(s.Cluster); there {
					g.clusters[s.Cluster] = nodeOf{t.run, s.Node}
				}
				if err := g.takeSaid(ctx, t.run, s.Node); err != nil {
					return err
				}
			}
			touched[t.run] = true
		}
		select {
		case t = <-g.told:
		default:
			more = false
		}
	}
	return g.keepAll(ctx, g.d.ledger.View(), touched)
}

// step takes one happening in and keeps what it changes.
func (g *dags) step(ctx context.Context, r *dagRun, h dag.Happening) error {
	if err := g.take(ctx, r, h); err != nil {
		return err
	}
	if r = g.runs[r.id]; r == nil {
		return nil
	}
	return g.keep(ctx, r)
}

// take works out what a happening changes, in memory. When much has come together, it is
// kept first.
func (g *dags) take(ctx context.Context, r *dagRun, h dag.Happening) error {
	if len(r.order) >= batchNodes {
		if err := g.keep(ctx, r); err != nil {
			return err
		}
		if r = g.runs[r.id]; r == nil {
			return nil
		}
	}
	change, actions, err := dag.Step(r.run, h)
	if err != nil {
		return err
	}
	if err := r.run.Apply(change); err != nil {
		return err
	}
	for _, c := range change.Nodes {
		r.note(c.Node, &c.Record)
		if was, again := r.pending[c.Node]; !again {
			r.order = append(r.order, c.Node)
		} else if c.Why == "" {
			c.Why = was.Why
		}
		r.pending[c.Node] = ledger.NodeChange{Index: c.Node, Record: c.Record, Why: c.Why}
	}
	r.actions = append(r.actions, actions...)
	return nil
}

// keep makes what is pending durable, then does what is to be done. The end of a run is
// kept when its files say so.
func (g *dags) keep(ctx context.Context, r *dagRun) error {
	if r.run.Version != r.kept {
		if !g.written(ctx, r) {
			return nil
		}
		c := &ledger.StepDag{Dag: r.id, Version: r.kept, Header: r.run.Header}
		for _, i := range r.order {
			c.Nodes = append(c.Nodes, r.pending[i])
		}
		failpoint.Hit("dag.keep.before")
		_, err := g.d.propose(ctx, c)
		if code := grid.CodeOf(err); code == grid.Conflict || code == grid.NotFound {
			// Somebody else has moved it: look anew.
			delete(g.runs, r.id)
			return g.open(ctx, g.d.ledger.View(), r.id)
		}
		if err != nil {
			return err
		}
		failpoint.Hit("dag.keep.after")
		r.kept = r.run.Version
		clear(r.pending)
		r.order = r.order[:0]
		g.changed(ctx, r)
	}
	g.foresee(ctx, r) // before a node is submitted, so that who decides knows whose it is
	for _, f := range r.after {
		f()
	}
	r.after = nil
	actions := r.actions
	r.actions = nil
	for _, a := range actions {
		if err := g.do(ctx, r, a); err != nil {
			return err
		}
	}
	if r.looksBack {
		r.looksBack = false
		if err := g.lookBack(ctx, r.id); err != nil {
			return err
		}
	}
	if r.run.Status.Ended() && r.run.Version == r.kept && g.runs[r.id] == r { // what it was told now may have to be kept still
		delete(g.runs, r.id)
		g.standAside(r)
		g.watching.end(r.id)
		if r.files.rec.Cron != "" {
			g.d.crons.poke()
		}
		g.d.log.WithFields(logrus.Fields{"dag": r.id, "status": r.run.Status.String()}).Info("workflow has ended")
	}
	return g.tellBehind(ctx, r.id)
}

func (g *dags) do(ctx context.Context, r *dagRun, a dag.Action) error {
	switch a := a.(type) {
	case dag.Submit:
		n := nodeSubmission{run: r.id, node: a.Node, attempt: a.Attempt, graph: r.run.Graph.Nodes[a.Node], whole: r.run.Graph, vars: r.run.Vars(a.Node)}
		g.wg.Go(func() { g.submit(ctx, n) })
	case dag.RemoveJobs:
		_, err := g.d.propose(ctx, &ledger.Act{
			Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(a.Cluster)}, Reason: "removed by workflow " + strconv.Itoa(int(r.id)),
		})
		return err
	case dag.RunScript:
		g.runScript(ctx, r, a)
	case dag.KillScript:
		g.killScript(ctx, r, a)
	case dag.RunHold:
		g.runHold(ctx, r, a)
	case dag.StartRun:
		n := nodeSubmission{run: r.id, node: a.Node, attempt: a.Attempt, graph: r.run.Graph.Nodes[a.Node], prio: r.run.Priority}
		g.wg.Go(func() { g.submit(ctx, n) })
	case dag.RemoveRun:
		child := g.runs[a.Run]
		if child == nil || child.run.Status.Ended() {
			return nil // its end is told, or nobody can take it up
		}
		return g.step(ctx, child, dag.Remove{})
	case dag.Wait:
		if a.Submitted {
			a.For -= g.since(r, a.Node)
		}
		g.wait(ctx, r, a)
	case dag.Save:
		g.save(ctx, r, a)
	case dag.LookBack:
		r.looksBack = true // all that is asked is answered at once
	}
	return nil
}

// wait tells a run when its time is over.
func (g *dags) wait(ctx context.Context, r *dagRun, a dag.Wait) {
	run, last := r.id, func() string { return "" }
	if cluster := r.run.Record(a.Node).Cluster; a.Submitted && r.run.Graph.Nodes[a.Node].ReadyWithin > 0 {
		last = func() string { return g.d.awaited(g.d.ledger.View(), cluster) }
	}
	g.wg.Go(func() {
		if pause.For(ctx, a.For) == nil {
			g.tell(ctx, told{run: run, h: dag.Waited{Node: a.Node, Attempt: a.Attempt, Try: a.Try, Last: last()}})
		}
	})
}

// since is how long ago the job, or the run, of a node's attempt came to be.
func (g *dags) since(r *dagRun, node int32) time.Duration {
	v, of := g.d.ledger.View(), r.run.Record(node).Cluster
	var at int64
	if r.run.Graph.Nodes[node].Subdag {
		child, _ := v.Dag(uint32(of))
		at = child.Started
	} else {
		c, _ := v.Cluster(of)
		at = c.QDate
	}
	if at == 0 {
		return 0 // it has gone, and its end is on its way
	}
	return max(time.Since(time.UnixMilli(at)), 0)
}

// tell hands over what was done beside the goroutine of the runs.
func (g *dags) tell(ctx context.Context, t told) {
	select {
	case g.told <- t:
	case <-ctx.Done():
	}
}

// submit submits a node, however long that takes, and tells what came of it.
func (g *dags) submit(ctx context.Context, n nodeSubmission) {
	for tries := 1; ; tries++ {
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		h, again := g.d.submitNode(ctx, n)
		<-g.slots // what this one waits for may be another's submission
		if !again {
			if h != nil {
				g.tell(ctx, told{run: n.run, h: h})
			}
			return
		}
		if pause.For(ctx, backOff(tries)) != nil {
			return
		}
	}
}
