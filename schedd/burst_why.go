package schedd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/router/burst"
	"gridburst/schedd/ledger"
)

// stands is what stands between a job that waits and its start, beside the slots of the
// pool; nothing where these alone decide. e is what they say.
func (p *dispatcher) stands(v *ledger.View, id grid.JobID, j *ledger.Job, g *router.Group, e *router.Explanation) verdict {
	now := time.Now()
	c, _ := v.Cluster(id.Cluster)
	if due, _ := p.d.dueOf(now, g.Ad); prepared(now, due, g.Ad).After(now) {
		at := prepared(now, due, g.Ad)
		return verdict{
			reason: "deferred", matter: "It is for later: its time is " + due.Format(time.DateTime) + ", and it is given its slot at " + at.Format(time.TimeOnly) + ".",
			help: "Nothing need be done; gqedit changes deferral_time.",
		}
	}
	if w := p.limited(g); w.matter != "" {
		return w
	}
	name := p.d.ownerName(v, c.Owner)
	if most := p.d.config().MaxRunningPerOwner; most > 0 && p.running[c.Owner] >= most {
		return verdict{
			reason: "owner_limit", matter: fmt.Sprintf("%s has %s on slots, as many as one user may have (max_running_per_owner = %d).", name, jobsText(p.running[c.Owner]), most),
			help: "It helps to wait until one of them ends, or to have the limit raised by who runs this schedd.",
		}
	}
	if most := p.d.config().MaxRunning; most > 0 && len(p.at) >= most {
		return verdict{
			reason: "max_running", matter: fmt.Sprintf("%d jobs are on slots, as many as this schedd has at one time (max_running = %d).", len(p.at), most),
			help: "It helps to wait until one of them ends, or to have max_running raised in the configuration.",
		}
	}
	if j.Place == ledger.ForClaim {
		return p.bursts.comes(v, j.At, now)
	}
	if e.Now > 0 && (e.Nodes < 2 || e.Fit == e.Nodes) {
		return verdict{}
	}
	return p.bursts.why(v, c.Owner, g)
}

// limited is the limit that keeps a job from starting.
func (p *dispatcher) limited(g *router.Group) verdict {
	l := p.limits()
	uses, _ := router.UsesOf(ad.At(time.Now()), g.Ad, nil)
	u, blocked := l.Blocks(uses)
	if !blocked {
		return verdict{}
	}
	most, _ := l.MaxOf(u.Name)
	w := verdict{reason: "concurrency_limit"}
	if u.Weight > most {
		w.matter = fmt.Sprintf("It takes %s of the concurrency limit %s, of which there are %s in all: it can never start.", router.Number(u.Weight), u.Name, router.Number(most))
		w.help = "It would help to take less of it (concurrency_limits), or to raise the limit in the configuration."
		return w
	}
	w.matter = fmt.Sprintf("It takes %s of the concurrency limit %s, and running jobs have %s of %s.", router.Number(u.Weight), u.Name, router.Number(l.Used[u.Name]), router.Number(most))
	w.help = "It helps to wait until a job that has some of it ends (gq --constraint 'MatchedConcurrencyLimits =!= undefined'), or to raise the limit in the configuration."
	return w
}

// comes is what a machine on its way means for a job that waits for it.
func (b *bursts) comes(v *ledger.View, claim uint32, now time.Time) verdict {
	c, ok := v.Claim(claim)
	if !ok {
		return verdict{}
	}
	w := verdict{reason: "vm_" + c.State.String()}
	w.matter = fmt.Sprintf("A machine of %s is brought up for it: claim %d is %s since %s.", c.Resource, claim, c.State, seconds(now.Sub(time.UnixMilli(c.Entered))))
	r := b.p.d.resource(c.Resource)
	if r == nil || r.Burst == nil {
		return w
	}
	took, gone := b.bootOf(r), now.Sub(time.UnixMilli(c.Wanted))
	if left := took - gone; left > 0 {
		w.help = fmt.Sprintf("Nothing need be done: machines of %s take about %s from the wish until they serve, so it is expected in %s.", c.Resource, seconds(took), seconds(left))
	} else {
		if waits := b.p.d.claims.waits(claim); waits != "" {
			w.also = append(w.also, "The machine waits: "+waits+".")
		}
		w.help = fmt.Sprintf("It takes longer than the %s that machines of %s take otherwise: gvm shows what it waits for, and after %s it is given up for another.", seconds(took), c.Resource, r.Burst.JoinTimeout)
	}
	return w
}

// why is what stands between a job and a machine for it, of those that could run it.
func (b *bursts) why(v *ledger.View, owner uint32, g *router.Group) (w verdict) {
	if b.last == nil {
		return w
	}
	now := ad.At(time.Now())
	var fits []string
	for i, r := range b.last.resources {
		s := &b.last.in.Shapes[i]
		if err := b.p.d.blind(r.Name); err != nil {
			w.also = append(w.also, "Of the machines of "+r.Name+" nothing is known: "+err.Error()+".")
		}
		if !b.p.matcher.Fit(now, g, s.Class, s.Offer).OK {
			continue
		}
		fits = append(fits, r.Name)
		x := b.stop(r, owner)
		if few := b.tooFew(now, r, s, g); few.reason != "" {
			x = few
		}
		switch {
		case x.reason == "":
		case w.matter == "":
			w.reason, w.matter, w.help = x.reason, x.text, x.help
		default:
			w.also = append(w.also, x.text)
		}
	}
	if w.matter == "" && len(fits) > 0 && len(b.last.in.Busy) > 0 {
		w.also = append(w.also, "Machines of "+strings.Join(fits, ", ")+" could run it; none is started for it as long as slots that are busy are expected to be free sooner than one could be up.")
	}
	return w
}

// tooFew is the bound that keeps a pool from ever holding a job of several nodes, with what
// the other slots hold of it.
func (b *bursts) tooFew(now ad.Instant, r *Resource, s *burst.Shape, g *router.Group) curb {
	most := r.MaxVMs
	if r.Burst.MaxVMs > 0 && (most <= 0 || r.Burst.MaxVMs < most) {
		most = r.Burst.MaxVMs
	}
	if g.Nodes < 2 || most <= 0 {
		return curb{}
	}
	need := g.Nodes
	for _, slot := range b.unclaimed(true) {
		need -= b.p.matcher.Holds(now, g, slot.Class, slot.Total, need)
	}
	if each := b.p.matcher.Holds(now, g, s.Class, s.Offer, g.Nodes); most*each >= need {
		return curb{}
	}
	return curb{
		reason: reasonFull,
		text:   fmt.Sprintf("It needs %d slots at once, and %s may have %d machines (max_vms), which do not hold them: it can never begin there.", g.Nodes, r.Name, most),
		help:   "It would help to ask for fewer nodes (machine_count), or to have max_vms raised.",
	}
}

// stop is what keeps a pool from having one more machine for an owner's jobs, as of the
// last decision.
func (b *bursts) stop(r *Resource, owner uint32) curb {
	for i := range b.refused {
		if x := &b.refused[i]; x.pool == r.Name && (!x.own || x.owner == owner) {
			return x.curb
		}
	}
	// Nothing was refused, for nobody has asked since: a breaker is told all the same.
	if p, ok := b.rests[breakerOf(r)]; ok {
		return p.bound(r, time.Now(), 0)
	}
	return curb{}
}

// seconds is a time that need not be exact.
func seconds(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	if d < 10*time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	text := d.Round(time.Second).String()
	for _, zero := range []string{"0s", "0m"} {
		if short, ok := strings.CutSuffix(text, zero); ok && strings.ContainsAny(short[len(short)-1:], "mh") {
			text = short
		}
	}
	return text
}
