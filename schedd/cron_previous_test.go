package schedd

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// A timetable whose runs are behind each other begins none by itself behind one that goes on,
// failed or was removed, whenever the process dies; a run by hand that is done is enough to go
// on from.
func TestWholeRunsBehindTheRunBefore(t *testing.T) {
	t.Parallel()
	seed := *cronSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	var list []*cron
	for _, overlap := range []string{"queue", "forbid", "allow", "replace"} {
		c := Cron{Name: overlap, Schedule: "*/5 * * * *", Owner: "ada", Dag: "/w.hcl", Overlap: overlap, Missed: "all", AfterPrevious: "done"}
		k, err := c.parse()
		if waits := overlap == "queue" || overlap == "forbid"; waits != (err == nil) || !waits && grid.CodeOf(err) != grid.Invalid {
			t.Fatalf("with overlap %s: %v", overlap, err)
		}
		if err == nil {
			list = append(list, k)
		}
	}
	w := newCronWorld(t, seed, list)
	hand, begun := map[string]map[int64]bool{"queue": {}, "forbid": {}}, map[string]int{}
	w.fails = func(run uint32) bool { return run%7 == 0 }
	w.fired = func(name string, due int64) {
		before, at := uint32(0), int64(0)
		for instant, ds := range w.seen[name] {
			for _, d := range ds {
				if d.started && instant < due && (instant > at || instant == at && d.run > before) {
					before, at = d.run, instant
				}
			}
		}
		if hand[name][due] {
			return
		}
		if begun[name]++; before == 0 {
			return
		}
		if err := w.l.Read(func(r *ledger.Reader) error {
			g, ended, err := r.PastDag(before)
			if !ended || g.Status != dag.RunDone {
				t.Errorf("%s: %d is begun behind workflow %d, which is %s; once more with -cron-seed %d", name, due, before, g.Status, seed)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 1500 {
		w.tick()
		for _, k := range list {
			if mark := w.l.View().Cron(k.Name); len(liveRuns(w.l.View(), k.Name)) > 0 || !w.stuck(k.Name, mark) {
				continue
			}
			due := w.clock.UnixMilli() - 1
			hand[k.Name][due] = true
			_, err := w.beginRun(t.Context(), k, &occasion{due: w.clock.Add(-1e6), kind: ledger.Manual, by: "ada"})
			if errors.Is(err, errDied) {
				w.stop()
				w.open(false)
			}
		}
	}
	for name, n := range begun {
		if n < 20 {
			t.Errorf("%s: %d were begun at all", name, n)
		}
	}
	t.Logf("seed %d: %v begun, %d kills", seed, begun, w.kills)
}

// stuck reports whether the instant of a timetable that was decided last was skipped for the
// run before.
func (w *cronWorld) stuck(name string, mark int64) bool {
	ds := w.seen[name][mark]
	return len(ds) > 0 && strings.Contains(ds[len(ds)-1].why, "and not done")
}
