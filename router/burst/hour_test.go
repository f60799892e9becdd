package burst

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/ad"
	"gridburst/router"
)

// hour is an hour of bursts by a virtual clock: a schedd that does what is decided, an
// engine that loses answers and breaks machines, people who hand in jobs.
type hour struct {
	t      *rapid.T
	m      *router.Matcher
	in     *Input // what does not change
	levels []Levels
	now    time.Duration
	wall   ad.Instant // it may go back
	next   uint32
	jobs   int32
	queued []router.Queue
	open   map[uint32]*hourClaim
	ids    []uint32 // of open claims, in order
	caps   []int
	purses []Purse // Left is all that may be spent
	spent  []int64 // by purse, with what is pending and unknown
	ran    int
}

type hourClaim struct {
	shape   int
	owner   uint32
	forJobs bool
	state   string // launching, unknown, booting, ready, draining, stopping
	since   time.Duration
	bound   []router.Job
	parts   []router.Resources
	running []time.Duration // when each ends
	idle    time.Duration
}

func (h *hour) paidBy(c *hourClaim) (out []int) {
	for i := range h.purses {
		if h.purses[i].in(c.shape, c.owner, c.forJobs) {
			out = append(out, i)
		}
	}
	return out
}

// check is the law: at no instant is a cap or a purse exceeded, whatever is pending or
// unknown.
func (h *hour) check() {
	count := make([]int, len(h.caps))
	for _, c := range h.open {
		count[c.shape]++
	}
	for i, n := range count {
		if n > h.caps[i] {
			h.t.Fatalf("at %v there are %d machines of shape %d, and %d may be", h.now, n, i, h.caps[i])
		}
	}
	for i, s := range h.spent {
		if s > h.purses[i].Left {
			h.t.Fatalf("at %v %d is spent of %s, which has %d", h.now, s, h.purses[i].Name, h.purses[i].Left)
		}
	}
}

func (h *hour) decide() {
	in := *h.in
	in.Now, in.Clock = h.wall, h.now
	in.Shapes = append([]Shape(nil), h.in.Shapes...)
	in.Purses = append([]Purse(nil), h.purses...)
	for i := range in.Purses {
		in.Purses[i].Left -= h.spent[i]
	}
	for i := range in.Shapes {
		in.Shapes[i].Room = h.caps[i]
		in.Shapes[i].Levels = &h.levels[i]
	}
	bound := map[uint64]bool{}
	for _, id := range h.ids {
		c := h.open[id]
		in.Shapes[c.shape].Room--
		free := in.Shapes[c.shape].Offer
		switch c.state {
		case "launching", "unknown", "booting":
			for k, j := range c.bound {
				bound[j.ID.Key()] = true
				free = free.Minus(c.parts[k])
			}
			in.Starting = append(in.Starting, Starting{Claim: id, Shape: c.shape, Free: free, Load: float64(len(c.bound))})
		case "ready", "draining":
			free.Cpus -= int64(len(c.running))
			m := Member{
				Claim: id, Shape: c.shape, Draining: c.state == "draining", Up: h.now - c.since, Load: float64(len(c.running)),
				Slot: router.Slot{ID: id, Class: in.Shapes[c.shape].Class, Total: in.Shapes[c.shape].Offer, Free: free},
			}
			if len(c.running) == 0 {
				m.Idle = max(h.now-c.idle, 1)
			}
			in.Members = append(in.Members, m)
		}
	}
	for _, q := range h.queued {
		out := q
		out.Jobs = nil
		for _, j := range q.Jobs {
			if !bound[j.ID.Key()] {
				out.Jobs = append(out.Jobs, j)
			}
		}
		in.Queues = append(in.Queues, out)
	}
	for range rapid.IntRange(0, 3).Draw(h.t, "kinds") { // what workflows say, and may not come
		s := Soon{Owner: h.queued[0].Owner, Group: h.queued[0].Group, In: time.Duration(rapid.IntRange(0, 300).Draw(h.t, "in")) * time.Second}
		s.Guess = min(s.In, time.Duration(rapid.IntRange(0, 300).Draw(h.t, "guess"))*time.Second)
		for range rapid.IntRange(1, 40).Draw(h.t, "soon") {
			in.Soon = append(in.Soon, s)
		}
	}
	slices.SortStableFunc(in.Soon, func(a, b Soon) int { return cmp.Compare(a.In, b.In) })
	in.Observe()
	d := Decide(&in, h.m)
	for _, w := range d.Want {
		h.next++
		c := &hourClaim{shape: w.Shape, owner: w.Owner, forJobs: w.HasOwner, state: "launching", since: h.now, bound: w.Jobs, parts: w.Parts}
		h.open[h.next] = c
		h.ids = append(h.ids, h.next)
		for _, i := range h.paidBy(c) {
			h.spent[i] += h.in.Shapes[c.shape].Cost
		}
	}
	for _, b := range d.Bind {
		c := h.open[b.Claim]
		c.bound, c.parts = append(c.bound, b.Jobs...), append(c.parts, b.Parts...)
	}
	for _, id := range d.Undrain {
		if h.open[id].state == "draining" {
			h.open[id].state = "ready"
		}
	}
	for _, id := range d.Drain {
		if c := h.open[id]; len(c.running) > 0 {
			h.t.Fatalf("a machine with work is let go")
		}
		h.open[id].state = "draining"
	}
	for _, id := range d.Cancel {
		h.stop(id)
	}
	h.check()
}

func (h *hour) stop(id uint32) {
	h.open[id].state, h.open[id].bound, h.open[id].parts = "stopping", nil, nil
}

// close takes a claim off the books. One that was never made costs nothing.
func (h *hour) close(id uint32, made bool) {
	c := h.open[id]
	if !made {
		for _, i := range h.paidBy(c) {
			h.spent[i] -= h.in.Shapes[c.shape].Cost
		}
	}
	delete(h.open, id)
	for i, o := range h.ids {
		if o == id {
			h.ids = append(h.ids[:i:i], h.ids[i+1:]...)
			break
		}
	}
}

// happen lets something become of a claim.
func (h *hour) happen(id uint32) {
	c := h.open[id]
	for k := len(c.running) - 1; k >= 0; k-- {
		if c.running[k] <= h.now {
			c.running = append(c.running[:k], c.running[k+1:]...)
			if c.idle = h.now; len(c.running) > 0 {
				c.idle = 0
			}
		}
	}
	dice := rapid.IntRange(0, 99).Draw(h.t, "dice")
	switch c.state {
	case "launching":
		switch {
		case dice < 10:
			c.state = "unknown" // the answer was lost
		case dice < 15:
			h.close(id, false) // refused
		case dice < 70:
			c.state = "booting"
		}
	case "unknown":
		switch {
		case dice < 20:
			c.state = "booting" // it was found
		case dice < 25:
			c.state = "launching" // it is not there: the call is made again
		}
	case "booting":
		switch {
		case dice < 3:
			h.stop(id) // it has not come
		case dice < 25:
			c.state, c.idle, c.bound, c.parts = "ready", h.now, nil, nil
		}
	case "ready":
		if dice < 1 {
			c.running = nil
			h.stop(id) // it vanished, with what it ran
		}
	case "draining":
		if len(c.running) == 0 && dice < 50 {
			h.stop(id)
		}
	case "stopping":
		if dice < 40 {
			h.close(id, true)
		}
	}
}

// place gives jobs to machines that serve.
func (h *hour) place() {
	for _, id := range h.ids {
		c := h.open[id]
		for q := range h.queued {
			for c.state == "ready" && len(h.queued[q].Jobs) > 0 && int64(len(c.running)) < h.in.Shapes[c.shape].Offer.Cpus {
				j := h.queued[q].Jobs[0]
				h.queued[q].Jobs = h.queued[q].Jobs[1:]
				for _, o := range h.open {
					for k := range o.bound {
						if o.bound[k] == j {
							o.bound, o.parts = append(o.bound[:k:k], o.bound[k+1:]...), append(o.parts[:k:k], o.parts[k+1:]...)
							break
						}
					}
				}
				c.running = append(c.running, h.now+time.Duration(rapid.IntRange(1, 400).Draw(h.t, "run"))*time.Second)
				h.ran++
			}
		}
	}
}

func (h *hour) arrive(owner, n int) {
	for range n {
		h.jobs++
		h.queued[owner].Jobs = append(h.queued[owner].Jobs, job(h.jobs))
	}
}

func newHour(rt *rapid.T, t *testing.T) *hour {
	h := &hour{t: rt, m: router.NewMatcher(), wall: now, open: map[uint32]*hourClaim{}, in: &Input{}, levels: make([]Levels, 2)}
	one := group(t, 1, map[string]string{"RequestCpus": "1"})
	for owner := uint32(1); owner <= 2; owner++ {
		h.queued = append(h.queued, router.Queue{Owner: owner, Group: one})
	}
	for i, cpus := range []int64{2, 8} {
		cost := rapid.Int64Range(0, 20).Draw(rt, "cost")
		h.in.Shapes = append(h.in.Shapes, Shape{
			Class: class(t, uint32(10+i), nil), Offer: router.Resources{Cpus: cpus, MemoryMB: 1 << 20, DiskKB: 1 << 20}, Boot: time.Minute,
			Cost: cost, Price: cost, Late: 2 * time.Minute, Min: rapid.IntRange(0, 2).Draw(rt, "min"),
		})
		h.caps = append(h.caps, rapid.IntRange(0, 12).Draw(rt, "cap"))
	}
	h.purses = []Purse{
		{Name: "all", Left: rapid.Int64Range(0, 300).Draw(rt, "all")},
		{Name: "large", Shapes: []int{1}, Left: rapid.Int64Range(0, 200).Draw(rt, "large")},
		{Name: "ada", Owner: 1, HasOwner: true, Left: rapid.Int64Range(0, 200).Draw(rt, "ada")},
	}
	h.spent = make([]int64, len(h.purses))
	return h
}

func (h *hour) step() {
	h.now += time.Duration(rapid.IntRange(1, 60).Draw(h.t, "pass")) * time.Second
	h.wall = now + ad.Instant(h.now/time.Second)
	if rapid.IntRange(0, 30).Draw(h.t, "clock") == 0 {
		h.wall -= 3600 // it was set back
	}
	for _, id := range append([]uint32(nil), h.ids...) {
		h.happen(id)
		h.check()
	}
	h.place()
	h.decide()
}

func TestAnHourOfBurstsKeepsToCapsAndBudgets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHour(rt, t)
		for h.now < time.Hour {
			if rapid.IntRange(0, 5).Draw(rt, "burst") == 0 {
				h.arrive(rapid.IntRange(0, 1).Draw(rt, "owner"), rapid.IntRange(1, 40).Draw(rt, "jobs"))
			}
			h.step()
		}
	})
}

// With room and money all that waits is served, whatever breaks on the way.
func TestAnHourOfBurstsServesAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHour(rt, t)
		h.caps = []int{12, 12}
		for i := range h.purses {
			h.purses[i].Left = 1 << 40
		}
		h.arrive(0, rapid.IntRange(1, 60).Draw(rt, "jobs"))
		h.arrive(1, rapid.IntRange(1, 60).Draw(rt, "jobs"))
		for k := 0; len(h.queued[0].Jobs)+len(h.queued[1].Jobs) > 0; k++ {
			if k > 3000 {
				rt.Fatalf("%d and %d jobs still wait", len(h.queued[0].Jobs), len(h.queued[1].Jobs))
			}
			h.step()
		}
	})
}
