package schedd

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
)

// maxPlan bounds one plan, so that its command is no larger than an entry may be.
const maxPlan = 1000

// place proposes a plan, and tells the workers of what was accepted.
func (p *dispatcher) place(ctx context.Context, in *router.Input, plan router.Plan) error {
	assign := plan.Assign[:wholeJobs(plan.Assign, p.room(), len(plan.Assign))]
	for len(assign) > 0 {
		now := assign[:wholeJobs(assign, maxPlan, maxPlan)]
		assign = assign[len(now):]
		if err := p.propose(ctx, in, now); err != nil {
			return err
		}
	}
	return nil
}

// wholeJobs is how many assignments there are of the first jobs, of so many at most, with so
// many assignments at most: a job of several nodes is placed with all of them.
func wholeJobs(assign []router.Assignment, jobs, most int) (n int) {
	for n < len(assign) && jobs > 0 {
		more := max(assign[n].Nodes, 1)
		if n+more > most {
			break
		}
		n += more
		jobs--
	}
	return n
}

// placing is one job that a plan places: its assignments, and the spots for them.
type placing struct {
	assign []router.Assignment
	spots  []spot
	gang   *ledger.Gang
	uses   string
}

func (p *dispatcher) propose(ctx context.Context, in *router.Input, assign []router.Assignment) error {
	v := p.d.ledger.View()
	spots := make([]spot, len(assign))
	list := make([]ledger.Placement, 0, len(assign))
	jobs := make([]placing, 0, len(assign))
	for i := 0; i < len(assign); {
		n := max(assign[i].Nodes, 1)
		job := placing{assign: assign[i : i+n], spots: spots[i : i+n]}
		list = append(list, p.placement(v, in, &job))
		jobs = append(jobs, job)
		i += n
	}
	failpoint.Hit("dispatch.place.before")
	r, err := p.d.propose(ctx, &ledger.Place{List: list})
	if err != nil {
		return err
	}
	failpoint.Hit("dispatch.place.after")
	for i, epoch := range r.Value.([]uint32) {
		p.placed(&jobs[i], epoch)
	}
	return nil
}

// placement finds the spots for a job, and says what is proposed.
func (p *dispatcher) placement(v *ledger.View, in *router.Input, job *placing) ledger.Placement {
	a := &job.assign[0]
	where := p.spotFor(in, a, &job.spots[0])
	out := ledger.Placement{
		Job: a.Job.ID, Version: a.Job.Version, Kind: ledger.OnSlot, At: job.spots[0].worker, Where: where,
		Attrs: []ledger.Attr{
			{Name: "CpusProvisioned", Expr: strconv.FormatInt(a.Part.Cpus, 10)},
			{Name: "DiskProvisioned", Expr: strconv.FormatInt(a.Part.DiskKB, 10)},
			{Name: "MemoryProvisioned", Expr: strconv.FormatInt(a.Part.MemoryMB, 10)},
			{Name: "RemoteHost", Expr: ad.Quote(where)},
		},
	}
	job.uses = a.Uses
	if a.Nodes > 0 {
		hosts, uses := []string{where}, []string{a.Uses}
		for i := 1; i < len(job.assign); i++ {
			hosts, uses = append(hosts, p.spotFor(in, &job.assign[i], &job.spots[i])), append(uses, job.assign[i].Uses)
		}
		job.gang = p.gangOf(v, job.assign, job.spots)
		job.uses = strings.Join(slices.DeleteFunc(uses, func(u string) bool { return u == "" }), ",")
		out.Gang = job.gang
		out.Attrs = append(out.Attrs, ledger.Attr{Name: "RemoteHosts", Expr: ad.Quote(strings.Join(hosts, ","))})
	}
	if job.uses != "" {
		out.Attrs = append(out.Attrs, ledger.Attr{Name: matchedLimits, Expr: ad.Quote(job.uses)})
	}
	if due, ok := p.due[a.Group]; ok {
		out.Attrs = append(out.Attrs, ledger.Attr{Name: "DeferralTime", Expr: strconv.FormatInt(due.Unix(), 10)})
	}
	return out
}

// spotFor finds the spot for an assignment, and says where that is.
func (p *dispatcher) spotFor(in *router.Input, a *router.Assignment, s *spot) (where string) {
	w, _ := p.d.pool.Worker(in.Slots[a.Slot].ID)
	s.worker, s.number = w.ID, p.free(w.ID)
	p.take(w.ID, s.number)
	return slotName(s.number, w.Info.Name)
}

// placed takes in what became of a placement: its epoch, or 0 when it was refused.
func (p *dispatcher) placed(job *placing, epoch uint32) {
	a := &job.assign[0]
	if epoch == 0 { // stale: the events will tell
		for _, s := range job.spots {
			delete(p.numbers[s.worker], s.number)
		}
		return
	}
	if j, ok := p.d.ledger.View().Job(a.Job.ID); ok && j.Status == grid.Idle {
		p.d.c.Telemetry.Placed(max(time.Since(time.UnixMilli(j.Entered)), 0))
	}
	if job.gang != nil {
		p.giveGang(a.Job.ID, job.gang, epoch, a.Owner, job.uses)
		for i, s := range job.spots {
			p.d.conns.start(s.worker, a.Job.ID, grid.NodeEpoch(epoch, i))
		}
		return
	}
	s := job.spots[0]
	s.epoch = epoch
	p.give(a.Job.ID, s, pool.Part{Epoch: epoch, Owner: a.Owner, Uses: a.Uses, Resources: a.Part})
	p.d.conns.start(s.worker, a.Job.ID, epoch)
}

// onWorker is an attempt, or a node of one, that a worker should have.
type onWorker struct {
	job   grid.JobID
	epoch uint32
}

// attemptsOn are the attempts that a worker should have, by the view.
func (p *dispatcher) attemptsOn(v *ledger.View, worker uint32) (out []onWorker) {
	for id, s := range p.at {
		if p.gangs[id] != nil || s.worker != worker {
			continue
		}
		if j, ok := v.Job(id); ok && j.Place == ledger.OnSlot && j.At == worker {
			out = append(out, onWorker{id, j.Epoch})
		}
	}
	for id := range p.gangs {
		j, ok := v.Job(id)
		g, placed := v.Gang(id)
		if !ok || !placed {
			continue
		}
		for i := range g.Nodes {
			if n := &g.Nodes[i]; n.Worker == worker && n.State != ledger.GangOver {
				out = append(out, onWorker{id, grid.NodeEpoch(j.Epoch, i)})
			}
		}
	}
	return out
}
