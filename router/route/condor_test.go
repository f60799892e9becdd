package route

import (
	"cmp"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// What HTCondor's own tools make of the routes, transforms and jobs in testdata was
// written down by .ci/routes: condor_job_router_info and condor_transform_ads 23.9.6.

// ROUTES_CASES=DIR has another directory of that form judged, written by .ci/routes too.
var cases = cmp.Or(os.Getenv("ROUTES_CASES"), "testdata")

// differ are the places where we mean something else than HTCondor, and why.
var differ = map[string]string{
	"transforms/my/0 C":                 "a macro in a job's own text is text, or every job could read what macros know",
	"transforms/bad_expression refused": "HTCondor leaves the one line out and goes on with the rest",
	"transforms/bad_name refused":       "likewise",
	"transforms/bad_regex refused":      "likewise",
	"transforms/late_expression broken": "likewise, and the job would go with half of its edits",
	"transforms/late_name broken":       "likewise",
	"routes/bad_name refused":           "HTCondor passes over a route that is not there without a word",
	"routes/bad_resource refused":       "HTCondor takes a route that leads nowhere, and its jobs are held",
	"routes/everything refused":         "HTCondor leaves the route out",
	"routes/bad_requirements refused":   "likewise",
	"routes/bad_command refused":        "likewise",
	"routes/order 9.12":                 "Requirements that make no sense for a job hide it from all of HTCondor's routes",
	"routes/old 9.12":                   "likewise",
}

// kept are the attributes that a copy keeps here and loses there, and what is ours.
var kept = []string{"UserLog", "UserLogUseXML", RoutePath}

// theirs are attributes of a claimed job that stand in HTCondor's copies.
var theirs = []string{"Managed", "ManagedManager"}

// differs reports whether a difference is meant, and checks that it is one.
func differs(t *testing.T, where string, same bool) bool {
	t.Helper()
	why, known := differ[where]
	if known && same {
		t.Errorf("%s: it is said to differ (%s), and is the same", where, why)
	}
	return known
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(cases, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(src), "\n")
}

// adsOf are the ads in the long form among lines, blank lines between them. Lines that
// are none end one.
func adsOf(t *testing.T, lines []string) []*ad.Ad {
	t.Helper()
	var out []*ad.Ad
	var text []string
	flush := func() {
		if len(text) == 0 {
			return
		}
		a, err := ad.ParseLong(strings.Join(text, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		out, text = append(out, a), nil
	}
	for _, l := range lines {
		if name, _, ok := strings.Cut(l, " = "); ok && ad.ValidName(name) {
			text = append(text, l)
		} else {
			flush()
		}
	}
	flush()
	return out
}

// compared tells each attribute in which two ads differ.
func compared(t *testing.T, where string, ours, condors *ad.Ad) {
	t.Helper()
	names := map[string]bool{}
	for _, n := range slices.Concat(ours.Names(), condors.Names()) {
		names[strings.ToLower(n)] = true
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		a, aok := ours.Source(n)
		b, bok := condors.Source(n)
		if !differs(t, where+" "+strings.ToUpper(n), a == b && aok == bok) && (a != b || aok != bok) {
			t.Errorf("%s: %s is %q here and %q in HTCondor", where, n, a, b)
		}
	}
}

// A38: each command of the transform language, with its forms.
func TestTransformsAreHTCondors(t *testing.T) {
	jobs := adsOf(t, lines(t, "transforms/jobs.ad"))
	files, err := filepath.Glob(cases + "/transforms/*.xform")
	if err != nil || cases == "testdata" && len(files) < 25 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := "transforms/" + strings.TrimSuffix(filepath.Base(file), ".xform")
		t.Run(name, func(t *testing.T) {
			condor := lines(t, name+".condor")
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var diags grid.Diagnostics
			tr := ParseTransform("x", grid.Pos{File: file}, linesOf(file, string(src)), &diags)
			want := adsOf(t, condor)
			if refused := len(want) == 0; diags.HasErrors() {
				if !differs(t, name+" refused", refused) && !refused {
					t.Errorf("refused here:\n%s", diags)
				}
				for _, d := range diags {
					if !d.Warning && (d.Line == 0 || d.Source == "") {
						t.Errorf("it does not say where: %s", d)
					}
				}
				return
			}
			if len(want) != len(jobs) {
				t.Fatalf("%d ads in HTCondor's, %d jobs", len(want), len(jobs))
			}
			for i, job := range jobs {
				e := &editing{table: &Table{}, ad: job.Flat(), now: ad.At(noon)}
				e.vars = map[string]macro.Meaning{}
				if err := e.apply("transform x", tr, true); err != nil {
					if !differs(t, name+" broken", false) {
						t.Error(err)
					}
					continue
				}
				compared(t, name+"/"+strconv.Itoa(i), e.ad, want[i])
			}
		})
	}
}

// condorRoutes is what condor_job_router_info printed.
type condorRoutes struct {
	routes []map[string]string
	chosen map[string]string // by the job's id; "": no route
	order  []string          // of the jobs as they were looked at
	ads    map[string]*ad.Ad // by the job's id
}

func readCondor(t *testing.T, lines []string) condorRoutes {
	t.Helper()
	c := condorRoutes{chosen: map[string]string{}, ads: map[string]*ad.Ad{}}
	for _, l := range lines {
		switch key, value, _ := strings.Cut(l, ":"); {
		case strings.HasPrefix(l, "Route ") && isNumber(strings.TrimPrefix(l, "Route ")):
			c.routes = append(c.routes, map[string]string{})
		case strings.HasPrefix(l, "Found candidate job src="):
			id, route, _ := strings.Cut(strings.TrimPrefix(l, "Found candidate job src="), ",route=")
			c.chosen[id] = route
			c.order = append(c.order, id)
		case strings.HasPrefix(l, "no route found for src="):
			c.chosen[strings.TrimPrefix(l, "no route found for src=")] = ""
		case len(c.routes) > 0 && len(key) < 14 && strings.TrimSpace(key) != "" && key[0] != '\t':
			value = strings.TrimSpace(value)
			if strings.TrimSpace(key) == "Name" {
				value = strings.Trim(value, `"`)
			}
			c.routes[len(c.routes)-1][strings.TrimSpace(key)] = value
		}
	}
	from := slices.Index(lines, "Matching jobs against routes to find candidate jobs.")
	for _, a := range adsOf(t, lines[from:]) {
		if id := a.Text(RoutedFrom); id != "" {
			c.ads[id] = a
		}
	}
	return c
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// A37: the same four routes, and more, choose for the same jobs, and make the same copies.
func TestRoutesAreHTCondors(t *testing.T) {
	files, err := filepath.Glob(cases + "/routes/*.config")
	if err != nil || cases == "testdata" && len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := "routes/" + strings.TrimSuffix(filepath.Base(file), ".config")
		t.Run(name, func(t *testing.T) {
			condor := readCondor(t, lines(t, name+".condor"))
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			table, diags := Read(file, src, nil)
			if diags.HasErrors() {
				if !differs(t, name+" refused", false) {
					t.Error(diags)
				}
				return
			}
			sameRoutes(t, table, condor.routes)
			jobs := lines(t, "routes/jobs.ad")
			if _, err := os.Stat(filepath.Join(cases, name+".jobs")); err == nil {
				jobs = lines(t, name+".jobs")
			}
			load := Load{Routes: map[string]Use{}}
			routed := 0
			for _, job := range adsOf(t, jobs) {
				id := grid.JobID{Cluster: int32(job.Int("ClusterId", 0)), Proc: int32(job.Int("ProcId", 0))}.String()
				c := table.Choose(job, load, noon)
				ours := ""
				if c.Route != nil {
					ours = c.Route.Name
				}
				want := condor.chosen[id]
				if !differs(t, name+" "+id, ours == want) && ours != want {
					t.Errorf("job %s goes to %q here and to %q in HTCondor:\n%s", id, ours, want, said(c))
				}
				if ours != want || c.Route == nil {
					continue
				}
				routed++
				u := load.Routes[ours]
				load.Routes[ours] = Use{Jobs: u.Jobs + 1, Idle: u.Idle + 1}
				load.Jobs++
				load.Turn++
				if c.InPlace {
					continue
				}
				theirAd := condor.ads[id].Flat()
				for _, n := range kept {
					if !c.Ad.Has(n) && n != "UserLogUseXML" {
						t.Errorf("the copy of %s has lost its %s", id, n)
					}
					c.Ad.Delete(n)
				}
				for _, n := range theirs {
					theirAd.Delete(n)
				}
				compared(t, name+" "+id, c.Ad, theirAd)
			}
			if routed == 0 && cases == "testdata" {
				t.Error("no job was routed")
			}
		})
	}
}

func sameRoutes(t *testing.T, table *Table, condor []map[string]string) {
	t.Helper()
	if len(table.Routes) != len(condor) {
		t.Fatalf("%d routes here, %d in HTCondor", len(table.Routes), len(condor))
	}
	for i, r := range table.Routes {
		ours := map[string]string{
			"Name": r.Name, "Universe": strconv.Itoa(r.Universe), "MaxJobs": strconv.Itoa(r.MaxJobs), "MaxIdleJobs": strconv.Itoa(r.MaxIdleJobs), "GridResource": r.GridResource,
		}
		for key, v := range ours {
			if v != condor[i][key] {
				t.Errorf("route %s: %s is %q here and %q in HTCondor", r.Name, key, v, condor[i][key])
			}
		}
		// HTCondor works constants of old routes out as it reads them.
		if old := strings.HasPrefix(condor[i]["Source"], "entries"); !old && r.Requirements != nil {
			if x, err := parse(condor[i]["Requirements"]); err != nil || x.String() != r.Requirements.String() {
				t.Errorf("route %s: Requirements are %s here and %s in HTCondor", r.Name, r.Requirements, condor[i]["Requirements"])
			}
		}
	}
}

// TestCondorStillSaysSo asks the tools again, where they can be had.
func TestCondorStillSaysSo(t *testing.T) {
	run := os.Getenv("GRIDBURST_CONDOR")
	if run == "" {
		t.Skip("GRIDBURST_CONDOR is not set: .ci/condor makes what it names")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "../../.ci/routes", run, "testdata", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	recorded, err := filepath.Glob("testdata/*/*.condor")
	if err != nil || len(recorded) < 40 {
		t.Fatal(recorded, err)
	}
	for _, file := range recorded {
		name := strings.TrimPrefix(file, "testdata/")
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != string(want) {
			t.Errorf("%s: HTCondor says something else now", name)
		}
	}
}
