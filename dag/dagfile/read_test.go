package dagfile

import (
	"encoding/json"
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
	{"submit descriptions that do not hold", "JOB A {\n  executable = x\n} NOPO\nSUBMIT-DESCRIPTION d {\n}\nSUBMIT-DESCRIPTION d {\n}\nSUBMIT-DESCRIPTION e x.sub\nSUBMIT-DESCRIPTION f+g {\n}\nJOB B @=\nJOB C { executable = x }\nSUBMIT-DESCRIPTION"},
	{"an end mark that is another's", "JOB A @=here\n  executable = x\n@there\nJOB B b.sub"},
	{"nodes that are not ordered", "JOB A a.sub\nFINAL F f.sub\nPROVISIONER P p.sub\nSERVICE S s.sub DONE\nPARENT F P S CHILD A\nPARENT A CHILD F\nRETRY F 2\nPRIORITY S 3\nCATEGORY F x\nABORT-DAG-ON S 1\nDONE F\nPIN_IN S 1"},
	{"two of which there is one", "FINAL F f.sub\nFINAL F2 f.sub\nPROVISIONER P p.sub\nPROVISIONER P2 p.sub"},
	{"DATA", "JOB A a.sub\nDATA D d.sub\nPARENT D CHILD A"},
	{"SUBDAG", "SUBDAG S s.dag\nSUBDAG EXTERNAL T\nSUBDAG EXTERNAL job0 b c d\nSUBDAG EXTERNAL U u.dag DIR"},
	{"scripts", "JOB A a.sub\nSCRIPT\nSCRIPT PRE\nSCRIPT PRE A\nSCRIPT PRO A x\nSCRIPT DEFER 1 PRE A x\nSCRIPT DEBUG f PRE A x\nSCRIPT DEBUG f SDTOUT PRE A x\nSCRIPT PRE Z x\nSCRIPT POST A x\nSCRIPT POST A y\nPRE_SKIP A 0\nPRE_SKIP A\nPRE-SKIP A 1"},
	{"a tolerance", "JOB A a.sub\nTOLERANCE A\nTOLERANCE A x\nTOLERANCE A 101%\nTOLERANCE A 3 SLOW\nTOLERANCE A 3 WAIT 2"},
	{"weak edges", "JOB A a.sub\nJOB B b.sub\nWEAK A CHILD B\nWEAK PARENT A\nWEAK"},
	{"what is said of the run", "JOB A a.sub\nENV\nENV GET\nENV PUT x\nENV SET\nENV SET x\nENV SET =1\nENV SET \"a='b\"\nENV SET \"a=b\nSET_JOB_ATTR\nSET_JOB_ATTR a\nSET_JOB_ATTR a b = 1\nSET_JOB_ATTR a = (1\nNODE_STATUS_FILE\nNODE_STATUS_FILE f x\nJOBSTATE_LOG\nDOT\nDOT f UPDAET\nDOT f INCLUDE\nCONFIG"},
	{"what is said twice of the run", "JOB A a.sub\nNODE_STATUS_FILE f\nNODE_STATUS_FILE g\nJOBSTATE_LOG f\nJOBSTATE_LOG g\nDOT f\nDOT g\nCONFIG my.conf\nCONFIG your.conf\nCONFIG my.conf"},
	{"a configuration that is not there", "JOB A a.sub\nCONFIG nosuch.conf"},
	{"save points", "JOB A a.sub\nSAVE_POINT_FILE\nSAVE_POINT_FILE ALL_NODES\nSAVE_POINT_FILE A x y\nSAVE_POINT_FILE B"},
	{"a quote without end", "JOB A \"a.sub\nJOB B b.sub DIR \"x"},
	{"a splice with something wrong", "JOB A a.sub\nSPLICE S bad.dag\nSPLICE S one.dag\nSPLICE A one.dag\nJOB S s.sub\nSPLICE T nosuch.dag\nSPLICE U\nSPLICE V one.dag IN x\nSPLICE a+b one.dag\nPARENT A CHILD T"},
	{"a splice that splices itself", "SPLICE S itself.dag"},
	{"a splice with a FINAL node and more", "SPLICE S final.dag"},
	{"what is for nodes and is said of a splice", "SPLICE S one.dag\nRETRY S 1\nSCRIPT PRE S x\nDONE S"},
	{"an empty splice", "JOB A a.sub\nSPLICE S empty.dag\nPARENT A CHILD S"},
	{"pins that do not meet", "JOB A a.sub\nSPLICE P two.dag\nSPLICE Q two.dag\nSPLICE O one.dag\nSPLICE G gap.dag\nSPLICE H half.dag\nCONNECT P Q\nCONNECT P O\nCONNECT O P\nCONNECT P G\nCONNECT P A\nCONNECT P R\nCONNECT P\nCONNECT P H\nCONNECT P Q Q\nPIN_IN P 1\nPIN_IN A 0\nPIN_OUT A x\nPIN_OUT ALL_NODES 1"},
	{"PRE_SKIP without a script", "JOB A a.sub\nPRE_SKIP A 3"},
	{"a continuation", "JOB A a.sub\nPARENT \\\n   A \\\n # not this\n   CHILD \\\n   nosuch"},
	{"a continuation without end", "JOB A a.sub \\"},
	{"not UTF-8", "JOB A\xff a.sub"},
}

func TestWhatIsSaidOfBadFiles(t *testing.T) {
	files := tree{
		"loop.dag": "INCLUDE dir/in.dag\n", "dir/in.dag": "INCLUDE loop.dag\n", "bad.dag": "\n\tJOB B\n",
		"my.conf": "", "one.dag": "JOB x x.sub\n", "itself.dag": "JOB x x.sub\nSPLICE T other.dag\n", "other.dag": "SPLICE U itself.dag\n", "empty.dag": "# nothing\n",
		"final.dag": "JOB x x.sub\nFINAL F f.sub\nPROVISIONER P p.sub\nCONFIG c\nENV GET x\nSET_JOB_ATTR a = 1\nNODE_STATUS_FILE f\nJOBSTATE_LOG f\nDOT f\n",
		"two.dag":   "JOB x x.sub\nJOB y y.sub\nPIN_IN x 1\nPIN_IN y 2\nPIN_OUT x 1\nPIN_OUT y 2\n",
		"gap.dag":   "JOB x x.sub\nJOB y y.sub\nPIN_IN x 1\nPIN_IN y 3\n",
		"half.dag":  "JOB x x.sub\nJOB y y.sub\nPIN_IN x 1\nPIN_IN x 2\n",
	}
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
	if g == nil || g.Len() != 1000 || len(diags) != maxProblems {
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
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		again, _ := Read("in.dag", []byte(src), files)
		if d := cmp.Diff(g, again); d != "" {
			t.Fatalf("two readings differ: %s", d)
		}
		if written, err := Write(g); err == nil {
			again, diags := ReadAll([]File{{Name: "in.dag", Text: written}}, files, Options{AnyName: true})
			if d := cmp.Diff(g, again); d != "" {
				t.Fatalf("written and read again, it differs: %s%s\n%s", d, diags, written)
			}
		} else if !strings.Contains(err.Error(), "has the name of a submit description") {
			t.Fatal(err)
		}
	})
}

// wide is a file of many nodes that share a submit file, with edges edges.
func wide(nodes, edges int) string {
	var src strings.Builder
	for i := range nodes {
		fmt.Fprintf(&src, "JOB n%d job.sub\nVARS n%d part=\"%d\"\n", i, i, i)
	}
	for k := range edges {
		to := 1 + k%(nodes-1)
		fmt.Fprintf(&src, "PARENT n%d CHILD n%d\n", (k*7919)%to, to)
	}
	return src.String()
}

func BenchmarkRead(b *testing.B) {
	for name, src := range map[string]string{
		"of 100000 nodes":  wide(100_000, 0),
		"of 1000000 edges": wide(100_000, 1_000_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				g, diags := Read("in.dag", []byte(src), nil)
				if g == nil {
					b.Fatal(diags)
				}
				b.ReportMetric(float64(g.Edges()), "edges")
			}
		})
	}
}

func BenchmarkGraphInTheLedger(b *testing.B) {
	g, diags := Read("in.dag", []byte(wide(100_000, 100_000)), nil)
	if g == nil {
		b.Fatal(diags)
	}
	b.ReportAllocs()
	for b.Loop() {
		blob, err := json.Marshal(g)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(blob)), "bytes")
		if err := json.Unmarshal(blob, new(dag.Graph)); err != nil {
			b.Fatal(err)
		}
	}
}
