package cmd_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"gridburst/configs"
	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/submit"
)

const examples = "../examples"

// workflow reads one of the examples' and all the jobs of its nodes, by name.
func workflow(t *testing.T, file string) (*dag.Graph, map[string]submit.Spec) {
	t.Helper()
	file, err := filepath.Abs(filepath.Join(examples, "wordcount", file))
	if err != nil {
		t.Fatal(err)
	}
	g, diags, err := jobfile.Workflow(file, filepath.Base(file))
	if err != nil || len(diags) > 0 {
		t.Fatalf("%s: %v %v", file, err, diags)
	}
	specs := map[string]submit.Spec{}
	for i := range g.Len() {
		n := &g.Nodes[i]
		r := jobfile.Node(n, file, filepath.Dir(file))
		r.Vars = []submit.Var{{Name: "JOB", Value: n.Name}}
		for _, v := range n.Vars {
			r.Vars = append(r.Vars, submit.Var(v))
		}
		read, diags, err := jobfile.Read(r)
		if err != nil || len(diags) > 0 || len(read) != 1 {
			t.Fatalf("%s: node %s: %v %v, %d clusters", file, n.Name, err, diags, len(read))
		}
		specs[n.Name] = read[0]
	}
	return g, specs
}

func TestWordcountIsOneGraphInBothTongues(t *testing.T) {
	g, jobs := workflow(t, "wordcount.dag")
	h, jobsOfHCL := workflow(t, "wordcount.hcl")
	g.Name, h.Name = "", ""
	for _, n := range [][]dag.Node{g.Nodes, h.Nodes} {
		for i := range n {
			n[i].File, n[i].Job = "", ""
		}
	}
	if diff := cmp.Diff(g, h); diff != "" {
		t.Errorf("wordcount.hcl is another graph than wordcount.dag (-dag +hcl):\n%s", diff)
	}
	if g.Len() != 42 {
		t.Errorf("%d nodes; one split, 40 counts and one merge are 42", g.Len())
	}
	for name, job := range jobs {
		job.Sections[0].Verbatim = true // a text in HCL is no macro, and here is none
		if diff := cmp.Diff(job, jobsOfHCL[name]); diff != "" {
			t.Errorf("node %s is another job (-dag +hcl):\n%s", name, diff)
		}
	}
}

// TestWordcountCounts runs the programs without a grid and compares with a count made
// another way.
func TestWordcountCounts(t *testing.T) {
	programs, err := filepath.Abs(filepath.Join(examples, "wordcount"))
	if err != nil {
		t.Fatal(err)
	}
	texts, err := filepath.Glob(filepath.Join(programs, "texts", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(out, program string, args ...string) {
		t.Helper()
		c := exec.Command(filepath.Join(programs, program), args...)
		c.Dir = dir
		b, err := c.Output()
		if err != nil {
			t.Fatalf("%s %v: %v", program, args, err)
		}
		if out != "" {
			if err := os.WriteFile(filepath.Join(dir, out), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	run("", "split", append([]string{"40"}, texts...)...)
	for i := range 40 {
		part := strconv.Itoa(i)
		run("count."+part, "count", "part."+part, "100000") // a few times over
	}
	run("words", "merge")

	want, size := map[string]int{}, 0
	for _, name := range texts {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		size += len(b)
		for _, w := range strings.FieldsFunc(strings.ToLower(string(b)), func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) }) {
			want[w]++
		}
	}
	if size < 1<<20 {
		t.Errorf("the texts have %d bytes, less than 1 MiB", size)
	}
	b, err := os.ReadFile(filepath.Join(dir, "words"))
	if err != nil {
		t.Fatal(err)
	}
	got, last := map[string]int{}, int(^uint(0)>>1)
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		number, word, _ := strings.Cut(s.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil || n > last {
			t.Fatalf("%q behind %d is no line of a descending count", s.Text(), last)
		}
		got[word], last = n, n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the counts differ (-want +got):\n%s", diff)
	}
}

func TestExamplesAreWithoutMistakes(t *testing.T) {
	for _, name := range []string{"hello.hcl", "hello.sub", "vm.hcl", "deltacloud.sub"} {
		t.Run(name, func(t *testing.T) {
			// The password that a job of the grid universe needs is nobody's to commit.
			dir := t.TempDir()
			src, err := os.ReadFile(filepath.Join(examples, name))
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{name: string(src), "user_pwd": "secret\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			specs, diags := jobfile.Lower(name, src, jobfile.IsHCL(name), "", submit.Site{Dir: dir, Owner: "ada", Now: time.Now(), Arch: jobfile.Arch(), OpSys: "LINUX"})
			if len(diags) > 0 || len(specs) != 1 {
				t.Errorf("%d clusters, %v", len(specs), diags)
			}
		})
	}
	// Its jobs name programs that not every machine has.
	file, err := filepath.Abs(filepath.Join(examples, "services", "services.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	g, diags, err := jobfile.Workflow(file, "services.hcl")
	if err != nil || len(diags) > 0 {
		t.Fatalf("services.hcl: %v %v", err, diags)
	}
	if err := g.Check(); err != nil || g.Len() != 14 {
		t.Errorf("services.hcl: %v, %d nodes", err, g.Len())
	}
	src, err := os.ReadFile(filepath.Join(examples, "schedd.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	c, diags := configs.ReadSchedd("schedd.hcl", src)
	if len(diags) > 0 || len(c.Resources) != 1 || len(c.Crons) != 1 {
		t.Errorf("schedd.hcl: %v, %d resources, %d crons", grid.Diagnostics(diags), len(c.Resources), len(c.Crons))
	}
}
