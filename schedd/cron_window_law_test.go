package schedd

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// windowWorld is a cronWorld whose timetable is a burst by the clock. Machines come up, or
// do not, and go; the dispatcher wishes for those that a window lacks.
type windowWorld struct {
	*cronWorld
	w      *window
	opened map[int64]int
	closed map[int64]int
	asked  map[uint32]int64 // claims, with the hour that they were asked for
	most   int
}

func newWindowWorld(t *testing.T, seed uint64) *windowWorld {
	spec := Window{
		Name: "b", Schedule: "0 */3 * * *", TimeZone: "Europe/Berlin", Resource: "lab", Count: 4, Lead: 5 * time.Minute, Hold: 40 * time.Minute, Drain: 10 * time.Minute,
		Budget: 3*time.Hour + 30*time.Minute, // of three machines, and not of four
	}
	w, err := spec.parse([]Resource{{Name: "lab", MaxVMs: 5, Burst: &Burst{}}})
	if err != nil {
		t.Fatal(err)
	}
	out := &windowWorld{cronWorld: newCronWorld(t, seed, nil), w: w, opened: map[int64]int{}, closed: map[int64]int{}, asked: map[uint32]int64{}}
	out.refit()
	return out
}

// refit gives a new loop the window.
func (w *windowWorld) refit() {
	w.c.windows = []*window{w.w}
	w.c.propose = w.proposes
	w.c.lead = func(*window) (time.Duration, bool) { return w.w.Lead, false }
	w.c.receipt = func(win *ledger.Window) (*api.WindowReceipt, error) {
		return &api.WindowReceipt{Asked: len(win.Claims)}, nil
	}
	w.c.move = func(ctx context.Context, id uint32, c *ledger.Claim, verb grid.ClaimVerb, why string) error {
		_, err := w.proposes(ctx, &ledger.Move{Claim: id, Version: c.Version, Verb: verb, Reason: why})
		if grid.CodeOf(err) == grid.Conflict {
			return nil
		}
		return err
	}
}

// proposes is what the schedd keeps; it dies before, or after.
func (w *windowWorld) proposes(ctx context.Context, b ledger.Body) (ledger.Result, error) {
	if w.dies() {
		return ledger.Result{}, errDied
	}
	r, err := w.l.Propose(ctx, ledger.Command{By: "schedd", At: w.clock.UnixMilli(), Body: b})
	if err != nil {
		return r, err
	}
	switch b := b.(type) {
	case *ledger.SetWindow:
		if b.Close {
			w.closed[b.Window.Due]++
			for id, due := range w.asked {
				if _, open := w.l.View().Claim(id); open && due == b.Window.Due {
					w.t.Errorf("the window of %s is closed, and its claim %d is open", time.UnixMilli(due).UTC(), id)
				}
			}
		} else {
			w.opened[b.Window.Due]++
		}
	case *ledger.WantFor:
		w.asked[r.Value.(uint32)] = b.Due
	}
	if w.dies() {
		return ledger.Result{}, errDied
	}
	return r, nil
}

// wish is the dispatcher's part: it wishes for what a window lacks.
func (w *windowWorld) wish(ctx context.Context) error {
	_, _, most, err := windowOf(w.l, "lab", w.clock)
	if err != nil {
		return err
	}
	open := 0
	over := closing(w.l.View(), w.clock)
	for id := range w.l.View().Claims() {
		if !over[id] {
			open++
		}
	}
	for ; open < most; open++ {
		b := forWindow(w.l, &ledger.Want{For: ledger.Overflow, Resource: "lab", Cap: 5, Cpus: 1, MemoryMB: 1, Reason: "r"}, w.clock)
		if _, err := w.proposes(ctx, b); grid.CodeOf(err) == grid.Refused {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// machines go on with their lives: some never come up, those that are to go do.
func (w *windowWorld) machines() {
	for id, c := range w.l.View().Claims() {
		if w.r.IntN(3) == 0 {
			continue
		}
		verb := map[grid.ClaimState]grid.ClaimVerb{
			grid.ClaimWanted: grid.ClaimLaunch, grid.ClaimLaunching: grid.ClaimStarted, grid.ClaimBooting: grid.ClaimJoin, grid.ClaimStopping: grid.ClaimGoneNow, grid.ClaimUnknown: grid.ClaimFound,
		}[c.State]
		switch {
		case c.State == grid.ClaimLaunching && w.r.IntN(8) == 0:
			verb = grid.ClaimLost
		case c.State == grid.ClaimBooting && w.r.IntN(6) == 0:
			verb = grid.ClaimStop
		case c.State == grid.ClaimDraining && w.r.IntN(4) == 0:
			verb = grid.ClaimStop // its jobs have ended
		}
		if verb != "" {
			w.must(&ledger.Move{Claim: id, Version: c.Version, Verb: verb, VM: "vm", Reason: "so it goes"})
		}
	}
}

func (w *windowWorld) tick() {
	switch w.r.IntN(100) {
	case 0:
		w.clock = w.clock.Add(time.Duration(w.r.IntN(4*3600)) * time.Second)
		w.jumps++
	default:
		w.clock = w.clock.Add(time.Duration(1+w.r.IntN(60)) * time.Second)
	}
	w.newest = w.clock
	w.machines()
	_, err := w.c.look(w.t.Context())
	if err == nil {
		err = w.wish(w.t.Context())
	}
	if errors.Is(err, errDied) {
		w.stop()
		w.open(false)
		w.refit()
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for range w.l.View().Claims() {
		n++
	}
	w.most = max(w.most, n)
	if n > 5 {
		w.t.Fatalf("%d machines, and the resource may have five", n)
	}
}

// Windows under kills before and after anything that is kept, and with a clock that leaps:
// each is opened and closed once, no claim outlives its window, and the machines that it
// asks for stay within its budget and the resource's bounds.
func TestWindowsUnderKills(t *testing.T) {
	t.Parallel()
	seed := *cronSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	w := newWindowWorld(t, seed)
	for range 2500 {
		w.tick()
	}
	v := w.l.View()
	tt, _ := v.Timetable(w.w.key)
	for due, n := range w.opened {
		if n != 1 {
			t.Errorf("the window of %s was opened %d times", time.UnixMilli(due).UTC(), n)
		}
		if c := w.closed[due]; c != 1 && tt.Window.Due != due {
			t.Errorf("the window of %s was closed %d times", time.UnixMilli(due).UTC(), c)
		}
	}
	for id, due := range w.asked {
		if _, open := v.Claim(id); open && tt.Window.Due != due {
			t.Errorf("claim %d of the window of %s is open", id, time.UnixMilli(due).UTC())
		}
	}
	// What all the machines of a window took, as their receipts have it.
	taken := map[int64]time.Duration{}
	if err := w.l.Read(func(r *ledger.Reader) error {
		for id, due := range w.asked {
			rec, err := r.Receipt(id)
			if err != nil {
				return err
			}
			c, ok, err := r.PastClaim(id)
			if err != nil {
				return err
			}
			if ok && rec.Started > 0 {
				taken[due] += time.Duration(min(c.Entered, due+(50*time.Minute).Milliseconds())-rec.Started) * time.Millisecond
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for due, d := range taken {
		if d > w.w.budget {
			t.Errorf("the machines of the window of %s took %s of %s", time.UnixMilli(due).UTC(), d, w.w.budget)
		}
	}
	t.Logf("seed %d: %d windows, %d machines, at most %d at once; %d kills", seed, len(w.opened), len(w.asked), w.most, w.kills)
	if len(w.opened) < 5 || len(w.asked) < 10 || w.kills < 5 || w.most < 3 {
		t.Error("too little was tried")
	}
	if t.Failed() {
		t.Errorf("once more with -cron-seed %d", seed)
	}
}

func TestABudgetBoundsAWindow(t *testing.T) {
	hour := time.Date(2027, 1, 1, 2, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		budget time.Duration
		used   time.Duration
		now    time.Time
		want   int
	}{
		{"no bound", 0, time.Hour, hour, 10},
		{"enough for all", 20 * time.Hour, 0, hour, 10},
		{"enough for some", 7 * time.Hour, 0, hour, 3},
		{"enough for none", time.Hour, 0, hour, 0},
		{"half is used, and half the time is over", 20 * time.Hour, 10 * time.Hour, hour.Add(time.Hour), 10},
		{"one that failed has used some", 7 * time.Hour, 2 * time.Hour, hour.Add(30 * time.Minute), 3},
		{"all is used", 7 * time.Hour, 7 * time.Hour, hour.Add(time.Hour), 0},
		{"it is over", 7 * time.Hour, 0, hour.Add(3 * time.Hour), 0},
	} {
		w := &ledger.Window{Count: 10, Budget: c.budget.Milliseconds(), End: hour.Add(2 * time.Hour).UnixMilli()}
		if got := allowed(w, c.used, c.now); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestAMachineIsUsedOnceByJobsSideBySide(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []stay
		want  time.Duration
	}{
		{"none", nil, 0},
		{"one", []stay{{20, 30}}, 10},
		{"side by side, and one within another", []stay{{25, 40}, {20, 30}, {26, 28}}, 20},
		{"apart", []stay{{30, 40}, {10, 20}}, 20},
		{"beyond its time", []stay{{0, 15}, {95, 200}}, 10},
		{"outside", []stay{{0, 5}, {150, 200}}, 0},
	} {
		if got := union(c.spans, stay{10, 100}); got != c.want*time.Millisecond {
			t.Errorf("%s: %s, want %dms", c.name, got, c.want)
		}
	}
}

// A burst that the configuration has no more, in the midst of its window, keeps no machine.
func TestAWindowWhoseBurstIsNotConfiguredAnyMoreIsClosed(t *testing.T) {
	t.Parallel()
	w := newWindowWorld(t, 7)
	for len(w.opened) == 0 || len(w.asked) == 0 {
		w.tick()
	}
	w.c.windows = nil
	for n := 0; ; n++ {
		v := w.l.View()
		tt, _ := v.Timetable(w.w.key)
		open := 0
		for range v.Claims() {
			open++
		}
		if open == 0 && tt.Window.Due == 0 {
			break
		}
		if n > 5000 {
			t.Fatalf("%d claims are open, and the window of %d", open, tt.Window.Due)
		}
		w.tick()
		w.c.windows = nil
	}
}
