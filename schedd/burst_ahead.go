package schedd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/router/burst"
	"gridburst/schedd/ledger"
)

// ahead is what the dispatcher knows of nodes of workflows, beside what is foreseen of their
// runs. None of it survives a restart.
type ahead struct {
	kinds  map[int32]string  // of live clusters that are nodes'
	asks   map[string]*asked // by kind
	ran    map[uint32]bool   // by worker: the last that it ran was a node
	wanted map[uint32]bool   // by claim on its way: all that it was wanted for are nodes
}

// asked is what nodes of a kind ask for.
type asked struct {
	group *router.Group
	procs int
	at    time.Time // when a job showed it; zero: only its file did
}

// Bounds of what is looked at in a decision: how far ahead, and how many nodes of all runs.
const (
	horizon  = time.Hour
	maxAhead = 4 * burst.Window
)

// maxRan bounds the workers of whom it is remembered what they ran last.
const maxRan = 10_000

// askedAgain is for how long it is believed that the next node of a kind asks for what the
// last did.
const askedAgain = 10 * time.Second

func newAhead() ahead {
	return ahead{kinds: map[int32]string{}, asks: map[string]*asked{}, ran: map[uint32]bool{}, wanted: map[uint32]bool{}}
}

// heardNode takes in what an event says of nodes.
func (b *bursts) heardNode(v *ledger.View, e *ledger.Event) {
	a := &b.ahead
	switch e.Type {
	case ledger.JobSubmitted, ledger.FactoryBegun:
		if e.ID == 0 {
			return
		}
		kind := b.p.d.foresight.kind(e.ID, e.Node)
		if kind == "" {
			return
		}
		a.kinds[e.Jobs.Cluster] = kind
		if known := a.asks[kind]; known != nil && time.Since(known.at) < askedAgain {
			return
		}
		if g, err := b.p.index.Group(v, e.Jobs.First()); err == nil {
			a.knows(kind, &asked{g, e.Jobs.Len(), time.Now()})
		}
	case ledger.JobCompleted:
		if kind := a.kinds[e.Jobs.Cluster]; kind != "" && e.Exit != nil {
			b.learnt.runs.ObserveNode(kind, time.Duration(e.Exit.WallMS)*time.Millisecond)
		}
	case ledger.JobLeft, ledger.FactoryEnded:
		if _, live := v.Cluster(e.Jobs.Cluster); !live {
			delete(a.kinds, e.Jobs.Cluster)
		}
	}
}

// kindOf is of what kind a cluster's jobs are that are a node; empty: of none that is known.
func (b *bursts) kindOf(v *ledger.View, cluster int32) string {
	if kind := b.ahead.kinds[cluster]; kind != "" {
		return kind
	}
	c, ok := v.Cluster(cluster)
	if !ok || c.Dag == 0 {
		return ""
	}
	kind := b.p.d.foresight.kind(c.Dag, c.Node)
	if kind != "" {
		b.ahead.kinds[cluster] = kind
	}
	return kind
}

// gaveBack notes what a worker ran last.
func (b *bursts) gaveBack(worker uint32, cluster int32) {
	ran := b.ahead.ran
	if len(ran) >= maxRan {
		clear(ran) // most of those workers are gone
	}
	if delete(ran, worker); b.ahead.kinds[cluster] != "" {
		ran[worker] = true
	}
}

// wantedFor notes what jobs a machine on its way is for.
func (b *bursts) wantedFor(v *ledger.View, claim uint32, jobs []router.Job, first bool) {
	nodes := !slices.ContainsFunc(jobs, func(j router.Job) bool { return b.kindOf(v, j.ID.Cluster) == "" })
	b.ahead.wanted[claim] = nodes && (first || b.ahead.wanted[claim])
}

// asksOf is what nodes of a kind ask for; nil: nobody knows.
func (b *bursts) asksOf(kind string) *asked {
	if a := b.ahead.asks[kind]; a != nil {
		return a
	}
	spec := b.p.d.foresight.spec(kind)
	if spec == nil {
		return nil
	}
	ad, err := b.p.d.jobOf(spec.owner, spec.attrs)
	if err != nil {
		return nil
	}
	a := &asked{group: b.p.index.Foreseen(ad), procs: spec.procs}
	b.ahead.knows(kind, a)
	return a
}

// knows keeps what nodes of a kind ask for.
func (a *ahead) knows(kind string, x *asked) {
	if len(a.asks) >= maxSpecs {
		clear(a.asks)
	}
	a.asks[kind] = x
}

// foresee adds the jobs to the input that runs and timetables say will come. What says so is
// named in order in pl.ahead.
func (b *bursts) foresee(pl *planned) {
	if len(pl.resources) == 0 {
		return
	}
	boot, wait := time.Duration(1<<62), time.Duration(1<<62)
	for _, r := range pl.resources {
		boot, wait = min(boot, b.bootOf(r)), min(wait, r.Burst.Wait)
	}
	s := b.p.d.foresight
	s.mu.Lock()
	runs, next := maps.Clone(s.runs), maps.Clone(s.next)
	s.mu.Unlock()
	left := maxAhead
	add := func(f *foreseen, name string, starts time.Duration) {
		owner := pl.view.OwnerOf(f.uid)
		if left -= len(f.ahead.Nodes); left < 0 || owner == 0 {
			pl.in.Vague = true
			return
		}
		flow := b.flow(pl, f, owner, starts)
		soon, all := b.learnt.runs.Outlook(flow, boot, horizon)
		pl.in.Soon = append(pl.in.Soon, soon...)
		pl.in.Vague = pl.in.Vague || !all || f.ahead.More > 0
		pl.ahead = append(pl.ahead, name)
	}
	busy := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		f := runs[id]
		g, live := pl.view.Dag(id)
		busy[f.cron] = busy[f.cron] || live
		if live && g.Status == dag.RunRunning {
			add(f, fmt.Sprintf("workflow %d", id), 0)
		}
	}
	now := b.p.d.c.Now()
	for _, name := range slices.Sorted(maps.Keys(next)) {
		starts := next[name].at.Sub(now)
		s.mu.Lock()
		f := s.last[name]
		s.mu.Unlock()
		if f == nil || starts <= 0 || starts > horizon || busy[name] && next[name].alone || pl.view.Cron(name) == 0 {
			continue
		}
		add(f, "timetable "+name, starts)
	}
	b.within(pl)
	for i := range pl.in.Soon {
		pl.in.Soon[i].In += wait // so long a job waits before it may have a machine
	}
	slices.SortStableFunc(pl.in.Soon, func(a, b burst.Soon) int { return cmp.Compare(a.In, b.In) })
}

// within leaves out jobs beyond those that an owner may have on slots at a time.
func (b *bursts) within(pl *planned) {
	most := b.p.d.config().MaxRunningPerOwner
	if most <= 0 {
		return
	}
	n := map[uint32]int{}
	pl.in.Soon = slices.DeleteFunc(pl.in.Soon, func(s burst.Soon) bool {
		n[s.Owner]++
		return n[s.Owner] > most
	})
}

// flow is a run as far as it says what will come, with what is known of its nodes.
func (b *bursts) flow(pl *planned, f *foreseen, owner uint32, starts time.Duration) *burst.Flow {
	out := &burst.Flow{Of: uint32(len(pl.ahead)), Starts: starts, MaxJobs: f.ahead.MaxJobs, Nodes: make([]burst.Node, len(f.ahead.Nodes))}
	out.Lanes, _ = f.graph.Lanes()
	for k := range f.ahead.Nodes {
		c, n := &f.ahead.Nodes[k], &out.Nodes[k]
		*n = burst.Node{Owner: owner, Class: f.kinds[k], Parents: c.Parents, Lane: f.lanes[k]}
		if a := b.asksOf(n.Class); a != nil {
			n.Group, n.Procs = a.group, min(a.procs, burst.Window)
		}
		switch {
		case c.Is == dag.Passing:
			n.State = burst.Passes
		case c.Is == dag.Scripted:
			n.State, n.Class = burst.Runs, "" // a script: nobody knows for how long
		case n.Class == "":
			n.State = burst.Stalls // the run of a sub-DAG tells for itself what will come of it
		case c.Is == dag.Queued:
			b.queued(pl, c.Cluster, n)
		}
	}
	return out
}

// maxStretches bounds how many groups of a node's jobs are looked at.
const maxStretches = 64

// queued says how a node's jobs in the queue stand: those that have not begun count before
// those that run, and of these the last to begin.
func (b *bursts) queued(pl *planned, cluster int32, n *burst.Node) {
	n.State = burst.Waits
	if cluster == 0 {
		return // on its way there
	}
	looked, began := 0, int64(0)
	for s := range pl.view.Stretches(grid.WholeCluster(cluster)) {
		if looked++; looked > maxStretches {
			break
		}
		switch s.Job.Status {
		case grid.Completed, grid.Removed:
			continue
		case grid.Running, grid.TransferringOutput:
			began = max(began, s.Job.Started)
			continue
		case grid.Idle:
			if s.Job.Place == ledger.ForClaim {
				n.Starts = b.upIn(pl, s.Job.At)
			}
		default:
			n.State = burst.Stalls
		}
		return
	}
	if began > 0 {
		n.State, n.Ran = burst.Runs, max(pl.at.Sub(time.UnixMilli(began)), 0)
	}
}

// upIn is in how long a claim's machine is expected to serve.
func (b *bursts) upIn(pl *planned, claim uint32) time.Duration {
	c, ok := pl.view.Claim(claim)
	r := b.p.d.resource(c.Resource)
	if !ok || r == nil || r.Burst == nil {
		return 0
	}
	return max(b.bootOf(r)-pl.at.Sub(time.UnixMilli(c.Wanted)), 0)
}

// aheadText is jobs that will come, in words.
func (pl *planned) aheadText(a *burst.Ahead) string {
	when := "will be ready in about " + seconds(a.In)
	if a.Guess > 0 {
		when += fmt.Sprintf(" (%s of that is a guess: no such job has ended yet)", seconds(a.Guess))
	}
	what := "timetables and workflows"
	if int(a.Of) < len(pl.ahead) {
		what = pl.ahead[a.Of]
	}
	return fmt.Sprintf("%s of %s %s", jobsText(a.Jobs), what, when)
}
