package worker

import (
	"bufio"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// checked is a job in place that waits, and is ready when there is a file.
func (w *world) checked() wire.Execution {
	x := w.script(waiting)
	x.Ready = &wire.Check{
		Command: []string{"sh", "-c", `if [ -e ready ]; then echo >>found; exit 0; fi; echo not yet; exit 2`},
		EveryMS: 10, TimeoutMS: patience.Milliseconds(), Address: "here:7000",
	}
	return x
}

// says waits for an update about a job that is as wanted. Others may come before.
func (l *line) says(job int32, epoch uint32, want map[string]string) {
	l.t.Helper()
	for {
		select {
		case m, ok := <-l.in:
			switch {
			case !ok:
				l.t.Fatal("the worker hung up")
			case m.Update == nil:
				l.t.Fatalf("instead of an update: %+v", m)
			case m.Update.Job.Cluster == job && m.Update.Epoch == epoch && maps.Equal(m.Update.Attrs, want):
				return
			}
		case <-time.After(patience):
			l.t.Fatalf("the worker does not say %v", want)
		}
	}
}

var (
	notYet = map[string]string{"ReadyAnswer": `"exit 2: not yet"`}
	isThat = map[string]string{"ReadyAnswer": `""`, "ServiceReady": "true", "ServiceAddress": `"here:7000"`}
)

func TestWhatACheckFindsIsSaidAsTheJobsOwnWord(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		w.run()
		l := w.line()
		l.start(1, 1, w.checked())
		l.want(1, 1, wire.Started)
		l.says(1, 1, notYet)
		l.drop()
		l = w.line()
		w.touch("ready")
		l.says(1, 1, isThat)
		w.touch("go")
		for m := range l.in {
			if m.Report != nil {
				if m.Report.Kind != wire.Exited || m.Report.Code != 3 {
					t.Errorf("%+v", m.Report)
				}
				break
			}
		}
		if n := strings.Count(w.read("found"), "\n"); n != 1 {
			t.Errorf("%d tries succeeded", n)
		}
	})
}

func TestAJobThatSaysWhereItIsKnowsBetter(t *testing.T) {
	w := newWorld(t)
	w.run()
	l := w.line()
	x := w.checked()
	x.Args[1] = `echo 'serviceaddress = "there:1"' >>$_CONDOR_JOB_ATTRS; echo 'Owner = "root"' >>$_CONDOR_JOB_ATTRS; : >ready; ` + waiting
	l.start(1, 1, x)
	l.want(1, 1, wire.Started)
	// Apart from each other: what it may not say of itself takes nothing from its check.
	l.says(1, 1, map[string]string{"serviceaddress": `"there:1"`, "Owner": `"root"`})
	l.says(1, 1, map[string]string{"ReadyAnswer": `""`, "ServiceReady": "true"})
}

func TestTheNextAgentTellsWhatACheckFoundMeanwhile(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		kill := w.spawn()
		l := w.line()
		l.start(1, 1, w.checked())
		l.want(1, 1, wire.Started)
		l.says(1, 1, notYet)
		kill()
		w.touch("ready")
		until(t, "a try that succeeds", func() bool { return exists(w.file("found")) })
		w.run()
		l = w.line()
		if r := l.held(1); r.Kind != wire.Started {
			t.Fatalf("%+v", r)
		}
		l.says(1, 1, isThat)
	})
}

func TestARunnerOfAnEarlierReleaseGetsNoMoreJobs(t *testing.T) {
	w := newWorld(t)
	w.i = wire.ProcessGroups
	for _, dir := range []string{runner.JournalDir, runner.RunnerDir} {
		if err := os.MkdirAll(filepath.Join(w.state, privateDir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	c, err := runner.Spawn(t.Context(), runner.Config{
		State: filepath.Join(w.state, privateDir), Command: []string{os.Args[0], "earlier"}, Isolation: w.i, Boot: strings.TrimSpace(string(boot)), Log: logrus.New(),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Leave()
	w.run()
	l := w.line()
	x := w.checked()
	w.touch("ready")
	l.start(1, 1, x)
	l.want(1, 1, wire.Started)
	l.says(1, 1, isThat)
	until(t, "the earlier runner is gone", func() bool { return len(processesOf(os.Args[0]+"\x00earlier\x00--dir\x00"+w.state)) == 0 })
}

// asEarlier is a runner that knows of no checks, as far as an agent meets it when it is idle.
func asEarlier() error {
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		if _, err := conn.Write(wire.AppendBlock(nil, []byte(`{"ready":{}}`))); err != nil {
			return err
		}
		for r := bufio.NewReader(conn); ; {
			b, err := wire.ReadBlock(r, nil, 1<<20)
			if err != nil {
				break
			}
			if strings.Contains(string(b), "quit") {
				return nil
			}
		}
	}
}
