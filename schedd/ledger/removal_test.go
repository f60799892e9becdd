package ledger

import (
	"path/filepath"
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
