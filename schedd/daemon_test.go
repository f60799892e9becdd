package schedd

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

const plainJob = `
executable = /bin/true
should_transfer_files = no
log = job.log
`

func TestJobIsStartedRunsAndIsHistory(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "arguments = \"a 'b c'\"\nenvironment = \"X=1\"\nqueue\n")
	s := w.start()
	if s.Job.String() != "1.0" || s.Epoch != 1 || s.Cmd != "/bin/true" || strings.Join(s.Args, "|") != "a|b c" || s.Iwd != p.dir || s.Cpus != 1 {
		t.Errorf("started is %+v", s)
	}
	if s.Owner.UID != uint32(os.Getuid()) {
		t.Errorf("as user %d", s.Owner.UID)
	}
	w.started(s)
	p.until("1.0", "job_started")
	if a := p.job("1.0"); a.Int("JobStatus", 0) != int64(grid.Running) || a.Text("RemoteHost") != "slot1_1@w1" || a.Int("NumJobStarts", 0) != 1 {
		t.Errorf("running it is %s", a.AppendJSON(nil))
	}
	w.exited(s, 3)
	p.until("1.0", "job_left")
	w.forgets()
	if a := p.job("1.0"); a.Int("JobStatus", 0) != int64(grid.Completed) || a.Int("ExitCode", -1) != 3 || a.Int("CompletionDate", 0) == 0 {
		t.Errorf("in the history it is %s", a.AppendJSON(nil))
	}
	if text := p.logged("job.log", "000 001 005"); !strings.Contains(text, "(1) Normal termination (return value 3)") || !strings.Contains(text, "SlotName: slot1_1@w1") {
		t.Errorf("the log is %s", text)
	}
}

func TestWorkerIsGivenNoMoreThanItHas(t *testing.T) {
	p := newPlace(t, nil)
	p.submit(plainJob + "queue 3\n")
	w := p.worker("w1") // two cpus
	a, b := w.start(), w.start()
	if a.Job == b.Job {
		t.Fatalf("%s was started twice", a.Job)
	}
	w.started(a)
	w.started(b)
	w.exited(a, 0)
	// The slot is free again only with the end of what was in it.
	w.forgets()
	if c := w.start(); c.Job.Proc != 2 {
		t.Errorf("then came %s", c.Job)
	}
}

func TestWhyAJobDoesNotRun(t *testing.T) {
	p := newPlace(t, nil)
	p.worker("w1")
	p.submit(plainJob + "request_memory = 1TB\nqueue\n")
	why, err := p.Why(t.Context(), "1.0")
	if err != nil || why.State != "idle" || !strings.Contains(why.Text, "RequestMemory") {
		t.Errorf("%+v, %v", why, err)
	}
	if _, err := p.Why(t.Context(), "2.0"); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("of a job that is not there: %v", err)
	}
}

func TestHoldAndRemovalEndTheExecutionFirst(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "queue\n")
	s := w.start()
	w.started(s)
	p.until("1.0", "job_started")
	if done := p.act("hold", "1.0"); done.Changed != 1 {
		t.Errorf("held: %+v", done)
	}
	if k := w.kill(); k.Job != s.Job || k.Epoch != s.Epoch {
		t.Errorf("killed is %+v", k)
	}
	// A release waits until it has ended, as long as somebody waits for the answer.
	soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if done, err := p.Act(soon, api.Action{Verb: "release", Selection: api.Selection{IDs: []string{"1.0"}}}); err == nil && (done.Refused != 1 || done.Changed != 0 || !strings.Contains(done.Why, "still being ended")) {
		t.Errorf("released while it was still being ended: %+v, %v", done, err)
	}
	released := make(chan api.Acted, 1)
	go func() {
		done, _ := p.Act(t.Context(), api.Action{Verb: "release", Selection: api.Selection{IDs: []string{"1.0"}}})
		released <- done
	}()
	w.report(s, wire.Report{Kind: wire.Killed})
	w.forgets()
	if done := <-released; done.Changed != 1 || done.Refused != 0 {
		t.Errorf("released: %+v", done)
	}
	again := w.start()
	if again.Epoch != 2 {
		t.Errorf("then it was started with epoch %d", again.Epoch)
	}
	w.started(again)
	p.untilEpoch("1.0", "job_started", 2)
	p.act("remove", "1")
	w.kill()
	w.report(again, wire.Report{Kind: wire.Killed})
	p.until("1.0", "job_left")
	p.logged("job.log", "000 001 012 013 001 009")
}

func TestRunningJobOutlivesTheSchedd(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "queue 2\n")
	a, b := w.start(), w.start()
	w.started(a)
	w.started(b)
	p.until("1.0", "job_started")
	p.until("1.1", "job_started")
	p.restart()
	w.hangUp()
	// One ended meanwhile.
	w = p.worker("w1",
		holds(a, wire.Report{Kind: wire.Started}), holds(b, wire.Report{Kind: wire.Exited, Code: 7}))
	w.forgets()
	p.until(b.Job.String(), "job_left")
	if got := p.job(b.Job.String()).Int("ExitCode", -1); got != 7 {
		t.Errorf("it exited with %d", got)
	}
	w.exited(a, 0)
	p.until(a.Job.String(), "job_left")
	if got := p.job(a.Job.String()).Int("NumJobStarts", 0); got != 1 {
		t.Errorf("it was started %d times", got)
	}
	p.logged("job.log", "000 000 001 001 005 005")
}

func TestMachineThatStartedAnewHasLostItsJobs(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "queue\n")
	s := w.start()
	w.started(s)
	p.until("1.0", "job_started")
	h := w.hello
	w.hangUp()
	h.Boot, h.Session = "boot-2", "another"
	w = p.connect(h)
	again := w.start()
	if again.Job != s.Job || again.Epoch != 2 {
		t.Errorf("then came %+v", again)
	}
	if e := p.until("1.0", "job_requeued"); grid.VacateCode(e.Code) != grid.VacateMachine {
		t.Errorf("it was given up with %+v", e)
	}
	// The result of the old execution counts no more, whoever brings it.
	w.started(again)
	w.exited(s, 99)
	w.forgets()
	w.exited(again, 0)
	p.until("1.0", "job_left")
	if got := p.job("1.0").Int("ExitCode", -1); got != 0 {
		t.Errorf("it exited with %d", got)
	}
}

func TestAgentThatKnowsNothingOfAJobHasLostIt(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "queue\n")
	s := w.start()
	w.started(s)
	p.until("1.0", "job_started")
	w.hangUp()
	w = p.worker("w1") // the same boot, and an empty journal
	if again := w.start(); again.Epoch != 2 {
		t.Errorf("then came %+v", again)
	}
	// What another worker should not have is ended at once.
	other := p.worker("w2", holds(s, wire.Report{Kind: wire.Started}))
	if k := other.kill(); !k.Fast || k.Epoch != 1 {
		t.Errorf("the old attempt elsewhere: %+v", k)
	}
}

func TestSilentWorkerIsGivenUpAfterItsLease(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "queue\n")
	s := w.start()
	w.started(s)
	p.until("1.0", "job_started")
	w.hangUp()
	p.leases(300*time.Millisecond, 100*time.Millisecond)
	if e := p.until("1.0", "job_requeued"); grid.VacateCode(e.Code) != grid.VacateReconnect {
		t.Errorf("it was given up with %+v", e)
	}
	p.leases(0, 0)
	if again := p.worker("w2").start(); again.Job != s.Job || again.Epoch != 2 {
		t.Errorf("then came %+v", again)
	}
}

func TestRetriesAndPolicies(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "max_retries = 2\nqueue\n")
	for try := range 3 {
		s := w.start()
		if int(s.Epoch) != try+1 {
			t.Fatalf("try %d has epoch %d", try, s.Epoch)
		}
		w.started(s)
		w.exited(s, 1)
		w.forgets()
	}
	p.until("1.0", "job_left")
	if a := p.job("1.0"); a.Int("ExitCode", -1) != 1 || a.Int("NumJobCompletions", 0) != 3 {
		t.Errorf("after its retries it is %s", a.AppendJSON(nil))
	}

	p.submit(plainJob + "on_exit_hold = ExitCode == 5\non_exit_hold_reason = \"five\"\non_exit_hold_subcode = 55\nqueue\n")
	s := w.start()
	w.started(s)
	w.exited(s, 5)
	e := p.until("2.0", "job_held")
	if e.Text != "five" || e.Code != int32(grid.HoldJobPolicy) || e.Sub != 55 {
		t.Errorf("held with %+v", e)
	}
	w.forgets()

	p.submit(plainJob + "leave_in_queue = true\nqueue\n")
	s = w.start()
	w.started(s)
	w.exited(s, 0)
	p.until("3.0", "job_completed")
	w.forgets()
	if got := p.job("3.0").Int("JobStatus", 0); got != int64(grid.Completed) {
		t.Errorf("left in the queue it has status %d", got)
	}
	if totals, err := p.Totals(t.Context()); err != nil || totals.All.Completed != 1 || totals.All.Held != 1 {
		t.Errorf("totals %+v, %v", totals.All, err)
	}
}

func TestJobThatCannotBeRunIsHeld(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "queue\n")
	s := w.start()
	w.report(s, wire.Report{Kind: wire.Failed, Hold: wire.Hold{Code: grid.HoldNoProcess, Subcode: 2, Reason: "no such file"}})
	w.forgets()
	if e := p.until("1.0", "job_held"); e.Code != int32(grid.HoldNoProcess) || e.Sub != 2 || e.Text != "no such file" {
		t.Errorf("held with %+v", e)
	}
}

func TestFilesGoToTheWorkerAndBack(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	write(t, filepath.Join(p.dir, "run.sh"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(p.dir, "in.txt"), "input", 0o644)
	p.submit(`
executable = run.sh
should_transfer_files = yes
transfer_input_files = in.txt
output = out.$(Process)
log = job.log
queue
`)
	s := w.start()
	if !s.Transfer || s.Cmd != "run.sh" {
		t.Fatalf("started is %+v", s)
	}
	status, body := w.files("GET", s, "inputs", nil)
	if status != 200 {
		t.Fatalf("inputs: %d %s", status, body)
	}
	names := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(body)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r)
		names[h.Name] = string(b)
	}
	if names["run.sh"] == "" || names["in.txt"] != "input" {
		t.Errorf("inputs are %q", names)
	}
	w.started(s)
	stale := *s
	stale.Epoch = 9
	if status, _ := w.files("PUT", &stale, "outputs", bytes.NewReader(nil)); status != 404 {
		t.Errorf("outputs of another epoch: %d", status)
	}
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for name, text := range map[string]string{wire.StdoutName: "said", wire.OutputDir + "result": "made"} {
		tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
		io.WriteString(tw, text)
	}
	tw.Close()
	status, body = w.files("PUT", s, "outputs", &out)
	var staged wire.Staged
	if err := json.Unmarshal(body, &staged); status != 200 || err != nil {
		t.Fatalf("outputs: %d %s", status, body)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "result")); err == nil {
		t.Error("outputs are in place before the exit was reported")
	}
	w.report(s, wire.Report{Kind: wire.Exited, Staged: &staged})
	w.forgets()
	p.until("1.0", "job_left")
	for name, want := range map[string]string{"out.0": "said", "result": "made"} {
		if b, err := os.ReadFile(filepath.Join(p.dir, name)); err != nil || string(b) != want {
			t.Errorf("%s is %q, %v", name, b, err)
		}
	}
}

func TestLogOfALargeClusterBeginsWithOneEventForAll(t *testing.T) {
	p := newPlace(t, nil)
	p.submit(plainJob + "requirements = ProcId == 5\nqueue 2000\n")
	p.logged("job.log", "035")
	p.act("remove", "1.7")
	text := p.logged("job.log", "035 000 009")
	if !strings.Contains(text, "035 (001.-01.000)") || !strings.Contains(text, "000 (001.007.000)") || !strings.Contains(text, "009 (001.007.000)") {
		t.Errorf("the log is %s", text)
	}
	w := p.worker("w1")
	s := w.start()
	w.started(s)
	w.exited(s, 0)
	p.until(s.Job.String(), "job_left")
	text = p.logged("job.log", "035 000 009 000 001 005")
	if at := strings.Index(text, "000 (001.005.000)"); at < 0 || at > strings.Index(text, "001 (001.005.000)") {
		t.Errorf("the submit event of %s does not come first: %s", s.Job, text)
	}
	p.act("remove", "1")
	text = p.logged("job.log", "035 000 009 000 001 005 000 009 036")
	if !strings.Contains(text, "036 (001.-01.000)") || !strings.Contains(text, "Materialized 2000 jobs") {
		t.Errorf("the log ends %s", text)
	}
}

func TestLocalUniverseNeedsItsWorker(t *testing.T) {
	p := newPlace(t, nil)
	site := plainJob + "universe = local\nqueue\n"
	_, err := p.Submit(t.Context(), api.Submission{Specs: p.specs(site)})
	if grid.CodeOf(err) != grid.Refused {
		t.Errorf("%v", err)
	}
	q := newPlace(t, func(c *Config) { c.LocalWorker = []string{"/bin/true"} })
	q.submit(site)
	h := q.worker("pool").hello // takes none
	h.Worker, h.Session, h.Local = "local", "l", true
	if s := q.connect(h).start(); s.Transfer || s.Job.String() != "1.0" {
		t.Errorf("started is %+v", s)
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestWhatTheSlotSaysIsFilledIn(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	text := strings.ReplaceAll(plainJob, "executable", `arguments = "$$(Cpus) $$(OpSys:LINUX) $$([MY.RequestMemory * 2]) $$(Nosuch:or this) $$(Name) $$ $$(x"
executable`)
	p.submit(text + "request_memory = 100\nqueue\n")
	s := w.start()
	if got := strings.Join(s.Args, "|"); got != "1|LINUX|200|or|this|slot1_1@w1|$$|$$(x" {
		t.Errorf("the arguments are %s", got)
	}
	bad := p.submit(strings.ReplaceAll(plainJob, "executable", "arguments = $$(Nosuch)\nexecutable") + "queue\n")
	if e := p.until(fmt.Sprintf("%d.0", bad), "job_held"); !strings.Contains(e.Text, "no attribute Nosuch") {
		t.Errorf("held: %s", e.Text)
	}
}
