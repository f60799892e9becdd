package pool

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/router"
)

// Pool is the workers. It is safe for many goroutines.
type Pool struct {
	mu      sync.Mutex
	workers map[uint32]*worker
	classes map[string]*router.Class
	next    uint32
	looks   map[string]bool    // slot attributes that jobs look at
	changed chan struct{}      // has one element after a change
	uses    map[string]float64 // of limits, by all attempts
}

type worker struct {
	id        uint32
	info      Info
	slot      *ad.Ad // the whole ad, without Cpus, Memory and Disk
	class     *router.Class
	total     router.Resources
	parts     map[grid.JobID]Part
	taken     router.Resources
	connected bool
	drains    bool
	since     time.Time // when it connected, or was last heard
	idle      time.Time // since when it has nothing to do
}

// Info is what a worker says of itself.
type Info struct {
	Name      string
	Boot      string
	Agent     string
	Isolation wire.Isolation
	Local     bool   // it serves the local universe, and nothing else
	Claim     uint32 // of ours; 0: none
	Attrs     map[string]string
}

// Part is what one attempt has of a worker.
type Part struct {
	Epoch uint32
	Owner uint32
	Uses  string // what it takes of limits: see [router.Limits]
	router.Resources
}

// New is a pool without workers.
func New() *Pool {
	return &Pool{
		workers: map[uint32]*worker{}, classes: map[string]*router.Class{}, looks: map[string]bool{}, uses: map[string]float64{}, changed: make(chan struct{}, 1),
	}
}

// Changed receives after something that matters to the router has changed.
func (p *Pool) Changed() <-chan struct{} { return p.changed }

// Wake has everybody look who waits for a change.
func (p *Pool) Wake() { p.wake() }

func (p *Pool) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// get is the worker with that number, made if need be.
func (p *Pool) get(id uint32, now time.Time) *worker {
	w := p.workers[id]
	if w == nil {
		w = &worker{id: id, parts: map[grid.JobID]Part{}, since: now, idle: now}
		p.workers[id] = w
	}
	return w
}

// Connect takes in a worker that has introduced itself, or has changed. The error
// names an attribute that is no expression.
func (p *Pool) Connect(id uint32, info Info, now time.Time) error {
	slot, total, err := slotAd(info)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.get(id, now)
	if !w.connected {
		w.idle = now
	}
	w.info, w.slot, w.total, w.connected, w.since = info, slot, total, true, now
	w.class = p.classOf(slot)
	p.wake()
	return nil
}

// slotAd is the ad that the router sees, and the totals.
func slotAd(info Info) (slot *ad.Ad, total router.Resources, err error) {
	slot = ad.New(len(info.Attrs) + 4)
	for _, name := range slices.Sorted(maps.Keys(info.Attrs)) {
		if !ad.ValidName(name) {
			return nil, total, grid.Errorf(grid.Invalid, "worker %s offers %q, which is no attribute name", info.Name, name)
		}
		if err := slot.Set(name, info.Attrs[name]); err != nil {
			return nil, total, grid.Errorf(grid.Invalid, "worker %s offers %s: %w", info.Name, name, err)
		}
	}
	total = router.Resources{Cpus: slot.Int("Cpus", 0), MemoryMB: slot.Int("Memory", 0), DiskKB: slot.Int("Disk", 0)}
	for _, n := range []string{"Cpus", "Memory", "Disk"} {
		slot.Delete(n)
	}
	if !slot.Has("Start") {
		slot.SetBool("Start", true)
	}
	if !slot.Has("Requirements") {
		if err := slot.Set("Requirements", "START"); err != nil {
			return nil, total, err
		}
	}
	slot.SetString("Name", "slot1@"+info.Name)
	if !slot.Has("Machine") {
		slot.SetString("Machine", info.Name)
	}
	slot.SetBool("PartitionableSlot", true)
	slot.SetInt("TotalCpus", total.Cpus)
	slot.SetInt("TotalMemory", total.MemoryMB)
	slot.SetInt("TotalDisk", total.DiskKB)
	return slot, total, nil
}

// roots are where a slot's side of a match begins.
var roots = [...]string{"requirements", "start", "rank"}

// classOf finds or makes the class of slots that match like this one.
func (p *Pool) classOf(slot *ad.Ad) *router.Class {
	seen := map[string]bool{}
	todo := slices.AppendSeq(slices.Clone(roots[:]), maps.Keys(p.looks))
	all := p.looks["*"]
	for len(todo) > 0 && !all {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		if e, ok := slot.Expr(n); ok {
			refs := e.Refs()
			todo = append(append(todo, refs.My...), refs.Bare...)
			all = refs.Opaque
		}
	}
	var key strings.Builder
	out := ad.New(len(seen))
	for _, n := range slot.Names() {
		if e, ok := slot.Expr(n); ok && (all || seen[strings.ToLower(n)]) {
			key.WriteString(strings.ToLower(n) + "=" + e.String() + "\n")
			out.SetExpr(n, e)
		}
	}
	c := p.classes[key.String()]
	if c == nil {
		p.next++
		c = &router.Class{ID: p.next, Ad: out}
		p.classes[key.String()] = c
	}
	return c
}

// Look tells which slot attributes jobs look at, by folded names. Classes are made
// anew when that is more than before.
func (p *Pool) Look(names map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.looks)
	maps.Copy(p.looks, names)
	if len(p.looks) == before {
		return
	}
	p.classes = map[string]*router.Class{}
	for _, id := range slices.Sorted(maps.Keys(p.workers)) {
		if w := p.workers[id]; w.slot != nil {
			w.class = p.classOf(w.slot)
		}
	}
}

// Heeds are the job attributes that slots look at, by folded names, sorted.
func (p *Pool) Heeds() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := map[string]bool{}
	for _, c := range p.classes {
		for _, n := range c.Ad.Names() {
			if e, ok := c.Ad.Expr(n); ok {
				refs := e.Refs()
				for _, r := range slices.Concat(refs.Target, refs.Bare) {
					names[r] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Disconnect notes that a worker is not heard any more.
func (p *Pool) Disconnect(id uint32, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.workers[id]; w != nil && w.connected {
		w.connected, w.since = false, now
		p.wake()
	}
}

// Drain stops a worker from being given more, or takes that back.
func (p *Pool) Drain(id uint32, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.workers[id]; w != nil && w.drains != on {
		w.drains = on
		p.wake()
	}
}

// Give books an attempt's part of a worker; again is the same.
func (p *Pool) Give(id uint32, job grid.JobID, part Part, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.get(id, now)
	if old, ok := w.parts[job]; ok {
		w.taken = w.taken.Minus(old.Resources)
		p.use(old.Uses, -1)
	}
	p.use(part.Uses, 1)
	w.parts[job] = part
	w.taken = w.taken.Plus(part.Resources)
}

// Take gives the part of an attempt back, if it is that of the epoch.
func (p *Pool) Take(id uint32, job grid.JobID, epoch uint32, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workers[id]
	if w == nil {
		return
	}
	if part, ok := w.parts[job]; ok && part.Epoch <= epoch {
		w.taken = w.taken.Minus(part.Resources)
		p.use(part.Uses, -1)
		delete(w.parts, job)
		w.idle = now
		p.wake()
	}
}

// Excuse counts time in which this process did not run for nobody's silence.
func (p *Pool) Excuse(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		if !w.connected {
			w.since = w.since.Add(d)
		}
	}
}

// Forget drops a worker that is not connected and has nothing.
func (p *Pool) Forget(id uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.workers[id]; w != nil && !w.connected && len(w.parts) == 0 {
		delete(p.workers, id)
	}
}

// Kind chooses workers.
type Kind uint8

const (
	Pooled Kind = iota // for jobs of the vanilla universe
	Locals             // for those of the local one
)

// Slots are what the router may place jobs on now, by ascending number; with all,
// also those that are full or draining.
func (p *Pool) Slots(kind Kind, all bool) []router.Slot { return p.slots(kind, all, all) }

// Serving are the slots for pooled jobs that serve, full ones too, by ascending number.
func (p *Pool) Serving() []router.Slot { return p.slots(Pooled, true, false) }

// slots are those of connected workers of a kind, by ascending number; with full, and with
// draining, also those that are that.
func (p *Pool) slots(kind Kind, full, draining bool) []router.Slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []router.Slot
	for _, w := range p.workers {
		if !w.connected || w.info.Local != (kind == Locals) || w.drains && !draining {
			continue
		}
		if free := w.total.Minus(w.taken); full || free.Cpus > 0 {
			out = append(out, router.Slot{ID: w.id, Class: w.class, Total: w.total, Free: free})
		}
	}
	slices.SortFunc(out, func(a, b router.Slot) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Usage is the cpus that each owner has.
func (p *Pool) Usage() map[uint32]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[uint32]int64{}
	for _, w := range p.workers {
		for _, part := range w.parts {
			out[part.Owner] += part.Cpus
		}
	}
	return out
}

// use counts what an attempt takes of limits, or gives back.
func (p *Pool) use(text string, sign float64) {
	if text == "" {
		return
	}
	for _, u := range router.ParseUses(text) {
		if p.uses[u.Name] += sign * u.Weight; p.uses[u.Name] < 1e-6 {
			delete(p.uses, u.Name)
		}
	}
}

// Used is what attempts have of limits, by their names.
func (p *Pool) Used() map[string]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.uses)
}

// Status is a worker as people see it.
type Status struct {
	ID        uint32
	Info      Info
	Total     router.Resources
	Free      router.Resources
	Jobs      map[grid.JobID]Part
	Connected bool
	Drains    bool
	Since     time.Time
	Idle      time.Time // since when it has nothing to do; zero: it has
}

// OfClaim is the worker of a claim's machine.
func (p *Pool) OfClaim(claim uint32) (Status, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		if w.info.Claim == claim {
			return w.status(), true
		}
	}
	return Status{}, false
}

// Worker is one worker's status.
func (p *Pool) Worker(id uint32) (Status, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.workers[id]; w != nil {
		return w.status(), true
	}
	return Status{}, false
}

// Workers are all, by ascending number.
func (p *Pool) Workers() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Status
	for _, id := range slices.Sorted(maps.Keys(p.workers)) {
		out = append(out, p.workers[id].status())
	}
	return out
}

func (w *worker) status() Status {
	s := Status{
		ID: w.id, Info: w.info, Total: w.total, Free: w.total.Minus(w.taken), Jobs: maps.Clone(w.parts),
		Connected: w.connected, Drains: w.drains, Since: w.since,
	}
	if len(w.parts) == 0 {
		s.Idle = w.idle
	}
	return s
}

// Slot is a worker as the router sees it, whether it may be given anything or not.
func (p *Pool) Slot(id uint32) (router.Slot, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workers[id]
	if w == nil || w.class == nil {
		return router.Slot{}, false
	}
	return router.Slot{ID: w.id, Class: w.class, Total: w.total, Free: w.total.Minus(w.taken)}, true
}

// Class is the class of slots with these attributes, as jobs look at them.
func (p *Pool) Class(attrs map[string]string) (*router.Class, error) {
	slot, _, err := slotAd(Info{Attrs: attrs})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.classOf(slot), nil
}

// Ad is the ad of a worker's slot as jobs see it; nil when there is none.
func (p *Pool) Ad(id uint32) *ad.Ad {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workers[id]
	if w == nil || w.slot == nil {
		return nil
	}
	free := w.total.Minus(w.taken)
	a := ad.New(3)
	a.Chain(w.slot)
	a.SetInt("Cpus", free.Cpus)
	a.SetInt("Memory", free.MemoryMB)
	a.SetInt("Disk", free.DiskKB)
	return a
}
