package schedd

import (
	"context"
	"encoding/json"
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
	out.Dag, err = d.startDag(ctx, ledger.Command{Key: s.Key, By: by}, &ledger.StartDag{
		Owner: ledger.Owner{Name: who.Name, UID: who.UID, GID: who.GID}, File: s.File, Dir: s.Dir,
	}, &s.Graph)
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
	if err := g.Check(); err != nil {
		return err
	}
	if _, err := dag.Open(g, dag.Header{}, nil); err != nil {
		return err
	}
	blob, err := json.Marshal(g)
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
	if past {
		err = d.ledger.Read(func(r *ledger.Reader) error {
			for id, g := range r.PastDags() {
				if out.Dags = append(out.Dags, d.dagInfo(v, id, &g, who)); len(out.Dags) == pastDags {
					break
				}
			}
			return nil
		})
		slices.Reverse(out.Dags)
	}
	for id, g := range v.Dags() {
		out.Dags = append(out.Dags, d.dagInfo(v, id, g, who))
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
	}
}

// Dag implements [serve.Backend].
func (d *Daemon) Dag(_ context.Context, who serve.Identity, id uint32) (out api.DagDetail, err error) {
	v := d.ledger.View()
	rec, live := v.Dag(id)
	var records map[int32]dag.Record
	err = d.ledger.Read(func(r *ledger.Reader) (err error) {
		if !live {
			if rec, live, err = r.PastDag(id); err != nil || !live {
				return err
			}
		}
		records = maps.Collect(r.Nodes(id))
		return nil
	})
	if err == nil && !live {
		err = grid.Errorf(grid.NotFound, "there is no workflow %d", id)
	}
	if err != nil {
		return out, err
	}
	graph, err := d.graphOf(id)
	if err != nil {
		return out, err
	}
	run, err := dag.Open(graph, rec.Header, func(yield func(int32, dag.Record) bool) {
		for i := range int32(graph.Len()) {
			if n, ok := records[i]; ok && !yield(i, n) {
				return
			}
		}
	})
	if err != nil {
		return out, err
	}
	out.Dag = d.dagInfo(v, id, &rec, who)
	out.Done, out.Failed = run.Count(grid.NodeDone), run.Count(grid.NodeFailed)
	for i := range int32(graph.Len()) {
		n := run.Record(i)
		out.Detail = append(out.Detail, api.DagNode{
			Name: graph.Nodes[i].Name, State: n.State.String(), Attempt: n.Attempt, Cluster: n.Cluster, Exit: n.Exit,
		})
	}
	return out, nil
}

// RemoveDag implements [serve.Backend].
func (d *Daemon) RemoveDag(ctx context.Context, who serve.Identity, id uint32) error {
	v := d.ledger.View()
	rec, ok := v.Dag(id)
	switch {
	case !ok:
		return grid.Errorf(grid.NotFound, "workflow %d does not run", id)
	case !who.Admin && rec.Owner != v.OwnerOf(who.UID):
		return grid.Errorf(grid.Forbidden, "workflow %d is another user's", id)
	}
	var refused error
	err := d.dags.ask(ctx, func(ctx context.Context) error {
		r := d.dags.runs[id]
		if r == nil {
			refused = grid.Errorf(grid.Refused, "workflow %d has ended, or cannot be taken up", id)
			return nil
		}
		return d.dags.step(ctx, r, dag.Remove{})
	})
	if err == nil {
		err = refused
	}
	return err
}
