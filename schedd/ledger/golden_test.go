package ledger

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"gridburst/dag"
	"gridburst/internal/grid"
)

var updateGolden = flag.String("update-golden", "", "write the golden file of that `name` as this program makes it")

// goldens make the histories of golden files. Each file was written when its form was new.
var goldens = map[string]func(t *testing.T, path string){
	"format1-removal":  writeGolden,
	"format1-rules1":   writeRules1,
	"format1-factory":  writeFactory,
	"format1-rules3":   writeRules3,
	"format1-machines": writeMachines,
	"format1-parts":    writeParts,
	"format1-rules4":   writeReceipts,
	"format1-scripts":  writeScripts,
	"format1-told":     writeTold,
	"format1-crons":    writeTimetables,
	"format1-routings": writeRoutings,
	"format1-services": writeServices,
	"format1-saved":    writeSaved,
	"format1-reloads":  writeReloads,
	"format1-gangs":    writeGangs,
	"format1-begun":    writeBegun,
	"format1-scaled":   writeScaled,
}

// history is a machine in the making of a golden file.
type history struct {
	t  *testing.T
	m  *Machine
	at int64 // of the last command, ms since 1970
}

func newHistory(t *testing.T) *history {
	t.Helper()
	m, err := OpenMachine(filepath.Join(t.TempDir(), FileName), Options{})
	must(t, err)
	t.Cleanup(func() { m.Close() })
	return &history{t, m, 1_700_000_000_000}
}

// do applies a command, a second and a half after the one before.
func (h *history) do(b Body) Result {
	h.at += 1500
	return apply(h.m, Command{At: h.at, By: "user:1000", Body: b})
}

func (h *history) write(path string) {
	h.t.Helper()
	_, err := h.m.WriteBackup(path)
	must(h.t, err)
}

// writeScripts makes a history of a workflow with scripts, limits and a sub-DAG.
func writeScripts(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	do := func(b Body) any { return h.do(b).Value }
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.5", Rules: 4})
	start := StartDag{
		Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Name: "w", File: "/home/alice/w.dag", Dir: "/home/alice", Graph: [][]byte{[]byte("graph")}, Nodes: 3,
		Header: dag.Header{MaxJobs: 5, MaxIdle: 6, MaxPre: 7, MaxPost: 8, MaxHold: 9, Priority: -3, AlwaysPost: true}, Rescue: 2,
	}
	run := do(&start).(uint32)
	head := start.Header
	step := func(list ...NodeChange) {
		c := &StepDag{Dag: run, Version: head.Version, Header: head, Nodes: list}
		c.Header.Version++
		head = c.Header
		do(c)
	}
	head.Status = dag.RunRunning
	pre := dag.Record{State: grid.NodePre, Script: dag.ScriptRuns, Attempt: 1}
	step(NodeChange{0, pre, ""})
	pre.Script, pre.Try = dag.ScriptDeferred, 1
	step(NodeChange{0, pre, "it was put off"})
	sub := dag.Record{State: grid.NodePre, Script: dag.ScriptOver, Asked: true, Attempt: 2, Pre: -9}
	step(NodeChange{1, sub, ""}, NodeChange{2, dag.Record{State: grid.NodeDone, Skipped: true}, "somebody said so"})
	child := start
	child.Parent, child.Rescue = Parent{Dag: run, Node: 1, Attempt: 1}, 0
	do(&child) // refused
	child.Parent.Attempt = 2
	of := do(&child).(uint32)
	sub.State, sub.Script, sub.Asked, sub.Cluster, sub.Procs, sub.Left = grid.NodeSubmitted, dag.ScriptNone, false, int32(of), 1, 1
	head.Halt = dag.Paused
	step(NodeChange{1, sub, ""})
	do(&StepDag{Dag: of, Header: dag.Header{Version: 1, Status: dag.RunRemoved, Return: 2, Condition: dag.ConditionRemoved, Hurry: true}})
	head.Status, head.End, head.Return, head.Condition, head.Supply = dag.RunFinishing, dag.RunFailed, 1, dag.ConditionFailed, dag.SupplyComplete
	step(NodeChange{0, dag.Record{State: grid.NodeReady, Asked: true, Attempt: 2}, ""})
	template := []byte("a template")
	do(&Submit{Owner: start.Owner, Template: template, Hash: HashTemplate(template), Procs: 1, Universe: grid.Vanilla, Dag: run, Node: 0, Attempt: 2})
	for i, post := range []dag.Stage{dag.ScriptWaits, dag.ScriptRuns, dag.ScriptDeferred, dag.ScriptRuns} {
		step(NodeChange{0, dag.Record{State: grid.NodePost, Script: post, Attempt: 2, Cluster: 1, Procs: 3, Bad: 1, Exit: -9, Try: uint32(i), Seen: dag.Position{Index: 8}}, "its job was killed by signal 9"})
	}
	step(NodeChange{0, dag.Record{State: grid.NodeFailed, Attempt: 2, Cluster: 1, Procs: 3, Bad: 1, Exit: 7}, "its POST script exited with code 7"})
	for _, s := range []dag.RunStatus{dag.RunClosing, dag.RunFailed} {
		head.Status = s
		step()
	}
	other := StartDag{Owner: start.Owner, Name: "x", File: "/home/alice/x.dag", Dir: "/home/alice", Graph: [][]byte{[]byte("graph")}, Nodes: 1, Rescue: 7}
	head, run = dag.Header{}, do(&other).(uint32)
	step(NodeChange{0, dag.Record{State: grid.NodeReady, Asked: true, Attempt: 1}, ""})
	h.write(path)
}

// writeServices makes a history of a workflow whose services say when they are ready.
func writeServices(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	h.do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.9", Rules: 4})
	run := h.do(&StartDag{
		Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Name: "w", File: "/home/alice/w.hcl", Dir: "/home/alice", Graph: [][]byte{[]byte("graph")}, Nodes: 2,
	}).Value.(uint32)
	head := dag.Header{Status: dag.RunRunning}
	for attempt := range uint32(5) {
		n := dag.Record{State: grid.NodeSubmitted, Attempt: attempt + 1, Cluster: int32(attempt) + 1, Procs: 1, Left: 1, Try: attempt % 2}
		for _, to := range []dag.Progress{dag.ProgressNone, dag.ProgressReady, dag.ProgressLate, dag.ProgressLost} {
			n.Progress = to
			was := head.Version
			head.Version++
			h.do(&StepDag{Dag: run, Version: was, Header: head, Nodes: []NodeChange{{0, n, "so it went"}, {1, dag.Record{State: grid.NodeSubmitted, Progress: to}, ""}}})
		}
	}
	h.write(path)
}

// writeMachines makes a history of jobs that are machines, by the rules that know of reuse,
// of what engines show, and of bounds by owner and hour.
func writeMachines(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	m, do := h.m, h.do
	template := []byte("a template")
	job := func() (grid.JobID, uint32) {
		c := do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: 1, Universe: grid.Grid}).Value.(Submitted).Cluster
		id := grid.JobID{Cluster: c}
		j, _ := m.View().Job(id)
		return id, j.Version
	}
	move := func(id uint32, v grid.ClaimVerb, kinds ...ReportKind) {
		c, _ := m.View().Claim(id)
		mv := &Move{Claim: id, Version: c.Version, Verb: v, VM: "5c3e", Reason: "so it went"}
		for _, k := range kinds {
			mv.Report = []AttemptReport{{Job: c.Job, Epoch: c.Epoch, Kind: k, Verdict: Complete, Where: "ovirt lab gb-5f0c-1 5c3e", Reason: "why", Attrs: []Attr{{Name: "GridJobStatus", Expr: `"up"`}}}}
		}
		do(mv)
	}
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.3", Rules: 3})
	one, version := job()
	claim := do(&Want{For: Made, Resource: "lab", Job: one, Version: version, Where: "ovirt lab", PerOwner: 1, PerHour: 2}).Value.(uint32)
	two, version := job()
	do(&Want{For: Made, Resource: "lab", Job: two, Version: version, PerOwner: 1}) // refused
	move(claim, grid.ClaimLaunch)
	move(claim, "", Accepted)
	c, _ := m.View().Claim(claim)
	do(&Move{Claim: claim, Version: c.Version, Rested: h.at - 60_000})
	move(claim, grid.ClaimStarted)
	for _, k := range []ReportKind{Mirrored, Unreached, Reached, Unseen, Seen} {
		do(&Report{List: []AttemptReport{{Job: one, Epoch: 1, Kind: k, Reason: "why", Attrs: []Attr{{Name: "GridJobStatus", Expr: `"powering_up"`}}}}})
	}
	move(claim, grid.ClaimJoin, Started)
	move(claim, grid.ClaimStop, Ended)
	c, _ = m.View().Claim(claim)
	do(&Reuse{Claim: claim, Version: c.Version, Job: two, JobVersion: version, Rested: h.at, Where: "ovirt lab", Reason: "again"})
	move(claim, grid.ClaimStarted, Started)
	do(&Act{Verb: grid.Vacate, Runs: []grid.Run{grid.OneJob(two)}, Vacate: grid.VacateUser, Reason: "via test"})
	move(claim, grid.ClaimStop, Stopped)
	move(claim, grid.ClaimGoneNow)
	three, version := job()
	do(&Want{For: Made, Resource: "lab", Job: three, Version: version, PerHour: 1}) // refused
	do(&Want{For: Made, Resource: "lab", Job: three, Version: version, PerHour: 2})
	h.write(path)
}

// writeRules1 makes a history by the first rules, with the commands that came with them.
func writeRules1(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	m, do := h.m, func(b Body) any { return h.do(b).Value }
	act := func(id grid.JobID, a Act) {
		a.Runs, a.Reason = []grid.Run{grid.OneJob(id)}, "via test"
		do(&a)
	}
	template := []byte("a template")
	submit := func(procs int32) int32 {
		return do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: procs}).(Submitted).Cluster
	}
	run := func(id grid.JobID) uint32 {
		j, _ := m.View().Job(id)
		e := do(&Place{List: []Placement{{Job: id, Version: j.Version, Kind: OnSlot, At: 1, Where: "slot1@w"}}}).([]uint32)[0]
		do(&Report{List: []AttemptReport{{Job: id, Epoch: e, Kind: Started}}})
		return e
	}
	report := func(id grid.JobID, epoch uint32, kind ReportKind, v Verdict) {
		do(&Report{List: []AttemptReport{{Job: id, Epoch: epoch, Kind: kind, Verdict: v, HoldCode: grid.HoldJobPolicy, Vacate: grid.VacateUser, Reason: "because"}}})
	}
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.1", Rules: 1})
	do(&SeeWorker{Worker{Name: "w", Boot: "boot"}})
	one := grid.JobID{Cluster: submit(1)}
	e := run(one)
	act(one, Act{Verb: grid.Suspend})
	act(one, Act{Verb: grid.Continue})
	act(one, Act{Verb: grid.Vacate, Vacate: grid.VacateUser, Sub: 3})
	act(one, Act{Verb: grid.Vacate, Vacate: grid.VacateUser, Fast: true})
	report(one, e, Stopped, 0)
	act(one, Act{Verb: grid.Hold, Code: grid.HoldUser, Sub: 2})
	act(one, Act{Verb: grid.Release})
	e = run(one)
	report(one, e, Ended, Park)
	act(one, Act{Verb: grid.Release})
	run(one)
	act(one, Act{Verb: grid.Remove})
	act(one, Act{Verb: grid.Remove, Force: true})
	kept := grid.JobID{Cluster: submit(1)}
	report(kept, run(kept), Ended, Keep)
	act(kept, Act{Verb: grid.Leave})
	dropped := grid.JobID{Cluster: submit(1)}
	report(dropped, run(dropped), Ended, Drop)
	skipped := grid.JobID{Cluster: submit(1)}
	j, _ := m.View().Job(skipped)
	e = do(&Place{List: []Placement{{Job: skipped, Version: j.Version, Kind: OnSlot, At: 1}}}).([]uint32)[0]
	report(skipped, e, Skipped, 0)
	many := submit(20)
	do(&Alter{Runs: []grid.Run{grid.WholeCluster(many), {Cluster: many, Lo: 2, Hi: 4}}, Attrs: []Attr{{Name: "JobPrio", Expr: "7"}}})
	c, _ := m.View().Cluster(many)
	do(&Decide{List: []Decision{
		{Act: Act{Verb: grid.Hold, Runs: []grid.Run{grid.WholeCluster(many)}, Code: grid.HoldSystemPolicy, Sub: 1, Reason: "a policy"}, Version: c.Base.Version, Base: true},
		{Act: Act{Verb: grid.Remove, Runs: []grid.Run{grid.OneJob(grid.JobID{Cluster: many, Proc: 2})}, Reason: "stale"}, Version: 99},
	}})
	h.write(path)
}

// writeRules3 makes a history of executions that ended, and of a removal that is carried out
// in part.
func writeRules3(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	m, do := h.m, func(b Body) any { return h.do(b).Value }
	template := []byte("a template")
	submit := func(procs int32) grid.JobID {
		c := do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: procs, Universe: grid.Vanilla})
		return grid.JobID{Cluster: c.(Submitted).Cluster}
	}
	report := func(id grid.JobID, kind ReportKind, v Verdict) {
		j, _ := m.View().Job(id)
		e := do(&Place{List: []Placement{{Job: id, Version: j.Version, Kind: OnSlot, At: 1, Attrs: []Attr{{Name: "RemoteHost", Expr: `"slot1@w"`}}}}}).([]uint32)[0]
		do(&Report{List: []AttemptReport{{Job: id, Epoch: e, Kind: Started}}})
		do(&Report{List: []AttemptReport{{Job: id, Epoch: e, Kind: kind, Verdict: v, Exit: Exit{WallMS: 2000}, HoldCode: grid.HoldJobPolicy, Vacate: grid.VacateStarter, Reason: "because"}}})
	}
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.3", Rules: 3})
	do(&SeeWorker{Worker{Name: "w", Boot: "boot"}})
	one := submit(1)
	report(one, Stopped, 0)
	report(one, Ended, Again)
	report(one, Ended, Park)
	do(&Act{Verb: grid.Release, Runs: []grid.Run{grid.OneJob(one)}})
	gone := submit(3)
	report(gone, Vanished, 0)
	report(gone, Ended, Complete)
	submit(5)
	do(&RemoveAll{Owner: 1, Reason: "via test"})
	do(&Clear{Max: 1})
	do(&Expire{Before: h.at - 10_000, Max: 1})
	h.write(path)
}

// writeFactory makes a history of clusters whose jobs are made little by little: one that
// is in the queue, one that has made all, one that was removed.
func writeFactory(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	do := func(b Body) any { return h.do(b).Value }
	template := []byte("a template")
	submit := func(held bool) []grid.Run {
		c := do(&Submit{
			Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: 5, Universe: grid.Vanilla,
			Held: held, Bounds: &Bounds{Limit: 3, MaxIdle: 2},
		})
		return []grid.Run{grid.WholeCluster(c.(Submitted).Cluster)}
	}
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.2", Rules: 2})
	stays := submit(true)
	id := stays[0].Cluster
	do(&Act{Verb: grid.Release, Runs: stays, Reason: "via test"})
	do(&Materialize{Cluster: id, To: 2})
	do(&Materialize{Cluster: id, From: 2, To: 3}) // beyond its bounds
	do(&Alter{Runs: stays, Attrs: []Attr{{Name: "JobMaterializeMaxIdle", Expr: "4"}}, Bounds: &Bounds{Limit: -1, MaxIdle: 4}})
	do(&Materialize{Cluster: id, From: 2, To: 3})
	do(&Act{Verb: grid.Hold, Runs: stays, Code: grid.HoldUser, Reason: "via test"})
	all := submit(false)
	id = all[0].Cluster
	do(&Materialize{Cluster: id, To: 2})
	do(&Act{Verb: grid.Remove, Runs: []grid.Run{{Cluster: id, Lo: 0, Hi: 2}}})
	do(&Materialize{Cluster: id, From: 2, To: 4})
	do(&Act{Verb: grid.Remove, Runs: []grid.Run{{Cluster: id, Lo: 2, Hi: 4}}})
	do(&Materialize{Cluster: id, From: 4, To: 5})
	do(&RemoveAll{Owner: 1, Reason: "via test"})
	do(&Clear{Max: 1})
	do(&Edit{Job: grid.JobID{Cluster: 1, Proc: 1}, Attrs: []Attr{{Name: "Rank", Expr: "1"}}})
	do(&Materialize{Cluster: 1, From: 3, To: 4}) // it is paused
	gone := submit(false)
	do(&Act{Verb: grid.Remove, Runs: gone, Reason: "via test"})
	h.write(path)
}

// writeParts makes a history of what is done to whole clusters in parts, and of logs whose
// files' birth is known.
func writeParts(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	do := h.do
	template := []byte("a template")
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.1", Rules: 2})
	for cluster := range int32(4) {
		do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Own: []byte("own"), Procs: 12})
		var some []grid.Run
		for proc := int32(0); proc < 12; proc += 2 {
			some = append(some, grid.OneJob(grid.JobID{Cluster: cluster + 1, Proc: proc}))
		}
		// Of the first and the third, every other one differs; of the others, it is gone.
		do(&Act{Verb: []grid.Verb{grid.Hold, grid.Remove}[cluster%2], Runs: some, Reason: "some"})
	}
	parts := func(body func(Part) Body) {
		for part := (Part{Max: 4}); part.Max > 0; {
			part = do(body(part)).Value.(Acted).Rest
		}
	}
	for cluster := range int32(2) {
		whole := []grid.Run{grid.WholeCluster(cluster + 1)}
		parts(func(p Part) Body { return &Alter{Runs: whole, Attrs: []Attr{{Name: "Rank", Expr: "2"}}, Part: p} })
		parts(func(p Part) Body {
			return &Alter{Runs: whole, Attrs: []Attr{{Name: "Rank", Expr: "3"}}, Bounds: &Bounds{Limit: -1, MaxIdle: 3}, Part: p}
		})
		parts(func(p Part) Body { return &Act{Verb: grid.Hold, Runs: whole, Reason: "all", Part: p} })
		parts(func(p Part) Body { return &Act{Verb: grid.Remove, Runs: whole, Reason: "all", Part: p} })
	}
	do(&Mark{Index: 10, Logs: []LogPosition{{UID: 1000, Path: "/home/alice/log", Device: 1, Inode: 2, Offset: 3, Born: 4}, {UID: 1000, Path: "/home/alice/old", Device: 1, Inode: 3, Offset: 4}}})
	do(&RemoveAll{Reason: "all of it"})
	for range 3 { // what is left of the removal is in the state
		do(&Clear{Max: 3, Gaps: true})
	}
	h.write(path)
}

// writeReceipts makes a history of claims that have receipts: of a machine that ran jobs, of
// one that was a job, of one that came to nothing.
func writeReceipts(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	m, do := h.m, func(b Body) any { return h.do(b).Value }
	template := []byte("a template")
	submit := func(u grid.Universe) grid.JobID {
		return grid.JobID{Cluster: do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: 1, Universe: u}).(Submitted).Cluster}
	}
	move := func(claim uint32, mv Move) {
		c, _ := m.View().Claim(claim)
		mv.Claim, mv.Version = claim, c.Version
		do(&mv)
	}
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.4", Rules: 4})
	do(&SeeWorker{Worker{Name: "w", Boot: "boot"}})
	over := do(&Want{For: Overflow, Resource: "lab", Cpus: 1, MemoryMB: 512, Where: "a machine", Reason: "jobs wait"}).(uint32)
	move(over, Move{Verb: grid.ClaimLaunch, Template: "worker"})
	move(over, Move{VM: "id-1"})
	move(over, Move{Verb: grid.ClaimStarted})
	move(over, Move{Verb: grid.ClaimJoin, Worker: 1, Reason: "its worker has joined"})
	for range maxReceiptJobs + 2 {
		id := submit(grid.Vanilla)
		e := do(&Place{List: []Placement{{Job: id, Version: 1, Kind: OnSlot, At: 1, Where: "slot1@w"}}}).([]uint32)[0]
		do(&Report{List: []AttemptReport{{Job: id, Epoch: e, Kind: Started}}})
		do(&Report{List: []AttemptReport{{Job: id, Epoch: e, Kind: Ended, Verdict: Keep}}})
	}
	move(over, Move{Verb: grid.ClaimStop, Reason: "it has had nothing to do"})
	move(over, Move{Verb: grid.ClaimGoneNow, Reason: "it has had nothing to do", Seen: "the engine shows it no more"})
	vm := submit(grid.Grid)
	made := do(&Want{For: Made, Resource: "lab", Job: vm, Version: 1, Where: "ovirt lab", Reason: "the job is the machine"}).(uint32)
	move(made, Move{Verb: grid.ClaimLaunch, Template: "image"})
	move(made, Move{Verb: grid.ClaimStarted, VM: "id-2"})
	move(made, Move{Verb: grid.ClaimJoin, Report: []AttemptReport{{Job: vm, Epoch: 1, Kind: Started}}})
	none := do(&Want{For: Overflow, Resource: "lab", Reason: "jobs wait"}).(uint32)
	move(none, Move{Verb: grid.ClaimFail, Reason: "not wanted"})
	h.write(path)
}

// writeRoutings makes a history of jobs at targets: each fate, and some that are on their way.
func writeRoutings(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	m, do := h.m, func(b Body) any { return h.do(b).Value }
	template := []byte("a template")
	submit := func(u grid.Universe, procs int32) grid.JobID {
		return grid.JobID{Cluster: do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: procs, Universe: u}).(Submitted).Cluster}
	}
	route := func(id grid.JobID, by string) {
		j, _ := m.View().Job(id)
		do(&Route{List: []Routed{{
			Job: id, Version: j.Version, Route: by, Target: "batch slurm", Dir: "/home/alice", MaxJobs: 20, MaxIdle: 10, Where: "route R to batch slurm", Attrs: []Attr{{Name: "RouteName", Expr: `"R"`}},
		}}})
	}
	carry := func(id grid.JobID, verb grid.RouteVerb, report ...AttemptReport) {
		r, _ := m.View().Routing(id)
		c := Carried{Job: id, Epoch: r.Epoch, Version: r.Version, Verb: verb, Reason: "so it went", Code: grid.HoldUser, Sub: 2, Report: report}
		if verb == grid.RouteAccept {
			c.Remote = "4711"
		}
		for i := range c.Report {
			c.Report[i].Job, c.Report[i].Epoch = id, r.Epoch
		}
		do(&Carry{List: []Carried{c}})
	}
	act := func(id grid.JobID, verb grid.Verb) {
		do(&Act{Verb: verb, Runs: []grid.Run{grid.OneJob(id)}, Reason: "via test", Vacate: grid.VacateUser})
	}
	begin := func(procs int32) grid.JobID {
		id := submit(grid.Vanilla, procs)
		route(id, "R")
		carry(id, grid.RouteAccept, AttemptReport{Kind: Accepted, Where: "batch slurm gb 4711", Attrs: []Attr{{Name: "GridJobId", Expr: `"batch slurm gb 4711"`}}})
		return id
	}
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.5", Rules: 4})
	done := begin(1)
	carry(done, grid.RouteStart, AttemptReport{Kind: Started, Where: "node1"})
	carry(done, grid.RouteWait)
	carry(done, grid.RouteStart, AttemptReport{Kind: Started, Where: "node2"})
	carry(done, grid.RouteEnd, AttemptReport{Kind: Ended, Verdict: TakeOver, Exit: Exit{Code: 3, WallMS: 2000}})
	do(&Report{List: []AttemptReport{{Job: done, Epoch: 1, Kind: Taken, Verdict: Complete, Exit: Exit{Code: 3, WallMS: 2000}}}})
	carry(done, grid.RouteClean)
	again := begin(3)
	carry(again, grid.RouteEnd, AttemptReport{Kind: Vanished, Vacate: grid.VacateMachine, Reason: "lost"})
	route(again, "R") // refused: it is not cleaned
	carry(again, grid.RouteClean)
	route(again, "R")
	carry(again, grid.RouteLose)
	carry(again, grid.RouteAbsent)
	carry(again, grid.RouteRefuse, AttemptReport{Kind: Failed, HoldCode: grid.HoldCloudUser, Reason: "refused"})
	held := begin(1)
	carry(held, grid.RouteHold)
	carry(held, grid.RouteRelease)
	carry(held, grid.RouteHold)
	act(held, grid.Release)
	carry(held, grid.RouteRelease)
	act(held, grid.Hold)
	act(held, grid.Release) // refused: it lives
	carry(held, grid.RouteHold)
	act(held, grid.Release)
	act(held, grid.Vacate)
	removed := begin(1)
	act(removed, grid.Remove)
	carry(removed, grid.RouteEnd, AttemptReport{Kind: Stopped, Reason: "ended"})
	forced := begin(1)
	act(forced, grid.Remove)
	do(&Act{Verb: grid.Remove, Force: true, Runs: []grid.Run{grid.OneJob(forced)}})
	route(submit(grid.Grid, 1), "")
	do(&Begin{Host: "host", Version: "0.5", Rules: 4})
	carry(begin(1), grid.RouteStart, AttemptReport{Kind: Started, Where: "node3"})
	h.write(path)
}

// writeGolden makes a history with every kind of command and nearly every fate.
func writeGolden(t *testing.T, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	h := newHistory(t)
	m, do := h.m, h.do
	alice := Owner{Name: "alice", UID: 1000, GID: 100}
	template := []byte("a template")
	submit := func(procs int32, held bool) int32 {
		r := do(&Submit{Owner: alice, Template: template, Hash: HashTemplate(template), Own: []byte("own"), Procs: procs, Universe: grid.Vanilla, Prio: 3, Held: held})
		return r.Value.(Submitted).Cluster
	}
	place := func(id grid.JobID, kind PlaceKind) uint32 {
		j, _ := m.View().Job(id)
		r := do(&Place{List: []Placement{{Job: id, Version: j.Version, Kind: kind, At: 1, Where: "slot1@w", Attrs: []Attr{{Name: "CpusProvisioned", Expr: "1"}}}}})
		return r.Value.([]uint32)[0]
	}
	report := func(id grid.JobID, epoch uint32, kind ReportKind, v Verdict) {
		do(&Report{List: []AttemptReport{{
			Job: id, Epoch: epoch, Kind: kind, Verdict: v, Exit: Exit{Code: 1, WallMS: 2600, UserMS: 3, SysMS: 4, MaxRSSKB: 5, Sent: 6, Received: 7},
			HoldCode: grid.HoldOutput, HoldSub: 2, Vacate: grid.VacateStarter, Reason: `a "quoted" reason`, Where: "w", Attrs: []Attr{{Name: "BytesSent", Expr: "6"}},
		}}})
	}
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.1"})
	do(&SeeWorker{Worker{Name: "w", Boot: "boot"}})
	stage := do(&Stage{}).Value.(uint32)
	do(&Stage{Stage: stage, Seq: 0, Data: []byte("rows")})
	do(&Submit{Owner: alice, Template: template, Hash: HashTemplate(template), Procs: 50, Stage: stage, Items: [][]byte{[]byte("first")}})
	for _, fate := range []struct {
		kind    ReportKind
		verdict Verdict
	}{{Ended, Complete}, {Ended, Keep}, {Ended, Again}, {Ended, Park}, {Failed, 0}, {Vanished, 0}, {Stopped, 0}} {
		id := grid.JobID{Cluster: submit(1, false)}
		e := place(id, OnSlot)
		report(id, e, Started, 0)
		report(id, e, fate.kind, fate.verdict)
	}
	many := submit(5, true)
	do(&Act{Verb: grid.Release, Runs: []grid.Run{grid.WholeCluster(many)}, Reason: "released"})
	id := grid.JobID{Cluster: many, Proc: 2}
	e := place(id, AsVM)
	report(id, e, Started, 0)
	report(id, e, Ended, TakeOver)
	report(id, e, Taken, Complete)
	waits := grid.JobID{Cluster: many, Proc: 3}
	place(waits, ForClaim)
	do(&Unplace{Jobs: []grid.JobID{waits}, At: 1, Reason: "released"})
	do(&Edit{Job: waits, Attrs: []Attr{{Name: "JobPrio", Expr: "7"}}})
	do(&Act{Verb: grid.Hold, Runs: []grid.Run{{Cluster: many, Lo: 0, Hi: 2}}, Code: grid.HoldUser, Sub: 1, Reason: "held"})
	do(&Act{Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(many), grid.WholeCluster(99)}, Reason: "removed"})
	vm := grid.JobID{Cluster: submit(1, false)}
	j, _ := m.View().Job(vm)
	made := do(&Want{For: Made, Resource: "lab", Job: vm, Version: j.Version, Cap: 3, Where: "ovirt lab", Reason: "the job is the machine"}).Value.(uint32)
	move := func(id uint32, v grid.ClaimVerb, reports ...AttemptReport) {
		c, _ := m.View().Claim(id)
		do(&Move{Claim: id, Version: c.Version, Verb: v, VM: "5c3e", Worker: 1, Reason: "so it went", Report: reports})
	}
	move(made, grid.ClaimLaunch)
	move(made, grid.ClaimLost)
	move(made, grid.ClaimFound)
	move(made, grid.ClaimStarted)
	move(made, grid.ClaimJoin, AttemptReport{Job: vm, Epoch: 1, Kind: Started, Where: "gb-5f0c-1"})
	move(made, grid.ClaimStop, AttemptReport{Job: vm, Epoch: 1, Kind: Ended, Verdict: Complete, Exit: Exit{WallMS: 1}})
	move(made, grid.ClaimGoneNow)
	bound := grid.JobID{Cluster: submit(1, false)}
	j, _ = m.View().Job(bound)
	flow := do(&Want{For: Overflow, Resource: "lab", Bind: []Binding{{bound, j.Version}}, Cpus: 2, MemoryMB: 1024}).Value.(uint32)
	move(flow, grid.ClaimLaunch)
	do(&Redeem{Worker: ClaimName("5f0c", flow), Claim: flow, Key: []byte("key")})
	do(&Want{For: Borrowed, Resource: "lab", Borrow: "theirs", Job: grid.JobID{Cluster: submit(1, false)}, Version: 1})
	serial := do(&Invite{Worker: "node", Until: h.at + 60_000}).Value.(uint32)
	do(&Redeem{Worker: "node", Serial: serial, Key: []byte("key")})
	run := do(&StartDag{Owner: alice, Name: "w", File: "/home/alice/w.dag", Dir: "/home/alice", Graph: [][]byte{[]byte("graph")}, Nodes: 2, Cron: "nightly", Due: h.at}).Value.(uint32)
	ready := dag.Record{State: grid.NodeReady, Asked: true, Attempt: 1, Seen: dag.Position{Index: 3, Seq: 1}}
	do(&StepDag{Dag: run, Header: dag.Header{Version: 1, Status: dag.RunRunning, MaxJobs: 4}, Nodes: []NodeChange{{0, ready, "why"}}})
	do(&Submit{Owner: alice, Template: template, Hash: HashTemplate(template), Procs: 1, Universe: grid.Vanilla, Dag: run, Node: 0, Attempt: 1})
	ready.State, ready.Asked, ready.Cluster, ready.Left = grid.NodeSubmitted, false, 12, 1
	do(&StepDag{Dag: run, Version: 1, Header: dag.Header{Version: 2, Status: dag.RunStopping, End: dag.RunRemoved, Return: 2}, Nodes: []NodeChange{{0, ready, ""}}})
	do(&PassCron{Cron: "nightly", At: h.at + 1, Reason: "it was late"})
	do(&Mark{Index: 10, Logs: []LogPosition{{UID: 1000, Path: "/home/alice/log", Device: 1, Inode: 2, Offset: 3}}})
	do(&Forget{Keys: 1, Stages: 1, Max: 10})
	for range 3 {
		submit(2, false)
	}
	do(&RemoveAll{Owner: 1, Reason: "all of it"})
	do(&Clear{Max: 1})
	do(&Expire{Before: h.at, Max: 2}) // what is left of the removal is in the state
	do(&Checkpoint{Index: 5, Name: "checkpoint-5.db", Max: 1})
	h.write(path)
}
