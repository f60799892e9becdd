// Package cmd_test runs the scripts of testdata/script over the real commands.
package cmd_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/manual"
	"gridburst/internal/desk"
	"gridburst/internal/script"
)

// TestMain is also every command, and a desk of the schedd.
func TestMain(m *testing.M) {
	desk.Main()
	script.Main()
	// Scripts wait for daemons, most of the time.
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	programs := map[string]func(){"listens": listens}
	for _, c := range manual.Commands {
		programs[c.Name] = func() { os.Exit(cli.Main(c.Make)) }
	}
	testscript.Main(m, programs)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			e.Setenv("GRIDBURST_SCHEDD", filepath.Join(e.WorkDir, "g"))
			e.Setenv("NO_COLOR", "1")
			corpus, err := filepath.Abs("../schedd/submit/testdata/corpus/submit")
			if err != nil {
				return err
			}
			e.Setenv("CORPUS", corpus)
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Setenv("CONDOR", os.Getenv("GRIDBURST_CONDOR"))
			e.Setenv("SERVICES", os.Getenv("GRIDBURST_SERVICES"))
			shown, err := filepath.Abs(examples)
			if err != nil {
				return err
			}
			e.Setenv("EXAMPLES", shown)
			if os.Getuid() == 0 { // other users come along
				bin, _, _ := strings.Cut(e.Getenv("PATH"), string(os.PathListSeparator))
				for _, dir := range []string{filepath.Dir(e.WorkDir), e.WorkDir, bin, filepath.Dir(bin)} {
					if err := os.Chmod(dir, 0o755); err != nil {
						return err
					}
				}
			}
			e.Values[daemonsKey{}] = &daemons{by: map[string]*exec.Cmd{}}
			e.Defer(func() { endWorkersBelow(e.WorkDir) })
			return os.MkdirAll(home, 0o755)
		},
		Condition: func(c string) (bool, error) {
			switch c {
			case "root":
				return os.Getuid() == 0, nil
			case "condor":
				return os.Getenv("GRIDBURST_CONDOR") != "", nil
			case "services":
				return os.Getenv("GRIDBURST_SERVICES") != "", nil
			case "slow": // minutes may pass
				return os.Getenv("GRIDBURST_SLOW") != "", nil
			}
			return false, fmt.Errorf("no such condition: %s", c)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "launch": launch, "finish": finish, "crash": crash, "exits": exits, "patch": patch, "truncate": truncate, "netns": netns, "after": after, "reaches": reaches, "reserve": reserve, "loopback": loopback,
		},
	})
}

// endWorkersBelow ends what a script's workers leave running for their next start: the
// runners of jobs without an end, and a local worker whose schedd was killed.
func endWorkersBelow(dir string) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, line := range lines {
		text, _ := os.ReadFile(line)
		argv := strings.Split(string(text), "\x00")
		if filepath.Base(argv[0]) != "gworker" || !strings.Contains(string(text), dir+"/") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(line))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// daemons are a script's, by the names that it gives them.
type daemons struct{ by map[string]*exec.Cmd }

type daemonsKey struct{}

func daemonsOf(ts *testscript.TestScript) *daemons { return ts.Value(daemonsKey{}).(*daemons) }

// start NAME COMMAND ARG... starts a daemon and waits until it says that it is ready.
func start(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND ARG...")
	}
	notify := ts.MkAbs(args[0] + ".ready")
	ts.Check(removeIfThere(notify))
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	ts.Check(err)
	defer told.Close()
	ts.Check(os.Chmod(notify, 0o666)) // the daemon may be another user's
	begin(ts, args, "NOTIFY_SOCKET="+notify)
	ts.Check(told.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := told.Read(make([]byte, 64)); err != nil {
		text, _ := os.ReadFile(ts.MkAbs(args[0] + ".log"))
		ts.Fatalf("%s is not ready: %v\n%s", args[0], err, text)
	}
}

// launch NAME COMMAND ARG... starts a daemon that tells nobody when it is ready.
func launch(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: launch NAME COMMAND ARG...")
	}
	begin(ts, args)
}

// begin starts a daemon. What it logs goes to NAME.log. At the script's end it is told
// to end.
func begin(ts *testscript.TestScript, args []string, env ...string) {
	log, err := os.OpenFile(ts.MkAbs(args[0]+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	ts.Check(err)
	defer log.Close()
	program, err := lookPath(ts, args[1])
	ts.Check(err)
	cmd := exec.Command(program, args[2:]...)
	cmd.Args[0] = args[1]
	cmd.Dir = ts.MkAbs(".")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = env
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "GOCOVERDIR", "GRIDBURST_SCHEDD"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	ts.Check(cmd.Start())
	all := daemonsOf(ts)
	all.by[args[0]] = cmd
	ts.Setenv("PID_"+args[0], strconv.Itoa(cmd.Process.Pid))
	ts.Defer(func() {
		if all.by[args[0]] == cmd {
			cmd.Process.Signal(syscall.SIGTERM)
			kill := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
			cmd.Wait()
			kill.Stop()
		}
	})
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if p := filepath.Join(dir, name); dir != "" {
			if _, err := os.Stat(p); err == nil {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not in PATH", name)
}

// finish NAME tells a daemon to end, which it must do with exit status 0.
func finish(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	if err := end(ts, args, syscall.SIGTERM); err != nil {
		text, _ := os.ReadFile(ts.MkAbs(name + ".log"))
		ts.Fatalf("%s: %v\n%s", name, err, text)
	}
}

// crash NAME kills a daemon at once.
func crash(ts *testscript.TestScript, _ bool, args []string) { end(ts, args, syscall.SIGKILL) }

func end(ts *testscript.TestScript, args []string, sig syscall.Signal) error {
	if len(args) != 1 {
		ts.Fatalf("usage: finish NAME, crash NAME")
	}
	all := daemonsOf(ts)
	cmd := all.by[args[0]]
	if cmd == nil {
		ts.Fatalf("there is no %s", args[0])
	}
	delete(all.by, args[0])
	ts.Check(cmd.Process.Signal(sig))
	return cmd.Wait()
}

// exits STATUS COMMAND ARG... runs a command that ends with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("it exits with %d, not %d", got, want)
	}
}

// patch FILE OLD NEW replaces bytes, in hexadecimal, wherever they are.
func patch(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	before, err := hex.DecodeString(args[1])
	ts.Check(err)
	after, err := hex.DecodeString(args[2])
	ts.Check(err)
	if !bytes.Contains(b, before) {
		ts.Fatalf("%s does not hold %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.ReplaceAll(b, before, after), 0o600))
}

// truncate FILE SIZE cuts a file short.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// netns HERE THERE makes a network of its own, $NETNS, with the address THERE, that sees
// this one as HERE. It goes at the script's end.
func netns(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: netns HERE THERE")
	}
	name := fmt.Sprintf("gb%d", os.Getpid())
	ip := func(args ...string) {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			ts.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	ts.Defer(func() {
		exec.Command("ip", "link", "del", name).Run()
		exec.Command("ip", "netns", "del", name).Run()
	})
	ip("netns", "add", name)
	ip("link", "add", name, "type", "veth", "peer", "name", "up0", "netns", name)
	ip("addr", "add", args[0]+"/30", "dev", name)
	ip("link", "set", name, "up")
	ip("-n", name, "addr", "add", args[1]+"/30", "dev", "up0")
	ip("-n", name, "link", "set", "up0", "up")
	ip("-n", name, "link", "set", "lo", "up")
	ts.Setenv("NETNS", name)
}

// reaches JOB STATUS waits until the queue says that a job has that status.
func reaches(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: reaches JOB STATUS")
	}
	gq, err := lookPath(ts, "gq")
	ts.Check(err)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	got := ""
	for late := time.After(time.Minute); got != args[1]; {
		select {
		case <-look.C:
		case <-late:
			ts.Fatalf("%s has status %s, not %s", args[0], got, args[1])
		}
		cmd := exec.Command(gq, args[0], "-af", "JobStatus")
		cmd.Env = []string{"GRIDBURST_SCHEDD=" + ts.Getenv("GRIDBURST_SCHEDD"), "HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}
		out, _ := cmd.Output() // a job that has left, or a schedd that is away
		got = strings.TrimSpace(string(out))
	}
}

// after COMMAND ARG... runs a command when the script has ended, however it did.
func after(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(".")
	ts.Defer(func() {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Logf("%v: %v: %s", args, err, out)
		}
	})
}
