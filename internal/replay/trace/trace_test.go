package trace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

const swf = "; a header\n" +
	"1 100 5 60 4 -1 -1 -1 90 -1 1 7 1 3 -1 -1 -1 -1\n" +
	"2 90 -1 30 -1 -1 -1 2 -1 -1 1 -1 -1 -1 -1 -1 -1 -1\n" +
	"3 95 -1 0 4 -1 -1 -1 -1 -1 1 7 1 3 -1 -1 -1 -1\n"

func TestWorkloadsAreRead(t *testing.T) {
	s, err := Parse("x.swf", strings.NewReader(swf))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Jobs) != 2 || s.Skipped != 1 || s.Name != "x" {
		t.Fatalf("%+v", s)
	}
	if j := s.Jobs[0]; j.Submit != 0 || j.Run != 30*time.Second || j.Cpus != 2 || j.Estimate != 0 {
		t.Errorf("the first to come is %+v", j)
	}
	if j := s.Jobs[1]; j.Submit != 10*time.Second || j.Cpus != 4 || j.Estimate != 90*time.Second || j.Owner != 7 {
		t.Errorf("the second is %+v", j)
	}
	var work time.Duration
	for _, j := range s.Jobs {
		work += j.Run * time.Duration(j.Cpus) * time.Duration(j.Count)
	}
	if s.Events() != 4 || work != 300*time.Second {
		t.Errorf("%d events, %v of work", s.Events(), work)
	}

	w, err := Parse("w.tsv", strings.NewReader("a\t10\t0\t0\t0\t0\nb\t20\t10\t134217729\t134217728\t134217728\nc\t30\t10\t99999999999999\t0\t0\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		tasks int
		run   time.Duration
	}{{1, 15 * time.Second}, {2, 25 * time.Second}, {400, 15 * time.Second}} {
		if j := w.Jobs[i]; j.Count != want.tasks || j.Run != want.run {
			t.Errorf("%d: %+v, want %+v", i, j, want)
		}
	}

	g, err := Parse("g.json", strings.NewReader(`{"workflow": {"specification": {"tasks": [
		{"id": "z", "name": "join_9", "parents": ["b", "a"]}, {"id": "a", "name": "work_1"}, {"id": "b", "name": "work_2", "parents": []}]},
		"execution": {"tasks": [{"id": "a", "runtimeInSeconds": 1.5}, {"id": "b", "runtimeInSeconds": 2, "coreCount": 3, "memoryInBytes": 2097152}, {"id": "z", "runtimeInSeconds": 3}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Jobs) != 3 || len(g.Jobs[2].Parents) != 2 || g.Jobs[0].Class != "work_#" || g.Jobs[1].Cpus != 3 || g.Jobs[1].MemoryMB != 2 || g.Jobs[2].Run != 3*time.Second {
		t.Errorf("%+v", g)
	}
	again := g.Repeat(2, time.Hour)
	if len(again.Jobs) != 6 || again.Jobs[5].Parents[0] < 3 || again.Jobs[5].Submit != 2*time.Hour || !again.Timed {
		t.Errorf("%+v", again)
	}
}

func TestWhatCannotBeIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"x.txt", "", "says nothing of the form"},
		{"x.swf", "", "no job"},
		{"x.swf", "; header\n1 2 3\n", "line 2 has 3 numbers"},
		{"x.swf", strings.Replace(swf, "60", "sixty", 1), `line 2: "sixty"`},
		{"x.swf", strings.Replace(swf, "60", "1e300", 1), "field 4"},
		{"x.swf", strings.Replace(swf, "60", "NaN", 1), "field 4"},
		{"x.tsv", "a 1 2\n", "line 1 has 1 columns"},
		{"x.tsv", "a\t1\t1\t1\t1\t1\nb\t-1\t1\t1\t1\t1\n", "line 2"},
		{"x.json", "{", "no workflow"},
		{"x.json", "{]", "byte 2"},
		{"x.json", "{}", "no job"},
		{"x.json", `{"workflow": {"specification": {"tasks": [{"id": "a"}]}}}`, "was not executed"},
		{"x.json", `{"workflow": {"specification": {"tasks": [{"id": "a"}, {"id": "a"}]}, "execution": {"tasks": [{"id": "a"}]}}}`, "twice"},
		{"x.json", `{"workflow": {"specification": {"tasks": [{"id": "a", "parents": ["b"]}]}, "execution": {"tasks": [{"id": "a"}]}}}`, `waits for "b"`},
		{"x.json", `{"workflow": {"specification": {"tasks": [{"id": "a", "parents": ["a"]}]}, "execution": {"tasks": [{"id": "a"}]}}}`, "waits for itself"},
		{"x.json", `{"workflow": {"specification": {"tasks": [{"id": "a"}]}, "execution": {"tasks": [{"id": "a", "runtimeInSeconds": -1}]}}}`, "cannot be"},
	} {
		_, err := Parse(c.name, strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s %q: %v, want %q", c.name, c.text, err, c.want)
		}
	}
	torn := filepath.Join(t.TempDir(), "x.swf.gz")
	if err := os.WriteFile(torn, []byte("no gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(torn); err == nil || !strings.Contains(err.Error(), "gzip") {
		t.Errorf("%v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.swf")); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("%v", err)
	}
}

// The numbers of jobs are those that the traces' README has.
func TestTheTracesAreWhole(t *testing.T) {
	for file, want := range map[string][2]int{
		"swf/NASA-iPSC-1993-3.1-cln.swf.gz":                      {18066, 173},
		"swf/HPC2N-2002-first3194lines.swf.gz":                   {3145, 25},
		"swf/lublin_256.synthetic.swf.gz":                        {10000, 0},
		"arrivals/FB-2009_samples_24_times_1hr_0.tsv.gz":         {5894, 0},
		"workflows/blast-chameleon-large-001.json":               {103, 0},
		"workflows/1000genome-chameleon-10ch-100k-001.json":      {260, 0},
		"workflows/epigenomics-chameleon-hep-4seq-100k-001.json": {347, 0},
		"workflows/montage-chameleon-dss-10d-001.json":           {472, 0},
		"workflows/soykb-chameleon-20fastq-10ch-001.json":        {176, 0},
		"workflows/srasearch-chameleon-30a-001.json":             {64, 0},
		"workflows/cycles-chameleon-2l-1c-9p-001.json":           {133, 0},
		"workflows/seismology-chameleon-300p-001.json":           {301, 0},
		"workflows/methylseq-dirt02-001.json":                    {36, 0},
		"workflows/helloworld-chain-5-chameleon.json":            {5, 0},
		"workflows/helloworld-forkjoin-10-chameleon.json":        {10, 0},
	} {
		got, err := Read(filepath.Join("../testdata", file))
		if err != nil {
			t.Error(err)
			continue
		}
		if len(got.Jobs) != want[0] || got.Skipped != want[1] {
			t.Errorf("%s: %d jobs and %d left out, want %v", file, len(got.Jobs), got.Skipped, want)
		}
	}
}

func TestHistoryIsAWorkload(t *testing.T) {
	var h History
	if _, err := h.Trace(); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("of nothing: %v", err)
	}
	add := func(src map[string]string) {
		a := ad.New(8)
		for k, v := range src {
			if err := a.Set(k, v); err != nil {
				t.Fatal(err)
			}
		}
		h.Add(a)
	}
	add(map[string]string{"QDate": "1000", "RemoteWallClockTime": "60.0", "RequestCpus": "2", "RequestMemory": "512", "Owner": `"ada"`, "Cmd": `"/bin/x"`})
	add(map[string]string{"QDate": "900", "RemoteWallClockTime": "30.0", "Owner": `"bob"`, "Cmd": `"/bin/x"`})
	add(map[string]string{"QDate": "950", "RemoteWallClockTime": "0.0", "Owner": `"bob"`})                     // was removed
	add(map[string]string{"QDate": "950", "RemoteWallClockTime": "9.0", "Owner": `"bob"`, "JobUniverse": "9"}) // a machine
	got, err := h.Trace()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Jobs) != 2 || got.Skipped != 2 || got.Jobs[0].Submit != 0 || got.Jobs[1].Submit != 100*time.Second || got.Jobs[1].Cpus != 2 ||
		got.Jobs[1].MemoryMB != 512 || got.Jobs[0].Owner == got.Jobs[1].Owner || got.Jobs[1].Run != time.Minute {
		t.Errorf("%+v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("x.swf", swf)
	f.Add("x.tsv", "a\t1\t1\t1\t1\t1\n")
	f.Add("x.json", `{"workflow": {"specification": {"tasks": [{"id": "a"}]}, "execution": {"tasks": [{"id": "a", "runtimeInSeconds": 1}]}}}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		got, err := Parse(name, strings.NewReader(text))
		if err != nil {
			if grid.CodeOf(err) != grid.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		for i := range got.Jobs {
			j := &got.Jobs[i]
			if j.Submit < 0 || j.Run < 0 || j.Count < 1 || j.Cpus < 1 {
				t.Fatalf("%+v", j)
			}
			for _, p := range j.Parents {
				if p >= i {
					t.Fatalf("job %d comes before %d, for which it waits", i, p)
				}
			}
		}
	})
}
