package router

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

func adOf(t interface{ Fatalf(string, ...any) }, attrs ...string) *ad.Ad {
	a := ad.New(len(attrs))
	for _, line := range attrs {
		name, expr, _ := strings.Cut(line, "=")
		if err := a.Set(strings.TrimSpace(name), expr); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return a
}

const now = ad.Instant(1_700_000_000)

// world is a small pool.
type world struct {
	*testing.T
	classes []*Class
	in      Input
}

func (w *world) class(attrs ...string) *Class {
	c := &Class{ID: uint32(len(w.classes) + 1), Ad: adOf(w, attrs...)}
	w.classes = append(w.classes, c)
	return c
}

func (w *world) slot(c *Class, cpus, memory int64) {
	r := Resources{Cpus: cpus, MemoryMB: memory, DiskKB: 1 << 20}
	w.in.Slots = append(w.in.Slots, Slot{ID: uint32(len(w.in.Slots) + 1), Class: c, Total: r, Free: r})
}

// queue adds n jobs of an owner, numbered from cluster on.
func (w *world) queue(owner uint32, cluster int32, n int, prio int32, attrs ...string) {
	g := &Group{ID: uint32(len(w.in.Queues) + 1), Ad: adOf(w, attrs...)}
	q := Queue{Owner: owner, Group: g}
	for i := range n {
		q.Jobs = append(q.Jobs, Job{ID: grid.JobID{Cluster: cluster, Proc: int32(i)}, Version: 1, Prio: prio})
	}
	w.in.Queues = append(w.in.Queues, q)
}

func (w *world) assigned() string {
	w.in.Now = now
	var out []string
	for _, a := range Cycle(&w.in, NewMatcher()).Assign {
		out = append(out, fmt.Sprintf("%s@%d", a.Job.ID, w.in.Slots[a.Slot].ID))
	}
	return strings.Join(out, " ")
}

const yes = "Requirements = true"

func TestCycle(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*world)
		want string
	}{
		"jobs take their parts of a slot until it is full": {func(w *world) {
			w.slot(w.class(yes), 4, 1000)
			w.queue(1, 1, 9, 0, yes, "RequestCpus = 2", "RequestMemory = 300")
		}, "1.0@1 1.1@1"},
		"larger priority goes first, then the older": {func(w *world) {
			w.slot(w.class(yes), 3, 1000)
			w.queue(1, 3, 1, 0, yes)
			w.queue(1, 2, 1, 0, yes, "X = 1")
			w.queue(1, 9, 1, 5, yes, "X = 2")
		}, "9.0@1 2.0@1 3.0@1"},
		"a job that nothing takes holds up nobody": {func(w *world) {
			w.slot(w.class(yes), 1, 1000)
			w.queue(1, 1, 5, 9, "Requirements = TARGET.Memory > 5000")
			w.queue(1, 2, 1, 0, yes)
		}, "2.0@1"},
		"owners share, whoever came first": {func(w *world) {
			w.slot(w.class(yes), 4, 1000)
			w.queue(1, 1, 4, 9, yes)
			w.queue(2, 5, 4, 0, yes)
		}, "1.0@1 5.0@1 1.1@1 5.1@1"},
		"who uses much already waits": {func(w *world) {
			w.slot(w.class(yes), 3, 1000)
			w.queue(1, 1, 4, 0, yes)
			w.queue(2, 5, 2, 0, yes)
			w.in.Usage = map[uint32]int64{1: 2}
		}, "5.0@1 5.1@1 1.0@1"},
		"nice jobs give way to all others": {func(w *world) {
			w.slot(w.class(yes), 4, 1000)
			w.queue(1, 1, 2, 9, yes)
			w.in.Queues[0].Group.Nice = true
			w.queue(2, 2, 2, 0, yes)
			w.queue(1, 3, 1, -5, yes)
			w.in.Usage = map[uint32]int64{2: 100}
		}, "3.0@1 2.0@1 2.1@1 1.0@1"},
		"rank chooses the slot": {func(w *world) {
			w.slot(w.class(yes, "KFlops = 10"), 1, 1000)
			w.slot(w.class(yes, "KFlops = 30"), 1, 1000)
			w.slot(w.class(yes, "KFlops = 20"), 1, 1000)
			w.queue(1, 1, 3, 0, yes, "Rank = KFlops")
		}, "1.0@2 1.1@3 1.2@1"},
		"without a rank the slot that it fills most": {func(w *world) {
			c := w.class(yes)
			w.slot(c, 8, 8000)
			w.slot(c, 2, 8000)
			w.queue(1, 1, 2, 0, yes, "RequestCpus = 2")
		}, "1.0@2 1.1@1"},
		"both sides must agree": {func(w *world) {
			w.slot(w.class(`Requirements = TARGET.Owner == "bob"`), 1, 1000)
			w.slot(w.class(yes, "Arch = \"ARM\""), 1, 1000)
			w.queue(1, 1, 1, 0, `Requirements = TARGET.Arch =!= "ARM"`, `Owner = "alice"`)
			w.queue(2, 2, 1, 0, `Requirements = TARGET.Arch =!= "ARM"`, `Owner = "bob"`)
		}, "2.0@1"},
		"a request may look at the slot": {func(w *world) {
			w.slot(w.class(yes), 4, 1000)
			w.queue(1, 1, 2, 0, yes, "RequestCpus = TARGET.Cpus")
		}, "1.0@1"},
		"undefined is no match": {func(w *world) {
			w.slot(w.class(yes), 4, 1000)
			w.queue(1, 1, 1, 0, "Requirements = TARGET.HasGPU")
		}, ""},
		"what is free counts, not what there is": {func(w *world) {
			w.slot(w.class(yes), 4, 1000)
			w.in.Slots[0].Free.MemoryMB = 100
			w.queue(1, 1, 1, 0, yes, "RequestMemory = 200")
			w.queue(1, 2, 1, 0, "Requirements = TARGET.Memory >= 101")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t}
			c.set(w)
			if got := w.assigned(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Laws of any cycle: no slot gives more than it has free; every assignment is a
// match by itself; no job gets two; none is left that something free would take;
// and a matcher that remembers says what a new one would.
func TestCycleLaws(t *testing.T) {
	requirements := []string{"true", "TARGET.Memory >= RequestMemory", `TARGET.Arch == "X"`, "TARGET.Cpus >= 3", "TARGET.Nothing"}
	old := NewMatcher()
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Now: now, Usage: map[uint32]int64{1: rapid.Int64Range(0, 5).Draw(t, "usage")}}
		classes := []*Class{
			{ID: 1, Ad: adOf(t, yes, `Arch = "X"`)},
			{ID: 2, Ad: adOf(t, "Requirements = TARGET.RequestCpus < 4", `Arch = "Y"`, "KFlops = 7")},
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "slots") {
			total := Resources{Cpus: rapid.Int64Range(1, 6).Draw(t, "cpus"), MemoryMB: rapid.Int64Range(1, 6).Draw(t, "memory") * 100, DiskKB: 1000}
			free := total
			free.Cpus = rapid.Int64Range(0, total.Cpus).Draw(t, "free")
			in.Slots = append(in.Slots, Slot{ID: uint32(i + 1), Class: rapid.SampledFrom(classes).Draw(t, "class"), Total: total, Free: free})
		}
		for i := range rapid.IntRange(0, 6).Draw(t, "queues") {
			// Equal numbers must mean equal ads: the number is made of the ad.
			req := rapid.IntRange(0, len(requirements)-1).Draw(t, "requirements")
			cpus := rapid.IntRange(0, 4).Draw(t, "request")
			memory := rapid.IntRange(0, 4).Draw(t, "memory") * 100
			g := &Group{ID: uint32(req*1000 + cpus*100 + memory/100), Ad: adOf(t, "Requirements = "+requirements[req],
				fmt.Sprint("RequestCpus = ", cpus), fmt.Sprint("RequestMemory = ", memory), "Rank = TARGET.KFlops")}
			q := Queue{Owner: uint32(i%3 + 1), Group: g}
			for p := range rapid.IntRange(0, 5).Draw(t, "jobs") {
				q.Jobs = append(q.Jobs, Job{ID: grid.JobID{Cluster: int32(i + 1), Proc: int32(p)}, Prio: int32(-p)})
			}
			in.Queues = append(in.Queues, q)
		}
		plan := Cycle(&in, NewMatcher())
		if again := Cycle(&in, old); fmt.Sprint(again) != fmt.Sprint(plan) {
			t.Fatalf("a matcher that remembers says %v, a new one %v", again, plan)
		}
		free := make([]Resources, len(in.Slots))
		for i := range in.Slots {
			free[i] = in.Slots[i].Free
		}
		groups := map[uint32]*Group{}
		for _, q := range in.Queues {
			groups[q.Group.ID] = q.Group
		}
		got := map[grid.JobID]bool{}
		for _, a := range plan.Assign {
			if got[a.Job.ID] {
				t.Fatalf("%v was placed twice", a.Job.ID)
			}
			got[a.Job.ID] = true
			fit := NewMatcher().Fit(now, groups[a.Group], in.Slots[a.Slot].Class, free[a.Slot])
			if !fit.OK || fit.Part != a.Part {
				t.Fatalf("%+v is no match with %+v free", a, free[a.Slot])
			}
			free[a.Slot] = free[a.Slot].Minus(a.Part)
			if f := free[a.Slot]; f.Cpus < 0 || f.MemoryMB < 0 || f.DiskKB < 0 {
				t.Fatalf("slot %d gives more than it has: %+v", a.Slot, f)
			}
		}
		for i, q := range in.Queues {
			left := 0
			for _, j := range q.Jobs {
				if got[j.ID] {
					continue
				}
				left++
				for s := range in.Slots {
					if free[s].Cpus > 0 && NewMatcher().Fit(now, q.Group, in.Slots[s].Class, free[s]).OK {
						t.Fatalf("%v is left although slot %d would take it", j.ID, s)
					}
				}
			}
			if left != plan.Left[i] {
				t.Fatalf("queue %d: %d left, the plan says %d", i, left, plan.Left[i])
			}
		}
	})
}

func TestExplain(t *testing.T) {
	w := &world{T: t}
	c := w.class(yes, `Arch = "X86_64"`)
	w.slot(c, 2, 11990)
	w.slot(c, 4, 23980)
	w.slot(w.class("Requirements = TARGET.Owner == \"bob\" && true", `Arch = "X86_64"`), 1, 500)
	busy := &w.in.Slots[0]
	busy.Free = Resources{}
	for name, c := range map[string]struct {
		attrs []string
		want  string
	}{
		"memory beyond every slot": {
			[]string{`Requirements = (TARGET.Arch == "X86_64") && (TARGET.Memory >= RequestMemory)`, "RequestMemory = 1048576"},
			`None of 3 slots takes it, not even when empty.
Its Requirements rule slots out:
  3 by  TARGET.Memory >= RequestMemory
        RequestMemory is 1048576; Memory is 500 to 23980 there
It would help to ask for at most 23980 MiB of memory (it asks for 1048576), or to add a slot that has more.
`,
		},
		"an attribute that no slot has": {
			[]string{"Requirements = TARGET.HasGPU && true"},
			`None of 3 slots takes it, not even when empty.
Its Requirements rule slots out:
  3 by  TARGET.HasGPU
        HasGPU is undefined there
        on 3 of them it is undefined: an attribute that it names is not there
It would help to correct the name in TARGET.HasGPU, or to have slots offer that attribute (gworker --attr NAME=VALUE; gstatus --long shows what they offer).
`,
		},
		"a slot is busy, one is another's": {
			[]string{`Requirements = TARGET.Cpus <= 2`, `Owner = "alice"`},
			`1 of 3 slots would take it and is busy with other jobs.
Its Requirements rule slots out:
  1 by  TARGET.Cpus <= 2
        Cpus is 4 there
Requirements of slots rule it out:
  1 by  TARGET.Owner == "bob"
        Owner is "alice" there
`,
		},
		"too much at once": {
			[]string{"Requirements = true", "RequestCpus = 3", "RequestMemory = 23981", `Owner = "bob"`},
			`None of 3 slots takes it, not even when empty.
3 slots are too small: it asks for 3 cpus, 23981 MiB of memory and 0 KiB of disk.
It would help to ask for at most 23980 MiB of memory (it asks for 23981), or to add a slot that has more.
`,
		},
		"a request that is no amount": {
			[]string{"Requirements = true", `RequestCpus = "two"`},
			"A request is not an amount: RequestCpus = \"two\" comes to \"two\".\n",
		},
		"a slot is free": {
			[]string{"Requirements = true", `Owner = "bob"`},
			"2 of 3 slots would take it now: it is about to start, or others go first.\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := &Group{ID: 1, Ad: adOf(t, c.attrs...)}
			e := NewMatcher().Explain(now, g, w.in.Slots)
			if got := e.String(); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
	none := NewMatcher().Explain(now, &Group{ID: 1, Ad: adOf(t, yes)}, nil)
	if got := none.String(); got != "There is no slot in the pool.\n" {
		t.Error(got)
	}
}

func BenchmarkCycle(b *testing.B) {
	// A thousand groups that match nothing, on a hundred busy and idle slots of
	// two classes: what each event costs when the pool is full.
	in := Input{Now: now}
	c := &Class{ID: 1, Ad: adOf(b, yes)}
	for i := range 100 {
		r := Resources{Cpus: int64(i % 4), MemoryMB: 1000, DiskKB: 1000}
		in.Slots = append(in.Slots, Slot{ID: uint32(i), Class: c, Total: r, Free: r})
	}
	for i := range 1000 {
		g := &Group{ID: uint32(i), Ad: adOf(b, fmt.Sprintf("Requirements = TARGET.Memory > 5000 && TARGET.X == %d", i))}
		in.Queues = append(in.Queues, Queue{Owner: uint32(i % 10), Group: g, Jobs: []Job{{ID: grid.JobID{Cluster: int32(i)}}}})
	}
	m := NewMatcher()
	for b.Loop() {
		Cycle(&in, m)
	}
}
