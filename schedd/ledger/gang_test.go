package ledger

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

// ganger is a history of jobs of several nodes on two workers.
type ganger struct{ *history }

func newGanger(t *testing.T) ganger {
	t.Helper()
	s := ganger{newHistory(t)}
	s.do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.7", Rules: Rules})
	s.do(&SeeWorker{Worker{Name: "v", Boot: "boot"}})
	s.do(&SeeWorker{Worker{Name: "w", Boot: "boot"}})
	return s
}

func (s ganger) submit() grid.JobID {
	template := []byte("a template")
	c := s.do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: 1, Universe: grid.Parallel})
	return grid.JobID{Cluster: c.Value.(Submitted).Cluster}
}

// place gives a job an attempt with its nodes on those workers, and gives its epoch.
func (s ganger) place(id grid.JobID, all bool, workers ...uint32) uint32 {
	j, _ := s.m.View().Job(id)
	g := &Gang{WaitAll: all}
	for i, w := range workers {
		g.Nodes = append(g.Nodes, GangNode{Worker: w, Slot: uint32(i + 1), Exit: Exit{Cpus: 1, MemoryMB: 64, DiskKB: 10}})
	}
	p := Placement{Job: id, Version: j.Version, Kind: OnSlot, At: workers[0], Where: "slot1_1@v", Gang: g, Attrs: []Attr{{Name: "CpusProvisioned", Expr: "1"}}}
	return s.do(&Place{List: []Placement{p}}).Value.([]uint32)[0]
}

// begin is a job whose nodes all run.
func (s ganger) begin(all bool, workers ...uint32) grid.JobID {
	id := s.submit()
	s.place(id, all, workers...)
	for i := range workers {
		s.report(id, i, AttemptReport{Kind: Started, Where: fmt.Sprintf("slot1_%d@v", i+1)})
	}
	return id
}

func (s ganger) report(id grid.JobID, node int, r AttemptReport) bool {
	j, _ := s.m.View().Job(id)
	r.Job, r.Epoch = id, grid.NodeEpoch(j.Epoch, node)
	if r.Kind == Ended && r.Verdict == TakeOver {
		r.Attrs = []Attr{text(StagedAttr, fmt.Sprint("stream ", node))}
	}
	if r.Reason == "" {
		r.Reason = "so it went"
	}
	return s.do(&Report{List: []AttemptReport{r}}).Value.([]bool)[0]
}

func (s ganger) act(id grid.JobID, verb grid.Verb) {
	s.do(&Act{Verb: verb, Runs: []grid.Run{grid.OneJob(id)}, Reason: "because", Code: grid.HoldUser, Vacate: grid.VacateUser})
}

// how is a job's status, and what its nodes are, if it has any.
func (s ganger) how(id grid.JobID) string {
	v := s.m.View()
	j, ok := v.Job(id)
	if !ok {
		return "left"
	}
	out := j.Status.String()
	if g, ok := v.Gang(id); ok {
		for i := range g.Nodes {
			out += " " + [...]string{"waits", "runs", "exits", "over"}[g.Nodes[i].State]
		}
	}
	return out
}

var (
	exit3       = AttemptReport{Kind: Ended, Verdict: Complete, Exit: Exit{Code: 3, UserMS: 10}}
	staged0     = AttemptReport{Kind: Ended, Verdict: TakeOver, Exit: Exit{UserMS: 5}}
	stoppedNode = AttemptReport{Kind: Stopped, Vacate: grid.VacateUser}
	gone        = AttemptReport{Kind: Vanished, Vacate: grid.VacateMachine, Reason: "its machine has gone"}
	delivered   = AttemptReport{Kind: Delivered}
	closes      = AttemptReport{Kind: Taken, Verdict: Complete}
	cannot      = AttemptReport{Kind: Failed, HoldCode: grid.HoldNoProcess, Reason: "there is no such program"}
)

// writeGangs makes a history of each fate of a job of several nodes, and some in the midst.
func writeGangs(t *testing.T, path string) {
	t.Helper()
	s := newGanger(t)
	ends := s.begin(false, 1, 2, 2)
	s.report(ends, 2, staged0)
	s.report(ends, 0, exit3)
	s.report(ends, 1, stoppedNode)
	s.report(ends, 2, delivered)
	s.report(ends, 0, closes)
	again := s.begin(true, 1, 2)
	s.report(again, 1, gone)
	s.report(again, 0, stoppedNode)
	s.place(again, true, 2, 1)
	s.report(again, 0, exit3)
	held := s.begin(false, 1, 2)
	s.report(held, 0, cannot)
	s.report(held, 1, stoppedNode)
	removed := s.begin(false, 2, 1)
	s.act(removed, grid.Remove)
	s.report(removed, 0, stoppedNode)
	s.report(removed, 1, gone)
	s.do(&Act{Verb: grid.Remove, Runs: []grid.Run{grid.OneJob(s.begin(false, 1))}, Reason: "because"})
	vacated := s.begin(false, 1, 1)
	s.act(vacated, grid.Vacate)
	s.report(vacated, 1, stoppedNode)
	s.place(s.submit(), false, 1, 2, 1, 2)
	s.write(path)
}

func TestWhatBecomesOfAJobOfSeveralNodes(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s ganger, id grid.JobID)
		want string
	}{
		{"node 0 exits, and the others are not over", func(s ganger, id grid.JobID) { s.report(id, 0, exit3) }, "transferring_output over runs runs"},
		{"it is not closed before they are", func(s ganger, id grid.JobID) {
			s.report(id, 0, exit3)
			s.report(id, 1, stoppedNode)
			s.report(id, 0, closes)
		}, "transferring_output over over runs"},
		{"and then it is", func(s ganger, id grid.JobID) {
			s.report(id, 0, exit3)
			s.report(id, 1, stoppedNode)
			s.report(id, 2, gone)
			s.report(id, 0, closes)
		}, "left"},
		{"another exits, which is nothing to the job", func(s ganger, id grid.JobID) { s.report(id, 1, exit3) }, "running runs over runs"},
		{"outputs are to be put in place", func(s ganger, id grid.JobID) { s.report(id, 1, staged0); s.report(id, 0, staged0) }, "transferring_output exits exits runs"},
		{"whoever staged them may be lost", func(s ganger, id grid.JobID) { s.report(id, 1, staged0); s.report(id, 1, gone) }, "running runs exits runs"},
		{"outputs that cannot be put in place hold it", func(s ganger, id grid.JobID) {
			s.report(id, 1, staged0)
			s.report(id, 1, AttemptReport{Kind: Delivered, Verdict: Park, HoldCode: grid.HoldOutput})
			s.report(id, 0, stoppedNode)
			s.report(id, 2, stoppedNode)
		}, "held"},
		{"one is lost", func(s ganger, id grid.JobID) { s.report(id, 1, gone) }, "running runs over runs"},
		{"and the others have ended for it", func(s ganger, id grid.JobID) {
			s.report(id, 1, gone)
			s.report(id, 0, exit3)
			s.report(id, 2, stoppedNode)
		}, "idle"},
		{"one cannot run", func(s ganger, id grid.JobID) {
			s.report(id, 1, cannot)
			s.report(id, 0, stoppedNode)
			s.report(id, 2, gone)
		}, "held"},
		{"it is held, and its nodes live", func(s ganger, id grid.JobID) {
			s.act(id, grid.Hold)
			s.report(id, 0, stoppedNode)
			s.act(id, grid.Release)
		}, "held over runs runs"},
		{"it is held, and released when they are over", func(s ganger, id grid.JobID) {
			s.act(id, grid.Hold)
			s.report(id, 0, stoppedNode)
			s.report(id, 1, exit3)
			s.report(id, 2, gone)
			s.act(id, grid.Release)
		}, "idle"},
		{"it is held while outputs wait", func(s ganger, id grid.JobID) {
			s.report(id, 0, staged0)
			s.act(id, grid.Hold)
			s.report(id, 1, stoppedNode)
			s.report(id, 2, stoppedNode)
			s.report(id, 0, delivered)
		}, "held"},
		{"it is removed", func(s ganger, id grid.JobID) {
			s.act(id, grid.Remove)
			s.report(id, 0, stoppedNode)
			s.report(id, 1, stoppedNode)
			s.report(id, 2, stoppedNode)
		}, "left"},
		{"it is removed by force", func(s ganger, id grid.JobID) {
			s.act(id, grid.Remove)
			s.do(&Act{Verb: grid.Remove, Runs: []grid.Run{grid.OneJob(id)}, Reason: "because", Force: true})
		}, "left"},
		{"it is vacated", func(s ganger, id grid.JobID) {
			s.act(id, grid.Vacate)
			s.report(id, 0, stoppedNode)
			s.report(id, 1, stoppedNode)
			s.report(id, 2, stoppedNode)
		}, "idle"},
		{"node 0 exits for that by itself", func(s ganger, id grid.JobID) { s.act(id, grid.Vacate); s.report(id, 0, exit3) }, "transferring_output over runs runs"},
		{"one that is run_once is vacated", func(s ganger, id grid.JobID) {
			s.act(id, grid.Vacate)
			s.report(id, 0, cannot)
			s.report(id, 1, cannot)
			s.report(id, 2, cannot)
		}, "held"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newGanger(t)
			id := s.begin(false, 1, 2, 2)
			c.do(s, id)
			if got := s.how(id); got != c.want {
				t.Errorf("it is %s, not %s", got, c.want)
			}
			copied := filepath.Join(t.TempDir(), FileName)
			s.write(copied)
			m, err := OpenMachine(copied, Options{})
			must(t, err)
			defer m.Close()
			s.m = m
			if got := s.how(id); got != c.want {
				t.Errorf("read again it is %s, not %s", got, c.want)
			}
		})
	}
}

// Whatever is reported and done: a job of several nodes has a placement exactly as long as
// one of its nodes is not over, and no second one begins before.
func TestAGangIsOnePlacementFromItsFirstNodeToItsLast(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		m, err := OpenMachine(filepath.Join(dir, fmt.Sprint(n)), Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		at := int64(1_700_000_000_000)
		do := func(b Body) any {
			at += 1000
			return apply(m, Command{At: at, By: "schedd", Body: b}).Value
		}
		do(&Begin{Deployment: "5f0c", Rules: Rules})
		do(&SeeWorker{Worker{Name: "v", Boot: "b"}})
		template := []byte("a template")
		do(&Submit{Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: 2, Universe: grid.Parallel})
		id := grid.JobID{Cluster: 1, Proc: rapid.Int32Range(0, 1).Draw(t, "proc")}
		var alive []bool // by node, of the attempt that there is
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			j, queued := m.View().Job(id)
			if !queued {
				break
			}
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1:
				g := &Gang{WaitAll: rapid.Bool().Draw(t, "all"), Nodes: make([]GangNode, rapid.IntRange(1, 3).Draw(t, "nodes"))}
				for i := range g.Nodes {
					g.Nodes[i].Worker = 1
				}
				epoch := do(&Place{List: []Placement{{Job: id, Version: j.Version, Kind: OnSlot, At: 1, Gang: g}}}).([]uint32)[0]
				if epoch == 0 {
					break
				}
				if slices.Contains(alive, true) {
					t.Fatalf("a second placement while nodes of the first live: %v", alive)
				}
				alive = slices.Repeat([]bool{true}, len(g.Nodes))
			case 2:
				verb := rapid.SampledFrom([]grid.Verb{grid.Hold, grid.Release, grid.Remove, grid.Vacate, grid.Suspend, grid.Continue}).Draw(t, "verb")
				do(&Act{Verb: verb, Runs: []grid.Run{grid.OneJob(id)}, Code: grid.HoldUser, Vacate: grid.VacateUser})
			default:
				node := rapid.IntRange(0, 3).Draw(t, "node")
				r := AttemptReport{
					Job: id, Epoch: grid.NodeEpoch(j.Epoch, node), Kind: rapid.SampledFrom([]ReportKind{Started, Started, Ended, Taken, Stopped, Failed, Vanished, Skipped, Saved, Delivered}).Draw(t, "kind"),
					Verdict: rapid.SampledFrom([]Verdict{TakeOver, Complete, Keep, Again, Park}).Draw(t, "verdict"), HoldCode: grid.HoldOutput,
				}
				if rapid.IntRange(0, 9).Draw(t, "late") == 0 {
					r.Epoch++
				}
				before, _ := m.View().Gang(id)
				counted := do(&Report{List: []AttemptReport{r}}).([]bool)[0]
				if !counted || r.Kind == Taken {
					break
				}
				if before == nil || node >= len(alive) || !alive[node] || r.Epoch != grid.NodeEpoch(j.Epoch, node) {
					t.Fatalf("a report of %s counted for node %d of %v", fmt.Sprint(r.Kind), node, alive)
				}
				switch after, still := m.View().Gang(id); {
				case !still:
					alive[node] = false
				default:
					alive[node] = after.Nodes[node].State != GangOver
				}
			}
			j, queued = m.View().Job(id)
			g, placed := m.View().Gang(id)
			if want := queued && j.Place == OnSlot && j.Flags&Several != 0; placed != want || queued && (j.Place == OnSlot) != placed {
				t.Fatalf("the job is %s at %s with flags %b, and it has a gang: %v", j.Status, j.Place, j.Flags, placed)
			}
			if !placed && slices.Contains(alive, true) {
				t.Fatalf("its placement has ended, and of its nodes live %v", alive)
			}
			if placed && g.Done() { // the job has ended by itself, which its policies are asked about before it is closed
				closes := rapid.Bool().Draw(t, "closes")
				if j.Status != grid.TransferringOutput && j.Status != grid.Held && j.Status != grid.Removed || closes && !do(&Report{List: []AttemptReport{{Job: id, Epoch: j.Epoch, Kind: Taken, Verdict: Complete}}}).([]bool)[0] {
					t.Fatalf("nothing is left of its nodes, and it is %s and cannot be closed", j.Status)
				}
			}
		}
		if found, err := m.Check(3); err != nil || len(found) > 0 {
			t.Fatal(found, err)
		}
	})
}
