package route

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
)

// noon is when these jobs are looked at.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func table(t *testing.T, config string) *Table {
	t.Helper()
	table, diags := Read("condor_config", []byte(config), nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return table
}

// job is an idle job's ad with attributes of its own.
func job(t *testing.T, attrs string) *ad.Ad {
	t.Helper()
	a, err := ad.ParseLong("ClusterId = 7\nProcId = 1\nOwner = \"ada\"\nJobStatus = 1\nJobUniverse = 5\nIwd = \"/home/ada\"\nUserLog = \"job.log\"\nPeriodicRemove = false\n" + attrs)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// said is the verdict of each route in words.
func said(c Choice) string {
	if c.Bar.Answer != "" {
		return c.Bar.String()
	}
	var lines []string
	for _, v := range c.Verdicts {
		lines = append(lines, v.Route+" "+v.String())
	}
	return strings.Join(lines, "\n")
}

const threeRoutes = `
JOB_ROUTER_ROUTE_NAMES = big small rest
JOB_ROUTER_ROUTE_big @=end
  REQUIREMENTS RequestMemory >= 4096 && WantBig
  GridResource = batch slurm
  MaxJobs = 10
  MaxIdleJobs = 4
@end
JOB_ROUTER_ROUTE_small @=end
  REQUIREMENTS RequestMemory < 4096
  UNIVERSE vanilla
@end
JOB_ROUTER_ROUTE_rest @=end
  REQUIREMENTS true
  GridResource = condor there pool
@end
`

func TestEveryRouteSaysWhyInPlainWords(t *testing.T) {
	table := table(t, threeRoutes)
	closed := Throttle{Since: noon.Add(-4 * time.Minute), Allowed: 2, Routed: 2}
	for _, c := range []struct {
		name, attrs string
		load        Load
		want        string
	}{
		{
			"the first that matches takes it", "RequestMemory = 100",
			Load{},
			"big does not want it: RequestMemory >= 4096 is false (RequestMemory is 100)\nsmall takes it\nrest would take it, but route small comes first",
		},
		{
			"an attribute that is missing is named", "RequestMemory = 5000",
			Load{},
			"big does not want it: WantBig is undefined: an attribute that it names is not there (WantBig is not there)\n" +
				"small does not want it: RequestMemory < 4096 is false (RequestMemory is 5000)\nrest takes it",
		},
		{
			"a full route is passed over", "RequestMemory = 100",
			Load{Routes: map[string]Use{"small": {Jobs: 100}}},
			"big does not want it: RequestMemory >= 4096 is false (RequestMemory is 100)\nsmall is full: 100 jobs are on it, and at most 100 may be\nrest takes it",
		},
		{
			"so is one where enough wait", "RequestMemory = 5000\nWantBig = true",
			Load{Routes: map[string]Use{"big": {Jobs: 5, Idle: 4}}},
			"big has enough that wait: 4 jobs are there not started yet, and at most 4 may be\nsmall does not want it: RequestMemory < 4096 is false (RequestMemory is 5000)\nrest takes it",
		},
		{
			"or one that is throttled", "RequestMemory = 100",
			Load{Routes: map[string]Use{"small": {Throttle: closed}}},
			"big does not want it: RequestMemory >= 4096 is false (RequestMemory is 100)\n" +
				"small is throttled until about 12:06 UTC, for too many jobs failed there: 2 of 2 jobs in ten minutes\nrest takes it",
		},
		{
			"or paused, or down", "RequestMemory = 100",
			Load{Routes: map[string]Use{"small": {Paused: true, Why: "new disks"}, "rest": {Down: "sbatch does not answer"}}},
			"big does not want it: RequestMemory >= 4096 is false (RequestMemory is 100)\nsmall is paused: new disks\nrest takes nothing now: sbatch does not answer",
		},
		{
			"a job that came through a route does not come again", "RequestMemory = 100\nRoutePath = \"jobrouter/small, there/x\"",
			Load{},
			"big does not want it: RequestMemory >= 4096 is false (RequestMemory is 100)\n" +
				"small does not take it again: it came through here already (it came by jobrouter/small, then there/x)\nrest takes it",
		},
		{
			"nor by a Gridburst that it came by", "RequestMemory = 100\nGridburstPath = \"aa bb\"",
			Load{Routes: map[string]Use{"small": {Gridburst: true, Deployment: "bb"}, "rest": {Gridburst: true, Deployment: "cc"}}},
			"big does not want it: RequestMemory >= 4096 is false (RequestMemory is 100)\n" +
				"small does not take it again: it came by the Gridburst there already (aa, then bb)\nrest takes it",
		},
		{
			"nor by one that it may have come by", "RequestMemory = 100\nGridburstPath = \"aa\"",
			Load{Routes: map[string]Use{"small": {Gridburst: true}}},
			"big does not want it: RequestMemory >= 4096 is false (RequestMemory is 100)\n" +
				"small takes nothing now: the Gridburst there has not said yet which it is, and the job may have been there\nrest takes it",
		},
		{
			"a job that came by none goes to any Gridburst", "RequestMemory = 100",
			Load{Routes: map[string]Use{"small": {Gridburst: true}}},
			"big does not want it: RequestMemory >= 4096 is false (RequestMemory is 100)\nsmall takes it\nrest would take it, but route small comes first",
		},
		{
			"a copy is not routed again by its router", "RoutedBy = \"jobrouter\"\nRouteName = \"big\"\nRoutedFromJobId = \"6.0\"",
			Load{},
			"it is itself a routed job: route big made it of job 6.0",
		},
		{"nor a job that runs", "JobStatus = 2", Load{}, "only jobs that wait are routed, and this one is running"},
		{"nor one that another manager has", "Managed = \"External\"\nManagedManager = \"x\"", Load{}, "x has it in hand already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := said(table.Choose(job(t, c.attrs), c.load, noon)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestTheCopyKeepsItsLogAndItsPolicies(t *testing.T) {
	table := table(t, threeRoutes)
	source := job(t, "RequestMemory = 5000\nGlobalJobId = \"x#7.1\"\nQDate = 5\nOnExitHold = ExitCode != 0\nRemoteUserCpu = 3.5\nOut = \"_out\"\nTransferOutputRemaps = \"_out=/home/ada/out\"")
	c := table.Choose(source, Load{}, noon)
	if c.Route == nil || c.Route.Name != "rest" {
		t.Fatal(said(c))
	}
	got := map[string]string{}
	for _, n := range c.Ad.Names() {
		got[n], _ = c.Ad.Source(n)
	}
	for name, want := range map[string]string{
		"UserLog": `"job.log"`, "PeriodicRemove": "false", "OnExitHold": "ExitCode != 0", "GridResource": `"condor there pool"`, "JobUniverse": "9", "Remote_JobUniverse": "5",
		"RoutedFromJobId": `"7.1"`, "RoutedBy": `"jobrouter"`, "RouteName": `"rest"`, "RoutePath": `"jobrouter/rest"`, "RemoteUserCpu": "0.0",
		"Out": `"/home/ada/out"`, "TransferOutputRemaps": "", "GlobalJobId": "", "QDate": "", "ClusterId": "", "ProcId": "",
	} {
		if got[name] != want {
			t.Errorf("%s = %s, want %s", name, got[name], want)
		}
	}
	if source.Int("ClusterId", 0) != 7 || source.Has("RoutedBy") {
		t.Error("the job's own ad was changed")
	}
	if len(c.Steps) < 10 {
		t.Errorf("%d steps", len(c.Steps))
	}
}

func TestRoutesTakeTurns(t *testing.T) {
	table := table(t, "JOB_ROUTER_ROUND_ROBIN_SELECTION = true\n"+threeRoutes)
	var got []string
	for turn := range 4 {
		got = append(got, table.Choose(job(t, "RequestMemory = 100"), Load{Turn: turn}, noon).Route.Name)
	}
	if fmt.Sprint(got) != "[small rest small rest]" {
		t.Error(got)
	}
}

func BenchmarkChoose(b *testing.B) {
	table, diags := Read("x", []byte(threeRoutes), nil)
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	text := "ClusterId = 7\nProcId = 1\nOwner = \"ada\"\nJobStatus = 1\nJobUniverse = 5\nRequestMemory = 5000\n"
	for i := range 80 {
		text += fmt.Sprintf("Attr%d = Foo + %d\n", i, i)
	}
	a, err := ad.ParseLong(text)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if table.Choose(a, Load{}, noon).Route == nil {
			b.Fatal("it has no route")
		}
	}
}
