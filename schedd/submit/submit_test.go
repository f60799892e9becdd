package submit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"

	"github.com/google/go-cmp/cmp"
)

// specsOf lowers a submit file that must be right.
func specsOf(tb testing.TB, src string, files tree) []Spec {
	tb.Helper()
	specs, diags := Lower("job.sub", []byte(src), testSite(), files.put("/bin/true"))
	if diags.HasErrors() {
		tb.Fatalf("%s\n%s", src, diags)
	}
	return specs
}

// attribute is one attribute of every proc, joined.
func attribute(tb testing.TB, s Spec, name string) string {
	tb.Helper()
	var out []string
	for p := range s.Len() {
		attrs, err := s.Proc(grid.JobID{Cluster: 7, Proc: int32(p)})
		if err != nil {
			tb.Fatal(err)
		}
		expr, ok := Find(attrs, name)
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

func TestMacrosAndFunctions(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a macro", "x = 5\narguments = a$(x)b", "a5b"},
		{"names ignore case", "MyVar = 5\narguments = $(MYVAR)", "5"},
		{"a macro may be set behind its use", "arguments = $(x)\nx = later", "later"},
		{"the last setting before queue counts", "x = 1\narguments = $(x)\nx = 2", "2"},
		{"a macro of itself is what it was", "x = a\nx = $(x) b\nx = $(x) c\narguments = $(x)", "a b c"},
		{"a default", "arguments = $(nosuch:abc)-$(nosuch)", "abc-"},
		{"a default that is a macro", "y = 3\narguments = $(nosuch:$(y))", "3"},
		{"macros of macros", "a = $(b)$(b)\nb = $(c)-\nc = 1\narguments = $(a)", "1-1-"},
		{"a dollar", "arguments = $(DOLLAR)(Process) $HOME $$(Name) $", "$(Process) $HOME $$(Name) $"},
		{"match-time macros stay", "arguments = $$(Cpus) $$([TARGET.Memory * 2])", "$$(Cpus) $$([TARGET.Memory * 2])"},
		{"the environment", "arguments = $ENV(HOME) $ENV(NOSUCH:none)", "/home/tester none"},
		{"INT", "x = 3+4.5\narguments = $INT(x) $INT(x,%03d) $INT(2*$(y),%x)\ny = 15", "7 007 1e"},
		{"REAL", "x = 5/2.0\narguments = $REAL(x) $REAL(x,%.3f)", "2.5 2.500"},
		{"STRING", "x = \"ab\"\narguments = $STRING(x) $STRING(x,%5s)", "ab ab"},
		{"EVAL", "arguments = $EVAL(strcat(\"a\", \"b\")) $EVAL(1 > 2)", "ab false"},
		{"CHOICE with a list", "l = a, b c\narguments = $CHOICE(1,l)", "b"},
		{"CHOICE with items", "i = 2\narguments = $CHOICE(i,x,y,z)", "z"},
		{"SUBSTR", "x = abcdef\narguments = $SUBSTR(x,2) $SUBSTR(x,1,2) $SUBSTR(x,-2) $SUBSTR(x,1,-1)", "cdef bc ef bcde"},
		{"DIRNAME and BASENAME", "f = /a/b/c.tar.gz\narguments = $DIRNAME(f) $BASENAME(f) $BASENAME(f,.gz)", "/a/b/ c.tar.gz c.tar"},
		{"F", "f = \"d/e/c.dat\"\narguments = $F(f) $Fn(f) $Fx(f) $Fnx(f) $Fp(f) $Fpnx(f) $Fd(f) $Fdb(f) $Fxb(f) $Ff(f) $Fpnf(f)", "d/e/c.dat c .dat c.dat d/e/ d/e/c.dat e/ e dat /sub/d/e/c.dat /sub/d/e/c"},
		{"F with quotes", "f = x.y\narguments = $Fna(f)", "'x'"},
		{"automatic macros", "arguments = $(SUBMIT_FILE) $(YEAR)-$(MONTH)-$(DAY) $(ARCH) $(OPSYS) $(IsLinux)", "job.sub 2026-11-20 X86_64 LINUX 1"},
		{"continued lines", "arguments = a \\\n   b \\\n # no \\\n c", "a b c"},
		{"values of several lines", "arguments @=end\na\n b\n@end", "a b"},
		{"random values belong to the job", "arguments = $RANDOM_INTEGER(5,5) $RANDOM_CHOICE(q)", "5 q"},
		{"lower-case words are no functions", "arguments = $int(5)", "$int(5)"},
		{"shell text is left alone", "arguments = $(ls | wc) ${x}", "$(ls | wc) ${x}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := specsOf(t, "executable = /bin/true\n"+c.text+"\nqueue\n", tree{})[0]
			got := attribute(t, s, "Args")
			if got == "-" {
				got = attribute(t, s, "Arguments")
			}
			if got != c.want {
				t.Errorf("%s\ngives %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func TestJobAttributesAreMacros(t *testing.T) {
	s := specsOf(t, "executable = /bin/true\n+Tag = \"x\"\nMY.Other = 5\nbatch_name = $F(MY.Tag)$(MY.Other)\nqueue", tree{})[0]
	if got := attribute(t, s, "JobBatchName") + attribute(t, s, "Tag") + attribute(t, s, "Other"); got != "x5x5" {
		t.Error(got)
	}
}

func TestWhatDiffersFromProcToProcIsComputedWithTheProc(t *testing.T) {
	for _, c := range []struct{ name, text, attr, want string }{
		{"the proc's number", "output = o.$(Cluster).$(ProcId)\nqueue 3", "Out", "o.7.0|o.7.1|o.7.2"},
		{"the job's id", "output = $(JobId)\nqueue 2", "Out", "7.0|7.1"},
		{"through other macros", "output = $(tag).out\ntag = $(base)-$(process)\nbase = x\nqueue 2", "Out", "x-0.out|x-1.out"},
		{"functions of it", "output = $INT(Process,%03d).$CHOICE(Process,a,b).$SUBSTR(Process,0,1)\nqueue 2", "Out", "000.a.0|001.b.1"},
		{"functions of expressions", "n = $(Process) * 10 + 1\noutput = $INT(n)\nqueue 2", "Out", "1|11"},
		{"a dollar stays one", "output = $(DOLLAR)(x)$(Process)\nqueue 1", "Out", "$(x)0"},
		{"items", "output = $(Item).out\nqueue in (a, b c)", "Out", "a.out|b.out|c.out"},
		{"several jobs for each item", "output = $(Item).$(Step).$(Row)\nqueue 2 in (a b)", "Out", "a.0.0|a.1.0|b.0.1|b.1.1"},
		{"items with several variables", "output = $(n)-$(s)\nqueue n,s from (\n a, 1 2\n# no\n\n b\t3\n c\n)", "Out", "a-1 2|b-3|c-"},
		{"items through functions", "output = $Fn(f)$CHOICE(Step,.x,.y)\nqueue 2 f in (d/a.txt d/b.txt)", "Out", "a.x|a.y|b.x|b.y"},
		{"an item variable that is a command", "queue arguments in (a b)", "Args", "a|b"},
		{"macros in items", "p = z\nqueue arguments from (\n-x $(Process) $(p)\n-y $(DOLLAR)(Process)\n)", "Args", "-x 0 z|-y $(Process)"},
		{"a size in an item", "request_memory = $(m)\nqueue m in (1G 512 1.5GiB)", "RequestMemory", "1024|512|1536"},
		{"requirements of an item", "requirements = Machine == \"$(h)\"\nqueue h in (a b)", "Requirements", `(Machine == "a") && ` + plain + `|(Machine == "b") && ` + plain},
		{
			"requirements that an item is", "requirements = $(r)\nqueue r from (\nTARGET.Memory > 5\nOpSys == \"X\" && Arch == \"Y\"\n)", "Requirements",
			`(TARGET.Memory > 5) && ` + plain +
				`|(OpSys == "X" && Arch == "Y") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && ` + shared,
		},
		{"the environment", "environment = \"A=$(Process) B='x $(Item)'\"\ngetenv = USER\nqueue in (q)", "Environment", "A=0 B=x' 'q USER=tester"},
		{"a program of each", "executable = p$(Process)\nqueue 2", "Cmd", "/sub/p0|/sub/p1"},
		{"a program of each, in place", "executable = p$(Process)\ntransfer_executable = false\nqueue 2", "Cmd", "p0|p1"},
		{"a directory of each", "initialdir = d$(Process)\nlog = l\nqueue 2", "UserLog", "/sub/d0/l|/sub/d1/l"},
		{"a directory of each, absolute", "initialdir = /d$(Process)\nlog = l\nqueue 1", "UserLog", "/d0/l"},
		{"a job attribute", "+Tag = \"t-$(Process)\"\n+Num = $(Process) * 2\nqueue 2", "Tag", "t-0|t-1"},
		{"a job attribute that is a number", "+Num = $(Process) * 2\nqueue 2", "Num", "0 * 2|1 * 2"},
		{"priority", "priority = -$(Process)\nqueue 2", "JobPrio", "0|-1"},
		{"arguments that begin with a quote only in the item", "arguments = $(Item)\nqueue Item from (\n\"a 'b c'\"\nd e\n)", "Arguments", "a b' 'c|-"},
		{"an argument in quotes", "arguments = \"'$(Item) x'\"\nqueue in (a b)", "Arguments", "a' 'x|b' 'x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := specsOf(t, "executable = /bin/true\n"+c.text+"\n", tree{})[0]
			if got := attribute(t, s, c.attr); got != c.want {
				t.Errorf("%s\ngives %q, want %q", c.text, got, c.want)
			}
		})
	}
}

const (
	shared = `((TARGET.FileSystemDomain == MY.FileSystemDomain) || (TARGET.HasFileTransfer))`
	plain  = `(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && ` + shared
)

func TestQueueStatements(t *testing.T) {
	files := func() tree {
		f := tree{}.put("texts/a.txt", "texts/b.txt", "texts/c.dat", "texts/d.txt/")
		f["/sub/items"] = tfile{text: "one 1\n# two\ntwo 2\r\nthree 3\n"}
		f["/sub/inc"] = tfile{text: "arguments = included\n"}
		return f
	}
	for _, c := range []struct{ text, want string }{
		{"queue", ""},
		{"queue 3", "||"},
		{"Queue 2 * 2", "|||"},
		{"n = 3\nqueue $(n)", "||"},
		{"n = 2\nqueue $(n) x in (a b)", "a|a|b|b"},
		{"queue x in a, b,c", "a|b|c"},
		{"queue x in (\n a b\n c\n)", "a|b|c"},
		{"queue x in [1:] (a b c)", "b|c"},
		{"queue x in [-2:] (a b c)", "b|c"},
		{"queue x in [::2] (a b c)", "a|c"},
		{"queue x in [5:] (a b c)\nqueue x in (z)", "z"},
		{"queue x,y from items", "one|#|two|three"},
		{"queue x,y from [:1] items", "one"},
		{"queue x matching texts/*.txt", "texts/a.txt|texts/b.txt|texts/d.txt/"},
		{"queue x matching files texts/*.txt texts/a.*", "texts/a.txt|texts/b.txt"},
		{"queue x matching dirs (texts/*)", "texts/d.txt/"},
		{"queue x matching files [1:2] texts/*.txt", "texts/b.txt"},
		{"queue 0\nqueue x in (b)", "b"},
		{"list = a b\nqueue x in $(list)", "a|b"},
		{"queue x in (a)\nqueue 2 x in (b)", "a|b|b"},
		{"queue in (a b)", "|"},
	} {
		t.Run(c.text, func(t *testing.T) {
			specs := specsOf(t, "executable = /bin/true\narguments = $(x) \n"+c.text+"\n", files())
			if got := attribute(t, specs[0], "Args"); got != c.want && attribute(t, specs[0], "Arguments") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAChangedExecutableBeginsANewCluster(t *testing.T) {
	specs := specsOf(t, "executable = /bin/true\nqueue 2\narguments = b\nqueue\nexecutable = /bin/sh\nqueue", tree{}.put("/bin/sh"))
	if len(specs) != 2 || specs[0].Len() != 3 || specs[1].Len() != 1 {
		t.Fatalf("%d specs", len(specs))
	}
	if got := attribute(t, specs[0], "Args") + " " + attribute(t, specs[1], "Cmd"); got != "-|-|b /bin/sh" {
		t.Error(got)
	}
	if _, ok := Find(specs[0].Attrs, "Cmd"); !ok || len(specs[0].Sections[0].Attrs) > 2 {
		t.Errorf("what the sections agree on is not taken out: %v", specs[0].Sections[0].Attrs)
	}
}

func TestConditionsAndIncludes(t *testing.T) {
	files := tree{}
	files["/sub/common.sub"] = tfile{text: "arguments = common\nif defined deep\ninclude : more.sub\nendif\n"}
	files["/sub/more.sub"] = tfile{text: "arguments = more"}
	for _, c := range []struct{ text, want string }{
		{"if true\narguments = a\nelse\narguments = b\nendif", "a"},
		{"if 0\narguments = a\nelif yes\narguments = b\nelse\narguments = c\nendif", "b"},
		{"if ! defined x\narguments = a\nendif", "a"},
		{"x = 1\nif defined x\nif defined y\narguments = a\nelse\narguments = b\nendif\nendif", "b"},
		{"x = false\nif $(x)\narguments = a\nelse\narguments = b\nendif", "b"},
		{"if version >= 8.1.2\narguments = new\nendif", "new"},
		{"if version < 9\narguments = old\nelse\narguments = new\nendif", "new"},
		{"if false\nif nonsense here\nqueue 5\nendif\nelse\narguments = a\nendif", "a"},
		{"include : common.sub", "common"},
		{"deep = 1\ninclude : common.sub", "more"},
		{"arguments = a\ninclude ifexist : nosuch.sub", "a"},
	} {
		s := specsOf(t, "executable = /bin/true\n"+c.text+"\nqueue", files)[0]
		if got := attribute(t, s, "Args"); got != c.want {
			t.Errorf("%s\ngives %q, want %q", c.text, got, c.want)
		}
	}
}

func TestMacrosFromOutside(t *testing.T) {
	site := testSite()
	site.Vars = []Var{{Name: "who", Value: "dag"}, {Name: "+Tag", Value: `"$(who)"`}, {Name: "late", Value: "behind", Append: true}}
	specs, diags := Lower("n.sub", []byte("executable = /bin/true\nlate = file\narguments = $(who) $(late)\nqueue"), site, tree{}.put("/bin/true"))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if got := attribute(t, specs[0], "Args") + attribute(t, specs[0], "Tag"); got != "dag behinddag" {
		t.Error(got)
	}
}

func TestCommands(t *testing.T) {
	for _, c := range []struct{ text, attrs string }{
		{"max_retries = 3", `JobMaxRetries=3 JobSuccessExitCode=- OnExitHold=false OnExitRemove=NumJobCompletions > JobMaxRetries || ExitCode =?= 0`},
		{"retry_until = 42", `JobMaxRetries=2 OnExitRemove=NumJobCompletions > JobMaxRetries || ExitCode =?= 0 || ExitCode =?= 42`},
		{"success_exit_code = 7\nmax_retries=1\non_exit_remove = ExitCode == 3", `JobSuccessExitCode=7 OnExitRemove=NumJobCompletions > JobMaxRetries || ExitCode =?= JobSuccessExitCode || ExitCode == 3`},
		{"concurrency_limits = LIC:2, DB", `ConcurrencyLimits="db,lic:2"`},
		{"kill_sig = usr1\nhold_kill_sig = 2", `KillSig="SIGUSR1" HoldKillSig="SIGINT"`},
		{"periodic_hold = true\nperiodic_hold_reason = \"because\"\nperiodic_hold_subcode = 5", `PeriodicHold=true PeriodicHoldReason="because" PeriodicHoldSubCode=5`},
		{"nice_user = yes\nleave_in_queue = JobStatus == 4", `AccountingGroup="nice-user.tester" MaxJobRetirementTime=0 LeaveJobInQueue=JobStatus == 4`},
		{"accounting_group = g", `AcctGroup="g" AcctGroupUser="tester" AccountingGroup="g.tester"`},
		{"job_lease_duration = 0", `JobLeaseDuration=0`},
		{"job_lease_duration = 60", `JobLeaseDuration=60`},
		{"request_foo = 2", `RequestFoo=2`},
		{"RequestCpus = 4\nrequest_GPUs = 1\nrequire_gpus = Capability > 5\ngpus_minimum_memory = 1G", `RequestCpus=4 RequestGPUs=1 RequireGPUs=(Capability > 5) && GlobalMemoryMb >= GPUsMinMemory GPUsMinMemory=1024`},
		{"request_memory = ifthenelse(MemoryUsage =!= undefined, max({2000, MemoryUsage * 3/2}), 2000)", `RequestMemory=ifthenelse(MemoryUsage =!= undefined, max({2000, MemoryUsage * 3/2}), 2000)`},
		{"request_memory = 2 GB\nrequest_disk = 1200 Mb", `RequestMemory=2048 RequestDisk=1228800`},
		{"transfer_output_remaps = \"a=b;c=d\"\ntransfer_output_files = a , c", `TransferOutputRemaps="a=b;c=d" TransferOutput="a,c"`},
		{"transfer_output_files = \"\"", `TransferOutput=""`},
		{"should_transfer_files = NO", `ShouldTransferFiles="NO" WhenToTransferOutput=-`},
		{"when_to_transfer_output = ON_EXIT_OR_EVICT", `ShouldTransferFiles="YES"`},
		{"checkpoint_exit_code = 85\ntransfer_checkpoint_files = a , b/", `SuccessCheckpointExitCode=85 WantFTOnCheckpoint=true TransferCheckpoint="a,b/" ShouldTransferFiles="IF_NEEDED"`},
		{"container_image = img.sif", `WantContainer=true WantSIF=true ContainerImage="img.sif"`},
		{"+Path = \"C:\\dir\"", `Path="C:\\dir"`},
		{"requirements = regexp(\"^a\\.b$\", Machine)", `Requirements=(regexp("^a\\.b$",Machine)) && ` + plain},
		{"notification = complete\nnotify_user = a@b", `JobNotification=2 NotifyUser="a@b"`},
		{"description = a job\nbatch_name = b c", `JobDescription="a job" JobBatchName="b c"`},
		{"environment = A=1;B=two words", `Environment="A=1 B=two' 'words"`},
		{"environment = \"A=1 C='x y' D=\"\"q\"\"\"", `Environment="A=1 C=x' 'y D=\"q\""`},
		{"getenv = *E*, !HOME\nenvironment = USER=me", `Environment="FILES=f1 USER=me"`},
		{"arguments = \"one \"\"two\"\" 'spacey ''quoted'' argument'\"", `Arguments="one \"two\" spacey' '''quoted''' 'argument"`},
		{"arguments = a \\\"b\\\"", `Args="a \"b\""`},
		{"universe = local", `JobUniverse=12 KillSig="SIGTERM" JobLeaseDuration=-`},
	} {
		t.Run(c.text, func(t *testing.T) {
			s := specsOf(t, "executable = /bin/true\n"+c.text+"\nqueue", tree{})[0]
			attrs, err := s.Proc(grid.JobID{Cluster: 1})
			if err != nil {
				t.Fatal(err)
			}
			rest := c.attrs
			for rest != "" {
				name, value, _ := strings.Cut(rest, "=")
				got, ok := Find(attrs, name)
				if !ok {
					got = "-"
				}
				if value != got && !strings.HasPrefix(value, got+" ") {
					t.Fatalf("%s is %s\nwant    %s", name, got, value)
				}
				rest = strings.TrimPrefix(value[len(got):], " ")
			}
		})
	}
}

const deltacloud = `universe = grid
grid_resource = deltacloud http://localhost:3002/api
executable = job_deltacloud_basic
deltacloud_username = admin@internal
deltacloud_password_file = user_pwd
deltacloud_instance_name = kvm_test_image_64
log = job_deltacloud_basic_$(cluster)_$(process).log
notification = NEVER
queue
`

func TestAVirtualMachineIsAJob(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      Machine
	}{
		{"borrowed, as in the old files", deltacloud, Machine{URL: "http://localhost:3002/api", Username: "admin@internal", PasswordFile: "/sub/user_pwd", Borrow: "kvm_test_image_64"}},
		{
			"made from a template",
			"universe = grid\ngrid_resource = ovirt https://e/ovirt-engine/api\novirt_username = u\novirt_password_file = user_pwd\novirt_template = t\novirt_cluster = Default\novirt_memory = 2GiB\novirt_cpus = 2\novirt_user_data_file = ud\nqueue",
			Machine{URL: "https://e/ovirt-engine/api", Username: "u", PasswordFile: "/sub/user_pwd", Template: "t", Cluster: "Default", MemoryMB: 2048, Cpus: 2, UserDataFile: "/sub/ud"},
		},
		{
			"with what belongs to it and what becomes of it", `
universe = grid
grid_resource = ovirt https://e/ovirt-engine/api
ovirt_username = u
ovirt_password_file = user_pwd
ovirt_template = t
ovirt_instance_type = Medium
ovirt_quota = the project's
ovirt_affinity_groups = apart near
ovirt_tags = grid, alice
ovirt_keep_on_failure = 1800
ovirt_reuse = 600
ovirt_snapshot = kept-$(Cluster)
ovirt_machine_log = vm.log
ovirt_user_data = job $(Cluster).$(Process)
queue
`,
			Machine{
				URL: "https://e/ovirt-engine/api", Username: "u", PasswordFile: "/sub/user_pwd", Template: "t", InstanceType: "Medium", Quota: "the project's",
				Affinity: []string{"apart", "near"}, Tags: []string{"grid", "alice"}, Keep: 30 * time.Minute, Reuse: 10 * time.Minute,
				Snapshot: "kept-3", Log: "/sub/vm.log", UserData: "job 3.0",
			},
		},
		{
			"an image of the old files",
			"universe = grid\ngrid_resource = deltacloud http://e/api\ndeltacloud_username = u\ndeltacloud_password_file = user_pwd\ndeltacloud_image_id = i\ndeltacloud_hardware_profile_memory = 512\ndeltacloud_hardware_profile_cpu = 2\nqueue",
			Machine{URL: "http://e/api", Username: "u", PasswordFile: "/sub/user_pwd", Template: "i", MemoryMB: 512, Cpus: 2},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := specsOf(t, c.src, tree{}.put("!user_pwd", "ud"))[0]
			attrs, err := s.Proc(grid.JobID{Cluster: 3})
			if err != nil {
				t.Fatal(err)
			}
			got, err := MachineOf(adOf(t, attrs))
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
			if r, _ := Find(attrs, "Requirements"); r != "true" {
				t.Errorf("Requirements = %s", r)
			}
		})
	}
	for _, wrong := range []string{"ovirt_reuse = soon", "ovirt_keep_on_failure = -1"} {
		s := specsOf(t, "universe = grid\ngrid_resource = ovirt https://e/api\novirt_username = u\novirt_password_file = user_pwd\novirt_template = t\n"+wrong+"\nqueue", tree{}.put("!user_pwd"))[0]
		attrs, err := s.Proc(grid.JobID{Cluster: 3})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := MachineOf(adOf(t, attrs)); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, err := MachineOf(&ad.Ad{}); grid.CodeOf(err) != grid.Invalid {
		t.Error(err)
	}
}

func TestAMillionJobsAreOneSpec(t *testing.T) {
	s := specsOf(t, "executable = /bin/true\noutput = $(Process).$INT(Step,%07d)\nqueue 1000000", tree{})[0]
	if n := len(fmt.Sprint(s)); n > 4000 {
		t.Errorf("the spec prints to %d characters", n)
	}
	attrs, err := s.Proc(grid.JobID{Cluster: 1, Proc: 999_999})
	if out, _ := Find(attrs, "Out"); err != nil || out != `"999999.0999999"` {
		t.Error(out, err)
	}
	if _, err := s.Proc(grid.JobID{Cluster: 1, Proc: 1_000_000}); grid.CodeOf(err) != grid.NotFound {
		t.Error(err)
	}
}
