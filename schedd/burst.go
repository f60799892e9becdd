package schedd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/router"
	"gridburst/router/burst"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
)

// bursts is what the dispatcher knows of machines for jobs that the pool cannot run
// soon. It belongs to the dispatcher's goroutine.
type bursts struct {
	p      *dispatcher
	bound  map[uint32][]grid.JobID  // by claim on its way: the jobs that wait for it
	boot   map[string]time.Duration // by resource: how long its machines took lately
	boots  boots                    // what the ledger's claims have recorded; nil: not read yet
	learnt learnt
	ahead  ahead
	rests  map[breakerKey]rest
	next   time.Time

	answers map[answerKey]string // why waiting jobs get no machine, as it was told last; nil: not recalled yet
	last    *planned             // what was decided on last; nil: nothing yet
	refused []denial             // and what stood against more
}

// rest keeps a resource from being asked again at once after machines of it came to
// nothing. It ends by itself, with one try.
type rest struct {
	until time.Time
	tries int
	why   string
}

// burstEvery is how long demand is gathered before it is decided on.
const burstEvery = 250 * time.Millisecond

func newBursts(p *dispatcher) *bursts {
	return &bursts{p: p, boot: map[string]time.Duration{}, rests: map[breakerKey]rest{}, ahead: newAhead()}
}

// bursts reports whether there is any resource to burst to, or anything of one.
func (d *Daemon) bursts() bool {
	return slices.ContainsFunc(d.config().Resources, func(r Resource) bool { return r.Burst != nil || r.retired })
}

// hear takes in what events say about times and failures.
func (b *bursts) hear(v *ledger.View, e *ledger.Event) {
	b.heardNode(v, e)
	switch e.Type {
	case ledger.JobCompleted:
		if c, ok := v.Cluster(e.Jobs.Cluster); ok && e.Exit != nil {
			b.learnt.hear(c.Template, time.Duration(e.Exit.WallMS)*time.Millisecond)
		}
	case ledger.ClaimMoved:
		b.heardClaim(v, e)
	}
}

func (b *bursts) heardClaim(v *ledger.View, e *ledger.Event) {
	c, ok := b.p.d.claimOf(v, e.ID)
	if !ok || c.Kind != ledger.Overflow {
		return
	}
	switch from, to := grid.ClaimState(e.From), grid.ClaimState(e.To); {
	case to == grid.ClaimReady && from == grid.ClaimBooting:
		b.booted(c.Resource, time.Duration(e.At-c.Wanted)*time.Millisecond)
		delete(b.rests, b.breaker(&c, e.ID))
	case to == grid.ClaimFailed && from != grid.ClaimWanted,
		to == grid.ClaimStopping && (from == grid.ClaimLaunching || from == grid.ClaimBooting):
		if !blames(e.Text) {
			return
		}
		k := b.breaker(&c, e.ID)
		p := b.rests[k]
		p.tries++
		p.why, p.until = e.Text, restUntil(e.At, p.tries)
		b.rests[k] = p
	}
}

// booted takes in how long a machine has taken.
func (b *bursts) booted(resource string, took time.Duration) {
	b.boot[resource] = average(b.boot[resource], took)
	r := b.p.d.resource(resource)
	if b.boots == nil || r == nil || r.Burst == nil {
		return // the ledger will tell
	}
	k := bootKey{resource, r.Burst.Template, ledger.Overflow}
	at, _ := slices.BinarySearch(b.boots[k], took)
	if b.boots[k] = slices.Insert(b.boots[k], at, took); len(b.boots[k]) > 2*maxBoots {
		b.boots = nil // those of long ago go: it is read anew
	}
}

// bootOf is how long a machine of a resource is expected to take: as half of those before
// did, when there were enough; as the last ones did; as is configured.
func (b *bursts) bootOf(r *Resource) time.Duration {
	if b.boots == nil {
		var err error
		if b.boots, err = b.p.d.readBoots(); err != nil {
			b.p.d.log.WithError(err).Warn("the boot times of earlier machines cannot be read")
			b.boots = boots{}
		}
	}
	if times := b.boots[bootKey{r.Name, r.Burst.Template, ledger.Overflow}]; len(times) >= enoughBoots {
		return quantile(times, 0.5)
	}
	return cmp.Or(b.boot[r.Name], r.Burst.BootTime)
}

func average(old, d time.Duration) time.Duration {
	if old == 0 {
		return d
	}
	return old + (d-old)/4
}

// planned is what a decision is made of, and what it is told by.
type planned struct {
	view      *ledger.View
	at        time.Time
	in        burst.Input
	resources []*Resource // of the shapes
	bounds    [][]curb    // of the shapes
	purses    []money     // as in the input
	ahead     []string    // what says that jobs will come, as the input numbers it
	waiting   int         // jobs
}

// plan decides what to bring up and let go, and proposes it. It says when to be asked
// again.
func (b *bursts) plan(ctx context.Context, queues []router.Queue) error {
	now := time.Now()
	if now.Before(b.next) {
		return nil
	}
	b.next = now.Add(burstEvery)
	b.recall()
	if err := b.unbind(ctx, b.p.d.ledger.View()); err != nil {
		return err
	}
	b.p.d.reload.placing.RLock() // a machine is wished for of a resource that is there still
	defer b.p.d.reload.placing.RUnlock()
	pl, err := b.planned(queues, now)
	if err != nil {
		return err
	}
	d := burst.Decide(&pl.in, b.p.matcher)
	b.last, b.refused = pl, b.refusals(pl, &d)
	if err := b.carryOut(ctx, pl, d); err != nil {
		return err
	}
	return b.tell(ctx, pl, b.refused)
}

// planned works out what a decision rests on. It changes nothing.
func (b *bursts) planned(queues []router.Queue, now time.Time) (*planned, error) {
	v := b.p.d.ledger.View()
	pl := &planned{view: v, at: now, in: burst.Input{Now: ad.At(now), Usage: b.p.d.pool.Usage()}}
	if err := b.shapes(pl, now); err != nil {
		return nil, err
	}
	b.members(&pl.in, v, pl.resources, now)
	b.demand(&pl.in, v, queues, pl.resources, now)
	pl.in.Queues = b.p.within(pl.in.Now, pl.in.Queues, slices.Concat(slices.Collect(maps.Values(b.bound))...))
	for _, q := range pl.in.Queues {
		pl.waiting += len(q.Jobs)
		if q.Group.Nodes > 0 && pl.in.Free == nil {
			pl.in.Free = b.unclaimed(false)
		}
	}
	b.foresee(pl)
	if err := b.money(pl); err != nil {
		return nil, err
	}
	b.busy(&pl.in, v, pl.resources)
	return pl, nil
}

// toGo is how long a machine that is let go may take until it is gone. One that is paid for
// is kept until then, idle or not, where that makes a difference.
const toGo = 90 * time.Second

// some are a few of the jobs of an owner that wait.
func (pl *planned) some(owner uint32) (ids []grid.JobID) {
	const few = 16
	for _, q := range pl.in.Queues {
		for _, j := range q.Jobs {
			if q.Owner == owner && len(ids) < few {
				ids = append(ids, j.ID)
			}
		}
	}
	return ids
}

// shapes are what can be wanted.
func (b *bursts) shapes(pl *planned, now time.Time) error {
	resources := b.p.d.config().Resources
	for i := range resources {
		r := &resources[i]
		if r.Burst == nil {
			continue
		}
		class, err := b.p.d.pool.Class(r.Burst.offer())
		if err != nil {
			return err
		}
		bounds, terms := b.bounds(pl.view, r, now, 0), r.terms()
		shape := burst.Shape{
			Class: class, Offer: r.Burst.size(), Room: room(bounds), Min: max(r.Burst.MinVMs, b.windowed(r)), Idle: r.Burst.Idle,
			Cost: terms.First(), Price: terms.Price, Asked: askedFor(pl.view, r.Name),
		}
		if r.Price > 0 && r.BillingPeriod > 2*toGo {
			shape.Period, shape.Stop = r.BillingPeriod, toGo
		}
		if s := pl.view.Steering(r.Name); s.Mode != ledger.Steered {
			shape.Min, shape.Asked = 0, nil
		}
		pl.in.Shapes = append(pl.in.Shapes, shape)
		pl.resources = append(pl.resources, r)
		pl.bounds = append(pl.bounds, bounds)
	}
	return nil
}

// money is what may still be spent. Where nothing is left, a machine that has nothing to
// do is not kept: what works goes on.
func (b *bursts) money(pl *planned) error {
	owners := map[uint32]bool{}
	for _, q := range pl.in.Queues {
		owners[q.Owner] = true
	}
	for i := range pl.in.Soon {
		owners[pl.in.Soon[i].Owner] = true
	}
	for i := range pl.in.Shapes {
		for _, a := range pl.in.Shapes[i].Asked {
			owners[a.Owner] = true
		}
	}
	seen := map[string]bool{}
	for i, r := range pl.resources {
		all := b.p.d.purses(r, 0, true)
		for _, o := range slices.Sorted(maps.Keys(owners)) {
			for _, p := range b.p.d.purses(r, o, true) {
				if p.Owner != 0 {
					all = append(all, p)
				}
			}
		}
		left, err := b.p.d.left(pl.view, r, all)
		if err != nil {
			return err
		}
		for _, m := range left {
			if m.Owner == 0 && m.starts(r) == 0 {
				pl.in.Shapes[i].Idle, pl.in.Shapes[i].Min, pl.in.Shapes[i].Asked = 1, 0, nil
			}
			key := m.Name + " " + strconv.Itoa(int(m.Owner))
			if seen[key] {
				continue // it is of all resources
			}
			seen[key] = true
			in := burst.Purse{Name: m.Name, Owner: m.Owner, HasOwner: m.Owner != 0, Left: m.starts(r) * pl.in.Shapes[i].Cost}
			for k, o := range pl.resources {
				if m.Resource == o.Name || m.Resource == "" && o.Price > 0 {
					in.Shapes = append(in.Shapes, k)
				}
			}
			pl.in.Purses = append(pl.in.Purses, in)
			pl.purses = append(pl.purses, m)
		}
	}
	return nil
}

// offer is the attributes of a machine that does not exist yet.
func (b *Burst) offer() map[string]string {
	attrs := wire.Abilities()
	attrs["Arch"], attrs["OpSys"] = `"X86_64"`, `"LINUX"`
	maps.Copy(attrs, b.Attrs)
	size := b.size()
	attrs["Cpus"] = strconv.FormatInt(size.Cpus, 10)
	attrs["Memory"] = strconv.FormatInt(size.MemoryMB, 10)
	attrs["Disk"] = strconv.FormatInt(size.DiskKB, 10)
	return attrs
}

// size is what a machine offers when nothing runs on it: memory without what the guest
// itself needs.
func (b *Burst) size() router.Resources {
	return router.Resources{Cpus: int64(b.Cores), MemoryMB: b.MemoryMB - b.MemoryMB/16, DiskKB: b.DiskKB}
}

// members sorts the open overflow claims into those on their way and those that serve.
func (b *bursts) members(in *burst.Input, v *ledger.View, of []*Resource, now time.Time) {
	over := closing(v, b.p.d.c.Now())
	for id, c := range v.Claims() {
		if c.Kind != ledger.Overflow || over[id] {
			continue
		}
		shape := slices.IndexFunc(of, func(r *Resource) bool { return r.Name == c.Resource })
		switch c.State {
		case grid.ClaimReady, grid.ClaimDraining:
			slot, ok := b.p.d.pool.Slot(c.Worker)
			w, _ := b.p.d.pool.Worker(c.Worker)
			if !ok || !w.Connected {
				if shape >= 0 {
					in.Shapes[shape].Silent++
				}
				continue // nothing is known of it: it is left alone
			}
			m := burst.Member{Claim: id, Shape: shape, Slot: slot, Draining: c.State == grid.ClaimDraining, Told: b.ahead.ran[c.Worker]}
			if !w.Idle.IsZero() {
				m.Idle = now.Sub(w.Idle)
			}
			if c.Started > 0 {
				at := now.UnixMilli()
				m.Up = max(time.Duration(at-c.Started)*time.Millisecond, 0)
				m.Paid = time.Duration(c.Terms.Until(c.Started, at)-c.Started) * time.Millisecond
			}
			in.Members = append(in.Members, m)
		case grid.ClaimStopping:
		default:
			in.Starting = append(in.Starting, burst.Starting{Claim: id, Shape: shape, Told: b.ahead.wanted[id]}) // learn tells what is free of it
		}
	}
}

// unclaimed are the slots of the pool beside machines that burst, on both of which jobs of
// several nodes may begin: those of which something is free, or all.
func (b *bursts) unclaimed(all bool) (out []router.Slot) {
	for _, s := range b.p.d.pool.Slots(pool.Pooled, all) {
		if w, ok := b.p.d.pool.Worker(s.ID); ok && w.Info.Claim == 0 {
			out = append(out, s)
		}
	}
	return out
}

// demand is the waiting jobs that are bound to nothing, and wait for long enough.
func (b *bursts) demand(in *burst.Input, v *ledger.View, queues []router.Queue, of []*Resource, now time.Time) {
	wait := time.Duration(1 << 62)
	for _, r := range of {
		wait = min(wait, r.Burst.Wait)
	}
	for _, q := range queues {
		if len(of) == 0 || q.Group.Ad.Int("JobUniverse", 0) == int64(grid.Local) {
			continue
		}
		q.Jobs = slices.DeleteFunc(slices.Clone(q.Jobs), func(j router.Job) bool {
			r, ok := v.Job(j.ID)
			return !ok || r.Status != grid.Idle || r.Place != ledger.Nowhere || now.Sub(time.UnixMilli(r.Entered)) < wait
		})
		if len(q.Jobs) > 0 {
			in.Queues = append(in.Queues, q)
		}
	}
}

// move is a line of a claim's table that a decision comes to.
type claimMove struct {
	claim uint32
	verb  grid.ClaimVerb
	why   string
}

// Why machines on their way are given up that have not failed.
const (
	notNeeded   = "nobody needs it any more"
	poolDrained = "its pool is drained"
)

// moves are what becomes of machines that are there or on their way.
func (b *bursts) moves(pl *planned, d *burst.Decision) (out []claimMove) {
	mode := func(id uint32) ledger.SteerMode {
		c, _ := pl.view.Claim(id)
		return pl.view.Steering(c.Resource).Mode
	}
	for _, id := range d.Undrain {
		if mode(id) != ledger.Draining {
			out = append(out, claimMove{id, grid.ClaimUndrain, "jobs wait again"})
		}
	}
	told := map[uint32]bool{}
	for i := range pl.in.Members {
		m := &pl.in.Members[i]
		told[m.Claim] = m.Told && !pl.in.Vague && m.Shape >= 0 && pl.in.Shapes[m.Shape].Idle == 0
	}
	drained := map[uint32]bool{}
	for _, id := range d.Drain {
		c, _ := pl.view.Claim(id)
		if b.p.d.blind(c.Resource) != nil {
			continue // while nothing is known of machines, none is let go
		}
		why := "it has had nothing to do"
		if told[id] {
			why = "it has nothing to do, and nothing more comes of the workflows that it worked for"
		}
		if r := b.p.d.resource(c.Resource); r != nil && b.broke(pl, r) {
			why = "it has nothing to do, and the budget is spent"
		}
		drained[id] = true
		out = append(out, claimMove{id, grid.ClaimDrain, why})
	}
	for i := range pl.in.Members {
		m := &pl.in.Members[i]
		switch {
		case m.Draining || drained[m.Claim]:
		case m.Shape < 0:
			out = append(out, claimMove{m.Claim, grid.ClaimDrain, "its pool is not configured any more"})
		case mode(m.Claim) == ledger.Draining:
			out = append(out, claimMove{m.Claim, grid.ClaimDrain, poolDrained})
		}
	}
	cancelled := map[uint32]bool{}
	for _, id := range d.Cancel {
		cancelled[id] = true
		out = append(out, claimMove{id, b.giveUp(pl, id), notNeeded})
	}
	for i := range pl.in.Starting {
		if id := pl.in.Starting[i].Claim; !cancelled[id] && mode(id) == ledger.Draining {
			out = append(out, claimMove{id, b.giveUp(pl, id), poolDrained})
		}
	}
	return out
}

// broke reports whether a purse of the resource does not cover one more machine.
func (b *bursts) broke(pl *planned, r *Resource) bool {
	return slices.ContainsFunc(pl.purses, func(m money) bool {
		return m.Owner == 0 && (m.Resource == r.Name || m.Resource == "" && r.Price > 0) && m.starts(r) == 0
	})
}

// giveUp is how a claim on its way ends.
func (b *bursts) giveUp(pl *planned, id uint32) grid.ClaimVerb {
	if c, _ := pl.view.Claim(id); c.State == grid.ClaimWanted {
		return grid.ClaimFail
	}
	return grid.ClaimStop
}

// carryOut proposes what was decided.
func (b *bursts) carryOut(ctx context.Context, pl *planned, d burst.Decision) error {
	for _, m := range b.moves(pl, &d) {
		c, _ := pl.view.Claim(m.claim)
		_, err := b.p.d.propose(ctx, &ledger.Move{Claim: m.claim, Version: c.Version, Verb: m.verb, Reason: m.why})
		switch grid.CodeOf(err) {
		case "":
			if c.Worker != 0 {
				b.p.d.pool.Drain(c.Worker, m.verb == grid.ClaimDrain)
			}
			b.p.d.claims.poke(m.claim)
		case grid.Conflict, grid.NotFound, grid.Refused: // it has changed: the next plan sees it
		default:
			return err
		}
	}
	for _, n := range d.Bind {
		if err := b.bind(ctx, n.Claim, n.Jobs); err != nil {
			return err
		}
	}
	for _, w := range d.Want {
		if err := b.want(ctx, pl, w); err != nil {
			return err
		}
	}
	return nil
}

func (b *bursts) want(ctx context.Context, pl *planned, w burst.Want) error {
	r, jobs := pl.resources[w.Shape], w.Jobs
	size := r.Burst.size()
	purses := b.p.d.purses(r, w.Owner, true)
	if left, err := b.p.d.left(b.p.d.ledger.View(), r, purses); err != nil || r.broke(left) != "" {
		return err // the ledger would refuse; a refusal is an entry of the log too
	}
	c := &ledger.Want{
		For: ledger.Overflow, Resource: r.Name, Cap: uint32(r.MaxVMs), PerHour: uint32(r.MaxVMsPerHour), Cpus: size.Cpus, MemoryMB: size.MemoryMB,
		Where: "a machine of " + r.Name, Reason: pl.whyWanted(&w),
		Told: true, Terms: r.terms(), Owner: w.Owner, Purses: purses, Inputs: b.inputs(pl, &w),
	}
	var ids []grid.JobID
	for _, j := range jobs {
		if of, _ := pl.view.Cluster(j.ID.Cluster); of.Universe == grid.Parallel {
			continue // it waits for all of its machines: each decision counts anew what is there and on its way
		}
		c.Bind = append(c.Bind, ledger.Binding{Job: j.ID, Version: j.Version})
		ids = append(ids, j.ID)
	}
	if failpoint.IntentLate {
		b.makeEarly(ctx, r)
	}
	failpoint.Hit("claim.want.before")
	res, err := b.p.d.propose(ctx, forWindow(b.p.d.ledger, c, b.p.d.c.Now()))
	failpoint.Hit("claim.want.after")
	if code := grid.CodeOf(err); code == grid.Refused || code == grid.NoSpace {
		return nil
	}
	if err != nil {
		return err
	}
	id := res.Value.(uint32)
	b.bound[id] = ids
	b.wantedFor(pl.view, id, jobs, w.HasOwner)
	return nil
}

// whyWanted is why a machine is wished for.
func (pl *planned) whyWanted(w *burst.Want) string {
	switch {
	case w.Reserve:
		return pl.aheadText(&w.For) + ", and of the machines on their way for these one may come late"
	case w.For.Jobs > 0:
		return pl.aheadText(&w.For)
	case w.Asked != 0:
		return fmt.Sprintf("workflow %d asks for machines", w.Asked)
	case len(w.Jobs) == 0:
		return "min_vms machines are to be there before anybody needs them"
	}
	return "jobs wait that the pool cannot run soon"
}

// windowed is how many machines the windows of a resource are to have.
func (b *bursts) windowed(r *Resource) int {
	_, _, most, err := windowOf(b.p.d.ledger, r.Name, b.p.d.c.Now())
	if err != nil {
		b.p.d.log.WithError(err).WithField("resource", r.Name).Warn("what a window's machines have taken cannot be read")
	}
	return most
}

func (b *bursts) bind(ctx context.Context, claim uint32, jobs []router.Job) error {
	b.wantedFor(b.p.d.ledger.View(), claim, jobs, false)
	c := &ledger.Place{}
	for _, j := range jobs {
		c.List = append(c.List, ledger.Placement{Job: j.ID, Version: j.Version, Kind: ledger.ForClaim, At: claim, Where: "a machine on its way"})
		b.bound[claim] = append(b.bound[claim], j.ID)
	}
	_, err := b.p.d.propose(ctx, c)
	return err
}

// unbind frees jobs whose claim serves by now, or comes to nothing.
func (b *bursts) unbind(ctx context.Context, v *ledger.View) error {
	for id, jobs := range b.bound {
		c, open := v.Claim(id)
		if open && (c.State == grid.ClaimWanted || c.State == grid.ClaimLaunching || c.State == grid.ClaimBooting || c.State == grid.ClaimUnknown) {
			continue
		}
		delete(b.bound, id)
		delete(b.ahead.wanted, id)
		jobs = slices.DeleteFunc(jobs, func(job grid.JobID) bool {
			j, ok := v.Job(job)
			return !ok || j.Place != ledger.ForClaim || j.At != id
		})
		why := "its machine is up"
		if !open || c.State == grid.ClaimStopping {
			why = "its machine did not come up"
		}
		if len(jobs) == 0 {
			continue
		}
		if _, err := b.p.d.propose(ctx, &ledger.Unplace{Jobs: jobs, At: id, Reason: why}); err != nil {
			return err
		}
	}
	return nil
}

// claimOf is a claim, open or closed.
func (d *Daemon) claimOf(v *ledger.View, id uint32) (c ledger.Claim, ok bool) {
	if c, ok = v.Claim(id); ok {
		return c, true
	}
	err := d.ledger.Read(func(r *ledger.Reader) (err error) {
		c, ok, err = r.PastClaim(id)
		return err
	})
	return c, ok && err == nil
}
