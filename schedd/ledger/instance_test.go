package ledger

import (
	"path/filepath"
	"testing"

	"gridburst/internal/grid"
)

// Each execution that ended without its job's leaving is kept once, the latest of a job
// only, for as long as the job's record is; by older rules none is.
func TestExecutionsThatHaveEndedAreKeptAsLongAsTheirJob(t *testing.T) {
	m, err := OpenMachine(filepath.Join(t.TempDir(), FileName), Options{NoSync: true})
	must(t, err)
	defer m.Close()
	at := int64(1000)
	do := func(b Body) any {
		t.Helper()
		at += 1000
		r := apply(m, Command{At: at, By: "u", Body: b})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r.Value
	}
	kept := func(id grid.JobID) (epochs []uint32) {
		t.Helper()
		must(t, m.Read(func(r *Reader) error {
			for i, err := range r.Instances(grid.JobID{}, 0) {
				must(t, err)
				if i.Job == id {
					epochs = append(epochs, i.Epoch)
				}
			}
			return nil
		}))
		return epochs
	}
	template := []byte("t")
	submit := func() grid.JobID {
		c := do(&Submit{Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: 1})
		return grid.JobID{Cluster: c.(Submitted).Cluster}
	}
	place := func(id grid.JobID) uint32 {
		j, _ := m.View().Job(id)
		return do(&Place{List: []Placement{{Job: id, Version: j.Version, Kind: OnSlot, At: 1, Attrs: []Attr{{Name: "RemoteHost", Expr: `"h"`}}}}}).([]uint32)[0]
	}
	report := func(id grid.JobID, epoch uint32, kind ReportKind, v Verdict) {
		do(&Report{List: []AttemptReport{{Job: id, Epoch: epoch, Kind: kind, Verdict: v, Vacate: grid.VacateStarter, Reason: "why", Exit: Exit{WallMS: 3000}}}})
	}
	do(&Begin{Deployment: "d", Rules: 2})
	do(&SeeWorker{Worker{Name: "w"}})
	old := submit()
	report(old, place(old), Stopped, 0)
	if n := kept(old); len(n) != 0 {
		t.Errorf("by the older rules there are %v", n)
	}
	do(&Begin{Deployment: "d", Rules: 3})
	id := submit()
	for range keepInstances + 5 {
		e := place(id)
		report(id, e, Started, 0)
		report(id, e, Stopped, 0)
		report(id, e, Stopped, 0) // told twice
	}
	epochs := kept(id)
	if len(epochs) != keepInstances || epochs[0] != keepInstances+5 || epochs[keepInstances-1] != 6 {
		t.Errorf("%d are kept: %v", len(epochs), epochs)
	}
	must(t, m.Read(func(r *Reader) error {
		i, ok, err := r.Instance(id, 8)
		must(t, err)
		if !ok || i.Rec.Epoch != 8 || i.Rec.Starts != 8 || i.Rec.Wall != 24 || i.Rec.Status != grid.Idle || find(i.Attrs, "VacateReason") != `"why"` || i.Ended == 0 {
			t.Errorf("the eighth is %+v, %v", i, ok)
		}
		return nil
	}))
	// An attempt that ends after its job was held is told as held; one that takes its job
	// along is the job's own record.
	e := place(id)
	do(&Act{Verb: grid.Hold, Runs: []grid.Run{grid.OneJob(id)}, Code: grid.HoldUser})
	report(id, e, Stopped, 0)
	if n := kept(id); n[0] != e {
		t.Errorf("the last that is kept is %d", n[0])
	}
	do(&Act{Verb: grid.Release, Runs: []grid.Run{grid.OneJob(id)}})
	e = place(id)
	report(id, e, Ended, Complete)
	if n := kept(id); n[0] != e-1 {
		t.Errorf("after its end the last that is kept is %d", n[0])
	}
	do(&Expire{Before: at + 1, Max: 10})
	if n := kept(id); len(n) != 0 {
		t.Errorf("of a job that is forgotten there are %v", n)
	}
	if n := kept(old); len(n) != 0 {
		t.Errorf("of the old job there are %v", n)
	}
	found, err := m.Check(5)
	must(t, err)
	if len(found) > 0 {
		t.Errorf("the check finds %v", found)
	}
}

// What was removed with everything is in the history at the time of that, whenever it is
// moved there.
func TestARemovalOfAllIsTheTimeOfLeaving(t *testing.T) {
	for rules, want := range map[uint32]int64{2: 9000, 3: 2000} {
		m, err := OpenMachine(filepath.Join(t.TempDir(), FileName), Options{NoSync: true})
		must(t, err)
		defer m.Close()
		template := []byte("t")
		apply(m, Command{At: 1000, By: "u", Body: &Begin{Deployment: "d", Rules: rules}})
		apply(m, Command{At: 1000, By: "u", Body: &Submit{Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: 3}})
		apply(m, Command{At: 2000, By: "u", Body: &RemoveAll{Reason: "all"}})
		c, ok := m.View().Leaving(1)
		if at := m.View().LeftAt(1, &c); !ok || at != 2000 {
			t.Errorf("rules %d: it left at %d", rules, at)
		}
		apply(m, Command{At: 9000, By: "u", Body: &Clear{Max: 10}})
		must(t, m.Read(func(r *Reader) error {
			p, ok, err := r.Past(grid.JobID{Cluster: 1, Proc: 1})
			must(t, err)
			if !ok || p.Left != want {
				t.Errorf("rules %d: in the history it left at %d, not %d", rules, p.Left, want)
			}
			return nil
		}))
	}
}
