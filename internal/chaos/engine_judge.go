package chaos

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// EngineReport is what came of a run whose faults were an engine's.
type EngineReport struct {
	Seed    uint64        `json:"seed"`
	Faults  int           `json:"faults"`
	Kinds   int           `json:"kinds"`
	VMs     int           `json:"vms"`            // that were made by the schedd
	Most    int           `json:"vms_at_a_time"`  // of them
	Strays  int           `json:"strays"`         // ours that no claim stood for, made behind its back
	Foreign int           `json:"foreign"`        // other people's
	Guests  int           `json:"jobs_in_guests"` // that ran to their end
	Orphans int           `json:"orphans_at_end"`
	Oldest  time.Duration `json:"oldest_orphan_ns"` // by the machines' clock
	Touched int           `json:"foreign_touched"`
	OverCap int           `json:"over_cap"`
	Doubled int           `json:"doubled_starts"`
	Lost    int           `json:"lost"` // jobs that were acknowledged
	Befell  []Befell      `json:"befell"`
	Wrong   []string      `json:"wrong"`
}

// Befell is how often something went wrong.
type Befell struct {
	Kind   string `json:"kind"`
	Times  int    `json:"times"`
	Missed int    `json:"missed,omitempty"` // times that there was nobody for it to befall
}

func (r *EngineReport) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// Line is the run in one line.
func (r *EngineReport) Line() string {
	return fmt.Sprintf("engine faults %d of %d kinds · vms %d, %d at a time · foreign %d · jobs in guests %d lost %d · orphans at end %d · oldest orphan %s · foreign touched %d · over cap %d · doubled starts %d",
		r.Faults, r.Kinds, r.VMs, r.Most, r.Foreign, r.Guests, r.Lost, r.Orphans, r.Oldest.Round(time.Second), r.Touched, r.OverCap, r.Doubled)
}

// maxOrphan is how old a machine may become that nobody wants, by the machines' clock.
const maxOrphan = 10 * time.Minute

// life is a machine from its making to its end, as the engine has written it down.
type life struct {
	name, mark string
	job        string // that it is, by its description
	claim      uint32
	ours       bool // by mark and name
	bySchedd   bool
	made       time.Time // zero: it was there before
	runs       []span    // a host had it
	gone       time.Time // zero: it is there
	touched    []string  // orders of the schedd to one that is not ours
}

// span is a stretch of time; to is zero while it goes on.
type span struct{ from, to time.Time }

// newLives are all machines of an engine's record, in the order of their making.
func newLives(deployed string, list []entry) (out []*life) {
	by := map[string]*life{}
	for _, n := range list {
		l := by[n.VM]
		switch {
		case n.VM == "":
			continue
		case l == nil:
			claim, ok := claimOf(deployed, n.Comment)
			l = &life{name: n.Name, mark: n.Comment, claim: claim, ours: ok && !n.Foreign && n.Name == nameOf(deployed, claim)}
			if n.What == "created" {
				l.made, l.bySchedd = n.At, n.By == engineUser
			}
			if rest, ok := strings.CutPrefix(n.Description, "job "); ok {
				l.job, _, _ = strings.Cut(rest, " ")
			}
			by[n.VM] = l
			out = append(out, l)
		}
		last := len(l.runs) - 1
		switch n.What {
		case "gone":
			l.gone = n.At
			if last >= 0 && l.runs[last].to.IsZero() {
				l.runs[last].to = n.At
			}
		case "moved":
			switch runs := n.Status == "powering_up"; {
			case runs:
				l.runs = append(l.runs, span{from: n.At})
			case n.Status == "down" && last >= 0 && l.runs[last].to.IsZero():
				l.runs[last].to = n.At
			}
		case "started", "told-off", "stopped", "updated", "removed":
			if !l.ours && n.By == engineUser {
				l.touched = append(l.touched, n.What)
			}
		}
	}
	return out
}

// judge reads the engine's record, and compares it with what the queue wished for.
func (e *engines) judge(ctx context.Context, stuck string) (*EngineReport, error) {
	rep := &EngineReport{Seed: e.Seed, Befell: e.wrecker.told(), Wrong: []string{}}
	for _, b := range rep.Befell {
		rep.Faults += b.Times
		if b.Times > 0 {
			rep.Kinds++
		}
	}
	switch {
	case stuck != "":
		rep.wrong("it did not come to rest: %s", stuck)
	case rep.Faults < e.Faults:
		rep.wrong("there were %d faults within %s, and should have been %d", rep.Faults, e.Limit, e.Faults)
	case len(e.Kinds) == 0 && rep.Kinds < minKinds:
		rep.wrong("there were faults of %d kinds, and should have been of %d", rep.Kinds, minKinds)
	}
	for _, s := range e.house.strange {
		rep.wrong("%s", s)
	}
	q, err := readQueue(ctx, e.house.schedd)
	if err != nil {
		return nil, err
	}
	list, err := readJournal(filepath.Join(e.dir, "journal"))
	if err != nil {
		return nil, err
	}
	b := &bench{rep: rep, queue: q, lives: newLives(e.deployed, list), vms: e.VMs, all: e.VMs + burstVMs, pace: e.pace.Speed, real: e.pace.Real}
	b.judge()
	e.judgeGuests(rep, q)
	if out, err := e.rig.Run(ctx, []string{"GRIDBURST_SCHEDD=" + e.house.socket}, filepath.Join(e.rig.Bin, "gadm"), "verify"); err != nil {
		rep.wrong("gadm verify: %v: %s", err, out)
	}
	return rep, nil
}

// judgeGuests looks whether each job that runs in a guest is there once, and has run to
// its end once; of the fleet's, that none is lost.
func (e *engines) judgeGuests(rep *EngineReport, q *queue) {
	for _, o := range e.witness.Overlaps() {
		rep.Doubled++
		rep.wrong("%s", o)
	}
	ended := map[string]bool{}
	for _, x := range e.witness.Executions() {
		ended[x.Job] = ended[x.Job] || x.Ended
	}
	for _, h := range e.client.all() {
		for p := range h.Jobs {
			if h.Cluster == 0 {
				break // not acknowledged
			}
			id := grid.JobID{Cluster: h.Cluster, Proc: int32(p)}.String()
			switch {
			case q.copies[id] != 1:
				rep.Lost++
				rep.wrong("job %s of %s was acknowledged, and is there %d times", id, h.Key, q.copies[id])
			case h.Shape == fleet:
			case len(q.done[id]) != 1 || !ended[id]:
				rep.wrong("job %s of %s was counted complete %d times, and is %s; that it did all was seen: %t", id, h.Key, len(q.done[id]), q.status[id], ended[id])
			default:
				rep.Guests++
			}
		}
	}
}

// bench is where machines are judged.
type bench struct {
	rep   *EngineReport
	queue *queue
	lives []*life
	vms   int // machines that are jobs, at a time
	all   int // of ours, at a time
	pace  float64
	real  func(time.Time) time.Time // of an instant of the machines' clock
}

func (b *bench) judge() {
	for _, l := range b.lives {
		switch {
		case !l.ours:
			b.rep.Foreign++
			for _, what := range l.touched {
				b.rep.Touched++
				b.rep.wrong("machine %s, which is not ours (%q), was %s", l.name, l.mark, what)
			}
			if l.bySchedd {
				b.rep.wrong("machine %s was made without a mark of ours, or under another name: %q", l.name, l.mark)
			}
		case l.bySchedd:
			b.rep.VMs++
			b.wished(l)
		default:
			b.rep.Strays++
		}
		if l.ours {
			b.orphan(l)
		}
	}
	b.doubled()
	b.caps()
}

// wished looks whether a machine was wished for before it was made, and not given up
// while it was there.
func (b *bench) wished(l *life) {
	wished, known := b.queue.wished[l.claim]
	closed, over := b.queue.closed[l.claim]
	switch made := b.real(l.made); {
	case !known:
		b.rep.wrong("machine %s was made, and claim %d was never wished for", l.name, l.claim)
	case made.Before(wished):
		b.rep.wrong("machine %s was made %s before it was wished for", l.name, wished.Sub(made))
	case over && made.Before(closed) && (l.gone.IsZero() || b.real(l.gone).After(closed.Add(slack))):
		b.rep.wrong("claim %d was closed, and its machine %s was there", l.claim, l.name)
	case over && made.After(closed.Add(slack)):
		b.rep.wrong("machine %s was made %s after its claim %d was closed", l.name, made.Sub(closed), l.claim)
	}
	if n := len(l.runs); n > 1 && l.job != "" {
		b.rep.Doubled++
		b.rep.wrong("machine %s, which is job %s, was started %d times", l.name, l.job, n)
	}
	if l.job != "" && len(l.runs) == 0 && len(b.queue.done[l.job]) > 0 && b.onlyOf(l) {
		b.rep.wrong("job %s was counted complete, and its machine %s never ran", l.job, l.name)
	}
}

// onlyOf: no other machine was made for its job.
func (b *bench) onlyOf(l *life) bool {
	return !slices.ContainsFunc(b.lives, func(o *life) bool { return o != l && o.bySchedd && o.job == l.job })
}

// orphan looks how long a machine was there that nobody wanted, by its own clock.
func (b *bench) orphan(l *life) {
	since := l.made
	if unwished, ok := b.queue.unwished[l.claim]; ok && l.bySchedd {
		if late := unwished.Sub(b.real(l.made)); late > 0 {
			since = l.made.Add(time.Duration(float64(late) * b.pace))
		}
	} else if l.bySchedd && l.gone.IsZero() {
		b.rep.Orphans++
		b.rep.wrong("machine %s is left: %s", l.name, l.mark)
		return
	} else if l.bySchedd {
		return // it went before anybody told it to
	}
	if l.gone.IsZero() {
		b.rep.Orphans++
		b.rep.wrong("machine %s is left: %s", l.name, l.mark)
		return
	}
	age := l.gone.Sub(since)
	b.rep.Oldest = max(b.rep.Oldest, age)
	if age > maxOrphan {
		b.rep.wrong("machine %s was there for %s after nobody wanted it any more: %s", l.name, age.Round(time.Second), l.mark)
	}
}

// doubled looks for two machines of one claim at one time, and for two that run as one
// job.
func (b *bench) doubled() {
	byClaim, byJob := map[uint32][]span{}, map[string][]span{}
	for _, l := range b.lives {
		if !l.bySchedd {
			continue
		}
		if l.ours {
			byClaim[l.claim] = append(byClaim[l.claim], span{l.made, l.gone})
		}
		if l.job != "" {
			byJob[l.job] = append(byJob[l.job], l.runs...)
		}
	}
	for claim, spans := range byClaim {
		if n := most(spans); n > 1 {
			b.rep.Doubled++
			b.rep.wrong("claim %d had %d machines at one time", claim, n)
		}
	}
	for job, spans := range byJob {
		if n := most(spans); n > 1 {
			b.rep.Doubled++
			b.rep.wrong("job %s was %d machines that ran at one time", job, n)
		}
	}
}

// caps looks whether there were ever more machines than may be.
func (b *bench) caps() {
	var all, jobs []span
	for _, l := range b.lives {
		if l.bySchedd {
			all = append(all, span{l.made, l.gone})
			if l.job != "" {
				jobs = append(jobs, span{l.made, l.gone})
			}
		}
	}
	b.rep.Most = most(all)
	if n := most(jobs); n > b.vms {
		b.rep.OverCap += n - b.vms
		b.rep.wrong("there were %d machines that are jobs at one time, and may be %d", n, b.vms)
	}
	if b.rep.Most > b.all {
		b.rep.OverCap += b.rep.Most - b.all
		b.rep.wrong("there were %d machines of ours at one time, and may be %d", b.rep.Most, b.all)
	}
}

// most is how many of the spans there are at one time, at most.
func most(spans []span) (n int) {
	type edge struct {
		at time.Time
		by int
	}
	var edges []edge
	for _, s := range spans {
		edges = append(edges, edge{s.from, 1})
		if !s.to.IsZero() {
			edges = append(edges, edge{s.to, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(a.at.Compare(b.at), a.by-b.by) })
	now := 0
	for _, e := range edges {
		now += e.by
		n = max(n, now)
	}
	return n
}
