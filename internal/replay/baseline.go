package replay

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gridburst/router"
	"gridburst/router/burst"
)

// Baselines are what other systems do, as far as their rules are published: what they start,
// when they let it go, how often they look. What they have beside that, such as their way to
// an engine, is left out. All see the same queue, and jobs are placed alike for all.
//
// Those that are exact want what [burst.Decide] finds missing, and know of no learning, no
// run time and no workflow; they differ in how long an idle machine stays, and how fast they
// go.

// exact is the exact ones.
type exact struct {
	every   time.Duration // between two looks
	hold    time.Duration // an idle machine stays
	starts  int           // machines that are started at one look; 0: any number
	stops   int           // that are let go; 0: any number
	quiet   time.Duration // after a start nothing is let go for so long
	started time.Duration // the last start
}

// reactive starts what is needed at once, and lets a machine go when it has been idle for a
// fixed time. Over all times it is the frontier that a policy is compared with.
func reactive(hold time.Duration) *exact { return &exact{every: 250 * time.Millisecond, hold: hold} }

// slurm is Slurm's power saving (doc/html/power_save.shtml): nodes for what the scheduler
// has placed on nodes that are down, ResumeRate 300 and SuspendRate 60 a minute,
// power_save_interval 10 s; SuspendTime is off by default, and 600 s where clouds are shown.
func slurm() *exact {
	return &exact{every: 10 * time.Second, hold: 10 * time.Minute, starts: 50, stops: 10}
}

// karpenter gathers for a batch of 10 s at most and simulates its schedule
// (pkg/operator/options); consolidateAfter of its examples is 30 s.
func karpenter() *exact { return &exact{every: 10 * time.Second, hold: 30 * time.Second} }

// autoscaler is Kubernetes' Cluster Autoscaler (FAQ.md): it scans every 10 s, a node goes
// after 10 minutes in which it was not needed, ten empty ones at once, and none for 10
// minutes after one was added.
func autoscaler() *exact {
	return &exact{every: 10 * time.Second, hold: 10 * time.Minute, stops: 10, quiet: 10 * time.Minute}
}

func (p *exact) Every() time.Duration { return p.every }

func (p *exact) Decide(in *burst.Input, m *router.Matcher) burst.Decision {
	blank(in)
	for i := range in.Shapes {
		in.Shapes[i].Idle = p.hold
	}
	d := burst.Decide(in, m)
	if p.starts > 0 && len(d.Want) > p.starts {
		d.Want, d.Again = d.Want[:p.starts], p.every
	}
	if len(d.Want) > 0 {
		p.started = in.Clock
	}
	if len(d.Drain) > 0 && p.quiet > 0 && in.Clock-p.started < p.quiet {
		d.Drain, d.Again = nil, p.quiet-(in.Clock-p.started)
	}
	if p.stops > 0 && len(d.Drain) > p.stops {
		d.Drain, d.Again = d.Drain[:p.stops], p.every
	}
	return d
}

// blank takes from the input what only the default policy knows.
func blank(in *burst.Input) {
	in.Busy = nil
	unforeseen(in)
	for i := range in.Shapes {
		in.Shapes[i].Period, in.Shapes[i].Levels = 0, nil
	}
}

// static has all machines that there may be, all the time.
type static struct{ over bool }

func (p *static) Every() time.Duration { return time.Second }

func (p *static) Decide(in *burst.Input, m *router.Matcher) burst.Decision {
	blank(in)
	for i := range in.Shapes {
		s := &in.Shapes[i]
		for _, o := range in.Starting {
			if o.Shape == i {
				s.Min++
			}
		}
		for _, o := range in.Members {
			if o.Shape == i {
				s.Min++
			}
		}
		s.Min += s.Room
		if s.Idle = 1 << 62; p.over {
			s.Min, s.Idle = 0, 0
		}
	}
	return burst.Decide(in, m)
}

// glidein is GlideinWMS (frontend/glideinFrontendElement.py): not how many to start, but how
// many should be on their way: of what waits beyond idle pilots a third (ramp_up_attenuation
// 3), and a third in reserve, 5 at most; at most 100 idle at a site. A pilot ends itself when
// it has been idle for 20 minutes. The factory looks every 60 s, and the frontend as often.
type glidein struct{}

const (
	glideinPart    = 3
	glideinReserve = 5
	glideinIdle    = 100
)

func (glidein) Every() time.Duration { return 2 * time.Minute }

func (p glidein) Decide(in *burst.Input, _ *router.Matcher) (d burst.Decision) {
	missing := needed(in)
	for i := range in.Members {
		if in.Members[i].Idle > 0 {
			missing--
		}
	}
	if missing > 0 {
		third := (missing + glideinPart - 1) / glideinPart
		pressure := min(max(third+min(missing/glideinPart, glideinReserve), 1), glideinIdle)
		start(in, &d, pressure-len(in.Starting))
		d.Again = p.Every()
	}
	letGo(in, &d, 20*time.Minute)
	return d
}

// tardis is COBalD/TARDIS: a demand in cores grows by a core each second while drones are
// allocated to more than 0.9, and shrinks while they are used to less than 0.9
// (src/cobald/controller/linear.py, with the values of the shipped example); every 30 s
// whole drones follow it (src/cobald/composite/factory.py). It looks at no queue, and without
// drones it takes them for used, so that one begins.
type tardis struct {
	demand float64
	last   time.Duration
}

const (
	tardisHigh = 0.9
	tardisLow  = 0.9
	tardisRate = 1 // core a second
)

func (p *tardis) Every() time.Duration { return 30 * time.Second }

func (p *tardis) Decide(in *burst.Input, _ *router.Matcher) (d burst.Decision) {
	size := float64(in.Shapes[0].Offer.Cpus)
	most := float64(in.Shapes[0].Room+len(in.Members)+len(in.Starting)) * size
	used := 0.0
	var drones []*burst.Member
	for i := range in.Members {
		if m := &in.Members[i]; m.Shape == 0 && !m.Draining {
			used += 1 - float64(m.Slot.Free.Cpus)/float64(m.Slot.Total.Cpus)
			drones = append(drones, m)
		}
	}
	supply := len(drones)
	if supply == 0 {
		used = 1
	} else {
		used /= float64(supply)
	}
	passed := (in.Clock - p.last).Seconds()
	p.last = in.Clock
	switch {
	case used < tardisLow:
		p.demand -= tardisRate * passed
	case used > tardisHigh:
		p.demand += tardisRate * passed
	}
	p.demand = min(max(p.demand, 0), most)
	want := int(math.Ceil(p.demand / size))
	start(in, &d, want-supply-len(in.Starting))
	slices.SortStableFunc(drones, func(a, b *burst.Member) int { return cmp.Compare(b.Slot.Free.Cpus, a.Slot.Free.Cpus) })
	for k := 0; k < supply-want; k++ {
		d.Drain = append(d.Drain, drones[k].Claim)
	}
	d.Again = p.Every()
	return d
}

// needed is how many machines of the first shape all that waits would fill.
func needed(in *burst.Input) int {
	var cpus, nodes int64
	for _, q := range in.Queues {
		if q.Group.Nodes > 1 {
			nodes += int64(q.Group.Nodes * len(q.Jobs))
		} else {
			cpus += q.Group.Ad.Int("RequestCpus", 1) * int64(len(q.Jobs))
		}
	}
	size := in.Shapes[0].Offer.Cpus
	return int(nodes + (cpus+size-1)/size)
}

// start wants n machines of the first shape, as many as there may be.
func start(in *burst.Input, d *burst.Decision, n int) {
	for range min(n, in.Shapes[0].Room) {
		d.Want = append(d.Want, burst.Want{})
	}
}

// letGo drains what has been idle for so long.
func letGo(in *burst.Input, d *burst.Decision, hold time.Duration) {
	for i := range in.Members {
		m := &in.Members[i]
		switch left := hold - m.Idle; {
		case m.Idle <= 0 || m.Draining:
		case left <= 0:
			d.Drain = append(d.Drain, m.Claim)
		case d.Again == 0 || left < d.Again:
			d.Again = left
		}
	}
}
