package schedd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/router/route"
	"gridburst/schedd/target"
	"gridburst/schedd/target/fake"
)

// travels is a place whose target, batch slurm, shares no directory with it.
func travels(t *testing.T, f *fake.Target, routes string) *place {
	t.Helper()
	t.Cleanup(f.Close)
	far := fake.NewSpool(f, t.TempDir())
	return newPlace(t, func(c *Config) {
		c.Target = func(string, target.Commands) (target.Target, error) { return far, nil }
		if routes != "" {
			table, diags := route.Read("routes", []byte(routes), nil)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			c.Routes = table
		}
	})
}

// telling is a job that notes each time that it runs, and leaves a file.
func (p *place) telling(more ...string) string {
	return p.sh("echo ran >>"+filepath.Join(p.dir, "ran")+"; echo left >left; echo out", append([]string{"universe = grid", "grid_resource = batch slurm"}, more...)...)
}

// back judges what that job left.
func (p *place) back() {
	p.t.Helper()
	p.doneOnce()
	for name, want := range map[string]string{"left": "left\n", "out": "out\n", "err": ""} {
		if got, err := os.ReadFile(filepath.Join(p.dir, name)); err != nil || string(got) != want {
			p.t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
}

func TestFilesTravelToATargetAndBack(t *testing.T) {
	t.Parallel()
	p := travels(t, &fake.Target{Slots: 1}, toSlurm)
	for name, text := range map[string]string{"in": "input", "kept": "kept", "data/x": "x", "stdin": "line\n"} {
		at := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.submit(p.sh("pwd; cat; cat in data/x >made; echo changed >>in; ln made same; mkdir sub; echo no >&2; exit 3",
		"input = stdin", "transfer_input_files = in, kept, data", `transfer_output_remaps = "made=there"`))
	p.until("1.0", "job_completed")
	p.nothingLeft()
	for name, want := range map[string]string{"there": "inputx", "same": "inputx", "in": "inputchanged\n", "kept": "kept", "err": "no\n"} {
		if got, err := os.ReadFile(filepath.Join(p.dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if out, _ := os.ReadFile(filepath.Join(p.dir, "out")); strings.Contains(string(out), p.dir) || !strings.HasSuffix(string(out), "\nline\n") {
		t.Errorf("it wrote %q", out)
	}
	if j := p.job("1.0"); j.Int("ExitCode", -1) != 3 {
		t.Errorf("it ended with %d", j.Int("ExitCode", -1))
	}
	p.logged("log", "000 001 005")
}

func TestOutputsThatAreAskedForTravelBack(t *testing.T) {
	t.Parallel()
	p := travels(t, &fake.Target{Slots: 1}, toSlurm)
	p.submit(p.sh("mkdir d; echo x >d/x; ln -s x d/link; ln -s /etc/passwd d/out; echo no >other", "transfer_output_files = d, none"))
	e := p.until("1.0", "job_held")
	for _, words := range []string{"the output none was not made", "d/out is a link to /etc/passwd"} {
		if !strings.Contains(e.Text, words) {
			t.Errorf("it is held without %q: %s", words, e.Text)
		}
	}
	p.nothingLeft()
	if x, err := os.ReadFile(filepath.Join(p.dir, "d", "link")); err != nil || string(x) != "x\n" {
		t.Errorf("%q came back, %v", x, err)
	}
	if _, err := os.Lstat(filepath.Join(p.dir, "other")); err == nil {
		t.Error("what was not asked for came back")
	}
}

// Whatever a target answers to which files travel, the job runs once, and what it left comes
// back whole.
func TestATargetToWhichFilesTravelRunsAJobOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		op     string
		faults []fake.Fault
		taken  int // jobs that the target has taken in
	}{
		{"the answer to the submit is lost after it", fake.Submit, []fake.Fault{fake.LostAfter}, 1},
		{"the answer to the submit is lost, and nothing was done", fake.Submit, []fake.Fault{fake.LostBefore}, 1},
		{"the target is down for a while", fake.Submit, []fake.Fault{fake.Down, fake.Down}, 1},
		{"it takes the job in twice", fake.Submit, []fake.Fault{fake.Twice}, 2},
		{"it refuses in words, and has the job", fake.Submit, []fake.Fault{fake.Lies}, 1},
		{"the files do not come whole", fake.Submit, []fake.Fault{fake.Half}, 2},
		{"it does not let the job go at first", fake.Begin, []fake.Fault{fake.Down, fake.LostBefore, fake.LostAfter}, 1},
		{"it says that it lets the job go, and does not", fake.Begin, []fake.Fault{fake.Lies}, 1},
		{"what the job left does not come at first", fake.Fetch, []fake.Fault{fake.Down, fake.LostBefore, fake.LostAfter}, 1},
		{"it comes half", fake.Fetch, []fake.Fault{fake.Cut, fake.Cut}, 1},
		{"it does not list", fake.List, []fake.Fault{fake.Down, fake.Down, fake.Down}, 1},
		{"a listing lacks everything", fake.List, []fake.Fault{0, fake.Lies}, 1},
		{"it will not forget the job at first", fake.Forget, []fake.Fault{fake.Down, fake.LostAfter}, 1},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			f := &fake.Target{Slots: 1}
			p := travels(t, f, "")
			f.Inject(c.op, c.faults...)
			p.submit(p.telling())
			p.back()
			if n := len(f.Jobs()); n != c.taken {
				t.Errorf("the target has taken %d jobs", n)
			}
			for _, s := range f.Jobs() {
				if s.State != target.Ended {
					t.Errorf("there is %+v", s)
				}
			}
			if j := p.job("1.0"); j.Int("NumJobStarts", 0) != 1 {
				t.Errorf("it was started %d times", j.Int("NumJobStarts", 0))
			}
		})
	}
}

// What a job left stays at its target until there is room for it here.
func TestWhatAJobLeftIsAtItsTargetUntilItIsHereWhole(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []fake.Fault
		words  string
	}{
		{"no room", []fake.Fault{fake.Full}, "there is no room for it"},
		{"never whole", []fake.Fault{fake.Cut, fake.Cut, fake.Cut, fake.Cut, fake.Cut}, "has not come whole"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			f := &fake.Target{Slots: 1}
			p := travels(t, f, "")
			f.Inject(fake.Fetch, c.faults...)
			p.submit(p.telling())
			if e := p.until("1.0", "job_held"); !strings.Contains(e.Text, c.words) || !strings.Contains(e.Text, "is at batch slurm") {
				t.Errorf("it is held: %s", e.Text)
			}
			p.routing("1.0", grid.RouteHeld)
			p.restart()
			asked := f.Asked(fake.List)
			there(t, f, "it to be listed", func([]target.Seen) bool { return f.Asked(fake.List) > asked+2 })
			if n := f.Asked(fake.Forget); n > 0 {
				t.Errorf("%d times it was to be forgotten", n)
			}
			if j := p.job("1.0"); j.Int("HoldReasonCode", 0) != int64(grid.HoldOutput) {
				t.Errorf("its code is %d", j.Int("HoldReasonCode", 0))
			}
			// Again there is none; and then there is.
			f.Inject(fake.Fetch, fake.Full)
			p.act("release", "1.0")
			p.until("1.0", "job_released")
			p.eventually("it to be held again", func() bool { return p.job("1.0").Int("NumHolds", 0) == 2 })
			p.routing("1.0", grid.RouteHeld)
			p.act("release", "1.0")
			p.back()
			if n := len(f.Jobs()); n != 1 {
				t.Errorf("the target has taken %d jobs", n)
			}
		})
	}
}

func TestWhatAJobLeftGoesWhenTheJobIsRemoved(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := travels(t, f, "")
	f.Inject(fake.Fetch, fake.Full)
	p.submit(p.telling())
	p.until("1.0", "job_held")
	p.routing("1.0", grid.RouteHeld)
	p.act("remove", "1.0")
	p.until("1.0", "job_left")
	p.nothingLeft()
	p.ran(1)
	if n := f.Asked(fake.Forget); n == 0 {
		t.Error("its target keeps it")
	}
}

func TestAJobWhoseFilesATargetDoesNotTakeIsHeld(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := travels(t, f, "")
	f.Inject(fake.Submit, fake.Full)
	p.submit(p.telling())
	if e := p.until("1.0", "job_held"); !strings.Contains(e.Text, "has not taken its files: there is no room for its files") {
		t.Errorf("it is held: %s", e.Text)
	}
	p.nothingLeft()
	there(t, f, "nothing to be left there", func(all []target.Seen) bool { return len(all) == 1 && all[0].State == target.Ended })
	p.act("release", "1.0")
	p.back()
}

func TestFilesThatMayNotTravelHoldTheirJob(t *testing.T) {
	for _, c := range []struct {
		name, line, words string
		code              grid.HoldCode
	}{
		{"too much to send", "max_transfer_input_mb = 1", "at most 1 MiB may travel", grid.HoldInputSize},
		{"too much to bring back", "max_transfer_output_mb = 1", "at most 1048576 may come back", grid.HoldOutputSize},
		{"they are to stay", "should_transfer_files = no", "its files are to stay where they are", grid.HoldCloudUser},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p := travels(t, &fake.Target{Slots: 1}, "")
			if err := os.WriteFile(filepath.Join(p.dir, "large"), make([]byte, 2<<20), 0o644); err != nil {
				t.Fatal(err)
			}
			in := "transfer_input_files = large"
			if c.code == grid.HoldCloudUser {
				in = ""
			}
			p.submit(p.sh("cat large >more", "universe = grid", "grid_resource = batch slurm", in, c.line))
			if e := p.until("1.0", "job_held"); !strings.Contains(e.Text, c.words) {
				t.Errorf("it is held: %s", e.Text)
			}
			if j := p.job("1.0"); j.Int("HoldReasonCode", 0) != int64(c.code) {
				t.Errorf("its code is %d", j.Int("HoldReasonCode", 0))
			}
			p.nothingLeft()
		})
	}
}

// Only the target knows whether a job has begun whose files travel.
func TestAJobWhoseFilesTravelGoesAgainIfItHasNotBegun(t *testing.T) {
	t.Parallel()
	f := &fake.Target{}
	p := travels(t, f, "")
	p.submit(p.telling("run_once = true"))
	r := p.routing("1.0", grid.RouteWaiting)
	f.Set(r.Remote, target.Ended, target.Cancelled, "cancelled")
	p.untilEpoch("1.0", "job_requeued", 1)
	there(t, f, "it to be handed in again, and let go", func(all []target.Seen) bool {
		return len(all) == 2 && all[1].Wants == target.WantsNothing
	})
	f.Start("2")
	p.back()

	p.submit(strings.Replace(p.sh("sleep 600", "universe = grid", "grid_resource = batch slurm", "run_once = true"), "log = log", "log = log2", 1))
	r = p.routing("2.0", grid.RouteWaiting)
	there(t, f, "it to be let go", func(all []target.Seen) bool { return len(all) == 3 && all[2].Wants == target.WantsNothing })
	f.Start(r.Remote)
	f.Set(r.Remote, target.Ended, target.Lost, "node_fail")
	if e := p.until("2.0", "job_held"); !strings.Contains(e.Text, "outcome unknown") {
		t.Errorf("it is held: %s", e.Text)
	}
	p.nothingLeft()
}

// A job that its target has taken from its machine is not begun there again: it goes from there,
// when that has stayed so for a while.
func TestAJobWhoseFilesTravelThatIsTakenFromItsMachineGoesAgain(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := travels(t, f, "")
	ran := filepath.Join(p.dir, "ran")
	p.submit(p.sh("echo ran >>"+ran+"; [ $(wc -l <"+ran+") = 2 ] || exec sleep 600", "universe = grid", "grid_resource = batch slurm"))
	p.until("1.0", "job_started")
	p.eventually("it to run", func() bool { _, err := os.Stat(ran); return err == nil })
	f.Evict("1", false)
	p.until("1.0", "job_completed")
	if s := f.Jobs()[0]; s.State != target.Ended || s.End != target.Cancelled || s.Starts != 1 {
		t.Errorf("there it is %+v", s)
	}
	p.ran(2)
	p.nothingLeft()
}

// A target that was away finds a machine again that it takes for lost: what runs there counts.
func TestAJobWhoseFilesTravelIsFoundAgainOnItsMachine(t *testing.T) {
	t.Parallel()
	f := &fake.Target{Slots: 1}
	p := travels(t, f, "")
	gate := filepath.Join(p.dir, "gate")
	p.submit(p.sh("echo ran >>"+filepath.Join(p.dir, "ran")+"; while [ ! -e "+gate+" ]; do sleep 0.1; done; echo left >left; echo out", "universe = grid", "grid_resource = batch slurm"))
	p.until("1.0", "job_started")
	f.Evict("1", true)
	p.eventually("that to be said", func() bool {
		w, err := p.Why(t.Context(), "1.0")
		return err == nil && strings.Contains(w.Text, "taken from its machine")
	})
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p.back()
	if n := f.Asked(fake.Remove); n > 0 {
		t.Errorf("%d times it was to be removed", n)
	}
}

// A second job of the name at its target is not let go, whatever became of the first.
func TestOnlyTheJobThatWasAcceptedIsLetGo(t *testing.T) {
	t.Parallel()
	f := &fake.Target{}
	p := travels(t, f, "")
	p.submit(p.telling())
	r := p.routing("1.0", grid.RouteWaiting)
	there(t, f, "it to be let go", func(all []target.Seen) bool { return all[0].Wants == target.WantsNothing })
	f.Start(r.Remote)
	f.Inject(fake.List, fake.Down, fake.Down)
	double := f.Taken()[0]
	double.Dir = filepath.Join(p.dir, "."+double.Name)
	if _, err := f.Submit(t.Context(), double); err != nil {
		t.Fatal(err)
	}
	there(t, f, "it to be over", func(all []target.Seen) bool { return all[0].State == target.Ended })
	f.Lose(r.Remote)
	there(t, f, "the other to go", func(all []target.Seen) bool { return len(all) > 1 && all[1].State == target.Ended })
	if all := f.Jobs(); all[1].Starts != 0 || all[1].Wants != target.WantsBegin {
		t.Errorf("the other was %+v", all[1])
	}
	p.untilEpoch("1.0", "job_requeued", 1) // nobody knows what became of it
	p.act("remove", "1.0")
	p.until("1.0", "job_left")
	p.nothingLeft()
	p.ran(1)
}
