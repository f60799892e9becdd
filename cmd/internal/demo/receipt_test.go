package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/userlog"
)

// good is what the witnesses say of two jobs, one of them a machine, with one overflow
// machine and one that was borrowed, when all went well.
func good() ([]promised, *witnesses) {
	one := 0
	done := func(cluster int32) []listed {
		return []listed{{ClusterId: cluster, JobStatus: grid.Completed, ExitCode: &one}}
	}
	return []promised{{"count", "1.0"}, {"vm.hcl", "2.0"}}, &witnesses{
		queue:   map[string][]listed{},
		history: map[string][]listed{"1.0": done(1), "2.0": done(2)},
		logs:    map[string]logged{"1.0": {ends: 1}, "2.0": {ends: 1}},
		ends:    map[string]int{"1.0": 1, "2.0": 1},
		claims: []api.Claim{
			{ID: 1, Kind: "overflow", Name: "gb-1", State: "gone"},
			{ID: 2, Kind: "made", Name: "gb-2", Job: "2.0", State: "gone"},
			{ID: 3, Kind: "borrowed", Name: "kvm", State: "gone"},
			{ID: 4, Kind: "overflow", Name: "gb-4", State: "failed"}, // came to nothing before it was made
		},
		ready:  map[uint32]bool{1: true, 2: true, 3: true},
		engine: &record{created: []string{"gb-1", "gb-2"}, removed: []string{"gb-2", "gb-1"}, borrowed: []string{"kvm"}, returned: []string{"kvm"}},
	}
}

func judged(jobs []promised, w *witnesses, killed bool) *receipt {
	r := &receipt{jobs: len(jobs), wall: 61 * time.Second}
	r.judgeJobs(jobs, w)
	r.judgeMachines(w)
	r.settle(killed)
	return r
}

func TestReceiptOfARunThatWentWell(t *testing.T) {
	jobs, w := good()
	r := judged(jobs, w, false)
	want := "receipt: jobs 2 completed 2 lost 0 doubled 0 · vms started 2 joined 1 vm-jobs 1 given-up 0 removed 2 left 0 · borrowed 1 returned 1 · wall 61 s"
	if r.String() != want || len(r.wrong) > 0 {
		t.Errorf("got  %s\nwant %s\nwrong: %q", r, want, r.wrong)
	}
}

// Each lie, and each failure, is found by the witness that saw it.
func TestReceiptOfARunThatDidNot(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(w *witnesses)
		killed bool
		want   string // part of the receipt
		wrong  string // part of what is said to be wrong
	}{
		"a job is nowhere":                        {func(w *witnesses) { delete(w.history, "1.0") }, true, "completed 1 lost 1", "there is no job of it"},
		"a job was removed":                       {func(w *witnesses) { w.history["1.0"][0].JobStatus = grid.Removed }, true, "completed 1 lost 1", "has left as"},
		"a job is held":                           {func(w *witnesses) { w.queue["1.0"] = []listed{{JobStatus: grid.Held}}; delete(w.history, "1.0") }, true, "completed 1 lost 0", "1.0, is held"},
		"a job failed":                            {func(w *witnesses) { one := 1; w.history["1.0"][0].ExitCode = &one }, true, "completed 1", "exit code 1"},
		"a job is listed twice":                   {func(w *witnesses) { w.queue["1.0"] = w.history["1.0"] }, true, "doubled 1", "is listed 2 times"},
		"a job completed twice":                   {func(w *witnesses) { w.ends["1.0"] = 2 }, true, "doubled 1", "completed 2 times"},
		"its log ends twice":                      {func(w *witnesses) { w.logs["1.0"] = logged{ends: 2} }, true, "doubled 1", "terminated 2 times"},
		"it began again":                          {func(w *witnesses) { w.logs["1.0"] = logged{ends: 1, late: true} }, true, "doubled 1", "began again"},
		"its log says nothing":                    {func(w *witnesses) { delete(w.logs, "1.0") }, true, "doubled 0", "does not say so"},
		"there is a job that nobody asked for":    {func(w *witnesses) { w.history["9.0"] = w.history["1.0"] }, true, "jobs 2", "promised to nobody"},
		"a machine is left":                       {func(w *witnesses) { w.engine.removed, w.engine.left = w.engine.removed[:1], []string{"gb-1"} }, true, "removed 1 left 1", "are left"},
		"a claim is open":                         {func(w *witnesses) { w.claims[0].State = "stopping" }, true, "joined 1", "is stopping still"},
		"a machine has no claim":                  {func(w *witnesses) { w.engine.created = append(w.engine.created, "gb-9") }, true, "started 3", "no claim is for it"},
		"a machine was made twice":                {func(w *witnesses) { w.engine.created = append(w.engine.created, "gb-1") }, true, "started 3", "made twice"},
		"a claim joined without a machine":        {func(w *witnesses) { w.engine.created = w.engine.created[1:] }, true, "joined 0", "never had"},
		"a machine was given up for no reason":    {func(w *witnesses) { delete(w.ready, 1) }, false, "given-up 1", "nothing was killed"},
		"no machine joined":                       {func(w *witnesses) { delete(w.ready, 1) }, true, "joined 0", "did not overflow"},
		"no job was a machine":                    {func(w *witnesses) { w.ends["2.0"] = 0 }, true, "vm-jobs 0 given-up 1", "no job was a machine"},
		"a machine of another was touched":        {func(w *witnesses) { w.engine.touched = []string{"mail"} }, true, "borrowed 1", "mail is somebody else's"},
		"a machine was borrowed and not returned": {func(w *witnesses) { w.engine.returned = nil }, true, "borrowed 1 returned 0", "are as they were"},
		"none was borrowed":                       {func(w *witnesses) { w.engine.borrowed, w.engine.returned = nil, nil }, true, "borrowed 0", "borrowed 0 times"},
	} {
		t.Run(name, func(t *testing.T) {
			jobs, w := good()
			c.spoil(w)
			r := judged(jobs, w, c.killed)
			if !strings.Contains(r.String(), c.want) {
				t.Errorf("%s\nlacks %q", r, c.want)
			}
			if !slices.ContainsFunc(r.wrong, func(s string) bool { return strings.Contains(s, c.wrong) }) {
				t.Errorf("wrong is %q, and nothing of it has %q", r.wrong, c.wrong)
			}
		})
	}
}

func TestAMachineMayBeGivenUpWhenSomethingWasKilled(t *testing.T) {
	jobs, w := good()
	w.engine.created, w.engine.removed = append(w.engine.created, "gb-4"), append(w.engine.removed, "gb-4")
	if r := judged(jobs, w, true); len(r.wrong) > 0 || r.givenUp != 1 {
		t.Errorf("%s: %q", r, r.wrong)
	}
}

func TestTheEnginesJournal(t *testing.T) {
	rec, err := parseRecord(strings.NewReader(`
{"n":1,"what":"began"}
{"n":2,"what":"created","vm":"a","name":"gb-1","status":"image_locked","by":"admin@internal"}
{"n":3,"what":"started","vm":"a","name":"gb-1"}
{"n":4,"what":"started","vm":"k","name":"kvm_test_image_64","foreign":true,"status":"wait_for_launch"}
{"n":5,"what":"created","vm":"b","name":"gb-2"}
{"n":6,"what":"refused","op":"start","why":"it is locked"}
{"n":7,"what":"moved","vm":"k","name":"kvm_test_image_64","foreign":true,"status":"down"}
{"n":8,"what":"gone","vm":"a","name":"gb-1"}
{"n":9,"what":"stopped","vm":"m","name":"mail","foreign":true,"status":"powering_down"}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", *rec)
	want := "{created:[gb-1 gb-2] removed:[gb-1] left:[gb-2] borrowed:[kvm_test_image_64] returned:[kvm_test_image_64] touched:[mail]}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := parseRecord(strings.NewReader(`{"what":`)); err == nil {
		t.Error("a journal that is cut off is taken for a whole one")
	}
}

func TestEventLogsOfJobsThatEndTwice(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_700_000_000, 0)
	var text []byte
	for _, e := range []userlog.Event{
		{Job: grid.JobID{Cluster: 1}, Time: at, Body: &userlog.Execute{Host: "pool"}},
		{Job: grid.JobID{Cluster: 1}, Time: at, Body: &userlog.Terminated{}},
		{Job: grid.JobID{Cluster: 2}, Time: at, Body: &userlog.Execute{Host: "pool"}},
		{Job: grid.JobID{Cluster: 2}, Time: at, Body: &userlog.Terminated{}},
		{Job: grid.JobID{Cluster: 2}, Time: at, Body: &userlog.Execute{Host: "pool"}},
		{Job: grid.JobID{Cluster: 2}, Time: at, Body: &userlog.Terminated{}},
	} {
		text = append(text, userlog.Form{}.Encode(&e)...)
	}
	if err := os.WriteFile(filepath.Join(dir, "jobs.log"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	logs, err := readLogs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := (logged{ends: 1}); logs["1.0"] != want {
		t.Errorf("job 1.0: %+v", logs["1.0"])
	}
	if want := (logged{ends: 2, late: true}); logs["2.0"] != want {
		t.Errorf("job 2.0: %+v", logs["2.0"])
	}
}
