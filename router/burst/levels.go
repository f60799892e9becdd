package burst

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Levels is what is known of how the need for machines of a shape comes and goes. The first
// machine is needed most of the time, the tenth once a day: so each level, one machine more,
// has times of its own for which it was not needed. The zero Levels knows nothing yet. It is
// a value of its caller's, told of each decision, and lost with it: what is not known is
// learnt again within a few returns.
type Levels struct {
	need int
	load float64 // jobs of a machine, lately
	by   []level // from the first machine
}

// level is one machine more than are below it.
type level struct {
	since time.Duration // when it was last not needed any more; only where it is not
	gaps  []gap         // the latest last
	met   bool          // it has been needed
}

// gap is for how long a level was not needed, and how many jobs it then had.
type gap struct {
	long time.Duration
	load float64
}

// memory is how many gaps of a level are remembered: what was further back than that says
// little of what comes.
const memory = 48

// Observe takes in how many machines are needed, and how many jobs each has on average.
func (l *Levels) Observe(now time.Duration, need int, load float64) {
	for len(l.by) < need {
		l.by = append(l.by, level{since: now})
	}
	for k := l.need; k < need; k++ {
		v := &l.by[k]
		if v.met {
			if len(v.gaps) == memory {
				v.gaps = slices.Delete(v.gaps, 0, 1)
			}
			v.gaps = append(v.gaps, gap{now - v.since, load})
		}
		v.met = true
	}
	if need > 0 {
		l.load += (load - l.load) / memory
	}
	for k := need; k < l.need; k++ {
		l.by[k].since = now
	}
	l.need = need
}

// prior is how gaps go on that have lasted for some time, before any was seen that was
// longer: half of them end before they have lasted twice as long, and a boot; they have no
// scale beyond that (a Lomax distribution, at the middles of eight parts). It counts as
// much as one gap that was seen.
var prior = [...]float64{1.0 / 15, 3.0 / 13, 5.0 / 11, 7.0 / 9, 9.0 / 7, 11.0 / 5, 13.0 / 3, 15}

// Keep is for how much longer to keep the machine of a level that is not needed; 0: not at
// all. It would cost a boot to have it again, and worth is what the wait for a boot is worth
// for a job beside that, both in machine time. The best time is the one for which the gaps
// that were seen, of those that were at least as long as this one is already, would have
// cost the least. Of a level that was never needed it counts how long its machine is idle.
// told says that the need had a cause of which it is known what more will come, and that is
// nothing: then only what was seen counts, and not how gaps go on that nobody can explain.
func (l *Levels) Keep(now time.Duration, k int, idle, boot time.Duration, told bool) time.Duration {
	v := level{since: now - idle} // it was never needed
	if k < len(l.by) {
		v = l.by[k]
	}
	gone := max(now-v.since, 0)
	type sample struct{ wait, saves, weight float64 }
	all := make([]sample, 0, len(prior)+len(v.gaps))
	left := 0.0 // of the weight
	for _, g := range v.gaps {
		if g.long > gone {
			all = append(all, sample{(g.long - gone).Seconds(), boot.Seconds() * (1 + Worth*min(g.load, 1)), 1})
			left++
		}
	}
	if !told {
		for _, p := range prior {
			all = append(all, sample{p * (boot + gone).Seconds(), 2 * boot.Seconds(), 1.0 / float64(len(prior))})
		}
		left++
	}
	slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(a.wait, b.wait) })
	best, at, gain := 0.0, 0.0, 0.0
	for _, s := range all {
		gain += s.weight * (s.saves - s.wait)
		left -= s.weight
		if g := gain - left*s.wait; g > best {
			best, at = g, s.wait
		}
	}
	return time.Duration(math.Ceil(at*1000)) * time.Millisecond
}
