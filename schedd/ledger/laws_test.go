package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

// Law 1: the state is the fold of the log. Each drawn history is folded again from
// nothing, and from a checkpoint in its midst.
func TestReplayingTheLogGivesTheState(t *testing.T) {
	dirs := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		dir := filepath.Join(dirs, fmt.Sprint(n))
		defer os.RemoveAll(dir)
		fold := filepath.Join(dir, "fold")
		must(t, os.MkdirAll(fold, 0o700))
		path := filepath.Join(dir, FileName)
		m, err := OpenMachine(path, Options{NoSync: true})
		must(t, err)
		s := script{t: t}
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		checkpoint := rapid.IntRange(0, 2*steps).Draw(t, "checkpoint")
		for i := range steps {
			apply(m, s.draw(m.View()))
			if i == checkpoint {
				b, err := m.WriteBackup(filepath.Join(dir, "checkpoint-x.db"))
				must(t, err)
				apply(m, Command{By: "schedd", Body: &Checkpoint{Index: b.Index, Digest: b.Digest, Name: "checkpoint-x.db", Trim: b.Index, Max: 1000}})
			}
		}
		must(t, m.Close())
		v, err := Verify(path, dir, fold)
		must(t, err)
		if len(v.Found) > 0 {
			t.Fatalf("verify found %v", v.Found)
		}
		if checkpoint < steps-1 && v.Base == 0 {
			t.Fatalf("the fold did not begin at the checkpoint")
		}
	})
}

// Law 2: how entries are batched makes no difference. Law 3: nor does which machine
// applies them, and an entry applied before is skipped.
func TestBatchingAndMachineMakeNoDifference(t *testing.T) {
	files := newScratch(t)
	rapid.Check(t, func(t *rapid.T) {
		one, twin := files.open(t), files.open(t)
		defer one.Close()
		defer twin.Close()
		s := script{t: t}
		var entries []Entry
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			e := Entry{Index: uint64(i + 1), Command: s.draw(one.View())}
			one.ApplyBatch([]Entry{e})
			entries = append(entries, e)
		}
		for i := 0; i < len(entries); {
			size := rapid.IntRange(1, 10).Draw(t, "size")
			end := min(i+size, len(entries))
			again := max(0, i-rapid.IntRange(0, 2).Draw(t, "again"))
			twin.ApplyBatch(decoded(t, entries[again:end]))
			i = end
		}
		if a, b := digestOf(t, one), digestOf(t, twin); a != b {
			t.Fatalf("digests differ: %v one by one, %v in batches", a, b)
		}
	})
}

// decoded is entries as another process would read them from the log.
func decoded(t *rapid.T, entries []Entry) []Entry {
	out := make([]Entry, len(entries))
	for i := range entries {
		k := key8(entries[i].Index)
		r, err := decodeEntry(k, seal(k, encodeEntry(&entries[i], entries[i].At, nil, nil).b))
		must(t, err)
		out[i] = r.Entry
	}
	return out
}

// The view in memory is what loading the file would give; a refusal changes
// nothing; every job's events are a path of the state table that ends at its
// record; earlier views do not change.
func TestViewFileAndEventsAgree(t *testing.T) {
	files := newScratch(t)
	rapid.Check(t, func(t *rapid.T) {
		m := files.open(t)
		defer m.Close()
		s := script{t: t}
		fold := eventFold{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			before := m.View()
			snapshot := describe(before)
			c := s.draw(before)
			r := apply(m, c)
			if d := cmp.Diff(snapshot, describe(before)); d != "" {
				t.Fatalf("%s changed an earlier view: %s", c.Body.Kind(), d)
			}
			if r.Err != nil {
				after := describe(m.View())
				after["head"] = snapshot["head"] // a refusal is an entry too: index and time go on
				if d := cmp.Diff(snapshot, after); d != "" {
					t.Fatalf("a refused %s changed the state: %s", c.Body.Kind(), d)
				}
			}
			events, _, err := m.Events(t.Context(), r.Index-1, 1<<20)
			must(t, err)
			fold.add(t, events)
			fold.compare(t, m.View())
			withinBounds(t, before, m.View(), c.Body)
			compareWithFile(t, m)
		}
	})
}

// A factory makes no job beyond its bounds, and none twice.
func withinBounds(t *rapid.T, before, after *View, b Body) {
	t.Helper()
	for id, f := range after.Factories() {
		c, _ := after.Cluster(id)
		if was, ok := before.Cluster(id); !ok || was.Procs == c.Procs || b.Kind() != KindMaterialize {
			continue
		}
		tally := Tally{}
		for s := range after.Stretches(grid.WholeCluster(id)) {
			tally[s.Job.Status] += int32(s.Run.Len())
		}
		if c.Procs > f.Jobs || int32(tally.Total()) > f.Limit || tally[grid.Idle]+tally[grid.Held] > f.MaxIdle || f.Paused || f.Stopped {
			t.Fatalf("cluster %d has made %d jobs, %v in the queue, with %+v", id, c.Procs, tally, *f)
		}
	}
}

func compareWithFile(t *rapid.T, m *Machine) {
	t.Helper()
	var loaded *View
	must(t, m.Read(func(r *Reader) error {
		v, damage, err := loadView(r.tx)
		if len(damage) > 0 {
			t.Fatalf("damage: %v", damage)
		}
		loaded = v
		return err
	}))
	if d := cmp.Diff(describe(loaded), describe(m.View())); d != "" {
		t.Fatalf("the file (-) and the view (+) differ: %s", d)
	}
}

// describe says everything that a view says, as plain values.
func describe(v *View) map[string]any {
	out := map[string]any{
		"head":     fmt.Sprint(v.Index, v.At, v.Term, v.Deployment, v.Marked, v.Checkpoint, v.CheckpointName),
		"counters": fmt.Sprint(v.counters), "all": v.Tally(0),
	}
	for id, c := range v.Clusters(0) {
		out[fmt.Sprint("cluster ", id)] = *c
		for s := range v.Stretches(grid.WholeCluster(id)) {
			out["jobs "+s.Run.String()] = s.Job
		}
	}
	for id, f := range v.factories.from(0) {
		out[fmt.Sprint("factory ", id)] = *f
	}
	for id, o := range v.Owners() {
		out[fmt.Sprint("owner ", id)] = []any{o, v.Tally(id), v.OwnerOf(o.UID) == id}
	}
	for id, w := range v.workers.from(0) {
		out[fmt.Sprint("worker ", id)] = []any{*w, v.WorkerOf(w.Name) == id}
	}
	for id, c := range v.Claims() {
		out[fmt.Sprint("claim ", id)] = *c
	}
	for id, g := range v.Dags() {
		out[fmt.Sprint("dag ", id)] = *g
		for i := range g.Nodes {
			out[fmt.Sprint("node ", id, i)], _ = v.Node(id, i)
		}
	}
	for _, r := range v.removals {
		out[fmt.Sprint("removal ", r.index)] = fmt.Sprint(r)
	}
	for id, c := range v.clusters.from(0) {
		if v.leaves(int32(id), c) {
			out[fmt.Sprint("leaving ", id)] = *c
		}
	}
	out["crons"] = fmt.Sprint(v.crons)
	for name, s := range v.Steered() {
		out["pool "+name] = s
	}
	for name, th := range v.Throttles() {
		out["throttle "+name] = th
	}
	for _, name := range v.Timetables() {
		t, _ := v.Timetable(name)
		out["timetable "+name] = fmt.Sprintf("%+v", t)
	}
	return out
}

// eventFold is the queue as somebody knows it who hears only events.
type eventFold map[grid.JobID]grid.Status

func (f eventFold) add(t *rapid.T, events []Event) {
	for _, e := range events {
		for p := e.Jobs.Lo; p < e.Jobs.Hi; p++ {
			id := grid.JobID{Cluster: e.Jobs.Cluster, Proc: p}
			was, known := f[id]
			switch e.Type {
			case JobSubmitted:
				if known {
					t.Fatalf("%v was submitted twice", id)
				}
				f[id] = grid.Idle
			case JobLeft:
				if grid.Status(e.To) != was {
					t.Fatalf("%v left as %v and was %v", id, grid.Status(e.To), was)
				}
				delete(f, id)
			case JobStarted, JobExited, JobCompleted, JobRequeued, JobHeld, JobReleased, JobRemoved, JobSuspended, JobContinued, JobSkipped:
				if !known || grid.Status(e.From) != was && e.Type != JobHeld {
					t.Fatalf("%v: %v from %v, but it was %v", id, e.Type, grid.Status(e.From), was)
				}
				f[id] = grid.Status(e.To)
			}
		}
	}
}

func (f eventFold) compare(t *rapid.T, v *View) {
	n := 0
	for id := range v.Clusters(0) {
		for s := range v.Stretches(grid.WholeCluster(id)) {
			for p := s.Run.Lo; p < s.Run.Hi; p++ {
				if got := f[grid.JobID{Cluster: id, Proc: p}]; got != s.Job.Status {
					t.Fatalf("%d.%d is %v by its record and %v by its events", id, p, s.Job.Status, got)
				}
				n++
			}
		}
	}
	if n+v.LeavingJobs() != len(f) {
		t.Fatalf("%d jobs in the queue and %d on their way out of it, %d by the events", n, v.LeavingJobs(), len(f))
	}
}

// Law 6: the same key gives the first result, and nothing is done again.
func TestSameKeySameResult(t *testing.T) {
	m := newScratch(t).open(t)
	defer m.Close()
	template := []byte("t")
	submit := Command{Key: "once", By: "user:1000", Body: &Submit{Owner: Owner{Name: "a", UID: 1000}, Template: template, Hash: HashTemplate(template), Procs: 3}}
	first := apply(m, submit)
	again := apply(m, submit)
	if first.Value != (Submitted{Cluster: 1, Procs: 3}) || again.Value != first.Value || !again.Repeat {
		t.Errorf("first %+v, again %+v", first, again)
	}
	other := submit
	other.By = "user:1001"
	if r := apply(m, other); r.Value != (Submitted{Cluster: 2, Procs: 3}) {
		t.Errorf("another user's same key gave %+v", r)
	}
	if n := m.View().Tally(0); n.Total() != 6 {
		t.Errorf("%d jobs, want 6", n.Total())
	}
	// A key is forgotten only when it is old.
	apply(m, Command{At: 1000, By: "schedd", Body: &Forget{Keys: 0, Max: 10}})
	if r := apply(m, submit); !r.Repeat {
		t.Error("a young key was forgotten")
	}
	if r := apply(m, Command{At: 1000, By: "schedd", Body: &Forget{Keys: 1000, Max: 10}}); r.Value != 2 {
		t.Errorf("forgot %v keys, want 2", r.Value)
	}
	if r := apply(m, submit); r.Repeat {
		t.Error("an old key was kept")
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	m := newScratch(t).open(t)
	defer m.Close()
	apply(m, Command{At: 5000, By: "schedd", Body: &Begin{Deployment: "d"}})
	apply(m, Command{At: 3000, By: "schedd", Body: &SeeWorker{Worker{Name: "w"}}})
	events, _, err := m.Events(t.Context(), 0, 100)
	must(t, err)
	if len(events) != 1 || events[0].At != 5000 || m.View().At != 5000 {
		t.Errorf("events %+v, view at %d", events, m.View().At)
	}
}

// A million procs are one record until something happens to one of them alone.
func TestLargeClusterStaysSmall(t *testing.T) {
	m := newScratch(t).open(t)
	defer m.Close()
	template := []byte("t")
	const million = 1_000_000
	apply(m, Command{By: "u", Body: &Submit{Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: million}})
	act := func(verb grid.Verb, runs ...grid.Run) Acted {
		t.Helper()
		r := apply(m, Command{By: "u", Body: &Act{Verb: verb, Runs: runs}})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r.Value.(Acted)
	}
	if got := act(grid.Hold, grid.WholeCluster(1)); got.Changed != million {
		t.Fatalf("hold of all: %+v", got)
	}
	if got := act(grid.Release, grid.Run{Cluster: 1, Lo: 10, Hi: 20}); got.Changed != 10 {
		t.Fatalf("release of ten: %+v", got)
	}
	c, _ := m.View().Cluster(1)
	if c.Touched != 10 || c.Untouched() != million-10 {
		t.Fatalf("touched %d, untouched %d", c.Touched, c.Untouched())
	}
	if tally := m.View().Tally(0); tally[grid.Held] != million-10 || tally[grid.Idle] != 10 {
		t.Fatalf("tally %v", tally)
	}
	if got := act(grid.Remove, grid.WholeCluster(1)); got.Changed != million {
		t.Fatalf("remove of all: %+v", got)
	}
	if tally := m.View().Tally(0); tally.Total() != 0 {
		t.Fatalf("tally %v", tally)
	}
	must(t, m.Read(func(r *Reader) error {
		var runs []grid.Run
		for p, err := range r.PastByID(0) {
			must(t, err)
			runs = append(runs, p.Run)
		}
		if len(runs) != 12 { // two ranges and ten single jobs
			t.Errorf("history holds %d records: %v", len(runs), runs)
		}
		p, ok, err := r.Past(grid.JobID{Cluster: 1, Proc: million - 1})
		if !ok || err != nil || p.Job.Status != grid.Removed {
			t.Errorf("the last proc's past: %+v %v %v", p, ok, err)
		}
		return nil
	}))
}

// The record is what an idle or running job costs in memory.
func TestJobRecordIsSmallAndWithoutPointers(t *testing.T) {
	if n := unsafe.Sizeof(Job{}); n > 64 {
		t.Errorf("a job record has %d bytes, more than 64", n)
	}
	if n := unsafe.Sizeof(Cluster{}); n > 112 {
		t.Errorf("a cluster record has %d bytes, more than 112", n)
	}
}

func apply(m *Machine, c Command) Result {
	return m.ApplyBatch([]Entry{{Index: m.View().Index + 1, Command: c}})[0]
}

func must(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// Law 5: what applies commands uses no clock, no randomness, no I/O and no map
// order.
func TestApplyIsPure(t *testing.T) {
	files, err := filepath.Glob("apply_*.go")
	must(t, err)
	files = append(files, "txn.go")
	if len(files) < 5 {
		t.Fatalf("only %v", files)
	}
	for _, f := range files {
		for _, fault := range impurities(t, f) {
			t.Error(fault)
		}
	}
}
