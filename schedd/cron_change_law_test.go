package schedd

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// spell is a time in which a timetable was followed in one form.
type spell struct {
	k        *cron
	from, to time.Time // (from, to]; a to of zero: it still is
}

// changingWorld is a cronWorld whose timetables become others.
type changingWorld struct {
	*cronWorld
	spells map[string][]spell
	gone   map[string][]time.Time // when each was done with
}

// refit has a new loop's proposals seen.
func (w *changingWorld) refit() {
	w.c.propose = func(ctx context.Context, b ledger.Body) (ledger.Result, error) {
		s, is := b.(*ledger.Settle)
		if !is || s.Gone == "" && (len(s.List) > 0 || w.l.View().Cron(s.Name) != 0) {
			return w.propose(ctx, b)
		}
		if w.dies() {
			return ledger.Result{}, errDied
		}
		before, _ := w.l.View().Timetable(s.Name)
		r, err := w.l.Propose(ctx, ledger.Command{By: "schedd", At: w.clock.UnixMilli(), Body: b})
		if err != nil {
			return r, err
		}
		if s.Gone != "" {
			for _, due := range before.Queue {
				w.note(s.Name, due, decision{at: w.clock, why: s.Gone})
			}
			w.gone[s.Name] = append(w.gone[s.Name], w.clock)
		} else { // it is new, and begins now
			w.begins(s.Name, time.UnixMilli(s.Mark))
		}
		if w.dies() {
			return ledger.Result{}, errDied
		}
		return r, nil
	}
}

func (w *changingWorld) begins(name string, at time.Time) {
	i := slices.IndexFunc(w.list, func(k *cron) bool { return k.Name == name })
	w.spells[name] = append(w.spells[name], spell{k: w.list[i], from: at})
}

// ends says that a timetable is followed no more in the form that it has had.
func (w *changingWorld) ends(name string) (was bool) {
	all := w.spells[name]
	if len(all) == 0 || !all[len(all)-1].to.IsZero() {
		return false // it had not begun
	}
	all[len(all)-1].to = w.clock
	return true
}

// goes lets the clock go on a little, and has the loop look; if it dies, another process goes on.
func (w *changingWorld) goes() {
	w.clock = w.clock.Add(time.Duration(1+w.r.IntN(45)) * time.Second)
	if w.r.IntN(80) == 0 {
		w.clock = w.clock.Add(time.Duration(w.r.IntN(80*60)) * time.Second)
	}
	w.endSome()
	if _, err := w.c.look(w.t.Context()); errors.Is(err, errDied) {
		w.again()
	} else if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range w.list { // one that replaces, or waits, never runs beside another
		if live := liveRuns(w.l.View(), k.Name); k.Overlap != "allow" && len(live) > 1 {
			started := 0
			for _, s := range w.spells[k.Name] {
				if s.k.Overlap == "allow" {
					started++
				}
			}
			if started == 0 {
				w.t.Fatalf("%s: runs %v go on at once", k.Name, live)
			}
		}
	}
}

func (w *changingWorld) again() {
	w.stop()
	w.open(false)
	w.refit()
}

// change puts other timetables in the place of those that there are, in a process that dies
// before that is kept, after it, or not at all.
func (w *changingWorld) change(fresh []*cron) {
	h, err := w.c.handOver(w.t.Context(), fresh, nil)
	if errors.Is(err, errDied) {
		w.again()
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if w.r.IntN(6) == 0 { // nothing of it was kept
		h.done(false)
		return
	}
	if err := h.passOver(w.t.Context()); errors.Is(err, errDied) {
		w.again()
		return
	} else if err != nil {
		w.t.Fatal(err)
	}
	was := w.list
	w.list = fresh
	for _, k := range was {
		i := slices.IndexFunc(fresh, func(f *cron) bool { return f.Name == k.Name })
		if i >= 0 && fresh[i] == k || !w.ends(k.Name) {
			continue
		}
		if i >= 0 {
			w.spells[k.Name] = append(w.spells[k.Name], spell{k: fresh[i], from: w.clock})
		}
	}
	h.done(true)
	if w.r.IntN(4) == 0 { // it is in the file, and nothing more was done
		w.again()
	}
}

// judge looks whether something became of each instant in the form that the timetable had when
// it came, and of none twice, or while there was no timetable.
func (w *changingWorld) judge() (instants, started int) {
	w.t.Helper()
	for name, all := range w.spells {
		for _, s := range all {
			to := s.to
			if to.IsZero() {
				to = time.UnixMilli(w.l.View().Cron(name))
			}
			for at := s.k.schedule.Next(s.from); !at.IsZero() && !at.After(to); at = s.k.schedule.Next(at) {
				instants++
				if len(w.seen[name][at.UnixMilli()]) == 0 {
					w.t.Errorf("%s: nothing became of %s", name, at.UTC())
				}
			}
		}
		for due, ds := range w.seen[name] {
			n, at := 0, time.UnixMilli(due)
			for _, d := range ds {
				if d.started {
					n++
				}
			}
			if started += n; n > 1 {
				w.t.Errorf("%s: the occurrence of %s was started %d times: %+v", name, at.UTC(), n, ds)
			}
			if n > 0 && !slices.ContainsFunc(all, func(s spell) bool {
				return s.k.schedule.Next(at.Add(-time.Second)).Equal(at) && at.After(s.from) && (s.to.IsZero() || !at.After(s.to))
			}) {
				w.t.Errorf("%s: %s is none of its instants, and was begun", name, at.UTC())
			}
			for _, away := range w.gone[name] { // what comes later begins anew
				back := slices.IndexFunc(all, func(s spell) bool { return !s.from.Before(away) })
				until := w.clock
				if back >= 0 {
					until = all[back].from
				}
				if n > 0 && at.After(away) && at.Before(until) {
					w.t.Errorf("%s: there was no timetable at %s, and it was begun", name, at.UTC())
				}
			}
		}
	}
	return instants, started
}

// Timetables come, change and go in a process that is killed before and after anything that it
// keeps: each instant is decided by what the timetable was when it came, is begun once at most,
// and none is begun that came when there was no timetable.
func TestTimetablesThatChangeUnderKills(t *testing.T) {
	t.Parallel()
	seed := *cronSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	forms := cronsOf(t)
	other := map[string]string{"often": "*/2 * * * *", "all": "*/6 * * * *", "few": "@every 5m", "last": "2-59/4 * * * *", "queue": "*/15 * * * *", "wall": "*/7 * * * *", "replace": "*/10 * * * *", "forbid": "*/20 * * * *"}
	var changed []*cron
	for _, k := range forms {
		c := k.Cron
		c.Schedule = other[c.Name]
		if c.Name == "forbid" {
			c.StartDeadline = 5 * time.Minute // its instants stay
		}
		f, err := c.parse()
		if err != nil {
			t.Fatal(err)
		}
		changed = append(changed, f)
	}
	w := &changingWorld{cronWorld: newCronWorld(t, seed, forms), spells: map[string][]spell{}, gone: map[string][]time.Time{}}
	w.refit()
	for range 60 {
		for range 25 {
			w.goes()
		}
		var fresh []*cron
		for i, k := range forms {
			switch w.r.IntN(4) {
			case 0:
			case 1:
				fresh = append(fresh, changed[i])
			default:
				fresh = append(fresh, k)
			}
		}
		w.change(fresh)
	}
	w.goes()
	instants, started := w.judge()
	t.Logf("seed %d: %d instants, %d begun, %d kills", seed, instants, started, w.kills)
	if t.Failed() {
		t.Fatalf("once more with -cron-seed %d", seed)
	}
	if w.kills == 0 || instants < 500 || started < 200 || len(w.gone) < 5 {
		t.Fatal("nothing was tried")
	}
}

// What is gone has its history, and what waited for it is passed over there, with why; the run
// that goes on does so. One of that name that comes begins at that moment.
func TestATimetableThatIsGoneIsDoneWith(t *testing.T) {
	t.Parallel()
	k, err := (&Cron{Name: "k", Schedule: "0 * * * *", Owner: "ada", Dag: "/w.dag", Overlap: "queue", Missed: "all"}).parse()
	if err != nil {
		t.Fatal(err)
	}
	w := newCronWorld(t, 1, []*cron{k})
	w.c.propose = func(ctx context.Context, b ledger.Body) (ledger.Result, error) {
		return w.l.Propose(ctx, ledger.Command{By: "schedd", At: w.clock.UnixMilli(), Body: b})
	}
	w.c.begin = func(ctx context.Context, k *cron, o *occasion) (uint32, error) {
		r, err := w.c.propose(ctx, &ledger.Fire{As: o.kind, Fill: o.fill, Start: ledger.StartDag{
			Owner: ledger.Owner{Name: "ada", UID: 1000}, Name: "w", File: "/w", Dir: "/", Graph: [][]byte{[]byte("g")}, Nodes: 1, Cron: k.Name, Due: o.due.UnixMilli(),
		}})
		if err != nil {
			return 0, err
		}
		return r.Value.(uint32), nil
	}
	look := func(after time.Duration) {
		t.Helper()
		w.clock = w.clock.Add(after)
		if _, err := w.c.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	change := func(to ...*cron) {
		t.Helper()
		h, err := w.c.handOver(t.Context(), to, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.passOver(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.done(true)
		look(0)
	}
	history := func() (all []ledger.Occurrence) {
		t.Helper()
		if err := w.l.Read(func(r *ledger.Reader) (err error) {
			all, err = r.Occurrences(w.l.View(), "k", 0)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	look(0)
	look(time.Hour) // begun, and goes on
	look(time.Hour) // waits
	w.must(&ledger.BeginBackfill{Name: "k", Fill: ledger.Backfill{From: 1000, To: 7200_000 * 10, AtOnce: 1}})
	w.clock = w.clock.Add(time.Hour) // due, and not looked at yet
	change()
	want := []ledger.Outcome{ledger.OccurrenceStarted, ledger.OccurrenceQueued, ledger.OccurrenceQueued, ledger.OccurrenceStarted, ledger.OccurrenceSkipped, ledger.OccurrenceSkipped, ledger.OccurrenceSkipped}
	all := history()
	for i, o := range slices.Backward(all) {
		if at := len(all) - 1 - i; at >= len(want) || o.Outcome != want[at] || (o.Why == notConfigured) != (at >= 4) {
			t.Errorf("what became of it begins with the last %+v", all)
			break
		}
	}
	v := w.l.View()
	tt, _ := v.Timetable("k")
	if v.Cron("k") != 0 || len(tt.Queue)+len(tt.Backfills) > 0 || len(liveRuns(v, "k")) != 1 {
		t.Errorf("it is at %d, with %+v; runs %v", v.Cron("k"), tt, liveRuns(v, "k"))
	}
	notes := len(history())
	look(10 * time.Hour)
	if n := len(history()); n != notes {
		t.Errorf("without a timetable there are %d further notes", n-notes)
	}
	change(k)
	look(time.Minute)
	if n, mark := len(history()), w.l.View().Cron("k"); n != notes || mark < w.clock.Add(-2*time.Minute).UnixMilli() {
		t.Errorf("it comes again with %d notes, at %s", n-notes, time.UnixMilli(mark).UTC())
	}
	look(time.Hour)
	if all := history(); len(all) != notes+1 || all[0].Outcome != ledger.OccurrenceQueued {
		t.Errorf("its first instant is %+v: the run of before goes on", all[0])
	}
	if _, err := w.l.Propose(t.Context(), ledger.Command{By: "schedd", At: w.clock.UnixMilli(), Body: &ledger.Settle{Name: "k", Gone: "x", Mark: 1}}); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("gone, and something else: %v", err)
	}
}

// An instant that has come, and waits for its jitter or for its files, is begun if its timetable
// still has it, and is otherwise passed over, with why.
func TestWhatWaitsIsDecidedWhenItsTimetableChanges(t *testing.T) {
	t.Parallel()
	const unwritten = "the configuration could not be written, and nothing changes"
	form := func(schedule, overlap string, jitter time.Duration) *cron {
		k, err := (&Cron{Name: "k", Schedule: schedule, Owner: "ada", Dag: "/w.dag", Overlap: overlap, Missed: "all", Jitter: jitter}).parse()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, c := range []struct {
		name   string
		was    *cron
		down   bool // its files do not answer
		now    []*cron
		begun  int
		passed string
	}{
		{"it waits for its jitter, and stays", form("0 * * * *", "forbid", 50*time.Minute), false, []*cron{form("0 * * * *", "allow", 50*time.Minute)}, 1, ""},
		{"it waits for its jitter, and has gone", form("0 * * * *", "forbid", 50*time.Minute), false, []*cron{form("30 5 * * *", "forbid", 0)}, 0, hasChanged},
		{"it waits for its jitter, and would have gone", form("0 * * * *", "forbid", 50*time.Minute), false, []*cron{form("30 5 * * *", "forbid", 0)}, 1, unwritten},
		{"it waits for its jitter, and there would be no timetable", form("0 * * * *", "forbid", 50*time.Minute), false, nil, 1, unwritten},
		{"its files do not answer, and it stays", form("0 * * * *", "forbid", 0), true, []*cron{form("0 21 * * *", "forbid", 0)}, 1, ""},
		{"its files do not answer, and there is no timetable", form("0 * * * *", "forbid", 0), true, nil, 0, notConfigured},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newCronWorld(t, 1, []*cron{c.was})
			w.c.propose = func(ctx context.Context, b ledger.Body) (ledger.Result, error) {
				return w.l.Propose(ctx, ledger.Command{By: "schedd", At: w.clock.UnixMilli(), Body: b})
			}
			begun, down := 0, c.down
			w.c.begin = func(ctx context.Context, k *cron, o *occasion) (uint32, error) {
				if down {
					return 0, grid.Errorf(grid.Unavailable, "they do not answer")
				}
				_, err := w.c.propose(ctx, &ledger.Fire{As: o.kind, Start: ledger.StartDag{
					Owner: ledger.Owner{Name: "ada", UID: 1000}, Name: "w", File: "/w", Dir: "/", Graph: [][]byte{[]byte("g")}, Nodes: 1, Cron: k.Name, Due: o.due.UnixMilli(),
				}})
				if err == nil {
					begun++
				}
				return 1, err
			}
			due := w.clock.Truncate(time.Hour).Add(time.Hour)
			if c.was.Jitter > 0 && c.was.schedule.Delay(due) < time.Minute {
				t.Fatalf("its jitter is %s", c.was.schedule.Delay(due))
			}
			look := func(at time.Time) {
				t.Helper()
				w.clock = at
				if _, err := w.c.look(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			look(w.clock)
			look(due.Add(time.Second))
			h, err := w.c.handOver(t.Context(), c.now, nil)
			if err == nil && c.passed != unwritten {
				err = h.passOver(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			h.done(c.passed != unwritten)
			down = false
			look(due.Add(2 * time.Second))
			look(due.Add(51 * time.Minute))
			var notes []ledger.Occurrence
			if err := w.l.Read(func(r *ledger.Reader) (err error) {
				notes, err = r.Occurrences(w.l.View(), "k", 0)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if len(notes) != 1 || begun != c.begun || notes[0].Due != due.UnixMilli() || c.begun == 0 && (notes[0].Outcome != ledger.OccurrenceSkipped || notes[0].Why != c.passed) {
				t.Errorf("%d were begun, and there is noted %+v", begun, notes)
			}
		})
	}
}
