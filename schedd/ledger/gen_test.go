package ledger

import (
	"fmt"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"gridburst/dag"
	"gridburst/internal/bill"
	"gridburst/internal/grid"
)

// script draws commands that are mostly sensible in the state they meet: jobs that
// exist, versions and epochs that are current, and now and then ones that are not.
type script struct {
	t  *rapid.T
	at int64
}

func (s *script) draw(v *View) Command {
	s.at += rapid.Int64Range(-5, 5000).Draw(s.t, "dt")
	c := Command{At: s.at, By: rapid.SampledFrom([]string{"user:1000", "user:1001", "schedd"}).Draw(s.t, "by")}
	if rapid.IntRange(0, 4).Draw(s.t, "keyed") == 0 {
		c.Key = fmt.Sprint("k", rapid.IntRange(0, 6).Draw(s.t, "key"))
	}
	switch rapid.IntRange(0, 46).Draw(s.t, "kind") {
	case 37, 38, 39:
		c.Body = s.timetable(v)
	case 40, 41:
		c.Body = s.route(v)
	case 42, 43, 44, 45:
		c.Body = s.carry(v)
	case 0, 1, 2:
		c.Body = s.submit(v)
	case 3, 4:
		a := s.act(v)
		c.Body = &a
	case 24, 25, 26:
		d := &Decide{}
		for range rapid.IntRange(1, 2).Draw(s.t, "decisions") {
			a := s.act(v)
			j, _ := v.Job(a.Runs[0].First())
			d.List = append(d.List, Decision{Act: a, Version: j.Version, Base: rapid.Bool().Draw(s.t, "base")})
		}
		c.Body = d
	case 27:
		a := s.act(v)
		c.Body = &Alter{Runs: a.Runs, Part: a.Part, Owner: a.Owner, Attrs: []Attr{{Name: "Rank", Expr: "2"}}, Bounds: s.bounds(-1)}
	case 5, 6, 7:
		c.Body = s.place(v)
	case 8, 9, 10, 11:
		c.Body = s.report(v)
	case 12:
		c.Body = &SeeWorker{Worker{Name: rapid.SampledFrom([]string{"w1", "w2", ""}).Draw(s.t, "worker"), Boot: rapid.SampledFrom([]string{"a", "b"}).Draw(s.t, "boot")}}
	case 13:
		j := s.job(v)
		c.Body = &Edit{Job: j, Attrs: []Attr{{Name: "Rank", Expr: rapid.SampledFrom([]string{"", "1", "Memory"}).Draw(s.t, "expr")}}}
	case 14:
		c.Body = &Stage{Stage: rapid.Uint32Range(0, 3).Draw(s.t, "stage"), Seq: rapid.Uint32Range(0, 2).Draw(s.t, "seq"), Data: []byte("row")}
	case 16, 17:
		c.Body = s.want(v)
	case 18:
		if rapid.IntRange(0, 3).Draw(s.t, "reuse") == 0 {
			c.Body = s.reuse(v)
		} else {
			c.Body = s.move(v)
		}
	case 19:
		c.Body = s.token(v)
	case 20, 21:
		c.Body = s.workflow(v)
	case 22, 23:
		sub := s.submit(v)
		sub.Dag, sub.Node = rapid.Uint32Range(1, max(v.counters.Dag, 1)).Draw(s.t, "dag"), rapid.Int32Range(0, 3).Draw(s.t, "node")
		n, _ := v.Node(sub.Dag, sub.Node)
		sub.Attempt = n.Attempt
		c.Body = sub
	case 28:
		c.Body = &RemoveAll{Owner: rapid.Uint32Range(0, 2).Draw(s.t, "owner"), Reason: "via test"}
	case 29:
		c.Body = &Expire{Before: s.at - rapid.Int64Range(0, 3000).Draw(s.t, "age"), Max: 3}
	case 32, 33, 34:
		c.Body = s.materialize(v)
	case 35:
		c.Body = &Steer{
			Pool: rapid.SampledFrom([]string{"lab", "far", OfRoute("R"), ""}).Draw(s.t, "pool"), Mode: SteerMode(rapid.IntRange(0, 3).Draw(s.t, "mode")),
			Capped: rapid.Bool().Draw(s.t, "capped"), Cap: rapid.Uint32Range(0, 3).Draw(s.t, "atmost"), Reason: "via test", Text: "somebody says so",
		}
	case 46:
		c.Body = &KeepThrottles{List: []RouteThrottle{{rapid.SampledFrom([]string{"R", "S", ""}).Draw(s.t, "route"), Throttle{
			Since: s.at, Routed: 1, Failed: rapid.Uint32Range(0, 1).Draw(s.t, "failed"), Allowed: rapid.SampledFrom([]float64{0, 0.5, -1}).Draw(s.t, "allowed"),
		}}}}
	case 36:
		c.Body = &Tell{Notes: []Note{{What: NoteWait, Pool: "lab", Reason: "budget", Text: "it is spent", Inputs: "all of it", Jobs: []grid.JobID{s.job(v)}}}}
	case 30, 31:
		c.Body = &Clear{Max: rapid.Int32Range(0, 4).Draw(s.t, "max"), Gaps: rapid.Bool().Draw(s.t, "gaps")}
	case 15:
		switch rapid.IntRange(0, 3).Draw(s.t, "keep") {
		case 0:
			c.Body = &Forget{Keys: s.at - 20_000, Stages: s.at - 20_000, Max: 3}
		case 1:
			c.Body = &Mark{Index: rapid.Uint64Range(0, 50).Draw(s.t, "mark"), Logs: []LogPosition{{UID: 1000, Path: "/x/log", Device: 1, Inode: rapid.Uint64Range(0, 1).Draw(s.t, "inode"), Offset: 7, Born: rapid.Int64Range(0, 1).Draw(s.t, "born")}}}
		case 2:
			c.Body = &Begin{Deployment: "d", Host: "h", Restored: rapid.Bool().Draw(s.t, "restored"), Rules: rapid.Uint32Range(0, Rules).Draw(s.t, "rules")}
		case 3:
			j := s.job(v)
			rec, _ := v.Job(j)
			c.Body = &Unplace{Jobs: []grid.JobID{j}, At: rec.At, Reason: "better elsewhere"}
		}
	}
	return c
}

func (s *script) submit(v *View) *Submit {
	template := []byte(rapid.SampledFrom([]string{"template one", "template two", "three"}).Draw(s.t, "template"))
	c := &Submit{
		Owner:    rapid.SampledFrom([]Owner{{"alice", 1000, 100}, {"bob", 1001, 100}, {"alicia", 1000, 100}}).Draw(s.t, "owner"),
		Template: template, Hash: HashTemplate(template), Universe: grid.Vanilla,
		Procs: rapid.SampledFrom([]int32{1, 1, 1, 2, 5, 40, 3000, 0}).Draw(s.t, "procs"),
		Prio:  rapid.Int32Range(-2, 2).Draw(s.t, "prio"), Held: rapid.IntRange(0, 4).Draw(s.t, "held") == 0,
		Stage: rapid.SampledFrom([]uint32{0, 0, 0, 1, 2}).Draw(s.t, "stage"),
	}
	if rapid.Bool().Draw(s.t, "short") {
		c.Template = nil // by hash alone
	}
	if rapid.Bool().Draw(s.t, "own") {
		c.Own = []byte("own")
	}
	if rapid.IntRange(0, 3).Draw(s.t, "items") == 0 {
		c.Items = [][]byte{[]byte("a b"), []byte("c")}
	}
	c.Bounds = s.bounds(0)
	return c
}

// bounds are drawn for a few, none below least.
func (s *script) bounds(least int32) *Bounds {
	if rapid.IntRange(0, 2).Draw(s.t, "bounded") > 0 {
		return nil
	}
	return &Bounds{Limit: rapid.Int32Range(least, 5).Draw(s.t, "limit"), MaxIdle: rapid.Int32Range(least, 4).Draw(s.t, "maxidle")}
}

// materialize is mostly as many as there is room for.
func (s *script) materialize(v *View) *Materialize {
	c := &Materialize{Cluster: 1}
	var room int32
	for id, f := range v.Factories() {
		cl, _ := v.Cluster(id)
		if room = f.Room(&cl); room > 0 || rapid.IntRange(0, 3).Draw(s.t, "another") > 0 {
			c.Cluster, c.From = id, cl.Procs
		}
	}
	c.To = c.From + max(room, 1) + rapid.SampledFrom([]int32{0, 0, 0, 0, 1, -1}).Draw(s.t, "off")
	return c
}

func (s *script) act(v *View) Act {
	a := Act{
		Verb: rapid.SampledFrom([]grid.Verb{grid.Hold, grid.Release, grid.Remove, grid.Vacate, grid.Suspend, grid.Continue, grid.Leave, grid.Execute}).Draw(s.t, "verb"),
		Runs: []grid.Run{s.run(v), s.run(v)}, Code: grid.HoldUser, Reason: "via test",
		Owner: rapid.Uint32Range(0, 2).Draw(s.t, "owner"), Vacate: grid.VacateUser,
		Fast: rapid.Bool().Draw(s.t, "fast"), Force: rapid.IntRange(0, 4).Draw(s.t, "force") == 0,
	}
	if rapid.IntRange(0, 3).Draw(s.t, "parts") == 0 {
		a.Runs = []grid.Run{grid.WholeCluster(s.job(v).Cluster)}
		a.Part = Part{From: rapid.Int32Range(0, 2).Draw(s.t, "from"), Max: rapid.Int32Range(0, 3).Draw(s.t, "max"), Each: rapid.Bool().Draw(s.t, "each")}
	}
	return a
}

// job is mostly one in the queue.
func (s *script) job(v *View) grid.JobID {
	cluster := rapid.Int32Range(1, max(v.counters.Cluster, 1)).Draw(s.t, "cluster")
	procs := int32(3)
	if c, ok := v.Cluster(cluster); ok {
		procs = c.Procs
	}
	return grid.JobID{Cluster: cluster, Proc: rapid.Int32Range(0, procs).Draw(s.t, "proc") % max(procs, 1)}
}

func (s *script) run(v *View) grid.Run {
	j := s.job(v)
	switch rapid.IntRange(0, 2).Draw(s.t, "run") {
	case 0:
		return grid.WholeCluster(j.Cluster)
	case 1:
		return grid.OneJob(j)
	}
	return grid.Run{Cluster: j.Cluster, Lo: j.Proc, Hi: j.Proc + rapid.Int32Range(1, 2100).Draw(s.t, "len")}
}

func (s *script) place(v *View) *Place {
	p := &Place{}
	for range rapid.IntRange(1, 3).Draw(s.t, "placements") {
		id := s.job(v)
		j, _ := v.Job(id)
		if rapid.IntRange(0, 9).Draw(s.t, "stale") == 0 {
			j.Version++
		}
		one := Placement{
			Job: id, Version: j.Version, Kind: rapid.SampledFrom([]PlaceKind{OnSlot, OnSlot, OnSlot, ForClaim, AsVM, Nowhere}).Draw(s.t, "place"),
			At: rapid.Uint32Range(1, 2).Draw(s.t, "at"), Where: "slot1@w", Attrs: []Attr{{Name: "CpusProvisioned", Expr: "1"}},
		}
		if one.Kind == OnSlot {
			one.Gang = s.gang(one.At)
		}
		p.List = append(p.List, one)
	}
	return p
}

// gang is the nodes of a job whose first is on a worker; nil for most.
func (s *script) gang(at uint32) *Gang {
	n := rapid.IntRange(-4, 3).Draw(s.t, "nodes")
	if n < 0 {
		return nil
	}
	g := &Gang{WaitAll: rapid.Bool().Draw(s.t, "wait for all")}
	if n > 0 {
		g.Nodes = make([]GangNode, n)
	}
	for i := range g.Nodes {
		g.Nodes[i] = GangNode{Worker: at, Slot: uint32(i + 1), Exit: Exit{Cpus: 1, MemoryMB: 100}}
		at = rapid.Uint32Range(1, 2).Draw(s.t, "another")
	}
	return g
}

// route is mostly of jobs that may go to a target.
func (s *script) route(v *View) *Route {
	c := &Route{}
	for range rapid.IntRange(1, 3).Draw(s.t, "routed") {
		id := s.job(v)
		j, _ := v.Job(id)
		if rapid.IntRange(0, 9).Draw(s.t, "stale") == 0 {
			j.Version++
		}
		c.List = append(c.List, Routed{
			Job: id, Version: j.Version, Route: rapid.SampledFrom([]string{"", "R"}).Draw(s.t, "route"), Target: rapid.SampledFrom([]string{"batch slurm", "batch slurm", ""}).Draw(s.t, "target"),
			Dir: "/home/alice", MaxJobs: rapid.Uint32Range(0, 6).Draw(s.t, "maxjobs"), MaxIdle: rapid.Uint32Range(0, 4).Draw(s.t, "maxidle"), Where: "route R",
			Attrs: []Attr{{Name: "RouteName", Expr: `"R"`}},
		})
	}
	return c
}

// carry is mostly what comes next for a routing that there is.
func (s *script) carry(v *View) *Carry {
	c := &Carry{}
	var ids []grid.JobID
	for id := range v.Routings() {
		ids = append(ids, id)
	}
	for range rapid.IntRange(1, 3).Draw(s.t, "carried") {
		id := s.job(v)
		if len(ids) > 0 {
			id = rapid.SampledFrom(ids).Draw(s.t, "routing")
		}
		r, _ := v.Routing(id)
		if rapid.IntRange(0, 9).Draw(s.t, "stale") == 0 {
			r.Version++
		}
		d := Carried{
			Job: id, Epoch: r.Epoch, Version: r.Version, Remote: rapid.SampledFrom([]string{"", "17"}).Draw(s.t, "remote"), Reason: "because", Code: grid.HoldUser, Sub: 1,
			Verb: rapid.SampledFrom([]grid.RouteVerb{
				"", grid.RouteAccept, grid.RouteAccept, grid.RouteAccept, grid.RouteLose, grid.RouteAbsent, grid.RouteRefuse, grid.RouteStart, grid.RouteStart,
				grid.RouteWait, grid.RouteHold, grid.RouteRelease, grid.RouteEnd, grid.RouteClean,
			}).Draw(s.t, "verb"),
		}
		if rapid.Bool().Draw(s.t, "reports") {
			a := s.report(v).List[0]
			a.Job, a.Epoch = id, r.Epoch
			d.Report = []AttemptReport{a}
		}
		c.List = append(c.List, d)
	}
	return c
}

func (s *script) report(v *View) *Report {
	r := &Report{}
	for range rapid.IntRange(1, 3).Draw(s.t, "reports") {
		id := s.job(v)
		j, _ := v.Job(id)
		epoch := j.Epoch
		if rapid.IntRange(0, 9).Draw(s.t, "old") == 0 && epoch > 0 {
			epoch--
		}
		if j.Flags&Several != 0 {
			epoch = grid.NodeEpoch(epoch, rapid.IntRange(0, 3).Draw(s.t, "node"))
		}
		r.List = append(r.List, AttemptReport{
			Job: id, Epoch: epoch, Kind: ReportKind(rapid.IntRange(1, 15).Draw(s.t, "report")),
			Verdict:  Verdict(rapid.IntRange(0, 6).Draw(s.t, "verdict")),
			Exit:     Exit{Code: rapid.Int32Range(0, 2).Draw(s.t, "code"), Signal: rapid.Bool().Draw(s.t, "signal"), WallMS: rapid.Int64Range(0, 9999).Draw(s.t, "wall")},
			HoldCode: grid.HoldOutput, HoldSub: 2, Vacate: grid.VacateStarter, Reason: "because", Where: "host",
			Attrs: []Attr{{Name: "BytesSent", Expr: "3"}},
		})
	}
	return r
}

func (s *script) want(v *View) *Want {
	c := &Want{
		For: ClaimKind(rapid.IntRange(0, 4).Draw(s.t, "for")), Resource: rapid.SampledFrom([]string{"lab", "lab", "far", ""}).Draw(s.t, "resource"),
		Cap: rapid.Uint32Range(0, 6).Draw(s.t, "cap"), Job: s.job(v), Cpus: 2, MemoryMB: 512, Where: "ovirt lab", Reason: "somebody waits",
	}
	c.PerOwner, c.PerHour = rapid.Uint32Range(0, 3).Draw(s.t, "perowner"), rapid.Uint32Range(0, 3).Draw(s.t, "perhour")
	if c.Told = rapid.Bool().Draw(s.t, "told"); c.Told {
		c.Terms = bill.Terms{Price: rapid.Int64Range(0, 2_000_000).Draw(s.t, "price"), Period: 10_000, Min: rapid.Int64Range(0, 30_000).Draw(s.t, "least")}
		c.Owner, c.Inputs = rapid.Uint32Range(0, 2).Draw(s.t, "whose"), "two jobs wait"
		if rapid.Bool().Draw(s.t, "bounded by money") {
			c.Purses = []Purse{
				{Name: "per_hour", Unit: "EUR", Resource: c.Resource, Window: 20_000, Limit: rapid.Int64Range(0, 50_000).Draw(s.t, "limit")},
				{Name: "per_burst", Burst: true, Resource: c.Resource, Limit: 100_000},
				{Name: "per_owner", Owner: c.Owner, Window: 60_000, Limit: 60_000},
			}
		}
	}
	j, _ := v.Job(c.Job)
	c.Version = j.Version
	if c.For == Borrowed {
		c.Borrow = rapid.SampledFrom([]string{"a", "b"}).Draw(s.t, "borrow")
	}
	for range rapid.IntRange(0, 2).Draw(s.t, "bound") {
		id := s.job(v)
		j, _ := v.Job(id)
		c.Bind = append(c.Bind, Binding{id, j.Version})
	}
	return c
}

func (s *script) reuse(v *View) *Reuse {
	id := rapid.Uint32Range(1, max(v.counters.Claim, 1)).Draw(s.t, "reused")
	for open, c := range v.Claims() {
		if c.State == grid.ClaimStopping && c.Kind == Made && c.VM != "" {
			id = open
		}
	}
	claim, _ := v.Claim(id)
	c := &Reuse{Claim: id, Version: claim.Version, Job: s.job(v), Rested: 7, Where: "ovirt lab", Reason: "because"}
	j, _ := v.Job(c.Job)
	c.JobVersion = j.Version
	return c
}

func (s *script) move(v *View) *Move {
	c := &Move{Claim: rapid.Uint32Range(1, max(v.counters.Claim, 1)).Draw(s.t, "claim"), Reason: "because"}
	claim, _ := v.Claim(c.Claim)
	c.Version = claim.Version
	c.Verb = rapid.SampledFrom([]grid.ClaimVerb{
		"", grid.ClaimLaunch, grid.ClaimStarted, grid.ClaimLost, grid.ClaimFound, grid.ClaimAbsent, grid.ClaimJoin, grid.ClaimDrain,
		grid.ClaimUndrain, grid.ClaimStop, grid.ClaimGoneNow, grid.ClaimFail,
	}).Draw(s.t, "verb")
	c.VM = rapid.SampledFrom([]string{"", "id-1"}).Draw(s.t, "vm")
	c.Worker = rapid.Uint32Range(0, 1).Draw(s.t, "joined")
	c.Rested = rapid.Int64Range(-1, 1).Draw(s.t, "rested")
	c.Seen = rapid.SampledFrom([]string{"", "it is away"}).Draw(s.t, "seen")
	c.Template = rapid.SampledFrom([]string{"", "worker"}).Draw(s.t, "template")
	if claim.Kind != Overflow && rapid.Bool().Draw(s.t, "reports") {
		r := s.report(v).List[0]
		r.Job, r.Epoch = claim.Job, claim.Epoch
		c.Report = []AttemptReport{r}
	}
	return c
}

func (s *script) token(v *View) Body {
	key := []byte(rapid.SampledFrom([]string{"", "k1", "k2"}).Draw(s.t, "pub"))
	switch rapid.IntRange(0, 2).Draw(s.t, "token") {
	case 0:
		return &Invite{Worker: "node", Until: s.at + 10_000}
	case 1:
		return &Redeem{Worker: "node", Serial: rapid.Uint32Range(0, max(v.counters.Token, 1)).Draw(s.t, "serial"), Key: key}
	}
	id := rapid.Uint32Range(1, max(v.counters.Claim, 1)).Draw(s.t, "claimed")
	return &Redeem{Worker: ClaimName(v.Deployment, id), Claim: id, Key: key}
}

func (s *script) workflow(v *View) Body {
	id := rapid.Uint32Range(1, max(v.counters.Dag, 1)).Draw(s.t, "run")
	g, _ := v.Dag(id)
	switch rapid.IntRange(0, 7).Draw(s.t, "workflow") {
	case 7:
		return &ScaleDag{id, Scaled{rapid.SampledFrom([]string{"lab", "main"}).Draw(s.t, "pool"), rapid.Uint32Range(0, 5).Draw(s.t, "machines")}}
	case 0:
		return &StartDag{
			Owner: Owner{"alice", 1000, 100}, Name: "w", File: "/w.dag", Dir: "/", Graph: [][]byte{[]byte("graph")},
			Nodes: rapid.Int32Range(0, 3).Draw(s.t, "nodes"), Stage: rapid.SampledFrom([]uint32{0, 0, 1}).Draw(s.t, "graphs"),
			Cron: rapid.SampledFrom([]string{"", "nightly"}).Draw(s.t, "cron"), Due: rapid.Int64Range(0, 9).Draw(s.t, "due"),
			Scale:  rapid.SampledFrom([][]Scaled{nil, nil, {{"lab", 2}}}).Draw(s.t, "scale"),
			Header: dag.Header{MaxPre: rapid.Int32Range(0, 1).Draw(s.t, "maxpre")}, Rescue: rapid.Int32Range(0, 1).Draw(s.t, "rescue"),
			Parent: rapid.SampledFrom([]Parent{{}, {}, {Dag: 1, Node: 1, Attempt: 0}, {Dag: 1, Node: 2, Attempt: 9}}).Draw(s.t, "parent"),
		}
	case 2:
		return &PassCron{Cron: "nightly", At: rapid.Int64Range(0, 9).Draw(s.t, "pass")}
	}
	c := &StepDag{Dag: id, Version: g.Version, Header: g.Header}
	c.Header.Version++
	c.Header.Status = rapid.SampledFrom([]dag.RunStatus{1, 1, 1, 2, 3, 4, 5, 6, 7}).Draw(s.t, "status")
	c.Header.Halt = dag.Halt(rapid.IntRange(0, 2).Draw(s.t, "halt"))
	c.Header.Hurry = rapid.Bool().Draw(s.t, "hurry")
	for range rapid.IntRange(0, 3).Draw(s.t, "changes") {
		i := rapid.Int32Range(0, 3).Draw(s.t, "index")
		n, _ := v.Node(id, i)
		n.State = grid.NodeState(rapid.IntRange(0, 7).Draw(s.t, "state"))
		n.Asked = rapid.Bool().Draw(s.t, "asked")
		n.Script = dag.Stage(rapid.IntRange(0, 4).Draw(s.t, "script"))
		n.Progress = dag.Progress(rapid.IntRange(0, 3).Draw(s.t, "service"))
		n.Pre, n.Try = rapid.Int32Range(-9, 9).Draw(s.t, "pre"), rapid.Uint32Range(0, 1).Draw(s.t, "try")
		c.Nodes = append(c.Nodes, NodeChange{Index: i, Record: n, Why: "so it went"})
	}
	return c
}

// scratch makes machines for one rapid check. A check runs often: one directory
// serves them all, a file each.
type scratch struct {
	dir string
	n   int
}

func newScratch(t *testing.T) *scratch { return &scratch{dir: t.TempDir()} }

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

func (s *scratch) open(t failer) *Machine {
	t.Helper()
	s.n++
	m, err := OpenMachine(filepath.Join(s.dir, fmt.Sprintf("%d.db", s.n)), Options{NoSync: true})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return m
}

func digestOf(t failer, m *Machine) Digest {
	t.Helper()
	d, _, err := m.Digest()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return d
}

// timetable draws commands about timetables, of which there are two by hand and one of
// the configuration.
func (s *script) timetable(v *View) Body {
	name := rapid.SampledFrom([]string{"nightly", "alice/t", "burst:b", ""}).Draw(s.t, "timetable")
	due := rapid.Int64Range(1, 9).Draw(s.t, "instant")
	owner := rapid.SampledFrom([]Owner{{"alice", 1000, 100}, {"bob", 1001, 100}}).Draw(s.t, "whose")
	t, _ := v.Timetable(name)
	fill := uint32(0)
	if len(t.Backfills) > 0 {
		fill = t.Backfills[0].ID
	}
	occurrence := func() Occurrence {
		return Occurrence{
			Due: rapid.Int64Range(1, 9).Draw(s.t, "due"), Kind: OccurrenceKind(rapid.IntRange(1, 4).Draw(s.t, "why")),
			Outcome: Outcome(rapid.IntRange(1, 6).Draw(s.t, "outcome")), Why: "so it went", Details: []byte("x"),
		}
	}
	switch rapid.IntRange(0, 9).Draw(s.t, "of a timetable") {
	case 0:
		return &SetTimetable{Name: name, Owner: owner, Spec: []byte(rapid.SampledFrom([]string{"", "spec", "spec"}).Draw(s.t, "spec")), Most: 1}
	case 1, 2:
		c := &Settle{Name: name, Mark: rapid.SampledFrom([]int64{0, due}).Draw(s.t, "to"), Replace: rapid.Bool().Draw(s.t, "replace")}
		for range rapid.IntRange(0, 3).Draw(s.t, "settled") {
			c.List = append(c.List, occurrence())
		}
		if rapid.Bool().Draw(s.t, "fills") {
			c.Backfill, c.Ends = fill, rapid.Bool().Draw(s.t, "ends")
		}
		if rapid.IntRange(0, 4).Draw(s.t, "gone") == 0 {
			return &Settle{Name: name, Gone: "it is gone"}
		}
		return c
	case 3, 4:
		if len(t.Queue) > 0 && rapid.Bool().Draw(s.t, "queued") {
			due = t.Queue[0]
		}
		return &Fire{
			Start: StartDag{Owner: owner, Name: "w", File: "/w.dag", Dir: "/", Graph: [][]byte{[]byte("graph")}, Nodes: rapid.Int32Range(0, 3).Draw(s.t, "nodes"), Cron: name, Due: due},
			As:    OccurrenceKind(rapid.IntRange(0, 4).Draw(s.t, "as")), Fill: fill, Vars: []Attr{{Name: "cron_due", Expr: "then"}}, Details: []byte("y"), Follows: rapid.Bool().Draw(s.t, "follows"),
		}
	case 5:
		return &PauseTimetable{Name: name, Pause: Pause{From: due, Until: due + 2, Reason: "because", By: "alice"}}
	case 6:
		return &BeginBackfill{Name: name, Fill: Backfill{From: due, To: 8, AtOnce: rapid.Uint32Range(0, 2).Draw(s.t, "at once"), Prio: -10}, End: rapid.SampledFrom([]uint32{0, 0, fill}).Draw(s.t, "end")}
	case 7:
		return &SetWindow{
			Name: name, Close: rapid.Bool().Draw(s.t, "close"), Note: occurrence(),
			Window: Window{Due: rapid.SampledFrom([]int64{due, t.Window.Due}).Draw(s.t, "hour"), Drain: s.at + 3000, End: s.at + 5000, Resource: "lab", Count: 2, Budget: 9},
		}
	case 8:
		return &WantFor{Name: name, Due: t.Window.Due, Want: *s.want(v)}
	}
	return &RestoreTimetables{Reason: "it was restored"}
}
