package ledger

import (
	"path/filepath"
	"slices"
	"testing"

	"gridburst/internal/grid"
)

// A removal of everything is one entry, is seen at once, leaves alone what runs and what
// comes later, and goes on in steps, also after the file was opened again.
func TestRemovalOfAllIsSeenAtOnceAndCarriedOutInSteps(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	m, err := OpenMachine(path, Options{NoSync: true})
	must(t, err)
	apply(m, Command{At: 1000, By: "u", Body: &SeeWorker{Worker{Name: "w"}}})
	template := []byte("t")
	submit := func(uid uint32, procs int32) int32 {
		r := apply(m, Command{At: 1000, By: "u", Body: &Submit{Owner: Owner{Name: "a", UID: uid}, Template: template, Hash: HashTemplate(template), Procs: procs, Own: []byte("own")}})
		return r.Value.(Submitted).Cluster
	}
	const clusters = 50
	for range clusters {
		submit(1, 3)
	}
	large := submit(1, 100)
	apply(m, Command{At: 1000, By: "u", Body: &Act{Verb: grid.Hold, Runs: []grid.Run{{Cluster: large, Lo: 10, Hi: 90}}, Reason: "held"}})
	runs, others := submit(1, 2), submit(2, 4)
	apply(m, Command{At: 1000, By: "u", Body: &Place{List: []Placement{{Job: grid.JobID{Cluster: runs, Proc: 1}, Version: 1, Kind: OnSlot, At: 1}}}})
	first, _ := m.View().Cluster(1)

	removed := apply(m, Command{At: 2000, By: "u", Body: &RemoveAll{Owner: first.Owner, Reason: "all"}}).Value.(Removing)
	if want := (Removing{Jobs: 3*clusters + 100, Last: others}); removed != want {
		t.Fatalf("removed %+v, want %+v", removed, want)
	}
	later := submit(1, 1)
	check := func(leaving int) {
		t.Helper()
		v := m.View()
		var seen []int32
		for id := range v.Clusters(0) {
			seen = append(seen, id)
		}
		if len(seen) != 3 || seen[0] != runs || seen[1] != others || seen[2] != later {
			t.Fatalf("in the queue are %v", seen)
		}
		if n, tally := v.LeavingJobs(), v.Tally(0); n != leaving || tally.Total() != 2+4+1 {
			t.Fatalf("%d jobs are leaving, want %d; %d in the queue", n, leaving, tally.Total())
		}
		if _, ok := v.Job(grid.JobID{Cluster: large, Proc: 5}); ok {
			t.Fatal("a removed job is in the queue")
		}
		damage, err := m.Check(10)
		must(t, err)
		if len(damage) > 0 {
			t.Fatalf("damage %v", damage)
		}
	}
	left := int(removed.Jobs)
	check(left)
	for steps := 0; left > 0; steps++ {
		must(t, m.Close())
		m, err = OpenMachine(path, Options{NoSync: true})
		must(t, err)
		check(left)
		r := apply(m, Command{At: 3000, By: "schedd", Body: &Clear{Max: 7}})
		if now := int(r.Value.(int32)); now >= left || steps > 60 {
			t.Fatalf("after step %d: %d are left, and %d were", steps, now, left)
		} else {
			left = now
		}
	}
	check(0)
	count := func() (jobs int) {
		must(t, m.Read(func(r *Reader) error {
			last := int64(1 << 60)
			for p, err := range r.History(PastQuery{Owners: []uint32{first.Owner}}) {
				must(t, err)
				if p.Left > last || p.Job.Status != grid.Removed {
					t.Errorf("%v: %v at %d, behind %d", p.Run, p.Job.Status, p.Left, last)
				}
				last = p.Left
				jobs += p.Run.Len()
			}
			return nil
		}))
		return jobs
	}
	if n := count(); n != int(removed.Jobs) {
		t.Errorf("%d jobs are in the history", n)
	}

	// What is forgotten leaves nothing behind that only it had use for.
	for dropped := 1; dropped > 0; {
		dropped = apply(m, Command{At: 4000, By: "schedd", Body: &Expire{Before: 3500, Max: 20}}).Value.(int)
	}
	if n := count(); n != 0 {
		t.Errorf("%d jobs are in the history still", n)
	}
	must(t, m.Read(func(r *Reader) error {
		own := 0
		c := r.bucket(bOwn).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			own++
		}
		if own != 3 {
			t.Errorf("%d clusters' own data are kept, of 3 in the queue", own)
		}
		if !r.HasTemplate(HashTemplate(template)) {
			t.Error("a template that is in use was dropped")
		}
		return nil
	}))
	check(0)
	must(t, m.Close())
}

// The jobs of a cluster of which every other one has left move in steps too, and each once.
func TestRemovalOfJobsBetweenOthersIsBounded(t *testing.T) {
	const procs, step = 400, 30
	m, err := OpenMachine(filepath.Join(t.TempDir(), FileName), Options{NoSync: true})
	must(t, err)
	defer m.Close()
	template := []byte("t")
	var gone, several []grid.Run
	for proc := int32(0); proc < procs; proc += 2 {
		gone = append(gone, grid.OneJob(grid.JobID{Cluster: 1, Proc: proc}))
	}
	for cluster := range int32(10) { // each of two stretches
		several = append(several, grid.OneJob(grid.JobID{Cluster: cluster + 2, Proc: 5}))
	}
	for _, n := range append([]int32{procs}, slices.Repeat([]int32{10}, len(several))...) {
		apply(m, Command{At: 1, By: "u", Body: &Submit{Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: n, Own: []byte("own")}})
	}
	apply(m, Command{At: 2, By: "u", Body: &Act{Verb: grid.Remove, Runs: append(gone, several...)}})
	left := int(apply(m, Command{At: 3, By: "u", Body: &RemoveAll{}}).Value.(Removing).Jobs)
	if left != procs/2+9*len(several) {
		t.Fatalf("%d jobs were removed", left)
	}
	for left > 0 {
		after := m.View().Index
		now := int(apply(m, Command{At: 4, By: "schedd", Body: &Clear{Max: step, Gaps: true}}).Value.(int32))
		events, _, err := m.Events(t.Context(), after, 1)
		must(t, err)
		if now >= left || len(events) > 2*(step+1) { // a removal has two for each
			t.Fatalf("%d were left and %d are, in %d events", left, now, len(events))
		}
		left = now
	}
	seen := map[grid.JobID]bool{}
	must(t, m.Read(func(r *Reader) error {
		for p, err := range r.PastByID(0) {
			must(t, err)
			for proc := p.Run.Lo; proc < p.Run.Hi; proc++ {
				id := grid.JobID{Cluster: p.Run.Cluster, Proc: proc}
				if seen[id] || p.Job.Status != grid.Removed {
					t.Errorf("%s: %v, again %v", id, p.Job.Status, seen[id])
				}
				seen[id] = true
			}
		}
		return nil
	}))
	if len(seen) != procs+10*len(several) {
		t.Errorf("%d jobs are in the history", len(seen))
	}
	damage, err := m.Check(3)
	must(t, err)
	if tally := m.View().Tally(0); len(damage) > 0 || tally.Total() != 0 {
		t.Errorf("damage %v, in the queue are %v", damage, tally)
	}
}
