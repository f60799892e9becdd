package route

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gridburst/internal/ad"
)

var update = flag.Bool("update", false, "accept what is said of bad configurations")

// files are other files of a test, by name.
type files map[string]string

func (f files) ReadFile(name string) ([]byte, error) {
	text, ok := f[name]
	if !ok {
		return nil, fmt.Errorf("there is no file %s", name)
	}
	return []byte(text), nil
}

// badConfigs are configurations with something wrong, or odd; what is said of each is in
// testdata/diagnostics.golden.
var badConfigs = []struct{ name, src string }{
	{"a name that is not there", "JOB_ROUTER_ROUTE_NAMES = slurm\nJOB_ROUTER_ROUTE_slurn @=e\n  REQUIREMENTS true\n@e\nJOB_ROUTER_PRE_ROUTE_TRANSFORM_NAMES = base\n"},
	{"a value that is not ended", "JOB_ROUTER_ROUTE_NAMES = a\nJOB_ROUTER_ROUTE_a @=e\n  REQUIREMENTS true\n"},
	{"a line that is nothing", "JOB_ROUTER_ROUTE_NAMES\n"},
	{"macros that lead back to themselves", "A = $(B)\nB = $(A)\nJOB_ROUTER_ROUTE_NAMES = $(A)\n"},
	{"numbers that are none", "JOB_ROUTER_MAX_JOBS = many\nJOB_ROUTER_ROUND_ROBIN_SELECTION = perhaps\nJOB_ROUTER_SOURCE_JOB_CONSTRAINT = Foo ==\n"},
	{"wrong settings of a route", one("  REQUIREMENTS true\n  GridResource = batch slurm\n  MaxJobs = few\n  MaxIdleJobs = 1.5\n  FailureRateThreshold = -1\n  JobFailureTest = ExitCode =!=\n  TargetUniverse = 5\n  SendIDTokens = x\n")},
	{"a route that takes nothing", one("  REQUIREMENTS true\n  UNIVERSE local\n  MaxJobs = 0\n")},
	{"a wrong universe", one("  REQUIREMENTS true\n  UNIVERSE vanila\n")},
	{"TARGET in requirements", one("  REQUIREMENTS TARGET.Foo\n  UNIVERSE local\n")},
	{"the job in a resource", one("  REQUIREMENTS true\n  GridResource = condor $(MY.Pool)\n")},
	{"commands without what they need", one("  REQUIREMENTS\n  UNIVERSE local\n  SET\n  SET Foo\n  COPY Foo\n  RENAME /x/\n  DELETE A B\n  EVALMACRO\n")},
	{"names that are none", one("  REQUIREMENTS true\n  UNIVERSE local\n  SET 5x 3\n  COPY Foo a-b\n  DELETE /x\n  DELETE /x/g\n  SET true 3\n")},
	{"groups that are none", one("  REQUIREMENTS true\n  UNIVERSE local\n  COPY /^(Foo)(.*)/ A\\1\\2\n  RENAME /^Foo/ A\\1\n  EVALSET A regexp(\"a\\.b\", Foo)\n")},
	{"conditions", one("  REQUIREMENTS true\n  UNIVERSE local\n  if $(MY.Foo) > 3\n  else\n  if defined 5 5\n  endif\n")},
	{"conditions without their beginning", one("  REQUIREMENTS true\n  UNIVERSE local\n  endif\n  else\n")},
	{"a condition around requirements", one("  UNIVERSE local\n  if true\n    REQUIREMENTS Foo\n  endif\n")},
	{"a job of several", one("  REQUIREMENTS true\n  UNIVERSE local\n  TRANSFORM 5\n")},
	{"a macro that nothing uses", one("  REQUIREMENTS true\n  UNIVERSE local\n  MaxIdelJobs = 5\n  site = x\n")},
	{"a setting that means nothing", "JOB_ROUTER_RUOND_ROBIN_SELECTION = true\n" + one("  REQUIREMENTS true\n  UNIVERSE local\n")},
	{"an include that is not there", "include : nosuch\n"},
	{"an include of a command", "include : script |\ninclude command : x\n"},
	{"an error and a warning of its own", "error : never\nwarning : careful\n"},
	{"the environment", "JOB_ROUTER_NAME = $ENV(HOME)\n"},
	{"an old route without an end", "JOB_ROUTER_ENTRIES @=e\n[\n  Name = \"a\";\n  GridResource = \"batch slurm\n]\n@e\n"},
	{"an old route that is none", "JOB_ROUTER_ENTRIES = Name = \"a\"\n"},
	{"an old route with wrong values", "JOB_ROUTER_ENTRIES @=e\n[\n  Name = \"a\"; // a comment\n  GridResource = \"batch slurm\";\n  Requirements = Foo >;\n  copy_Foo = 3;\n  MaxJobs;\n]\n@e\n"},
	{"old routes of one name", "JOB_ROUTER_ENTRIES @=e\n[ Name = \"a\"; GridResource = \"x\"; Requirements = Foo; ]\n[ Name = \"a\"; GridResource = \"y\"; Requirements = Foo; ]\n@e\n"},
	{"routes of a command", "JOB_ROUTER_ENTRIES_CMD = /usr/bin/routes\n"},
	{"routes of a file that is not there", "JOB_ROUTER_ENTRIES_FILE = /nosuch\n"},
	{"two routes of one name", "JOB_ROUTER_ROUTE_NAMES = a a\n" + strings.SplitN(one("  REQUIREMENTS Foo\n  UNIVERSE local\n"), "\n", 2)[1]},
}

// one is a configuration of one route.
func one(body string) string {
	return "JOB_ROUTER_ROUTE_NAMES = a\nJOB_ROUTER_ROUTE_a @=e\n" + body + "@e\n"
}

func TestWhatIsSaidOfBadConfigurations(t *testing.T) {
	var b strings.Builder
	for _, c := range badConfigs {
		_, diags := Read("router.config", []byte(c.src), files{})
		if len(diags) == 0 {
			t.Errorf("%s: nothing is said", c.name)
		}
		b.WriteString("=== " + c.name + "\n\n" + diags.String() + "\n")
	}
	const path = "testdata/diagnostics.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("not as in %s (-update accepts it):\n%s", path, b.String())
	}
}

func TestConfigurationsAreReadAsHTCondorReadsThem(t *testing.T) {
	src := `# a comment \
WHERE = here
WHERE = $(WHERE)/there
use ROLE : Personal
if defined WHERE
  JOB_ROUTER_NAME = mine
else
  JOB_ROUTER_NAME = another
endif
include : more.config
include ifexist : nosuch.config
JOB_ROUTER_ROUTE_NAMES = a, \
   # of all routes \
   b
JOB_ROUTER.JOB_ROUTER_MAX_JOBS = 7
JOB_ROUTER_MAX_JOBS = 3
JOB_ROUTER_ROUTE_a @=one
  REQUIREMENTS Foo \
    && Bar
  GridResource = batch $(WHERE)
@one
`
	table, diags := Read("dir/main.config", []byte(src), files{"dir/more.config": "JOB_ROUTER_ROUTE_b @=x\nREQUIREMENTS true\nUNIVERSE 12\n@x\n"})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if table.Name != "mine" || table.MaxJobs != 7 || len(table.Routes) != 2 {
		t.Fatalf("%+v", table)
	}
	a, b := table.Routes[0], table.Routes[1]
	if a.GridResource != "batch here/there" || a.Requirements.String() != "Foo && Bar" || a.Universe != 9 || b.Universe != 12 || b.Pos.File != "dir/more.config" {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestABoundOfNoughtIsABound(t *testing.T) {
	const route = " REQUIREMENTS true\n UNIVERSE local\n"
	for setting, want := range map[string]string{
		"JOB_ROUTER_MAX_JOBS = 0":                        "the router is full: 0 jobs are on its routes, and at most 0 may be",
		"JOB_ROUTER_MAX_JOBS = -1":                       "a takes it",
		"JOB_ROUTER_DEFAULT_MAX_JOBS_PER_ROUTE = 0":      "a is full: 0 jobs are on it, and at most 0 may be",
		"JOB_ROUTER_DEFAULT_MAX_IDLE_JOBS_PER_ROUTE = 0": "a has enough that wait: 0 jobs are there not started yet, and at most 0 may be",
	} {
		if got := said(table(t, setting+"\n"+one(route)).Choose(job(t, ""), Load{}, noon)); got != want {
			t.Errorf("%s: %s", setting, got)
		}
	}
}

func TestALoopEndsWhereItBegan(t *testing.T) {
	here := table(t, "JOB_ROUTER_NAME = here\nJOB_ROUTER_ROUTE_NAMES = A C\n"+
		"JOB_ROUTER_ROUTE_A @=e\n REQUIREMENTS true\n GridResource = gridburst there\n@e\nJOB_ROUTER_ROUTE_C @=e\n REQUIREMENTS WantC\n GridResource = batch slurm\n@e\n")
	there := table(t, "JOB_ROUTER_NAME = there\nJOB_ROUTER_ROUTE_NAMES = B\nJOB_ROUTER_ROUTE_B @=e\n REQUIREMENTS true\n GridResource = gridburst here\n@e\n")
	arrived := func(c Choice, id int64) *ad.Ad {
		t.Helper()
		if c.Route == nil {
			t.Fatal(said(c))
		}
		a := c.Ad.Clone() // the other grid gives it an id of its own
		a.SetInt("ClusterId", id)
		a.SetInt("ProcId", 0)
		return a
	}
	first := job(t, "WantC = true")
	second := arrived(here.Choose(first, Load{}, noon), 20)
	third := arrived(there.Choose(second, Load{}, noon), 8)
	c := here.Choose(third, Load{}, noon)
	if got, want := said(c), "A does not take it again: it came through here already (it came by here/A, then there/B)\nC takes it"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if fourth := arrived(c, 9); said(here.Choose(fourth, Load{}, noon)) != "it is itself a routed job: route C made it of job 8.0" {
		t.Error(said(here.Choose(fourth, Load{}, noon)))
	}
}

func TestAJobIsEditedInPlaceAsLongAsThatChangesIt(t *testing.T) {
	table := table(t, one(" REQUIREMENTS Count < 3\n UNIVERSE vanilla\n EditJobInPlace = true\n SET Foo 3\n if defined MY.Counted\n  EVALSET Count Count + 1\n endif\n"))
	c := table.Choose(job(t, "Count = 0"), Load{}, noon)
	if !c.InPlace || c.Ad.Int("Foo", 0) != 3 || c.Ad.Int("ClusterId", 0) != 7 || c.Ad.Has(RoutedBy) {
		t.Fatal(said(c))
	}
	if got := said(table.Choose(c.Ad, Load{}, noon)); got != "a has edited it already: it would change nothing" {
		t.Error(got)
	}
	c = table.Choose(job(t, "Count = 0\nCounted = true"), Load{}, noon)
	for c.Route != nil {
		c = table.Choose(c.Ad, Load{}, noon)
	}
	if got := said(c); got != "a does not want it: Count < 3 is false (Count is 3)" {
		t.Error(got)
	}
}

func TestATransformThatCannotBeCarriedOutGivesTheJobBack(t *testing.T) {
	table := table(t, "JOB_ROUTER_ROUTE_NAMES = a b\nJOB_ROUTER_ROUTE_a @=e\n REQUIREMENTS Foo\n UNIVERSE local\n SET Bar $(MY.Text)\n@e\nJOB_ROUTER_ROUTE_b @=e\n REQUIREMENTS true\n UNIVERSE local\n@e\n")
	c := table.Choose(job(t, "Foo = true\nText = \"1 +\""), Load{}, noon)
	want := "a wants it, but cannot make of it what it should become: route a, SET Bar (condor_config:5): \"1 +\" is no expression: syntax error\nb would take it, but route a comes first"
	if got := said(c); got != want || c.Route != nil || c.Ad != nil {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, text := range []string{"$(Text)", "$ENV(HOME)", "$(DOLLAR)(x)"} {
		c = table.Choose(job(t, "Foo = true\nText = \"\\\""+text+"\\\"\""), Load{}, noon)
		if c.Route == nil || c.Ad.Text("Bar") != text {
			t.Errorf("a job's text is taken for a macro: %s", said(c))
		}
	}
}

func TestMacroBombsEndTheTransform(t *testing.T) {
	var b strings.Builder
	b.WriteString(" REQUIREMENTS true\n UNIVERSE local\n m0 = xxxxxxxx\n")
	for i := range 40 {
		fmt.Fprintf(&b, " m%d = $(m%d)$(m%d)\n", i+1, i, i)
	}
	for _, body := range []string{b.String() + " SET A \"$(m40)\"\n", " REQUIREMENTS true\n UNIVERSE local\n" + strings.Repeat(" m = $(m)$(m)xxxxxxxx\n", 64) + " SET A \"$(m)\"\n"} {
		c := table(t, one(body)).Choose(job(t, ""), Load{}, noon)
		if c.Route != nil || !strings.Contains(said(c), "longer than") {
			t.Error(said(c))
		}
	}
}

func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.config")
	if err != nil || len(names) < 10 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	rules, err := filepath.Glob("testdata/transforms/*.xform")
	if err != nil || len(rules) < 10 {
		f.Fatal(rules, err)
	}
	for _, name := range rules {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(one(" REQUIREMENTS true\n UNIVERSE local\n" + string(src)))
	}
	for _, c := range badConfigs {
		f.Add(c.src)
	}
	a, err := ad.ParseLong("ClusterId = 7\nProcId = 1\nOwner = \"ada\"\nJobStatus = 1\nJobUniverse = 5\nFoo = \"bar\"\nBar = Foo\n")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		table, diags := Read("f.config", []byte(src), nil)
		_ = diags.String()
		if diags.HasErrors() {
			return
		}
		before := string(a.AppendLong(nil))
		c := table.Choose(a, Load{}, noon)
		said(c)
		again := table.Choose(a, Load{}, noon)
		if said(c) != said(again) || fmt.Sprint(c.Steps) != fmt.Sprint(again.Steps) {
			t.Fatalf("%q: asked again it decides otherwise:\n%s\n%s", src, said(c), said(again))
		}
		if c.Ad != nil {
			// What a route made can be read again.
			if _, err := ad.ParseJSON(c.Ad.AppendJSON(nil)); err != nil {
				t.Fatalf("%q: %v", src, err)
			}
		}
		for _, e := range table.Explain(a, Load{}, noon) {
			said(e)
		}
		if string(a.AppendLong(nil)) != before {
			t.Fatalf("%q changes the job's own ad", src)
		}
	})
}
