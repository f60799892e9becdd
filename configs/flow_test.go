package configs

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"
)

// parted has blocks of one line in several: HCL has only those of one key in one.
var parted = strings.NewReplacer("{ ", "{\n", " }", "\n}")

// shelf is files in memory.
type shelf map[string]string

func (s shelf) ReadFile(name string) ([]byte, error) {
	text, ok := s[path.Clean(name)]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(parted.Replace(text)), nil
}

func (s shelf) Glob(pattern string) (names []string, err error) {
	for n := range s {
		if ok, err := path.Match(pattern, n); err != nil {
			return nil, err
		} else if ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, nil
}

func flowOf(t *testing.T, src string, outside Outside) *dag.Graph {
	t.Helper()
	g, diags := Workflow("wf.hcl", []byte(parted.Replace(src)), outside)
	if diags.HasErrors() {
		t.Fatalf("%s\n%s", src, diags)
	}
	return g
}

// What DAGMan's language says, HCL says too: both become one graph.
func TestAWorkflowSaysWhatADAGFileSays(t *testing.T) {
	g := flowOf(t, `
workflow "w" {
  max_jobs   = 9
  state_log  = "w.jobstate"
  attributes = { Project = "\"blue\"" }
  env {
    get = ["PATH", "HOME"]
    set = { LEVEL = 3 }
  }
  status_file {
    file   = "w.status"
    every  = "30s"
    always = true
  }
  dot {
    file   = "w.dot"
    update = true
  }
  node "a" {
    file = "a.sub"
    pre {
      run        = ["prepare.sh", "$NODE", 7]
      defer_exit = 4
      defer      = "90s"
    }
    post {
      run     = ["judge.sh", "$RETURN"]
      output  = "judge.log"
      capture = "stderr"
    }
    on_hold { run = ["call.sh"] }
    pre_skip   = 3
    tolerance  = "10%"
    save_point = "a.save"
  }
  node "b" {
    dag       = "inner.dag"
    after_any = [node.a]
    retry {
      times       = 2
      unless_exit = 5
    }
  }
  node "c" {
    file           = "c.sub"
    after          = [node.a]
    tolerance      = 2
    tolerance_wait = true
  }
  provisioner "vms" { file = "vms.sub" }
  service "db" { file = "db.sub" }
  final "clean" {
    file = "clean.sub"
    post { run = ["report.sh", "$DAG_STATUS"] }
  }
}
`, Outside{})
	const same = `
JOB a a.sub
SUBDAG EXTERNAL b inner.dag
JOB c c.sub
PROVISIONER vms vms.sub
SERVICE db db.sub
FINAL clean clean.sub
SCRIPT DEFER 4 90 PRE a prepare.sh $NODE 7
SCRIPT DEBUG judge.log STDERR POST a judge.sh $RETURN
SCRIPT HOLD a call.sh
SCRIPT POST clean report.sh $DAG_STATUS
PRE_SKIP a 3
TOLERANCE a 10%
TOLERANCE c 2 WAIT
SAVE_POINT_FILE a a.save
RETRY b 2 UNLESS-EXIT 5
WEAK PARENT a CHILD b
PARENT a CHILD c
ENV GET PATH HOME
ENV SET LEVEL=3
SET_JOB_ATTR Project = "blue"
NODE_STATUS_FILE w.status 30 ALWAYS-UPDATE
JOBSTATE_LOG w.jobstate
DOT w.dot UPDATE
`
	want, diags := dagfile.Read("w.dag", []byte(same), nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	g.Name, g.MaxJobs, want.Name = "", 0, ""
	if d := cmp.Diff(want, g); d != "" {
		t.Errorf("the graphs differ:\n%s", d)
	}
}

func edgesOf(g *dag.Graph) string {
	var b strings.Builder
	for i := range g.Len() {
		b.WriteString(g.Nodes[i].Name)
		for _, p := range g.Parents(int32(i)) {
			b.WriteString(" <" + g.Nodes[p].Name)
		}
		for _, v := range g.Nodes[i].Vars {
			b.WriteString(" " + v.Name + "=" + v.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Who uses what another makes comes after it.
func TestOutputsOrderNodes(t *testing.T) {
	g := flowOf(t, `
variable "part"   {}
variable "tables" { type = list(string) }
job "j" {
  executable = "x"
  arguments  = var.tables
}
workflow "w" {
  node "split" {
    file    = "s.sub"
    outputs = { list = "list.txt", log = "split.log" }
  }
  node "count" {
    for_each = glob("texts/*.txt")
    file     = "c.sub"
    vars     = { text = each.value, list = output.split.list }
    outputs  = { table = "${each.value}.table" }
  }
  node "pick" {
    file = "p.sub"
    vars = { one = "with ${output.count[1].table}" }
  }
  node "merge" {
    job  = "j"
    vars = { tables = output.count[*].table }
    pre { run = ["look.sh", output.split.log] }
  }
  node "last" {
    file  = "l.sub"
    after = [node.merge]
  }
}
`, Outside{Files: shelf{"texts/b.txt": "", "texts/a.txt": "", "texts/c.log": ""}})
	const want = `split
count-0 <split list=list.txt text=texts/a.txt
count-1 <split list=list.txt text=texts/b.txt
pick <count-1 one=with texts/b.txt.table
merge <split <count-0 <count-1 tables=["texts/a.txt.table","texts/b.txt.table"]
last <merge
`
	if d := cmp.Diff(want, edgesOf(g)); d != "" {
		t.Error(d)
	}
}

// A module is another file's workflow, under a name, with variables of its own; what it
// gives out is used by name.
func TestModules(t *testing.T) {
	files := shelf{
		"lib/align.hcl": `
variable "sample" { type = string }
variable "ways"   {
  type    = list(number)
  default = [1]
}
variable "way" { default = 0 }
job "run" {
  executable = "align"
  arguments  = [var.sample, var.way]
}
output "table" { value = output.join.table }
output "parts" { value = output.run[*].part }
workflow "align" {
  category "io" { max_jobs = 2 }
  node "run" {
    for_each = var.ways
    vars     = { way = each.value }
    category = "io"
    outputs  = { part = "${var.sample}.${each.value}" }
  }
  node "join" {
    file    = "join.sub"
    after   = [node.run]
    outputs = { table = "${var.sample}.table" }
  }
  module "check" {
    source = "check.hcl"
    after  = [node.join]
  }
}
`,
		"lib/check.hcl": `workflow "check" { node "look" { file = "look.sub" } }`,
	}
	g := flowOf(t, `
variable "samples" {
  type    = number
  default = 1
}
workflow "w" {
  node "fetch" {
    file    = "f.sub"
    outputs = { raw = "raw.dat" }
  }
  module "left" {
    source = "lib/align.hcl"
    vars   = { sample = output.fetch.raw, ways = range(var.samples) }
  }
  module "right" {
    source = "lib/align.hcl"
    dir    = "r"
    vars   = { sample = "right" }
    after  = [node.fetch]
  }
  node "merge" {
    file = "m.sub"
    vars = { left = module.left.table, first = module.left.parts[0] }
  }
  node "all" {
    file  = "a.sub"
    after = [module.left, module.right]
  }
}
`, Outside{Vars: map[string]string{"samples": "2"}, Files: files})
	const want = `fetch
merge <left+run-0 <left+join first=raw.dat.0 left=raw.dat.table
all <left+check+look <right+check+look
left+run-0 <fetch way=0 sample=raw.dat ways=[0,1]
left+run-1 <fetch way=1 sample=raw.dat ways=[0,1]
left+join <left+run-0 <left+run-1
left+check+look <left+join
right+run-0 <fetch way=1 sample=right
right+join <right+run-0
right+check+look <right+join
`
	if d := cmp.Diff(want, edgesOf(g)); d != "" {
		t.Error(d)
	}
	at := func(name string) *dag.Node {
		return &g.Nodes[slices.IndexFunc(g.Nodes, func(n dag.Node) bool { return n.Name == name })]
	}
	if n := at("left+run-1"); n.File != "lib/align.hcl" || n.Job != "run" || n.Dir != "" || n.Category != "left+io" {
		t.Errorf("a node of a module is %+v", n)
	}
	if n := at("right+run-0"); n.File != "../lib/align.hcl" || n.Dir != "r" {
		t.Errorf("a node of a module with a directory is %+v", n)
	}
	// Its job is found with what it was given.
	job, diags := JobNamed("lib/align.hcl", []byte(files["lib/align.hcl"]), "run", submit.Site{Dir: "/d", Vars: []submit.Var{
		{Name: "sample", Value: "raw.dat"}, {Name: "ways", Value: "[0,1]"}, {Name: "way", Value: "1"},
	}}, everywhere{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	text, err := json.Marshal(job.Spec)
	if err != nil || !strings.Contains(string(text), "raw.dat 1") {
		t.Errorf("the job is %s (%v)", text, err)
	}
}

// everywhere is a disk on which every file is there and empty.
type everywhere struct{}

func (everywhere) ReadFile(string) ([]byte, error)      { return nil, nil }
func (everywhere) Glob(string) ([]string, error)        { return nil, nil }
func (everywhere) Stat(string) (submit.FileInfo, error) { return submit.FileInfo{Mode: 0o755}, nil }

// Each attempt asks for its part.
func TestRetriesGrow(t *testing.T) {
	g := flowOf(t, `workflow "w" { node "a" {
  file = "a.sub"
  retry {
    times  = 3
    wait   = "20s"
    memory = ["1GiB", 2000, "4GiB"]
    elsewhere = true
    cpus   = [1, 8]
  }
} }`, Outside{})
	run, err := dag.Open(g, dag.Header{}, nil)
	if err != nil || g.Nodes[0].RetryWait != 20 || !g.Nodes[0].Elsewhere {
		t.Fatal(err, g.Nodes[0].RetryWait)
	}
	var got []string
	for _, v := range run.Vars(0) {
		if strings.HasPrefix(v.Name, "+Request") {
			got = append(got, v.Name+" = "+v.Value)
		}
	}
	want := []string{"+RequestMemory = ifThenElse(0 > 0, ifThenElse(0 > 1, 4096, 2000), 1024)", "+RequestCpus = ifThenElse(0 > 0, 8, 1)"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A node runs on a condition, which names what came of others.
func TestConditionsAreOfNodes(t *testing.T) {
	g := flowOf(t, `
locals { bad = 3 }
workflow "w" {
  node "check" {
    for_each   = ["x", "y"]
    file       = "check.sub"
    done_exits = [3, -9]
  }
  node "mend" {
    for_each = range(2)
    file     = "mend.sub"
    when     = node.check[each.key].exit == local.bad && each.value < 5
  }
  node "tell" {
    file  = "tell.sub"
    after = [node.mend]
    when  = (node.mend[0].status != "skipped" || !(node.check[1].status == "done"))
  }
}`, Outside{})
	var got []string
	for i := range g.Len() {
		n := &g.Nodes[i]
		got = append(got, fmt.Sprint(n.Name, n.Parents, n.Weak, n.DoneExit, " ", n.When))
	}
	want := []string{
		"check-0[] [] [3 -9] ", "check-1[] [] [3 -9] ",
		"mend-0[0] [0] [] (Exit0 == 3) && (0 < 5)", "mend-1[1] [1] [] (Exit1 == 3) && (1 < 5)",
		`tell[1 2 3] [1] [] ((Status2 != "skipped") || !(Status1 == "done"))`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := g.Check(); err != nil {
		t.Error(err)
	}
}

// Services stand behind those that they name, or whose address they use.
func TestServicesHaveAnOrder(t *testing.T) {
	g := flowOf(t, `
variable "web" {}
variable "stores" { type = list(string) }
job "front" { executable = "/bin/front" }
job "work" { executable = "/bin/work" }
workflow "w" {
  service "store" {
    for_each     = range(2)
    file         = "store.sub"
    ready_within = "90s"
  }
  service "web" {
    file         = "web.sub"
    ready_within = "1m"
    vars         = { of = "redis://${service.store[1].address}/0" }
    retry {
      times  = 2
      always = true
    }
  }
  service "front" {
    after = [node.web, node.store]
    vars  = { web = service.web.address }
  }
  node "work" { vars = { stores = [for s in service.store : s.address] } }
}`, Outside{})
	var got []string
	for i := range g.Len() {
		n := &g.Nodes[i]
		got = append(got, fmt.Sprint(n.Name, n.Parents, n.ReadyWithin, n.Always, n.Retries, n.Vars))
	}
	want := []string{
		"store-0[] 90 false 0 []", "store-1[] 90 false 0 []",
		"web[1] 60 true 2 [{of redis://" + dag.AddressOf(1) + "/0 false}]",
		"front[0 1 2] 0 false 0 [{web " + dag.AddressOf(2) + " false}]",
		`work[] 0 false 0 [{stores ["` + dag.AddressOf(0) + `","` + dag.AddressOf(1) + `"] false}]`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := g.Check(); err != nil {
		t.Error(err)
	}
}

func TestFlowsThatAreWrong(t *testing.T) {
	files := shelf{
		"self.hcl": `workflow "s" { module "again" { source = "self.hcl" } }`,
		"bad.hcl":  "workflow \"b\" {\n  node \"x\" { fiel = \"x\" }\n}",
		"ok.hcl":   `workflow "o" { node "n" { file = "n" } }`,
	}
	for src, want := range map[string]string{
		`node "a" { final = 1 }`:                                                         `there is no key "final"`,
		`final "f" { retries = 2 }`:                                                      `a final node has no retries`,
		`final "f" { for_each = [1] }`:                                                   `there is one final node`,
		`service "s" { after = [node.n] }`:                                               `no service comes after "n"`,
		`service "s" { after_any = [node.n] }`:                                           `a service node has no after_any`,
		`service "s" { ready_within = "0s" }`:                                            `is ready at once`,
		`service "s" { timeout = "5s" }`:                                                 `only a job that ends by itself`,
		`node "a" { timeout = "0s" }`:                                                    `is done at once`,
		`node "a" { when = node.n.exit }` + "\n" + `node "b" { when = 3 > 2 }`:           `rests on what came of nodes`,
		`node "a" { when = node.n.exti == 3 }`:                                           `there is no result "exti"`,
		`node "a" { when = node.m.exit == 3 }`:                                           `there is no node "m"`,
		`node "a" { when = random(9) > node.n.exit }`:                                    `nothing that passes`,
		"node \"a\" {\n file = \"a\"\n when = node.a.exit == 3\n}":                       `wait for each other`,
		`final "f" { after_previous = [node.n] }`:                                        `a final node has no after_previous`,
		`service "s" { after_any_previous = [node.n] }`:                                  `a service node has no after_any_previous`,
		`node "a" { after_previous = [node.m] }`:                                         `there is no node "m"`,
		`node "previous.n" { after_previous = [node.n] }`:                                `there is a node named "previous.n"`,
		`final "f" { when = node.n.exit == 3 }`:                                          `a final node has no when`,
		"node \"a\" {\n dag = \"x.dag\"\n retry {\n times = 1\n elsewhere = true\n }\n}": `no job that could be elsewhere`,
		`node "a" { done_exits = [0] }`:                                                  `no list of exit codes`,
		`node "a" { ready_within = "5s" }`:                                               `only the job of a service`,
		`node "a" { vars = { x = service.s.address } }`:                                  `named "s"`,
		"node \"a\" {\n retry {\n times = 1\n always = true\n }\n}":                      `always is for services`,
		`service "s" { file = "s" }` + "\n" + `node "b" { after = [node.s] }`:            `no node comes after "s"`,
		`node "a" { pre {} }`:                                                            `lacks run`,
		`node "a" { pre { run = "x" } }`:                                                 `this is no list`,
		`node "a" { pre { run = ["x y"] } }`:                                             `cannot be a word`,
		"node \"a\" {\n post {\n run = [\"x\"]\n defer = \"5s\"\n }\n}":                  `belong together`,
		"node \"a\" {\n post {\n run = [\"x\"]\n capture = \"all\"\n }\n}":               `there is none`,
		`node "a" { pre_skip = 1 }`:                                                      `there is none`,
		`node "a" { tolerance = "x" }`:                                                   `neither a number`,
		`node "a" { dag = "x" }` + "\n" + `node "b" { vars = { x = output.c.y } }`:       `attribute named "c"`,
		"node \"a\" {\n dag = \"x\"\n file = \"y\"\n}":                                   `are both set`,
		`node "a" { retry {} }`:                                                          `lacks times`,
		"node \"a\" {\n retries = 1\n retry { times = 2 }\n}":                            `said twice`,
		"node \"a\" {\n retry {\n times = 1\n memory = [\"many\"]\n }\n}":                `is no amount`,
		`module "m" {}`:                                                               `lacks source`,
		`module "m" { source = "none.hcl" }`:                                          `there is no file "none.hcl"`,
		`module "m" { source = "self.hcl" }`:                                          `is a part of itself`,
		`module "m" { source = "bad.hcl" }`:                                           `there is no key "fiel"`,
		"module \"m\" {\n source = \"ok.hcl\"\n vars = { x = 1 }\n}":                  `there is no variable "x"`,
		`module "m" { source = "ok.hcl" }` + "\n" + `node "b" { after = [module.k] }`: `there is no module "k"`,
		`module "m+" { source = "ok.hcl" }`:                                           `holds no +`,
		`env { got = 1 }`:                                                             `there is no key "got"`,
		`status_file {}`:                                                              `file`,
	} {
		_, diags := Workflow("wf.hcl", []byte(parted.Replace("workflow \"w\" { "+src+"\nnode \"n\" { file = \"n.sub\" }\n}")), Outside{Files: files})
		if text := said(diags); !diags.HasErrors() || !strings.Contains(text, want) {
			t.Errorf("%s\nis said to be wrong by\n%s\nnot by %s", src, text, want)
		}
	}
}

// Variables have types, which values from outside must fit.
func TestVariablesHaveTypes(t *testing.T) {
	const src = `
variable "n" {
  type    = number
  default = 3
}
variable "names" {
  type    = list(string)
  default = ["a"]
}
variable "sizes" { default = { small = 1 } }
workflow "w" {
  node "a" {
    for_each = range(var.n)
    file     = "a"
    vars     = { names = join("+", var.names), sizes = join("+", keys(var.sizes)) }
  }
}`
	g := flowOf(t, src, Outside{Vars: map[string]string{"n": "1", "names": `["x", "y"]`, "sizes": `{ big = 7 }`}})
	if got := edgesOf(g); got != "a-0 names=x+y sizes=big\n" {
		t.Error(got)
	}
	for name, value := range map[string]string{"n": "many", "names": "x", "sizes": "[", "m": "1"} {
		_, diags := Workflow("wf.hcl", []byte(src), Outside{Vars: map[string]string{name: value}})
		if !diags.HasErrors() || !strings.Contains(said(diags), `"`+name+`"`) {
			t.Errorf("%s = %s: %s", name, value, diags)
		}
	}
	if _, diags := Workflow("wf.hcl", []byte("variable \"n\" {\n type = number\n default = \"x\"\n}\n"+`workflow "w" { node "a" { file = "a" } }`), Outside{}); !strings.Contains(said(diags), "not of its type") {
		t.Error(diags)
	}
}

func said(diags grid.Diagnostics) string { return fmt.Sprint(diags) }
