package replay

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/replay/trace"
)

// Times is how long jobs of a kind run, as far as somebody knows.
type Times struct {
	Kind string          // those of a kind run for about as long
	Seen []time.Duration // those that have run; none: nobody has seen any
	Low  time.Duration   // of ten jobs one is shorter, of those that nobody has seen
	High time.Duration   // and one longer
}

// Middle is that which half of the jobs do not exceed.
func (t *Times) Middle() time.Duration {
	if len(t.Seen) > 0 {
		all := slices.Sorted(slices.Values(t.Seen))
		return all[(len(all)-1)/2]
	}
	return time.Duration(math.Sqrt(float64(t.Low) * float64(t.High)))
}

// tenth is the standard score below which one of ten is.
const tenth = 1.2816

// draw is the run time of one job: one of those seen, or about the middle, lognormal.
func (t *Times) draw(r *rand.Rand) time.Duration {
	if len(t.Seen) > 0 {
		return t.Seen[r.IntN(len(t.Seen))]
	}
	sigma := math.Log(float64(t.High)/float64(t.Low)) / (2 * tenth)
	return time.Duration(float64(t.Middle()) * math.Exp(sigma*r.NormFloat64()))
}

// NodeJob is what a node of a workflow asks for.
type NodeJob struct {
	Procs    int
	Cpus     int64 // of each
	MemoryMB int64
	Times    *Times
}

// Range is what comes out of many draws: of ten, one is below Low and one above High.
type Range struct {
	Low    float64 `json:"p10"`
	Middle float64 `json:"p50"`
	High   float64 `json:"p90"`
}

func rangeOf(list []float64) Range {
	slices.Sort(list)
	at := func(q float64) float64 { return list[int(math.Round(q*float64(len(list)-1)))] }
	return Range{at(.1), at(.5), at(.9)}
}

// Plan is what a workflow is expected to take, before anything of it starts.
type Plan struct {
	Draws    int      `json:"draws"`
	Critical []string `json:"critical_path"` // nodes, by the middles of their run times
	Path     float64  `json:"critical_path_s"`
	End      Range    `json:"end_s"`
	Hours    Range    `json:"machine_hours"`
	Cost     Range    `json:"cost"`
	Peak     Range    `json:"peak_machines"`
	Starts   Range    `json:"starts"`

	// Course is that of the draw whose end is in the middle.
	Course []Moment `json:"course"`
	Left   []string `json:"left_out,omitempty"` // nodes that take no part in it
}

// Moment is how many machines there are from a time on.
type Moment struct {
	At      float64 `json:"at_s"`
	Needed  int     `json:"needed"` // that jobs which run or wait would fill
	Serving int     `json:"serving"`
}

// PlanOf runs a workflow under a virtual clock, with other run times and boots in each draw,
// by the decisions of a schedd. job is what a node asks for; its services and its provisioner
// are left out, and its sub-DAGs and scripts take no time.
func PlanOf(ctx context.Context, set Setup, g *dag.Graph, job func(node int32) NodeJob, draws int) (*Plan, error) {
	flat, nodes, left, err := ordinary(g)
	if err != nil {
		return nil, err
	}
	jobs, known := make([]NodeJob, flat.Len()), map[string][]time.Duration{}
	t := &trace.Trace{Name: g.Name, Graph: flat, Known: known, Jobs: make([]trace.Job, flat.Len())}
	for i := range flat.Len() {
		if flat.Nodes[i].Noop {
			t.Jobs[i] = trace.Job{Owner: 1}
			continue
		}
		n := job(nodes[i])
		jobs[i] = n
		if n.Times.Seen != nil {
			known[n.Times.Kind] = n.Times.Seen
		}
		t.Jobs[i] = trace.Job{Count: n.Procs, Cpus: n.Cpus, MemoryMB: n.MemoryMB, Owner: 1, Class: n.Times.Kind}
		if !slices.ContainsFunc(set.Shapes, func(s Shape) bool { return n.Cpus <= s.Cpus && n.MemoryMB <= s.MemoryMB }) {
			return nil, grid.Errorf(grid.Invalid, "node %s asks for %d cpus and %d MiB, and no machine of the configuration has as many", flat.Nodes[i].Name, n.Cpus, n.MemoryMB)
		}
	}
	out := &Plan{Draws: draws, Left: left}
	out.Critical, out.Path = critical(flat, jobs)
	var all []*Result
	for k := range draws {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		one := set
		one.Seed = set.Seed + uint64(k)
		r := rand.New(rand.NewPCG(one.Seed, 0))
		for i := range jobs {
			if jobs[i].Times != nil {
				t.Jobs[i].Run = max(jobs[i].Times.draw(r), time.Millisecond)
			}
		}
		x, err := Run(&one, t, Default)
		if err != nil {
			return nil, err
		}
		if x.Failed != "" {
			return nil, grid.Errorf(grid.Refused, "the workflow does not end: %s", x.Failed)
		}
		all = append(all, x)
	}
	over := func(of func(*Result) float64) Range {
		list := make([]float64, len(all))
		for i, r := range all {
			list[i] = of(r)
		}
		return rangeOf(list)
	}
	out.End = over(func(r *Result) float64 { return r.Makespan })
	out.Hours = over(func(r *Result) float64 { return r.Hours })
	out.Cost = over(func(r *Result) float64 { return r.Cost })
	out.Peak = over(func(r *Result) float64 { return float64(r.Peak) })
	out.Starts = over(func(r *Result) float64 { return float64(r.Starts) })
	middle := slices.IndexFunc(all, func(r *Result) bool { return r.Makespan == out.End.Middle })
	for _, p := range all[middle].Points {
		out.Course = append(out.Course, Moment{p.At.Seconds(), p.Demand, p.Supply})
	}
	return out, nil
}

// ordinary is a graph without what is no job of the run's: its nodes, by their numbers in the
// whole, and the names of those that are left out. What cleans up comes behind all others.
func ordinary(g *dag.Graph) (flat *dag.Graph, nodes []int32, left []string, err error) {
	b := dag.NewBuilder(g.Name)
	at := map[int32]int32{}
	var last, all []int32
	for i := range int32(g.Len()) {
		n := g.Nodes[i]
		if n.Kind == dag.ServiceNode || n.Kind == dag.ProvisionerNode {
			left = append(left, n.Name)
			continue
		}
		to, _ := b.Add(dag.Node{Name: n.Name, Noop: n.Noop || n.Subdag || n.Past != "", Done: n.Done, Priority: n.Priority, Category: n.Category})
		at[i] = to
		nodes = append(nodes, i)
		if n.Kind == dag.FinalNode {
			last = append(last, to)
		} else {
			all = append(all, to)
		}
		if n.Subdag {
			left = append(left, n.Name)
		}
	}
	for i := range int32(g.Len()) {
		var parents []int32
		for _, p := range g.Parents(i) {
			if to, ok := at[p]; ok {
				parents = append(parents, to)
			}
		}
		if to, ok := at[i]; ok && len(parents) > 0 {
			b.Order(parents, []int32{to})
		}
	}
	if len(last) > 0 && len(all) > 0 {
		b.Order(all, last)
	}
	for _, c := range g.Categories {
		b.Limit(c.Name, c.MaxJobs)
	}
	if g.MaxJobs > 0 {
		b.Limit("", g.MaxJobs)
	}
	flat, err = b.Graph()
	return flat, nodes, left, err
}

// critical is the longest way through, by the middles of run times, and how long it takes.
func critical(g *dag.Graph, jobs []NodeJob) (names []string, seconds float64) {
	run, err := dag.Open(g, dag.Header{}, nil)
	if err != nil {
		return nil, 0
	}
	ahead := run.Ahead(math.MaxInt).Nodes // each behind those that it waits for
	over, from := make([]time.Duration, len(ahead)), make([]int, len(ahead))
	end := -1
	for k, c := range ahead {
		from[k] = -1
		for _, p := range c.Parents {
			if from[k] < 0 || over[p] > over[from[k]] {
				from[k] = int(p)
			}
		}
		if from[k] >= 0 {
			over[k] = over[from[k]]
		}
		if int(c.Node) < len(jobs) && jobs[c.Node].Times != nil {
			over[k] += jobs[c.Node].Times.Middle()
		}
		if end < 0 || over[k] > over[end] {
			end = k
		}
	}
	for k := end; k >= 0; k = from[k] {
		if n := &g.Nodes[ahead[k].Node]; !n.Join {
			names = append(names, n.Name)
		}
	}
	slices.Reverse(names)
	if end >= 0 {
		seconds = over[end].Seconds()
	}
	return names, seconds
}
