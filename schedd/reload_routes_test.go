package schedd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/router/route"
	"gridburst/schedd/api"
	"gridburst/schedd/target"
	"gridburst/schedd/target/fake"
)

// placeBy lets a place have a configuration file, in which each word is something that is said
// of targets and routes: NAME>TARGET is a route, where slurm stands for batch slurm, and
// otherwise for itself; the targets are those that are named by @NAME, each reached as the
// map says by what stands behind a slash in its name.
func placeBy(t *testing.T, all map[string]target.Target, text string) *place {
	t.Helper()
	return newPlace(t, func(c *Config) {
		plain := *c
		resource := func(name string) string {
			if name == "slurm" {
				return "batch slurm"
			}
			return "condor " + name
		}
		parse := func(text string) (Config, error) {
			fresh := plain
			reach := map[string]target.Target{}
			var s route.Source
			for word := range strings.FieldsSeq(text) {
				if name, ok := strings.CutPrefix(word, "@"); ok {
					name, way, _ := strings.Cut(name, "/")
					leads, means, _ := strings.Cut(way, "/")
					reach[resource(name)] = all[strings.TrimSuffix(name+"/"+way, "/")]
					fresh.Targets = append(fresh.Targets, TargetWay{Resource: resource(name), Leads: leads, Means: means})
					continue
				}
				name, to, ok := strings.Cut(word, ">")
				if !ok {
					continue // it says nothing
				}
				s.Routes = append(s.Routes, route.Text{Name: name, Lines: []route.Line{{Text: "REQUIREMENTS WantRoute =!= false"}, {Text: "GridResource = " + resource(to)}}})
			}
			var diags grid.Diagnostics
			if len(s.Routes) > 0 {
				fresh.Routes = route.Build(s, &diags)
			}
			fresh.Target = func(resource string, _ target.Commands) (target.Target, error) {
				if f := reach[resource]; f != nil {
					return f, nil
				}
				return nil, grid.Errorf(grid.Invalid, "there is no target %s", resource)
			}
			return fresh, diags.Err()
		}
		path := filepath.Join(filepath.Dir(c.Dir), "schedd.conf")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		fresh, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		*c = fresh
		c.File, c.Text, c.Parse = path, text, parse
		for _, f := range all {
			if f, ok := f.(*fake.Target); ok {
				t.Cleanup(f.Close)
			}
		}
	})
}

// configure puts another configuration in force, and gives what is said of it.
func (p *place) configure(text string) string {
	p.t.Helper()
	out, err := p.Configure(p.t.Context(), api.Configure{Text: text})
	if err != nil {
		p.t.Fatalf("%q is refused: %v", text, err)
	}
	return strings.Join(out.Notes, "\n")
}

// refused tries a configuration that is refused for a reason, and changes nothing.
func (p *place) refused(text, says string) {
	p.t.Helper()
	was := p.inForce()
	if _, err := p.Configure(p.t.Context(), api.Configure{Text: text}); err == nil || !strings.Contains(err.Error(), says) {
		p.t.Errorf("%q: %v", text, err)
	}
	if c := p.inForce(); c.Text != was.Text || c.Version != was.Version {
		p.t.Errorf("after %q it is %q", text, c.Text)
	}
}

// shown is what is shown of a route; ok: it is shown.
func (p *place) shown(name string) (r api.Route, ok bool) {
	p.t.Helper()
	now, err := p.Routes(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	i := slices.IndexFunc(now.Routes, func(r api.Route) bool { return r.Name == name })
	if i < 0 {
		return r, false
	}
	return now.Routes[i], true
}

// Jobs that a route has sent to their target go on there when the route is gone, over a restart
// too; those that come afterwards have the routes that are there by then.
func TestJobsGoOnWhoseRouteIsGone(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := placeBy(t, map[string]target.Target{"slurm": f}, "@slurm A>slurm")
	job := p.sh("until [ -e " + filepath.Join(p.dir, "go") + " ]; do sleep 0.02; done; echo ran >>" + filepath.Join(p.dir, "ran"))
	p.submit(job)
	p.submit(job)
	p.routing("1.0", grid.RouteRunning)
	p.routing("2.0", grid.RouteWaiting)
	if notes := p.configure("@slurm"); notes != "Route A is gone: 2 jobs that it has sent to batch slurm go on there." {
		t.Errorf("of that it is said: %s", notes)
	}
	if a, ok := p.shown("A"); !ok || !a.Gone || a.Jobs != 2 || a.Target != "batch slurm" {
		t.Errorf("of the route there is shown %+v", a)
	}
	p.submit(job)
	p.becomes("job 3.0 waits for nobody", func() bool {
		w, err := p.Why(t.Context(), "3.0")
		return err == nil && !strings.Contains(w.Text, "Route")
	})
	p.begunAnew()
	if err := os.WriteFile(filepath.Join(p.dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p.until("1.0", "job_completed")
	p.until("2.0", "job_completed")
	p.nothingLeft()
	p.ran(2)
	if _, ok := p.shown("A"); ok {
		t.Error("a route of which nothing is left is shown")
	}
	p.configure("@slurm B>slurm")
	p.until("3.0", "job_completed")
	p.ran(3)
	if a := p.job("3.0"); a.Text("RouteName") != "B" {
		t.Errorf("the third went by %s", a.Text("RouteName"))
	}
	p.nothingLeft()
}

// A job that its route has taken, and of which the target has not heard, goes another way when
// the route goes, or leads elsewhere: that is no failure of the job, nor of the route.
func TestAJobOnItsWayFollowsItsRoute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, by string }{
		{"the route is gone", "@slurm @other B>other", "B"},
		{"it leads elsewhere", "@slurm @other A>other", "A"},
		{"its target is gone too", "@other B>other", "B"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			f, other := &fake.Target{Slots: 1}, &fake.Target{Slots: 1}
			down := make([]fake.Fault, 1000)
			for i := range down {
				down[i] = fake.Down
			}
			f.Inject(fake.Submit, down...)
			p := placeBy(t, map[string]target.Target{"slurm": f, "other": other}, "@slurm @other A>slurm")
			p.submit(p.sh("echo ran >>" + filepath.Join(p.dir, "ran")))
			p.routing("1.0", grid.RouteSubmitting)
			if c.name == "its target is gone too" {
				// While the job is on its way there the target stays.
				p.refused(c.text, "target batch slurm cannot be taken away, for it has 1 job of ours")
				p.configure("@slurm @other B>other")
			} else {
				p.configure(c.text)
			}
			p.until("1.0", "job_completed")
			p.nothingLeft()
			p.ran(1)
			if a := p.job("1.0"); a.Text("RouteName") != c.by || a.Int("NumHolds", 0) != 0 {
				t.Errorf("it went by %q: %v", a.Text("RouteName"), sourceOf(a))
			}
			if n := len(f.Jobs()); n > 0 {
				t.Errorf("the first target has taken %d jobs", n)
			}
			if a, _ := p.shown("A"); a.Throttle != "" && a.Throttle != "none" {
				t.Errorf("route A is throttled: %s", a.Throttle)
			}
			p.configure("@other " + c.by + ">other") // nothing is there any more
		})
	}
}

// A target comes while the schedd runs, and goes when it has no job of ours. While it has, it
// stays the same system, whose commands may lie elsewhere.
func TestATargetStaysWhileItHasJobs(t *testing.T) {
	t.Parallel()
	f, elsewhere := &fake.Target{}, &fake.Target{Slots: 1}
	p := placeBy(t, map[string]target.Target{"slurm/one": f, "slurm/one/newer": f, "slurm/two": elsewhere}, "nothing")
	p.submit(p.sh("echo ran >>"+filepath.Join(p.dir, "ran"), "universe = grid", "grid_resource = batch slurm"))
	p.until("1.0", "job_held")
	p.configure("@slurm/one")
	p.act("release", "1.0")
	p.routing("1.0", grid.RouteWaiting)
	p.refused("nothing", "target batch slurm cannot be taken away, for it has 1 job of ours")
	p.refused("@slurm/two", "target batch slurm has 1 job of ours, and would be another system, or reached with other files")
	p.configure("@slurm/one/newer")
	f.Start(f.Jobs()[0].ID)
	p.until("1.0", "job_completed")
	p.nothingLeft()
	p.configure("@slurm/two")
	p.submit(p.counting())
	p.until("2.0", "job_completed")
	p.nothingLeft()
	p.ran(2)
	if a, b := len(f.Jobs()), len(elsewhere.Jobs()); a != 1 || b != 1 {
		t.Errorf("the first system has had %d jobs, the second %d", a, b)
	}
	p.configure("nothing")
	p.submit(p.counting())
	p.until("3.0", "job_held")
}

// How a route is steered is kept when the route goes, and holds for one of that name that comes.
func TestAPauseOutlivesItsRoute(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := placeBy(t, map[string]target.Target{"slurm": f}, "@slurm A>slurm")
	if err := p.SteerRoute(t.Context(), "A", "pause", api.Steer{Reason: "a new cluster"}); err != nil {
		t.Fatal(err)
	}
	if notes := p.configure("@slurm"); notes != "Route A is gone; that it is paused is kept for a route of that name." {
		t.Errorf("of that it is said: %s", notes)
	}
	p.begunAnew()
	if a, ok := p.shown("A"); !ok || !a.Gone || a.Mode != "paused" || a.Why != "a new cluster" {
		t.Errorf("of the route there is shown %+v", a)
	}
	if notes := p.configure("@slurm A>slurm"); notes != "Route A is new, and one of that name is paused: that holds for it (groute list)." {
		t.Errorf("of that it is said: %s", notes)
	}
	p.submit(p.sh("true"))
	p.becomes("the job waits for the route", func() bool {
		w, err := p.Why(t.Context(), "1.0")
		return err == nil && w.Reason == "route_paused"
	})
	p.configure("@slurm")
	if err := p.SteerRoute(t.Context(), "A", "resume", api.Steer{}); err != nil {
		t.Error(err)
	}
	if err := p.SteerRoute(t.Context(), "A", "pause", api.Steer{}); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("a route that is gone is paused: %v", err)
	}
	p.configure("@slurm A>slurm")
	p.until("1.0", "job_completed")
	p.nothingLeft()
}

// becomes waits for what is seen from outside.
func (p *place) becomes(what string, is func() bool) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !is(); {
		select {
		case <-tick.C:
		case <-late:
			p.t.Fatalf("it does not come to be that %s", what)
		}
	}
}
