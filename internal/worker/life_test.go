package worker

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
	"gridburst/internal/worker/sandbox"
)

// runnerPIDs are the processes of the runners that are busy or idle.
func (w *world) runnerPIDs() (pids []int) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.state, privateDir, runner.RunnerDir, "*", "process.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		var id runner.Identity
		b, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(b, &id)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		pids = append(pids, id.PID)
	}
	return pids
}

func (w *world) signalRunners(sig syscall.Signal) {
	w.t.Helper()
	for _, pid := range w.runnerPIDs() {
		if err := syscall.Kill(pid, sig); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestAnAgentThatIsKilledIsFollowedByOne(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		kill := w.spawn()
		l := w.line()
		inputs := pack(t, file{"run.sh", "#!/bin/sh\n" + fmt.Sprintf("cd %s; %s\n", w.home, waiting), 0o755})
		w.set(func() { w.inputs = inputs })
		l.start(1, 1, w.script(waiting))
		l.want(1, 1, wire.Started)
		l.start(2, 1, wire.Execution{Owner: owner(), Cmd: "run.sh", Transfer: true, Out: "o"})
		l.want(2, 1, wire.Started)
		l.start(3, 1, w.script(`exit 4`))
		l.ends(3, 1, wire.Exited)
		until(t, "both jobs began", func() bool { return exists(w.file("began")) && strings.Count(w.read("began"), "\n") == 2 })
		kill()
		if h := w.spawnAndMeet(&l, &kill); len(h) != 3 || h[1] != wire.Started || h[2] != wire.Started || h[3] != wire.Exited {
			t.Fatalf("the next agent holds %v", h)
		}
		// And while nobody is there.
		kill()
		w.touch("go")
		until(t, "the ends are written", func() bool {
			n := 0
			for _, f := range w.journal() {
				if strings.HasSuffix(f, runner.ResultExt) {
					n++
				}
			}
			return n == 3
		})
		h := w.spawnAndMeet(&l, &kill)
		if len(h) != 3 || h[1] != wire.Exited || h[3] != wire.Exited {
			t.Fatalf("the next agent holds %v", h)
		}
		r := l.held(2) // its outputs had to be sent first, which may have been quicker than the line
		for r.Job.Cluster != 2 || !r.Kind.Final() {
			r = l.report()
		}
		if r.Kind != wire.Exited || r.Code != 3 || r.Staged == nil {
			t.Fatalf("%+v", r)
		}
		// The end that was told stays, though nothing could be sent now.
		w.set(func() { w.fails = 1 << 20 })
		kill()
		if h := w.spawnAndMeet(&l, &kill); len(h) != 3 || h[2] != wire.Exited {
			t.Fatalf("the next agent holds %v", h)
		}
		for job := range int32(3) {
			l.forget(job+1, 1)
		}
		until(t, "all of it is removed", func() bool { return len(w.journal()) == 0 })
		if n := strings.Count(w.read("began"), "\n"); n != 2 {
			t.Fatalf("two jobs began %d times", n)
		}
	})
}

// spawnAndMeet begins another agent and says what it holds.
func (w *world) spawnAndMeet(l **line, kill *func()) map[int32]wire.ReportKind {
	w.t.Helper()
	*kill = w.spawn()
	*l = w.line()
	held := map[int32]wire.ReportKind{}
	for _, a := range (*l).hello.Attempts {
		held[a.Job.Cluster] = a.Last.Kind
	}
	return held
}

// Whatever has been said when the agent dies: a job ends once, and a lost one has not
// run twice.
func TestAnAgentMayDieAtAnyMoment(t *testing.T) {
	w := newWorld(t)
	kill := w.spawn()
	l := w.line()
	job := int32(0)
	for round := range 6 {
		for name, moment := range map[string]func(){
			"before it hears of the job": func() {},
			"when it says something":     func() { l.report() },
			"when the job speaks": func() {
				until(t, "the job begins", func() bool { return exists(w.file(fmt.Sprint("began", job))) })
			},
			"when the job has ended": func() {
				for l.report().Kind != wire.Exited {
				}
			},
			"when it is to forget": func() {
				for l.report().Kind != wire.Exited {
				}
				l.forget(job, 1)
			},
		} {
			job++
			l.start(job, 1, w.script(fmt.Sprintf(`echo x >>began%d; exit 3`, job)))
			moment()
			kill()
			held := w.spawnAndMeet(&l, &kill)
			kind, ok := held[job]
			if ok && !kind.Final() {
				kind = l.report().Kind
				if kind == wire.Started {
					kind = l.report().Kind
				}
			}
			began := 0
			if exists(w.file(fmt.Sprint("began", job))) {
				began = strings.Count(w.read(fmt.Sprint("began", job)), "\n")
			}
			if began > 1 || ok && kind != wire.Exited && kind != wire.Lost || kind == wire.Exited && began != 1 {
				t.Fatalf("round %d, %s: held %v, %s, and the job began %d times", round, name, ok, kind, began)
			}
			if ok {
				l.forget(job, 1)
			}
		}
	}
}

func TestARunnerThatDiesLosesItsJob(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		w.run()
		l := w.line()
		l.start(1, 1, w.script(waiting))
		l.want(1, 1, wire.Started)
		w.signalRunners(syscall.SIGKILL) // idle ones too
		if r := l.want(1, 1, wire.Lost); r.Vacate != grid.VacateStarter {
			t.Fatalf("%+v", r)
		}
		// A runner that has just died may be given a job still, which is lost then.
		r := wire.Report{}
		for epoch := uint32(1); r.Kind != wire.Exited && epoch < 10; epoch++ {
			l.start(2, epoch, w.script(`exit 0`))
			for r = l.report(); !r.Kind.Final(); r = l.report() {
			}
		}
		if r.Kind != wire.Exited {
			t.Fatalf("%+v", r)
		}
	})
}

func TestALeaseThatRunsOutEndsTheJob(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		w.set(func() { w.welcome.LeaseMS, w.welcome.RenewMS = 800, 50 })
		w.run()
		l := w.line()
		l.start(1, 1, w.script(waiting))
		l.want(1, 1, wire.Started)
		l.renewed(2 * 800 / 50) // as long as it is renewed, it lasts
		if len(l.in) > 0 {
			t.Fatalf("%+v", l.report())
		}
		w.set(func() { w.renews = false })
		if r := l.want(1, 1, wire.Lost); r.Vacate != grid.VacateReconnect {
			t.Fatalf("%+v", r)
		}
	})
}

func TestAJobMayHaveAShorterLeaseThanItsWorkerRenews(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.welcome.RenewMS = time.Hour.Milliseconds() })
	w.run()
	l := w.line()
	x := w.script(waiting)
	x.LeaseMS = 1000
	l.start(1, 1, x)
	l.want(1, 1, wire.Started)
	l.renewed(8) // two leases
	w.touch("go")
	l.want(1, 1, wire.Exited)
	w.set(func() { w.renews = false })
	x = w.script(`sleep 1000`)
	x.LeaseMS = 1000
	l.start(2, 1, x)
	l.ends(2, 1, wire.Lost)
}

func TestAStoppedRunnerDoesNotStretchTheLease(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a runner that is overdue")
	}
	w := newWorld(t)
	w.set(func() { w.welcome.LeaseMS, w.renews = 500, false })
	w.run()
	l := w.line()
	l.start(1, 1, w.script(waiting))
	l.want(1, 1, wire.Started)
	w.signalRunners(syscall.SIGSTOP)
	r := l.want(1, 1, wire.Lost)
	for _, pid := range w.runnerPIDs() {
		syscall.Kill(pid, syscall.SIGCONT) // the idle ones, so that they can be told to end
	}
	if r.Vacate != grid.VacateStarter {
		t.Fatalf("%+v", r)
	}
}

func TestAMachineOfOursEndsWithItsLease(t *testing.T) {
	for name, change := range map[string]func(*world, *Config){
		"which nobody renews":      func(w *world, c *Config) { w.set(func() { w.welcome.LeaseMS, w.renews = 100, false }) },
		"which it never was given": func(w *world, c *Config) { c.Patience, c.Schedd.Address = 100*time.Millisecond, w.file("none") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			k := w.run(func(c *Config) {
				change(w, c)
				c.PowerOff = []string{"touch", w.file("off")}
			})
			if err := k.ended(t); err != nil || !exists(w.file("off")) {
				t.Fatal(err, exists(w.file("off")))
			}
			// A next agent on it has no more time.
			k = w.run(func(c *Config) {
				c.PowerOff = []string{"touch", w.file("again")}
				c.Schedd.Address = w.file("none")
			})
			if err := k.ended(t); err != nil || !exists(w.file("again")) {
				t.Fatal(err, exists(w.file("again")))
			}
		})
	}
}

func TestALocalWorkerEndsWithItsLease(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.welcome.LeaseMS = 1000 })
	k := w.run(func(c *Config) { c.Local = true })
	l := w.line()
	if !l.hello.Local {
		t.Fatalf("%+v", l.hello)
	}
	l.start(1, 1, w.script(`exit 3`))
	l.ends(1, 1, wire.Exited)
	w.set(func() { w.renews = false })
	if err := k.ended(t); err != nil {
		t.Fatal(err)
	}
	// The next one has what it knew.
	w.set(func() { w.renews = true })
	w.run(func(c *Config) { c.Local = true })
	if l = w.line(); len(l.hello.Attempts) != 1 || l.hello.Attempts[0].Last.Code != 3 {
		t.Fatalf("%+v", l.hello)
	}
}

func TestWhatAnotherStartOfTheMachineLeft(t *testing.T) {
	w := newWorld(t)
	a, err := New(config(w.state, w.at, w.i), logrus.New())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	exited := func(k runner.Key) *wire.Report {
		return &wire.Report{Job: k.Job, Epoch: k.Epoch, Kind: wire.Exited, Code: 5}
	}
	type left struct {
		entry
		result bool
	}
	key := func(n int32) runner.Key { return runner.Key{Job: grid.JobID{Cluster: n}, Epoch: 1} }
	for _, e := range []left{
		{entry{Key: key(1), Boot: "another"}, false},
		{entry{Key: key(2), Boot: "another"}, true},
		{entry{Key: key(3), Boot: "another", Exec: wire.Execution{Transfer: true}}, true},
		{entry{Key: key(4), Boot: "another", Exec: wire.Execution{Transfer: true}, Final: exited(key(4))}, true},
		{entry{Key: key(5), Boot: a.boot}, false},
		{entry{Key: key(6), Boot: a.boot}, true},
	} {
		if err := a.write(&e.entry); err != nil {
			t.Fatal(err)
		}
		if e.result {
			b, err := json.Marshal(exited(e.Key))
			if err == nil {
				err = a.journal.WriteFile(e.Key.String()+runner.ResultExt, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := (sandbox.Sandbox{Dir: filepath.Join(w.state, sandboxDir, e.Key.String()), User: sandbox.Self()}).Create(); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"7.0.1.json": "", "8.0.1.result": "{}", "9.0.1.json.new": "{", "1.0.1.json.new": "{"} {
		if err := a.journal.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stray := sandbox.Sandbox{Dir: filepath.Join(w.state, sandboxDir, "7.0.1"), User: sandbox.Self()}
	if err := stray.Create(); err != nil {
		t.Fatal(err)
	}
	a.journal.Close()
	a.lock.Close()

	w.run()
	l := w.line()
	want := map[int32]wire.Report{
		1: {Kind: wire.Lost, Vacate: grid.VacateMachine}, 2: {Kind: wire.Exited, Code: 5}, 3: {Kind: wire.Lost, Vacate: grid.VacateMachine},
		4: {Kind: wire.Exited, Code: 5}, 5: {Kind: wire.Lost, Vacate: grid.VacateStarter}, 6: {Kind: wire.Exited, Code: 5},
	}
	if len(l.hello.Attempts) != len(want) {
		t.Errorf("%d attempts", len(l.hello.Attempts))
	}
	for _, h := range l.hello.Attempts {
		if x := want[h.Job.Cluster]; h.Last.Kind != x.Kind || h.Last.Vacate != x.Vacate || h.Last.Code != x.Code {
			t.Errorf("%+v", h.Last)
		}
		l.forget(h.Job.Cluster, h.Epoch)
	}
	until(t, "all of it is removed", func() bool {
		boxes, err := os.ReadDir(filepath.Join(w.state, sandboxDir))
		return err == nil && len(boxes) == 0 && len(w.journal()) == 0
	})
}

func TestAnAgentThatStopsLeavesItsJobsAlone(t *testing.T) {
	w := newWorld(t)
	k := w.run()
	l := w.line()
	l.start(1, 1, w.script(waiting))
	l.want(1, 1, wire.Started)
	k.end(t)
	if left := processesOf(filepath.Join(w.state, privateDir)); len(left) != 1 {
		t.Fatalf("the runner of the job should be there, and no idle one: %v", left)
	}
	w.run()
	if l = w.line(); len(l.hello.Attempts) != 1 || l.hello.Attempts[0].Last.Kind != wire.Started {
		t.Fatalf("%+v", l.hello)
	}
	w.touch("go")
	if r := l.want(1, 1, wire.Exited); r.Code != 3 {
		t.Fatalf("%+v", r)
	}
}

func TestAChangedMachineIsOfferedAnew(t *testing.T) {
	w := newWorld(t)
	cpus := make(chan string, 1)
	k := w.run(func(c *Config) {
		now := "2"
		c.Offer = func() (map[string]string, error) {
			select {
			case now = <-cpus:
			default:
			}
			return map[string]string{"Cpus": now, "Disk": "1000000"}, nil
		}
	})
	l := w.line()
	k.offer() // nothing has changed
	cpus <- "4"
	k.offer()
	select {
	case m := <-l.in:
		if m.Advert == nil || m.Advert.Attrs["Cpus"] != "4" {
			t.Fatalf("%+v", m)
		}
	case <-time.After(patience):
		t.Fatal("the schedd was not told")
	}
}
