package schedd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/dag"
	"gridburst/dag/trigger"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

var (
	cronInstants = flag.Int("cron-instants", 1000, "instants that TestOccurrencesUnderKillsAndClockJumps goes on for")
	cronSeed     = flag.Uint64("cron-seed", 0, "the `seed` of TestOccurrencesUnderKillsAndClockJumps; 0: another each time")
)

// errDied is what the loop is told when its process is to have died at that place.
var errDied = errors.New("the process died here")

// decision is what the world's witness saw become of an occurrence.
type decision struct {
	started bool
	queued  bool
	at      time.Time // the wall clock then
	run     uint32
	why     string
}

// glance is a look at all timetables: its clock, and whether it came to its end.
type glance struct {
	at    time.Time
	whole bool
}

// cronWorld is a loop that follows timetables over a real ledger, by a wall clock that
// goes as it likes, in a process that dies anywhere.
type cronWorld struct {
	t      *testing.T
	r      *rand.Rand
	dir    string
	list   []*cron
	clock  time.Time
	newest time.Time // that the clock has ever shown
	killed bool

	l    *ledger.Ledger
	c    *crons
	stop func()

	fired func(name string, due int64) // looks at a run that has begun; nil: nobody
	fails func(run uint32) bool        // which end badly; nil: none

	seen    map[string]map[int64][]decision // by timetable and instant
	since   map[string]int64                // when each timetable began
	looks   []glance
	kills   int
	jumps   int
	restore int
}

func newCronWorld(t *testing.T, seed uint64, list []*cron) *cronWorld {
	w := &cronWorld{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), list: list, clock: time.Date(2026, 3, 27, 20, 0, 30, 0, time.UTC), seen: map[string]map[int64][]decision{}, since: map[string]int64{},
	}
	for _, k := range list {
		w.seen[k.Name] = map[int64][]decision{}
	}
	w.open(false)
	t.Cleanup(func() { w.stop() })
	return w
}

// open starts a term, on what the last left in the ledger.
func (w *cronWorld) open(restored bool) {
	w.t.Helper()
	l, err := ledger.Open(w.dir, ledger.Options{NoSync: true})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	w.l = l
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		if err := l.Close(); err != nil {
			w.t.Error(err)
		}
	}
	log := logrus.New()
	log.SetOutput(discard{})
	w.c = &crons{
		ledger: l, now: func() time.Time { return w.clock }, propose: w.propose, begin: w.beginRun, end: w.endRun, log: log, trouble: func(string) {},
		fixed: w.list, parsed: map[string]*cron{}, poked: make(chan struct{}, 1), told: map[string]bool{}, removed: map[uint32]bool{},
	}
	w.killed = false
	w.must(&ledger.Begin{Deployment: "d", Host: "h", Restored: restored, Rules: ledger.Rules})
	if restored {
		w.must(&ledger.RestoreTimetables{Reason: "restored"})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func (w *cronWorld) must(b ledger.Body) ledger.Result {
	w.t.Helper()
	r, err := w.l.Propose(w.t.Context(), ledger.Command{By: "schedd", At: w.clock.UnixMilli(), Body: b})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// dies says that the process dies here.
func (w *cronWorld) dies() bool {
	if w.killed || w.r.IntN(12) > 0 {
		return w.killed
	}
	w.killed = true
	w.kills++
	return true
}

// propose is the loop's way to the ledger. It dies before, or after it is kept: then
// nobody hears of it but the witness.
func (w *cronWorld) propose(ctx context.Context, b ledger.Body) (ledger.Result, error) {
	if w.dies() {
		return ledger.Result{}, errDied
	}
	r, err := w.l.Propose(ctx, ledger.Command{By: "schedd", At: w.clock.UnixMilli(), Body: b})
	if err != nil {
		return r, err
	}
	switch b := b.(type) {
	case *ledger.Fire:
		if w.fired != nil {
			w.fired(b.Start.Cron, b.Start.Due)
		}
		w.note(b.Start.Cron, b.Start.Due, decision{started: true, at: w.clock, run: r.Value.(uint32)})
	case *ledger.Settle:
		if len(b.List) == 0 && w.since[b.Name] == 0 {
			w.since[b.Name] = b.Mark // it is new, and begins now
		}
		for _, o := range b.List {
			w.note(b.Name, o.Due, decision{queued: o.Outcome == ledger.OccurrenceQueued, at: w.clock, why: o.Why})
		}
	}
	if w.dies() {
		return ledger.Result{}, errDied
	}
	return r, nil
}

func (w *cronWorld) note(name string, due int64, d decision) {
	w.seen[name][due] = append(w.seen[name][due], d)
}

// beginRun stands for the reading of the files. Now and then these do not answer, or are
// broken.
func (w *cronWorld) beginRun(ctx context.Context, k *cron, o *occasion) (uint32, error) {
	switch w.r.IntN(40) {
	case 0:
		return 0, grid.Errorf(grid.Invalid, "the file is broken")
	case 1:
		return 0, grid.Errorf(grid.NotFound, "this machine has no user %s", k.Owner)
	}
	r, err := w.propose(ctx, &ledger.Fire{
		Start: ledger.StartDag{Owner: ledger.Owner{Name: "ada", UID: 1000}, Name: "w", File: "/w", Dir: "/", Graph: [][]byte{[]byte("g")}, Nodes: 1, Cron: k.Name, Due: o.due.UnixMilli()},
		As:    o.kind, Fill: o.fill, Vars: occasionVars(k, o), Why: o.why, Follows: true,
	})
	if err != nil {
		return 0, err
	}
	return r.Value.(uint32), nil
}

// endRun asks a run to end, which takes until some later tick.
func (w *cronWorld) endRun(_ context.Context, run uint32) error {
	if w.dies() {
		return errDied
	}
	g, ok := w.l.View().Dag(run)
	if !ok || g.Status == dag.RunStopping {
		return nil
	}
	w.must(&ledger.StepDag{Dag: run, Version: g.Version, Header: dag.Header{Version: g.Version + 1, Status: dag.RunStopping, End: dag.RunRemoved}})
	return nil
}

// endSome ends runs.
func (w *cronWorld) endSome() {
	for id, g := range w.l.View().Dags() {
		if g.Status != dag.RunStopping && w.r.IntN(6) > 0 {
			continue
		}
		end := dag.RunDone
		if w.fails != nil && w.fails(id) {
			end = dag.RunFailed
		}
		w.must(&ledger.StepDag{Dag: id, Version: g.Version, Header: dag.Header{Version: g.Version + 1, Status: end}})
	}
}

// tick lets the clock go on and has the loop look; if it dies there, a new process goes on.
func (w *cronWorld) tick() {
	switch w.r.IntN(60) {
	case 0: // asleep, or set forward
		w.clock = w.clock.Add(time.Duration(w.r.IntN(5*3600)) * time.Second)
		w.jumps++
	case 1: // set back
		w.clock = w.clock.Add(-time.Duration(w.r.IntN(2*3600)) * time.Second)
		w.jumps++
	default:
		w.clock = w.clock.Add(time.Duration(1+w.r.IntN(45)) * time.Second)
	}
	if w.clock.After(w.newest) {
		w.newest = w.clock
	}
	w.endSome()
	w.overlapsAsDeclared()
	_, err := w.c.look(w.t.Context())
	w.looks = append(w.looks, glance{w.clock, err == nil})
	if errors.Is(err, errDied) {
		w.stop()
		w.open(false)
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.overlapsAsDeclared()
}

// overlapsAsDeclared looks how many runs of a timetable go on.
func (w *cronWorld) overlapsAsDeclared() {
	w.t.Helper()
	for _, k := range w.list {
		if live := liveRuns(w.l.View(), k.Name); k.Overlap != "allow" && len(live) > 1 {
			w.t.Fatalf("%s: runs %v go on at once", k.Name, live)
		}
	}
}

// putBack puts a copy of the queue in its place, as gadm restore does, while the clock
// shows no less than it ever has.
func (w *cronWorld) putBack(backup string) {
	w.t.Helper()
	w.stop()
	src, err := os.ReadFile(backup)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, ledger.FileName), src, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.clock = w.newest.Add(time.Minute)
	w.newest = w.clock
	w.restore++
	w.open(true)
}

// judge compares what became of each instant with what its timetable declares.
func (w *cronWorld) judge() (instants, started int) {
	w.t.Helper()
	for _, k := range w.list {
		from, mark := time.UnixMilli(w.since[k.Name]), time.UnixMilli(w.l.View().Cron(k.Name))
		for due, ds := range w.seen[k.Name] {
			n := 0
			for _, d := range ds {
				if d.started {
					n++
				}
			}
			if n > 1 {
				w.t.Errorf("%s: the occurrence of %s was started %d times: %+v", k.Name, time.UnixMilli(due).UTC(), n, ds)
			}
			if at := time.UnixMilli(due); !k.schedule.Next(at.Add(-time.Second)).Equal(at) {
				w.t.Errorf("%s: %s is none of its instants", k.Name, at.UTC())
			}
		}
		for at := k.schedule.Next(from); !at.IsZero() && !at.After(mark); at = k.schedule.Next(at) {
			ds := w.seen[k.Name][at.UnixMilli()]
			instants++
			for _, d := range ds {
				if d.started {
					started++
				}
			}
			w.judgeOne(k, at, ds)
		}
	}
	return instants, started
}

// judgeOne says whether one instant was decided when it should, and as it should.
func (w *cronWorld) judgeOne(k *cron, at time.Time, ds []decision) {
	w.t.Helper()
	due := at.Add(k.schedule.Delay(at))
	if len(ds) == 0 {
		// Of very many that were missed at once, the newest hundred are noted one by one.
		later := at
		for range 100 {
			later = k.schedule.Next(later)
		}
		if later.UnixMilli() <= w.l.View().Cron(k.Name) {
			return
		}
		w.t.Errorf("%s: nothing became of %s", k.Name, at.UTC())
		return
	}
	d := ds[0]
	first := slices.IndexFunc(w.looks, func(g glance) bool { return !g.at.Before(due) })
	if d.at.Before(due) {
		w.t.Errorf("%s: %s was decided at %s, before it came", k.Name, at.UTC(), d.at.UTC())
	}
	// Between the first look that could see it and the one that decided, all had died.
	for _, g := range w.looks[first:] {
		if g.at.Equal(d.at) {
			break
		}
		if g.whole && !g.at.Before(due) {
			w.t.Errorf("%s: %s was decided at %s, and a look at %s had seen it", k.Name, at.UTC(), d.at.UTC(), g.at.UTC())
			break
		}
	}
	late, grace := d.at.Sub(due), max(time.Minute, k.StartDeadline)
	switch {
	case k.StartDeadline > 0 && late > k.StartDeadline && d.started:
		w.t.Errorf("%s: %s was started %s late", k.Name, at.UTC(), late)
	case k.policy.Missed == trigger.MissedAll && d.why == trigger.BeyondMost && k.policy.Limit > 100:
		w.t.Errorf("%s: %s is not made up for", k.Name, at.UTC())
	case k.policy.Missed == trigger.MissedSkip && late > grace && (d.started || d.queued):
		w.t.Errorf("%s: %s was missed by %s, and made up for", k.Name, at.UTC(), late)
	case k.policy.Missed == trigger.MissedSkip && late <= grace && d.why == trigger.WasMissed:
		w.t.Errorf("%s: %s counts as missed after %s", k.Name, at.UTC(), late)
	}
	if last := ds[len(ds)-1]; d.queued && last.queued && k.Overlap == "queue" {
		t, _ := w.l.View().Timetable(k.Name)
		if !slices.Contains(t.Queue, at.UnixMilli()) {
			w.t.Errorf("%s: %s waits for ever", k.Name, at.UTC())
		}
	}
}

func cronsOf(t *testing.T) (out []*cron) {
	t.Helper()
	for _, c := range []Cron{
		{Name: "often", Schedule: "* * * * *", Overlap: "allow"},
		{Name: "all", Schedule: "*/5 * * * *", Missed: "all", MissedLimit: 1000, Overlap: "allow", TimeZone: "Europe/Berlin"},
		{Name: "few", Schedule: "@every 7m", Missed: "all", MissedLimit: 3, Overlap: "allow"},
		{Name: "last", Schedule: "*/4 * * * *", Missed: "last", Overlap: "allow", Jitter: 2 * time.Minute},
		{Name: "queue", Schedule: "*/10 * * * *", Missed: "last", Overlap: "queue"},
		{Name: "replace", Schedule: "*/15 * * * *", Overlap: "replace"},
		{Name: "forbid", Schedule: "*/20 * * * *", Missed: "all", Overlap: "forbid", StartDeadline: 10 * time.Minute},
		{Name: "wall", Schedule: "15,45 1-3 * * *", TimeZone: "Europe/Berlin", Missed: "last", Overlap: "allow"},
	} {
		c.Owner, c.Dag = "ada", "/w.dag"
		k, err := c.parse()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, k)
	}
	return out
}

// A thousand instants of timetables of every kind, the process killed before and after
// anything that it keeps, the clock set forward and back: none is begun twice, each that
// is missed is what its timetable says, and what waits is begun.
func TestOccurrencesUnderKillsAndClockJumps(t *testing.T) {
	t.Parallel()
	seed := *cronSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	list := cronsOf(t)
	for round, total := 0, 0; total < *cronInstants; round++ {
		w := newCronWorld(t, seed+uint64(round), list)
		begun := w.clock
		for range 800 {
			w.tick()
		}
		instants, started := w.judge()
		total += instants
		t.Logf("seed %d: %d instants, %d begun; %d kills, %d jumps of the clock, over %s", seed+uint64(round), instants, started, w.kills, w.jumps, w.newest.Sub(begun).Round(time.Minute))
		if t.Failed() {
			t.Fatalf("once more with -cron-seed %d", seed+uint64(round))
		}
		if w.kills == 0 || w.jumps == 0 || started == 0 {
			t.Fatal("nothing was tried")
		}
	}
}

// A queue that is put back from an older copy begins nothing again, in whatever state the
// copy was: what it does not know of may have been.
func TestARestoredQueueBeginsNothingTwice(t *testing.T) {
	t.Parallel()
	seed := *cronSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	w := newCronWorld(t, seed, cronsOf(t))
	for round := range 4 {
		for range 60 {
			w.tick()
		}
		backup := filepath.Join(t.TempDir(), fmt.Sprint(round))
		if _, err := w.l.WriteBackup(backup); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			w.tick()
		}
		w.putBack(backup)
		if err := w.l.Read(func(r *ledger.Reader) error {
			for _, k := range w.list {
				all, err := r.Occurrences(w.l.View(), k.Name, 1)
				if err != nil {
					return err
				}
				if len(all) == 0 || all[0].Outcome != ledger.OccurrenceMissed || all[0].Why != "restored" {
					t.Errorf("%s says of the restore: %+v", k.Name, all)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 60 {
		w.tick()
	}
	begun := 0
	for name, all := range w.seen {
		for due, ds := range all {
			n := 0
			for _, d := range ds {
				if d.started {
					n++
				}
			}
			if begun += n; n > 1 {
				t.Errorf("%s: %s was started %d times: %+v; once more with -cron-seed %d", name, time.UnixMilli(due).UTC(), n, ds, seed)
			}
		}
	}
	if begun < 50 {
		t.Errorf("%d were begun at all", begun)
	}
}

// A daemon whose queue comes from a backup begins nothing of the time that this does not
// know, and says so; one that dies while it does that does it again.
func TestARestoredDaemonPassesOverWhatMayHaveBeen(t *testing.T) {
	t.Parallel()
	me, err := currentUser()
	if err != nil {
		t.Fatal(err)
	}
	clock := &wall{t: time.Now().Add(time.Hour).Truncate(time.Hour)}
	p := newPlace(t, func(c *Config) {
		c.Now = clock.now
		c.Crons = []Cron{{Name: "hourly", Schedule: "@hourly", Owner: me, Dag: "/nowhere/w.dag", Missed: "all"}}
	})
	p.live.d.crons.poke()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for p.live.d.ledger.View().Cron("hourly") == 0 {
		select {
		case <-look.C:
		case <-late:
			t.Fatal("the timetable does not begin")
		}
	}
	p.stop()
	if err := os.WriteFile(filepath.Join(p.c.Dir, SpoolName, ledger.RestoredMark), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Five hours that the copy does not know of.
	clock.mu.Lock()
	clock.t = clock.t.Add(5*time.Hour + time.Minute)
	clock.mu.Unlock()
	p.start()
	p.live.d.crons.poke()
	for {
		out, err := p.CronHistory(t.Context(), "hourly", 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(out.Occurrences); n > 0 {
			if o := out.Occurrences[n-1]; o.Outcome != "missed" || !strings.Contains(o.Why, "restored from a backup") || n != 1 {
				t.Errorf("%+v", out.Occurrences)
			}
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatal("nothing is said of the restore")
		}
	}
}
