package schedd

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
	"gridburst/schedd/submit"
)

// turnOf is the job of several nodes whose turn it is to have slots kept free: of those whose
// turn it is by the time that they have waited, the one that has waited the longest.
func (p *dispatcher) turnOf(v *ledger.View, queues []router.Queue) (turn grid.JobID) {
	if p.room() == 0 {
		return turn // no job may begin
	}
	now, first := time.Now(), int64(0)
	for i := range queues {
		if queues[i].Group.Nodes < 2 {
			continue
		}
		for _, job := range queues[i].Jobs {
			j, ok := v.Job(job.ID)
			if ok && router.Turn(now.Sub(time.UnixMilli(j.Entered))) && (first == 0 || j.Entered < first) {
				turn, first = job.ID, j.Entered
			}
		}
	}
	return turn
}

// gangOf is the placement of a job of several nodes, on the spots that it is given.
func (p *dispatcher) gangOf(v *ledger.View, assign []router.Assignment, spots []spot) *ledger.Gang {
	g := &ledger.Gang{Nodes: make([]ledger.GangNode, len(assign))}
	for i := range assign {
		part := &assign[i].Part
		g.Nodes[i] = ledger.GangNode{
			Worker: spots[i].worker, Slot: uint32(spots[i].number), Exit: ledger.Exit{Cpus: part.Cpus, MemoryMB: part.MemoryMB, DiskKB: part.DiskKB},
		}
	}
	job, err := p.d.ads.Job(v, assign[0].Job.ID)
	p.look(err)
	g.WaitAll = err == nil && strings.EqualFold(job.Text("ParallelShutdownPolicy"), "WAIT_FOR_ALL")
	return g
}

// giveGang books the slots of a job of several nodes. On a worker that has more than one of
// them they are one part: all are given back at once.
func (p *dispatcher) giveGang(id grid.JobID, g *ledger.Gang, epoch, owner uint32, uses string) {
	spots := make([]spot, len(g.Nodes))
	parts := map[uint32]pool.Part{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		spots[i] = spot{worker: n.Worker, epoch: epoch, number: int(n.Slot), owner: owner}
		part := parts[n.Worker]
		part.Epoch, part.Owner = epoch, owner
		part.Resources = part.Plus(router.Resources{Cpus: n.Exit.Cpus, MemoryMB: n.Exit.MemoryMB, DiskKB: n.Exit.DiskKB})
		if i == 0 {
			part.Uses = uses // counted once, wherever the nodes are
		}
		parts[n.Worker] = part
		p.take(n.Worker, int(n.Slot))
	}
	p.at[id], p.gangs[id] = spots[0], spots
	p.running[owner]++
	for worker, part := range parts {
		p.d.pool.Give(worker, id, part, time.Now())
	}
}

// trackGang is [dispatcher.track] for a job of several nodes: it tells each worker which
// nodes are not wanted any more, and has a job closed whose nodes are all over.
func (p *dispatcher) trackGang(v *ledger.View, id grid.JobID, j *ledger.Job) {
	g, ok := v.Gang(id)
	if !ok {
		return
	}
	if p.gangs[id] == nil {
		p.giveGang(id, g, j.Epoch, p.ownerOf(v, id), p.usesOf(v, id))
		for i := range g.Nodes {
			if g.Nodes[i].State == ledger.GangWaits && g.Wants(j) {
				p.d.conns.start(g.Nodes[i].Worker, id, grid.NodeEpoch(j.Epoch, i))
			}
		}
	}
	spots := p.gangs[id]
	kind, why := endedBy(j, g)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Alive() && why != "" && spots[i].told <= kind {
			spots[i].told = kind + 1 // each is told once; a worker that comes back is told again
			p.d.conns.give(n.Worker, order{kind: kind, job: id, epoch: grid.NodeEpoch(j.Epoch, i), why: why})
		}
	}
	if g.Done() {
		p.d.take.begin(takeover{job: id, epoch: j.Epoch, closes: true})
	}
}

// leaveGang gives the slots of a job of several nodes back.
func (p *dispatcher) leaveGang(id grid.JobID) {
	for _, s := range p.gangs[id] {
		p.d.pool.Take(s.worker, id, s.epoch, time.Now())
		p.bursts.gaveBack(s.worker, id.Cluster)
		delete(p.numbers[s.worker], s.number)
	}
	delete(p.gangs, id)
}

// usesOf is what a placed job takes of limits.
func (p *dispatcher) usesOf(v *ledger.View, id grid.JobID) string {
	a, err := p.d.ads.Job(v, id)
	if err != nil {
		p.look(err)
		return ""
	}
	if !a.Has("ConcurrencyLimits") {
		return ""
	}
	return a.Text(matchedLimits)
}

func (p *dispatcher) ownerOf(v *ledger.View, id grid.JobID) uint32 {
	c, _ := v.Cluster(id.Cluster)
	return c.Owner
}

// nodeAd makes a job's ad that of one of its nodes: its number in the place of it, and what
// it has been given.
func nodeAd(job *ad.Ad, n *ledger.GangNode, node int, worker string) error {
	number := strconv.Itoa(node)
	for _, name := range job.Names() {
		source, ok := job.Source(name)
		if !ok || !strings.Contains(source, submit.NodePlace) {
			continue
		}
		if err := job.Set(name, strings.ReplaceAll(source, submit.NodePlace, number)); err != nil {
			return grid.Errorf(grid.Invalid, "%s of node %d: %w", name, node, err)
		}
	}
	job.SetInt("Node", int64(node))
	job.SetInt("CpusProvisioned", n.Exit.Cpus)
	job.SetInt("MemoryProvisioned", n.Exit.MemoryMB)
	job.SetInt("DiskProvisioned", n.Exit.DiskKB)
	job.SetString("RemoteHost", slotName(int(n.Slot), worker))
	return nil
}

// attemptAd is the ad of a job as the attempt with that epoch has it: of a job of several
// nodes that of a node.
func (d *Daemon) attemptAd(v *ledger.View, id grid.JobID, epoch uint32, n *ledger.GangNode) (*ad.Ad, error) {
	job, err := d.ads.Job(v, id)
	if err != nil || n == nil {
		return job, err
	}
	_, node := grid.SplitEpoch(epoch)
	w, _ := v.Worker(n.Worker)
	return job, nodeAd(job, n, node, w.Name)
}

// hostsOf are the workers of a job's nodes, in their order.
func hostsOf(v *ledger.View, g *ledger.Gang) []string {
	out := make([]string, len(g.Nodes))
	for i := range g.Nodes {
		w, _ := v.Worker(g.Nodes[i].Worker)
		out[i] = w.Name
	}
	return out
}

// hostsVariable names the variable that tells a node where all of them are.
const hostsVariable = "GRIDBURST_NODE_HOSTS"

// tellHosts puts that into a node's environment.
func tellHosts(env []string, v *ledger.View, g *ledger.Gang) []string {
	env = slices.DeleteFunc(env, func(s string) bool { return strings.HasPrefix(s, hostsVariable+"=") })
	return append(env, hostsVariable+"="+strings.Join(hostsOf(v, g), ","))
}

// slotName is what a dynamic slot is called.
func slotName(number int, worker string) string {
	return "slot1_" + strconv.Itoa(number) + "@" + worker
}
