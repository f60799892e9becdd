package runner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// daemon is a script that leaves a process behind which has done everything to get
// away: two forks, two sessions, and no parent. It has the word in its command line
// and makes the file "away" once it is there.
func daemon(word string) string {
	return `setsid sh -c 'setsid sh -c "trap : HUP TERM INT; : >away; exec sleep 77` + word + `" &' & while ! [ -e away ]; do sleep 0.01; done; `
}

func TestNothingOfAJobOutlivesIt(t *testing.T) {
	for name, script := range map[string]func(string) string{
		"a daemon":                          daemon,
		"a daemon without its environment":  func(w string) string { return strings.ReplaceAll(daemon(w), "exec sleep", "exec env -i sleep") },
		"background processes":              func(w string) string { return `sleep 77` + w + ` & sleep 77` + w + ` & : >away; ` },
		"processes that are stopped":        func(w string) string { return `sleep 77` + w + ` & kill -STOP $!; : >away; ` },
		"a process that makes others, fast": func(w string) string { return `(while :; do (sleep 77` + w + ` &) ; done) & sleep 0.2; : >away; ` },
		"a tree of processes, made together": func(w string) string {
			return `f() { [ $1 = 0 ] && sleep 77` + w + ` || { f $(($1-1)) & f $(($1-1)) & wait; }; }; f 5 & : >away; `
		},
	} {
		t.Run(name, func(t *testing.T) {
			inEachMode(t, func(t *testing.T, w *world) {
				word := word(t)
				c := w.spawn(t)
				j := w.job(t, owner(), script(word)+`exit 4`)
				give(t, c, j)
				r := ended(t, c, j)
				if n := living(t, word); n > 0 {
					t.Errorf("%d processes live after the end", n)
				}
				if !exists(j.file("away")) || r.Kind != wire.Exited || r.Code != 4 {
					t.Fatalf("%+v", r)
				}
				// And the runner is as good as before.
				j = w.job(t, owner(), `exit 5`)
				give(t, c, j)
				if r := ended(t, c, j); r.Code != 5 {
					t.Fatalf("the next job: %+v", r)
				}
			})
		})
	}
}

func TestNothingOfAJobOutlivesItsRunner(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		word := word(t)
		c := w.spawn(t)
		j := w.job(t, owner(), daemon(word)+`sleep 77`+word)
		give(t, c, j)
		started(t, c, j)
		until(t, "the daemon", func() bool { return exists(j.file("away")) && living(t, word) >= 2 })
		if err := c.KillRunner(); err != nil {
			t.Fatal(err)
		}
		closed(t, c)
		if n := living(t, word); n > 0 {
			t.Fatalf("%d processes live, and the runner's death was told", n)
		}
		if _, ok := Result(w.journal, j.Key); ok {
			t.Fatal("an attempt without an end has a result")
		}
	})
}

func TestWithACgroupNotEvenAWipedEnvironmentHidesAProcess(t *testing.T) {
	w := newWorld(t, wire.ProcessGroups)
	c := w.spawn(t)
	if c.Ready().Cgroup == "" {
		t.Skip("needs a cgroup of version 2 that this user may make: ", c.Ready().Notes)
	}
	word := word(t)
	j := w.job(t, owner(), strings.ReplaceAll(daemon(word), "exec sleep", "exec env -i sleep")+`sleep 77`+word)
	give(t, c, j)
	until(t, "the daemon", func() bool { return exists(j.file("away")) && living(t, "sleep\x0077"+word) >= 2 })
	if err := c.KillRunner(); err != nil {
		t.Fatal(err)
	}
	closed(t, c)
	if n := living(t, word); n > 0 {
		t.Fatalf("%d processes live", n)
	}
	if exists(c.Ready().Cgroup) {
		t.Fatal("the cgroup is left")
	}
}

func TestTheDeadRunnerOfADeadAgentIsBuriedByTheNext(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		word := word(t)
		c := w.spawn(t)
		j := w.job(t, owner(), daemon(word)+`sleep 77`+word)
		give(t, c, j)
		until(t, "the daemon", func() bool { return exists(j.file("away")) && living(t, word) >= 2 })
		// The next agent knows the directory alone. It comes while the processes live, and
		// the runner is a zombie at the most: what the first agent does is not its business.
		if err := syscall.Kill(c.id.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "the runner's end", func() bool {
			_, err := Attach(t.Context(), w.cfg, c.Name())
			return grid.CodeOf(err) == grid.NotFound
		})
		if n := living(t, word); n > 0 {
			t.Fatalf("%d processes live, and the runner was said to be dead", n)
		}
	})
}

func TestInNamespacesAJobSeesItselfAndNothingOfTheWorker(t *testing.T) {
	for _, i := range []wire.Isolation{wire.Namespaces, wire.UserNamespaces} {
		t.Run(string(i), func(t *testing.T) {
			if os.Geteuid() == 0 && i == wire.UserNamespaces {
				t.Skip("a worker that is root has no use for it")
			}
			w := newWorld(t, i)
			c := w.spawn(t)
			if len(c.Ready().Notes) > 0 {
				t.Skip("this machine allows less: ", c.Ready().Notes)
			}
			j := w.job(t, owner(), `ls -d /proc/[0-9]* | wc -l; ls `+w.cfg.State+` 2>&1 | grep -c runner; echo shm >/dev/shm/x; ls /dev/shm; df /dev/shm | tail -1 | awk '{print $2}'; ipcmk -M 4096 >/dev/null && ipcs -m | grep -c ^0x`)
			j.Exec.MemoryMB = 7
			give(t, c, j)
			ended(t, c, j)
			lines := strings.Fields(j.output(t))
			if len(lines) != 5 || lines[1] != "0" || lines[2] != "x" || lines[3] != strconv.Itoa(7<<10) || lines[4] != "1" {
				t.Fatalf("%q", lines)
			}
			// The runner, the shell, ls and wc, and what lies between.
			if n, err := strconv.Atoi(lines[0]); err != nil || n < 3 || n > 6 {
				t.Errorf("it sees %s processes", lines[0])
			}
			if exists("/dev/shm/x") {
				t.Error("its shared memory is the machine's")
			}
			// The next one finds nothing of it.
			j = w.job(t, owner(), `ls /dev/shm | wc -l; ipcs -m | grep -c ^0x`)
			give(t, c, j)
			ended(t, c, j)
			if out := j.output(t); out != "0\n0\n" {
				t.Errorf("left by the job before: %q", out)
			}
		})
	}
}

func TestAJobsTmpIsItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the worker's directory must not lie below /tmp, so one is mounted")
	}
	if os.Getenv("GRIDBURST_TEST_MOUNTED") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "GRIDBURST_TEST_MOUNTED=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := syscall.Mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	w := worldIn(t, "/mnt/worker", wire.Namespaces)
	c := w.spawn(t)
	name := "gridburst-" + word(t)
	for _, again := range []bool{false, true} {
		j := w.job(t, another, `echo $TMPDIR; ls -A /tmp /var/tmp | grep -v :; touch /tmp/`+name+` /var/tmp/also`)
		give(t, c, j)
		ended(t, c, j)
		if out := strings.TrimSpace(j.output(t)); out != "/tmp" {
			t.Errorf("second job: %v; it sees %q", again, out)
		}
		if exists(filepath.Join("/tmp", name)) || !exists(filepath.Join(j.Box, "tmp", name)) || !exists(filepath.Join(j.Box, "tmp/also")) {
			t.Error("what it put into /tmp is not in its sandbox")
		}
	}
	// A job that works below /tmp keeps the machine's.
	dir, err := os.MkdirTemp("/tmp", "gridburst")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, int(another.UID), -1); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, "/mnt/link"); err != nil {
		t.Fatal(err)
	}
	for _, iwd := range []string{dir, "/mnt/link"} {
		j := w.job(t, another, `pwd -P; echo $TMPDIR; ls -d `+dir+`; ls -A /var/tmp | wc -l`)
		j.Exec.Iwd = iwd
		give(t, c, j)
		if r := ended(t, c, j); r.Kind != wire.Exited {
			t.Fatalf("%+v", r)
		}
		out, err := os.ReadFile(filepath.Join(dir, "out"))
		if want := fmt.Sprintf("%s\n%s/tmp\n%s\n0\n", dir, j.Box, dir); err != nil || string(out) != want {
			t.Errorf("in %s: %q, want %q", iwd, out, want)
		}
	}
}

func TestWhatAJobTriesAgainstItsRunnerFails(t *testing.T) {
	for _, i := range []wire.Isolation{wire.Namespaces, wire.UserNamespaces} {
		t.Run(string(i), func(t *testing.T) {
			if os.Geteuid() == 0 && i == wire.UserNamespaces {
				t.Skip("a worker that is root has no use for it")
			}
			w := newWorld(t, i)
			c := w.spawn(t)
			tries := []string{
				`kill -9 1; kill -STOP 1; false`,
				`kill -9 -1 & wait; false`,
				`echo x >/proc/1/mem`,
				`cat /proc/1/environ`,
				`ls /proc/1/fd/ >/dev/null`,
				`cd /proc/1/root`,
				`cat /proc/1/maps`,
				`mount -t tmpfs none /mnt`,
				`umount /dev/shm`,
				`umount ` + w.cfg.State,
				`ls ` + w.cfg.State + `/runner`,
				`mknod zero c 1 5`,
				`chroot /`,
				`hostname other`,
				`nsenter -t 1 -m true`,
				`nsenter -t 1 -p true`,
				`echo 1 >/proc/sys/kernel/sysrq`,
				`ln -s / out.d; rm -f out; ln -s /etc/passwd out; echo x >>out`,
			}
			for _, try := range tries {
				t.Run(try, func(t *testing.T) {
					if i == wire.UserNamespaces && (strings.HasPrefix(try, "kill") || strings.Contains(try, "hostname")) {
						// As the runner's own user a job may signal it: that ends the job itself.
						t.Skip("the job has the runner's uid here")
					}
					j := w.job(t, owner(), `(`+try+`) 2>/dev/null && echo won; exit 0`)
					give(t, c, j)
					r := ended(t, c, j)
					if r.Kind != wire.Exited {
						t.Fatalf("%+v", r)
					}
					if b, err := os.ReadFile(j.file("out")); err == nil && strings.Contains(string(b), "won") {
						t.Error("it did")
					}
				})
			}
			j := w.job(t, owner(), `exit 6`)
			give(t, c, j)
			if r := ended(t, c, j); r.Code != 6 {
				t.Fatalf("the runner after all that: %+v", r)
			}
		})
	}
}

func TestASetuidProgramGivesAJobNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it takes a setuid program")
	}
	inEachMode(t, func(t *testing.T, w *world) {
		c := w.spawn(t)
		j := w.job(t, another, `./id -u`)
		b, err := os.ReadFile("/usr/bin/id")
		if err == nil {
			err = errors.Join(os.WriteFile(j.file("id"), b, 0o755), os.Chmod(j.file("id"), 0o4755|os.ModeSetuid))
		}
		if err != nil {
			t.Fatal(err)
		}
		give(t, c, j)
		ended(t, c, j)
		if out := j.output(t); out != "61001\n" {
			t.Fatalf("it runs as %s", out)
		}
	})
}

// In the weaker mode a runner kills what descends from it and nothing else.
func TestOtherProcessesOfTheOwnerAreLeftAlone(t *testing.T) {
	inEachMode(t, func(t *testing.T, w *world) {
		word := word(t)
		c := w.spawn(t)
		bystander := exec.Command("sleep", "1000")
		if u := owner(); !u.IsSelf() {
			bystander.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID}}
		}
		if err := bystander.Start(); err != nil {
			t.Fatal(err)
		}
		died := make(chan error, 1)
		go func() { died <- bystander.Wait() }()
		j := w.job(t, owner(), daemon(word))
		give(t, c, j)
		ended(t, c, j)
		end(t, c)
		select {
		case <-died:
			t.Fatal("it was killed")
		case <-time.After(50 * time.Millisecond): // as long as it takes to notice a kill that has been sent
		}
		if err := bystander.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-died
	})
}

func TestStatIsReadWhateverTheCommandIsCalled(t *testing.T) {
	tail := " S 12 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1000 10 18446744073709551615 1 1"
	for _, name := range []string{"sh", "a b", ") R 1 (", "((", "x) S 99 1", ""} {
		s, err := parseStat([]byte("5 (" + name + ")" + tail))
		if err != nil || s.parent != 12 || s.start != 987654 || s.state != 'S' {
			t.Errorf("%q: %+v, %v", name, s, err)
		}
	}
	for _, bad := range []string{"", "5", "5 (x)", "5 (x) S 12", "5 (x) S a" + tail[4:], "5 (x)" + strings.Replace(tail, "987654", "-", 1)} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, s)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("5 (sh) S 12 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(b); err == nil && s.state == 0 {
			t.Fatalf("%q: %+v", b, s)
		}
	})
}

func TestANumberAloneIsNoIdentity(t *testing.T) {
	start, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p, err := openProcess(os.Getpid(), start)
	if err != nil {
		t.Fatal(err)
	}
	p.close()
	if _, err := openProcess(os.Getpid(), start+1); !errors.Is(err, errGone) {
		t.Fatalf("this process with another start: %v", err)
	}
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := openProcess(cmd.Process.Pid, start); !errors.Is(err, errGone) {
		t.Fatalf("a process that has ended: %v", err)
	}
}
