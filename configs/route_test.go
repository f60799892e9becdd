package configs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
	"gridburst/router/route"
)

// condorFile is HTCondor's configuration as a file of tests.
type condorFile string

func (f condorFile) ReadFile(string) ([]byte, error) { return []byte(f), nil }

func TestRouteBlocksAreHTCondorsRoutes(t *testing.T) {
	const inHCL = `
transform "base" {
  delete = ["WantRoute"]
}
route "big" {
  requirements           = my.RequestMemory > 1000
  grid_resource          = "batch slurm"
  max_jobs               = 7
  max_idle_jobs          = 3
  failure_rate_threshold = 0.5
  job_failure_test       = "ExitCode =!= 0"
  macros                 = { site = "here" }
  copy                   = { Owner = "OldOwner" }
  delete                 = ["/^Periodic/"]
  default                = { Queue = "\"long\"" }
  set                    = { Cpus = 2, Text = "\"at $(site)\"" }
  eval_set               = { Twice = my.RequestMemory * 2, Slash = strcat("a\\b", my.Owner) }
  steps = <<-END
    if defined MY.Foo
      SET HasFoo true
    endif
  END
}
route "rest" {
  requirements = true
  universe     = "vanilla"
}
`
	const inHTCondors = `
JOB_ROUTER_PRE_ROUTE_TRANSFORM_NAMES = base
JOB_ROUTER_TRANSFORM_base @=end
  DELETE WantRoute
@end
JOB_ROUTER_ROUTE_NAMES = big rest
JOB_ROUTER_ROUTE_big @=end
  REQUIREMENTS MY.RequestMemory > 1000
  GridResource = batch slurm
  MaxJobs = 7
  MaxIdleJobs = 3
  FailureRateThreshold = 0.5
  JobFailureTest = ExitCode =!= 0
  site = here
  COPY Owner OldOwner
  DELETE /^Periodic/
  DEFAULT Queue "long"
  SET Cpus 2
  SET Text "at $(site)"
  EVALSET Twice MY.RequestMemory * 2
  EVALSET Slash strcat("a\\b",MY.Owner)
  if defined MY.Foo
    SET HasFoo true
  endif
@end
JOB_ROUTER_ROUTE_rest @=end
  REQUIREMENTS true
  UNIVERSE vanilla
@end
`
	c := read(t, inHCL)
	ours, diags := c.Router.Table(nil)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	by := read(t, "job_router {\n  condor_config = \"x\"\n}\n")
	theirs, diags := by.Router.Table(condorFile(inHTCondors))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	now := time.Unix(1_700_000_000, 0)
	for _, attrs := range []string{"RequestMemory = 2000\nFoo = 1", "RequestMemory = 2000\nPeriodicHold = false", "RequestMemory = 10"} {
		job, err := ad.ParseLong("ClusterId = 1\nProcId = 0\nOwner = \"a\"\nJobStatus = 1\nJobUniverse = 5\nWantRoute = true\n" + attrs)
		if err != nil {
			t.Fatal(err)
		}
		told := func(table *route.Table) string {
			c := table.Choose(job, route.Load{}, now)
			return fmt.Sprint(c.Verdicts, c.Route.Name, c.Route.MaxJobs, c.Route.MaxIdleJobs, c.Route.FailureRate, c.Route.FailureTest, c.Steps, string(c.Ad.AppendLong(nil)))
		}
		if a, b := told(ours), told(theirs); a != b {
			t.Errorf("in HCL\n%s\nin HTCondor's configuration\n%s", a, b)
		}
	}
}

func TestRoutesOfBothConfigurationsAreInOneTable(t *testing.T) {
	c := read(t, "job_router {\n  condor_config = \"c\"\n  name = \"mine\"\n}\nroute \"b\" {\n  requirements = true\n  universe = \"local\"\n}")
	table, diags := c.Router.Table(condorFile("JOB_ROUTER_NAME = theirs\nJOB_ROUTER_ROUTE_NAMES = a\nJOB_ROUTER_ROUTE_a @=e\n REQUIREMENTS Foo\n GridResource = batch slurm\n@e\n"))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if table.Name != "mine" || len(table.Routes) != 2 || table.Routes[0].Name != "a" || table.Routes[1].Name != "b" {
		t.Errorf("%+v", table)
	}
	if _, diags = c.Router.Table(condorFile("JOB_ROUTER_ROUTE_NAMES = b\nJOB_ROUTER_ROUTE_b @=e\n UNIVERSE local\n REQUIREMENTS Foo\n@e\n")); !strings.Contains(diags.String(), `two routes "b"`) {
		t.Error(diags)
	}
	missing := read(t, "job_router {\n  condor_config = \"/nosuch\"\n}")
	if _, diags = missing.Router.Table(noFiles{}); !strings.Contains(diags.String(), "condor_config = \"/nosuch\"") {
		t.Error(diags)
	}
	empty := read(t, "schedd {\n}")
	if table, diags := empty.Router.Table(nil); table != nil || diags != nil {
		t.Error(table, diags)
	}
}

type noFiles struct{}

func (noFiles) ReadFile(string) ([]byte, error) { return nil, os.ErrNotExist }
