package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const deployment = "d0d0d0d0-engine"

// What the judge says of machines, by what the engine has written down of them and what
// the queue wished for. Claim 1 was wished for at second 10 and given up at second 100.
func TestJudgeOfMachines(t *testing.T) {
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	at := func(second int) time.Time { return begin.Add(time.Duration(second) * time.Second) }
	mark, name := markOf(deployment, 1), nameOf(deployment, 1)
	// of is an entry about a machine.
	of := func(second int, vm, what, status, by string) entry {
		return entry{At: at(second), What: what, VM: vm, Name: name, Comment: mark, Description: "job 1.0 of ada at grid", Status: status, By: by}
	}
	made := func(second int, vm string) entry { return of(second, vm, "created", "", engineUser) }
	gone := func(second int, vm string) entry { return of(second, vm, "gone", "", "") }
	runs := func(from, to int, vm string) []entry {
		return []entry{of(from, vm, "moved", "powering_up", ""), of(to, vm, "moved", "down", "")}
	}
	as := func(e entry, name, mark string) entry { e.Name, e.Comment = name, mark; return e }
	other := func(second int, vm string, claim uint32) entry {
		return as(made(second, vm), nameOf(deployment, claim), markOf(deployment, claim))
	}
	othersEnd := func(vm string, claim uint32) entry {
		return as(gone(50, vm), nameOf(deployment, claim), markOf(deployment, claim))
	}
	for title, c := range map[string]struct {
		list   []entry
		closed int // when the claim was; 0: it was not
		want   string
		oldest int // seconds
	}{
		"all is well":                        {append([]entry{made(11, "a")}, append(runs(20, 90, "a"), gone(130, "a"))...), 140, "", 30},
		"it went by itself":                  {[]entry{made(11, "a"), gone(50, "a")}, 140, "", 0},
		"it is left":                         {[]entry{made(11, "a")}, 0, "is left", 0},
		"it was not wished for yet":          {[]entry{made(9, "a"), gone(50, "a")}, 140, "before it was wished for", 0},
		"nobody wished for it":               {[]entry{other(11, "a", 7), othersEnd("a", 7)}, 140, "never wished for", 0},
		"it was given up while it was there": {[]entry{made(11, "a"), gone(200, "a")}, 140, "claim 1 was closed, and its machine", 100},
		"it was made after its claim":        {[]entry{made(150, "a"), gone(160, "a")}, 140, "after its claim 1 was closed", 10},
		"it is an orphan for long":           {[]entry{made(11, "a"), gone(800, "a")}, 900, "after nobody wanted it any more", 700},
		"there are two":                      {[]entry{made(11, "a"), made(12, "b"), gone(50, "a"), gone(50, "b")}, 140, "2 machines at one time", 0},
		"it ran twice":                       {slices.Concat([]entry{made(11, "a")}, runs(20, 30, "a"), runs(40, 50, "a"), []entry{gone(60, "a")}), 140, "was started 2 times", 0},
		"it never ran":                       {[]entry{made(11, "a"), gone(60, "a")}, 140, "", 0},
		"there are more than may be":         {[]entry{made(11, "a"), other(12, "b", 2), other(13, "c", 3), gone(50, "a"), othersEnd("b", 2), othersEnd("c", 3)}, 140, "and may be 2", 0},
		"another's was stopped":              {[]entry{as(of(11, "x", "created", "", otherUser), "gb-x", theirs), as(of(12, "x", "stopped", "", engineUser), "gb-x", theirs)}, 140, "which is not ours", 0},
		"another's was stopped by another":   {[]entry{as(of(11, "x", "created", "", otherUser), "gb-x", theirs), as(of(12, "x", "stopped", "", otherUser), "gb-x", theirs)}, 140, "", 0},
		"our mark under another name":        {[]entry{as(of(11, "x", "created", "", otherUser), "gb-x", mark), as(of(12, "x", "removed", "", engineUser), "gb-x", mark)}, 140, "which is not ours", 0},
		"a stray is swept":                   {[]entry{of(11, "a", "created", "", otherUser), gone(31, "a")}, 140, "", 20},
		"a stray is left":                    {[]entry{of(11, "a", "created", "", otherUser)}, 140, "is left", 0},
	} {
		t.Run(title, func(t *testing.T) {
			q := &queue{
				deployed: deployment, done: map[string][]time.Time{}, closed: map[uint32]time.Time{},
				wished: map[uint32]time.Time{1: at(10), 2: at(10), 3: at(10)}, unwished: map[uint32]time.Time{1: at(100), 2: at(100), 3: at(100)},
			}
			if c.closed > 0 {
				q.closed[1] = at(c.closed)
			}
			b := &bench{rep: &EngineReport{}, queue: q, lives: newLives(deployment, c.list), vms: 2, all: 2, pace: 1, real: func(t time.Time) time.Time { return t }}
			b.judge()
			says := strings.Join(b.rep.Wrong, "\n")
			if c.want == "" && says != "" || !strings.Contains(says, c.want) {
				t.Errorf("the judge says %q, want %q", says, c.want)
			}
			if got := time.Duration(c.oldest) * time.Second; b.rep.Oldest != got {
				t.Errorf("the oldest orphan was there for %s, want %s", b.rep.Oldest, got)
			}
		})
	}
}

// A machine's clock runs faster: what the queue says is put on it.
func TestOrphansAgeByTheMachinesClock(t *testing.T) {
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	real := func(t time.Time) time.Time { return begin.Add(t.Sub(begin) / 5) }
	mark, name := markOf(deployment, 1), nameOf(deployment, 1)
	list := []entry{
		{At: begin.Add(50 * time.Second), What: "created", VM: "a", Name: name, Comment: mark, By: engineUser},
		{At: begin.Add(200 * time.Second), What: "gone", VM: "a", Name: name, Comment: mark},
	}
	q := &queue{
		deployed: deployment, wished: map[uint32]time.Time{1: begin.Add(9 * time.Second)},
		unwished: map[uint32]time.Time{1: begin.Add(20 * time.Second)}, closed: map[uint32]time.Time{1: begin.Add(41 * time.Second)},
	}
	b := &bench{rep: &EngineReport{}, queue: q, lives: newLives(deployment, list), vms: 1, all: 1, pace: 5, real: real}
	b.judge()
	if len(b.rep.Wrong) > 0 || b.rep.Oldest != 100*time.Second {
		t.Errorf("the oldest is %s old, and wrong is %q", b.rep.Oldest, b.rep.Wrong)
	}
}

// The seed alone decides which faults come, in which order, and what they do by chance.
func TestFaultsComeByTheSeed(t *testing.T) {
	order := func(seed uint64) (names []string) {
		w := &wrecker{seed: seed, kinds: troubles}
		w.begins()
		for range 2 * len(troubles) {
			k, rnd := w.draw()
			names = append(names, fmt.Sprint(k.name, " by ", rnd.Int64()))
		}
		return names
	}
	one := order(1)
	if !slices.Equal(one, order(1)) {
		t.Error("one seed gives two orders")
	}
	if slices.Equal(one, order(2)) {
		t.Error("two seeds give one order")
	}
	first := map[string]bool{}
	for _, n := range one[:len(troubles)] {
		name, _, _ := strings.Cut(n, " by ")
		first[name] = true
	}
	if len(first) != len(troubles) || len(first) < minKinds {
		t.Errorf("there are %d kinds, of which %d came in the first round", len(troubles), len(first))
	}
	names := map[string]bool{}
	for _, n := range Kinds() {
		if names[n] {
			t.Errorf("there are two faults %q", n)
		}
		names[n] = true
	}
	if _, err := chosen([]string{"no such fault"}); err == nil || !strings.Contains(err.Error(), "the engine restarts") {
		t.Errorf("a fault that there is not: %v", err)
	}
}

// Every bug that can be planted for an engine's run names faults that there are.
func TestPlantedBugsNameFaults(t *testing.T) {
	names := map[string]bool{}
	for _, b := range Bugs {
		if names[b.Name] || b.Sign == "" {
			t.Errorf("bug %s has no sign, or is there twice", b.Name)
		}
		names[b.Name] = true
		if b.Engine != nil {
			if _, err := chosen(b.Engine.Kinds); err != nil {
				t.Errorf("bug %s: %v", b.Name, err)
			}
		}
	}
}
