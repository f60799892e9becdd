package schedd

import (
	"context"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
)

// welcome takes a worker in: what it holds is compared with what it should hold, and
// both sides are told what is missing. It runs on the dispatcher's goroutine, so that
// nothing is placed on the worker meanwhile.
func (p *dispatcher) welcome(ctx context.Context, a *arrival) {
	defer close(a.done)
	if a.err = p.follow(ctx); a.err != nil {
		return
	}
	h := a.hello
	known := p.d.ledger.View().WorkerOf(h.Worker)
	w, _ := p.d.ledger.View().Worker(known)
	if a.k.proven && p.rivals.of(h.Worker).comes(h.Session) {
		a.err = p.cloned(ctx, a, known)
		return
	}
	if known != 0 && w.Boot != h.Boot {
		// Before the new boot id is recorded, because after it nobody would know.
		if a.err = p.lose(ctx, known, h, "the machine has started anew"); a.err != nil {
			return
		}
	}
	claim, drains, err := p.d.claimed(h.Worker)
	if a.err = err; err != nil {
		return
	}
	r, err := p.d.propose(ctx, &ledger.SeeWorker{Worker: ledger.Worker{Name: h.Worker, Boot: h.Boot, Claim: claim}})
	if err != nil {
		a.err = err
		return
	}
	a.k.id = r.Value.(uint32)
	info := pool.Info{
		Name: h.Worker, Boot: h.Boot, Agent: h.Agent, Isolation: h.Isolation, Local: h.Local, Claim: claim, Attrs: h.Advert.Attrs,
	}
	if a.err = p.d.pool.Connect(a.k.id, info, time.Now()); a.err != nil {
		return
	}
	p.d.pool.Drain(a.k.id, drains)
	p.d.claims.poke(claim)
	p.d.conns.join(a.k)
	failpoint.Hit("worker.welcome.before")
	lease := p.d.c.WorkerLease
	a.err = a.k.stream.Send(wire.Message{Welcome: &wire.Welcome{
		Version: wire.Version, Term: p.d.ledger.View().Term,
		LeaseMS: lease.Milliseconds(), RenewMS: min(lease/4, 20*time.Second).Milliseconds(), SilenceMS: p.d.conns.silence().Milliseconds(),
	}})
	if a.err != nil {
		return
	}
	failpoint.Hit("worker.welcome.after")
	a.k.log.WithField("attempts", len(h.Attempts)).Info("worker has come")
	p.reconcile(ctx, a.k, h)
}

// lose gives up every attempt that ran on a worker's machine before it started anew,
// but for ends that the worker still knows.
func (p *dispatcher) lose(ctx context.Context, worker uint32, h *wire.Hello, why string) error {
	v := p.d.ledger.View()
	ended := map[onWorker]bool{}
	for _, a := range h.Attempts {
		ended[onWorker{a.Job, a.Epoch}] = a.Last.Kind.Final()
	}
	c := &ledger.Report{}
	for _, a := range p.attemptsOn(v, worker) {
		if !ended[a] {
			r := ledger.AttemptReport{Job: a.job, Epoch: a.epoch, Kind: ledger.Vanished, Vacate: grid.VacateMachine, Reason: why}
			p.d.onceOnly(v, &r)
			c.List = append(c.List, r)
		}
	}
	if len(c.List) == 0 {
		return nil
	}
	if _, err := p.d.propose(ctx, c); err != nil {
		return err
	}
	return p.follow(ctx)
}

// reconcile compares what a worker holds with what it should hold.
func (p *dispatcher) reconcile(ctx context.Context, k *connection, h *wire.Hello) {
	v := p.d.ledger.View()
	holds := map[onWorker]bool{}
	for i := range h.Attempts {
		a := &h.Attempts[i]
		j, _, current := v.OnSlot(a.Job, a.Epoch, k.id)
		switch {
		case !current && a.Last.Kind.Final():
			p.d.conns.forget(k.id, a.Job, a.Epoch)
			continue
		case !current:
			p.d.conns.give(k.id, order{kind: orderKillFast, job: a.Job, epoch: a.Epoch, why: "it is not the job's attempt any more"})
			continue
		}
		holds[onWorker{a.Job, a.Epoch}] = true
		a.Last.Job, a.Last.Epoch = a.Job, a.Epoch
		p.d.conns.report(ctx, k, &a.Last)
		if !a.Last.Kind.Final() {
			g, _ := v.Gang(a.Job)
			p.d.conns.end(k.id, a.Job, a.Epoch, &j, g)
			if a.Suspended != (j.Status == grid.Suspended) {
				p.d.conns.suspend(k.id, a.Job, a.Epoch, &j)
			}
		}
	}
	for _, a := range p.attemptsOn(v, k.id) {
		j, node, _ := v.OnSlot(a.job, a.epoch, k.id)
		g, _ := v.Gang(a.job)
		switch {
		case holds[a]:
		case node == nil && j.Status == grid.TransferringOutput, node != nil && node.State == ledger.GangExits:
			// Its outputs are here already; the worker has nothing to add.
		case node == nil && j.Status == grid.Idle, node != nil && node.State == ledger.GangWaits && g.Wants(&j):
			p.d.conns.start(k.id, a.job, a.epoch) // it has never heard of it
		default:
			p.d.reports.add(ctx, report{AttemptReport: ledger.AttemptReport{
				Job: a.job, Epoch: a.epoch, Kind: ledger.Vanished, Vacate: grid.VacateStarter, Reason: "the worker " + k.name + " knows nothing of it any more",
			}})
		}
	}
}
