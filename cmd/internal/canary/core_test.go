package canary

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asLeaky in the environment makes this a program that holds a secret and seals nothing.
const asLeaky = "CANARY_TEST_LEAKS"

// leak holds what it is told on its input, until it is killed.
func leak() {
	secret, err := io.ReadAll(io.LimitReader(os.Stdin, 64))
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString("ready\n")
	time.Sleep(time.Hour)
	os.Stdout.Write(secret)
}

// Programs that hold secrets leave no core, where others do: each is told to abort, and to
// show as much of itself as Go's runtime ever does. Nor does a plain user's other process
// look into them, but for a worker: see docs/security.md.
func TestProgramsWithSecretsLeaveNoCore(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(root, "bin")
	programs(t, bin)
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		t.Fatal(err)
	}
	if core.Max == 0 {
		t.Skip("this machine's limits allow nobody a core")
	}
	secret := "canary" + rand.Text()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(root, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	password := write("password", secret+"\n")
	config := write("schedd.hcl", `resource "ovirt" "engine" {
  url           = "https://127.0.0.1:1/ovirt-engine/api"
  username      = "admin@internal"
  password_file = "password"
  burst {
    template  = "worker"
    memory    = "512MiB"
    cores     = 1
    user_data = "password: `+secret+`\n"
  }
}
`)
	for _, p := range []struct {
		name  string
		args  []string
		env   []string
		input string // after which it is ready, and has its secret
		ready string // what it says then, on standard output or in its log
		core  bool
		seen  bool // a plain user's other processes may look into it
	}{
		{name: "a program that seals nothing", args: []string{self}, env: []string{asLeaky + "=1"}, input: secret + strings.Repeat(" ", 64-len(secret)), ready: "ready", core: true, seen: true},
		{name: "gschedd", args: []string{filepath.Join(bin, "gschedd"), "--log-level", "debug", "--dir", filepath.Join(root, "d"), "--config", config}, ready: "schedd is ready"},
		{
			name: "ovirt_gahp", args: []string{filepath.Join(bin, "ovirt_gahp"), "--log-level", "debug", "--url", "https://127.0.0.1:1/ovirt-engine/api", "--username", "admin@internal", "--password-file", password},
			input: "VM_PING 1 60000\r\n", ready: "engine call failed",
		},
		{name: "gworker", args: []string{filepath.Join(bin, "gworker"), "--log-level", "debug", "--schedd", filepath.Join(root, "nobody"), "--state", filepath.Join(root, "w")}, ready: "level=", seen: true},
	} {
		t.Run(p.name, func(t *testing.T) {
			dir := t.TempDir()
			out, err := os.Create(filepath.Join(dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			// A shell has the limits that a careless administrator gives; the program is
			// executed in its place.
			c := exec.Command("sh", append([]string{"-c", `ulimit -c "$0" && exec "$@"`, limitOf(core.Max)}, p.args...)...)
			c.Dir, c.Stdout, c.Stderr = dir, out, out
			c.Env = append(append(os.Environ(), "GOTRACEBACK=crash"), p.env...)
			in, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer c.Process.Kill()
			if _, err := io.WriteString(in, p.input); err != nil {
				t.Fatal(err)
			}
			says(t, filepath.Join(dir, "log"), p.ready)
			if os.Geteuid() != 0 { // root sees everything
				_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.Process.Pid))
				if (err == nil) != p.seen {
					t.Errorf("its environment, to another process of its user: %v", err)
				}
			}
			if err := c.Process.Signal(syscall.SIGABRT); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // that it was aborted is asked for below
			status := c.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() {
				t.Fatalf("it was not aborted: %v", c.ProcessState)
			}
			switch {
			case p.core && !status.CoreDump():
				t.Skip("this machine writes no cores, whatever is asked for: nothing can be shown here")
			case p.core:
				return
			case status.CoreDump():
				t.Error("it has left a core")
			}
			s := New()
			if err := s.Plant("the secret", secret); err != nil {
				t.Fatal(err)
			}
			if err := s.Tree(dir, func(string) []string { return nil }); err != nil { // what it said of itself
				t.Fatal(err)
			}
			for _, f := range s.Found() {
				t.Error(f)
			}
		})
	}
}

func limitOf(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return "1"
}

// says waits until a program has said something in its log.
func says(t *testing.T, log, what string) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for late := time.After(patience); ; {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(what)) {
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it does not say %q, but:\n%s", what, b)
		}
	}
}
