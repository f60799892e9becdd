package dagfile

import (
	"testing"
	"time"

	"gridburst/dag"

	"github.com/google/go-cmp/cmp"
)

// ran is a run in which the jobs of some nodes have failed.
func ran(t *testing.T, src string, failing ...string) *dag.Run {
	t.Helper()
	run, err := dag.Open(read(t, src, nil), dag.Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	exits := map[string]int32{}
	for _, name := range failing {
		exits[name] = 1
	}
	for todo := []dag.Happening{dag.Begin{}}; len(todo) > 0; todo = todo[1:] {
		change, actions, err := dag.Step(run, todo[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Apply(change); err != nil {
			t.Fatal(err)
		}
		for _, a := range actions {
			if s, ok := a.(dag.Submit); ok {
				cluster := s.Node*100 + int32(s.Attempt)
				todo = append(todo, dag.Submitted{Node: s.Node, Attempt: s.Attempt, Cluster: cluster, Procs: 1},
					dag.ProcsLeft{Node: s.Node, Cluster: cluster, At: dag.Position{Index: uint64(s.Attempt)}, Procs: 1, Exit: exits[run.Graph.Nodes[s.Node].Name]})
			}
		}
	}
	return run
}

const rescued = `JOB A a.sub
JOB B b.sub
JOB C c.sub
JOB D d.sub
RETRY B 1 UNLESS-EXIT 7
RETRY C 2
PARENT A CHILD B C
PARENT B CHILD D
`

func TestARescueFileIsReadBehindTheDag(t *testing.T) {
	run := ran(t, rescued, "B")
	text := Rescue(run, "in.dag", time.Date(2022, 7, 27, 20, 4, 7, 0, time.UTC))
	if d := cmp.Diff(`# Rescue DAG file, created after running
#   the in.dag DAG file
# Created 7/27/2022 20:04:07 UTC
# Rescue DAG version: 2.0.1 (partial)
#
# Total number of Nodes: 4
# Nodes premarked DONE: 2
# Nodes that failed: 1
#   B,<ENDLIST>

DONE A
RETRY B 1 UNLESS-EXIT 7
DONE C
RETRY C 2
`, string(text)); d != "" {
		t.Error(d)
	}
	g, diags := ReadAll([]File{{Name: "in.dag", Text: []byte(rescued)}}, nil, Options{Rescue: &File{Name: "in.dag.rescue001", Text: text}})
	if g == nil {
		t.Fatal(diags)
	}
	for i, want := range []bool{true, false, true, false} {
		if g.Nodes[i].Done != want {
			t.Errorf("%s is done: %v", g.Nodes[i].Name, g.Nodes[i].Done)
		}
	}
}

func TestARescueFileThatIsOfAnotherDagIsRefused(t *testing.T) {
	_, diags := ReadAll([]File{{Name: "in.dag", Text: []byte(rescued)}}, nil, Options{Rescue: &File{Name: "other.rescue001", Text: []byte("# x\nDONE nobody\n")}})
	if !diags.HasErrors() || diags[0].File != "other.rescue001" || diags[0].Line != 2 {
		t.Fatal(diags)
	}
}

func TestRescueFilesAreNumbered(t *testing.T) {
	for _, c := range []struct {
		dag     string
		several bool
		file    string
		number  int
	}{
		{"a.dag", false, "a.dag.rescue001", 1},
		{"dir/a.dag", false, "a.dag.rescue120", 120},
		{"a.dag", false, "a.dag.rescue1", 0},
		{"a.dag", false, "a.dag.rescue000", 0},
		{"a.dag", false, "a.dag.rescue001.old", 0},
		{"a.dag", false, "b.dag.rescue001", 0},
		{"a.dag", false, "a.dag_multi.rescue001", 0},
		{"a.dag", true, "a.dag_multi.rescue007", 7},
	} {
		if n := RescueNumber(c.dag, c.several, c.file); n != c.number {
			t.Errorf("%s of %s has number %d", c.file, c.dag, n)
		}
		if c.number > 0 && RescueName("a.dag", c.several, c.number) != c.file {
			t.Errorf("%d: %s", c.number, RescueName("a.dag", c.several, c.number))
		}
	}
}

func TestASettingBoundsRescueFiles(t *testing.T) {
	for conf, want := range map[string]int{"": 100, "DAGMAN_MAX_RESCUE_NUM = 0": 0, "dagman_max_rescue_num=5\n# x": 5, "DAGMAN_MAX_RESCUE_NUM = 5000": 999} {
		g := read(t, "CONFIG c\nJOB A a.sub\n", tree{"c": conf})
		if n := Most(g); n != want {
			t.Errorf("%q: %d", conf, n)
		}
	}
}
