package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Load is what is going on when a job is looked at: what a decision depends on beside the
// job and the table.
type Load struct {
	Jobs   int            // routed and not given back, on all routes together
	Routes map[string]Use // by the route's name; one that is not there has nothing
	Turn   int            // round robin: counts the jobs that were routed
}

// Use is what goes on on a route.
type Use struct {
	Jobs     int      // on it
	Idle     int      // of these, whose copies have not started
	Throttle Throttle // as it was last kept; it is looked at by now
	Paused   bool     // an administrator has stopped it
	Why      string   // and why, in words; may be empty
	Cap      *int     // jobs that an administrator lets on it, beside its MaxJobs; nil: as many as that
	Down     string   // why its target takes nothing now; empty: it does

	// Of a route to another Gridburst: which deployment that is; empty: it has not said yet.
	Gridburst  bool
	Deployment string
}

// most is how many jobs may be on the route.
func (u *Use) most(r *Route) int {
	if u.Cap != nil {
		return min(r.MaxJobs, *u.Cap)
	}
	return r.MaxJobs
}

// Open reports whether the route may take another job, whichever. Its Throttle is as of now.
func (u *Use) Open(r *Route) bool {
	return !u.Paused && u.Down == "" && u.Jobs < u.most(r) && (r.MaxIdleJobs < 0 || u.Idle < r.MaxIdleJobs) && !u.Throttle.Closed()
}

// Choice is what becomes of a job.
type Choice struct {
	Bar      Verdict   // why the router does not look at the job; its Answer is empty when it does
	Verdicts []Verdict // one for each route of the table, in its order; none with a Bar

	Route     *Route // that takes it; nil: none
	Ad        *ad.Ad // the routed job, without an id of its own; nil without a route
	Steps     []Step // how Ad came about
	InPlace   bool   // Ad takes the place of the job's own: there is no copy
	Sandboxed bool   // its files are to be copied there and back
}

// Choose decides which route takes a job, and makes the routed job's ad.
func (t *Table) Choose(job *ad.Ad, load Load, now time.Time) Choice {
	var c Choice
	if c.Bar = t.bar(job, load, ad.At(now)); c.Bar.Answer != "" {
		return c
	}
	c.Verdicts = make([]Verdict, len(t.Routes))
	var open []int
	for i, r := range t.Routes {
		c.Verdicts[i] = t.look(r, job, load.Routes[r.Name], now)
		if c.Verdicts[i].Answer == Would {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return c
	}
	at := open[0]
	if t.RoundRobin && load.Turn > 0 {
		at = open[load.Turn%len(open)]
	}
	r := t.Routes[at]
	for _, i := range open {
		c.Verdicts[i].Words = "route " + r.Name + " comes first"
		if t.RoundRobin {
			c.Verdicts[i].Words = "it is the turn of route " + r.Name
		}
	}
	c.take(t, r, job, now, &c.Verdicts[at])
	return c
}

// take makes the routed job of a route. A transform that cannot be carried out gives the
// job back, as HTCondor does: what an administrator meant for this route is not for another.
func (c *Choice) take(t *Table, r *Route, job *ad.Ad, now time.Time, v *Verdict) {
	instant := ad.At(now)
	c.InPlace, c.Sandboxed = holds(r.EditInPlace, job, instant), holds(r.Sandboxed, job, instant)
	out, steps, err := t.transform(r, job, c.InPlace, c.Sandboxed, instant)
	c.Steps = steps
	if err != nil {
		*v = Verdict{Route: r.Name, Answer: Broken, Words: "wants it, but cannot make of it what it should become: " + grid.MessageOf(err)}
		return
	}
	if c.InPlace && !slices.ContainsFunc(steps, func(s Step) bool { return s.Attr != "" }) {
		*v = Verdict{Route: r.Name, Answer: Loop, Words: "has edited it already: it would change nothing"}
		return
	}
	c.Route, c.Ad = r, out
	*v = Verdict{Route: r.Name, Answer: Takes}
}

// Explain is what each route would do with a job, one after the other, whatever the
// others do: a [Choice] for each, of one verdict. The router's own bar is said in each
// and stops none, so that one sees what would come of it.
func (t *Table) Explain(job *ad.Ad, load Load, now time.Time) []Choice {
	out := make([]Choice, len(t.Routes))
	bar := t.bar(job, load, ad.At(now))
	for i, r := range t.Routes {
		v := t.look(r, job, load.Routes[r.Name], now)
		c := Choice{Bar: bar}
		if v.Answer != Refuses && v.Answer != Undefined && v.Answer != Loop {
			was := v
			if c.take(t, r, job, now, &v); v.Answer == Takes && was.Answer != Would {
				v = was
			}
		}
		c.Verdicts = []Verdict{v}
		out[i] = c
	}
	return out
}

// look is what the route says to the job when nothing but it is looked at: Would, or why
// not. What an administrator must know first comes first: of a job that it does not want,
// it does not matter that the route is full.
func (t *Table) look(r *Route, job *ad.Ad, use Use, now time.Time) Verdict {
	v := Verdict{Route: r.Name}
	instant := ad.At(now)
	if c, came := refusal(r.clauses, job, nil, instant); c != nil {
		v.Answer, v.Clause, v.Values = Refuses, c.text, c.values(job, instant)
		_, isBool := came.Bool()
		_, isNumber := came.Number()
		switch {
		case came.IsUndefined():
			v.Answer = Undefined
		case !isBool && !isNumber:
			v.Answer, v.Words = Undefined, "has no truth: it comes to "+came.String()
		}
		return v
	}
	if at := t.passed(job, r); at != "" && !holds(r.EditInPlace, job, instant) {
		v.Answer, v.Words = Loop, "does not take it again: it came through here already ("+at+")"
		return v
	}
	if came := strings.Fields(job.Text(grid.PathAttr)); use.Gridburst && len(came) > 0 {
		switch {
		case use.Deployment == "":
			v.Answer, v.Words = Down, "the Gridburst there has not said yet which it is, and the job may have been there"
			return v
		case slices.Contains(came, use.Deployment):
			v.Answer, v.Words = Loop, "does not take it again: it came by the Gridburst there already ("+strings.Join(came, ", then ")+")"
			return v
		}
	}
	throttle := use.Throttle.At(now, r.FailureRate, use.Jobs)
	switch {
	case use.Paused:
		v.Answer, v.Words = Paused, use.Why
	case use.Down != "":
		v.Answer, v.Words = Down, use.Down
	case use.Jobs >= use.most(r):
		v.Answer, v.Have, v.Limit = Full, use.Jobs, use.most(r)
	case r.MaxIdleJobs >= 0 && use.Idle >= r.MaxIdleJobs:
		v.Answer, v.Have, v.Limit = IdleFull, use.Idle, r.MaxIdleJobs
	case throttle.Closed():
		v.Answer, v.Until, v.Words = Throttled, throttle.Until(), throttle.String()
	default:
		v.Answer = Would
	}
	return v
}

// bar is why the router does not look at a job at all.
func (t *Table) bar(job *ad.Ad, load Load, now ad.Instant) Verdict {
	no := func(a Answer, format string, args ...any) Verdict {
		return Verdict{Answer: a, Words: fmt.Sprintf(format, args...)}
	}
	status := grid.Status(job.Int("JobStatus", 0))
	switch {
	case job.Int("ProcId", -1) < 0 || job.Text("Owner") == "":
		return no(Incomplete, "this is no ad of a job: it has no Owner or no ProcId")
	case job.Text(RoutedBy) == t.Name:
		return no(Routed, "it is itself a routed job: route %s made it of job %s", job.Text(RouteName), job.Text(RoutedFrom))
	case job.Text("Managed") == "External":
		return no(Managed, "%s has it in hand already", cmp.Or(job.Text("ManagedManager"), "somebody else"))
	case job.Text("Managed") == "ScheddDone":
		return no(Managed, "it was routed, and has been done")
	case status != grid.Idle:
		return no(NotIdle, "only jobs that wait are routed, and this one is %s", status)
	case job.Has("StageInStart") && !job.Has("StageInFinish"):
		return no(NotIdle, "its files are still being handed in")
	}
	if c, _ := refusal(t.clauses, job, job, now); c != nil {
		return Verdict{Answer: NotSource, Clause: c.text, Values: c.values(job, now)}
	}
	if t.MaxJobs >= 0 && load.Jobs >= t.MaxJobs {
		return Verdict{Answer: RouterFull, Have: load.Jobs, Limit: t.MaxJobs}
	}
	return Verdict{}
}
