package schedd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/router/burst"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// askedFor is how many machines of a pool runs want to be there, the oldest run first.
func askedFor(v *ledger.View, pool string) (out []burst.Asked) {
	for id, g := range v.Dags() {
		for _, s := range g.Wants() {
			if s.Pool == pool && s.Count > 0 {
				out = append(out, burst.Asked{Of: id, Owner: g.Owner, Count: int(s.Count)})
			}
		}
	}
	return out
}

// scaleOf is how many machines a run begins with.
func (d *Daemon) scaleOf(g *dag.Graph) (out []ledger.Scaled, err error) {
	for _, p := range g.Provision {
		if r := d.resource(p.Pool); r == nil || r.Burst == nil {
			return nil, d.noPool(p.Pool)
		}
		out = append(out, ledger.Scaled{Pool: p.Pool, Count: uint32(p.Count)})
	}
	return out, nil
}

// noPool says that there is no such pool.
func (d *Daemon) noPool(name string) error {
	var names []string
	for i := range d.config().Resources {
		if r := &d.config().Resources[i]; r.Burst != nil {
			names = append(names, r.Name)
		}
	}
	return grid.Errorf(grid.NotFound, "no pool is named %s: resources with burst { } are pools%s", grid.Printable(name), thereIs(names))
}

// ScaleDag implements [serve.Backend].
func (d *Daemon) ScaleDag(ctx context.Context, who serve.Identity, id uint32, s api.DagScale) (out api.DagScaled, err error) {
	v := d.ledger.View()
	run, live := v.Dag(id)
	switch {
	case who.Run != 0 && who.Run != id:
		return out, grid.Errorf(grid.Forbidden, "the token of workflow %d is for its own machines, not for those of workflow %d", who.Run, id)
	case !live:
		return out, grid.Errorf(grid.NotFound, "workflow %d does not run", id)
	case !who.Admin && run.Owner != v.OwnerOf(who.UID):
		return out, grid.Errorf(grid.Forbidden, "workflow %d is another user's", id)
	}
	graph, err := d.graphOf(id)
	if err != nil {
		return out, err
	}
	at := slices.IndexFunc(graph.Provision, func(p dag.Provision) bool { return p.Pool == s.Pool })
	if at < 0 {
		var names []string
		for _, p := range graph.Provision {
			names = append(names, p.Pool)
		}
		return out, grid.Errorf(grid.Refused, "workflow %d has no provision block of %s%s", id, grid.Printable(s.Pool), thereIs(names))
	}
	if out.Max = graph.Provision[at].Max; s.Count < 0 || s.Count > out.Max {
		return out, grid.Errorf(grid.Refused, "workflow %d may ask for 0 to %d machines of %s, as its provision block says, and not for %d", id, out.Max, s.Pool, s.Count)
	}
	if r := d.resource(s.Pool); s.Count > 0 && (r == nil || r.Burst == nil) {
		return out, d.noPool(s.Pool)
	}
	out.Was = scaled(run.Scale, s.Pool)
	by := byUser(who.UID)
	if who.Run != 0 {
		by = fmt.Sprintf("%s:%d", dagKeys, who.Run)
	}
	_, err = d.ledger.Propose(ctx, ledger.Command{By: by, At: d.now(), Body: &ledger.ScaleDag{Dag: id, Scaled: ledger.Scaled{Pool: s.Pool, Count: uint32(s.Count)}}})
	return out, err
}

// scaled is how many machines of a pool are wanted.
func scaled(list []ledger.Scaled, pool string) int {
	for _, s := range list {
		if s.Pool == pool {
			return int(s.Count)
		}
	}
	return 0
}

// A run's token is good for one execution of a job of it, as long as that runs. It is kept
// nowhere: what it is good for follows from the queue.
//
//	gbrun.RUN.CLUSTER.EPOCH.SECRET
const tokenBegins = "gbrun."

func tokenPurpose(run uint32, cluster int32, epoch uint32) string {
	return fmt.Sprintf("run %d job %d.0 epoch %d", run, cluster, epoch)
}

// watches reports whether a job is one of a run's services, or its provisioner: those get a
// token.
func (d *Daemon) watches(v *ledger.View, cluster int32) (run uint32, ok bool) {
	c, _ := v.Cluster(cluster)
	g, live := v.Dag(c.Dag)
	if c.Dag == 0 || !live || g.Status.Ended() {
		return 0, false
	}
	nodes, known := d.dags.watching.of(c.Dag)
	if !known { // it has not been taken up yet
		graph, err := d.graphOf(c.Dag)
		if err != nil {
			return 0, false
		}
		nodes = watchers(graph)
	}
	return c.Dag, slices.Contains(nodes, c.Node)
}

// watchers are the services of a graph, and its provisioner.
func watchers(g *dag.Graph) (nodes []int32) {
	for i := range g.Nodes {
		if kind := g.Nodes[i].Kind; kind == dag.ServiceNode || kind == dag.ProvisionerNode {
			nodes = append(nodes, int32(i))
		}
	}
	return nodes
}

// watching are the watchers of runs that have been taken up: each start of a node's job asks
// for them, and a graph may be large.
type watching struct {
	mu sync.Mutex
	by map[uint32][]int32
}

func (w *watching) of(run uint32) (nodes []int32, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	nodes, known = w.by[run]
	return nodes, known
}

func (w *watching) begin(run uint32, g *dag.Graph) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[uint32][]int32{}
	}
	w.by[run] = watchers(g)
}

func (w *watching) end(run uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.by, run)
}

// sendToken gives a worker the token of an attempt of its own.
func (d *Daemon) sendToken(w http.ResponseWriter, _ *http.Request, t transferred) error {
	if err := t.wanted(); err != nil {
		return err
	}
	run, ok := d.watches(d.ledger.View(), t.id.Cluster)
	if !ok || t.id.Proc != 0 {
		return grid.Errorf(grid.Invalid, "job %s is no service or provisioner of a workflow that runs", t.id)
	}
	token := fmt.Sprintf("%s%d.%d.%d.%s", tokenBegins, run, t.id.Cluster, t.epoch, d.secrets.Token(tokenPurpose(run, t.id.Cluster, t.epoch)))
	_, err := io.WriteString(w, token)
	return err
}

// Bearer implements [serve.Backend].
func (d *Daemon) Bearer(token string) (who serve.Identity, err error) {
	bad := grid.Errorf(grid.Unauthorized, "the token is none of this schedd's, or what it was given for runs no more")
	text, ok := strings.CutPrefix(token, tokenBegins)
	parts := strings.SplitN(text, ".", 4)
	if !ok || len(parts) != 4 {
		return who, bad
	}
	var n [3]uint64
	for i := range n {
		if n[i], err = strconv.ParseUint(parts[i], 10, [...]int{32, 31, 32}[i]); err != nil {
			return who, bad
		}
	}
	run, cluster, epoch := uint32(n[0]), int32(n[1]), uint32(n[2])
	if !d.secrets.Check(parts[3], tokenPurpose(run, cluster, epoch)) {
		return who, bad
	}
	v := d.ledger.View()
	j, there := v.Job(grid.JobID{Cluster: cluster})
	of, watches := d.watches(v, cluster)
	g, _ := v.Dag(run)
	if !there || !executes(v, &j, cluster, epoch) || j.Place != ledger.OnSlot || j.Status != grid.Running && j.Status != grid.Idle || !watches || of != run {
		return who, bad
	}
	owner, _ := v.Owner(g.Owner)
	return serve.Identity{Name: owner.Name, UID: owner.UID, GID: owner.GID, Run: run}, nil
}

// executes reports whether an epoch is that of a job's execution, or of a node of it that lives.
func executes(v *ledger.View, j *ledger.Job, cluster int32, epoch uint32) bool {
	if j.Flags&ledger.Several == 0 {
		return j.Epoch == epoch
	}
	g, ok := v.Gang(grid.JobID{Cluster: cluster})
	attempt, i := grid.SplitEpoch(epoch)
	return ok && attempt == j.Epoch && i < len(g.Nodes) && g.Nodes[i].Alive()
}

// provisionOf is how many machines a run wants, for those who ask.
func provisionOf(rec *ledger.Dag, g *dag.Graph) (out []api.DagProvision) {
	for _, p := range g.Provision {
		out = append(out, api.DagProvision{Pool: p.Pool, Count: scaled(rec.Wants(), p.Pool), Max: p.Max})
	}
	return out
}
