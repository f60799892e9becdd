package runner

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
)

// waits is a job that goes on until there is a file.
const waits = `until [ -e stop ]; do sleep 0.02; done`

// checked is a job whose readiness check is a shell script. A try may take a minute.
func (w *world) checked(t *testing.T, job, check string) Job {
	t.Helper()
	j := w.job(t, owner(), job)
	j.Exec.Ready = &wire.Check{Command: []string{"sh", "-c", check}, EveryMS: 5, TimeoutMS: patience.Milliseconds()}
	return j
}

// answer is the next word of a job's check.
func answer(t *testing.T, c *Client, j Job) Checked {
	t.Helper()
	n := news(t, c)
	if n.Checked == nil || n.Checked.Key != j.Key {
		t.Fatalf("instead of an answer of the check of %s: %+v", j.Key, n)
	}
	return *n.Checked
}

func answers(t *testing.T, c *Client, j Job, want string) {
	t.Helper()
	if got := answer(t, c, j); got.Ready || got.Answer != want {
		t.Fatalf("the check answers %+v, not %q", got, want)
	}
}

func isReady(t *testing.T, c *Client, j Job) {
	t.Helper()
	if got := answer(t, c, j); !got.Ready || got.Answer != "" {
		t.Fatalf("the job is not ready: %+v", got)
	}
}

// make makes an empty file in the job's directory.
func (j Job) make(t *testing.T, name string) {
	t.Helper()
	if err := sandbox.As(j.User, func() error { return os.WriteFile(j.file(name), nil, 0o644) }); err != nil {
		t.Fatal(err)
	}
}

// lines is how many lines a file of the job's has.
func (j Job) lines(name string) int {
	b, _ := os.ReadFile(j.file(name)) // none yet: nothing
	return strings.Count(string(b), "\n")
}

func stops(t *testing.T, c *Client, j Job) {
	t.Helper()
	j.make(t, "stop")
	if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestACheckSaysWhyTheJobIsNotReadyUntilItIs(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		for range 2 { // one job after another
			j := w.checked(t, waits, `echo >>tries; echo "it is"; echo "not there" >&2; test -e there`)
			give(t, c, j)
			started(t, c, j)
			answers(t, c, j, "exit 1: it is not there")
			until(t, "the same answer again and again", func() bool { return j.lines("tries") > 3 })
			j.make(t, "there")
			isReady(t, c, j)
			tries := j.lines("tries")
			stops(t, c, j)
			if again := j.lines("tries"); again != tries {
				t.Errorf("%d tries after the job was ready", again-tries)
			}
		}
	})
}

func TestACheckIsMadeWhereAndAsWhoTheJobIs(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		const shows = `id; pwd; env | grep -v "^_=" | sort; umask; ulimit -c; grep -e ^Cap -e ^NoNew /proc/self/status; cat /proc/self/cgroup; for n in ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done`
		j := w.checked(t, `(`+shows+`) >job.saw 2>&1; : >saw; `+waits, `test -e saw && (`+shows+`) >check.saw 2>&1`)
		j.Exec.Env = []string{"MINE=yes", "PATH=/usr/bin:/bin"}
		give(t, c, j)
		started(t, c, j)
		for !answer(t, c, j).Ready {
		}
		job, _ := os.ReadFile(j.file("job.saw"))
		check, _ := os.ReadFile(j.file("check.saw"))
		if string(job) != string(check) || !strings.Contains(string(job), "MINE=yes") || !strings.Contains(string(job), "uid="+strconv.Itoa(int(j.User.UID))) {
			t.Errorf("the job sees\n%s\nand its check\n%s", job, check)
		}
		if w.cfg.Isolation == wire.Namespaces {
			// What the job has of System V goes with the job.
			until(t, "the runner has left the job's IPC", func() bool {
				tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/ns/ipc", c.id.PID))
				if err != nil || len(tasks) == 0 {
					t.Fatal(tasks, err)
				}
				return !slices.ContainsFunc(tasks, func(task string) bool {
					of, err := os.Readlink(task)
					return err == nil && strings.Contains(string(job), of)
				})
			})
		}
		stops(t, c, j)
	})
}

func TestATryThatHangsIsKilledWithAllThatItStarted(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		word := word(t)
		j := w.checked(t, waits, `if [ -e hung ]; then exit 0; fi; : >hung; echo still here; sleep 1`+word+` & sleep 2`+word)
		j.Exec.Ready.TimeoutMS = 1000
		give(t, c, j)
		started(t, c, j)
		if got := answer(t, c, j); !strings.HasPrefix(got.Answer, "no answer within 1s") || got.Ready {
			t.Errorf("%+v", got)
		}
		until(t, "what the try has started is dead", func() bool { return living(t, word) == 0 })
		isReady(t, c, j)
		stops(t, c, j)
	})
}

func TestATryLeavesNothingOfItsGroup(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		word := word(t)
		j := w.checked(t, waits, `sleep `+word+` & :`) // which keeps its output open
		give(t, c, j)
		started(t, c, j)
		isReady(t, c, j)
		until(t, "it is dead", func() bool { return living(t, word) == 0 })
		stops(t, c, j)
	})
}

func TestATryMaySayTooMuch(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		j := w.checked(t, waits, `if [ -e second ]; then head -c 100000 /dev/zero | tr '\0' '\377'; exit 4; fi; : >second; exec yes and so on`)
		give(t, c, j)
		started(t, c, j)
		if got := answer(t, c, j); !strings.HasPrefix(got.Answer, "it wrote more than 1024 KiB: ") || len(got.Answer) > MaxAnswer {
			t.Errorf("%+v", got)
		}
		if got := answer(t, c, j); !strings.HasPrefix(got.Answer, "exit 4: ?") || len(got.Answer) > MaxAnswer {
			t.Errorf("%+v", got)
		}
		stops(t, c, j)
	})
}

func TestACommandThatIsNotThereIsNamedAndLookedForAgain(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		for _, name := range []string{"no-such-command", "./later"} {
			j := w.checked(t, waits, "")
			j.Exec.Ready.Command = []string{name}
			j.Exec.Env = []string{"PATH=/no/such/place:relative:" + j.file("bin") + ":/usr/bin"}
			give(t, c, j)
			started(t, c, j)
			answers(t, c, j, name+" cannot be run: no such file or directory")
			err := sandbox.As(j.User, func() error {
				script := []byte("#!/bin/sh\n")
				if strings.HasPrefix(name, ".") {
					return os.WriteFile(j.file("made"), script, 0o755)
				}
				return os.WriteFile(j.file("made"), script, 0o644)
			})
			if err == nil && name == "./later" {
				err = os.Rename(j.file("made"), j.file("later"))
			} else if err == nil {
				if err = os.Mkdir(j.file("bin"), 0o755); err == nil {
					err = os.Rename(j.file("made"), j.file("bin/"+name))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if name != "./later" {
				answers(t, c, j, name+" cannot be run: permission denied")
				if err := os.Chmod(j.file("bin/"+name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for got := answer(t, c, j); !got.Ready; got = answer(t, c, j) {
				// It may be open for writing in a process that is just being made.
				if !strings.Contains(got.Answer, "text file busy") {
					t.Fatalf("%+v", got)
				}
			}
			stops(t, c, j)
		}
	})
}

func TestThereAreNeverTwoTriesAtATime(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		// Every second try is cut off by its time, and leaves its lock to the next, which
		// sees that its owner is gone.
		j := w.checked(t, waits, `
			echo >>tries
			if read -r pid <lock && kill -0 $pid; then echo >>two; fi
			echo $$ >lock
			n=$(wc -l <tries)
			if [ $n -ge 8 ]; then exit 0; fi
			if [ $((n % 2)) = 0 ]; then exec sleep 3600; fi
			exit 1`)
		j.Exec.Ready.EveryMS, j.Exec.Ready.TimeoutMS = 1, 300
		j.make(t, "lock")
		give(t, c, j)
		started(t, c, j)
		for !answer(t, c, j).Ready {
		}
		if n := j.lines("two"); n > 0 {
			t.Errorf("%d times a try began while another ran", n)
		}
		stops(t, c, j)
	})
}

func TestAJobThatStandsStillIsNotChecked(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		word := word(t)
		j := w.checked(t, waits, `echo >>tries; if [ -e go ]; then exit 0; fi; exec sleep `+word)
		give(t, c, j)
		started(t, c, j)
		until(t, "a try", func() bool { return living(t, word) == 1 })
		if err := c.Suspend(Suspend{Key: j.Key, On: true}); err != nil {
			t.Fatal(err)
		}
		until(t, "the end of the try", func() bool { return living(t, word) == 0 })
		tries := j.lines("tries")
		j.make(t, "go")
		if err := c.Suspend(Suspend{Key: j.Key, On: false}); err != nil {
			t.Fatal(err)
		}
		isReady(t, c, j) // and nothing was said of the try that was cut off
		if now := j.lines("tries"); now != tries+1 {
			t.Errorf("%d tries for one", now-tries)
		}
		stops(t, c, j)
	})
}

func TestTheCheckOfAJobThatIsToEndIsOver(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		for _, fast := range []bool{true, false} {
			word := word(t)
			j := w.checked(t, `trap 'until [ -e stop ]; do sleep 0.02; done; exit 0' TERM; while :; do sleep 0.02; done`, `exec sleep `+word)
			j.Exec.KillMS = patience.Milliseconds()
			give(t, c, j)
			started(t, c, j)
			until(t, "a try", func() bool { return living(t, word) == 1 })
			if err := c.Kill(Kill{Key: j.Key, Fast: fast}); err != nil {
				t.Fatal(err)
			}
			until(t, "the end of the try", func() bool { return living(t, word) == 0 })
			j.make(t, "stop")
			if r := ended(t, c, j); r.Kind != wire.Killed {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func TestAJobMayEndInTheMiddleOfATry(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		word := word(t)
		j := w.checked(t, `until [ -e tries ]; do sleep 0.02; done; exit 7`, `echo >>tries; exec sleep `+word)
		give(t, c, j)
		if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 7 || living(t, word) != 0 {
			t.Fatalf("%+v, and %d tries live", r, living(t, word))
		}
	})
}

func TestTheNextAgentHearsWhatACheckHasComeTo(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		j := w.checked(t, waits, `test -e there && echo >>tries`)
		give(t, c, j)
		started(t, c, j)
		answers(t, c, j, "exit 1")
		leave(c)
		j.make(t, "there")
		until(t, "a try that succeeds", func() bool { return j.lines("tries") > 0 })
		var next *Client
		until(t, "what it has come to", func() bool {
			var err error
			if next, err = Attach(t.Context(), w.cfg, c.Name()); err != nil {
				t.Fatal(err)
			}
			r := next.Ready()
			if r.Checked != nil && r.Checked.Ready && r.Checked.Key == j.Key && r.Checks {
				return true
			}
			leave(next)
			return false
		})
		t.Cleanup(func() { end(t, next) })
		stops(t, next, j)
		if n := j.lines("tries"); n != 1 {
			t.Errorf("%d tries succeeded", n)
		}
	})
}

func TestTriesAndOrphansAreToldApart(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		j := w.checked(t, `until [ -e stop ]; do (true &); (false &); done; exit 7`, `echo >>tries; test $(wc -l <tries) -gt 100`)
		j.Exec.Ready.EveryMS = 1
		give(t, c, j)
		started(t, c, j)
		answers(t, c, j, "exit 1")
		isReady(t, c, j)
		j.make(t, "stop")
		if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 7 {
			t.Fatalf("%+v", r)
		}
		// A process that cannot become the command ends too, and is nobody's news.
		j = w.checked(t, `for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.01 &); sleep 0.02; done; exit 7`, "")
		j.Exec.Ready.Command, j.Exec.Ready.EveryMS = []string{"./no-such-command"}, 1
		give(t, c, j)
		started(t, c, j)
		answers(t, c, j, "./no-such-command cannot be run: no such file or directory")
		if r := ended(t, c, j); r.Kind != wire.Exited || r.Code != 7 {
			t.Fatalf("%+v", r)
		}
	})
}

func TestAPortIsCheckedUntilItAccepts(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		// Bound and not listening: nobody else gets the port meanwhile.
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		j := w.checked(t, waits, "")
		j.Exec.Ready.Command, j.Exec.Ready.TCP = nil, name.(*unix.SockaddrInet4).Port
		give(t, c, j)
		started(t, c, j)
		answers(t, c, j, "connection refused")
		if err := unix.Listen(fd, 16); err != nil {
			t.Fatal(err)
		}
		isReady(t, c, j)
		stops(t, c, j)
	})
}

func TestAURLIsCheckedUntilItAnswersWell(t *testing.T) {
	var asks atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch asks.Add(1) {
		case 1:
			http.Error(rw, "warming\nup", http.StatusServiceUnavailable)
		case 2:
			http.Redirect(rw, r, "/elsewhere", http.StatusFound)
		default:
			if r.URL.Path != "/health" {
				http.NotFound(rw, r)
			}
		}
	}))
	defer srv.Close()
	inEachMode(t, func(t *testing.T, w *world) {
		asks.Store(0)
		c := w.spawn(t)
		j := w.checked(t, waits, "")
		j.Exec.Ready.Command, j.Exec.Ready.HTTP = nil, srv.URL+"/health"
		j.Exec.Env = []string{"HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1"}
		give(t, c, j)
		started(t, c, j)
		answers(t, c, j, "answered 503 Service Unavailable warming up")
		if got := answer(t, c, j); !strings.HasPrefix(got.Answer, "answered 302 Found") {
			t.Errorf("%+v", got)
		}
		isReady(t, c, j)
		stops(t, c, j)
	})
}

func TestTheMemoryOfTriesIsNotTheJobs(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	j := w.checked(t, waits, `head -c 150000000 /dev/zero | tail -c 150000000 | wc -c`)
	give(t, c, j)
	started(t, c, j)
	isReady(t, c, j)
	j.make(t, "stop")
	if r := ended(t, c, j); r.Usage.MaxRSSKB > 100_000 {
		t.Errorf("%+v", r)
	}
}

func TestWhatACheckSaysIsOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		" a\n\tb\r\n":           "a b",
		"\xff\xfe":              "?",
		strings.Repeat("é", 40): strings.Repeat("é", 28) + "...",
		strings.Repeat("x", 60): strings.Repeat("x", 60),
		"\x1b[31mred":           "\ufffd[31mred",
	} {
		if got := oneLine(text, 60); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
