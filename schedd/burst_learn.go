package schedd

import (
	"math"
	"slices"
	"strconv"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/router/burst"
	"gridburst/schedd/ledger"
)

// learnt is what decisions on machines go by and no ledger has: how long jobs run, and how
// the need for machines comes and goes. It is lost at a restart and learnt again: until then
// a machine is kept for about as long as one boots.
type learnt struct {
	begun  time.Time // by a clock that does not go back
	runs   burst.Runtimes
	levels map[string]*burst.Levels // by resource
	parts  map[grid.JobID]router.Resources
}

// hear takes in how long a job has run.
func (l *learnt) hear(template uint32, run time.Duration) {
	l.runs.Observe(strconv.Itoa(int(template)), run)
}

// learn completes what a decision looks at by what is learnt, and takes in what it shows.
func (b *bursts) learn(in *burst.Input, v *ledger.View, of []*Resource) {
	l := &b.learnt
	if l.begun.IsZero() {
		l.begun, l.levels, l.parts = time.Now(), map[string]*burst.Levels{}, map[grid.JobID]router.Resources{}
	}
	in.Clock = time.Since(l.begun)
	for i, r := range of {
		if l.levels[r.Name] == nil {
			l.levels[r.Name] = &burst.Levels{}
		}
		shape := &in.Shapes[i]
		shape.Boot, shape.Late, shape.Levels = b.bootOf(r), b.lateOf(r), l.levels[r.Name]
	}
	for i := range in.Members {
		m := &in.Members[i]
		c, _ := v.Claim(m.Claim)
		if w, ok := b.p.d.pool.Worker(c.Worker); ok {
			m.Load = float64(len(w.Jobs))
		}
	}
	b.learnBound(in, v)
	in.Observe()
}

// learnBound works out what is left of machines on their way beside the jobs that are still
// bound to them.
func (b *bursts) learnBound(in *burst.Input, v *ledger.View) {
	l := &b.learnt
	bound := 0
	come := map[uint32]router.Resources{} // what workers have free of whom no claim says yet that they serve
	for _, w := range b.p.d.pool.Workers() {
		if w.Info.Claim != 0 {
			come[w.Info.Claim] = w.Free
		}
	}
	for i := range in.Starting {
		s := &in.Starting[i]
		if s.Shape < 0 {
			continue
		}
		shape := &in.Shapes[s.Shape]
		s.Free, s.Load, s.Due = shape.Offer, 0, nil
		if free, ok := come[s.Claim]; ok {
			s.Free = free
		}
		if c, ok := v.Claim(s.Claim); ok {
			s.Up = max(time.Since(time.UnixMilli(c.Wanted)), 0)
		}
		for _, id := range b.bound[s.Claim] {
			if j, ok := v.Job(id); ok && j.Place == ledger.ForClaim && j.At == s.Claim {
				part := b.partFor(v, id, shape, in.Now)
				s.Free = s.Free.Minus(part)
				s.Due = append(s.Due, b.dueOf(v, id, shape.Boot, max(shape.Boot-s.Up, 0), part))
				s.Load++
				bound++
			}
		}
	}
	if len(l.parts) > 2*bound+maxPlan {
		clear(l.parts) // of jobs that are bound no more
	}
}

// ranFor is for how long a job has run; one that has its slot may not have begun.
func ranFor(j *ledger.Job, now time.Time) time.Duration {
	if j.Started == 0 {
		return 0
	}
	return max(now.Sub(time.UnixMilli(j.Started)), 0)
}

// classOf is of what class the run times of a cluster's jobs are: that of its kind of node,
// or of its template.
func (b *bursts) classOf(v *ledger.View, cluster int32) string {
	if kind := b.kindOf(v, cluster); kind != "" {
		return kind
	}
	c, _ := v.Cluster(cluster)
	return strconv.Itoa(int(c.Template))
}

// dueOf is when a job will have run that begins after so long.
func (b *bursts) dueOf(v *ledger.View, id grid.JobID, boot, begins time.Duration, part router.Resources) burst.Due {
	run, known := b.learnt.runs.Holds(b.classOf(v, id.Cluster), 0, boot)
	return burst.Due{In: begins + run, Part: part, Unsure: !known}
}

// partFor is what a job will take of a machine of a shape.
func (b *bursts) partFor(v *ledger.View, id grid.JobID, shape *burst.Shape, now ad.Instant) router.Resources {
	if p, ok := b.learnt.parts[id]; ok {
		return p
	}
	part := router.Resources{Cpus: 1}
	if g, err := b.p.index.Group(v, id); err != nil {
		b.p.look(err)
	} else if fit := b.p.matcher.Fit(now, g, shape.Class, shape.Offer); fit.OK {
		part = fit.Part
	}
	b.learnt.parts[id] = part
	return part
}

// lateOf is within which nine of ten machines of a resource are there.
func (b *bursts) lateOf(r *Resource) time.Duration {
	if times := b.boots[bootKey{r.Name, r.Burst.Template, ledger.Overflow}]; len(times) >= enoughBoots {
		return quantile(times, 0.9)
	}
	return b.bootOf(r) * 3 / 2
}

// busy says of slots in use when they will have what free.
func (b *bursts) busy(in *burst.Input, v *ledger.View, of []*Resource) {
	b.learn(in, v, of)
	boot := time.Duration(math.MaxInt64)
	for i := range in.Shapes {
		boot = min(boot, in.Shapes[i].Boot)
	}
	if len(of) == 0 {
		return
	}
	now := time.Now()
	for _, w := range b.p.d.pool.Workers() {
		if !w.Connected || w.Drains || w.Info.Local || len(w.Jobs) == 0 {
			continue
		}
		slot, ok := b.p.d.pool.Slot(w.ID)
		if !ok {
			continue
		}
		var jobs []burst.Running
		for id, p := range w.Jobs {
			if j, ok := v.Job(id); ok {
				jobs = append(jobs, burst.Running{Class: b.classOf(v, id.Cluster), Ran: ranFor(&j, now), Part: p.Resources})
			}
		}
		claim := uint32(0)
		if i := slices.IndexFunc(in.Members, func(m burst.Member) bool { return m.Slot.ID == w.ID }); i >= 0 {
			claim = in.Members[i].Claim
		}
		in.Busy = append(in.Busy, b.learnt.runs.Busy(slot, claim, jobs, boot, nil))
	}
}
