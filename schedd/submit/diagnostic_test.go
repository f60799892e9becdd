package submit

import (
	"os"
	"strings"
	"testing"

	"gridburst/internal/grid"
)

// bad are submit files with something wrong in them. What is said of each is in
// testdata/diagnostics.golden.
var bad = []struct{ name, src string }{
	{"no queue", "executable = /bin/true\n"},
	{"no executable", "arguments = 5\nqueue\n"},
	{"an executable that is not there", "  executable = nosuch.sh\nqueue\n"},
	{"an executable that is a directory", "executable = dir\nqueue\n"},
	{"a typing error", "executable = /bin/true\narguements = 5\nqueue\n"},
	{"a command of HTCondor that means nothing here", "executable = /bin/true\nstarter_log = s.log\nqueue\n"},
	{"a line that is none", "executable = /bin/true\nthis is nothing\nqueue\n"},
	{"a wrong name", "executable = /bin/true\na b = c\nqueue\n"},
	{"a wrong size", "executable = /bin/true\nrequest_memory = 5 elephants\nqueue\n"},
	{"an expression that is none", "executable = /bin/true\n\trequirements = (Memory > 5\nqueue\n"},
	{"an unknown ClassAd function", "executable = /bin/true\nrequirements = regexpp(\"a\", Machine)\nqueue\n"},
	{"an unknown macro function", "executable = /bin/true\narguments = $INTT(5)\nqueue\n"},
	{"a wrong format", "executable = /bin/true\narguments = $INT(5,%s)\nqueue\n"},
	{"arguments with a quote in them", "executable = /bin/true\narguments = a \"b\"\nqueue\n"},
	{"an environment without a value", "executable = /bin/true\nenvironment = A;B=2\nqueue\n"},
	{"a wrong universe", "universe = vanila\nexecutable = /bin/true\nqueue\n"},
	{"a grid job without a resource", "universe = grid\nexecutable = /bin/true\nqueue\n"},
	{"a grid type that is not served", "universe = grid\ngrid_resource = ec2 https://x/\nqueue\n"},
	{"a grid type with a typing error", "universe = grid\ngrid_resource = overt https://x/\nqueue\n"},
	{"an HTCondor without a name", "universe = grid\ngrid_resource = condor\nqueue\n"},
	{"a Gridburst with two names", "universe = grid\ngrid_resource = gridburst a b\nqueue\n"},
	{"a machine without anything", "universe = grid\ngrid_resource = ovirt https://x/api\nqueue\n"},
	{"a password that others can read", "universe = grid\ngrid_resource = ovirt https://x/api\novirt_username = u\novirt_template = t\novirt_password_file = open\nqueue\n"},
	{"a password file that is not there", "universe = grid\ngrid_resource = ovirt https://x/api\novirt_username = u\novirt_template = t\novirt_password_file = nosuch\nqueue\n"},
	{"a wrong signal", "executable = /bin/true\nkill_sig = SIGTURM\nqueue\n"},
	{"a wrong notification", "executable = /bin/true\nnotification = sometimes\nqueue\n"},
	{"a custom resource that looks like another", "executable = /bin/true\nrequest_cpu = 4\nqueue\n"},
	{"an attribute of the queue", "executable = /bin/true\n+Owner = \"me\"\nqueue\n"},
	{"a job attribute without quotes", "executable = /bin/true\n+Project = my project\nqueue\n"},
	{"one item of many", "executable = /bin/true\nrequest_memory = $(m)\nqueue m in (1G 2X 3G)\n"},
	{"the same for all queue statements", "executable = /bin/true\nrank = 1 +\nqueue\narguments = 2\nqueue\n"},
	{"an open if", "if true\nexecutable = /bin/true\nqueue\n"},
	{"an else without if", "else\nexecutable = /bin/true\nqueue\n"},
	{"a condition that is none", "x = 3\nif $(x) > 2\nendif\nexecutable = /bin/true\nqueue\n"},
	{"an include that is not there", "include : nosuch.sub\nexecutable = /bin/true\nqueue\n"},
	{"an include of a command", "include : ls |\nexecutable = /bin/true\nqueue\n"},
	{"its own error", "error : this file is old, use $(other)\nother = new.sub\nexecutable = /bin/true\nqueue\n"},
	{"a warning of its own", "warning : careful\nexecutable = /bin/true\nqueue\n"},
	{"a list without an end", "executable = /bin/true\nqueue x in (\na b\n"},
	{"items that are not there", "executable = /bin/true\narguments = $(x)\nqueue x from nosuch\n"},
	{"a number of jobs that is none", "executable = /bin/true\nqueue many\n"},
	{"too many jobs", "executable = /bin/true\nqueue 100000000\n"},
	{"a wrong slice", "executable = /bin/true\nqueue x in [a:b] (1 2)\n"},
	{"a variable that is not used", "executable = /bin/true\nqueue x in (1 2)\n"},
	{"no items", "executable = /bin/true\nqueue x matching *.nosuch\n"},
	{"what must be the same for all", "executable = /bin/true\nuniverse = $(u)\nqueue u in (vanilla local)\n"},
	{"transfer without transfer", "executable = /bin/true\nshould_transfer_files = NO\ntransfer_input_files = a\nqueue\n"},
	{"a checkpoint without transfer", "executable = /bin/true\nshould_transfer_files = NO\ncheckpoint_exit_code = 85\nqueue\n"},
	{"a checkpoint that is an end", "executable = /bin/true\ncheckpoint_exit_code = 0\nqueue\n"},
	{"a checkpoint outside of the sandbox", "executable = /bin/true\ncheckpoint_exit_code = 85\ntransfer_checkpoint_files = a, ../b, /c\nqueue\n"},
	{"a checkpoint of a local job", "executable = /bin/true\nuniverse = local\ncheckpoint_exit_code = 85\nqueue\n"},
	{"a checkpoint that nothing tells of", "executable = /bin/true\ntransfer_checkpoint_files = a\nqueue\n"},
	{"a checkpoint that is to go elsewhere", "executable = /bin/true\ncheckpoint_exit_code = 85\ncheckpoint_destination = s3://a/b\nqueue\n"},
	{"a value without an end", "executable = /bin/true\narguments @=end\na\n"},
	{"not UTF-8", "executable = /bin/true\narguments = \xe4\nqueue\n"},
	{"two images", "container_image = a\ndocker_image = b\nqueue\n"},
	{"several at once", "executable = nosuch\nkill_sig = 99\nrank = (\nqueue 2\n"},
}

func TestWhatIsSaidOfBadFiles(t *testing.T) {
	var b strings.Builder
	for _, c := range bad {
		files := tree{}.put("/bin/true", "dir/", "open", "/bin/sh")
		_, diags := Lower("job.sub", []byte(c.src), testSite(), files)
		if len(diags) == 0 {
			t.Errorf("%s: nothing is said", c.name)
		}
		for _, d := range diags {
			if d.Line > 0 && d.Source == "" && strings.TrimSpace(strings.Split(c.src, "\n")[d.Line-1]) != "" {
				t.Errorf("%s: no source line with %q", c.name, d.Summary)
			}
		}
		b.WriteString("=== " + c.name + "\n\n" + diags.String() + "\n")
	}
	golden(t, "testdata/diagnostics.golden", b.String())
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

func TestDiagnosticsAreAnErrorWithTheFirstPlace(t *testing.T) {
	_, diags := Lower("job.sub", []byte("executable = /bin/true\nrank = (\nqueue"), testSite(), tree{}.put("/bin/true"))
	err := diags.Err()
	if grid.CodeOf(err) != grid.Invalid || !strings.HasPrefix(err.Error(), "job.sub:2: ") {
		t.Error(err)
	}
}
