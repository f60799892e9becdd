package ledger

import (
	"fmt"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"gridburst/internal/bill"
	"gridburst/internal/grid"
)

// writeTold makes a history of claims that are told of, with money, of pools that somebody
// steers, and of the journal.
func writeTold(t *testing.T, path string) {
	t.Helper()
	h := newHistory(t)
	m := h.m
	template := []byte("a template")
	move := func(claim uint32, mv Move) {
		c, _ := m.View().Claim(claim)
		mv.Claim, mv.Version = claim, c.Version
		h.do(&mv)
	}
	h.do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.5", Rules: 4})
	h.do(&SeeWorker{Worker{Name: "w", Boot: "boot"}})
	id := grid.JobID{Cluster: h.do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: 1}).Value.(Submitted).Cluster}
	want := func(limit int64) Result {
		return h.do(&Want{
			For: Overflow, Resource: "lab", Cpus: 1, MemoryMB: 512, Where: "a machine", Reason: "jobs wait", Told: true, Owner: 1,
			Terms: bill.Terms{Price: 3_600_000, Period: 60_000, Min: 120_000}, Inputs: "1 job waits",
			Purses: []Purse{
				{Name: "per_hour of lab", Unit: "EUR", Resource: "lab", Window: 3_600_000, Limit: limit},
				{Name: "per_burst of lab", Unit: "EUR", Resource: "lab", Burst: true, Limit: limit},
				{Name: "per_owner of lab", Unit: "EUR", Resource: "lab", Owner: 1, Window: 86_400_000, Limit: limit},
				{Name: "per_hour of all", Unit: "EUR", Window: 3_600_000, Limit: 100 * limit, Ahead: true},
			},
		})
	}
	one := want(250_000).Value.(uint32)
	want(239_999) // refused
	two := want(250_000).Value.(uint32)
	move(one, Move{Verb: grid.ClaimLaunch, Template: "worker"})
	move(one, Move{Verb: grid.ClaimStarted, VM: "id-1"})
	move(one, Move{Verb: grid.ClaimJoin, Worker: 1, Reason: "its worker has joined"})
	e := h.do(&Place{List: []Placement{{Job: id, Version: 1, Kind: OnSlot, At: 1, Where: "slot1@w"}}}).Value.([]uint32)[0]
	h.do(&Report{List: []AttemptReport{{Job: id, Epoch: e, Kind: Started}}})
	h.at += 180_000
	h.do(&Report{List: []AttemptReport{{Job: id, Epoch: e, Kind: Ended, Verdict: Keep}}})
	move(two, Move{Verb: grid.ClaimFail, Reason: "quota: none is left"})
	h.do(&Steer{Pool: "lab", Mode: Paused, Capped: true, Cap: 3, Reason: "maintenance", Text: "alice has paused pool lab."})
	want(9_000_000) // refused
	h.do(&Steer{Pool: "far", Mode: Draining, Text: "alice has drained pool far."})
	h.do(&Steer{Pool: "far", Text: "alice has let pool far go on."})
	h.do(&Tell{Notes: []Note{{What: NoteWait, Pool: "lab", Reason: "budget", Text: "it is spent", Inputs: "2 jobs wait", Jobs: []grid.JobID{id}}}})
	move(one, Move{Verb: grid.ClaimDrain, Reason: "it has had nothing to do"})
	move(one, Move{Verb: grid.ClaimStop, Reason: "it has had nothing to do"})
	move(one, Move{Verb: grid.ClaimGoneNow, Seen: "the engine shows it no more"})
	h.write(path)
}

// What is spent is the same after the file was closed and opened, and the journal tells
// what was done, the newest first.
func TestMoneyAndJournalAreInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	writeTold(t, path)
	m, err := OpenMachine(path, Options{ReadOnly: true})
	must(t, err)
	defer m.Close()
	v := m.View()
	if s := v.Steering("lab"); s.Mode != Paused || !s.Capped || s.Cap != 3 || s.By != "user:1000" || s.Why != "maintenance" || v.Steering("far") != (Steering{}) {
		t.Errorf("lab is steered %+v, far %+v", s, v.Steering("far"))
	}
	var notes []string
	must(t, m.Read(func(r *Reader) error {
		for n := range r.Notes() {
			notes = append(notes, fmt.Sprint(n.What, " ", n.Claim))
		}
		c, _, _ := r.PastClaim(1)
		rec, err := r.Receipt(1)
		if c.Burst != 1 || c.Owner != 1 || c.Started == 0 || rec.Busy < 180_000 || rec.Since != 0 {
			t.Errorf("the claim is %+v, its receipt %+v", c, rec)
		}
		// It was there for more than three minutes and less than four, of a euro an hour's
		// sixtieth each; the other came to nothing, and costs nothing.
		all := Purse{Resource: "lab", Window: 3_600_000, Limit: 1_000_000}
		if left := r.Left(v, []Purse{all}, "lab", v.At)[0]; left != 1_000_000-4*60_000 {
			t.Errorf("%d are left", left)
		}
		hour := v.At + 3_600_000
		if left := r.Left(v, []Purse{all}, "lab", hour)[0]; left != 1_000_000 {
			t.Errorf("an hour later %d are left", left)
		}
		// The clock goes back an hour: the ledger's does not.
		if left := r.Left(v, []Purse{all}, "lab", v.At-3_600_000)[0]; left != 1_000_000-4*60_000 {
			t.Errorf("an hour before %d are left", left)
		}
		if other := (Purse{Resource: "lab", Owner: 2, Window: 3_600_000, Limit: 5}); r.Left(v, []Purse{other}, "lab", v.At)[0] != 5 {
			t.Error("another owner has paid for it")
		}
		return err
	}))
	if got, want := fmt.Sprint(notes), "[gone 1 stop 1 drain 1 wait 0 steer 0 steer 0 steer 0 failed 2 ready 1 start 2 start 1]"; got != want {
		t.Errorf("the journal tells %s, not %s", got, want)
	}
}

// No start is accepted that a purse does not cover, pending and unknown machines counted;
// what a purse holds follows from the claims alone, so that another machine that is fed the
// same finds the same.
func TestNoStartIsBeyondItsPurses(t *testing.T) {
	files := newScratch(t)
	rapid.Check(t, func(t *rapid.T) {
		m := files.open(t)
		defer m.Close()
		at := int64(1_700_000_000_000)
		do := func(b Body) Result { return apply(m, Command{At: at, By: "schedd", Body: b}) }
		do(&Begin{Deployment: "d", Rules: Rules})
		limits := []int64{rapid.Int64Range(0, 5_000_000).Draw(t, "hour"), rapid.Int64Range(0, 5_000_000).Draw(t, "burst")}
		terms := bill.Terms{Price: rapid.Int64Range(0, 3_000_000).Draw(t, "price"), Period: rapid.SampledFrom([]int64{0, 60_000, 1_800_000}).Draw(t, "period"), Min: rapid.Int64Range(0, 600_000).Draw(t, "min")}
		purses := []Purse{{Name: "hour", Resource: "lab", Window: 3_600_000, Limit: limits[0], Ahead: true}, {Name: "burst", Resource: "lab", Burst: true, Limit: limits[1]}}
		spent := func() []int64 { return byHand(t, m, purses, at) }
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at += rapid.Int64Range(0, 1_200_000).Draw(t, "dt")
			var ids []uint32
			for id := range m.View().Claims() {
				ids = append(ids, id)
			}
			if len(ids) == 0 || rapid.Bool().Draw(t, "want") {
				before := spent()
				r := do(&Want{For: Overflow, Resource: "lab", Reason: "jobs wait", Told: true, Terms: terms, Purses: purses})
				over := terms.Price > 0 && (before[0]+purses[0].Start(terms) > limits[0] || before[1]+terms.First() > limits[1])
				if over != (r.Err != nil) {
					t.Fatalf("%v are spent of %v, a start costs %d: %v", before, limits, terms.First(), r.Err)
				}
				if after := spent(); r.Err == nil && terms.Price > 0 && (after[0] > limits[0] || after[1] > limits[1]) {
					t.Fatalf("%v are spent of %v after a start", after, limits)
				}
				continue
			}
			// Though all of them run on, an hour's purse is not exceeded: but for the first bill
			// of each, which is longer than an hour at most.
			if now := spent(); terms.Price > 0 && terms.Min <= 3_600_000 && now[0] > limits[0] {
				t.Fatalf("%d are spent of %d", now[0], limits[0])
			}
			id := rapid.SampledFrom(ids).Draw(t, "claim")
			c, _ := m.View().Claim(id)
			do(&Move{Claim: id, Version: c.Version, Verb: rapid.SampledFrom([]grid.ClaimVerb{
				grid.ClaimLaunch, grid.ClaimStarted, grid.ClaimLost, grid.ClaimFound, grid.ClaimJoin, grid.ClaimDrain, grid.ClaimStop, grid.ClaimGoneNow, grid.ClaimFail,
			}).Draw(t, "verb")})
		}
	})
}

// byHand counts what purses hold by going through all claims there ever were.
func byHand(t failer, m *Machine, purses []Purse, at int64) []int64 {
	t.Helper()
	v := m.View()
	at = max(at, v.At)
	out := make([]int64, len(purses))
	must(t, m.Read(func(r *Reader) error {
		all := map[uint32]Claim{}
		for id, c := range v.Claims() {
			all[id] = *c
		}
		for id, c := range r.PastClaims() {
			all[id] = c
		}
		burst, _ := v.burstOf("lab")
		for i, p := range purses {
			for _, c := range all {
				start, end := c.Started, int64(0)
				if c.State.Closed() {
					end = c.Entered
				} else if start == 0 {
					start = c.Wanted
				}
				after := at - p.Window
				if p.Burst {
					if after = -1; c.Burst != burst {
						continue
					}
				}
				if start > 0 {
					n := c.Terms.Between(start, end, after, at)
					if p.Ahead && end == 0 {
						n = max(n, c.Terms.For(p.Window))
					}
					out[i] += n
				}
			}
			if got := p.Limit - r.Left(v, purses, "lab", at)[i]; got != out[i] {
				t.Fatalf("%d are spent of %s, and the ledger finds %d", out[i], p.Name, got)
			}
		}
		return nil
	}))
	return out
}

// The journal is bounded: the oldest lines go.
func TestTheJournalIsBounded(t *testing.T) {
	m, err := OpenMachine(filepath.Join(t.TempDir(), FileName), Options{NoSync: true})
	must(t, err)
	defer m.Close()
	tell := &Tell{}
	for range 1000 {
		tell.Notes = append(tell.Notes, Note{What: NoteWait, Pool: "lab"})
	}
	for i := range maxNotes/1000 + 2 {
		if r := apply(m, Command{At: int64(i), By: "schedd", Body: tell}); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	n, last := 0, uint64(0)
	must(t, m.Read(func(r *Reader) error {
		for note := range r.Notes() {
			n, last = n+1, note.Seq
		}
		return nil
	}))
	if n != maxNotes || last != 2001 {
		t.Errorf("%d lines are kept, the oldest is %d", n, last)
	}
}
