package schedd

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/schedd/idle"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
)

// dispatcher follows what happens, knows which attempts are where, and gives jobs to
// workers. One goroutine has all of it; what others want from it they ask through
// its channels.
type dispatcher struct {
	d       *Daemon
	log     logrus.FieldLogger
	index   *idle.Index
	matcher *router.Matcher
	at      map[grid.JobID]spot
	gangs   map[grid.JobID][]spot   // of jobs of several nodes: all of them, node 0 also in at
	turn    grid.JobID              // the job of several nodes that slots are kept free for
	numbers map[uint32]map[int]bool // by worker: numbers of slots in use
	running map[uint32]int          // by owner: their attempts on slots
	seen    uint64                  // events up to here have been followed
	hellos  chan *arrival
	asks    asks
	bursts  *bursts
	due     map[uint32]time.Time // by group: the next time of its timetable
	rivals  rivalry
	wake    time.Time // when a job that is for later may be placed; zero: none
}

// spot is where an attempt is.
type spot struct {
	worker uint32
	epoch  uint32
	number int // of the dynamic slot
	owner  uint32
	told   orderKind // of a node of a gang: one more than the kind of the order to end; 0: none
}

// recheck is how often jobs are planned though nothing has happened: Requirements
// may look at the time.
const recheck = 20 * time.Second

func (p *dispatcher) init(d *Daemon) {
	p.d, p.log = d, d.log
	p.index = idle.New(d.ads)
	p.matcher = router.NewMatcher()
	p.hellos = make(chan *arrival)
	p.asks = make(asks)
}

func (p *dispatcher) run(ctx context.Context) error {
	p.bursts = newBursts(p)
	p.rebuild()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		if err := p.follow(ctx); err != nil {
			return ignoreEnd(ctx, err)
		}
		begun := time.Now()
		if err := p.plan(ctx); err != nil {
			return ignoreEnd(ctx, err)
		}
		p.d.c.Telemetry.Planned(time.Since(begun))
		again.Reset(p.pace())
		select {
		case <-ctx.Done():
			return nil
		case <-p.d.ledger.Changed(p.seen):
		case <-p.d.pool.Changed():
		case <-again.C:
		case a := <-p.hellos:
			p.welcome(ctx, a)
		case f := <-p.asks:
			f()
		}
	}
}

// pace is when to plan again though nothing happens. Machines that burst are brought up
// and let go by the clock too.
func (p *dispatcher) pace() time.Duration {
	if p.d.bursts() {
		return p.sooner(max(time.Until(p.bursts.next), burstEvery))
	}
	return p.sooner(recheck)
}

func (p *dispatcher) sooner(d time.Duration) time.Duration {
	if p.wake.IsZero() {
		return d
	}
	return min(d, max(time.Until(p.wake), 0))
}

// rebuild makes everything from the view.
func (p *dispatcher) rebuild() {
	v := p.d.ledger.View()
	p.seen = v.Index
	p.at, p.gangs = map[grid.JobID]spot{}, map[grid.JobID][]spot{}
	p.numbers = map[uint32]map[int]bool{}
	p.running = map[uint32]int{}
	p.due = map[uint32]time.Time{}
	p.bursts.bound, p.bursts.ahead = map[uint32][]grid.JobID{}, newAhead()
	for id := range v.Clusters(0) {
		for s := range v.Stretches(grid.WholeCluster(id)) {
			switch s.Job.Place {
			case ledger.OnSlot:
				p.track(v, s.Run.First())
			case ledger.ForClaim:
				p.bursts.bound[s.Job.At] = append(p.bursts.bound[s.Job.At], s.Run.First())
			}
		}
	}
	p.look(p.index.Rebuild(v))
}

// look reports jobs whose ads cannot be read: they wait, and somebody must act.
func (p *dispatcher) look(err error) {
	if err != nil {
		p.log.WithError(err).Error("a job's ad cannot be read")
		p.d.trouble.add(grid.MessageOf(err))
	}
}

// follow takes in the events since the last time.
func (p *dispatcher) follow(ctx context.Context) error {
	rebuild := func() error { p.rebuild(); return nil }
	return p.d.follow(ctx, &p.seen, rebuild, func(v *ledger.View, events []ledger.Event) error {
		p.look(p.index.Look(v, jobsOf(events)))
		for i := range events {
			e := &events[i]
			if e.Jobs.Len() == 1 {
				p.track(v, e.Jobs.First())
			}
			if e.Type == ledger.JobSuspended || e.Type == ledger.JobContinued {
				p.suspend(v, e.Jobs)
			}
			if e.Type == ledger.QueueCleared {
				p.index.Sift(v)
			}
			p.bursts.hear(v, e)
		}
		return nil
	})
}

// track compares where a job's attempt is with where it was, and tells pool and
// worker what is new: an attempt that begins, one that is not wanted any more.
func (p *dispatcher) track(v *ledger.View, id grid.JobID) {
	j, ok := v.Job(id)
	here := ok && j.Place == ledger.OnSlot
	old, tracked := p.at[id]
	if tracked && (!here || old.worker != j.At || old.epoch != j.Epoch) {
		if p.gangs[id] != nil {
			p.leaveGang(id)
		} else {
			p.d.pool.Take(old.worker, id, old.epoch, time.Now())
			p.bursts.gaveBack(old.worker, id.Cluster)
			delete(p.numbers[old.worker], old.number)
		}
		delete(p.at, id)
		p.running[old.owner]--
		tracked = false
	}
	if !here {
		return
	}
	if j.Flags&ledger.Several != 0 {
		p.trackGang(v, id, &j)
		return
	}
	if !tracked {
		part, number := p.partOf(v, id)
		p.give(id, spot{worker: j.At, epoch: j.Epoch, number: number}, part)
	}
	if j.Status == grid.Idle && !tracked { // the one who placed it has sent the order already
		p.d.conns.start(j.At, id, j.Epoch)
	}
	p.d.conns.end(j.At, id, j.Epoch, &j, nil)
}

// suspend tells workers which jobs of a run are to stand still.
func (p *dispatcher) suspend(v *ledger.View, r grid.Run) {
	for s := range v.Stretches(r) {
		if s.Job.Place == ledger.OnSlot {
			p.suspendOne(v, s.Run.First(), &s.Job)
		}
	}
}

func (p *dispatcher) suspendOne(v *ledger.View, id grid.JobID, j *ledger.Job) {
	g, ok := v.Gang(id)
	if !ok || j.Flags&ledger.Several == 0 {
		p.d.conns.suspend(j.At, id, j.Epoch, j)
		return
	}
	for i := range g.Nodes {
		if g.Nodes[i].Alive() {
			p.d.conns.suspend(g.Nodes[i].Worker, id, grid.NodeEpoch(j.Epoch, i), j)
		}
	}
}

func (p *dispatcher) give(id grid.JobID, s spot, part pool.Part) {
	s.owner = part.Owner
	p.running[s.owner]++
	p.at[id] = s
	p.take(s.worker, s.number)
	p.d.pool.Give(s.worker, id, part, time.Now())
}

// take notes that a number of a slot of a worker is in use.
func (p *dispatcher) take(worker uint32, number int) {
	if p.numbers[worker] == nil {
		p.numbers[worker] = map[int]bool{}
	}
	p.numbers[worker][number] = true
}

// partOf reads what a placed job has been given, from its ad.
func (p *dispatcher) partOf(v *ledger.View, id grid.JobID) (part pool.Part, number int) {
	j, _ := v.Job(id)
	c, _ := v.Cluster(id.Cluster)
	part = pool.Part{Epoch: j.Epoch, Owner: c.Owner, Resources: router.Resources{Cpus: 1}}
	a, err := p.d.ads.Job(v, id)
	if err != nil {
		p.look(err)
		return part, 0
	}
	part.Resources = router.Resources{
		Cpus: a.Int("CpusProvisioned", 1), MemoryMB: a.Int("MemoryProvisioned", 0), DiskKB: a.Int("DiskProvisioned", 0),
	}
	if a.Has("ConcurrencyLimits") {
		part.Uses = a.Text(matchedLimits)
	}
	name, _, _ := strings.Cut(a.Text("RemoteHost"), "@")
	_, n, _ := strings.Cut(name, "_")
	number, _ = strconv.Atoi(n)
	return part, number
}

// free is the smallest number that no slot of the worker has.
func (p *dispatcher) free(worker uint32) int {
	for n := 1; ; n++ {
		if !p.numbers[worker][n] {
			return n
		}
	}
}

// plan gives jobs that wait to what is free.
func (p *dispatcher) plan(ctx context.Context) error {
	p.d.pool.Look(p.index.Looks())
	if p.index.Heed(p.d.pool.Heeds()) {
		p.look(p.index.Rebuild(p.d.ledger.View()))
	}
	if p.index.Len() == 0 {
		p.wake, p.turn = time.Time{}, grid.JobID{}
		_, err := p.burst(ctx, nil)
		return err
	}
	slots := p.d.pool.Slots(pool.Pooled, false)
	locals := p.d.pool.Slots(pool.Locals, false)
	limit := 1 // enough to see whether a local job waits
	for _, s := range slots {
		limit += int(s.Free.Cpus)
	}
	for _, s := range locals {
		limit += int(s.Free.Cpus)
	}
	v := p.d.ledger.View()
	queues, _ := p.index.Queues(v, min(limit, maxPlan))
	queues = p.eligible(queues)
	if p.turn = p.turnOf(v, queues); p.turn != (grid.JobID{}) {
		slots = p.d.pool.Serving() // what is full may come free for it
	}
	vanilla := router.Input{Now: ad.At(time.Now()), Slots: slots, Usage: p.d.pool.Usage(), Turn: p.turn}
	local := router.Input{Now: vanilla.Now, Slots: locals, Usage: vanilla.Usage}
	for _, q := range queues {
		if q.Group.Ad.Int("JobUniverse", 0) == int64(grid.Local) {
			local.Queues = append(local.Queues, q)
		} else {
			vanilla.Queues = append(vanilla.Queues, q)
		}
	}
	if len(local.Queues) > 0 && len(locals) == 0 {
		p.d.conns.wantLocal(ctx)
	}
	for _, in := range []*router.Input{&vanilla, &local} {
		if len(in.Queues) == 0 || len(in.Slots) == 0 {
			continue
		}
		in.Limits = p.limits() // those of the other are taken by now
		if err := p.place(ctx, in, router.Cycle(in, p.matcher)); err != nil {
			return err
		}
	}
	decided, err := p.burst(ctx, vanilla.Queues)
	if err != nil || !decided || p.d.config().Routes == nil {
		return err
	}
	// What is left is for no slot, and for no machine that is on its way.
	queues, _ = p.index.Queues(p.d.ledger.View(), maxPlan+len(p.d.chooser.barred))
	return p.d.chooser.plan(ctx, p.eligible(queues))
}

// burst decides on machines for the jobs that nothing took. decided is false when that is
// for later.
func (p *dispatcher) burst(ctx context.Context, queues []router.Queue) (decided bool, err error) {
	if !p.d.bursts() {
		return true, nil
	}
	if time.Now().Before(p.bursts.next) {
		return false, nil
	}
	if len(queues) > 0 {
		// As many as all the machines there may be could take, not just what is free.
		queues, _ = p.index.Queues(p.d.ledger.View(), maxPlan)
		queues = p.eligible(queues)
	}
	return true, p.bursts.plan(ctx, queues)
}

// explain is the answer for one job, from the evaluation that plans, and what else stands
// before its start: what it is late for, limits, and the machines to come.
func (p *dispatcher) explain(ctx context.Context, id grid.JobID) (e router.Explanation, before verdict, err error) {
	asked := p.asks.do(ctx, func() {
		v := p.d.ledger.View()
		var g *router.Group
		if g, err = p.index.Group(v, id); err != nil {
			return
		}
		kind := pool.Pooled
		if g.Ad.Int("JobUniverse", 0) == int64(grid.Local) {
			kind = pool.Locals
		}
		p.d.pool.Look(p.index.Looks())
		e = p.matcher.Explain(ad.At(time.Now()), g, p.d.pool.Slots(kind, true))
		e.Turn = p.turn == id
		if j, ok := v.Job(id); ok {
			before = p.stands(v, id, &j, g, &e)
		}
	})
	return e, before, errors.Join(asked, err)
}
