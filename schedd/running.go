package schedd

import (
	"cmp"
	"slices"
	"time"

	"gridburst/internal/ad"
	"gridburst/router"
)

// eligible is those of queues that may be placed now: jobs whose time has come, and no more
// of an owner's than may still begin. It notes when the next time comes.
func (p *dispatcher) eligible(queues []router.Queue) []router.Queue {
	now := time.Now()
	p.wake = time.Time{}
	clear(p.due)
	queues = slices.DeleteFunc(queues, func(q router.Queue) bool {
		due, _ := p.d.dueOf(now, q.Group.Ad)
		at := prepared(now, due, q.Group.Ad)
		if !at.After(now) {
			return false
		}
		if p.wake.IsZero() || at.Before(p.wake) {
			p.wake = at
		}
		return true
	})
	for i := range queues {
		g := queues[i].Group
		if due, cron := p.d.dueOf(now, g.Ad); cron {
			p.due[g.ID] = due
			// Its Requirements ask for the time that it is placed for.
			timed := ad.New(1)
			timed.Chain(g.Ad)
			timed.SetInt("DeferralTime", due.Unix())
			queues[i].Group = &router.Group{ID: g.ID, Ad: timed, Nice: g.Nice, Nodes: g.Nodes}
		}
	}
	if most := p.d.config().MaxRunningPerOwner; most > 0 {
		byOwner := map[uint32][]*router.Queue{}
		for i := range queues {
			byOwner[queues[i].Owner] = append(byOwner[queues[i].Owner], &queues[i])
		}
		for owner, of := range byOwner {
			firstOf(of, most-p.running[owner])
		}
	}
	return queues
}

// firstOf leaves an owner's queues the n jobs that come first by priority and age.
func firstOf(queues []*router.Queue, n int) {
	var all []router.Job
	for _, q := range queues {
		all = append(all, q.Jobs...)
	}
	n = max(n, 0)
	if len(all) <= n {
		return
	}
	order := func(a, b router.Job) int {
		return cmp.Or(cmp.Compare(b.Prio, a.Prio), cmp.Compare(a.ID.Key(), b.ID.Key()))
	}
	slices.SortFunc(all, order)
	late := all[n]
	for _, q := range queues {
		q.Jobs = slices.DeleteFunc(q.Jobs, func(j router.Job) bool { return order(j, late) >= 0 })
	}
}

// room is how many more attempts there may be.
func (p *dispatcher) room() int {
	if p.d.config().MaxRunning == 0 {
		return maxPlan
	}
	return max(p.d.config().MaxRunning-len(p.at), 0)
}
