package ledger

import (
	"testing"

	"gridburst/dag"
)

// The run before is the one of the last instant before, of several the last one begun.
func TestTheRunBefore(t *testing.T) {
	c := Timetable{Begun: []Begun{{1, 50}, {2, 20}, {3, 20}, {4, 30}}}
	for due, want := range map[int64]uint32{10: 0, 20: 0, 21: 3, 30: 3, 31: 4, 50: 4, 51: 1, 99: 1} {
		if got := c.Before(due); got != want {
			t.Errorf("before %d is run %d, want %d", due, got, want)
		}
	}
}

// Of each timetable the last runs are remembered, and no more.
func TestFewRunsAreRemembered(t *testing.T) {
	h := newHistory(t)
	h.do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.11", Rules: Rules})
	fire := func(due int64) uint32 {
		return h.do(&Fire{As: Manual, Follows: true, Start: StartDag{
			Owner: Owner{Name: "alice", UID: 1000}, Name: "w", File: "/w.hcl", Dir: "/", Graph: [][]byte{[]byte("graph")}, Nodes: 1, Cron: "nightly", Due: due,
		}}).Value.(uint32)
	}
	last := uint32(0)
	for due := range int64(keepBegun + 20) {
		id := fire(due)
		if g, _ := h.m.View().Dag(id); g.Before != last {
			t.Fatalf("run %d is behind %d, not %d", id, g.Before, last)
		}
		last = id
	}
	if c, _ := h.m.View().Timetable("nightly"); len(c.Begun) != keepBegun {
		t.Errorf("%d are remembered", len(c.Begun))
	}
	if g, _ := h.m.View().Dag(fire(10)); g.Before != 0 {
		t.Errorf("one of long ago is behind %d", g.Before)
	}
}

// writeBegun makes a history of runs of a timetable that know the run before them.
func writeBegun(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	h.do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.11", Rules: 4})
	fire := func(due int64, as OccurrenceKind, follows bool) uint32 {
		return h.do(&Fire{As: as, Follows: follows, Start: StartDag{
			Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Name: "w", File: "/home/alice/w.hcl", Dir: "/home/alice", Graph: [][]byte{[]byte("graph")}, Nodes: 2, Cron: "nightly", Due: due,
		}}).Value.(uint32)
	}
	fire(h.at+60_000, Scheduled, false) // as an older program
	first := fire(h.at+120_000, Scheduled, true)
	fire(h.at+180_000, Scheduled, true)
	fire(h.at+90_000, Manual, true) // before both
	h.do(&StepDag{Dag: first, Header: dag.Header{Version: 1, Status: dag.RunDone}})
	for n := range int64(15) {
		fire(h.at+(240+60*n)*1000, Scheduled, true)
	}
	h.write(path)
}

// writeTimetables makes a history of timetables and bursts by the clock: what was handed
// in, what became of occurrences, what waits, what goes on.
func writeTimetables(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	do := h.do
	alice := Owner{Name: "alice", UID: 1000, GID: 100}
	start := func(name string, due int64) StartDag {
		return StartDag{Owner: alice, Name: "w", File: "/home/alice/w.hcl", Dir: "/home/alice", Graph: [][]byte{[]byte("graph")}, Nodes: 2, Cron: name, Due: due}
	}
	do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.4", Rules: 4})
	do(&SetTimetable{Name: "alice/night", Owner: alice, Spec: []byte(`{"name":"night"}`), Most: 2})
	do(&SetTimetable{Name: "alice/gone", Owner: alice, Spec: []byte("{}")})
	due := h.at + 60_000
	do(&Settle{Name: "alice/gone", Mark: due, List: []Occurrence{{Due: due, Kind: Scheduled, Outcome: OccurrenceMissed, Why: "it was missed"}}})
	do(&SetTimetable{Name: "alice/gone", Owner: alice})
	do(&Settle{Name: "nightly", Mark: h.at})
	do(&Fire{Start: start("nightly", due), As: Scheduled, Vars: []Attr{{Name: "cron_due", Expr: "then"}}, Details: []byte(`{"env":["A=b"]}`)})
	do(&Fire{Start: start("nightly", due), As: Scheduled}) // refused
	do(&Fire{Start: start("nightly", h.at), As: Manual, By: "alice", Why: "asked for"})
	do(&Settle{Name: "nightly", Mark: due + 1000, List: []Occurrence{{Due: due + 1000, Kind: Scheduled, Outcome: OccurrenceQueued, Why: "its last run goes on"}}})
	do(&Settle{Name: "nightly", Mark: due + 2000, List: []Occurrence{{Due: due + 2000, Kind: Scheduled, Outcome: OccurrenceQueued}}, Replace: true})
	do(&PauseTimetable{Name: "nightly", Pause: Pause{From: h.at, Until: h.at + 1000, Reason: "maintenance", By: "alice"}})
	fill := do(&BeginBackfill{Name: "nightly", Fill: Backfill{From: 1000, To: 9000, AtOnce: 2, Prio: -10, By: "alice"}}).Value.(uint32)
	do(&Fire{Start: start("nightly", 2000), As: Backfilled, Fill: fill})
	do(&Settle{Name: "nightly", Backfill: fill, List: []Occurrence{{Due: 3000, Kind: Backfilled, Outcome: OccurrenceSkipped, Backfill: fill, Why: "it has run"}}})
	over := do(&BeginBackfill{Name: "nightly", Fill: Backfill{From: 1, To: 2, AtOnce: 1}}).Value.(uint32)
	do(&BeginBackfill{Name: "nightly", End: over})
	w := Window{Due: due, Opened: h.at, Drain: due + 60_000, End: due + 90_000, Resource: "lab", Count: 2, Budget: 600_000}
	do(&SetWindow{Name: "burst:night", Window: w, Note: Occurrence{Due: due, Kind: Windowed, Outcome: OccurrenceStarted, Why: "2 machines"}})
	do(&WantFor{Name: "burst:night", Due: due, Want: Want{For: Overflow, Resource: "lab", Cap: 3, Cpus: 2, MemoryMB: 1024, Reason: "at the hour"}})
	do(&WantFor{Name: "burst:night", Due: due + 1, Want: Want{For: Overflow, Resource: "lab"}}) // refused
	do(&SetWindow{Name: "burst:day", Window: w, Note: Occurrence{Due: due, Kind: Windowed, Outcome: OccurrenceStarted}})
	do(&SetWindow{Name: "burst:day", Window: w, Close: true, Note: Occurrence{Due: due, Kind: Windowed, Outcome: OccurrenceClosed, Details: []byte("{}")}})
	do(&SetTimetable{Name: "alice/restored", Owner: alice, Spec: []byte("{}")})
	do(&BeginBackfill{Name: "alice/restored", Fill: Backfill{From: 1, To: 2, AtOnce: 1}})
	h.write(path)
}
