package pool

import (
	"slices"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/router"
)

var t0 = time.Unix(1_700_000_000, 0)

func info(name string, attrs map[string]string) Info {
	a := map[string]string{"Cpus": "4", "Memory": "1000", "Disk": "5000", "Arch": `"X86_64"`}
	for k, v := range attrs {
		a[k] = v
	}
	return Info{Name: name, Attrs: a}
}

func connect(t *testing.T, p *Pool, id uint32, i Info) {
	t.Helper()
	if err := p.Connect(id, i, t0); err != nil {
		t.Fatal(err)
	}
}

func TestPartsAreGivenAndTakenBack(t *testing.T) {
	p := New()
	connect(t, p, 1, info("w1", nil))
	job := grid.JobID{Cluster: 1}
	part := Part{Epoch: 2, Owner: 7, Resources: router.Resources{Cpus: 3, MemoryMB: 100}}
	p.Give(1, job, part, t0)
	p.Give(1, job, part, t0) // told twice
	if s := p.Slots(Pooled, false); len(s) != 1 || s[0].Free != (router.Resources{Cpus: 1, MemoryMB: 900, DiskKB: 5000}) {
		t.Errorf("slots %+v", s)
	}
	if u := p.Usage(); u[7] != 3 {
		t.Errorf("usage %v", u)
	}
	p.Take(1, job, 1, time.Now()) // of an older attempt
	if s, _ := p.Worker(1); s.Free.Cpus != 1 {
		t.Error("an old attempt gave back the part of a new one")
	}
	p.Take(1, job, 2, time.Now())
	if s, _ := p.Worker(1); s.Free.Cpus != 4 || len(s.Jobs) != 0 {
		t.Errorf("after: %+v", s)
	}
	// Placements may be known before their worker has come back.
	p.Give(9, job, part, t0)
	connect(t, p, 9, info("w9", nil))
	if s, _ := p.Worker(9); s.Free.Cpus != 1 {
		t.Errorf("a worker that came late: %+v", s)
	}
}

func TestOnlyWorkersThatAreThereOfferSlots(t *testing.T) {
	p := New()
	connect(t, p, 1, info("w1", nil))
	connect(t, p, 2, info("w2", nil))
	local := info("here", nil)
	local.Local = true
	connect(t, p, 3, local)
	p.Disconnect(1, t0.Add(time.Second))
	p.Drain(2, true)
	if s := p.Slots(Pooled, false); len(s) != 0 {
		t.Errorf("slots %+v", s)
	}
	if s := p.Slots(Pooled, true); len(s) != 1 || s[0].ID != 2 {
		t.Errorf("all slots %+v", s)
	}
	if s := p.Slots(Locals, false); len(s) != 1 || s[0].ID != 3 {
		t.Errorf("local slots %+v", s)
	}
	if w, _ := p.Worker(1); w.Connected || !w.Since.Equal(t0.Add(time.Second)) {
		t.Errorf("the lost worker: %+v", w)
	}
	p.Drain(2, false)
	<-p.Changed()
	if s := p.Slots(Pooled, false); len(s) != 1 {
		t.Errorf("slots %+v", s)
	}
}

func TestClassesAreWhatJobsLookAt(t *testing.T) {
	p := New()
	connect(t, p, 1, info("w1", map[string]string{"Rack": "1"}))
	connect(t, p, 2, info("w2", map[string]string{"Rack": "2"}))
	connect(t, p, 3, info("w3", map[string]string{"Start": `TARGET.Owner != "eve"`}))
	classes := func() (ids []uint32) {
		for _, s := range p.Slots(Pooled, true) {
			ids = append(ids, s.Class.ID)
		}
		return ids
	}
	if c := classes(); c[0] != c[1] || c[1] == c[2] {
		t.Errorf("classes %v: machines that only differ in what nobody looks at are alike", c)
	}
	p.Look(map[string]bool{"rack": true})
	if c := classes(); c[0] == c[1] {
		t.Errorf("classes %v: jobs look at the rack", c)
	}
	p.Look(map[string]bool{"*": true})
	if c := classes(); c[0] == c[1] || c[1] == c[2] {
		t.Errorf("classes %v", c)
	}
	if h := p.Heeds(); !slices.Contains(h, "owner") {
		t.Errorf("slots look at %v", h)
	}
	if a := p.Ad(1); a.Text("Name") != "slot1@w1" || a.Int("Cpus", 0) != 4 || a.Text("Machine") != "w1" {
		t.Errorf("ad:\n%s", a.AppendLong(nil))
	}
	if err := p.Connect(4, info("w4", map[string]string{"Start": "1 +"}), t0); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("a START that is no expression: %v", err)
	}
}

func TestMachineThatCameBeforeTheFirstJobKeepsItsRequirements(t *testing.T) {
	p := New()
	connect(t, p, 1, info("w1", map[string]string{"Requirements": "START && Big", "Big": "true"}))
	p.Look(map[string]bool{"arch": true})
	connect(t, p, 2, info("w2", map[string]string{"Requirements": "START && Big", "Big": "true"}))
	for _, s := range p.Slots(Pooled, false) {
		for _, name := range []string{"Requirements", "Start", "Big", "Arch"} {
			if !s.Class.Ad.Has(name) {
				t.Errorf("what jobs see of %d lacks %s", s.ID, name)
			}
		}
	}
}
