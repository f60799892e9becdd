package replay

import (
	"cmp"
	"slices"
	"time"

	"gridburst/internal/replay/trace"
)

// Result is how one policy did over one trace.
type Result struct {
	Trace, Policy string
	Jobs          int     `json:"jobs"`
	Never         int     `json:"never"`
	Span          float64 `json:"span_s"`
	Hours         float64 `json:"machine_hours"` // billed
	MeanWait      float64 `json:"mean_wait_s"`
	P50, P95, P99 float64
	Slowdown      float64
	Utilisation   float64
	Starts        int
	Unused        int
	Flaps         int
	Peak, Over    int
	Boot, Idle    float64 // hours
	Lost          float64
}

// Run replays a trace against a policy.
func Run(set *Setup, t *trace.Trace, name string, p Policy) (*Result, error) {
	w, err := newWorld(set, t, p)
	if err != nil {
		return nil, err
	}
	if err := w.run(); err != nil {
		return nil, err
	}
	r := &w.rec
	out := &Result{
		Trace: t.Name, Policy: name, Jobs: len(r.waits), Never: r.never, Span: r.end.Seconds(), Starts: r.starts, Unused: r.unused, Flaps: r.again,
		Peak: r.peak, Over: r.over, Boot: r.bootTime.Hours(), Idle: r.idleTime.Hours(), Lost: r.lostTime.Hours(),
	}
	for _, b := range r.billed {
		out.Hours += b.Hours()
	}
	slices.SortFunc(r.waits, func(a, b wait) int { return cmp.Compare(a.d, b.d) })
	var sum time.Duration
	for _, x := range r.waits {
		sum += x.d
	}
	at := func(q float64) float64 { return r.waits[int(q*float64(len(r.waits)-1))].d.Seconds() }
	out.MeanWait, out.P50, out.P95, out.P99 = sum.Seconds()/float64(len(r.waits)), at(.5), at(.95), at(.99)
	out.Slowdown = r.slow / float64(len(r.waits))
	out.Utilisation = r.work.Hours() / (out.Hours * float64(w.widest()))
	return out, nil
}
