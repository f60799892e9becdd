package replay

import (
	"cmp"
	"slices"
	"time"

	"gridburst/internal/replay/trace"
)

// Bounds are what no policy can do without, in machine-hours of the widest shape.
type Bounds struct {
	// Area is the work, packed without a gap: of a job that is wider than a machine whole
	// machines.
	Area float64 `json:"area_hours"`
	// Layered is the least with which nobody waits, by one who knows all: machines are
	// there when they are wanted, and between two needs of a level one either idles or is
	// booted anew, whichever costs less. A policy that has jobs wait may stay below it.
	Layered float64 `json:"layered_hours"`
}

// BoundsOf works out the bounds of a trace.
func BoundsOf(set *Setup, t *trace.Trace) Bounds {
	var widest *Shape
	for i := range set.Shapes {
		if s := &set.Shapes[i]; widest == nil || s.Cpus > widest.Cpus {
			widest = s
		}
	}
	type change struct {
		at    time.Duration
		cpus  int64
		nodes int64
	}
	var b Bounds
	var list []change
	end := make([]time.Duration, len(t.Jobs))
	for i := range t.Jobs {
		j := &t.Jobs[i]
		begin := j.Submit
		for _, p := range j.Parents {
			begin = max(begin, end[p])
		}
		end[i] = begin + j.Run
		c := change{begin, j.Cpus * int64(j.Count), 0}
		if nodes := int64(nodesOf(j.Cpus, widest.Cpus)); nodes > 1 {
			if nodes > int64(widest.Max) {
				continue // it never runs
			}
			c = change{begin, 0, nodes * int64(j.Count)}
		}
		b.Area += j.Run.Hours() * (float64(c.nodes) + float64(c.cpus)/float64(widest.Cpus))
		list = append(list, c, change{end[i], -c.cpus, -c.nodes})
	}
	slices.SortStableFunc(list, func(a, b change) int { return cmp.Compare(a.at, b.at) })
	need := need{size: widest.Cpus}
	var since []time.Duration // by level: since when it is needed, or was needed last
	level := 0
	var total time.Duration
	for i, c := range list {
		need.cpus += c.cpus
		need.nodes += c.nodes
		if i+1 < len(list) && list[i+1].at == c.at {
			continue
		}
		n := need.machines()
		for ; level < n; level++ {
			if level == len(since) {
				since = append(since, c.at)
				total += widest.Boot
				continue
			}
			total += min(c.at-since[level], widest.Boot)
			since[level] = c.at
		}
		for ; level > n; level-- {
			total += c.at - since[level-1]
			since[level-1] = c.at
		}
	}
	b.Layered = total.Hours()
	return b
}
