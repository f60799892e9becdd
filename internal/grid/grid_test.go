package grid

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "accept new golden files")

func TestStatesDocIsCurrent(t *testing.T) {
	const path = "../../docs/states.md"
	want := StatesMarkdown()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the tables say; run go generate ./internal/grid", path)
	}
}

func TestEveryStateAndVerbPairIsDecided(t *testing.T) {
	walk(t, statusNext, func(s Status, v Verb) (Status, error) { return s.On(v) })
	walk(t, claimNext, func(s ClaimState, v ClaimVerb) (ClaimState, error) { return s.On(v) })
	walk(t, nodeNext, func(s NodeState, v NodeVerb) (NodeState, error) { return s.On(v) })
}

// walk tries every (state, verb) pair a table knows: either the table moves it or
// the refusal leaves it where it was, and no pair stands twice.
func walk[S, V comparable](t *testing.T, tab table[S, V], on func(S, V) (S, error)) {
	t.Helper()
	states, verbs := map[S]bool{}, map[V]bool{}
	lines := map[edge[S, V]]bool{}
	for _, e := range tab {
		states[e.From], states[e.To], verbs[e.On] = true, true, true
		if key := (edge[S, V]{From: e.From, On: e.On}); lines[key] {
			t.Errorf("%v on %v stands twice", e.From, e.On)
		} else {
			lines[key] = true
		}
	}
	for s := range states {
		for v := range verbs {
			next, err := on(s, v)
			_, known := tab.next(s, v)
			if known != (err == nil) {
				t.Errorf("%v on %v: table says %v, On says %v", s, v, known, err)
			}
			if err != nil && (next != s || CodeOf(err) != Refused) {
				t.Errorf("%v on %v: refusal moved it to %v with %v", s, v, next, err)
			}
		}
	}
}

func TestClosedClaimsNeverOpenAgain(t *testing.T) {
	for _, e := range claimNext {
		if e.From.Closed() {
			t.Errorf("%v leaves a closed state", e)
		}
	}
}

func TestParseRun(t *testing.T) {
	for in, want := range map[string]Run{
		"12":     WholeCluster(12),
		"12.0":   {12, 0, 1},
		"12.3-7": {12, 3, 8},
	} {
		got, err := ParseRun(in)
		if err != nil || got != want || got.String() != in {
			t.Errorf("ParseRun(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0", "-1", "1.", "1.-1", "1.2-1", "x", "1.99999999", "99999999999", "1.1.1", " 1"} {
		if got, err := ParseRun(in); err == nil {
			t.Errorf("ParseRun(%q) = %v, want a refusal", in, got)
		}
	}
}

func TestRunsHoldTheSameJobs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) JobID {
			return JobID{Cluster: rapid.Int32Range(1, 3).Draw(t, "c"), Proc: rapid.Int32Range(0, 20).Draw(t, "p")}
		}), 0, 40).Draw(t, "ids")
		want := map[JobID]bool{}
		for _, id := range ids {
			want[id] = true
		}
		last := JobID{}
		n := 0
		for _, r := range Runs(ids) {
			for p := r.Lo; p < r.Hi; p++ {
				id := JobID{r.Cluster, p}
				if !want[id] || id.Key() <= last.Key() {
					t.Fatalf("%v is not wanted or out of order in %v", id, Runs(ids))
				}
				last = id
				n++
			}
		}
		if n != len(want) {
			t.Fatalf("%d jobs, want %d", n, len(want))
		}
	})
}

func TestParseSizeReadsUnitsAsHTCondorDoes(t *testing.T) {
	const MiB, KiB = 1 << 20, 1 << 10
	for _, c := range []struct {
		in   string
		base int64
		want int64
		ok   bool
	}{
		{"512", MiB, 512, true},
		{"20GB", MiB, 20480, true},
		{"2 GB", MiB, 2048, true},
		{"1200 Mb", MiB, 1200, true},
		{"150G", KiB, 150 << 20, true},
		{"1.5GiB", MiB, 1536, true},
		{"2048.000KB", KiB, 2048, true},
		{"4096.0", MiB, 4096, true},
		{"1B", MiB, 1, true},
		{"1k", MiB, 1, true},
		{"", MiB, 0, false},
		{"MemoryUsage * 2", MiB, 0, false},
		{"5 apples", MiB, 0, false},
		{"-1", MiB, 0, false},
	} {
		if got, ok := ParseSize(c.in, c.base); got != c.want || ok != c.ok {
			t.Errorf("ParseSize(%q, %d) = %d, %v; want %d, %v", c.in, c.base, got, ok, c.want, c.ok)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"arguments", "executable", "output", "error", "environment"}
	for in, want := range map[string]string{
		"arguement": "arguments", "arguements": "arguments", "Excutable": "executable",
		"ouptut": "output", "zebra": "", "enviroment": "environment",
	} {
		if got := Nearest(in, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDiagnosticShowsThePlace(t *testing.T) {
	d := Diagnostic{
		Summary: `no such key "arguement"`, File: "job.hcl", Line: 3, Column: 3, Length: 9,
		Source: `  arguement = "x"` + "\n", Detail: `Did you mean "arguments"?`,
	}
	want := `Error: no such key "arguement"

  on job.hcl line 3, column 3:
  3 │   arguement = "x"
    │   ^^^^^^^^^

Did you mean "arguments"?
`
	if got := d.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	hostile := Diagnostic{Summary: "bad\x1b[31m name", File: "a\x07b", Line: 1, Source: "x\u202ey"}
	if s := hostile.String(); strings.ContainsAny(s, "\x1b\x07\u202e") {
		t.Errorf("control characters reach the terminal: %q", s)
	}
	ds := Diagnostics{{Warning: true, Summary: "w"}, d}
	if err := ds.Err(); CodeOf(err) != Invalid || !strings.Contains(err.Error(), "job.hcl:3: ") {
		t.Errorf("Err() = %v", err)
	}
	var carried *DiagnosticsError
	if !errors.As(ds.Err(), &carried) || len(carried.Diagnostics) != 2 {
		t.Error("the diagnostics do not travel with the error")
	}
	if (Diagnostics{{Warning: true}}).Err() != nil {
		t.Error("a warning refuses the file")
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	err := Errorf(NotFound, "open %s: %w", "queue", os.ErrNotExist)
	if !errors.Is(err, os.ErrNotExist) || CodeOf(err) != NotFound || strings.Count(err.Error(), "not exist") != 1 {
		t.Errorf("%v (%s)", err, CodeOf(err))
	}
	if MessageOf(errors.New("secret path /x")) == "secret path /x" {
		t.Error("an unsorted error's text reaches the user")
	}
}
