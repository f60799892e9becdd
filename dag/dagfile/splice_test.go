package dagfile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gridburst/dag"

	"github.com/google/go-cmp/cmp"
)

// A50: splices within splices, their directories, and what the names in them become.
func TestSplicesStandUnderTheirNames(t *testing.T) {
	g := read(t, `SPLICE S one.dag DIR sub
JOB A a.sub
PARENT A CHILD S
JOB B b.sub
PARENT S CHILD B
MAXJOBS S+local 5
MAXJOBS +shared 7
RETRY S+x 2
`, tree{
		"sub/one.dag": `INCLUDE more.dag
SPLICE T two.dag DIR deep
JOB x x.sub DIR mine
JOB z z.sub DIR /abs
PARENT x y CHILD T
CATEGORY x local
CATEGORY y +shared
MAXJOBS local 1
VARS ALL_NODES v="$(JOB)"
SAVE_POINT_FILE x
`,
		"sub/more.dag":     "JOB y y.sub\n",
		"sub/deep/two.dag": "JOB v v.sub\nJOB w w.sub\nPARENT v CHILD w\nSCRIPT POST w check\n",
	})
	if d := cmp.Diff(`A a.sub
B b.sub <S+z <S+T+w
S+y y.sub <A
S+x x.sub <A
S+z z.sub <A
S+T+v v.sub <S+y <S+x
S+T+w w.sub <S+T+v
`, shape(g)); d != "" {
		t.Error(d)
	}
	var dirs []string
	for _, n := range g.Nodes {
		dirs = append(dirs, n.Dir)
		if v := n.Name[0] == 'S' && !strings.Contains(n.Name, "T"); v != (len(n.Vars) == 1) {
			t.Errorf("%s has %v", n.Name, n.Vars)
		}
	}
	if d := cmp.Diff([]string{"", "", "sub", "sub/mine", "/abs", "sub/deep", "sub/deep"}, dirs); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]dag.Category{{Name: "+shared", MaxJobs: 7}, {Name: "S+local", MaxJobs: 5}}, g.Categories); d != "" {
		t.Error(d)
	}
	x := g.Nodes[3]
	if x.Category != "S+local" || g.Nodes[2].Category != "+shared" || x.Retries != 2 || x.SaveFile != "sub/save_files/x-one.dag.save" || g.Nodes[6].Post.Program != "check" {
		t.Errorf("%+v", x)
	}
}

func TestASpliceBeforeASplice(t *testing.T) {
	g := read(t, "SPLICE S in.dag\nSPLICE T in.dag\nPARENT S CHILD T\nPARENT S CHILD T\nJOB A a.sub\nPARENT A CHILD S T\n",
		tree{"in.dag": "JOB x x.sub\nJOB y x.sub\nJOB z x.sub\nPARENT x CHILD y\n"})
	if d := cmp.Diff("A a.sub\nS+x x.sub <A\nS+y x.sub <S+x\nS+z x.sub <A\nT+x x.sub <A <S+y <S+z\nT+y x.sub <T+x\nT+z x.sub <A <S+y <S+z\n", shape(g)); d != "" {
		t.Error(d)
	}
}

// A51: pins lead from the nodes of one splice to those of another.
func TestPinsConnectSplices(t *testing.T) {
	g := read(t, "SPLICE S in.dag\nSPLICE T in.dag\nCONNECT S T\n",
		tree{"in.dag": "JOB x x.sub\nJOB y x.sub\nJOB z x.sub\nPARENT x CHILD z\nPIN_IN x 1\nPIN_IN y 2\nPIN_OUT z 1\nPIN_OUT y 2\nPIN_OUT y 1\n"})
	if d := cmp.Diff("S+x x.sub\nS+y x.sub\nS+z x.sub <S+x\nT+x x.sub <S+y <S+z\nT+y x.sub <S+y\nT+z x.sub <T+x\n", shape(g)); d != "" {
		t.Error(d)
	}
}

func TestManySplicesOfOneFile(t *testing.T) {
	// Each doubles the one below it.
	files := tree{"s0": "JOB A a.sub\n"}
	for k := 1; k <= 10; k++ {
		files[fmt.Sprint("s", k)] = fmt.Sprintf("SPLICE L s%d\nSPLICE R s%d\nPARENT L CHILD R\n", k-1, k-1)
	}
	g := read(t, files["s10"], files)
	if g.Len() != 1024 || g.Edges() != 1023 || g.Nodes[1023].Name != strings.Repeat("R+", 10)+"A" {
		t.Fatalf("%d nodes, %d edges, the last %s", g.Len(), g.Edges(), g.Nodes[g.Len()-1].Name)
	}
}

// A54: descriptions of one node, of many, and of those that a splice's nodes share.
func TestSubmitDescriptions(t *testing.T) {
	g := read(t, `JOB A {
  executable = a
  # not a command of the DAG
  PARENT = x
} DIR here NOOP
JOB B shared
JOB C @=end
  }
@end
JOB D "d.sub"
SUBMIT-DESCRIPTION shared {
  executable = s
}
FINAL F shared
SPLICE S in.dag
PARENT A CHILD B
`, tree{"in.dag": "JOB x shared\nJOB y own\nsubmit_description own @=\x41\nexecutable = o\n@A\n"})
	if d := cmp.Diff([]dag.Description{
		{Name: "A", Text: "  executable = a\n  # not a command of the DAG\n  PARENT = x"}, {Name: "C", Text: "  }"}, {Name: "S+own", Text: "executable = o"}, {Name: "shared", Text: "  executable = s"},
	}, g.Descriptions); d != "" {
		t.Error(d)
	}
	var got []string
	for _, n := range g.Nodes {
		got = append(got, n.Name+" "+n.Submit+n.File)
	}
	if want := []string{"A A", "B shared", "C C", "D d.sub", "F shared", "S+x shared", "S+y S+own"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if a := g.Nodes[0]; a.Dir != "here" || !a.Noop || g.Nodes[4].Kind != dag.FinalNode {
		t.Errorf("%+v", a)
	}
}

func TestSeveralFilesAreOneRun(t *testing.T) {
	g, diags := ReadAll([]File{{Name: "a.dag", Text: []byte("JOB A a.sub\nJOB B b.sub\nPARENT A CHILD B\nSPLICE S in.dag\n")}, {Name: "b.dag", Text: []byte("JOB A a.sub\nFINAL F f.sub\nRETRY ALL_NODES 1\n")}},
		tree{"in.dag": "JOB x x.sub\n"}, Options{Rescue: &File{Name: "a.dag_multi.rescue001", Text: []byte("DONE 0.A\nDONE 0.S+x\n")}})
	if g == nil {
		t.Fatal(diags)
	}
	if d := cmp.Diff("0.A a.sub\n0.B b.sub <0.A\n0.S+x x.sub\n1.A a.sub\n1.F f.sub\n", shape(g)); d != "" {
		t.Error(d)
	}
	if !g.Nodes[0].Done || !g.Nodes[2].Done || g.Nodes[3].Done || g.Nodes[0].Retries != 0 || g.Nodes[3].Retries != 1 || g.Nodes[4].Retries != 0 || !slices.Equal(g.Files, []string{"a.dag", "b.dag"}) {
		t.Errorf("%+v", g)
	}
	if _, diags := ReadAll([]File{{Name: "a", Text: []byte("FINAL F f.sub\n")}, {Name: "b", Text: []byte("FINAL F f.sub\n")}}, nil, Options{}); !diags.HasErrors() {
		t.Error("two FINAL nodes")
	}
}

func TestWhatIsSaidOfNodesAndTheRun(t *testing.T) {
	g := read(t, `JOB A a.sub
SCRIPT DEFER 4 60 DEBUG "a file" all pre A ./pre $NODE "a b
script post ALL_NODES post.sh $RETURN
SCRIPT HOLD A hold
pre_skip A 3
TOLERANCE ALL_NODES 5% wait
TOLERANCE A 2 FAIL-FAST
SUBDAG external S sub.dag DIR d NOOP DONE
PROVISIONER P p.sub
SERVICE W w.sub
FINAL F f.sub
WEAK parent A CHILD S
SAVE-POINT-FILE A my.save
// as HTCondor 25 has comments too
env GET HOME,LANG;PATH
ENV SET a=1;b=x y;c=
ENV SET "d='it''s; so' e=""q"""
SET_JOB_ATTR My = "text; = it"
SET_JOB_ATTR my = 1 + 2
NODE_STATUS_FILE st 10 ALWAYS-UPDATE
JOBSTATE_LOG js
DOT x.dot UPDATE DONT-OVERWRITE INCLUDE head
CONFIG c
VARS A x="1"
VARS A PREPEND y="1"
`, tree{"c": "# mine\nDAGMAN_DEFAULT_APPEND_VARS = True\nother = 1\nDAGMAN_ALWAYS_RUN_POST=true\nDAGMAN_ALWAYS_RUN_POST = false\n"})
	post := &dag.Script{Program: "post.sh", Args: []string{"$RETURN"}}
	all := &dag.Tolerance{Procs: 5, Percent: true, Wait: true}
	if d := cmp.Diff(&dag.Graph{
		Name: "in.dag", Config: "c", StateLog: "js",
		Settings: []dag.Var{{Name: "DAGMAN_DEFAULT_APPEND_VARS", Value: "True"}, {Name: "DAGMAN_ALWAYS_RUN_POST", Value: "false"}},
		Status:   &dag.StatusFile{File: "st", Seconds: 10, Always: true},
		Dot:      &dag.DotFile{File: "x.dot", Update: true, Keep: true, Include: "head"},
		Attrs:    []dag.Var{{Name: "my", Value: "1 + 2"}},
		Env:      []dag.EnvRule{{Get: "HOME"}, {Get: "LANG"}, {Get: "PATH"}, {Set: "a", Value: "1"}, {Set: "b", Value: "x y"}, {Set: "c"}, {Set: "d", Value: "it's; so"}, {Set: "e", Value: `"q"`}},
		Nodes: []dag.Node{
			{
				Name: "A", File: "a.sub", Post: post, Hold: &dag.Script{Program: "hold"}, PreSkip: 3, Tolerance: &dag.Tolerance{Procs: 2}, Children: []int32{1}, SaveFile: "save_files/my.save",
				Pre:  &dag.Script{Program: "./pre", Args: []string{"$NODE", `"a`, "b"}, Defer: new(4), DeferSeconds: 60, Debug: "a file", Capture: "ALL"},
				Vars: []dag.Var{{Name: "x", Value: "1", Append: true}, {Name: "y", Value: "1"}},
			},
			{Name: "S", File: "sub.dag", Dir: "d", Subdag: true, Noop: true, Done: true, Post: post, Tolerance: all, Parents: []int32{0}, Weak: []int32{0}},
			{Name: "P", File: "p.sub", Kind: dag.ProvisionerNode, Post: post, Tolerance: all},
			{Name: "W", File: "w.sub", Kind: dag.ServiceNode},
			{Name: "F", File: "f.sub", Kind: dag.FinalNode},
		},
	}, g); d != "" {
		t.Error(d)
	}
}

func TestStrongWinsOverWeak(t *testing.T) {
	g := read(t, "JOB A a\nJOB B b\nJOB C c\nWEAK PARENT A CHILD B C\nPARENT A CHILD B\n", nil)
	if len(g.Nodes[1].Weak) != 0 || !slices.Equal(g.Nodes[2].Weak, []int32{0}) || len(g.Nodes[1].Parents) != 1 {
		t.Fatalf("%+v", g.Nodes)
	}
}
