package schedd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/router/burst"
	"gridburst/schedd/ledger"
)

// bursts is what the dispatcher knows of machines for jobs that the pool cannot run
// soon. It belongs to the dispatcher's goroutine.
type bursts struct {
	p     *dispatcher
	bound map[uint32][]grid.JobID  // by claim on its way: the jobs that wait for it
	boot  map[string]time.Duration // by resource: how long its machines took lately
	boots boots                    // what the ledger's claims have recorded; nil: not read yet
	runs  map[uint32]time.Duration // by template: how long its jobs take, roughly
	rests map[string]rest          // by resource
	unmet int                      // jobs that a machine could run, were there room
	next  time.Time
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
	return &bursts{p: p, boot: map[string]time.Duration{}, runs: map[uint32]time.Duration{}, rests: map[string]rest{}}
}

// configured reports whether there is any resource to burst to, or anything of one.
func (b *bursts) configured() bool {
	return slices.ContainsFunc(b.p.d.c.Resources, func(r Resource) bool { return r.Burst != nil })
}

// hear takes in what events say about times and failures.
func (b *bursts) hear(v *ledger.View, e *ledger.Event) {
	switch e.Type {
	case ledger.JobCompleted:
		if c, ok := v.Cluster(e.Jobs.Cluster); ok && e.Exit != nil {
			b.runs[c.Template] = average(b.runs[c.Template], time.Duration(e.Exit.WallMS)*time.Millisecond)
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
		delete(b.rests, c.Resource)
	case to == grid.ClaimFailed && from != grid.ClaimWanted,
		to == grid.ClaimStopping && (from == grid.ClaimLaunching || from == grid.ClaimBooting):
		p := b.rests[c.Resource]
		p.tries++
		p.why = e.Text
		p.until = time.UnixMilli(e.At).Add(min(5*time.Second<<min(p.tries-1, 10), 10*time.Minute))
		b.rests[c.Resource] = p
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

// plan decides what to bring up and let go, and proposes it. It says when to be asked
// again.
func (b *bursts) plan(ctx context.Context, queues []router.Queue) error {
	now := time.Now()
	if now.Before(b.next) {
		return nil
	}
	b.next = now.Add(burstEvery)
	v := b.p.d.ledger.View()
	if err := b.unbind(ctx, v); err != nil {
		return err
	}
	in := &burst.Input{Now: ad.At(now), Usage: b.p.d.pool.Usage()}
	resources, err := b.shapes(in, v, now)
	if err != nil {
		return err
	}
	b.members(in, v, resources, now)
	b.demand(in, v, queues, resources, now)
	b.busy(in, v, resources)
	return b.carryOut(ctx, v, burst.Decide(in, b.p.matcher), resources)
}

// shapes are what can be wanted, and which resource each is of.
func (b *bursts) shapes(in *burst.Input, v *ledger.View, now time.Time) (of []*Resource, err error) {
	for i := range b.p.d.c.Resources {
		r := &b.p.d.c.Resources[i]
		if r.Burst == nil {
			continue
		}
		class, err := b.p.d.pool.Class(r.Burst.offer())
		if err != nil {
			return nil, err
		}
		open, overflow := 0, 0
		for _, c := range v.Claims() {
			if c.Resource == r.Name {
				open++
				if c.Kind == ledger.Overflow {
					overflow++
				}
			}
		}
		room := math.MaxInt
		if r.MaxVMs > 0 {
			room = min(room, r.MaxVMs-open)
		}
		if r.Burst.MaxVMs > 0 {
			room = min(room, r.Burst.MaxVMs-overflow)
		}
		room = min(room, max(b.p.d.hourLeft(v, r), 0))
		if p := b.rests[r.Name]; now.Before(p.until) {
			room = 0
		} else if p.tries > 0 {
			room = min(room, 1) // one shows whether it goes again
		}
		in.Shapes = append(in.Shapes, burst.Shape{Class: class, Offer: r.Burst.size(), Room: room, Min: max(r.Burst.MinVMs, b.windowed(r)), Idle: r.Burst.Idle})
		of = append(of, r)
	}
	return of, nil
}

// offer is the attributes of a machine that does not exist yet.
func (b *Burst) offer() map[string]string {
	attrs := map[string]string{"Arch": `"X86_64"`, "OpSys": `"LINUX"`, "HasFileTransfer": "true", "HasJobDeferral": "true"}
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
			m := burst.Member{Claim: id, Shape: shape, Slot: slot, Draining: c.State == grid.ClaimDraining}
			if !w.Idle.IsZero() {
				m.Idle = now.Sub(w.Idle)
			}
			in.Members = append(in.Members, m)
		case grid.ClaimStopping:
		default:
			s := burst.Starting{Claim: id, Shape: shape}
			if shape >= 0 {
				s.Free = of[shape].Burst.size()
				for range b.bound[id] {
					s.Free = s.Free.Minus(router.Resources{Cpus: 1})
				}
			}
			in.Starting = append(in.Starting, s)
		}
	}
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

// busy estimates what slots in use will serve before a machine could be up.
func (b *bursts) busy(in *burst.Input, v *ledger.View, of []*Resource) {
	boot := time.Duration(math.MaxInt64)
	for _, r := range of {
		boot = min(boot, b.bootOf(r))
	}
	for _, w := range b.p.d.pool.Workers() {
		if !w.Connected || w.Drains || w.Info.Local || len(w.Jobs) == 0 {
			continue
		}
		var sum time.Duration
		n := 0
		for id := range w.Jobs {
			c, ok := v.Cluster(id.Cluster)
			if run := b.runs[c.Template]; ok && run > 0 {
				sum += run
				n++
			}
		}
		if n == 0 {
			continue
		}
		if slot, ok := b.p.d.pool.Slot(w.ID); ok {
			in.Busy = append(in.Busy, burst.Busy{Slot: slot, Turns: min(int(boot/max(sum/time.Duration(n), time.Millisecond)), 1000)})
		}
	}
}

// carryOut proposes what was decided.
func (b *bursts) carryOut(ctx context.Context, v *ledger.View, d burst.Decision, of []*Resource) error {
	b.unmet = d.Unmet
	move := func(id uint32, verb grid.ClaimVerb, why string) error {
		c, _ := v.Claim(id)
		_, err := b.p.d.propose(ctx, &ledger.Move{Claim: id, Version: c.Version, Verb: verb, Reason: why})
		switch grid.CodeOf(err) {
		case "":
			b.p.d.pool.Drain(c.Worker, verb == grid.ClaimDrain)
			b.p.d.claims.poke(id)
			return nil
		case grid.Conflict, grid.NotFound, grid.Refused:
			return nil // it has changed: the next plan sees it
		}
		return err
	}
	for _, id := range d.Undrain {
		if err := move(id, grid.ClaimUndrain, "jobs wait again"); err != nil {
			return err
		}
	}
	for _, id := range d.Drain {
		if c, _ := v.Claim(id); b.p.d.blind(c.Resource) != nil {
			continue // while nothing is known of machines, none is let go
		}
		if err := move(id, grid.ClaimDrain, "it has had nothing to do"); err != nil {
			return err
		}
	}
	for _, n := range d.Bind {
		if err := b.bind(ctx, n.Claim, n.Jobs); err != nil {
			return err
		}
	}
	for _, w := range d.Want {
		if err := b.want(ctx, of[w.Shape], w.Jobs); err != nil {
			return err
		}
	}
	return nil
}

func (b *bursts) want(ctx context.Context, r *Resource, jobs []router.Job) error {
	size := r.Burst.size()
	c := &ledger.Want{
		For: ledger.Overflow, Resource: r.Name, Cap: uint32(r.MaxVMs), PerHour: uint32(r.MaxVMsPerHour), Cpus: size.Cpus, MemoryMB: size.MemoryMB,
		Where: "a machine of " + r.Name, Reason: "jobs wait that the pool cannot run soon",
	}
	if len(jobs) == 0 {
		c.Reason = "min_vms machines are to be there before anybody needs them"
	}
	ids := make([]grid.JobID, len(jobs))
	for i, j := range jobs {
		c.Bind = append(c.Bind, ledger.Binding{Job: j.ID, Version: j.Version})
		ids[i] = j.ID
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
	b.bound[res.Value.(uint32)] = ids
	return nil
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

// why says what the machines to come mean for a waiting job.
func (b *bursts) why(j *ledger.Job) string {
	if j.Place == ledger.ForClaim {
		if c, ok := b.p.d.ledger.View().Claim(j.At); ok {
			return "A machine of " + c.Resource + " is brought up for it: claim " + strconv.Itoa(int(j.At)) + " is " + c.State.String() + ".\n"
		}
	}
	out := ""
	for i := range b.p.d.c.Resources {
		if p, ok := b.rests[b.p.d.c.Resources[i].Name]; ok {
			out += "Machines of " + b.p.d.c.Resources[i].Name + " came to nothing lately (" + p.why + "); it is tried again at " + p.until.Format(time.TimeOnly) + ".\n"
		}
	}
	for i := range b.p.d.c.Resources {
		r := &b.p.d.c.Resources[i]
		if err := b.p.d.blind(r.Name); r.Burst != nil && err != nil {
			out += "Of " + r.Name + " nothing is known: " + err.Error() + ".\n"
		}
	}
	if out == "" && b.unmet > 0 {
		out = fmt.Sprintf("Machines of a resource could run %d of the waiting jobs, and there may be no more of them now.\n", b.unmet)
	}
	return out
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
