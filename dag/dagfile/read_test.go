package dagfile

import (
	"fmt"
	"strings"
	"testing"

	"gridburst/dag"

	"github.com/google/go-cmp/cmp"
)

func read(tb testing.TB, src string, files tree) *dag.Graph {
	tb.Helper()
	g, diags := Read("dir/in.dag", []byte(src), files)
	if g == nil {
		tb.Fatalf("%s\n%s", src, diags)
	}
	return g
}

// shape is a graph in lines.
func shape(g *dag.Graph) string {
	var b strings.Builder
	for i, n := range g.Nodes {
		fmt.Fprintf(&b, "%s %s", n.Name, n.File)
		for _, p := range g.Parents(int32(i)) {
			fmt.Fprintf(&b, " <%s", g.Nodes[p].Name)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestRead(t *testing.T) {
	g := read(t, `# a comment
Parent A B child C
job A "a dir/a.sub" DIR "x y" noop
JOB \
   # within a continuation
   B \
   b.sub done
	Job C c.sub
JOB D c.sub
RETRY ALL_NODES 3 unless-exit 7
retry C 1
ABORT-DAG-ON C 5 RETURN 0
ABORT-DAG-ON D -9
PRIORITY C -4
CATEGORY all_nodes wide
CATEGORY C narrow
MAXJOBS narrow 2
MAXJOBS wide 9
DONE D
VARS ALL_NODES base = "all" X="1"
VARS C append x="\"\\2\\n\"" +Attr="\"s\"" My.Other = "3"
VARS A append="a" prepend = "b"
VARS B PREPEND Y=""
`, nil)
	want := []dag.Node{
		{
			Name: "A", File: "a dir/a.sub", Dir: "x y", Noop: true, Retries: 3, Unless: new(7), Category: "wide", Children: []int32{2},
			Vars: []dag.Var{{Name: "base", Value: "all"}, {Name: "X", Value: "1"}, {Name: "append", Value: "a"}, {Name: "prepend", Value: "b"}},
		},
		{
			Name: "B", File: "b.sub", Done: true, Retries: 3, Unless: new(7), Category: "wide", Children: []int32{2},
			Vars: []dag.Var{{Name: "base", Value: "all"}, {Name: "X", Value: "1"}, {Name: "Y"}},
		},
		{
			Name: "C", File: "c.sub", Retries: 1, Abort: &dag.Abort{Exit: 5}, Priority: -4, Category: "narrow", Parents: []int32{0, 1},
			Vars: []dag.Var{
				{Name: "base", Value: "all"},
				{Name: "x", Value: `"\2\n"`, Append: true},
				{Name: "+Attr", Value: `"s"`, Append: true},
				{Name: "My.Other", Value: "3", Append: true},
			},
		},
		{
			Name: "D", File: "c.sub", Done: true, Retries: 3, Unless: new(7), Abort: &dag.Abort{Exit: -9, Return: 1}, Category: "wide",
			Vars: []dag.Var{{Name: "base", Value: "all"}, {Name: "X", Value: "1"}},
		},
	}
	if d := cmp.Diff(want, g.Nodes); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]dag.Category{{Name: "narrow", MaxJobs: 2}, {Name: "wide", MaxJobs: 9}}, g.Categories); d != "" {
		t.Error(d)
	}
	if g.Name != "in.dag" {
		t.Errorf("name %q", g.Name)
	}
}

func TestIncludedFilesStandWhereTheyAreNamed(t *testing.T) {
	files := tree{
		"sub/one.dag": "JOB B b.sub\r\nINCLUDE two.dag\r\nPARENT A CHILD B\r\n",
		"two.dag":     "\ufeffJOB C c.sub\nPARENT B CHILD C",
	}
	g := read(t, "JOB A a.sub\nINCLUDE sub/one.dag\nPARENT A CHILD C\n", files)
	if got, want := shape(g), "A a.sub\nB b.sub <A\nC c.sub <A <B\n"; got != want {
		t.Fatalf("got\n%s", got)
	}
}

func TestManyParentsOfManyChildrenMakeAJoin(t *testing.T) {
	var b strings.Builder
	var names [2][]string
	for i := range 1000 {
		for k, kind := range []string{"p", "c"} {
			name := fmt.Sprint(kind, i)
			names[k] = append(names[k], name)
			fmt.Fprintf(&b, "JOB %s x.sub\n", name)
		}
	}
	fmt.Fprintf(&b, "PARENT %s CHILD %s\n", strings.Join(names[0], " "), strings.Join(names[1], " "))
	g := read(t, b.String(), nil)
	if g.Len() != 2000 || g.Joins != 1 || g.Edges() != 2000 {
		t.Fatalf("%d nodes, %d joins, %d edges", g.Len(), g.Joins, g.Edges())
	}
}

// bad are files with something wrong. What is said of each is in
// testdata/diagnostics.golden.
var bad = []struct{ name, src string }{
	{"no nodes", "# nothing\n"},
	{"a typing error in a command", "JOBB A a.sub"},
	{"a typing error in a name", "JOB split a.sub\nJOB count b.sub\nPARENT split CHILD cuont"},
	{"a typing error in an option", "JOB A a.sub NOPO"},
	{"an option without its value", "JOB A a.sub DIR"},
	{"a node without a file", "JOB A"},
	{"a node without anything", "JOB"},
	{"two nodes of one name", "JOB A a.sub\nJOB A b.sub"},
	{"a name that is a keyword", "JOB Parent a.sub"},
	{"a name with a plus", "JOB a+b a.sub"},
	{"a name that cannot be seen", "JOB a\x01b a.sub\nJOB \"\" b.sub\nJOB \"a b\" c.sub"},
	{"a parent alone", "JOB A a.sub\nPARENT A"},
	{"no children", "JOB A a.sub\nPARENT A CHILD"},
	{"two CHILD", "JOB A a.sub\nPARENT A CHILD A CHILD A"},
	{"a cycle", "JOB A a.sub\nJOB B b.sub\nJOB C c.sub\nPARENT A CHILD B\nPARENT B CHILD C\nPARENT C CHILD A"},
	{"a node before itself", "JOB A a.sub\nPARENT A CHILD A"},
	{"numbers that are none", "JOB A a.sub\nRETRY A many\nRETRY A -1\nRETRY A\nPRIORITY A 1.5\nABORT-DAG-ON A 1 RETURN 256\nMAXJOBS x 0\nRETRY A 99999999999"},
	{"too much on a line", "JOB A a.sub\nRETRY A 3 4\nRETRY A 3 UNLESS-EXIT 1 2\nDONE A B\nABORT-DAG-ON A 1 2\nCATEGORY A x y\nINCLUDE a b"},
	{"an exit code that is missing", "JOB A a.sub\nRETRY A 3 UNLESS-EXIT\nABORT-DAG-ON A"},
	{"nothing behind a command", "JOB A a.sub\nVARS\nRETRY\nCATEGORY A\nMAXJOBS\nINCLUDE\nDONE"},
	{"all nodes are done", "JOB A a.sub\nDONE ALL_NODES"},
	{"a category without a limit", "JOB A a.sub\nJOB B a.sub\nCATEGORY ALL_NODES slow"},
	{"vars without quotes", "JOB A a.sub\nVARS A x=5"},
	{"vars without an end", "JOB A a.sub\nVARS A x=\"5"},
	{"vars without a value", "JOB A a.sub\nVARS A x y=\"5\""},
	{"vars without names", "JOB A a.sub\nVARS A\nVARS A PREPEND"},
	{"vars with wrong names", "JOB A a.sub\nVARS A a-b=\"5\"\nVARS A queue_x=\"5\"\nVARS A +=\"5\"\nVARS A +queue=\"5\""},
	{"vars twice", "JOB A a.sub\nVARS ALL_NODES x=\"0\"\nVARS A x=\"1\" y=\"1\"\nVARS A X=\"2\""},
	{"a file that is not there", "INCLUDE nosuch.dag\nJOB A a.sub"},
	{"a file that includes itself", "INCLUDE loop.dag\nJOB A a.sub"},
	{"a problem in an included file", "JOB A a.sub\nINCLUDE bad.dag\nPARENT A CHILD B"},
	{"a file that is not to be run", "REJECT\nJOB A a.sub"},
	{"submit descriptions within", "JOB A {\n  executable = x\n}\nJOB B @=end\n  PARENT = x\n@end\nSUBMIT-DESCRIPTION d {\nJOB C c.sub\n}\nPARENT A CHILD B\nJOB D {\n"},
	{"what is not supported", "JOB A a.sub\nFINAL F f.sub\nSUBDAG EXTERNAL S s.dag\nSCRIPT PRE A x\nSCRIPT POST A x\nRETRY F 2\nPARENT A CHILD S\nENV GET X\nTOLERANCE A 2\nWEAK PARENT A CHILD A"},
	{"what has no effect", "JOB A a.sub\nDOT a.dot UPDATE\nCONFIG c\nNODE_STATUS_FILE s 10\nDOT b.dot\nJOBSTATE_LOG l\nSET_JOB_ATTR A = 1\nSAVE_POINT_FILE A"},
	{"a continuation", "JOB A a.sub\nPARENT \\\n   A \\\n # not this\n   CHILD \\\n   nosuch"},
	{"a continuation without end", "JOB A a.sub \\"},
	{"not UTF-8", "JOB A\xff a.sub"},
}

func TestWhatIsSaidOfBadFiles(t *testing.T) {
	files := tree{"loop.dag": "INCLUDE dir/in.dag\n", "dir/in.dag": "INCLUDE loop.dag\n", "bad.dag": "\n\tJOB B\n"}
	var b strings.Builder
	for _, c := range bad {
		g, diags := Read("dir/in.dag", []byte(c.src), files)
		if (g == nil) != diags.HasErrors() {
			t.Errorf("%s: a graph and errors, or neither", c.name)
		}
		b.WriteString("=== " + c.name + "\n\n" + diags.String() + "\n")
	}
	golden(t, "testdata/diagnostics.golden", b.String())
}

func TestAReadingEndsAfterAHundredErrors(t *testing.T) {
	_, diags := Read("in.dag", []byte(strings.Repeat("NOSUCH\n", 5000)), nil)
	if len(diags) != maxProblems {
		t.Fatalf("%d problems", len(diags))
	}
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "JOB n%d a.sub\nVARS n%d x=\"1\"\nVARS n%d x=\"2\"\n", i, i, i)
	}
	g, diags := Read("in.dag", []byte(b.String()), nil)
	if g == nil || g.Len() != 1000 || len(diags) != 2*maxProblems {
		t.Fatalf("%d warnings", len(diags))
	}
}

func FuzzRead(f *testing.F) {
	for name := range verdicts(f) {
		f.Add(string(corpusFile(f, name)))
	}
	for _, c := range bad {
		f.Add(c.src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		files := tree{"self.dag": src, "other.dag": "JOB other other.sub\n"}
		g, diags := Read("in.dag", []byte(src), files)
		if (g == nil) != diags.HasErrors() {
			t.Fatalf("a graph and errors, or neither: %s", diags)
		}
		for _, d := range diags {
			if d.Line < 0 || d.Summary == "" {
				t.Fatalf("%+v", d)
			}
			_ = d.String()
		}
		if g == nil {
			return
		}
		for i, n := range g.Nodes {
			for _, c := range n.Children {
				if c < 0 || int(c) >= len(g.Nodes) || c == int32(i) {
					t.Fatalf("node %d has a child %d", i, c)
				}
			}
		}
		again, _ := Read("in.dag", []byte(src), files)
		if d := cmp.Diff(g, again); d != "" {
			t.Fatalf("two readings differ: %s", d)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	var src strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&src, "JOB n%d job.sub\nVARS n%d part=\"%d\"\n", i, i, i)
		if i > 0 {
			fmt.Fprintf(&src, "PARENT n%d CHILD n%d\n", i/2, i)
		}
	}
	b.SetBytes(int64(src.Len()))
	for b.Loop() {
		if g, diags := Read("in.dag", []byte(src.String()), nil); g == nil {
			b.Fatal(diags)
		}
	}
}
