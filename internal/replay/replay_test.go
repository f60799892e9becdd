package replay

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/replay/trace"
)

func results(t *testing.T, set *Setup, tr *trace.Trace, name string) []*Result {
	t.Helper()
	names, err := Expand(name)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Compare(t.Context(), *set, tr, names, 1)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// against is the default policy beside the frontier.
func against(t *testing.T, set *Setup, tr *trace.Trace) (r, cheapest *Result) {
	t.Helper()
	all := append(results(t, set, tr, Default), results(t, set, tr, "reactive")...)
	compare(all)
	for _, o := range all {
		if o.Failed != "" || o.Jobs != tr.Events()/2 || o.Over > 0 || o.Peak > set.Shapes[0].Max {
			t.Errorf("%s, %s: %+v", tr.Name, o.Policy, o)
		}
	}
	return all[0], all[1]
}

// The long form is make replay.
func TestTheDefaultPolicyIsInsideTheFrontierOfFixedHolds(t *testing.T) {
	tr := read(t, "swf/NASA-iPSC-1993-3.1-cln.swf.gz")
	tr.Jobs = tr.Jobs[:2000]
	r, _ := against(t, machines(16, 32), tr)
	t.Logf("%.1f hours, wait %.1f s, of the frontier %.3f", r.Hours, r.Mean, r.Ratio)
	if r.Ratio > 0.97 {
		t.Errorf("at equal cost jobs wait %.3f times as long as with the best fixed hold", r.Ratio)
	}
}

// What a workflow and a timetable tell is used.
func TestWorkflowsAndTimetablesAreForeseen(t *testing.T) {
	var ours, theirs float64
	for _, name := range []string{"blast-chameleon-large-001", "soykb-chameleon-20fastq-10ch-001", "helloworld-forkjoin-10-chameleon", "methylseq-dirt02-001"} {
		r, _ := against(t, machines(16, 32), read(t, "workflows/"+name+".json"))
		t.Logf("%s: wait %.1f s, of the frontier %.3f", name, r.Mean, r.Ratio)
		if r.Ratio > 1.01 {
			t.Errorf("%s: %.3f of the frontier", name, r.Ratio)
		}
		ours, theirs = ours+r.Mean, theirs+r.Frontier
	}
	if ours > 0.7*theirs {
		t.Errorf("jobs of workflows wait %.1f s, and by the frontier %.1f", ours, theirs)
	}
	nightly := read(t, "workflows/cycles-chameleon-2l-1c-9p-001.json").Repeat(2, 24*time.Hour)
	r, reactive := against(t, machines(16, 32), nightly)
	if r.Ratio > 0.1 {
		t.Errorf("with a timetable the wait is %.3f of the frontier's", r.Ratio)
	}
	if r.Hours > 3*reactive.Hours {
		t.Errorf("%.1f hours are billed, and with a hold of nought %.1f", r.Hours, reactive.Hours)
	}
}

// The long form is make replay: no workflow takes longer for what is foreseen, and machines go
// with the tails of graphs.
func TestForesightCostsNoTimeAndLessMachines(t *testing.T) {
	names, err := filepath.Glob("testdata/workflows/*.json")
	if err != nil || len(names) != 11 {
		t.Fatalf("%v %v", names, err)
	}
	var all []*Foresight
	for _, name := range names {
		f, err := Foresee(t.Context(), *machines(16, 32), read(t, filepath.Join("workflows", filepath.Base(name))), 1)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
		if f.Makespan() > 1 {
			t.Errorf("%s takes %.1f s, and without foresight %.1f", f.Trace, f.With.Makespan, f.Without.Makespan)
		}
	}
	if _, hours := Worst(all); hours > 0.9 {
		t.Errorf("machine time is %.3f in the median", hours)
	}
	var out strings.Builder
	if err := ForesightTable(&out, all); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
}

// Of nineteen machines for 300 nodes of less than a second those that are on their way are not
// given up while some of the nodes wait: with these boots the others are there within seconds.
func TestNoMachineIsGivenUpThatIsNearlyThere(t *testing.T) {
	set := machines(16, 32)
	set.Seed = 10
	f, err := Foresee(t.Context(), *set, read(t, "workflows/seismology-chameleon-300p-001.json"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if f.Makespan() > 1 || f.Hours() > 0.5 {
		t.Errorf("it takes %.1f s and %.2f hours, and without foresight %.1f s and %.2f hours", f.With.Makespan, f.With.Hours, f.Without.Makespan, f.Without.Hours)
	}
}

func TestTheSameSeedGivesTheSame(t *testing.T) {
	tr := read(t, "workflows/epigenomics-chameleon-hep-4seq-100k-001.json").Repeat(2, time.Hour)
	set := machines(16, 8)
	set.Faults = true
	for _, name := range []string{Default, "glidein", "tardis"} {
		a, err := Run(set, tr, name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Run(set, tr, name)
		if err != nil {
			t.Fatal(err)
		}
		if a.Hours != b.Hours || a.Mean != b.Mean || a.Starts != b.Starts {
			t.Errorf("%s: %+v and %+v", name, a, b)
		}
		other := *set
		other.Seed++
		if c, err := Run(&other, tr, name); err != nil || c.Mean == a.Mean {
			t.Errorf("%s: another seed gives the same wait, %v (%v)", name, c.Mean, err)
		}
	}
}

// Each policy ends, serves all, and keeps to the cap, also when machines and answers fail.
func TestEveryPolicyServesAll(t *testing.T) {
	tr := read(t, "swf/HPC2N-2002-first3194lines.swf.gz")
	tr.Jobs = tr.Jobs[:100]
	set := machines(16, 16)
	for _, faults := range []bool{false, true} {
		set.Faults = faults
		for _, r := range results(t, set, tr, "all") {
			if r.Failed != "" || r.Jobs != 100 || r.Over > 0 {
				t.Errorf("%s: %+v", r.Policy, r)
			}
			if r.Policy != "static" && r.Hours < r.Bounds.Area {
				t.Errorf("%s: %.1f hours for %.1f of work", r.Policy, r.Hours, r.Bounds.Area)
			}
		}
	}
}

// one is a trace of jobs at seconds, for seconds, on cpus.
func one(jobs ...[3]int) *trace.Trace {
	t := &trace.Trace{Name: "t"}
	for _, j := range jobs {
		t.Jobs = append(t.Jobs, trace.Job{
			Submit: time.Duration(j[0]) * time.Second, Run: time.Duration(j[1]) * time.Second, Cpus: int64(j[2]), Count: 1, Owner: 1, Class: "c",
		})
	}
	return t
}

func TestBoundsAreThoseOfWhoKnowsAll(t *testing.T) {
	for _, c := range []struct {
		name          string
		t             *trace.Trace
		area, layered float64 // machine-seconds
	}{
		{"one job", one([3]int{0, 100, 16}), 100, 220},
		{"a quarter of a machine", one([3]int{0, 100, 4}), 25, 220},
		{"a short gap is idled through", one([3]int{0, 100, 16}, [3]int{130, 100, 16}), 200, 350},
		{"a long one is booted anew", one([3]int{0, 100, 16}, [3]int{1000, 100, 16}), 200, 440},
		{"two at once are two levels", one([3]int{0, 100, 16}, [3]int{50, 100, 16}), 200, 440},
		{"one that is wider than a machine takes whole ones", one([3]int{0, 100, 33}), 300, 660},
	} {
		b := BoundsOf(machines(16, 8), c.t)
		if math.Abs(b.Area*3600-c.area) > 1e-6 || math.Abs(b.Layered*3600-c.layered) > 1e-6 {
			t.Errorf("%s: area %.1f, layered %.1f s, want %.1f and %.1f", c.name, b.Area*3600, b.Layered*3600, c.area, c.layered)
		}
	}
}

// A world that can be worked out by hand: the first machine takes its boot, and jobs that
// come while it is idle wait for nothing.
func TestASmallWorldIsAsByHand(t *testing.T) {
	tr := one([3]int{0, 100, 16}, [3]int{1000, 100, 16})
	near, err := Run(machines(16, 4), tr, "reactive=3600")
	if err != nil {
		t.Fatal(err)
	}
	if near.Starts != 1 || near.P50 != near.P50 || near.P95 >= near.P99+1 || near.P50 != 0 {
		t.Errorf("the second job finds the machine: %+v", near)
	}
	// Billed: from the call until the last job has ended, an hour, and the way out.
	wait := near.Mean * 2
	if want := (1000 + 100 + 3600 + lookTakes.Seconds() + stopTakes.Seconds()) / 3600; math.Abs(near.Hours-want) > 1e-9 {
		t.Errorf("%.4f hours, not %.4f (the first waited %.1f s)", near.Hours, want, wait)
	}
	far, err := Run(machines(16, 4), tr, "reactive=0")
	if err != nil {
		t.Fatal(err)
	}
	if far.Starts != 2 || far.P50 == 0 {
		t.Errorf("each job has its machine: %+v", far)
	}
	if far.Utilisation < 0.3 || far.Utilisation > 0.7 {
		t.Errorf("utilisation is %v", far.Utilisation)
	}
}

func TestElasticityIsMeasuredAgainstTheCap(t *testing.T) {
	var e elastic
	e.pass(0, 10*time.Minute, 4, 0)              // four too few
	e.pass(10*time.Minute, 20*time.Minute, 4, 4) // right
	e.pass(20*time.Minute, 40*time.Minute, 0, 2) // two too many
	got := e.result(8)
	want := Elastic{Under: 100.0 * 4 * 10 / (40 * 8), Over: 100.0 * 2 * 20 / (40 * 8), UnderTime: 25, OverTime: 50, Instability: 5, Jitter: 0}
	if math.Abs(got.Under-want.Under) > 1e-9 || math.Abs(got.Over-want.Over) > 1e-9 || got.UnderTime != want.UnderTime || got.OverTime != want.OverTime || got.Instability != want.Instability || got.Jitter != want.Jitter {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestTheFrontierIsTheBestOfFixedHoldsAtACost(t *testing.T) {
	front := []*Result{{Hours: 10, Mean: 100}, {Hours: 20, Mean: 80}, {Hours: 30, Mean: 20}, {Hours: 40, Mean: 30}}
	for hours, want := range map[float64]float64{5: 100, 10: 100, 20: 60, 25: 40, 30: 20, 50: 20} {
		if got := frontierAt(front, hours); math.Abs(got-want) > 1e-9 {
			t.Errorf("at %v: %v, want %v", hours, got, want)
		}
	}
}

func TestPicturesAreWhole(t *testing.T) {
	tr := read(t, "workflows/blast-chameleon-large-001.json")
	tr.Name = `a "name" <of> & others`
	all := results(t, machines(16, 8), tr, Default)
	var svg, page bytes.Buffer
	if err := SVG(&svg, tr.Name, all); err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(&svg)
	for {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("it is no XML: %v", err)
		}
	}
	if err := HTML(&page, tr.Name, "EUR", all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "default", "EUR", "&lt;of&gt;", "</html>"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, not := range []string{"<of>", "http://", "https://", "<script"} {
		if strings.Contains(strings.ReplaceAll(page.String(), "http://www.w3.org/2000/svg", ""), not) {
			t.Errorf("the page has %q", not)
		}
	}
}

func TestNamesOfPoliciesAreLookedAt(t *testing.T) {
	for _, bad := range []string{"", "nothing", "reactive=", "reactive=-1", "reactive=x", "slurm=1"} {
		if names, err := Expand(bad); err == nil {
			t.Errorf("%q is %v", bad, names)
		}
	}
	if all, err := Expand("all"); err != nil || len(all) != len(Named)-1+len(Holds) {
		t.Errorf("all is %v (%v)", all, err)
	}
}
