package replay

import "time"

// elastic is how well supply follows demand, as the SPEC Research Group measures it
// (SPEC-RG-2016-01): accuracy and time share of too few and of too many, instability and
// jitter. Demand and supply are looked at each minute for the last two.
type elastic struct {
	under, over         float64 // machine-seconds
	underTime, overTime time.Duration
	total               time.Duration

	next            time.Duration
	lastD, lastS    int
	steps, unstable int
	moveD, moveS    int
}

const elasticStep = time.Minute

func (e *elastic) pass(from, to time.Duration, demand, supply int) {
	d := to - from
	e.total += d
	switch {
	case demand > supply:
		e.under += float64(demand-supply) * d.Seconds()
		e.underTime += d
	case supply > demand:
		e.over += float64(supply-demand) * d.Seconds()
		e.overTime += d
	}
	if e.next >= to {
		return
	}
	// Between events nothing changes: all steps but the first are still.
	n := int((to-e.next-1)/elasticStep) + 1
	e.steps += n
	sd, ss := sign(demand-e.lastD), sign(supply-e.lastS)
	if sd != ss {
		e.unstable++
	}
	e.moveD += sd * sd
	e.moveS += ss * ss
	e.lastD, e.lastS = demand, supply
	e.next += time.Duration(n) * elasticStep
}

func sign(n int) int {
	switch {
	case n > 0:
		return 1
	case n < 0:
		return -1
	}
	return 0
}

// result is the measures, where there may be so many machines at most.
func (e *elastic) result(most int) Elastic {
	if e.total <= 0 || most == 0 {
		return Elastic{}
	}
	all := e.total.Seconds() * float64(most)
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / e.total.Seconds() }
	return Elastic{
		Under: 100 * e.under / all, Over: 100 * e.over / all, UnderTime: share(e.underTime), OverTime: share(e.overTime),
		Instability: 100 * float64(e.unstable) / float64(max(e.steps, 1)), Jitter: float64(e.moveS-e.moveD) / e.total.Hours(),
	}
}
