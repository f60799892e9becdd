package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
	"gridburst/internal/worker/sandbox"
)

// counting is a job that counts to three in its sandbox, with a checkpoint after each
// step but the last, and notes each step outside of it.
func (w *world) counting(also string) wire.Execution {
	w.inputsAre(file{"count", fmt.Sprintf(`#!/bin/sh
at=$(cat reached 2>/dev/null || echo 0)
at=$((at + 1))
echo "step $at" >>%[1]s/steps
echo "step $at"
%[2]s
echo $at >reached
[ $at -eq 3 ] || exit 85
`, w.home, also), 0o755})
	return wire.Execution{
		Owner: owner(), Cmd: "count", Transfer: true, Out: "out", Err: "err",
		Checkpoint: &wire.Checkpoint{Code: 85, Files: []string{"reached"}},
	}
}

func (w *world) inputsAre(files ...file) {
	inputs := pack(w.t, files...)
	w.set(func() { w.inputs = inputs })
}

// stepsAre checks that each step was done once, in order.
func (w *world) stepsAre(want string) {
	w.t.Helper()
	if got := strings.ReplaceAll(strings.TrimSpace(w.read("steps")), "step ", ""); got != strings.ReplaceAll(want, " ", "\n") {
		w.t.Fatalf("the job has done the steps %q, not %s", got, want)
	}
}

func (w *world) outputsOf(job int32, epoch uint32) map[string]string {
	w.t.Helper()
	var b []byte
	w.set(func() { b = w.outputs[wire.OutputsPath(grid.JobID{Cluster: job}, epoch)] })
	return unpack(w.t, b)
}

func TestAJobThatCheckpointsItselfBeginsAgainInItsSandbox(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		w.run()
		l := w.line()
		l.start(1, 1, w.counting(""))
		l.want(1, 1, wire.Started)
		r := l.want(1, 1, wire.Exited) // and nothing in between
		if r.Code != 0 || r.Staged == nil {
			t.Fatalf("%+v", r)
		}
		w.stepsAre("1 2 3")
		came := w.checkpoints()
		if len(came) != 2 || came[0].number != "1" || came[1].number != "2" {
			t.Fatalf("checkpoints: %+v", came)
		}
		if f := came[1].files; f["out/reached"] != "2\n" || f[wire.StdoutName] != "step 1\nstep 2\n" || len(f) != 3 {
			t.Fatalf("the second checkpoint: %q", f)
		}
		if f := w.outputsOf(1, 1); f[wire.StdoutName] != "step 1\nstep 2\nstep 3\n" || f["out/reached"] != "3\n" {
			t.Fatalf("the outputs: %q", f)
		}
		if r.Usage.Sent <= r.Staged.Bytes {
			t.Fatalf("sent %d bytes, of which %d outputs", r.Usage.Sent, r.Staged.Bytes)
		}
		l.forget(1, 1)
		until(t, "all of it is removed", func() bool { return len(w.journal()) == 0 })
	})
}

// What an attempt begins with is in the place of its inputs, and belongs to its outputs.
func TestAnAttemptBeginsWithTheCheckpointThatTheScheddHas(t *testing.T) {
	w := newWorld(t)
	w.run()
	l := w.line()
	x := w.counting("cat dir/input")
	w.inputsAre(file{"count", "#!/bin/sh\ncat reached dir/old dir/new; echo more; exit 0\n", 0o755}, file{"reached", "an input", 0o644}, file{"dir/old", "old\n", 0o644}, file{"dir/new", "input\n", 0o644})
	x.Checkpoint.Kept = true
	last := pack(t, file{wire.StdoutName, "before\n", 0o600}, file{"out/reached", "7\n", 0o644}, file{"out/dir/new", "new\n", 0o644})
	w.set(func() { w.last = last })
	l.start(1, 2, x)
	l.want(1, 2, wire.Started)
	if r := l.want(1, 2, wire.Exited); r.Code != 0 || r.Usage.Received == 0 {
		t.Fatalf("%+v", r)
	}
	if f := w.outputsOf(1, 2); f[wire.StdoutName] != "before\n7\nold\nnew\nmore\n" || f["out/reached"] != "7\n" {
		t.Fatalf("the outputs: %q", f)
	}
}

// Wherever the agent dies, no step is done twice, and what the schedd has is no less than
// what the job goes on from.
func TestAnAgentThatDiesAroundACheckpointIsFollowedByOne(t *testing.T) {
	w := newWorld(t)
	held := make(chan struct{})
	w.set(func() { w.held = held })
	kill := w.spawn()
	l := w.line()
	l.start(1, 1, w.counting(""))
	l.want(1, 1, wire.Started)
	until(t, "a checkpoint comes", func() bool { return len(w.checkpoints()) == 1 })
	kill() // it has not been answered
	w.set(func() { w.held = nil })
	w.spawnAndMeet(&l, &kill)
	for l.report().Kind != wire.Exited {
	}
	w.stepsAre("1 2 3")
	var numbers []string
	for _, c := range w.checkpoints() {
		numbers = append(numbers, c.number)
	}
	if got := strings.Join(numbers, " "); got != "1 1 2" {
		t.Fatalf("checkpoints of the numbers %s came", got)
	}
}

// An agent that died when the schedd had the checkpoint, and before a runner was told.
func TestAJobThatIsToBeginAgainBegins(t *testing.T) {
	w := newWorld(t)
	x := w.counting("")
	k := runner.Key{Job: grid.JobID{Cluster: 1}, Epoch: 1}
	kill := w.spawn()
	w.line()
	kill()
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	user := sandbox.Self()
	if os.Geteuid() == 0 {
		user = sandbox.User{UID: owner().UID, GID: owner().GID}
	}
	box := sandbox.Sandbox{Dir: filepath.Join(w.state, sandboxDir, k.String()), User: user}
	journal, err := os.OpenRoot(filepath.Join(w.state, privateDir, runner.JournalDir))
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	a := &Agent{journal: journal}
	e := &entry{Key: k, Boot: boot, User: user, Exec: x, Kept: 1, Again: true, Used: wire.Usage{UserMS: 5000}}
	inputs := pack(t, file{"count", string(unpack(t, w.inputs)["count"]), 0o755}, file{"reached", "1\n", 0o644})
	for _, do := range []func() error{
		box.Create,
		func() error { _, err := box.Unpack(strings.NewReader(string(inputs)), sandbox.Limits{}); return err },
		func() error { return box.Capture(x) },
		func() error { return box.Remember() },
		func() error { return a.write(e) },
		// What the runner wrote last is there still.
		func() error {
			return journal.WriteFile(k.String()+runner.ResultExt, []byte(`{"job":"1.0","epoch":1,"kind":"exited","code":85}`), 0o600)
		},
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	w.run()
	if r := w.line().ends(1, 1, wire.Exited); r.Usage.UserMS < 5000 {
		t.Fatalf("what it has used before is forgotten: %+v", r)
	}
	w.stepsAre("2 3")
	if came := w.checkpoints(); len(came) != 1 || came[0].number != "2" {
		t.Fatalf("checkpoints: %+v", came)
	}
	if f := w.outputsOf(1, 1); f["out/reached"] != "3\n" {
		t.Fatalf("the outputs: %q", f)
	}
}

// A job that takes the time that it is given to save itself loses nothing.
func TestTheLastCheckpointOfAJobThatIsToldToEnd(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		w.run()
		l := w.line()
		x := w.counting(fmt.Sprintf(`trap 'echo $at >reached; exit 85' TERM; touch %s/ready; while :; do sleep 0.01; done`, w.home))
		l.start(1, 1, x)
		l.want(1, 1, wire.Started)
		until(t, "the job is ready", func() bool { return exists(w.file("ready")) })
		held := make(chan struct{})
		w.set(func() { w.held = held })
		l.kill(1, 1, false)
		until(t, "its checkpoint comes", func() bool { return len(w.checkpoints()) == 1 })
		close(held)
		if r := l.want(1, 1, wire.Killed); r.Reason != "removed" {
			t.Fatalf("%+v", r)
		}
		if f := w.checkpoints()[0].files; f["out/reached"] != "1\n" {
			t.Fatalf("the checkpoint: %q", f)
		}
	})
}

// An end that cannot wait does not wait for a checkpoint.
func TestAnEndAtOnceStopsACheckpoint(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.held = make(chan struct{}) })
	w.run()
	l := w.line()
	l.start(1, 1, w.counting(""))
	l.want(1, 1, wire.Started)
	until(t, "its checkpoint comes", func() bool { return len(w.checkpoints()) == 1 })
	l.kill(1, 1, false) // that one can
	l.kill(1, 1, true)
	l.want(1, 1, wire.Killed)
	w.stepsAre("1")
}

func TestACheckpointThatIsNotToBeHad(t *testing.T) {
	for _, c := range []struct {
		name    string
		set     func(w *world, x *wire.Execution)
		want    wire.ReportKind
		hold    grid.HoldCode
		vacate  grid.VacateCode
		says    string
		came    int
		stepped string
	}{
		{
			name: "a file of it is missing", set: func(_ *world, x *wire.Execution) { x.Checkpoint.Files = []string{"reached", "more"} },
			want: wire.Failed, hold: grid.HoldCheckpoint, says: "the checkpoint cannot be kept: the output more was not made", stepped: "1",
		},
		{
			name: "the schedd finds a fault of the job's", set: func(w *world, _ *wire.Execution) { w.refuses = grid.Errorf(grid.Invalid, "it is no good") },
			want: wire.Failed, hold: grid.HoldCheckpoint, says: "the checkpoint cannot be kept: it is no good", stepped: "1",
		},
		{
			name: "the schedd has no room: the job goes on", set: func(w *world, _ *wire.Execution) { w.refuses = grid.Errorf(grid.NoSpace, "no room") },
			want: wire.Exited, stepped: "1 2 3",
		},
		{
			name: "nobody wants it", set: func(w *world, _ *wire.Execution) { w.refuses = grid.Errorf(grid.Refused, "job 1.0 is Removed") },
			want: wire.Lost, vacate: grid.VacateStarter, says: "job 1.0 is Removed", stepped: "1",
		},
		{
			name: "it is to go on elsewhere", set: func(w *world, _ *wire.Execution) { w.leave = "its machine is drained" },
			want: wire.Killed, vacate: grid.VacateSaved, says: "its machine is drained", came: 1, stepped: "1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			x := w.counting("")
			w.set(func() { c.set(w, &x) })
			w.run()
			l := w.line()
			l.start(1, 1, x)
			l.want(1, 1, wire.Started)
			r := l.want(1, 1, c.want)
			if r.Hold.Code != c.hold || r.Vacate != c.vacate || r.Reason+r.Hold.Reason != c.says {
				t.Fatalf("%+v", r)
			}
			if n := len(w.checkpoints()); n != c.came {
				t.Fatalf("%d checkpoints came", n)
			}
			w.stepsAre(c.stepped)
		})
	}
}
