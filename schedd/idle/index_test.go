package idle

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/grid"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

type stubs struct{}

func (stubs) ReadFile(string) ([]byte, error)      { return nil, fs.ErrNotExist }
func (stubs) Glob(string) ([]string, error)        { return nil, nil }
func (stubs) Stat(string) (submit.FileInfo, error) { return submit.FileInfo{Mode: 0o700}, nil }

type failer interface {
	Fatalf(string, ...any)
	Context() context.Context
}

func spec(t failer, text string) *submit.Spec {
	f, diags := submit.Parse("t.sub", []byte(text))
	if err := diags.Err(); err != nil {
		t.Fatalf("%v", err)
	}
	specs, diags := f.Specs(submit.Site{Dir: "/d", Now: time.Unix(1, 0), Arch: "X86_64", OpSys: "LINUX"}, stubs{})
	if err := diags.Err(); err != nil {
		t.Fatalf("%v", err)
	}
	return &specs[0]
}

type world struct {
	t failer
	m *ledger.Machine
	x *Index
}

func open(t failer, path string) *world {
	m, err := ledger.OpenMachine(path, ledger.Options{NoSync: true})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &world{t, m, New(&jobad.Ads{Machine: m})}
}

// do applies a command and lets the index look at what happened.
func (w *world) do(b ledger.Body) any {
	before := w.m.View().Index
	r := w.m.ApplyBatch([]ledger.Entry{{Index: before + 1, Command: ledger.Command{By: "t", Body: b}}})[0]
	if r.Err != nil {
		w.t.Fatalf("%v", r.Err)
	}
	events, _, err := w.m.Events(w.t.Context(), before, 1<<20)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	if err := w.x.Look(w.m.View(), runsOf(events)); err != nil {
		w.t.Fatalf("%v", err)
	}
	return r.Value
}

func runsOf(events []ledger.Event) iter.Seq[grid.Run] {
	return func(yield func(grid.Run) bool) {
		for _, e := range events {
			if e.Jobs.Cluster != 0 && !yield(e.Jobs) {
				return
			}
		}
	}
}

func (w *world) submit(s *submit.Spec, owner uint32, prio int32) {
	st := jobad.Encode(s)
	universe, _ := submit.Find(s.Attrs, "JobUniverse")
	number := map[string]grid.Universe{"5": grid.Vanilla, "9": grid.Grid}[universe]
	w.do(&ledger.Submit{
		Owner: ledger.Owner{Name: fmt.Sprint("u", owner), UID: owner}, Template: st.Template, Hash: st.Hash, Own: st.Own, Items: st.Items,
		Procs: st.Procs, Universe: number, Prio: prio,
	})
}

// contents is the index as text: owner, the ad of the group, jobs in order.
func contents(x *Index, v *ledger.View) (out []string) {
	queues, waiting := x.Queues(v, 1<<20)
	for i, q := range queues {
		var ids []string
		for _, j := range q.Jobs {
			ids = append(ids, j.ID.String())
		}
		if len(ids) != waiting[i] {
			ids = append(ids, fmt.Sprint("and says ", waiting[i]))
		}
		out = append(out, fmt.Sprintf("%d [%s] %s", q.Owner, q.Group.Ad.AppendLong(nil), strings.Join(ids, " ")))
	}
	slices.Sort(out)
	return out
}

var submits = []string{
	"executable = a\nqueue",
	"executable = a\narguments = $(Process)\nqueue 4",
	"executable = a\nrequest_memory = 100\nqueue 2",
	"executable = a\nrequest_memory = $(m)\nqueue m in (100, 200, 100)",
	"executable = a\nrequirements = TARGET.X == MY.Y && NumJobStarts == 0\n+Y = $(Process) % 2\nqueue 4",
	"executable = a\npriority = $(Process)\nqueue 3",
	"executable = a\nrequirements = ProcId > 1\nqueue 3",
	"universe = grid\ngrid_resource = ovirt https://e/api\novirt_username = u\novirt_password_file = p\novirt_template = t\nqueue",
}

// However the queue got there, following it gives the index that building it anew
// gives: the waiting jobs, each once, in order.
func TestFollowingIsBuilding(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		w := open(t, path)
		defer os.Remove(path)
		defer w.m.Close()
		w.do(&ledger.SeeWorker{Worker: ledger.Worker{Name: "w"}})
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			v := w.m.View()
			id := grid.JobID{Cluster: rapid.Int32Range(1, 8).Draw(t, "cluster"), Proc: rapid.Int32Range(0, 4).Draw(t, "proc")}
			j, _ := v.Job(id)
			switch rapid.IntRange(0, 8).Draw(t, "what") {
			case 0, 1:
				text := rapid.SampledFrom(submits[:7]).Draw(t, "text")
				w.submit(spec(t, text), rapid.Uint32Range(1, 2).Draw(t, "owner"), rapid.Int32Range(0, 1).Draw(t, "prio"))
			case 2:
				verb := rapid.SampledFrom([]grid.Verb{grid.Hold, grid.Release, grid.Remove}).Draw(t, "verb")
				run := rapid.SampledFrom([]grid.Run{grid.OneJob(id), grid.WholeCluster(id.Cluster), {Cluster: id.Cluster, Lo: 1, Hi: 3}}).Draw(t, "run")
				w.do(&ledger.Act{Verb: verb, Runs: []grid.Run{run}, Reason: "x"})
			case 3, 4:
				w.do(&ledger.Place{List: []ledger.Placement{{Job: id, Version: j.Version, Kind: ledger.OnSlot, At: 1, Attrs: []ledger.Attr{{Name: "RemoteHost", Expr: `"w"`}}}}})
			case 5:
				kind := rapid.SampledFrom([]ledger.ReportKind{ledger.Started, ledger.Vanished, ledger.Ended}).Draw(t, "kind")
				w.do(&ledger.Report{List: []ledger.AttemptReport{{Job: id, Epoch: j.Epoch, Kind: kind, Verdict: ledger.Again, Reason: "x"}}})
			case 7:
				w.do(&ledger.RemoveAll{Owner: rapid.Uint32Range(0, 2).Draw(t, "whose"), Reason: "x"})
				w.x.Sift(w.m.View())
			case 8:
				w.do(&ledger.Clear{Max: 2})
			case 6:
				if j.Status != 0 {
					w.do(&ledger.Edit{Job: id, Attrs: []ledger.Attr{{Name: rapid.SampledFrom([]string{"JobPrio", "RequestMemory", "Note"}).Draw(t, "name"), Expr: "7"}}})
				}
			}
		}
		if rapid.Bool().Draw(t, "heed") && w.x.Heed([]string{"owner", "y"}) {
			if err := w.x.Rebuild(w.m.View()); err != nil {
				t.Fatal(err)
			}
		}
		fresh := New(w.x.groups.ads)
		fresh.Heed(w.x.groups.heeded)
		if err := fresh.Rebuild(w.m.View()); err != nil {
			t.Fatal(err)
		}
		got, want := contents(w.x, w.m.View()), contents(fresh, w.m.View())
		if !slices.Equal(got, want) || w.x.Len() != fresh.Len() {
			t.Fatalf("following:\n%s\nbuilding:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		waiting := 0
		for id, c := range w.m.View().Clusters(0) {
			for s := range w.m.View().Stretches(grid.WholeCluster(id)) {
				if waits(c, &s.Job) {
					waiting += s.Run.Len()
				}
			}
		}
		if waiting != w.x.Len() {
			t.Fatalf("%d jobs wait, the index has %d", waiting, w.x.Len())
		}
	})
}

func TestGroupsAreWhatMatchingLooksAt(t *testing.T) {
	w := open(t, filepath.Join(t.TempDir(), "q"))
	defer w.m.Close()
	for i, text := range submits {
		w.submit(spec(t, text), 1, int32(i%2))
	}
	count := func() (groups int) {
		seen := map[uint32]bool{}
		queues, _ := w.x.Queues(w.m.View(), 1)
		for _, q := range queues {
			seen[q.Group.ID] = true
		}
		return len(seen)
	}
	// Plain, arguments and priorities: one. Memory 100: two ways, the same; 200. Four
	// texts of Y. ProcId 0, 1, 2. The grid job is not the router's.
	if got := count(); got != 1+2+4+3 {
		t.Errorf("%d groups: %s", got, strings.Join(contents(w.x, w.m.View()), "\n"))
	}
	before := count()
	if !w.x.Heed([]string{"owner"}) || w.x.Heed([]string{"owner"}) {
		t.Error("what slots look at is new once")
	}
	w.submit(spec(t, submits[0]), 2, 0)
	if err := w.x.Rebuild(w.m.View()); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != before+1 {
		t.Errorf("%d groups when slots look at the owner, want %d", got, before+1)
	}
	var order []string
	queues, _ := w.x.Queues(w.m.View(), 3)
	for _, q := range queues {
		if len(q.Jobs) > 1 && q.Jobs[0].ID.Cluster == 2 {
			for _, j := range q.Jobs {
				order = append(order, fmt.Sprintf("%s/%d", j.ID, j.Prio))
			}
		}
	}
	if got := strings.Join(order, " "); got != "" && got != "2.0/1 2.1/1 2.2/1" {
		t.Errorf("order %s", got)
	}
}

func BenchmarkRebuild(b *testing.B) {
	w := open(b, filepath.Join(b.TempDir(), "q"))
	defer w.m.Close()
	var entries []ledger.Entry
	for i := range 100_000 {
		st := jobad.Encode(spec(b, fmt.Sprintf("executable = a\narguments = %d\nrequirements = TARGET.X == %d\nqueue", i, i%1000)))
		entries = append(entries, ledger.Entry{Index: uint64(i + 1), Command: ledger.Command{Body: &ledger.Submit{
			Template: st.Template, Hash: st.Hash, Own: st.Own, Procs: 1, Universe: grid.Vanilla,
		}}})
		if len(entries) == 1000 {
			w.m.ApplyBatch(entries)
			entries = entries[:0]
		}
	}
	b.ResetTimer()
	for b.Loop() {
		if err := w.x.Rebuild(w.m.View()); err != nil || w.x.Len() != 100_000 {
			b.Fatal(err, w.x.Len())
		}
	}
}
