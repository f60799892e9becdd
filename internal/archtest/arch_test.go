package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors, from the ground up. A package may import packages of lower floors, and
// what beside names for it. The longest matching prefix decides a package's floor.
var floors = []struct {
	name     string
	why      string
	packages []string
}{
	{"words", "everything rests on them, so they rest on nothing", []string{
		"internal/grid", "internal/ad", "internal/macro", "internal/failpoint", "internal/freeze", "internal/pause", "internal/secrecy", "internal/whole", "internal/bill",
	}},
	{"decisions", "pure functions: a decision must be callable from a test with ten lines of literals", []string{
		"router", "router/burst", "dag", "dag/account", "dag/dagfile", "schedd/submit", "schedd/policy", "schedd/cloudconfig", "configs", "gahp", "internal/wire", "router/route",
		"schedd/target",
	}},
	{"mechanisms", "one side effect each, so each can be swapped or broken in a test", []string{
		"schedd/ledger", "schedd/api", "schedd/userlog", "schedd/target/slurm", "schedd/target/condor", "schedd/target/gridburst", "schedd/target/fake", "schedd/target/conform", "dag/trigger", "gahp/ec2", "gahp/ovirt", "gahp/ovirtsim", "gahp/fake", "gahp/conform",
		"internal/spool", "internal/jobfile", "internal/pki", "internal/desk", "internal/telemetry", "internal/qemu", "internal/script", "internal/worker/sandbox", "internal/worker/runner",
	}},
	{"bookkeeping", "what a daemon knows beside the ledger, each kept by one goroutine and made anew at a start", []string{
		"schedd/jobad", "schedd/idle", "schedd/pool", "schedd/watch",
	}},
	{"daemons", "they tie decisions to mechanisms", []string{"schedd", "schedd/serve", "internal/worker"}},
	{"wiring", "it parses, wires and exits", []string{"cmd", "internal/sim", "internal/replay", "internal/rig", "internal/chaos", "internal/bench", "internal/archtest"}},
}

// beside lists imports within a floor, or words among words, each with its reason.
var beside = map[string]map[string]string{
	"internal/ad":            {"internal/grid": "errors and diagnostics are words too"},
	"internal/macro":         {"internal/grid": "errors are words too", "internal/ad": "its functions compute with ClassAds"},
	"router/burst":           {"router": "demand is what a Cycle left over"},
	"dag/dagfile":            {"dag": "it reads and writes the graph"},
	"dag/account":            {"dag": "it tells of a run"},
	"configs":                {"router/route": "a route block becomes the same route as HTCondor's", "schedd/submit": "a job block becomes the same value as a submit file", "dag": "a workflow block becomes the same graph as a DAG file"},
	"gahp/fake":              {"gahp/conform": "its fault scripts are the suite's data"},
	"internal/worker/runner": {"internal/worker/sandbox": "a runner keeps its jobs in one"},
	"gahp/ovirtsim":          {"gahp/ovirtsim/guest": "a guest is a machine's body", "internal/qemu": "and may have a kernel of its own"},
	"gahp/ovirtsim/guest":    {"internal/qemu": "a guest may have a kernel of its own"},
	"schedd/target/fake":     {"schedd/target/conform": "its faults are the suite's"},
	"schedd":                 {"schedd/serve": "the daemon serves its own views"},
	"schedd/idle":            {"schedd/jobad": "it groups jobs by their ads"},
	"internal/desk":          {"schedd/userlog": "the desk is the hand that writes the log", "internal/jobfile": "and the eye that reads job files", "internal/worker/sandbox": "a job at a target has its sandbox among its owner's files"},
}

// owners: one mechanism, one room, one library. A prefix matches its subpackages.
var owners = map[string]struct {
	rooms []string
	why   string
}{
	"go.etcd.io/bbolt":                    {[]string{"schedd/ledger", "internal/bench"}, "only the ledger may touch the file (the bench measures the bare library beside it)"},
	"github.com/ovirt/go-ovirt":           {[]string{"gahp/ovirt"}, "300,000 generated lines: nobody else pays for compiling them"},
	"github.com/robfig/cron/v3":           {[]string{"dag/trigger"}, "its traps are guarded in one place"},
	"github.com/hashicorp/hcl/v2":         {[]string{"configs"}, "the rest of the house sees plain values"},
	"github.com/zclconf/go-cty":           {[]string{"configs"}, "as hcl"},
	"github.com/PelicanPlatform/classad":  {[]string{"internal/ad"}, "it is not safe for concurrent use: one room keeps that promise"},
	"github.com/containerd/cgroups":       {[]string{"internal/worker/sandbox"}, "job containment is one room's work"},
	"github.com/danielgtaylor/huma":       {[]string{"schedd/serve"}, "the contract's types stay plain"},
	"github.com/prometheus/client_golang": {[]string{"internal/telemetry"}, "what is counted is plain to the rest of the house"},
	"github.com/spf13/cobra":              {[]string{"cmd"}, "only commands parse flags"},
	"go.yaml.in/yaml":                     {[]string{"gahp/ovirtsim", "schedd/cloudconfig"}, "only a guest reads cloud-config, and who adds to one"},
	"github.com/kdomanski/iso9660":        {[]string{"gahp/ovirtsim/guest"}, "only a guest has a config drive"},
}

// testOnly packages are stand-ins and drivers that no daemon may link.
var testOnly = map[string]string{
	"gahp/fake":              "a stand-in for an engine",
	"gahp/conform":           "a test suite",
	"gahp/ovirtsim":          "an engine of its own: only its command serves it",
	"gahp/ovirtsim/cassette": "a stand-in for an engine's past",
	"gahp/ovirtsim/guest":    "a stand-in for a machine",
	"internal/sim":           "a stand-in for the world",
	"schedd/target/conform":  "a test suite",
	"schedd/target/fake":     "a stand-in for a target",
}

type file struct {
	pkg, path string
	test      bool
	imports   []string
	lines     int
	doc       string
}

func TestHouse(t *testing.T) {
	files := load(t)
	docs := map[string]string{}
	for _, f := range files {
		if f.lines > 600 {
			t.Errorf("%s has %d lines: past 600 a noun is hiding in it; find its name", f.path, f.lines)
		}
		if !f.test && f.doc != "" && (docs[f.pkg] == "" || len(f.doc) > len(docs[f.pkg])) {
			docs[f.pkg] = f.doc
		}
		for _, imp := range f.imports {
			checkImport(t, f, imp)
		}
	}
	for _, pkg := range packages(files) {
		sentence, _, _ := strings.Cut(docs[pkg], ".\n")
		sentence, _, _ = strings.Cut(sentence, ". ")
		switch {
		case docs[pkg] == "":
			t.Errorf("%s has no package comment: a folder is one idea that one sentence says", pkg)
		case !strings.HasPrefix(docs[pkg], "Package ") && !strings.HasPrefix(docs[pkg], "Command ") && !isCommand(pkg):
			t.Errorf("%s: its comment begins %q, want \"Package ...\"", pkg, firstWords(docs[pkg]))
		case len(strings.Fields(sentence)) > 40:
			t.Errorf("%s: its first sentence has %d words: say one idea", pkg, len(strings.Fields(sentence)))
		}
		if slices.Contains([]string{"util", "utils", "common", "helpers", "types", "models", "manager"}, path.Base(pkg)) {
			t.Errorf("%s: that name says nothing; find the concept", pkg)
		}
	}
}

func checkImport(t *testing.T, f file, imp string) {
	t.Helper()
	for lib, o := range owners {
		if imp != lib && !strings.HasPrefix(imp, lib+"/") {
			continue
		}
		if !slices.ContainsFunc(o.rooms, func(r string) bool { return f.pkg == r || strings.HasPrefix(f.pkg, r+"/") }) {
			t.Errorf("%s imports %s, which belongs to %v alone: %s", f.path, lib, o.rooms, o.why)
		}
	}
	target, ours := strings.CutPrefix(imp, "gridburst/")
	if !ours {
		return
	}
	if f.test {
		return // a test may stand on a higher floor to see its package from outside
	}
	if why := testOnly[target]; why != "" && f.pkg != "cmd/ovirtsim" && testOnly[f.pkg] == "" &&
		!strings.HasPrefix(f.pkg, "internal/chaos") && !strings.HasPrefix(f.pkg, "internal/bench") {
		t.Errorf("%s imports %s, %s: no program may link it", f.path, target, why)
	}
	from, to := floor(f.pkg), floor(target)
	switch {
	case from < 0:
		t.Errorf("%s: package %s stands on no floor; name it in archtest", f.path, f.pkg)
	case to < 0:
		t.Errorf("%s imports %s, which stands on no floor; name it in archtest", f.path, target)
	case to > from, to == from && !sameRoom(f.pkg, target) && from != len(floors)-1:
		if beside[f.pkg][target] == "" {
			t.Errorf("%s (%s) imports %s (%s): imports go down only. %s: %s", f.path, floors[from].name, target, floors[to].name, floors[from].name, floors[from].why)
		}
	}
}

// sameRoom: a private package below its owner.
func sameRoom(a, b string) bool {
	return strings.HasPrefix(b, a+"/internal/") || strings.HasPrefix(a, b+"/internal/")
}

func floor(pkg string) int {
	best, at := -1, -1
	for i, f := range floors {
		for _, p := range f.packages {
			if (pkg == p || strings.HasPrefix(pkg, p+"/")) && len(p) > best {
				best, at = len(p), i
			}
		}
	}
	return at
}

func isCommand(pkg string) bool { return strings.HasPrefix(pkg, "cmd/") }

func firstWords(s string) string {
	w := strings.Fields(s)
	return strings.Join(w[:min(4, len(w))], " ")
}

func packages(files []file) []string {
	var out []string
	for _, f := range files {
		if !f.test {
			out = append(out, f.pkg)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func load(t *testing.T) []file {
	t.Helper()
	const root = "../.."
	var files []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (name == "testdata" || name == "build" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		f := file{
			pkg: filepath.ToSlash(filepath.Dir(rel)), path: rel, test: strings.HasSuffix(name, "_test.go"),
			lines: strings.Count(string(src), "\n"), doc: parsed.Doc.Text(),
		}
		for _, i := range parsed.Imports {
			s, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, s)
		}
		if !ast.IsGenerated(parsed) {
			files = append(files, f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
