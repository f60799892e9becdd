package burst

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
)

func job(cluster int32) router.Job {
	return router.Job{ID: grid.JobID{Cluster: cluster}, Version: 1}
}

func group(t interface{ Fatal(...any) }, id uint32, attrs map[string]string) *router.Group {
	a := ad.New(8)
	for name, expr := range attrs {
		if err := a.Set(name, expr); err != nil {
			t.Fatal(err)
		}
	}
	if !a.Has("Requirements") {
		a.SetBool("Requirements", true)
	}
	return &router.Group{ID: id, Ad: a}
}

func class(t interface{ Fatal(...any) }, id uint32, attrs map[string]string) *router.Class {
	g := group(t, id, attrs)
	return &router.Class{ID: id, Ad: g.Ad}
}

var now = ad.At(time.Unix(1_700_000_000, 0))

func world(t testing.TB, jobs int, room int) *Input {
	q := router.Queue{Owner: 1, Group: group(t, 1, map[string]string{"RequestCpus": "1", "RequestMemory": "500"})}
	for i := range jobs {
		q.Jobs = append(q.Jobs, job(int32(i+1)))
	}
	return &Input{
		Now: now, Queues: []router.Queue{q},
		Shapes: []Shape{{
			Class: class(t, 9, map[string]string{"OpSys": `"LINUX"`}), Offer: router.Resources{Cpus: 2, MemoryMB: 2000, DiskKB: 1 << 20},
			Room: room, Idle: time.Minute,
		}},
	}
}

func TestMachinesAreWantedForWhatIsLeft(t *testing.T) {
	slot := func(cpus int64) router.Slot {
		r := router.Resources{Cpus: cpus, MemoryMB: 8000, DiskKB: 1 << 20}
		return router.Slot{ID: 1, Class: class(t, 5, nil), Total: r, Free: r}
	}
	for _, c := range []struct {
		name  string
		jobs  int
		room  int
		with  func(*Input)
		want  int
		unmet int
		other func(*testing.T, Decision)
	}{
		{name: "nobody waits", room: 9},
		{name: "two jobs share a machine of two cpus", jobs: 5, room: 9, want: 3},
		{name: "the cap holds, and what it costs is told", jobs: 50, room: 2, want: 2, unmet: 46},
		{name: "no machine could run the job", jobs: 3, room: 9, with: func(in *Input) {
			in.Queues[0].Group = group(t, 2, map[string]string{"RequestMemory": "1048576"})
		}},
		{name: "the job's requirements name what the machine is not", jobs: 3, room: 9, with: func(in *Input) {
			in.Queues[0].Group = group(t, 3, map[string]string{"Requirements": `TARGET.OpSys == "WINDOWS"`})
		}},
		{name: "busy slots will be free before a machine is up", jobs: 6, room: 9, want: 0, with: func(in *Input) {
			in.Busy = []Busy{{Slot: slot(2), Turns: 3}}
		}},
		{name: "busy slots serve some", jobs: 6, room: 9, want: 2, with: func(in *Input) {
			in.Busy = []Busy{{Slot: slot(2), Turns: 1}}
		}},
		{name: "nobody can say when busy slots are free", jobs: 2, room: 9, want: 1, with: func(in *Input) {
			in.Busy = []Busy{{Slot: slot(2)}}
		}},
		{name: "a machine on its way has room", jobs: 3, room: 9, want: 1, with: func(in *Input) {
			in.Starting = []Starting{{Claim: 7, Free: router.Resources{Cpus: 1, MemoryMB: 1000, DiskKB: 1 << 20}}}
		}, other: func(t *testing.T, d Decision) {
			if len(d.Bind) != 1 || d.Bind[0].Claim != 7 || len(d.Bind[0].Jobs) != 1 {
				t.Errorf("bound %v", d.Bind)
			}
		}},
		{name: "a drain is taken back first", jobs: 2, room: 9, want: 0, with: func(in *Input) {
			in.Members = []Member{{Claim: 4, Slot: slot(2), Draining: true, Idle: time.Hour}}
		}, other: func(t *testing.T, d Decision) {
			if !slices.Equal(d.Undrain, []uint32{4}) || len(d.Drain) > 0 {
				t.Errorf("undrained %v, drained %v", d.Undrain, d.Drain)
			}
		}},
		{name: "idle machines go, busy ones and the smallest number stay", room: 9, with: func(in *Input) {
			in.Shapes[0].Min = 1
			in.Members = []Member{
				{Claim: 1, Slot: slot(2), Idle: 2 * time.Minute},
				{Claim: 2, Slot: slot(2), Idle: 30 * time.Second},
				{Claim: 3, Slot: slot(2)},
				{Claim: 4, Shape: -1, Slot: slot(2), Idle: time.Second},
			}
		}, other: func(t *testing.T, d Decision) {
			if slices.Sort(d.Drain); !slices.Equal(d.Drain, []uint32{1, 4}) {
				t.Errorf("drained %v", d.Drain)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := world(t, c.jobs, c.room)
			if c.with != nil {
				c.with(in)
			}
			d := Decide(in, router.NewMatcher())
			if len(d.Want) != c.want || d.Unmet != c.unmet {
				t.Errorf("wanted %d machines with %d jobs unmet, not %d and %d", len(d.Want), d.Unmet, c.want, c.unmet)
			}
			if c.other != nil {
				c.other(t, d)
			}
		})
	}
}

// Machines are there before anybody needs them, as many as are to be, and no more.
func TestMachinesAreStartedAhead(t *testing.T) {
	in := world(t, 0, 9)
	in.Shapes[0].Min = 5
	in.Shapes[0].Silent = 1
	in.Starting = []Starting{{Claim: 1}}
	in.Members = []Member{{Claim: 2, Idle: time.Hour}, {Claim: 3, Idle: time.Hour, Draining: true}}
	d := Decide(in, router.NewMatcher())
	if len(d.Want) != 1 || len(d.Want[0].Jobs) != 0 || !slices.Equal(d.Undrain, []uint32{3}) || len(d.Drain) > 0 {
		t.Errorf("one is on its way, two are there and one is not heard, of five: %+v", d)
	}
	in.Shapes[0].Room = 0
	if d := Decide(in, router.NewMatcher()); len(d.Want) > 0 {
		t.Errorf("there is no room: %+v", d)
	}
	in.Shapes[0].Min, in.Shapes[0].Room = 1, 9
	if d := Decide(in, router.NewMatcher()); len(d.Want)+len(d.Undrain) > 0 {
		t.Errorf("there are enough: %+v", d)
	}
	// Those that are wanted for jobs count.
	in = world(t, 4, 9)
	in.Shapes[0].Min = 3
	if d := Decide(in, router.NewMatcher()); len(d.Want) != 3 || len(d.Want[1].Jobs) != 2 || len(d.Want[2].Jobs) != 0 {
		t.Errorf("two are for jobs, of three: %+v", d)
	}
}

func TestLaterShapesTakeWhatEarlierOnesCannot(t *testing.T) {
	in := world(t, 4, 1)
	in.Shapes = append(in.Shapes, Shape{Class: class(t, 10, nil), Offer: router.Resources{Cpus: 4, MemoryMB: 9000, DiskKB: 1 << 20}, Room: 3})
	d := Decide(in, router.NewMatcher())
	if len(d.Want) != 2 || d.Want[0].Shape != 0 || d.Want[1].Shape != 1 || len(d.Want[1].Jobs) != 2 {
		t.Fatalf("wanted %v", d.Want)
	}
}

// What is decided stays within every cap, gives no job twice, and gives a machine
// nothing that does not fit it.
func TestDecisionsAreWithinTheirBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := world(t, rapid.IntRange(0, 30).Draw(rt, "jobs"), rapid.IntRange(-1, 8).Draw(rt, "room"))
		for i := range rapid.IntRange(0, 3).Draw(rt, "starting") {
			in.Starting = append(in.Starting, Starting{
				Claim: uint32(i + 1),
				Free:  router.Resources{Cpus: rapid.Int64Range(0, 2).Draw(rt, "free"), MemoryMB: 2000, DiskKB: 1 << 20},
			})
		}
		for i := range rapid.IntRange(0, 4).Draw(rt, "members") {
			r := router.Resources{Cpus: 2, MemoryMB: 2000, DiskKB: 1 << 20}
			in.Members = append(in.Members, Member{
				Claim: uint32(100 + i), Slot: router.Slot{ID: uint32(100 + i), Class: in.Shapes[0].Class, Total: r, Free: r},
				Idle: time.Duration(rapid.IntRange(0, 120).Draw(rt, "idle")) * time.Second, Draining: rapid.Bool().Draw(rt, "draining"),
			})
		}
		before := len(in.Queues[0].Jobs)
		in.Shapes[0].Min = rapid.IntRange(0, 5).Draw(rt, "min")
		d := Decide(in, router.NewMatcher())
		if len(in.Queues[0].Jobs) != before {
			rt.Fatal("the input was changed")
		}
		if len(d.Want) > max(in.Shapes[0].Room, 0) {
			rt.Fatalf("%d machines with room for %d", len(d.Want), in.Shapes[0].Room)
		}
		seen := map[grid.JobID]bool{}
		count := func(jobs []router.Job, cpus int64) {
			if int64(len(jobs)) > cpus {
				rt.Fatalf("%d jobs of one cpu for %d cpus", len(jobs), cpus)
			}
			for _, j := range jobs {
				if seen[j.ID] {
					rt.Fatalf("job %s is given twice", j.ID)
				}
				seen[j.ID] = true
			}
		}
		for _, w := range d.Want {
			count(w.Jobs, 2)
		}
		for _, b := range d.Bind {
			count(b.Jobs, in.Starting[b.Claim-1].Free.Cpus)
		}
		for _, id := range d.Drain {
			if slices.Contains(d.Undrain, id) {
				rt.Fatalf("claim %d is drained and kept", id)
			}
		}
	})
}
