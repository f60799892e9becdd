package jobad

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// nofiles is an owner who has only stub files.
type nofiles struct{}

func (nofiles) ReadFile(string) ([]byte, error) { return nil, fs.ErrNotExist }
func (nofiles) Glob(string) ([]string, error)   { return nil, nil }
func (nofiles) Stat(string) (submit.FileInfo, error) {
	return submit.FileInfo{Size: 1, Mode: 0o700}, nil
}

var site = submit.Site{
	Dir: "/home/alice", Now: time.Unix(1_700_000_000, 0), Owner: "alice", FileSystemDomain: "d", Arch: "X86_64", OpSys: "LINUX",
}

func specs(t testing.TB, text string) []submit.Spec {
	t.Helper()
	f, diags := submit.Parse("test.sub", []byte(text))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	out, diags := f.Specs(site, nofiles{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return out
}

type queue struct {
	*testing.T
	m   *ledger.Machine
	ads *Ads
}

func newQueue(t *testing.T) *queue {
	m, err := ledger.OpenMachine(filepath.Join(t.TempDir(), "q.db"), ledger.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return &queue{t, m, &Ads{Machine: m, Domain: "example.org", Name: "schedd@host"}}
}

func (q *queue) do(b ledger.Body) any {
	q.Helper()
	r := q.m.ApplyBatch([]ledger.Entry{{Index: q.m.View().Index + 1, Command: ledger.Command{At: 1_700_000_100_000, By: "test", Body: b}}})[0]
	if r.Err != nil {
		q.Fatal(r.Err)
	}
	return r.Value
}

func (q *queue) submit(s *submit.Spec) int32 {
	q.Helper()
	st := Encode(s)
	return q.do(&ledger.Submit{
		Owner: ledger.Owner{Name: "alice", UID: 1000, GID: 100}, Template: st.Template, Hash: st.Hash, Own: st.Own, Items: st.Items, Procs: st.Procs,
		Universe: grid.Vanilla,
	}).(ledger.Submitted).Cluster
}

func (q *queue) ad(id grid.JobID) *ad.Ad {
	q.Helper()
	a, err := q.ads.Job(q.m.View(), id)
	if err != nil {
		q.Fatal(err)
	}
	return a
}

// What the queue says of each proc is what the spec said.
func TestStoredSpecsComeBackWhole(t *testing.T) {
	q := newQueue(t)
	for _, text := range []string{
		"executable = a\nqueue",
		"executable = a\narguments = $(Process) of $(Cluster)\noutput = out.$(Process)\n+Custom = {1, \"two\"}\nqueue 3",
		"executable = a\narguments = \"$(x) '$(y)'\"\nrequest_memory = $(mem)\nqueue 2 x,mem,y from (\na, 100, the rest\nb, 2GB, of it\n)",
		"executable = a\narguments = first\nqueue\narguments = second\npriority = 3\nqueue 2\nerror = e.$(item)\nqueue item in (p q)",
	} {
		for _, s := range specs(t, text) {
			cluster := q.submit(&s)
			proc := int32(0)
			for i := range s.Sections {
				sec := &s.Sections[i]
				for index := range sec.Len() {
					id := grid.JobID{Cluster: cluster, Proc: proc}
					columns, err := sec.Expand(id, index, sec.Row(index))
					if err != nil {
						t.Fatal(err)
					}
					got := q.ad(id)
					for _, want := range submit.Merge(submit.Baseline(), s.Attrs, sec.Attrs, columns) {
						src, _ := got.Source(want.Name)
						e, err := ad.Parse(want.Expr)
						if err != nil {
							t.Fatal(err)
						}
						if src != e.String() {
							t.Errorf("%s of %s is %q, want %q", want.Name, id, src, e)
						}
					}
					proc++
				}
			}
			if _, err := q.ads.Job(q.m.View(), grid.JobID{Cluster: cluster, Proc: proc}); grid.CodeOf(err) != grid.NotFound {
				t.Errorf("proc %d of %q: %v", proc, text, err)
			}
		}
	}
}

func TestAdFollowsTheRecord(t *testing.T) {
	q := newQueue(t)
	id := grid.JobID{Cluster: q.submit(&specs(t, "executable = a\nqueue 2")[0]), Proc: 1}
	eval := func(expr string) string {
		t.Helper()
		e, err := ad.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		return ad.Instant(1_700_000_200).Eval(e, q.ad(id), nil).String()
	}
	check := func(want map[string]string) {
		t.Helper()
		for expr, value := range want {
			if got := eval(expr); got != value {
				t.Errorf("%s is %s, want %s", expr, got, value)
			}
		}
	}
	check(map[string]string{
		"JobStatus": "1", "Owner": `"alice"`, "User": `"alice@example.org"`, "GlobalJobId": `"schedd@host#1.1#1700000100"`, "QDate": "1700000100",
		"ExitCode": "undefined", "HoldReasonCode": "undefined", "NumJobStarts": "0",
	})
	q.do(&ledger.SeeWorker{Worker: ledger.Worker{Name: "w"}})
	j, _ := q.m.View().Job(id)
	q.do(&ledger.Place{List: []ledger.Placement{{Job: id, Version: j.Version, Kind: ledger.OnSlot, At: 1, Attrs: []ledger.Attr{{Name: "RemoteHost", Expr: `"slot1_1@w"`}}}}})
	report := func(r ledger.AttemptReport) {
		r.Job, r.Epoch = id, 1
		q.do(&ledger.Report{List: []ledger.AttemptReport{r}})
	}
	report(ledger.AttemptReport{Kind: ledger.Started})
	check(map[string]string{"JobStatus": "2", "RemoteHost": `"slot1_1@w"`, "NumJobStarts": "1", "ShadowBday": "1700000100"})
	report(ledger.AttemptReport{Kind: ledger.Ended, Verdict: ledger.Park, Exit: ledger.Exit{Code: 3, WallMS: 2000}, HoldCode: 3, HoldSub: 7, Reason: "policy"})
	check(map[string]string{
		"JobStatus": "5", "LastJobStatus": "2", "ExitCode": "3", "ExitBySignal": "false", "NumJobCompletions": "1", "HoldReason": `"policy"`,
		"HoldReasonCode": "3", "HoldReasonSubCode": "7", "RemoteWallClockTime": "2.0", "NumHolds": "1",
	})
	q.do(&ledger.Act{Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(1)}, Reason: "enough"})
	err := q.ads.Read(q.m.View(), func(s *Session) error {
		return q.m.Read(func(r *ledger.Reader) error {
			p, ok, err := r.Past(id)
			if !ok || err != nil {
				return fmt.Errorf("%s is not in the history: %v", id, err)
			}
			a, err := s.Past(&p, id.Proc)
			if err != nil {
				return err
			}
			if a.Text("RemoveReason") != "enough" || a.Int("JobStatus", 0) != 3 || !strings.HasSuffix(a.Text("Cmd"), "/a") {
				t.Errorf("the past ad: %s", a.AppendLong(nil))
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

// Equal text makes equal templates, whatever is a submit's own.
func TestTemplatesAreShared(t *testing.T) {
	a := Encode(&specs(t, "executable = a\narguments = 1\noutput = o1\nlog = l1\nqueue")[0])
	b := Encode(&specs(t, "executable = a\narguments = 2\noutput = o2\nlog = l2\nqueue")[0])
	c := Encode(&specs(t, "executable = a\nrequest_cpus = 2\nqueue")[0])
	if a.Hash != b.Hash || a.Hash == c.Hash {
		t.Error("templates are not shared as they should be")
	}
	t.Logf("a template has %d bytes, what is a submit's own %d", len(a.Template), len(a.Own))
}

func BenchmarkAd(b *testing.B) {
	m, err := ledger.OpenMachine(filepath.Join(b.TempDir(), "q.db"), ledger.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	s := Encode(&specs(b, "executable = a\narguments = 1\noutput = o1\nlog = l1\nqueue")[0])
	m.ApplyBatch([]ledger.Entry{{Index: 1, Command: ledger.Command{Body: &ledger.Submit{Template: s.Template, Hash: s.Hash, Own: s.Own, Procs: 1}}}})
	ads := &Ads{Machine: m}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ads.Job(m.View(), grid.JobID{Cluster: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
