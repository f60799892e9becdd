package schedd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/router/route"
	"gridburst/schedd/api"
	"gridburst/schedd/target"
	"gridburst/schedd/target/fake"
)

// deployment is a target that is another Gridburst.
type deployment struct{ *fake.Target }

func (deployment) Deployment(context.Context) (string, error) { return "bb", nil }

// away is a place whose daemon has a target, batch slurm, and routes.
func away(t *testing.T, f *fake.Target, routes string) *place {
	t.Helper()
	t.Cleanup(f.Close)
	return newPlace(t, func(c *Config) {
		c.Target = func(resource string, _ target.Commands) (target.Target, error) {
			switch resource {
			case "batch slurm":
				return f, nil
			case "gridburst there":
				return deployment{f}, nil
			}
			return nil, grid.Errorf(grid.Invalid, "there is no target %s", resource)
		}
		if routes != "" {
			table, diags := route.Read("routes", []byte(routes), nil)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			c.Routes = table
		}
	})
}

const toSlurm = `
JOB_ROUTER_ROUTE_NAMES = Slurm
JOB_ROUTER_ROUTE_Slurm @=rt
  REQUIREMENTS true
  GridResource = batch slurm
  MaxJobs = 1000
  MaxIdleJobs = 500
@rt
`

// sh is a submit file of one job that is a script, in the place's directory.
func (p *place) sh(script string, more ...string) string {
	p.t.Helper()
	file := filepath.Join(p.dir, "job.sh")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	return "executable = job.sh\nlog = log\noutput = out\nerror = err\n" + strings.Join(more, "\n") + "\nqueue\n"
}

// nothingLeft waits until the ledger has no routing and no directory of one is left.
func (p *place) nothingLeft() {
	p.t.Helper()
	p.eventually("no routing to be left", func() bool {
		for range p.live.d.ledger.View().Routings() {
			return false
		}
		return true
	})
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		left, _ := filepath.Glob(filepath.Join(p.dir, ".g*"))
		if len(left) == 0 {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			p.t.Fatalf("there is left: %v", left)
		}
	}
}

// eventually waits for something: it looks when the ledger changes, and now and then.
func (p *place) eventually(what string, yes func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		index := p.live.d.ledger.View().Index
		if yes() {
			return
		}
		select {
		case <-p.live.d.ledger.Changed(index):
		case <-time.After(50 * time.Millisecond): // not all that is waited for is in the ledger
		case <-ctx.Done():
			p.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestAGridJobRunsAtItsTargetAndComesBack(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 2}
	p := away(t, f, "")
	p.submit(p.sh(`echo "$1"; echo err >&2; exit 7`, "universe = grid", "grid_resource = batch Slurm", `arguments = "'hello there'"`))
	p.until("1.0", "job_completed")
	p.logged("log", "000 027 001 005")
	for name, want := range map[string]string{"out": "hello there\n", "err": "err\n"} {
		if got, err := os.ReadFile(filepath.Join(p.dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if a := p.job("1.0"); a.Int("ExitCode", -1) != 7 || a.Text("RemoteHost") == "" && a.Text("LastRemoteHost") == "" || !strings.HasPrefix(a.Text("GridJobId"), "batch slurm gb-") {
		t.Errorf("its ad is %v", sourceOf(a))
	}
	p.nothingLeft()
}

func TestAJobOverflowsByARoute(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 2}
	p := away(t, f, toSlurm)
	p.submit(p.sh("echo ran"))
	p.until("1.0", "job_completed")
	p.logged("log", "000 001 005")
	if a := p.job("1.0"); a.Text("RouteName") != "Slurm" || a.Int("JobUniverse", 0) != int64(grid.Vanilla) {
		t.Errorf("its ad is %v", sourceOf(a))
	}
	p.nothingLeft()
}

// No job goes on a route that is paused, also after a restart, nor one more than its cap.
func TestARouteIsSteered(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 0} // nothing starts there
	p := away(t, f, toSlurm)
	steer := func(verb string, s api.Steer) {
		t.Helper()
		if err := p.SteerRoute(t.Context(), "Slurm", verb, s); err != nil {
			t.Fatal(err)
		}
	}
	waits := func(id, why string) {
		t.Helper()
		p.eventually("job "+id+" waits, for the route is "+why, func() bool {
			got, err := p.Why(t.Context(), id)
			return err == nil && got.Reason == "route_"+why
		})
	}
	steer("pause", api.Steer{Reason: "a new cluster"})
	p.submit(p.sh("true"))
	waits("1.0", "paused")
	p.restart()
	waits("1.0", "paused")
	one := 1
	steer("cap", api.Steer{Cap: &one})
	steer("resume", api.Steer{})
	p.until("1.0", "grid_accepted")
	p.submit(p.sh("true"))
	waits("2.0", "full")
	if now, err := p.Routes(t.Context()); err != nil || len(now.Routes) != 1 || now.Routes[0].Jobs != 1 || now.Routes[0].Cap == nil || *now.Routes[0].Cap != 1 || now.Routes[0].Mode != "running" || now.Routes[0].By == "" {
		t.Errorf("the routes are %+v, %v", now, err)
	}
	steer("cap", api.Steer{})
	p.until("2.0", "grid_accepted")

	if err := p.SteerRoute(t.Context(), "Slrum", "pause", api.Steer{}); grid.CodeOf(err) != grid.NotFound || !strings.Contains(err.Error(), "there is Slurm") {
		t.Errorf("a route that is not there: %v", err)
	}
	if err := p.SteerRoute(t.Context(), "Slurm", "drain", api.Steer{}); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("draining a route: %v", err)
	}
}

// A37 (the life): four routes in their order, by the number of the job; half of 16 jobs are
// routed, half never. What goes to the target is by exactly one route, and the jobs
// themselves end with its results.
func TestA37RoutedJobsRunByOneRouteEach(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("JOB_ROUTER_ROUTE_NAMES = Zero Two Four Six\nJOB_ROUTER_PRE_ROUTE_TRANSFORM_NAMES = Base\nJOB_ROUTER_TRANSFORM_Base @=end\n DELETE WantRoute\n@end\n")
	for i, name := range []string{"Zero", "Two", "Four", "Six"} {
		fmt.Fprintf(&b, "JOB_ROUTER_ROUTE_%s @=end\n REQUIREMENTS WantRoute && ProcId %% 8 == %d\n GridResource = batch slurm\n SET BatchQueue \"%s\"\n@end\n", name, 2*i, name)
	}
	f := &fake.Target{Slots: 2}
	p := away(t, f, b.String())
	p.submit(strings.NewReplacer("output = out\nerror = err", "output = out.$(Process)", "queue", "queue 16").Replace(p.sh("echo ran $1; exit 4", "arguments = $(Process)", "+WantRoute = true")))
	for i := 0; i < 16; i += 2 {
		p.until(fmt.Sprint("1.", i), "job_completed")
	}
	queues := map[string]int{}
	for _, j := range f.Taken() {
		if strings.Contains(j.Name, "-1.") {
			queues[j.Queue]++
		}
	}
	if len(queues) != 4 || queues["Zero"] != 2 || queues["Two"] != 2 || queues["Four"] != 2 || queues["Six"] != 2 {
		t.Errorf("by queues there went %v", queues)
	}
	for i := range 16 {
		id := fmt.Sprint("1.", i)
		a := p.job(id)
		out, _ := os.ReadFile(filepath.Join(p.dir, fmt.Sprint("out.", i)))
		route := []string{"Zero", "", "Two", "", "Four", "", "Six", ""}[i%8]
		if a.Text("RouteName") != route || a.Has("BatchQueue") {
			t.Errorf("job %s went by %q: %v", id, a.Text("RouteName"), sourceOf(a))
		}
		if routed := route != ""; routed != (string(out) == fmt.Sprintf("ran %d\n", i)) || routed != (a.Int("ExitCode", 0) == 4) || routed != (a.Int("JobStatus", 0) == int64(grid.Completed)) {
			t.Errorf("job %s is %d, exited with %d and wrote %q", id, a.Int("JobStatus", 0), a.Int("ExitCode", 0), out)
		}
	}
	p.act("remove", "1")
	p.nothingLeft()
}

// A job carries the deployments that have had it, and goes back to none of them.
func TestAJobDoesNotGoBackToAGridburstThatItCameBy(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := away(t, f, strings.ReplaceAll(toSlurm, "batch slurm", "gridburst there"))
	p.submit(strings.Replace(p.sh("true", `+GridburstPath = "aa bb"`), "log = log", "log = log1", 1))
	p.submit(strings.Replace(p.sh("true", `+GridburstPath = "aa"`), "log = log", "log = log2", 1))
	p.submit(p.sh("true"))
	p.until("2.0", "job_completed")
	p.until("3.0", "job_completed")
	w, err := p.Why(t.Context(), "1.0")
	if err != nil || !strings.Contains(w.Text, "Route Slurm does not take it again: it came by the Gridburst there already (aa, then bb)") {
		t.Errorf("of the one that was there it is said: %s %v", w.Text, err)
	}
	here := p.live.d.ledger.View().Deployment
	ways := map[string]string{}
	for _, j := range f.Taken() {
		_, id, _ := strings.Cut(strings.TrimPrefix(j.Name, "gb-"), "-")
		ways[id] = strings.Join(j.Path, " ")
	}
	if len(ways) != 2 || ways["2.0-1"] != "aa "+here || ways["3.0-1"] != here {
		t.Errorf("there came %v; this is %s", ways, here)
	}
	if j := p.job("1.0"); j.Int("JobStatus", 0) != int64(grid.Idle) {
		t.Errorf("the one that was there has status %d", j.Int("JobStatus", 0))
	}
	p.nothingLeft()
	specs := p.specs(p.sh("true", `+GridburstPath = "aa `+here+`"`))
	if _, err := p.Submit(t.Context(), api.Submission{Specs: specs}); grid.CodeOf(err) != grid.Refused || !strings.Contains(err.Error(), "it came by aa, then "+here) {
		t.Errorf("handed in where it was already: %v", err)
	}
}
