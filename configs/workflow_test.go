package configs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/google/go-cmp/cmp"
)

func workflowOf(tb testing.TB, src string) *dag.Graph {
	tb.Helper()
	g, diags := Workflow("dir/wf.hcl", []byte(src), Outside{})
	if g == nil {
		tb.Fatalf("%s\n%s", src, diags)
	}
	return g
}

const countWords = `
variable "parts" { default = 3 }
variable "part"  {}
variable "text"  { default = "big.txt" }

job "split" {
  executable = "run.sh"
  arguments  = [var.text, var.parts]
}
job "count" {
  executable = "run.sh"
  arguments  = ["count", var.part]
  output     = "count.${var.part}"
}
job "merge" { executable = "run.sh" }

workflow "wordcount" {
  node "split" {}
  node "count" {
    for_each = range(var.parts)
    after    = [node.split]
    vars     = { part = each.value }
    retries  = 2
    priority = 7
  }
  node "merge" { after = [node.count] }
}
`

func TestAWorkflowAndTheJobsOfItsNodes(t *testing.T) {
	g := workflowOf(t, countWords)
	var b strings.Builder
	for i, n := range g.Nodes {
		fmt.Fprintf(&b, "%s %s:%s retries %d after", n.Name, n.File, n.Job, n.Retries)
		for _, p := range g.Parents(int32(i)) {
			b.WriteString(" " + g.Nodes[p].Name)
		}
		b.WriteByte('\n')
	}
	want := `split wf.hcl:split retries 0 after
count-0 wf.hcl:count retries 2 after split
count-1 wf.hcl:count retries 2 after split
count-2 wf.hcl:count retries 2 after split
merge wf.hcl:merge retries 0 after count-0 count-1 count-2
`
	if d := cmp.Diff(want, b.String()); d != "" || g.Name != "wordcount" {
		t.Fatalf("%s: %s", g.Name, d)
	}
	run, err := dag.Open(g, dag.Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"big.txt 3", "count 0", "count 1", "count 2", ""} {
		at := site()
		for _, v := range run.Vars(int32(i)) {
			at.Vars = append(at.Vars, submit.Var(v))
		}
		j, diags := JobNamed("wf.hcl", []byte(countWords), g.Nodes[i].Job, at, files())
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		prio := map[bool]string{true: "7", false: "0"}[strings.HasPrefix(g.Nodes[i].Name, "count")]
		if name, p := ofEach(t, j.Spec, "DAGNodeName"), ofEach(t, j.Spec, "JobPrio"); name != g.Nodes[i].Name || p != prio {
			t.Errorf("%s: DAGNodeName %s, JobPrio %s", g.Nodes[i].Name, name, p)
		}
		if args := ofEach(t, j.Spec, "Arguments"); args != want {
			t.Errorf("%s has arguments %q, want %q", g.Nodes[i].Name, args, want)
		}
	}
}

func TestJobNamed(t *testing.T) {
	two := "variable \"v\" {}\njob \"a\" { executable = \"run.sh\" }\njob \"b\" {\n executable = \"run.sh\"\n output = var.v\n}\n"
	for _, c := range []struct{ src, name, want string }{
		{two, "a", ""},
		{two, "b", `the variable "v" has no value`},
		{two, "", "there are several jobs, and none is named"},
		{two, "c", `there is no job "c"`},
		{"job \"a\" { executable = \"run.sh\" }\njob \"x\" { nonsense = 1 }", "a", ""},
		{"job \"a\" { executable = \"run.sh\" }", "", ""},
		{"job \"a\" { executable = \"nosuch\" }", "a", "does not exist"},
		{"# none", "", "there is no job block"},
		{"job \"a\" {", "", "nclosed"},
	} {
		j, diags := JobNamed("wf.hcl", []byte(c.src), c.name, site(), files())
		if c.want == "" && (diags.HasErrors() || j.Spec.Len() != 1) || c.want != "" && !strings.Contains(diags.String(), c.want) {
			t.Errorf("%s of %s: %s", c.name, c.src, diags)
		}
	}
}

func TestTheSameWorkflowInBothTongues(t *testing.T) {
	cases := []struct{ name, dag, hcl string }{
		{
			"a diamond with everything", `
JOB first a.sub DIR run1
JOB left b.sub NOOP
JOB right c.sub
JOB last d.sub DONE
PARENT first CHILD left right
PARENT left right CHILD last
RETRY right 2 UNLESS-EXIT 4
PRIORITY right 10
ABORT-DAG-ON right 5 RETURN 0
ABORT-DAG-ON first 300
CATEGORY right io
CATEGORY left io
MAXJOBS io 2
VARS right x="1" +Project="\"p\"" name="a b"
`, `
locals { name = "a b" }
workflow "in.dag" {
  category "io" { max_jobs = 2 }
  node "first" {
    file = "a.sub"
    dir  = "run1"
    abort { exit = 300 }
  }
  node "left" {
    file     = "b.sub"
    noop     = true
    after    = [node.first]
    category = "io"
  }
  node "right" {
    file        = "c.sub"
    after       = ["first"]
    retries     = 2
    unless_exit = 4
    priority    = 10
    category    = "io"
    vars        = merge({ x = 1 }, { "+Project" = "\"p\"", name = local.name })
    abort {
      exit   = 5
      return = 0
    }
  }
  node "last" {
    file  = "d.sub"
    done  = true
    after = [node.left, node.right]
  }
}
`,
		},
		{
			"many", dagMany(), `
workflow "in.dag" {
  node "split" { file = "split.sub" }
  node "count" {
    for_each = range(40)
    file     = "count.sub"
    after    = [node.split]
    vars     = { part = each.value }
  }
  node "sort" {
    for_each = range(40)
    file     = "sort.sub"
    after    = [node.count]
  }
  node "each" {
    for_each = { a = 3, b = 4 }
    file     = "each-${each.key}.sub"
    after    = [node.sort[each.value]]
  }
  node "merge" {
    file  = "merge.sub"
    after = [for k, n in node.each : n]
  }
}
`,
		},
	}
	sorted := cmp.Transformer("vars", func(vars []dag.Var) map[string]string {
		m := map[string]string{}
		for _, v := range vars {
			m[v.Name] = v.Value
		}
		return m
	})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			want, diags := dagfile.Read("in.dag", []byte(c.dag), nil)
			if want == nil {
				t.Fatal(diags)
			}
			if d := cmp.Diff(want, workflowOf(t, c.hcl), sorted); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func dagMany() string {
	var b strings.Builder
	var counts, sorts []string
	b.WriteString("JOB split split.sub\n")
	for i := range 40 {
		counts = append(counts, fmt.Sprint("count-", i))
		fmt.Fprintf(&b, "JOB count-%d count.sub\nVARS count-%d part=\"%d\"\n", i, i, i)
	}
	for i := range 40 {
		sorts = append(sorts, fmt.Sprint("sort-", i))
		fmt.Fprintf(&b, "JOB sort-%d sort.sub\n", i)
	}
	b.WriteString("JOB each-a each-a.sub\nJOB each-b each-b.sub\nJOB merge merge.sub\n")
	fmt.Fprintf(&b, "PARENT split CHILD %s\n", strings.Join(counts, " "))
	fmt.Fprintf(&b, "PARENT %s CHILD %s\n", strings.Join(counts, " "), strings.Join(sorts, " "))
	b.WriteString("PARENT sort-3 CHILD each-a\nPARENT sort-4 CHILD each-b\nPARENT each-a each-b CHILD merge\n")
	return b.String()
}

// badNodes are the insides of a workflow block with something wrong. What is said of
// each is in testdata/workflows.golden.
var badNodes = []struct{ name, src string }{
	{"no nodes", ``},
	{"a typing error in a block", `nod "a" { file = "a.sub" }`},
	{"a typing error in a key", "node \"a\" {\n  file = \"a.sub\"\n  retry = 2\n}"},
	{"a key of the workflow", `maxjobs = 3`},
	{"a node without a name", `node { file = "a.sub" }`},
	{"two nodes of one name", "node \"a\" { file = \"a.sub\" }\nnode \"a\" { file = \"b.sub\" }"},
	{"an instance with the name of a node", "node \"a-0\" { file = \"a.sub\" }\nnode \"a\" {\n  for_each = [1]\n  file = \"b.sub\"\n}"},
	{"a name with a plus", `node "a+b" { file = "a.sub" }`},
	{"a node without a job", `node "a" {}`},
	{"a typing error in a job", `node "a" { job = "splt" }`},
	{"a typing error in a node", "node \"count\" { file = \"a.sub\" }\nnode \"b\" {\n  file  = \"b.sub\"\n  after = [node.cuont]\n}"},
	{"an instance that there is not", "node \"a\" {\n  file     = \"a.sub\"\n  for_each = range(2)\n}\nnode \"b\" {\n  file  = \"b.sub\"\n  after = [node.a[2]]\n}"},
	{"after with a number", "node \"b\" {\n  file  = \"b.sub\"\n  after = [3]\n}"},
	{"after with a text that names nothing", "node \"b\" {\n  file  = \"b.sub\"\n  after = \"c\"\n}"},
	{"nodes in a circle", "node \"a\" {\n  file  = \"b.sub\"\n  after = [node.b]\n}\nnode \"b\" {\n  file  = \"b.sub\"\n  after = [node.a]\n}"},
	{"a number of times that is none", "node \"a\" {\n  file    = \"b.sub\"\n  retries = \"many\"\n}\nnode \"b\" {\n  file    = \"b.sub\"\n  retries = -1\n}\nnode \"c\" {\n  file    = \"b.sub\"\n  retries = 1.5\n}"},
	{"for_each of a number", "node \"a\" {\n  file     = \"b.sub\"\n  for_each = 40\n}"},
	{"for_each of nothing", "node \"a\" {\n  file     = \"b.sub\"\n  for_each = []\n}"},
	{"for_each of each", "node \"a\" {\n  file     = \"b.sub\"\n  for_each = each.value\n}"},
	{"each without for_each", "node \"a\" {\n  file = \"b.sub\"\n  vars = { x = each.value }\n}"},
	{"vars that are no map", "node \"a\" {\n  file = \"b.sub\"\n  vars = [1]\n}"},
	{"vars that are no texts", "node \"a\" {\n  file = \"b.sub\"\n  vars = { x = [1] }\n}"},
	{"vars that the file does not declare", "node \"split\" {\n  vars = { part = 1 }\n}"},
	{"a category that there is not", "category \"disk\" { max_jobs = 1 }\nnode \"a\" {\n  file     = \"b.sub\"\n  category = \"disc\"\n}"},
	{"a category without a limit", "category \"disk\" { }\nnode \"a\" {\n  file     = \"b.sub\"\n  category = \"disk\"\n}"},
	{"a category that lets none run", "category \"disk\" { max_jobs = 0 }\nnode \"a\" { file = \"b.sub\" }"},
	{"an abort without an exit", "node \"a\" {\n  file = \"b.sub\"\n  abort { return = 1 }\n}"},
	{"an exit code of the run that is none", "node \"a\" {\n  file = \"b.sub\"\n  abort {\n    exit = 1\n    return = 256\n  }\n}"},
	{"a range without end", "node \"a\" {\n  file     = \"b.sub\"\n  for_each = range(1000000000)\n}"},
	{"a range of nothing", "node \"a\" {\n  file     = \"b.sub\"\n  for_each = range()\n}"},
	{"an unknown function", "node \"a\" {\n  file     = \"b.sub\"\n  for_each = rnge(3)\n}"},
	{"a local that there is not", "node \"a\" {\n  file     = \"b.sub\"\n  for_each = local.nosuch\n}"},
	{"a text that is null", "node \"a\" {\n  file = null\n}"},
	{"a bool that is none", "node \"a\" {\n  file = \"b.sub\"\n  noop = \"maybe\"\n}"},
	{"the same mistake in each instance", "node \"a\" {\n  for_each = range(30)\n  file     = \"b.sub\"\n  priority = \"high\"\n}"},
	{"a directory that leads away", "node \"split\" {\n  dir = \"/elsewhere\"\n}"},
}

func TestWhatIsSaidOfBadWorkflows(t *testing.T) {
	var b strings.Builder
	say := func(name, src string) {
		g, diags := Workflow("wf.hcl", []byte(src), Outside{})
		if (g == nil) != diags.HasErrors() || len(diags) == 0 {
			t.Errorf("%s: %s", name, diags)
		}
		b.WriteString("=== " + name + "\n\n" + diags.String() + "\n")
	}
	for _, c := range badNodes {
		say(c.name, "variable \"parts\" { default = 1 }\njob \"split\" { executable = \"run.sh\" }\nworkflow \"w\" {\n"+c.src+"\n}\n")
	}
	say("no workflow", "job \"split\" { executable = \"run.sh\" }\n")
	say("two workflows", "workflow \"a\" {\n  node \"x\" { file = \"x\" }\n}\nworkflow \"b\" {\n  node \"x\" { file = \"x\" }\n}\n")
	say("a workflow without a name", "workflow {\n  node \"x\" { file = \"x\" }\n}\n")
	golden(t, "testdata/workflows.golden", b.String())

	_, diags := Jobs("wf.hcl", []byte(countWords), site(), files())
	if !strings.Contains(diags.String(), "this file holds a workflow") {
		t.Errorf("a workflow is taken for jobs: %s", diags)
	}
}

func FuzzWorkflow(f *testing.F) {
	f.Add(countWords)
	for _, c := range badNodes {
		f.Add("job \"split\" { executable = \"run.sh\" }\nworkflow \"w\" {\n" + c.src + "\n}\n")
	}
	f.Fuzz(func(t *testing.T, src string) {
		if strings.Count(src, "range") > 1 {
			return // ranges of ranges are for their author to wait for
		}
		g, diags := Workflow("wf.hcl", []byte(src), Outside{})
		if (g == nil) != diags.HasErrors() {
			t.Fatalf("a graph and errors, or neither: %s", diags)
		}
		if g == nil {
			return
		}
		again, _ := Workflow("wf.hcl", []byte(src), Outside{})
		if d := cmp.Diff(g, again); d != "" {
			t.Fatalf("two readings differ: %s", d)
		}
		if _, err := dag.Open(g, dag.Header{}, nil); grid.CodeOf(err) != "" {
			t.Fatal(err)
		}
	})
}

func TestAWorkflowSaysWhenItIsToRun(t *testing.T) {
	src := []byte(`workflow "night" {
  cron {
    schedule       = ["0 2 * * *", "0 12 * * sun"]
    time_zone      = "Europe/Berlin"
    missed         = "all"
    missed_limit   = 3
    after_previous = "done"
    overlap        = "queue"
    start_deadline = "1h"
    jitter         = "5m"
    dst { gap = "skip" }
  }
  node "a" {}
}
job "a" { executable = "/bin/true" }
`)
	want := Cron{
		Name: "night", Schedule: "0 2 * * *", TimeZone: "Europe/Berlin", Missed: "all", MissedLimit: 3, Overlap: "queue", AfterPrevious: "done", StartDeadline: time.Hour, Jitter: 5 * time.Minute,
		Clock: Clock{Also: []string{"0 12 * * sun"}, Gap: "skip"},
	}
	c, found, diags := WorkflowCron("w.hcl", src)
	if d := cmp.Diff(want, c); d != "" || !found || len(diags) > 0 {
		t.Errorf("%v %v %s", found, diags, d)
	}
	if _, diags := Workflow("w.hcl", src, Outside{}); len(diags) > 0 {
		t.Errorf("the workflow itself: %v", diags)
	}
	if _, found, _ := WorkflowCron("w.hcl", []byte("workflow \"x\" {\n node \"a\" {}\n}\n")); found {
		t.Error("a timetable was found where none is")
	}
	for name, src := range map[string]string{
		"an owner":        "workflow \"x\" {\n cron {\n  schedule = \"@daily\"\n  owner = \"root\"\n }\n}\n",
		"no schedule":     "workflow \"x\" {\n cron {\n }\n}\n",
		"two blocks":      "workflow \"x\" {\n cron {\n  schedule = \"@daily\"\n }\n cron {\n  schedule = \"@daily\"\n }\n}\n",
		"a name":          "workflow \"x\" {\n cron \"y\" {\n  schedule = \"@daily\"\n }\n}\n",
		"an unknown word": "workflow \"x\" {\n cron {\n  schedule = \"@daily\"\n  overlap = \"first\"\n }\n}\n",
	} {
		if _, _, diags := WorkflowCron("w.hcl", []byte(src)); !diags.HasErrors() {
			t.Errorf("%s: nothing is said", name)
		}
	}
}
