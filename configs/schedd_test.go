package configs

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridburst/schedd/submit"
)

// whole is a configuration with every key that there is.
const whole = `
schedd {
  dir = "/d"
  socket = "/s"
  name = "n"
  host = "h"
  domain = "dom"
  listen = "[::1]:9618"
  names = ["a", "b"]
  metrics = ":9619"
  worker_lease = "3s"
  lease_margin = "2s"
  log_wait = "1s"
  keep_keys = "1h"
  keep_history = "5h"
  verify_every = "6h"
  max_running = 7
  max_running_per_owner = 8
  max_dag_jobs = 21
  max_dag_idle = 22
  max_dag_pre = 23
  max_dag_post = 24
  max_dag_hold = 25
  policy_interval = "9s"
  max_releases = 10
  time_zone = "Europe/Paris"
  reserve = "1KiB"
  sweep = "7s"
  local_worker = ["w", "--x"]
  log_format = ["UTC"]
  event_log {
    path = "/log"
    max_size = "5KiB"
    max_rotations = 3
    format = ["JSON"]
  }
  sendmail = ["m", "-i"]
}
budget {
  per_day = "50 EUR"
}
concurrency_limit "Small.*" {
  max = 4
}
limits {
  max_procs = 5
  max_per_owner = 6
  max_submission = "8KiB"
  max_attributes = 9
  submits_per_minute = 10
  submit_burst = 11
}
resource "ovirt" "main" {
  url = "https://e/api"
  username = "u@internal"
  password_file = "/pwd"
  ca_file = "/ca"
  gahp = ["g"]
  price_per_hour = "0.5 EUR"
  billing_period = "1h"
  min_bill = "2h"
  budget {
    per_hour = "1 EUR"
    per_day = "2 EUR"
    per_owner = "3 EUR"
    per_burst = "4.5 EUR"
  }
  max_vms = 3
  max_vms_per_user = 2
  max_vms_per_hour = 20
  max_vm_time = "2h"
  borrow = ["kvm_*"]
  create = true
  burst {
    template = "t"
    cluster = "c"
    memory = "2GiB"
    cores = 2
    disk = "3MiB"
    attributes = ["A = 1"]
    schedd = "https://h:1"
    max_vms = 2
    min_vms = 1
    idle_time = "1s"
    join_timeout = "2s"
    boot_time = "9s"
    wait = "3s"
    user_data = "x: 1"
    keep_failed = "30m"
    instance_type = "Medium"
    quota = "q"
    affinity_groups = ["apart"]
    tags = ["grid", "x"]
  }
}
target "batch slurm" {
  bin = "/opt/slurm/bin"
  environment = ["SLURM_CONF=/etc/slurm.conf"]
}
target "condor sched@far cm.far" {
  files = "spool"
}
target "gridburst far" {
  schedd = "/srv/far"
}
policy "hold" "big" {
  when = "Size > 3"
  reason = "strcat(Name, Name)"
  subcode = "1 + Size"
}
submit_requirement "r" {
  when = "Size > 3"
  reason = "strcat(Name, Name)"
  warning = true
}
submit_command "LongJob" {
  type = "bool"
}
job_router {
  condor_config = "/etc/condor/router.config"
  name = "mine"
  constraint = "WantRoute =?= true"
  max_jobs = 500
  max_jobs_per_route = 50
  max_idle_jobs_per_route = 20
  round_robin = true
  release_on_hold = false
}
transform "base" {
  stage = "after"
  requirements = "Owner != \"root\""
  delete = ["WantRoute"]
}
route "slurm" {
  requirements = "RequestMemory < 4096"
  universe = "grid"
  grid_resource = "batch slurm"
  max_jobs = 10
  max_idle_jobs = 5
  failure_rate_threshold = 0.1
  job_failure_test = "ExitCode =!= 0"
  job_should_be_sandboxed = true
  edit_job_in_place = false
  macros = { site = "here" }
  copy = { Owner = "OldOwner" }
  rename = { Foo = "Bar" }
  delete = ["/^Want/"]
  default = { BatchQueue = "\"short\"" }
  set = { Requirements = true }
  eval_set = { Twice = "RequestCpus * 2" }
  steps = <<-END
    SET Site "$(site)"
  END
}
cron "nightly" {
  schedule = ["* * * * *", "@daily"]
  time_zone = "UTC"
  owner = "me"
  dag = "/x.dag"
  missed = "once"
  missed_limit = 9
  overlap = "allow"
  after_previous = "done"
  start_deadline = "5m"
  jitter = "3s"
  dst {
    gap = "skip"
    overlap = "both"
  }
  except = ["2026-12-24"]
  begin = "2026-01-01T00:00:00Z"
  end = "2027-01-01T00:00:00Z"
}
burst "night" {
  schedule = ["0 2 * * *", "0 3 * * sun"]
  time_zone = "Europe/Paris"
  resource = "main"
  count = 4
  lead = "5m"
  hold = "2h"
  drain = "20m"
  budget = "40h"
  dst {
    gap = "skip"
    overlap = "last"
  }
  except = ["2026-12-24"]
  begin = "2026-01-01T00:00:00Z"
  end = "2027-01-01T00:00:00Z"
}
burst "paid" {
  schedule = ["0 2 * * *"]
  resource = "main"
  count = 4
  lead = "learned"
  hold = "2h"
  budget = "5 EUR"
}
`

func read(t *testing.T, src string) Schedd {
	t.Helper()
	c, diags := ReadSchedd("schedd.hcl", []byte(src))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return c
}

func TestEveryKeyOfAConfigurationHasItsPlace(t *testing.T) {
	got := read(t, whole)
	if text := fmt.Sprint(got.Policies, got.Requirements); text != "[{hold big Size > 3 strcat(Name,Name) 1 + Size}] [{r Size > 3 strcat(Name,Name) true}]" {
		t.Errorf("policies and requirements are %s", text)
	}
	got.Policies, got.Requirements, got.Router = nil, nil, nil // which TestRouteBlocksAreHTCondorsRoutes looks at
	want := Schedd{
		Commands: []submit.OwnCommand{{Name: "LongJob", Type: "bool"}},
		Dir:      "/d", Socket: "/s", Name: "n", Host: "h", Domain: "dom", Listen: "[::1]:9618", Names: []string{"a", "b"}, Metrics: ":9619",
		WorkerLease: 3 * time.Second, LeaseMargin: 2 * time.Second, LogWait: time.Second, KeepKeys: time.Hour, KeepHistory: 5 * time.Hour, VerifyEvery: 6 * time.Hour,
		MaxRunning: 7, MaxRunningPerOwner: 8, DagJobs: 21, DagIdle: 22, DagPre: 23, DagPost: 24, DagHold: 25, PolicyInterval: 9 * time.Second, MaxReleases: 10, TimeZone: "Europe/Paris",
		Reserve: 1024, Sweep: 7 * time.Second, LocalWorker: []string{"w", "--x"},
		LogFormat: []string{"UTC"}, EventLog: EventLog{Path: "/log", MaxSize: 5120, MaxRotations: 3, Format: []string{"JSON"}},
		Limits: Limits{MaxProcs: 5, MaxPerOwner: 6, MaxSubmission: 8 << 10, MaxAttributes: 9, SubmitsPerMinute: 10, SubmitBurst: 11}, Sendmail: []string{"m", "-i"},
		Budget: []Allowance{{"day", 50, "EUR"}}, Concurrency: []ConcurrencyLimit{{"small.*", 4}},
		Resources: []Resource{{
			Kind: "ovirt", Name: "main", URL: "https://e/api", Username: "u@internal", PasswordFile: "/pwd", CAFile: "/ca", GAHP: []string{"g"}, Price: 0.5, Currency: "EUR",
			Period: time.Hour, MinBill: 2 * time.Hour, Budget: []Allowance{{"hour", 1, "EUR"}, {"day", 2, "EUR"}, {"owner", 3, "EUR"}, {"burst", 4.5, "EUR"}},
			MaxVMs: 3, MaxPerUser: 2, MaxPerHour: 20, MaxVMTime: 2 * time.Hour, Borrow: []string{"kvm_*"}, Create: true,
			Burst: &Burst{
				Template: "t", Cluster: "c", MemoryMB: 2048, Cores: 2, DiskKB: 3072, Attributes: []string{"A = 1"}, Schedd: "https://h:1", MaxVMs: 2, MinVMs: 1,
				IdleTime: time.Second, JoinTimeout: 2 * time.Second, BootTime: 9 * time.Second, Wait: 3 * time.Second, UserData: "x: 1",
				KeepFailed: 30 * time.Minute, InstanceType: "Medium", Quota: "q", AffinityGroups: []string{"apart"}, Tags: []string{"grid", "x"},
			},
		}},
		Targets: []Target{{Resource: "batch slurm", Bin: "/opt/slurm/bin", Env: []string{"SLURM_CONF=/etc/slurm.conf"}}, {Resource: "condor sched@far cm.far", Spool: true}, {Resource: "gridburst far", Schedd: "/srv/far"}},
		Crons: []Cron{{
			Name: "nightly", Schedule: "* * * * *", TimeZone: "UTC", Owner: "me", Dag: "/x.dag", Missed: "once", Overlap: "allow", AfterPrevious: "done", StartDeadline: 5 * time.Minute,
			MissedLimit: 9, Jitter: 3 * time.Second,
			Clock: Clock{Also: []string{"@daily"}, Gap: "skip", Repeat: "both", Except: []string{"2026-12-24"}, Begin: "2026-01-01T00:00:00Z", End: "2027-01-01T00:00:00Z"},
		}},
		Windows: []Window{{
			Name: "night", Schedule: "0 2 * * *", TimeZone: "Europe/Paris", Resource: "main", Count: 4, Lead: 5 * time.Minute, Hold: 2 * time.Hour, Drain: 20 * time.Minute, Budget: 40 * time.Hour,
			Clock: Clock{Also: []string{"0 3 * * sun"}, Gap: "skip", Repeat: "last", Except: []string{"2026-12-24"}, Begin: "2026-01-01T00:00:00Z", End: "2027-01-01T00:00:00Z"},
		}, {Name: "paid", Schedule: "0 2 * * *", Resource: "main", Count: 4, Hold: 2 * time.Hour, Drain: 10 * time.Minute, Price: 5, Currency: "EUR"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDefaultsOfAConfiguration(t *testing.T) {
	got := read(t, `
resource "ovirt" "e" {
  url = "u"
  username = "n"
  password_file = "p"
  max_vms = 4
  burst {
    template = "t"
    memory = "1GiB"
    cores = 1
  }
}
cron "c" {
  schedule = "s"
  owner = "o"
  dag = "d"
}`)
	want := Schedd{
		Resources: []Resource{{
			Kind: "ovirt", Name: "e", URL: "u", Username: "n", PasswordFile: "p", MaxVMs: 4, MaxVMTime: 168 * time.Hour,
			Burst: &Burst{Template: "t", MemoryMB: 1024, Cores: 1, DiskKB: 10 << 20, MaxVMs: 4, JoinTimeout: 10 * time.Minute, BootTime: time.Minute},
		}},
		Crons: []Cron{{Name: "c", Schedule: "s", Owner: "o", Dag: "d", Missed: "none", Overlap: "forbid"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestTheShippedConfigurationNamesEveryKey holds schedd.hcl to the tables: it is read,
// with its comments and without, and no key is missing from it.
func TestTheShippedConfigurationNamesEveryKey(t *testing.T) {
	src, err := os.ReadFile("schedd.hcl")
	if err != nil {
		t.Fatal(err)
	}
	read(t, string(src))
	// A comment whose text is a setting, a block or its end.
	code := regexp.MustCompile(`(?m)^( *)# ( *(?:\w+ += .*|\w+ (?:"[\w .@]+" )*\{.*|\}))$`).ReplaceAllString(string(src), "$1$2")
	all := read(t, code)
	if len(all.Resources) != 1 || all.Resources[0].Burst == nil || len(all.Crons) != 1 {
		t.Fatalf("without its comments it has %d resources and %d crons", len(all.Resources), len(all.Crons))
	}
	for _, line := range strings.Split(whole, "\n") {
		name, _, ok := strings.Cut(strings.TrimSpace(line), " =")
		if ok && !regexp.MustCompile(`(?m)^[ #]*`+name+` +=`).Match(src) {
			t.Errorf("%s is not in schedd.hcl", name)
		}
	}
	// whole itself misses none: no field of the decoded structs is zero.
	var zero func(path string, v reflect.Value)
	zero = func(path string, v reflect.Value) {
		switch {
		case v.IsZero():
			t.Errorf("%s is in no example", path)
		case path == "Schedd.Router":
		case v.Kind() == reflect.Pointer:
			zero(path, v.Elem())
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			for i := range v.Type().Elem().NumField() { // any of them may show a field
				shows := 0
				for k := range v.Len() {
					if !v.Index(k).Field(i).IsZero() {
						shows = k
					}
				}
				zero(path+"."+v.Type().Elem().Field(i).Name, v.Index(shows).Field(i))
			}
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				zero(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
	zero("Schedd", reflect.ValueOf(read(t, whole)))
}

// badConfigs are configurations with something wrong; what is said of each is in
// testdata/schedd.golden.
var badConfigs = []struct{ name, src string }{
	{"an expression that is none", "policy \"hold\" \"p\" {\n  when = \"1 +\"\n}\npolicy \"keep\" \"q\" {\n  when = \"nosuch(1)\"\n}"},
	{"a typing error in a key", "schedd {\n  worker_leese = \"20m\"\n}"},
	{"a typing error in a block", "scheduler {\n}"},
	{"a duration without a unit", "schedd {\n  log_wait = 5\n}"},
	{"a duration that is none", "schedd {\n  log_wait = \"soon\"\n}"},
	{"a negative duration", "schedd {\n  log_wait = \"-1s\"\n}"},
	{"a size without a unit", "schedd {\n  reserve = \"64\"\n}"},
	{"a number that is none", "limits {\n  max_procs = \"many\"\n}"},
	{"half a job", "limits {\n  max_procs = 1.5\n}"},
	{"a text for a list", "schedd {\n  names = \"a\"\n}"},
	{"a number in a list", "schedd {\n  names = [\"a\", 1]\n}"},
	{"an address without a port", "schedd {\n  listen = \"localhost\"\n}"},
	{"a text without quotes", "schedd {\n  name = grid\n}"},
	{"a function", "schedd {\n  name = upper(\"grid\")\n}"},
	{"a key outside", "dir = \"/x\""},
	{"two schedd blocks", "schedd {\n}\nschedd {\n}"},
	{"a name that schedd blocks do not have", "schedd \"x\" {\n}"},
	{"a resource without a name", "resource \"ovirt\" {\n}"},
	{"an unknown kind of resource", "resource \"ovrit\" \"x\" {\n  url = \"u\"\n  username = \"u\"\n  password_file = \"p\"\n}"},
	{"a resource that lacks everything", "resource \"ovirt\" \"x\" {\n}"},
	{"two resources of one name", "resource \"ovirt\" \"x\" {\n  url = \"u\"\n  username = \"u\"\n  password_file = \"p\"\n}\nresource \"ovirt\" \"x\" {\n}"},
	{"burst as a key", "resource \"ovirt\" \"x\" {\n  url = \"u\"\n  username = \"u\"\n  password_file = \"p\"\n  burst = true\n}"},
	{"a key as a block", "resource \"ovirt\" \"x\" {\n  url = \"u\"\n  username = \"u\"\n  password_file = \"p\"\n  borrow {\n  }\n}"},
	{"more at least than at most", "resource \"ovirt\" \"x\" {\n  url = \"u\"\n  username = \"u\"\n  password_file = \"p\"\n  burst {\n    template = \"t\"\n    max_vms = 1\n    min_vms = 2\n  }\n}"},
	{"a budget in another currency", "resource \"ovirt\" \"x\" {\n  url = \"u\"\n  username = \"u\"\n  password_file = \"p\"\n  price_per_hour = \"1 EUR\"\n  budget {\n    per_day = \"5 USD\"\n    per_week = \"9 EUR\"\n    per_hour = \"much\"\n  }\n}\nbudget {\n  per_day = \"9 CHF\"\n  per_burst = \"1 EUR\"\n}"},
	{"a budget without a price", "resource \"ovirt\" \"x\" {\n  url = \"u\"\n  username = \"u\"\n  password_file = \"p\"\n  budget {\n    per_day = \"5 USD\"\n  }\n}"},
	{"a concurrency limit without a number", "concurrency_limit \"db\" {\n}\nconcurrency_limit \"DB\" {\n  max = 1\n}"},
	{"a word that is none", "cron \"c\" {\n  schedule = \"s\"\n  owner = \"o\"\n  dag = \"d\"\n  missed = \"onec\"\n}"},
	{"a burst by the clock that lacks everything", "burst \"b\" {\n  dst {\n    gap = \"jump\"\n  }\n}"},
	{"a budget that is none", "burst \"b\" {\n  schedule = []\n  resource = \"r\"\n  count = 1\n  hold = \"1h\"\n  budget = \"five EUR\"\n  lead = \"early\"\n}"},
	{"syntax", "schedd {\n  name = \n}"},
	{"a route that leads nowhere", "route \"a\" {\n  requirements = true\n}"},
	{"a route for everything", "route \"a\" {\n  grid_resource = \"batch slurm\"\n}"},
	{"a route with wrong edits", "route \"a\" {\n  grid_resource = \"batch slurm\"\n  requirements = \"Foo >\"\n  set = { A = \"1 +\", \"b-c\" = 1 }\n  steps = <<-END\n    SETT X 1\n    DELETE /a(/\n  END\n}"},
	{"targets that are none", "target \"batch pbs\" {\n}\ntarget \"condor\" {\n}\ntarget \"condr a\" {\n}\ntarget \"gridburst a b\" {\n}\ntarget \"batch slurm\" {\n  schedd = \"x\"\n  files = \"spool\"\n}\ntarget \"condor a\" {\n  files = \"spol\"\n}"},
	{"a name without my", "route \"a\" {\n  universe = \"local\"\n  requirements = RequestMemory > 5\n}"},
	{"a transform at a wrong stage", "transform \"a\" {\n  stage = \"befor\"\n}"},
	{"two routes of one name", "route \"a\" {\n  universe = \"local\"\n  requirements = true\n}\nroute \"a\" {\n}"},
	{"several at once", "schedd {\n  nmae = \"x\"\n  reserve = \"big\"\n}\ncron \"c\" {\n  schedule = 5\n}"},
}

func TestWhatIsSaidOfBadConfigurations(t *testing.T) {
	var b strings.Builder
	for _, c := range badConfigs {
		_, diags := ReadSchedd("schedd.hcl", []byte(c.src))
		if !diags.HasErrors() {
			t.Errorf("%s: nothing is said", c.name)
		}
		b.WriteString("=== " + c.name + "\n\n" + diags.String() + "\n")
	}
	golden(t, "testdata/schedd.golden", b.String())
}
