package replay

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/replay/trace"
)

// Result is how a policy did over a trace.
type Result struct {
	Policy string `json:"policy"`
	Jobs   int    `json:"jobs"`
	Never  int    `json:"never_fit"` // wider than all machines together, or with more memory than one

	Hours float64 `json:"machine_hours"` // billed, from the call that asks for a machine until it is gone
	Cost  float64 `json:"cost,omitempty"`

	Mean     float64 `json:"wait_mean_s"`
	P50      float64 `json:"wait_p50_s"`
	P95      float64 `json:"wait_p95_s"`
	P99      float64 `json:"wait_p99_s"`
	Slowdown float64 `json:"bounded_slowdown"` // the mean of max(1, (wait+run)/max(run, 10 s))
	Makespan float64 `json:"makespan_s"`       // until the last job has ended

	Utilisation float64 `json:"utilisation"` // work by what was billed

	Starts int `json:"starts"`
	Unused int `json:"unused"` // of these, machines that ran no job
	Flaps  int `json:"flaps"`  // starts within a boot of another's end
	Peak   int `json:"peak"`
	Over   int `json:"over_cap"` // machines over a cap, at the worst

	Boot float64 `json:"boot_hours"` // of what was billed
	Idle float64 `json:"idle_hours"`
	Lost float64 `json:"lost_hours"` // of machines that never served

	Elastic Elastic `json:"elasticity"`
	Bounds  Bounds  `json:"bounds"`

	// Frontier is what the fixed holds' waits are at this cost, and Ratio the mean wait by
	// it; nought where there are none to compare with.
	Frontier float64 `json:"frontier_wait_s,omitempty"`
	Ratio    float64 `json:"wait_to_frontier,omitempty"`

	Points []Point `json:"-"`
	Failed string  `json:"failed,omitempty"` // it does not end
}

// Elastic is elasticity as the SPEC Research Group measures it (SPEC-RG-2016-01), with the
// cap for the resources: accuracies in percent of it, time shares in percent, instability in
// percent of minutes, jitter in changes an hour.
type Elastic struct {
	Under       float64 `json:"accuracy_under"`
	Over        float64 `json:"accuracy_over"`
	UnderTime   float64 `json:"time_under"`
	OverTime    float64 `json:"time_over"`
	Instability float64 `json:"instability"`
	Jitter      float64 `json:"jitter"`
}

// Run replays a trace against the policy that a name of [Expand] means.
func Run(set *Setup, t *trace.Trace, name string) (*Result, error) {
	w, err := newWorld(set, t, policy(name))
	if err != nil {
		return nil, err
	}
	err = w.run()
	out := w.result(name)
	if grid.CodeOf(err) == grid.Refused {
		out.Failed = grid.MessageOf(err)
		err = nil
	}
	return out, err
}

func (w *world) result(name string) *Result {
	r := &w.rec
	out := &Result{
		Policy: name, Jobs: len(r.waits), Never: r.never, Starts: r.starts, Unused: r.unused, Flaps: r.again, Peak: r.peak, Over: max(r.over, 0),
		Cost: r.money, Boot: r.bootTime.Hours(), Idle: r.idleTime.Hours(), Lost: r.lostTime.Hours(), Makespan: r.done.Seconds(), Points: r.points,
	}
	most, cores := 0, 0.0
	for i, b := range r.billed {
		out.Hours += b.Hours()
		cores += b.Hours() * float64(w.set.Shapes[i].Cpus)
		most += w.set.Shapes[i].Max
	}
	if cores > 0 {
		out.Utilisation = r.work.Hours() / cores
	}
	out.Elastic = r.elastic.result(most)
	if len(r.waits) == 0 {
		return out
	}
	slices.Sort(r.waits)
	var sum time.Duration
	for _, d := range r.waits {
		sum += d
	}
	at := func(q float64) float64 { return r.waits[int(q*float64(len(r.waits)-1))].Seconds() }
	out.Mean, out.P50, out.P95, out.P99 = sum.Seconds()/float64(len(r.waits)), at(.5), at(.95), at(.99)
	out.Slowdown = r.slow / float64(len(r.waits))
	return out
}

// Compare replays a trace against several policies, with several seeds, and gives the mean
// over these. Where all of the frontier is among them, each is compared with it.
func Compare(ctx context.Context, set Setup, t *trace.Trace, names []string, seeds int) ([]*Result, error) {
	var out []*Result
	bounds := BoundsOf(&set, t)
	for _, name := range names {
		var sum *Result
		for k := range seeds {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			one := set
			one.Seed = set.Seed + uint64(k)
			r, err := Run(&one, t, name)
			if err != nil {
				return nil, err
			}
			if sum == nil {
				sum = r
			} else {
				sum.add(r)
			}
		}
		sum.divide(seeds)
		sum.Bounds = bounds
		out = append(out, sum)
	}
	compare(out)
	return out, nil
}

func (r *Result) numbers() []*float64 {
	e := &r.Elastic
	return []*float64{
		&r.Hours, &r.Cost, &r.Mean, &r.P50, &r.P95, &r.P99, &r.Slowdown, &r.Makespan, &r.Utilisation, &r.Boot, &r.Idle, &r.Lost,
		&e.Under, &e.Over, &e.UnderTime, &e.OverTime, &e.Instability, &e.Jitter,
	}
}

func (r *Result) counts() []*int { return []*int{&r.Starts, &r.Unused, &r.Flaps} }

func (r *Result) add(o *Result) {
	for i, n := range o.numbers() {
		*r.numbers()[i] += *n
	}
	for i, n := range o.counts() {
		*r.counts()[i] += *n
	}
	r.Peak, r.Over, r.Failed = max(r.Peak, o.Peak), max(r.Over, o.Over), cmp.Or(r.Failed, o.Failed)
}

func (r *Result) divide(n int) {
	for _, x := range r.numbers() {
		*x /= float64(n)
	}
	for _, x := range r.counts() {
		*x /= n
	}
}

// compare fills in what the frontier has at each one's cost.
func compare(all []*Result) {
	var front []*Result
	for _, name := range frontier() {
		i := slices.IndexFunc(all, func(r *Result) bool { return r.Policy == name && r.Failed == "" })
		if i < 0 {
			return
		}
		front = append(front, all[i])
	}
	for _, r := range all {
		if r.Failed == "" {
			r.Frontier = frontierAt(front, r.Hours)
			r.Ratio = 1
			if r.Frontier > 0 {
				r.Ratio = r.Mean / r.Frontier
			}
		}
	}
}

// frontierAt is the least mean wait that fixed holds have at a cost, or would have if one
// went by this one of them for a part of the time and by that one for the rest. Of what is
// cheaper than all of them it is the wait of the cheapest.
func frontierAt(front []*Result, hours float64) float64 {
	cheapest := slices.MinFunc(front, func(a, b *Result) int { return cmp.Compare(a.Hours, b.Hours) })
	best := cheapest.Mean
	for i, a := range front {
		if a.Hours <= hours {
			best = min(best, a.Mean)
		}
		for _, b := range front[i+1:] {
			lo, hi := a, b
			if lo.Hours > hi.Hours {
				lo, hi = hi, lo
			}
			if lo.Hours <= hours && hours < hi.Hours {
				part := (hours - lo.Hours) / (hi.Hours - lo.Hours)
				best = min(best, lo.Mean+part*(hi.Mean-lo.Mean))
			}
		}
	}
	return best
}
