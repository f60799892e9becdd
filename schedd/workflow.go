package schedd

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// SubmitDag implements [serve.Backend].
func (d *Daemon) SubmitDag(ctx context.Context, who serve.Identity, s api.DagSubmission) (out api.DagSubmitted, err error) {
	if len(s.Key) > ledger.MaxKey {
		return out, grid.Errorf(grid.Invalid, "the idempotency key has %d bytes: at most %d", len(s.Key), ledger.MaxKey)
	}
	by := byUser(who.UID)
	if !d.knows(by, s.Key) {
		if err := d.intake.pace(who.UID, time.Now()); err != nil {
			return out, err
		}
	}
	graph := &s.Graph
	if len(s.Packed) > 0 {
		if graph, err = dag.Unpack(s.Packed); err != nil {
			return out, err
		}
	}
	out.Dag, err = d.startDag(ctx, ledger.Command{Key: s.Key, By: by}, &ledger.StartDag{
		Owner: ledger.Owner{Name: who.Name, UID: who.UID, GID: who.GID}, File: s.File, Dir: s.Dir, Rescue: s.Rescue,
		Header: dag.Header{
			MaxJobs: s.MaxJobs, MaxIdle: s.MaxIdle, MaxPre: s.MaxPre, MaxPost: s.MaxPost, MaxHold: s.MaxHold,
			Priority: s.Priority, AlwaysPost: s.AlwaysPost,
		},
	}, graph)
	return out, err
}

// startDag proposes a run of a graph. The command says who asks and under which key.
func (d *Daemon) startDag(ctx context.Context, cmd ledger.Command, c *ledger.StartDag, g *dag.Graph) (uint32, error) {
	if err := d.prepareDag(ctx, cmd.By, c, g); err != nil {
		return 0, err
	}
	cmd.At, cmd.Body = d.now(), c
	r, err := d.ledger.Propose(ctx, cmd)
	if err != nil {
		return 0, err
	}
	return r.Value.(uint32), nil
}

// prepareDag puts a graph into the command that begins a run of it.
func (d *Daemon) prepareDag(ctx context.Context, by string, c *ledger.StartDag, g *dag.Graph) error {
	if !filepath.IsAbs(c.File) || !filepath.IsAbs(c.Dir) {
		return grid.Errorf(grid.Invalid, "a workflow comes with the full paths of its file and directory")
	}
	// A graph that no run can be opened of must not get in.
	err := g.Check()
	if err == nil {
		_, err = dag.Open(g, dag.Header{}, nil)
	}
	if err != nil {
		return err
	}
	if c.Scale, err = d.scaleOf(g); err != nil {
		return err
	}
	c.Header = g.Begins(c.Header)
	c.Header.Limit(c.Header.Limits().Within(d.config().DagLimits))
	blob, err := g.Pack()
	if err != nil {
		return err
	}
	c.Name, c.Nodes = g.Name, int32(g.Len())
	c.Graph = slices.Collect(slices.Chunk(blob, ledger.MaxChunk))
	if len(blob) > ledger.MaxEntry/2 {
		if c.Stage, err = d.stageChunks(ctx, by, c.Graph); err != nil {
			return err
		}
		c.Graph = nil
	}
	return nil
}

// Dags implements [serve.Backend].
func (d *Daemon) Dags(_ context.Context, who serve.Identity, past bool) (out api.Dags, err error) {
	v := d.ledger.View()
	out.Dags = []api.Dag{}
	ended := map[uint32]bool{} // also those that have ended since the view was made
	if past {
		err = d.ledger.Read(func(r *ledger.Reader) error {
			for id, g := range r.PastDags() {
				ended[id] = true
				if out.Dags = append(out.Dags, d.dagInfo(v, id, &g, who)); len(out.Dags) == pastDags {
					break
				}
			}
			return nil
		})
		slices.Reverse(out.Dags)
	}
	for id, g := range v.Dags() {
		if !ended[id] {
			out.Dags = append(out.Dags, d.dagInfo(v, id, g, who))
		}
	}
	return out, err
}

// pastDags bounds the ended runs that are told of.
const pastDags = 1000

// dagInfo is a run as who may see it: where others keep their files is theirs.
func (d *Daemon) dagInfo(v *ledger.View, id uint32, g *ledger.Dag, who serve.Identity) api.Dag {
	owner, _ := v.Owner(g.Owner)
	file := g.File
	if !who.Admin && owner.UID != who.UID {
		file = ""
	}
	return api.Dag{
		ID: id, Name: g.Name, File: file, Owner: owner.Name, Status: g.Status.String(), Nodes: int(g.Nodes), Done: int(g.Done), Failed: int(g.Failed),
		Started: g.Started / 1000, Ended: g.Ended / 1000, Cron: g.Cron, Due: g.Due / 1000, Exit: g.Return,
		Halt: haltWord(g.Halt), Parent: g.Parent.Dag, Rescue: g.Rescue, Fares: int(g.Condition),
	}
}

// Dag implements [serve.Backend].
func (d *Daemon) Dag(_ context.Context, who serve.Identity, id uint32, edges bool) (out api.DagDetail, err error) {
	v := d.ledger.View()
	rec, run, err := d.runOf(v, id)
	if err != nil {
		return out, err
	}
	graph := run.Graph
	out.Dag = d.dagInfo(v, id, &rec, who)
	out.Done, out.Failed, out.Fares = run.Count(grid.NodeDone), run.Count(grid.NodeFailed), int(run.Fares())
	out.Limit, out.Attrs = api.DagLimits(run.Limits()), graph.Attrs
	out.Provision = provisionOf(&rec, graph)
	previous := d.previousOf(v, &rec, run)
	owner, _ := v.Owner(rec.Owner)
	mine := who.Admin || owner.UID == who.UID // what checks write is as private as a job's output
	for i := range int32(graph.Len()) {
		n, g := run.Record(i), &graph.Nodes[i]
		x := api.DagNode{Name: g.Name, State: n.State.String(), Attempt: n.Attempt, Cluster: n.Cluster, Exit: n.Exit, Kind: g.KindWord(), Ready: run.Serves(i), Skipped: run.Skipped(i)}
		if n.State == grid.NodeReady && len(run.Awaits(i)) > 0 || run.LooksBack(i) {
			x.State = grid.NodeWaiting.String() // for other services, or the run before, which no record tells of
		}
		if g.Subdag {
			x.Cluster, x.Run = 0, uint32(n.Cluster)
		}
		if g.Past != "" {
			x.Previous = previous(g)
		}
		if mine && g.ReadyWithin > 0 && n.State == grid.NodeSubmitted && !x.Ready {
			x.Awaits = d.awaited(v, n.Cluster)
		}
		if edges {
			x.Category, x.Retries, x.Parents = g.Category, g.Retries, parentsOf(graph, i)
		}
		out.Detail = append(out.Detail, x)
	}
	for i := range graph.Categories {
		if c := &graph.Categories[i]; edges && c.MaxJobs > 0 {
			if out.Categories == nil {
				out.Categories = map[string]int{}
			}
			out.Categories[c.Name] = c.MaxJobs
		}
	}
	return out, nil
}

// runOf is a run as it stands, live or past.
func (d *Daemon) runOf(v *ledger.View, id uint32) (rec ledger.Dag, run *dag.Run, err error) {
	rec, known := v.Dag(id)
	var records map[int32]dag.Record
	err = d.ledger.Read(func(r *ledger.Reader) (err error) {
		if !known {
			if rec, known, err = r.PastDag(id); err != nil || !known {
				return err
			}
		}
		records = maps.Collect(r.Nodes(id))
		return nil
	})
	if err == nil && !known {
		err = grid.Errorf(grid.NotFound, "there is no workflow %d", id)
	}
	if err != nil {
		return rec, nil, err
	}
	graph, err := d.graphOf(id)
	if err != nil {
		return rec, nil, err
	}
	run, err = dag.Open(graph, rec.Header, func(yield func(int32, dag.Record) bool) {
		for i := range int32(graph.Len()) {
			if n, ok := records[i]; ok && !yield(i, n) {
				return
			}
		}
	})
	return rec, run, err
}

// parentsOf are the nodes that a node waits for, as the API says them.
func parentsOf(g *dag.Graph, i int32) []int32 {
	var out []int32
	for _, p := range g.Parents(i) {
		if g.Weakly(i, p) {
			p = -1 - p
		}
		out = append(out, p)
	}
	return out
}

// RemoveDag implements [serve.Backend].
func (d *Daemon) RemoveDag(ctx context.Context, who serve.Identity, id uint32) error {
	_, err := d.toRun(ctx, who, id, func(*dagRun) (dag.Happening, error) { return dag.Remove{}, nil })
	return err
}

// ControlDag implements [serve.Backend].
func (d *Daemon) ControlDag(ctx context.Context, who serve.Identity, id uint32, c api.DagControl) (out api.DagControlled, err error) {
	h, err := d.toRun(ctx, who, id, func(r *dagRun) (dag.Happening, error) {
		switch c.Verb {
		case "halt":
			return dag.Hold{Halt: dag.Halted}, nil
		case "pause":
			return dag.Hold{Halt: dag.Paused}, nil
		case "resume":
			return dag.Hold{Halt: dag.Unhalted}, nil
		case "throttle":
			if c.Limit == nil {
				return nil, grid.Errorf(grid.Invalid, "throttle comes with limits")
			}
			return dag.Throttle{Limits: dag.Limits(*c.Limit).Within(d.config().DagLimits)}, nil
		case "retry", "skip":
			i := slices.IndexFunc(r.run.Graph.Nodes, func(n dag.Node) bool { return n.Name == c.Node && !n.Join })
			if i < 0 {
				return nil, grid.Errorf(grid.NotFound, "workflow %d has no node %s", id, grid.Printable(c.Node))
			}
			if c.Verb == "retry" {
				return dag.Retry{Node: int32(i)}, nil
			}
			return dag.Skip{Node: int32(i)}, nil
		}
		return nil, grid.Errorf(grid.Invalid, "a run can be told to halt, pause, resume, throttle, retry or skip, not to %s", grid.Printable(c.Verb))
	})
	return api.DagControlled{Status: h.Status.String(), Halt: haltWord(h.Halt), Limit: api.DagLimits(h.Limits())}, err
}

func haltWord(h dag.Halt) string {
	return map[dag.Halt]string{dag.Halted: "halted", dag.Paused: "paused"}[h]
}

// toRun tells a run what somebody wants, and how it then stands.
func (d *Daemon) toRun(ctx context.Context, who serve.Identity, id uint32, what func(*dagRun) (dag.Happening, error)) (after dag.Header, err error) {
	v := d.ledger.View()
	rec, ok := v.Dag(id)
	switch {
	case !ok:
		return after, grid.Errorf(grid.NotFound, "workflow %d does not run", id)
	case !who.Admin && rec.Owner != v.OwnerOf(who.UID):
		return after, grid.Errorf(grid.Forbidden, "workflow %d is another user's", id)
	}
	var refused error
	err = d.dags.ask(ctx, func(ctx context.Context) error {
		r := d.dags.runs[id]
		if r == nil || r.files.ending {
			refused = grid.Errorf(grid.Refused, "workflow %d has ended, or cannot be taken up", id)
			return nil
		}
		var h dag.Happening
		if h, refused = what(r); refused != nil {
			return nil
		}
		if _, _, refused = dag.Step(r.run, h); refused != nil {
			return nil // so that what is refused does not end the daemon
		}
		err := d.dags.step(ctx, r, h)
		after = r.run.Header
		return err
	})
	return after, errors.Join(err, refused)
}
