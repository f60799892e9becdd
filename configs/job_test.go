package configs

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "accept new golden files")

// tree is an owner's files: a text each, all of them executable.
type tree map[string]string

func (t tree) ReadFile(name string) ([]byte, error) {
	s, ok := t[path.Clean(name)]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(s), nil
}

func (t tree) Glob(pattern string) ([]string, error) {
	var out []string
	for name := range t {
		if ok, err := path.Match(pattern, name); err != nil {
			return nil, err
		} else if ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (t tree) Stat(name string) (submit.FileInfo, error) {
	s, err := t.ReadFile(name)
	mode := fs.FileMode(0o755)
	if strings.HasSuffix(name, "user_pwd") {
		mode = 0o600
	}
	return submit.FileInfo{Size: int64(len(s)), Mode: mode}, err
}

func files() tree {
	return tree{
		"/sub/run.sh": "x", "/usr/bin/wc": "x", "/sub/texts/a.txt": "a", "/sub/texts/b.txt": "b", "/sub/user_pwd": "secret",
		"/sub/list.txt": "one 1\n# no\n\ntwo 2 b\n", "/sub/in": "i",
	}
}

func site() submit.Site {
	return submit.Site{
		Dir: "/sub", Env: []string{"PATH=/bin:/usr/bin", "HOME=/home/me"}, Now: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), Owner: "me",
		FileSystemDomain: "test.local", Arch: "X86_64", OpSys: "LINUX",
	}
}

// givenSite also has a value for the variable "given".
func givenSite() submit.Site {
	s := site()
	s.Vars = []submit.Var{{Name: "given", Value: "7"}}
	return s
}

func jobs(tb testing.TB, src string) []Job {
	tb.Helper()
	out, diags := Jobs("job.hcl", []byte(src), givenSite(), files())
	if diags.HasErrors() {
		tb.Fatalf("%s\n%s", src, diags)
	}
	return out
}

// ofEach is one attribute of every proc, joined; strings without their quotes.
func ofEach(tb testing.TB, s submit.Spec, name string) string {
	tb.Helper()
	var out []string
	for p := range s.Len() {
		attrs, err := s.Proc(grid.JobID{Cluster: 7, Proc: int32(p)})
		if err != nil {
			tb.Fatal(err)
		}
		expr, ok := submit.Find(attrs, name)
		if !ok {
			expr = "-"
		}
		if text, ok := ad.Unquote(expr); ok {
			expr = text
		}
		out = append(out, expr)
	}
	return strings.Join(out, "|")
}

const wordcount = `
job "wordcount" {
  universe     = "vanilla"                  # grid, vanilla, container, local
  executable   = "wc"
  arguments    = ["-w", item]
  requirements = target.Memory >= 2048 && target.OpSys == "LINUX"
  output       = "out.${process}"
  error        = "err.${process}"
  log          = "wordcount.log"
  max_retries  = 2
  request {
    cpus   = 1
    memory = "512MiB"
    disk   = "1GiB"
  }
  queue { matching = "texts/*.txt" }
}

job "vm" {
  universe      = "grid"
  grid_resource = "ovirt https://engine.example.com/ovirt-engine/api"
  log           = "job_ovirt_${cluster}_${process}.log"
  notification  = "never"
  ovirt {
    username      = "admin@internal"
    password_file = "user_pwd"
    template      = "kvm_test_image_64"
    cluster       = "Default"
    memory        = "2GiB"
  }
}
`

func TestAJobFileMeansWhatTheSameSubmitFileMeans(t *testing.T) {
	got := jobs(t, wordcount)
	if len(got) != 2 || got[0].Name != "wordcount" || got[1].Name != "vm" {
		t.Fatalf("%v", got)
	}
	f := files()
	f["/sub/wc"] = "x"
	for i, src := range []string{
		`universe = vanilla
transfer_executable = false
executable = /usr/bin/wc
arguments = "-w '$(Item)'"
requirements = TARGET.Memory >= 2048 && TARGET.OpSys == "LINUX"
output = out.$(Process)
error = err.$(Process)
log = wordcount.log
max_retries = 2
request_cpus = 1
request_memory = 512MiB
request_disk = 1GiB
queue matching texts/*.txt
`,
		`universe = grid
grid_resource = ovirt https://engine.example.com/ovirt-engine/api
log = job_ovirt_$(Cluster)_$(Process).log
notification = never
ovirt_username = admin@internal
ovirt_password_file = user_pwd
ovirt_template = kvm_test_image_64
ovirt_cluster = Default
ovirt_memory = 2GiB
queue
`,
	} {
		want, diags := submit.Lower("job.sub", []byte(src), site(), f)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if got[i].Spec.Len() != want[0].Len() {
			t.Fatalf("%d jobs, want %d", got[i].Spec.Len(), want[0].Len())
		}
		for p := range want[0].Len() {
			id := grid.JobID{Cluster: 3, Proc: int32(p)}
			g, err := got[i].Spec.Proc(id)
			if err != nil {
				t.Fatal(err)
			}
			w, err := want[0].Proc(id)
			if err != nil {
				t.Fatal(err)
			}
			for j := range w { // parentheses that we add mean nothing
				if j < len(g) && g[j].Name == "Requirements" {
					g[j].Expr = strings.NewReplacer("(TARGET.Memory >= 2048) && (TARGET.OpSys == \"LINUX\")", "TARGET.Memory >= 2048 && TARGET.OpSys == \"LINUX\"").Replace(g[j].Expr)
				}
			}
			if diff := cmp.Diff(w, g); diff != "" {
				t.Errorf("%s %v: %s", got[i].Name, id, diff)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ name, keys, attr, want string }{
		{"a text", `output = "o"`, "Out", "o"},
		{"a text with a number in it", `output = "o${1 + 2}.${5/2}"`, "Out", "o3.2"},
		{"what looks like a macro is none", `output = "$(Process) $ENV(HOME)"`, "Out", "$(Process) $ENV(HOME)"},
		{"even beside one", "output = \"$(Process).${process}$(\"", "Out", "$(Process).0$("},
		{"match-time macros", `arguments = ["$$(Cpus)", "$$([TARGET.Memory])"]`, "Arguments", "$$(Cpus) $$([TARGET.Memory])"},
		{"the proc's number", "output = \"o.${cluster}.${process}\"\nqueue { count = 2 }", "Out", "o.7.0|o.7.1"},
		{"arithmetic on it", "output = \"o.${process * 10 + 1}\"\nqueue { count = 2 }", "Out", "o.1|o.11"},
		{"a choice by it", "output = process == 0 ? \"first\" : \"rest-${process}\"\nqueue { count = 2 }", "Out", "first|rest-1"},
		{"a function of it", "output = \"${toUpper(item)}(${size(item)}\"\nqueue { in = [\"a(b\", \"c,d\"] }", "Out", "A(B(3|C,D(3"},
		{
			"items in arguments, whatever they hold", "arguments = [\"-f\", item, \"\", \"a b\"]\nqueue { in = [\"it's\", \"$(Process) \\\"x\\\"\", \"\"] }", "Arguments",
			`-f it''''s '' a' 'b|-f $(Process)' '"x" '' a' 'b|-f '' '' a' 'b`,
		},
		{"arguments as a submit file writes them", `arguments = "a \"b\""`, "Arguments", "!"},
		{"arguments from a local", "arguments = local.args", "Arguments", "x 1 true"},
		{"an environment", "environment = { A = \"x y\", B = process, \"C\" = item }\nqueue { in = [\"i'j\"] }", "Environment", "A=x' 'y B=0 C=i''''j"},
		{"an environment from a local", "environment = local.env", "Environment", "K=v"},
		{"files", `transfer_input_files = ["in", "b c"]`, "TransferInput", "in,b c"},
		{"no files back", `transfer_output_files = []`, "TransferOutput", ""},
		{"a number", "priority = -5", "JobPrio", "-5"},
		{"a number of each", "priority = process * 2\nqueue { count = 2 }", "JobPrio", "0|2"},
		{"a bare number is a size in MiB", "request { memory = 512 }", "RequestMemory", "512"},
		{"a size", `request { memory = "1.5GiB" }`, "RequestMemory", "1536"},
		{"a size of each", "request { memory = \"${item}GB\" }\nqueue { in = [1, 2] }", "RequestMemory", "1024|2048"},
		{
			"a size that is an expression", "request_memory = ifThenElse(isnt(my.MemoryUsage, null), my.MemoryUsage * 3 / 2, 2000)", "RequestMemory",
			"ifThenElse(((MY.MemoryUsage) =!= (undefined)),(MY.MemoryUsage * 3) / 2,2000)",
		},
		{"another resource", "request { fpga = 2 }", "RequestFpga", "2"},
		{"a duration", `job_lease_duration = "20m"`, "JobLeaseDuration", "1200"},
		{"a duration in seconds", `allowed_job_duration = 90`, "AllowedJobDuration", "90"},
		{
			"an expression", "periodic_remove = time() - my.QDate > 3600 && !is(my.JobStatus, 2)", "PeriodicRemove",
			"((time() - MY.QDate) > 3600) && !((MY.JobStatus) =?= (2))",
		},
		{"an expression as text", `periodic_remove = "time() - QDate > 3600"`, "PeriodicRemove", "time() - QDate > 3600"},
		{"an expression as text, from a local", `periodic_remove = local.policy`, "PeriodicRemove", "JobStatus == 5"},
		{"an expression as text with an item", "rank = \"Machine == \\\"${item}\\\"\"\nqueue { in = [\"m\"] }", "Rank", `Machine == "m"`},
		{"an item in an expression is a string", "rank = target.Machine == item\nqueue { in = [\"a\\\"b\", \"c\\\\\"] }", "Rank", `TARGET.Machine == "a\"b"|TARGET.Machine == "c\\"`},
		{"a text with an item in an expression", "rank = target.Machine == \"n-${item})\"\nqueue { in = [\"(1\"] }", "Rank", `TARGET.Machine == "n-(1)"`},
		{"a text with an attribute in an expression", "rank = target.Machine == \"n-${my.X}\"", "Rank", `TARGET.Machine == strcat("n-",MY.X)`},
		{
			"lists and records in an expression", `rank = member(target.Arch, ["A", "B"]) || target.R[0].x == { a = 1 }.a`, "Rank",
			`member(TARGET.Arch,{ "A","B" }) || (TARGET.R[0].x == ([ a = 1 ]).a)`,
		},
		{"a local in an expression", `rank = target.X == local.n`, "Rank", "TARGET.X == 3"},
		{"a variable", `rank = var.given + var.other`, "Rank", "7 + 2"},
		{"true and false", "hold = true\nleave_in_queue = false", "JobStatus", "5"},
		{"null is not set", "log = null\nmax_retries = local.nothing", "UserLog", "-"},
		{"an attribute of one's own", "attributes {\n Project = \"it's\"\n N = process\n}", "Project", "it's"},
		{"a number of one's own", "attributes { N = process + 1 }\nqueue { count = 2 }", "N", "0 + 1|1 + 1"},
		{"an expression of one's own", "attributes { Big = expr(target.Memory > 5) }", "Big", "TARGET.Memory > 5"},
		{"one as text", `attributes { Big = expr("TARGET.Memory > 5") }`, "Big", "TARGET.Memory > 5"},
		{"a list of one's own", `attributes { L = ["a", 1, null] }`, "L", `{ "a",1,undefined }`},
		{"one queue after the other", "arguments = [item]\nqueue { in = [\"a\"] }\nqueue {\n in = [\"b\"]\n count = 2\n}", "Arguments", "a|b|b"},
		{"items with parts", "arguments = [item.name, item.size]\nqueue { in = [{ name = \"a\", size = 1 }, { size = 2, name = \"b\" }] }", "Arguments", "a 1|b 2"},
		{"items that are lists", "arguments = [item.n, item.s]\nqueue {\n vars = [\"n\", \"s\"]\n in = [[\"a\", 1], [\"b c\", 2]]\n}", "Arguments", "a 1|b' 'c 2"},
		{"items from a local", "arguments = [item]\nqueue { in = [for s in local.env.K == \"v\" ? [\"x\", \"y\"] : [] : upperless] }", "Arguments", "!"},
		{"items made in a local", "arguments = [item]\nqueue { in = local.made }", "Arguments", "s1|s2"},
		{"items from a file", "arguments = [item]\nqueue { from = \"list.txt\" }", "Arguments", "one' '1|two' '2' 'b"},
		{"items from a file, in parts", "arguments = [item.a, item.b]\nqueue {\n from = \"list.txt\"\n vars = [\"a\", \"b\"]\n}", "Arguments", "one 1|two 2' 'b"},
		{"items that match", "arguments = [item, row, step]\nqueue {\n matching = [\"texts/*\", \"in\"]\n only = \"files\"\n}", "Arguments", "texts/a.txt 0 0|texts/b.txt 1 0|in 2 0"},
		{"concurrency limits", `concurrency_limits = ["LIC:2", "DB"]`, "ConcurrencyLimits", "db,lic:2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := `
locals {
  args    = ["x", 1, true]
  env     = { K = "v" }
  n       = 1 + local.two
  two     = 2
  policy  = "JobStatus == 5"
  nothing = null
  made    = [for i in [1, 2] : "s${i}"]
}
variable "given" { default = 0 }
variable "other" { default = 2 }
job "j" {
  executable = "run.sh"
` + c.keys + "\n}\n"
			got, diags := Jobs("job.hcl", []byte(src), givenSite(), files())
			if c.want == "!" {
				if !diags.HasErrors() {
					t.Error("it is accepted")
				}
				return
			}
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if a := ofEach(t, got[0].Spec, c.attr); a != c.want {
				t.Errorf("%s is %q\nwant %q", c.attr, a, c.want)
			}
		})
	}
}

func TestVarsFromADag(t *testing.T) {
	s := site()
	s.Vars = []submit.Var{{Name: "n", Value: "5"}, {Name: "+Tag", Value: `"t"`}}
	got, diags := Jobs("j.hcl", []byte(`variable "n" { default = 1 }
job "j" {
  executable = "run.sh"
  arguments = [var.n + 1]
}`), s, files())
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if a := ofEach(t, got[0].Spec, "Arguments") + ofEach(t, got[0].Spec, "Tag"); a != "6t" {
		t.Error(a)
	}
}

func TestASpecFromHCLIsOneThatTheQueueTakes(t *testing.T) {
	var exprs ad.Cache
	for _, j := range jobs(t, wordcount) {
		if err := j.Spec.Check(&exprs); err != nil {
			t.Errorf("%s: %v", j.Name, err)
		}
	}
}

// Whose cost grew with the square of its depth would not come back within the test's time.
func TestHostileFilesCostLittle(t *testing.T) {
	for _, open := range []string{"(", "[", "{a=", "!", "-", "f(", "a ? ", "\"${", "x { ", "[for a in b : ", "a[", "1 + ", "a.b"} {
		for _, n := range []int{100, 20_000} {
			src := "job \"j\" {\n rank = " + strings.Repeat(open, n) + "\n}\n"
			if _, diags := Jobs("x.hcl", []byte(src), site(), files()); !diags.HasErrors() && open != "a.b" && open != "1 + " {
				t.Errorf("%s is accepted", open)
			}
		}
	}
	if _, diags := Jobs("x.hcl", make([]byte, MaxFile+1), site(), files()); !diags.HasErrors() {
		t.Error("a huge file is accepted")
	}
}

var errBroken = errors.New("the disk is gone")

type broken struct{ tree }

func (broken) ReadFile(string) ([]byte, error) { return nil, errBroken }
func (broken) Glob(string) ([]string, error)   { return nil, errBroken }

func TestFilesThatCannotBeReadAreSaid(t *testing.T) {
	for _, q := range []string{`from = "x"`, `matching = "x"`} {
		_, diags := Jobs("x.hcl", []byte("job \"j\" {\n executable = \"run.sh\"\n queue { "+q+" }\n}"), site(), broken{files()})
		if !diags.HasErrors() || !strings.Contains(diags.String(), "the disk is gone") {
			t.Errorf("%s: %s", q, diags)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as in %s (-update accepts it):\n%s", path, got)
	}
}
