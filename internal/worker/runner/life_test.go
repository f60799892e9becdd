package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/freeze"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

func TestAKilledJobIsAskedFirst(t *testing.T) {
	for name, x := range map[string]struct {
		script string
		change func(*Job)
		code   int32
		signal bool
		out    string
	}{
		"and may end by itself":           {`trap 'echo asked; exit 7' TERM; : >ready; while :; do sleep 0.01; done`, nil, 7, false, "asked\n"},
		"with the signal that it chose":   {`trap 'echo asked; exit 7' USR1; : >ready; while :; do sleep 0.01; done`, func(j *Job) { j.Exec.KillSig = int(unix.SIGUSR1) }, 7, false, "asked\n"},
		"and is killed if it does not":    {`trap '' TERM; : >ready; while :; do sleep 0.01; done`, func(j *Job) { j.Exec.KillMS = 50 }, 9, true, ""},
		"even when it is stopped":         {`trap 'echo asked; exit 7' TERM; : >ready; kill -STOP $$; exit 1`, nil, 7, false, "asked\n"},
		"with all of its session":         {`trap 'wait; exit 7' TERM; (trap 'echo child; exit' TERM; : >ready; while :; do sleep 0.01; done) & wait`, nil, 7, false, "child\n"},
		"but not if there is a signal 99": {`trap 'echo asked; exit 7' TERM; : >ready; while :; do sleep 0.01; done`, func(j *Job) { j.Exec.KillSig = 99 }, 7, false, "asked\n"},
	} {
		t.Run(name, func(t *testing.T) {
			inEachMode(t, func(t *testing.T, w *world) {
				c := w.spawn(t)
				j := w.job(t, owner(), x.script)
				if x.change != nil {
					x.change(&j)
				}
				give(t, c, j)
				until(t, "the job is ready", func() bool { return exists(j.file("ready")) })
				if err := c.Kill(Kill{Key: j.Key, Reason: "removed"}); err != nil {
					t.Fatal(err)
				}
				r := ended(t, c, j)
				if r.Kind != wire.Killed || r.Code != x.code || r.Signal != x.signal || r.Reason != "removed" || j.output(t) != x.out {
					t.Fatalf("%+v %q", r, j.output(t))
				}
			})
		})
	}
}

func TestAKillThatIsFastDoesNotAsk(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		word := word(t)
		c := w.spawn(t)
		j := w.job(t, owner(), `trap 'echo asked' TERM; `+daemon(word)+`: >ready; while :; do sleep 0.01; done`)
		give(t, c, j)
		until(t, "the job is ready", func() bool { return exists(j.file("ready")) })
		// Also after it was asked.
		for _, fast := range []bool{false, true} {
			if err := c.Kill(Kill{Key: j.Key, Fast: fast}); err != nil {
				t.Fatal(err)
			}
		}
		if r := ended(t, c, j); r.Kind != wire.Killed || !r.Signal || r.Code != 9 || living(t, word) > 0 {
			t.Fatalf("%+v, %d live", r, living(t, word))
		}
	})
}

func TestAKillMeetsTheJobAtAnyMoment(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		for range 30 {
			j := w.job(t, owner(), `sleep 100`)
			j.Exec.KillMS = 1
			give(t, c, j)
			if err := c.Kill(Kill{Key: j.Key}); err != nil {
				t.Fatal(err)
			}
			if r := ended(t, c, j); r.Kind != wire.Killed {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func TestAKillOfAnotherAttemptIsNotForThisJob(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	j := w.job(t, owner(), `exit 3`)
	other := j.Key
	other.Epoch++
	if err := c.Kill(Kill{Key: other, Fast: true}); err != nil {
		t.Fatal(err)
	}
	give(t, c, j)
	if err := c.Kill(Kill{Key: other, Fast: true}); err != nil {
		t.Fatal(err)
	}
	if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 3 {
		t.Fatalf("%+v", r)
	}
}

func TestALeaseThatRunsOutEndsTheJob(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		word := word(t)
		c := w.spawn(t)
		j := w.job(t, owner(), daemon(word)+`sleep 100`)
		j.Lease.Until = Clock() + 400
		give(t, c, j)
		r := ended(t, c, j)
		late := Clock() - j.Lease.Until
		if r.Kind != wire.Lost || r.Vacate != grid.VacateReconnect || late < 0 || late > 5000 || living(t, word) > 0 {
			t.Fatalf("%+v, %d ms after the lease's end, %d live", r, late, living(t, word))
		}
	})
}

func TestALeaseIsExtendedAndCutShort(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	j := w.job(t, owner(), `sleep 0.6; exit 3`)
	j.Lease.Until = Clock() + 400
	give(t, c, j)
	started(t, c, j)
	if err := c.Lease(Lease{Until: Clock() + time.Hour.Milliseconds(), Span: 1000}); err != nil {
		t.Fatal(err)
	}
	if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 3 {
		t.Fatalf("an extended lease: %+v", r)
	}
	j = w.job(t, owner(), `sleep 100`)
	give(t, c, j)
	started(t, c, j)
	if err := c.Lease(Lease{Until: Clock() - 1, Span: 1000}); err != nil {
		t.Fatal(err)
	}
	if r := ended(t, c, j); r.Kind != wire.Lost {
		t.Fatalf("a lease that is over: %+v", r)
	}
	// One that was over before the start.
	j = w.job(t, owner(), `: >ran; sleep 100`)
	j.Lease.Until = Clock() - 1000
	give(t, c, j)
	if r := ended(t, c, j); r.Kind != wire.Lost || r.Vacate != grid.VacateReconnect {
		t.Fatalf("a lease that was over: %+v", r)
	}
}

// leave is what an agent's death does to its connection.
func leave(c *Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.Close()
}

func TestTheNextAgentFindsTheJobAsItIs(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		first := w.spawn(t)
		j := w.job(t, owner(), `while ! [ -e go ]; do sleep 0.01; done; exit 3`)
		give(t, first, j)
		started(t, first, j)

		first.Leave() // or it would be back, in the place of the next
		second, err := Attach(t.Context(), w.cfg, first.Name())
		if err != nil {
			t.Fatal(err)
		}
		if r := second.Ready(); r.Busy == nil || *r.Busy != j.Key || !r.Running || r.Last != nil {
			t.Fatalf("%+v", r)
		}
		if err := os.WriteFile(j.file("go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := ended(t, second, j); r.Code != 3 {
			t.Fatalf("%+v", r)
		}
		second.Leave()
		third, err := Attach(t.Context(), w.cfg, first.Name())
		if err != nil {
			t.Fatal(err)
		}
		if r := third.Ready(); r.Busy != nil || r.Last == nil || r.Last.Code != 3 {
			t.Fatalf("%+v", r)
		}
		j = w.job(t, owner(), `exit 4`)
		give(t, third, j)
		if r := ended(t, third, j); r.Code != 4 {
			t.Fatalf("%+v", r)
		}
		end(t, third)
	})
}

func TestAConnectionThatBreaksIsMadeAgain(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		j := w.job(t, owner(), `while ! [ -e go ]; do sleep 0.01; done; exit 3`)
		give(t, c, j)
		started(t, c, j)
		leave(c)
		started(t, c, j) // said again to the agent that is back
		leave(c)
		if err := os.WriteFile(j.file("go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := ended(t, c, j); r.Code != 3 {
			t.Fatalf("%+v", r)
		}
	})
}

func TestARunnerWithoutAnAgentEndsWhenItHasNothingToDo(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	pid, start := c.id.PID, c.id.Start
	j := w.job(t, owner(), `while ! [ -e go ]; do sleep 0.01; done; exit 3`)
	j.Lease.Span = 100
	give(t, c, j)
	started(t, c, j)
	// An agent that is gone does not come back: stop this one's side for good.
	if err := os.Rename(filepath.Join(c.dir, socketFile), filepath.Join(c.dir, "away")); err != nil {
		t.Fatal(err)
	}
	leave(c)
	p, err := openProcess(pid, start)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	if err := p.wait(ctx); err == nil {
		t.Fatal("it ended before its job")
	}
	if err := os.WriteFile(j.file("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed(t, c)
	if r, ok := Result(w.journal, j.Key); !ok || r.Code != 3 {
		t.Fatalf("%+v, %v", r, ok)
	}
}

func TestAnIdleRunnerQuitsWhenTold(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		j := w.job(t, owner(), `while ! [ -e go ]; do sleep 0.01; done; exit 3`)
		give(t, c, j)
		started(t, c, j)
		if err := c.Quit(); err != nil { // a busy one does not
			t.Fatal(err)
		}
		if err := os.WriteFile(j.file("go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := ended(t, c, j); r.Code != 3 {
			t.Fatalf("%+v", r)
		}
		_ = c.Quit() // it may have read the first only now, and have hung up
		closed(t, c)
		if _, err := Attach(t.Context(), w.cfg, c.Name()); grid.CodeOf(err) != grid.NotFound {
			t.Fatal(err)
		}
		if err := Discard(w.cfg.State, c.Name()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestASecondJobEndsNothing(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	j := w.job(t, owner(), `while ! [ -e go ]; do sleep 0.01; done; exit 3`)
	give(t, c, j)
	started(t, c, j)
	give(t, c, w.job(t, owner(), `exit 4`))
	started(t, c, j) // it hung up on the agent that made the mistake, which is back
	if err := os.WriteFile(j.file("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := ended(t, c, j); r.Code != 3 {
		t.Fatalf("%+v", r)
	}
}

func TestARunnerThatDoesNotAnswerIsKilled(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		word := word(t)
		c := w.spawn(t)
		j := w.job(t, owner(), daemon(word)+`sleep 77`+word)
		give(t, c, j)
		started(t, c, j)
		until(t, "the daemon", func() bool { return exists(j.file("away")) })
		if err := freeze.Process(c.id.PID); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := Attach(ctx, w.cfg, c.Name()); grid.CodeOf(err) != grid.NotFound {
			t.Fatal(err)
		}
		if living(t, word) > 0 {
			t.Fatal("its job lives")
		}
	})
}

// Whatever moment a runner dies at: its death is told, nothing of the job lives
// then, and there is a result exactly if it was written.
func TestARunnerMayDieAtAnyMoment(t *testing.T) {
	for _, point := range []string{FailReady, FailTaken, FailPrepared, FailStarted, FailEnded, FailResult} {
		t.Run(point, func(t *testing.T) {
			inEachMode(t, func(t *testing.T, w *world) {
				word := word(t)
				w.cfg.Env = append(w.cfg.Env, failAt+"="+point)
				c, err := Spawn(t.Context(), w.cfg)
				if grid.CodeOf(err) == grid.Refused {
					t.Skip("needs more rights than this user has here: ", err)
				}
				if point == FailReady {
					if err == nil {
						t.Fatal("a runner that died was started")
					}
					if ids, err := Runners(w.cfg.State); err != nil || len(ids) != 0 {
						t.Fatal(ids, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				j := w.job(t, owner(), daemon(word)+`exit 3`)
				give(t, c, j)
				closed(t, c)
				if n := living(t, word); n > 0 {
					t.Errorf("%d processes live", n)
				}
				r, ok := Result(w.journal, j.Key)
				if ok != (point == FailResult) || ok && r.Code != 3 {
					t.Errorf("the result: %+v, %v", r, ok)
				}
				if _, err := Attach(t.Context(), w.cfg, c.Name()); grid.CodeOf(err) != grid.NotFound {
					t.Error(err)
				}
			})
		})
	}
}

func TestAMachineThatGoesDownEndsTheJobFirst(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		word := word(t)
		c := w.spawn(t)
		j := w.job(t, owner(), daemon(word)+`sleep 77`+word)
		give(t, c, j)
		started(t, c, j)
		if err := c.process.signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if r := ended(t, c, j); r.Kind != wire.Lost || r.Vacate != grid.VacateStarter || living(t, word) > 0 {
			t.Fatalf("%+v, %d live", r, living(t, word))
		}
		closed(t, c)
	})
}

func TestARunnerFromBeforeTheMachinesStartIsDead(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	w.cfg.Boot = "another"
	if _, err := Attach(t.Context(), w.cfg, c.Name()); grid.CodeOf(err) != grid.NotFound {
		t.Fatal(err)
	}
}

func TestAnAlarmRingsOnceItIsTime(t *testing.T) {
	a, err := NewAlarm()
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []int64{-1000, 0, 50} {
		at := Clock() + in
		if err := a.Set(at); err != nil {
			t.Fatal(err)
		}
		if err := a.Wait(); err != nil || Clock() < at {
			t.Fatalf("%d ms: %v, %d ms early", in, err, at-Clock())
		}
	}
	ended := make(chan error)
	go func() { ended <- a.Wait() }()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("a closed alarm rang")
	}
}

// As root, everything is tried a second time as nobody: user namespaces, and the
// weaker mode without anybody's rights.
func TestAllOfThisAsAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("this is root's test, and not a short one")
	}
	dir, err := os.MkdirTemp("", "ordinary")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "runner.test")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.v")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "SKIP") || strings.Contains(line, "needs") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// What an agent wrote last may be read after its successor has come.
func TestAnOrderOfAReplacedAgentIsNotFollowed(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	old, err := Attach(t.Context(), w.cfg, c.Name())
	if err != nil {
		t.Fatal(err)
	}
	c.Leave()
	if err := freeze.Process(c.id.PID); err != nil {
		t.Fatal(err)
	}
	// The runner cannot read before it goes on: the order and the successor's connection
	// both wait then.
	j := w.job(t, owner(), `: >ran`)
	give(t, old, j)
	met := make(chan *Client, 1)
	go func() {
		successor, err := Attach(t.Context(), w.cfg, c.Name())
		if err != nil {
			t.Error(err)
		}
		met <- successor
	}()
	if err := c.process.signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	successor := <-met
	old.Leave()
	if successor == nil {
		return
	}
	t.Cleanup(func() { end(t, successor) })
	// Where it was read first, the successor knows, which is as good.
	switch ready := successor.Ready(); {
	case ready.Busy != nil:
		ended(t, successor, j)
		return
	case ready.Last != nil:
		if ready.Last.Job != j.Job || !exists(j.file("ran")) {
			t.Fatalf("the last one was %+v", *ready.Last)
		}
		return
	}
	next := w.job(t, owner(), `exit 3`)
	give(t, successor, next)
	if r := ended(t, successor, next); r.Code != 3 || exists(j.file("ran")) {
		t.Fatalf("%+v; the other ran: %v", r, exists(j.file("ran")))
	}
}
